//! The TikTok Shop Open API from the other side, over a neutral shop.
//!
//! Promises: it refuses what the real one refuses (signature, clock, token, cipher, paging), words orders
//! with one line item per unit, and sends webhooks with ids as text or as numbers as each type has them.
//! Products whose id can be divided by 5 are sold on Tokopedia only, and so have no `status`.
//!
//! Left out on purpose: packages, several warehouses, and buyers.

mod sending;

use super::mapping::{
    LARGEST_QUANTITY, WAREHOUSE, order_status, product_status, word_order, word_product,
};
use super::webhook::{notification, returns, settings};
use super::{SLUG, TOKOPEDIA};
use crate::domain::{Currency, Money, ProductState, RemoteId, Timestamp};
use crate::marketplaces::{
    Secrets,
    simulation::{
        MovesOrder, Shop, ShopChange, Signing, SimDelivery, SimOrder, SimProduct, SimRequest,
        SimResponse, Simulator, consenting, keyset_page,
    },
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Invented, and the same for all shops: they belong to the app.
const APP_KEY: &str = "6msinksim01";
const APP_SECRET: &str = "0badc0de5eed1e55c0ffee00feedfacecafe0001";
const SERVICE_ID: &str = "7431000000000000001";
const TOKEN_LIFE: Duration = Duration::from_secs(7 * 86_400);
/// Source: the page of each search, 10,000 rows.
const RESULT_CAP: usize = 10_000;
/// Code and message of a refusal; the HTTP status follows from the code.
type Refusal = (i64, &'static str);
type Answer = Result<Value, Refusal>;

const MISSING_FIELD: Refusal = (
    36_009_004,
    "A required field is missing or has the wrong type.",
);
const NO_PRODUCT: Refusal = (12_052_032, "The product does not exist.");
const NO_PATH: Refusal = (36_009_009, "The path is not known.");

/// The simulator; the shop holds what is remembered.
#[derive(Debug, Clone, Copy)]
pub struct TikTokShopSimulator;

impl Simulator for TikTokShopSimulator {
    fn open_shop(&self, seed: u32, name: &str, now: Timestamp) -> Shop {
        let remote_id = RemoteId::from(7_495_000_000_000_000_000 + u64::from(seed));
        let first_id = 1_729_000_000_000_000_000 + u64::from(seed) * 1_000_000_000;
        let currency = Currency::from_code("IDR").expect("the rupiah is a currency");
        let mut shop = Shop::new(remote_id, name, currency, first_id);
        shop.platforms = vec![SLUG, TOKOPEDIA];
        shop.returns_move_orders = MovesOrder::Never;
        shop.secrets = Secrets::of([
            ("app_key", APP_KEY),
            ("app_secret", APP_SECRET),
            ("service_id", SERVICE_ID),
            ("access_token", &format!("ROW_sim{seed:06}a+/")),
            ("refresh_token", &format!("ROW_sim{seed:06}r+/")),
            ("shop_cipher", &format!("ROW_sim{seed:06}/cipher+==")),
        ]);
        shop.token_expires_at = Some(now + TOKEN_LIFE);
        shop
    }

    fn credentials(&self, shop: &Shop) -> Secrets {
        shop.secrets.clone()
    }

    fn answer(&self, shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/" | "/open/authorize") => match agree(shop, request, now) {
                Ok(page) => return page,
                Err(refusal) => Err(refusal),
            },
            ("GET", "/api/v2/token/get") => exchange_code(shop, request, now),
            ("GET", "/api/v2/token/refresh") => rotate_tokens(shop, request, now),
            _ => check(shop, request, now).and_then(|()| route(shop, request, now)),
        };
        let (status, code, message, data) = match answer {
            Ok(data) => (200, 0, "Success", data),
            Err((code, message)) => (status_of(code), code, message, Value::Null),
        };
        let mut body = json!({"code": code, "message": message, "data": data});
        body["request_id"] = format!("{}SIM", now.micros()).into();
        SimResponse::json(status, &body)
    }

    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<SimDelivery> {
        let told = match change {
            ShopChange::ReturnChanged { order, id } => returns::notifications(shop, order, id),
            other => notification(shop, other, now).into_iter().collect(),
        };
        let sent = told.into_iter();
        sent.filter_map(|(kind, event, data)| self.delivery(shop, (kind, event, &data), now))
            .collect()
    }

    /// Source: <https://partner.tiktokshop.com/docv2/page/configuration-guide>: 2 min, 30 min, 3 h, 12 h.
    fn retry_after(&self, failures: u32) -> Option<Duration> {
        let minutes = [2, 30, 180, 720];
        let wait = minutes.get(usize::try_from(failures).ok()?.checked_sub(1)?)?;
        Some(Duration::from_secs(wait * 60))
    }

    fn answer_deadline(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn is_success(&self, status: u16, _body: &[u8]) -> bool {
        status == 200
    }

    fn sign(&self, signing: &Signing<'_>, body: &[u8]) -> Vec<(String, String)> {
        let signature = hmac_hex(signing.secret, &[signing.app_key.as_bytes(), body]);
        vec![("authorization".to_owned(), signature)]
    }

    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse {
        let body = json!({"code": 36_009_002, "message": "Too fast.", "request_id": "SIM"});
        let mut response = SimResponse::json(429, &body);
        if let Some(wait) = retry_after {
            response = response.header("retry-after", wait.as_secs().to_string());
        }
        response
    }
}

fn status_of(code: i64) -> u16 {
    match code {
        105_002 | 106_001 => 401,
        36_009_009 => 404,
        36_009_004 | 106_013 => 400,
        _ => 200,
    }
}

fn secret<'s>(shop: &'s Shop, name: &str) -> &'s str {
    shop.secrets.get(name).unwrap_or_default()
}

