//! Shopee's Open Platform, version 2: one app for many shops, one webhook address for all of them.
//!
//! Sources, read 2026-11-23:
//! - calls and their signature: <https://open.shopee.com/developer-guide/16>;
//! - webhooks: <https://open.shopee.com/developer-guide/18>;
//! - authorization: <https://open.shopee.com/developer-guide/20>;
//! - each call: `https://open.shopee.com/documents/v2/v2.<module>.<api>`.
//!
//! Besides the adapter, here is what all answers have in common: ids, envelope, error codes.
//! Left out on purpose: merchants of cross-border sellers, which have calls of their own, and chat.

mod client;
mod mapping;
mod simulator;
mod webhook;

pub use simulator::ShopeeSimulator;

use super::{
    Access, Acknowledgement, Connecting, Consent, ConsentAnswer, ConsentQuestion, DeliveryKey,
    Handed, Limits, Malformed, Marketplace, MarketplaceError, Missed, OrderQuery, OrderSummary,
    Page, Platform, PriceChange, ProductQuery, PushOutcome, RawDelivery, Rejected, Result, Secrets,
    ShopAddress, ShopIdentity, StockLevel, Subscribed, Subscribing, Tokens, Tolerance,
    VerifiedDelivery, WebhookAddress, WebhookKey, WebhookKeys, http::Response,
    simulation::Simulator,
};
use crate::domain::{Event, Order, Product, RemoteId, Return, Settlement, Timestamp, Window};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use url::Url;

const SLUG: &str = "shopee";

static LIMITS: Limits = Limits {
    platforms: &[Platform {
        slug: SLUG,
        name: "Shopee",
    }],
    webhook_address: WebhookAddress::App,
    // v2.push.set_app_push_config takes the address; of the codes it knows only 1 to 13.
    subscribing: Subscribing::AddressOnly,
    topics: &webhook::TOPICS,
    // No code tells of a new title, seller SKU or stock. Source: the list of codes.
    pushes_product_edits: false,
    // v2.push.get_lost_push_message: 3 days.
    keeps_missed: true,
    // v2.order.get_order_list: `page_size` 1 to 100.
    order_page: 100,
    // v2.order.get_order_detail: at most 50.
    order_batch: 50,
    // v2.product.get_item_list gives up to 100; as many as one get_item_base_info takes.
    product_page: 50,
    // Ours: update_stock takes one product a call, so this bounds the calls of one push.
    stock_batch: 50,
    // Ours: Shopee publishes no number.
    requests_per_second: 10.0,
    burst: 20,
    // Ours: lists are by time and lag by seconds; this also covers rows that shift between two pages.
    lookback: Duration::from_secs(30 * 60),
    // v2.order.get_order_list: 15 days.
    longest_order_window: Some(Duration::from_secs(15 * 86_400)),
    created_filter: true,
    updated_filter: true,
    active_filter: true,
    // There is a cap, with an error of its own; its number is not published.
    product_result_cap: None,
    reduces_own_stock: true,
    tells_returns_apart: true,
    tells_settlements: true,
    // Access tokens live 4 hours.
    tokens_expire: true,
};

static CONNECTING: Connecting = Connecting {
    app: &["partner_id", "partner_key"],
    app_besides: &["push_key", "previous_push_key"],
    address: ShopAddress::Shared,
    secrets: &[
        Handed::needed(
            "access_token",
            "the answer to the seller's authorization code",
        ),
        Handed::needed("refresh_token", "the same answer"),
        Handed::needed("shop_id", "the address to which the seller came back"),
    ],
    consent: true,
};

/// The adapter; holds no state.
#[derive(Debug, Clone, Copy)]
pub struct Shopee;

