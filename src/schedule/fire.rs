//! Firing: each schedule and time once, on any number of processes.
//!
//! 1. Read the schedules, and decide in memory which are due.
//! 2. Ask which of their work waits or runs already: that decides between run and skip.
//! 3. In one transaction for a hundred of them, move each schedule on, compared with what was read; write the row
//!    that is unique per schedule and time; enqueue the work. Who comes second changes nothing.
//!
//! Clocks jump. One that was ahead and was put right again leaves schedules whose last fire is in the future: they
//! are set back to now, and the rows keep the times that did fire from firing again.

use super::{
    CatchUp, Entry, Fire, Outcome, Overlap, Schedule, ScheduleError, Task, due_fires,
    store::{find, understood},
};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, JobKind, MerchantId, Source, Timestamp};
use crate::queue::{NewJob, active, enqueue};
use entity::{channels, merchants, schedule_fires, schedules};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    TryInsertResult,
    sea_query::OnConflict,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

/// How long fires are kept.
const KEEP_FIRES: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Fires per transaction: others want to write too.
const FIRES: usize = 100;
/// Clocks of several processes may differ by this without anything being done about it.
const SKEW: Duration = Duration::from_secs(60);
/// The channel states in which schedules fire; `channels` writes them.
const ACTIVE: &str = "active";
const LOCKED: &str = "locked";

/// A schedule was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    pub merchant: MerchantId,
    pub channel: ChannelId,
    pub task: Task,
    /// The time of the schedule, before its delay.
    pub fire_at: Timestamp,
    /// Earlier fires that nobody served and that this one stands for.
    pub missed: i64,
    /// Whether its work is enqueued.
    pub outcome: Outcome,
}

/// Whose schedule it is.
#[derive(Clone)]
struct Owner {
    merchant: MerchantId,
    marketplace: String,
    is_locked: bool,
    /// What a locked channel would have fired before it was locked is not made up for.
    since: Timestamp,
}

type Loaded = BTreeMap<i64, (Owner, Schedule)>;
type Twins = HashSet<(JobKind, String)>;

/// Fires what is due, each schedule and time once, and enqueues its work; call [`crate::queue::Queue::wake`]
/// when it fired anything. Any number of processes may call it at once.
///
/// # Errors
/// When the database refuses; what has not fired fires at the next call.
pub async fn fire_due(db: &Db, now: Timestamp) -> Result<Vec<Fired>, DbErr> {
    let mut schedules = active_schedules(db).await?;
    if schedules.values().any(|(_, one)| is_ahead(one, now)) {
        set_back(db, now).await?;
        schedules = active_schedules(db).await?;
    }
    let due = due_fires(&entries(&schedules), now);
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let twins = twins(db, &schedules, &due).await?;
    let decided: Vec<(Fire, Outcome)> = due
        .into_iter()
        .filter_map(|fire| {
            let (owner, schedule) = &schedules[&fire.schedule];
            let is_active = twins.contains(&twin(owner, schedule));
            Some((fire, outcome_of(schedule, &fire, is_active)?))
        })
        .collect();
    let mut fired = Vec::new();
    for fires in decided.chunks(FIRES) {
        fired.extend(fire_together(db, &schedules, fires, now).await?);
    }
    Ok(fired)
}

/// What becomes of a fire; `None` when it has to wait for the one before it.
fn outcome_of(schedule: &Schedule, fire: &Fire, is_active: bool) -> Option<Outcome> {
    match (schedule.catch_up, fire.is_late) {
        (CatchUp::None, true) => Some(Outcome::Dropped),
        (CatchUp::All, true) if is_active => None,
        _ if is_active && schedule.overlap == Overlap::Skip => Some(Outcome::Skipped),
        _ => Some(Outcome::Run),
    }
}

async fn fire_together(
    db: &Db,
    schedules: &Loaded,
    fires: &[(Fire, Outcome)],
    now: Timestamp,
) -> Result<Vec<Fired>, DbErr> {
    let tx = db.write_tx().await?;
    let mut jobs = Vec::with_capacity(fires.len());
    let mut fired = Vec::with_capacity(fires.len());
    for (fire, outcome) in fires {
        let (owner, schedule) = &schedules[&fire.schedule];
        if !mark(&tx, owner.merchant, schedule, (fire, *outcome), now).await? {
            continue;
        }
        if *outcome == Outcome::Run {
            jobs.push(job(owner, schedule));
        }
        fired.push(happened(owner.merchant, schedule, fire, *outcome));
    }
    enqueue(&tx, &jobs, now).await?;
    tx.commit().await?;
    fired.iter().for_each(tell);
    Ok(fired)
}

