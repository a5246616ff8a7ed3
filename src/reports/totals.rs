//! What was done in all: counts over the whole history of a merchant.

use crate::domain::{JobKind, MerchantId};
use crate::queue::Queue;
use entity::{channels, downloads, events, jobs, orders, scans, stock_pushes};
use sea_orm::{ColumnTrait, DbErr, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub events: u64,
    /// Orders with an invoice, void ones included, by platform.
    pub sales: BTreeMap<String, u64>,
    /// Orders by what found them first.
    pub orders_by_source: BTreeMap<String, u64>,
    /// Pushes that channels took.
    pub stock_pushes: u64,
    pub stock_pushes_failed: u64,
    /// Single products that were read again.
    pub rescans: u64,
    /// Scans that ended well, by kind.
    pub scans: BTreeMap<String, u64>,
    pub order_downloads: u64,
    /// Orders that downloads found missing from the books.
    pub orders_found_by_scan: u64,
    pub dead_jobs: u64,
}

/// # Errors
/// When the database fails.
pub async fn totals(queue: &Queue, merchant: MerchantId) -> Result<Totals, DbErr> {
    let db = queue.db().read();
    let m = merchant.0;
    let pushes = |state: &str| {
        stock_pushes::Entity::of_merchant(m)
            .filter(stock_pushes::Column::State.eq(state))
            .count(db)
    };
    let ended = |kind: JobKind, state: &str| {
        jobs::Entity::of_merchant(m)
            .filter(jobs::Column::Kind.eq(kind.as_str()))
            .filter(jobs::Column::State.eq(state))
            .count(db)
    };
    let platforms: Vec<(i64, String)> = channels::Entity::of_merchant(m)
        .select_only()
        .columns([channels::Column::Id, channels::Column::Platform])
        .into_tuple()
        .all(db)
        .await?;
    let sold: Vec<(i64, i64)> = orders::Entity::of_merchant(m)
        .select_only()
        .column(orders::Column::ChannelId)
        .column_as(orders::Column::Id.count(), "n")
        .filter(orders::Column::InvoiceNumber.is_not_null())
        .group_by(orders::Column::ChannelId)
        .into_tuple()
        .all(db)
        .await?;
    let mut sales = BTreeMap::new();
    for (channel, platform) in platforms {
        let n = sold
            .iter()
            .find(|(id, _)| *id == channel)
            .map_or(0, |(_, n)| *n);
        *sales.entry(platform).or_default() += n.cast_unsigned();
    }
    let sources = grouped(crate::sync::order_sources(queue.db(), merchant).await?);
    let scans = scans::Entity::of_merchant(m)
        .select_only()
        .column(scans::Column::Kind)
        .column_as(scans::Column::Id.count(), "n")
        .filter(scans::Column::State.eq("done"))
        .group_by(scans::Column::Kind)
        .order_by_asc(scans::Column::Kind)
        .into_tuple()
        .all(db)
        .await?;
    let dead = jobs::Entity::of_merchant(m).filter(jobs::Column::State.eq("dead"));
    Ok(Totals {
        events: events::Entity::of_merchant(m).count(db).await?,
        sales,
        orders_found_by_scan: sources.get("scan").copied().unwrap_or_default(),
        orders_by_source: sources,
        stock_pushes: pushes("pushed").await?,
        stock_pushes_failed: pushes("failed").await?,
        rescans: ended(JobKind::RescanProduct, "done").await?,
        scans: grouped(scans),
        order_downloads: downloads::Entity::of_merchant(m)
            .filter(downloads::Column::State.eq("done"))
            .count(db)
            .await?,
        dead_jobs: dead.count(db).await?,
    })
}

fn grouped(rows: Vec<(String, i64)>) -> BTreeMap<String, u64> {
    rows.into_iter()
        .map(|(name, n)| (name, n.cast_unsigned()))
        .collect()
}
