//! Keeping a connection's tokens alive, on a clock and not on traffic: a quiet shop must not lose its link.

use super::{Lane, Sync, SyncError};
use crate::channels::{self, Channel, StoredCredentials};
use crate::domain::{ChannelId, EventKind, Source, Timestamp};
use crate::inbox;
use crate::marketplaces::MarketplaceError;
use crate::queue;
use std::time::Duration;

/// A token renewed so recently is not renewed again: many jobs meet an expired token at once.
const JUST_RENEWED: Duration = Duration::from_secs(5);

impl Sync {
    /// Renews the access token when a third of its life is left, or at once when a call found it expired.
    ///
    /// One refresher at a time: the job's key is the channel. A refresher in another process loses by the
    /// credentials' version.
    ///
    /// # Errors
    /// When the marketplace does not renew it. A refused refresh token locks the channel.
    pub async fn refresh_token(&self, channel: ChannelId, source: Source) -> Result<(), SyncError> {
        let connection = self.connection(channel).await?;
        let sealer = &self.shared.sealer;
        let stored = channels::credentials(self.db().read(), sealer, connection.id)
            .await?
            .ok_or(SyncError::NoCredentials(connection.id))?;
        let now = self.shared.clock.now();
        if !is_due(&stored, source, now) {
            return Ok(());
        }
        let access = self.access(&connection, Lane::Urgent).await?;
        let tokens = match connection.marketplace.refresh(&access, now).await {
            Ok(Some(tokens)) => tokens,
            Ok(None) => return Ok(()),
            // The refresh token itself is refused: renewing will never help again.
            Err(MarketplaceError::TokenExpired { marketplace }) => {
                let error = MarketplaceError::Unauthorized {
                    marketplace,
                    reason: "the refresh token is no longer accepted".to_owned(),
                };
                return Err(self.trouble(&connection, error).await);
            }
            Err(error) => return Err(self.trouble(&connection, error).await),
        };
        let mut secrets = stored.secrets;
        for (name, value) in tokens.secrets {
            secrets.set(&name, value);
        }
        let tx = self.db().write_tx().await?;
        let owner = (connection.id, connection.merchant);
        channels::replace_credentials(
            &tx,
            sealer,
            owner,
            &secrets,
            tokens.expires_at,
            stored.version,
            now,
        )
        .await?;
        tx.commit().await?;
        tracing::info!(channel.id = connection.id.0, "the access token was renewed");
        Ok(())
    }

    /// Asks the marketplace whether the merchant's consent still holds; locks or unlocks the channel.
    ///
    /// # Errors
    /// When the marketplace cannot be asked.
    pub async fn check_authorization(&self, channel: ChannelId) -> Result<(), SyncError> {
        let connection = channels::connection_of(self.db().read(), channel).await?;
        let access = self.access(&connection, Lane::Urgent).await?;
        let shops = match connection.marketplace.shops(&access).await {
            Ok(shops) => shops,
            Err(error) => return Err(self.trouble(&connection, error).await),
        };
        let now = self.shared.clock.now();
        if !access.has_api() && self.has_said_farewell(&connection).await? {
            return self.part(&connection, now).await;
        }
        if !shops
            .iter()
            .any(|shop| shop.remote_id == connection.remote_id)
        {
            let reason = "the merchant withdrew the authorization; connect the shop again";
            return self.lock(&connection, reason, now).await;
        }
        let tx = self.db().write_tx().await?;
        channels::unlock(&tx, connection.id, now).await?;
        if !connection.is_active() {
            inbox::take_up_pending(&tx, connection.merchant, connection.id, now).await?;
            queue::hurry(&tx, connection.id, now).await?;
        }
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(())
    }

    /// Locks a channel whose shop said farewell. That is handled once: connecting the shop again unlocks it.
    async fn part(&self, connection: &Channel, now: Timestamp) -> Result<(), SyncError> {
        let reason = "the store said that it was disconnected; connect it again";
        self.lock(connection, reason, now).await?;
        let tx = self.db().write_tx().await?;
        let kind = EventKind::AuthorizationChanged;
        inbox::mark_handled(&tx, connection.id, kind, None, now, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn is_due(stored: &StoredCredentials, source: Source, now: Timestamp) -> bool {
    if source != Source::Schedule {
        return now.since(stored.refreshed_at) > JUST_RENEWED;
    }
    stored.expires_at.is_some_and(|expires_at| {
        let life = expires_at.since(stored.refreshed_at);
        expires_at.since(now) <= life / 3
    })
}