/// Nothing rests without saying so.
fn tell(fired: &Fired) {
    let (channel, task) = (fired.channel.0, fired.task.as_str());
    let at = fired.fire_at.to_string();
    match fired.outcome {
        Outcome::Skipped => tracing::info!(
            channel.id = channel,
            task,
            at,
            "a fire was skipped: the run before it is not over"
        ),
        Outcome::Dropped => tracing::warn!(
            channel.id = channel,
            task,
            at,
            missed = fired.missed,
            "fires were missed, and the schedule does not catch up"
        ),
        Outcome::Run if fired.missed > 0 => tracing::info!(
            channel.id = channel,
            task,
            at,
            missed = fired.missed,
            "a fire stands for earlier ones that nobody served"
        ),
        Outcome::Run | Outcome::ByHand => {}
    }
}

fn entries(schedules: &Loaded) -> Vec<Entry> {
    let entry = |(id, (owner, schedule)): (&i64, &(Owner, Schedule))| Entry {
        id: *id,
        expression: schedule.expression.clone(),
        zone: schedule.zone,
        last_fire_at: schedule.last_fire_at.max(owner.since),
        delay: schedule.delay(),
        catch_up: schedule.catch_up,
    };
    schedules.iter().map(entry).collect()
}

fn twin(owner: &Owner, schedule: &Schedule) -> (JobKind, String) {
    let work = schedule.task.work(&owner.marketplace);
    (work.kind(), work.key(schedule.channel))
}

/// Which of the due work waits or runs already. A fire that begins just now in another process may be missed here;
/// then the queue merges the two.
async fn twins(db: &Db, schedules: &Loaded, due: &[Fire]) -> Result<Twins, DbErr> {
    let due = due.iter().map(|fire| &schedules[&fire.schedule]);
    // Only these ask.
    let asking =
        due.filter(|(_, one)| one.overlap == Overlap::Skip || one.catch_up == CatchUp::All);
    let wanted: Vec<_> = asking.map(|(owner, one)| twin(owner, one)).collect();
    active(db.read(), &wanted).await
}

fn is_ahead(schedule: &Schedule, now: Timestamp) -> bool {
    schedule.last_fire_at > now + SKEW
}

/// After the clock was put back: schedules go on from now, instead of resting until it is again as late as it was.
async fn set_back(db: &Db, now: Timestamp) -> Result<(), DbErr> {
    let tx = db.write_tx().await?;
    let moved = schedules::Entity::update_many()
        .col_expr(schedules::Column::LastFireAt, now.micros().into())
        .filter(schedules::Column::LastFireAt.gt((now + SKEW).micros()))
        .exec(&tx)
        .await?;
    tx.commit().await?;
    if moved.rows_affected > 0 {
        tracing::warn!(
            schedules = moved.rows_affected,
            "the clock was put back: these schedules had fired ahead of it, and go on from now; no time fires twice"
        );
    }
    Ok(())
}

/// Enabled schedules that fire in the state of their channel, by row; all processes go through them in the same
/// order.
async fn active_schedules(db: &Db) -> Result<Loaded, DbErr> {
    let active: Vec<channels::Model> = channels::Entity::find()
        .filter(channels::Column::State.is_in([ACTIVE, LOCKED]))
        .all(db.read())
        .await?;
    let active: HashMap<i64, Owner> = active
        .into_iter()
        .map(|channel| (channel.id, Owner::of(channel)))
        .collect();
    let zones: HashMap<i64, String> = merchants::Entity::find()
        .all(db.read())
        .await?
        .into_iter()
        .map(|merchant| (merchant.id, merchant.time_zone))
        .collect();
    let rows = schedules::Entity::find()
        .filter(schedules::Column::Enabled.eq(true))
        .all(db.read())
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let owner = active.get(&row.channel_id)?;
            let schedule = understood(row, zones.get(&owner.merchant.0)?)?;
            let fires = schedule.task.is_for_locked() == owner.is_locked;
            fires.then(|| (row.id, (owner.clone(), schedule)))
        })
        .collect())
}

impl Owner {
    fn of(channel: channels::Model) -> Self {
        let is_locked = channel.state == LOCKED;
        let locked_at = is_locked.then(|| Timestamp::from_micros(channel.updated_at));
        Self {
            merchant: MerchantId(channel.merchant_id),
            marketplace: channel.marketplace,
            is_locked,
            since: locked_at.unwrap_or(Timestamp::EPOCH),
        }
    }
}