fn hmac_hex(key: &str, parts: &[&[u8]]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    hex::encode(mac.finalize().into_bytes())
}

fn is_app(shop: &Shop, request: &SimRequest, grant: &str) -> bool {
    request.param("app_key") == Some(secret(shop, "app_key"))
        && request.param("app_secret") == Some(secret(shop, "app_secret"))
        && request.param("grant_type") == Some(grant)
}

/// The seller agrees at once. The browser goes where the app's console says, and old grudges are forgotten.
fn agree(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Result<SimResponse, Refusal> {
    let callback = shop.memory.get(consenting::CALLBACK).cloned();
    let known = request.param("service_id") == Some(secret(shop, "service_id"));
    let (true, Some(callback)) = (known, callback) else {
        return Err((36_004_001, "The service or its redirect URL is unknown."));
    };
    shop.memory.remove("deauthorized");
    let code = consenting::issue_code(shop, now);
    let state = request.param("state").unwrap_or_default();
    let pairs = [("app_key", APP_KEY), ("code", &code), ("state", state)];
    consenting::send_back(&callback, &pairs).ok_or(MISSING_FIELD)
}

/// A code is good once.
fn exchange_code(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Answer {
    if is_app(shop, request, "authorized_code")
        && consenting::take_code(shop, request.param("auth_code"), now)
    {
        return Ok(new_tokens(shop, now));
    }
    Err((36_004_004, "The auth code is invalid or was used."))
}

/// The old refresh token is dead afterwards.
fn rotate_tokens(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let known = request.param("refresh_token") == Some(secret(shop, "refresh_token"));
    if !known || !is_app(shop, request, "refresh_token") || shop.memory.contains_key("deauthorized")
    {
        return Err((36_004_005, "can not find related auth record"));
    }
    Ok(new_tokens(shop, now))
}

fn new_tokens(shop: &mut Shop, now: Timestamp) -> Value {
    for name in ["access_token", "refresh_token"] {
        let next = hex::encode(Sha256::digest(secret(shop, name)));
        shop.secrets.set(name, format!("ROW_{}", &next[..24]));
    }
    shop.token_expires_at = Some(now + TOKEN_LIFE);
    json!({
        "access_token": secret(shop, "access_token"),
        "access_token_expire_in": (now + TOKEN_LIFE).secs(),
        "refresh_token": secret(shop, "refresh_token"),
        "refresh_token_expire_in": (now + Duration::from_secs(365 * 86_400)).secs(),
        "open_id": "7010736057180300001", "seller_name": shop.name, "seller_base_region": "ID",
        "user_type": 0,
    })
}

/// Everything that is wrong before the question is even read.
fn check(shop: &Shop, request: &SimRequest, now: Timestamp) -> Result<(), Refusal> {
    if request.param("app_key") != Some(secret(shop, "app_key")) {
        return Err((36_009_004, "The 'app_key' query parameter is invalid."));
    }
    let sent_at = request
        .param("timestamp")
        .and_then(|text| text.parse::<i64>().ok());
    // Source: the signing page, from 5 minutes in the past to 30 seconds in the future.
    if !sent_at.is_some_and(|at| (now.secs() - 300..=now.secs() + 30).contains(&at)) {
        return Err((
            36_009_004,
            "The 'timestamp' query parameter is missing or expired.",
        ));
    }
    if request.param("sign") != Some(signature(shop, request).as_str()) {
        return Err((
            106_001,
            "Invalid credentials. The 'sign' query parameter is invalid.",
        ));
    }
    let token = request.header("x-tts-access-token") == Some(secret(shop, "access_token"));
    let is_live = shop.token_expires_at.is_none_or(|at| now < at);
    if !token || !is_live || shop.memory.contains_key("deauthorized") {
        return Err((
            105_002,
            "Expired credentials, the 'access_token' has expired.",
        ));
    }
    match (
        request.path.starts_with("/authorization/"),
        request.param("shop_cipher"),
    ) {
        (true, Some(_)) => Err((
            36_009_004,
            "The 'shop_cipher' query parameter is unexpected.",
        )),
        (false, None) => Err((106_013, "The 'shop_cipher' query parameter is missing.")),
        (false, Some(cipher)) if cipher != secret(shop, "shop_cipher") => {
            Err((101_000, "The shop does not match the token."))
        }
        _ => Ok(()),
    }
}

/// Reckoned apart from the client, so that one mistake cannot hide another.
fn signature(shop: &Shop, request: &SimRequest) -> String {
    let is_signed = |name: &str| name != "sign" && name != "access_token";
    let mut pairs: Vec<_> = request
        .query
        .iter()
        .filter(|(name, _)| is_signed(name))
        .collect();
    pairs.sort();
    let query: String = pairs
        .iter()
        .flat_map(|(n, v)| [n.as_str(), v.as_str()])
        .collect();
    let (key, body) = (
        secret(shop, "app_secret"),
        String::from_utf8_lossy(&request.body),
    );
    let parts = [key, &request.path, &query, &body, key];
    hmac_hex(key, &parts.map(str::as_bytes))
}

fn route(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let steps: Vec<&str> = request.path.split('/').skip(1).collect();
    match (request.method.as_str(), steps.as_slice()) {
        ("GET", ["authorization", "202309", "shops"]) => Ok(json!({"shops": [{
            "id": shop.remote_id, "name": shop.name, "region": "ID", "seller_type": "LOCAL",
            "cipher": secret(shop, "shop_cipher"), "code": "IDLCSIM01",
        }]})),
        ("POST", ["order", "202309", "orders", "search"]) => {
            search_orders(shop, request, &body, now)
        }
        ("GET", ["order", "202309" | "202507", "orders"]) => detail_orders(shop, request, now),
        ("POST", ["product", "202309" | "202502", "products", "search"]) => {
            search_products(shop, request, &body)
        }
        ("GET", ["product", "202309", "products", id]) => {
            let product = living(shop, id).ok_or(NO_PRODUCT)?;
            Ok(word_product(shop, product, true))
        }
        (
            "POST",
            [
                "product",
                "202309",
                "products",
                id,
                what @ ("inventory" | "prices"),
                "update",
            ],
        ) => update_skus(shop, id, what, &body, now),
        (method, ["event", "202309", "webhooks"]) => {
            settings(shop, method, &body).ok_or(MISSING_FIELD)
        }
        _ => Err(NO_PATH),
    }
}

fn living<'s>(shop: &'s Shop, id: &str) -> Option<&'s SimProduct> {
    let product = shop.products.get(&RemoteId::from(id))?;
    (product.state != ProductState::Gone).then_some(product)
}

