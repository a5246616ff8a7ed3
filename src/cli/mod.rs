//! The commands.
//!
//! One file per group of commands. Answers go to standard output, logs and errors to standard error. A command
//! that fails says in one line what failed, why, and what to do; `--json` makes every answer one JSON document.

mod alarms;
mod audit;
mod bundles;
mod buyer;
mod channel;
mod completeness;
mod conflicts;
mod context;
mod csv;
mod dealpos;
mod deliveries;
mod demo;
mod doctor;
mod drift;
mod endpoints;
mod export;
mod find;
mod finding;
mod follow;
mod guide;
mod import;
mod issues;
mod jobs;
mod listings;
mod numbers;
mod orders;
mod outlets;
mod output;
mod payouts;
mod people;
mod prices;
mod quarantine;
mod replay;
mod report;
mod retention;
mod sandbox;
mod scan;
mod scans;
mod schedule;
mod sealing;
mod secrets;
mod serve;
mod setup;
mod sheet;
mod state;
mod stock;
mod sync_log;
mod tokens;
mod webhook;

pub use demo::DemoArgs;

use clap::{Args, CommandFactory, Parser, Subcommand};
use context::Context;
use std::{path::PathBuf, process::ExitCode};

const AFTER_HELP: &str = "\
Exit codes:
  0  it worked
  1  it failed, or the answer is no
  2  the command line was not understood

Settings come from marketsink.toml, from the file that --config or MARKETSINK_CONFIG names, and from
MARKETSINK_* variables; `marketsink config` shows what holds.

Examples:
  marketsink demo
  marketsink channel add woocommerce --url https://shop.example.com --secret consumer_key=- --secret consumer_secret=-
  marketsink find 1042";

#[derive(Debug, Parser)]
#[command(name = "marketsink", version, about, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The settings file, instead of marketsink.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whose channels, orders and stock
    #[arg(long, global = true, value_name = "NAME", default_value = crate::accounts::DEFAULT_MERCHANT)]
    merchant: String,
    /// Answer with one JSON document
    #[arg(long, global = true)]
    json: bool,
    /// Who does it, for the audit trail [default: the name of your account on this machine]
    #[arg(long, global = true, value_name = "NAME")]
    by: Option<String>,
    /// Why, for the audit trail
    #[arg(long, global = true, value_name = "TEXT")]
    why: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Demo(DemoArgs),
    Sandbox(sandbox::SandboxArgs),
    Guide(guide::GuideArgs),
    Migrate(setup::MigrateArgs),
    #[command(subcommand)]
    Channel(channel::ChannelCommand),
    Scan(scan::ScanArgs),
    #[command(subcommand)]
    Scans(scans::ScansCommand),
    #[command(subcommand)]
    Listings(listings::ListingsCommand),
    Drift(drift::DriftArgs),
    Find(find::FindArgs),
    #[command(subcommand)]
    Orders(orders::OrdersCommand),
    #[command(subcommand)]
    Conflicts(conflicts::ConflictsCommand),
    #[command(subcommand)]
    Completeness(completeness::CompletenessCommand),
    #[command(subcommand)]
    Payouts(payouts::PayoutsCommand),
    #[command(subcommand)]
    Deliveries(deliveries::DeliveriesCommand),
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    #[command(subcommand)]
    Replay(replay::ReplayCommand),
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    #[command(subcommand)]
    Stock(stock::StockCommand),
    Export(export::ExportArgs),
    #[command(subcommand)]
    Import(import::ImportCommand),
    #[command(subcommand)]
    Numbers(numbers::NumbersCommand),
    #[command(subcommand)]
    Report(report::ReportCommand),
    #[command(subcommand)]
    Outlets(outlets::OutletsCommand),
    #[command(subcommand)]
    Bundles(bundles::BundlesCommand),
    #[command(subcommand)]
    Prices(prices::PricesCommand),
    #[command(subcommand)]
    Endpoints(endpoints::EndpointsCommand),
    #[command(subcommand, name = "dealpos")]
    DealPos(dealpos::DealPosCommand),
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    #[command(subcommand)]
    Alarms(alarms::AlarmsCommand),
    #[command(subcommand)]
    Issues(issues::IssuesCommand),
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    #[command(subcommand)]
    Secrets(sealing::SecretsCommand),
    SyncLog(sync_log::SyncLogArgs),
    #[command(subcommand)]
    Buyer(buyer::BuyerCommand),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    #[command(subcommand)]
    People(people::PeopleCommand),
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    State(state::StateArgs),
    Config(setup::ConfigArgs),
    Doctor(doctor::DoctorArgs),
}

