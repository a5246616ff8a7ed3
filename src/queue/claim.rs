//! Taking work, and keeping it.

use super::{
    JobState, Queue,
    held::{self, Attempt},
};
use crate::db::Tx;
use crate::domain::{Cause, ChannelId, JobId, JobKind, MerchantId, Source, Timestamp, Work};
use entity::jobs;
use sea_orm::{
    ConnectionTrait, DbErr, FromQueryResult,
    sea_query::{
        CommonTableExpression, Expr, ExprTrait, LockBehavior, LockType, Order, Query,
        SelectStatement, UpdateStatement,
    },
};

/// A job that this worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub id: JobId,
    pub merchant: MerchantId,
    pub channel: ChannelId,
    pub work: Work,
    pub source: Source,
    /// 1 is the first.
    pub attempt: i64,
    pub max_attempts: i64,
    /// Proof of holding it; whoever took the job over has another.
    pub lease: String,
}

impl Queue {
    /// Takes up to `limit` due jobs of `kinds` (none given: every kind this build knows), the most urgent
    /// first, and leases them to `worker` until `now` plus the lease.
    ///
    /// Kinds this build does not know stay where they are: a newer build may have asked for them. A job
    /// whose arguments are not understood is dead, and says why.
    ///
    /// # Errors
    /// When the database refuses; then nothing is taken.
    pub async fn claim(
        &self,
        worker: &str,
        kinds: &[JobKind],
        limit: u64,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, DbErr> {
        self.claim_up_to(i64::MAX, worker, kinds, limit, now).await
    }

    /// The same of jobs that are as urgent as `priority`, or more.
    ///
    /// # Errors
    /// When the database refuses; then nothing is taken.
    pub async fn claim_up_to(
        &self,
        priority: i64,
        worker: &str,
        kinds: &[JobKind],
        limit: u64,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, DbErr> {
        let kinds = if kinds.is_empty() {
            JobKind::ALL
        } else {
            kinds
        };
        // An idle worker asks every second: it must not take the write lock for that.
        let look = due((kinds, priority), 1, now);
        if limit == 0 || self.db.read().query_one(&look).await?.is_none() {
            return Ok(Vec::new());
        }
        let tx = self.db.write_tx().await?;
        let lease = new_lease(worker);
        let until = now + self.options.lease;
        let mut rows = Vec::new();
        for row in tx
            .query_all(&take((kinds, priority), limit, &lease, until, now))
            .await?
        {
            rows.push(jobs::Model::from_query_result(&row, "")?);
        }
        rows.sort_by_key(|row| (row.priority, row.run_at, row.id));
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            match understood(&row, &lease) {
                Ok(job) => claimed.push(job),
                Err(reason) => bury(&tx, &row, worker, reason, now).await?,
            }
        }
        tx.commit().await?;
        Ok(claimed)
    }

    /// Extends the leases of `jobs` to `now` plus the lease, and returns those that are still held. The
    /// others were given to another worker: stop working on them.
    ///
    /// # Errors
    /// When the database refuses; the leases then run on unchanged.
    pub async fn heartbeat(
        &self,
        jobs: &[(JobId, String)],
        now: Timestamp,
    ) -> Result<Vec<JobId>, DbErr> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let until = now + self.options.lease;
        let tx = self.db.write_tx().await?;
        let mut kept = Vec::with_capacity(jobs.len());
        let held = jobs.iter().map(|(id, lease)| (*id, lease.as_str()));
        let longer = [(jobs::Column::LeaseUntil, until.micros().into())];
        for (lease, ids) in held::by_lease(held) {
            kept.extend(held::update(&tx, lease, &ids, &longer).await?);
        }
        tx.commit().await?;
        Ok(kept)
    }
}

/// The token says who holds the job, so that whoever finds it abandoned can tell.
fn new_lease(worker: &str) -> String {
    format!("{}:{worker}", uuid::Uuid::now_v7().simple())
}

