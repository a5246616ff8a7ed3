//! Changing jobs that someone holds: every statement here names the lease, so that whoever lost it
//! changes nothing.

use super::JobState;
use crate::db::Tx;
use crate::domain::{Cause, JobId, MerchantId, Timestamp};
use entity::{job_attempts, jobs};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, SqlErr,
    TransactionTrait,
    sea_query::{Expr, ExprTrait, Query},
};
use std::collections::BTreeMap;

/// Ids or rows per statement.
const CHUNK: usize = 1_000;
/// Characters of an error that are kept.
const LONGEST_ERROR: usize = 2_000;

pub(super) const DONE: &str = "done";
pub(super) const FAILED: &str = "failed";
pub(super) const SNOOZED: &str = "snoozed";
pub(super) const SUPERSEDED: &str = "superseded";
pub(super) const LOST: &str = "lost";

/// The worker that was given this lease.
pub(super) fn worker_of(lease: &str) -> &str {
    lease.split_once(':').map_or("", |(_, worker)| worker)
}

/// Ids in groups of one lease; one claim makes one.
pub(super) fn by_lease<'a>(
    held: impl Iterator<Item = (JobId, &'a str)>,
) -> BTreeMap<&'a str, Vec<JobId>> {
    let mut groups: BTreeMap<&str, Vec<JobId>> = BTreeMap::new();
    for (id, lease) in held {
        groups.entry(lease).or_default().push(id);
    }
    groups
}

/// Runs, and is leased with this token.
pub(super) fn held(id: JobId, lease: &str) -> Condition {
    Condition::all()
        .add(jobs::Column::Id.eq(id.0))
        .add(jobs::Column::State.eq(JobState::Running.as_str()))
        .add(jobs::Column::LeaseToken.eq(lease))
}

/// Changes many jobs of one lease at once; returns those that are still held.
pub(super) async fn update(
    tx: &Tx,
    lease: &str,
    ids: &[JobId],
    changes: &[(jobs::Column, Expr)],
) -> Result<Vec<JobId>, DbErr> {
    let mut changed = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let statement = Query::update()
            .table(jobs::Entity)
            .values(changes.iter().cloned())
            .and_where(Expr::col(jobs::Column::Id).is_in(chunk.iter().map(|id| id.0)))
            .and_where(Expr::col(jobs::Column::State).eq(JobState::Running.as_str()))
            .and_where(Expr::col(jobs::Column::LeaseToken).eq(lease))
            .returning_col(jobs::Column::Id)
            .to_owned();
        for row in tx.query_all(&statement).await? {
            changed.push(JobId(row.try_get("", "id")?));
        }
    }
    Ok(changed)
}

/// What every ending writes.
pub(super) fn ending(
    state: JobState,
    error: Option<&str>,
    cause: Option<Cause>,
    now: Timestamp,
) -> [(jobs::Column, Expr); 6] {
    [
        (jobs::Column::State, state.as_str().into()),
        (jobs::Column::LeaseToken, Option::<String>::None.into()),
        (jobs::Column::LeaseUntil, Option::<i64>::None.into()),
        (jobs::Column::FinishedAt, now.micros().into()),
        (jobs::Column::LastError, error.map(shortened).into()),
        (jobs::Column::Cause, cause.map(Cause::as_str).into()),
    ]
}

/// Ends the job that `only` describes; false when there is none.
pub(super) async fn end(
    tx: &Tx,
    only: Condition,
    state: JobState,
    (error, cause): (Option<&str>, Option<Cause>),
    now: Timestamp,
) -> Result<bool, DbErr> {
    let mut update = jobs::Entity::update_many().filter(only);
    for (column, value) in ending(state, error, cause, now) {
        update = update.col_expr(column, value);
    }
    Ok(update.exec(tx).await?.rows_affected > 0)
}

/// How a job goes back to waiting.
pub(super) struct PutBack<'a> {
    pub only: Condition,
    pub run_at: Timestamp,
    /// Attempts that count from then on.
    pub attempts: Expr,
    pub error: Option<&'a str>,
    pub cause: Option<Cause>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    Waiting,
    /// A newer twin waits already; this one has ended.
    Superseded,
    /// Not the job that was meant: it was taken over meanwhile.
    Nothing,
}

/// Puts a job back to waiting. Whether a twin waits is decided by the unique index and not by looking: on
/// PostgreSQL a twin that is not committed yet cannot be seen, but is waited for.
pub(super) async fn put_back(tx: &Tx, back: PutBack<'_>, now: Timestamp) -> Result<Placed, DbErr> {
    let savepoint = tx.begin().await?;
    let update = jobs::Entity::update_many()
        .filter(back.only.clone())
        .col_expr(jobs::Column::State, JobState::Available.as_str().into())
        .col_expr(jobs::Column::LeaseToken, Option::<String>::None.into())
        .col_expr(jobs::Column::LeaseUntil, Option::<i64>::None.into())
        .col_expr(jobs::Column::FinishedAt, Option::<i64>::None.into())
        .col_expr(jobs::Column::RunAt, back.run_at.micros().into())
        .col_expr(jobs::Column::WaitingSince, now.micros().into())
        .col_expr(jobs::Column::Attempts, back.attempts)
        .col_expr(jobs::Column::LastError, back.error.map(shortened).into())
        .col_expr(jobs::Column::Cause, back.cause.map(Cause::as_str).into());
    match update.exec(&savepoint).await {
        Ok(done) => {
            savepoint.commit().await?;
            Ok(if done.rows_affected > 0 {
                Placed::Waiting
            } else {
                Placed::Nothing
            })
        }
        Err(error) if is_taken(&error) => {
            savepoint.rollback().await?;
            let ended = end(
                tx,
                back.only,
                JobState::Superseded,
                (back.error, back.cause),
                now,
            )
            .await?;
            Ok(if ended {
                Placed::Superseded
            } else {
                Placed::Nothing
            })
        }
        Err(error) => Err(error),
    }
}

fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// One try of a job, as it is written down.
pub(super) struct Attempt<'a> {
    pub merchant: MerchantId,
    pub job: JobId,
    pub number: i64,
    pub worker: &'a str,
    pub started_at: Timestamp,
    pub outcome: &'static str,
    pub error: Option<String>,
    pub cause: Option<Cause>,
}

pub(super) async fn record(tx: &Tx, attempts: &[Attempt<'_>], now: Timestamp) -> Result<(), DbErr> {
    for chunk in attempts.chunks(CHUNK) {
        let rows = chunk.iter().map(|attempt| job_attempts::ActiveModel {
            id: NotSet,
            merchant_id: Set(attempt.merchant.0),
            job_id: Set(attempt.job.0),
            number: Set(attempt.number),
            worker: Set(attempt.worker.to_owned()),
            started_at: Set(attempt.started_at.micros()),
            finished_at: Set(now.micros()),
            outcome: Set(attempt.outcome.to_owned()),
            error: Set(attempt.error.as_deref().map(shortened)),
            cause: Set(attempt.cause.map(|cause| cause.as_str().to_owned())),
        });
        job_attempts::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

fn shortened(error: &str) -> String {
    error.chars().take(LONGEST_ERROR).collect()
}