/// Runs the command that the process was called with.
pub async fn run() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    // The largest command is as large as all of them.
    match Box::pin(obey(global, command)).await {
        Ok(code) => code,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// The tree of commands with their options and help.
pub fn commands() -> clap::Command {
    Cli::command()
}

async fn obey(global: Global, command: Command) -> anyhow::Result<ExitCode> {
    let context = || Context::load(&global);
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Guide(args) => guide::run(&args),
        Command::Serve(args) => serve::run(&context()?, &args).await,
        Command::Sandbox(args) => sandbox::run(&context()?, &args).await,
        Command::Channel(command) => channel::run(&context()?, command).await,
        Command::Scan(args) => scan::run(&context()?, &args).await,
        Command::Scans(command) => scans::run(&context()?, command).await,
        Command::Listings(command) => listings::run(&context()?, command).await,
        Command::Drift(args) => drift::run(&context()?, &args).await,
        Command::Find(args) => find::run(&context()?, &args).await,
        Command::Orders(command) => orders::run(&context()?, command).await,
        Command::Conflicts(command) => conflicts::run(&context()?, command).await,
        Command::Completeness(command) => completeness::run(&context()?, command).await,
        Command::Payouts(command) => payouts::run(&context()?, command).await,
        Command::Deliveries(command) => deliveries::run(&context()?, command).await,
        Command::Quarantine(command) => quarantine::run(&context()?, command).await,
        Command::Jobs(command) => jobs::run(&context()?, command).await,
        Command::Replay(command) => replay::run(&context()?, command).await,
        Command::Webhook(command) => webhook::run(&context()?, command).await,
        Command::SyncLog(args) => sync_log::run(&context()?, &args).await,
        Command::Stock(command) => stock::run(&context()?, command).await,
        Command::Outlets(command) => outlets::run(&context()?, command).await,
        Command::Bundles(command) => bundles::run(&context()?, command).await,
        Command::Prices(command) => prices::run(&context()?, command).await,
        Command::Endpoints(command) => endpoints::run(&context()?, command).await,
        Command::DealPos(command) => dealpos::run(&context()?, command).await,
        Command::Export(args) => export::run(&context()?, &args).await,
        Command::Import(command) => import::run(&context()?, command).await,
        Command::Numbers(command) => numbers::run(&context()?, command).await,
        Command::Report(command) => report::run(&context()?, command).await,
        Command::Schedule(command) => schedule::run(&context()?, command).await,
        Command::Alarms(command) => alarms::run(&context()?, command).await,
        Command::Issues(command) => issues::run(&context()?, command).await,
        Command::Retention(command) => retention::run(&context()?, command).await,
        Command::Secrets(command) => sealing::run(&context()?, command).await,
        Command::Buyer(command) => buyer::run(&context()?, command).await,
        Command::Audit(command) => audit::run(&context()?, command).await,
        Command::People(command) => people::run(&context()?, command).await,
        Command::Tokens(command) => tokens::run(&context()?, command).await,
        Command::State(_) => state::run(&context()?).await,
        Command::Doctor(_) => doctor::run(&global).await,
        Command::Migrate(_) => setup::migrate(&context()?).await,
        Command::Config(_) => setup::config(&context()?),
    }
}
