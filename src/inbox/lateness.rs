//! How late a channel's webhooks come.

use crate::domain::{ChannelId, EventKind, Timestamp};
use entity::events;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use std::time::Duration;

/// How long after the change each of the newest order events was stored; 0 where the marketplace's clock is ahead.
pub async fn lateness<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    since: Timestamp,
    limit: u64,
) -> Result<Vec<Duration>, DbErr> {
    let rows: Vec<(i64, i64)> = events::Entity::of_channel(channel.0)
        .select_only()
        .column(events::Column::CreatedAt)
        .column(events::Column::Version)
        .filter(events::Column::Kind.eq(EventKind::OrderChanged.as_str()))
        .filter(events::Column::CreatedAt.gte(since.micros()))
        .filter(events::Column::Version.is_not_null())
        .order_by_desc(events::Column::CreatedAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let late =
        |(stored, changed)| Timestamp::from_micros(stored).since(Timestamp::from_micros(changed));
    Ok(rows.into_iter().map(late).collect())
}
