//! `import`: files of SKUs, invoices and stock counts.

use super::{
    context::Context,
    output::{Table, at, at_or_dash, say, say_json},
    sheet::{Sheet, text},
};
use crate::accounts::{self, Deed};
use crate::app::App;
use crate::domain::{ChannelId, Currency, Timestamp};
use crate::imports::{self, Import, ImportKind, ImportOptions, Mark, Outcome, TOLD};
use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::{path::PathBuf, process::ExitCode};

/// Takes SKUs, invoices and stock counts from CSV files
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink import template skus > skus.csv\n  marketsink import skus skus.csv --currency IDR\n  marketsink import skus skus.csv --currency IDR --apply\n  marketsink import invoices missing.csv --channel 1 --currency IDR --apply\n  marketsink import list"
)]
pub enum ImportCommand {
    Skus(SkusArgs),
    Invoices(InvoicesArgs),
    Counts(CountsArgs),
    Template(TemplateArgs),
    List(ListArgs),
    Show(ShowArgs),
}

/// Takes SKUs with names, costs, prices and opening stock
///
/// Columns: Code, and if you like Name, Outlet, OpeningStock, Cost, Price, Currency. A SKU that is there is brought up to
/// date where cells are filled in; opening stock is taken once per SKU and outlet.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink import skus skus.csv --currency IDR\n  marketsink import skus skus.csv --currency IDR --apply"
)]
pub struct SkusArgs {
    #[command(flatten)]
    file: FileArgs,
    /// The currency of amounts whose row names none
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Option<Currency>,
}

/// Takes invoices that never arrived from their marketplace
///
/// Columns: Number, Date, Code, Quantity, UnitPrice, and if you like Outlet, Discount, PaymentAmount, and those of a POS
/// export that are not kept: DueDate, SalesPerson, Customer, CustomerEmail, Mobile, TaxType, Note, PaymentMethod. Number
/// is the marketplace's order number: an order that is in the books is left alone, and one that arrives later joins the
/// imported one. The invoice gets a number of our own.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink import invoices missing.csv --channel 1 --currency IDR\n  marketsink import invoices missing.csv --channel 1 --currency IDR --has-left --apply"
)]
pub struct InvoicesArgs {
    #[command(flatten)]
    file: FileArgs,
    /// The channel that sold them, as `marketsink channel list` shows it
    #[arg(long, value_name = "ID")]
    channel: i64,
    /// The currency of all amounts
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Currency,
    /// The goods have left; else they are held for shipping
    #[arg(long)]
    has_left: bool,
}