/// Whether a time lies between the bounds in the body; `upper` is `lt` (exclusive) or `le`.
fn is_within(body: &Value, field: &str, upper: &str, at: Timestamp) -> bool {
    let bound = |which: &str| body[format!("{field}_{which}")].as_i64();
    let last = bound(upper).map(|bound| if upper == "lt" { bound - 1 } else { bound });
    bound("ge").is_none_or(|first| first <= at.secs()) && last.is_none_or(|last| at.secs() <= last)
}

/// A page of rows. On the last one the token is empty and, every other time, not there at all.
fn page(
    shop: &mut Shop,
    request: &SimRequest,
    name: &str,
    rows: Vec<(String, RemoteId)>,
    word: impl Fn(&Shop, &RemoteId) -> Option<Value>,
) -> Answer {
    let size = request.param("page_size").map_or(Ok(20), str::parse);
    let size = size
        .ok()
        .filter(|size| (1..=100).contains(size))
        .ok_or(MISSING_FIELD)?;
    let is_rising = name == "products" || request.param("sort_order") == Some("ASC");
    // Tokens hold what must be percent-encoded.
    let token = request
        .param("page_token")
        .filter(|token| !token.is_empty());
    let last = token.map(|t| t.strip_prefix("k+/").and_then(|t| t.strip_suffix("==")));
    let last = last.map(|last| last.ok_or(MISSING_FIELD)).transpose()?;
    let page = keyset_page(rows, is_rising, last, size);
    if page.start >= shop.result_cap(RESULT_CAP) {
        return Err((12_052_180, "More than 10,000 results."));
    }
    let words = page.rows.iter().filter_map(|id| word(shop, id));
    let mut data = json!({"total_count": page.total, name: words.collect::<Vec<_>>()});
    if let Some(last) = page.next {
        data["next_page_token"] = format!("k+/{last}==").into();
    } else if shop.memory.remove("bare last page").is_none() {
        shop.memory
            .insert("bare last page".to_owned(), "next".to_owned());
        data["next_page_token"] = "".into();
    }
    Ok(data)
}

