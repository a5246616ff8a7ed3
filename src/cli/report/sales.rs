//! `report sales`: what was sold, grouped.

use super::day;
use crate::cli::{
    context::Context,
    output::{Table, money, say, say_json},
    sheet::{Sheet, amount, number, text},
};
use crate::domain::Day;
use crate::reports::sales::{By, SalesQuery, SalesReport, SalesRow, sales};
use anyhow::Context as _;
use clap::Args;

/// Shows what was sold: units, gross, discounts, charges, refunds, fees and net
///
/// A sale is an invoice that is not void, on the day on which it was ordered by the merchant's clock. Each currency has
/// its own rows. total = gross - discounts + charges; net = total - refunds - fees.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink report sales --by day --from 2026-11-01 --to 2026-11-30\n  marketsink report sales --by sku --csv\n  marketsink report sales --by channel --json"
)]
pub struct SalesArgs {
    /// Group by day, month, channel, outlet or sku
    #[arg(long, value_name = "WHAT", default_value = "day", value_parser = by)]
    by: String,
    /// The first day, such as 2026-11-01
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Day>,
    /// The last day, which belongs to it
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<Day>,
    /// Only of this channel, as `marketsink channel list` shows it
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

fn by(name: &str) -> Result<String, String> {
    let known = By::parse(name).map(|by| by.as_str().to_owned());
    known.ok_or_else(|| {
        let names: Vec<&str> = By::ALL.iter().map(|by| by.as_str()).collect();
        format!("sales are grouped by {}", names.join(", "))
    })
}

pub async fn run(context: &Context, args: &SalesArgs) -> anyhow::Result<()> {
    if let (Some(from), Some(to)) = (args.from, args.to) {
        anyhow::ensure!(from <= to, "--from {from} is after --to {to}");
    }
    let session = context.session().await?;
    let channel = match args.channel {
        Some(id) => Some(session.channel(id).await?.id),
        None => None,
    };
    let query = SalesQuery {
        by: By::parse(&args.by).context("the command line has checked it")?,
        from: args.from,
        to: args.to,
        channel,
    };
    let report = sales(&session.app.db, session.merchant, &query).await?;
    session.close().await?;
    if context.json {
        say_json(&report)
    } else if args.csv {
        write(&report)
    } else {
        show(&report);
        Ok(())
    }
}

fn write(report: &SalesReport) -> anyhow::Result<()> {
    let heading = [
        report.by.as_str(),
        "currency",
        "orders",
        "voided",
        "units",
        "gross",
        "discounts",
        "charges",
        "total",
        "refunds",
        "fees",
        "net",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    for row in &report.rows {
        let minor = |minor: i64| amount(minor, &row.currency);
        sheet.row([
            text(&*row.key),
            text(&*row.currency),
            number(row.orders),
            number(row.voided),
            number(row.units),
            minor(row.gross_minor),
            minor(row.discounts_minor),
            minor(row.charges_minor),
            minor(row.total_minor),
            minor(row.refunds_minor),
            minor(row.fees_minor),
            minor(row.net_minor),
        ])?;
    }
    sheet.write_out()
}

fn show(report: &SalesReport) {
    let mut table = Table::new(&[
        report.by.as_str(),
        "orders",
        "void",
        "units",
        "gross",
        "discounts",
        "charges",
        "refunds",
        "fees",
        "net",
    ]);
    for row in report.rows.iter().chain(&report.totals) {
        table.row(cells(row));
    }
    table.say("nothing was sold");
    say(format!("days are those of {}", report.time_zone));
}

fn cells(row: &SalesRow) -> [String; 10] {
    let shown = |minor: i64| money(minor, &row.currency);
    [
        row.key.clone(),
        row.orders.to_string(),
        row.voided.to_string(),
        row.units.to_string(),
        shown(row.gross_minor),
        shown(row.discounts_minor),
        shown(row.charges_minor),
        shown(row.refunds_minor),
        shown(row.fees_minor),
        shown(row.net_minor),
    ]
}
