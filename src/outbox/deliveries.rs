//! Deliveries: what an endpoint is still to be told, how each try went, and telling again.

use super::{Endpoint, HappeningKind, LIST_LIMIT, tell::job};
use crate::db::Tx;
use crate::domain::{EndpointId, HappeningId, MerchantId, Timestamp};
use crate::queue;
use entity::{endpoint_deliveries as rows, endpoints, happenings};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use std::time::Duration;

/// Waits before the tries of one delivery: the last is made three days after the first. Source: the schedule that the
/// specification of Standard Webhooks proposes.
const WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(5 * 3_600),
    Duration::from_secs(10 * 3_600),
    Duration::from_secs(14 * 3_600),
    Duration::from_secs(20 * 3_600),
    Duration::from_secs(24 * 3_600),
];
/// Rests of an endpoint that fails, by the failures in a row: others of its deliveries are tried after it, so that one
/// that is never taken does not hold up the rest.
const RESTS: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3_600),
];
/// Characters of an answer that are kept.
const LONGEST_ANSWER: usize = 300;
/// Happenings per statement of a replay.
const CHUNK: u64 = 1_000;

/// A happening that an endpoint is to be told now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub delivery: i64,
    /// Tries so far.
    pub attempts: i64,
    pub happening: happenings::Model,
}

/// What waits for an endpoint and may be tried at `now`, oldest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn due<C: ConnectionTrait>(
    db: &C,
    endpoint: EndpointId,
    limit: u64,
    now: Timestamp,
) -> Result<Vec<Due>, DbErr> {
    let waiting = rows::Entity::find()
        .filter(rows::Column::EndpointId.eq(endpoint.0))
        // Written out, so that the partial index is recognised.
        .filter(Expr::cust("endpoint_deliveries.state = 'waiting'"))
        .filter(rows::Column::NextAt.lte(now.micros()))
        .order_by_asc(rows::Column::HappeningId)
        .limit(limit)
        .all(db)
        .await?;
    let ids = waiting.iter().map(|row| row.happening_id);
    let found = happenings::Entity::find()
        .filter(happenings::Column::Id.is_in(ids))
        .order_by_asc(happenings::Column::Id)
        .all(db)
        .await?;
    let of = |row: &rows::Model| {
        let mut found = found.iter();
        let happening = found.find(|one| one.id == row.happening_id)?;
        Some(Due {
            delivery: row.id,
            attempts: row.attempts,
            happening: happening.clone(),
        })
    };
    Ok(waiting.iter().filter_map(of).collect())
}

/// How many deliveries wait for an endpoint.
///
/// # Errors
/// When the database cannot be asked.
pub async fn waiting_for<C: ConnectionTrait>(db: &C, endpoint: EndpointId) -> Result<u64, DbErr> {
    rows::Entity::find()
        .filter(rows::Column::EndpointId.eq(endpoint.0))
        // Written out, so that the partial index is recognised.
        .filter(Expr::cust("endpoint_deliveries.state = 'waiting'"))
        .count(db)
        .await
}

/// When the next delivery of an endpoint may be tried; `None` when none waits.
///
/// # Errors
/// When the database cannot be asked.
pub async fn next_due<C: ConnectionTrait>(
    db: &C,
    endpoint: EndpointId,
) -> Result<Option<Timestamp>, DbErr> {
    let next: Option<i64> = rows::Entity::find()
        .select_only()
        .expr(rows::Column::NextAt.min())
        .filter(rows::Column::EndpointId.eq(endpoint.0))
        .filter(Expr::cust("endpoint_deliveries.state = 'waiting'"))
        .into_tuple::<Option<i64>>()
        .one(db)
        .await?
        .flatten();
    Ok(next.map(Timestamp::from_micros))
}

/// How one try went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Taken, with this status where HTTP was spoken.
    Delivered { status: Option<u16>, answer: String },
    /// Not taken: again later.
    Failed {
        status: Option<u16>,
        answer: String,
        /// The endpoint named a time.
        wait: Option<Duration>,
    },
    /// It will never be taken: a person has to look, and can replay it.
    Refused { status: Option<u16>, answer: String },
}

/// Writes down how a try went: the delivery's next time, and the endpoint's rest. Nothing when the delivery no longer
/// waits.
///
/// # Errors
/// When the database refuses.
pub async fn note(
    tx: &Tx,
    endpoint: &Endpoint,
    due: &Due,
    told: &Told,
    now: Timestamp,
) -> Result<(), DbErr> {
    let attempts = due.attempts + 1;
    let wait = usize::try_from(due.attempts)
        .ok()
        .and_then(|n| WAITS.get(n));
    let (state, status, answer, next_at) = match told {
        Told::Delivered { status, answer } => ("delivered", status, answer, None),
        Told::Refused { status, answer } => ("failed", status, answer, None),
        Told::Failed { status, answer, .. } => match wait {
            Some(wait) => ("waiting", status, answer, Some(now + *wait)),
            None => ("failed", status, answer, None),
        },
    };
    let finished_at = next_at.is_none().then_some(now.micros());
    let answer: String = answer.chars().take(LONGEST_ANSWER).collect();
    rows::Entity::update_many()
        .col_expr(rows::Column::State, Expr::value(state))
        .col_expr(rows::Column::Attempts, Expr::value(attempts))
        .col_expr(
            rows::Column::NextAt,
            Expr::value(next_at.unwrap_or(now).micros()),
        )
        .col_expr(rows::Column::Status, Expr::value(status.map(i64::from)))
        .col_expr(rows::Column::Answer, Expr::value(Some(answer)))
        .col_expr(rows::Column::FinishedAt, Expr::value(finished_at))
        .filter(rows::Column::Id.eq(due.delivery))
        .filter(Expr::cust("state = 'waiting'"))
        .exec(tx)
        .await?;
    match told {
        Told::Failed { wait, .. } => note_failure(tx, endpoint, *wait, now).await,
        Told::Delivered { .. } if endpoint.failures > 0 => note_success(tx, endpoint).await,
        Told::Delivered { .. } | Told::Refused { .. } => Ok(()),
    }
}

