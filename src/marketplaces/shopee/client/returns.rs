//! Reading what comes after a sale: returns, which the API lists by time alone, not by order, and settlements.

use super::{Call, details, misread, rows, settlement, unreadable};
use crate::domain::{OrderLine, RemoteId, Return, Settlement, Timestamp, Window};
use crate::marketplaces::{Access, Result, shopee::mapping};
use serde_json::Value;
use std::time::Duration;

const RETURN_LIST: &str = "/api/v2/returns/get_return_list";
/// Longest window of one question. Source: the page of the call.
const LONGEST: Duration = Duration::from_secs(15 * 86_400);
/// Largest page. Source: the page of the call.
const PAGE: usize = 100;
/// How long after an order a buyer may still ask: far more than any country's rules allow.
const LATEST: Duration = Duration::from_secs(90 * 86_400);
/// More pages than that are a list that does not end.
const MOST_PAGES: usize = 1_000;

/// Rows of returns of which this time lies in the window.
async fn listed(access: &Access, time: [&'static str; 2], window: Window) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut from = window.from;
    while from < window.to {
        let to = window.to.min(from + LONGEST);
        for page in 0.. {
            let call = Call::of_shop(RETURN_LIST)
                .with("page_no", page)
                .with("page_size", PAGE)
                .with(time[0], from.secs())
                .with(time[1], to.secs());
            let mut answer = call.ask(access).await?["response"].take();
            let some = rows(&mut answer, "return");
            let is_last = some.is_empty() || answer["more"].as_bool() != Some(true);
            found.extend(some);
            if is_last {
                break;
            }
            if page >= MOST_PAGES {
                return Err(unreadable("the list of returns does not end"));
            }
        }
        from = to;
    }
    Ok(found)
}

/// All returns of an order that has some.
pub async fn returns_of(
    access: &Access,
    order: &RemoteId,
    placed_at: Timestamp,
    lines: &[OrderLine],
    now: Timestamp,
) -> Result<Vec<Return>> {
    // The end is within the window, in whole seconds.
    let now = now + Duration::from_secs(1);
    let window = Window {
        from: placed_at,
        to: now.min(placed_at + LATEST),
    };
    let rows = listed(access, ["create_time_from", "create_time_to"], window).await?;
    let read = mapping::returns(order, &rows, lines);
    read.map_err(|why| misread((order.clone(), why)))
}

/// What was paid out for orders: a call for each.
pub async fn settlements(access: &Access, ids: &[RemoteId]) -> Result<Vec<Settlement>> {
    let found = details(access, ids, "").await?;
    let mut settled = Vec::new();
    for row in &found.rows {
        let Some(order) = mapping::order_of(row) else {
            continue;
        };
        let Some(income) = settlement(access, &order).await? else {
            continue;
        };
        let read = mapping::settlement(row, &income);
        settled.extend(read.map_err(|why| misread((order, why)))?);
    }
    Ok(settled)
}

/// Orders with returns that changed in a window.
pub async fn returned(access: &Access, window: Window) -> Result<Vec<RemoteId>> {
    let rows = listed(access, ["update_time_from", "update_time_to"], window).await?;
    let mut orders: Vec<RemoteId> = rows.iter().filter_map(mapping::order_of).collect();
    orders.sort();
    orders.dedup();
    Ok(orders)
}
