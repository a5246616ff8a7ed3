//! Work that fails, by cause: how much there is, whether its kind works again, and taking it up again then.

use super::{
    JobState, Queue,
    held::{self, Placed, PutBack},
};
use crate::db::Tx;
use crate::domain::{Cause, ChannelId, JobId, JobKind, MerchantId, Timestamp};
use entity::jobs;
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use std::{collections::BTreeSet, time::Duration};

/// Written out, so that the partial index is recognised.
const TROUBLED: &str = "jobs.cause is not null and jobs.state in ('available', 'dead')";
/// Groups of one merchant that are told: causes times kinds times channels that fail at once.
const MOST_GROUPS: u64 = 500;
/// Keys that are told of one group.
const KEYS: u64 = 20;
/// A job is taken up again so often without a person; what still fails then is no passing trouble.
const MOST_REVIVALS: i64 = 3;
/// Time between two jobs that are taken up again together: a shop that is just back is not to be flooded.
const APART: Duration = Duration::from_millis(250);
/// Dead jobs that are compared at once with what was done since.
const MOST_MOOT: u64 = 1_000;

/// Jobs of one kind that fail for one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Troubled {
    pub channel: ChannelId,
    pub kind: JobKind,
    pub cause: Cause,
    /// Given up.
    pub dead: i64,
    /// To be tried again.
    pub waiting: i64,
    /// When the first of them was asked for.
    pub first_at: Timestamp,
    /// When one of them was last tried.
    pub last_at: Timestamp,
    /// Most tries of one of them.
    pub attempts: i64,
}

type Row = (i64, String, String, String, i64, i64, Option<i64>, i64);

/// The merchant's failing work, by channel, kind and cause.
///
/// # Errors
/// When the database cannot be asked.
pub async fn troubled(queue: &Queue, merchant: MerchantId) -> Result<Vec<Troubled>, DbErr> {
    use jobs::Column as C;
    let rows: Vec<Row> = jobs::Entity::of_merchant(merchant.0)
        .select_only()
        .columns([C::ChannelId, C::Kind, C::Cause, C::State])
        .column_as(C::Id.count(), "n")
        .column_as(C::CreatedAt.min(), "first_at")
        .column_as(C::StartedAt.max(), "last_at")
        .column_as(C::Attempts.max(), "tries")
        .filter(Expr::cust(TROUBLED))
        .group_by(C::ChannelId)
        .group_by(C::Kind)
        .group_by(C::Cause)
        .group_by(C::State)
        .order_by_asc(C::ChannelId)
        .order_by_asc(C::Kind)
        .order_by_asc(C::Cause)
        .limit(MOST_GROUPS)
        .into_tuple()
        .all(queue.db().read())
        .await?;
    let mut found: Vec<Troubled> = Vec::new();
    for (channel, kind, cause, state, n, first_at, last_at, attempts) in rows {
        let (Some(kind), Some(cause)) = (JobKind::parse(&kind), Cause::parse(&cause)) else {
            continue;
        };
        let is_dead = state == JobState::Dead.as_str();
        let one = Troubled {
            channel: ChannelId(channel),
            kind,
            cause,
            dead: if is_dead { n } else { 0 },
            waiting: if is_dead { 0 } else { n },
            first_at: Timestamp::from_micros(first_at),
            last_at: Timestamp::from_micros(last_at.unwrap_or(first_at)),
            attempts,
        };
        match found.last_mut() {
            Some(last) if last.is_like(&one) => last.add(&one),
            _ => found.push(one),
        }
    }
    Ok(found)
}

impl Troubled {
    fn is_like(&self, other: &Self) -> bool {
        (self.channel, self.kind, self.cause) == (other.channel, other.kind, other.cause)
    }

    fn add(&mut self, other: &Self) {
        self.dead += other.dead;
        self.waiting += other.waiting;
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
        self.attempts = Ord::max(self.attempts, other.attempts);
    }

    fn only(&self, merchant: MerchantId) -> Condition {
        Condition::all()
            .add(Expr::cust(TROUBLED))
            .add(jobs::Column::MerchantId.eq(merchant.0))
            .add(jobs::Column::ChannelId.eq(self.channel.0))
            .add(jobs::Column::Kind.eq(self.kind.as_str()))
            .add(jobs::Column::Cause.eq(self.cause.as_str()))
    }
}

/// Some of the jobs of a group, given up ones first: key and last error.
///
/// # Errors
/// When the database cannot be asked.
pub async fn troubled_jobs(
    queue: &Queue,
    merchant: MerchantId,
    group: &Troubled,
) -> Result<Vec<(String, String)>, DbErr> {
    let rows: Vec<(String, Option<String>)> = jobs::Entity::find()
        .select_only()
        .columns([jobs::Column::Key, jobs::Column::LastError])
        .filter(group.only(merchant))
        .order_by_desc(jobs::Column::State)
        .order_by_asc(jobs::Column::Id)
        .limit(KEYS)
        .into_tuple()
        .all(queue.db().read())
        .await?;
    let told = |(key, error): (String, Option<String>)| (key, error.unwrap_or_default());
    Ok(rows.into_iter().map(told).collect())
}

