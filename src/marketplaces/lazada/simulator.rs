//! The Lazada Open Platform from the other side, over a neutral shop of Indonesia.
//!
//! Promises: it refuses what the real one refuses (signature, clock, token, pages, offsets, batches), always under
//! HTTP 200; lists the units of an order one by one in a second call; spells numbers as text here and as numbers
//! there; leaves `products` out when there are none; and ends the refresh token on a day that no renewal moves.
//! A push is refused whole when one of its SKUs is: what the real one does with the others is not documented, and
//! this is the harder case.
//!
//! Left out on purpose: packages, returns, campaigns, and buyers. In the shop's memory `several warehouses` says
//! that its stock lies in two, `short pages` how many rows its pages have at most, and `renews nothing` that the
//! app renews no tokens.

mod pages;
mod pushes;

use super::SLUG;
use super::mapping::major;
use super::webhook::{notifications, word_items, word_order};
use crate::domain::{Currency, ProductState, RemoteId, Timestamp};
use crate::marketplaces::{
    Secrets,
    simulation::{
        Shop, ShopChange, Signing, SimDelivery, SimProduct, SimRequest, SimResponse, SimVariant,
        Simulator, Subscription, hmac_sha256,
    },
};
use pages::{day, is_within, page};
use pushes::{update, word_stocks};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, time::Duration};
use url::Url;

/// Invented, and the same for all shops: they belong to the app.
const APP_KEY: &str = "900451";
const APP_SECRET: &str = "bSimul8tedAppSecretOfNobody0042";
const TOKEN_LIFE: Duration = Duration::from_secs(30 * 86_400);
const REFRESH_LIFE: Duration = Duration::from_secs(180 * 86_400);
/// Source: docId=108260.
const CODE_LIFE: Duration = Duration::from_secs(30 * 60);
/// Seconds that a request's time may differ. Source: docId=108067.
const TOLERANCE: u64 = 7_200;

/// Why a question is refused, and the rows that this is about.
struct Refusal {
    code: &'static str,
    message: String,
    detail: Vec<Value>,
}

type Answer = Result<Value, Refusal>;
type Pairs = BTreeMap<String, String>;

fn refuse(code: &'static str, message: &str) -> Refusal {
    Refusal {
        code,
        message: message.to_owned(),
        detail: Vec::new(),
    }
}

/// The simulator; the shop holds what is remembered.
#[derive(Debug, Clone, Copy)]
pub struct LazadaSimulator;

impl Simulator for LazadaSimulator {
    fn open_shop(&self, seed: u32, name: &str, now: Timestamp) -> Shop {
        let seller = (1_000_100_000 + u64::from(seed)).to_string();
        let first_id = 260_400_000_000_000 + u64::from(seed) * 1_000_000_000;
        let currency = Currency::from_code("IDR").expect("the rupiah is a currency");
        let remote_id = RemoteId::new(format!("id:{seller}"));
        let mut shop = Shop::new(remote_id, name, currency, first_id);
        shop.platforms = vec![SLUG];
        shop.secrets = Secrets::of([
            ("app_key", APP_KEY),
            ("app_secret", APP_SECRET),
            ("access_token", &format!("50000sim{seed:06}a+/=")),
            ("refresh_token", &format!("50001sim{seed:06}r+/=")),
            ("country", "id"),
            ("seller_id", &seller),
        ]);
        shop.token_expires_at = Some(now + TOKEN_LIFE);
        shop.remember("refresh ends", now + REFRESH_LIFE);
        shop
    }

    fn credentials(&self, shop: &Shop) -> Secrets {
        shop.secrets.clone()
    }

    fn answer(&self, shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
        let path = request.path.strip_prefix("/rest").unwrap_or(&request.path);
        let is_page = matches!(path, "/" | "" | "/oauth/authorize");
        if is_page && request.method == "GET" {
            return consent_page(shop, request, now);
        }
        let pairs = request.pairs();
        let answer = match path {
            "/auth/token/create" | "/auth/token/refresh" => {
                check(shop, path, &pairs, now).and_then(|()| give_tokens(shop, path, &pairs, now))
            }
            _ => check(shop, path, &pairs, now)
                .and_then(|()| check_token(shop, &pairs, now))
                .and_then(|()| route(shop, path, &pairs, now)),
        };
        let request_id = format!("2101069616925507{:010}", shop.n_requests);
        let mut body = match answer {
            Ok(mut body) => {
                body["code"] = "0".into();
                body
            }
            Err(refusal) => {
                json!({"code": refusal.code, "type": "ISV", "message": refusal.message, "detail": refusal.detail})
            }
        };
        body["request_id"] = request_id.into();
        SimResponse::json(200, &body)
    }

    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<SimDelivery> {
        let Some(to) = shop.subscriptions.first().cloned() else {
            return Vec::new();
        };
        let told = notifications(shop, change, now).into_iter();
        let signing = Signing {
            app_key: secret(shop, "app_key"),
            secret: secret(shop, "app_secret"),
            ..Signing::default()
        };
        told.map(|(kind, body)| {
            let body = body.to_string();
            let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            headers.extend(self.sign(&signing, body.as_bytes()));
            SimDelivery {
                subscription: to.id,
                address: to.address.clone(),
                topic: format!("type {kind}"),
                headers,
                body: body.into(),
            }
        })
        .collect()
    }

