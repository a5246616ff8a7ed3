//! Writing the lines of an order, and what their units held and hold.

use super::BookedLine;
use crate::accounts;
use crate::catalog::{self, SoldAs};
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, Order, OrderLine, SkuId, Timestamp};
use crate::stock::{Aside, LineChange, Units};
use entity::{order_lines, orders};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, IntoActiveModel};
use std::collections::HashMap;

/// Where returned goods are that must be looked at before they are sold. No channel sells from it.
pub const QUARANTINE: &str = "Quarantine";

pub fn booked(row: &order_lines::Model) -> BookedLine {
    BookedLine {
        remote_id: row.remote_id.clone(),
        quantity: row.quantity,
        cancelled: row.cancelled,
        off_shelf: row.off_shelf,
        left_out: row.left_out,
        set_aside: row.set_aside,
        allocated: row.allocated,
        shipped: row.shipped,
        restocked: row.restocked,
        quarantined: row.quarantined,
        total: row.total_minor,
        refunded: row.refunded_minor,
    }
}

/// Of the steps of an order: empty, or which booking after a void they belong to.
pub fn subject(booking: i64) -> String {
    match booking {
        ..=1 => String::new(),
        again => again.to_string(),
    }
}

/// What a person decided about units of a void order is no longer so when it is booked again.
pub async fn forget_decisions(tx: &Tx, line: &order_lines::Model) -> Result<(), DbErr> {
    let mut row = line.clone().into_active_model();
    row.left_out = Set(0);
    row.set_aside = Set(0);
    row.update(tx).await?;
    Ok(())
}

/// Writes every line of the plan and returns those whose units changed. `shown` is the reading, if it is one that led
/// to the plan.
pub async fn write_lines(
    tx: &Tx,
    order_row: &orders::Model,
    shown: Option<&Order>,
    planned: &[BookedLine],
    held: Vec<order_lines::Model>,
    now: Timestamp,
) -> Result<Vec<LineChange>, DbErr> {
    let mut held: HashMap<String, order_lines::Model> = held
        .into_iter()
        .map(|row| (row.remote_id.clone(), row))
        .collect();
    let read: HashMap<&str, &OrderLine> = shown
        .iter()
        .flat_map(|order| &order.lines)
        .map(|line| (line.remote_id.as_str(), line))
        .collect();
    let of = (
        MerchantId(order_row.merchant_id),
        ChannelId(order_row.connection_id),
    );
    let mut skus = Skus::default();
    let mut quarantine = None;
    let mut changes = Vec::new();
    for line in planned {
        let before = held.remove(&line.remote_id);
        if shown.is_none() && before.as_ref().map(booked).as_ref() == Some(line) {
            continue;
        }
        let shown_line = read.get(line.remote_id.as_str()).copied();
        // A SKU that was booked stays: WooCommerce shows another one after a product is deleted.
        let sku = match (before.as_ref().and_then(|row| row.sku_id), shown_line) {
            (Some(sku), _) => Some(SkuId(sku)),
            (None, Some(shown)) => skus.resolve(tx, of, shown).await?,
            (None, None) => None,
        };
        let keeps_flag = shown.is_none();
        let written = write_line(tx, order_row, line, (shown_line, keeps_flag), before, sku);
        let Some((mut change, quarantined)) = written.await? else {
            continue;
        };
        if quarantined != 0 {
            let outlet = if let Some(outlet) = quarantine {
                outlet
            } else {
                let merchant = MerchantId(order_row.merchant_id);
                accounts::open_outlet(tx, merchant, QUARANTINE, now).await?
            };
            quarantine = Some(outlet);
            change.aside = Some(Aside {
                outlet,
                units: quarantined,
            });
        }
        changes.push(change);
    }
    Ok(changes)
}

/// SKUs already resolved for this order, by everything that decides them: TikTok Shop sends one line per unit,
/// and lines that are in no catalogue share their ids and differ in their code alone.
#[derive(Default)]
pub struct Skus(HashMap<(String, String, Option<String>), Option<SkuId>>);

