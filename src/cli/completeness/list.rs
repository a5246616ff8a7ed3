//! `completeness list`: a line per channel and day.

use super::{as_json, connection, day, today};
use crate::accounts;
use crate::channels::{self, Channel};
use crate::cli::{
    context::{Context, Session},
    csv::say_csv,
    output::{Table, say_json},
};
use crate::domain::{Day, Days, JobKind, Timestamp, Work};
use crate::sync::{self, Tally};
use clap::Args;
use entity::completeness;
use serde_json::{Value, json};
use std::{collections::BTreeMap, process::ExitCode};

/// Days that are shown when none are named.
const DAYS: u64 = 7;
/// Reports that are read at most.
const MOST: u64 = 10_000;

/// Lists days with what is proved of them, newest first; a day that nobody looked at is not proved
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink completeness list
  marketsink completeness list 1 --from 2026-11-01
  marketsink completeness list --csv > november.csv")]
pub struct ListArgs {
    /// Only this channel, by its number in `marketsink channel list`
    channel: Option<i64>,
    /// The first day: 2026-11-22, yesterday or today [default: a week ago]
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day [default: yesterday]
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Answer with comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// A day of a channel: its newest report, or why there is none.
struct Line {
    channel: Channel,
    day: Day,
    report: Result<completeness::Model, String>,
}

pub async fn run(context: &Context, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let today = today(&session).await?;
    let read = |text: &Option<String>, ago| match text {
        Some(text) => day(text, today),
        None => Ok(today.before(ago)),
    };
    let days = (read(&args.from, DAYS)?, read(&args.to, 1)?);
    let connections = if let Some(id) = args.channel {
        vec![connection(&session, id).await?]
    } else {
        let all = channels::list(&session.app.db, session.merchant, false).await?;
        all.into_iter().filter(|one| one.parent.is_none()).collect()
    };
    let lines = lines(&session, connections, days).await?;
    session.close().await?;
    if args.csv {
        say_lines_as_csv(&lines);
    } else if context.json {
        let lines: Vec<Value> = lines.iter().map(Line::json).collect();
        say_json(&lines)?;
    } else {
        let mut table = Table::new(&["day", "channel", "name", "answer"]);
        for line in &lines {
            table.row([
                line.day.to_string(),
                line.channel.id.to_string(),
                line.channel.name.clone(),
                line.answer(),
            ]);
        }
        table.say("no shop was connected in these days");
    }
    Ok(ExitCode::SUCCESS)
}

async fn lines(
    session: &Session,
    connections: Vec<Channel>,
    days: (Day, Day),
) -> anyhow::Result<Vec<Line>> {
    let (db, merchant) = (&session.app.db, session.merchant);
    let zone = accounts::time_zone(db, merchant).await?;
    let mut lines = Vec::new();
    for channel in connections {
        let found = sync::completeness_reports(db, merchant, Some(channel.id), days, MOST).await?;
        let mut newest: BTreeMap<String, completeness::Model> = BTreeMap::new();
        for report in found {
            newest.entry(report.day.clone()).or_insert(report);
        }
        let connected_on = Day::of(channel.connected_at, zone);
        let mut day = days.0;
        while day <= days.1 {
            let report = newest.remove(&day.to_string());
            if report.is_some() || day >= connected_on {
                let report = match report {
                    Some(report) => Ok(report),
                    None => Err(why_not(session, &channel, day).await?),
                };
                lines.push(Line {
                    channel: channel.clone(),
                    day,
                    report,
                });
            }
            day = day.next();
        }
    }
    lines.sort_by_key(|line| (std::cmp::Reverse(line.day), line.channel.id));
    Ok(lines)
}

/// Why nobody looked at a day yet.
async fn why_not(session: &Session, channel: &Channel, day: Day) -> anyhow::Result<String> {
    if !channel.is_active() {
        let reason = channel.state_reason.as_deref();
        let reason = reason.unwrap_or("no reason is known");
        return Ok(format!("channel {} is locked ({reason})", channel.id));
    }
    if !channel.has_api() {
        return Ok("the shop has no API that could be asked; it lives by its webhooks".to_owned());
    }
    let completeness = Days::Day(day);
    let key = Work::CheckCompleteness { completeness }.key(channel.id);
    let kind = JobKind::CheckCompleteness;
    let keys = std::slice::from_ref(&key);
    let jobs = session.app.queue.unended(channel.id, kind, keys).await?;
    Ok(match jobs.get(&key) {
        Some(job) => job
            .last_error
            .clone()
            .unwrap_or_else(|| "it is about to be looked at".to_owned()),
        None => format!(
            "nobody has looked yet; `marketsink completeness run {} --day {day}` does",
            channel.id
        ),
    })
}

impl Line {
    fn answer(&self) -> String {
        match &self.report {
            Ok(report) => sync::sentence(report),
            Err(reason) => format!("not proved: {reason}"),
        }
    }

    fn json(&self) -> Value {
        match &self.report {
            Ok(report) => {
                let mut shown = as_json(report);
                shown["name"] = json!(self.channel.name);
                shown
            }
            Err(reason) => json!({
                "channel": self.channel.id,
                "name": self.channel.name,
                "day": self.day,
                "state": "not_proved",
                "answer": self.answer(),
                "reason": reason,
            }),
        }
    }
}

fn say_lines_as_csv(lines: &[Line]) {
    let heading = [
        "day",
        "channel",
        "name",
        "state",
        "orders_there",
        "value_there",
        "orders_in_books",
        "value_in_books",
        "matched",
        "missing",
        "wrong_status",
        "different_total",
        "only_in_books",
        "unreadable",
        "explained",
        "noted",
        "looked_at",
        "reason",
    ];
    let rows = lines.iter().map(|line| {
        let report = line.report.as_ref().ok();
        let proved = report.filter(|report| report.state != "not_proved");
        let tally = proved.map(Tally::of);
        let count = |of: fn(&Tally) -> u64| {
            tally
                .as_ref()
                .map_or_else(String::new, |tally| of(tally).to_string())
        };
        let money = |of: fn(&Tally) -> String| tally.as_ref().map_or_else(String::new, of);
        [
            line.day.to_string(),
            line.channel.id.to_string(),
            line.channel.name.clone(),
            report.map_or_else(|| "not_proved".to_owned(), |report| report.state.clone()),
            count(|tally| tally.theirs),
            money(|tally| plain(&tally.theirs_value)),
            count(|tally| tally.ours),
            money(|tally| plain(&tally.ours_value)),
            count(|tally| tally.matched),
            count(|tally| tally.missing),
            count(|tally| tally.wrong_status),
            count(|tally| tally.different_total),
            count(|tally| tally.only_in_books),
            count(|tally| tally.unreadable),
            count(|tally| tally.explained),
            count(|tally| tally.noted),
            report.map_or_else(String::new, |report| {
                Timestamp::from_micros(report.looked_at).to_string()
            }),
            match &line.report {
                Ok(report) => report.reason.clone().unwrap_or_default(),
                Err(reason) => reason.clone(),
            },
        ]
    });
    say_csv(heading, rows);
}

/// Amounts as machines read them; several currencies with ` + ` between.
fn plain(of: &[crate::domain::Money]) -> String {
    let words: Vec<String> = of.iter().map(ToString::to_string).collect();
    words.join(" + ")
}
