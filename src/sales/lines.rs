//! Writing the lines of an order, and the stock movements between what they held and what they hold.

use super::{BookedLine, Plan};
use crate::catalog::{self, SoldAs};
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, Order, OrderId, OrderLine, OutletId, SkuId};
use crate::stock::{Movement, MovementKind};
use entity::{order_lines, orders};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, IntoActiveModel};
use std::collections::HashMap;

pub fn booked(row: &order_lines::Model) -> BookedLine {
    BookedLine {
        remote_id: row.remote_id.clone(),
        quantity: row.quantity,
        cancelled: row.cancelled,
        allocated: row.allocated,
        shipped: row.shipped,
    }
}

/// Writes every line of the plan and returns the movements that make the stock agree.
pub async fn write_lines(
    tx: &Tx,
    order_row: &orders::Model,
    order: &Order,
    plan: &Plan,
    held: Vec<order_lines::Model>,
) -> Result<Vec<Movement>, DbErr> {
    let mut held: HashMap<String, order_lines::Model> = held
        .into_iter()
        .map(|row| (row.remote_id.clone(), row))
        .collect();
    let read: HashMap<&str, &OrderLine> = order
        .lines
        .iter()
        .map(|line| (line.remote_id.as_str(), line))
        .collect();
    let mut skus = Skus::default();
    let mut movements = Vec::new();
    for line in &plan.lines {
        let before = held.remove(&line.remote_id);
        let shown = read.get(line.remote_id.as_str()).copied();
        // A SKU that was booked stays: WooCommerce shows another one after a product is deleted.
        let sku = match (before.as_ref().and_then(|row| row.sku_id), shown) {
            (Some(sku), _) => Some(SkuId(sku)),
            (None, Some(shown)) => skus.resolve(tx, order_row, shown).await?,
            (None, None) => None,
        };
        let (row, movement) = write_line(tx, order_row, line, shown, before, sku).await?;
        movements.extend(movement.map(|change| to_movement(order_row, &row, change)));
    }
    Ok(movements)
}

/// SKUs already resolved for this order, by everything that decides them: TikTok Shop sends one line per unit,
/// and lines that are in no catalogue share their ids and differ in their code alone.
#[derive(Default)]
struct Skus(HashMap<(String, String, Option<String>), Option<SkuId>>);

impl Skus {
    /// By the listing that was sold, else by the exact seller SKU, unless a person unlinked the listing.
    async fn resolve(
        &mut self,
        tx: &Tx,
        order: &orders::Model,
        line: &OrderLine,
    ) -> Result<Option<SkuId>, DbErr> {
        let key = (
            line.product_id.to_string(),
            line.variant_id.to_string(),
            line.seller_sku.clone(),
        );
        if let Some(known) = self.0.get(&key) {
            return Ok(*known);
        }
        let connection = ChannelId(order.connection_id);
        let sold_as = catalog::sold_as(tx, connection, &line.product_id, &line.variant_id).await?;
        let sku = match (sold_as, &line.seller_sku) {
            (SoldAs::Sku(sku), _) => Some(sku),
            (SoldAs::Unknown, Some(code)) => {
                catalog::find_sku(tx, MerchantId(order.merchant_id), code).await?
            }
            (SoldAs::Nothing, _) | (SoldAs::Unknown, None) => None,
        };
        self.0.insert(key, sku);
        Ok(sku)
    }
}

/// Units that a line holds more than before: allocated, and shipped.
struct Held {
    allocated: i64,
    shipped: i64,
}

async fn write_line(
    tx: &Tx,
    order: &orders::Model,
    plan: &BookedLine,
    shown: Option<&OrderLine>,
    before: Option<order_lines::Model>,
    sku: Option<SkuId>,
) -> Result<(order_lines::Model, Option<Held>), DbErr> {
    // Stock is not guessed: a line without a SKU holds nothing.
    let (allocated, shipped) = match sku {
        Some(_) => (plan.allocated, plan.shipped),
        None => (0, 0),
    };
    let held_before = before
        .as_ref()
        .map_or((0, 0), |row| (row.allocated, row.shipped));
    let change = Held {
        allocated: allocated - held_before.0,
        shipped: shipped - held_before.1,
    };
    // What had left before the shop was connected was not in the opening count; what of it comes back is new.
    let left_before = order.left_before && change.shipped > 0;
    let moves = !left_before && (change.allocated != 0 || change.shipped != 0);
    let revision = before.as_ref().map_or(0, |row| row.revision) + i64::from(moves);
    let is_new = before.is_none();
    let mut row = match before {
        Some(row) => row.into_active_model(),
        None => order_lines::ActiveModel {
            merchant_id: Set(order.merchant_id),
            order_id: Set(order.id),
            remote_id: Set(plan.remote_id.clone()),
            ..Default::default()
        },
    };
    if let Some(shown) = shown {
        if is_new {
            row.product_id = Set(shown.product_id.to_string());
            row.variant_id = Set(shown.variant_id.to_string());
            row.seller_sku = Set(shown.seller_sku.clone());
        }
        row.title = Set(shown.title.clone());
        row.total_minor = Set(shown.total.minor);
        row.gross_minor = Set(shown.gross.map(|gross| gross.minor));
    }
    row.sku_id = Set(sku.map(|sku| sku.0));
    row.flag = Set(flag(sku, shown));
    row.quantity = Set(plan.quantity);
    row.cancelled = Set(plan.cancelled);
    row.allocated = Set(allocated);
    row.shipped = Set(shipped);
    row.revision = Set(revision);
    let row = if is_new {
        row.insert(tx).await?
    } else {
        row.update(tx).await?
    };
    Ok((row, moves.then_some(change)))
}

fn flag(sku: Option<SkuId>, shown: Option<&OrderLine>) -> Option<String> {
    let shown = shown.filter(|_| sku.is_none())?;
    let flag = if shown.seller_sku.is_some() {
        "unknown_sku"
    } else {
        "missing_sku"
    };
    Some(flag.to_owned())
}

fn to_movement(order: &orders::Model, line: &order_lines::Model, change: Held) -> Movement {
    let kind = match change.shipped {
        1.. => MovementKind::Ship,
        0 => MovementKind::Allocate,
        _ => MovementKind::Return,
    };
    Movement {
        sku: SkuId(line.sku_id.unwrap_or_default()),
        outlet: OutletId(order.outlet_id),
        kind,
        on_hand_delta: -change.shipped,
        allocated_delta: change.allocated,
        order: Some(OrderId(order.id)),
        order_line: Some(line.id),
        reference: format!("order:{}:line:{}:{}", order.id, line.id, line.revision),
        note: None,
    }
}
