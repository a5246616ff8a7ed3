//! The ledger of a SKU, with the level after each movement: every unit explained.

use crate::domain::{ChannelId, MerchantId, OrderId, OutletId, SkuId, Timestamp};
use entity::{bundle_parts, levels, listings, movements, orders};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, ExprTrait, Query},
};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};

/// A movement, what caused it, and what was there after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    pub id: i64,
    pub at: Timestamp,
    pub outlet: OutletId,
    pub kind: String,
    pub on_hand_delta: i64,
    pub allocated_delta: i64,
    pub reserved_delta: i64,
    /// At the outlet, after it.
    pub on_hand: i64,
    pub allocated: i64,
    pub reserved: i64,
    pub order: Option<OrderId>,
    /// The order's number and channel, when an order caused it.
    pub order_number: Option<String>,
    pub channel: Option<ChannelId>,
    pub note: Option<String>,
    pub reference: String,
}

/// Which movements of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedFilter {
    pub sku: SkuId,
    pub outlet: Option<OutletId>,
    /// Only those before this one: where the page before ended.
    pub before: Option<i64>,
    pub limit: u64,
}

#[derive(FromQueryResult)]
struct Sum {
    outlet_id: i64,
    on_hand: i64,
    allocated: i64,
    reserved: i64,
}

/// Movements of a SKU, newest first. Three queries.
pub async fn history<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    filter: &MovedFilter,
) -> Result<Vec<Moved>, DbErr> {
    let conditions = || {
        Condition::all()
            .add(movements::Column::SkuId.eq(filter.sku.0))
            .add_option(filter.outlet.map(|id| movements::Column::OutletId.eq(id.0)))
            .add_option(filter.before.map(|id| movements::Column::Id.lt(id)))
    };
    let rows = movements::Entity::of_merchant(merchant.0)
        .filter(conditions())
        .order_by_desc(movements::Column::Id)
        .limit(filter.limit)
        .all(db)
        .await?;
    // What was there after the newest of these: the sum of all up to it.
    let sum = |column: movements::Column| Expr::col(column).sum().cast_as("bigint");
    let sums = movements::Entity::of_merchant(merchant.0)
        .select_only()
        .column(movements::Column::OutletId)
        .column_as(sum(movements::Column::OnHandDelta), "on_hand")
        .column_as(sum(movements::Column::AllocatedDelta), "allocated")
        .column_as(sum(movements::Column::ReservedDelta), "reserved")
        .filter(conditions())
        .group_by(movements::Column::OutletId)
        .into_model::<Sum>()
        .all(db)
        .await?;
    let mut levels: HashMap<i64, (i64, i64, i64)> = sums
        .into_iter()
        .map(|sum| (sum.outlet_id, (sum.on_hand, sum.allocated, sum.reserved)))
        .collect();
    let orders = orders_of(db, merchant, &rows).await?;
    let moved = |row: movements::Model| {
        let level = levels.entry(row.outlet_id).or_default();
        let (on_hand, allocated, reserved) = *level;
        level.0 -= row.on_hand_delta;
        level.1 -= row.allocated_delta;
        level.2 -= row.reserved_delta;
        let order = row.order_id.and_then(|id| orders.get(&id));
        Moved {
            id: row.id,
            at: Timestamp::from_micros(row.created_at),
            outlet: OutletId(row.outlet_id),
            kind: row.kind,
            on_hand_delta: row.on_hand_delta,
            allocated_delta: row.allocated_delta,
            reserved_delta: row.reserved_delta,
            on_hand,
            allocated,
            reserved,
            order: row.order_id.map(OrderId),
            order_number: order.map(|(number, _)| number.clone()),
            channel: order.map(|(_, channel)| ChannelId(*channel)),
            note: row.note,
            reference: row.reference,
        }
    };
    Ok(rows.into_iter().map(moved).collect())
}

async fn orders_of<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    rows: &[movements::Model],
) -> Result<HashMap<i64, (String, i64)>, DbErr> {
    let ids: BTreeSet<i64> = rows.iter().filter_map(|row| row.order_id).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(i64, String, i64)> = orders::Entity::of_merchant(merchant.0)
        .select_only()
        .columns([
            orders::Column::Id,
            orders::Column::Number,
            orders::Column::ChannelId,
        ])
        .filter(orders::Column::Id.is_in(ids))
        .into_tuple()
        .all(db)
        .await?;
    let named = |(id, number, channel)| (id, (number, channel));
    Ok(found.into_iter().map(named).collect())
}

/// Linked listings of a channel whose SKU, or a component of it, moved since `since`; by listing.
pub async fn moved_since<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    since: Timestamp,
    limit: u64,
) -> Result<Vec<i64>, DbErr> {
    let moved = || {
        Query::select()
            .column(levels::Column::SkuId)
            .from(levels::Entity)
            .and_where(Expr::col(levels::Column::UpdatedAt).gte(since.micros()))
            .to_owned()
    };
    let holding = Query::select()
        .column(bundle_parts::Column::BundleId)
        .from(bundle_parts::Entity)
        .and_where(Expr::col(bundle_parts::Column::ComponentId).in_subquery(moved()))
        .to_owned();
    let either = Condition::any()
        .add(listings::Column::SkuId.in_subquery(moved()))
        .add(listings::Column::SkuId.in_subquery(holding));
    listings::Entity::of_channel(channel.0)
        .select_only()
        .column(listings::Column::Id)
        .filter(listings::Column::State.ne("gone"))
        .filter(listings::Column::Quantity.is_not_null())
        .filter(either)
        .order_by_asc(listings::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}
