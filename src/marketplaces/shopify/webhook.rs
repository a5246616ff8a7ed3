//! From a webhook request to events: whose it is, whether to believe it, what it means. And for the
//! simulator back again, from a change of the shop to signed webhooks.
//!
//! Promises: the signature is checked over the bytes as received, and nothing in here panics, whatever the
//! bytes. The signature covers the body alone, neither the headers nor a time: whoever holds one genuine
//! delivery can send it again under another shop's name. All that brings about is one more reading of what
//! is there, because a delivery is a hint and the API is the truth.
//!
//! Also the other thing that Shopify signs for us: the answer to the merchant's consent.
//!
//! Source: <https://shopify.dev/docs/apps/build/webhooks>, read 2026-11-23.

use super::{SLUG, VERSION, client_secrets, gid, uuid_of};
use crate::domain::{Event, RemoteId, Timestamp};
use crate::marketplaces::{
    ConsentAnswer, DeliveryKey, Malformed, RawDelivery, Rejected, Secrets, VerifiedDelivery,
    WebhookKeys,
    http::lenient,
    simulation::{
        Shop, ShopChange, Signing, SimDelivery, SimOrder, SimReturn, SimReturnState, SimStatus,
        Simulator,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::FixedOffset;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Bytes of an HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;
/// Longest part of a topic that is kept.
const LONGEST_TOPIC: usize = 80;

/// What we subscribe to. `orders/updated` follows every change of an order, the others come sooner and stand
/// in where it is lost. All of them need no more than the scopes that we ask for.
pub(super) const TOPICS: [&str; 12] = [
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/fulfilled",
    "orders/edited",
    "orders/delete",
    "refunds/create",
    "products/create",
    "products/update",
    "products/delete",
    "app/uninstalled",
];

/// The members that a body needs to have: the less about buyers is sent, the better. Empty: all.
pub(super) fn fields_of(topic: &str) -> &'static [&'static str] {
    match topic {
        "orders/create" | "orders/updated" | "orders/paid" | "orders/cancelled"
        | "orders/fulfilled" | "products/create" | "products/update" => &["id", "updated_at"],
        "refunds/create" => &["id", "order_id"],
        _ => &[],
    }
}

/// `ORDERS_CREATE`, as the API calls `orders/create`.
pub(super) fn enum_of(topic: &str) -> String {
    topic.replace('/', "_").to_ascii_uppercase()
}

/// `orders/create`, of the name that the API has for it: resources of two words keep their `_`.
pub(super) fn topic_of(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let known = TOPICS
        .into_iter()
        .find(|topic| topic.replace('/', "_") == name);
    known.map_or(name, str::to_owned)
}

pub(super) fn claimed_channel(raw: &RawDelivery) -> Option<RemoteId> {
    let shop = raw.header("x-shopify-shop-domain")?.to_ascii_lowercase();
    (!shop.is_empty()).then(|| shop.into())
}

/// `X-Shopify-Hmac-Sha256: base64(HMAC-SHA256(secret, body))`
pub(super) fn verify(raw: RawDelivery, keys: &WebhookKeys) -> Result<VerifiedDelivery, Rejected> {
    let signature = raw
        .header("x-shopify-hmac-sha256")
        .ok_or(Rejected::NoSignature)?;
    let signature = STANDARD.decode(signature).ok();
    let signature = signature
        .filter(|bytes| bytes.len() == SIGNATURE_BYTES)
        .ok_or(Rejected::UnreadableSignature)?;
    let body = raw.body.clone();
    let matched = keys.matching(
        &signature,
        |key| key.secret.as_bytes().to_vec(),
        |_| vec![&body],
    )?;
    Ok(raw.believed(matched))
}

/// The delivery's own id; without one the hash of what it says.
pub(super) fn delivery_key(delivery: &VerifiedDelivery) -> DeliveryKey {
    let id = delivery.raw().header("x-shopify-webhook-id");
    let id = id.filter(|id| (1..=100).contains(&id.len()));
    DeliveryKey(id.map_or_else(
        || {
            let mut hash = Sha256::new();
            hash.update(topic(delivery.raw()));
            hash.update([0]);
            hash.update(delivery.body());
            hex::encode(hash.finalize())
        },
        str::to_owned,
    ))
}

/// `orders/create`
pub(super) fn topic(raw: &RawDelivery) -> String {
    match raw.header("x-shopify-topic") {
        Some(topic) if !topic.is_empty() => topic.chars().take(LONGEST_TOPIC).collect(),
        _ => "no topic".to_owned(),
    }
}

/// What to look at again.
pub(super) fn parse(delivery: &VerifiedDelivery) -> Result<Vec<Event>, Malformed> {
    let topic = topic(delivery.raw());
    let (resource, deed) = topic.split_once('/').unwrap_or((&topic, ""));
    let body = || {
        serde_json::from_slice::<Value>(delivery.body())
            .map_err(|error| Malformed::Shape(error.to_string()))
    };
    Ok(match (resource, deed) {
        (
            "orders",
            "create"
            | "updated"
            | "paid"
            | "cancelled"
            | "fulfilled"
            | "partially_fulfilled"
            | "delete",
        ) => {
            let body = body()?;
            vec![Event::order(own_id(&body)?, version(&body))]
        }
        // Objects of their own, with times of their own.
        ("orders", "edited")
        | ("refunds" | "order_transactions", "create")
        | ("returns" | "fulfillments", _) => vec![Event::order(order_of(&body()?)?, None)],
        ("products", "create" | "update" | "delete") => {
            let body = body()?;
            vec![Event::product(own_id(&body)?, version(&body))]
        }
        // These name a stock item, which is no product's id. A scan of what changed finds the product,
        // and one scan is enough for however many of them.
        ("inventory_levels" | "inventory_items" | "variants", _) => {
            let product = lenient::id(&body()?, "product_id");
            vec![product.map_or_else(Event::catalogue, |id| Event::product(id.into(), None))]
        }
        ("app", "uninstalled" | "scopes_update") => vec![Event::authorization()],
        // `customers/data_request`, `customers/redact` and `shop/redact` are demanded of every app: what is
        // asked is to show or to erase buyers' data, and no books hold any. A scan that waits for its bulk
        // operation looks by itself.
        (
            "customers" | "shop" | "bulk_operations" | "carts" | "checkouts" | "collections"
            | "draft_orders" | "locations" | "themes" | "disputes" | "fulfillment_orders",
            _,
        ) => Vec::new(),
        _ => return Err(Malformed::UnknownTopic(topic)),
    })
}

fn own_id(body: &Value) -> Result<RemoteId, Malformed> {
    let id = lenient::id(body, "id").ok_or_else(|| Malformed::Shape("it has no `id`".to_owned()));
    id.map(RemoteId::from)
}

/// `order_id`, inside of `order_edit`, or the `id` of `order`: by the kind of object.
fn order_of(body: &Value) -> Result<RemoteId, Malformed> {
    let inside = |name: &str, id: &str| lenient::id(body.get(name)?, id);
    let id = lenient::id(body, "order_id")
        .or_else(|| inside("order_edit", "order_id"))
        .or_else(|| inside("order", "id"));
    let id = id.ok_or_else(|| Malformed::Shape("it names no order".to_owned()))?;
    Ok(id.into())
}

fn version(body: &Value) -> Option<Timestamp> {
    Timestamp::parse(body.get("updated_at")?.as_str()?)
}

/// Whether Shopify signed the answer to a consent: the other pairs by name, written as a form, and the HMAC
/// in hexadecimal.
pub(super) fn is_signed(answer: &ConsentAnswer, app: &Secrets) -> bool {
    let mut pairs: Vec<_> = answer.pairs.iter().filter(|(n, _)| n != "hmac").collect();
    pairs.sort();
    // Of two values with one name only one could be meant.
    let is_doubled = pairs.windows(2).any(|two| two[0].0 == two[1].0);
    let Some(signature) = answer.get("hmac").and_then(|text| hex::decode(text).ok()) else {
        return false;
    };
    let message = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let has_signed = |secret: &str| hmac(secret, &message).verify_slice(&signature).is_ok();
    !is_doubled && client_secrets(app).any(has_signed)
}

fn hmac(secret: &str, message: impl AsRef<[u8]>) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(message.as_ref());
    mac
}

