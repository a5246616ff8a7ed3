//! `stock pushes` and `stock compared`.

use super::named::{channel_names, sku_named};
use crate::accounts::Deed;
use crate::catalog;
use crate::cli::{
    context::{Context, Session},
    output::{Table, at, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::domain::{ChannelId, ListingId, SkuId, Source};
use crate::stock::{self, PushFilter};
use clap::Args;
use entity::stock_pushes;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};

const PAGE: u64 = 50;
const MOST: u64 = 1_000;

/// Shows what channels were told about listings, why, and what they answered, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink stock pushes --sku MUG
  marketsink stock pushes --failed
  marketsink stock pushes --failed --channel 1 --retry
  marketsink stock pushes --csv > pushes.csv")]
pub struct PushesArgs {
    /// Only to this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Only of this listing
    #[arg(long, value_name = "ID")]
    listing: Option<i64>,
    /// Only of this SKU
    #[arg(long, value_name = "CODE")]
    sku: Option<String>,
    /// Only those that the channel did not take
    #[arg(long)]
    failed: bool,
    /// Push the listings that are shown again, with the level of now
    #[arg(long, conflicts_with = "csv")]
    retry: bool,
    /// Go on before this push, the last of the page before
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Pushes at most [default: 50, or all with --csv]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Shows what reading listings back found: walks, and listings that showed something else than they were told
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink stock compared
  marketsink stock compared --channel 1 --json
  marketsink schedule run-now 1 compare_stock")]
pub struct ComparedArgs {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Rows of each kind at most
    #[arg(long, value_name = "N", default_value_t = PAGE)]
    limit: u64,
}

pub async fn pushes(context: &Context, args: &PushesArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let sku = match &args.sku {
        Some(code) => Some(sku_named(&session, code).await?),
        None => None,
    };
    let mut filter = PushFilter {
        channel: args.channel.map(ChannelId),
        listing: args.listing.map(ListingId),
        sku,
        failed: args.failed,
        before: args.before,
    };
    let usual = if args.csv { MOST } else { PAGE };
    let limit = args.limit.unwrap_or(usual).clamp(1, MOST);
    if args.csv {
        let mut sheet = Sheet::open(None, HEADING)?;
        loop {
            let (rows, codes) = page(&session, &filter, limit).await?;
            for row in &rows {
                sheet.row(cells(row, &codes))?;
            }
            sheet.write_out()?;
            filter.before = rows.last().map(|row| row.id);
            if args.limit.is_some() || (rows.len() as u64) < limit {
                return session.close().await;
            }
        }
    }
    let (rows, codes) = page(&session, &filter, limit).await?;
    let channels = channel_names(&session).await?;
    let again = if args.retry {
        Some(retry(&session, &rows).await?)
    } else {
        None
    };
    session.close().await?;
    if context.json {
        return say_json(&json!({"pushes": rows, "pushed_again": again}));
    }
    let heading = [
        "id", "at", "channel", "listing", "sku", "told", "because", "source", "try", "answer",
    ];
    let mut table = Table::new(&heading);
    for row in &rows {
        table.row([
            row.id.to_string(),
            at(row.finished_at),
            or_dash(channels.get(&row.channel_id)),
            row.listing_id.to_string(),
            or_dash(codes.get(&SkuId(row.sku_id))),
            row.quantity.to_string(),
            or_dash(row.because.as_ref()),
            row.source.clone(),
            or_dash(row.attempt),
            row.answer.clone().unwrap_or_else(|| "taken".to_owned()),
        ]);
    }
    table.say("nothing of that was pushed");
    if let Some(last) = rows.last().filter(|_| rows.len() as u64 == limit) {
        say(format!("older ones: --before {}", last.id));
    }
    if let Some(n) = again {
        say(format!("{n} pushes are enqueued"));
    }
    Ok(())
}

type Page = (Vec<stock_pushes::Model>, HashMap<SkuId, String>);

async fn page(session: &Session, filter: &PushFilter, limit: u64) -> anyhow::Result<Page> {
    let (db, merchant) = (session.app.db.read(), session.merchant);
    let rows = stock::pushes(db, merchant, filter, limit).await?;
    let skus: BTreeSet<SkuId> = rows.iter().map(|row| SkuId(row.sku_id)).collect();
    let skus: Vec<SkuId> = skus.into_iter().collect();
    let codes = catalog::sku_codes(db, merchant, &skus).await?;
    Ok((rows, codes))
}

async fn retry(session: &Session, rows: &[stock_pushes::Model]) -> anyhow::Result<u64> {
    let wanted: BTreeSet<(ChannelId, ListingId)> = rows
        .iter()
        .map(|row| (ChannelId(row.channel_id), ListingId(row.listing_id)))
        .collect();
    let wanted: Vec<_> = wanted.into_iter().collect();
    let (now, merchant) = (session.now(), session.merchant);
    let tx = session.app.db.write_tx().await?;
    let n = stock::enqueue_listings(&tx, merchant, &wanted, Source::Manual, now).await?;
    let deed = Deed::new("stock.pushed_again", "pushes", wanted.len());
    session.record(&tx, deed.to(json!({"pushes": n}))).await?;
    tx.commit().await?;
    session.app.queue.wake();
    Ok(n)
}

const HEADING: &[&str] = &[
    "id", "at", "channel", "listing", "sku", "quantity", "because", "source", "state", "try",
    "answer",
];

fn cells(
    row: &stock_pushes::Model,
    codes: &HashMap<SkuId, String>,
) -> [crate::cli::sheet::Cell; 11] {
    let code = codes.get(&SkuId(row.sku_id)).cloned();
    [
        number(row.id),
        text(at(row.finished_at)),
        number(row.channel_id),
        number(row.listing_id),
        text(code.unwrap_or_default()),
        number(row.quantity),
        text(row.because.clone().unwrap_or_default()),
        text(&*row.source),
        text(&*row.state),
        number(row.attempt),
        text(row.answer.clone().unwrap_or_default()),
    ]
}

pub async fn compared(context: &Context, args: &ComparedArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let (db, merchant) = (session.app.db.read(), session.merchant);
    let channel = args.channel.map(ChannelId);
    let limit = args.limit.clamp(1, MOST);
    let walks = stock::compares(db, merchant, channel, limit).await?;
    let drifts = stock::drifts(db, merchant, channel, limit).await?;
    let skus: Vec<SkuId> = drifts.iter().map(|row| SkuId(row.sku_id)).collect();
    let codes = catalog::sku_codes(db, merchant, &skus).await?;
    let channels = channel_names(&session).await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({"walks": walks, "drifts": drifts}));
    }
    let mut table = Table::new(&["at", "channel", "listings", "differed", "told again"]);
    for row in &walks {
        table.row([
            at(row.compared_at),
            or_dash(channels.get(&row.channel_id)),
            row.listings.to_string(),
            row.differed.to_string(),
            row.healed.to_string(),
        ]);
    }
    table
        .say("nothing was read back yet; `marketsink schedule run-now CHANNEL compare_stock` does");
    let heading = [
        "at", "channel", "listing", "sku", "told", "should", "shows", "reserved", "outcome",
    ];
    let mut table = Table::new(&heading);
    for row in &drifts {
        table.row([
            at(row.found_at),
            or_dash(channels.get(&row.channel_id)),
            row.listing_id.to_string(),
            or_dash(codes.get(&SkuId(row.sku_id))),
            or_dash(row.told),
            row.wanted.to_string(),
            row.shown.to_string(),
            or_dash(row.reserved),
            row.outcome.clone(),
        ]);
    }
    table.say("every listing that was read back showed what it should");
    Ok(())
}
