//! From a webhook to events: whose it is, whether to believe it, what it means; how the app's address stands,
//! and what was missed. And for the simulator back again, from a change of the shop to webhooks.
//!
//! Promises: the signature is checked over the configured address and the bytes as received, and nothing in
//! here panics, whatever the bytes. The signature covers the body's time, but retries come hours later with
//! the first one: age is no reason to refuse, and the delivery key makes repeats harmless.
//!
//! Source: <https://open.shopee.com/developer-guide/18> and the pages of the codes, read 2026-11-23.

use super::{id_of, mapping, simulator::returns, unreadable};
use crate::domain::{Event, Order, RemoteId, Return, Timestamp};
use crate::marketplaces::{
    DeliveryKey, Malformed, Missed, RawDelivery, Rejected, Result, Subscribed, SubscriptionState,
    VerifiedDelivery, WebhookKeys,
    http::lenient::{text, whole},
    simulation::{Shop, ShopChange, SimStatus},
};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Hexadecimal digits of an HMAC-SHA256.
const SIGNATURE_DIGITS: usize = 64;

/// The codes that we live on, in the words of the console, as `topic` tells them.
pub(super) const TOPICS: [&str; 14] = [
    "code 1 shop authorization",
    "code 2 shop authorization cancelled",
    "code 3 order status",
    "code 4 order tracking number",
    "code 6 banned item",
    "code 7 item promotion",
    "code 8 reserved stock change",
    "code 12 authorization expiry",
    "code 15 shipping document status",
    "code 16 violation item",
    "code 22 item price update",
    "code 29 return updates",
    "code 30 package fulfillment status",
    "code 47 package info",
];

/// The number in one of [`TOPICS`].
pub(super) fn code_of(topic: &str) -> i64 {
    let number = topic.split(' ').nth(1);
    number.and_then(|number| number.parse().ok()).unwrap_or(-1)
}

/// Codes that are documented and concern neither orders nor listings. 9 tells of promotions, 36 of stock in
/// Shopee's own warehouses.
fn is_of_no_concern(code: i64) -> bool {
    matches!(code, 0 | 5 | 9..=11 | 13 | 18..=21 | 23..=25 | 27 | 28 | 31 | 33..=38)
}

fn envelope(body: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.is_object().then_some(value)
}

/// A number, or a number as text: test webhooks quote everything.
fn code(envelope: &Value) -> Option<i64> {
    whole(envelope.get("code")?)
}

/// The shop in the envelope; in webhooks to the app as a whole the one in the data, of several the first.
pub(super) fn claimed_channel(raw: &RawDelivery) -> Option<RemoteId> {
    shop_of(&envelope(&raw.body)?)
}

fn shop_of(envelope: &Value) -> Option<RemoteId> {
    let data = &envelope["data"];
    let first = |name: &str| {
        let all = data.get(name)?.as_array()?;
        all.iter().find_map(|id| id_of(&json!({ "id": id }), "id"))
    };
    id_of(envelope, "shop_id")
        .or_else(|| id_of(data, "shop_id"))
        // One of the samples spells it so.
        .or_else(|| id_of(data, "shopid"))
        .or_else(|| first("shop_id_list"))
        .or_else(|| first("shop_expire_soon"))
}

/// `Authorization: hex(HMAC-SHA256(key, address + "|" + body))`, in lower case and without a scheme.
pub(super) fn verify(
    raw: RawDelivery,
    keys: &WebhookKeys,
) -> std::result::Result<VerifiedDelivery, Rejected> {
    let signature = raw.header("authorization").ok_or(Rejected::NoSignature)?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if signature.len() != SIGNATURE_DIGITS || !signature.bytes().all(is_digit) {
        return Err(Rejected::UnreadableSignature);
    }
    let signature = hex::decode(signature).map_err(|_| Rejected::UnreadableSignature)?;
    let body = raw.body.clone();
    let matched = keys.matching(
        &signature,
        |key| key.secret.as_bytes().to_vec(),
        |_| vec![keys.address.as_bytes(), b"|", &body],
    )?;
    Ok(raw.believed(matched))
}

