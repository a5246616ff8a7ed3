//! From a webhook request to events: whose it is, whether to believe it, what it means. And for the simulator
//! back again: from an order of its shop to the units that both webhooks and the API tell of, and from a change
//! to the bodies of its webhooks.
//!
//! Promises: the signature is checked over the bytes as received, and nothing in here panics, whatever the
//! bytes. The signature covers no time and no webhook has an id of its own, so a captured one can be sent again
//! for ever: the delivery key is what makes that harmless.
//!
//! The documented samples disagree with each other, and some are no JSON: ids are taken as text or number, times
//! in seconds or milliseconds, the seller and the action inside `data` or beside it.
//!
//! Source: <https://open.lazada.com/apps/doc/doc?nodeId=29526&docId=120168>, docId=120196, 120197, 120205, 120206
//! and 120208 to 120210, read 2026-11-23.

mod returns;

use super::{Site, is_digits, mapping::major};
use crate::domain::{Event, Money, ProductState, RemoteId, Timestamp};
use crate::marketplaces::{
    DeliveryKey, Malformed, RawDelivery, Rejected, VerifiedDelivery, WebhookKeys,
    http::lenient::instant,
    simulation::{Shop, ShopChange, SimOrder, SimStatus},
};
use chrono::FixedOffset;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Hexadecimal digits of an HMAC-SHA256.
const SIGNATURE_DIGITS: usize = 64;

/// What the console switches on and we live by.
pub(super) const TOPICS: [&str; 10] = [
    "type 0 trade order",
    "type 1 product quality control",
    "type 3 product added",
    "type 4 product edited",
    "type 5 product deleted",
    "type 6 shallow stock",
    "type 8 authorization token expiring",
    "type 10 reverse order",
    "type 13 seller status",
    "type 14 fulfillment order",
];

/// What each type is about; `None` for types that the documents do not list.
fn words(kind: i64) -> Option<&'static str> {
    Some(match kind {
        0 => "trade order",
        1 => "product quality control",
        2 => "message",
        3 => "product added",
        4 => "product edited",
        5 => "product deleted",
        6 => "shallow stock",
        7 => "short video",
        8 => "authorization token expiring",
        10 => "reverse order",
        11 => "promotion",
        12 => "category tree",
        13 => "seller status",
        14 => "fulfillment order",
        19 => "message session",
        21 => "product review",
        35 => "JIT purchase order",
        _ => return None,
    })
}

/// A webhook's JSON, read as far as it is needed.
struct Push {
    body: Value,
}

impl Push {
    fn read(bytes: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(bytes).ok()?;
        body.is_object().then_some(Self { body })
    }

    fn kind(&self) -> Option<i64> {
        whole(self.body.get("message_type")?)
    }

    /// A member of `data` or, where that has none, of the envelope.
    fn member(&self, name: &str) -> Option<&Value> {
        let data = self.body.get("data");
        let inside = data.and_then(|data| data.get(name));
        inside
            .or_else(|| self.body.get(name))
            .filter(|value| !value.is_null())
    }

    fn id(&self, name: &str) -> Option<RemoteId> {
        id(self.member(name)?)
    }

    fn need(&self, names: &[&str]) -> Result<RemoteId, Malformed> {
        let found = names.iter().find_map(|name| self.id(name));
        found.ok_or_else(|| Malformed::Shape(format!("`{}` is missing or no id", names[0])))
    }

    /// The seller in the envelope; where that says `"null"` or nothing, the one in `data`.
    fn seller(&self) -> Option<RemoteId> {
        let outside = self.body.get("seller_id").and_then(id);
        outside.or_else(|| self.id("seller_id"))
    }

    /// `lazada_my`, `LAZADA_MY`, `lazada-my`: what counts is the country at the end.
    fn site(&self) -> Option<&'static Site> {
        let site = self.body.get("site")?.as_str()?;
        Site::of(site.rsplit(['_', '-']).next()?)
    }

    /// The subject's update time: seconds in some types, milliseconds in others.
    fn version(&self) -> Option<Timestamp> {
        instant(self.member("status_update_time")?)
    }

    fn text(&self, name: &str) -> &str {
        let member = self.member(name).and_then(Value::as_str);
        member.unwrap_or_default()
    }
}

/// Digits, as text or as a number.
fn id(value: &Value) -> Option<RemoteId> {
    let id = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    is_digits(&id).then(|| id.into())
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    }
}

