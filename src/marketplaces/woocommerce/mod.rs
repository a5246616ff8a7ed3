//! WooCommerce: stores that merchants run themselves, on WordPress.
//!
//! - Webhooks are signed, built late, and **never repeated**; after seven failures in a row the store
//!   switches them off without a word. Scans and order downloads are therefore not optional here, and
//!   `subscribe` switches them on again.
//! - Restoring a trashed order by API, deleting a refund, and edits in the database raise no webhook.
//! - Payment comes before shipping: `processing` is paid and unsent.
//! - Ids are unique in one store only.
//!
//! Sources, read 2026-11-23: WooCommerce 10.5.2 and WordPress 6.9.1 as released, the REST API v3
//! documentation (developer.woocommerce.com/docs/apis/rest-api/v3), and a running store of that version.

mod client;
mod mapping;
mod simulator;
mod webhook;

use crate::domain::{Event, Order, Product, RemoteId, Timestamp};
use crate::marketplaces::{
    Access, Acknowledgement, Connecting, Consent, ConsentAnswer, ConsentQuestion, DeliveryKey,
    Handed, Limits, Malformed, Marketplace, MarketplaceError, OrderQuery, OrderSummary, Page,
    Platform, PriceChange, ProductQuery, PushOutcome, RawDelivery, Rejected, Result, ShopAddress,
    ShopIdentity, StockLevel, Subscribed, Subscribing, Tokens, Tolerance, VerifiedDelivery,
    WebhookAddress, WebhookKeys,
    http::{
        Response,
        lenient::{self, text},
    },
    simulation::Simulator,
};
use async_trait::async_trait;
use serde_json::Value;
pub use simulator::WooCommerceSimulator;
use std::time::Duration;

/// The slug, and the platform.
const NAME: &str = "woocommerce";

/// The protocol of WooCommerce's REST API v3 and webhooks.
#[derive(Debug, Clone, Copy)]
pub struct WooCommerce;

static LIMITS: Limits = Limits {
    platforms: &[Platform {
        slug: NAME,
        name: "WooCommerce",
    }],
    webhook_address: WebhookAddress::Channel,
    subscribing: Subscribing::Api,
    topics: &webhook::TOPICS,
    pushes_product_edits: true,
    keeps_missed: false,
    order_page: client::LARGEST_PAGE as u32,
    order_batch: client::LARGEST_PAGE as u32,
    product_page: client::PRODUCT_PAGE as u32,
    // "Up to 100 objects" a batch. Source: REST API v3, batch operations.
    stock_batch: client::LARGEST_PAGE as u32,
    // WooCommerce sets no limit; the hosts of small stores feel more than this.
    requests_per_second: 2.0,
    burst: 4,
    // Dates have a grain of a second, and PHP servers' clocks are nobody's care.
    lookback: Duration::from_secs(3_600),
    longest_order_window: None,
    created_filter: true,
    updated_filter: true,
    active_filter: true,
    product_result_cap: None,
    reduces_own_stock: true,
    tells_returns_apart: false,
    tells_settlements: false,
    tokens_expire: false,
};

static CONNECTING: Connecting = Connecting {
    app: &[],
    app_besides: &[],
    address: ShopAddress::Own("https://shop.example.com"),
    secrets: &[
        Handed::needed(
            "consumer_key",
            "WooCommerce, Settings, Advanced, REST API: a key with permission Read/Write",
        ),
        Handed::needed("consumer_secret", "shown once, beside the consumer key"),
    ],
    consent: true,
};

#[async_trait]
impl Marketplace for WooCommerce {
    fn slug(&self) -> &'static str {
        NAME
    }

    fn name(&self) -> &'static str {
        "WooCommerce"
    }

    fn limits(&self) -> &'static Limits {
        &LIMITS
    }

    fn connecting(&self) -> &'static Connecting {
        &CONNECTING
    }

    fn handshake(&self, raw: &RawDelivery) -> Option<Acknowledgement> {
        webhook::handshake(raw)
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

    fn parse(&self, delivery: &VerifiedDelivery) -> std::result::Result<Vec<Event>, Malformed> {
        webhook::parse(delivery)
    }

    fn consent_page(&self, access: &Access, question: &ConsentQuestion) -> Result<url::Url> {
        consent_page(access, question)
    }

    async fn consent(&self, _access: &Access, answer: &ConsentAnswer) -> Result<Consent> {
        consent(answer)
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

    async fn subscribe(&self, access: &Access, address: &str, secret: &str) -> Result<Vec<String>> {
        webhook::subscribe(access, address, secret).await
    }

    async fn subscriptions(
        &self,
        access: &Access,
        address: &str,
    ) -> Result<Option<Vec<Subscribed>>> {
        webhook::subscriptions(access, address).await.map(Some)
    }

    async fn unsubscribe(&self, access: &Access, address: &str) -> Result<Vec<String>> {
        webhook::unsubscribe(access, address).await
    }

    /// Of stores without TLS, whose requests are signed: 15 minutes. Source:
    /// `class-wc-rest-authentication.php`.
    fn clock_tolerance(&self) -> Option<Tolerance> {
        const WINDOW: Duration = Duration::from_secs(15 * 60);
        Some(Tolerance {
            behind: WINDOW,
            ahead: WINDOW,
        })
    }

    fn simulator(&self) -> &'static dyn Simulator {
        &WooCommerceSimulator
    }
}

