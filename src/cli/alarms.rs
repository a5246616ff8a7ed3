//! `alarms`: what somebody should look at, and how many orders webhooks missed.

use super::{
    context::Context,
    output::{Table, at, at_or_dash, say_json},
};
use crate::accounts;
use crate::domain::{ChannelId, MerchantId, Timestamp};
use crate::sync::{self, MissedOfDay};
use clap::{Args, Subcommand};
use entity::alarms;
use sea_orm::DbErr;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Channels that told unusually little and missed something: list, misses
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink alarms list\n  marketsink alarms misses --channel 1 --days 30"
)]
pub enum AlarmsCommand {
    List(ListArgs),
    Misses(MissesArgs),
}

/// Lists the alarms that stand, newest first
///
/// A channel is asked for its orders and products when so few deliveries come that chance explains it less often than
/// once in a thousand looks. An alarm is raised only when that finds what no webhook had named, and it is closed by
/// itself when deliveries come again. It takes 14 days and 50 deliveries to know what is usual on a channel.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink alarms list\n  marketsink alarms list --all --json"
)]
pub struct ListArgs {
    /// Closed ones as well
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

/// Tells per channel and day how many orders no webhook had named
///
/// Counted are orders first seen that day; those that were there before the shop was connected are not among them.
/// Days are those of the merchant's time zone; the last three are counted again every quarter of an hour.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink alarms misses\n  marketsink alarms misses --channel 1 --days 30 --json"
)]
pub struct MissesArgs {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// So many days, today included
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
}

pub async fn run(context: &Context, command: AlarmsCommand) -> anyhow::Result<ExitCode> {
    match command {
        AlarmsCommand::List(args) => list(context, &args).await?,
        AlarmsCommand::Misses(args) => misses(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, args: &ListArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let found = sync::alarms(&session.app.db, session.merchant, args.all, args.limit).await?;
    session.close().await?;
    if context.json {
        return say_json(&found.iter().map(alarm_json).collect::<Vec<_>>());
    }
    let mut table = Table::new(&[
        "channel", "what", "since", "expected", "seen", "found", "raised", "closed",
    ]);
    for alarm in &found {
        table.row([
            alarm.channel_id.to_string(),
            alarm.kind.clone(),
            at(alarm.since),
            expected(alarm.expected_milli),
            alarm.seen.to_string(),
            alarm.found.clone(),
            at(alarm.raised_at),
            at_or_dash(alarm.closed_at),
        ]);
    }
    table.say("no alarm stands; `marketsink alarms list --all` shows those there were");
    Ok(())
}

fn alarm_json(alarm: &alarms::Model) -> Value {
    json!({
        "id": alarm.id,
        "channel": alarm.channel_id,
        "kind": alarm.kind,
        "since": at(alarm.since),
        "expected": alarm.expected_milli as f64 / 1_000.0,
        "seen": alarm.seen,
        "found": alarm.found,
        "raised_at": at(alarm.raised_at),
        "closed_at": alarm.closed_at.map(at),
    })
}

/// Deliveries, to one decimal.
pub(super) fn expected(milli: i64) -> String {
    format!("{:.1}", milli as f64 / 1_000.0)
}

async fn misses(context: &Context, args: &MissesArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    if let Some(id) = args.channel {
        session.channel(id).await?;
    }
    let db = &session.app.db;
    let zone = accounts::zone_of(db.read(), session.merchant).await?;
    let now = session.now();
    let mut found = sync::webhook_misses(db, session.merchant, zone, args.days, now).await?;
    found.retain(|one| args.channel.is_none_or(|id| one.channel == ChannelId(id)));
    session.close().await?;
    if context.json {
        let found: Vec<Value> = found
            .iter()
            .map(|one| {
                json!({
                    "channel": one.channel,
                    "day": one.day,
                    "orders": one.orders,
                    "missed": one.missed,
                    "percent": percent(one.missed, one.orders),
                })
            })
            .collect();
        return say_json(&found);
    }
    let mut table = Table::new(&["day", "channel", "orders", "missed", "percent"]);
    for one in &found {
        table.row([
            one.day.clone(),
            one.channel.to_string(),
            one.orders.to_string(),
            one.missed.to_string(),
            format!("{:.1}", percent(one.missed, one.orders)),
        ]);
    }
    table.say("no order came on these days");
    Ok(())
}

fn percent(missed: i64, orders: i64) -> f64 {
    if orders == 0 {
        return 0.0;
    }
    missed as f64 * 100.0 / orders as f64
}

/// What webhooks missed on a channel in the last week.
pub(super) struct WeekOfMisses {
    pub orders: i64,
    pub missed: i64,
}

impl WeekOfMisses {
    const DAYS: u32 = 7;

    pub async fn of(
        db: &crate::db::Db,
        merchant: MerchantId,
        channel: ChannelId,
        now: Timestamp,
    ) -> Result<Self, DbErr> {
        let zone = accounts::zone_of(db.read(), merchant).await?;
        let all = sync::webhook_misses(db, merchant, zone, Self::DAYS, now).await?;
        let ours = || all.iter().filter(|one| one.channel == channel);
        let sum = |of: fn(&MissedOfDay) -> i64| ours().map(of).sum();
        Ok(Self {
            orders: sum(|one| one.orders),
            missed: sum(|one| one.missed),
        })
    }

    pub fn percent(&self) -> f64 {
        percent(self.missed, self.orders)
    }

    pub fn in_words(&self) -> String {
        if self.orders == 0 {
            return "no order in 7 days".to_owned();
        }
        format!(
            "{} of {} orders in 7 days ({:.1} %)",
            self.missed,
            self.orders,
            self.percent()
        )
    }
}