/// `my:1000123456`: the country at the end of `site`, and the seller. Neither alone names a shop.
pub(super) fn claimed_channel(raw: &RawDelivery) -> Option<RemoteId> {
    let push = Push::read(&raw.body)?;
    Some(push.site()?.shop(push.seller()?.as_str()))
}

/// `Authorization: hex(HMAC-SHA256(app secret, app key + body))`, without a scheme. Pushes are signed in lower
/// case and requests in upper case: the bytes are compared, so that either is read.
pub(super) fn verify(raw: RawDelivery, keys: &WebhookKeys) -> Result<VerifiedDelivery, Rejected> {
    let signature = raw.header("authorization").ok_or(Rejected::NoSignature)?;
    if signature.len() != SIGNATURE_DIGITS {
        return Err(Rejected::UnreadableSignature);
    }
    let signature = hex::decode(signature).map_err(|_| Rejected::UnreadableSignature)?;
    let body = raw.body.clone();
    let matched = keys.matching(
        &signature,
        |key| key.secret.as_bytes().to_vec(),
        |key| vec![key.app_key.as_bytes(), &body],
    )?;
    Ok(raw.believed(matched))
}

/// An order line's transition is the same however often, and at whatever `timestamp`, it is told. Of
/// everything else a repetition repeats the body.
pub(super) fn delivery_key(delivery: &VerifiedDelivery) -> DeliveryKey {
    let told = Push::read(delivery.body()).and_then(|push| transition(&push));
    DeliveryKey(told.unwrap_or_else(|| hex::encode(Sha256::digest(delivery.body()))))
}

/// `0:my:1000123456:260422900298363:ready_to_ship:1792550400`, with the return's line behind it where there is one.
fn transition(push: &Push) -> Option<String> {
    if push.kind()? != 0 {
        return None;
    }
    let line = push.id("trade_order_line_id")?;
    let status = Some(push.text("order_status")).filter(|status| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (1..=40).contains(&status.len()) && status.bytes().all(is_plain)
    })?;
    let at = push.version()?.secs();
    let seller = push.seller()?;
    let country = push.site().map_or("", |site| site.country);
    let key = format!("0:{country}:{seller}:{line}:{status}:{at}");
    Some(match push.id("reverse_order_line_id") {
        Some(reverse) => format!("{key}:{reverse}"),
        None => key,
    })
}

/// `type 0 trade order`
pub(super) fn topic(delivery: &VerifiedDelivery) -> String {
    match Push::read(delivery.body()).and_then(|push| push.kind()) {
        Some(kind) => match words(kind) {
            Some(words) => format!("type {kind} {words}"),
            None => format!("type {kind}"),
        },
        None => "no type".to_owned(),
    }
}

/// What to look at again. Types that move neither orders nor stock give an empty list.
pub(super) fn parse(delivery: &VerifiedDelivery) -> Result<Vec<Event>, Malformed> {
    let shape = |text: &str| Malformed::Shape(text.to_owned());
    let push = Push::read(delivery.body()).ok_or_else(|| shape("no JSON object"))?;
    let kind = push.kind().ok_or_else(|| shape("no `message_type`"))?;
    Ok(match kind {
        0 => {
            // The time of a return is not the order's: taken for its version, every reading would look stale.
            let is_reverse = push.member("reverse_order_id").is_some();
            let version = push.version().filter(|_| !is_reverse);
            vec![Event::order(push.need(&["trade_order_id"])?, version)]
        }
        10 | 14 => vec![Event::order(push.need(&["trade_order_id"])?, None)],
        1 => vec![Event::product(push.need(&["itemId", "item_id"])?, None)],
        3..=5 => vec![Event::product(
            push.need(&["item_id", "itemId"])?,
            push.version(),
        )],
        // It names a SKU and not the product that it belongs to.
        6 => vec![match push.id("item_id") {
            Some(product) => Event::product(product, None),
            None => Event::catalogue(),
        }],
        8 | 13 => vec![Event::authorization()],
        known if words(known).is_some() => Vec::new(),
        unknown => return Err(Malformed::UnknownTopic(format!("type {unknown}"))),
    })
}

/// The status of a unit, as pushes word it: the API says `shipping` where they say `shipped`.
fn unit_status(order: &SimOrder, is_cancelled: bool) -> &'static str {
    match order.status {
        _ if is_cancelled => "canceled",
        SimStatus::Cancelled => "canceled",
        SimStatus::Unpaid => "unpaid",
        SimStatus::Paid => "pending",
        SimStatus::Arranged => "ready_to_ship",
        SimStatus::Shipped => "shipped",
        SimStatus::Delivered | SimStatus::Completed => "delivered",
    }
}

