//! A WooCommerce store from the other side.
//!
//! A product with one variant is shown as a simple product, under the product's own id and with
//! `variation_id` 0 in orders; one with several as a variable product with its variations. Units that were
//! called off make a line shorter, for WooCommerce has no such thing. A variant whose id stands in the
//! shop's memory under [`UNCOUNTED`] has its stock not managed.
//!
//! Left out on purpose: form-encoded requests, HMAC-SHA1, refunds, checkout drafts.

use super::{NAME, webhook};
use crate::{
    domain::{Currency, Money, ProductState, RemoteId, Timestamp},
    marketplaces::{
        Secrets,
        http::lenient::{id, text, whole},
        simulation::{
            Shop, ShopChange, SimDelivery, SimLine, SimOrder, SimProduct, SimRequest, SimResponse,
            SimStatus, SimVariant, Simulator, Subscription,
            wordpress::{self, REVOKED, Row, error, gmt, local, php_json},
        },
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Before a variant's id in a shop's memory: its stock is not counted.
pub const UNCOUNTED: &str = "uncounted:";
const ORDER_GONE: &str = "woocommerce_rest_shop_order_invalid_id";
const PRODUCT_GONE: &str = "woocommerce_rest_product_invalid_id";
const VARIATION_GONE: &str = "woocommerce_rest_product_variation_invalid_id";
const WEBHOOK_GONE: &str = "woocommerce_rest_shop_webhook_invalid_id";
/// A failure that finds more failures than this switches a webhook off: the seventh in a row.
const TOLERATED_FAILURES: u32 = 5;

type Answer = Result<SimResponse, SimResponse>;

/// The protocol of WooCommerce, spoken by the store.
#[derive(Debug, Clone, Copy)]
pub struct WooCommerceSimulator;

impl Simulator for WooCommerceSimulator {
    fn open_shop(&self, seed: u32, name: &str, _now: Timestamp) -> Shop {
        let home = RemoteId::from(format!("https://store-{seed}.example.com"));
        let currency = Currency::from_code("IDR").expect("IDR is an ISO 4217 code");
        let mut shop = Shop::new(home, name, currency, 101);
        shop.platforms = vec![NAME];
        for (secret, prefix) in [("consumer_key", "ck"), ("consumer_secret", "cs")] {
            let digits = hex::encode(Sha256::digest(format!("{secret} {seed}")));
            shop.secrets
                .set(secret, format!("{prefix}_{}", &digits[..40]));
        }
        shop
    }

    fn credentials(&self, shop: &Shop) -> Secrets {
        let secret = |name| shop.secrets.get(name).unwrap_or_default();
        Secrets::of(["consumer_key", "consumer_secret"].map(|name| (name, secret(name))))
    }

    fn answer(&self, shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
        answer(shop, request, now).unwrap_or_else(|refusal| refusal)
    }

    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<SimDelivery> {
        let told = told(shop, change, now);
        let deliveries = told.iter().flat_map(|(topic, body)| {
            let wanted = |s: &&Subscription| s.is_active && s.topic == *topic;
            let body = php_json(body);
            let shop = &*shop;
            let wanting = shop.subscriptions.iter().filter(wanted);
            wanting.map(move |subscription| delivery(shop, subscription, &body, now))
        });
        deliveries.collect()
    }

    /// Unsigned, and sent whatever the webhook's topic.
    fn pings(&self, _shop: &Shop, subscription: &Subscription) -> Vec<SimDelivery> {
        vec![SimDelivery {
            subscription: subscription.id,
            address: subscription.address.clone(),
            topic: PING.to_owned(),
            headers: headers([
                (
                    "content-type",
                    "application/x-www-form-urlencoded".to_owned(),
                ),
                ("user-agent", USER_AGENT.to_owned()),
            ]),
            body: format!("webhook_id={}", subscription.id).into(),
        }]
    }

    /// A lost delivery is lost.
    fn retry_after(&self, _failures: u32) -> Option<Duration> {
        None
    }

    fn answer_deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn is_success(&self, status: u16) -> bool {
        (200..=302).contains(&status)
    }

    fn delivered(&self, shop: &mut Shop, delivery: &SimDelivery, success: bool) {
        let mut hooks = shop.subscriptions.iter_mut();
        let hook = hooks.find(|s| s.id == delivery.subscription && delivery.topic != PING);
        match hook {
            None => {}
            Some(hook) if success => hook.failures = 0,
            Some(hook) if hook.failures > TOLERATED_FAILURES => hook.is_active = false,
            Some(hook) => hook.failures += 1,
        }
    }

    /// WooCommerce has no limit; what stands before it answers with a page.
    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse {
        let page = SimResponse {
            status: 429,
            headers: headers([("content-type", "text/html".to_owned())]),
            body: "<html><body>Too Many Requests</body></html>".into(),
        };
        match retry_after {
            Some(wait) => page.header("retry-after", wait.as_secs().to_string()),
            None => page,
        }
    }
}

const PING: &str = "ping";
const USER_AGENT: &str = "WooCommerce/10.5.2 Hookshot (WordPress/6.9.1)";

fn headers<const N: usize>(of: [(&str, String); N]) -> Vec<(String, String)> {
    of.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The topics and bodies that a change raises. A sale saves what it sold, so it tells of products too;
/// the checkout saves an order before it announces it.
fn told(shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<(&'static str, Value)> {
    let mut told = Vec::new();
    let order = |shop: &Shop, id: &RemoteId| shop.orders.get(id).map(|o| order_json(shop, o));
    match change {
        ShopChange::OrderCreated(id) => {
            told.extend(sold(shop, id, now));
            let body = order(shop, id).into_iter();
            told.extend(body.flat_map(|b| [("order.updated", b.clone()), ("order.created", b)]));
        }
        ShopChange::OrderUpdated(id) => {
            if shop
                .orders
                .get(id)
                .is_some_and(|o| o.status == SimStatus::Cancelled)
            {
                told.extend(sold(shop, id, now));
            }
            told.extend(order(shop, id).map(|body| ("order.updated", body)));
        }
        ShopChange::ProductCreated(id) => {
            let product = shop.products.get(id);
            told.extend(product.map(|p| ("product.created", product_json(shop, p))));
        }
        ShopChange::ProductUpdated { product, variant } => {
            let product = shop.products.get(product);
            let body = product.map(|p| saved_json(shop, p, variant.as_ref()));
            told.extend(body.map(|body| ("product.updated", body)));
        }
        ShopChange::ProductDeleted(id) => {
            let product = shop.products.get(id).filter(|p| p.variants.len() > 1);
            let variations = product.into_iter().flat_map(|p| &p.variants).map(|v| &v.id);
            let gone = |id: &RemoteId| ("product.deleted", json!({ "id": number(id) }));
            told.extend(variations.chain([id]).map(gone));
        }
        ShopChange::Deauthorized => {
            shop.memory.insert(REVOKED.to_owned(), now.to_string());
        }
    }
    told
}

fn sold(shop: &mut Shop, order: &RemoteId, now: Timestamp) -> Vec<(&'static str, Value)> {
    let lines = shop.orders.get(order).map(|o| o.lines.clone());
    let lines = lines.unwrap_or_default();
    for line in &lines {
        if let Some(product) = shop.products.get_mut(&line.product_id) {
            product.updated_at = product.updated_at.max(now);
        }
    }
    let saved = lines.iter().filter_map(|line| {
        let product = shop.products.get(&line.product_id)?;
        Some((
            "product.updated",
            saved_json(shop, product, Some(&line.variant_id)),
        ))
    });
    saved.collect()
}

/// What is delivered of a saved product: the variation alone when only that was saved.
fn saved_json(shop: &Shop, product: &SimProduct, variant: Option<&RemoteId>) -> Value {
    let mut variants = product
        .variants
        .iter()
        .filter(|_| product.variants.len() > 1);
    match variants.find(|v| Some(&v.id) == variant) {
        Some(variant) => variation_json(shop, product, variant),
        None => product_json(shop, product),
    }
}

fn delivery(shop: &Shop, hook: &Subscription, body: &str, now: Timestamp) -> SimDelivery {
    let key = webhook::decoded_secret(&hook.secret);
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body.as_bytes());
    let (resource, event) = hook.topic.split_once('.').unwrap_or((&hook.topic, ""));
    // All of one second share it.
    let once = hex::encode(Sha256::digest(format!("{}{}", hook.id, now.secs())));
    SimDelivery {
        subscription: hook.id,
        address: hook.address.clone(),
        topic: hook.topic.clone(),
        headers: headers([
            ("content-type", "application/json".to_owned()),
            ("user-agent", USER_AGENT.to_owned()),
            ("x-wc-webhook-source", format!("{}/", shop.remote_id)),
            ("x-wc-webhook-topic", hook.topic.clone()),
            ("x-wc-webhook-resource", resource.to_owned()),
            ("x-wc-webhook-event", event.to_owned()),
            (
                "x-wc-webhook-signature",
                STANDARD.encode(mac.finalize().into_bytes()),
            ),
            ("x-wc-webhook-id", hook.id.to_string()),
            ("x-wc-webhook-delivery-id", once[..32].to_owned()),
        ]),
        body: body.to_owned().into(),
    }
}

fn answer(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let no_route = || error(404, "rest_no_route", "No route was found matching the URL.");
    let (_, route) = wordpress::route(request).ok_or_else(no_route)?;
    let route: Vec<&str> = route.iter().map(String::as_str).collect();
    let method = request.method.as_str();
    let ["wc", "v3", route @ ..] = route.as_slice() else {
        let index = json!({ "name": shop.name, "home": shop.remote_id, "url": shop.remote_id });
        return match (method, route.is_empty()) {
            ("GET", true) => Ok(shown(request, index)),
            _ => Err(no_route()),
        };
    };
    wordpress::admit(shop, request, now)?;
    match (method, route) {
        ("GET", ["data", "currencies", "current"]) => {
            Ok(shown(request, json!({ "code": shop.currency.code() })))
        }
        ("GET", ["orders"]) => wordpress::list(request, order_rows(shop, request, now)),
        ("GET", ["orders", id]) => {
            let order = shop.order_as_shown(&RemoteId::from(*id), now);
            let order = order.ok_or_else(|| error(404, ORDER_GONE, "Invalid ID."))?;
            Ok(shown(request, order_json(shop, order)))
        }
        ("GET", ["products"]) => wordpress::list(request, product_rows(shop, request)),
        ("GET", ["products", id]) => found(shop, id, None).map(|json| shown(request, json)),
        ("GET", ["products", id, "variations"]) => {
            wordpress::list(request, variation_rows(shop, id, request))
        }
        ("GET", ["products", id, "variations", variation]) => {
            found(shop, variation, Some(id)).map(|json| shown(request, json))
        }
        ("POST", ["products", "batch"]) => batch(request, |entry| save(shop, entry, None, now)),
        ("POST", ["products", id, "variations", "batch"]) => {
            batch(request, |entry| save(shop, entry, Some(id), now))
        }
        ("PUT" | "POST", ["products", id]) => put(shop, request, (id, None), now),
        ("PUT" | "POST", ["products", product, "variations", id]) => {
            put(shop, request, (id, Some(product)), now)
        }
        ("GET", ["webhooks"]) => {
            let rows = shop.subscriptions.iter().map(|hook| Row {
                id: hook.id,
                created_at: Timestamp::EPOCH,
                modified_at: Timestamp::EPOCH,
                json: hook_json(hook),
            });
            wordpress::list(request, rows.collect())
        }
        ("POST", ["webhooks"]) => create_hook(shop, &body(request)?),
        ("POST", ["webhooks", "batch"]) => batch(request, |entry| save_hook(shop, entry)),
        ("GET" | "PUT" | "POST", ["webhooks", id]) => {
            let mut entry = body(request).unwrap_or_default();
            entry["id"] = json!(id);
            save_hook(shop, &entry).map(|json| SimResponse::json(200, &json))
        }
        ("DELETE", ["webhooks", id]) => {
            let json = save_hook(shop, &json!({ "id": id }))?;
            shop.subscriptions.retain(|hook| hook.id.to_string() != *id);
            Ok(SimResponse::json(200, &json))
        }
        _ => Err(no_route()),
    }
}

fn shown(request: &SimRequest, json: Value) -> SimResponse {
    SimResponse::json(200, &wordpress::only_fields(request, json))
}

fn body(request: &SimRequest) -> Result<Value, SimResponse> {
    serde_json::from_slice(&request.body)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| error(400, "rest_invalid_json", "Invalid JSON body passed."))
}

/// Up to 100 entries, each with its own result.
fn batch(
    request: &SimRequest,
    mut save: impl FnMut(&Value) -> Result<Value, SimResponse>,
) -> Answer {
    let body = body(request)?;
    let entries = body
        .get("update")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if entries.len() > 100 {
        let code = "woocommerce_rest_request_entity_too_large";
        return Err(error(
            413,
            code,
            "Unable to accept more than 100 items for this request.",
        ));
    }
    let saved = entries.iter().map(|entry| {
        save(entry).unwrap_or_else(|refusal| {
            let error: Value = serde_json::from_slice(&refusal.body).unwrap_or_default();
            json!({ "id": entry["id"], "error": error })
        })
    });
    Ok(SimResponse::json(
        200,
        &json!({ "update": saved.collect::<Vec<_>>() }),
    ))
}

fn put(
    shop: &mut Shop,
    request: &SimRequest,
    (id, parent): (&str, Option<&str>),
    now: Timestamp,
) -> Answer {
    let mut entry = body(request)?;
    if entry
        .get("stock_quantity")
        .is_some_and(|units| whole(units).is_none())
    {
        let message = "Invalid parameter(s): stock_quantity";
        return Err(error(400, "rest_invalid_param", message));
    }
    entry["id"] = json!(id);
    save(shop, &entry, parent, now).map(|json| SimResponse::json(200, &json))
}

/// Saves a product or, with `parent`, a variation; checks no types, and ignores stock it does not count.
fn save(
    shop: &mut Shop,
    entry: &Value,
    parent: Option<&str>,
    now: Timestamp,
) -> Result<Value, SimResponse> {
    let wanted = RemoteId::from(id(entry, "id").unwrap_or(0));
    let row = wanted.as_str().to_owned();
    found(shop, &row, parent).map_err(|refusal| match parent {
        Some(_) => refusal,
        None => error(400, PRODUCT_GONE, "Invalid ID."),
    })?;
    let variant = match shop.products.get(&wanted) {
        Some(product) if product.variants.len() == 1 => Some(product.variants[0].id.clone()),
        Some(_) => None,
        None => Some(wanted),
    };
    if let Some(variant) = variant {
        let is_counted = is_counted(shop, &variant);
        let (units, currency) = (entry.get("stock_quantity"), shop.currency);
        let price =
            text(entry, "regular_price").and_then(|price| Money::parse(price, currency).ok());
        shop.edit_variant(&variant, now, |variant| {
            if let Some(units) = units.filter(|_| is_counted) {
                variant.quantity = units.as_f64().unwrap_or(0.0) as i64;
            }
            variant.price = price.unwrap_or(variant.price);
        });
    }
    found(shop, &row, parent)
}

/// A product or variation by id; `parent` is given when it was asked for below its product.
fn found(shop: &Shop, wanted: &str, parent: Option<&str>) -> Result<Value, SimResponse> {
    let wanted = RemoteId::from(wanted);
    let product = shop.products.get(&wanted).filter(|_| parent.is_none());
    if let Some(product) = product {
        return Ok(product_json(shop, product));
    }
    let product = shop.product_of(&wanted).filter(|product| {
        product.variants.len() > 1 && parent.is_none_or(|parent| product.id.as_str() == parent)
    });
    let variant = product.and_then(|p| p.variants.iter().find(|v| v.id == wanted));
    match (product, variant, parent) {
        (Some(product), Some(variant), _) => Ok(variation_json(shop, product, variant)),
        (_, _, Some(_)) => Err(error(404, VARIATION_GONE, "Invalid ID.")),
        _ => Err(error(404, PRODUCT_GONE, "Invalid ID.")),
    }
}

fn order_rows(shop: &Shop, request: &SimRequest, now: Timestamp) -> Vec<Row> {
    let wanted: Vec<&str> = request
        .param("status")
        .unwrap_or("any")
        .split(',')
        .collect();
    let orders = shop.orders.values().map(|order| order.as_shown(now));
    let listed = orders.filter(|order| wanted.contains(&"any") || wanted.contains(&status(order)));
    let row = |order: &SimOrder| Row {
        id: number(&order.id),
        created_at: order.placed_at,
        modified_at: order.updated_at,
        json: order_json(shop, order),
    };
    listed.map(row).collect()
}

fn is_listed(request: &SimRequest, product: &SimProduct) -> bool {
    match request.param("status").unwrap_or("any") {
        "any" => product.state != ProductState::Gone,
        one => one == state(product),
    }
}

fn product_rows(shop: &Shop, request: &SimRequest) -> Vec<Row> {
    let listed = shop
        .products
        .values()
        .filter(|product| is_listed(request, product));
    listed
        .map(|product| row(product, &product.id, product_json(shop, product)))
        .collect()
}

/// None for simple and for unknown products.
fn variation_rows(shop: &Shop, product: &str, request: &SimRequest) -> Vec<Row> {
    let product = shop.products.get(&RemoteId::from(product));
    let Some(product) = product.filter(|p| p.variants.len() > 1 && is_listed(request, p)) else {
        return vec![];
    };
    let variants = product.variants.iter();
    variants
        .map(|v| row(product, &v.id, variation_json(shop, product, v)))
        .collect()
}

fn row(product: &SimProduct, id: &RemoteId, json: Value) -> Row {
    Row {
        id: number(id),
        created_at: product.created_at,
        modified_at: product.updated_at,
        json,
    }
}

fn number(id: &RemoteId) -> u64 {
    id.as_str().parse().unwrap_or(0)
}

fn is_counted(shop: &Shop, variant: &RemoteId) -> bool {
    !shop.memory.contains_key(&format!("{UNCOUNTED}{variant}"))
}

fn amount(money: Money) -> String {
    super::mapping::amount(money)
}

fn status(order: &SimOrder) -> &'static str {
    match order.status {
        SimStatus::Unpaid => "pending",
        SimStatus::Paid | SimStatus::Arranged => "processing",
        SimStatus::Shipped | SimStatus::Delivered | SimStatus::Completed => "completed",
        SimStatus::Cancelled => "cancelled",
    }
}

fn state(product: &SimProduct) -> &'static str {
    match product.state {
        ProductState::Active => "publish",
        ProductState::Inactive => "draft",
        ProductState::Gone => "trash",
    }
}