#[async_trait]
impl Marketplace for Shopee {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn name(&self) -> &'static str {
        "Shopee"
    }

    fn personal_fields(&self) -> &'static [&'static str] {
        &["dropshipper", "invoice_data"]
    }

    fn limits(&self) -> &'static Limits {
        &LIMITS
    }

    fn connecting(&self) -> &'static Connecting {
        &CONNECTING
    }

    /// A body in the answer counts as a failure, even under 200.
    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement {
            status: 204,
            ..Acknowledgement::empty_ok()
        }
    }

    /// Where the console shows a push key it is the one that signs; older apps have only the partner key.
    fn app_keys(&self, app: &Secrets) -> Vec<WebhookKey> {
        let current = app.get("push_key").or(app.get("partner_key"));
        let key = |secret: &str| WebhookKey {
            app_key: String::new(),
            secret: secret.to_owned(),
        };
        let all = [current, app.get("previous_push_key")];
        all.into_iter().flatten().map(key).collect()
    }

    fn claimed_channel(&self, raw: &RawDelivery) -> Option<RemoteId> {
        webhook::claimed_channel(raw)
    }

    fn verify(
        &self,
        raw: RawDelivery,
        keys: &WebhookKeys,
    ) -> std::result::Result<VerifiedDelivery, Rejected> {
        webhook::verify(raw, keys)
    }

    fn delivery_key(&self, delivery: &VerifiedDelivery) -> DeliveryKey {
        webhook::delivery_key(delivery)
    }

    fn topic(&self, delivery: &VerifiedDelivery) -> String {
        webhook::topic(delivery)
    }

    fn returns_told(&self, delivery: &VerifiedDelivery, order: &Order) -> Vec<Return> {
        webhook::returns_told(delivery, order)
    }

    async fn returned(&self, access: &Access, window: Window) -> Result<Vec<RemoteId>> {
        client::returned(access, window).await
    }

    async fn settlements(&self, access: &Access, ids: &[RemoteId]) -> Result<Vec<Settlement>> {
        client::settlements(access, ids).await
    }

    fn parse(&self, delivery: &VerifiedDelivery) -> std::result::Result<Vec<Event>, Malformed> {
        webhook::parse(delivery)
    }

    fn consent_page(&self, access: &Access, question: &ConsentQuestion) -> Result<Url> {
        client::consent_page(access, question)
    }

    async fn consent(&self, access: &Access, answer: &ConsentAnswer) -> Result<Consent> {
        client::consent(access, answer).await
    }

    async fn shops(&self, access: &Access) -> Result<Vec<ShopIdentity>> {
        client::shops(access).await
    }

    async fn orders(&self, access: &Access, query: &OrderQuery) -> Result<Page<OrderSummary>> {
        client::orders(access, query).await
    }

    async fn orders_by_id(&self, access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>> {
        client::orders_by_id(access, ids).await
    }

    async fn products(&self, access: &Access, query: &ProductQuery) -> Result<Page<Product>> {
        client::products(access, query).await
    }

    async fn products_by_id(&self, access: &Access, ids: &[RemoteId]) -> Result<Vec<Product>> {
        client::products_by_id(access, ids).await
    }

    async fn set_stock(&self, access: &Access, levels: &[StockLevel]) -> Result<Vec<PushOutcome>> {
        client::set_stock(access, levels).await
    }

    async fn set_price(&self, access: &Access, prices: &[PriceChange]) -> Result<Vec<PushOutcome>> {
        client::set_price(access, prices).await
    }

    /// Each shop of a main account uses the refresh token of the consent once, and then has its own.
    fn shops_share_tokens(&self) -> bool {
        false
    }

    async fn refresh(&self, access: &Access, now: Timestamp) -> Result<Option<Tokens>> {
        client::refresh(access, now).await.map(Some)
    }

    /// Webhooks are signed with the app's key, so `secret` is not used.
    async fn subscribe(
        &self,
        access: &Access,
        address: &str,
        _secret: &str,
    ) -> Result<Vec<String>> {
        client::subscribe(access, address).await
    }

    async fn subscriptions(
        &self,
        access: &Access,
        address: &str,
    ) -> Result<Option<Vec<Subscribed>>> {
        client::subscriptions(access, address).await.map(Some)
    }

    async fn missed(&self, access: &Access) -> Result<Missed> {
        client::missed(access).await
    }

    async fn confirm_missed(&self, access: &Access, mark: &str) -> Result<()> {
        client::confirm_missed(access, mark).await
    }

    /// Source: developer-guide/16: 5 minutes.
    fn clock_tolerance(&self) -> Option<Tolerance> {
        const WINDOW: Duration = Duration::from_secs(5 * 60);
        Some(Tolerance {
            behind: WINDOW,
            ahead: WINDOW,
        })
    }

    fn simulator(&self) -> &'static dyn Simulator {
        &ShopeeSimulator
    }
}

/// A row that could not be read: which, and why.
type Misfit = (RemoteId, String);

/// An id, sent as a number or as text; 0 and "" stand for none.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum SentId {
    Number(u64),
    Text(String),
}

/// The id under `name`, if it is there and can be one.
fn id_of(row: &Value, name: &str) -> Option<RemoteId> {
    match SentId::deserialize(row.get(name)?).ok()? {
        SentId::Number(0) => None,
        SentId::Number(number) => Some(number.into()),
        SentId::Text(text) if text != "0" && is_plain_id(&text) => Some(text.into()),
        SentId::Text(_) => None,
    }
}

/// Whether a text can be an id; anything else has no business in a list that is joined by commas.
fn is_plain_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(is_plain)
}

/// An id that Shopee takes as a number only.
fn number(id: &str) -> Option<u64> {
    id.parse().ok()
}

