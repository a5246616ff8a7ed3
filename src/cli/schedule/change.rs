//! `schedule set`, `pause`, `resume`, `run-now`.

use super::{Shown, connection, task};
use crate::accounts::Deed;
use crate::cli::{
    context::{Context, Session},
    output::{say, say_json},
};
use crate::domain::ChannelId;
use crate::schedule::{self, CatchUp, Changes, Expression, Overlap, Task};
use anyhow::bail;
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Sets when a task runs, as a cron expression in the merchant's time zone, and how
///
/// Without an expression the rest is changed and the times stay. A paused schedule stays paused.
#[derive(Debug, Args)]
#[command(after_help = "\
Tasks: full_scan, active_scan, updated_scan, order_download, completeness, missed_webhooks, token_refresh,
subscription_check, authorization_check, silence_check, push_again, compare_stock, settlements

Expressions have five fields: minute, hour, day of month, month, day of week; a sixth before them is the
second. Nothing may fire more often than every ten seconds.

Jitter: the schedule fires up to so many seconds after its times, each channel at another moment and always at the
same one. `usual` is a tenth of the time between two fires, 900 at most; 0 is on the second.

Examples:
  marketsink schedule set 1 full_scan '30 2 * * *'
  marketsink schedule set 1 order_download '*/10 * * * *' --jitter 0
  marketsink schedule set 1 updated_scan --overlap queue-one --catch-up none
  marketsink schedule set 1 active_scan '0 */6 * * *' --off")]
pub struct SetArgs {
    /// The channel's id, as `marketsink channel list` shows it
    channel: i64,
    #[arg(value_parser = task)]
    task: Task,
    expression: Option<String>,
    /// While the run before is not over: `skip` the fire, or `queue-one` behind it
    #[arg(long, value_name = "POLICY", value_parser = overlap)]
    overlap: Option<Overlap>,
    /// Of fires that were missed because nothing ran: run `one` for all of them, `all` one after the other (the
    /// last 24 at most), or `none`
    #[arg(long, value_name = "POLICY", value_parser = catch_up)]
    catch_up: Option<CatchUp>,
    /// `usual`, or seconds up to 21600
    #[arg(long, value_name = "SECONDS", value_parser = jitter)]
    jitter: Option<Jitter>,
    /// Keep the expression and let it rest, as `schedule pause` does
    #[arg(long)]
    off: bool,
}

/// Lets schedules of a channel rest until they are resumed
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink schedule pause 1 full_scan\n  marketsink schedule pause 1 --all"
)]
pub struct PauseArgs {
    #[command(flatten)]
    which: Which,
}

/// Lets paused schedules fire again, from their next time on
///
/// What they would have fired while they were paused is not made up for; `schedule run-now` runs the task at once.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink schedule resume 1 full_scan\n  marketsink schedule resume 1 --all"
)]
pub struct ResumeArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// The channel's id, as `marketsink channel list` shows it
    channel: i64,
    #[arg(value_parser = task, required_unless_present = "all")]
    tasks: Vec<Task>,
    /// All schedules of the channel
    #[arg(long, conflicts_with = "tasks")]
    all: bool,
}

/// Runs a scheduled task as soon as a worker is free, paused or not; its next time stays
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink schedule run-now 1 order_download\n  marketsink schedule run-now 1 full_scan --json"
)]
pub struct RunNowArgs {
    /// The channel's id, as `marketsink channel list` shows it
    channel: i64,
    #[arg(value_parser = task)]
    task: Task,
}

#[derive(Debug, Clone, Copy)]
enum Jitter {
    Usual,
    Seconds(u64),
}

fn jitter(text: &str) -> Result<Jitter, String> {
    if text == "usual" {
        return Ok(Jitter::Usual);
    }
    text.parse()
        .map(Jitter::Seconds)
        .map_err(|_| "give `usual`, or a whole number of seconds".to_owned())
}

fn overlap(text: &str) -> Result<Overlap, String> {
    Overlap::parse(&text.replace('-', "_")).ok_or_else(|| "there are skip, queue-one".to_owned())
}

