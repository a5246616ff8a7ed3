//! What follows from a link: channels are told the SKU's level, and orders that waited are read again.
//!
//! Lines that were booked under a SKU keep it: a new link decides what is sold from then on. Those that are still to be
//! sent become a conflict, which a person decides.

use crate::catalog::{self, LinkError, NewSku, Skip, Skipped};
use crate::channels::Channel;
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, ListingId, MerchantId, RemoteId, SkuId, Source, Timestamp, Work};
use crate::queue::{self, NewJob};
use crate::sales::{self, WaitingUnits};
use crate::stock;
use entity::listings;
use sea_orm::DbErr;
use serde::Serialize;
use std::collections::HashMap;

/// Listings of which SKUs are made in one transaction.
const PAGE: u64 = 250;

/// What a link made necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Relinked {
    pub channel: ChannelId,
    /// What the listing was sold as before.
    pub before: Option<SkuId>,
    /// Pushes that were enqueued.
    pub pushes: u64,
    /// Orders that waited for the listing, and are read again.
    pub orders: u64,
}

/// Links a listing by hand. Sales and pushes go by the new SKU from now on.
///
/// # Errors
/// When the merchant has no such listing, or it is gone.
pub async fn link(
    tx: &Tx,
    merchant: MerchantId,
    listing: ListingId,
    sku: SkuId,
    now: Timestamp,
) -> Result<Relinked, LinkError> {
    let was = catalog::link(tx, merchant, listing, sku, now).await?;
    let channel = ChannelId(was.channel_id);
    let pushes = stock::enqueue_pushes(tx, merchant, &[sku], None, Source::Manual, now).await?;
    let products = [was.product_id.as_str()];
    sales::question_links(tx, merchant, channel, &products, now).await?;
    let orders = sales::orders_waiting_for_products(tx, merchant, channel, &products).await?;
    let orders = orders.into_iter().map(|order| (channel, order));
    Ok(Relinked {
        channel,
        before: was.sku_id.map(SkuId),
        pushes,
        orders: read_again(tx, merchant, orders, Source::Manual, now).await?,
    })
}

/// Takes a listing's link away by hand: it is told no levels, and its sales wait.
///
/// # Errors
/// When the merchant has no such listing.
pub async fn unlink(
    tx: &Tx,
    merchant: MerchantId,
    listing: ListingId,
    now: Timestamp,
) -> Result<Relinked, LinkError> {
    let was = catalog::unlink(tx, merchant, listing, now).await?;
    let (connection, products) = (ChannelId(was.channel_id), [was.product_id.as_str()]);
    sales::question_links(tx, merchant, connection, &products, now).await?;
    Ok(Relinked {
        channel: ChannelId(was.channel_id),
        before: was.sku_id.map(SkuId),
        pushes: 0,
        orders: 0,
    })
}

/// After products were applied that linked listings: orders that waited for those are read again. Returns how many.
pub(super) async fn revive_waiting(
    tx: &Tx,
    connection: &Channel,
    products: impl Iterator<Item = &RemoteId>,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let products: Vec<&str> = products.map(RemoteId::as_str).collect();
    let (merchant, channel) = (connection.merchant, connection.id);
    sales::question_links(tx, merchant, channel, &products, now).await?;
    let orders = sales::orders_waiting_for_products(tx, merchant, channel, &products).await?;
    let orders = orders.into_iter().map(|order| (channel, order));
    read_again(tx, merchant, orders, Source::Scan, now).await
}

async fn read_again(
    tx: &Tx,
    merchant: MerchantId,
    orders: impl Iterator<Item = (ChannelId, RemoteId)>,
    source: Source,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let job = |(channel, order)| NewJob {
        merchant,
        channel,
        work: Work::FetchOrder { order },
        source,
        run_at: None,
    };
    let jobs: Vec<NewJob> = orders.map(job).collect();
    queue::enqueue(tx, &jobs, now).await
}

/// How SKUs are made of listings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Creating {
    /// Count what the channel shows as the opening stock of each new SKU.
    pub opening_stock: bool,
    /// Also of codes that look like one that is there.
    pub despite_look_alikes: bool,
}

/// A SKU that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeSku {
    pub sku: SkuId,
    pub code: String,
    pub listings: Vec<ListingId>,
    /// Units on hand that were counted; none: not asked for, or the channel counts none.
    pub opening: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MadeSkus {
    pub made: Vec<MadeSku>,
    pub skipped: Vec<Skipped>,
    /// Listings that were linked, those of other channels included.
    pub linked: u64,
    pub pushes: u64,
    pub orders: u64,
}

/// Makes SKUs of every listing of a channel that has none: of 250 listings in each transaction.
///
/// # Errors
/// When the database fails; what was made before stays, and the same call goes on.
pub async fn create_skus_of_channel(
    db: &Db,
    connection: &Channel,
    how: Creating,
    now: Timestamp,
) -> Result<MadeSkus, DbErr> {
    catalog::fold_missing(db, connection.merchant).await?;
    let mut all = MadeSkus::default();
    let mut after = ListingId(0);
    loop {
        let page = catalog::unlinked_page(db.read(), connection.id, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(all);
        };
        after = ListingId(last.id);
        let tx = db.write_tx().await?;
        let made = create_skus(&tx, connection, page, how, now).await?;
        tx.commit().await?;
        all.add(made);
    }
}