async fn note_failure(
    tx: &Tx,
    endpoint: &Endpoint,
    wait: Option<Duration>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let longest = RESTS[RESTS.len() - 1];
    let n = usize::try_from(endpoint.failures).unwrap_or(usize::MAX);
    let rest = RESTS.get(n).copied().unwrap_or(longest);
    let rest = rest.max(wait.unwrap_or_default().min(longest));
    let since = endpoint.failing_since.unwrap_or(now);
    endpoints::Entity::update_many()
        .col_expr(
            endpoints::Column::Failures,
            Expr::value(endpoint.failures + 1),
        )
        .col_expr(
            endpoints::Column::FailingSince,
            Expr::value(Some(since.micros())),
        )
        .col_expr(
            endpoints::Column::RestUntil,
            Expr::value(Some((now + rest).micros())),
        )
        .filter(endpoints::Column::Id.eq(endpoint.id.0))
        .exec(tx)
        .await?;
    Ok(())
}

async fn note_success(tx: &Tx, endpoint: &Endpoint) -> Result<(), DbErr> {
    endpoints::Entity::update_many()
        .col_expr(endpoints::Column::Failures, Expr::value(0_i64))
        .col_expr(endpoints::Column::FailingSince, Expr::value(None::<i64>))
        .col_expr(endpoints::Column::RestUntil, Expr::value(None::<i64>))
        .filter(endpoints::Column::Id.eq(endpoint.id.0))
        .exec(tx)
        .await?;
    Ok(())
}

/// What to tell again; everything that the endpoint hears, without a limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replay {
    /// From this happening on.
    pub from: Option<HappeningId>,
    /// Up to this one, itself included.
    pub to: Option<HappeningId>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub kind: Option<HappeningKind>,
    /// Only of this subject, such as `order:12`.
    pub subject: Option<String>,
    /// Only what was given up.
    pub failed_only: bool,
}

/// Makes what `which` names wait again, also what the endpoint was never told, and enqueues its job. Receivers know a
/// repeated message by its id. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn replay(
    tx: &Tx,
    endpoint: &Endpoint,
    which: &Replay,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let mut after = which.from.map_or(0, |id| id.0 - 1);
    let mut n_replayed = 0;
    loop {
        let ids = some_of_the_log(tx, endpoint, which, after).await?;
        let Some(last) = ids.last() else { break };
        after = *last;
        n_replayed += if which.failed_only {
            wait_again(tx, endpoint, &ids, now).await?
        } else {
            wait_all(tx, endpoint, &ids, now).await?
        };
    }
    if n_replayed > 0 {
        queue::enqueue(tx, &[job(endpoint.merchant, endpoint.id, None)], now).await?;
    }
    Ok(n_replayed)
}

async fn some_of_the_log(
    tx: &Tx,
    endpoint: &Endpoint,
    which: &Replay,
    after: i64,
) -> Result<Vec<i64>, DbErr> {
    let mut select = happenings::Entity::of_merchant(endpoint.merchant.0)
        .select_only()
        .column(happenings::Column::Id)
        .filter(happenings::Column::Id.gt(after));
    if let Some(to) = which.to {
        select = select.filter(happenings::Column::Id.lte(to.0));
    }
    if let Some(since) = which.since {
        select = select.filter(happenings::Column::CreatedAt.gte(since.micros()));
    }
    if let Some(until) = which.until {
        select = select.filter(happenings::Column::CreatedAt.lt(until.micros()));
    }
    if let Some(kind) = which.kind {
        select = select.filter(happenings::Column::Kind.eq(kind.as_str()));
    } else if !endpoint.kinds.is_empty() {
        let kinds = endpoint.kinds.iter().map(|kind| kind.as_str());
        select = select.filter(happenings::Column::Kind.is_in(kinds));
    }
    if let Some(subject) = &which.subject {
        select = select.filter(happenings::Column::Subject.eq(subject));
    }
    select
        .order_by_asc(happenings::Column::Id)
        .limit(CHUNK)
        .into_tuple()
        .all(tx)
        .await
}

