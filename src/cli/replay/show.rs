//! `replay list` and `replay show`.

use crate::cli::{
    context::{Context, Session},
    output::{Table, at, at_or_dash, dash, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::domain::ReplayId;
use crate::sync::{self, ReplayOutcome};
use anyhow::anyhow;
use clap::Args;
use entity::{replay_items, replays};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Items that are told one by one.
const MOST: u64 = 200;
/// Items of one page of a file.
const PAGE: u64 = 1_000;

/// Lists replays, newest first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink replay list\n  marketsink replay list --before 12 --json"
)]
pub struct ListArgs {
    /// Only those before this replay: the next page
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// As CSV
    #[arg(long)]
    csv: bool,
}

/// Shows how far a replay is, who wanted it and why, and what became of each delivery or job
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink replay show 3
  marketsink replay show 3 --outcome changed
  marketsink replay show 3 --csv")]
pub struct ShowArgs {
    /// The replay, by its number in `marketsink replay list`
    replay: i64,
    /// Only with this outcome: waiting, changed, unchanged, done, failed and others
    #[arg(long, value_parser = outcome)]
    outcome: Option<ReplayOutcome>,
    /// One row per delivery or job, as CSV
    #[arg(long)]
    csv: bool,
}

fn outcome(text: &str) -> Result<ReplayOutcome, String> {
    let known = ReplayOutcome::ALL.iter().map(|outcome| outcome.as_str());
    let known: Vec<&str> = known.collect();
    ReplayOutcome::parse(text).ok_or_else(|| format!("there are {}", known.join(", ")))
}

pub async fn list(context: &Context, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let db = &session.app.db;
    let rows = sync::replays(db, session.merchant, args.before, args.limit).await?;
    session.close().await?;
    if args.csv {
        say_list_csv(&rows)?;
    } else if context.json {
        say_json(&rows.iter().map(row_json).collect::<Vec<_>>())?;
    } else {
        let mut table = Table::new(&["id", "asked", "of", "state", "taken", "by", "why"]);
        for row in &rows {
            table.row([
                row.id.to_string(),
                at(row.created_at),
                row.source_kind.clone(),
                row.state.clone(),
                format!("{} of {}", row.taken, row.matched.min(row.most)),
                row.by_name.clone(),
                row.why.clone(),
            ]);
        }
        table.say("nothing was replayed yet");
    }
    Ok(ExitCode::SUCCESS)
}

fn say_list_csv(rows: &[replays::Model]) -> anyhow::Result<()> {
    let heading = [
        "id",
        "asked_at",
        "of",
        "state",
        "matched",
        "taken",
        "by",
        "why",
        "finished_at",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    for row in rows {
        sheet.row([
            number(row.id),
            text(at(row.created_at)),
            text(row.source_kind.clone()),
            text(row.state.clone()),
            number(row.matched),
            number(row.taken),
            text(row.by_name.clone()),
            text(row.why.clone()),
            text(row.finished_at.map(at).unwrap_or_default()),
        ])?;
    }
    sheet.write_out()
}

fn row_json(row: &replays::Model) -> Value {
    let selection: Value = serde_json::from_str(&row.selection).unwrap_or_default();
    json!({
        "id": row.id,
        "of": row.source_kind,
        "selection": selection,
        "by": row.by_name,
        "why": row.why,
        "state": row.state,
        "matched": row.matched,
        "at_most": row.most,
        "a_minute": row.per_minute,
        "taken": row.taken,
        "note": row.note,
        "asked_at": at(row.created_at),
        "started_at": row.started_at.map(at),
        "finished_at": row.finished_at.map(at),
    })
}

pub async fn show(context: &Context, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let id = ReplayId(args.replay);
    let code = if args.csv {
        known(&session, id).await?;
        say_csv(&session, id, args.outcome).await?;
        ExitCode::SUCCESS
    } else {
        say_replay(context, &session, id, args.outcome).await?
    };
    session.close().await?;
    Ok(code)
}

async fn known(session: &Session, id: ReplayId) -> anyhow::Result<replays::Model> {
    sync::replay(&session.app.db, session.merchant, id)
        .await?
        .ok_or_else(|| {
            anyhow!("there is no replay {id}; `marketsink replay list` shows those there are")
        })
}

/// Says how a replay stands. The exit code says whether something failed.
///
/// # Errors
/// When there is no such replay, or the database fails.
pub async fn say_replay(
    context: &Context,
    session: &Session,
    id: ReplayId,
    outcome: Option<ReplayOutcome>,
) -> anyhow::Result<ExitCode> {
    let row = known(session, id).await?;
    let (read, of) = (session.app.db.read(), (session.merchant, id));
    let counts = sync::replay_counts(read, session.merchant, id).await?;
    let items = sync::replay_items(read, of, outcome, 0, MOST).await?;
    let failed = counts.iter().any(|(outcome, _)| outcome == "failed");
    let code = if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    };
    if context.json {
        let mut shown = row_json(&row);
        let counts = counts.into_iter().map(|(name, n)| (name, json!(n)));
        shown["outcomes"] = Value::Object(counts.collect());
        shown["items"] = items.iter().map(item_json).collect();
        say_json(&shown)?;
        return Ok(code);
    }
    say(format!(
        "replay {id} of {}, {}: {} of {} taken up",
        row.source_kind,
        row.state,
        row.taken,
        row.matched.min(row.most)
    ));
    say(format!("  by {}: {}", row.by_name, row.why));
    say(format!(
        "  asked for {}, ended {}",
        at(row.created_at),
        at_or_dash(row.finished_at)
    ));
    if let Some(note) = &row.note {
        say(format!("  {note}"));
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    say(format!("  {}", counts.join(", ")));
    let mut table = Table::new(&["id", "channel", "order or product", "outcome", "what"]);
    for item in &items {
        table.row([
            item.source_id.to_string(),
            or_dash(item.channel_id),
            item.subject.clone().unwrap_or_else(dash),
            item.outcome.clone(),
            item.detail.clone().unwrap_or_else(dash),
        ]);
    }
    table.say("there are none of these");
    if items.len() as u64 == MOST {
        say("there may be more; --csv tells all of them");
    }
    Ok(code)
}

fn item_json(item: &replay_items::Model) -> Value {
    json!({
        "id": item.source_id,
        "channel": item.channel_id,
        "subject": item.subject,
        "outcome": item.outcome,
        "detail": item.detail,
        "taken_at": at(item.taken_at),
        "settled_at": item.settled_at.map(at),
    })
}

async fn say_csv(
    session: &Session,
    id: ReplayId,
    outcome: Option<ReplayOutcome>,
) -> anyhow::Result<()> {
    let heading = ["id", "channel", "subject", "outcome", "what"];
    let mut sheet = Sheet::open(None, &heading)?;
    let (read, of) = (session.app.db.read(), (session.merchant, id));
    let mut after = 0;
    loop {
        let page = sync::replay_items(read, of, outcome, after, PAGE).await?;
        for item in &page {
            sheet.row([
                number(item.source_id),
                number(item.channel_id),
                text(item.subject.clone().unwrap_or_default()),
                text(item.outcome.clone()),
                text(item.detail.clone().unwrap_or_default()),
            ])?;
        }
        sheet.write_out()?;
        match page.last() {
            Some(last) => after = last.id,
            None => return Ok(()),
        }
    }
}
