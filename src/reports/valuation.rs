//! What the stock is worth: units on hand at what they cost, and at what they sell for.
//!
//! As it is now from the levels, or as it was at the end of a day from the ledger; prices and costs are those of now.
//! Amounts of several currencies are never added up. Answers come in pages, in the order of SKUs and outlets.

use crate::accounts;
use crate::db::Db;
use crate::domain::{Day, MerchantId, OutletId, SkuId};
use entity::{levels, movements, skus};
use sea_orm::{
    ColumnTrait, Condition, DbErr, ExprTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Levels read at once.
const PAGE: u64 = 1_000;

/// Which stock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValuationQuery {
    pub outlet: Option<OutletId>,
    /// As it was when this day ended, by the merchant's clock; none: now.
    pub day: Option<Day>,
}

/// A SKU at an outlet. Values may be negative where more was sent than there was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ValuedLevel {
    pub sku: SkuId,
    pub code: String,
    pub name: String,
    pub outlet_id: OutletId,
    pub outlet: String,
    pub on_hand: i64,
    pub allocated: i64,
    /// Of one unit, in minor units of its currency; none: not told.
    pub cost_minor: Option<i64>,
    pub cost_currency: Option<String>,
    pub price_minor: Option<i64>,
    pub price_currency: Option<String>,
    /// On hand times the cost, and times the price.
    pub cost_value_minor: Option<i64>,
    pub price_value_minor: Option<i64>,
}

/// The worth of all levels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Worth {
    pub on_hand: i64,
    pub allocated: i64,
    /// In minor units, by currency.
    pub cost: BTreeMap<String, i64>,
    pub price: BTreeMap<String, i64>,
    /// Units on hand of SKUs whose cost, or price, is not told: they are in no value.
    pub without_cost: i64,
    pub without_price: i64,
}

impl Worth {
    pub fn add(&mut self, level: &ValuedLevel) {
        self.on_hand += level.on_hand;
        self.allocated += level.allocated;
        let values = [
            (
                &mut self.cost,
                &mut self.without_cost,
                level.cost_value_minor.zip(level.cost_currency.clone()),
            ),
            (
                &mut self.price,
                &mut self.without_price,
                level.price_value_minor.zip(level.price_currency.clone()),
            ),
        ];
        for (sums, without, value) in values {
            match value {
                Some((minor, currency)) => {
                    let sum = sums.entry(currency).or_default();
                    *sum = sum.saturating_add(minor);
                }
                None => *without += level.on_hand,
            }
        }
    }
}

/// Where a page ended.
pub type Place = (SkuId, OutletId);

#[derive(Debug, FromQueryResult)]
struct Sum {
    sku_id: i64,
    outlet_id: i64,
    on_hand: i64,
    allocated: i64,
}

/// The next page after a place, and where to go on; `None`: it was the last.
///
/// # Errors
/// When the database fails.
pub async fn valuation(
    db: &Db,
    merchant: MerchantId,
    query: &ValuationQuery,
    after: Option<Place>,
) -> Result<(Vec<ValuedLevel>, Option<Place>), DbErr> {
    let page = page(db, merchant, query, after).await?;
    let ids: Vec<i64> = page.iter().map(|level| level.sku_id).collect();
    let known: HashMap<i64, skus::Model> = skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::Id.is_in(ids.iter().copied()))
        .all(db.read())
        .await?
        .into_iter()
        .map(|sku| (sku.id, sku))
        .collect();
    let outlets: HashMap<i64, String> = accounts::outlets(db, merchant)
        .await?
        .into_iter()
        .map(|outlet| (outlet.id, outlet.name))
        .collect();
    let then = match query.day {
        Some(day) => Some(as_of(db, merchant, day, ids).await?),
        None => None,
    };
    let next = page
        .last()
        .filter(|_| page.len() as u64 == PAGE)
        .map(|level| (SkuId(level.sku_id), OutletId(level.outlet_id)));
    let rows = page.into_iter().filter_map(|level| {
        let units = match &then {
            None => (level.on_hand, level.allocated),
            Some(then) => *then.get(&(level.sku_id, level.outlet_id))?,
        };
        let sku = known.get(&level.sku_id)?;
        let outlet = outlets.get(&level.outlet_id).cloned().unwrap_or_default();
        Some(valued(sku, (level.outlet_id, outlet), units))
    });
    Ok((rows.collect(), next))
}

async fn page(
    db: &Db,
    merchant: MerchantId,
    query: &ValuationQuery,
    after: Option<Place>,
) -> Result<Vec<levels::Model>, DbErr> {
    let mut select = levels::Entity::of_merchant(merchant.0);
    if let Some(outlet) = query.outlet {
        select = select.filter(levels::Column::OutletId.eq(outlet.0));
    }
    if let Some((sku, outlet)) = after {
        let same_sku = Condition::all()
            .add(levels::Column::SkuId.eq(sku.0))
            .add(levels::Column::OutletId.gt(outlet.0));
        let later = levels::Column::SkuId.gt(sku.0);
        select = select.filter(Condition::any().add(later).add(same_sku));
    }
    select
        .order_by_asc(levels::Column::SkuId)
        .order_by_asc(levels::Column::OutletId)
        .limit(PAGE)
        .all(db.read())
        .await
}

/// What these SKUs' movements came to when a day ended.
async fn as_of(
    db: &Db,
    merchant: MerchantId,
    day: Day,
    skus: Vec<i64>,
) -> Result<HashMap<(i64, i64), (i64, i64)>, DbErr> {
    let zone = accounts::time_zone(db, merchant).await?;
    let end = day.next().begins_at(zone);
    // PostgreSQL sums integers into a numeric; the cast makes both databases answer alike.
    let sum = |column: movements::Column| Expr::col(column).sum().cast_as("bigint");
    let rows = movements::Entity::of_merchant(merchant.0)
        .select_only()
        .column(movements::Column::SkuId)
        .column(movements::Column::OutletId)
        .column_as(sum(movements::Column::OnHandDelta), "on_hand")
        .column_as(sum(movements::Column::AllocatedDelta), "allocated")
        .filter(movements::Column::SkuId.is_in(skus))
        .filter(movements::Column::CreatedAt.lt(end.micros()))
        .group_by(movements::Column::SkuId)
        .group_by(movements::Column::OutletId)
        .into_model::<Sum>()
        .all(db.read())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.sku_id, row.outlet_id), (row.on_hand, row.allocated)))
        .collect())
}

fn valued(sku: &skus::Model, (outlet_id, outlet): (i64, String), units: (i64, i64)) -> ValuedLevel {
    let (on_hand, allocated) = units;
    let value = |each: Option<i64>| each.map(|each| each.saturating_mul(on_hand));
    ValuedLevel {
        sku: SkuId(sku.id),
        code: sku.code.clone(),
        name: sku.name.clone(),
        outlet_id: OutletId(outlet_id),
        outlet,
        on_hand,
        allocated,
        cost_minor: sku.cost_minor,
        cost_currency: sku.cost_currency.clone(),
        price_minor: sku.price_minor,
        price_currency: sku.currency.clone(),
        cost_value_minor: value(sku.cost_minor),
        price_value_minor: value(sku.price_minor),
    }
}
