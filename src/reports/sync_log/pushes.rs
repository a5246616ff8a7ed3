//! What channels were told, by day: of each listing the last that it was told on that day counts.

use super::{Scope, StepCounts};
use crate::domain::{ChannelId, Day, JobKind, Window};
use entity::stock_pushes;
use sea_orm::{
    ColumnTrait, DbErr, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, Query},
};
use std::collections::BTreeMap;

/// Pushes that were given up, of a channel, that are looked at.
const MOST: u64 = 10_000;
/// Days of one walk.
const MOST_DAYS: usize = 3_700;

/// By day and channel. One query for each day, and one for each channel.
pub(super) async fn counts(scope: &Scope<'_>) -> Result<Vec<(Day, ChannelId, StepCounts)>, DbErr> {
    let mut counts: BTreeMap<(Day, ChannelId), StepCounts> = BTreeMap::new();
    let (mut day, last) = scope.query.days;
    let mut n_days = 0;
    while day <= last && n_days < MOST_DAYS {
        n_days += 1;
        for (channel, state, n) in of_day(scope, day.window(scope.zone)).await? {
            let of = counts.entry((day, ChannelId(channel))).or_default();
            match state.as_str() {
                "pushed" => of.success += n.cast_unsigned(),
                _ => of.wrong_status += n.cast_unsigned(),
            }
        }
        day = day.next();
    }
    for connection in scope.connections() {
        let queue = scope.queue;
        let jobs = queue
            .failing(connection.id, JobKind::PushStock, MOST)
            .await?;
        for job in jobs.into_iter().filter(|job| job.state == "dead") {
            let at = job.finished_at.unwrap_or(job.created_at);
            if scope.window.from.micros() <= at && at < scope.window.to.micros() {
                let key = (scope.day_of(at), connection.id);
                counts.entry(key).or_default().missing += 1;
            }
        }
    }
    Ok(counts
        .into_iter()
        .map(|((day, channel), counts)| (day, channel, counts))
        .collect())
}

async fn of_day(scope: &Scope<'_>, window: Window) -> Result<Vec<(i64, String, i64)>, DbErr> {
    let channels: Vec<i64> = scope.connections().map(|channel| channel.id.0).collect();
    if channels.is_empty() {
        return Ok(Vec::new());
    }
    let last = Query::select()
        .expr(Expr::col(stock_pushes::Column::Id).max())
        .from(stock_pushes::Entity)
        .and_where(stock_pushes::Column::ChannelId.is_in(channels))
        .and_where(stock_pushes::Column::FinishedAt.gte(window.from.micros()))
        .and_where(stock_pushes::Column::FinishedAt.lt(window.to.micros()))
        .group_by_col(stock_pushes::Column::ListingId)
        .to_owned();
    stock_pushes::Entity::of_merchant(scope.merchant.0)
        .select_only()
        .columns([stock_pushes::Column::ChannelId, stock_pushes::Column::State])
        .column_as(stock_pushes::Column::Id.count(), "n")
        .filter(stock_pushes::Column::Id.in_subquery(last))
        .group_by(stock_pushes::Column::ChannelId)
        .group_by(stock_pushes::Column::State)
        .into_tuple()
        .all(scope.queue.db().read())
        .await
}