/// Adds the fields of `more` to an object.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

fn dates(created_at: Timestamp, modified_at: Timestamp) -> Value {
    json!({
        "date_created": local(created_at), "date_created_gmt": gmt(created_at),
        "date_modified": local(modified_at), "date_modified_gmt": gmt(modified_at),
    })
}

fn links(shop: &Shop, path: &str) -> Value {
    let home = &shop.remote_id;
    json!({ "_links": { "self": [{ "href": format!("{home}/wp-json/wc/v3/{path}") }] } })
}

fn order_json(shop: &Shop, order: &SimOrder) -> Value {
    let sold = |line: &SimLine| match order.status {
        SimStatus::Cancelled => line.quantity,
        _ => line.quantity - line.cancelled,
    };
    let mut total = Money::zero(shop.currency);
    let mut lines = Vec::new();
    for line in order.lines.iter().filter(|line| sold(line) > 0) {
        let minor = line.unit_price.minor * sold(line);
        total.minor += minor;
        lines.push(line_json(shop, line, sold(line), Money { minor, ..total }));
    }
    let nobody = json!({ "first_name": "", "last_name": "", "email": "", "phone": "" });
    let paid = |time: fn(Timestamp) -> String| order.paid_at.map(time);
    let own = json!({
        "id": number(&order.id), "parent_id": 0, "number": order.id, "status": status(order),
        "order_key": format!("wc_order_{}", order.id), "created_via": "checkout",
        "version": "10.5.2", "currency": shop.currency.code(), "prices_include_tax": false,
        "discount_total": "0.00", "shipping_total": "0.00", "total": amount(total),
        "total_tax": "0.00", "customer_id": 0, "billing": nobody, "shipping": nobody,
        "payment_method": "bacs", "payment_method_title": "Transfer bank", "transaction_id": "",
        "date_paid": paid(local), "date_paid_gmt": paid(gmt), "meta_data": [],
        "line_items": lines, "tax_lines": [], "shipping_lines": [], "fee_lines": [],
        "coupon_lines": [], "refunds": [],
    });
    let own = with(own, dates(order.placed_at, order.updated_at));
    with(own, links(shop, &format!("orders/{}", order.id)))
}

