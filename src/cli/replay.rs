//! `replay`: taking deliveries and jobs up again; first what would change, then doing it.

mod plan;
mod show;
mod start;
mod wish;

pub use start::{Road, take_up};
pub use wish::{kind, state, time};

use super::{
    context::Context,
    output::{say, say_json},
};
use crate::accounts::Deed;
use crate::domain::ReplayId;
use crate::sync;
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// Takes deliveries and jobs up again, in any number, and tells beforehand what would change
///
/// The work reads the present, and each change of an order is booked once: replaying changes nothing twice.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  marketsink replay plan deliveries --channel 1 --verdict unreadable
  marketsink replay run jobs --state dead --why \"the outage is over\"
  marketsink replay show 3")]
pub enum ReplayCommand {
    #[command(subcommand)]
    Plan(PlanCommand),
    #[command(subcommand)]
    Run(RunCommand),
    List(show::ListArgs),
    Show(show::ShowArgs),
    Cancel(CancelArgs),
}

/// Tells what a replay would change, order by order, and writes nothing at all
///
/// The orders are read back from the marketplace and booked in a transaction that is rolled back.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink replay plan deliveries --verdict unreadable\n  marketsink replay plan jobs --state dead"
)]
pub enum PlanCommand {
    Deliveries(PlanDeliveriesArgs),
    Jobs(PlanJobsArgs),
}

/// What a replay of deliveries would change
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink replay plan deliveries 17 18 19
  marketsink replay plan deliveries --channel 1 --from 2026-11-20 --to 2026-11-21
  marketsink replay plan deliveries --verdict unknown_topic --json")]
pub struct PlanDeliveriesArgs {
    #[command(flatten)]
    which: wish::DeliveriesArgs,
    #[command(flatten)]
    look: plan::LookArgs,
}

/// What a replay of jobs would change
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink replay plan jobs --state dead
  marketsink replay plan jobs --kind fetch_order --channel 1 --error \"429\"")]
pub struct PlanJobsArgs {
    #[command(flatten)]
    which: wish::JobsArgs,
    #[command(flatten)]
    look: plan::LookArgs,
}

/// Takes up again what is selected, in the background
///
/// At most 1000, 60 a minute, unless more is asked for. Who does it and why is written down with it.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink replay run deliveries --verdict unreadable --why \"version 2 reads them\"\n  marketsink replay run jobs --state dead --why \"the outage is over\""
)]
pub enum RunCommand {
    Deliveries(RunDeliveriesArgs),
    Jobs(RunJobsArgs),
}

/// Takes deliveries up again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink replay run deliveries 17 18 --why \"the shop asked\"
  marketsink replay run deliveries --channel 1 --from 2026-11-20 --to 2026-11-21 --limit 5000 --rate 300 --why \"lost\" --wait")]
pub struct RunDeliveriesArgs {
    #[command(flatten)]
    which: wish::DeliveriesArgs,
    #[command(flatten)]
    pace: start::PaceArgs,
}

/// Does the work of jobs again: those that were given up are revived, those that have ended are repeated
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink replay run jobs --state dead --why \"the outage is over\"
  marketsink replay run jobs --kind fetch_order --state done --from 2026-11-20 --to 2026-11-21 --why \"checked\"")]
pub struct RunJobsArgs {
    #[command(flatten)]
    which: wish::JobsArgs,
    #[command(flatten)]
    pace: start::PaceArgs,
}

/// Takes up nothing more; what was taken up already is followed to its end
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink replay cancel 3 --why \"too many\"")]
pub struct CancelArgs {
    /// The replay, by its number in `marketsink replay list`
    replay: i64,
}

pub async fn run(context: &Context, command: ReplayCommand) -> anyhow::Result<ExitCode> {
    match command {
        ReplayCommand::Plan(PlanCommand::Deliveries(args)) => {
            plan::run(context, &wish::Which::Deliveries(args.which), &args.look).await
        }
        ReplayCommand::Plan(PlanCommand::Jobs(args)) => {
            plan::run(context, &wish::Which::Jobs(args.which), &args.look).await
        }
        ReplayCommand::Run(RunCommand::Deliveries(args)) => {
            start::run(context, &wish::Which::Deliveries(args.which), &args.pace).await
        }
        ReplayCommand::Run(RunCommand::Jobs(args)) => {
            start::run(context, &wish::Which::Jobs(args.which), &args.pace).await
        }
        ReplayCommand::List(args) => show::list(context, &args).await,
        ReplayCommand::Show(args) => show::show(context, &args).await,
        ReplayCommand::Cancel(args) => cancel(context, &args).await,
    }
}

async fn cancel(context: &Context, args: &CancelArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let (id, now) = (ReplayId(args.replay), session.now());
    let by = context.by();
    let note = context
        .why()
        .map_or_else(|| format!("by {by}"), |why| format!("by {by}: {why}"));
    let tx = session.app.db.write_tx().await?;
    let cancelled = sync::cancel_replay(&tx, session.merchant, id, &note, now).await?;
    if !cancelled {
        bail!("there is no replay {id} under way; `marketsink replay list` shows those there are");
    }
    let after = json!({ "state": "cancelled" });
    let deed = Deed::new("replay.cancelled", "replay", id);
    session.record(&tx, deed.to(after)).await?;
    tx.commit().await?;
    session.app.queue.wake();
    session.close().await?;
    if context.json {
        say_json(&json!({ "replay": id, "state": "cancelled" }))?;
    } else {
        say(format!("replay {id} takes up nothing more"));
    }
    Ok(ExitCode::SUCCESS)
}
