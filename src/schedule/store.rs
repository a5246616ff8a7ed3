//! Schedules in the database: the ones that channels begin with, and what merchants make of them.

use super::{
    CatchUp, Expression, ExpressionError, LONGEST_JITTER, Overlap, Task, delay, usual_jitter,
};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, Timestamp};
use crate::marketplaces::{Abilities, Limits};
use chrono_tz::Tz;
use entity::{channels, merchants, schedules};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    sea_query::OnConflict,
};
use std::time::Duration;
use thiserror::Error;

/// Schedules may not fire more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(10);

/// Why a schedule cannot be set, or run.
#[derive(Debug, Error)]
pub enum ScheduleError {
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    #[error(
        "`{0}` would fire more often than every ten seconds; give fewer seconds, or five fields"
    )]
    TooOften(String),
    #[error(
        "a jitter of {} seconds is too long; at most {} are allowed",
        .0.as_secs(),
        LONGEST_JITTER.as_secs()
    )]
    TooWide(Duration),
    #[error("merchant {merchant} has no channel {channel}")]
    UnknownChannel {
        merchant: MerchantId,
        channel: ChannelId,
    },
    #[error(
        "{task} has no schedule on channel {channel}; give it one with `marketsink schedule set {channel} {task} \
         EXPRESSION`"
    )]
    NotScheduled { channel: ChannelId, task: Task },
    #[error("channel {channel} is {state}, and {task} works only while it is {works_in}")]
    Resting {
        channel: ChannelId,
        task: Task,
        state: String,
        works_in: &'static str,
    },
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// What runs when, on a channel.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The row.
    pub id: i64,
    pub channel: ChannelId,
    pub task: Task,
    pub expression: Expression,
    /// The merchant's.
    pub zone: Tz,
    /// False while it is paused.
    pub enabled: bool,
    /// Since when it is paused; not known of those that were paused before that was kept.
    pub paused_at: Option<Timestamp>,
    /// Times of the schedule at or before this are past.
    pub last_fire_at: Timestamp,
    pub overlap: Overlap,
    pub catch_up: CatchUp,
    /// It fires up to so much later than its times.
    pub jitter: Duration,
}

impl Schedule {
    /// How much later than its times it fires, within its jitter; the same each time.
    pub fn delay(&self) -> Duration {
        delay(self.channel, self.task, self.jitter)
    }

    /// When it fires next, if its channel is active; `None` while it is paused.
    pub fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.next_fires(now, 1).first().map(|(_, fires)| *fires)
    }

    /// The next times of the schedule, each with when it fires; none while it is paused.
    pub fn next_fires(&self, now: Timestamp, n: usize) -> Vec<(Timestamp, Timestamp)> {
        if !self.enabled {
            return Vec::new();
        }
        let delay = self.delay();
        // After a change of clocks the last fire may be in the future; then it does not count.
        let last = Some(self.last_fire_at).filter(|last| *last <= now);
        let mut at = (now - delay).max(last.unwrap_or(Timestamp::EPOCH));
        let mut found = Vec::with_capacity(n);
        while found.len() < n {
            let Some(next) = self.expression.next_after(at, self.zone) else {
                break;
            };
            found.push((next, next + delay));
            at = next;
        }
        found
    }
}

