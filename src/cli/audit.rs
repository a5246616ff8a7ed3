//! `audit`: who changed what, and whether the trail of it is whole.

use super::{
    context::{Context, Session},
    output::{Table, at, dash, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::accounts::audit::{self, AuditFilter, Break};
use crate::domain::{Day, MerchantId, Timestamp};
use anyhow::{Context as _, anyhow};
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use entity::audit::Model;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Entries of a page of a file.
const PAGE: u64 = 1_000;
/// Characters of a value in a list.
const SHORT: usize = 40;

/// Who changed what, when, from what to what, and why: list, show, check, head
///
/// Each entry is chained to the one before: a changed, removed, added or moved one is found by `audit check`. What
/// concerns no single merchant, such as people and keys, has a trail of its own: --all-merchants.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink audit list --subject 'channel 3'\n  marketsink audit check"
)]
pub enum AuditCommand {
    List(ListArgs),
    Show(ShowArgs),
    Check(CheckArgs),
    Head(HeadArgs),
}

#[derive(Debug, Args)]
struct Trail {
    /// The trail of what concerns no single merchant
    #[arg(long)]
    all_merchants: bool,
}

/// Lists what was changed, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink audit list
  marketsink audit list --of rani --action channel
  marketsink audit list --subject 'sku TEE-RED' --from 2026-11-01 --csv > changes.csv")]
pub struct ListArgs {
    /// Only of this thing, or kind of thing, such as `channel`, `channel 3` or `TEE-RED`
    #[arg(long, value_name = "THING")]
    subject: Option<String>,
    /// Only this action, or all whose name begins with this word, such as `channel`
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what this person or token did
    #[arg(long, value_name = "NAME")]
    of: Option<String>,
    /// The first day, such as 2026-11-01
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Day>,
    /// The last day, which belongs to it
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<Day>,
    /// Only entries before this one: the next page
    #[arg(long, value_name = "SEQ")]
    before: Option<i64>,
    /// Entries at most [default: 50, or all with --csv]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// As a file for a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    trail: Trail,
}

/// Shows one entry whole
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink audit show 17")]
pub struct ShowArgs {
    /// Its number in `marketsink audit list`
    seq: i64,
    #[command(flatten)]
    trail: Trail,
}

/// Reads the whole trail and says whether it is as it was written
///
/// Whoever may write to the database can forge a trail whole, head and all; a hash that was kept elsewhere shows
/// that, too: `marketsink audit head` prints it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink audit check
  marketsink audit check --from-head 5f0c…")]
pub struct CheckArgs {
    /// A hash that was kept elsewhere: it must be in the trail
    #[arg(long, value_name = "HASH")]
    from_head: Option<String>,
    #[command(flatten)]
    trail: Trail,
}

/// Prints the newest hash, for keeping elsewhere
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink audit head")]
pub struct HeadArgs {
    #[command(flatten)]
    trail: Trail,
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("`{text}` is no day; write it as 2026-11-22"))
}

impl Trail {
    fn of(&self, session: &Session) -> Option<MerchantId> {
        (!self.all_merchants).then_some(session.merchant)
    }
}

pub async fn run(context: &Context, command: AuditCommand) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let code = match command {
        AuditCommand::List(args) => list(context, &session, &args).await?,
        AuditCommand::Show(args) => show(context, &session, &args).await?,
        AuditCommand::Check(args) => check(context, &session, &args).await?,
        AuditCommand::Head(args) => head(context, &session, &args).await?,
    };
    session.close().await?;
    Ok(code)
}

fn filter(args: &ListArgs, zone: Tz) -> AuditFilter {
    let start = |day: Day| day.window(zone).from;
    AuditFilter {
        subject: args.subject.clone(),
        action: args.action.clone(),
        by: args.of.clone(),
        from: args.from.map(start),
        to: args.to.map(|day| day.window(zone).to),
        before: args.before,
    }
}

