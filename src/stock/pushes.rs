//! What to tell a channel about a listing now, and what it answered.

use crate::db::Tx;
use crate::domain::{ChannelId, ListingId, MerchantId, OutletId, SkuId, Source, Timestamp};
use entity::{levels, stock_pushes};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::HashMap;

/// How one push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushResult {
    pub merchant: MerchantId,
    pub channel: ChannelId,
    pub listing: ListingId,
    pub sku: SkuId,
    pub quantity: i64,
    pub source: Source,
    /// When the level was read.
    pub read_at: Timestamp,
    /// What the channel said, when it did not take it.
    pub refusal: Option<String>,
}

/// The quantity that may be pushed for each SKU now: available at the outlet less the channel's buffer,
/// and 0 where that is negative. A SKU that was never counted has none.
pub async fn pushable<C: ConnectionTrait>(
    db: &C,
    outlet: OutletId,
    skus: &[SkuId],
    buffer: i64,
) -> Result<HashMap<SkuId, i64>, DbErr> {
    let rows = levels::Entity::find()
        .filter(levels::Column::OutletId.eq(outlet.0))
        .filter(levels::Column::SkuId.is_in(skus.iter().map(|sku| sku.0)))
        .all(db)
        .await?;
    let quantity = |row: &levels::Model| (row.on_hand - row.allocated - buffer).max(0);
    Ok(rows
        .iter()
        .map(|row| (SkuId(row.sku_id), quantity(row)))
        .collect())
}

pub async fn record_push(tx: &Tx, result: &PushResult, now: Timestamp) -> Result<(), DbErr> {
    let state = if result.refusal.is_none() {
        "pushed"
    } else {
        "failed"
    };
    let row = stock_pushes::ActiveModel {
        merchant_id: Set(result.merchant.0),
        channel_id: Set(result.channel.0),
        listing_id: Set(result.listing.0),
        sku_id: Set(result.sku.0),
        quantity: Set(result.quantity),
        source: Set(result.source.as_str().to_owned()),
        state: Set(state.to_owned()),
        answer: Set(result.refusal.clone()),
        read_at: Set(result.read_at.micros()),
        finished_at: Set(now.micros()),
        ..Default::default()
    };
    row.insert(tx).await?;
    Ok(())
}

/// The merchant's latest pushes, newest first.
pub async fn recent_pushes<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    limit: u64,
) -> Result<Vec<stock_pushes::Model>, DbErr> {
    stock_pushes::Entity::of_merchant(merchant.0)
        .order_by_desc(stock_pushes::Column::Id)
        .limit(limit)
        .all(db)
        .await
}
