//! Holding the units of order lines at the outlets of their channel: reads what is needed, and lets `choose` decide.

use super::{
    Movement, MovementKind,
    choose::{self, Free, Held, Part, Units},
};
use crate::catalog;
use crate::channels::Channel;
use crate::db::Tx;
use crate::domain::{MerchantId, OrderId, OutletId, SkuId};
use entity::{levels, movements};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, ExprTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A line of an order whose units change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineChange {
    pub line: i64,
    /// What is sold: a SKU that is counted, or a bundle.
    pub sku: SkuId,
    pub before: Units,
    pub after: Units,
    /// Units that came back and are not sold: both `before` and `after` count them as shipped.
    pub aside: Option<Aside>,
    /// Unique for this change; each of its movements adds its SKU and outlet.
    pub reference: String,
    /// Why, for whoever reads the ledger.
    pub note: Option<String>,
}

/// Units that are kept where no channel sells from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aside {
    pub outlet: OutletId,
    /// More than before; negative when some are there no longer.
    pub units: i64,
}

/// The movements of an order, and which SKUs it sold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    pub movements: Vec<Movement>,
    /// SKUs of lines whose stock no other line of the order moved: their own listing was lowered by just that.
    pub alone: Vec<SkuId>,
}

/// Works out the movements that make the ledger agree with these lines of an order of `channel`.
///
/// One query for the bundles among the SKUs; one more for what the lines held before, and one more, which locks, for
/// the levels where the channel sells from several outlets.
pub async fn hold(
    tx: &Tx,
    channel: &Channel,
    order: OrderId,
    changes: &[LineChange],
) -> Result<Holding, DbErr> {
    if changes.is_empty() {
        return Ok(Holding::default());
    }
    let skus: Vec<SkuId> = changes.iter().map(|change| change.sku).collect();
    let parts = parts_of(tx, channel.merchant, &skus).await?;
    let none = Units::default();
    let had_some = changes.iter().any(|change| change.before != none);
    let held = if had_some {
        held_by_line(tx, channel.merchant, order).await?
    } else {
        HashMap::new()
    };
    let outlets = channel.outlets();
    let mut free = free_at(tx, &outlets, &parts).await?;
    if outlets.len() > 1 {
        let mut needs: BTreeMap<SkuId, i64> = BTreeMap::new();
        for change in changes {
            let units = (change.before, change.after);
            for (sku, n) in choose::needs(units, &parts[&change.sku]) {
                *needs.entry(sku).or_default() += n;
            }
        }
        free.look_for(&needs, &outlets);
    }
    let mut movements = Vec::new();
    for change in changes {
        let held = held.get(&change.line).map_or(&[][..], Vec::as_slice);
        let units = (change.before, change.after);
        let moves = choose::moves(units, &parts[&change.sku], held, &outlets, &mut free);
        movements.extend(moves.into_iter().map(|one| Movement {
            sku: one.sku,
            outlet: one.outlet,
            kind: one.kind,
            on_hand_delta: one.on_hand,
            allocated_delta: one.allocated,
            order: Some(order),
            order_line: Some(change.line),
            reference: format!(
                "{}:{}:{}:{}",
                change.reference, one.sku, one.outlet, one.kind
            ),
            note: change.note.clone(),
        }));
        movements.extend(set_aside(order, change, &parts[&change.sku]));
    }
    Ok(Holding {
        movements,
        alone: alone(&skus, &parts),
    })
}

fn set_aside(order: OrderId, change: &LineChange, parts: &[Part]) -> Vec<Movement> {
    let Some(aside) = change.aside else {
        return Vec::new();
    };
    let movement = |part: &Part| Movement {
        sku: part.sku,
        outlet: aside.outlet,
        kind: MovementKind::Return,
        on_hand_delta: aside.units * part.units,
        allocated_delta: 0,
        order: Some(order),
        order_line: Some(change.line),
        reference: format!("{}:{}:{}:aside", change.reference, part.sku, aside.outlet),
        note: change.note.clone(),
    };
    parts.iter().map(movement).collect()
}

