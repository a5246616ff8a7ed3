//! Shopee's returns in our words. An order's details say only that there are some; what they are is asked for apart.
//!
//! Source: v2.returns.get_return_list, get_return_detail, and push code 29, read 2026-11-23. That an accepted request
//! is one whose money goes back is inferred: the documents list no state after it.

use super::{Read, id_of, model_of, money, positive, rows, seconds, text, variant_id};
use crate::domain::{
    Currency, Fee, Goods, Money, Order, OrderLine, RemoteId, Return, ReturnLine, ReturnState,
    Settlement, Timestamp,
};
use serde_json::Value;

/// Whether an order has returns that have to be asked for.
pub fn has_returns(row: &Value) -> bool {
    let is_there = |item: &Value| {
        ["return_requested_qty", "returned_qty"]
            .iter()
            .any(|name| positive(item, name).is_some())
    };
    text(row, "order_status") == Some("TO_RETURN") || rows(row, "item_list").iter().any(is_there)
}

/// When the order was placed: its returns are younger.
pub fn placed_at(row: &Value) -> Option<Timestamp> {
    seconds(row, "create_time")
}

/// The order that a return is of.
pub fn order_of(row: &Value) -> Option<RemoteId> {
    id_of(row, "order_sn")
}

/// Of rows of returns those of this order; a return that is listed twice counts once, as it is shown last.
pub fn returns(order: &RemoteId, listed: &[Value], lines: &[OrderLine]) -> Read<Vec<Return>> {
    let mut returns: Vec<Return> = Vec::new();
    for row in listed {
        if order_of(row).as_ref() != Some(order) {
            continue;
        }
        let read = one(row, lines)?;
        returns.retain(|known| known.remote_id != read.remote_id);
        returns.push(read);
    }
    Ok(returns)
}

fn one(row: &Value, lines: &[OrderLine]) -> Read<Return> {
    let id = id_of(row, "return_sn").ok_or("a return has no `return_sn`")?;
    let status = text(row, "status").unwrap_or("UNKNOWN");
    let state = state(status);
    let currency = text(row, "currency").ok_or("a return names no currency")?;
    let currency = Currency::from_code(currency).map_err(|error| error.to_string())?;
    let goods = if status == "PROCESSING" {
        Goods::Coming
    } else {
        Goods::Unknown
    };
    let version = seconds(row, "update_time").or_else(|| seconds(row, "create_time"));
    Ok(Return {
        remote_status: status.to_owned(),
        state,
        version: version.ok_or_else(|| format!("return {id} has no `update_time`"))?,
        reason: text(row, "reason").map(str::to_owned),
        refund: money(row, "refund_amount", currency)?,
        lines: units(row, lines, currency, goods),
        remote_id: id,
    })
}

/// Unknown words are taken for a request that is still open: nothing is booked of one.
fn state(status: &str) -> ReturnState {
    match status {
        "PROCESSING" => ReturnState::Accepted,
        "ACCEPTED" | "REFUND_PAID" => ReturnState::Refunded,
        "CANCELLED" | "CLOSED" => ReturnState::Closed,
        _ => ReturnState::Requested,
    }
}

/// A return names items and models; of several lines with one model those that have room are taken in turn.
fn units(row: &Value, lines: &[OrderLine], currency: Currency, goods: Goods) -> Vec<ReturnLine> {
    let mut told: Vec<ReturnLine> = Vec::new();
    for item in rows(row, "item") {
        let Some(product) = id_of(item, "item_id") else {
            continue;
        };
        let variant = variant_id(&product, model_of(item));
        let mut left = positive(item, "amount").unwrap_or(0);
        let price = money(item, "item_price", currency).ok().flatten();
        let same = lines
            .iter()
            .filter(|line| line.product_id == product && line.variant_id == variant);
        for line in same {
            let taken = told.iter().find(|of| of.line == line.remote_id);
            let room = line.open_quantity() - taken.map_or(0, |of| of.quantity);
            let quantity = left.min(room);
            if quantity <= 0 {
                continue;
            }
            left -= quantity;
            told.push(ReturnLine {
                line: line.remote_id.clone(),
                quantity,
                refund: price.map(|price| Money {
                    minor: price.minor.saturating_mul(quantity),
                    currency,
                }),
                goods,
            });
        }
    }
    // What the units had cost is not what goes back when only a part does.
    let total: i64 = told
        .iter()
        .filter_map(|of| of.refund)
        .map(|m| m.minor)
        .sum();
    let refund = money(row, "refund_amount", currency).ok().flatten();
    if refund.is_none_or(|refund| refund.minor < total) {
        for line in &mut told {
            line.refund = None;
        }
    }
    told
}

/// What push code 29 tells by itself: that a request came to nothing. Everything else is read from the list.
pub fn closed_by_push(data: &Value, order: &Order) -> Option<Return> {
    if order_of(data).as_ref() != Some(&order.remote_id) {
        return None;
    }
    let updates = rows(data, "updated_values").iter();
    let mut updates = updates.filter(|row| text(row, "update_field") == Some("return_status"));
    let update = updates.next_back()?;
    let status = text(update, "new_value")?;
    (state(status) == ReturnState::Closed).then(|| {
        Some(Return {
            remote_id: id_of(data, "return_sn")?,
            remote_status: status.to_owned(),
            state: ReturnState::Closed,
            version: seconds(update, "update_time")?,
            reason: None,
            refund: None,
            lines: Vec::new(),
        })
    })?
}

/// The fees that a settlement names. Source: v2.payment.get_escrow_detail.
const FEES: [&str; 2] = ["commission_fee", "service_fee"];

/// What was paid out for an order; `None` while nothing was. The settlement itself names no currency.
pub fn settlement(order: &Value, settled: &Value) -> Read<Option<Settlement>> {
    let id = order_of(order).ok_or("it has no `order_sn`")?;
    let currency = text(order, "currency").ok_or("it names no currency")?;
    let currency = Currency::from_code(currency).map_err(|error| error.to_string())?;
    let income = &settled["order_income"];
    let Some(net) = money(income, "escrow_amount", currency)? else {
        return Ok(None);
    };
    let mut fees = Vec::new();
    for kind in FEES {
        if let Some(fee) = money(income, kind, currency)?.filter(|fee| fee.minor != 0) {
            fees.push(Fee {
                kind: kind.to_owned(),
                minor: fee.minor,
            });
        }
    }
    let kept: i64 = fees.iter().map(|fee| fee.minor).sum();
    if net.minor == 0 && kept == 0 {
        return Ok(None);
    }
    Ok(Some(Settlement {
        order: id,
        gross: Money {
            minor: net.minor.saturating_add(kept),
            currency,
        },
        fees,
        net,
        settled_at: None,
    }))
}
