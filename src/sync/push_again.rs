//! The nightly push: tells a channel again what moved in the last day, what it refused, and what no unpaid order holds
//! any more.
//!
//! A push that was lost on its way, or overwritten there by somebody, is mended within a day, whoever noticed.

use super::{Sync, SyncError};
use crate::domain::{ChannelId, ListingId, Source};
use crate::stock;
use std::{collections::BTreeSet, time::Duration};

/// A day, and some hours for a fire that came late.
const MOVED_WITHIN: Duration = Duration::from_secs(28 * 3_600);
const FAILED_WITHIN: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Listings at most in one night.
const MOST: u64 = 50_000;

impl Sync {
    /// Enqueues a push for every listing of the channel that may show something old. Returns how many.
    ///
    /// # Errors
    /// When the channel does not work, or the database fails.
    pub async fn push_again(&self, channel: ChannelId) -> Result<u64, SyncError> {
        let connection = self.connection(channel).await?;
        let now = self.shared.clock.now();
        let db = self.db();
        let mut listings: BTreeSet<i64> = BTreeSet::new();
        if connection.settings.push_stock && connection.has_api() {
            let moved = stock::moved_since(db.read(), connection.id, now - MOVED_WITHIN, MOST);
            listings.extend(moved.await?);
            let failed = stock::failed_since(db.read(), connection.id, now - FAILED_WITHIN, MOST);
            listings.extend(failed.await?.into_iter().map(|listing| listing.0));
        }
        let wanted: Vec<(ChannelId, ListingId)> = listings
            .into_iter()
            .map(|listing| (connection.id, ListingId(listing)))
            .collect();
        let (merchant, source) = (connection.merchant, Source::Schedule);
        let tx = db.write_tx().await?;
        let freed = stock::expire_soft_holds(&tx, merchant, now).await?;
        stock::enqueue_pushes(&tx, merchant, &freed, None, source, now).await?;
        let pushes = stock::enqueue_listings(&tx, merchant, &wanted, source, now).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(pushes)
    }
}
