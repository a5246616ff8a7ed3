//! `schedule`: what runs when on a channel.

use super::{
    context::Context,
    output::{Table, or_dash, say, say_json, yes_no},
};
use crate::domain::{ChannelId, Timestamp};
use crate::schedule::{self, Schedule, Task};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// What runs when: list, set
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink schedule list\n  marketsink schedule set 1 full_scan '30 2 * * *'"
)]
pub enum ScheduleCommand {
    List(ListArgs),
    Set(SetArgs),
}

/// Lists schedules with when they fire next
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink schedule list\n  marketsink schedule list --channel 1 --json"
)]
pub struct ListArgs {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
}

/// Sets when a task runs, as a cron expression in the merchant's time zone
#[derive(Debug, Args)]
#[command(after_help = "\
Tasks: full_scan, active_scan, updated_scan, order_download, completeness, token_refresh, subscription_check,
authorization_check

Expressions have five fields: minute, hour, day of month, month, day of week; a sixth before them is the
second. Nothing may fire more often than every ten seconds.

Examples:
  marketsink schedule set 1 full_scan '30 2 * * *'
  marketsink schedule set 1 order_download '*/10 * * * *'
  marketsink schedule set 1 active_scan '0 */6 * * *' --off")]
pub struct SetArgs {
    /// The channel's id, as `marketsink channel list` shows it
    channel: i64,
    #[arg(value_parser = task)]
    task: Task,
    expression: String,
    /// Keep the expression and let it rest
    #[arg(long)]
    off: bool,
}

fn task(text: &str) -> Result<Task, String> {
    Task::parse(text).ok_or_else(|| {
        let known: Vec<_> = Task::ALL.iter().map(|task| task.as_str()).collect();
        format!("there are {}", known.join(", "))
    })
}

pub async fn run(context: &Context, command: ScheduleCommand) -> anyhow::Result<ExitCode> {
    match command {
        ScheduleCommand::List(args) => list(context, args.channel.map(ChannelId)).await?,
        ScheduleCommand::Set(args) => set(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, channel: Option<ChannelId>) -> anyhow::Result<()> {
    let session = context.session().await?;
    let mut found = schedule::list(&session.app.db, session.merchant).await?;
    found.retain(|schedule| channel.is_none_or(|id| schedule.channel == id));
    let now = session.now();
    session.close().await?;
    say_schedules(context, &found, now)
}

fn say_schedules(context: &Context, found: &[Schedule], now: Timestamp) -> anyhow::Result<()> {
    if context.json {
        let found: Vec<Value> = found
            .iter()
            .map(|schedule| {
                json!({
                    "channel": schedule.channel,
                    "task": schedule.task,
                    "expression": schedule.expression.to_string(),
                    "time_zone": schedule.zone.name(),
                    "enabled": schedule.enabled,
                    "next_at": schedule.next_at(now).map(|at| at.to_string()),
                })
            })
            .collect();
        return say_json(&found);
    }
    let mut table = Table::new(&["channel", "task", "expression", "time zone", "on", "next"]);
    for schedule in found {
        table.row([
            schedule.channel.to_string(),
            schedule.task.to_string(),
            schedule.expression.to_string(),
            schedule.zone.name().to_owned(),
            yes_no(schedule.enabled).to_owned(),
            or_dash(schedule.next_at(now)),
        ]);
    }
    table.say("nothing is scheduled; a channel gets its schedules when it is connected");
    Ok(())
}

async fn set(context: &Context, args: &SetArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = session.channel(args.channel).await?;
    let (now, connection) = (session.now(), channel.connection());
    let tx = session.app.db.write_tx().await?;
    schedule::set(
        &tx,
        session.merchant,
        connection,
        args.task,
        &args.expression,
        !args.off,
        now,
    )
    .await?;
    tx.commit().await?;
    let mut found = schedule::list(&session.app.db, session.merchant).await?;
    found.retain(|schedule| schedule.channel == connection && schedule.task == args.task);
    session.close().await?;
    if connection != channel.id && !context.json {
        say(format!(
            "channel {} is read through channel {connection}",
            channel.id
        ));
    }
    say_schedules(context, &found, now)
}
