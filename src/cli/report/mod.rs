//! `report`: what was sold, what the stock is worth, and whether the books agree with themselves.

mod returns;
mod sales;
mod valuation;

use super::{
    context::Context,
    output::{say, say_json},
};
use crate::domain::Day;
use crate::reports;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Sales, returns, stock valuation, and whether ledger and documents agree
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink report sales --by day --from 2026-11-01 --to 2026-11-30\n  marketsink report valuation --csv"
)]
pub enum ReportCommand {
    Sales(sales::SalesArgs),
    Returns(returns::ReturnsArgs),
    Valuation(valuation::ValuationArgs),
    Check(CheckArgs),
}

/// Compares the stock ledger, the documents, their steps and the reports; exits with 1 when they do not agree
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink report check\n  marketsink report check --json")]
pub struct CheckArgs {}

pub async fn run(context: &Context, command: ReportCommand) -> anyhow::Result<ExitCode> {
    match command {
        ReportCommand::Sales(args) => sales::run(context, &args).await?,
        ReportCommand::Returns(args) => returns::run(context, &args).await?,
        ReportCommand::Valuation(args) => valuation::run(context, &args).await?,
        ReportCommand::Check(_) => return check(context).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(context: &Context) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let found = reports::agreement(&session.app.db, session.merchant).await?;
    session.close().await?;
    if context.json {
        say_json(&found)?;
    } else {
        for difference in &found.differences {
            say(difference);
        }
        say(format!(
            "{} order lines were compared with the ledger, and all documents with their steps and reports: {} differences",
            found.lines_compared, found.n_differences
        ));
    }
    Ok(if found.n_differences == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("`{text}` is no day; write it as 2026-11-22"))
}
