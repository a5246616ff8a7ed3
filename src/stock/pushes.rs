//! What channels were told about listings, and what they answered.

use crate::db::Tx;
use crate::domain::{Cause, ChannelId, ListingId, MerchantId, SkuId, Source, Timestamp};
use entity::stock_pushes;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr,
    QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::BTreeMap;

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
    /// The same as a code.
    pub cause: Option<Cause>,
    /// How the quantity came about, in words.
    pub because: String,
    /// Which try of its job it was; 1 is the first.
    pub attempt: i64,
}

/// Which pushes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushFilter {
    pub channel: Option<ChannelId>,
    pub listing: Option<ListingId>,
    pub sku: Option<SkuId>,
    /// Only those that the channel did not take.
    pub failed: bool,
    /// Only those before this one: where the page before ended.
    pub before: Option<i64>,
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
        cause: Set(result.cause.map(|cause| cause.as_str().to_owned())),
        read_at: Set(result.read_at.micros()),
        finished_at: Set(now.micros()),
        because: Set(Some(result.because.clone())),
        attempt: Set(Some(result.attempt)),
        ..Default::default()
    };
    row.insert(tx).await?;
    Ok(())
}

/// The merchant's pushes, newest first.
pub async fn pushes<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    filter: &PushFilter,
    limit: u64,
) -> Result<Vec<stock_pushes::Model>, DbErr> {
    let conditions = Condition::all()
        .add_option(
            filter
                .channel
                .map(|id| stock_pushes::Column::ChannelId.eq(id.0)),
        )
        .add_option(
            filter
                .listing
                .map(|id| stock_pushes::Column::ListingId.eq(id.0)),
        )
        .add_option(filter.sku.map(|id| stock_pushes::Column::SkuId.eq(id.0)))
        .add_option(
            filter
                .failed
                .then(|| stock_pushes::Column::State.eq("failed")),
        )
        .add_option(filter.before.map(|id| stock_pushes::Column::Id.lt(id)));
    stock_pushes::Entity::of_merchant(merchant.0)
        .filter(conditions)
        .order_by_desc(stock_pushes::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// What these listings were told between two times, oldest first. Along an index.
pub async fn pushes_between<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    listings: &[ListingId],
    (from, to): (Timestamp, Timestamp),
    limit: u64,
) -> Result<Vec<stock_pushes::Model>, DbErr> {
    stock_pushes::Entity::of_merchant(merchant.0)
        .filter(stock_pushes::Column::ListingId.is_in(listings.iter().map(|id| id.0)))
        .filter(stock_pushes::Column::FinishedAt.gte(from.micros()))
        .filter(stock_pushes::Column::FinishedAt.lte(to.micros()))
        .order_by_asc(stock_pushes::Column::FinishedAt)
        .order_by_asc(stock_pushes::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Listings of a channel whose last push failed, though it was tried since `since`.
pub async fn failed_since<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    since: Timestamp,
    limit: u64,
) -> Result<Vec<ListingId>, DbErr> {
    let rows: Vec<(i64, String)> = stock_pushes::Entity::of_channel(channel.0)
        .select_only()
        .columns([stock_pushes::Column::ListingId, stock_pushes::Column::State])
        .filter(stock_pushes::Column::FinishedAt.gte(since.micros()))
        .order_by_asc(stock_pushes::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let last: BTreeMap<i64, String> = rows.into_iter().collect();
    let failed = last.into_iter().filter(|(_, state)| state == "failed");
    Ok(failed.map(|(listing, _)| ListingId(listing)).collect())
}
