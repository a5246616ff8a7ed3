//! Views whose rows are SKUs: Sold in Channel, Not in Channel, In POS.

use super::{IS_THERE, Scope, ViewError, ViewPage, ViewQuery, count, cut};
use crate::db::Db;
use crate::domain::{MerchantId, SkuId};
use entity::{levels, listings, skus};
use sea_orm::{
    ColumnTrait, DbErr, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, Query, SimpleExpr},
};
use serde::Serialize;
use std::collections::HashMap;

/// A SKU with what is on hand of it and where it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkuRow {
    pub id: SkuId,
    pub code: String,
    pub name: String,
    /// Over all outlets; none: never counted.
    pub on_hand: Option<i64>,
    pub allocated: Option<i64>,
    pub price_minor: Option<i64>,
    pub currency: Option<String>,
    pub channels: Vec<OnChannel>,
}

/// Where a SKU is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnChannel {
    pub channel: i64,
    pub name: String,
    pub listings: i64,
    /// Those that buyers can find.
    pub active: i64,
}

/// SKUs with at least one listing on the channel, or on any.
pub async fn sold_in_channel(
    db: &Db,
    merchant: MerchantId,
    query: &ViewQuery,
) -> Result<ViewPage<SkuRow>, ViewError> {
    let scope = Scope::of(db, merchant, query).await?;
    let listed = Expr::exists(listing_of_sku(&scope));
    page(db, merchant, query, &scope, Some(listed)).await
}

/// SKUs without a listing on the channel, or on any.
pub async fn not_in_channel(
    db: &Db,
    merchant: MerchantId,
    query: &ViewQuery,
) -> Result<ViewPage<SkuRow>, ViewError> {
    let scope = Scope::of(db, merchant, query).await?;
    let unlisted = Expr::exists(listing_of_sku(&scope)).not();
    page(db, merchant, query, &scope, Some(unlisted)).await
}

/// All SKUs.
pub async fn in_pos(
    db: &Db,
    merchant: MerchantId,
    query: &ViewQuery,
) -> Result<ViewPage<SkuRow>, ViewError> {
    let scope = Scope::of(db, merchant, query).await?;
    page(db, merchant, query, &scope, None).await
}

fn listing_of_sku(scope: &Scope) -> sea_orm::sea_query::SelectStatement {
    let column = |column| Expr::col((listings::Entity, column));
    Query::select()
        .expr(Expr::cust("1"))
        .from(listings::Entity)
        .and_where(column(listings::Column::SkuId).equals((skus::Entity, skus::Column::Id)))
        .and_where(column(listings::Column::ChannelId).is_in(scope.ids()))
        .and_where(Expr::cust(IS_THERE))
        .to_owned()
}

/// In the order of the codes, which is that of an index.
async fn page(
    db: &Db,
    merchant: MerchantId,
    query: &ViewQuery,
    scope: &Scope,
    only: Option<SimpleExpr>,
) -> Result<ViewPage<SkuRow>, ViewError> {
    let mut all = skus::Entity::of_merchant(merchant.0)
        .filter(query.matching(&[skus::Column::Code, skus::Column::Name]));
    if let Some(only) = only {
        all = all.filter(only);
    }
    let total = count(db, all.clone()).await?;
    let mut rows: Select<skus::Entity> = all;
    if let Some(after) = &query.after {
        rows = rows.filter(skus::Column::Code.gt(after.as_str()));
    }
    let limit = query.limit();
    let rows = rows
        .order_by_asc(skus::Column::Code)
        .limit(limit + 1)
        .all(db.read())
        .await?;
    let (rows, next) = cut(rows, limit, |row| row.code.clone());
    Ok(ViewPage {
        total,
        rows: with_details(db, merchant, scope, rows).await?,
        next,
    })
}

#[derive(FromQueryResult)]
struct Listed {
    sku_id: i64,
    channel_id: i64,
    n: i64,
    active: i64,
}

#[derive(FromQueryResult)]
struct Level {
    sku_id: i64,
    on_hand: i64,
    allocated: i64,
}

async fn with_details(
    db: &Db,
    merchant: MerchantId,
    scope: &Scope,
    rows: Vec<skus::Model>,
) -> Result<Vec<SkuRow>, DbErr> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut listed: HashMap<i64, Vec<OnChannel>> = HashMap::new();
    for one in listed_where(db, merchant, scope, &ids).await? {
        listed.entry(one.sku_id).or_default().push(OnChannel {
            name: scope.name_of(one.channel_id),
            channel: one.channel_id,
            listings: one.n,
            active: one.active,
        });
    }
    let levels: HashMap<i64, Level> = levels_of(db, merchant, &ids)
        .await?
        .into_iter()
        .map(|level| (level.sku_id, level))
        .collect();
    let row = |row: skus::Model| {
        let level = levels.get(&row.id);
        SkuRow {
            id: SkuId(row.id),
            on_hand: level.map(|level| level.on_hand),
            allocated: level.map(|level| level.allocated),
            channels: listed.remove(&row.id).unwrap_or_default(),
            code: row.code,
            name: row.name,
            price_minor: row.price_minor,
            currency: row.currency,
        }
    };
    Ok(rows.into_iter().map(row).collect())
}

async fn listed_where(
    db: &Db,
    merchant: MerchantId,
    scope: &Scope,
    skus: &[i64],
) -> Result<Vec<Listed>, DbErr> {
    let active = Expr::cust("sum(case when listings.state = 'active' then 1 else 0 end)");
    listings::Entity::of_merchant(merchant.0)
        .select_only()
        .columns([listings::Column::SkuId, listings::Column::ChannelId])
        .column_as(Expr::cust("count(*)"), "n")
        .column_as(active, "active")
        .filter(listings::Column::SkuId.is_in(skus.iter().copied()))
        .filter(listings::Column::ChannelId.is_in(scope.ids()))
        .filter(Expr::cust(IS_THERE))
        .group_by(listings::Column::SkuId)
        .group_by(listings::Column::ChannelId)
        .order_by_asc(listings::Column::SkuId)
        .order_by_asc(listings::Column::ChannelId)
        .into_model::<Listed>()
        .all(db.read())
        .await
}

async fn levels_of(db: &Db, merchant: MerchantId, skus: &[i64]) -> Result<Vec<Level>, DbErr> {
    // PostgreSQL sums integers into a numeric; the cast makes both databases answer alike.
    let sum = |column: levels::Column| Expr::col(column).sum().cast_as("bigint");
    levels::Entity::of_merchant(merchant.0)
        .select_only()
        .column(levels::Column::SkuId)
        .column_as(sum(levels::Column::OnHand), "on_hand")
        .column_as(sum(levels::Column::Allocated), "allocated")
        .filter(levels::Column::SkuId.is_in(skus.iter().copied()))
        .group_by(levels::Column::SkuId)
        .into_model::<Level>()
        .all(db.read())
        .await
}
