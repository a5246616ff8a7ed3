//! What reading back found: which listings were compared, and which showed something else than they were told.

use crate::db::Tx;
use crate::domain::{ChannelId, ListingId, MerchantId, SkuId, Timestamp};
use entity::{stock_compares, stock_drifts};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect,
};

/// One walk over some of a channel's listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    pub merchant: MerchantId,
    pub channel: ChannelId,
    /// Where the next walk goes on; 0: at the beginning.
    pub last_listing: ListingId,
    pub listings: u64,
    pub drifted: Vec<Drifted>,
}

/// A listing that showed something else than it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    pub listing: ListingId,
    pub sku: SkuId,
    /// What it took last.
    pub told: Option<i64>,
    pub wanted: i64,
    pub shown: i64,
    /// Units that campaigns hold there.
    pub reserved: Option<i64>,
    /// None: it is told again. Else why it is left.
    pub left_because: Option<&'static str>,
}

impl Drifted {
    pub fn outcome(&self) -> &'static str {
        self.left_because.unwrap_or("told_again")
    }
}

/// Writes down a walk and what it found.
pub async fn record_compare(tx: &Tx, compare: &Compare, now: Timestamp) -> Result<(), DbErr> {
    let healed = |one: &&Drifted| one.left_because.is_none();
    let row = stock_compares::ActiveModel {
        merchant_id: Set(compare.merchant.0),
        channel_id: Set(compare.channel.0),
        last_listing: Set(compare.last_listing.0),
        listings: Set(compare.listings.cast_signed()),
        differed: Set(compare.drifted.len() as i64),
        healed: Set(compare.drifted.iter().filter(healed).count() as i64),
        compared_at: Set(now.micros()),
        ..Default::default()
    };
    row.insert(tx).await?;
    if compare.drifted.is_empty() {
        return Ok(());
    }
    let row = |one: &Drifted| stock_drifts::ActiveModel {
        merchant_id: Set(compare.merchant.0),
        channel_id: Set(compare.channel.0),
        listing_id: Set(one.listing.0),
        sku_id: Set(one.sku.0),
        told: Set(one.told),
        wanted: Set(one.wanted),
        shown: Set(one.shown),
        reserved: Set(one.reserved),
        outcome: Set(one.outcome().to_owned()),
        found_at: Set(now.micros()),
        ..Default::default()
    };
    stock_drifts::Entity::insert_many(compare.drifted.iter().map(row))
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Where the last walk over this channel ended; 0: begin at the first listing.
pub async fn last_compared<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
) -> Result<ListingId, DbErr> {
    let last = stock_compares::Entity::of_channel(channel.0)
        .order_by_desc(stock_compares::Column::Id)
        .one(db)
        .await?;
    Ok(ListingId(last.map_or(0, |row| row.last_listing)))
}

/// The merchant's walks, newest first.
pub async fn compares<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    channel: Option<ChannelId>,
    limit: u64,
) -> Result<Vec<stock_compares::Model>, DbErr> {
    let mut query = stock_compares::Entity::of_merchant(merchant.0);
    if let Some(channel) = channel {
        query = query.filter(stock_compares::Column::ChannelId.eq(channel.0));
    }
    query
        .order_by_desc(stock_compares::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// What walks found, newest first.
pub async fn drifts<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    channel: Option<ChannelId>,
    limit: u64,
) -> Result<Vec<stock_drifts::Model>, DbErr> {
    let mut query = stock_drifts::Entity::of_merchant(merchant.0);
    if let Some(channel) = channel {
        query = query.filter(stock_drifts::Column::ChannelId.eq(channel.0));
    }
    query
        .order_by_desc(stock_drifts::Column::Id)
        .limit(limit)
        .all(db)
        .await
}
