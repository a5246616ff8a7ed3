//! `orders`: downloading them, and telling all that is known about one.

mod download;
mod fetches;
mod numbers;
mod preview;
mod returns;
mod show;
mod wanted;

pub use numbers::time as moment;

use super::context::Context;
use clap::Subcommand;
use std::process::ExitCode;

/// Fetches orders, and tells where one is and why
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink orders show 1042\n  marketsink orders download 1\n  marketsink orders returns --open"
)]
pub enum OrdersCommand {
    Download(download::DownloadArgs),
    Show(show::ShowArgs),
    Returns(returns::ReturnsArgs),
    Decide(returns::DecideArgs),
}

pub async fn run(context: &Context, command: OrdersCommand) -> anyhow::Result<ExitCode> {
    match command {
        OrdersCommand::Download(args) => download::run(context, &args).await,
        OrdersCommand::Show(args) => show::run(context, &args.number).await,
        OrdersCommand::Returns(args) => returns::list(context, &args).await,
        OrdersCommand::Decide(args) => returns::decide(context, &args).await,
    }
}