/// What is to change about a schedule; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub expression: Option<String>,
    /// False pauses it.
    pub enabled: Option<bool>,
    pub overlap: Option<Overlap>,
    pub catch_up: Option<CatchUp>,
    /// With a new expression and no jitter, the jitter becomes the usual one of that expression.
    pub jitter: Option<Duration>,
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
        let expression = task.default_expression(channel, limits)?.parse().ok()?;
        Some(row(merchant, channel, *task, &expression, now))
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
    expression: &Expression,
    now: Timestamp,
) -> schedules::ActiveModel {
    schedules::ActiveModel {
        id: NotSet,
        merchant_id: Set(merchant.0),
        channel_id: Set(channel.0),
        task: Set(task.to_string()),
        expression: Set(expression.to_string()),
        enabled: Set(true),
        paused_at: Set(None),
        overlap: Set(Overlap::of(task).to_string()),
        catch_up: Set(CatchUp::One.to_string()),
        jitter_secs: Set(seconds(usual_jitter(expression))),
        last_fire_at: Set(now.micros()),
        created_at: Set(now.micros()),
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
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
/// As [`change`].
pub async fn set(
    tx: &Tx,
    merchant: MerchantId,
    channel: ChannelId,
    task: Task,
    expression: &str,
    enabled: bool,
    now: Timestamp,
) -> Result<(), ScheduleError> {
    let changes = Changes {
        expression: Some(expression.to_owned()),
        enabled: Some(enabled),
        ..Changes::default()
    };
    change(tx, (merchant, channel), task, &changes, now).await
}

/// Changes a schedule, or makes one when there is an expression. A new time, and one that is no longer paused,
/// counts from `now`: what it would have fired before is not made up for.
///
/// # Errors
/// When the expression or the jitter is refused, the channel is not the merchant's, there is neither a schedule
/// nor an expression, or the database refuses.
pub async fn change(
    tx: &Tx,
    (merchant, channel): (MerchantId, ChannelId),
    task: Task,
    changes: &Changes,
    now: Timestamp,
) -> Result<(), ScheduleError> {
    let expression = changes.expression.as_deref().map(allowed).transpose()?;
    if let Some(jitter) = changes.jitter.filter(|jitter| *jitter > LONGEST_JITTER) {
        return Err(ScheduleError::TooWide(jitter));
    }
    let (_, before) = find(tx, merchant, channel, task).await?;
    match (before, expression) {
        (None, None) => return Err(ScheduleError::NotScheduled { channel, task }),
        (None, Some(expression)) => {
            let mut row = row(merchant, channel, task, &expression, now);
            apply(&mut row, changes, now);
            row.insert(tx).await?;
        }
        (Some(before), expression) => {
            if let Some(row) = changed(before, expression.as_ref(), changes, now) {
                row.update(tx).await?;
            }
        }
    }
    Ok(())
}

fn allowed(expression: &str) -> Result<Expression, ScheduleError> {
    let expression: Expression = expression.parse()?;
    if expression.shortest_interval() < SHORTEST_INTERVAL {
        return Err(ScheduleError::TooOften(expression.to_string()));
    }
    Ok(expression)
}

/// The channel, and its schedule for this task if it has one.
pub(super) async fn find(
    tx: &Tx,
    merchant: MerchantId,
    channel: ChannelId,
    task: Task,
) -> Result<(channels::Model, Option<schedules::Model>), ScheduleError> {
    let owned = channels::Entity::of_merchant(merchant.0)
        .filter(channels::Column::Id.eq(channel.0))
        .one(tx)
        .await?;
    let owned = owned.ok_or(ScheduleError::UnknownChannel { merchant, channel })?;
    let row = schedules::Entity::of_channel(channel.0)
        .filter(schedules::Column::Task.eq(task.as_str()))
        .one(tx)
        .await?;
    Ok((owned, row))
}

/// The row as it becomes; `None` when nothing differs.
fn changed(
    before: schedules::Model,
    expression: Option<&Expression>,
    changes: &Changes,
    now: Timestamp,
) -> Option<schedules::ActiveModel> {
    let expression = expression.filter(|one| one.to_string() != before.expression);
    let is_switched = changes.enabled.is_some_and(|on| on != before.enabled);
    let mut row = before.clone().into_active_model();
    if let Some(expression) = expression {
        row.expression = Set(expression.to_string());
        row.jitter_secs = Set(seconds(usual_jitter(expression)));
    }
    apply(&mut row, changes, now);
    if !is_switched {
        row.paused_at = Set(before.paused_at);
    }
    if expression.is_some() || is_switched {
        row.last_fire_at = Set(before.last_fire_at.max(now.micros()));
    }
    let is_same = row.expression.as_ref() == &before.expression
        && *row.enabled.as_ref() == before.enabled
        && row.overlap.as_ref() == &before.overlap
        && row.catch_up.as_ref() == &before.catch_up
        && *row.jitter_secs.as_ref() == before.jitter_secs;
    (!is_same).then_some(row)
}

fn apply(row: &mut schedules::ActiveModel, changes: &Changes, now: Timestamp) {
    if let Some(enabled) = changes.enabled {
        row.enabled = Set(enabled);
        row.paused_at = Set((!enabled).then_some(now.micros()));
    }
    if let Some(overlap) = changes.overlap {
        row.overlap = Set(overlap.to_string());
    }
    if let Some(catch_up) = changes.catch_up {
        row.catch_up = Set(catch_up.to_string());
    }
    if let Some(jitter) = changes.jitter {
        row.jitter_secs = Set(seconds(jitter));
    }
}

/// Rows are checked before they are written; one that is not understood was changed by other hands.
pub(super) fn understood(row: &schedules::Model, zone: &str) -> Option<Schedule> {
    let schedule = || -> Result<Schedule, String> {
        let unknown = |what: &str, text: &str| format!("no {what} `{text}`");
        Ok(Schedule {
            id: row.id,
            channel: ChannelId(row.channel_id),
            task: Task::parse(&row.task).ok_or_else(|| unknown("task", &row.task))?,
            expression: row.expression.parse().map_err(|e| format!("{e}"))?,
            zone: zone
                .parse()
                .map_err(|_| format!("no time zone `{zone}`; set an IANA name"))?,
            enabled: row.enabled,
            paused_at: row.paused_at.map(Timestamp::from_micros),
            last_fire_at: Timestamp::from_micros(row.last_fire_at),
            overlap: Overlap::parse(&row.overlap)
                .ok_or_else(|| unknown("overlap policy", &row.overlap))?,
            catch_up: CatchUp::parse(&row.catch_up)
                .ok_or_else(|| unknown("catch-up policy", &row.catch_up))?,
            jitter: Duration::from_secs(row.jitter_secs.try_into().unwrap_or(0)),
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
