//! `orders returns` and `orders decide`: what buyers send back, and what becomes of it.

use crate::accounts::Deed;
use crate::cli::{
    context::Context,
    output::{Table, at, money, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::domain::{Handling, ReturnId};
use crate::sales::{self, ReturnFull};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use entity::return_lines;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Lists returns, newest first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink orders returns --open\n  marketsink orders returns --csv > returns.csv"
)]
pub struct ReturnsArgs {
    /// Only those whose goods wait for a decision
    #[arg(long)]
    open: bool,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// As a CSV file
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// What may become of returned goods.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum GoodsArg {
    /// Back on the shelf they were sold from
    Restock,
    /// To the outlet for what must be looked at
    Quarantine,
    /// Worth nothing
    WriteOff,
}

/// Says what becomes of the goods of a return that wait for it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink orders decide 12 --goods restock\n  marketsink orders decide 12 --goods write_off --by Rani --why 'broken glass'"
)]
pub struct DecideArgs {
    /// The return, by its number in `marketsink orders returns`
    id: i64,
    /// What becomes of them
    #[arg(long, value_enum)]
    goods: GoodsArg,
}

pub async fn list(context: &Context, args: &ReturnsArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let (db, merchant) = (&session.app.db, session.merchant);
    let found = sales::list_returns(db.read(), merchant, args.open, args.limit).await?;
    session.close().await?;
    if args.csv {
        say_csv(&found)?;
    } else if context.json {
        say_json(&found.iter().map(to_json).collect::<Vec<_>>())?;
    } else {
        table(&found).say(if args.open {
            "no return waits for a decision"
        } else {
            "nothing was returned"
        });
    }
    Ok(ExitCode::SUCCESS)
}

fn units(full: &ReturnFull, of: fn(&return_lines::Model) -> i64) -> i64 {
    full.lines.iter().map(of).sum()
}

/// `deleted`, or how far it has come.
fn state(full: &ReturnFull) -> &str {
    match full.row.deleted_at {
        Some(_) => "deleted",
        None => &full.row.state,
    }
}

/// Rows of returns.
pub fn table(found: &[ReturnFull]) -> Table {
    let mut table = Table::new(&[
        "return",
        "number",
        "state",
        "reason",
        "units",
        "restocked",
        "quarantined",
        "written off",
        "undecided",
        "recorded",
    ]);
    for full in found {
        let row = &full.row;
        table.row([
            row.id.to_string(),
            row.remote_id.clone(),
            state(full).to_owned(),
            or_dash(row.reason.as_deref()),
            units(full, |line| line.quantity).to_string(),
            units(full, |line| line.restocked).to_string(),
            units(full, |line| line.quarantined).to_string(),
            units(full, |line| line.written_off).to_string(),
            units(full, |line| line.undecided).to_string(),
            at(row.recorded_at),
        ]);
    }
    table
}

/// What was credited of each, in words.
pub fn say_credits(found: &[ReturnFull], currency: &str) {
    for full in found {
        let (id, credited) = (
            &full.row.remote_id,
            money(full.row.credited_minor, currency),
        );
        let claimed = full.row.refund_minor.map(|minor| money(minor, currency));
        say(format!(
            "  return {id}: {} went back, {credited} credited",
            or_dash(claimed)
        ));
    }
}

pub fn to_json(full: &ReturnFull) -> Value {
    let mut told = json!(full.row);
    told["lines"] = json!(full.lines);
    told
}

fn say_csv(found: &[ReturnFull]) -> anyhow::Result<()> {
    let heading = [
        "id",
        "order_id",
        "number",
        "state",
        "reason",
        "units",
        "restocked",
        "quarantined",
        "written_off",
        "undecided",
        "claimed_minor",
        "credited_minor",
        "recorded_at",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    for full in found {
        let row = &full.row;
        sheet.row([
            number(row.id),
            number(row.order_id),
            text(&row.remote_id),
            text(state(full)),
            text(row.reason.clone().unwrap_or_default()),
            number(units(full, |line| line.quantity)),
            number(units(full, |line| line.restocked)),
            number(units(full, |line| line.quarantined)),
            number(units(full, |line| line.written_off)),
            number(units(full, |line| line.undecided)),
            number(row.refund_minor),
            number(row.credited_minor),
            text(at(row.recorded_at)),
        ])?;
    }
    sheet.write_out()
}

pub async fn decide(context: &Context, args: &DecideArgs) -> anyhow::Result<ExitCode> {
    let by = context.by();
    let handling = match args.goods {
        GoodsArg::Restock => Handling::Restock,
        GoodsArg::Quarantine => Handling::Quarantine,
        GoodsArg::WriteOff => Handling::WriteOff,
    };
    let session = context.session().await?;
    let (id, now) = (ReturnId(args.id), session.now());
    let decision = (handling, by, context.why());
    let tx = session.app.db.write_tx().await?;
    let units = sales::decide_return(&tx, session.merchant, id, decision, now)
        .await
        .map_err(|error| anyhow!(error))?;
    let deed = Deed::new("return.decided", "return", id);
    session
        .record(&tx, deed.to(json!({"goods": handling, "units": units})))
        .await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        say_json(&json!({"return": id, "units": units, "goods": handling, "by": by}))?;
    } else {
        say(format!("return {id}: {units} units, {handling}, by {by}"));
    }
    Ok(ExitCode::SUCCESS)
}
