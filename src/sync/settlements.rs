//! Reading what marketplaces paid out, of orders that are paid and not settled yet.
//!
//! Bounded: a run reads so many orders, oldest first, and the next goes on. An order that the marketplace has not
//! settled is asked for again the next day.

use super::{Lane, Sync, SyncError};
use crate::channels::{self, Channel, ChannelSettings};
use crate::domain::ChannelId;
use crate::sales::{self, Settled};
use std::{collections::HashMap, time::Duration};

/// Orders that one run asks for.
const MOST: u64 = 500;
/// Orders per question; each is a call of its own at some marketplaces.
const BATCH: usize = 50;
/// Older orders are settled or never will be.
const OLDEST: Duration = Duration::from_secs(90 * 86_400);

impl Sync {
    /// Reads the settlements of a connection's paid orders that have none.
    ///
    /// # Errors
    /// When the marketplace cannot be asked. What was read before is kept.
    pub async fn read_settlements(&self, channel: ChannelId) -> Result<Settled, SyncError> {
        let connection = self.connection(channel).await?;
        let mut sum = Settled::default();
        if !connection.marketplace.limits().tells_settlements {
            return Ok(sum);
        }
        let access = self.access(&connection, Lane::Scan).await?;
        if !connection.marketplace.abilities(&access).orders {
            return Ok(sum);
        }
        let since = self.shared.clock.now() - OLDEST;
        let ids = sales::unsettled(self.db().read(), connection.id, since, MOST).await?;
        let settings = self.settings_of(&connection).await?;
        for some in ids.chunks(BATCH) {
            let read = connection.marketplace.settlements(&access, some).await;
            let read = match read {
                Ok(read) => read,
                Err(error) => {
                    return Err(self.mild_trouble(&connection, access.version, error).await);
                }
            };
            let now = self.shared.clock.now();
            let tx = self.db().write_tx().await?;
            let done =
                sales::record_settlements(&tx, connection.id, &read, "api", &settings, now).await?;
            tx.commit().await?;
            sum.new += done.new;
            sum.changed += done.changed;
            sum.unchanged += done.unchanged;
            sum.unknown += done.unknown;
            sum.differing += done.differing;
        }
        if sum.differing > 0 {
            tracing::warn!(
                channel.id = connection.id.0,
                differing = sum.differing,
                "marketplace fees differ from what was expected; see `marketsink payouts check`"
            );
        }
        Ok(sum)
    }

    /// Of all channels of a connection: platforms have settings of their own.
    pub(super) async fn settings_of(
        &self,
        connection: &Channel,
    ) -> Result<HashMap<i64, ChannelSettings>, SyncError> {
        let all = channels::list(self.db(), connection.merchant, true).await?;
        Ok(all
            .into_iter()
            .map(|channel| (channel.id.0, channel.settings))
            .collect())
    }
}
