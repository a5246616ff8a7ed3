//! `numbers`: how invoices are numbered, and whether a number is missing.

use super::{
    context::{Context, Session},
    output::{Table, say, say_json},
};
use crate::accounts::{self, Deed};
use crate::domain::OutletId;
use crate::sales::{self, DEFAULT_FORMAT, NumberFormat, Reset};
use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// How invoices are numbered: show, format, code, check
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink numbers show\n  marketsink numbers format 'INV/{outlet}/{yyyy}/{seq:6}'"
)]
pub enum NumbersCommand {
    Show(ShowArgs),
    Format(FormatArgs),
    Code(CodeArgs),
    Check(CheckArgs),
}

/// Shows what the next invoice of each outlet will be called
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink numbers show\n  marketsink numbers show --json")]
pub struct ShowArgs {}

/// Says how invoices are numbered from now on; those that have a number keep it
///
/// {outlet} is the outlet's code, {yyyy} or {yy} the year and {mm} the month of the merchant's time zone when the
/// invoice is made, {seq:6} the count with at least six digits, at the end. A number that shows the year begins at 1
/// each year, one that shows the month each month, one that shows neither never again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink numbers format 'INV/{outlet}/{yyyy}/{seq:6}'\n  marketsink numbers format '{outlet}-{yy}{mm}-{seq:4}' --outlet Bandung\n  marketsink numbers format --usual --outlet Bandung"
)]
pub struct FormatArgs {
    /// Such as INV/{outlet}/{yyyy}/{seq:6}
    #[arg(required_unless_present = "usual")]
    format: Option<String>,
    /// Only of this outlet; else of all that have no format of their own
    #[arg(long, value_name = "NAME")]
    outlet: Option<String>,
    /// Go back to what holds without a setting
    #[arg(long, conflicts_with = "format")]
    usual: bool,
}

/// Says what {outlet} stands for in an outlet's numbers: a letter, then letters and digits
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink numbers code Bandung BDG")]
pub struct CodeArgs {
    /// The outlet's name
    outlet: String,
    /// Such as BDG
    code: String,
}

/// Looks for gaps and doubles in all series; exits with 1 when there are any
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink numbers check\n  marketsink numbers check --json")]
pub struct CheckArgs {}

pub async fn run(context: &Context, command: NumbersCommand) -> anyhow::Result<ExitCode> {
    match command {
        NumbersCommand::Show(_) => show(context, context.session().await?).await?,
        NumbersCommand::Format(args) => format(context, &args).await?,
        NumbersCommand::Code(args) => code(context, &args).await?,
        NumbersCommand::Check(_) => return check(context).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(context: &Context, session: Session) -> anyhow::Result<()> {
    let db = &session.app.db;
    let zone = accounts::time_zone(db, session.merchant).await?;
    let rows = sales::numbers(db, session.merchant, zone, session.now()).await?;
    session.close().await?;
    if context.json {
        return say_json(&rows);
    }
    let mut table = Table::new(&["outlet", "code", "format", "begins again", "next"]);
    for row in rows {
        let reset = match row.reset {
            Reset::Never => "never",
            Reset::Yearly => "each year",
            Reset::Monthly => "each month",
        };
        let own = if row.own_format { " (its own)" } else { "" };
        table.row([
            row.name,
            row.code,
            format!("{}{own}", row.format),
            reset.to_owned(),
            row.next,
        ]);
    }
    table.say("there is no outlet yet; `marketsink stock set` opens one");
    Ok(())
}

async fn outlet_named(session: &Session, name: &str) -> anyhow::Result<OutletId> {
    let all = accounts::outlets(&session.app.db, session.merchant).await?;
    let names: Vec<&str> = all.iter().map(|outlet| outlet.name.as_str()).collect();
    let unknown = || {
        anyhow!(
            "no outlet is called `{name}`; there are: {}",
            names.join(", ")
        )
    };
    let found = all.iter().find(|outlet| outlet.name == name);
    found.map(|outlet| OutletId(outlet.id)).ok_or_else(unknown)
}

async fn format(context: &Context, args: &FormatArgs) -> anyhow::Result<()> {
    let format = args
        .format
        .as_deref()
        .map(NumberFormat::parse)
        .transpose()?;
    let session = context.session().await?;
    let outlet = match &args.outlet {
        Some(name) => Some(outlet_named(&session, name).await?),
        None => None,
    };
    let tx = session.app.db.write_tx().await?;
    let now = session.now();
    sales::set_format(&tx, session.merchant, outlet, format.as_ref(), now).await?;
    let subject = args.outlet.as_deref().unwrap_or("all outlets");
    let deed = Deed::new("numbers.format_set", "outlet", subject);
    session
        .record(&tx, deed.to(json!({"format": args.format})))
        .await?;
    tx.commit().await?;
    if !context.json && format.is_none() {
        say(format!(
            "back to the usual; without a setting it is {DEFAULT_FORMAT}"
        ));
    }
    show(context, session).await
}

async fn code(context: &Context, args: &CodeArgs) -> anyhow::Result<()> {
    let code = sales::outlet_code(&args.code)?;
    let session = context.session().await?;
    let outlet = outlet_named(&session, &args.outlet).await?;
    let tx = session.app.db.write_tx().await?;
    sales::set_code(&tx, session.merchant, outlet, &code, session.now()).await?;
    let deed = Deed::new("numbers.code_set", "outlet", &args.outlet);
    session.record(&tx, deed.to(json!({"code": code}))).await?;
    tx.commit().await?;
    show(context, session).await
}

async fn check(context: &Context) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let broken = sales::broken_series(&session.app.db, session.merchant).await?;
    session.close().await?;
    if context.json {
        say_json(&json!({"is_whole": broken.is_empty(), "broken": broken}))?;
    } else if broken.is_empty() {
        say("no invoice number is missing, and none was given twice");
    } else {
        let mut table = Table::new(&["series", "last", "missing", "doubtful"]);
        for row in &broken {
            table.row([
                row.series.clone(),
                row.last.to_string(),
                row.missing.to_string(),
                row.doubtful.to_string(),
            ]);
        }
        table.say("");
    }
    Ok(if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