/// Marks a fire; false when another process did, or when the schedule was changed meanwhile.
async fn mark(
    tx: &Tx,
    merchant: MerchantId,
    schedule: &Schedule,
    (fire, outcome): (&Fire, Outcome),
    now: Timestamp,
) -> Result<bool, DbErr> {
    // Compared with what was read: whoever moved it first has fired, or set another time.
    let moved = schedules::Entity::update_many()
        .col_expr(schedules::Column::LastFireAt, fire.fire_at.micros().into())
        .filter(schedules::Column::Id.eq(fire.schedule))
        .filter(schedules::Column::LastFireAt.eq(schedule.last_fire_at.micros()))
        .filter(schedules::Column::Enabled.eq(true))
        .exec(tx)
        .await?;
    if moved.rows_affected == 0 || !write_down(tx, merchant, fire, outcome, now).await? {
        return Ok(false);
    }
    schedule_fires::Entity::delete_many()
        .filter(schedule_fires::Column::ScheduleId.eq(fire.schedule))
        .filter(schedule_fires::Column::FireAt.lt((now - KEEP_FIRES).micros()))
        .exec(tx)
        .await?;
    Ok(true)
}

/// The row that is unique per schedule and time; false when it is there already.
async fn write_down(
    tx: &Tx,
    merchant: MerchantId,
    fire: &Fire,
    outcome: Outcome,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let row = schedule_fires::ActiveModel {
        id: NotSet,
        merchant_id: Set(merchant.0),
        schedule_id: Set(fire.schedule),
        fire_at: Set(fire.fire_at.micros()),
        missed: Set(fire.missed),
        outcome: Set(outcome.as_str().to_owned()),
        fired_at: Set(now.micros()),
    };
    let columns = [
        schedule_fires::Column::ScheduleId,
        schedule_fires::Column::FireAt,
    ];
    let inserted = schedule_fires::Entity::insert_many([row])
        .on_conflict(OnConflict::columns(columns).do_nothing().to_owned())
        .try_insert()
        .exec_without_returning(tx)
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(n) if n > 0))
}

fn job(owner: &Owner, schedule: &Schedule) -> NewJob {
    NewJob {
        merchant: owner.merchant,
        channel: schedule.channel,
        work: schedule.task.work(&owner.marketplace),
        source: Source::Schedule,
        run_at: None,
    }
}

fn happened(merchant: MerchantId, schedule: &Schedule, fire: &Fire, outcome: Outcome) -> Fired {
    Fired {
        merchant,
        channel: schedule.channel,
        task: schedule.task,
        fire_at: fire.fire_at,
        missed: fire.missed,
        outcome,
    }
}

/// Enqueues what a schedule enqueues, now, whether it is paused or not; its next time stays. False when the same
/// work waits already: then that is brought forward. Call [`crate::queue::Queue::wake`] after the commit.
///
/// # Errors
/// When the channel is not the merchant's, has no such schedule, or is in a state in which the task has nothing to
/// ask; or when the database refuses.
pub async fn run_now(
    tx: &Tx,
    merchant: MerchantId,
    channel: ChannelId,
    task: Task,
    now: Timestamp,
) -> Result<bool, ScheduleError> {
    let (owned, row) = find(tx, merchant, channel, task).await?;
    let row = row.ok_or(ScheduleError::NotScheduled { channel, task })?;
    let works_in = if task.is_for_locked() { LOCKED } else { ACTIVE };
    if owned.state != works_in {
        return Err(ScheduleError::Resting {
            channel,
            task,
            state: owned.state,
            works_in,
        });
    }
    let work = task.work(&owned.marketplace);
    let key = (work.kind(), work.key(channel));
    let waits = active(tx, std::slice::from_ref(&key)).await?;
    let job = NewJob {
        merchant,
        channel,
        work,
        source: Source::Schedule,
        run_at: None,
    };
    enqueue(tx, &[job], now).await?;
    let fire = Fire {
        schedule: row.id,
        fire_at: now,
        missed: 0,
        is_late: false,
    };
    write_down(tx, merchant, &fire, Outcome::ByHand, now).await?;
    Ok(!waits.contains(&key))
}

/// The last fires of the merchant's schedules, by the schedule's row.
///
/// # Errors
/// When the database cannot be asked.
pub async fn last_fires(
    db: &Db,
    merchant: MerchantId,
) -> Result<HashMap<i64, schedule_fires::Model>, DbErr> {
    let last = schedule_fires::Entity::of_merchant(merchant.0)
        .select_only()
        .column_as(schedule_fires::Column::Id.max(), "last")
        .group_by(schedule_fires::Column::ScheduleId)
        .into_query();
    let rows = schedule_fires::Entity::of_merchant(merchant.0)
        .filter(schedule_fires::Column::Id.in_subquery(last))
        .order_by_asc(schedule_fires::Column::Id)
        .all(db.read())
        .await?;
    Ok(rows.into_iter().map(|row| (row.schedule_id, row)).collect())
}
