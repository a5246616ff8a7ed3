//! `report returns`: what came back, and what became of it.

use super::day;
use crate::cli::{
    context::Context,
    output::{Table, money, say, say_json},
    sheet::{Sheet, amount, number, text},
};
use crate::domain::Day;
use crate::reports::{self, ReturnsBy, ReturnsReport};
use anyhow::Context as _;
use clap::Args;

/// Shows what came back: returns, units, credits, and what became of the goods
///
/// A return belongs to the day on which it was first heard of, by the merchant's clock. Each currency has its own rows.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink report returns --by reason\n  marketsink report returns --by sku --from 2026-11-01 --csv"
)]
pub struct ReturnsArgs {
    /// Group by day, month, channel, sku or reason
    #[arg(long, value_name = "WHAT", default_value = "day", value_parser = by)]
    by: String,
    /// The first day, such as 2026-11-01
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Day>,
    /// The last day, which belongs to it
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<Day>,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

fn by(name: &str) -> Result<String, String> {
    let known = ReturnsBy::parse(name).map(|by| by.as_str().to_owned());
    known.ok_or_else(|| {
        let names: Vec<&str> = ReturnsBy::ALL.iter().map(|by| by.as_str()).collect();
        format!("returns are grouped by {}", names.join(", "))
    })
}

pub async fn run(context: &Context, args: &ReturnsArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let days = (args.from, args.to);
    let by = ReturnsBy::parse(&args.by).context("the command line has checked it")?;
    let report = reports::returned(&session.app.db, session.merchant, by, days).await?;
    session.close().await?;
    if context.json {
        return say_json(&report);
    }
    if args.csv {
        return write(&report);
    }
    show(&report);
    Ok(())
}

fn write(report: &ReturnsReport) -> anyhow::Result<()> {
    let heading = [
        report.by.as_str(),
        "currency",
        "returns",
        "units",
        "credited",
        "restocked",
        "quarantined",
        "written_off",
        "undecided",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    for row in &report.rows {
        sheet.row([
            text(&*row.key),
            text(&*row.currency),
            number(row.returns),
            number(row.units),
            amount(row.credited_minor, &row.currency),
            number(row.restocked),
            number(row.quarantined),
            number(row.written_off),
            number(row.undecided),
        ])?;
    }
    sheet.write_out()
}

fn show(report: &ReturnsReport) {
    let mut table = Table::new(&[
        report.by.as_str(),
        "returns",
        "units",
        "credited",
        "restocked",
        "quarantined",
        "written off",
        "undecided",
    ]);
    for row in report.rows.iter().chain(&report.totals) {
        table.row([
            row.key.clone(),
            row.returns.to_string(),
            row.units.to_string(),
            money(row.credited_minor, &row.currency),
            row.restocked.to_string(),
            row.quarantined.to_string(),
            row.written_off.to_string(),
            row.undecided.to_string(),
        ]);
    }
    table.say("nothing came back");
    say(format!("days are those of {}", report.time_zone));
}
