//! `completeness run`: looks at a day now, fetches what is missing, and looks again.

use super::{as_json, connection, day, newest, today};
use crate::channels::{self, Channel};
use crate::cli::{
    context::{Context, Session},
    follow::{self, Ending, LentWorker},
    output::{say, say_json, tell},
};
use crate::domain::{Day, Days, JobKind, Work};
use crate::sync::{self, Proof};
use clap::Args;
use entity::completeness;
use serde_json::{Value, json};
use std::{process::ExitCode, time::Duration};

const KINDS: &[JobKind] = &[
    JobKind::CheckCompleteness,
    JobKind::FetchOrder,
    JobKind::RefreshToken,
];
/// How often it is looked whether what was missing has been fetched, and how many times.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS: usize = 300;

/// Looks at a day now: compares, fetches what is missing or different, and compares again
///
/// Exits with 1 when a day is not proved complete.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink completeness run
  marketsink completeness run 1 2 --day 2026-11-22
  marketsink completeness run 1 --plan")]
pub struct RunArgs {
    /// The channels, by their numbers in `marketsink channel list` [default: all]
    channels: Vec<i64>,
    /// The day in the merchant's time zone: 2026-11-22, yesterday or today
    #[arg(long, default_value = "yesterday")]
    day: String,
    /// Tell what it will cost, and ask nobody
    #[arg(long)]
    plan: bool,
}

pub async fn run(context: &Context, args: &RunArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let day = day(&args.day, today(&session).await?)?;
    let mut connections = Vec::new();
    for id in &args.channels {
        let one = connection(&session, *id).await?;
        if connections.iter().all(|known: &Channel| known.id != one.id) {
            connections.push(one);
        }
    }
    if args.channels.is_empty() {
        let all = channels::list(&session.app.db, session.merchant, false).await?;
        connections.extend(all.into_iter().filter(|one| one.parent.is_none()));
    }
    if args.plan {
        plan(context, &session, &connections, day).await?;
        session.close().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let worker = LentWorker::start(&session.app, KINDS);
    let mut answers = Vec::new();
    for one in &connections {
        match prove(&session, one, day).await {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                worker.stop().await?;
                return Err(error);
            }
        }
    }
    worker.stop().await?;
    session.close().await?;
    report(context, &connections, day, &answers)
}

async fn plan(
    context: &Context,
    session: &Session,
    connections: &[Channel],
    day: Day,
) -> anyhow::Result<()> {
    let mut plans = Vec::new();
    for one in connections {
        let plan = session.app.sync.completeness_plan(one.id, day).await?;
        let (least, most) = plan.calls;
        let mut words = format!(
            "channel {} {}: {least} to {most} API calls for a day of about {} orders",
            one.id, one.name, plan.booked
        );
        if plan.emulated {
            words.push_str(
                "; more on later days: the API has no filter by the time of an order, and what changed since is listed",
            );
        }
        if !context.json {
            say(words);
        }
        plans.push(json!({ "channel": one.id, "day": day, "plan": plan }));
    }
    if context.json {
        say_json(&plans)?;
    }
    Ok(())
}

/// The newest report, or why there is none.
type Answer = Result<completeness::Model, String>;

async fn prove(session: &Session, connection: &Channel, day: Day) -> anyhow::Result<Answer> {
    if let Some(reason) = follow::why_not(connection) {
        return Ok(Err(reason));
    }
    if !connection.has_api() {
        let reason = "the shop has no API that could be asked; it lives by its webhooks";
        return Ok(Err(reason.to_owned()));
    }
    for look in 1..=2 {
        let completeness = Days::Day(day);
        let work = Work::CheckCompleteness { completeness };
        let job = follow::enqueue(session, connection, work).await?;
        match follow::follow(session, &job, async || Ok(())).await? {
            Ending::Done => {}
            Ending::Dead(error) | Ending::Locked(error) | Ending::Resting { error, .. } => {
                return Ok(Err(error));
            }
            Ending::Interrupted => {
                return Ok(Err(
                    "interrupted; `marketsink serve` goes on with it".to_owned()
                ));
            }
        }
        let report = newest(session, connection.id, day).await?;
        let Some(report) = report else {
            return Ok(Err("the look left no report".to_owned()));
        };
        if look == 2 || Proof::parse(&report.state) != Some(Proof::Closing) {
            return Ok(Ok(report));
        }
        tell(sync::sentence(&report));
        wait_for_fetches(session, &report).await?;
    }
    Ok(Err("it is still being closed".to_owned()))
}

/// Waits until what was missing has been fetched, or fails for long.
async fn wait_for_fetches(session: &Session, report: &completeness::Model) -> anyhow::Result<()> {
    let found =
        sync::completeness_orders(&session.app.db, session.merchant, report.clone()).await?;
    let channel = crate::domain::ChannelId(report.channel_id);
    let keys: Vec<String> = found
        .orders
        .iter()
        .map(|order| {
            let order = order.remote_id.as_str().into();
            Work::FetchOrder { order }.key(channel)
        })
        .collect();
    for _ in 0..LOOKS {
        let kind = JobKind::FetchOrder;
        let jobs = session.app.queue.unended(channel, kind, &keys).await?;
        if jobs.values().all(|job| job.state == "dead") {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn report(
    context: &Context,
    connections: &[Channel],
    day: Day,
    answers: &[Answer],
) -> anyhow::Result<ExitCode> {
    let is_proved = |answer: &Answer| {
        let state = answer
            .as_ref()
            .ok()
            .and_then(|row| Proof::parse(&row.state));
        state == Some(Proof::Complete)
    };
    let mut shown = Vec::new();
    for (connection, answer) in connections.iter().zip(answers) {
        let words = match answer {
            Ok(report) => sync::sentence(report),
            Err(reason) => format!("not proved: {reason}"),
        };
        if !context.json {
            say(format!(
                "{day} channel {} {}: {words}",
                connection.id, connection.name
            ));
        }
        shown.push(match answer {
            Ok(report) => as_json(report),
            Err(reason) => json!({
                "channel": connection.id,
                "day": day,
                "state": "not_proved",
                "answer": words,
                "reason": reason,
            }),
        });
    }
    if context.json {
        say_json::<[Value]>(&shown)?;
    } else if connections.is_empty() {
        say("no shop is connected; `marketsink help channel add` tells how");
    }
    Ok(if answers.iter().all(is_proved) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
