//! Telling channels what listings cost, and what they answered.

use crate::channels::{self, ChannelState};
use crate::db::Tx;
use crate::domain::{
    Cause, ChannelId, ListingId, MerchantId, Money, SkuId, Source, Timestamp, Work,
};
use crate::queue::{self, NewJob};
use entity::{listings, price_pushes};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr,
    EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::HashMap;

/// Listings that are told together.
const AT_ONCE: u64 = 1_000;

/// How one push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricePush {
    pub merchant: MerchantId,
    pub channel: ChannelId,
    pub listing: ListingId,
    pub sku: SkuId,
    pub price: Money,
    pub source: Source,
    /// What the channel said, when it did not take it.
    pub refusal: Option<String>,
    /// The same as a code.
    pub cause: Option<Cause>,
    /// Which try of its job it was; 1 is the first.
    pub attempt: i64,
}

pub async fn record_price(tx: &Tx, push: &PricePush, now: Timestamp) -> Result<(), DbErr> {
    let state = if push.refusal.is_none() {
        "pushed"
    } else {
        "failed"
    };
    let row = price_pushes::ActiveModel {
        merchant_id: Set(push.merchant.0),
        channel_id: Set(push.channel.0),
        listing_id: Set(push.listing.0),
        sku_id: Set(push.sku.0),
        price_minor: Set(push.price.minor),
        currency: Set(push.price.currency.code().to_owned()),
        source: Set(push.source.as_str().to_owned()),
        state: Set(state.to_owned()),
        answer: Set(push.refusal.clone()),
        cause: Set(push.cause.map(|cause| cause.as_str().to_owned())),
        attempt: Set(push.attempt),
        finished_at: Set(now.micros()),
        ..Default::default()
    };
    row.insert(tx).await?;
    Ok(())
}

/// Enqueues a push of the price of every listing in question, on channels that are told prices. `skus`: `None` means all
/// of them.
pub async fn enqueue_price_pushes(
    tx: &Tx,
    merchant: MerchantId,
    (skus, channel): (Option<&[SkuId]>, Option<ChannelId>),
    source: Source,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let conditions = Condition::all()
        .add(listings::Column::SkuId.is_not_null())
        .add(listings::Column::State.ne("gone"))
        .add_option(channel.map(|id| listings::Column::ChannelId.eq(id.0)))
        .add_option(skus.map(|skus| listings::Column::SkuId.is_in(skus.iter().map(|sku| sku.0))));
    let mut takes: HashMap<i64, bool> = HashMap::new();
    let (mut after, mut enqueued) = (0, 0);
    loop {
        let page: Vec<(i64, i64)> = listings::Entity::of_merchant(merchant.0)
            .select_only()
            .columns([listings::Column::Id, listings::Column::ChannelId])
            .filter(conditions.clone())
            .filter(listings::Column::Id.gt(after))
            .order_by_asc(listings::Column::Id)
            .limit(AT_ONCE)
            .into_tuple()
            .all(tx)
            .await?;
        let mut jobs = Vec::new();
        for (listing, channel) in &page {
            let wanted = match takes.get(channel) {
                Some(wanted) => *wanted,
                None => takes_prices(tx, ChannelId(*channel)).await?,
            };
            takes.insert(*channel, wanted);
            if wanted {
                jobs.push(NewJob {
                    merchant,
                    channel: ChannelId(*channel),
                    work: Work::PushPrice {
                        price_of: ListingId(*listing),
                    },
                    source,
                    run_at: None,
                });
            }
        }
        enqueued += queue::enqueue(tx, &jobs, now).await?;
        match page.last() {
            Some((last, _)) if page.len() as u64 == AT_ONCE => after = *last,
            _ => return Ok(enqueued),
        }
    }
}

async fn takes_prices(tx: &Tx, channel: ChannelId) -> Result<bool, DbErr> {
    match channels::load(tx, channel).await {
        Ok(channel) => Ok(channel.state != ChannelState::Removed && channel.settings.push_prices),
        Err(channels::ChannelError::Db(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Which pushes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PricePushFilter {
    pub channel: Option<ChannelId>,
    pub listing: Option<ListingId>,
    pub sku: Option<SkuId>,
    /// Only those that the channel did not take.
    pub failed: bool,
    /// Only those before this one: where the page before ended.
    pub before: Option<i64>,
}

/// The merchant's pushes of prices, newest first.
pub async fn price_pushes<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    filter: &PricePushFilter,
    limit: u64,
) -> Result<Vec<price_pushes::Model>, DbErr> {
    let conditions = Condition::all()
        .add_option(
            filter
                .channel
                .map(|id| price_pushes::Column::ChannelId.eq(id.0)),
        )
        .add_option(
            filter
                .listing
                .map(|id| price_pushes::Column::ListingId.eq(id.0)),
        )
        .add_option(filter.sku.map(|id| price_pushes::Column::SkuId.eq(id.0)))
        .add_option(
            filter
                .failed
                .then(|| price_pushes::Column::State.eq("failed")),
        )
        .add_option(filter.before.map(|id| price_pushes::Column::Id.lt(id)));
    price_pushes::Entity::of_merchant(merchant.0)
        .filter(conditions)
        .order_by_desc(price_pushes::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// The newest push of the price of each of these listings; two queries.
pub async fn last_prices<C: ConnectionTrait>(
    db: &C,
    ids: &[i64],
) -> Result<HashMap<i64, price_pushes::Model>, DbErr> {
    let newest: Vec<i64> = price_pushes::Entity::find()
        .select_only()
        .column_as(price_pushes::Column::Id.max(), "newest")
        .filter(price_pushes::Column::ListingId.is_in(ids.iter().copied()))
        .group_by(price_pushes::Column::ListingId)
        .into_tuple()
        .all(db)
        .await?;
    if newest.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = price_pushes::Entity::find()
        .filter(price_pushes::Column::Id.is_in(newest))
        .order_by_asc(price_pushes::Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.listing_id, row)).collect())
}
