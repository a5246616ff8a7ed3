//! TikTok Shop and, since 30 September 2025, Tokopedia: one protocol for both.
//!
//! Sources, read 2026-11-23; the generation 202309 of the API and newer:
//! - webhooks: <https://partner.tiktokshop.com/docv2/page/tts-webhooks-overview>;
//! - answering and retries: <https://partner.tiktokshop.com/docv2/page/configuration-guide>;
//! - signing: <https://partner.tiktokshop.com/docv2/page/sign-your-api-request>;
//! - orders: <https://partner.tiktokshop.com/docv2/page/order-api-overview>;
//! - the end of Tokopedia's own API: <https://partner.tiktokshop.com/docv2/page/68ad7aa69e6e2a049311af0f>.
//!
//! Besides the adapter, here is what all answers have in common: ids, envelope, lists, error codes.
//! Left out on purpose: the retired Tokopedia Open API. A shop of region ID sells under both names, and
//! each of its orders says under which.

mod client;
mod mapping;
mod simulator;
mod webhook;

use mapping::with_id;

pub use simulator::TikTokShopSimulator;

use super::{
    Access, Connecting, Consent, ConsentAnswer, ConsentQuestion, DeliveryKey, Handed, Limits,
    Malformed, Marketplace, MarketplaceError, OrderQuery, OrderSummary, Page, Platform,
    PriceChange, ProductQuery, PushOutcome, RawDelivery, Rejected, Result, Secrets, ShopAddress,
    ShopIdentity, StockLevel, Subscribed, Subscribing, Tokens, Tolerance, VerifiedDelivery,
    WebhookAddress, WebhookKey, WebhookKeys, http::Response, simulation::Simulator,
};
use crate::domain::{Event, Order, Product, RemoteId, Return, Timestamp};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const SLUG: &str = "tiktok_shop";
const TOKOPEDIA: &str = "tokopedia";

static LIMITS: Limits = Limits {
    platforms: &[
        Platform {
            slug: SLUG,
            name: "TikTok Shop",
        },
        Platform {
            slug: TOKOPEDIA,
            name: "Tokopedia",
        },
    ],
    webhook_address: WebhookAddress::App,
    subscribing: Subscribing::Api,
    topics: &webhook::EVENTS,
    pushes_product_edits: true,
    keeps_missed: false,
    // Get Order List: `page_size` 1 to 100.
    order_page: 100,
    // Get Order Detail: at most 50 ids.
    order_batch: 50,
    // Search Products: `page_size` 1 to 100.
    product_page: 100,
    // Ours: Update Inventory takes one product a call, so this bounds the calls of one push.
    stock_batch: 50,
    // Ours: the page of 2025 allowed 50 a second, that of 2026 names no number and plans with 1 to 3
    // for writes and 3 to 10 for reads.
    requests_per_second: 3.0,
    burst: 10,
    // Ours: rows appear late in the list, and integrators re-read about two hours.
    lookback: Duration::from_secs(2 * 3_600),
    longest_order_window: None,
    created_filter: true,
    updated_filter: true,
    active_filter: true,
    // Search Products: 10,000 rows, then error 12052180.
    product_result_cap: Some(10_000),
    reduces_own_stock: true,
    tells_returns_apart: true,
    tells_settlements: false,
    // Access tokens live 7 days.
    tokens_expire: true,
};

/// The adapter; holds no state.
#[derive(Debug, Clone, Copy)]
pub struct TikTokShop;

static CONNECTING: Connecting = Connecting {
    app: &["app_key", "app_secret"],
    app_besides: &["previous_app_secret", "service_id"],
    address: ShopAddress::Shared,
    secrets: &[
        Handed::needed(
            "access_token",
            "the answer to the seller's authorization code",
        ),
        Handed::needed("refresh_token", "the same answer"),
    ],
    consent: true,
};

