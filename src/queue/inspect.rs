//! Questions about jobs, for people, and the one thing a person may do: revive.

use super::{JobState, Queue, again::revive};
use crate::domain::{ChannelId, JobId, JobKind, MerchantId, Timestamp};
use entity::{job_attempts, jobs};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::Expr,
};
use std::collections::HashMap;

/// Keys per query: SQLite binds 32,766 values at most.
const KEYS: usize = 1_000;

/// How many jobs there are, of all merchants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Could run now.
    pub due: u64,
    /// Wait for their time: retries, snoozes, debounced work.
    pub later: u64,
    pub running: u64,
    /// Given up: a person has to act.
    pub dead: u64,
}

/// Which jobs to list; `None` is any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    pub channel: Option<ChannelId>,
    pub kind: Option<JobKind>,
    pub state: Option<JobState>,
    /// As [`crate::domain::Work::key`] makes it.
    pub key: Option<String>,
}

/// What became of a dead job that a person revived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revived {
    /// Due now, with all its attempts before it.
    Waiting,
    /// A twin waits already and will do the same; this one has ended.
    Superseded,
    /// The merchant has no such dead job.
    NotDead,
}

/// The job of this kind and key that waits or runs; the running one, where there are both.
///
/// # Errors
/// When the database cannot be asked.
pub async fn alive<C: ConnectionTrait>(
    db: &C,
    (kind, key): (JobKind, &str),
) -> Result<Option<jobs::Model>, DbErr> {
    // Written out, so that the partial indexes are recognised.
    for state in ["jobs.state = 'running'", "jobs.state = 'available'"] {
        let found = jobs::Entity::find()
            .filter(Expr::cust(state))
            .filter(jobs::Column::Kind.eq(kind.as_str()))
            .filter(jobs::Column::Key.eq(key))
            .one(db)
            .await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Why the last job of this kind and key was given up, if one was.
///
/// # Errors
/// When the database cannot be asked.
pub async fn last_words<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    (kind, key): (JobKind, &str),
) -> Result<Option<String>, DbErr> {
    let dead = jobs::Entity::of_channel(channel.0)
        .filter(jobs::Column::State.eq(JobState::Dead.as_str()))
        .filter(jobs::Column::Kind.eq(kind.as_str()))
        .filter(jobs::Column::Key.eq(key))
        .order_by_desc(jobs::Column::Id)
        .one(db)
        .await?;
    Ok(dead.and_then(|job| job.last_error))
}

impl Queue {
    /// # Errors
    /// When the database cannot be asked.
    pub async fn waiting(&self, now: Timestamp) -> Result<Counts, DbErr> {
        // States are written out, so that the partial indexes are recognised.
        let count = async |only: Condition| {
            let found = jobs::Entity::find().filter(only);
            found.count(self.db.read()).await
        };
        let in_state = |state: &'static str| Condition::all().add(Expr::cust(state));
        let available = || in_state("jobs.state = 'available'");
        Ok(Counts {
            due: count(available().add(jobs::Column::RunAt.lte(now.micros()))).await?,
            later: count(available().add(jobs::Column::RunAt.gt(now.micros()))).await?,
            running: count(in_state("jobs.state = 'running'")).await?,
            dead: count(in_state("jobs.state = 'dead'")).await?,
        })
    }

    /// The newest jobs of a merchant.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn list(
        &self,
        merchant: MerchantId,
        filter: &JobFilter,
        limit: u64,
    ) -> Result<Vec<jobs::Model>, DbErr> {
        let only = Condition::all()
            .add_option(filter.channel.map(|id| jobs::Column::ChannelId.eq(id.0)))
            .add_option(filter.kind.map(|kind| jobs::Column::Kind.eq(kind.as_str())))
            .add_option(
                filter
                    .state
                    .map(|state| jobs::Column::State.eq(state.as_str())),
            )
            .add_option(filter.key.as_ref().map(|key| jobs::Column::Key.eq(key)));
        jobs::Entity::of_merchant(merchant.0)
            .filter(only)
            .order_by_desc(jobs::Column::Id)
            .limit(limit)
            .all(self.db.read())
            .await
    }

    /// Jobs of these keys that wait, run or were given up, by key; the newest of each.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn unended(
        &self,
        channel: ChannelId,
        kind: JobKind,
        keys: &[String],
    ) -> Result<HashMap<String, jobs::Model>, DbErr> {
        let states = [JobState::Available, JobState::Running, JobState::Dead];
        let mut found = HashMap::new();
        for some in keys.chunks(KEYS) {
            let rows = jobs::Entity::find()
                .filter(jobs::Column::ChannelId.eq(channel.0))
                .filter(jobs::Column::State.is_in(states.map(JobState::as_str)))
                .filter(jobs::Column::Kind.eq(kind.as_str()))
                .filter(jobs::Column::Key.is_in(some))
                .order_by_asc(jobs::Column::Id)
                .all(self.db.read())
                .await?;
            found.extend(rows.into_iter().map(|row| (row.key.clone(), row)));
        }
        Ok(found)
    }

    /// All jobs of one kind and key on a channel, ended ones included, newest first. Along an index.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn of_key(
        &self,
        channel: ChannelId,
        (kind, key): (JobKind, &str),
        limit: u64,
    ) -> Result<Vec<jobs::Model>, DbErr> {
        jobs::Entity::of_channel(channel.0)
            .filter(jobs::Column::Kind.eq(kind.as_str()))
            .filter(jobs::Column::Key.eq(key))
            .order_by_desc(jobs::Column::Id)
            .limit(limit)
            .all(self.db.read())
            .await
    }

    /// Jobs of a kind on a channel that were given up, or wait after a try that failed; newest first.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn failing(
        &self,
        channel: ChannelId,
        kind: JobKind,
        limit: u64,
    ) -> Result<Vec<jobs::Model>, DbErr> {
        let states = [JobState::Available, JobState::Dead];
        jobs::Entity::of_channel(channel.0)
            .filter(jobs::Column::State.is_in(states.map(JobState::as_str)))
            .filter(jobs::Column::Kind.eq(kind.as_str()))
            .filter(jobs::Column::LastError.is_not_null())
            .order_by_desc(jobs::Column::Id)
            .limit(limit)
            .all(self.db.read())
            .await
    }

    /// The history of a job, oldest first; at most `limit` of its last tries.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn attempts(
        &self,
        merchant: MerchantId,
        job: JobId,
        limit: u64,
    ) -> Result<Vec<job_attempts::Model>, DbErr> {
        let mut rows = job_attempts::Entity::of_merchant(merchant.0)
            .filter(job_attempts::Column::JobId.eq(job.0))
            .order_by_desc(job_attempts::Column::Id)
            .limit(limit)
            .all(self.db.read())
            .await?;
        rows.reverse();
        Ok(rows)
    }

    /// Lets a dead job wait again, due at once and with all its attempts before it. Call [`Queue::wake`] after it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn revive(
        &self,
        merchant: MerchantId,
        id: JobId,
        now: Timestamp,
    ) -> Result<Revived, DbErr> {
        let tx = self.db.write_tx().await?;
        let revived = revive(&tx, merchant, id, now).await?;
        tx.commit().await?;
        Ok(revived)
    }
}