    /// Source: docId=120196 and the other types' pages: every 30 minutes, 12 times. Promotions, which nothing here
    /// raises, go out again after 5 minutes, 3 times.
    fn retry_after(&self, failures: u32) -> Option<Duration> {
        (1..=12)
            .contains(&failures)
            .then(|| Duration::from_secs(30 * 60))
    }

    /// Source: docId=120168.
    fn answer_deadline(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn is_success(&self, status: u16, _body: &[u8]) -> bool {
        status == 200
    }

    /// One URL for the whole app; its key signs, so `secret` is nobody's.
    fn switch_on(&self, shop: &mut Shop, address: &str, _secret: &str) {
        let subscription = Subscription {
            id: 1,
            topic: "all".to_owned(),
            address: address.to_owned(),
            secret: String::new(),
            is_active: true,
            failures: 0,
        };
        shop.subscriptions = vec![subscription];
    }

    fn sign(&self, signing: &Signing<'_>, body: &[u8]) -> Vec<(String, String)> {
        let digest = hmac_sha256(signing.secret, &[signing.app_key.as_bytes(), body]);
        vec![("authorization".to_owned(), hex::encode(digest))]
    }

    /// A wait is stated in words only.
    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse {
        let (code, message) = match retry_after {
            Some(wait) => (
                "ApiCallLimit",
                format!("This ban will last {} more seconds", wait.as_secs()),
            ),
            None => ("901", "Limit service request speed temporarily.".to_owned()),
        };
        let body = json!({"code": code, "type": "ISP", "message": message, "request_id": "SIM"});
        SimResponse::json(200, &body)
    }
}

fn secret<'s>(shop: &'s Shop, name: &str) -> &'s str {
    shop.secrets.get(name).unwrap_or_default()
}

/// What the seller sees, agreed to at once: the browser goes back with a code.
fn consent_page(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
    let callback = request
        .param("redirect_uri")
        .and_then(|uri| Url::parse(uri).ok());
    let is_right = request.param("response_type") == Some("code")
        && request.param("client_id") == Some(secret(shop, "app_key"));
    let Some(mut callback) = callback.filter(|_| is_right) else {
        return SimResponse::json(400, &json!({"error": "invalid authorization link"}));
    };
    let code = format!("0_{APP_KEY}_sim{}", shop.take_ids(1));
    callback.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = request.param("state") {
        callback.query_pairs_mut().append_pair("state", state);
    }
    shop.memory.insert("code".to_owned(), code);
    shop.remember("code ends", now + CODE_LIFE);
    SimResponse::redirect(callback)
}

/// Reckoned apart from the client, so that one mistake cannot hide another.
fn signature(shop: &Shop, path: &str, pairs: &Pairs) -> String {
    let mut text = path.to_owned();
    for (name, value) in pairs {
        if name != "sign" && !value.is_empty() {
            text.push_str(name);
            text.push_str(value);
        }
    }
    hex::encode(hmac_sha256(secret(shop, "app_secret"), &[text.as_bytes()])).to_uppercase()
}

/// Everything that is wrong before the question is even read.
fn check(shop: &Shop, path: &str, pairs: &Pairs, now: Timestamp) -> Result<(), Refusal> {
    let param = |name: &str| pairs.get(name).map(String::as_str);
    for name in ["app_key", "timestamp", "sign_method", "sign"] {
        param(name).ok_or_else(|| refuse("MissingParameter", name))?;
    }
    let millis = param("timestamp").and_then(|text| text.parse::<i64>().ok());
    let sent_at = millis.map(|millis| Timestamp::from_millis(millis).secs());
    if sent_at.is_none_or(|at| at.abs_diff(now.secs()) >= TOLERANCE) {
        return Err(refuse("IllegalTimestamp", "The timestamp is too far off"));
    }
    let is_right = param("app_key") == Some(secret(shop, "app_key"))
        && param("sign_method") == Some("sha256")
        && param("sign") == Some(signature(shop, path, pairs).as_str());
    let wrong = || refuse("IncompleteSignature", "The signature does not conform");
    is_right.then_some(()).ok_or_else(wrong)
}

