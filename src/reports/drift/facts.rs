//! What is known of listings that differ: read page by page, in a fixed number of queries.

use super::super::statements::first_of;
use super::{Difference, DriftClass, Of, classify, select::Candidate, timeline};
use crate::channels::{Channel, ChannelState};
use crate::db::Db;
use crate::domain::{JobKind, ListingId, SkuId, Timestamp};
use crate::prices;
use entity::{jobs, listings, movements, orders, price_pushes, scans, skus, stock_pushes};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, sea_query::Expr,
};
use std::collections::HashMap;

/// Pushes and movements told of one listing.
const TOLD: u64 = 5;

/// A movement, with what sold it.
pub(super) struct Moved {
    pub row: movements::Model,
    /// By an order of the listing's own channel.
    pub sold_here: bool,
    pub order_number: Option<String>,
}

/// What is known of one listing.
pub(super) struct Facts<'a> {
    pub listing: &'a listings::Model,
    pub sku: Option<&'a skus::Model>,
    pub read_at: Timestamp,
    /// Of the SKU that it is linked to now, newest first.
    pub pushes: &'a [stock_pushes::Model],
    /// Waiting, running and dead ones.
    pub jobs: &'a [jobs::Model],
    /// Newest first.
    pub movements: &'a [Moved],
    pub takes_pushes: bool,
    /// The marketplace lowers its own stock for its own sales.
    pub counts_itself: bool,
    /// The newest push of its price.
    pub last_price: Option<&'a price_pushes::Model>,
    /// Prices are told to the channel.
    pub tells_prices: bool,
    /// Why the channel is locked, when it is.
    pub locked: Option<&'a str>,
}

impl Facts<'_> {
    /// The last push that the channel took.
    pub fn taken(&self) -> Option<&stock_pushes::Model> {
        self.pushes.iter().find(|push| push.state == "pushed")
    }

    pub fn waiting(&self) -> Option<&jobs::Model> {
        self.jobs.iter().find(|job| job.state != "dead")
    }

    /// When what the listing shows was first read.
    pub fn shown_at(&self) -> Timestamp {
        let at = self.listing.shown_at.unwrap_or(self.listing.updated_at);
        Timestamp::from_micros(at)
    }
}

/// The differences of one listing.
pub(super) struct OfListing {
    pub listing: ListingId,
    pub differences: Vec<Difference>,
}

/// The differences of these listings of a connection, in the order of their ids. Eleven queries at most.
pub(super) async fn explained(
    db: &Db,
    connection: &Channel,
    found: &[Candidate],
    now: Timestamp,
) -> Result<Vec<OfListing>, DbErr> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = found.iter().map(|one| one.id).collect();
    let ours: HashMap<i64, &Candidate> = found.iter().map(|one| (one.id, one)).collect();
    let rows = listings::Entity::of_channel(connection.id.0)
        .filter(listings::Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(listings::Column::Id)
        .all(db.read())
        .await?;
    let mut sku_ids: Vec<i64> = rows.iter().filter_map(|row| row.sku_id).collect();
    sku_ids.sort_unstable();
    sku_ids.dedup();
    let known = Known {
        skus: skus_by_id(db, connection, &sku_ids).await?,
        pushes: pushes(db, &ids).await?,
        jobs: push_jobs(db, connection, &ids).await?,
        movements: movements(db, connection, &sku_ids).await?,
        scans: last_walks(db, connection).await?,
        prices: prices::last_prices(db.read(), &ids).await?,
    };
    let of_listing = |row: &listings::Model| OfListing {
        listing: ListingId(row.id),
        differences: known.differences(connection, row, ours.get(&row.id).copied(), now),
    };
    Ok(rows.iter().map(of_listing).collect())
}

/// Everything read for a page of listings.
struct Known {
    skus: HashMap<i64, skus::Model>,
    pushes: HashMap<i64, Vec<stock_pushes::Model>>,
    jobs: HashMap<i64, Vec<jobs::Model>>,
    movements: HashMap<i64, Vec<Moved>>,
    /// When the last scans that ended well began: full, active.
    scans: (i64, i64),
    prices: HashMap<i64, price_pushes::Model>,
}

