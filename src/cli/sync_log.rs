//! `sync-log`: every step of every order, by channel and day, with whether it was taken; and the orders behind it.

use super::{
    context::{Context, Session},
    output::{Table, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::accounts;
use crate::domain::{ChannelId, Day};
use crate::reports::sync_log::{self, PUSH, SyncLogOrder, SyncLogPage, SyncLogQuery, SyncLogRow};
use crate::sales::{Step, StepOutcome};
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// Days that are shown when none are named.
const DAYS: u64 = 7;
/// Orders of a page.
const PAGE: usize = 1_000;

/// Shows each step of orders with success, wrong status and missing, by channel and day
///
/// Steps are counted on the day on which their order was placed, pushes on the day on which a listing was last told.
/// Any range of days may be asked for. Exits with 1 when something is wrong or missing.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Outcomes: success, wrong_status (in the books, not as the marketplace says), missing (not in the books)

Examples:
  marketsink sync-log
  marketsink sync-log --from 2026-01-01 --to 2026-11-30 --step add_payment --csv
  marketsink sync-log orders --outcome missing"
)]
pub struct SyncLogArgs {
    #[command(subcommand)]
    command: Option<SyncLogCommand>,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum SyncLogCommand {
    Orders(OrdersArgs),
}

/// Lists the orders behind the counts, with the reason and what to do
///
/// Pushes are no orders': `marketsink stock pushes` lists them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink sync-log orders --outcome missing
  marketsink sync-log orders --channel 1 --step add_payment --outcome wrong_status --csv")]
struct OrdersArgs {
    #[command(flatten)]
    which: Which,
    /// Go on behind this place, `next` of the page before
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    /// Steps at most; a page holds whole orders
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

#[derive(Debug, Args)]
struct Which {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// From this day on, in the merchant's time zone [default: six days ago]
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// To this day, which belongs to it [default: today]
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Only this step, such as create_invoice, or push
    #[arg(long, value_parser = step)]
    step: Option<String>,
    /// Only with this outcome
    #[arg(long, value_parser = outcome)]
    outcome: Option<StepOutcome>,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

fn step(name: &str) -> Result<String, String> {
    if name == PUSH || Step::parse(name).is_some() {
        return Ok(name.to_owned());
    }
    let known: Vec<&str> = Step::ALL.iter().map(|step| step.as_str()).collect();
    Err(format!("there are {} and {PUSH}", known.join(", ")))
}

fn outcome(name: &str) -> Result<StepOutcome, String> {
    StepOutcome::parse(name).ok_or_else(|| "there are success, wrong_status and missing".to_owned())
}

pub async fn run(context: &Context, args: &SyncLogArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Some(SyncLogCommand::Orders(args)) => orders(context, args).await,
        None => summary(context, &args.which).await,
    }
}

async fn query(session: &Session, which: &Which) -> anyhow::Result<SyncLogQuery> {
    if let Some(id) = which.channel {
        session.channel(id).await?;
    }
    let zone = accounts::time_zone(&session.app.db, session.merchant).await?;
    let today = Day::of(session.now(), zone);
    let day = |text: &Option<String>, default: Day| match text.as_deref().map(str::trim) {
        None => Ok(default),
        Some("today") => Ok(today),
        Some("yesterday") => Ok(today.before(1)),
        Some(text) => Day::parse(text).ok_or_else(|| {
            anyhow!("`{text}` is no day; write it like 2026-11-22, yesterday or today")
        }),
    };
    let to = day(&which.to, today)?;
    let from = day(&which.from, to.before(DAYS - 1))?;
    if from > to {
        bail!("{from} is after {to}");
    }
    Ok(SyncLogQuery {
        channel: which.channel.map(ChannelId),
        days: (from, to),
        step: which.step.clone(),
        outcome: which.outcome,
    })
}

async fn summary(context: &Context, which: &Which) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let query = query(&session, which).await?;
    let rows = sync_log::sync_log(&session.app.queue, session.merchant, &query).await?;
    session.close().await?;
    let is_fine = rows
        .iter()
        .all(|row| row.counts.wrong_status == 0 && row.counts.missing == 0);
    if context.json {
        say_json(&json!({"from": query.days.0, "to": query.days.1, "rows": rows}))?;
    } else if which.csv {
        summary_sheet(&rows)?;
    } else {
        say_summary(&rows);
    }
    Ok(if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say_summary(rows: &[SyncLogRow]) {
    let mut table = Table::new(&[
        "day",
        "channel",
        "step",
        "success",
        "wrong status",
        "missing",
    ]);
    for row in rows {
        table.row([
            row.day.to_string(),
            format!("{} {}", row.channel, row.name),
            row.step.replace('_', " "),
            row.counts.success.to_string(),
            row.counts.wrong_status.to_string(),
            row.counts.missing.to_string(),
        ]);
    }
    table.say("no order was placed in these days");
    let sum = |of: fn(&SyncLogRow) -> u64| rows.iter().map(of).sum::<u64>();
    let (wrong, missing) = (
        sum(|row| row.counts.wrong_status),
        sum(|row| row.counts.missing),
    );
    if wrong + missing > 0 {
        say(format!(
            "{wrong} of wrong status, {missing} missing: `marketsink sync-log orders --outcome missing` lists them with \
             what to do"
        ));
    }
}

fn summary_sheet(rows: &[SyncLogRow]) -> anyhow::Result<()> {
    let heading = [
        "day",
        "channel",
        "channel_name",
        "step",
        "success",
        "wrong_status",
        "missing",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    let count = |n: u64| number(i64::try_from(n).unwrap_or(i64::MAX));
    for row in rows {
        sheet.row([
            text(row.day.to_string()),
            number(row.channel.0),
            text(row.name.as_str()),
            text(row.step.as_str()),
            count(row.counts.success),
            count(row.counts.wrong_status),
            count(row.counts.missing),
        ])?;
    }
    sheet.write_out()
}

async fn orders(context: &Context, args: &OrdersArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let query = query(&session, &args.which).await?;
    if args.which.csv {
        orders_sheet(&session, &query).await?;
        session.close().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let (after, limit) = (args.after.as_deref(), args.limit as usize);
    let page = page(&session, &query, after, limit).await?;
    session.close().await?;
    if context.json {
        say_json(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&[
        "day",
        "channel",
        "order",
        "step",
        "outcome",
        "why",
        "what to do",
    ]);
    for row in &page.rows {
        table.row([
            row.day.to_string(),
            format!("{} {}", row.channel, row.name),
            row.number.clone(),
            row.step.replace('_', " "),
            row.outcome.as_str().replace('_', " "),
            or_dash(row.reason.as_deref()),
            or_dash(row.command.as_deref()),
        ]);
    }
    table.say("there is nothing of the kind in these days");
    if let Some(next) = &page.next {
        say(format!("there are more: --after {next}"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn page(
    session: &Session,
    query: &SyncLogQuery,
    after: Option<&str>,
    limit: usize,
) -> anyhow::Result<SyncLogPage> {
    let (queue, merchant) = (&session.app.queue, session.merchant);
    Ok(sync_log::sync_log_orders(queue, merchant, query, after, limit).await?)
}

async fn orders_sheet(session: &Session, query: &SyncLogQuery) -> anyhow::Result<()> {
    let heading = [
        "day",
        "channel",
        "channel_name",
        "order",
        "order_id",
        "step",
        "outcome",
        "why",
        "what_to_do",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    let mut after: Option<String> = None;
    loop {
        let page = page(session, query, after.as_deref(), PAGE).await?;
        for row in &page.rows {
            sheet.row(cells(row))?;
        }
        sheet.write_out()?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn cells(row: &SyncLogOrder) -> [super::sheet::Cell; 9] {
    [
        text(row.day.to_string()),
        number(row.channel.0),
        text(row.name.as_str()),
        text(row.number.as_str()),
        text(row.subject.remote_id.as_str()),
        text(row.step.as_str()),
        text(row.outcome.as_str()),
        text(row.reason.as_deref().unwrap_or_default()),
        text(row.command.as_deref().unwrap_or_default()),
    ]
}
