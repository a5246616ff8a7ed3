//! Tidying up: what dead workers left behind, and what is over long since.

use super::{
    JobState, Queue,
    held::{self, Attempt, Placed, PutBack},
};
use crate::db::Tx;
use crate::domain::{Cause, JobId, MerchantId, Timestamp};
use entity::{job_attempts, jobs};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, ExprTrait, Query},
};

/// Expired leases per call, and rows per deleting transaction: neither may hold the write lock for long.
const BATCH: u64 = 500;
/// Deleting transactions per call and age.
const BATCHES: usize = 10;

/// What the janitor found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Abandoned jobs that wait again.
    pub returned: u64,
    /// Abandoned jobs whose newer twin waits already.
    pub superseded: u64,
    /// Abandoned jobs that have used up their attempts.
    pub dead: u64,
    /// Jobs that were over longer than they are kept.
    pub deleted: u64,
}

impl Queue {
    /// Returns jobs whose lease has run out, and deletes what is older than [`super::QueueOptions`] says. Safe to
    /// run in every process, as often as wanted; each call does a bounded amount of work.
    ///
    /// # Errors
    /// When the database refuses; what was done until then stays done.
    pub async fn janitor(&self, now: Timestamp) -> Result<Swept, DbErr> {
        let mut swept = Swept::default();
        self.return_abandoned(&mut swept, now).await?;
        let over = Expr::cust("jobs.state in ('done', 'superseded', 'cancelled')");
        let dead = Expr::cust("jobs.state = 'dead'");
        for (state, keep) in [
            (over, self.options.keep_finished),
            (dead, self.options.keep_dead),
        ] {
            swept.deleted += self.delete_before(&state, now - keep).await?;
        }
        Ok(swept)
    }

    async fn return_abandoned(&self, swept: &mut Swept, now: Timestamp) -> Result<(), DbErr> {
        let abandoned = jobs::Entity::find()
            // Written out, so that the index of leases is recognised.
            .filter(Expr::cust("jobs.state = 'running'"))
            .filter(jobs::Column::LeaseUntil.lte(now.micros()))
            .order_by_asc(jobs::Column::Kind)
            .order_by_asc(jobs::Column::Key)
            .limit(BATCH)
            .all(self.db.read())
            .await?;
        if abandoned.is_empty() {
            return Ok(());
        }
        let tx = self.db.write_tx().await?;
        for job in &abandoned {
            return_one(&tx, job, swept, now).await?;
        }
        tx.commit().await
    }

    async fn delete_before(&self, state: &Expr, before: Timestamp) -> Result<u64, DbErr> {
        let mut deleted = 0;
        for _ in 0..BATCHES {
            let old = Condition::all()
                .add(state.clone())
                .add(jobs::Column::FinishedAt.lt(before.micros()));
            let ids: Vec<i64> = jobs::Entity::find()
                .select_only()
                .column(jobs::Column::Id)
                .filter(old.clone())
                .order_by_asc(jobs::Column::FinishedAt)
                .limit(BATCH)
                .into_tuple()
                .all(self.db.read())
                .await?;
            if ids.is_empty() {
                break;
            }
            deleted += self.delete(&ids, old).await?;
        }
        Ok(deleted)
    }

    /// Deletes those of `ids` that are still `old`: one may have been revived since it was found.
    async fn delete(&self, ids: &[i64], old: Condition) -> Result<u64, DbErr> {
        let tx = self.db.write_tx().await?;
        let statement = Query::delete()
            .from_table(jobs::Entity)
            .and_where(Expr::col(jobs::Column::Id).is_in(ids.iter().copied()))
            .cond_where(old)
            .returning_col(jobs::Column::Id)
            .to_owned();
        let mut gone: Vec<i64> = Vec::with_capacity(ids.len());
        for row in tx.query_all(&statement).await? {
            gone.push(row.try_get("", "id")?);
        }
        let n_gone = gone.len() as u64;
        job_attempts::Entity::delete_many()
            .filter(job_attempts::Column::JobId.is_in(gone))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        Ok(n_gone)
    }
}

/// The worker may have been killed by the job itself, so the attempt counts.
async fn return_one(
    tx: &Tx,
    job: &jobs::Model,
    swept: &mut Swept,
    now: Timestamp,
) -> Result<(), DbErr> {
    let lease = job.lease_token.as_deref().unwrap_or_default();
    let worker = held::worker_of(lease);
    let error = format!(
        "worker {worker} stopped answering during attempt {} of {}",
        job.attempts, job.max_attempts
    );
    // A heartbeat may have come since the job was found.
    let only = held::held(JobId(job.id), lease).add(jobs::Column::LeaseUntil.lte(now.micros()));
    if job.attempts >= job.max_attempts {
        let why = (Some(error.as_str()), Some(Cause::WorkerLost));
        if !held::end(tx, only, JobState::Dead, why, now).await? {
            return Ok(());
        }
        tracing::error!(job.id = job.id, job.kind = job.kind, error, "job is dead");
        swept.dead += 1;
    } else {
        let back = PutBack {
            only,
            run_at: now,
            attempts: Expr::col(jobs::Column::Attempts),
            error: Some(&error),
            cause: Some(Cause::WorkerLost),
        };
        match held::put_back(tx, back, now).await? {
            Placed::Waiting => swept.returned += 1,
            Placed::Superseded => swept.superseded += 1,
            Placed::Nothing => return Ok(()),
        }
    }
    let attempt = Attempt {
        merchant: MerchantId(job.merchant_id),
        job: JobId(job.id),
        number: job.attempts,
        worker,
        started_at: Timestamp::from_micros(job.started_at.unwrap_or(job.created_at)),
        outcome: held::LOST,
        error: Some(error),
        cause: Some(Cause::WorkerLost),
    };
    held::record(tx, &[attempt], now).await
}