/// There is no id: the shop, the code, what it says and the time of that. The data is read and written again,
/// so that a webhook has the same key when it is fetched later in another spelling.
pub(super) fn delivery_key(delivery: &VerifiedDelivery) -> DeliveryKey {
    let Some(envelope) = envelope(delivery.body()) else {
        return DeliveryKey(hex::encode(Sha256::digest(delivery.body())));
    };
    let data = &envelope["data"];
    // The envelope's time is that of the sending; the data's own is better where there is one.
    let told_at = data.get("update_time").unwrap_or(&envelope["timestamp"]);
    let shop = shop_of(&envelope).map_or_else(String::new, |shop| shop.to_string());
    let said = json!([shop, code(&envelope), data, told_at]);
    DeliveryKey(hex::encode(Sha256::digest(said.to_string())))
}

/// `code 3 order status`
pub(super) fn topic(delivery: &VerifiedDelivery) -> String {
    let code = envelope(delivery.body()).and_then(|envelope| code(&envelope));
    let Some(code) = code else {
        return "no code".to_owned();
    };
    let known = TOPICS.into_iter().find(|topic| code_of(topic) == code);
    match (known, code) {
        (Some(topic), _) => topic.to_owned(),
        (None, 0) => "code 0 verification".to_owned(),
        (None, code) => format!("code {code}"),
    }
}

/// What to look at again. Codes that move neither orders nor listings give an empty list.
pub(super) fn parse(delivery: &VerifiedDelivery) -> std::result::Result<Vec<Event>, Malformed> {
    let shape = |what: &str| Malformed::Shape(what.to_owned());
    let envelope = envelope(delivery.body()).ok_or_else(|| shape("not a JSON object"))?;
    let code = code(&envelope).ok_or_else(|| shape("there is no code"))?;
    let data = &envelope["data"];
    let version = || {
        let at = whole(data.get("update_time")?).filter(|at| *at > 0)?;
        Some(Timestamp::from_secs(at))
    };
    // The times of packages, returns, stock and prices are their own: taken for the order's or the product's
    // version they would make every reading look stale.
    let version = if code == 3 { version() } else { None };
    Ok(match code {
        3 | 4 | 15 | 29 | 30 | 47 => {
            let order = id_of(data, "ordersn").or_else(|| id_of(data, "order_sn"));
            let order = order.ok_or_else(|| shape("it names no order"))?;
            vec![Event::order(order, version)]
        }
        6 | 7 | 8 | 16 | 22 => {
            let item = id_of(data, "item_id").ok_or_else(|| shape("it names no item"))?;
            vec![Event::product(item, None)]
        }
        1 | 2 | 12 => vec![Event::authorization()],
        code if is_of_no_concern(code) => Vec::new(),
        unknown => return Err(Malformed::UnknownTopic(format!("code {unknown}"))),
    })
}

/// What a delivery tells of the order's returns by itself.
pub(super) fn returns_told(delivery: &VerifiedDelivery, order: &Order) -> Vec<Return> {
    let body: Value = serde_json::from_slice(delivery.body()).unwrap_or_default();
    let is_of_returns = body.get("code").and_then(whole) == Some(29);
    let told = mapping::closed_by_push(&body["data"], order);
    told.filter(|_| is_of_returns).into_iter().collect()
}

fn is_suspended(config: &Value) -> bool {
    let status = text(config, "live_push_status").unwrap_or_default();
    status.eq_ignore_ascii_case("suspended")
}

/// What is wrong with the app's address, in words; nothing when webhooks come to it.
pub(super) fn to_mend(config: &Value, address: &str) -> Vec<String> {
    let known = text(config, "callback_url");
    let mut changes = Vec::new();
    if known != Some(address) {
        changes.push(match known {
            Some(_) => "webhooks were sent elsewhere and now come here".to_owned(),
            None => "webhooks are now sent".to_owned(),
        });
    }
    if is_suspended(config) {
        changes.push("webhooks were suspended and are now sent again".to_owned());
    }
    changes
}

