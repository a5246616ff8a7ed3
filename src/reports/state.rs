//! The whole state of a merchant as text: one snapshot shows what a scenario did.
//!
//! Stable: names instead of our ids, no times, everything sorted. Two runs that did the same print the same.

use crate::accounts;
use crate::catalog;
use crate::channels::{self, Channel, ChannelError};
use crate::domain::{ListingId, MerchantId, OrderId, OutletId, SkuId};
use crate::inbox;
use crate::queue::{JobFilter, Queue};
use crate::sales::{self, OrderFull, ReturnFull};
use crate::stock;
use crate::sync;
use entity::return_lines;
use std::{collections::HashMap, fmt::Write};

/// Rows of each kind that are printed at most.
const MOST: u64 = 10_000;

/// Prints channels, orders with lines and steps, stock, listings, deliveries and what is left to do.
///
/// # Errors
/// When the database fails or a channel cannot be read.
pub async fn state_text(queue: &Queue, merchant: MerchantId) -> Result<String, ChannelError> {
    let db = queue.db();
    let channels = channels::list(db, merchant, true).await?;
    let names: HashMap<i64, String> = channels
        .iter()
        .map(|channel| (channel.id.0, channel.platform.clone()))
        .collect();
    let skus = catalog::list_skus(db.read(), merchant).await?;
    let codes: HashMap<i64, String> = skus.into_iter().map(|sku| (sku.id, sku.code)).collect();
    let mut text = String::new();
    print_channels(&mut text, &channels);
    print_orders(&mut text, queue, merchant, &names, &codes).await?;
    print_stock(&mut text, queue, merchant, &codes).await?;
    print_listings(&mut text, queue, &channels, &codes).await?;
    print_work(&mut text, queue, merchant, &names).await?;
    Ok(text)
}

fn print_channels(text: &mut String, channels: &[Channel]) {
    line(text, "channels");
    for channel in channels {
        let reason = channel.state_reason.as_deref().unwrap_or("");
        line(
            text,
            &format!("  {} {} {reason}", channel.platform, channel.state.as_str()),
        );
    }
}

async fn print_orders(
    text: &mut String,
    queue: &Queue,
    merchant: MerchantId,
    names: &HashMap<i64, String>,
    codes: &HashMap<i64, String>,
) -> Result<(), ChannelError> {
    line(text, "orders");
    let mut orders = sales::latest_orders(queue.db(), merchant, MOST).await?;
    orders.sort_by(|a, b| (a.channel_id, &a.number).cmp(&(b.channel_id, &b.number)));
    for order in orders {
        let Some(full) = sales::order_full(queue.db(), merchant, OrderId(order.id)).await? else {
            continue;
        };
        print_order(text, &full, names, codes);
    }
    Ok(())
}

fn print_order(
    text: &mut String,
    full: &OrderFull,
    names: &HashMap<i64, String>,
    codes: &HashMap<i64, String>,
) {
    let order = &full.order;
    let platform = names.get(&order.channel_id).map_or("?", String::as_str);
    let paid = if order.paid { "paid" } else { "unpaid" };
    line(
        text,
        &format!(
            "  {platform} {} [{}] {} {paid} {} {} {} by {}",
            order.number,
            order.remote_status,
            order.document,
            order.fulfilment,
            order.total_minor,
            order.currency,
            order.source,
        ),
    );
    if let Some(attention) = &order.attention {
        line(text, &format!("    look: {attention}"));
    }
    let mut lines: Vec<String> = full
        .lines
        .iter()
        .map(|l| {
            let sku = l.sku_id.and_then(|sku| codes.get(&sku));
            let flag = l.flag.as_deref().unwrap_or("");
            format!(
                "    {} x{} cancelled {} allocated {} shipped {} {flag}",
                sku.map_or("?", String::as_str),
                l.quantity,
                l.cancelled,
                l.allocated,
                l.shipped
            )
        })
        .collect();
    lines.sort();
    for l in lines {
        line(text, &l);
    }
    for one in &full.returns {
        line(text, &return_line(one, &order.currency));
    }
    if order.refunded_minor != 0 {
        let (credited, currency) = (order.refunded_minor, &order.currency);
        line(text, &format!("    credited {credited} {currency}"));
    }
    for conflict in full.conflicts.iter().filter(|row| row.state == "open") {
        line(text, &format!("    open: {}", conflict.kind));
    }
    let steps: Vec<&str> = full.steps.iter().map(|step| step.step.as_str()).collect();
    line(text, &format!("    steps: {}", steps.join(", ")));
}