impl Known {
    fn differences(
        &self,
        connection: &Channel,
        row: &listings::Model,
        ours: Option<&Candidate>,
        now: Timestamp,
    ) -> Vec<Difference> {
        let of_sku = |push: &&stock_pushes::Model| Some(push.sku_id) == row.sku_id;
        let pushes: Vec<stock_pushes::Model> = self
            .pushes
            .get(&row.id)
            .map(|pushes| pushes.iter().filter(of_sku).cloned().collect())
            .unwrap_or_default();
        let sku = row.sku_id.and_then(|id| self.skus.get(&id));
        let facts = Facts {
            listing: row,
            sku,
            read_at: self.read_at(row).min(now),
            pushes: &pushes,
            jobs: self.jobs.get(&row.id).map_or(&[], Vec::as_slice),
            movements: row
                .sku_id
                .and_then(|id| self.movements.get(&id))
                .map_or(&[], Vec::as_slice),
            takes_pushes: connection.settings.push_stock,
            counts_itself: connection.marketplace.limits().reduces_own_stock,
            last_price: self.prices.get(&row.id),
            tells_prices: connection.settings.push_prices,
            locked: match connection.state {
                ChannelState::Locked => {
                    Some(connection.state_reason.as_deref().unwrap_or("locked"))
                }
                _ => None,
            },
        };
        let difference = |of, ours, currency: Option<&String>, (class, why)| Difference {
            listing: ListingId(row.id),
            channel: connection.id,
            title: row.title.clone(),
            seller_sku: row.seller_sku.clone(),
            sku: row.sku_id.map(SkuId),
            code: sku.map(|sku| sku.code.clone()),
            of,
            ours,
            shown: if of == Of::Price {
                row.price_minor
            } else {
                row.quantity
            },
            currency: currency.cloned(),
            class,
            why,
            read_at: facts.read_at,
            timeline: timeline::timeline(&facts),
        };
        let Some(sku) = sku else {
            let why = if row.unlinked_by_hand {
                "it was unlinked by hand"
            } else if row.seller_sku.is_none() {
                "it has no seller SKU"
            } else {
                "its seller SKU is no code of ours"
            };
            let told = (DriftClass::Unlinked, why.to_owned());
            return vec![difference(Of::Link, None, None, told)];
        };
        let mut all = Vec::new();
        if let (Some(ours), Some(shown)) = (ours.and_then(|one| one.ours), row.quantity)
            && ours != shown
        {
            let told = classify::stock(&facts, ours, shown);
            all.push(difference(Of::Stock, Some(ours), None, told));
        }
        if let (Some(ours), Some(shown)) = (ours.and_then(|one| one.price), row.price_minor)
            && ours != shown
            && sku.currency == row.currency
        {
            let told = classify::price(&facts, ours);
            all.push(difference(
                Of::Price,
                Some(ours),
                sku.currency.as_ref(),
                told,
            ));
        }
        all
    }

    fn read_at(&self, row: &listings::Model) -> Timestamp {
        let shown_at = row.shown_at.unwrap_or(row.updated_at);
        let (full, active) = self.scans;
        let covered = if row.state == "active" {
            full.max(active)
        } else {
            full
        };
        Timestamp::from_micros(shown_at.max(covered))
    }
}

