//! `stock history` and `stock oversold`.

use super::named::{channel_names, outlet_named, outlet_names, sku_named};
use crate::catalog;
use crate::cli::{
    context::Context,
    output::{Table, at, at_or_dash, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::domain::SkuId;
use crate::stock::{self, Moved, MovedFilter};
use clap::Args;
use std::collections::HashMap;

const PAGE: u64 = 50;
const PAGE_OF_FILE: u64 = 1_000;
const MOST: u64 = 1_000;

/// Shows every movement of a SKU with what caused it and what was there afterwards, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink stock history --sku MUG
  marketsink stock history --sku MUG --outlet Main --csv > mug.csv")]
pub struct HistoryArgs {
    /// Its code
    #[arg(long, value_name = "CODE")]
    sku: String,
    /// Only at this outlet
    #[arg(long)]
    outlet: Option<String>,
    /// Go on before this movement, the last of the page before
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Movements at most [default: 50, or all with --csv]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Shows what was sold more often than it is there, and by which order
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink stock oversold\n  marketsink stock oversold --all --json"
)]
pub struct OversoldArgs {
    /// Also what is covered again
    #[arg(long)]
    all: bool,
}

pub async fn history(context: &Context, args: &HistoryArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let sku = sku_named(&session, &args.sku).await?;
    let outlet = match &args.outlet {
        Some(name) => Some(outlet_named(&session, name).await?),
        None => None,
    };
    let usual = if args.csv { PAGE_OF_FILE } else { PAGE };
    let mut filter = MovedFilter {
        sku,
        outlet,
        before: args.before,
        limit: args.limit.unwrap_or(usual).clamp(1, MOST),
    };
    let outlets = outlet_names(&session).await?;
    let (db, merchant) = (session.app.db.read(), session.merchant);
    if args.csv {
        let mut sheet = Sheet::open(None, HEADING)?;
        loop {
            let page = stock::history(db, merchant, &filter).await?;
            for row in &page {
                sheet.row(cells(row, &or_dash(outlets.get(&row.outlet))))?;
            }
            sheet.write_out()?;
            filter.before = page.last().map(|row| row.id);
            if args.limit.is_some() || (page.len() as u64) < filter.limit {
                return session.close().await;
            }
        }
    }
    let page = stock::history(db, merchant, &filter).await?;
    let channels = channel_names(&session).await?;
    session.close().await?;
    if context.json {
        return say_json(&page);
    }
    let heading = [
        "id",
        "at",
        "outlet",
        "kind",
        "change",
        "on hand",
        "allocated",
        "reserved",
        "because",
    ];
    let mut table = Table::new(&heading);
    for row in &page {
        table.row([
            row.id.to_string(),
            at(row.at.micros()),
            or_dash(outlets.get(&row.outlet)),
            row.kind.clone(),
            change(row),
            row.on_hand.to_string(),
            row.allocated.to_string(),
            row.reserved.to_string(),
            because(row, &channels),
        ]);
    }
    table.say("nothing has moved it yet");
    if let Some(last) = page.last().filter(|_| page.len() as u64 == filter.limit) {
        say(format!("older ones: --before {}", last.id));
    }
    Ok(())
}

const HEADING: &[&str] = &[
    "id",
    "at",
    "outlet",
    "kind",
    "on_hand_delta",
    "allocated_delta",
    "reserved_delta",
    "on_hand",
    "allocated",
    "reserved",
    "order_number",
    "channel",
    "note",
    "reference",
];

fn cells(row: &Moved, outlet: &str) -> [crate::cli::sheet::Cell; 14] {
    [
        number(row.id),
        text(row.at.to_string()),
        text(outlet),
        text(&*row.kind),
        number(row.on_hand_delta),
        number(row.allocated_delta),
        number(row.reserved_delta),
        number(row.on_hand),
        number(row.allocated),
        number(row.reserved),
        text(row.order_number.clone().unwrap_or_default()),
        number(row.channel.map(|channel| channel.0)),
        text(row.note.clone().unwrap_or_default()),
        text(&*row.reference),
    ]
}

fn change(row: &Moved) -> String {
    let parts = [
        ("on hand", row.on_hand_delta),
        ("allocated", row.allocated_delta),
        ("reserved", row.reserved_delta),
    ];
    let moved = parts.iter().filter(|(_, delta)| *delta != 0);
    let said: Vec<String> = moved
        .map(|(what, delta)| format!("{what} {delta:+}"))
        .collect();
    said.join(", ")
}

fn because(row: &Moved, channels: &HashMap<i64, String>) -> String {
    let order = row.order_number.as_ref().map(|number| {
        let channel = row.channel.and_then(|id| channels.get(&id.0));
        format!("order {number} of {}", or_dash(channel))
    });
    let said: Vec<String> = order.into_iter().chain(row.note.clone()).collect();
    said.join("; ")
}

pub async fn oversold(context: &Context, args: &OversoldArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let (db, merchant) = (session.app.db.read(), session.merchant);
    let rows = stock::oversells(db, merchant, args.all, MOST).await?;
    let skus: Vec<SkuId> = rows.iter().map(|row| row.sku).collect();
    let codes = catalog::sku_codes(db, merchant, &skus).await?;
    let outlets = outlet_names(&session).await?;
    session.close().await?;
    if context.json {
        return say_json(&rows);
    }
    let mut table = Table::new(&["sku", "outlet", "missing", "order", "since", "covered"]);
    for row in &rows {
        table.row([
            or_dash(codes.get(&row.sku)),
            or_dash(outlets.get(&row.outlet)),
            row.units.to_string(),
            or_dash(row.order),
            at(row.since.micros()),
            at_or_dash(row.closed_at.map(crate::domain::Timestamp::micros)),
        ]);
    }
    table.say("nothing is oversold");
    Ok(())
}
