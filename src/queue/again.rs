//! Doing work again: selecting jobs, reviving those that were given up, repeating those that have ended.

use super::{
    JobState, NewJob, Revived,
    held::{self, Placed, PutBack},
};
use crate::db::Tx;
use crate::domain::{ChannelId, JobId, JobKind, MerchantId, Source, Timestamp, Work};
use entity::jobs;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::Expr,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Which jobs; everything that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobSelection {
    /// These; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<JobKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Words of the last error; the case of letters counts on PostgreSQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Asked for at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Asked for before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

impl JobSelection {
    fn condition(&self, merchant: MerchantId) -> Condition {
        use jobs::Column as C;
        let ids = (!self.ids.is_empty()).then(|| C::Id.is_in(self.ids.iter().copied()));
        Condition::all()
            .add(C::MerchantId.eq(merchant.0))
            .add_option(ids)
            .add_option(self.channel.map(|id| C::ChannelId.eq(id.0)))
            .add_option(self.kind.map(|kind| C::Kind.eq(kind.as_str())))
            .add_option(self.state.map(|state| C::State.eq(state.as_str())))
            .add_option(
                self.error
                    .as_ref()
                    .map(|words| C::LastError.contains(words)),
            )
            .add_option(self.from.map(|from| C::CreatedAt.gte(from.micros())))
            .add_option(self.to.map(|to| C::CreatedAt.lt(to.micros())))
    }

    /// Taking up what takes up would never end.
    fn replayable(&self, merchant: MerchantId) -> Condition {
        self.condition(merchant)
            .add(jobs::Column::Kind.ne(JobKind::Replay.as_str()))
    }
}

/// How many are selected, and the newest of them.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_jobs<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    selection: &JobSelection,
) -> Result<(u64, i64), DbErr> {
    let only = || jobs::Entity::find().filter(selection.replayable(merchant));
    let newest: Option<i64> = only()
        .select_only()
        .column(jobs::Column::Id)
        .order_by_desc(jobs::Column::Id)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok((only().count(db).await?, newest.unwrap_or_default()))
}

/// Those selected after one job and up to another, in the order they were asked for.
///
/// # Errors
/// When the database cannot be asked.
pub async fn page_jobs<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    selection: &JobSelection,
    (after, up_to): (i64, i64),
    limit: u64,
) -> Result<Vec<jobs::Model>, DbErr> {
    jobs::Entity::find()
        .filter(selection.replayable(merchant))
        .filter(jobs::Column::Id.gt(after))
        .filter(jobs::Column::Id.lte(up_to))
        .order_by_asc(jobs::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Those selected with a smaller number, newest first. Of every kind, replays included.
///
/// # Errors
/// When the database cannot be asked.
pub async fn newest_jobs<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    selection: &JobSelection,
    before: i64,
    limit: u64,
) -> Result<Vec<jobs::Model>, DbErr> {
    jobs::Entity::find()
        .filter(selection.condition(merchant))
        .filter(jobs::Column::Id.lt(before))
        .order_by_desc(jobs::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// What it takes to do a job's work again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// It was given up: it can be revived, and keeps its history.
    Revive(JobId),
    /// It has ended: a new job does the same.
    Repeat(NewJob),
    /// It waits already; there is nothing to do but to hurry.
    Waits,
    Runs,
    /// This version does not know such work.
    NotUnderstood(String),
}

/// How this job's work can be done again. Pure.
pub fn again(job: &jobs::Model) -> Again {
    let work = match Work::from_args(&job.args) {
        Ok(work) => work,
        Err(error) => return Again::NotUnderstood(error.to_string()),
    };
    match JobState::parse(&job.state) {
        Some(JobState::Dead) => Again::Revive(JobId(job.id)),
        Some(JobState::Available) => Again::Waits,
        Some(JobState::Running) => Again::Runs,
        Some(JobState::Done | JobState::Superseded | JobState::Cancelled) | None => {
            Again::Repeat(NewJob {
                merchant: MerchantId(job.merchant_id),
                channel: ChannelId(job.channel_id),
                work,
                source: Source::Replay,
                run_at: None,
            })
        }
    }
}

/// Lets a dead job wait again, due at once and with all its attempts before it. Call [`super::Queue::wake`] after the
/// commit.
///
/// # Errors
/// When the database refuses.
pub async fn revive(
    tx: &Tx,
    merchant: MerchantId,
    id: JobId,
    now: Timestamp,
) -> Result<Revived, DbErr> {
    let only = Condition::all()
        .add(jobs::Column::Id.eq(id.0))
        .add(jobs::Column::MerchantId.eq(merchant.0))
        .add(jobs::Column::State.eq(JobState::Dead.as_str()));
    let back = PutBack {
        only,
        run_at: now,
        attempts: Expr::val(0_i64),
        error: Some("revived by a person"),
        cause: None,
    };
    Ok(match held::put_back(tx, back, now).await? {
        Placed::Waiting => Revived::Waiting,
        Placed::Superseded => Revived::Superseded,
        Placed::Nothing => Revived::NotDead,
    })
}

/// Ends a waiting job of the merchant; one that runs goes on. Returns whether it waited.
///
/// # Errors
/// When the database refuses.
pub async fn cancel(
    tx: &Tx,
    merchant: MerchantId,
    id: JobId,
    reason: &str,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let only = Condition::all()
        .add(jobs::Column::Id.eq(id.0))
        .add(jobs::Column::MerchantId.eq(merchant.0))
        .add(jobs::Column::State.eq(JobState::Available.as_str()));
    held::end(tx, only, JobState::Cancelled, (Some(reason), None), now).await
}

/// One job of the merchant.
///
/// # Errors
/// When the database cannot be asked.
pub async fn job<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    id: JobId,
) -> Result<Option<jobs::Model>, DbErr> {
    jobs::Entity::of_merchant(merchant.0)
        .filter(jobs::Column::Id.eq(id.0))
        .one(db)
        .await
}

/// Those of these kinds and keys of which a job was given up since, with its last error.
///
/// # Errors
/// When the database cannot be asked.
pub async fn died_since<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    wanted: &[(JobKind, String)],
    since: Timestamp,
) -> Result<HashMap<(JobKind, String), String>, DbErr> {
    let mut found = HashMap::new();
    for chunk in wanted.chunks(500) {
        let rows = jobs::Entity::of_merchant(merchant.0)
            // Written out, so that the partial index is recognised.
            .filter(Expr::cust("jobs.state = 'dead'"))
            .filter(jobs::Column::Kind.is_in(chunk.iter().map(|(kind, _)| kind.as_str())))
            .filter(jobs::Column::Key.is_in(chunk.iter().map(|(_, key)| key.as_str())))
            .filter(jobs::Column::FinishedAt.gte(since.micros()))
            .order_by_asc(jobs::Column::Id)
            .all(db)
            .await?;
        let died = rows.into_iter().filter_map(|row| {
            let key = (JobKind::parse(&row.kind)?, row.key);
            let error = row.last_error.unwrap_or_default();
            wanted.contains(&key).then_some((key, error))
        });
        found.extend(died);
    }
    Ok(found)
}
