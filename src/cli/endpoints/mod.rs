//! `endpoints`: other programs that are told what happens in the books.

mod change;
mod look;

use super::{
    context::{Context, Session},
    output::{at, or_dash},
};
use crate::domain::{EndpointId, Timestamp};
use crate::outbox::{self, Endpoint, HappeningKind, Told};
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Other programs that are told what happens: add, list, show, test, rotate, pause, resume, remove, deliveries, replay
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink endpoints add https://erp.example.com/hooks\n  marketsink endpoints deliveries 1 --state failed\n  marketsink guide events"
)]
pub enum EndpointsCommand {
    Add(AddArgs),
    List(ListArgs),
    Show(ShowArgs),
    Test(TestArgs),
    Rotate(RotateArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Remove(RemoveArgs),
    Deliveries(DeliveriesArgs),
    Replay(ReplayArgs),
}

/// Adds an address that signed webhooks are sent to; its secret is shown once
///
/// It is told what happens from now on. `marketsink guide events` says what is sent and how to check it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink endpoints add https://erp.example.com/hooks\n  marketsink endpoints add https://erp.example.com/hooks --kind sale.recorded --kind invoice.voided"
)]
pub struct AddArgs {
    /// Where to send
    url: String,
    /// Only this kind of happening; may be given again. Without it all are told
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<HappeningKind>,
    /// A secret of your own: whsec_ and base64 of 24 to 64 random bytes; `-` reads it from standard input
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
}

/// Lists endpoints, whether they are told, and what waits
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink endpoints list\n  marketsink endpoints list --all --json"
)]
pub struct ListArgs {
    /// Removed ones as well
    #[arg(long)]
    all: bool,
}

/// Shows one endpoint with its latest deliveries
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink endpoints show 1")]
pub struct ShowArgs {
    /// Its number, as `marketsink endpoints list` shows it
    endpoint: i64,
}

/// Sends a signed message about nothing, and says what came back; exits with 1 when it was not taken
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink endpoints test 1")]
pub struct TestArgs {
    /// Its number, as `marketsink endpoints list` shows it
    endpoint: i64,
}

/// Replaces the secret; for a while messages carry both signatures
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink endpoints rotate 1\n  marketsink endpoints rotate 1 --overlap-hours 0"
)]
pub struct RotateArgs {
    /// Its number, as `marketsink endpoints list` shows it
    endpoint: i64,
    /// How long the old secret still signs beside the new one; 0 when it has leaked
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=720))]
    overlap_hours: u64,
    /// A secret of your own: whsec_ and base64 of 24 to 64 random bytes; `-` reads it from standard input
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
}

/// Stops telling an endpoint; what happens is kept for it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink endpoints pause 1")]
pub struct PauseArgs {
    /// Its number, as `marketsink endpoints list` shows it
    endpoint: i64,
}

/// Tells an endpoint again, with all that it missed while it was paused or disabled
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink endpoints resume 1")]
pub struct ResumeArgs {
    /// Its number, as `marketsink endpoints list` shows it
    endpoint: i64,
}

/// Tells an endpoint no more, and forgets its secret
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink endpoints remove 1")]
pub struct RemoveArgs {
    /// Its number, as `marketsink endpoints list` shows it
    endpoint: i64,
}

/// Lists what an endpoint was told or is to be told, newest first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink endpoints deliveries 1 --state failed\n  marketsink endpoints deliveries 1 --limit 5000 --csv"
)]
pub struct DeliveriesArgs {
    /// Its number, as `marketsink endpoints list` shows it
    endpoint: i64,
    /// Only those that are so
    #[arg(long, value_parser = ["waiting", "delivered", "failed", "dropped"])]
    state: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// As CSV for a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Tells an endpoint again what it was told or missed; receivers know a repeated message by its id
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink endpoints replay 1 --failed\n  marketsink endpoints replay 1 --since 2026-11-23T00:00:00Z --kind sale.recorded\n  marketsink endpoints replay 1 --sequence 1042"
)]
pub struct ReplayArgs {
    /// Its number, as `marketsink endpoints list` shows it
    endpoint: i64,
    /// What happened then or later, such as 2026-11-23T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// What happened before then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only this kind of happening
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<HappeningKind>,
    /// Only this one
    #[arg(long, value_name = "NUMBER")]
    sequence: Option<i64>,
    /// Only what is about this, such as order:12 or sku:MUG
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only what was given up
    #[arg(long)]
    failed: bool,
}

pub async fn run(context: &Context, command: EndpointsCommand) -> anyhow::Result<ExitCode> {
    match command {
        EndpointsCommand::Add(args) => change::add(context, &args).await?,
        EndpointsCommand::List(args) => look::list(context, &args).await?,
        EndpointsCommand::Show(args) => look::show(context, &args).await?,
        EndpointsCommand::Test(args) => return change::test(context, &args).await,
        EndpointsCommand::Rotate(args) => change::rotate(context, &args).await?,
        EndpointsCommand::Pause(args) => change::pause(context, &args).await?,
        EndpointsCommand::Resume(args) => change::resume(context, &args).await?,
        EndpointsCommand::Remove(args) => change::remove(context, &args).await?,
        EndpointsCommand::Deliveries(args) => look::deliveries(context, &args).await?,
        EndpointsCommand::Replay(args) => change::replay(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn kind(text: &str) -> Result<HappeningKind, String> {
    HappeningKind::parse(text).ok_or_else(|| {
        let names: Vec<&str> = HappeningKind::ALL.iter().map(|one| one.as_str()).collect();
        format!("there are {}", names.join(", "))
    })
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "a time is written so: 2026-11-23T00:00:00Z".to_owned())
}

/// An endpoint that is not removed.
pub(super) async fn listed(session: &Session, id: i64) -> anyhow::Result<Endpoint> {
    let db = session.app.db.read();
    let found = outbox::endpoint(db, session.merchant, EndpointId(id)).await?;
    let endpoint = found.ok_or_else(|| {
        anyhow!("there is no endpoint {id}; `marketsink endpoints list` shows those there are")
    })?;
    if endpoint.state == outbox::EndpointState::Removed {
        bail!("endpoint {id} was removed; add it again");
    }
    Ok(endpoint)
}

pub(super) fn endpoint_json(endpoint: &Endpoint) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": endpoint.id,
        "protocol": endpoint.protocol,
        "url": endpoint.url,
        "kinds": endpoint.kinds,
        "state": endpoint.state,
        "reason": endpoint.state_reason,
        "failures": endpoint.failures,
        "failing_since": time(endpoint.failing_since),
        "rest_until": time(endpoint.rest_until),
        "created_at": at(endpoint.created_at.micros()),
    })
}

/// How a message went, in a line.
pub(super) fn told_in_words(told: &Told) -> String {
    match told {
        Told::Delivered { status, answer } => {
            format!("taken ({}) {answer}", or_dash(*status))
        }
        Told::Failed { status, answer, .. } | Told::Refused { status, answer } => {
            format!("not taken ({}): {answer}", or_dash(*status))
        }
    }
}
