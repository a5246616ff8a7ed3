//! Channel Statistic: counts per channel.

use super::{IS_THERE, Scope, ViewError, ViewPage, ViewQuery, count, cut, platform_of};
use crate::channels::Channel;
use crate::db::Db;
use crate::domain::{ChannelId, MerchantId, Timestamp};
use entity::{listings, scans, skus};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Query},
};
use serde::Serialize;
use std::collections::HashMap;

/// What a channel lists, and how it stands to the merchant's SKUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatisticRow {
    pub channel: ChannelId,
    pub name: String,
    pub platform: String,
    pub state: &'static str,
    /// Listings that buyers can find, that they cannot, and that are gone.
    pub active: i64,
    pub inactive: i64,
    pub gone: i64,
    /// Of those that are there: with a SKU, and without.
    pub linked: i64,
    pub not_in_pos: i64,
    /// Of those without a SKU: without a seller SKU at all.
    pub without_seller_sku: i64,
    /// SKUs that it lists, that it lists more than once, and that it does not list.
    pub skus: i64,
    pub multiple_listed: i64,
    pub not_in_channel: i64,
    /// The last scan of each kind that ended well.
    pub last_scans: Vec<LastScan>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastScan {
    pub kind: String,
    pub finished_at: Timestamp,
}

#[derive(FromQueryResult)]
struct Listed {
    channel_id: i64,
    state: String,
    n: i64,
    linked: i64,
    uncoded: i64,
}

#[derive(FromQueryResult)]
struct Sold {
    channel_id: i64,
    skus: i64,
    multiple: i64,
}

#[derive(FromQueryResult)]
struct Scanned {
    channel_id: i64,
    kind: String,
    finished_at: i64,
}

/// The merchant's channels, oldest first, each with its counts; those on a shared connection under that.
pub async fn channel_statistic(
    db: &Db,
    merchant: MerchantId,
    query: &ViewQuery,
) -> Result<ViewPage<StatisticRow>, ViewError> {
    let mut scope = Scope::of(db, merchant, query).await?;
    if let Some(text) = query.search.as_ref().map(|text| text.to_lowercase()) {
        let is_it = |channel: &Channel| {
            let names = [channel.name.to_lowercase(), platform_of(channel)];
            names.iter().any(|name| name.to_lowercase().contains(&text))
        };
        scope.channels.retain(is_it);
    }
    let total = scope.channels.len() as u64;
    let after = query.after_id()?;
    scope.channels.retain(|channel| channel.id.0 > after);
    let (channels, next) = cut(scope.channels, query.limit(), |channel| {
        channel.id.to_string()
    });
    let ids: Vec<i64> = channels.iter().map(|channel| channel.id.0).collect();
    let listed = listed(db, &ids).await?;
    let linked: HashMap<i64, Sold> = skus_on(db, &ids)
        .await?
        .into_iter()
        .map(|row| (row.channel_id, row))
        .collect();
    let n_skus = count(db, skus::Entity::of_merchant(merchant.0)).await?;
    let scanned = scanned(db, &ids).await?;
    let row = |channel: &Channel| {
        let own = listed.iter().filter(|row| row.channel_id == channel.id.0);
        let mut row = row(channel, own);
        if let Some(on) = linked.get(&channel.id.0) {
            (row.skus, row.multiple_listed) = (on.skus, on.multiple);
        }
        row.not_in_channel = n_skus as i64 - row.skus;
        let own = scanned
            .iter()
            .filter(|scan| scan.channel_id == channel.id.0);
        row.last_scans = own.map(last_scan).collect();
        row
    };
    Ok(ViewPage {
        total,
        rows: channels.iter().map(row).collect(),
        next,
    })
}

fn row<'a>(channel: &Channel, listed: impl Iterator<Item = &'a Listed>) -> StatisticRow {
    let mut row = StatisticRow {
        channel: channel.id,
        name: channel.name.clone(),
        platform: platform_of(channel),
        state: channel.state.as_str(),
        active: 0,
        inactive: 0,
        gone: 0,
        linked: 0,
        not_in_pos: 0,
        without_seller_sku: 0,
        skus: 0,
        multiple_listed: 0,
        not_in_channel: 0,
        last_scans: Vec::new(),
    };
    for group in listed {
        match group.state.as_str() {
            "gone" => {
                row.gone += group.n;
                continue;
            }
            "active" => row.active += group.n,
            _ => row.inactive += group.n,
        }
        row.linked += group.linked;
        row.not_in_pos += group.n - group.linked;
        row.without_seller_sku += group.uncoded;
    }
    row
}

fn last_scan(scan: &Scanned) -> LastScan {
    LastScan {
        kind: scan.kind.clone(),
        finished_at: Timestamp::from_micros(scan.finished_at),
    }
}

async fn listed(db: &Db, channels: &[i64]) -> Result<Vec<Listed>, DbErr> {
    let uncoded =
        "sum(case when listings.sku_id is null and listings.seller_sku is null then 1 else 0 end)";
    listings::Entity::find()
        .select_only()
        .columns([listings::Column::ChannelId, listings::Column::State])
        .column_as(Expr::cust("count(*)"), "n")
        .column_as(Expr::cust("count(listings.sku_id)"), "linked")
        .column_as(Expr::cust(uncoded), "uncoded")
        .filter(listings::Column::ChannelId.is_in(channels.iter().copied()))
        .group_by(listings::Column::ChannelId)
        .group_by(listings::Column::State)
        .order_by_asc(listings::Column::ChannelId)
        .order_by_asc(listings::Column::State)
        .into_model::<Listed>()
        .all(db.read())
        .await
}

async fn skus_on(db: &Db, channels: &[i64]) -> Result<Vec<Sold>, DbErr> {
    let column = |column| Expr::col((listings::Entity, column));
    let per_sku = Query::select()
        .column((listings::Entity, listings::Column::ChannelId))
        .expr_as(Expr::cust("count(*)"), "n")
        .from(listings::Entity)
        .and_where(column(listings::Column::ChannelId).is_in(channels.iter().copied()))
        .and_where(column(listings::Column::SkuId).is_not_null())
        .and_where(Expr::cust(IS_THERE))
        .group_by_columns([
            (listings::Entity, listings::Column::ChannelId),
            (listings::Entity, listings::Column::SkuId),
        ])
        .to_owned();
    let per_channel = Query::select()
        .column("channel_id")
        .expr_as(Expr::cust("count(*)"), "skus")
        .expr_as(
            Expr::cust("sum(case when n > 1 then 1 else 0 end)"),
            "multiple",
        )
        .from_subquery(per_sku, "per_sku")
        .group_by_col("channel_id")
        .to_owned();
    let backend = db.read().get_database_backend();
    Sold::find_by_statement(backend.build(&per_channel))
        .all(db.read())
        .await
}

async fn scanned(db: &Db, channels: &[i64]) -> Result<Vec<Scanned>, DbErr> {
    scans::Entity::find()
        .select_only()
        .columns([scans::Column::ChannelId, scans::Column::Kind])
        .column_as(scans::Column::FinishedAt.max(), "finished_at")
        .filter(scans::Column::ChannelId.is_in(channels.iter().copied()))
        .filter(scans::Column::State.eq("done"))
        .filter(scans::Column::FinishedAt.is_not_null())
        .group_by(scans::Column::ChannelId)
        .group_by(scans::Column::Kind)
        .order_by_asc(scans::Column::ChannelId)
        .order_by_asc(scans::Column::Kind)
        .into_model::<Scanned>()
        .all(db.read())
        .await
}
