//! Whether the merchant's consent still holds: channels are locked when it does not, and unlocked when it does.
//!
//! A lock follows from one refusal, and that may have been the marketplace's mistake. So the shop of a locked
//! channel is asked again by schedule, with tokens that are renewed as long as that is granted; and when it
//! answers, everything that waited is taken up.

use super::{Lane, Sync, SyncError, access::outdated};
use crate::channels::{self, Channel, ChannelState};
use crate::domain::{ChannelId, EventKind, Source, Timestamp};
use crate::inbox;
use crate::marketplaces::{MarketplaceError, ShopIdentity};
use crate::queue;

impl Sync {
    /// Asks the marketplace whether the merchant's consent still holds; locks or unlocks the channel.
    ///
    /// # Errors
    /// When the marketplace cannot be asked.
    pub async fn check_authorization(&self, channel: ChannelId) -> Result<(), SyncError> {
        let connection = channels::connection_of(self.db().read(), channel).await?;
        let access = self.access(&connection, Lane::Urgent).await?;
        let shops = match connection.marketplace.shops(&access).await {
            Ok(shops) => shops,
            Err(error) => return Err(self.trouble(&connection, access.version, error).await),
        };
        let now = self.shared.clock.now();
        if !access.has_api() && self.has_said_farewell(&connection).await? {
            return self.part(&connection, access.version, now).await;
        }
        if let Some(shop) = shop_of(&connection, &shops) {
            return self.admit(&connection, shop).await;
        }
        let reason = "the merchant withdrew the authorization; connect the shop again";
        if self.lock(&connection, access.version, reason, now).await? {
            return Ok(());
        }
        let marketplace = connection.marketplace.slug();
        let reason = reason.to_owned();
        let error = MarketplaceError::Unauthorized {
            marketplace,
            reason,
        };
        Err(outdated(&connection, error))
    }

    /// Asks the shop of a locked channel whether it lets us in again, and unlocks the channel then. That it
    /// does not is an answer, and asked for again at the schedule's next time.
    ///
    /// # Errors
    /// When the marketplace cannot be asked.
    pub async fn recheck_locked(&self, channel: ChannelId) -> Result<(), SyncError> {
        let connection = self.unremoved(channel).await?;
        if connection.state == ChannelState::Active {
            return self.check_authorization(channel).await;
        }
        match self.ask_again(&connection).await {
            Err(
                SyncError::Locked { .. }
                | SyncError::Marketplace {
                    error: MarketplaceError::TokenExpired { .. },
                    ..
                },
            ) => Ok(()),
            asked => asked,
        }
    }

    async fn ask_again(&self, connection: &Channel) -> Result<(), SyncError> {
        let mut access = self.access(connection, Lane::Urgent).await?;
        if !access.has_api() {
            return Ok(());
        }
        let mut answer = Err(MarketplaceError::TokenExpired {
            marketplace: connection.marketplace.slug(),
        });
        // Its tokens die while it is locked, and nobody else renews them then.
        for source in [Source::Schedule, Source::Expiry] {
            self.renew_if_due(connection, source).await?;
            access = self.access(connection, Lane::Urgent).await?;
            answer = connection.marketplace.shops(&access).await;
            if !matches!(answer, Err(MarketplaceError::TokenExpired { .. })) {
                break;
            }
        }
        match answer {
            Ok(shops) => match shop_of(connection, &shops) {
                Some(shop) => self.admit(connection, shop).await,
                None => Ok(()),
            },
            Err(error @ MarketplaceError::TokenExpired { .. }) => Err(SyncError::Marketplace {
                channel: connection.id,
                error,
            }),
            Err(error) => Err(self.trouble(connection, access.version, error).await),
        }
    }

    /// The shop lets us in: unlocks its channel, if it was locked, and takes up what waited.
    async fn admit(&self, connection: &Channel, shop: &ShopIdentity) -> Result<(), SyncError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        if let Some(until) = shop.consent_until {
            channels::save_consent_end(&tx, connection.id, until, now).await?;
        }
        let is_unlocked = channels::unlock(&tx, connection.id, now).await?;
        if is_unlocked {
            inbox::take_up_pending(&tx, connection.merchant, connection.id, now).await?;
            queue::hurry(&tx, connection.id, now).await?;
        }
        tx.commit().await?;
        if is_unlocked {
            tracing::info!(
                channel.id = connection.id.0,
                "the shop answers again; the channel is unlocked"
            );
        }
        self.shared.queue.wake();
        Ok(())
    }

    /// Locks a channel whose shop said farewell. That is handled once: connecting the shop again unlocks it.
    async fn part(
        &self,
        connection: &Channel,
        version: i64,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let reason = "the store said that it was disconnected; connect it again";
        self.lock(connection, version, reason, now).await?;
        let tx = self.db().write_tx().await?;
        let kind = EventKind::AuthorizationChanged;
        inbox::mark_handled(&tx, connection.id, kind, None, now, now).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn shop_of<'a>(connection: &Channel, shops: &'a [ShopIdentity]) -> Option<&'a ShopIdentity> {
    shops
        .iter()
        .find(|shop| shop.remote_id == connection.remote_id)
}