/// Takes units on hand, as people counted them
///
/// Columns: Code, Units, and if you like Outlet and Note. Units are all there are, those sold and not yet sent included.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink import counts monday.csv\n  marketsink import counts monday.csv --apply --by Sari"
)]
pub struct CountsArgs {
    #[command(flatten)]
    file: FileArgs,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// Comma, semicolon or tab separated, UTF-8
    file: PathBuf,
    /// Look the file through and write nothing, as without --apply
    #[arg(long, conflicts_with = "apply")]
    preview: bool,
    /// Take it into the books, if every row is right
    #[arg(long)]
    apply: bool,
    /// Take a file that was taken before
    #[arg(long, requires = "apply")]
    again: bool,
    /// The sign before decimals [default: a comma in files separated by semicolons]
    #[arg(long, value_enum)]
    decimal: Option<Decimal>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Decimal {
    Point,
    Comma,
}

/// Prints the heading and an example row of a kind of file
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink import template invoices > invoices.csv")]
pub struct TemplateArgs {
    /// skus, invoices or counts
    #[arg(value_parser = kind)]
    kind: ImportKind,
}

/// Lists what was imported, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink import list --json")]
pub struct ListArgs {
    /// Imports at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u64,
}

/// Shows one import
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink import show 3")]
pub struct ShowArgs {
    /// As `marketsink import list` shows it
    id: i64,
}

fn currency(code: &str) -> Result<Currency, String> {
    Currency::from_code(code).map_err(|error| error.to_string())
}

fn kind(name: &str) -> Result<ImportKind, String> {
    ImportKind::parse(name).ok_or_else(|| "kinds are skus, invoices and counts".to_owned())
}

pub async fn run(context: &Context, command: ImportCommand) -> anyhow::Result<ExitCode> {
    match command {
        ImportCommand::Skus(args) => {
            let options = ImportOptions {
                currency: args.currency,
                ..args.file.options(context.by())
            };
            take(context, ImportKind::Skus, &args.file, options).await
        }
        ImportCommand::Invoices(args) => {
            let options = ImportOptions {
                currency: Some(args.currency),
                channel: Some(ChannelId(args.channel)),
                has_left: args.has_left,
                ..args.file.options(context.by())
            };
            take(context, ImportKind::Invoices, &args.file, options).await
        }
        ImportCommand::Counts(args) => {
            take(
                context,
                ImportKind::Counts,
                &args.file,
                args.file.options(context.by()),
            )
            .await
        }
        ImportCommand::Template(args) => template(args.kind),
        ImportCommand::List(args) => list(context, args.limit).await,
        ImportCommand::Show(args) => show(context, args.id).await,
    }
}

impl FileArgs {
    fn options(&self, by: &str) -> ImportOptions {
        ImportOptions {
            mark: self.decimal.map(|decimal| match decimal {
                Decimal::Point => Mark::Point,
                Decimal::Comma => Mark::Comma,
            }),
            again: self.again,
            by: by.to_owned(),
            ..ImportOptions::default()
        }
    }
}

fn template(kind: ImportKind) -> anyhow::Result<ExitCode> {
    let names: Vec<&str> = kind.columns().iter().map(|column| column.name).collect();
    let mut sheet = Sheet::open(None, &names)?;
    let examples = kind.columns().iter().map(|column| text(column.example));
    sheet.cells(&examples.collect::<Vec<_>>())?;
    sheet.write_out()?;
    Ok(ExitCode::SUCCESS)
}

async fn take(
    context: &Context,
    kind: ImportKind,
    file: &FileArgs,
    options: ImportOptions,
) -> anyhow::Result<ExitCode> {
    let app = context.open().await?;
    let now = app.clock.now();
    if kind == ImportKind::Skus && file.apply {
        open_place(&app, &context.merchant, now).await?;
    }
    let merchant = accounts::merchant_named(&app.db, &context.merchant).await?;
    let import = Import {
        merchant,
        kind,
        path: &file.file,
        options: &options,
    };
    if file.apply {
        let deed = Deed::new("import.begun", "file", file.file.display());
        let tx = app.db.write_tx().await?;
        let what = json!({"kind": kind, "again": file.again});
        context
            .record(&tx, Some(merchant), deed.to(what), now)
            .await?;
        tx.commit().await?;
    }
    let outcome = if file.apply {
        imports::take(&app.db, &import, now).await?
    } else {
        imports::examine(&app.db, &import, now).await?
    };
    app.queue.wake();
    app.close().await?;
    if context.json {
        say_json(&json!({"kind": kind, "applied": outcome.import.is_some(), "outcome": outcome}))?;
    } else {
        tell(file, &outcome);
    }
    Ok(if outcome.n_faults == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The first import may be the first thing that a merchant does.
async fn open_place(app: &App, merchant: &str, now: Timestamp) -> anyhow::Result<()> {
    let zone = accounts::DEFAULT_TIME_ZONE;
    let tx = app.db.write_tx().await?;
    let merchant = accounts::open_merchant(&tx, merchant, zone, now).await?;
    tx.commit().await?;
    if accounts::outlets(&app.db, merchant).await?.is_empty() {
        let tx = app.db.write_tx().await?;
        accounts::open_outlet(&tx, merchant, accounts::DEFAULT_OUTLET, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

fn tell(file: &FileArgs, outcome: &Outcome) {
    let mut table = Table::new(&["line", "column", "value", "what is wrong"]);
    for fault in &outcome.faults {
        table.row([
            fault.row.to_string(),
            fault.column.clone().unwrap_or_default(),
            fault.value.clone(),
            fault.problem.clone(),
        ]);
    }
    if !table.is_empty() {
        table.say("");
    }
    if outcome.n_faults > TOLD as u64 {
        say(format!("and {} more", outcome.n_faults - TOLD as u64));
    }
    for note in &outcome.notes {
        say(note);
    }
    say(format!(
        "{} rows: {} new, {} changed, {} as they are in the books, {} wrong",
        outcome.rows, outcome.added, outcome.changed, outcome.unchanged, outcome.n_faults
    ));
    say(match (outcome.import, outcome.taken_before) {
        (Some(id), _) => format!("taken into the books as import {id}"),
        (None, _) if outcome.n_faults > 0 => "nothing is taken while a row is wrong".to_owned(),
        (None, Some(id)) => format!(
            "this file was taken as import {id}: nothing is to be done; --again takes it once more"
        ),
        (None, None) if file.apply => "nothing was to be done".to_owned(),
        (None, None) => "nothing was written; --apply takes it into the books".to_owned(),
    });
}

async fn list(context: &Context, limit: u64) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let rows = imports::imports(&session.app.db, session.merchant, limit).await?;
    session.close().await?;
    if context.json {
        say_json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&[
        "id", "kind", "file", "state", "rows", "done", "new", "changed", "by", "begun",
    ]);
    for row in rows {
        table.row([
            row.id.to_string(),
            row.kind,
            row.file_name,
            row.state,
            row.rows.to_string(),
            row.done_rows.to_string(),
            row.added.to_string(),
            row.changed.to_string(),
            row.by_name,
            at(row.started_at),
        ]);
    }
    table.say("nothing was imported yet");
    Ok(ExitCode::SUCCESS)
}

async fn show(context: &Context, id: i64) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let found = imports::find_import(&session.app.db, session.merchant, id).await?;
    session.close().await?;
    let row = found.ok_or_else(|| {
        anyhow!("there is no import {id}; `marketsink import list` shows those there are")
    })?;
    if context.json {
        say_json(&row)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!(
        "import {} of {}: {}",
        row.id, row.kind, row.file_name
    ));
    say(format!(
        "by {}, begun {}, ended {}",
        row.by_name,
        at(row.started_at),
        at_or_dash(row.finished_at)
    ));
    say(format!(
        "{} of {} rows: {} new, {} changed, {} as they were",
        row.done_rows, row.rows, row.added, row.changed, row.unchanged
    ));
    if row.state != "done" {
        say("it was interrupted; import the same file again, and it goes on");
    }
    say(format!("SHA-256 of the file: {}", row.file_hash));
    Ok(ExitCode::SUCCESS)
}
