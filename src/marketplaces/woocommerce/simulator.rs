//! A WooCommerce store from the other side.
//!
//! Its objects are worded in `simulation::wordpress::objects`, its webhooks in `webhook.rs`.
//!
//! Left out on purpose: form-encoded requests, HMAC-SHA1, checkout drafts.

use super::{NAME, webhook};
use crate::domain::{Currency, Money, RemoteId, Timestamp};
use crate::marketplaces::{
    Secrets,
    http::lenient::{id, text, whole},
    simulation::{
        MovesOrder, Shop, ShopChange, Signing, SimDelivery, SimRequest, SimResponse, Simulator,
        Subscription,
        wordpress::{
            self, Row, authorize, error,
            objects::{
                hook_json, is_counted, order_json, order_rows, product_json, product_rows,
                refund_rows, variation_json, variation_rows,
            },
            php_json,
        },
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

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
        shop.returns_move_orders = MovesOrder::WithRefunds;
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
        if authorize::is_page(request) {
            return authorize::page(shop, request, now);
        }
        answer(shop, request, now).unwrap_or_else(|refusal| refusal)
    }

    fn hand_over(&self, shop: &mut Shop) -> Option<SimDelivery> {
        authorize::hand_over(shop)
    }

    fn handed_over(&self, shop: &mut Shop, success: bool) -> Option<SimResponse> {
        authorize::handed_over(shop, success)
    }

    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<SimDelivery> {
        let told = webhook::told(shop, change, now);
        let deliveries = told.iter().flat_map(|(topic, body)| {
            let wanted = |s: &&Subscription| s.is_active && s.topic == *topic;
            let body = php_json(body);
            let shop = &*shop;
            let wanting = shop.subscriptions.iter().filter(wanted);
            wanting.map(move |subscription| webhook::signed(shop, subscription, &body, now))
        });
        deliveries.collect()
    }

    /// Unsigned, and sent whatever the webhook's topic.
    fn pings(&self, _shop: &Shop, subscription: &Subscription) -> Vec<SimDelivery> {
        vec![SimDelivery {
            subscription: subscription.id,
            address: subscription.address.clone(),
            topic: PING.to_owned(),
            headers: webhook::headers([
                (
                    "content-type",
                    "application/x-www-form-urlencoded".to_owned(),
                ),
                ("user-agent", webhook::USER_AGENT.to_owned()),
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

    fn is_success(&self, status: u16, _body: &[u8]) -> bool {
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

    fn sign(&self, signing: &Signing<'_>, body: &[u8]) -> Vec<(String, String)> {
        let signature = webhook::signature(signing.secret, body);
        webhook::headers([("x-wc-webhook-signature", signature)])
    }

    /// WooCommerce has no limit; what stands before it answers with a page.
    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse {
        let page = SimResponse {
            status: 429,
            headers: webhook::headers([("content-type", "text/html".to_owned())]),
            body: "<html><body>Too Many Requests</body></html>".into(),
        };
        match retry_after {
            Some(wait) => page.header("retry-after", wait.as_secs().to_string()),
            None => page,
        }
    }
}

const PING: &str = "ping";

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
        ("GET", ["orders", id, "refunds"]) => {
            let order = shop.order_as_shown(&RemoteId::from(*id), now);
            let order = order.ok_or_else(|| error(404, ORDER_GONE, "Invalid order ID."))?;
            wordpress::list(request, refund_rows(shop, order))
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
        ("DELETE", ["webhooks", _]) if request.param("force") != Some("true") => {
            let message = "Webhooks do not support trashing.";
            Err(error(501, "woocommerce_rest_trash_not_supported", message))
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::marketplaces::{
        Marketplace, RawDelivery, WebhookKeys,
        simulation::{
            NewLine, SimStatus,
            loopback::{self, Shared},
        },
        woocommerce::WooCommerce,
    };
    use std::sync::{Arc, Mutex};

    pub const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);
    pub const TEA: &str = "101";
    pub const WOO: WooCommerce = WooCommerce;

    /// Tea is product 101; coffee is 103, with the variations 104 and 105.
    pub fn store() -> Shared {
        let mut shop = WooCommerceSimulator.open_shop(7, "Toko & Co", NOW);
        shop.add_product("Teh", &[("Teh", Some("TEH"), 1_250_000, 7)], NOW);
        let sizes = [
            ("250g", Some("K250"), 9_800_000, 5),
            ("1kg", None, 35_000_000, 5),
        ];
        shop.add_product("Kopi & Gula", &sizes, NOW);
        Arc::new(Mutex::new(shop))
    }

    pub fn order(shop: &Shared, variant: &str, quantity: i64, at: Timestamp) -> RemoteId {
        let line = NewLine {
            variant_id: variant.into(),
            quantity,
        };
        let mut shop = shop.lock().unwrap();
        shop.place_order(NAME, SimStatus::Paid, &[line], at)
            .unwrap()
    }

    #[tokio::test]
    async fn subscribing_twice_mends_and_doubles_nothing() {
        let shop = store();
        let access = loopback::host(&WooCommerceSimulator, &shop, NOW).await;
        let address = "https://hooks.example.com/x";

        let first = WOO.subscribe(&access, address, "first1").await.unwrap();
        let topic = |d: &SimDelivery| d.topic == "order.created";
        let id = order(&shop, "104", 1, NOW);
        let change = ShopChange::OrderCreated(id);
        let sent = WooCommerceSimulator.webhooks(&mut shop.lock().unwrap(), &change, NOW);
        let sent = sent.into_iter().find(topic).unwrap();
        for _ in 0..7 {
            assert!(
                shop.lock()
                    .unwrap()
                    .subscriptions
                    .iter()
                    .all(|hook| hook.is_active)
            );
            WooCommerceSimulator.delivered(&mut shop.lock().unwrap(), &sent, false);
        }
        let second = WOO.subscribe(&access, address, "second2").await.unwrap();

        assert_eq!(first.len(), 11);
        assert_eq!(second, ["switched order.created on again: it was disabled"]);
        let mut shop = shop.lock().unwrap();
        assert_eq!(shop.subscriptions.len(), 11);
        let again = WooCommerceSimulator.webhooks(&mut shop, &change, NOW);
        for delivery in &again {
            assert!(delivery.body.is_ascii() && !delivery.body.windows(3).any(|w| w == b"://"));
            let raw = RawDelivery::new(delivery.headers.clone(), delivery.body.clone());
            let believed = WOO.verify(raw, &WebhookKeys::one("", "second2")).unwrap();
            assert_eq!(WOO.parse(&believed).unwrap().len(), 1);
        }
        assert_eq!(again.len(), 3);
    }
}