/// Units of an order with their statuses.
fn units(order: &SimOrder) -> Vec<(u64, &'static str)> {
    let of_line = order.lines.iter().enumerate().flat_map(|(at, line)| {
        let units = (0..line.quantity).zip(line.first_id..);
        units.map(move |(unit, id)| (id, returns::of_unit(order, at, unit).0))
    });
    of_line.collect()
}

/// Both spellings of a date that have been seen.
fn date(at: Timestamp, is_spaced: bool) -> String {
    let hours = Site::of("id").map_or(0, |site| site.utc_hours as i32);
    let zone = FixedOffset::east_opt(hours * 3_600).expect("Jakarta is on earth");
    let format = if is_spaced {
        "%Y-%m-%d %H:%M:%S %z"
    } else {
        "%Y-%m-%dT%H:%M:%S%:z"
    };
    at.to_utc().with_timezone(&zone).format(format).to_string()
}

/// There is no status, only those of its units; and no currency.
pub(super) fn word_order(order: &SimOrder) -> Value {
    let units = units(order);
    let mut statuses: Vec<&str> = units.iter().map(|(_, status)| api_word(status)).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let minor = order
        .lines
        .iter()
        .map(|line| line.quantity * line.unit_price.minor)
        .sum();
    let price = order.lines.first().map(|line| Money {
        minor,
        ..line.unit_price
    });
    json!({
        "order_id": number(&order.id), "order_number": order.id, "statuses": statuses,
        "created_at": date(order.placed_at, false), "updated_at": date(order.updated_at, true),
        "items_count": units.len(), "price": price.map(major), "voucher": "0.00", "shipping_fee": "0.00",
        "payment_method": "COD", "warehouse_code": "dropshipping", "gift_option": "false",
        "is_cancel_pending": "false",
    })
}