#[async_trait]
impl Marketplace for TikTokShop {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn name(&self) -> &'static str {
        "TikTok Shop"
    }

    fn limits(&self) -> &'static Limits {
        &LIMITS
    }

    fn connecting(&self) -> &'static Connecting {
        &CONNECTING
    }

    fn app_keys(&self, app: &Secrets) -> Vec<WebhookKey> {
        let app_key = app.get("app_key").unwrap_or_default();
        let secrets = [app.get("app_secret"), app.get("previous_app_secret")];
        let key = |secret: &str| WebhookKey {
            app_key: app_key.to_owned(),
            secret: secret.to_owned(),
        };
        secrets.into_iter().flatten().map(key).collect()
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
        webhook::returns::told(delivery, order)
    }

    fn parse(&self, delivery: &VerifiedDelivery) -> std::result::Result<Vec<Event>, Malformed> {
        webhook::parse(delivery)
    }

    fn consent_page(&self, access: &Access, question: &ConsentQuestion) -> Result<url::Url> {
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

    async fn refresh(&self, access: &Access, _now: Timestamp) -> Result<Option<Tokens>> {
        client::refresh(access).await.map(Some)
    }

    /// Webhooks are signed with the app's secret, so `secret` is not used.
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

    async fn unsubscribe(&self, access: &Access, address: &str) -> Result<Vec<String>> {
        client::unsubscribe(access, address).await
    }

    /// Source: the signing page, from 5 minutes in the past to 30 seconds in the future.
    fn clock_tolerance(&self) -> Option<Tolerance> {
        Some(Tolerance {
            behind: Duration::from_secs(300),
            ahead: Duration::from_secs(30),
        })
    }

    fn simulator(&self) -> &'static dyn Simulator {
        &TikTokShopSimulator
    }
}

/// An id, sent as text or as a number beyond 2^53.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "SentId")]
struct Id(String);

#[derive(Deserialize)]
#[serde(untagged)]
enum SentId {
    Text(String),
    Number(u64),
}

impl TryFrom<SentId> for Id {
    type Error = &'static str;

    fn try_from(sent: SentId) -> std::result::Result<Self, Self::Error> {
        match sent {
            SentId::Text(text) if !is_plain_id(&text) => {
                Err("an id of letters and digits was expected")
            }
            SentId::Text(text) => Ok(Self(text)),
            SentId::Number(number) => Ok(Self(number.to_string())),
        }
    }
}

impl From<Id> for RemoteId {
    fn from(id: Id) -> Self {
        Self::new(id.0)
    }
}

/// Whether a text can be an id; anything else has no business in the path of a request.
fn is_plain_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(is_plain)
}

/// A row that could not be read: which, and why.
type Misfit = (RemoteId, String);

/// A page of a list, its rows not read yet, so that one bad row does not spoil the others.
#[derive(Default, Deserialize)]
struct List {
    #[serde(
        alias = "orders",
        alias = "products",
        alias = "shops",
        alias = "webhooks"
    )]
    rows: Option<Vec<Value>>,
    /// Empty or missing on the last page.
    next_page_token: Option<String>,
    total_count: Option<u64>,
}

impl List {
    fn next(&self) -> Option<&str> {
        self.next_page_token
            .as_deref()
            .filter(|token| !token.is_empty())
    }

    fn rows(self) -> Vec<Value> {
        self.rows.unwrap_or_default()
    }

    /// Reads each row; those that fail stand aside.
    fn read<T>(
        self,
        read: impl Fn(Value) -> std::result::Result<T, Misfit>,
    ) -> (Vec<T>, Vec<Misfit>) {
        let (mut read_rows, mut misfits) = (Vec::new(), Vec::new());
        for row in self.rows() {
            match read(row) {
                Ok(row) => read_rows.push(row),
                Err(misfit) => misfits.push(misfit),
            }
        }
        (read_rows, misfits)
    }
}

#[derive(Deserialize)]
struct Envelope {
    code: i64,
    message: Option<String>,
    data: Option<Value>,
}

/// What is inside the envelope, or the error that its code means.
fn read_answer(response: &Response, now: Timestamp) -> Result<Value> {
    let status = response.status;
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&response.body) else {
        return Err(match status {
            429 => refusal(36_009_002, "", response, now),
            500.. => unavailable(format!("HTTP {status}")),
            _ => unreadable(format!("HTTP {status} without the usual envelope")),
        });
    };
    if envelope.code == 0 {
        return Ok(envelope.data.unwrap_or_else(|| json!({})));
    }
    let message = envelope.message.unwrap_or_default();
    Err(refusal(envelope.code, &message, response, now))
}

fn refusal(code: i64, message: &str, response: &Response, now: Timestamp) -> MarketplaceError {
    match error_of(code, message) {
        MarketplaceError::RateLimited { marketplace, .. } => MarketplaceError::RateLimited {
            marketplace,
            retry_after: response.retry_after(now),
        },
        error => error,
    }
}

/// What a push answers with `code` 0 when some of its SKUs were refused.
#[derive(Deserialize)]
struct PushAnswer {
    errors: Option<Vec<PushError>>,
}

