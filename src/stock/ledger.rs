//! Movements and levels. Movements are added and never changed: the database itself refuses that.

use super::oversold;
use crate::db::{Db, Tx};
use crate::domain::{MerchantId, OrderId, OutletId, SkuId, Timestamp, job::named};
use crate::outbox;
use entity::{levels, movements};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// Why stock moved.
    MovementKind {
        /// Units sold and not yet sent.
        Allocate = "allocate",
        /// Units that left.
        Ship = "ship",
        /// Units called off before they left.
        Cancel = "cancel",
        /// Units that came back.
        Return = "return",
        /// The first count of a SKU at an outlet.
        Opening = "opening",
        /// A person counted.
        Count = "count",
        /// More or fewer units, for a reason that a person gave.
        Adjust = "adjust",
        /// From one outlet to another: two movements.
        Transfer = "transfer",
        /// Units set apart for a promotion, or freed again.
        Reserve = "reserve",
    }
);

const LIST_LIMIT: u64 = 100_000;

/// One line of the ledger, to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    pub sku: SkuId,
    pub outlet: OutletId,
    pub kind: MovementKind,
    pub on_hand_delta: i64,
    pub allocated_delta: i64,
    pub order: Option<OrderId>,
    pub order_line: Option<i64>,
    /// Unique per merchant: a second movement with the same reference is not written.
    pub reference: String,
    pub note: Option<String>,
}

/// Writes movements, moves their levels and tells whoever listens. Returns the SKUs that moved.
pub async fn append(
    tx: &Tx,
    merchant: MerchantId,
    movements: &[Movement],
    now: Timestamp,
) -> Result<Vec<SkuId>, DbErr> {
    let moved = append_untold(tx, merchant, movements, now).await?;
    if !moved.is_empty()
        && let Some(audience) = outbox::audience(tx, merchant).await?
    {
        let changes = super::changes(tx, merchant, movements, &moved).await?;
        audience.tell(tx, &changes, now).await?;
    }
    Ok(moved)
}

/// The same for who tells more than that, and tells it together: [`super::changes`].
pub async fn append_untold(
    tx: &Tx,
    merchant: MerchantId,
    movements: &[Movement],
    now: Timestamp,
) -> Result<Vec<SkuId>, DbErr> {
    // Always in the same order, so that two orders with the same SKUs never wait for each other.
    let mut ordered: Vec<&Movement> = movements.iter().collect();
    ordered.sort_by_key(|movement| (movement.sku, movement.outlet));
    let mut moved = Vec::new();
    for movement in ordered {
        if write(tx, merchant, movement, 0, now).await? && moved.last() != Some(&movement.sku) {
            moved.push(movement.sku);
        }
    }
    Ok(moved)
}

/// Writes one movement and moves its level, `reserved` units being set apart. False when it was written before.
pub(super) async fn write(
    tx: &Tx,
    merchant: MerchantId,
    movement: &Movement,
    reserved: i64,
    now: Timestamp,
) -> Result<bool, DbErr> {
    if !write_movement(tx, merchant, movement, reserved, now).await? {
        return Ok(false);
    }
    let level = move_level(tx, merchant, movement, reserved, now).await?;
    let left = level.on_hand - level.allocated - level.reserved;
    let before = left - movement.on_hand_delta + movement.allocated_delta + reserved;
    oversold::note(tx, merchant, movement, (before, left), now).await?;
    Ok(true)
}

/// The same for what a person does: twice at the same moment is two deeds, so the reference is made a new one.
pub(super) async fn write_deed(
    tx: &Tx,
    merchant: MerchantId,
    movement: Movement,
    reserved: i64,
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut deed = movement.clone();
    let mut n = 1;
    while !write(tx, merchant, &deed, reserved, now).await? {
        n += 1;
        deed.reference = format!("{}:{n}", movement.reference);
    }
    Ok(())
}