fn api_word(status: &'static str) -> &'static str {
    if status == "shipped" {
        "shipping"
    } else {
        status
    }
}

/// One object per unit: there is no quantity.
pub(super) fn word_items(shop: &Shop, order: &SimOrder) -> Vec<Value> {
    let mut items = Vec::new();
    for (at, line) in order.lines.iter().enumerate() {
        let product = shop
            .products
            .get(&line.product_id)
            .map_or("", |product| &product.title);
        let sku = shop.variant(&line.variant_id);
        let price = major(line.unit_price);
        for (unit, id) in (0..line.quantity).zip(line.first_id..) {
            let (status, reverse, word) = returns::of_unit(order, at, unit);
            items.push(json!({
                "reverse_order_id": reverse, "return_status": word, "order_item_id": id, "order_id": number(&order.id), "name": product,
                "status": api_word(status),
                "variation": sku.map_or("", |sku| &sku.title), "sku": sku.and_then(|sku| sku.seller_sku.as_deref()),
                "shop_sku": format!("{}_ID-{}", line.product_id, line.variant_id), "sku_id": line.variant_id,
                "product_id": line.product_id, "currency": shop.currency, "item_price": price, "paid_price": price,
                "voucher_amount": "0.00", "shipping_amount": "0.00", "is_digital": 0,
                "created_at": date(order.placed_at, true), "updated_at": date(order.updated_at, true),
                "tracking_code": order.tracking_number.as_deref().unwrap_or_default(),
            }));
        }
    }
    items
}

/// Type and body of each webhook that tells a change. An order is told unit by unit; nothing is told once the
/// seller has withdrawn the consent, not even that.
pub(super) fn notifications(
    shop: &mut Shop,
    change: &ShopChange,
    now: Timestamp,
) -> Vec<(i64, Value)> {
    if *change == ShopChange::Deauthorized {
        shop.memory
            .insert("deauthorized".to_owned(), now.to_string());
    }
    if shop.memory.contains_key("deauthorized") {
        return Vec::new();
    }
    match change {
        ShopChange::OrderCreated(id) | ShopChange::OrderUpdated(id) => of_order(shop, id, now),
        ShopChange::ProductCreated(id) => vec![of_product(shop, id, None, (3, "PUBLISHED"), now)],
        ShopChange::ProductDeleted(id) => vec![of_product(shop, id, None, (5, "DELETED"), now)],
        ShopChange::ProductUpdated { product, variant } => {
            let state = shop.products.get(product).map(|product| product.state);
            let kind = if state == Some(ProductState::Gone) {
                (5, "DELETED")
            } else {
                (4, "EDITED_UPDATED")
            };
            let mut told = vec![of_product(shop, product, variant.as_ref(), kind, now)];
            told.extend(variant.as_ref().and_then(|id| shallow(shop, id, now)));
            told
        }
        ShopChange::ReturnChanged { order, id } => returns::notifications(shop, order, id, now),
        ShopChange::Deauthorized => Vec::new(),
    }
}

fn number(id: &RemoteId) -> Option<u64> {
    id.as_str().parse().ok()
}

/// The country of the shop, and the seller.
fn parts(shop: &Shop) -> (String, String) {
    let parts = shop.remote_id.as_str().split_once(':').unwrap_or_default();
    (parts.0.to_owned(), parts.1.to_owned())
}

/// One for each unit whose status has changed since it was last told; when none has, all once more.
fn of_order(shop: &mut Shop, id: &RemoteId, now: Timestamp) -> Vec<(i64, Value)> {
    let Some(order) = shop.orders.get(id) else {
        return Vec::new();
    };
    let (units, at) = (units(order), order.updated_at.secs());
    let statuses: Vec<&str> = units.iter().map(|(_, status)| *status).collect();
    let known = shop.memory.insert(format!("told {id}"), statuses.join(","));
    let known: Vec<&str> = known.as_deref().unwrap_or_default().split(',').collect();
    let is_new = |place: usize| known.get(place) != statuses.get(place);
    let any_new = (0..units.len()).any(is_new);
    let (country, seller) = parts(shop);
    let told = units
        .iter()
        .enumerate()
        .filter(|(place, _)| !any_new || is_new(*place));
    let body = |(unit, status): &(u64, &str)| {
        json!({"seller_id": seller, "message_type": 0, "data": {"order_status": status,
            "trade_order_id": id, "trade_order_line_id": unit.to_string(), "status_update_time": at},
            "timestamp": now.micros() / 1_000, "site": format!("lazada_{country}")})
    };
    told.map(|(_, unit)| (0, body(unit))).collect()
}

/// Seconds here, and each told once: two edits within a second are two bodies.
fn stamp(shop: &mut Shop, now: Timestamp) -> i64 {
    let last = shop
        .memory
        .get("last stamp")
        .and_then(|text| text.parse().ok());
    let stamp = last.map_or(now.secs(), |last: i64| now.secs().max(last + 1));
    shop.memory
        .insert("last stamp".to_owned(), stamp.to_string());
    stamp
}

fn of_product(
    shop: &mut Shop,
    id: &RemoteId,
    variant: Option<&RemoteId>,
    (kind, action): (i64, &str),
    now: Timestamp,
) -> (i64, Value) {
    let timestamp = stamp(shop, now);
    let product = shop.products.get(id);
    let at = product.map_or(now, |product| product.updated_at).micros() / 1_000;
    let variants = product
        .map(|product| product.variants.as_slice())
        .unwrap_or_default();
    let wanted = variants
        .iter()
        .filter(|v| variant.is_none_or(|id| v.id == *id));
    let skus: Vec<Value> = wanted
        .map(|v| json!({"sku_id": v.id, "shop_sku": format!("{id}_ID-{}", v.id), "seller_sku": v.seller_sku}))
        .collect();
    let (country, seller) = parts(shop);
    let mut body = json!({"seller_id": seller, "message_type": kind, "data": {"item_id": id, "sku_list": skus},
        "timestamp": timestamp, "site": format!("lazada-{country}")});
    // Type 3 has them beside `data`, the others inside.
    let place = if kind == 3 {
        &mut body
    } else {
        &mut body["data"]
    };
    place["action"] = action.into();
    place["status_update_time"] = at.into();
    (kind, body)
}

/// Told below five units; it names the SKU and not its product.
fn shallow(shop: &mut Shop, id: &RemoteId, now: Timestamp) -> Option<(i64, Value)> {
    let variant = shop.variant(id).filter(|variant| variant.quantity < 5)?;
    let data = json!({"seller_sku": variant.seller_sku, "sku_id": number(id),
        "warehouse": "dropshipping", "real_quantity": variant.quantity, "withhold_quantity": 0,
        "occupy_quantity": 0, "pre_order_quantity": 0});
    let (country, seller) = parts(shop);
    Some((
        6,
        json!({"seller_id": seller, "message_type": 6, "data": data, "timestamp": stamp(shop, now),
        "site": format!("LAZADA_{}", country.to_ascii_uppercase())}),
    ))
}
