//! Reading replays and what became of each of their deliveries and jobs.

use super::ReplayOutcome;
use crate::db::Db;
use crate::domain::{ChannelId, MerchantId, ReplayId};
use entity::{replay_items as items, replays as rows};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

/// Replays of the merchant, newest first; `before`: only those with a smaller number.
///
/// # Errors
/// When the database cannot be asked.
pub async fn replays(
    db: &Db,
    merchant: MerchantId,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<rows::Model>, DbErr> {
    let mut query = rows::Entity::of_merchant(merchant.0);
    if let Some(before) = before {
        query = query.filter(rows::Column::Id.lt(before));
    }
    query
        .order_by_desc(rows::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// One replay of the merchant.
///
/// # Errors
/// When the database cannot be asked.
pub async fn replay(
    db: &Db,
    merchant: MerchantId,
    id: ReplayId,
) -> Result<Option<rows::Model>, DbErr> {
    rows::Entity::of_merchant(merchant.0)
        .filter(rows::Column::Id.eq(id.0))
        .one(db.read())
        .await
}

/// What became of its deliveries or jobs, in the order in which they were taken up; after the item `after`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn replay_items<C: ConnectionTrait>(
    db: &C,
    (merchant, id): (MerchantId, ReplayId),
    outcome: Option<ReplayOutcome>,
    after: i64,
    limit: u64,
) -> Result<Vec<items::Model>, DbErr> {
    let mut query = items::Entity::of_merchant(merchant.0)
        .filter(items::Column::ReplayId.eq(id.0))
        .filter(items::Column::Id.gt(after));
    if let Some(outcome) = outcome {
        query = query.filter(items::Column::Outcome.eq(outcome.as_str()));
    }
    query
        .order_by_asc(items::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// The times an order or product was taken up by replays, with the replay, newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn replays_of<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    subject: &str,
    limit: u64,
) -> Result<Vec<(items::Model, rows::Model)>, DbErr> {
    let taken = items::Entity::find()
        .filter(items::Column::ChannelId.eq(channel.0))
        .filter(items::Column::Subject.eq(subject))
        .order_by_desc(items::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let ids = taken.iter().map(|item| item.replay_id);
    let of = rows::Entity::find()
        .filter(rows::Column::Id.is_in(ids))
        .all(db)
        .await?;
    let with_replay = |item: items::Model| {
        let replay = of.iter().find(|replay| replay.id == item.replay_id)?;
        Some((item, replay.clone()))
    };
    Ok(taken.into_iter().filter_map(with_replay).collect())
}

/// How many had which outcome.
///
/// # Errors
/// When the database cannot be asked.
pub async fn replay_counts<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    id: ReplayId,
) -> Result<Vec<(String, i64)>, DbErr> {
    items::Entity::of_merchant(merchant.0)
        .select_only()
        .column(items::Column::Outcome)
        .column_as(items::Column::Id.count(), "n")
        .filter(items::Column::ReplayId.eq(id.0))
        .group_by(items::Column::Outcome)
        .order_by_asc(items::Column::Outcome)
        .into_tuple()
        .all(db)
        .await
}
