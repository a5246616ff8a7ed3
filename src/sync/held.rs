//! Refused deliveries that are believed by now: when a key was corrected, what came meanwhile is taken in.
//!
//! Only of the channel whose key it was, and only what came so lately that the marketplace would still try again: the
//! rest is for a person to look at.

use super::{Sync, SyncError};
use crate::channels::{self, Directory};
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, Source, Timestamp, Work};
use crate::inbox::{self, Believed, Decided, NotBelieved, RETRY_WINDOW};
use crate::marketplaces::{self, Marketplace, WebhookKeys};
use crate::queue::{self, NewJob};
use entity::quarantine;
use sea_orm::DbErr;
use std::collections::HashMap;

/// Requests that are read in one go.
const PAGE: u64 = 50;
/// Who takes them in.
const BY: Decided<'static> = Decided {
    by: "marketsink",
    why: "it verifies with the channel's keys of now",
};

/// Asks for a look at what is held for a channel, in the transaction that corrected its key.
///
/// # Errors
/// When the database refuses.
pub(super) async fn check_later(
    tx: &Tx,
    (channel, merchant): (ChannelId, MerchantId),
    now: Timestamp,
) -> Result<(), DbErr> {
    let since = now - RETRY_WINDOW;
    let held = inbox::held_of_channel(tx, channel, since, (0, 1)).await?;
    if held.is_empty() {
        return Ok(());
    }
    let job = NewJob {
        merchant,
        channel,
        work: Work::CHECK_QUARANTINE,
        source: Source::Replay,
        run_at: None,
    };
    queue::enqueue(tx, &[job], now).await?;
    Ok(())
}

impl Sync {
    /// Takes in every request held for the channel that verifies now and came within the retry window. Returns how many
    /// did, and how many still do not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_believed(&self, channel: ChannelId) -> Result<(u64, u64), SyncError> {
        let connection = self.unremoved(channel).await?;
        let directory = self.directory();
        let (mut after, mut released, mut refused) = (0, 0, 0);
        loop {
            let now = self.shared.clock.now();
            let page = self.held_lately(connection.id, after).await?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.id;
            for row in &page {
                let believed = inbox::verify_held(&directory, connection.merchant, row, now).await;
                match ours(believed)? {
                    None => refused += 1,
                    Some(believed) => {
                        let tx = self.db().write_tx().await?;
                        let done = inbox::release_held(&tx, row.id, &believed, BY, now).await?;
                        tx.commit().await?;
                        released += u64::from(done.is_some());
                    }
                }
            }
        }
        if released > 0 {
            self.shared.queue.wake();
            tracing::info!(
                channel.id = connection.id.0,
                released,
                refused,
                "refused deliveries verify now and were taken in"
            );
        }
        Ok((released, refused))
    }

    /// How many of the requests held for the channel and received within the retry window verify now, and how many do
    /// not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn believed_now(&self, channel: ChannelId) -> Result<(u64, u64), SyncError> {
        let connection = channels::connection_of(self.db().read(), channel).await?;
        let (directory, now) = (self.directory(), self.shared.clock.now());
        let (mut after, mut believed, mut refused) = (0, 0, 0);
        loop {
            let page = self.held_lately(connection.id, after).await?;
            let Some(last) = page.last() else {
                return Ok((believed, refused));
            };
            after = last.id;
            for row in &page {
                let verified = inbox::verify_held(&directory, connection.merchant, row, now).await;
                match ours(verified)? {
                    Some(_) => believed += 1,
                    None => refused += 1,
                }
            }
        }
    }

    /// Asks for a look at what is held for any channel: keys of our own apps change while the program does not run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn check_held(&self) -> Result<usize, SyncError> {
        let now = self.shared.clock.now();
        let channels = inbox::channels_with_held(self.db(), now - RETRY_WINDOW).await?;
        if channels.is_empty() {
            return Ok(0);
        }
        let tx = self.db().write_tx().await?;
        for owner in &channels {
            check_later(&tx, *owner, now).await?;
        }
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(channels.len())
    }

    async fn held_lately(
        &self,
        channel: ChannelId,
        after: i64,
    ) -> Result<Vec<quarantine::Model>, SyncError> {
        let since = self.shared.clock.now() - RETRY_WINDOW;
        let read = self.db().read();
        Ok(inbox::held_of_channel(read, channel, since, (after, PAGE)).await?)
    }

    /// Who is behind which address, and with which keys, asked anew.
    fn directory(&self) -> Directory {
        let keys = |marketplace: &'static dyn Marketplace| {
            let slug = marketplace.slug();
            let api = self.shared.apis.get(slug);
            let told = api.and_then(|api| api.webhook_url.clone());
            let secrets = api.map(|api| api.secrets.clone()).unwrap_or_default();
            let address = told.unwrap_or_else(|| format!("{}/webhooks/{slug}", self.public_url()));
            let keys = WebhookKeys {
                keys: marketplace.app_keys(&secrets),
                address,
            };
            (slug, keys)
        };
        let all = marketplaces::all().iter().copied();
        let app_keys: HashMap<&'static str, WebhookKeys> = all
            .filter(|marketplace| marketplace.limits().webhook_address.is_per_app())
            .map(keys)
            .collect();
        let shared = &self.shared;
        Directory::new(shared.db.clone(), shared.sealer.clone(), app_keys)
    }
}

/// What is believed; `None` for what is not.
fn ours(verified: Result<Believed, NotBelieved>) -> Result<Option<Believed>, SyncError> {
    match verified {
        Ok(believed) => Ok(Some(believed)),
        Err(NotBelieved::Db(error)) => Err(error.into()),
        Err(NotBelieved::Channel(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}
