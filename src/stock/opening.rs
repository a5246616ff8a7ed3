//! The stock that a merchant begins with: counted once per SKU and outlet.

use super::{Movement, MovementKind, append};
use crate::db::Tx;
use crate::domain::{MerchantId, OutletId, SkuId, Timestamp};
use entity::levels;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, QueryFilter};
use std::collections::HashMap;

/// On hand, by SKU and outlet, of SKUs that ever had stock there.
pub async fn levels_of<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    skus: &[SkuId],
) -> Result<HashMap<(SkuId, OutletId), i64>, DbErr> {
    let rows = levels::Entity::of_merchant(merchant.0)
        .filter(levels::Column::SkuId.is_in(skus.iter().map(|sku| sku.0)))
        .all(db)
        .await?;
    let level = |row: levels::Model| ((SkuId(row.sku_id), OutletId(row.outlet_id)), row.on_hand);
    Ok(rows.into_iter().map(level).collect())
}

/// Writes opening counts. A SKU that was counted at an outlet before, by whatever way, is left as it is. Returns the SKUs
/// that moved.
pub async fn open_levels(
    tx: &Tx,
    merchant: MerchantId,
    counts: &[(SkuId, OutletId, i64)],
    note: &str,
    now: Timestamp,
) -> Result<Vec<SkuId>, DbErr> {
    let skus: Vec<SkuId> = counts.iter().map(|(sku, _, _)| *sku).collect();
    let known = levels_of(tx, merchant, &skus).await?;
    let movements: Vec<Movement> = counts
        .iter()
        .filter(|(sku, outlet, _)| !known.contains_key(&(*sku, *outlet)))
        .map(|(sku, outlet, units)| Movement {
            sku: *sku,
            outlet: *outlet,
            kind: MovementKind::Opening,
            on_hand_delta: *units,
            allocated_delta: 0,
            order: None,
            order_line: None,
            // Once, whatever is imported: the second is not written.
            reference: format!("opening:{sku}:{outlet}"),
            note: Some(note.to_owned()),
        })
        .collect();
    append(tx, merchant, &movements, now).await
}
