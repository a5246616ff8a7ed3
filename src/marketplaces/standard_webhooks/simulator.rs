//! A custom store from the other side: the reference for whoever builds one.
//!
//! It has the whole pull API, refuses what the guide says a store may refuse, sends whole messages (thin ones when
//! its memory holds `thin`), signs each try anew, tries again on the schedule of the specification's example, and
//! stops for good when it is answered with 410.

use super::{
    NAME,
    client::{API_KEY, LARGEST_BATCH, LARGEST_PAGE, ROOT},
    mapping::{amount, goods_word, return_word, state_word, words},
};
use crate::domain::{
    Currency, Document, Fulfilment, Money, ProductState, RemoteId, ReturnState, Standing,
    Timestamp, Window,
};
use crate::marketplaces::{
    Secrets,
    http::signature,
    simulation::{
        Shop, ShopChange, Signing, SimDelivery, SimOrder, SimProduct, SimRequest, SimResponse,
        SimReturn, SimReturnState, SimStatus, SimVariant, Simulator, Subscription, keyset_page,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Waits between the tries. Source: the specification, deliverability and reliability, example schedule.
const WAITS: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// What a memory holds when the merchant was disconnected.
const DISCONNECTED: &str = "disconnected";
/// What a memory holds when messages are thin.
const THIN: &str = "thin";

type Answer = Result<SimResponse, SimResponse>;

/// The protocol of custom stores, spoken by the store.
#[derive(Debug, Clone, Copy)]
pub struct StandardWebhooksSimulator;

impl Simulator for StandardWebhooksSimulator {
    fn open_shop(&self, seed: u32, name: &str, _now: Timestamp) -> Shop {
        let id = RemoteId::from(format!("store-{seed}.example.com"));
        let currency = Currency::from_code("IDR").expect("IDR is an ISO 4217 code");
        let mut shop = Shop::new(id, name, currency, 101);
        shop.platforms = vec![NAME];
        let digest = hex::encode(Sha256::digest(format!("{API_KEY} {seed}")));
        shop.secrets.set(API_KEY, format!("key_{}", &digest[..40]));
        shop
    }

    fn credentials(&self, shop: &Shop) -> Secrets {
        Secrets::of([(API_KEY, shop.secrets.get(API_KEY).unwrap_or_default())])
    }

    fn answer(&self, shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
        answer(shop, request, now).unwrap_or_else(|refusal| refusal)
    }

    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<SimDelivery> {
        let Some((topic, data)) = told(shop, change, now) else {
            return vec![];
        };
        let body = json!({"type": topic, "timestamp": now.to_string(), "data": data}).to_string();
        let active = shop.subscriptions.iter().filter(|s| s.is_active);
        let active: Vec<Subscription> = active.cloned().collect();
        let deliveries = active.iter().map(|subscription| {
            let id = format!("msg_{}_{}", subscription.id, shop.take_ids(1));
            SimDelivery {
                subscription: subscription.id,
                address: subscription.address.clone(),
                topic: topic.to_owned(),
                headers: headers(&subscription.secret, &id, now, body.as_bytes()),
                body: body.clone().into(),
            }
        });
        deliveries.collect()
    }

    fn leaving(&self, shop: &Shop, delivery: &mut SimDelivery, now: Timestamp) {
        let mut subscriptions = shop.subscriptions.iter();
        let subscription = subscriptions.find(|s| s.id == delivery.subscription);
        let id = delivery.headers.iter().find(|(n, _)| n == "webhook-id");
        if let (Some(subscription), Some((_, id))) = (subscription, id.cloned()) {
            delivery.headers = headers(&subscription.secret, &id, now, &delivery.body);
        }
    }

    fn retry_after(&self, failures: u32) -> Option<Duration> {
        let wait = WAITS.get(failures.checked_sub(1)? as usize)?;
        Some(Duration::from_secs(*wait))
    }

    /// "Gone" is for good.
    fn wants_retry(&self, shop: &mut Shop, delivery: &SimDelivery, status: Option<u16>) -> bool {
        let mut subscriptions = shop.subscriptions.iter_mut();
        let subscription = subscriptions.find(|s| s.id == delivery.subscription);
        subscription.is_some_and(|subscription| {
            subscription.is_active &= status != Some(410);
            subscription.is_active
        })
    }

    /// Between 15 and 30 seconds. Source: the specification, request timeouts.
    fn answer_deadline(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn switch_on(&self, shop: &mut Shop, address: &str, secret: &str) {
        let id = shop.take_ids(1);
        shop.subscriptions.retain(|s| s.address != address);
        shop.subscriptions.push(Subscription {
            id,
            topic: "*".to_owned(),
            address: address.to_owned(),
            secret: secret.to_owned(),
            is_active: true,
            failures: 0,
        });
    }

    fn sign(&self, signing: &Signing<'_>, body: &[u8]) -> Vec<(String, String)> {
        let mut signed = headers(signing.secret, signing.id, signing.at, body);
        signed.retain(|(name, _)| name.starts_with("webhook-"));
        signed
    }

    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse {
        let answer = problem(429, "Too many requests", "slow down");
        match retry_after {
            Some(wait) => answer.header("retry-after", wait.as_secs().to_string()),
            None => answer,
        }
    }
}

/// The headers of one try.
fn headers(secret: &str, id: &str, now: Timestamp, body: &[u8]) -> Vec<(String, String)> {
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(signature::headers(&[secret], id, now, body));
    let owned = headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    owned.collect()
}

/// The type of the message that a change raises, and its data.
fn told(shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Option<(&'static str, Value)> {
    let is_thin = shop.memory.contains_key(THIN);
    let about = |json: Value| {
        if is_thin {
            json!({"id": json["id"], "updated_at": json["updated_at"]})
        } else {
            json
        }
    };
    let order = |id: &RemoteId| shop.orders.get(id).map(|order| order_json(shop, order));
    let product = |id: &RemoteId| shop.products.get(id).map(product_json);
    Some(match change {
        ShopChange::OrderCreated(id) => ("order.created", about(order(id)?)),
        ShopChange::OrderUpdated(id) => ("order.updated", about(order(id)?)),
        ShopChange::ReturnChanged { order: of, id } => {
            let held = shop.orders.get(of)?;
            let changed = held.find_return(id);
            let is_refund = changed.is_some_and(|of| of.state == SimReturnState::Refunded);
            let topic = if is_refund {
                "order.refunded"
            } else {
                "order.updated"
            };
            (topic, about(order(of)?))
        }
        ShopChange::ProductCreated(id) => ("product.created", about(product(id)?)),
        ShopChange::ProductUpdated { product: id, .. } => ("product.updated", about(product(id)?)),
        ShopChange::ProductDeleted(id) => (
            "product.deleted",
            json!({"id": id, "updated_at": now.to_string()}),
        ),
        ShopChange::Deauthorized => {
            shop.memory.insert(DISCONNECTED.to_owned(), now.to_string());
            ("store.disconnected", json!({}))
        }
    })
}

fn order_json(shop: &Shop, order: &SimOrder) -> Value {
    let lines = order.lines.iter().map(|line| {
        let product = shop.products.get(&line.product_id);
        let variant = shop.variant(&line.variant_id);
        json!({
            "id": line.first_id.to_string(),
            "product_id": line.product_id, "variant_id": line.variant_id,
            "sku": variant.and_then(|v| v.seller_sku.as_ref()),
            "title": product.map_or("", |p| p.title.as_str()),
            "quantity": line.quantity, "cancelled_quantity": line.cancelled,
            "unit_price": amount(line.unit_price),
        })
    });
    let minor = order.lines.iter().map(|l| l.quantity * l.unit_price.minor);
    let total = Money {
        minor: minor.sum(),
        currency: shop.currency,
    };
    let (status, payment, fulfilment) = words(standing(order));
    // Two parts in a hundred are kept once it is all over.
    let fees = (order.status == SimStatus::Completed).then(|| {
        let fee = Money {
            minor: total.minor / 50,
            ..total
        };
        json!([{"kind": "payment", "amount": amount(fee)}])
    });
    json!({
        "id": order.id, "number": order.id, "fees": fees,
        "status": status, "payment": payment, "fulfilment": fulfilment,
        "currency": shop.currency.code(), "total": amount(total),
        "created_at": order.placed_at.to_string(), "updated_at": order.updated_at.to_string(),
        "tracking_number": order.tracking_number,
        "lines": lines.collect::<Vec<_>>(),
        "returns": order.returns.iter().map(|of| return_json(shop, order, of)).collect::<Vec<_>>(),
    })
}

fn return_json(shop: &Shop, order: &SimOrder, of: &SimReturn) -> Value {
    let money = |minor| {
        amount(Money {
            minor,
            currency: shop.currency,
        })
    };
    let state = match of.state {
        SimReturnState::Requested => ReturnState::Requested,
        SimReturnState::Accepted => ReturnState::Accepted,
        SimReturnState::Refunded => ReturnState::Refunded,
        SimReturnState::Refused => ReturnState::Closed,
    };
    let lines = of.lines.iter().map(|line| {
        json!({
            "line": order.lines[line.line].first_id.to_string(), "quantity": line.quantity,
            "refund": money(line.refund), "goods": goods_word(of.goods),
        })
    });
    json!({
        "id": of.id, "status": return_word(state), "updated_at": of.updated_at.to_string(),
        "reason": of.reason, "refund": money(of.refund), "lines": lines.collect::<Vec<_>>(),
    })
}

fn standing(order: &SimOrder) -> Standing {
    let paid = order.paid_at.is_some();
    match order.status {
        SimStatus::Unpaid => Standing::PLACED,
        SimStatus::Paid | SimStatus::Arranged => {
            Standing::of(Document::Invoice, paid, Fulfilment::Unsent)
        }
        SimStatus::Shipped | SimStatus::Delivered | SimStatus::Completed => {
            Standing::of(Document::Invoice, paid, Fulfilment::Sent)
        }
        SimStatus::Cancelled => Standing::of(Document::Void, paid, Fulfilment::Unsent),
    }
}

fn product_json(product: &SimProduct) -> Value {
    let variants = product.variants.iter().map(|variant| {
        json!({
            "id": variant.id, "sku": variant.seller_sku, "title": variant.title,
            "price": amount(variant.price), "quantity": variant.quantity,
        })
    });
    let currency = product.variants.first().map(|v| v.price.currency.code());
    json!({
        "id": product.id, "title": product.title, "state": state_word(product.state),
        "currency": currency, "updated_at": product.updated_at.to_string(),
        "variants": variants.collect::<Vec<_>>(),
    })
}

fn problem(status: u16, title: &str, detail: &str) -> SimResponse {
    let body = json!({"title": title, "status": status, "detail": detail});
    SimResponse {
        headers: vec![(
            "content-type".to_owned(),
            "application/problem+json".to_owned(),
        )],
        ..SimResponse::json(status, &body)
    }
}

fn bad(detail: &str) -> SimResponse {
    problem(400, "Bad request", detail)
}

fn answer(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let path = request.path.strip_prefix('/').unwrap_or_default();
    let call = path.strip_prefix(ROOT).and_then(|p| p.strip_prefix('/'));
    let no_call = || problem(404, "Not found", "there is no such call");
    let call = call.ok_or_else(no_call)?;
    admit(shop, request)?;
    match (request.method.as_str(), call) {
        ("GET", "store") => Ok(SimResponse::json(
            200,
            &json!({
                "id": shop.remote_id, "name": shop.name, "currency": shop.currency.code(),
                "capabilities": ["orders", "products", "stock", "prices"],
            }),
        )),
        ("GET", "orders") => orders(shop, request, now),
        ("GET", "products") => products(shop, request),
        ("PUT", "stock") => put(shop, request, "levels", |shop, row| {
            let units = row["quantity"].as_i64().filter(|units| *units >= 0);
            let units = units.ok_or("quantity must be a whole number, 0 or more")?;
            Ok(change(shop, row, now, |variant| variant.quantity = units))
        }),
        ("PUT", "prices") => put(shop, request, "prices", |shop, row| {
            let price = row["price"].as_str();
            let price = price.and_then(|price| Money::parse(price, shop.currency).ok());
            let price = price.ok_or("price must be an amount as text")?;
            if row["currency"] != shop.currency.code() {
                return Err("the store sells in another currency".to_owned());
            }
            Ok(change(shop, row, now, |variant| variant.price = price))
        }),
        (_, "store" | "orders" | "products" | "stock" | "prices") => Err(problem(
            405,
            "Method not allowed",
            "see the list of calls in the guide",
        )),
        _ => Err(no_call()),
    }
}

fn admit(shop: &Shop, request: &SimRequest) -> Result<(), SimResponse> {
    let key = shop.secrets.get(API_KEY).unwrap_or_default();
    let is_right = request.header("authorization") == Some(&format!("Bearer {key}"));
    if is_right && !shop.memory.contains_key(DISCONNECTED) {
        return Ok(());
    }
    let refusal = problem(401, "Unauthorized", "the bearer token is not accepted");
    Err(refusal.header("www-authenticate", "Bearer"))
}

/// What a list is asked for.
struct Asked {
    ids: Option<Vec<RemoteId>>,
    window: Option<Window>,
    state: Option<String>,
    /// The key of the last row shown.
    after: Option<String>,
}

impl Asked {
    fn of(request: &SimRequest, allowed: &[&str]) -> Result<Self, SimResponse> {
        if let Some((name, _)) = request
            .query
            .iter()
            .find(|(name, _)| !allowed.contains(&name.as_str()))
        {
            return Err(bad(&format!("{name} is not a parameter of this call")));
        }
        let ids = request.param("ids").map(|ids| ids.split(','));
        let ids: Option<Vec<RemoteId>> = ids.map(|ids| ids.map(RemoteId::from).collect());
        if ids.as_ref().is_some_and(|ids| ids.len() > LARGEST_BATCH) {
            return Err(bad("ids takes 50 ids at most"));
        }
        let time = |name| match request.param(name) {
            None => Ok(None),
            Some(text) => chrono::DateTime::parse_from_rfc3339(text)
                .map(|at| Some(at.to_utc().into()))
                .map_err(|_| bad(&format!("{name} must be a time as RFC 3339 writes it"))),
        };
        let window = match (time("updated_from")?, time("updated_to")?) {
            (None, None) => None,
            (Some(from), Some(to)) if from <= to => Some(Window { from, to }),
            _ => return Err(bad("updated_from and updated_to belong together, in order")),
        };
        let after = request.param("page").map(|token| {
            let key = URL_SAFE_NO_PAD.decode(token).ok();
            let key = key.and_then(|bytes| String::from_utf8(bytes).ok());
            key.ok_or_else(|| bad("page is not a token of ours"))
        });
        Ok(Self {
            ids,
            window,
            state: request.param("state").map(str::to_owned),
            after: after.transpose()?,
        })
    }

    fn wants(&self, id: &RemoteId, updated_at: Timestamp) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(id))
            && self.window.is_none_or(|window| window.contains(updated_at))
    }

    /// A page, oldest change first.
    fn page(&self, name: &str, rows: Vec<(Timestamp, RemoteId, Value)>) -> SimResponse {
        let keyed = rows
            .into_iter()
            .map(|(at, id, row)| (format!("{:020} {id}", at.micros()), row));
        let page = keyset_page(keyed.collect(), true, self.after.as_deref(), LARGEST_PAGE);
        let next = page.next.map(|key| URL_SAFE_NO_PAD.encode(key));
        SimResponse::json(
            200,
            &json!({name: page.rows, "next_page": next, "total": page.total}),
        )
    }
}

fn orders(shop: &Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let asked = Asked::of(request, &["ids", "updated_from", "updated_to", "page"])?;
    let shown = shop.orders.values().map(|order| order.as_shown(now));
    let wanted = shown.filter(|order| asked.wants(&order.id, order.updated_at));
    let rows = wanted.map(|o| (o.updated_at, o.id.clone(), order_json(shop, o)));
    Ok(asked.page("orders", rows.collect()))
}

fn products(shop: &Shop, request: &SimRequest) -> Answer {
    let allowed = ["ids", "state", "updated_from", "updated_to", "page"];
    let asked = Asked::of(request, &allowed)?;
    if asked.state.as_ref().is_some_and(|state| state != "active") {
        return Err(bad("state can only be active"));
    }
    let is_wanted = |product: &&SimProduct| {
        let is_shown = asked.state.is_none() || product.state == ProductState::Active;
        is_shown && asked.wants(&product.id, product.updated_at)
    };
    let wanted = shop.products.values().filter(is_wanted);
    let rows = wanted.map(|p| (p.updated_at, p.id.clone(), product_json(p)));
    Ok(asked.page("products", rows.collect()))
}

/// Carries out a batch row by row; each has its own result.
fn put(
    shop: &mut Shop,
    request: &SimRequest,
    name: &str,
    carry_out: impl Fn(&mut Shop, &Value) -> Result<bool, String>,
) -> Answer {
    let body: Value =
        serde_json::from_slice(&request.body).map_err(|_| bad("the body is not JSON"))?;
    let rows = body[name].as_array();
    let rows = rows.ok_or_else(|| bad(&format!("/{name} must be a list")))?;
    if rows.len() > LARGEST_PAGE {
        return Err(problem(413, "Content too large", "100 rows at most"));
    }
    let results = rows.iter().map(|row| {
        let mut result = json!({"product_id": row["product_id"], "variant_id": row["variant_id"]});
        match carry_out(shop, row) {
            Ok(true) => result["status"] = json!("ok"),
            Ok(false) => result["status"] = json!("not_found"),
            Err(why) => {
                result["status"] = json!("refused");
                result["detail"] = json!(why);
            }
        }
        result
    });
    Ok(SimResponse::json(
        200,
        &json!({"results": results.collect::<Vec<_>>()}),
    ))
}

/// Changes the variant that a row names; false when there is none.
fn change(
    shop: &mut Shop,
    row: &Value,
    now: Timestamp,
    edit: impl FnOnce(&mut SimVariant),
) -> bool {
    let id = |name: &str| RemoteId::from(row[name].as_str().unwrap_or_default());
    let (product, variant) = (id("product_id"), id("variant_id"));
    let is_there = shop.product_of(&variant).is_some_and(|p| p.id == product);
    is_there && shop.edit_variant(&variant, now, edit).is_some()
}
