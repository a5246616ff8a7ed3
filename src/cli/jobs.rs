//! `jobs`: the background work that waits, runs, has ended or was given up.

use super::{
    context::{Context, Session},
    output::{Table, at, at_or_dash, dash, say, say_json},
    replay::{Road, take_up},
    sheet::{Sheet, number, text},
};
use crate::accounts::Deed;
use crate::domain::{ChannelId, JobId, JobKind};
use crate::queue::{self, JobSelection, JobState};
use crate::sync::{self, ReplaySelection};
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use entity::jobs;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Tries of a job that are shown.
const TRIES: u64 = 50;

/// Background work: list, show, revive, cancel
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink jobs list --state dead\n  marketsink jobs revive 17"
)]
pub enum JobsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Revive(ReviveArgs),
    Cancel(CancelArgs),
}

/// Lists jobs, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink jobs list --state dead
  marketsink jobs list --channel 1 --kind fetch_order --error \"429\"
  marketsink jobs list --before 900 --csv")]
pub struct ListArgs {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Only of this kind, such as fetch_order
    #[arg(long, value_parser = kind)]
    kind: Option<JobKind>,
    /// Only in this state: available, running, done, dead, superseded, cancelled
    #[arg(long, value_parser = state)]
    state: Option<JobState>,
    /// Only those whose last error has these words
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only those before this job: the next page
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// As CSV
    #[arg(long)]
    csv: bool,
}

/// Shows a job with each of its tries
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink jobs show 17\n  marketsink jobs show 17 --json")]
pub struct ShowArgs {
    /// The job, by its number in `marketsink jobs list`
    job: i64,
}

/// Lets jobs that were given up wait again, with all their tries before them
#[derive(Debug, Args)]
#[command(after_help = "\
`marketsink replay run jobs` does it for all that match, and repeats those that have ended.

Examples:
  marketsink jobs revive 17 18 --why \"the key was corrected\"")]
pub struct ReviveArgs {
    #[arg(required = true, value_name = "ID")]
    jobs: Vec<i64>,
}

/// Ends jobs that wait; one that runs goes on
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink jobs cancel 17 --why \"not needed any more\"")]
pub struct CancelArgs {
    #[arg(required = true, value_name = "ID")]
    jobs: Vec<i64>,
}

fn kind(text: &str) -> Result<JobKind, String> {
    super::replay::kind(text)
}

fn state(text: &str) -> Result<JobState, String> {
    super::replay::state(text)
}

pub async fn run(context: &Context, command: JobsCommand) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    match command {
        JobsCommand::List(args) => list(context, &session, args).await?,
        JobsCommand::Show(args) => show(context, &session, JobId(args.job)).await?,
        JobsCommand::Revive(args) => revive(context, &session, args.jobs).await?,
        JobsCommand::Cancel(args) => cancel(context, &session, &args.jobs).await?,
    }
    session.close().await?;
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, session: &Session, args: ListArgs) -> anyhow::Result<()> {
    let selection = JobSelection {
        channel: args.channel.map(ChannelId),
        kind: args.kind,
        state: args.state,
        error: args.error,
        ..JobSelection::default()
    };
    let read = session.app.db.read();
    let before = args.before.unwrap_or(i64::MAX);
    let rows = queue::newest_jobs(read, session.merchant, &selection, before, args.limit).await?;
    if args.csv {
        return say_csv(&rows);
    }
    if context.json {
        return say_json(&rows.iter().map(row_json).collect::<Vec<_>>());
    }
    let mut table = Table::new(&[
        "id",
        "kind",
        "channel",
        "key",
        "state",
        "tries",
        "next",
        "last error",
    ]);
    for row in &rows {
        let waits = row.state == JobState::Available.as_str();
        table.row([
            row.id.to_string(),
            row.kind.clone(),
            row.channel_id.to_string(),
            row.key.clone(),
            row.state.clone(),
            format!("{} of {}", row.attempts, row.max_attempts),
            at_or_dash(waits.then_some(row.run_at)),
            row.last_error.clone().unwrap_or_else(dash),
        ]);
    }
    table.say("no such job");
    Ok(())
}

fn row_json(row: &jobs::Model) -> Value {
    let waits = row.state == JobState::Available.as_str();
    json!({
        "id": row.id,
        "kind": row.kind,
        "channel": (row.channel_id != ChannelId::NONE.0).then_some(row.channel_id),
        "key": row.key,
        "state": row.state,
        "source": row.source,
        "attempts": row.attempts,
        "max_attempts": row.max_attempts,
        "last_error": row.last_error,
        "created_at": at(row.created_at),
        "run_at": waits.then(|| at(row.run_at)),
        "started_at": row.started_at.map(at),
        "finished_at": row.finished_at.map(at),
    })
}

