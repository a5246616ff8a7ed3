//! `conflicts`: what must not happen by itself and waits for a person.

use super::{
    context::Context,
    output::{Table, at, at_or_dash, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::accounts::Deed;
use crate::domain::{ConflictId, Timestamp};
use crate::sales::{self, Asked, Choice, ConflictKind, Decision, Resolved};
use anyhow::bail;
use clap::{Args, Subcommand};
use entity::conflicts;
use serde_json::{Value, json};
use std::process::ExitCode;

/// What waits for a person's decision: list, show, take, resolve
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink conflicts list\n  marketsink conflicts resolve 7 take_back --why 'parcel came back'"
)]
pub enum ConflictsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Take(TakeArgs),
    Resolve(ResolveArgs),
}

/// Lists what is open, what has waited longest first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink conflicts list\n  marketsink conflicts list --all --kind total_differs --csv > conflicts.csv"
)]
pub struct ListArgs {
    /// Those that were decided or went away as well
    #[arg(long)]
    all: bool,
    /// Only of this kind, such as cancelled_after_sent
    #[arg(long, value_parser = kind)]
    kind: Option<ConflictKind>,
    /// Only those this person has taken on
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// As a CSV file
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Shows one, with what may be chosen
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink conflicts show 7")]
pub struct ShowArgs {
    /// Its number in `marketsink conflicts list`
    id: i64,
}

/// Takes one on, or gives it back
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink conflicts take 7 --by Rani\n  marketsink conflicts take 7 --give-back"
)]
pub struct TakeArgs {
    /// Its number in `marketsink conflicts list`
    id: i64,
    /// Nobody sees to it any more
    #[arg(long)]
    give_back: bool,
}

/// Decides one, and does to the books what was chosen
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink conflicts resolve 7 leave_out --by Rani --why 'lost by the courier'"
)]
pub struct ResolveArgs {
    /// Its number in `marketsink conflicts list`
    id: i64,
    /// One of the choices that `marketsink conflicts show` names
    #[arg(value_parser = choice)]
    choice: Choice,
}

fn kind(name: &str) -> Result<ConflictKind, String> {
    let names = || names(ConflictKind::ALL.iter().map(|kind| kind.as_str()));
    ConflictKind::parse(name).ok_or_else(|| format!("there are {}", names()))
}

fn choice(name: &str) -> Result<Choice, String> {
    let names = || names(Choice::ALL.iter().map(|choice| choice.as_str()));
    Choice::parse(name).ok_or_else(|| format!("there are {}", names()))
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

pub async fn run(context: &Context, command: ConflictsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConflictsCommand::List(args) => list(context, &args).await,
        ConflictsCommand::Show(args) => show(context, args.id).await,
        ConflictsCommand::Take(args) => take(context, &args).await,
        ConflictsCommand::Resolve(args) => resolve(context, &args).await,
    }
}

async fn list(context: &Context, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let asked = Asked {
        ended: args.all,
        kind: args.kind,
        owner: args.owner.clone(),
    };
    let (db, now) = (&session.app.db, session.now());
    let found = sales::list_conflicts(db.read(), session.merchant, &asked, args.limit).await?;
    session.close().await?;
    if args.csv {
        say_csv(&found)?;
    } else if context.json {
        say_json(&found.iter().map(to_json).collect::<Vec<_>>())?;
    } else {
        table(&found, now).say("nothing waits for a decision");
    }
    Ok(ExitCode::SUCCESS)
}

/// Rows of conflicts.
pub fn table(found: &[conflicts::Model], now: Timestamp) -> Table {
    let mut table = Table::new(&["conflict", "kind", "state", "age", "owner", "about"]);
    for row in found {
        table.row([
            row.id.to_string(),
            row.kind.clone(),
            row.state.clone(),
            age(row, now),
            or_dash(row.owner.as_deref()),
            row.detail.clone(),
        ]);
    }
    table
}

/// How long it has waited, or did.
fn age(row: &conflicts::Model, now: Timestamp) -> String {
    let until = row.ended_at.unwrap_or_else(|| now.micros());
    let hours = (until - row.raised_at).max(0) / 3_600_000_000;
    match hours / 24 {
        0 => format!("{hours} h"),
        days => format!("{days} d"),
    }
}

pub fn to_json(row: &conflicts::Model) -> Value {
    let mut told = json!(row);
    told["facts"] = serde_json::from_str(&row.facts).unwrap_or_default();
    told["choices"] = json!(choices(row));
    told
}