/// Makes SKUs of these listings of a channel, all in one transaction.
///
/// # Errors
/// When the database fails; nothing is made then.
pub async fn create_skus_of(
    db: &Db,
    connection: &Channel,
    ids: &[ListingId],
    how: Creating,
    now: Timestamp,
) -> Result<MadeSkus, DbErr> {
    catalog::fold_missing(db, connection.merchant).await?;
    let tx = db.write_tx().await?;
    let found = catalog::listings_by_id(&tx, connection.merchant, ids).await?;
    let (own, _): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|listing| listing.channel_id == connection.id.0);
    let unknown: Vec<Skipped> = ids
        .iter()
        .filter(|id| !own.iter().any(|listing| listing.id == id.0))
        .map(|id| Skipped {
            listing: *id,
            why: Skip::Unknown,
        })
        .collect();
    let mut made = create_skus(&tx, connection, own, how, now).await?;
    tx.commit().await?;
    made.skipped.extend(unknown);
    Ok(made)
}

/// Makes a SKU of one listing under a code of the merchant's choice; the link is one by hand.
///
/// # Errors
/// When there is no such listing, or it is gone; nothing is made then.
pub async fn create_sku_named(
    db: &Db,
    connection: &Channel,
    id: ListingId,
    code: &str,
    how: Creating,
    now: Timestamp,
) -> Result<MadeSkus, LinkError> {
    let merchant = connection.merchant;
    catalog::fold_missing(db, merchant).await?;
    let tx = db.write_tx().await?;
    let own = catalog::listings_by_id(&tx, merchant, &[id]).await?;
    let own = own
        .into_iter()
        .find(|listing| listing.channel_id == connection.id.0);
    let Some(listing) = own else {
        return Err(LinkError::NoListing(id));
    };
    // As if it had this code, and nobody had unlinked it: the merchant decides again.
    let named = listings::Model {
        seller_sku: Some(code.to_owned()),
        unlinked_by_hand: false,
        ..listing
    };
    let mut made = create_skus(&tx, connection, vec![named], how, now).await?;
    if let Some(sku) = made.made.first().map(|new| new.sku) {
        let linked = link(&tx, merchant, id, sku, now).await?;
        made.linked += 1;
        made.pushes += linked.pushes;
        made.orders += linked.orders;
    }
    tx.commit().await?;
    Ok(made)
}

async fn create_skus(
    tx: &Tx,
    connection: &Channel,
    chosen: Vec<listings::Model>,
    how: Creating,
    now: Timestamp,
) -> Result<MadeSkus, DbErr> {
    let merchant = connection.merchant;
    let creation =
        catalog::create_skus_from(tx, merchant, chosen, how.despite_look_alikes, now).await?;
    let openings = if how.opening_stock {
        count_openings(tx, connection, &creation.made, now).await?
    } else {
        HashMap::new()
    };
    let counted: Vec<SkuId> = openings.keys().copied().collect();
    let pushes = stock::enqueue_pushes(tx, merchant, &counted, None, Source::Manual, now).await?;
    let codes: Vec<&str> = creation.made.iter().map(|new| new.code.as_str()).collect();
    let waiting = sales::orders_waiting_for_codes(tx, merchant, &codes).await?;
    let orders = read_again(tx, merchant, waiting.into_iter(), Source::Manual, now).await?;
    let made = creation.made.into_iter().map(|new| MadeSku {
        opening: openings.get(&new.sku).copied(),
        sku: new.sku,
        code: new.code,
        listings: new.of.iter().map(|listing| ListingId(listing.id)).collect(),
    });
    Ok(MadeSkus {
        made: made.collect(),
        skipped: creation.skipped,
        linked: creation.linked,
        pushes,
        orders,
    })
}

/// Counts what the channel shows, so that afterwards as many are available as it shows. Of several listings with the
/// same code the one counts that shows the least: nothing is sold that may not be there.
async fn count_openings(
    tx: &Tx,
    connection: &Channel,
    made: &[NewSku],
    now: Timestamp,
) -> Result<HashMap<SkuId, i64>, DbErr> {
    let products: Vec<&str> = made
        .iter()
        .flat_map(|new| new.of.iter().map(|listing| listing.product_id.as_str()))
        .collect();
    if products.is_empty() {
        return Ok(HashMap::new());
    }
    let (merchant, counts_itself) = (
        connection.merchant,
        connection.marketplace.limits().reduces_own_stock,
    );
    let waiting = if counts_itself {
        sales::waiting_units(tx, merchant, connection.id, &products).await?
    } else {
        HashMap::new()
    };
    let mut openings = HashMap::new();
    for new in made {
        let on_hand = new.of.iter().filter_map(|listing| {
            let key = (listing.product_id.clone(), listing.variant_id.clone());
            on_hand(listing, waiting.get(&key).map_or(&[], Vec::as_slice))
        });
        let Some(units) = on_hand.min() else {
            continue;
        };
        let at = (new.sku, connection.outlet);
        let note = format!("opening stock as shown by channel {}", connection.id);
        stock::set_on_hand(tx, merchant, at, units, &note, now).await?;
        openings.insert(new.sku, units);
    }
    Ok(openings)
}

/// What is on hand of what a listing shows: with what campaigns hold, and with what was sold before it was read. The
/// marketplace has taken that off already, and we take it off when the orders that wait find their SKU.
fn on_hand(listing: &listings::Model, waiting: &[WaitingUnits]) -> Option<i64> {
    let read_at = Timestamp::from_micros(listing.shown_at.unwrap_or(listing.updated_at));
    let sold = waiting.iter().filter(|sold| sold.placed_at <= read_at);
    let sold: i64 = sold.map(|sold| sold.units).sum();
    // Shopee counts units of open orders among those that it holds.
    let held = sold.max(listing.reserved.unwrap_or(0));
    Some(listing.quantity?.max(0) + held)
}

impl MadeSkus {
    fn add(&mut self, other: Self) {
        self.made.extend(other.made);
        self.skipped.extend(other.skipped);
        self.linked += other.linked;
        self.pushes += other.pushes;
        self.orders += other.orders;
    }
}