/// Whether a job of this kind ended well on the channel after `since`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn ended_well_since(
    queue: &Queue,
    channel: ChannelId,
    kind: JobKind,
    since: Timestamp,
) -> Result<bool, DbErr> {
    // The sum keeps databases from walking all that was ever done on the channel: what ended lately is few.
    let found = jobs::Entity::find()
        .filter(Expr::cust("(jobs.channel_id + 0)").eq(channel.0))
        .filter(jobs::Column::State.eq(JobState::Done.as_str()))
        .filter(jobs::Column::Kind.eq(kind.as_str()))
        .filter(jobs::Column::FinishedAt.gt(since.micros()))
        .one(queue.db().read())
        .await?;
    Ok(found.is_some())
}

/// How many jobs of a channel wait.
///
/// # Errors
/// When the database cannot be asked.
pub async fn waiting_on(queue: &Queue, channel: ChannelId) -> Result<u64, DbErr> {
    use sea_orm::PaginatorTrait;
    jobs::Entity::of_channel(channel.0)
        .filter(Expr::cust("jobs.state = 'available'"))
        .count(queue.db().read())
        .await
}

/// Lets dead jobs of a group wait again, at most `limit`, one after the other, each with all its attempts before it;
/// none more often than thrice. Returns how many. Call [`Queue::wake`] after the commit.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn revive_group(
    tx: &Tx,
    merchant: MerchantId,
    group: &Troubled,
    limit: u64,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let only = group
        .only(merchant)
        .add(jobs::Column::State.eq(JobState::Dead.as_str()))
        .add(jobs::Column::Revivals.lt(MOST_REVIVALS));
    let dead: Vec<i64> = jobs::Entity::find()
        .select_only()
        .column(jobs::Column::Id)
        .filter(only)
        .order_by_asc(jobs::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(tx)
        .await?;
    let error = format!("taken up again: {} is over", group.cause);
    let mut run_at = now;
    let mut revived = 0;
    for id in dead {
        let still = Condition::all()
            .add(jobs::Column::Id.eq(id))
            .add(jobs::Column::State.eq(JobState::Dead.as_str()));
        count_revival(tx, JobId(id)).await?;
        let back = PutBack {
            only: still,
            run_at,
            attempts: Expr::val(0_i64),
            error: Some(&error),
            cause: None,
        };
        if held::put_back(tx, back, now).await? == Placed::Waiting {
            revived += 1;
            run_at = run_at + APART;
        }
    }
    Ok(revived)
}

async fn count_revival(tx: &Tx, id: JobId) -> Result<(), DbErr> {
    jobs::Entity::update_many()
        .col_expr(
            jobs::Column::Revivals,
            Expr::col(jobs::Column::Revivals).add(1),
        )
        .filter(jobs::Column::Id.eq(id.0))
        .filter(jobs::Column::State.eq(JobState::Dead.as_str()))
        .exec(tx)
        .await?;
    Ok(())
}

/// Ends dead jobs as superseded whose work was done since by a newer job of the same kind and key. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn end_moot(
    queue: &Queue,
    merchant: MerchantId,
    since: Timestamp,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let dead: Vec<(i64, String, String)> = jobs::Entity::of_merchant(merchant.0)
        .select_only()
        .columns([jobs::Column::Id, jobs::Column::Kind, jobs::Column::Key])
        .filter(Expr::cust("jobs.state = 'dead'"))
        .order_by_asc(jobs::Column::FinishedAt)
        .limit(MOST_MOOT)
        .into_tuple()
        .all(queue.db().read())
        .await?;
    if dead.is_empty() {
        return Ok(0);
    }
    let keys: BTreeSet<&str> = dead.iter().map(|(.., key)| key.as_str()).collect();
    let done: Vec<(i64, String, String)> = jobs::Entity::of_merchant(merchant.0)
        .select_only()
        .columns([jobs::Column::Id, jobs::Column::Kind, jobs::Column::Key])
        .filter(jobs::Column::State.eq(JobState::Done.as_str()))
        .filter(jobs::Column::FinishedAt.gt(since.micros()))
        .filter(jobs::Column::Key.is_in(keys))
        .into_tuple()
        .all(queue.db().read())
        .await?;
    let is_moot = |(id, kind, key): &&(i64, String, String)| {
        let newer =
            |done: &(i64, String, String)| done.0 > *id && done.1 == *kind && done.2 == *key;
        done.iter().any(newer)
    };
    let moot: Vec<i64> = dead.iter().filter(is_moot).map(|(id, ..)| *id).collect();
    if moot.is_empty() {
        return Ok(0);
    }
    let tx = queue.db().write_tx().await?;
    let ended = jobs::Entity::update_many()
        .col_expr(
            jobs::Column::State,
            Expr::value(JobState::Superseded.as_str()),
        )
        .col_expr(jobs::Column::FinishedAt, Expr::value(now.micros()))
        .filter(jobs::Column::Id.is_in(moot))
        .filter(jobs::Column::State.eq(JobState::Dead.as_str()))
        .exec(&tx)
        .await?;
    tx.commit().await?;
    Ok(ended.rows_affected)
}
