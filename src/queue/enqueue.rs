//! Asking for work, in the transaction that makes it necessary.

use crate::db::Tx;
use crate::domain::{ChannelId, JobKind, MerchantId, Source, Timestamp, Work};
use crate::queue::JobState;
use entity::jobs;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use std::collections::BTreeMap;

/// Rows per statement: 20 values each, and SQLite binds 32 766 at most.
const ROWS: usize = 500;

/// Work that has become necessary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    pub merchant: MerchantId,
    pub channel: ChannelId,
    pub work: Work,
    /// What made us look. The job keeps the source it was first asked for with.
    pub source: Source,
    /// Not before this time. `None`: as soon as possible, or after the quiet time of [`Work::debounce`].
    pub run_at: Option<Timestamp>,
}

impl NewJob {
    /// Work that is the merchant's own, and of no channel.
    pub fn of_merchant(merchant: MerchantId, work: Work, source: Source) -> Self {
        debug_assert!(!work.is_of_channel(), "{work:?} is done on a channel");
        Self {
            merchant,
            channel: ChannelId::NONE,
            work,
            source,
            run_at: None,
        }
    }
}

/// What happens to the time of a job that already waits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Merge {
    /// The earlier time holds.
    Earliest,
    /// Moves later with each request, but no later than so many microseconds after the first.
    Debounced { max_wait: i64 },
}

/// Enqueues jobs in `tx`, each merged into the job of the same kind and key that already waits, if there is
/// one: the more urgent priority holds, and the time is the earlier one, or for debounced work `now` plus
/// the quiet time, but no later than its longest wait after the first request.
///
/// A job that runs is no twin: it may have read the world before this change. Returns how many rows were
/// written: new ones, and waiting ones that were moved. Call [`super::Queue::wake`] after the commit.
///
/// Rows are written in the order of their keys, so that two callers with the same keys wait for each other
/// instead of locking up; call it once per transaction where you can.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn enqueue(tx: &Tx, jobs: &[NewJob], now: Timestamp) -> Result<u64, DbErr> {
    let mut written = 0;
    for (merge, rows) in merged(jobs, now) {
        let rows: Vec<_> = rows.into_values().collect();
        for chunk in rows.chunks(ROWS) {
            written += jobs::Entity::insert_many(chunk.iter().cloned())
                .on_conflict(on_twin(merge))
                .exec_without_returning(tx)
                .await?;
        }
    }
    Ok(written)
}

/// Makes every waiting job of a channel due now: what made it wait is over. Returns how many were moved.
/// Call [`super::Queue::wake`] after the commit.
pub async fn hurry(tx: &Tx, channel: ChannelId, now: Timestamp) -> Result<u64, DbErr> {
    let moved = jobs::Entity::update_many()
        .col_expr(jobs::Column::RunAt, Expr::value(now.micros()))
        .filter(jobs::Column::ChannelId.eq(channel.0))
        .filter(jobs::Column::State.eq(JobState::Available.as_str()))
        .filter(jobs::Column::RunAt.gt(now.micros()))
        .exec(tx)
        .await?;
    Ok(moved.rows_affected)
}

/// Ends every waiting job of these channels: there is nothing left to do for them. Those that run end by
/// themselves. Returns how many there were.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn cancel_waiting(
    tx: &Tx,
    channels: &[ChannelId],
    reason: &str,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let cancelled = jobs::Entity::update_many()
        .col_expr(
            jobs::Column::State,
            Expr::value(JobState::Cancelled.as_str()),
        )
        .col_expr(jobs::Column::FinishedAt, Expr::value(now.micros()))
        .col_expr(jobs::Column::LastError, Expr::value(reason))
        .filter(jobs::Column::ChannelId.is_in(channels.iter().map(|id| id.0)))
        .filter(jobs::Column::State.eq(JobState::Available.as_str()))
        .exec(tx)
        .await?;
    Ok(cancelled.rows_affected)
}