fn say_csv(rows: &[jobs::Model]) -> anyhow::Result<()> {
    let heading = [
        "id",
        "kind",
        "channel",
        "key",
        "state",
        "tries",
        "created_at",
        "finished_at",
        "last_error",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    for row in rows {
        sheet.row([
            number(row.id),
            text(row.kind.clone()),
            number(row.channel_id),
            text(row.key.clone()),
            text(row.state.clone()),
            number(row.attempts),
            text(at(row.created_at)),
            text(row.finished_at.map(at).unwrap_or_default()),
            text(row.last_error.clone().unwrap_or_default()),
        ])?;
    }
    sheet.write_out()
}

async fn find(session: &Session, id: JobId) -> anyhow::Result<jobs::Model> {
    queue::job(session.app.db.read(), session.merchant, id)
        .await?
        .ok_or_else(|| {
            anyhow!("there is no job {id}; `marketsink jobs list` shows those there are")
        })
}

async fn show(context: &Context, session: &Session, id: JobId) -> anyhow::Result<()> {
    let row = find(session, id).await?;
    let queue = &session.app.queue;
    let tries = queue.attempts(session.merchant, id, TRIES).await?;
    if context.json {
        let mut shown = row_json(&row);
        shown["args"] = serde_json::from_str(&row.args).unwrap_or_default();
        shown["tries"] = tries
            .iter()
            .map(|one| {
                json!({
                    "number": one.number,
                    "outcome": one.outcome,
                    "error": one.error,
                    "worker": one.worker,
                    "started_at": at(one.started_at),
                    "finished_at": at(one.finished_at),
                })
            })
            .collect();
        return say_json(&shown);
    }
    say(format!(
        "job {id}: {} of channel {}, {} ({} of {} tries)",
        row.kind, row.channel_id, row.state, row.attempts, row.max_attempts
    ));
    say(format!("  {}", row.args));
    say(format!(
        "  asked for {} by {}, ended {}",
        at(row.created_at),
        row.source,
        at_or_dash(row.finished_at)
    ));
    if let Some(error) = &row.last_error {
        say(format!("  {error}"));
    }
    let mut table = Table::new(&["try", "started", "outcome", "error"]);
    for one in &tries {
        table.row([
            one.number.to_string(),
            at(one.started_at),
            one.outcome.clone(),
            one.error.clone().unwrap_or_else(dash),
        ]);
    }
    table.say("it was not tried yet");
    Ok(())
}

async fn revive(context: &Context, session: &Session, ids: Vec<i64>) -> anyhow::Result<()> {
    for id in &ids {
        let row = find(session, JobId(*id)).await?;
        if row.state != JobState::Dead.as_str() {
            bail!(
                "job {id} was not given up, it is {}; `marketsink replay run jobs {id}` repeats what has ended",
                row.state
            );
        }
    }
    let road = Road {
        n: ids.len(),
        selection: ReplaySelection::Jobs(JobSelection {
            ids,
            state: Some(JobState::Dead),
            ..JobSelection::default()
        }),
        why: "revived by hand",
    };
    let Some(id) = take_up(context, session, road).await? else {
        bail!("they were revived by somebody else meanwhile");
    };
    let of = (session.merchant, id);
    let items = sync::replay_items(session.app.db.read(), of, None, 0, 10_000).await?;
    if context.json {
        let shown = items
            .iter()
            .map(|item| json!({ "job": item.source_id, "outcome": item.outcome }));
        return say_json(&json!({ "replay": id, "jobs": shown.collect::<Vec<_>>() }));
    }
    for item in &items {
        say(format!("job {}: {}", item.source_id, item.outcome));
    }
    say(format!(
        "`marketsink serve` does the work; `marketsink replay show {id}` tells what became of it"
    ));
    Ok(())
}

async fn cancel(context: &Context, session: &Session, ids: &[i64]) -> anyhow::Result<()> {
    let by = context.by();
    let reason = context
        .why()
        .map_or_else(|| format!("by {by}"), |why| format!("by {by}: {why}"));
    let mut cancelled = Vec::new();
    for id in ids {
        let row = find(session, JobId(*id)).await?;
        let tx = session.app.db.write_tx().await?;
        let (merchant, now) = (session.merchant, session.now());
        let done = queue::cancel(&tx, merchant, JobId(*id), &reason, now).await?;
        if !done {
            bail!(
                "job {id} does not wait, it is {}; nothing was done to it",
                row.state
            );
        }
        let after = json!({ "state": "cancelled", "kind": row.kind, "key": row.key });
        let deed = Deed::new("job.cancelled", "job", id);
        session.record(&tx, deed.to(after)).await?;
        tx.commit().await?;
        cancelled.push(*id);
    }
    if context.json {
        return say_json(&json!({ "cancelled": cancelled }));
    }
    for id in cancelled {
        say(format!("job {id} was cancelled"));
    }
    Ok(())
}