/// In the order they were found; names of returns vary with the marketplace.
fn return_line(full: &ReturnFull, currency: &str) -> String {
    let row = &full.row;
    let sum = |of: fn(&return_lines::Model) -> i64| full.lines.iter().map(of).sum::<i64>();
    let counts = [
        (sum(|line| line.restocked), "restocked"),
        (sum(|line| line.quarantined), "quarantined"),
        (sum(|line| line.written_off), "written off"),
        (sum(|line| line.undecided), "undecided"),
    ];
    let mut told = format!(
        "    return {} x{} credited {} {currency}",
        row.state,
        sum(|line| line.quantity),
        row.credited_minor
    );
    for (units, what) in counts.into_iter().filter(|(units, _)| *units != 0) {
        // Writing to a string cannot fail.
        let _ = write!(told, ", {what} {units}");
    }
    if row.deleted_at.is_some() {
        told.push_str(", deleted");
    }
    told
}

/// Of an outlet beside the first.
fn place(name: &str) -> String {
    if name == sales::QUARANTINE {
        " in quarantine".to_owned()
    } else {
        format!(" at {name}")
    }
}

async fn print_stock(
    text: &mut String,
    queue: &Queue,
    merchant: MerchantId,
    codes: &HashMap<i64, String>,
) -> Result<(), ChannelError> {
    line(text, "stock");
    let code = |sku: SkuId| codes.get(&sku.0).map_or("?", String::as_str).to_owned();
    let outlets: HashMap<OutletId, String> = accounts::outlets(queue.db(), merchant)
        .await?
        .into_iter()
        .skip(1)
        .map(|outlet| (OutletId(outlet.id), place(&outlet.name)))
        .collect();
    let of_outlet = |outlet: OutletId| outlets.get(&outlet).map_or("", String::as_str);
    let mut levels: Vec<String> = stock::levels(queue.db().read(), merchant)
        .await?
        .iter()
        .map(|level| {
            let reserved = match level.reserved {
                0 => String::new(),
                units => format!(" reserved {units}"),
            };
            format!(
                "  {}{} on hand {} allocated {}{reserved} available {}",
                code(level.sku),
                of_outlet(level.outlet),
                level.on_hand,
                level.allocated,
                level.available
            )
        })
        .collect();
    levels.sort();
    for level in levels {
        line(text, &level);
    }
    let oversells = stock::oversells(queue.db().read(), merchant, false, MOST).await?;
    let mut missing: Vec<String> = oversells
        .iter()
        .map(|one| {
            let (sku, outlet) = (code(one.sku), of_outlet(one.outlet));
            format!("  OVERSOLD: {sku}{outlet} by {}", one.units)
        })
        .collect();
    missing.sort();
    for oversell in missing {
        line(text, &oversell);
    }
    for (sku, _) in stock::sums_differ(queue.db(), merchant).await? {
        line(
            text,
            &format!(
                "  BROKEN: the movements of {} do not sum to its level",
                code(sku)
            ),
        );
    }
    Ok(())
}

async fn print_listings(
    text: &mut String,
    queue: &Queue,
    channels: &[Channel],
    codes: &HashMap<i64, String>,
) -> Result<(), ChannelError> {
    line(text, "listings");
    let mut rows = Vec::new();
    for channel in channels {
        let db = queue.db().read();
        let page = catalog::page_of_channel(db, channel.id, ListingId(0), MOST).await?;
        rows.extend(page.into_iter().map(|row| {
            let sku = row.sku_id.and_then(|sku| codes.get(&sku));
            let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
            format!(
                "  {} {} \"{}\" {} sku {} pushed {}",
                channel.platform,
                row.variant_id,
                row.title,
                row.state,
                sku.map_or("-", String::as_str),
                number(row.pushed_quantity)
            )
        }));
    }
    rows.sort();
    for row in rows {
        line(text, &row);
    }
    Ok(())
}

async fn print_work(
    text: &mut String,
    queue: &Queue,
    merchant: MerchantId,
    names: &HashMap<i64, String>,
) -> Result<(), ChannelError> {
    line(text, "deliveries");
    for (verdict, n) in inbox::counts_by_verdict(queue.db(), merchant).await? {
        line(text, &format!("  {verdict} {n}"));
    }
    line(text, "scans");
    let mut scans: Vec<String> = sync::scans(queue.db(), merchant, MOST)
        .await?
        .into_iter()
        .map(|scan| {
            let channel = names.get(&scan.channel_id).map_or("?", String::as_str);
            format!(
                "  {channel} {} {} listings {} added {} changed {} gone {}",
                scan.kind, scan.state, scan.listings, scan.added, scan.changed, scan.gone
            )
        })
        .collect();
    scans.sort();
    for scan in scans {
        line(text, &scan);
    }
    line(text, "left to do");
    let jobs = queue.list(merchant, &JobFilter::default(), MOST).await?;
    let mut left: Vec<String> = jobs
        .into_iter()
        .filter(|job| matches!(job.state.as_str(), "available" | "running" | "dead"))
        .map(|job| {
            let channel = names.get(&job.channel_id).map_or("?", String::as_str);
            let error = job.last_error.unwrap_or_default();
            format!("  {channel} {} {} {error}", job.kind, job.state)
        })
        .collect();
    left.sort();
    for job in left {
        line(text, &job);
    }
    Ok(())
}

fn line(text: &mut String, content: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", content.trim_end());
}
