//! The rolling comparison: reads some listings back by their ids, and tells those again that show something else.
//!
//! 1. Take the next listings after where the last walk ended.
//! 2. Read their products, and apply what is new of them, as a scan would.
//! 3. Compare each with what it should show now. What campaigns hold is no drift; what is being told or sold just now
//!    settles by itself.
//! 4. In one transaction write down the walk and what it found, and enqueue the pushes.
//!
//! A channel that shows *fewer* may have sold a unit of which we have not heard yet: that push waits until the next
//! order downloads have run, and reads the level then.

use super::{Lane, Sync, SyncError, linking::revive_waiting};
use crate::catalog;
use crate::channels::{self, Channel};
use crate::domain::{
    ChannelId, JobKind, ListingId, Product, RemoteId, SkuId, Source, Timestamp, Work,
};
use crate::marketplaces::{Access, MarketplaceError};
use crate::queue::{self, NewJob};
use crate::stock::{self, Compare, Drifted, Pushable};
use entity::listings;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

/// Listings of one walk; six walks a day compare 600.
const LISTINGS: u64 = 100;
/// Products of one call.
const PRODUCTS: usize = 20;
/// How long a push or a sale takes to show, their clock's difference from ours included.
const SETTLING: Duration = Duration::from_secs(120);
/// By then order downloads, every ten minutes, have found what no webhook told.
const UNHEARD_SALES: Duration = Duration::from_secs(30 * 60);

impl Sync {
    /// Compares the next listings of a channel with what they should show. Returns how many differed.
    ///
    /// # Errors
    /// When the channel does not work, its API fails, or the database does.
    pub async fn compare_stock(&self, channel: ChannelId) -> Result<usize, SyncError> {
        let connection = self.connection(channel).await?;
        if !connection.settings.push_stock {
            return Ok(0);
        }
        let access = self.access(&connection, Lane::Scan).await?;
        let abilities = connection.marketplace.abilities(&access);
        if !abilities.products || !abilities.stock {
            return Ok(0);
        }
        let after = stock::last_compared(self.db().read(), connection.id).await?;
        let page =
            catalog::page_of_channel(self.db().read(), connection.id, after, LISTINGS).await?;
        let is_last = (page.len() as u64) < LISTINGS;
        let last = page.last().map_or(0, |listing| listing.id);
        let read_at = self.shared.clock.now();
        let read = self.read_back(&connection, &access, &page).await?;
        let compare = Compare {
            merchant: connection.merchant,
            channel: connection.id,
            last_listing: ListingId(if is_last { 0 } else { last }),
            listings: 0,
            drifted: Vec::new(),
        };
        self.compare(&connection, compare, &page, &read, read_at)
            .await
    }

    /// Products of these listings as they are now; what cannot be read is left for the scans to complain about.
    async fn read_back(
        &self,
        connection: &Channel,
        access: &Access,
        page: &[listings::Model],
    ) -> Result<Vec<Product>, SyncError> {
        let of_use = page.iter().filter(|listing| is_compared(listing));
        let ids: BTreeSet<&str> = of_use.map(|listing| listing.product_id.as_str()).collect();
        let ids: Vec<RemoteId> = ids.into_iter().map(RemoteId::from).collect();
        let mut read = Vec::new();
        for chunk in ids.chunks(PRODUCTS) {
            match connection.marketplace.products_by_id(access, chunk).await {
                Ok(products) => read.extend(products),
                Err(MarketplaceError::Unreadable { .. }) => {
                    for id in chunk {
                        let one = std::slice::from_ref(id);
                        let found = connection.marketplace.products_by_id(access, one).await;
                        read.extend(found.unwrap_or_default());
                    }
                }
                Err(error) => {
                    return Err(self.trouble(connection, access.version, error).await);
                }
            }
        }
        Ok(read)
    }

    async fn compare(
        &self,
        connection: &Channel,
        mut compare: Compare,
        page: &[listings::Model],
        read: &[Product],
        read_at: Timestamp,
    ) -> Result<usize, SyncError> {
        let now = self.shared.clock.now();
        let merchant = connection.merchant;
        let tx = self.db().write_tx().await?;
        let applied = catalog::apply_products(&tx, merchant, connection.id, read, now).await?;
        if applied.linked > 0 {
            let products = read.iter().map(|product| &product.remote_id);
            revive_waiting(&tx, connection, products, now).await?;
        }
        let seen: HashSet<i64> = applied.seen.into_iter().collect();
        let compared = page.iter().filter(|listing| seen.contains(&listing.id));
        let ids: Vec<ListingId> = compared.map(|listing| ListingId(listing.id)).collect();
        let rows = catalog::listings_by_id(&tx, merchant, &ids).await?;
        let skus: Vec<SkuId> = rows
            .iter()
            .filter_map(|row| row.sku_id.map(SkuId))
            .collect();
        let channel = channels::load(&tx, connection.id).await?;
        let wanted = stock::pushable(&tx, &channel, &skus, now).await?;
        let moving: HashSet<i64> =
            stock::moved_since(&tx, connection.id, read_at - SETTLING, LISTINGS * 10)
                .await?
                .into_iter()
                .collect();
        let pushes: Vec<(JobKind, String)> = rows
            .iter()
            .map(|row| (JobKind::PushStock, row.id.to_string()))
            .collect();
        let waiting = queue::active(&tx, &pushes).await?;
        compare.listings = rows.iter().filter(|row| is_compared(row)).count() as u64;
        let found = rows.iter().filter(|row| is_compared(row));
        let drifted = found.filter_map(|row| {
            let is_waiting = waiting.contains(&(JobKind::PushStock, row.id.to_string()));
            let is_settling = is_waiting || moving.contains(&row.id) || was_told(row, read_at);
            drifted(row, &wanted, is_settling)
        });
        compare.drifted = drifted.collect();
        let heal = compare
            .drifted
            .iter()
            .filter(|one| one.left_because.is_none());
        let job = |one: &Drifted| NewJob {
            merchant,
            channel: connection.id,
            work: Work::PushStock {
                listing: one.listing,
            },
            source: Source::Schedule,
            run_at: (one.shown < one.wanted).then(|| now + UNHEARD_SALES),
        };
        let jobs: Vec<NewJob> = heal.map(job).collect();
        queue::enqueue(&tx, &jobs, now).await?;
        stock::record_compare(&tx, &compare, now).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(compare.drifted.len())
    }
}

fn is_compared(listing: &listings::Model) -> bool {
    listing.sku_id.is_some() && listing.state != "gone" && listing.quantity.is_some()
}

fn was_told(listing: &listings::Model, read_at: Timestamp) -> bool {
    let told_at = listing.push_read_at.max(listing.pushed_at);
    told_at.is_some_and(|at| Timestamp::from_micros(at) + SETTLING >= read_at)
}

fn drifted(
    listing: &listings::Model,
    wanted: &HashMap<SkuId, Pushable>,
    is_settling: bool,
) -> Option<Drifted> {
    let sku = SkuId(listing.sku_id?);
    let (wanted, shown) = (wanted.get(&sku)?.quantity, listing.quantity?);
    if wanted == shown {
        return None;
    }
    let held = listing.reserved.unwrap_or(0);
    let left_because = if is_settling {
        Some("settling")
    } else if shown < wanted && wanted - shown <= held {
        Some("promotion_reserved")
    } else {
        None
    };
    Some(Drifted {
        listing: ListingId(listing.id),
        sku,
        told: listing.pushed_quantity,
        wanted,
        shown,
        reserved: listing.reserved,
        left_because,
    })
}
