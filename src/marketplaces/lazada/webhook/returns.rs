//! Returns as Lazada words them: unit by unit, in the order's items and in push type 10.

use super::{number, parts, unit_status};
use crate::domain::{Goods, RemoteId, Timestamp};
use crate::marketplaces::simulation::{Shop, SimOrder, SimReturn, SimReturnState};
use serde_json::{Value, json};

/// The status of one unit of a line, its reverse order and how that stands.
pub fn of_unit(order: &SimOrder, line: usize, unit: i64) -> (&'static str, Value, &'static str) {
    let is_cancelled = unit < order.lines[line].cancelled;
    let plain = unit_status(order, is_cancelled);
    let Some(of) = return_of(order, line, unit).filter(|_| !is_cancelled) else {
        return (plain, json!(""), "");
    };
    let status = match of.state {
        SimReturnState::Refunded => "returned",
        _ => plain,
    };
    (status, json!(of.id), word(of))
}

/// Units that were called off come first, then those of each return.
fn return_of(order: &SimOrder, line: usize, unit: i64) -> Option<&SimReturn> {
    let mut next = order.lines[line].cancelled;
    let standing = order
        .returns
        .iter()
        .filter(|of| of.state != SimReturnState::Refused);
    let refused = order
        .returns
        .iter()
        .filter(|of| of.state == SimReturnState::Refused);
    for of in standing.chain(refused) {
        for its in of.lines.iter().filter(|its| its.line == line) {
            if (next..next + its.quantity).contains(&unit) {
                return Some(of);
            }
            next += its.quantity;
        }
    }
    None
}

fn word(of: &SimReturn) -> &'static str {
    match (of.state, of.goods) {
        (SimReturnState::Refused, Goods::Kept) => "REFUND_REJECTED",
        (SimReturnState::Refused, _) => "RTM_CANCELED",
        (_, Goods::Back) => "RTM_RECEIVE_ITEM",
        (SimReturnState::Refunded, _) => "REFUND_SUCCESS",
        (SimReturnState::Requested, Goods::Kept) => "REFUND_INIT",
        (SimReturnState::Requested, _) => "RTM_INIT",
        (SimReturnState::Accepted, Goods::Kept) => "REFUND_PENDING",
        (SimReturnState::Accepted, _) => "RTM_SHIPPING_BACK",
    }
}

/// Type and data of the pushes of a return: type 10 for each of its units, and type 0 once it is one.
pub fn notifications(
    shop: &Shop,
    order: &RemoteId,
    id: &RemoteId,
    now: Timestamp,
) -> Vec<(i64, Value)> {
    let Some(held) = shop.orders.get(order) else {
        return Vec::new();
    };
    let Some(of) = held.find_return(id) else {
        return Vec::new();
    };
    let (site, seller) = parts(shop);
    let site = format!("lazada_{site}");
    let at = of.updated_at.secs();
    let mut told = Vec::new();
    for (line, sold) in held.lines.iter().enumerate() {
        let units = (0..sold.quantity).zip(sold.first_id..);
        let its = units.filter(|(unit, _)| {
            return_of(held, line, *unit).is_some_and(|found| found.id == of.id)
        });
        for (_, unit) in its {
            let data = json!({"reverse_order_id": number(&of.id), "reverse_order_line_id": unit,
                "reverse_status": word(of), "trade_order_id": number(order),
                "trade_order_line_id": unit, "extraParams": {}, "status_update_time": at});
            let body = json!({"seller_id": seller, "message_type": 10, "data": data,
                "timestamp": now.secs(), "site": site});
            told.push((10, body));
            if of.state == SimReturnState::Refunded {
                let data = json!({"order_status": "returned", "reverse_order_id": of.id,
                    "reverse_order_line_id": unit.to_string(), "status_update_time": at,
                    "trade_order_id": order, "trade_order_line_id": unit.to_string()});
                let body = json!({"seller_id": seller, "message_type": 0, "data": data,
                    "timestamp": now.micros() / 1_000, "site": site});
                told.push((0, body));
            }
        }
    }
    told
}
