//! `drift`: our levels and prices beside what channels show, and why they differ.

use super::{
    context::Context,
    listings::price,
    output::{Table, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::domain::Timestamp;
use crate::reports::drift::{self, Difference, DriftClass, DriftPage, DriftQuery, Of};
use clap::Args;
use std::process::ExitCode;

const PAGE: usize = 50;
const PAGE_OF_FILE: usize = 1_000;

/// Compares levels and prices with what channels show, and says why they differ
///
/// Classes: in_flight (a push waits, or the channel was not read since), promotion_reserved, edited_at_marketplace,
/// failed_push, unlinked, unknown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink drift
  marketsink drift 1 --timeline
  marketsink drift 1 --class failed_push --json")]
pub struct DriftArgs {
    /// Only of this channel, as `marketsink channel list` shows it
    channel: Option<i64>,
    /// Only differences of this class
    #[arg(long, value_name = "CLASS", value_parser = class)]
    class: Option<DriftClass>,
    /// Only listings with this in their title or code
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Go on where the page before ended
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    /// Differences at most [default: 50, or all with --csv]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show under each what led to it; --json always does
    #[arg(long)]
    timeline: bool,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with_all = ["json", "timeline"])]
    csv: bool,
}

fn class(name: &str) -> Result<DriftClass, String> {
    DriftClass::parse(name).ok_or_else(|| {
        let names: Vec<&str> = DriftClass::ALL.iter().map(|class| class.as_str()).collect();
        format!("classes are {}", names.join(", "))
    })
}

pub async fn run(context: &Context, args: &DriftArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let channel = match args.channel {
        Some(id) => Some(session.channel(id).await?.id),
        None => None,
    };
    let usual = if args.csv { PAGE_OF_FILE } else { PAGE };
    let mut query = DriftQuery {
        channel,
        class: args.class,
        search: args.search.clone(),
        after: args.after.clone(),
        limit: args.limit.unwrap_or(usual),
    };
    let (now, merchant) = (session.now(), session.merchant);
    let mut sheet = if args.csv {
        Some(Sheet::open(None, HEADING)?)
    } else {
        None
    };
    let page = loop {
        let page = drift::drift(&session.app.db, merchant, &query, now).await?;
        let Some(sheet) = &mut sheet else {
            break page;
        };
        for row in &page.rows {
            write(sheet, row)?;
        }
        sheet.write_out()?;
        query.after.clone_from(&page.next);
        if query.after.is_none() || args.limit.is_some() {
            break page;
        }
    };
    session.close().await?;
    if context.json {
        say_json(&page)?;
    } else if sheet.is_none() {
        show(args, &page);
    }
    Ok(ExitCode::SUCCESS)
}

const HEADING: &[&str] = &[
    "channel",
    "listing",
    "sku",
    "seller_sku",
    "title",
    "of",
    "ours",
    "shown",
    "currency",
    "class",
    "why",
    "read_at",
];

fn write(sheet: &mut Sheet, row: &Difference) -> anyhow::Result<()> {
    sheet.row([
        number(row.channel.0),
        number(row.listing.0),
        text(row.code.clone().unwrap_or_default()),
        text(row.seller_sku.clone().unwrap_or_default()),
        text(&*row.title),
        text(row.of.as_str()),
        number(row.ours),
        number(row.shown),
        text(row.currency.clone().unwrap_or_default()),
        text(row.class.as_str()),
        text(&*row.why),
        text(row.read_at.to_string()),
    ])
}

fn show(args: &DriftArgs, page: &DriftPage) {
    if args.timeline {
        for row in &page.rows {
            show_with_timeline(row);
        }
    } else {
        let heading = [
            "channel", "listing", "sku", "of", "ours", "shown", "class", "why",
        ];
        let mut table = Table::new(&heading);
        for row in &page.rows {
            table.row([
                row.channel.to_string(),
                row.listing.to_string(),
                or_dash(row.code.as_ref().or(row.seller_sku.as_ref())),
                row.of.to_string(),
                value(row, row.ours),
                value(row, row.shown),
                row.class.to_string(),
                row.why.clone(),
            ]);
        }
        table.say("channels show what the books say");
    }
    let totals = page.totals;
    say(format!(
        "{} linked listings are compared: {} levels and {} prices differ; {} listings have no SKU",
        totals.compared, totals.stock, totals.price, totals.unlinked
    ));
    if let Some(next) = &page.next {
        say(format!("go on with --after {next}"));
    }
}

fn value(row: &Difference, value: Option<i64>) -> String {
    if row.of == Of::Price {
        price(value, row.currency.as_deref())
    } else {
        or_dash(value)
    }
}

fn show_with_timeline(row: &Difference) {
    say(format!(
        "channel {}, listing {} ({}), {}: {} ours, {} shown: {}",
        row.channel,
        row.listing,
        or_dash(row.code.as_ref().or(row.seller_sku.as_ref())),
        row.of,
        value(row, row.ours),
        value(row, row.shown),
        row.class
    ));
    say(format!("  {}", row.why));
    for entry in &row.timeline {
        let at = Timestamp::from_secs(entry.at.secs());
        say(format!("  {at}  {:<13}  {}", entry.what, entry.text));
    }
}
