//! `export`: everything that can be listed, as a file.

use super::{
    context::{Context, Session},
    output::say,
    sheet::{Cell, Sheet},
};
use crate::reports::export::{ExportCell, ExportKind, ExportPlace, ExportRow, export_page};
use clap::Args;
use serde_json::{Map, Value};
use std::{path::PathBuf, process::ExitCode};

/// Writes everything of a kind as CSV, or with --json as one JSON list
///
/// Kinds: orders, invoices, lines, steps, returns, return_lines, conflicts, movements, levels, oversold, payouts, skus,
/// listings, pushes, drifts, stock_rules, price_rules, price_pushes, scans, changes, downloads, completeness,
/// completeness_orders, deliveries, events, jobs, happenings, told, schedules, alarms, notices, imports, channels, outlets.
/// Columns keep their names and order. Times are UTC, amounts whole minor units. Texts that a spreadsheet would calculate
/// are made harmless. Files of any size take little memory.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink export orders > orders.csv\n  marketsink export movements --to movements.csv\n  marketsink export skus --json\n  marketsink export orders --columns"
)]
pub struct ExportArgs {
    /// What to write, such as orders
    #[arg(value_parser = kind)]
    kind: ExportKind,
    /// Write CSV, as without --json
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write to this file
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    to: Option<PathBuf>,
    /// Print the names of the columns alone
    #[arg(long)]
    columns: bool,
}

fn kind(name: &str) -> Result<ExportKind, String> {
    ExportKind::parse(name).ok_or_else(|| {
        let names: Vec<&str> = ExportKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("kinds are {}", names.join(", "))
    })
}

pub async fn run(context: &Context, args: &ExportArgs) -> anyhow::Result<ExitCode> {
    if args.columns {
        for column in args.kind.columns() {
            say(column);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let session = context.session().await?;
    if context.json {
        write_json(&session, args.kind).await?;
    } else {
        write_csv(&session, args).await?;
    }
    session.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// The next rows, or none at the end.
async fn next(
    session: &Session,
    kind: ExportKind,
    place: &mut Option<ExportPlace>,
) -> anyhow::Result<Vec<ExportRow>> {
    let Some(after) = place.take() else {
        return Ok(Vec::new());
    };
    let (rows, next) = export_page(&session.app.db, session.merchant, kind, &after).await?;
    *place = next;
    Ok(rows)
}

async fn write_csv(session: &Session, args: &ExportArgs) -> anyhow::Result<()> {
    let mut sheet = Sheet::open(args.to.as_deref(), args.kind.columns())?;
    let mut place = Some(ExportPlace::default());
    while place.is_some() {
        for row in next(session, args.kind, &mut place).await? {
            let cells = row.into_iter().map(|cell| match cell {
                ExportCell::Nothing => Cell::Number(None),
                ExportCell::Number(number) => Cell::Number(Some(number)),
                ExportCell::Text(text) => Cell::Text(text),
            });
            sheet.cells(&cells.collect::<Vec<_>>())?;
        }
        sheet.write_out()?;
    }
    // Without a row there is the heading still.
    sheet.write_out()
}

/// A list of objects, a line each.
async fn write_json(session: &Session, kind: ExportKind) -> anyhow::Result<()> {
    let mut place = Some(ExportPlace::default());
    let mut before = "[";
    while place.is_some() {
        for row in next(session, kind, &mut place).await? {
            let cells = row.into_iter().map(|cell| match cell {
                ExportCell::Nothing => Value::Null,
                ExportCell::Number(number) => number.into(),
                ExportCell::Text(text) => text.into(),
            });
            let names = kind.columns().iter().map(|name| (*name).to_owned());
            let object: Map<String, Value> = names.zip(cells).collect();
            say(format!("{before}{}", Value::Object(object)));
            before = ",";
        }
    }
    say(if before == "[" { "[]" } else { "]" });
    Ok(())
}