/// How each topic stands. Of codes above 13 the API tells nothing: they are left out.
pub(super) fn subscribed(config: &Value, address: &str) -> Vec<Subscribed> {
    let has = |list: &str, topic: &str| {
        let codes = config[list].as_array().into_iter().flatten();
        codes.filter_map(whole).any(|code| code == code_of(topic))
    };
    let state = |topic: &str| {
        let (on, off) = ("push_config_on_list", "push_config_off_list");
        Some(match (has(on, topic), has(off, topic)) {
            (false, false) => return None,
            (true, _) if text(config, "callback_url") != Some(address) => {
                SubscriptionState::Missing
            }
            (true, _) if is_suspended(config) => SubscriptionState::SwitchedOff,
            (true, _) => SubscriptionState::Active,
            (false, true) => SubscriptionState::SwitchedOff,
        })
    };
    let of = |topic: &&str| {
        let state = state(topic)?;
        Some(Subscribed {
            topic: (*topic).to_owned(),
            state,
        })
    };
    TOPICS.iter().filter_map(of).collect()
}

/// One page of what the app has missed.
pub(super) fn missed(answer: &Value) -> Result<Missed> {
    let list = answer["push_message_list"].as_array();
    let bodies: Vec<Bytes> = list.into_iter().flatten().map(first_sent).collect();
    let mark = whole(&answer["last_message_id"]).map(|mark| mark.to_string());
    if mark.is_none() && !bodies.is_empty() {
        return Err(unreadable("lost webhooks come without `last_message_id`"));
    }
    Ok(Missed {
        // Nothing came: a confirmation would take what has not been read.
        mark: mark.filter(|_| !bodies.is_empty()),
        more: answer["has_next_page"].as_bool() == Some(true),
        bodies,
    })
}

/// The body as it was first sent: the documents declare a text that holds it, their sample shows an object,
/// and either may be the data alone.
fn first_sent(row: &Value) -> Bytes {
    let inner = match &row["data"] {
        Value::String(text) => match envelope(text.as_bytes()) {
            Some(whole) if whole.get("code").is_some() => return text.clone().into(),
            Some(data) => data,
            None => Value::String(text.clone()),
        },
        data => data.clone(),
    };
    if inner.get("code").is_some() && inner.get("data").is_some() {
        return inner.to_string().into();
    }
    let mut whole = row.clone();
    whole["data"] = inner;
    whole.to_string().into()
}

/// The webhooks of a change: code and body, in the order in which they are sent.
pub(super) fn notifications(
    shop: &mut Shop,
    change: &ShopChange,
    now: Timestamp,
) -> Vec<(i64, Value)> {
    match change {
        ShopChange::OrderCreated(id) => {
            let mut told = vec![order_status(shop, id, now)];
            told.extend(reserved_stock(shop, id, "place_order", now));
            told.into_iter().flatten().collect()
        }
        ShopChange::OrderUpdated(id) => {
            let mut told = vec![order_status(shop, id, now)];
            match shop.orders.get(id).map(|order| order.status) {
                Some(SimStatus::Arranged) => told.push(tracking_number(shop, id, now)),
                Some(SimStatus::Cancelled) => {
                    told.extend(reserved_stock(shop, id, "cancel_order", now));
                }
                _ => {}
            }
            told.into_iter().flatten().collect()
        }
        ShopChange::ProductUpdated {
            product,
            variant: Some(variant),
        } => price_update(shop, product, variant, now)
            .into_iter()
            .collect(),
        ShopChange::ReturnChanged { order, id } => {
            returns::push(shop, order, id, now).into_iter().collect()
        }
        // Nothing tells of other edits, of new products or of deleted ones.
        ShopChange::ProductUpdated { variant: None, .. }
        | ShopChange::ProductCreated(_)
        | ShopChange::ProductDeleted(_) => Vec::new(),
        ShopChange::Deauthorized => {
            let shop_id = as_number(&shop.remote_id);
            shop.memory
                .insert("deauthorized".to_owned(), now.to_string());
            let extra = "the shop has been deauthorized successfully";
            let data = json!({"authorize_type": "user cancel shop authorization", "extra": extra,
                "shop_id": shop_id, "success": 1});
            let partner: Option<u64> = shop
                .secrets
                .get("partner_id")
                .and_then(|id| id.parse().ok());
            let body =
                json!({"data": data, "partner_id": partner, "code": 2, "timestamp": now.secs()});
            vec![(2, body)]
        }
    }
}