impl Skus {
    /// By the listing that was sold, else by the exact seller SKU, unless a person unlinked the listing.
    pub async fn resolve(
        &mut self,
        tx: &Tx,
        (merchant, connection): (MerchantId, ChannelId),
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
        let sold_as = catalog::sold_as(tx, connection, &line.product_id, &line.variant_id).await?;
        let sku = match (sold_as, &line.seller_sku) {
            (SoldAs::Sku(sku), _) => Some(sku),
            (SoldAs::Unknown, Some(code)) => catalog::find_sku(tx, merchant, code).await?,
            (SoldAs::Nothing, _) | (SoldAs::Unknown, None) => None,
        };
        self.0.insert(key, sku);
        Ok(sku)
    }
}

/// Writes one line. Returns how its units changed, and how many more of them are in quarantine.
async fn write_line(
    tx: &Tx,
    order: &orders::Model,
    plan: &BookedLine,
    (shown, keeps_flag): (Option<&OrderLine>, bool),
    before: Option<order_lines::Model>,
    sku: Option<SkuId>,
) -> Result<Option<(LineChange, i64)>, DbErr> {
    // Stock is not guessed: a line without a SKU holds nothing.
    let holds = |units: i64| if sku.is_some() { units } else { 0 };
    let was = before.as_ref().map(booked).unwrap_or_default();
    let [allocated, shipped, restocked, quarantined] = [
        plan.allocated,
        plan.shipped,
        plan.restocked,
        plan.quarantined,
    ]
    .map(holds);
    // Off the shelf that it was sold from is what has left, and what is in quarantine.
    let held = Units {
        allocated: was.allocated,
        shipped: was.shipped + was.quarantined,
    };
    let after = Units {
        allocated,
        shipped: shipped + quarantined,
    };
    let newly_aside = quarantined - was.quarantined;
    // What had left before the shop was connected was not in the opening count; what of it comes back is new.
    let left_before = order.left_before && after.shipped > held.shipped;
    let moves = !left_before && (after != held || newly_aside != 0);
    let revision = before.as_ref().map_or(0, |row| row.revision) + i64::from(moves);
    let is_new = before.is_none();
    let held_flag = before.as_ref().and_then(|row| row.flag.clone());
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
        row.gross_minor = Set(shown.gross.map(|gross| gross.minor));
    }
    row.total_minor = Set(plan.total);
    row.sku_id = Set(sku.map(|sku| sku.0));
    row.flag = Set(if keeps_flag {
        held_flag
    } else {
        flag(sku, shown)
    });
    row.quantity = Set(plan.quantity);
    row.cancelled = Set(plan.cancelled);
    row.off_shelf = Set(plan.off_shelf);
    row.left_out = Set(plan.left_out);
    row.set_aside = Set(plan.set_aside);
    row.allocated = Set(allocated);
    row.shipped = Set(shipped);
    row.restocked = Set(restocked);
    row.quarantined = Set(quarantined);
    row.refunded_minor = Set(plan.refunded);
    row.revision = Set(revision);
    let row = if is_new {
        row.insert(tx).await?
    } else {
        row.update(tx).await?
    };
    let Some(sku) = sku.filter(|_| moves) else {
        return Ok(None);
    };
    let change = LineChange {
        line: row.id,
        sku,
        before: held,
        after,
        aside: None,
        reference: format!("order:{}:line:{}:{revision}", order.id, row.id),
        note: came_back(restocked - was.restocked, newly_aside),
    };
    Ok(Some((change, newly_aside)))
}

/// What of a movement is due to returns, for whoever reads the ledger.
fn came_back(restocked: i64, quarantined: i64) -> Option<String> {
    let told = [(restocked, "restocked"), (quarantined, "in quarantine")];
    let told: Vec<String> = told
        .into_iter()
        .filter(|(units, _)| *units != 0)
        .map(|(units, what)| format!("{units:+} {what}"))
        .collect();
    (!told.is_empty()).then(|| format!("returned: {}", told.join(", ")))
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
