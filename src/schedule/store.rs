//! Schedules in the database, and firing them.

use super::{Entry, Expression, ExpressionError, Fire, Task, due_fires};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, Source, Timestamp};
use crate::marketplaces::{Abilities, Limits};
use crate::queue::{NewJob, enqueue};
use chrono_tz::Tz;
use entity::{channels, merchants, schedule_fires, schedules};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, TryInsertResult,
    sea_query::OnConflict,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use thiserror::Error;

/// Schedules may not fire more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(10);
/// How long fires are kept.
const KEEP_FIRES: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Fires per transaction: others want to write too.
const FIRES: usize = 100;
/// The channel states in which schedules fire; `channels` writes them.
const ACTIVE: &str = "active";
const LOCKED: &str = "locked";

/// Why a schedule cannot be set.
#[derive(Debug, Error)]
pub enum ScheduleError {
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    #[error(
        "`{0}` would fire more often than every ten seconds; give fewer seconds, or five fields"
    )]
    TooOften(String),
    #[error("merchant {merchant} has no channel {channel}")]
    UnknownChannel {
        merchant: MerchantId,
        channel: ChannelId,
    },
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// What runs when, on a channel.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub channel: ChannelId,
    pub task: Task,
    pub expression: Expression,
    /// The merchant's.
    pub zone: Tz,
    pub enabled: bool,
    /// Fires at or before this are past.
    pub last_fire_at: Timestamp,
}

impl Schedule {
    /// When it fires next, if its channel is active; `None` while it is switched off.
    pub fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        let next = || self.expression.next_after(now, self.zone);
        self.enabled.then(next).flatten()
    }
}

/// A schedule has fired: its work is enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    pub merchant: MerchantId,
    pub channel: ChannelId,
    pub task: Task,
    pub fire_at: Timestamp,
    /// Earlier fires that nobody served and that this one stands for.
    pub missed: i64,
}