/// The callback's query, signed, as the simulator sends the browser back.
pub(super) fn signed_query(pairs: &[(&str, &str)], secret: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let signature = hex::encode(hmac(secret, &query).finalize().into_bytes());
    format!("{query}&hmac={signature}")
}

/// The header that carries the signature.
pub(super) fn signature(secret: &str, body: &[u8]) -> (String, String) {
    let signature = STANDARD.encode(hmac(secret, body).finalize().into_bytes());
    ("x-shopify-hmac-sha256".to_owned(), signature)
}

/// Topics and bodies of what a change is told with, all caused by one deed.
fn told(shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<(&'static str, Value)> {
    match change {
        ShopChange::OrderCreated(id) => {
            let mut told = of_order(shop, id, "orders/create");
            // An order moves stock, and that touches the product.
            let order = shop.orders.get(id);
            let mut sold: Vec<_> = order.map_or_else(Vec::new, |order| {
                order.lines.iter().map(|l| l.product_id.clone()).collect()
            });
            sold.sort();
            sold.dedup();
            for id in sold {
                shop.edit_product(&id, now, |_| ());
                told.extend(of_product(shop, &id, "products/update"));
            }
            told
        }
        ShopChange::OrderUpdated(id) => of_order(shop, id, "orders/updated"),
        // What `returns/*` tells needs a scope and a subscription of its own; the order changes with it.
        ShopChange::ReturnChanged { order, id } => {
            let mut told = of_order(shop, order, "orders/updated");
            told.retain(|(topic, _)| *topic == "orders/updated");
            let changed = shop.orders.get(order).and_then(|of| of.find_return(id));
            let is_refund = |of: &&SimReturn| of.state == SimReturnState::Refunded;
            if let Some(of) = changed.filter(is_refund).filter(|of| !of.is_exchange) {
                let body = json!({"id": number(id), "order_id": number(order),
                    "created_at": local(of.created_at), "restock": of.is_restocked,
                    "refund_line_items": [], "transactions": []});
                told.insert(0, ("refunds/create", body));
            }
            told
        }
        ShopChange::ProductCreated(id) => of_product(shop, id, "products/create"),
        ShopChange::ProductUpdated { product, .. } => of_product(shop, product, "products/update"),
        ShopChange::ProductDeleted(id) => vec![("products/delete", json!({ "id": number(id) }))],
        ShopChange::Deauthorized => {
            let at = now.to_string();
            shop.memory.insert("deauthorized".to_owned(), at);
            let body = json!({"id": 548_380_009, "name": shop.name, "currency": shop.currency,
                "myshopify_domain": shop.remote_id, "iana_timezone": "Asia/Jakarta"});
            vec![("app/uninstalled", body)]
        }
    }
}

/// Several topics tell of one deed: `orders/updated` always, and what it was besides.
fn of_order(shop: &Shop, id: &RemoteId, first: &'static str) -> Vec<(&'static str, Value)> {
    let Some(order) = shop.orders.get(id) else {
        return Vec::new();
    };
    let body = order_body(shop, order);
    let mut told = vec![(first, body.clone())];
    if first == "orders/create" {
        told.push(("orders/updated", body.clone()));
    }
    let deed = match order.status {
        SimStatus::Paid => Some("orders/paid"),
        SimStatus::Shipped => Some("orders/fulfilled"),
        SimStatus::Cancelled => Some("orders/cancelled"),
        _ => None,
    };
    told.extend(deed.map(|topic| (topic, body)));
    if order.lines.iter().any(|line| line.cancelled > 0) {
        let refund = json!({"id": order.lines[0].first_id + 1_000_000, "order_id": number(id),
            "created_at": local(order.updated_at), "restock": true, "refund_line_items": [],
            "transactions": []});
        told.push(("refunds/create", refund));
    }
    told
}

fn of_product(shop: &Shop, id: &RemoteId, topic: &'static str) -> Vec<(&'static str, Value)> {
    let Some(product) = shop.products.get(id) else {
        return Vec::new();
    };
    let body = json!({"id": number(id), "admin_graphql_api_id": gid("Product", id.as_str()),
        "title": product.title, "updated_at": local(product.updated_at), "variants": []});
    vec![(topic, body)]
}

fn order_body(shop: &Shop, order: &SimOrder) -> Value {
    let lines = order.lines.iter().map(|line| {
        json!({"id": line.first_id, "product_id": number(&line.product_id),
            "variant_id": number(&line.variant_id), "quantity": line.quantity,
            "current_quantity": line.quantity - line.cancelled})
    });
    json!({"id": number(&order.id), "admin_graphql_api_id": gid("Order", order.id.as_str()),
        "created_at": local(order.placed_at), "updated_at": local(order.updated_at),
        "currency": shop.currency, "test": false, "line_items": lines.collect::<Vec<_>>()})
}

fn number(id: &RemoteId) -> Option<u64> {
    id.as_str().parse().ok()
}

/// In the store's own zone, which is that of Jakarta.
fn local(at: Timestamp) -> String {
    let zone = FixedOffset::east_opt(7 * 3_600).expect("seven hours are an offset");
    let at = at.to_utc().with_timezone(&zone);
    at.format("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The webhooks of a change, one for each subscription that wants it: one event id, many webhook ids.
pub(super) fn deliveries(
    simulator: &dyn Simulator,
    shop: &mut Shop,
    change: &ShopChange,
    now: Timestamp,
) -> Vec<SimDelivery> {
    let event = uuid_of(&format!("{SLUG} event {} {now}", shop.take_ids(1)));
    let mut sent = Vec::new();
    for (topic, body) in told(shop, change, now) {
        let wanting = shop.subscriptions.iter();
        let wanting = wanting.filter(|hook| hook.is_active && hook.topic == topic);
        for hook in wanting {
            let fields = shop.memory.get(&format!("fields {}", hook.id));
            let body = only(&body, fields.map_or("", String::as_str)).to_string();
            // Those that were made by hand have the store's secret, the others the app's.
            let app = shop.secrets.get("client_secret").unwrap_or_default();
            let signing = Signing {
                secret: if hook.secret.is_empty() {
                    app
                } else {
                    &hook.secret
                },
                ..Signing::default()
            };
            let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let mut headers = vec![
                header("content-type", "application/json"),
                header("x-shopify-topic", topic),
                header("x-shopify-shop-domain", shop.remote_id.as_str()),
                header("x-shopify-api-version", VERSION),
                header("x-shopify-event-id", &event),
                header(
                    "x-shopify-webhook-id",
                    &uuid_of(&format!("{event} {} {topic}", hook.id)),
                ),
                header("x-shopify-triggered-at", &now.to_string()),
            ];
            headers.extend(simulator.sign(&signing, body.as_bytes()));
            sent.push(SimDelivery {
                subscription: hook.id,
                address: hook.address.clone(),
                topic: topic.to_owned(),
                headers,
                body: body.into(),
            });
        }
    }
    sent
}

/// The members that a subscription asks for, by names with a blank between; none named: all.
fn only(body: &Value, fields: &str) -> Value {
    let Value::Object(members) = body else {
        return body.clone();
    };
    let is_wanted = |name: &str| fields.is_empty() || fields.split(' ').any(|field| field == name);
    let wanted = members.iter().filter(|(name, _)| is_wanted(name));
    Value::Object(wanted.map(|(n, v)| (n.clone(), v.clone())).collect())
}