/// The answer without its error, or the error. The HTTP status alone says nothing: errors come with 200, too.
fn read_answer(response: &Response, now: Timestamp) -> Result<Value> {
    let status = response.status;
    let answer = serde_json::from_slice::<Value>(&response.body).ok();
    let Some(answer) = answer.filter(Value::is_object) else {
        return Err(match status {
            429 => refusal("error_rate_limit", "", response, now),
            500.. => unavailable(format!("HTTP {status}")),
            _ => unreadable(format!("HTTP {status} without the usual envelope")),
        });
    };
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    match text("error") {
        // Samples in the documents have a dash.
        "" | "-" if status < 400 => Ok(answer),
        "" | "-" if status == 429 => Err(refusal("error_rate_limit", "", response, now)),
        "" | "-" if status >= 500 => Err(unavailable(format!("HTTP {status}"))),
        "" | "-" => Err(unreadable(format!("HTTP {status} without an error code"))),
        code => Err(refusal(code, text("message"), response, now)),
    }
}

fn refusal(code: &str, message: &str, response: &Response, now: Timestamp) -> MarketplaceError {
    match error_of(code, message, now) {
        MarketplaceError::RateLimited {
            marketplace,
            retry_after,
        } => MarketplaceError::RateLimited {
            marketplace,
            retry_after: response.retry_after(now).or(retry_after),
        },
        error => error,
    }
}

/// Longest part of a remote message that goes into an error.
const LONGEST_MESSAGE: usize = 160;

/// What each code asks for. Names as Shopee spells them, mistakes included; some calls put their module and
/// a full stop before them. Source: the error lists of the calls.
fn error_of(code: &str, message: &str, now: Timestamp) -> MarketplaceError {
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    let lower = message.to_ascii_lowercase();
    let limited = |retry_after| MarketplaceError::RateLimited {
        marketplace: SLUG,
        retry_after,
    };
    let told = || format!("{code} {message}");
    match code.rsplit('.').next().unwrap_or(code) {
        "invalid_acceess_token" | "invalid_access_token" => {
            MarketplaceError::TokenExpired { marketplace: SLUG }
        }
        "error_auth" => of_auth(code, message, &lower),
        "shop_no_linked"
        | "partner_shop_no_link"
        | "shop_banned"
        | "shop_access_expired"
        | "error_kyc_auth" => unauthorized(told()),
        // Troubles of the app, for whoever runs it to mend: no shop has to be connected anew.
        "error_partner_key_expired" | "source_ip_undeclared" => unavailable(told()),
        "error_rate_limit" => limited(None),
        "error_limit" => limited(Some(until_quota(now))),
        "error_server" | "error_inner" | "error_network" | "error_system_busy" => {
            unavailable(code.to_owned())
        }
        "error_data" if lower.contains("parse") => unavailable(told()),
        // The next attempt is signed with a new time.
        "error_param" if lower.contains("timestamp") => unavailable(told()),
        "error_not_found"
        | "error_item_not_found"
        | "error_order_not_found"
        | "order_not_found" => not_known(code),
        _ if lower.contains("is not found") => not_known(code),
        _ if lower.contains("offset over limit") => {
            MarketplaceError::TooManyResults { marketplace: SLUG }
        }
        // What one API is not granted for is among these: the shop's other calls go on.
        _ => refused(code, message),
    }
}

/// `error_auth` stands for whatever is not allowed. Only two of its texts are about the credentials; of the
/// others some pass, and the rest is about this request.
fn of_auth(code: &str, message: String, lower: &str) -> MarketplaceError {
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["token"]) {
        MarketplaceError::TokenExpired { marketplace: SLUG }
    } else if says(&["partner_id", "shopid"]) {
        unauthorized(format!("{code} {message}"))
    } else if says(&["system error", "try later", "again"]) && !says(&["holiday"]) {
        unavailable(format!("{code} {message}"))
    } else {
        refused(code, message)
    }
}

fn refused(code: &str, message: String) -> MarketplaceError {
    MarketplaceError::Refused {
        marketplace: SLUG,
        code: code.to_owned(),
        message,
    }
}

fn not_known(code: &str) -> MarketplaceError {
    MarketplaceError::NotFound {
        marketplace: SLUG,
        what: format!("what was asked for ({code})"),
    }
}

/// The app's daily quota begins anew at midnight in UTC+8.
fn until_quota(now: Timestamp) -> Duration {
    const DAY: i64 = 86_400;
    let of_day = (now.secs() + 8 * 3_600).rem_euclid(DAY);
    Duration::from_secs((DAY - of_day).unsigned_abs())
}

fn unauthorized(reason: String) -> MarketplaceError {
    MarketplaceError::Unauthorized {
        marketplace: SLUG,
        reason,
    }
}

fn unavailable(reason: String) -> MarketplaceError {
    MarketplaceError::Unavailable {
        marketplace: SLUG,
        reason,
    }
}

fn unreadable(reason: impl Into<String>) -> MarketplaceError {
    MarketplaceError::Unreadable {
        marketplace: SLUG,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