fn choices(row: &conflicts::Model) -> Vec<&'static str> {
    let kind = ConflictKind::parse(&row.kind);
    let choices = kind.into_iter().flat_map(ConflictKind::choices);
    choices.map(|choice| choice.as_str()).collect()
}

fn say_csv(found: &[conflicts::Model]) -> anyhow::Result<()> {
    let heading = [
        "id",
        "kind",
        "state",
        "order_id",
        "sku_id",
        "owner",
        "raised_at",
        "ended_at",
        "choice",
        "decided_by",
        "why",
        "detail",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    let words = |words: &Option<String>| text(words.clone().unwrap_or_default());
    for row in found {
        sheet.row([
            number(row.id),
            text(&row.kind),
            text(&row.state),
            number(row.order_id),
            number(row.sku_id),
            words(&row.owner),
            text(at(row.raised_at)),
            text(row.ended_at.map(at).unwrap_or_default()),
            words(&row.choice),
            words(&row.decided_by),
            words(&row.why),
            text(&row.detail),
        ])?;
    }
    sheet.write_out()
}

async fn show(context: &Context, id: i64) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let db = session.app.db.read();
    let found = sales::one_conflict(db, session.merchant, ConflictId(id)).await?;
    session.close().await?;
    let Some(row) = found else {
        bail!("there is no conflict {id}; `marketsink conflicts list --all` shows those there are");
    };
    if context.json {
        say_json(&to_json(&row))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("conflict {id}: {}", row.detail));
    let facts = [
        ("kind", row.kind.clone()),
        ("state", row.state.clone()),
        ("about", row.subject.clone()),
        ("owner", or_dash(row.owner.as_deref())),
        ("raised", at(row.raised_at)),
        ("ended", at_or_dash(row.ended_at)),
        ("decided", or_dash(row.choice.as_deref())),
        ("by", or_dash(row.decided_by.as_deref())),
        ("why", or_dash(row.why.as_deref())),
        ("facts", row.facts.clone()),
    ];
    for (name, value) in facts {
        say(format!("  {name:10}  {value}"));
    }
    if row.state == "open" {
        let choices = choices(&row).join("|");
        say(format!(
            "to decide it: marketsink conflicts resolve {id} {choices}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn take(context: &Context, args: &TakeArgs) -> anyhow::Result<ExitCode> {
    let owner = if args.give_back {
        None
    } else {
        Some(context.by())
    };
    let session = context.session().await?;
    let tx = session.app.db.write_tx().await?;
    let is_taken = sales::take(&tx, session.merchant, ConflictId(args.id), owner).await?;
    if is_taken {
        let deed = Deed::new("conflict.taken", "conflict", args.id);
        session
            .record(&tx, deed.to(json!({"owner": owner})))
            .await?;
    }
    tx.commit().await?;
    session.close().await?;
    if !is_taken {
        let id = args.id;
        bail!("no conflict {id} is open; `marketsink conflicts list` shows those that are");
    }
    if context.json {
        say_json(&json!({"conflict": args.id, "owner": owner}))?;
    } else {
        say(format!(
            "conflict {}: {}",
            args.id,
            owner.unwrap_or("nobody's")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn resolve(context: &Context, args: &ResolveArgs) -> anyhow::Result<ExitCode> {
    let by = context.by();
    let session = context.session().await?;
    let (id, now) = (ConflictId(args.id), session.now());
    let decision = Decision {
        choice: args.choice,
        by,
        why: context.why(),
    };
    let tx = session.app.db.write_tx().await?;
    let resolved = sales::resolve(&tx, session.merchant, id, decision, now).await?;
    if matches!(resolved, Resolved::Done) {
        let deed = Deed::new("conflict.resolved", "conflict", id);
        session
            .record(&tx, deed.to(json!({"choice": args.choice})))
            .await?;
    }
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    match resolved {
        Resolved::Done if context.json => {
            say_json(&json!({"conflict": id, "choice": args.choice, "by": by}))?;
        }
        Resolved::Done => say(format!("conflict {id}: {}, by {by}", args.choice)),
        Resolved::EndedBefore(row) => {
            let how = row.choice.as_deref().unwrap_or("its cause was gone");
            let who = row.decided_by.map(|by| format!(", by {by}"));
            bail!(
                "conflict {id} had ended before: {how}{}",
                who.unwrap_or_default()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
