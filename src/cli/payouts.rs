//! `payouts`: what marketplaces paid out, which fees they kept, and whether these are as expected.

mod file;

use super::{
    context::{Context, Session},
    output::{Table, dash, say, say_json},
    sheet::{self, Sheet},
};
use crate::accounts::Deed;
use crate::domain::{ChannelId, Currency, Money};
use crate::sales::{self, Payout, PayoutQuery};
use anyhow::bail;
use clap::{Args, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// What marketplaces paid out, and the fees they kept: list, show, check, read, import
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink payouts list --channel 1\n  marketsink payouts import payout.csv --channel 1 --apply"
)]
pub enum PayoutsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Check(CheckArgs),
    Read(ReadArgs),
    Import(file::ImportArgs),
}

/// Lists orders that were paid out, with gross, fee and net in minor units
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink payouts list\n  marketsink payouts list --channel 1 --csv payouts.csv"
)]
pub struct ListArgs {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: u64,
    /// Writes a file for a spreadsheet; `-` is standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Shows what was paid out for one order, fee by fee
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink payouts show 1042 --json")]
pub struct ShowArgs {
    /// The order's number
    number: String,
}

/// Holds the fees that were kept against the expected ones; ends with 1 where they differ or are missing
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink payouts check\n  marketsink payouts check --channel 1 --csv differences.csv"
)]
pub struct CheckArgs {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Writes a file for a spreadsheet; `-` is standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Asks a channel's marketplace now for what it paid out, where it can be asked
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink payouts read 1")]
pub struct ReadArgs {
    /// The channel, by its number in `marketsink channel list`
    channel: i64,
}

pub async fn run(context: &Context, command: PayoutsCommand) -> anyhow::Result<ExitCode> {
    match command {
        PayoutsCommand::List(args) => list(context, &args).await,
        PayoutsCommand::Show(args) => show(context, &args.number).await,
        PayoutsCommand::Check(args) => check(context, &args).await,
        PayoutsCommand::Read(args) => read(context, &args).await,
        PayoutsCommand::Import(args) => file::run(context, &args).await,
    }
}

const HEADING: [&str; 9] = [
    "order",
    "channel",
    "currency",
    "total",
    "written off",
    "gross",
    "fee",
    "net",
    "source",
];
/// Rows that are read at once.
const PAGE: u64 = 1_000;

async fn list(context: &Context, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let mut query = PayoutQuery {
        channel: args.channel.map(ChannelId),
        ..PayoutQuery::default()
    };
    let found = all(&session, &mut query, args.limit).await?;
    session.close().await?;
    if let Some(path) = &args.csv {
        write(path, &HEADING, found.iter().map(cells))?;
    } else if context.json {
        say_json(&found)?;
    } else {
        let mut table = Table::new(&HEADING);
        for of in &found {
            table.row([
                of.number.clone(),
                of.channel.to_string(),
                of.currency.clone(),
                amount(of, Some(of.total_minor)),
                amount(of, Some(of.written_off_minor)),
                amount(of, of.gross_minor),
                amount(of, of.fee_minor),
                amount(of, of.net_minor),
                of.source.clone().unwrap_or_default(),
            ]);
        }
        table.say("nothing was paid out yet; `marketsink payouts import FILE` hands payouts over");
    }
    Ok(ExitCode::SUCCESS)
}

async fn all(
    session: &Session,
    query: &mut PayoutQuery,
    limit: u64,
) -> anyhow::Result<Vec<Payout>> {
    let mut found: Vec<Payout> = Vec::new();
    while (found.len() as u64) < limit {
        query.limit = PAGE.min(limit - found.len() as u64);
        let page = sales::payouts(session.app.db.read(), session.merchant, query).await?;
        let is_last = (page.len() as u64) < query.limit;
        query.after = page.last().map_or(query.after, |last| last.order);
        found.extend(page);
        if is_last {
            break;
        }
    }
    Ok(found)
}

fn amount(of: &Payout, minor: Option<i64>) -> String {
    let currency = Currency::from_code(&of.currency).ok();
    match (minor, currency) {
        (Some(minor), Some(currency)) => {
            let shown = Money { minor, currency }.to_string();
            shown.split(' ').next().unwrap_or_default().to_owned()
        }
        (minor, _) => minor.map_or_else(dash, |minor| minor.to_string()),
    }
}

fn cells(of: &Payout) -> [sheet::Cell; 9] {
    [
        sheet::text(of.number.as_str()),
        sheet::number(of.channel),
        sheet::text(of.currency.as_str()),
        sheet::number(of.total_minor),
        sheet::number(of.written_off_minor),
        sheet::number(of.gross_minor),
        sheet::number(of.fee_minor),
        sheet::number(of.net_minor),
        sheet::text(of.source.clone().unwrap_or_default()),
    ]
}

fn write<const N: usize>(
    path: &std::path::Path,
    heading: &[&str; N],
    rows: impl Iterator<Item = [sheet::Cell; N]>,
) -> anyhow::Result<()> {
    let path = (path.as_os_str() != "-").then_some(path);
    let mut sheet = Sheet::open(path, heading)?;
    for row in rows {
        sheet.row(row)?;
    }
    sheet.write_out()
}

async fn show(context: &Context, number: &str) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let mut query = PayoutQuery {
        number: Some(number.to_owned()),
        ..PayoutQuery::default()
    };
    let found = all(&session, &mut query, PAGE).await?;
    session.close().await?;
    if context.json {
        say_json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        bail!("nothing was paid out for an order `{number}` yet");
    }
    for of in &found {
        say(format!("order {} on channel {}", of.number, of.channel));
        say(format!(
            "  gross  {} {}",
            amount(of, of.gross_minor),
            of.currency
        ));
        for fee in &of.fees {
            say(format!("  {}  {}", fee.kind, amount(of, Some(fee.minor))));
        }
        say(format!(
            "  net    {} {}",
            amount(of, of.net_minor),
            of.currency
        ));
        say(format!(
            "  written off with the payment: {}",
            amount(of, Some(of.written_off_minor))
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// One thing that is not as expected.
struct Finding {
    of: Payout,
    expected: Option<i64>,
    what: &'static str,
}

async fn check(context: &Context, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let channels = crate::channels::list(&session.app.db, session.merchant, true).await?;
    let mut findings = Vec::new();
    for missing in [false, true] {
        let mut query = PayoutQuery {
            channel: args.channel.map(ChannelId),
            missing,
            ..PayoutQuery::default()
        };
        for of in all(&session, &mut query, u64::MAX).await? {
            let channel = channels.iter().find(|channel| channel.id.0 == of.channel);
            let settings = channel.map(|channel| &channel.settings);
            let expected =
                settings.and_then(|settings| sales::expected_fee(settings, of.total_minor));
            let tolerance = settings.map_or(0, |settings| settings.fee_tolerance);
            let what = match (of.fee_minor, expected) {
                (None, _) => "not paid out yet",
                (Some(fee), Some(expected))
                    if fee.abs_diff(expected) > tolerance.unsigned_abs() =>
                {
                    "another fee than expected"
                }
                _ => continue,
            };
            findings.push(Finding { of, expected, what });
        }
    }
    session.close().await?;
    let heading = [
        "order", "channel", "currency", "total", "expected", "fee", "what",
    ];
    if let Some(path) = &args.csv {
        let rows = findings.iter().map(|found| {
            [
                sheet::text(found.of.number.as_str()),
                sheet::number(found.of.channel),
                sheet::text(found.of.currency.as_str()),
                sheet::number(found.of.total_minor),
                sheet::number(found.expected),
                sheet::number(found.of.fee_minor),
                sheet::text(found.what),
            ]
        });
        write(path, &heading, rows)?;
    } else if context.json {
        let rows = findings.iter().map(|found| {
            serde_json::json!({"order": found.of.number, "channel": found.of.channel,
                "currency": found.of.currency, "total_minor": found.of.total_minor,
                "expected_minor": found.expected, "fee_minor": found.of.fee_minor,
                "what": found.what})
        });
        say_json(&rows.collect::<Vec<_>>())?;
    } else {
        let mut table = Table::new(&heading);
        for found in &findings {
            table.row([
                found.of.number.clone(),
                found.of.channel.to_string(),
                found.of.currency.clone(),
                amount(&found.of, Some(found.of.total_minor)),
                amount(&found.of, found.expected),
                amount(&found.of, found.of.fee_minor),
                found.what.to_owned(),
            ]);
        }
        table.say("every paid order was paid out, with the fee that was expected");
    }
    Ok(if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn read(context: &Context, args: &ReadArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let channel = session.channel(args.channel).await?;
    if !channel.marketplace.limits().tells_settlements {
        bail!(
            "{} cannot be asked what it paid out; hand its file over with `marketsink payouts import`",
            channel.marketplace.name()
        );
    }
    let connection = channel.connection();
    session
        .record_asked(Deed::new("payouts.read", "channel", connection))
        .await?;
    let settled = session.app.sync.read_settlements(connection).await?;
    session.close().await?;
    if context.json {
        say_json(&settled)?;
    } else {
        say(format!(
            "{} new, {} changed, {} unchanged; {} with another fee than expected",
            settled.new, settled.changed, settled.unchanged, settled.differing
        ));
    }
    Ok(ExitCode::SUCCESS)
}
