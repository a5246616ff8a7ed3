//! How many deliveries arrived, and when. Those that we fetched ourselves are none: they tell of what did not.

use super::fetched::CAME_BY;
use crate::domain::{ChannelId, Timestamp};
use entity::deliveries;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, PaginatorTrait, QueryFilter, QuerySelect, Select,
    sea_query::Expr,
};
use std::time::Duration;

/// The stretch that arrivals are counted in: every zone's clock is off by whole ones.
pub const QUARTER: Duration = Duration::from_secs(900);
/// The same in microseconds, written out because a bound value would make two expressions of one.
const QUARTER_OF: &str = "deliveries.received_at / 900000000";

fn arrived(channel: ChannelId) -> Select<deliveries::Entity> {
    let by_us = format!("%\"{}\"%", CAME_BY.0);
    deliveries::Entity::of_channel(channel.0).filter(deliveries::Column::Headers.not_like(by_us))
}

/// Deliveries in `[from, to)`, by quarter of an hour: when it began, and how many; quarters without any are left
/// out.
pub async fn arrived_per_quarter<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, i64)>, DbErr> {
    let rows: Vec<(i64, i64)> = arrived(channel)
        .select_only()
        .expr_as(Expr::cust(QUARTER_OF), "quarter")
        .column_as(deliveries::Column::Id.count(), "n")
        .filter(deliveries::Column::ReceivedAt.gte(from.micros()))
        .filter(deliveries::Column::ReceivedAt.lt(to.micros()))
        .group_by(Expr::cust(QUARTER_OF))
        .into_tuple()
        .all(db)
        .await?;
    let secs = QUARTER.as_secs() as i64;
    let begin = |quarter: i64| Timestamp::from_secs(quarter * secs);
    Ok(rows.into_iter().map(|(at, n)| (begin(at), n)).collect())
}

/// Deliveries in `[from, to)`.
pub async fn arrived_between<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    from: Timestamp,
    to: Timestamp,
) -> Result<u64, DbErr> {
    arrived(channel)
        .filter(deliveries::Column::ReceivedAt.gte(from.micros()))
        .filter(deliveries::Column::ReceivedAt.lt(to.micros()))
        .count(db)
        .await
}

/// When a channel's first delivery arrived, and its last; `None` when none ever did.
pub async fn first_and_last_arrival<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
) -> Result<Option<(Timestamp, Timestamp)>, DbErr> {
    let ends: Option<(Option<i64>, Option<i64>)> = arrived(channel)
        .select_only()
        .column_as(deliveries::Column::ReceivedAt.min(), "first")
        .column_as(deliveries::Column::ReceivedAt.max(), "last")
        .into_tuple()
        .one(db)
        .await?;
    Ok(match ends {
        Some((Some(first), Some(last))) => {
            Some((Timestamp::from_micros(first), Timestamp::from_micros(last)))
        }
        _ => None,
    })
}
