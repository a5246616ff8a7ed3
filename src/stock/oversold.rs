//! Oversells: more was sold at an outlet than is there. Written down when it happens, closed when it is covered.
//!
//! The ledger is never clamped: what two channels sold at the same time is sold twice, and this says so.

use super::Movement;
use crate::db::Tx;
use crate::domain::{MerchantId, OrderId, OutletId, SkuId, Timestamp};
use entity::oversells;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde::Serialize;

/// A SKU of which more was sold at an outlet than is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Oversell {
    pub id: i64,
    pub sku: SkuId,
    pub outlet: OutletId,
    /// The order that took the last unit too many, when it was one.
    pub order: Option<OrderId>,
    /// Most units that were missing at once.
    pub units: i64,
    pub since: Timestamp,
    pub closed_at: Option<Timestamp>,
}

impl From<oversells::Model> for Oversell {
    fn from(row: oversells::Model) -> Self {
        Self {
            id: row.id,
            sku: SkuId(row.sku_id),
            outlet: OutletId(row.outlet_id),
            order: row.order_id.map(OrderId),
            units: row.units,
            since: Timestamp::from_micros(row.since),
            closed_at: row.closed_at.map(Timestamp::from_micros),
        }
    }
}

/// After a level moved from `before` to `left` units available. No statement unless one of them is negative.
pub(super) async fn note(
    tx: &Tx,
    merchant: MerchantId,
    movement: &Movement,
    (before, left): (i64, i64),
    now: Timestamp,
) -> Result<(), DbErr> {
    if left < 0 && left < before {
        return open(tx, merchant, movement, -left, now).await;
    }
    if before < 0 && left >= 0 {
        return close(tx, movement, now).await;
    }
    Ok(())
}

async fn open(
    tx: &Tx,
    merchant: MerchantId,
    movement: &Movement,
    units: i64,
    now: Timestamp,
) -> Result<(), DbErr> {
    let row = oversells::ActiveModel {
        merchant_id: Set(merchant.0),
        sku_id: Set(movement.sku.0),
        outlet_id: Set(movement.outlet.0),
        order_id: Set(movement.order.map(|order| order.0)),
        units: Set(units),
        since: Set(now.micros()),
        closed_at: Set(None),
        ..Default::default()
    };
    let mut worse = OnConflict::columns([oversells::Column::SkuId, oversells::Column::OutletId]);
    worse
        .target_and_where(Expr::cust("closed_at is null"))
        .update_columns([oversells::Column::Units, oversells::Column::OrderId])
        .action_and_where(Expr::cust("excluded.units > oversells.units"));
    oversells::Entity::insert(row)
        .on_conflict(worse)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

async fn close(tx: &Tx, movement: &Movement, now: Timestamp) -> Result<(), DbErr> {
    oversells::Entity::update_many()
        .col_expr(oversells::Column::ClosedAt, Expr::value(now.micros()))
        .filter(oversells::Column::SkuId.eq(movement.sku.0))
        .filter(oversells::Column::OutletId.eq(movement.outlet.0))
        .filter(oversells::Column::ClosedAt.is_null())
        .exec(tx)
        .await?;
    Ok(())
}

/// The merchant's oversells, newest first; those that were covered at the caller's choice.
pub async fn oversells<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    with_closed: bool,
    limit: u64,
) -> Result<Vec<Oversell>, DbErr> {
    let mut query = oversells::Entity::of_merchant(merchant.0);
    if !with_closed {
        query = query.filter(oversells::Column::ClosedAt.is_null());
    }
    let rows = query
        .order_by_desc(oversells::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Oversell::from).collect())
}
