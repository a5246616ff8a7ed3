//! `schedule next`: when schedules fire, in words.

use super::{connection, task};
use crate::cli::{
    context::Context,
    output::{Table, dash, say, say_json},
};
use crate::domain::Timestamp;
use crate::schedule::{self, Schedule, Task, change_of_clocks, in_words, span_in_words};
use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

/// Tells when a channel's schedules fire next, in the merchant's time zone
///
/// A time that clocks leave out in spring fires at the first minute after the gap; one that comes twice in autumn
/// fires the first time. Where the hour is a wildcard it is the other way round: what clocks do not show is left
/// out, and what they show twice fires twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink schedule next 1
  marketsink schedule next 1 full_scan -n 10
  marketsink schedule next 1 full_scan --expression '30 2 * * mon-fri'
  marketsink schedule next 1 order_download --json")]
pub struct NextArgs {
    /// The channel's id, as `marketsink channel list` shows it
    channel: i64,
    /// Only of this task
    #[arg(value_parser = task)]
    task: Option<Task>,
    /// How many fires of each schedule
    #[arg(short, long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    n: u16,
    /// As if the task had this expression; changes nothing
    #[arg(long, value_name = "CRON", requires = "task")]
    expression: Option<String>,
}

pub(super) async fn next(context: &Context, args: &NextArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = connection(context, &session, args.channel).await?;
    let mut found = schedule::list(&session.app.db, session.merchant).await?;
    found.retain(|one| one.channel == channel && args.task.is_none_or(|task| one.task == task));
    let now = session.now();
    session.close().await?;
    if let Some(text) = &args.expression {
        for one in &mut found {
            one.expression = text.parse()?;
            one.jitter = schedule::usual_jitter(&one.expression);
            one.enabled = true;
        }
    }
    if let (true, Some(task)) = (found.is_empty(), args.task) {
        bail!(
            "{task} has no schedule on channel {channel}; give it one with `marketsink schedule set {channel} {task} EXPRESSION`"
        );
    }
    let lines: Vec<Line<'_>> = found
        .iter()
        .flat_map(|one| lines(one, now, args.n.into()))
        .collect();
    if context.json {
        let lines: Vec<Value> = lines.iter().map(|line| line.as_json(now)).collect();
        return say_json(&lines);
    }
    say_lines(&lines, now);
    for one in found.iter().filter(|one| !one.enabled) {
        say(format!(
            "{} is paused: marketsink schedule resume {channel} {}",
            one.task, one.task
        ));
    }
    Ok(())
}

/// One fire to come.
struct Line<'a> {
    schedule: &'a Schedule,
    /// The time of the schedule.
    at: Timestamp,
    /// The same and the schedule's delay.
    fires_at: Timestamp,
    note: Option<String>,
}

fn lines(one: &Schedule, now: Timestamp, n: usize) -> impl Iterator<Item = Line<'_>> {
    one.next_fires(now, n)
        .into_iter()
        .map(|(at, fires_at)| Line {
            schedule: one,
            at,
            fires_at,
            note: change_of_clocks(&one.expression, at, one.zone),
        })
}

impl Line<'_> {
    fn as_json(&self, now: Timestamp) -> Value {
        let zone = self.schedule.zone;
        json!({
            "channel": self.schedule.channel,
            "task": self.schedule.task,
            "time_zone": zone.name(),
            "scheduled_at": self.at.to_string(),
            "fires_at": self.fires_at.to_string(),
            "local": self.fires_at.to_utc().with_timezone(&zone).to_rfc3339(),
            "words": in_words(self.fires_at, now, zone),
            "note": self.note,
        })
    }
}

fn say_lines(lines: &[Line<'_>], now: Timestamp) {
    let mut table = Table::new(&["task", "fires", "from now", "UTC", "note"]);
    for line in lines {
        table.row([
            line.schedule.task.to_string(),
            in_words(line.fires_at, now, line.schedule.zone),
            format!("in {}", span_in_words(line.fires_at.since(now))),
            line.fires_at.to_string(),
            line.note.clone().unwrap_or_else(dash),
        ]);
    }
    if let Some(first) = lines.first() {
        say(format!("times are those of {}", first.schedule.zone.name()));
    }
    table.say("nothing fires");
}
