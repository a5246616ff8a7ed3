//! Lazada's returned units in our words. An order is told unit by unit, and so are its returns: each unit says how it
//! stands, and which reverse order it belongs to where there is one.
//!
//! How much goes back is not told here: it is what was paid for the units. Whether they are with the seller again is
//! told by pushes alone.
//!
//! Source: /orders/items/get and push types 0 and 10, read 2026-11-23. The words of `return_status` are not in the
//! documents; they are taken to be those of type 10.

use super::{Read, id, is_same_sku, status, text, time, unit};
use crate::domain::{
    Currency, Goods, Money, OrderLine, RemoteId, Return, ReturnLine, ReturnState, Timestamp,
};
use serde_json::Value;

/// Every return among the units of an order.
pub fn returns(
    items: &[Value],
    lines: &[OrderLine],
    currency: Currency,
    version: Timestamp,
) -> Read<Vec<Return>> {
    let mut returns: Vec<Return> = Vec::new();
    for item in items {
        let Some((state, goods, word)) = standing(item) else {
            continue;
        };
        let unit_id = id(item, "order_item_id").ok_or("an item without `order_item_id`")?;
        let remote_id = id(item, "reverse_order_id")
            .filter(|id| id.as_str() != "0")
            .unwrap_or_else(|| RemoteId::from(format!("unit-{unit_id}")));
        let sold = unit(unit_id, item, currency)?;
        let Some(line) = lines.iter().find(|line| is_same_sku(line, &sold)) else {
            continue;
        };
        let changed_at = time(item, "updated_at").unwrap_or(version);
        let told = Return {
            remote_id,
            remote_status: word.to_owned(),
            state,
            version: changed_at,
            reason: text(item, "reason").map(str::to_owned),
            refund: (state == ReturnState::Refunded).then_some(sold.total),
            lines: vec![ReturnLine {
                line: line.remote_id.clone(),
                quantity: 1,
                refund: (state == ReturnState::Refunded).then_some(sold.total),
                goods,
            }],
        };
        match returns.iter_mut().find(|of| of.remote_id == told.remote_id) {
            Some(known) => add(known, told),
            None => returns.push(told),
        }
    }
    Ok(returns)
}

/// How a unit's return stands; `None` where there is none.
fn standing(item: &Value) -> Option<(ReturnState, Goods, &str)> {
    let word = text(item, "return_status").map(str::trim);
    if status(item) == "returned" {
        let goods = word.map_or(Goods::Unknown, goods_of);
        return Some((ReturnState::Refunded, goods, word.unwrap_or("returned")));
    }
    let word = word.filter(|word| !word.is_empty() && !word.starts_with("CANCEL"))?;
    Some((state_of(word), goods_of(word), word))
}

/// By the end of the word: what goes before says who pays and how it travels.
fn state_of(word: &str) -> ReturnState {
    let word = word.to_ascii_uppercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| word.ends_with(end));
    if ends(&["SUCCESS", "REFUND_ISSUED"]) {
        ReturnState::Refunded
    } else if ends(&["CANCELED", "CANCELLED", "REJECT", "REJECTED"]) {
        ReturnState::Closed
    } else if ends(&["SHIPPING_BACK", "RECEIVE_ITEM", "PENDING"]) {
        ReturnState::Accepted
    } else {
        ReturnState::Requested
    }
}

fn goods_of(word: &str) -> Goods {
    let word = word.to_ascii_uppercase();
    if word.ends_with("RECEIVE_ITEM") {
        Goods::Back
    } else if word.ends_with("INIT") || word.ends_with("SHIPPING_BACK") {
        Goods::Coming
    } else {
        Goods::Unknown
    }
}

/// One more unit of the same return. A return is as far as the least of its units.
fn add(known: &mut Return, more: Return) {
    if more.state < known.state {
        known.state = more.state;
        known.remote_status = more.remote_status;
    }
    known.version = known.version.max(more.version);
    known.refund = match (known.refund, more.refund) {
        (Some(one), Some(other)) => Some(sum(one, other)),
        (one, other) => one.or(other),
    };
    for line in more.lines {
        let same = known.lines.iter_mut().find(|of| of.line == line.line);
        let Some(same) = same else {
            known.lines.push(line);
            continue;
        };
        same.quantity += line.quantity;
        same.refund = same
            .refund
            .zip(line.refund)
            .map(|(one, other)| sum(one, other));
        if same.goods != line.goods {
            same.goods = Goods::Unknown;
        }
    }
}

fn sum(one: Money, other: Money) -> Money {
    Money {
        minor: one.minor.saturating_add(other.minor),
        ..one
    }
}