async fn wait_again(
    tx: &Tx,
    endpoint: &Endpoint,
    ids: &[i64],
    now: Timestamp,
) -> Result<u64, DbErr> {
    let done = rows::Entity::update_many()
        .col_expr(rows::Column::State, Expr::value("waiting"))
        .col_expr(rows::Column::Attempts, Expr::value(0_i64))
        .col_expr(rows::Column::NextAt, Expr::value(now.micros()))
        .col_expr(rows::Column::FinishedAt, Expr::value(None::<i64>))
        .filter(rows::Column::EndpointId.eq(endpoint.id.0))
        .filter(rows::Column::State.eq("failed"))
        .filter(rows::Column::HappeningId.is_in(ids.iter().copied()))
        .exec(tx)
        .await?;
    Ok(done.rows_affected)
}

async fn wait_all(tx: &Tx, endpoint: &Endpoint, ids: &[i64], now: Timestamp) -> Result<u64, DbErr> {
    let again = ids.iter().map(|id| rows::ActiveModel {
        id: NotSet,
        merchant_id: Set(endpoint.merchant.0),
        endpoint_id: Set(endpoint.id.0),
        happening_id: Set(*id),
        state: Set("waiting".to_owned()),
        attempts: Set(0),
        next_at: Set(now.micros()),
        status: Set(None),
        answer: Set(None),
        created_at: Set(now.micros()),
        finished_at: Set(None),
    });
    let known = OnConflict::columns([rows::Column::EndpointId, rows::Column::HappeningId])
        .update_columns([
            rows::Column::State,
            rows::Column::Attempts,
            rows::Column::NextAt,
            rows::Column::FinishedAt,
        ])
        .to_owned();
    rows::Entity::insert_many(again)
        .on_conflict(known)
        .exec_without_returning(tx)
        .await
}

/// The latest deliveries of an endpoint with what they tell, newest first; of one state, or all.
///
/// # Errors
/// When the database cannot be asked.
pub async fn deliveries<C: ConnectionTrait>(
    db: &C,
    endpoint: EndpointId,
    state: Option<&str>,
    limit: u64,
) -> Result<Vec<(rows::Model, happenings::Model)>, DbErr> {
    let mut select = rows::Entity::find().filter(rows::Column::EndpointId.eq(endpoint.0));
    if let Some(state) = state {
        select = select.filter(rows::Column::State.eq(state));
    }
    let found = select
        .order_by_desc(rows::Column::HappeningId)
        .limit(Ord::min(limit, LIST_LIMIT))
        .all(db)
        .await?;
    let mut pairs = Vec::with_capacity(found.len());
    for chunk in found.chunks(CHUNK as usize) {
        let told = happenings::Entity::find()
            .filter(happenings::Column::Id.is_in(chunk.iter().map(|row| row.happening_id)))
            .order_by_asc(happenings::Column::Id)
            .all(db)
            .await?;
        for row in chunk {
            if let Some(one) = told.iter().find(|one| one.id == row.happening_id) {
                pairs.push((row.clone(), one.clone()));
            }
        }
    }
    Ok(pairs)
}

/// What was told of one subject at these times, oldest first, with the state of its deliveries by endpoint. The times
/// are those at which the books were written: the log is written in the same transaction.
///
/// # Errors
/// When the database cannot be asked.
pub async fn told_of<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    subject: &str,
    at: &[i64],
) -> Result<Vec<(happenings::Model, Vec<rows::Model>)>, DbErr> {
    let found = happenings::Entity::of_merchant(merchant.0)
        .filter(happenings::Column::CreatedAt.is_in(at.iter().copied()))
        .filter(happenings::Column::Subject.eq(subject))
        .order_by_asc(happenings::Column::Id)
        .limit(CHUNK)
        .all(db)
        .await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let listening: Vec<i64> = endpoints::Entity::of_merchant(merchant.0)
        .select_only()
        .column(endpoints::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    let told = rows::Entity::find()
        .filter(rows::Column::EndpointId.is_in(listening))
        .filter(rows::Column::HappeningId.is_in(found.iter().map(|one| one.id)))
        .order_by_asc(rows::Column::Id)
        .all(db)
        .await?;
    let with_told = |one: happenings::Model| {
        let of = told.iter().filter(|row| row.happening_id == one.id);
        let of = of.cloned().collect();
        (one, of)
    };
    Ok(found.into_iter().map(with_told).collect())
}

/// The merchant's log behind `after`, oldest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn happenings<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    after: HappeningId,
    limit: u64,
) -> Result<Vec<happenings::Model>, DbErr> {
    happenings::Entity::of_merchant(merchant.0)
        .filter(happenings::Column::Id.gt(after.0))
        .order_by_asc(happenings::Column::Id)
        .limit(Ord::min(limit, LIST_LIMIT))
        .all(db)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_tried_for_about_three_days() {
        let whole: Duration = WAITS.iter().sum();

        let hours = whole.as_secs() / 3_600;
        assert!((72..80).contains(&hours), "{hours}");
    }

    #[test]
    fn rests_grow_and_are_never_longer_than_an_hour() {
        assert!(RESTS.is_sorted());
        assert_eq!(RESTS[RESTS.len() - 1], Duration::from_secs(3_600));
    }
}