/// Gives a newly connected channel its schedules, for what its shop can be asked. Those it has already, from an
/// earlier connection, stay as they are.
///
/// # Errors
/// When the database refuses.
pub async fn defaults_for(
    tx: &Tx,
    merchant: MerchantId,
    channel: ChannelId,
    limits: &Limits,
    abilities: Abilities,
    now: Timestamp,
) -> Result<(), DbErr> {
    let of_use = Task::ALL.iter().filter(|task| task.is_of_use(abilities));
    let rows = of_use.filter_map(|task| {
        let expression = task.default_expression(channel, limits)?;
        Some(row(merchant, channel, *task, expression, true, now))
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    schedules::Entity::insert_many(rows)
        .on_conflict(OnConflict::columns(KEY).do_nothing().to_owned())
        .try_insert()
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

const KEY: [schedules::Column; 2] = [schedules::Column::ChannelId, schedules::Column::Task];

fn row(
    merchant: MerchantId,
    channel: ChannelId,
    task: Task,
    expression: String,
    enabled: bool,
    now: Timestamp,
) -> schedules::ActiveModel {
    schedules::ActiveModel {
        id: NotSet,
        merchant_id: Set(merchant.0),
        channel_id: Set(channel.0),
        task: Set(task.to_string()),
        expression: Set(expression),
        enabled: Set(enabled),
        last_fire_at: Set(now.micros()),
        created_at: Set(now.micros()),
    }
}

/// The schedules of a merchant, by channel and task.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(db: &Db, merchant: MerchantId) -> Result<Vec<Schedule>, DbErr> {
    let rows = schedules::Entity::of_merchant(merchant.0)
        .order_by_asc(schedules::Column::ChannelId)
        .order_by_asc(schedules::Column::Id)
        .all(db.read())
        .await?;
    let owner = merchants::Entity::find_by_id(merchant.0)
        .one(db.read())
        .await?;
    let zone = owner.map(|merchant| merchant.time_zone).unwrap_or_default();
    Ok(rows
        .iter()
        .filter_map(|row| understood(row, &zone))
        .collect())
}

/// Says when a task runs on a channel, in the merchant's time zone. A new time, and one that is switched on
/// again, counts from `now`: what it would have fired before is not made up for.
///
/// # Errors
/// When the expression is refused, the channel is not the merchant's, or the database refuses.
pub async fn set(
    tx: &Tx,
    merchant: MerchantId,
    channel: ChannelId,
    task: Task,
    expression: &str,
    enabled: bool,
    now: Timestamp,
) -> Result<(), ScheduleError> {
    let expression: Expression = expression.parse()?;
    if expression.shortest_interval() < SHORTEST_INTERVAL {
        return Err(ScheduleError::TooOften(expression.to_string()));
    }
    let owned = channels::Entity::of_merchant(merchant.0)
        .filter(channels::Column::Id.eq(channel.0))
        .one(tx)
        .await?;
    if owned.is_none() {
        return Err(ScheduleError::UnknownChannel { merchant, channel });
    }
    let before = schedules::Entity::of_channel(channel.0)
        .filter(schedules::Column::Task.eq(task.as_str()))
        .one(tx)
        .await?;
    let expression = expression.to_string();
    match before {
        None => {
            let row = row(merchant, channel, task, expression, enabled, now);
            row.insert(tx).await?;
        }
        Some(before) => change(tx, before, expression, enabled, now).await?,
    }
    Ok(())
}

async fn change(
    tx: &Tx,
    before: schedules::Model,
    expression: String,
    enabled: bool,
    now: Timestamp,
) -> Result<(), DbErr> {
    if before.expression == expression && before.enabled == enabled {
        return Ok(());
    }
    let counts_from = before.last_fire_at.max(now.micros());
    let mut row = before.into_active_model();
    row.expression = Set(expression);
    row.enabled = Set(enabled);
    row.last_fire_at = Set(counts_from);
    row.update(tx).await?;
    Ok(())
}

/// Fires what is due, each schedule and time once, and enqueues its work; call [`crate::queue::Queue::wake`]
/// when it fired anything. Any number of processes may call it at once.
///
/// # Errors
/// When the database refuses; what has not fired fires at the next call.
pub async fn fire_due(db: &Db, now: Timestamp) -> Result<Vec<Fired>, DbErr> {
    let schedules = active_schedules(db).await?;
    let entries: Vec<_> = schedules
        .iter()
        .map(|(id, (owner, schedule))| Entry {
            id: *id,
            expression: schedule.expression.clone(),
            zone: schedule.zone,
            last_fire_at: schedule.last_fire_at.max(owner.since),
        })
        .collect();
    let mut fired = Vec::new();
    for fires in due_fires(&entries, now).chunks(FIRES) {
        let tx = db.write_tx().await?;
        let mut jobs = Vec::with_capacity(fires.len());
        for fire in fires {
            let (owner, schedule) = &schedules[&fire.schedule];
            if mark(&tx, owner.merchant, schedule, fire, now).await? {
                jobs.push(job(owner, schedule));
                fired.push(happened(owner.merchant, schedule, fire));
            }
        }
        enqueue(&tx, &jobs, now).await?;
        tx.commit().await?;
    }
    Ok(fired)
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

/// Enabled schedules that fire in the state of their channel, by row; all processes go through them in the same
/// order.
async fn active_schedules(db: &Db) -> Result<BTreeMap<i64, (Owner, Schedule)>, DbErr> {
    let active: Vec<channels::Model> = channels::Entity::find()
        .filter(channels::Column::State.is_in([ACTIVE, LOCKED]))
        .all(db.read())
        .await?;
    let owner = |channel: channels::Model| {
        let is_locked = channel.state == LOCKED;
        let locked_at = is_locked.then(|| Timestamp::from_micros(channel.updated_at));
        Owner {
            merchant: MerchantId(channel.merchant_id),
            marketplace: channel.marketplace,
            is_locked,
            since: locked_at.unwrap_or(Timestamp::EPOCH),
        }
    };
    let active: HashMap<i64, Owner> = active
        .into_iter()
        .map(|channel| (channel.id, owner(channel)))
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

/// Rows are checked before they are written; one that is not understood was changed by other hands.
fn understood(row: &schedules::Model, zone: &str) -> Option<Schedule> {
    let schedule = || -> Result<Schedule, String> {
        Ok(Schedule {
            channel: ChannelId(row.channel_id),
            task: Task::parse(&row.task).ok_or_else(|| format!("no task `{}`", row.task))?,
            expression: row.expression.parse().map_err(|e| format!("{e}"))?,
            zone: zone
                .parse()
                .map_err(|_| format!("no time zone `{zone}`; set an IANA name"))?,
            enabled: row.enabled,
            last_fire_at: Timestamp::from_micros(row.last_fire_at),
        })
    };
    schedule()
        .inspect_err(|error| {
            tracing::error!(
                channel.id = row.channel_id,
                schedule.id = row.id,
                error,
                "schedule cannot fire"
            );
        })
        .ok()
}

/// Marks a fire; false when another process did, or when the schedule was changed meanwhile.
async fn mark(
    tx: &Tx,
    merchant: MerchantId,
    schedule: &Schedule,
    fire: &Fire,
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
    if moved.rows_affected == 0 || !write_down(tx, merchant, fire, now).await? {
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
    now: Timestamp,
) -> Result<bool, DbErr> {
    let row = schedule_fires::ActiveModel {
        id: NotSet,
        merchant_id: Set(merchant.0),
        schedule_id: Set(fire.schedule),
        fire_at: Set(fire.fire_at.micros()),
        missed: Set(fire.missed),
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

fn happened(merchant: MerchantId, schedule: &Schedule, fire: &Fire) -> Fired {
    Fired {
        merchant,
        channel: schedule.channel,
        task: schedule.task,
        fire_at: fire.fire_at,
        missed: fire.missed,
    }
}