fn catch_up(text: &str) -> Result<CatchUp, String> {
    CatchUp::parse(text).ok_or_else(|| "there are one, all, none".to_owned())
}

pub(super) async fn set(context: &Context, args: &SetArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = connection(context, &session, args.channel).await?;
    let changes = Changes {
        expression: args.expression.clone(),
        enabled: args.off.then_some(false),
        overlap: args.overlap,
        catch_up: args.catch_up,
        jitter: jitter_of(&session, channel, args).await?,
    };
    change(&session, channel, &[args.task], &changes).await?;
    say_changed(context, session, channel, &[args.task]).await
}

async fn jitter_of(
    session: &Session,
    channel: ChannelId,
    args: &SetArgs,
) -> anyhow::Result<Option<Duration>> {
    Ok(match (args.jitter, &args.expression) {
        (None, _) => None,
        (Some(Jitter::Seconds(seconds)), _) => Some(Duration::from_secs(seconds)),
        (Some(Jitter::Usual), Some(text)) => {
            Some(schedule::usual_jitter(&text.parse::<Expression>()?))
        }
        (Some(Jitter::Usual), None) => schedule::list(&session.app.db, session.merchant)
            .await?
            .iter()
            .find(|one| one.channel == channel && one.task == args.task)
            .map(|one| schedule::usual_jitter(&one.expression)),
    })
}

async fn change(
    session: &Session,
    channel: ChannelId,
    tasks: &[Task],
    changes: &Changes,
) -> anyhow::Result<()> {
    let now = session.now();
    let tx = session.app.db.write_tx().await?;
    for task in tasks {
        schedule::change(&tx, (session.merchant, channel), *task, changes, now).await?;
        let subject = format!("{channel} {}", task.as_str());
        let deed = Deed::new("schedule.changed", "schedule", subject);
        session.record(&tx, deed.to(format!("{changes:?}"))).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn say_changed(
    context: &Context,
    session: Session,
    channel: ChannelId,
    tasks: &[Task],
) -> anyhow::Result<()> {
    let is_changed = |one: &schedule::Schedule| one.channel == channel && tasks.contains(&one.task);
    let shown = Shown::read(&session, is_changed).await?;
    session.close().await?;
    shown.say(context)
}

pub(super) async fn pause(context: &Context, args: &PauseArgs) -> anyhow::Result<()> {
    switch(context, &args.which, false).await
}

pub(super) async fn resume(context: &Context, args: &ResumeArgs) -> anyhow::Result<()> {
    switch(context, &args.which, true).await
}

async fn switch(context: &Context, which: &Which, enabled: bool) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = connection(context, &session, which.channel).await?;
    let tasks = if which.all {
        let all = schedule::list(&session.app.db, session.merchant).await?;
        let of_channel = all.into_iter().filter(|one| one.channel == channel);
        of_channel.map(|one| one.task).collect()
    } else {
        which.tasks.clone()
    };
    if tasks.is_empty() {
        bail!("nothing is scheduled on channel {channel}");
    }
    let changes = Changes {
        enabled: Some(enabled),
        ..Changes::default()
    };
    change(&session, channel, &tasks, &changes).await?;
    say_changed(context, session, channel, &tasks).await
}

pub(super) async fn run_now(context: &Context, args: &RunNowArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = connection(context, &session, args.channel).await?;
    let tx = session.app.db.write_tx().await?;
    let now = session.now();
    let is_new = schedule::run_now(&tx, session.merchant, channel, args.task, now).await?;
    let subject = format!("{channel} {}", args.task.as_str());
    let deed = Deed::new("schedule.run_now", "schedule", subject);
    session
        .record(&tx, deed.to(json!({"joined": !is_new})))
        .await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        return say_json(&json!({
            "channel": channel,
            "task": args.task,
            "joined": !is_new,
            "asked_at": now.to_string(),
        }));
    }
    let task = args.task;
    say(if is_new {
        format!(
            "{task} of channel {channel} runs as soon as a worker of `marketsink serve` is free"
        )
    } else {
        format!(
            "{task} of channel {channel} was asked for already: what waits runs next, and what runs now is followed by one more run"
        )
    });
    Ok(())
}
