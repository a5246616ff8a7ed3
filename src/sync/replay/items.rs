//! Reading replays and what became of each of their deliveries and jobs.

use super::ReplayOutcome;
use crate::db::Db;
use crate::domain::{MerchantId, ReplayId};
use entity::{replay_items as items, replays as rows};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};

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
