//! Staying connected: webhook subscriptions that are looked at and mended, webhook secrets that are replaced,
//! and the end of a connection.
//!
//! Marketplaces switch webhooks off by themselves: WooCommerce after a few failures, Shopify by deleting
//! them. Scans find what is missed then; this finds out why, and asks again.

use super::{
    Lane, Sync, SyncError, connect::random_bytes, error::ChannelTrouble, held::check_later,
};
use crate::accounts::Deed;
use crate::channels::{self, Channel, ChannelState};
use crate::db::Tx;
use crate::domain::{ChannelId, Source, Timestamp, Work};
use crate::marketplaces::{
    Marketplace, MarketplaceError, Subscribed, Subscribing, SubscriptionState, WebhookAddress,
};
use crate::queue::{self, NewJob};
use serde_json::json;
use std::time::Duration;

/// How long the marketplace is asked to forget a shop that is removed: the rest does not wait for it longer.
const FAREWELL: Duration = Duration::from_secs(60);

/// A webhook secret that was replaced.
#[derive(Debug)]
pub struct RotatedSecret {
    /// To be pasted where the webhooks were set up by hand; `None` where the marketplace was told.
    pub to_paste: Option<String>,
    /// The marketplace cannot be told: a person sees to it that it signs with the new one.
    pub by_hand: bool,
    /// Where the channel's webhooks come to when they are signed with its own secret.
    pub webhook_url: String,
    /// The one before is accepted until then, and longer where the marketplace could not be told yet.
    pub overlap_ends_at: Timestamp,
    /// What was changed at the marketplace, in words; or why it could not be told. Then the check of the
    /// subscriptions goes on trying.
    pub told: Result<Vec<String>, SyncError>,
}

/// A connection that was ended.
#[derive(Debug)]
pub struct Disconnected {
    /// The channels that shared it.
    pub channels: Vec<ChannelId>,
    /// What was changed at the marketplace, in words; or why it could not be told.
    pub webhooks: Result<Vec<String>, SyncError>,
    /// Jobs that waited and do not any more.
    pub cancelled: u64,
}

impl Sync {
    /// Where a channel's marketplace sends its webhooks.
    pub fn webhook_url(&self, connection: &Channel) -> String {
        let api = self.shared.apis.get(connection.marketplace.slug());
        // The address is signed in some schemes: it must be the one that webhooks are verified with.
        if let Some(address) = api.and_then(|api| api.webhook_url.clone()) {
            return address;
        }
        match connection.marketplace.limits().webhook_address {
            WebhookAddress::App | WebhookAddress::Either => {
                let slug = connection.marketplace.slug();
                format!("{}/webhooks/{slug}", self.public_url())
            }
            WebhookAddress::Channel => self.channel_url(connection),
        }
    }

    /// The address of this channel alone, whose webhooks are signed with its own secret.
    pub fn channel_url(&self, connection: &Channel) -> String {
        let slug = connection.marketplace.slug();
        let address = &connection.address;
        format!("{}/webhooks/{slug}/{address}", self.public_url())
    }

    pub(super) fn public_url(&self) -> &str {
        self.shared.options.public_url.trim_end_matches('/')
    }

    /// Looks how the webhook subscriptions of a connection stand, asks again for those that do not, and
    /// writes down how they stand then.
    ///
    /// While a webhook secret is being replaced it asks again in any case: secrets cannot be read back, so
    /// only telling the new one makes sure that it is known.
    ///
    /// # Errors
    /// When the marketplace cannot be asked. What was found before is written down all the same.
    pub async fn check_subscriptions(&self, channel: ChannelId) -> Result<(), SyncError> {
        let connection = self.connection(channel).await?;
        let marketplace = connection.marketplace;
        if marketplace.limits().subscribing == Subscribing::ByHand {
            return Ok(());
        }
        let access = self.access(&connection, Lane::Scan).await?;
        let address = self.webhook_url(&connection);
        let found = match marketplace.subscriptions(&access, &address).await {
            Ok(found) => found,
            Err(error) => return Err(self.mild_trouble(&connection, access.version, error).await),
        };
        let broken = found.as_deref().map(|found| broken(&connection, found));
        let secrets = self.webhook_keys(&connection).await?;
        let is_untold = channels::untold_secret(self.db().read(), connection.id)
            .await?
            .is_some();
        let is_settled =
            broken.as_ref().is_some_and(Vec::is_empty) && secrets.len() < 2 && !is_untold;
        if is_settled {
            return self.note(&connection, found.as_deref(), &[]).await;
        }
        let current = secrets.first().map_or("", String::as_str);
        let changes = match marketplace.subscribe(&access, &address, current).await {
            Ok(changes) => changes,
            Err(error) => {
                self.note(&connection, found.as_deref(), &[]).await?;
                return Err(self.mild_trouble(&connection, access.version, error).await);
            }
        };
        self.note_told(&connection, current).await?;
        for change in &changes {
            tracing::warn!(
                channel.id = connection.id.0,
                change,
                "a webhook subscription was mended; scans find what it missed"
            );
        }
        let now = match marketplace.subscriptions(&access, &address).await {
            Ok(now) => now,
            Err(error) => return Err(self.mild_trouble(&connection, access.version, error).await),
        };
        // Nothing was changed where only a person can, and then nothing was mended.
        let mended = broken.filter(|_| !changes.is_empty()).unwrap_or_default();
        self.note(&connection, now.as_deref(), &mended).await
    }

