//! Shopee's Open Platform from the other side, over a neutral shop.
//!
//! Promises: it refuses what the real one refuses (signature, clock, token, shop, windows, pages, batches),
//! mostly under HTTP 200; a used refresh token is dead and the access token before lives five minutes more;
//! a webhook answered with a body has failed, and one that failed four times waits in the lost list.
//! Paid orders whose number can be divided by 4 are bundles: they hide what their lines cost.
//!
//! Left out on purpose: several warehouses, and buyers, who are masked. What goes wrong now and then is
//! switched on in the shop's memory: `campaign <variant>` (units it holds), `promoted <variant>`, `on holiday`,
//! `names its warehouse`, `refused <order>`, `not granted` (a shop's id), `hollow` (no `response`).

mod answers;
mod pushes;
pub(super) mod returns;

pub(super) use answers::{known_price, model_id, order_status, ordered};

use super::{SLUG, webhook};
use crate::domain::{Currency, RemoteId, Timestamp};
use crate::marketplaces::{
    Secrets,
    simulation::{
        MovesOrder, Shop, ShopChange, Signing, SimDelivery, SimRequest, SimResponse, Simulator,
        Subscription,
    },
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Invented, and the same for all shops: they belong to the app.
const PARTNER_ID: &str = "2001887";
const PARTNER_KEY: &str = "shpk5eed0badc0de1ee7c0ffee00feedfacecafe00000000000000000001";
const PUSH_KEY: &str = "5eedf00dcafe0badc0de1ee7c0ffee00feedface000000000000000000000001";
const TOKEN_LIFE: Duration = Duration::from_secs(4 * 3_600);
/// How long the access token before still works.
const GRACE: Duration = Duration::from_secs(300);
const CODE_LIFE: Duration = Duration::from_secs(600);
/// Seconds that a signed time may differ from the clock.
const CLOCK_WINDOW_S: u64 = 300;

/// Code and message of a refusal; the HTTP status follows from the code.
type Refusal = (&'static str, &'static str);
/// The members of an answer besides those that all have.
type Answer = Result<Value, Refusal>;

const WRONG_PARTNER: Refusal = ("error_auth", "Invalid partner_id or shopid.");
const UNLINKED: Refusal = ("shop_no_linked", "The shop is not linked to the partner.");

/// The simulator; the shop holds what is remembered.
#[derive(Debug, Clone, Copy)]
pub struct ShopeeSimulator;

impl Simulator for ShopeeSimulator {
    fn open_shop(&self, seed: u32, name: &str, now: Timestamp) -> Shop {
        let remote_id = RemoteId::from(727_000_000 + u64::from(seed));
        let first_id = 23_000_000_000 + u64::from(seed) * 10_000_000;
        let currency = Currency::from_code("IDR").expect("the rupiah is a currency");
        let mut shop = Shop::new(remote_id.clone(), name, currency, first_id);
        shop.platforms = vec![SLUG];
        shop.returns_move_orders = MovesOrder::Never;
        shop.secrets = Secrets::of([
            ("partner_id", PARTNER_ID),
            ("partner_key", PARTNER_KEY),
            ("push_key", PUSH_KEY),
            ("access_token", &token(&format!("access {seed}"))),
            ("refresh_token", &token(&format!("refresh {seed}"))),
            ("shop_id", remote_id.as_str()),
        ]);
        shop.token_expires_at = Some(now + TOKEN_LIFE);
        shop
    }

    fn credentials(&self, shop: &Shop) -> Secrets {
        shop.secrets.clone()
    }

    fn answer(&self, shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
        if let Some(agreed) = consent_page(shop, request, now) {
            return agreed;
        }
        answers::remember_prices(shop);
        let answer = check(shop, request, now).and_then(|()| route(shop, request, now));
        let (status, error, message, mut body) = match answer {
            Ok(members) => (200, "", "", members),
            Err((error, message)) => (status_of(error), error, message, json!({})),
        };
        if let Some(members) = body.as_object_mut()
            && shop.memory.contains_key("hollow")
        {
            members.remove("response");
        }
        body["error"] = error.into();
        body["message"] = message.into();
        body["request_id"] = format!("{:x}51d", now.micros()).into();
        SimResponse::json(status, &body)
    }

    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<SimDelivery> {
        let told = webhook::notifications(shop, change, now);
        let Some(to) = shop.subscriptions.iter().find(|s| s.is_active).cloned() else {
            return Vec::new();
        };
        let is_on = |(code, _): &(i64, Value)| pushes::is_on(shop, *code);
        let told = told.into_iter().filter(is_on);
        told.map(|(code, body)| self.delivery(shop, &to, code, &body))
            .collect()
    }

    /// The test webhook that follows a new address.
    fn pings(&self, shop: &Shop, subscription: &Subscription) -> Vec<SimDelivery> {
        vec![self.delivery(shop, subscription, 0, &webhook::verification())]
    }

    /// Source: developer-guide/18: after 300, 1,800 and 10,800 seconds.
    fn retry_after(&self, failures: u32) -> Option<Duration> {
        let waits = [300, 1_800, 10_800];
        let wait = waits.get(usize::try_from(failures).ok()?.checked_sub(1)?)?;
        Some(Duration::from_secs(*wait))
    }

    fn answer_deadline(&self) -> Duration {
        Duration::from_secs(3)
    }

    /// `200` with `{"ok":true}` has failed.
    fn is_success(&self, status: u16, body: &[u8]) -> bool {
        (200..300).contains(&status) && body.is_empty()
    }

    fn switch_on(&self, shop: &mut Shop, address: &str, _secret: &str) {
        pushes::switch_on(shop, address);
    }

    fn delivered(&self, shop: &mut Shop, delivery: &SimDelivery, success: bool) {
        pushes::delivered(shop, delivery, success);
    }

    fn sign(&self, signing: &Signing<'_>, body: &[u8]) -> Vec<(String, String)> {
        let signed = [signing.address.as_bytes(), b"|", body].concat();
        let signature = hmac_hex(signing.secret, &signed);
        vec![("authorization".to_owned(), signature)]
    }

    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse {
        let body = json!({"error": "error_rate_limit", "message": "Too many requests.",
            "request_id": "51d"});
        let response = SimResponse::json(429, &body);
        match retry_after {
            Some(wait) => response.header("retry-after", wait.as_secs().to_string()),
            None => response,
        }
    }
}

impl ShopeeSimulator {
    fn delivery(self, shop: &Shop, to: &Subscription, code: i64, body: &Value) -> SimDelivery {
        let body = body.to_string();
        let signing = Signing {
            secret: secret(shop, "push_key"),
            address: &to.address,
            ..Signing::default()
        };
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(self.sign(&signing, body.as_bytes()));
        SimDelivery {
            subscription: to.id,
            address: to.address.clone(),
            topic: format!("code {code}"),
            headers,
            body: body.into(),
        }
    }
}

/// Seen in practice: whoever is not let in gets a 403, everything else is told under 200.
fn status_of(error: &str) -> u16 {
    match error {
        "error_sign" | "error_auth" | "invalid_acceess_token" | "shop_no_linked" => 403,
        "error_not_found" => 404,
        _ => 200,
    }
}

fn secret<'s>(shop: &'s Shop, name: &str) -> &'s str {
    shop.secrets.get(name).unwrap_or_default()
}