async fn list(context: &Context, session: &Session, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let db = &session.app.db;
    let zone = crate::accounts::zone_of(db.read(), session.merchant).await?;
    let mut filter = filter(args, zone);
    let merchant = args.trail.of(session);
    if args.csv {
        to_sheet(session, merchant, filter, args.limit).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let limit = args.limit.unwrap_or(50).min(PAGE);
    let rows = audit::list(db, merchant, &filter, limit).await?;
    if context.json {
        say_json(&rows.iter().map(as_json).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&[
        "seq", "at", "who", "role", "what", "of", "from", "to", "why",
    ]);
    for row in &rows {
        table.row([
            row.seq.to_string(),
            at(row.at),
            row.actor.clone(),
            row.role.clone(),
            row.action.clone(),
            format!("{} {}", row.subject_kind, row.subject),
            row.before.as_deref().map_or_else(dash, short),
            row.after.as_deref().map_or_else(dash, short),
            or_dash(row.why.as_ref()),
        ]);
    }
    table.say("nothing of that was changed");
    filter.before = rows.last().map(|row| row.seq);
    if let Some(last) = rows
        .last()
        .filter(|row| rows.len() as u64 == limit && row.seq > 1)
    {
        say(format!("older ones: --before {}", last.seq));
    }
    Ok(ExitCode::SUCCESS)
}

async fn to_sheet(
    session: &Session,
    merchant: Option<MerchantId>,
    mut filter: AuditFilter,
    most: Option<u64>,
) -> anyhow::Result<()> {
    let heading = [
        "seq",
        "at",
        "who",
        "kind",
        "role",
        "action",
        "subject_kind",
        "subject",
        "from",
        "to",
        "why",
        "hash",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    let mut left = most.unwrap_or(u64::MAX);
    loop {
        let limit = left.min(PAGE);
        let rows = audit::list(&session.app.db, merchant, &filter, limit).await?;
        for row in &rows {
            sheet.row([
                number(row.seq),
                text(Timestamp::from_micros(row.at).to_string()),
                text(&row.actor),
                text(&row.actor_kind),
                text(&row.role),
                text(&row.action),
                text(&row.subject_kind),
                text(&row.subject),
                text(row.before.clone().unwrap_or_default()),
                text(row.after.clone().unwrap_or_default()),
                text(row.why.clone().unwrap_or_default()),
                text(&row.hash),
            ])?;
        }
        sheet.write_out()?;
        let n_rows = rows.len() as u64;
        left -= n_rows.min(left);
        if n_rows < limit || left == 0 {
            return Ok(());
        }
        filter.before = rows.last().map(|row| row.seq);
    }
}

fn short(value: &str) -> String {
    if value.chars().count() <= SHORT {
        return value.to_owned();
    }
    let beginning: String = value.chars().take(SHORT - 1).collect();
    format!("{beginning}…")
}

fn as_json(row: &Model) -> Value {
    let value = |text: &Option<String>| {
        let text = text.as_deref()?;
        serde_json::from_str::<Value>(text).ok()
    };
    json!({
        "seq": row.seq,
        "at": Timestamp::from_micros(row.at).to_string(),
        "who": row.actor,
        "kind": row.actor_kind,
        "role": row.role,
        "action": row.action,
        "subject_kind": row.subject_kind,
        "subject": row.subject,
        "from": value(&row.before),
        "to": value(&row.after),
        "why": row.why,
        "hash": row.hash,
    })
}

async fn show(context: &Context, session: &Session, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let row = audit::entry(&session.app.db, args.trail.of(session), args.seq).await?;
    let row = row.ok_or_else(|| {
        anyhow!(
            "the trail has no entry {}; `marketsink audit list` shows those there are",
            args.seq
        )
    })?;
    if context.json {
        say_json(&as_json(&row))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!(
        "entry {} of {}: {} {} {}",
        row.seq,
        at(row.at),
        row.action,
        row.subject_kind,
        row.subject
    ));
    say(format!(
        "  who   {} ({}, {})",
        row.actor, row.actor_kind, row.role
    ));
    say(format!("  why   {}", or_dash(row.why.as_ref())));
    for (name, value) in [("from", &row.before), ("to", &row.after)] {
        let value = value.as_deref().map(serde_json::from_str::<Value>);
        let value = value.transpose().context("a value is no JSON")?;
        let value = value.map(|value| serde_json::to_string_pretty(&value));
        let value = value.transpose()?.unwrap_or_else(dash);
        say(format!("  {name:5} {}", value.replace('\n', "\n        ")));
    }
    say(format!("  hash  {}", row.hash));
    Ok(ExitCode::SUCCESS)
}

async fn check(context: &Context, session: &Session, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let kept = args.from_head.as_deref();
    let checked = audit::check(&session.app.db, args.trail.of(session), kept).await?;
    let is_whole = checked.breaks.is_empty();
    if context.json {
        let words: Vec<String> = checked.breaks.iter().map(Break::text).collect();
        say_json(&json!({"is_whole": is_whole, "found": words, "checked": checked}))?;
    } else if is_whole {
        say(format!(
            "{} entries, and each is as it was written",
            checked.entries
        ));
    } else {
        for found in &checked.breaks {
            say(found.text());
        }
        say("the trail was tampered with; compare it with a backup of the database");
    }
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn head(context: &Context, session: &Session, args: &HeadArgs) -> anyhow::Result<ExitCode> {
    let head = audit::head(&session.app.db, args.trail.of(session)).await?;
    if context.json {
        say_json(&head)?;
        return Ok(ExitCode::SUCCESS);
    }
    match head {
        Some(head) => say(format!("{} (entry {})", head.hash, head.seq)),
        None => say("nothing was changed yet"),
    }
    Ok(ExitCode::SUCCESS)
}
