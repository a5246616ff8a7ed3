//! Returns as Shopee words them: listed by time, and told by push code 29.

use super::{
    Answer,
    answers::{WRONG_PARAM, model_id, number, times},
};
use crate::domain::{Goods, Money, RemoteId, Timestamp};
use crate::marketplaces::{
    shopee::{mapping::major, webhook::as_number},
    simulation::{Shop, SimOrder, SimRequest, SimReturn, SimReturnState},
};
use serde_json::{Value, json};

const LONGEST_WINDOW_S: i64 = 15 * 86_400;
const LARGEST_PAGE: usize = 100;

pub fn word(of: &SimReturn) -> &'static str {
    match of.state {
        SimReturnState::Requested => "REQUESTED",
        SimReturnState::Accepted => "PROCESSING",
        SimReturnState::Refunded => "ACCEPTED",
        SimReturnState::Refused => "CANCELLED",
    }
}

/// Units of a line in returns that are asked for, and in those that were refunded.
pub fn units(order: &SimOrder, line: usize) -> (i64, i64) {
    let of = |wanted: &dyn Fn(SimReturnState) -> bool| -> i64 {
        let returns = order.returns.iter().filter(|of| wanted(of.state));
        let lines = returns.flat_map(|of| &of.lines);
        lines
            .filter(|of| of.line == line)
            .map(|of| of.quantity)
            .sum()
    };
    (
        of(&|state| state < SimReturnState::Refunded),
        of(&|state| state == SimReturnState::Refunded),
    )
}

/// Newest first.
pub fn list(shop: &Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let bounds = |name: &str| {
        let bound = |end: &str| number::<i64>(request, &format!("{name}_{end}"));
        bound("from").zip(bound("to"))
    };
    let (created, updated) = (bounds("create_time"), bounds("update_time"));
    for (from, to) in created.iter().chain(&updated) {
        if !(0..=LONGEST_WINDOW_S).contains(&(to - from)) {
            return Err(WRONG_PARAM);
        }
    }
    let size = number(request, "page_size").unwrap_or(40);
    let page: usize = number(request, "page_no").unwrap_or(0);
    if !(1..=LARGEST_PAGE).contains(&size) {
        return Err(WRONG_PARAM);
    }
    let is_in = |at: Timestamp, bounds: Option<(i64, i64)>| {
        bounds.is_none_or(|(from, to)| (from..=to).contains(&at.secs()))
    };
    let shown = shop.orders.values().map(|order| order.as_shown(now));
    let all = shown.flat_map(|order| order.returns.iter().map(move |of| (order, of)));
    let mut found: Vec<(&SimOrder, &SimReturn)> = all
        .filter(|(_, of)| is_in(of.created_at, created) && is_in(of.updated_at, updated))
        .collect();
    found.sort_by_key(|(_, of)| std::cmp::Reverse(of.created_at));
    let rows: Vec<Value> = found
        .iter()
        .skip(page * size)
        .take(size)
        .map(|(order, of)| row(shop, order, of))
        .collect();
    Ok(json!({"more": found.len() > (page + 1) * size, "return": rows}))
}

fn row(shop: &Shop, order: &SimOrder, of: &SimReturn) -> Value {
    let items = of.lines.iter().map(|line| {
        let sold = &order.lines[line.line];
        let product = shop.products.get(&sold.product_id);
        json!({"item_id": as_number(&sold.product_id),
            "model_id": product.and_then(|product| model_id(product, &sold.variant_id)),
            "amount": line.quantity, "item_price": times(sold.unit_price, 1)})
    });
    let refund = Money {
        minor: of.refund,
        currency: shop.currency,
    };
    json!({"return_sn": of.id, "order_sn": order.id, "status": word(of), "reason": of.reason,
        "refund_amount": major(refund), "currency": shop.currency,
        "create_time": of.created_at.secs(), "update_time": of.updated_at.secs(), "due_date": 0,
        "needs_logistics": of.goods != Goods::Kept, "item": items.collect::<Vec<_>>()})
}

/// Code and body of push code 29.
pub fn push(shop: &Shop, order: &RemoteId, id: &RemoteId, now: Timestamp) -> Option<(i64, Value)> {
    let of = shop.orders.get(order)?.find_return(id)?;
    let before = if of.state == SimReturnState::Requested {
        ""
    } else {
        "REQUESTED"
    };
    let data = json!({"order_sn": order, "return_sn": of.id, "updated_values": [
        {"update_field": "return_status", "old_value": before, "new_value": word(of),
         "update_time": of.updated_at.secs()}]});
    let body = json!({"data": data, "shop_id": as_number(&shop.remote_id), "code": 29,
        "timestamp": now.secs()});
    Some((29, body))
}