/// Ends the waiting job of this kind and key; one that runs goes on. Returns whether there was one.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn cancel_one(
    tx: &Tx,
    (kind, key): (JobKind, &str),
    reason: &str,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let cancelled = jobs::Entity::update_many()
        .col_expr(
            jobs::Column::State,
            Expr::value(JobState::Cancelled.as_str()),
        )
        .col_expr(jobs::Column::FinishedAt, Expr::value(now.micros()))
        .col_expr(jobs::Column::LastError, Expr::value(reason))
        .filter(jobs::Column::Kind.eq(kind.as_str()))
        .filter(jobs::Column::Key.eq(key))
        .filter(jobs::Column::State.eq(JobState::Available.as_str()))
        .exec(tx)
        .await?;
    Ok(cancelled.rows_affected > 0)
}

type Rows = BTreeMap<(JobKind, String), jobs::ActiveModel>;

/// One row per kind and key, because a statement must not touch a row twice.
fn merged(jobs: &[NewJob], now: Timestamp) -> BTreeMap<Merge, Rows> {
    let mut groups: BTreeMap<Merge, Rows> = BTreeMap::new();
    for job in jobs {
        let (merge, run_at) = time_of(job, now);
        let key = (job.work.kind(), job.work.key(job.channel));
        groups
            .entry(merge)
            .or_default()
            .entry(key)
            .and_modify(|row| {
                let earlier = run_at.micros().min(*row.run_at.as_ref());
                row.run_at = Set(earlier);
            })
            .or_insert_with(|| row(job, run_at, now));
    }
    groups
}

fn time_of(job: &NewJob, now: Timestamp) -> (Merge, Timestamp) {
    match (job.run_at, job.work.debounce()) {
        (Some(at), _) => (Merge::Earliest, at),
        (None, None) => (Merge::Earliest, now),
        (None, Some((quiet, max_wait))) => {
            let max_wait_micros = i64::try_from(max_wait.as_micros()).unwrap_or(i64::MAX);
            let merge = Merge::Debounced {
                max_wait: max_wait_micros,
            };
            (merge, now + quiet.min(max_wait))
        }
    }
}

/// One product that a person asked for is one question, and a person waits for the answer.
fn priority_of(job: &NewJob) -> i64 {
    match job.work {
        Work::RescanProduct { .. } if job.source == Source::Manual => Work::FIRST,
        _ => job.work.priority(),
    }
}

fn row(job: &NewJob, run_at: Timestamp, now: Timestamp) -> jobs::ActiveModel {
    jobs::ActiveModel {
        id: NotSet,
        merchant_id: Set(job.merchant.0),
        channel_id: Set(job.channel.0),
        kind: Set(job.work.kind().to_string()),
        key: Set(job.work.key(job.channel)),
        state: Set(JobState::Available.to_string()),
        priority: Set(priority_of(job)),
        source: Set(job.source.to_string()),
        args: Set(job.work.args()),
        run_at: Set(run_at.micros()),
        waiting_since: Set(now.micros()),
        attempts: Set(0),
        max_attempts: Set(job.work.max_attempts()),
        lease_token: Set(None),
        lease_until: Set(None),
        created_at: Set(now.micros()),
        started_at: Set(None),
        finished_at: Set(None),
        last_error: Set(None),
        cause: Set(None),
        revivals: Set(0),
    }
}

/// Written out instead of built: the two databases name the smaller of two numbers differently, and a bound
/// value in the target would not be recognised as the condition of the partial index.
fn on_twin(merge: Merge) -> OnConflict {
    let mut conflict = OnConflict::columns([jobs::Column::Kind, jobs::Column::Key]);
    conflict
        .target_and_where(Expr::cust("state = 'available'"))
        .value(
            jobs::Column::Priority,
            smaller("excluded.priority", "jobs.priority"),
        );
    match merge {
        Merge::Earliest => conflict
            .value(
                jobs::Column::RunAt,
                smaller("excluded.run_at", "jobs.run_at"),
            )
            // A twin that is soon enough needs no write; on PostgreSQL it is locked all the same, so that
            // it cannot be claimed before this transaction's changes can be seen.
            .action_and_where(Expr::cust(
                "excluded.run_at < jobs.run_at or excluded.priority < jobs.priority",
            )),
        Merge::Debounced { max_wait } => {
            let latest = format!("jobs.waiting_since + {max_wait}");
            conflict.value(jobs::Column::RunAt, smaller("excluded.run_at", &latest))
        }
    };
    conflict
}

fn smaller(a: &str, b: &str) -> Expr {
    Expr::cust(format!("case when {a} < {b} then {a} else {b} end"))
}