async fn skus_by_id(
    db: &Db,
    connection: &Channel,
    ids: &[i64],
) -> Result<HashMap<i64, skus::Model>, DbErr> {
    let rows = skus::Entity::of_merchant(connection.merchant.0)
        .filter(skus::Column::Id.is_in(ids.iter().copied()))
        .all(db.read())
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

async fn pushes(db: &Db, ids: &[i64]) -> Result<HashMap<i64, Vec<stock_pushes::Model>>, DbErr> {
    let newest = |id: &i64| {
        stock_pushes::Entity::find()
            .filter(stock_pushes::Column::ListingId.eq(*id))
            .order_by_desc(stock_pushes::Column::Id)
            .limit(TOLD)
            .into_query()
    };
    let mut by_listing: HashMap<i64, Vec<_>> = HashMap::new();
    let Some(select) = first_of(ids.iter().map(newest)) else {
        return Ok(by_listing);
    };
    let statement = db.read().get_database_backend().build(&select);
    let found = stock_pushes::Model::find_by_statement(statement);
    for row in found.all(db.read()).await? {
        by_listing.entry(row.listing_id).or_default().push(row);
    }
    for rows in by_listing.values_mut() {
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    }
    Ok(by_listing)
}

async fn movements(
    db: &Db,
    connection: &Channel,
    skus: &[i64],
) -> Result<HashMap<i64, Vec<Moved>>, DbErr> {
    let newest = |id: &i64| {
        movements::Entity::find()
            .filter(movements::Column::SkuId.eq(*id))
            .filter(movements::Column::OutletId.eq(connection.outlet.0))
            .order_by_desc(movements::Column::Id)
            .limit(TOLD)
            .into_query()
    };
    let mut by_sku: HashMap<i64, Vec<_>> = HashMap::new();
    let Some(select) = first_of(skus.iter().map(newest)) else {
        return Ok(by_sku);
    };
    let statement = db.read().get_database_backend().build(&select);
    let mut rows = movements::Model::find_by_statement(statement)
        .all(db.read())
        .await?;
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    let orders: HashMap<i64, (i64, String)> = orders::Entity::of_merchant(connection.merchant.0)
        .select_only()
        .columns([
            orders::Column::Id,
            orders::Column::ConnectionId,
            orders::Column::Number,
        ])
        .filter(orders::Column::Id.is_in(rows.iter().filter_map(|row| row.order_id)))
        .into_tuple::<(i64, i64, String)>()
        .all(db.read())
        .await?
        .into_iter()
        .map(|(id, connection, number)| (id, (connection, number)))
        .collect();
    for row in rows {
        let order = row.order_id.and_then(|id| orders.get(&id));
        by_sku.entry(row.sku_id).or_default().push(Moved {
            sold_here: order.is_some_and(|(of, _)| *of == connection.id.0),
            order_number: order.map(|(_, number)| number.clone()),
            row,
        });
    }
    Ok(by_sku)
}

async fn push_jobs(
    db: &Db,
    connection: &Channel,
    ids: &[i64],
) -> Result<HashMap<i64, Vec<jobs::Model>>, DbErr> {
    let mut by_listing: HashMap<i64, Vec<jobs::Model>> = HashMap::new();
    // Written out and one by one, so that the partial indexes are recognised.
    for state in ["jobs.state = 'available'", "jobs.state = 'running'"] {
        let found = jobs::Entity::find()
            .filter(Expr::cust(state))
            .filter(jobs::Column::Kind.eq(JobKind::PushStock.as_str()))
            .filter(jobs::Column::Key.is_in(ids.iter().map(ToString::to_string)));
        add_jobs(&mut by_listing, found.all(db.read()).await?);
    }
    let dead = jobs::Entity::of_channel(connection.id.0)
        .filter(jobs::Column::State.eq("dead"))
        .filter(jobs::Column::Kind.eq(JobKind::PushStock.as_str()))
        .filter(jobs::Column::Key.is_in(ids.iter().map(ToString::to_string)))
        .order_by_desc(jobs::Column::Id);
    add_jobs(&mut by_listing, dead.all(db.read()).await?);
    Ok(by_listing)
}

fn add_jobs(by_listing: &mut HashMap<i64, Vec<jobs::Model>>, rows: Vec<jobs::Model>) {
    for row in rows {
        if let Ok(listing) = row.key.parse() {
            by_listing.entry(listing).or_default().push(row);
        }
    }
}

#[derive(FromQueryResult)]
struct Walked {
    kind: String,
    began_at: i64,
}

/// When the last full and the last active scan that ended well began: what they covered was read after that.
async fn last_walks(db: &Db, connection: &Channel) -> Result<(i64, i64), DbErr> {
    let rows = scans::Entity::of_channel(connection.id.0)
        .select_only()
        .column(scans::Column::Kind)
        .column_as(scans::Column::WindowTo.max(), "began_at")
        .filter(scans::Column::State.eq("done"))
        .filter(scans::Column::Kind.is_in(["full", "active"]))
        .group_by(scans::Column::Kind)
        .into_model::<Walked>()
        .all(db.read())
        .await?;
    let began = |kind| {
        let row = rows.iter().find(|row| row.kind == kind);
        row.map_or(0, |row| row.began_at)
    };
    Ok((began("full"), began("active")))
}