async fn write_movement(
    tx: &Tx,
    merchant: MerchantId,
    movement: &Movement,
    reserved: i64,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let row = movements::ActiveModel {
        merchant_id: Set(merchant.0),
        sku_id: Set(movement.sku.0),
        outlet_id: Set(movement.outlet.0),
        kind: Set(movement.kind.as_str().to_owned()),
        on_hand_delta: Set(movement.on_hand_delta),
        allocated_delta: Set(movement.allocated_delta),
        reserved_delta: Set(reserved),
        order_id: Set(movement.order.map(|order| order.0)),
        order_line_id: Set(movement.order_line),
        reference: Set(movement.reference.clone()),
        note: Set(movement.note.clone()),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    let unique = [movements::Column::MerchantId, movements::Column::Reference];
    let written = movements::Entity::insert(row)
        .on_conflict(OnConflict::columns(unique).do_nothing().to_owned())
        .exec_without_returning(tx)
        .await?;
    Ok(written > 0)
}

async fn move_level(
    tx: &Tx,
    merchant: MerchantId,
    movement: &Movement,
    reserved: i64,
    now: Timestamp,
) -> Result<levels::Model, DbErr> {
    let row = levels::ActiveModel {
        sku_id: Set(movement.sku.0),
        outlet_id: Set(movement.outlet.0),
        merchant_id: Set(merchant.0),
        on_hand: Set(movement.on_hand_delta),
        allocated: Set(movement.allocated_delta),
        reserved: Set(reserved),
        updated_at: Set(now.micros()),
    };
    let plus = |column: levels::Column, delta: i64| Expr::col((levels::Entity, column)).add(delta);
    let on_hand = plus(levels::Column::OnHand, movement.on_hand_delta);
    let allocated = plus(levels::Column::Allocated, movement.allocated_delta);
    let reserved = plus(levels::Column::Reserved, reserved);
    let merge = OnConflict::columns([levels::Column::SkuId, levels::Column::OutletId])
        .value(levels::Column::OnHand, on_hand)
        .value(levels::Column::Allocated, allocated)
        .value(levels::Column::Reserved, reserved)
        .update_column(levels::Column::UpdatedAt)
        .to_owned();
    levels::Entity::insert(row)
        .on_conflict(merge)
        .exec_with_returning(tx)
        .await
}

/// Makes the on-hand level `units`, by a counted movement of the difference. Returns the difference.
pub async fn set_on_hand(
    tx: &Tx,
    merchant: MerchantId,
    at: (SkuId, OutletId),
    units: i64,
    note: &str,
    now: Timestamp,
) -> Result<i64, DbErr> {
    let (sku, outlet) = at;
    let level = levels::Entity::find_by_id((sku.0, outlet.0))
        .lock_exclusive()
        .one(tx)
        .await?;
    let kind = if level.is_none() {
        MovementKind::Opening
    } else {
        MovementKind::Count
    };
    let difference = units - level.map_or(0, |level| level.on_hand);
    if difference == 0 {
        return Ok(0);
    }
    let movement = Movement {
        sku,
        outlet,
        kind,
        on_hand_delta: difference,
        allocated_delta: 0,
        order: None,
        order_line: None,
        reference: format!("count:{sku}:{outlet}:{}", now.micros()),
        note: Some(note.to_owned()),
    };
    write_deed(tx, merchant, movement, 0, now).await?;
    Ok(difference)
}

/// A level as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LevelView {
    pub sku: SkuId,
    pub outlet: OutletId,
    pub on_hand: i64,
    pub allocated: i64,
    /// Set apart for promotions.
    pub reserved: i64,
    /// May be negative: more was sold than there is, and that is shown, not hidden.
    pub available: i64,
}

/// The merchant's levels, by SKU and outlet.
pub async fn levels<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
) -> Result<Vec<LevelView>, DbErr> {
    let rows = levels::Entity::of_merchant(merchant.0)
        .order_by_asc(levels::Column::SkuId)
        .order_by_asc(levels::Column::OutletId)
        .limit(LIST_LIMIT)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(LevelView::from).collect())
}

impl From<levels::Model> for LevelView {
    fn from(row: levels::Model) -> Self {
        Self {
            sku: SkuId(row.sku_id),
            outlet: OutletId(row.outlet_id),
            on_hand: row.on_hand,
            allocated: row.allocated,
            reserved: row.reserved,
            available: row.on_hand - row.allocated - row.reserved,
        }
    }
}

/// The ledger of one order, oldest first.
pub async fn movements_of<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    order: OrderId,
) -> Result<Vec<movements::Model>, DbErr> {
    movements::Entity::of_merchant(merchant.0)
        .filter(movements::Column::OrderId.eq(order.0))
        .order_by_asc(movements::Column::Id)
        .limit(LIST_LIMIT)
        .all(db)
        .await
}

#[derive(Debug, FromQueryResult)]
struct Sum {
    sku_id: i64,
    outlet_id: i64,
    on_hand: i64,
    allocated: i64,
    reserved: i64,
}

/// SKUs and outlets whose level is not the sum of its movements. Empty, unless something is broken.
pub async fn sums_differ(db: &Db, merchant: MerchantId) -> Result<Vec<(SkuId, OutletId)>, DbErr> {
    // PostgreSQL sums integers into a numeric; the cast makes both databases answer alike.
    let sum = |column: movements::Column| Expr::col(column).sum().cast_as("bigint");
    let sums = movements::Entity::of_merchant(merchant.0)
        .select_only()
        .column(movements::Column::SkuId)
        .column(movements::Column::OutletId)
        .column_as(sum(movements::Column::OnHandDelta), "on_hand")
        .column_as(sum(movements::Column::AllocatedDelta), "allocated")
        .column_as(sum(movements::Column::ReservedDelta), "reserved")
        .group_by(movements::Column::SkuId)
        .group_by(movements::Column::OutletId)
        .into_model::<Sum>()
        .all(db.read())
        .await?;
    let shown = levels(db.read(), merchant).await?;
    let matches = |sum: &Sum, level: &LevelView| {
        (sum.sku_id, sum.outlet_id) == (level.sku.0, level.outlet.0)
            && (sum.on_hand, sum.allocated, sum.reserved)
                == (level.on_hand, level.allocated, level.reserved)
    };
    let mut wrong: Vec<(SkuId, OutletId)> = shown
        .iter()
        .filter(|level| !sums.iter().any(|sum| matches(sum, level)))
        .map(|level| (level.sku, level.outlet))
        .collect();
    let has_level = |sum: &Sum| {
        shown
            .iter()
            .any(|level| (level.sku.0, level.outlet.0) == (sum.sku_id, sum.outlet_id))
    };
    let unshown = sums.iter().filter(|sum| !has_level(sum));
    wrong.extend(unshown.map(|sum| (SkuId(sum.sku_id), OutletId(sum.outlet_id))));
    Ok(wrong)
}