fn check_token(shop: &Shop, pairs: &Pairs, now: Timestamp) -> Result<(), Refusal> {
    let is_known =
        pairs.get("access_token").map(String::as_str) == Some(secret(shop, "access_token"));
    let is_live = shop.token_expires_at.is_none_or(|at| now < at);
    if is_known && is_live && !shop.memory.contains_key("deauthorized") {
        return Ok(());
    }
    let message = "The specified access token is invalid or expired";
    Err(refuse("IllegalAccessToken", message))
}

/// A code begins a consent and is good once; a renewal keeps its end. Apps of the service market renew nothing.
fn give_tokens(shop: &mut Shop, path: &str, pairs: &Pairs, now: Timestamp) -> Answer {
    let param = |name: &str| pairs.get(name).map(String::as_str);
    let is_new = path.ends_with("create");
    if is_new {
        let code = shop.memory.remove("code");
        let lives = now < shop.remembered("code ends");
        if code.is_none() || code.as_deref() != param("code") || !lives {
            return Err(refuse("InvalidCode", "Invalid authorization code"));
        }
        shop.memory.remove("deauthorized");
        shop.remember("refresh ends", now + REFRESH_LIFE);
    }
    if !is_new && shop.memory.contains_key("renews nothing") {
        return Err(refuse("AUTH_TYPE_UNSUPPORTED", "Not supported"));
    }
    let ends = shop.remembered("refresh ends");
    let is_known = is_new || param("refresh_token") == Some(secret(shop, "refresh_token"));
    if !is_known || now >= ends || shop.memory.contains_key("deauthorized") {
        return Err(refuse("IllegalRefreshToken", "Invalid refresh token"));
    }
    for (name, prefix) in [("access_token", "50000"), ("refresh_token", "50001")] {
        let next = hex::encode(Sha256::digest(secret(shop, name)));
        shop.secrets.set(name, format!("{prefix}{}", &next[..24]));
    }
    shop.token_expires_at = Some(now + TOKEN_LIFE);
    let (country, seller) = (secret(shop, "country"), secret(shop, "seller_id"));
    let rows = json!([{"country": country, "user_id": "100112802006", "seller_id": seller, "short_code": "ID1SIM"}]);
    let list = ["country_user_info_list", "country_user_info"][usize::from(is_new)];
    Ok(json!({
        "access_token": secret(shop, "access_token"), "refresh_token": secret(shop, "refresh_token"),
        "expires_in": TOKEN_LIFE.as_secs(), "refresh_expires_in": ends.since(now).as_secs().to_string(),
        "country": country, "account": "owner@example.com", "account_id": null,
        "account_platform": "seller_center", list: rows,
    }))
}

fn route(shop: &mut Shop, path: &str, pairs: &Pairs, now: Timestamp) -> Answer {
    let param = |name: &str| pairs.get(name).map(String::as_str).unwrap_or_default();
    let data = match path {
        "/seller/get" => {
            json!({"seller_id": secret(shop, "seller_id").parse::<u64>().ok(), "name": shop.name,
            "name_company": shop.name, "short_code": "ID1SIM", "cb": "false", "status": "ACTIVE"})
        }
        "/orders/get" => list_orders(shop, pairs, now)?,
        "/order/get" => {
            let order = shop.order_as_shown(&param("order_id").into(), now);
            word_order(order.ok_or_else(|| refuse("16", "E016: \"Order ID\" Invalid Order ID"))?)
        }
        "/orders/items/get" => {
            let ids: Vec<u64> = serde_json::from_str(param("order_ids")).unwrap_or_default();
            if !(1..=50).contains(&ids.len()) {
                return Err(refuse("37", "E037: One or more order ids are incorrect"));
            }
            let of = |id| {
                let items = word_items(shop, shop.order_as_shown(&RemoteId::from(id), now)?);
                Some(json!({"order_id": id, "order_number": id, "order_items": items}))
            };
            ids.into_iter().filter_map(of).collect()
        }
        "/products/get" => list_products(shop, pairs)?,
        "/product/item/get" => {
            let product = shop.products.get(&param("item_id").into());
            let product = product.filter(|product| product.state != ProductState::Gone);
            let gone = || refuse("208", "E208: Item does not exist");
            word_product(shop, product.ok_or_else(gone)?)
        }
        "/product/stock/sellable/update" | "/product/price_quantity/update" => {
            update(shop, path, param("payload"), now)?
        }
        _ => return Err(refuse("InvalidApiPath", "The API path is invalid")),
    };
    Ok(json!({"data": data}))
}