/// SKU and ids are read live: they go when the product goes.
fn line_json(shop: &Shop, line: &SimLine, units: i64, total: Money) -> Value {
    let product = shop.products.get(&line.product_id);
    let variant = product.and_then(|p| p.variants.iter().find(|v| v.id == line.variant_id));
    let is_variation = product.is_some_and(|p| p.variants.len() > 1);
    let name = product.map_or("Sold product", |p| p.title.as_str());
    json!({
        "id": line.first_id, "name": name.replace('&', "&amp;"),
        "product_id": product.map_or(0, |p| number(&p.id)),
        "variation_id": if is_variation { number(&line.variant_id) } else { 0 },
        "quantity": units, "subtotal": amount(total), "subtotal_tax": "0.00",
        "total": amount(total), "total_tax": "0.00", "taxes": [], "meta_data": [],
        "sku": product.zip(variant).map(|(p, v)| sku(p, v)),
        "price": line.unit_price.minor as f64 / 10_f64.powi(shop.currency.exponent() as i32),
    })
}

/// A variation without a SKU shows its parent's.
fn sku(product: &SimProduct, variant: &SimVariant) -> String {
    let own = variant.seller_sku.clone();
    own.unwrap_or_else(|| parent_sku(product))
}

fn parent_sku(product: &SimProduct) -> String {
    let is_variable = product.variants.len() > 1;
    is_variable
        .then(|| format!("PARENT-{}", product.id))
        .unwrap_or_default()
}