/// Due jobs whose key does not run, most urgent first. The states are written out because a bound value
/// would not be recognised as the condition of the partial indexes.
fn due((kinds, priority): (&[JobKind], i64), limit: u64, now: Timestamp) -> SelectStatement {
    // The empty text keeps SQLite from walking the index of keys and sorting all that waits.
    let kind = Expr::cust("(jobs.kind || '')");
    let mut select = Query::select();
    select
        .column(jobs::Column::Id)
        .from(jobs::Entity)
        .and_where(Expr::cust("jobs.state = 'available'"))
        .and_where(Expr::col(jobs::Column::RunAt).lte(now.micros()))
        .and_where(Expr::col(jobs::Column::Priority).lte(priority))
        .and_where(kind.is_in(kinds.iter().map(|kind| kind.as_str())))
        .and_where(Expr::cust(
            "not exists (select 1 from jobs r where r.kind = jobs.kind and r.key = jobs.key \
             and r.state = 'running')",
        ))
        .order_by(jobs::Column::Priority, Order::Asc)
        .order_by(jobs::Column::RunAt, Order::Asc)
        .order_by(jobs::Column::Id, Order::Asc)
        .limit(limit);
    select
}

/// One statement for both databases. The picked ids are named first, because PostgreSQL may otherwise run
/// a limited sub-select more than once; SQLite, which has one writer, drops the lock clause.
fn take(
    which: (&[JobKind], i64),
    limit: u64,
    lease: &str,
    until: Timestamp,
    now: Timestamp,
) -> UpdateStatement {
    let mut picking = due(which, limit, now);
    picking.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let picked = CommonTableExpression::new()
        .table_name("picked")
        .column(jobs::Column::Id)
        .query(picking)
        .to_owned();
    let ids = Query::select()
        .column(jobs::Column::Id)
        .from("picked")
        .to_owned();
    Query::update()
        .with_cte(picked)
        .table(jobs::Entity)
        .value(jobs::Column::State, JobState::Running.as_str())
        .value(jobs::Column::LeaseToken, lease)
        .value(jobs::Column::LeaseUntil, until.micros())
        .value(jobs::Column::StartedAt, now.micros())
        .value(
            jobs::Column::Attempts,
            Expr::col(jobs::Column::Attempts).add(1),
        )
        .and_where(Expr::col(jobs::Column::Id).in_subquery(ids))
        .returning_all()
        .to_owned()
}

fn understood(row: &jobs::Model, lease: &str) -> Result<Claimed, String> {
    let not = |what: &str, why: &dyn std::fmt::Display| {
        format!(
            "{what} of job {} ({}) not understood: {why}",
            row.id, row.kind
        )
    };
    let work = Work::from_args(&row.args).map_err(|error| not("the arguments", &error))?;
    if work.kind().as_str() != row.kind {
        return Err(not(
            "the arguments",
            &format!("they are those of {}", work.kind()),
        ));
    }
    let source =
        Source::parse(&row.source).ok_or_else(|| not("the source", &"it is none we know"))?;
    Ok(Claimed {
        id: JobId(row.id),
        merchant: MerchantId(row.merchant_id),
        channel: ChannelId(row.channel_id),
        work,
        source,
        attempt: row.attempts,
        max_attempts: row.max_attempts,
        lease: lease.to_owned(),
    })
}

async fn bury(
    tx: &Tx,
    row: &jobs::Model,
    worker: &str,
    reason: String,
    now: Timestamp,
) -> Result<(), DbErr> {
    tracing::error!(job.id = row.id, job.kind = row.kind, reason, "job is dead");
    let lease = row.lease_token.as_deref().unwrap_or_default();
    let only = held::held(JobId(row.id), lease);
    let why = (Some(reason.as_str()), Some(Cause::Bug));
    held::end(tx, only, JobState::Dead, why, now).await?;
    let attempt = Attempt {
        merchant: MerchantId(row.merchant_id),
        job: JobId(row.id),
        number: row.attempts,
        worker,
        started_at: now,
        outcome: held::FAILED,
        error: Some(reason),
        cause: Some(Cause::Bug),
    };
    held::record(tx, &[attempt], now).await
}
