//! What is told of stock that moved: the levels as they are then, by SKU and outlet.
//!
//! Only the outlets that moved are told. Their levels are locked by this transaction, so of one SKU at one outlet a
//! later happening shows a later level; of the others that could not be said.

use super::{LevelView, Movement};
use crate::catalog;
use crate::db::Tx;
use crate::domain::{MerchantId, OutletId, SkuId};
use crate::outbox::{Happening, HappeningKind};
use entity::{levels, outlets};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rows per statement.
const CHUNK: usize = 1_000;

/// One happening for each of the SKUs that `moved`. Three reads for every thousand SKUs.
///
/// # Errors
/// When the database cannot be asked.
pub async fn changes(
    tx: &Tx,
    merchant: MerchantId,
    movements: &[Movement],
    moved: &[SkuId],
) -> Result<Vec<Happening>, DbErr> {
    let at: BTreeSet<(SkuId, OutletId)> = movements.iter().map(|m| (m.sku, m.outlet)).collect();
    let names = outlet_names(tx, merchant, &at).await?;
    let mut happenings = Vec::with_capacity(moved.len());
    for some in moved.chunks(CHUNK) {
        let codes = catalog::sku_codes(tx, merchant, some).await?;
        let mut shown: BTreeMap<SkuId, Vec<serde_json::Value>> = BTreeMap::new();
        for level in levels_of(tx, merchant, some).await? {
            if at.contains(&(level.sku, level.outlet)) {
                let level_shown = json!({
                    "outlet": names.get(&level.outlet),
                    "on_hand": level.on_hand,
                    "allocated": level.allocated,
                    "available": level.available,
                });
                shown.entry(level.sku).or_default().push(level_shown);
            }
        }
        for sku in some {
            let Some(code) = codes.get(sku) else { continue };
            happenings.push(Happening {
                kind: HappeningKind::StockChanged,
                subject: format!("sku:{code}"),
                payload: json!({"sku": code, "levels": shown.remove(sku).unwrap_or_default()}),
            });
        }
    }
    Ok(happenings)
}

async fn levels_of(tx: &Tx, merchant: MerchantId, skus: &[SkuId]) -> Result<Vec<LevelView>, DbErr> {
    let rows = levels::Entity::of_merchant(merchant.0)
        .filter(levels::Column::SkuId.is_in(skus.iter().map(|sku| sku.0)))
        .order_by_asc(levels::Column::SkuId)
        .order_by_asc(levels::Column::OutletId)
        .all(tx)
        .await?;
    Ok(rows.into_iter().map(LevelView::from).collect())
}

async fn outlet_names(
    tx: &Tx,
    merchant: MerchantId,
    at: &BTreeSet<(SkuId, OutletId)>,
) -> Result<HashMap<OutletId, String>, DbErr> {
    let ids: BTreeSet<i64> = at.iter().map(|(_, outlet)| outlet.0).collect();
    let rows = outlets::Entity::of_merchant(merchant.0)
        .filter(outlets::Column::Id.is_in(ids))
        .order_by_asc(outlets::Column::Id)
        .limit(CHUNK as u64)
        .all(tx)
        .await?;
    let named = rows.into_iter().map(|row| (OutletId(row.id), row.name));
    Ok(named.collect())
}
