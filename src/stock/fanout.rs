//! Telling every other channel that the quantity changed.

use super::rules::{RuleScope, Rules};
use crate::catalog;
use crate::channels::{self, ChannelError};
use crate::db::Tx;
use crate::domain::{ChannelId, ListingId, MerchantId, SkuId, Source, Timestamp, Work};
use crate::queue::{self, NewJob};
use entity::listings;
use sea_orm::DbErr;
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// How far our clock and a marketplace's may be apart when we ask whether a push came after a sale.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// Listings that are enqueued together.
const PAGE: u64 = 1_000;

/// The sale that moved the stock.
#[derive(Debug, Clone, Copy)]
pub struct SoldOn<'a> {
    /// The connection it came through.
    pub channel: ChannelId,
    /// The marketplace has lowered its own stock already.
    pub reduces_own_stock: bool,
    pub placed_at: Timestamp,
    /// SKUs that were sold by a line of their own, and moved by no other line: as [`super::Holding`] says.
    pub alone: &'a [SkuId],
}

/// Enqueues a push for every listing whose quantity changes with `skus`, those of bundles that hold them included, and
/// that does not know the new quantity yet.
///
/// The listings of the channel that sold are left out where the marketplace counts for itself and the rule lets it
/// count on, unless a push of ours may have been in flight when the sale was made: it would have overwritten the
/// marketplace's own count with a level that did not know of the sale. A SKU that the channel lists more than
/// once is told to all its listings there: the marketplace has lowered only the one that was sold.
pub async fn enqueue_pushes(
    tx: &Tx,
    merchant: MerchantId,
    skus: &[SkuId],
    sold: Option<SoldOn<'_>>,
    source: Source,
    now: Timestamp,
) -> Result<u64, DbErr> {
    if skus.is_empty() {
        return Ok(0);
    }
    let listings = catalog::listings_touched(tx, merchant, skus).await?;
    let knowing = knowing(tx, merchant, &listings, sold).await?;
    let mut pushes_to = HashMap::new();
    let mut jobs = Vec::new();
    for listing in listings {
        let channel = ChannelId(listing.channel_id);
        // A listing whose stock the channel does not count has nothing to be told.
        if knowing.contains(&listing.id) || listing.quantity.is_none() {
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

/// The listings that show the right quantity already, because the channel that sold has lowered it. The rules are
/// read only when there may be any.
async fn knowing(
    tx: &Tx,
    merchant: MerchantId,
    listings: &[listings::Model],
    sold: Option<SoldOn<'_>>,
) -> Result<HashSet<i64>, DbErr> {
    let Some(sold) = sold.filter(|sold| sold.reduces_own_stock) else {
        return Ok(HashSet::new());
    };
    let there = |listing: &&listings::Model| listing.channel_id == sold.channel.0;
    let mut n_there: HashMap<Option<i64>, usize> = HashMap::new();
    for listing in listings.iter().filter(there) {
        *n_there.entry(listing.sku_id).or_default() += 1;
    }
    let counted_down = |listing: &&listings::Model| {
        let may_be_overwritten = listing
            .push_read_at
            .is_some_and(|read_at| Timestamp::from_micros(read_at) + CLOCK_SKEW >= sold.placed_at);
        // Of several listings of one SKU the channel has lowered only that which was sold.
        let is_only = n_there.get(&listing.sku_id) == Some(&1);
        let was_sold = listing
            .sku_id
            .is_some_and(|sku| sold.alone.contains(&SkuId(sku)));
        is_only && was_sold && !may_be_overwritten
    };
    let candidates: Vec<&listings::Model> =
        listings.iter().filter(there).filter(counted_down).collect();
    if candidates.is_empty() {
        return Ok(HashSet::new());
    }
    let skus: Vec<SkuId> = candidates
        .iter()
        .filter_map(|one| one.sku_id.map(SkuId))
        .collect();
    let rules = Rules::of_skus(tx, merchant, &skus).await?;
    if rules.is_empty() {
        return Ok(candidates.iter().map(|listing| listing.id).collect());
    }
    let channel = match channels::load(tx, sold.channel).await {
        Ok(channel) => channel,
        Err(ChannelError::Db(error)) => return Err(error),
        Err(_) => return Ok(HashSet::new()),
    };
    let counts_on = |listing: &&listings::Model| {
        let sku = SkuId(listing.sku_id.unwrap_or_default());
        rules.effective(sku, &channel).is_plain()
    };
    Ok(candidates
        .into_iter()
        .filter(counts_on)
        .map(|one| one.id)
        .collect())
}

/// Enqueues a push for each of these listings.
pub async fn enqueue_listings(
    tx: &Tx,
    merchant: MerchantId,
    listings: &[(ChannelId, ListingId)],
    source: Source,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let job = |(channel, listing): &(ChannelId, ListingId)| NewJob {
        merchant,
        channel: *channel,
        work: Work::PushStock { listing: *listing },
        source,
        run_at: None,
    };
    let jobs: Vec<NewJob> = listings.iter().map(job).collect();
    queue::enqueue(tx, &jobs, now).await
}

/// Enqueues a push for every linked listing that a rule is about: of a SKU, with the bundles that hold it, of a channel,
/// or of everything.
pub async fn enqueue_scope(
    tx: &Tx,
    merchant: MerchantId,
    scope: RuleScope,
    source: Source,
    now: Timestamp,
) -> Result<u64, DbErr> {
    if let Some(sku) = scope.sku {
        return enqueue_pushes(tx, merchant, &[sku], None, source, now).await;
    }
    let (mut after, mut enqueued) = (0, 0);
    let mut takes: HashMap<i64, bool> = HashMap::new();
    loop {
        let page = catalog::linked_after(tx, merchant, scope.channel, after, PAGE).await?;
        let mut wanted = Vec::new();
        for (listing, channel) in &page {
            let takes_them = match takes.get(channel) {
                Some(known) => *known,
                None => takes_pushes(tx, ChannelId(*channel)).await?,
            };
            takes.insert(*channel, takes_them);
            if takes_them {
                wanted.push((ChannelId(*channel), ListingId(*listing)));
            }
        }
        enqueued += enqueue_listings(tx, merchant, &wanted, source, now).await?;
        match page.last() {
            Some((last, _)) if page.len() as u64 == PAGE => after = *last,
            _ => return Ok(enqueued),
        }
    }
}

async fn takes_pushes(tx: &Tx, channel: ChannelId) -> Result<bool, DbErr> {
    match channels::load(tx, channel).await {
        // A locked channel is told when it is connected again: until then the job waits.
        Ok(channel) => {
            Ok(channel.state != channels::ChannelState::Removed && channel.settings.push_stock)
        }
        Err(ChannelError::Db(error)) => Err(error),
        Err(_) => Ok(false),
    }
}