#[derive(Deserialize)]
struct PushError {
    code: i64,
    message: Option<String>,
    detail: Option<PushDetail>,
}

#[derive(Deserialize)]
struct PushDetail {
    sku_id: Option<Id>,
}

impl PushAnswer {
    /// Code and message of the refusal of one SKU; an error that names no SKU is everyone's.
    fn refusal(&self, sku: &RemoteId) -> Option<(i64, String)> {
        let named = |e: &PushError| e.detail.as_ref().and_then(|d| d.sku_id.clone());
        let concerns = |e: &&PushError| named(e).is_none_or(|id| id.0 == sku.as_str());
        let error = self.errors.iter().flatten().find(concerns)?;
        Some((error.code, error.message.clone().unwrap_or_default()))
    }
}

#[derive(Deserialize)]
struct RemoteShop {
    id: Id,
    name: Option<String>,
    region: Option<String>,
    cipher: String,
}

fn shop_identity(row: Value) -> std::result::Result<ShopIdentity, Misfit> {
    with_id(row, |row| {
        let shop: RemoteShop = serde_json::from_value(row).map_err(|error| error.to_string())?;
        let both = shop.region.as_deref() == Some("ID");
        Ok(ShopIdentity {
            remote_id: shop.id.into(),
            name: shop.name.unwrap_or_default(),
            platforms: if both {
                vec![SLUG, TOKOPEDIA]
            } else {
                vec![SLUG]
            },
            secrets: vec![("shop_cipher".to_owned(), shop.cipher)],
            base_url: None,
            consent_until: None,
        })
    })
}

/// The answer of the token endpoints. `*_expire_in` is an instant in spite of its name.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    access_token_expire_in: i64,
    refresh_token: String,
    /// The end of the time for which the seller consented.
    refresh_token_expire_in: Option<i64>,
    /// 0 is a seller; others have no shops.
    user_type: Option<i64>,
}

impl From<TokenAnswer> for Tokens {
    fn from(answer: TokenAnswer) -> Self {
        let end = answer.refresh_token_expire_in.filter(|secs| *secs > 0);
        Self {
            secrets: vec![
                ("access_token".to_owned(), answer.access_token),
                ("refresh_token".to_owned(), answer.refresh_token),
            ],
            expires_at: Some(Timestamp::from_secs(answer.access_token_expire_in)),
            refresh_expires_at: end.map(Timestamp::from_secs),
        }
    }
}

/// Where one kind of webhook is sent.
#[derive(Deserialize)]
struct WebhookRow {
    event_type: String,
    address: Option<String>,
}

/// Longest part of a remote message that goes into an error.
const LONGEST_MESSAGE: usize = 160;

/// What each code asks for. Source: the pages of the calls, and reports of live answers.
fn error_of(code: i64, message: &str) -> MarketplaceError {
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    match code {
        36_009_002 | 36_009_037 => MarketplaceError::RateLimited {
            marketplace: SLUG,
            retry_after: None,
        },
        36_009_003 | 36_009_007 => unavailable(format!("code {code}")),
        105_002 => MarketplaceError::TokenExpired { marketplace: SLUG },
        // 36009004 stands for anything wrong around authentication; only its text tells what.
        36_009_004 if message.to_ascii_lowercase().contains("access") => {
            MarketplaceError::TokenExpired { marketplace: SLUG }
        }
        // Mismatch of token and shop, scope missing, IP address not listed, shop inactive,
        // authorization unknown or over.
        101_000 | 105_005 | 36_009_033 | 36_009_043 | 36_009_044 | 36_004_001 | 36_004_004
        | 36_004_005 => MarketplaceError::Unauthorized {
            marketplace: SLUG,
            reason: format!("{code} {message}"),
        },
        12_019_150 | 12_052_032 => not_found("the product"),
        21_008_111 => not_found("the order"),
        12_052_180 => MarketplaceError::TooManyResults { marketplace: SLUG },
        _ => MarketplaceError::Refused {
            marketplace: SLUG,
            code: code.to_string(),
            message,
        },
    }
}

fn unavailable(reason: String) -> MarketplaceError {
    MarketplaceError::Unavailable {
        marketplace: SLUG,
        reason,
    }
}

fn unreadable(reason: String) -> MarketplaceError {
    MarketplaceError::Unreadable {
        marketplace: SLUG,
        reason,
    }
}

fn not_found(what: &str) -> MarketplaceError {
    MarketplaceError::NotFound {
        marketplace: SLUG,
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests;
