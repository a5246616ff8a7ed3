//! Returns as webhooks tell them, types 12 and 67: the order's own answer knows nothing of them. And for the
//! simulator back again.
//!
//! Type 12 tells how a request stands, type 67 that money went back, and for which units. Whether both go by one id
//! is not documented: where they do not, the request comes to be refunded without an amount, which books nothing.
//!
//! Source: <https://partner.tiktokshop.com/docv2/page/tts-webhooks-overview>, read 2026-11-23.

use super::{Envelope, Id};
use crate::domain::{
    Currency, Goods, Money, Order, OrderLine, RemoteId, Return, ReturnLine, ReturnState, Timestamp,
};
use crate::marketplaces::{
    VerifiedDelivery,
    simulation::{Shop, SimReturn, SimReturnState},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Request {
    order_id: Id,
    return_id: Id,
    return_type: Option<String>,
    return_status: String,
    create_time: Option<i64>,
    update_time: Option<i64>,
}

#[derive(Deserialize)]
struct Paid {
    aftersales_request_id: Id,
    line_items: Vec<Unit>,
    refund_currency: String,
    refund_total: String,
    refund_status: Option<String>,
    refund_timestamp: Option<i64>,
}

#[derive(Deserialize)]
struct Unit {
    main_order_id: Id,
    sku_id: Id,
}

/// What a delivery tells of the order's returns; nothing when it is about something else or cannot be read.
pub fn told(delivery: &VerifiedDelivery, order: &Order) -> Vec<Return> {
    let Ok(Envelope { kind, data, .. }) = serde_json::from_slice(delivery.body()) else {
        return Vec::new();
    };
    let told = match kind {
        12 => request(data, order),
        67 => paid(data, order),
        _ => None,
    };
    told.into_iter().collect()
}

fn request(data: Value, order: &Order) -> Option<Return> {
    let request: Request = serde_json::from_value(data).ok()?;
    if RemoteId::from(request.order_id) != order.remote_id {
        return None;
    }
    let is_replacement = request.return_type.as_deref() == Some("REPLACEMENT");
    let state = state(&request.return_status);
    let is_done = state == ReturnState::Refunded;
    Some(Return {
        remote_id: request.return_id.into(),
        remote_status: request.return_status,
        state,
        version: Timestamp::from_secs(request.update_time.or(request.create_time)?),
        reason: None,
        refund: (is_replacement && is_done).then_some(Money::zero(order.currency)),
        lines: Vec::new(),
    })
}

/// Unknown words are taken for a request that is still open: nothing is booked of one.
fn state(status: &str) -> ReturnState {
    match status {
        "RETURN_OR_REFUND_REQUEST_COMPLETE"
        | "REPLACEMENT_REQUEST_COMPLETE"
        | "REPLACEMENT_REQUEST_REFUND_SUCCESS" => ReturnState::Refunded,
        "RETURN_OR_REFUND_REQUEST_SUCCESS" | "AWAITING_BUYER_SHIP" | "BUYER_SHIPPED_ITEM" => {
            ReturnState::Accepted
        }
        "RETURN_OR_REFUND_REQUEST_CANCEL"
        | "REFUND_OR_RETURN_REQUEST_REJECT"
        | "REJECT_RECEIVE_PACKAGE"
        | "REPLACEMENT_REQUEST_REJECT"
        | "REPLACEMENT_REQUEST_CANCEL" => ReturnState::Closed,
        _ => ReturnState::Requested,
    }
}

/// A refund of several orders at once does not say how much is whose.
fn paid(data: Value, order: &Order) -> Option<Return> {
    let paid: Paid = serde_json::from_value(data).ok()?;
    let is_its = |unit: &Unit| RemoteId::from(unit.main_order_id.clone()) == order.remote_id;
    let n_units = paid.line_items.len();
    let its: Vec<Unit> = paid.line_items.into_iter().filter(is_its).collect();
    if its.is_empty() {
        return None;
    }
    let is_alone = its.len() == n_units;
    let currency = Currency::from_code(&paid.refund_currency).ok();
    let money = currency.and_then(|currency| Money::parse(&paid.refund_total, currency).ok());
    let status = paid.refund_status.unwrap_or_else(|| "SUCCESS".to_owned());
    Some(Return {
        remote_id: paid.aftersales_request_id.into(),
        state: if status == "SUCCESS" {
            ReturnState::Refunded
        } else {
            ReturnState::Accepted
        },
        remote_status: status,
        version: Timestamp::from_secs(paid.refund_timestamp?),
        reason: None,
        refund: money.filter(|_| is_alone),
        lines: lines(&its, order),
    })
}

/// Units go by their SKU: which of several it was makes no difference, as long as none is named twice.
fn lines(units: &[Unit], order: &Order) -> Vec<ReturnLine> {
    let mut free: Vec<&OrderLine> = order
        .lines
        .iter()
        .filter(|line| line.open_quantity() > 0)
        .collect();
    let taken = units.iter().filter_map(|unit| {
        let sku = RemoteId::from(unit.sku_id.clone());
        let at = free.iter().position(|line| line.variant_id == sku)?;
        Some(free.remove(at))
    });
    taken
        .map(|line| ReturnLine {
            line: line.remote_id.clone(),
            quantity: 1,
            refund: None,
            goods: Goods::Unknown,
        })
        .collect()
}

/// Types, subscriptions and data of what a change of a return is told with.
pub fn notifications(
    shop: &Shop,
    order: &RemoteId,
    id: &RemoteId,
) -> Vec<(u64, &'static str, Value)> {
    let held = shop.orders.get(order);
    let Some(of) = held.and_then(|held| held.find_return(id)) else {
        return Vec::new();
    };
    let at = of.updated_at.secs();
    let kind = match (of.is_exchange, of.goods) {
        (true, _) => "REPLACEMENT",
        (false, Goods::Kept) => "REFUND",
        (false, _) => "RETURN_AND_REFUND",
    };
    let data = json!({"order_id": order, "return_role": "BUYER", "return_type": kind,
        "return_status": word(of), "return_id": of.id, "create_time": of.created_at.secs(),
        "update_time": at});
    let mut told = vec![(12, "RETURN_STATUS_CHANGE", data)];
    if of.state == SimReturnState::Refunded && !of.is_exchange {
        let units = of.lines.iter().flat_map(|line| {
            let sold = held.and_then(|held| held.lines.get(line.line));
            let sku = sold.map(|sold| sold.variant_id.clone());
            (0..line.quantity).map(move |unit| {
                json!({"main_order_id": order, "return_line_item_id": unit.to_string(),
                    "sku_id": sku, "sku_return_request_id": of.id})
            })
        });
        let money = Money {
            minor: of.refund,
            currency: shop.currency,
        };
        let total = money.to_string();
        let data = json!({"aftersales_request_id": of.id, "rma_id": of.id,
            "line_items": units.collect::<Vec<_>>(), "refund_currency": shop.currency.code(),
            "refund_total": total.split(' ').next(), "refund_status": "SUCCESS",
            "refund_timestamp": at});
        told.push((67, "", data));
    }
    told
}

fn word(of: &SimReturn) -> &'static str {
    match (of.state, of.is_exchange) {
        (SimReturnState::Requested, false) => "RETURN_OR_REFUND_REQUEST_PENDING",
        (SimReturnState::Accepted, false) if of.goods == Goods::Coming => "AWAITING_BUYER_SHIP",
        (SimReturnState::Accepted, false) => "RETURN_OR_REFUND_REQUEST_SUCCESS",
        (SimReturnState::Refunded, false) => "RETURN_OR_REFUND_REQUEST_COMPLETE",
        (SimReturnState::Refused, false) => "REFUND_OR_RETURN_REQUEST_REJECT",
        (SimReturnState::Refunded, true) => "REPLACEMENT_REQUEST_COMPLETE",
        (SimReturnState::Refused, true) => "REPLACEMENT_REQUEST_REJECT",
        (_, true) => "REPLACEMENT_REQUEST_PENDING",
    }
}