fn search_orders(shop: &mut Shop, request: &SimRequest, body: &Value, now: Timestamp) -> Answer {
    let by_update = request.param("sort_field") == Some("update_time");
    let shown = shop.orders.values().map(|order| order.as_shown(now));
    let wanted = shown.filter(|order| {
        is_within(body, "update_time", "lt", order.updated_at)
            && is_within(body, "create_time", "lt", order.placed_at)
            && body["order_status"]
                .as_str()
                .is_none_or(|word| word == order_status(order.status))
    });
    let time = |o: &SimOrder| if by_update { o.updated_at } else { o.placed_at };
    let key = |order: &SimOrder| format!("{:012}-{}", time(order).secs(), order.id);
    let rows = wanted.map(|order| (key(order), order.id.clone())).collect();
    page(shop, request, "orders", rows, |shop, id| {
        shop.order_as_shown(id, now)
            .map(|order| word_order(shop, order))
    })
}

fn detail_orders(shop: &Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let ids: Vec<&str> = request
        .param("ids")
        .unwrap_or_default()
        .split(',')
        .collect();
    if ids.len() > 50 || ids.contains(&"") {
        return Err(MISSING_FIELD);
    }
    let found = ids
        .into_iter()
        .filter_map(|id| shop.order_as_shown(&RemoteId::from(id), now));
    Ok(json!({"orders": found.map(|order| word_order(shop, order)).collect::<Vec<_>>()}))
}

fn search_products(shop: &mut Shop, request: &SimRequest, body: &Value) -> Answer {
    let status = body["status"].as_str().unwrap_or("ALL");
    let wanted = shop.products.values().filter(|product| {
        let has_status = match status {
            "ALL" => product.state != ProductState::Gone,
            word => word == product_status(product.state),
        };
        has_status && is_within(body, "update_time", "le", product.updated_at)
    });
    let rows = wanted
        .map(|product| (product.id.to_string(), product.id.clone()))
        .collect();
    page(shop, request, "products", rows, |shop, id| {
        shop.products
            .get(id)
            .map(|product| word_product(shop, product, false))
    })
}

/// Sets what can be set; the other SKUs are told in `errors`, under code 0.
fn update_skus(shop: &mut Shop, id: &str, what: &str, body: &Value, now: Timestamp) -> Answer {
    let product = living(shop, id).ok_or(NO_PRODUCT)?.clone();
    if what == "prices" && product.state != ProductState::Active {
        return Err((12_052_901, "The status of the product does not allow this."));
    }
    let skus = body["skus"]
        .as_array()
        .filter(|skus| !skus.is_empty())
        .ok_or(MISSING_FIELD)?;
    let mut errors = Vec::new();
    for sku in skus {
        let id = RemoteId::from(sku["id"].as_str().unwrap_or_default());
        let set = |shop: &mut Shop| {
            if !product.variants.iter().any(|variant| variant.id == id) {
                return Err((12_019_150, "The SKU is not one of this product."));
            }
            if what == "prices" {
                let price = read_price(&sku["price"], shop.currency)?;
                shop.edit_variant(&id, now, |variant| variant.price = price);
            } else {
                let quantity = read_quantity(&sku["inventory"])?;
                shop.edit_variant(&id, now, |variant| variant.quantity = quantity);
            }
            Ok(())
        };
        if let Err((code, message)) = set(shop) {
            errors.push(json!({"code": code, "message": message, "detail": {"sku_id": id}}));
        }
    }
    Ok(if errors.is_empty() {
        json!({})
    } else {
        json!({"errors": errors})
    })
}

fn read_quantity(inventory: &Value) -> Result<i64, Refusal> {
    let rows = inventory.as_array().map(Vec::as_slice);
    let [row] = rows.unwrap_or_default() else {
        return Err((12_019_028, "warehouse list incomplete"));
    };
    let warehouse = row["warehouse_id"].as_str();
    if warehouse.is_some_and(|id| id != WAREHOUSE) {
        return Err((12_019_028, "warehouse unknown"));
    }
    let quantity = row["quantity"]
        .as_i64()
        .filter(|n| (0..=LARGEST_QUANTITY).contains(n));
    quantity.ok_or((36_009_004, "The quantity is out of range."))
}

/// Rupiah from 100 to 100,000,000, here in hundredths. Source: the product pricing page.
fn read_price(price: &Value, currency: Currency) -> Result<Money, Refusal> {
    let amount = price["amount"]
        .as_str()
        .filter(|_| price["currency"] == currency.code());
    let price = amount
        .and_then(|text| Money::parse(text, currency).ok())
        .ok_or(MISSING_FIELD)?;
    let is_allowed = (10_000..=10_000_000_000).contains(&price.minor);
    is_allowed
        .then_some(price)
        .ok_or((36_009_004, "The price is out of range."))
}