fn number(id: &RemoteId) -> Option<u64> {
    id.as_str().parse().ok()
}

fn list_orders(shop: &Shop, pairs: &Pairs, now: Timestamp) -> Answer {
    let (after, before) = (day(pairs, "update_after")?, day(pairs, "update_before")?);
    let (from, to) = (day(pairs, "created_after")?, day(pairs, "created_before")?);
    if after.is_none() && from.is_none() {
        return Err(refuse("MissingParameter", "created_after or update_after"));
    }
    let param = |name: &str| pairs.get(name).map(String::as_str);
    let by_creation = match param("sort_by") {
        Some("updated_at") => false,
        None | Some("created_at") => true,
        Some(_) => return Err(refuse("74", "E074: Invalid sort order")),
    };
    let shown = shop.orders.values().map(|order| order.as_shown(now));
    let shown = shown.filter(|order| {
        is_within(after, before, order.updated_at) && is_within(from, to, order.placed_at)
    });
    let mut orders: Vec<_> = shown.collect();
    orders.sort_by_key(|order| {
        let at = if by_creation {
            order.placed_at
        } else {
            order.updated_at
        };
        (at, &order.id)
    });
    if param("sort_direction") != Some("ASC") {
        orders.reverse();
    }
    let total = orders.len();
    let worded = orders.into_iter().map(word_order);
    let rows = page(shop, pairs, worded, [5_000, 100])?;
    Ok(json!({"count": rows.len().to_string(), "countTotal": total, "orders": rows}))
}

fn list_products(shop: &Shop, pairs: &Pairs) -> Answer {
    let (after, before) = (day(pairs, "update_after")?, day(pairs, "update_before")?);
    let is_listed: fn(ProductState) -> bool = match pairs.get("filter").map(String::as_str) {
        Some("all") => |state| state != ProductState::Gone,
        Some("live") => |state| state == ProductState::Active,
        Some("inactive") => |state| state == ProductState::Inactive,
        Some("deleted") => |state| state == ProductState::Gone,
        _ => return Err(refuse("36", "E036: Invalid status filter")),
    };
    let products = shop.products.values();
    let wanted = products.filter(|p| is_listed(p.state) && is_within(after, before, p.updated_at));
    let worded = wanted.clone().map(|product| word_product(shop, product));
    let rows = page(shop, pairs, worded, [shop.result_cap(10_000), 50])?;
    let mut data = json!({"total_products": wanted.count().to_string()});
    if !rows.is_empty() {
        data["products"] = rows.into();
    }
    Ok(data)
}

/// Times are milliseconds in texts; pictures are a list or, of every other product, a text that holds one.
fn word_product(shop: &Shop, product: &SimProduct) -> Value {
    let status = match product.state {
        ProductState::Active => "Active",
        ProductState::Inactive => "InActive",
        ProductState::Gone => "Deleted",
    };
    let millis = |at: Timestamp| (at.micros() / 1_000).to_string();
    let images = json!(["https://id-live.example/p.jpg"]);
    let is_text = number(&product.id).is_some_and(|id| id % 2 == 0);
    json!({
        "item_id": number(&product.id), "status": status, "subStatus": "",
        "created_time": millis(product.created_at), "updated_time": millis(product.updated_at),
        "images": if is_text { images.to_string().into() } else { images },
        "attributes": {"name": product.title, "brand": "No Brand"},
        "variation": {"variation1": {"name": "color_family", "has_image": true, "customize": false}},
        "skus": product.variants.iter().map(|sku| word_sku(shop, sku)).collect::<Vec<_>>(),
    })
}

fn word_sku(shop: &Shop, sku: &SimVariant) -> Value {
    let price: Value = serde_json::from_str(&major(sku.price)).unwrap_or_default();
    json!({"SkuId": number(&sku.id), "SellerSku": sku.seller_sku.as_deref().unwrap_or_default(), "Status": "active",
        "color_family": sku.title, "price": price, "special_price": 0.0, "special_from_time": "",
        "special_to_time": "", "quantity": sku.quantity, "Available": sku.quantity,
        "multiWarehouseInventories": word_stocks(shop, sku.quantity), "fblWarehouseInventories": [], "channelInventories": []})
}
