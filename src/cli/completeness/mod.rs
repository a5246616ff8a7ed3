//! `completeness`: whether all orders of a day are in the books, and what is missing.

mod list;
mod run;
mod show;

use super::{
    context::{Context, Session},
    output::tell,
};
use crate::accounts;
use crate::channels::{self, Channel};
use crate::domain::{ChannelId, Day, Timestamp};
use crate::sync::{self, Tally};
use anyhow::{anyhow, bail};
use clap::Subcommand;
use entity::completeness;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Proves for any day and channel that all orders are in the books
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Every morning each channel's yesterday is looked at, and once more the day three days ago. What is missing or
different is fetched, and the day looked at again.

Examples:
  marketsink completeness list
  marketsink completeness show 1 --day 2026-11-22
  marketsink completeness run 1 --day yesterday")]
pub enum CompletenessCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Run(run::RunArgs),
}

pub async fn run(context: &Context, command: CompletenessCommand) -> anyhow::Result<ExitCode> {
    match command {
        CompletenessCommand::List(args) => list::run(context, &args).await,
        CompletenessCommand::Show(args) => show::run(context, &args).await,
        CompletenessCommand::Run(args) => run::run(context, &args).await,
    }
}

/// The day that it is for the merchant.
async fn today(session: &Session) -> anyhow::Result<Day> {
    let zone = accounts::time_zone(&session.app.db, session.merchant).await?;
    Ok(Day::of(session.now(), zone))
}

/// Reads `2026-11-22`, `yesterday` or `today`; a day that has not begun is refused.
fn day(text: &str, today: Day) -> anyhow::Result<Day> {
    let day = match text.trim() {
        "today" => today,
        "yesterday" => today.before(1),
        text => Day::parse(text).ok_or_else(|| {
            anyhow!("`{text}` is no day; write it like 2026-11-22, yesterday or today")
        })?,
    };
    if day > today {
        bail!("{day} has not begun yet");
    }
    Ok(day)
}

/// The channel whose credentials are used: it is the one that is proved.
async fn connection(session: &Session, id: i64) -> anyhow::Result<Channel> {
    let channel = session.channel(id).await?;
    let connection = channels::connection_of(session.app.db.read(), channel.id).await?;
    if connection.id != channel.id {
        tell(format!(
            "channel {} is read through channel {}, whose days hold the orders of both",
            channel.id, connection.id
        ));
    }
    Ok(connection)
}

/// The newest report of a day.
async fn newest(
    session: &Session,
    channel: ChannelId,
    day: Day,
) -> anyhow::Result<Option<completeness::Model>> {
    let (db, merchant) = (&session.app.db, session.merchant);
    let found = sync::completeness_reports(db, merchant, Some(channel), (day, day), 1).await?;
    Ok(found.into_iter().next())
}

fn as_json(report: &completeness::Model) -> Value {
    let before: Option<Value> = report
        .before_closing
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    let at = |micros: i64| Timestamp::from_micros(micros).to_string();
    json!({
        "channel": report.channel_id,
        "day": report.day,
        "state": report.state,
        "answer": sync::sentence(report),
        "reason": report.reason,
        "emulated": report.emulated,
        "from": at(report.window_from),
        "to": at(report.window_to),
        "counts": Tally::of(report),
        "before": before,
        "api_calls": report.api_calls,
        "looked_at": at(report.looked_at),
        "closed_at": report.closed_at.map(at),
    })
}