/// What one unit of each SKU takes: of a bundle its components, of others one of themselves. One query.
pub(super) async fn parts_of<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    skus: &[SkuId],
) -> Result<HashMap<SkuId, Vec<Part>>, DbErr> {
    let mut parts: HashMap<SkuId, Vec<Part>> = HashMap::new();
    for row in catalog::parts_of_bundles(db, merchant, skus).await? {
        let part = Part {
            sku: SkuId(row.component_id),
            units: row.units,
        };
        parts.entry(SkuId(row.bundle_id)).or_default().push(part);
    }
    for sku in skus {
        let itself = || {
            vec![Part {
                sku: *sku,
                units: 1,
            }]
        };
        parts.entry(*sku).or_insert_with(itself);
    }
    Ok(parts)
}

fn alone(skus: &[SkuId], parts: &HashMap<SkuId, Vec<Part>>) -> Vec<SkuId> {
    let sold: BTreeSet<SkuId> = skus.iter().copied().collect();
    let of = |sku: &SkuId| parts[sku].iter().map(|part| part.sku);
    let is_alone = |sku: &&SkuId| {
        let own: BTreeSet<SkuId> = of(sku).collect();
        let mut others = sold.iter().filter(|other| other != sku).flat_map(of);
        !others.any(|part| own.contains(&part))
    };
    sold.iter().filter(is_alone).copied().collect()
}

/// What is free at the outlets, locked in the order in which levels are moved. Nothing is read where there is nothing
/// to choose.
async fn free_at(
    tx: &Tx,
    outlets: &[OutletId],
    parts: &HashMap<SkuId, Vec<Part>>,
) -> Result<Free, DbErr> {
    if outlets.len() < 2 {
        return Ok(Free::default());
    }
    let skus: BTreeSet<i64> = parts.values().flatten().map(|part| part.sku.0).collect();
    let rows = levels_at(outlets, skus).lock_exclusive().all(tx).await?;
    let free = |row: levels::Model| {
        let left = row.on_hand - row.allocated - row.reserved;
        ((SkuId(row.sku_id), OutletId(row.outlet_id)), left)
    };
    Ok(Free::new(rows.into_iter().map(free).collect()))
}

pub(super) fn levels_at(
    outlets: &[OutletId],
    skus: impl IntoIterator<Item = i64>,
) -> sea_orm::Select<levels::Entity> {
    use sea_orm::EntityTrait;
    levels::Entity::find()
        .filter(levels::Column::SkuId.is_in(skus))
        .filter(levels::Column::OutletId.is_in(outlets.iter().map(|outlet| outlet.0)))
        .order_by_asc(levels::Column::SkuId)
        .order_by_asc(levels::Column::OutletId)
}

#[derive(FromQueryResult)]
struct OfLine {
    order_line_id: i64,
    sku_id: i64,
    outlet_id: i64,
    on_hand: i64,
    allocated: i64,
}

/// Where the units of an order's lines are, by line. One query.
pub async fn held_by_line<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    order: OrderId,
) -> Result<HashMap<i64, Vec<Held>>, DbErr> {
    // PostgreSQL sums integers into a numeric.
    let sum = |column: movements::Column| Expr::col(column).sum().cast_as("bigint");
    let rows = movements::Entity::of_merchant(merchant.0)
        .select_only()
        .column(movements::Column::OrderLineId)
        .column(movements::Column::SkuId)
        .column(movements::Column::OutletId)
        .column_as(sum(movements::Column::OnHandDelta), "on_hand")
        .column_as(sum(movements::Column::AllocatedDelta), "allocated")
        .filter(movements::Column::OrderId.eq(order.0))
        .filter(movements::Column::OrderLineId.is_not_null())
        .group_by(movements::Column::OrderLineId)
        .group_by(movements::Column::SkuId)
        .group_by(movements::Column::OutletId)
        .order_by_asc(movements::Column::OrderLineId)
        .into_model::<OfLine>()
        .all(db)
        .await?;
    let mut held: HashMap<i64, Vec<Held>> = HashMap::new();
    for row in rows {
        held.entry(row.order_line_id).or_default().push(Held {
            sku: SkuId(row.sku_id),
            outlet: OutletId(row.outlet_id),
            units: Units {
                allocated: row.allocated,
                shipped: -row.on_hand,
            },
        });
    }
    Ok(held)
}