/// The store's own page. It posts the keys to `callback_url`, and then sends the browser to `return_url`; both
/// carry our state, and come back with it, as does `user_id`.
///
/// Source: WooCommerce 10.5.2 `includes/class-wc-auth.php`, read 2026-11-24.
fn consent_page(access: &Access, question: &ConsentQuestion) -> Result<url::Url> {
    let mut callback = question.callback.clone();
    if access.api.scheme() == "https" && callback.scheme() != "https" {
        let why = "stores hand their keys to https addresses only; set http.public_url to one";
        return Err(refused("callback_url", why));
    }
    callback
        .query_pairs_mut()
        .append_pair("state", &question.state);
    let mut url = access.api.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{path}/wc-auth/v1/authorize"));
    url.set_fragment(None);
    url.query_pairs_mut().clear().extend_pairs([
        ("app_name", "marketsink"),
        ("scope", "read_write"),
        ("user_id", &question.state),
        ("return_url", callback.as_str()),
        ("callback_url", callback.as_str()),
    ]);
    Ok(url)
}

/// Keys that the store posted. The browser that comes back afterwards brings none.
fn consent(answer: &ConsentAnswer) -> Result<Consent> {
    let keys = answer
        .get("consumer_key")
        .zip(answer.get("consumer_secret"));
    let Some((key, secret)) = keys else {
        return Err(match answer.get("success") {
            Some("1") => refused(
                "no_keys",
                "the store says that it agreed, and its keys did not come; can it reach our address?",
            ),
            _ => MarketplaceError::Declined { marketplace: NAME },
        });
    };
    if answer.get("user_id") != answer.get("state") {
        return Err(refused("user_id", "the keys belong to another link"));
    }
    if answer.get("key_permissions") != Some("read_write") {
        return Err(refused(
            "key_permissions",
            "the keys may not read and write",
        ));
    }
    let secrets = [("consumer_key", key), ("consumer_secret", secret)];
    Ok(Consent {
        tokens: Tokens {
            secrets: secrets
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            expires_at: None,
            refresh_expires_at: None,
        },
        until: None,
    })
}

/// The JSON of a success; anything else as the error that it is.
fn read_answer(response: &Response, now: Timestamp) -> Result<Value> {
    let json = lenient::json_of(&response.body);
    match (response.status, json) {
        (429, _) => Err(MarketplaceError::RateLimited {
            marketplace: NAME,
            retry_after: response.retry_after(now),
        }),
        (200..300, Some(json)) => Ok(json),
        (300..400, _) => Err(refused(
            "redirect",
            "the store's address leads elsewhere; connect the channel with its final address",
        )),
        (status, Some(error)) => Err(api_error(u64::from(status), &error)),
        (status @ 500.., None) => Err(MarketplaceError::Unavailable {
            marketplace: NAME,
            reason: format!("{status} without JSON"),
        }),
        (status, None) => Err(unreadable(format!("{status} without JSON"))),
    }
}

fn list(json: Value) -> Result<Vec<Value>> {
    match json {
        Value::Array(rows) => Ok(rows),
        _ => Err(unreadable("a list was expected".to_owned())),
    }
}

fn entry_error(answer: &Value) -> PushOutcome {
    match answer.get("error") {
        None => Ok(()),
        Some(error) => {
            let status = error.pointer("/data/status").and_then(Value::as_u64);
            Err(api_error(status.unwrap_or(400), error))
        }
    }
}

/// An error object `{code, message, data}`. Keyed on the code: messages are in the store's language.
fn api_error(status: u64, error: &Value) -> MarketplaceError {
    let short = |name| -> String {
        text(error, name)
            .unwrap_or_default()
            .chars()
            .take(120)
            .collect()
    };
    let code = short("code");
    match status {
        // WooCommerce is switched off, as during its own update, or the address is another site's.
        404 if code == "rest_no_route" => MarketplaceError::Unavailable {
            marketplace: NAME,
            reason: "rest_no_route: WooCommerce is switched off there, or the address is wrong"
                .to_owned(),
        },
        401 | 403 => MarketplaceError::Unauthorized {
            marketplace: NAME,
            reason: code,
        },
        404 => MarketplaceError::NotFound {
            marketplace: NAME,
            what: code,
        },
        400 if code.ends_with("_invalid_id") => MarketplaceError::NotFound {
            marketplace: NAME,
            what: code,
        },
        500.. => MarketplaceError::Unavailable {
            marketplace: NAME,
            reason: format!("{status} {code}"),
        },
        _ => MarketplaceError::Refused {
            marketplace: NAME,
            code,
            message: lenient::plain(&short("message")),
        },
    }
}

fn refused(code: &str, message: &str) -> MarketplaceError {
    MarketplaceError::Refused {
        marketplace: NAME,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn unreadable(reason: String) -> MarketplaceError {
    MarketplaceError::Unreadable {
        marketplace: NAME,
        reason,
    }
}

/// An answer of the API, from `fixtures/`.
#[cfg(test)]
fn example(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("fixtures/woocommerce/api/{name}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[cfg(test)]
mod tests;
