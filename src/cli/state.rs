//! `state`: the whole state of a merchant as text.

use super::{
    context::Context,
    output::{say, say_json},
};
use crate::reports;
use clap::Args;
use std::process::ExitCode;

/// Prints everything that is known as text: channels, orders, stock, listings, work
///
/// The text has no times and no internal ids: two runs that did the same print the same.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink state\n  marketsink state > before.txt")]
pub struct StateArgs {}

pub async fn run(context: &Context) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let text = reports::state_text(&session.app.queue, session.merchant).await?;
    session.close().await?;
    if context.json {
        say_json(&serde_json::json!({"state": text}))?;
    } else {
        say(text.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