pub(super) fn as_number(id: &RemoteId) -> Option<u64> {
    id.as_str().parse().ok()
}

fn wrapped(shop: &Shop, code: i64, at: Timestamp, data: Value) -> (i64, Value) {
    let shop_id = as_number(&shop.remote_id);
    let body = json!({"data": data, "shop_id": shop_id, "code": code, "timestamp": at.secs()});
    (code, body)
}

fn order_status(shop: &Shop, id: &RemoteId, now: Timestamp) -> Option<(i64, Value)> {
    let order = shop.orders.get(id)?;
    let status = super::simulator::order_status(order.status);
    let scenario = if order.status == SimStatus::Completed {
        "NORMAL"
    } else {
        ""
    };
    let data = json!({"items": [], "ordersn": id, "status": status,
        "completed_scenario": scenario, "update_time": order.updated_at.secs()});
    Some(wrapped(shop, 3, now, data))
}

fn tracking_number(shop: &Shop, id: &RemoteId, now: Timestamp) -> Option<(i64, Value)> {
    let order = shop.orders.get(id)?;
    let data = json!({"ordersn": id, "forder_id": format!("58{id}"),
        "package_number": format!("OFG{id}"), "tracking_no": order.tracking_number});
    let (code, mut body) = wrapped(shop, 4, now, data);
    // Some of Shopee's webhooks quote their numbers.
    body["shop_id"] = shop.remote_id.as_str().into();
    Some((code, body))
}

/// One webhook for each line of an order.
fn reserved_stock(
    shop: &Shop,
    id: &RemoteId,
    action: &str,
    now: Timestamp,
) -> Vec<Option<(i64, Value)>> {
    let order = shop.orders.get(id);
    let lines = order.map_or(&[][..], |order| &order.lines);
    let told = lines.iter().map(|line| {
        let held = super::simulator::ordered(shop, &line.variant_id);
        let before = match action {
            "place_order" => held - line.quantity,
            _ => held + line.quantity,
        };
        let product = shop.products.get(&line.product_id)?;
        let model = super::simulator::model_id(product, &line.variant_id);
        let data = json!({"action": action, "item_id": as_number(&line.product_id),
            "variation_id": model, "ordersn": id, "promotion_id": 0, "promotion_type": "",
            "update_time": now.secs(),
            "changed_values": [{"name": "reserved_stock", "old": before, "new": held}]});
        Some(wrapped(shop, 8, now, data))
    });
    told.collect()
}

/// Of a price that differs from the one last told of; edits of stock are told to nobody.
fn price_update(
    shop: &mut Shop,
    product: &RemoteId,
    variant: &RemoteId,
    now: Timestamp,
) -> Option<(i64, Value)> {
    let price = shop.variant(variant)?.price;
    let known = super::simulator::known_price(variant);
    let before = shop.memory.insert(known, price.minor.to_string())?;
    let before = before.parse().ok().filter(|minor| *minor != price.minor)?;
    let before = crate::domain::Money {
        minor: before,
        ..price
    };
    let model = super::simulator::model_id(shop.products.get(product)?, variant);
    let data = json!({"item_id": as_number(product), "model_id": model,
        "old_value": mapping::major(before), "new_value": mapping::major(price),
        "update_time": now.secs(), "update_field": "original_price"});
    Some(wrapped(shop, 22, now, data))
}

/// The test that follows a new address.
pub(super) fn verification() -> Value {
    let text = "This is a Verification message.Please respond in the certain format.";
    json!({"code": 0, "data": {"verify_info": text}})
}
