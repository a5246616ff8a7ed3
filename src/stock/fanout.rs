//! Telling every other channel that the quantity changed.

use crate::catalog;
use crate::channels;
use crate::db::Tx;
use crate::domain::{ChannelId, ListingId, MerchantId, SkuId, Source, Timestamp, Work};
use crate::queue::{self, NewJob};
use entity::listings;
use sea_orm::DbErr;
use std::{collections::HashMap, time::Duration};

/// How far our clock and a marketplace's may be apart when we ask whether a push came after a sale.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// The sale that moved the stock.
#[derive(Debug, Clone, Copy)]
pub struct SoldOn {
    /// The connection it came through.
    pub channel: ChannelId,
    /// The marketplace has lowered its own stock already.
    pub reduces_own_stock: bool,
    pub placed_at: Timestamp,
}

/// Enqueues a push for every listing of `skus` that does not know the new quantity yet.
///
/// The listings of the channel that sold are left out where the marketplace counts for itself, unless a
/// push of ours may have been in flight when the sale was made: it would have overwritten the
/// marketplace's own count with a level that did not know of the sale. A SKU that the channel lists more than
/// once is told to all its listings there: the marketplace has lowered only the one that was sold.
pub async fn enqueue_pushes(
    tx: &Tx,
    merchant: MerchantId,
    skus: &[SkuId],
    sold: Option<SoldOn>,
    source: Source,
    now: Timestamp,
) -> Result<u64, DbErr> {
    if skus.is_empty() {
        return Ok(0);
    }
    let mut pushes_to = HashMap::new();
    let mut jobs = Vec::new();
    let listings = catalog::listings_of(tx, merchant, skus).await?;
    let n_there = listings_where_sold(&listings, sold);
    for listing in listings {
        let channel = ChannelId(listing.channel_id);
        let knows_already = sold.is_some_and(|sold| {
            let may_be_overwritten = listing.push_read_at.is_some_and(|read_at| {
                Timestamp::from_micros(read_at) + CLOCK_SKEW >= sold.placed_at
            });
            // Of several listings of one SKU the channel has lowered only that which was sold.
            let is_only = n_there.get(&listing.sku_id) == Some(&1);
            sold.channel == channel && sold.reduces_own_stock && is_only && !may_be_overwritten
        });
        // A listing whose stock the channel does not count has nothing to be told.
        if knows_already || listing.quantity.is_none() {
            continue;
        }
        let wanted = if let Some(wanted) = pushes_to.get(&channel) {
            *wanted
        } else {
            let wanted = takes_pushes(tx, channel).await?;
            pushes_to.insert(channel, wanted);
            wanted
        };
        if wanted {
            jobs.push(NewJob {
                merchant,
                channel,
                work: Work::PushStock {
                    listing: ListingId(listing.id),
                },
                source,
                run_at: None,
            });
        }
    }
    queue::enqueue(tx, &jobs, now).await
}

/// Listings of each SKU on the channel that sold.
fn listings_where_sold(
    listings: &[listings::Model],
    sold: Option<SoldOn>,
) -> HashMap<Option<i64>, usize> {
    let mut n_there = HashMap::new();
    let there = listings
        .iter()
        .filter(|listing| sold.is_some_and(|sold| sold.channel.0 == listing.channel_id));
    for listing in there {
        *n_there.entry(listing.sku_id).or_default() += 1;
    }
    n_there
}

async fn takes_pushes(tx: &Tx, channel: ChannelId) -> Result<bool, DbErr> {
    match channels::load(tx, channel).await {
        // A locked channel is told when it is connected again: until then the job waits.
        Ok(channel) => {
            Ok(channel.state != channels::ChannelState::Removed && channel.settings.push_stock)
        }
        Err(channels::ChannelError::Db(error)) => Err(error),
        Err(_) => Ok(false),
    }
}