fn product_json(shop: &Shop, product: &SimProduct) -> Value {
    let common = json!({
        "id": number(&product.id), "name": product.title.replace('&', "&amp;"),
        "status": state(product), "parent_id": 0, "meta_data": [],
        "sku": parent_sku(product), "price": "", "regular_price": "", "sale_price": "",
        "manage_stock": false, "stock_quantity": null, "stock_status": "instock",
        "type": "variable", "attributes": [], "images": [], "related_ids": [],
    });
    let variations: Vec<u64> = product.variants.iter().map(|v| number(&v.id)).collect();
    let own = match product.variants.as_slice() {
        [only] => with(
            json!({ "type": "simple", "variations": [] }),
            stock_json(shop, product, only),
        ),
        _ => json!({ "variations": variations }),
    };
    let all = with(
        with(common, own),
        dates(product.created_at, product.updated_at),
    );
    with(all, links(shop, &format!("products/{}", product.id)))
}

fn stock_json(shop: &Shop, product: &SimProduct, variant: &SimVariant) -> Value {
    let is_counted = is_counted(shop, &variant.id);
    let price = amount(variant.price);
    json!({
        "sku": sku(product, variant), "price": price, "regular_price": price, "sale_price": "",
        "manage_stock": is_counted, "stock_quantity": is_counted.then_some(variant.quantity),
    })
}