fn hmac_hex(key: &str, message: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// A new invented token or code, made of the one before.
fn token(of: &str) -> String {
    hex::encode(&Sha256::digest(of)[..16])
}

/// The page where the seller agrees, as if one had: back to the app with a code that is good once.
fn consent_page(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Option<SimResponse> {
    let is_page = matches!(request.path.as_str(), "/" | "/auth") && request.method == "GET";
    let callback = request.param("redirect_uri").filter(|_| is_page)?;
    let is_asked_well = request.param("partner_id") == Some(secret(shop, "partner_id"))
        && request.param("response_type") == Some("code")
        && request.param("auth_type") == Some("seller");
    let back = url::Url::parse(callback).ok().filter(|_| is_asked_well);
    let Some(mut back) = back else {
        let body = json!({"error": "error_param", "message": "Wrong partner_id or redirect_uri."});
        return Some(SimResponse::json(403, &body));
    };
    let number = shop.take_ids(1);
    let code = token(&format!("code {} {number}", shop.remote_id));
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("shop_id", shop.remote_id.as_str());
    if let Some(state) = request.param("state") {
        back.query_pairs_mut().append_pair("state", state);
    }
    let until = (now + CODE_LIFE).secs().to_string();
    shop.memory.insert(format!("code {code}"), until);
    shop.memory.remove("deauthorized");
    let body = bytes::Bytes::new();
    let headers = vec![("location".to_owned(), back.to_string())];
    Some(SimResponse {
        status: 302,
        headers,
        body,
    })
}

/// Calls of the app name no shop.
fn is_of_app(path: &str) -> bool {
    let modules = ["/api/v2/auth/", "/api/v2/public/", "/api/v2/push/"];
    modules.iter().any(|module| path.starts_with(module))
}

/// Everything that is wrong before the question is even read.
fn check(shop: &Shop, request: &SimRequest, now: Timestamp) -> Result<(), Refusal> {
    let param = |name: &str| request.param(name).unwrap_or_default();
    if param("partner_id") != secret(shop, "partner_id") {
        return Err(WRONG_PARTNER);
    }
    let sent_at: Option<i64> = param("timestamp").parse().ok();
    if sent_at.is_none_or(|at| now.secs().abs_diff(at) > CLOCK_WINDOW_S) {
        return Err(("error_param", "Timestamp is expired."));
    }
    let of_app = is_of_app(&request.path);
    // Reckoned apart from the client, so that one mistake cannot hide another.
    let mut signed = format!(
        "{}{}{}",
        param("partner_id"),
        request.path,
        param("timestamp")
    );
    if !of_app {
        signed += param("access_token");
        signed += param("shop_id");
    }
    if param("sign") != hmac_hex(secret(shop, "partner_key"), signed.as_bytes()) {
        return Err(("error_sign", "Wrong sign."));
    }
    if of_app {
        return Ok(());
    }
    if shop.memory.get("not granted").map(String::as_str) == Some(param("shop_id")) {
        return Err((
            "error_ashop_api_permission",
            "The shop may not use this API.",
        ));
    }
    if param("shop_id") != shop.remote_id.as_str() {
        return Err(WRONG_PARTNER);
    }
    if shop.memory.contains_key("deauthorized") {
        return Err(UNLINKED);
    }
    let is_before = |until: Option<Timestamp>| until.is_none_or(|until| now < until);
    let is_present =
        param("access_token") == secret(shop, "access_token") && is_before(shop.token_expires_at);
    let before = format!("token before {}", param("access_token"));
    let until = shop.memory.get(&before).and_then(|at| at.parse().ok());
    let is_in_grace = until.is_some_and(|until: i64| now.secs() < until);
    if !is_present && !is_in_grace {
        return Err(("invalid_acceess_token", "Invalid access_token."));
    }
    Ok(())
}

fn route(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let path = request.path.strip_prefix("/api/v2/").unwrap_or_default();
    let wrapped = |answer: Answer| answer.map(|inner| json!({"warning": "", "response": inner}));
    match (request.method.as_str(), path) {
        ("POST", "auth/token/get") => exchange_code(shop, &body, now),
        ("POST", "auth/access_token/get") => rotate_tokens(shop, &body, now),
        ("GET", "shop/get_shop_info") => Ok(json!({
            "shop_name": shop.name, "region": "ID", "status": "NORMAL", "is_cb": false,
            "auth_time": (now - Duration::from_secs(86_400)).secs(),
            "expire_time": (now + Duration::from_secs(364 * 86_400)).secs(), "merchant_id": null,
        })),
        ("GET", "order/get_order_list") => wrapped(answers::order_list(shop, request, now)),
        ("GET", "order/get_order_detail") => wrapped(answers::order_detail(shop, request, now)),
        ("GET", "returns/get_return_list") => wrapped(returns::list(shop, request, now)),
        ("GET", "payment/get_escrow_detail") => wrapped(answers::escrow(shop, request, now)),
        ("GET", "product/get_item_list") => wrapped(answers::item_list(shop, request)),
        ("GET", "product/get_item_base_info") => wrapped(answers::base_info(shop, request)),
        ("GET", "product/get_model_list") => wrapped(answers::model_list(shop, request)),
        ("POST", "product/update_stock") => wrapped(answers::update_stock(shop, &body, now)),
        ("POST", "product/update_price") => wrapped(answers::update_price(shop, &body, now)),
        ("GET", "push/get_app_push_config") => Ok(json!({"response": pushes::config(shop)})),
        ("POST", "push/set_app_push_config") => wrapped(pushes::configure(shop, &body)),
        ("GET", "push/get_lost_push_message") => wrapped(Ok(pushes::lost(shop, now))),
        ("POST", "push/confirm_consumed_lost_push_message") => pushes::confirm(shop, &body),
        _ => Err(("error_not_found", "The path is not known.")),
    }
}

/// Ids of the app and the shop must be numbers here.
fn names(body: &Value, name: &str, id: &str) -> bool {
    body[name]
        .as_u64()
        .is_some_and(|sent| sent.to_string() == id)
}

/// A code is good once, for ten minutes.
fn exchange_code(shop: &mut Shop, body: &Value, now: Timestamp) -> Answer {
    let known = format!("code {}", body["code"].as_str().unwrap_or_default());
    let until = shop.memory.remove(&known).and_then(|at| at.parse().ok());
    let is_live = until.is_some_and(|until: i64| now.secs() < until);
    if !names(body, "partner_id", secret(shop, "partner_id")) {
        return Err(WRONG_PARTNER);
    }
    if !is_live || !names(body, "shop_id", shop.remote_id.as_str()) {
        return Err(("invalid_code", "The code is invalid or was used."));
    }
    let mut answer = new_tokens(shop, now);
    answer["shop_id_list"] = json!([webhook::as_number(&shop.remote_id)]);
    answer["merchant_id_list"] = json!([]);
    Ok(answer)
}

/// The old refresh token is dead afterwards.
fn rotate_tokens(shop: &mut Shop, body: &Value, now: Timestamp) -> Answer {
    if shop.memory.contains_key("deauthorized") {
        return Err(UNLINKED);
    }
    let is_ours = names(body, "partner_id", secret(shop, "partner_id"))
        && names(body, "shop_id", shop.remote_id.as_str());
    if !is_ours {
        return Err(WRONG_PARTNER);
    }
    if body["refresh_token"].as_str() != shop.secrets.get("refresh_token") {
        return Err(("error_shop_refresh_token", "The refresh token is wrong."));
    }
    let before = format!("token before {}", secret(shop, "access_token"));
    let until = (now + GRACE).secs();
    let was_live = shop.token_expires_at.is_none_or(|at| now < at);
    shop.memory
        .retain(|name, _| !name.starts_with("token before "));
    if was_live {
        shop.memory.insert(before, until.to_string());
    }
    let mut answer = new_tokens(shop, now);
    answer["partner_id"] = body["partner_id"].clone();
    answer["shop_id"] = body["shop_id"].clone();
    Ok(answer)
}

fn new_tokens(shop: &mut Shop, now: Timestamp) -> Value {
    for name in ["access_token", "refresh_token"] {
        let next = token(secret(shop, name));
        shop.secrets.set(name, next);
    }
    shop.token_expires_at = Some(now + TOKEN_LIFE);
    json!({"access_token": secret(shop, "access_token"),
        "refresh_token": secret(shop, "refresh_token"), "expire_in": TOKEN_LIFE.as_secs()})
}
