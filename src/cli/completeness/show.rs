//! `completeness show`: one day of a channel, order by order.

use super::{as_json, connection, day, newest, today};
use crate::cli::{
    context::Context,
    csv::say_csv,
    output::{Table, at, at_or_dash, money, or_dash, say, say_json},
};
use crate::sync::{self, CompletenessReport, Tally};
use anyhow::bail;
use clap::Args;
use entity::completeness_orders;
use serde_json::json;
use std::process::ExitCode;

/// Shows what a look at a day found: counts, amounts, and every order that there is something to say of
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink completeness show 1
  marketsink completeness show 1 --day 2026-11-22 --csv")]
pub struct ShowArgs {
    /// The channel, by its number in `marketsink channel list`
    channel: i64,
    /// The day in the merchant's time zone: 2026-11-22, yesterday or today
    #[arg(long, default_value = "yesterday")]
    day: String,
    /// Answer with comma-separated values, a line per order
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub async fn run(context: &Context, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let connection = connection(&session, args.channel).await?;
    let day = day(&args.day, today(&session).await?)?;
    let report = newest(&session, connection.id, day).await?;
    let Some(report) = report else {
        session.close().await?;
        bail!(
            "nobody has looked at {day} of channel {id} yet; `marketsink completeness run {id} --day {day}` does",
            id = connection.id
        );
    };
    let found = sync::completeness_orders(&session.app.db, session.merchant, report).await?;
    session.close().await?;
    if args.csv {
        say_as_csv(&found.orders);
    } else if context.json {
        let mut shown = as_json(&found.report);
        shown["orders"] = json!(found.orders);
        say_json(&shown)?;
    } else {
        say_found(&found, &connection.name);
    }
    Ok(ExitCode::SUCCESS)
}

fn say_found(found: &CompletenessReport, name: &str) {
    let report = &found.report;
    let tally = Tally::of(report);
    say(format!(
        "{} of channel {} {name}",
        report.day, report.channel_id
    ));
    say(sync::sentence(report));
    let sides = [
        ("there", tally.theirs, &tally.theirs_value),
        ("in the books", tally.ours, &tally.ours_value),
    ];
    for (side, n, value) in sides {
        say(format!("  {side:14}  {n} orders, {}", sync::amounts(value)));
    }
    say(format!(
        "  {:14}  {}, {} API calls",
        "looked at",
        at(report.looked_at),
        report.api_calls
    ));
    if report.emulated {
        say(
            "  the API has no filter by the time of an order: everything that changed since was listed",
        );
    }
    let mut table = Table::new(&["  order", "what", "there", "in the books", "closed", "why"]);
    for order in &found.orders {
        table.row([
            format!("  {}", order.number),
            order.kind.replace('_', " "),
            side(
                order.theirs_minor,
                order.theirs_currency.as_deref(),
                order.theirs_status.as_deref(),
            ),
            side(
                order.ours_minor,
                order.ours_currency.as_deref(),
                order.ours_status.as_deref(),
            ),
            at_or_dash(order.closed_at),
            order.reason.clone(),
        ]);
    }
    table.say("  there is nothing to say of any order");
}

/// Amount and status.
fn side(minor: Option<i64>, currency: Option<&str>, status: Option<&str>) -> String {
    match minor.zip(currency) {
        Some((minor, currency)) => format!("{} {}", money(minor, currency), or_dash(status)),
        None => or_dash(status),
    }
}

fn say_as_csv(orders: &[completeness_orders::Model]) {
    let heading = [
        "number",
        "id",
        "what",
        "status_there",
        "total_there",
        "status_in_books",
        "total_in_books",
        "closed_at",
        "why",
    ];
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let total = |minor: Option<i64>, currency: &Option<String>| {
        let of = minor.zip(currency.as_deref());
        of.map_or_else(String::new, |(minor, currency)| money(minor, currency))
    };
    let rows = orders.iter().map(|order| {
        [
            order.number.clone(),
            order.remote_id.clone(),
            order.kind.clone(),
            text(&order.theirs_status),
            total(order.theirs_minor, &order.theirs_currency),
            text(&order.ours_status),
            total(order.ours_minor, &order.ours_currency),
            order.closed_at.map_or_else(String::new, at),
            order.reason.clone(),
        ]
    });
    say_csv(heading, rows);
}