fn variation_json(shop: &Shop, product: &SimProduct, variant: &SimVariant) -> Value {
    let own = json!({
        "id": number(&variant.id), "parent_id": number(&product.id), "type": "variation",
        "name": format!("{} - {}", product.title, variant.title).replace('&', "&amp;"),
        "status": if product.state == ProductState::Gone { "trash" } else { "publish" },
        "attributes": [{ "id": 1, "name": "Variant", "option": variant.title }],
        "meta_data": [], "image": null,
    });
    let own = with(own, stock_json(shop, product, variant));
    let own = with(own, dates(product.created_at, product.updated_at));
    with(
        own,
        links(
            shop,
            &format!("products/{}/variations/{}", product.id, variant.id),
        ),
    )
}

/// A webhook as it is shown: never with its secret.
fn hook_json(hook: &Subscription) -> Value {
    json!({
        "id": hook.id, "name": hook.topic, "topic": hook.topic, "delivery_url": hook.address,
        "status": if hook.is_active { "active" } else { "disabled" },
    })
}

fn create_hook(shop: &mut Shop, body: &Value) -> Answer {
    let field = |name| text(body, name).unwrap_or_default().to_owned();
    let (topic, address) = (field("topic"), field("delivery_url"));
    let invalid = |what| {
        error(
            400,
            &format!("woocommerce_rest_shop_webhook_invalid_{what}"),
            what,
        )
    };
    if topic.split_once('.').is_none() {
        return Err(invalid("topic"));
    }
    if !address.starts_with("http") {
        return Err(invalid("delivery_url"));
    }
    let hook = Subscription {
        id: shop.take_ids(1),
        topic,
        address,
        secret: field("secret"),
        is_active: true,
        failures: 0,
    };
    let json = hook_json(&hook);
    shop.subscriptions.push(hook);
    Ok(SimResponse::json(201, &json))
}

/// Changes what `entry` names. Switching on keeps the count of failures.
fn save_hook(shop: &mut Shop, entry: &Value) -> Result<Value, SimResponse> {
    let wanted = id(entry, "id");
    let hook = shop
        .subscriptions
        .iter_mut()
        .find(|hook| Some(hook.id) == wanted);
    let hook = hook.ok_or_else(|| error(404, WEBHOOK_GONE, "Invalid ID."))?;
    if let Some(status) = text(entry, "status") {
        hook.is_active = status == "active";
    }
    if let Some(secret) = text(entry, "secret") {
        secret.clone_into(&mut hook.secret);
    }
    Ok(hook_json(hook))
}