    /// Notes that the shop was told its current webhook secret, if `secret` is that: another may have been made
    /// meanwhile.
    pub(super) async fn note_told(
        &self,
        connection: &Channel,
        secret: &str,
    ) -> Result<(), SyncError> {
        let Some(untold) = channels::untold_secret(self.db().read(), connection.id).await? else {
            return Ok(());
        };
        if self
            .webhook_keys(connection)
            .await?
            .first()
            .map(String::as_str)
            == Some(secret)
        {
            let tx = self.db().write_tx().await?;
            channels::mark_told(&tx, connection.id, untold, self.shared.clock.now()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Where a person carries the secret to the shop, nobody tells us when that is done.
    pub(super) async fn note_if_by_hand(
        &self,
        tx: &Tx,
        marketplace: &dyn Marketplace,
        channel: ChannelId,
        secret: i64,
    ) -> Result<(), SyncError> {
        if !tells_secret(marketplace) {
            channels::mark_told(tx, channel, secret, self.shared.clock.now()).await?;
        }
        Ok(())
    }

    /// The secrets of the connection's own webhooks that are accepted, current first.
    async fn webhook_keys(&self, connection: &Channel) -> Result<Vec<String>, SyncError> {
        let (db, now) = (self.db().read(), self.shared.clock.now());
        let sealer = &self.shared.sealer;
        let keys = channels::secrets_of_connection(db, sealer, connection.id, now).await?;
        Ok(keys.keys.into_iter().map(|key| key.secret).collect())
    }

    async fn note(
        &self,
        connection: &Channel,
        found: Option<&[Subscribed]>,
        mended: &[String],
    ) -> Result<(), SyncError> {
        let Some(found) = found else {
            return Ok(());
        };
        let owner = (connection.id, connection.merchant);
        let tx = self.db().write_tx().await?;
        // Removed meanwhile: it has no subscriptions any more.
        if channels::load(&tx, connection.id).await?.state != ChannelState::Removed {
            let now = self.shared.clock.now();
            channels::note_subscriptions(&tx, owner, found, mended, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Writes down what asking for webhooks at connecting tells of them.
    pub(super) async fn note_asked_for(
        &self,
        connection: &Channel,
        is_done: bool,
    ) -> Result<(), SyncError> {
        let limits = connection.marketplace.limits();
        if limits.subscribing != Subscribing::Api {
            return Ok(());
        }
        let state = if is_done {
            SubscriptionState::Active
        } else {
            SubscriptionState::Missing
        };
        let asked = limits.topics.iter().map(|topic| Subscribed {
            topic: (*topic).to_owned(),
            state,
        });
        let asked: Vec<_> = asked.collect();
        self.note(connection, Some(&asked), &[]).await
    }

    /// As [`Sync::trouble`], but refused credentials do not lock the channel: they may well read orders, and
    /// only lack the right to manage webhooks.
    pub(super) async fn mild_trouble(
        &self,
        connection: &Channel,
        version: i64,
        error: MarketplaceError,
    ) -> SyncError {
        if let Some(ChannelTrouble::Unauthorized(_)) = ChannelTrouble::of(&error) {
            return SyncError::Marketplace {
                channel: connection.id,
                error,
            };
        }
        self.trouble(connection, version, error).await
    }

    /// Replaces the webhook secret of a channel by `given`, or by one that nobody can guess. The one before
    /// stays good for the overlap, and the marketplace is told where it can be.
    ///
    /// # Errors
    /// [`SyncError::SignedByApp`] where the app's secret signs, [`SyncError::SecretIsTheirs`] where none can be
    /// made here, and when the marketplace refuses `given`.
    pub async fn rotate_webhook_secret(
        &self,
        channel: ChannelId,
        given: Option<String>,
    ) -> Result<RotatedSecret, SyncError> {
        let connection = self.connection(channel).await?;
        let marketplace = connection.marketplace;
        let limits = marketplace.limits();
        if !limits.webhook_address.is_per_channel() {
            return Err(SyncError::SignedByApp(marketplace.name()));
        }
        let is_given = given.is_some();
        if !is_given && limits.webhook_address == WebhookAddress::Either {
            return Err(SyncError::SecretIsTheirs(marketplace.name()));
        }
        let secret = match given {
            Some(secret) => secret,
            None => marketplace.webhook_secret(&random_bytes::<32>()?),
        };
        let owner = (connection.id, connection.merchant);
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let sealer = &self.shared.sealer;
        let new = channels::rotate_webhook_secret(&tx, sealer, owner, &secret, now).await?;
        self.note_if_by_hand(&tx, marketplace, connection.id, new)
            .await?;
        check_later(&tx, owner, now).await?;
        let deed = Deed::new("channel.secret_rotated", "channel", connection.id);
        let what = json!({"given": is_given});
        self.note_deed(&tx, connection.merchant, deed.to(what))
            .await?;
        tx.commit().await?;
        self.shared.queue.wake();
        let is_told = tells_secret(marketplace);
        let told = if is_told {
            self.tell_secret(&connection, &secret, is_given).await?
        } else {
            Ok(Vec::new())
        };
        let until = channels::overlap_ends_at(self.db().read(), connection.id, now).await?;
        Ok(RotatedSecret {
            to_paste: (!is_told && !is_given).then_some(secret),
            by_hand: !is_told,
            webhook_url: self.channel_url(&connection),
            overlap_ends_at: until.unwrap_or(now + channels::ROTATION_OVERLAP),
            told,
        })
    }

    /// # Errors
    /// When the marketplace refuses a secret that a person chose: the one before holds again then.
    async fn tell_secret(
        &self,
        connection: &Channel,
        secret: &str,
        is_given: bool,
    ) -> Result<Result<Vec<String>, SyncError>, SyncError> {
        let access = self.access(connection, Lane::Urgent).await?;
        let address = self.webhook_url(connection);
        let marketplace = connection.marketplace;
        let error = match marketplace.subscribe(&access, &address, secret).await {
            Ok(changes) => {
                self.note_told(connection, secret).await?;
                return Ok(Ok(changes));
            }
            Err(error) => error,
        };
        let tx = self.db().write_tx().await?;
        if is_given && matches!(error, MarketplaceError::Refused { .. }) {
            channels::take_back_webhook_secret(&tx, connection.id).await?;
            tx.commit().await?;
            return Err(SyncError::Marketplace {
                channel: connection.id,
                error,
            });
        }
        // Whether the shop has it is not known: it is told again until it has answered.
        let job = NewJob {
            merchant: connection.merchant,
            channel: connection.id,
            work: Work::CHECK_SUBSCRIPTIONS,
            source: Source::Manual,
            run_at: None,
        };
        queue::enqueue(&tx, &[job], self.shared.clock.now()).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(Err(self
            .mild_trouble(connection, access.version, error)
            .await))
    }

    /// Ends a connection: asks the marketplace to send no more, then forgets the secrets and ends the
    /// waiting work of every channel on it. Orders, stock and history stay; connecting the shop again goes on
    /// with them.
    ///
    /// # Errors
    /// When the database fails. That the marketplace cannot be told is no error.
    pub async fn disconnect(&self, channel: ChannelId) -> Result<Disconnected, SyncError> {
        let connection = channels::connection_of(self.db().read(), channel).await?;
        let webhooks = tokio::time::timeout(FAREWELL, self.unsubscribe(&connection)).await;
        let webhooks = webhooks.unwrap_or_else(|_| {
            Err(SyncError::Marketplace {
                channel: connection.id,
                error: MarketplaceError::Unavailable {
                    marketplace: connection.marketplace.slug(),
                    reason: "no answer in time".to_owned(),
                },
            })
        });
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let channels = channels::platforms_of(&tx, connection.id).await?;
        channels::remove(&tx, connection.id, now).await?;
        let cancelled =
            queue::cancel_waiting(&tx, &channels, "the channel was removed", now).await?;
        let deed = Deed::new("channel.removed", "channel", connection.id);
        let before = json!({"name": connection.name, "state": connection.state});
        let after = json!({"state": "removed", "cancelled_jobs": cancelled});
        self.note_deed(&tx, connection.merchant, deed.from(before).to(after))
            .await?;
        tx.commit().await?;
        tracing::info!(
            channel.id = connection.id.0,
            cancelled,
            "the channel was removed; its books stay"
        );
        Ok(Disconnected {
            channels,
            webhooks,
            cancelled,
        })
    }

    async fn unsubscribe(&self, connection: &Channel) -> Result<Vec<String>, SyncError> {
        let access = self.access(connection, Lane::Urgent).await?;
        let address = self.webhook_url(connection);
        let done = connection.marketplace.unsubscribe(&access, &address).await;
        done.map_err(|error| SyncError::Marketplace {
            channel: connection.id,
            error,
        })
    }
}

/// Whether the marketplace is told by us with which secret it signs.
fn tells_secret(marketplace: &dyn Marketplace) -> bool {
    let limits = marketplace.limits();
    limits.subscribing == Subscribing::Api && limits.webhook_address == WebhookAddress::Channel
}

/// The topics we live on that do not stand. Where a person switches topics on, the API may be silent of some.
fn broken(connection: &Channel, found: &[Subscribed]) -> Vec<String> {
    let limits = connection.marketplace.limits();
    let is_silence_fine = limits.subscribing != Subscribing::Api;
    let stands = |topic: &str| match found.iter().find(|one| one.topic == topic) {
        Some(one) => one.state == SubscriptionState::Active,
        None => is_silence_fine,
    };
    let topics = limits.topics.iter().filter(|topic| !stands(topic));
    topics.map(|topic| (*topic).to_owned()).collect()
}
