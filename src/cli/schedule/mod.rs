//! `schedule`: what runs when on a channel.

mod change;
mod next;

use super::{
    context::{Context, Session},
    output::{Table, at, dash, say, say_json, yes_no},
};
use crate::domain::{ChannelId, Timestamp};
use crate::schedule::{self, Schedule, Task, in_words};
use change::{PauseArgs, ResumeArgs, RunNowArgs, SetArgs};
use clap::{Args, Subcommand};
use entity::schedule_fires;
use next::NextArgs;
use serde_json::{Value, json};
use std::{collections::HashMap, process::ExitCode};

/// What runs when: list, next, set, pause, resume, run now
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink schedule list\n  marketsink schedule next 1 full_scan\n  marketsink schedule set 1 full_scan '30 2 * * *'\n  marketsink schedule run-now 1 order_download"
)]
pub enum ScheduleCommand {
    List(ListArgs),
    Next(NextArgs),
    Set(SetArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    RunNow(RunNowArgs),
}

/// Lists schedules with when they fire next, and what became of the last fire
#[derive(Debug, Args)]
#[command(after_help = "\
The last column tells of the last fire: run, skipped (the run before it was not over), dropped (found too late by a
schedule that does not catch up), by_hand (`schedule run-now`).

Examples:
  marketsink schedule list
  marketsink schedule list --channel 1 --json")]
pub struct ListArgs {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
}

fn task(text: &str) -> Result<Task, String> {
    Task::parse(text).ok_or_else(|| {
        let known: Vec<_> = Task::ALL.iter().map(|task| task.as_str()).collect();
        format!("there are {}", known.join(", "))
    })
}

pub async fn run(context: &Context, command: ScheduleCommand) -> anyhow::Result<ExitCode> {
    match command {
        ScheduleCommand::List(args) => list(context, args.channel).await?,
        ScheduleCommand::Next(args) => next::next(context, &args).await?,
        ScheduleCommand::Set(args) => change::set(context, &args).await?,
        ScheduleCommand::Pause(args) => change::pause(context, &args).await?,
        ScheduleCommand::Resume(args) => change::resume(context, &args).await?,
        ScheduleCommand::RunNow(args) => change::run_now(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, channel: Option<i64>) -> anyhow::Result<()> {
    let session = context.session().await?;
    let only = match channel {
        Some(id) => Some(connection(context, &session, id).await?),
        None => None,
    };
    let shown = Shown::read(&session, |one| only.is_none_or(|id| one.channel == id)).await?;
    session.close().await?;
    shown.say(context)
}

/// The channel whose schedules serve this one; says so when it is another.
async fn connection(context: &Context, session: &Session, id: i64) -> anyhow::Result<ChannelId> {
    let channel = session.channel(id).await?;
    let connection = channel.connection();
    if connection != channel.id && !context.json {
        say(format!(
            "channel {} is read through channel {connection}",
            channel.id
        ));
    }
    Ok(connection)
}

/// Schedules as they are shown.
struct Shown {
    schedules: Vec<Schedule>,
    last: HashMap<i64, schedule_fires::Model>,
    now: Timestamp,
}

impl Shown {
    async fn read(session: &Session, only: impl Fn(&Schedule) -> bool) -> anyhow::Result<Self> {
        let db = &session.app.db;
        let mut schedules = schedule::list(db, session.merchant).await?;
        schedules.retain(only);
        Ok(Self {
            schedules,
            last: schedule::last_fires(db, session.merchant).await?,
            now: session.now(),
        })
    }

    fn say(&self, context: &Context) -> anyhow::Result<()> {
        if context.json {
            let found: Vec<Value> = self.schedules.iter().map(|one| self.as_json(one)).collect();
            return say_json(&found);
        }
        let mut table = Table::new(&[
            "channel",
            "task",
            "expression",
            "time zone",
            "on",
            "next",
            "overlap",
            "catch-up",
            "jitter",
            "last",
        ]);
        for one in &self.schedules {
            table.row([
                one.channel.to_string(),
                one.task.to_string(),
                one.expression.to_string(),
                one.zone.name().to_owned(),
                on(one),
                one.next_at(self.now)
                    .map_or_else(dash, |at| in_words(at, self.now, one.zone)),
                one.overlap.to_string(),
                one.catch_up.to_string(),
                jitter(one),
                self.last_of(one),
            ]);
        }
        table.say("nothing is scheduled; a channel gets its schedules when it is connected");
        Ok(())
    }

    fn last_of(&self, one: &Schedule) -> String {
        let Some(fire) = self.last.get(&one.id) else {
            return dash();
        };
        let at = in_words(Timestamp::from_micros(fire.fire_at), self.now, one.zone);
        match fire.missed {
            0 => format!("{} {at}", fire.outcome),
            n => format!("{} {at}, {n} missed before", fire.outcome),
        }
    }

    fn as_json(&self, one: &Schedule) -> Value {
        let next = one.next_at(self.now);
        let last = self.last.get(&one.id).map(|fire| {
            json!({
                "at": at(fire.fire_at),
                "outcome": fire.outcome,
                "missed": fire.missed,
                "fired_at": at(fire.fired_at),
            })
        });
        json!({
            "channel": one.channel,
            "task": one.task,
            "expression": one.expression.to_string(),
            "time_zone": one.zone.name(),
            "enabled": one.enabled,
            "paused_at": one.paused_at.map(|at| at.to_string()),
            "overlap": one.overlap,
            "catch_up": one.catch_up,
            "jitter_seconds": one.jitter.as_secs(),
            "delay_seconds": one.delay().as_secs(),
            "next_at": next.map(|at| at.to_string()),
            "next": next.map(|at| in_words(at, self.now, one.zone)),
            "last": last,
        })
    }
}

fn on(one: &Schedule) -> String {
    match (one.enabled, one.paused_at) {
        (false, Some(since)) => format!("paused since {}", at(since.micros())),
        (enabled, _) => yes_no(enabled).to_owned(),
    }
}

fn jitter(one: &Schedule) -> String {
    match (one.jitter.as_secs(), one.delay().as_secs()) {
        (0, _) => dash(),
        (jitter, delay) => format!("{delay} of {jitter} s"),
    }
}
