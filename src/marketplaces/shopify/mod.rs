//! Shopify: one GraphQL Admin API, and every shop at an address of its own.
//!
//! - A delivery is known by `X-Shopify-Webhook-Id`: the same through all retries. `X-Shopify-Event-Id` is one
//!   for several topics that one deed caused, and would drop real deliveries.
//! - After eight failures in a row Shopify **deletes** a subscription; `subscribe` makes it again.
//! - Calls cost points from a bucket. Each answer tells what is left, and the next call waits for what it
//!   needs. A call that costs too much at once is made smaller.
//! - `read_orders` reaches back 60 days only; older orders look as if they did not exist.
//! - A scope that was not granted fails the calls that need it, and no others. Only a token that is not taken
//!   shuts us out.
//! - A shop that owes Shopify money, or that Shopify has locked, answers nothing until that is mended; nobody
//!   tells us when, so it is asked every quarter of an hour.
//! - Stock is that of **one location**: the first active one (by id) that fulfils online orders and is not a
//!   fulfilment service's. What other locations hold is neither read nor touched.
//! - A changed stock level names no product. We do not subscribe to it: Shopify tells of the product, too.
//!   Who subscribes by hand gets a scan of what changed, one for however many levels.
//!
//! Sources, read 2026-11-23: version 2026-10 of the API, <https://shopify.dev/docs/api/admin-graphql/2026-10>;
//! <https://shopify.dev/docs/apps/build/webhooks>; <https://shopify.dev/docs/api/usage/limits>;
//! <https://shopify.dev/docs/apps/build/authentication-authorization>; and the schema of which
//! `fixtures/shopify/schema.graphql` is an excerpt.
//!
//! Besides the adapter, here is what all answers have in common: ids, errors, costs.

mod client;
mod mapping;
mod simulator;
mod webhook;

pub use simulator::ShopifySimulator;

use super::{
    Access, Connecting, Consent, ConsentAnswer, ConsentQuestion, DeliveryKey, Handed, Limits,
    Malformed, Marketplace, MarketplaceError, OrderQuery, OrderSummary, Page, Platform,
    PriceChange, ProductQuery, PushOutcome, RawDelivery, Rejected, Result, Secrets, ShopAddress,
    ShopIdentity, StockLevel, Subscribed, Subscribing, Tokens, VerifiedDelivery, WebhookAddress,
    WebhookKey, WebhookKeys, http::Response, simulation::Simulator,
};
use crate::domain::{Event, Order, Product, RemoteId, Timestamp};
use async_trait::async_trait;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The slug, and the platform.
const SLUG: &str = "shopify";
const NAME: &str = "Shopify";

/// The version of the API that we were written for.
const VERSION: &str = "2026-10";

/// No list can be read beyond this row. Source: the page on limits.
const DEEPEST_ROW: u64 = 25_000;

/// How old an order may be that is shown without the scope `read_all_orders`. Source: the page on access scopes.
const READABLE: Duration = Duration::from_secs(60 * 86_400);

static LIMITS: Limits = Limits {
    platforms: &[Platform {
        slug: SLUG,
        name: NAME,
    }],
    webhook_address: WebhookAddress::Either,
    subscribing: Subscribing::Api,
    topics: &webhook::TOPICS,
    pushes_product_edits: true,
    keeps_missed: false,
    // Up to 250 are allowed; a page costs its size.
    order_page: 100,
    // Ours: with ten lines each they cost 875 of the 1,000 points that one call may cost.
    order_batch: 7,
    // Ours: with 45 variants each they cost 932 points.
    product_page: 10,
    // "Arrays can have up to 250 entries." Source: the page on limits.
    stock_batch: 250,
    // Ours: what holds is the cost. 100 points come back each second, and a usual call costs 10 to 50.
    requests_per_second: 4.0,
    burst: 20,
    // Ours: the search index lags by seconds, deliveries by minutes and sometimes hours.
    lookback: Duration::from_secs(2 * 3_600),
    longest_order_window: None,
    created_filter: true,
    updated_filter: true,
    active_filter: true,
    product_result_cap: Some(DEEPEST_ROW),
    reduces_own_stock: true,
    tells_returns_apart: false,
    tells_settlements: false,
    // 3,600 s. Tokens of custom apps may live for ever; then nothing is due.
    tokens_expire: true,
};

/// The adapter; holds no state.
#[derive(Debug, Clone, Copy)]
pub struct Shopify;

static CONNECTING: Connecting = Connecting {
    app: &["client_id", "client_secret"],
    app_besides: &["previous_client_secret", "api_version"],
    address: ShopAddress::Own("https://example.myshopify.com"),
    secrets: &[
        Handed::optional(
            "access_token",
            "the answer to the app's authorization; an app of the store's own gets one by its credentials alone",
        ),
        Handed::optional(
            "refresh_token",
            "the same answer; without one the app's credentials renew",
        ),
        Handed::optional(
            "webhook_secret",
            "Settings, Notifications, Webhooks: signs subscriptions that were made there by hand",
        ),
    ],
    consent: true,
};

#[async_trait]
impl Marketplace for Shopify {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn limits(&self) -> &'static Limits {
        &LIMITS
    }

    fn connecting(&self) -> &'static Connecting {
        &CONNECTING
    }

    fn app_keys(&self, app: &Secrets) -> Vec<WebhookKey> {
        let key = |secret: &str| WebhookKey {
            app_key: String::new(),
            secret: secret.to_owned(),
        };
        client_secrets(app).map(key).collect()
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
        webhook::topic(delivery.raw())
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

    async fn order_ids(
        &self,
        access: &Access,
        numbers: &[String],
    ) -> Result<Vec<(String, RemoteId)>> {
        client::order_ids(access, numbers).await
    }

    async fn orders_by_id(&self, access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>> {
        client::orders_by_id(access, ids).await
    }

    fn hides_orders_of(&self, placed_at: Timestamp, now: Timestamp) -> Option<&'static str> {
        (now.since(placed_at) >= READABLE).then_some(
            "Shopify does not show this order: it is older than the app may read; grant read_all_orders",
        )
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

    /// Of what our app has made in this shop, and nothing else: subscriptions are the shop's.
    async fn unsubscribe(&self, access: &Access, address: &str) -> Result<Vec<String>> {
        client::unsubscribe(access, address).await
    }

    fn simulator(&self) -> &'static dyn Simulator {
        &ShopifySimulator
    }
}

/// The app's secret, and the one before while it is rotated: deliveries may be signed with it for an hour.
fn client_secrets(app: &Secrets) -> impl Iterator<Item = &str> {
    let names = ["client_secret", "previous_client_secret"];
    names.into_iter().filter_map(|name| app.get(name))
}

/// `gid://shopify/Order/5623011049531`
fn gid(kind: &str, id: &str) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// Our ids are the numbers at the end of theirs, which webhooks name, too.
fn id_of(gid: &Value) -> Option<&str> {
    let (_, id) = gid.as_str()?.rsplit_once('/')?;
    is_plain_id(id).then_some(id)
}

fn is_plain_id(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// A UUID that is always the same for the same content.
fn uuid_of(content: &str) -> String {
    let digest = Sha256::digest(content);
    let bytes = *digest
        .first_chunk()
        .expect("a SHA-256 is longer than a UUID");
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// What is inside of an answer, or the error that it means. Errors have three places: the status, `errors`
/// at the top, and `userErrors` inside of a change, which are the caller's to read.
fn read_answer(response: &Response, now: Timestamp) -> Result<(Value, Option<Cost>)> {
    if let Some(error) = resting(response.status) {
        return Err(error);
    }
    match response.status {
        200..300 => {}
        401 => return Err(MarketplaceError::TokenExpired { marketplace: SLUG }),
        403 => return Err(lacks_scope(&words_of(&response.body))),
        404 => return Err(not_found("the shop at this address")),
        429 => return Err(rate_limited(response.retry_after(now))),
        status @ (430 | 500..) => return Err(unavailable(format!("HTTP {status}"))),
        status => return Err(unreadable(format!("HTTP {status}"))),
    }
    let Ok(mut answer) = serde_json::from_slice::<Value>(&response.body) else {
        return Err(unreadable("the answer is no JSON".to_owned()));
    };
    match &answer["errors"] {
        Value::Null => {}
        Value::Array(errors) if errors.is_empty() => {}
        Value::Array(errors) => return Err(error_of(&errors[0], &answer)),
        // Plain text instead of a list means that the request was not let in.
        _ => {
            return Err(MarketplaceError::Unauthorized {
                marketplace: SLUG,
                reason: "errors without a code".to_owned(),
            });
        }
    }
    match answer["data"].take() {
        Value::Null => Err(unreadable("the answer has no data".to_owned())),
        data => Ok((data, Cost::of(&answer))),
    }
}

/// How often a shop is asked that answers nothing for now.
const REST: Duration = Duration::from_secs(900);

/// The shop as a whole answers nothing until its owner has paid, or Shopify has unlocked it. Neither is said to
/// us, so that work waits and asks again.
fn resting(status: u16) -> Option<MarketplaceError> {
    let why = match status {
        402 => "the shop is frozen until its owner pays Shopify",
        423 => "Shopify has locked the shop",
        _ => return None,
    };
    tracing::warn!(http.status = status, "{why}; it is asked again");
    Some(rate_limited(Some(REST)))
}

/// A call that needs a scope which the merchant did not grant: the others go on.
fn lacks_scope(what: &str) -> MarketplaceError {
    let message = format!("{what}; let the app have that scope, and connect the shop again");
    refused("ACCESS_DENIED", &message)
}

/// What a refusal says, where it says it in plain text.
fn words_of(body: &[u8]) -> String {
    let body = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let words = body["errors"].as_str().map(short);
    words.unwrap_or_else(|| "a scope was not granted".to_owned())
}

/// The code of a call that has to be made smaller.
const TOO_COSTLY: &str = "MAX_COST_EXCEEDED";

fn is_too_costly(error: &MarketplaceError) -> bool {
    matches!(error, MarketplaceError::Refused { code, .. } if code == TOO_COSTLY)
}

fn error_of(error: &Value, answer: &Value) -> MarketplaceError {
    let message = short(error["message"].as_str().unwrap_or_default());
    match error["extensions"]["code"].as_str().unwrap_or_default() {
        "THROTTLED" => rate_limited(Cost::of(answer).and_then(Cost::wait)),
        "ACCESS_DENIED" => {
            // "Access denied for locations field. Required access: `read_locations` access scope."
            let scope = error["extensions"]["requiredAccess"].as_str().map(short);
            let scope = scope.filter(|scope| !message.contains(scope.as_str()));
            let scope =
                scope.map_or_else(String::new, |scope| format!(" Required access: {scope}"));
            lacks_scope(format!("{message}{scope}").trim_end_matches('.'))
        }
        code @ ("INTERNAL_SERVER_ERROR" | "TIMEOUT") => unavailable(code.to_owned()),
        code => refused(code, &message),
    }
}

/// What a call costs, and what is left to spend.
#[derive(Debug, Clone, Copy)]
struct Cost {
    requested: f64,
    available: f64,
    /// Points per second.
    restored: f64,
}

impl Cost {
    fn of(answer: &Value) -> Option<Self> {
        let cost = &answer["extensions"]["cost"];
        let status = &cost["throttleStatus"];
        Some(Self {
            requested: cost["requestedQueryCost"].as_f64()?,
            available: status["currentlyAvailable"].as_f64()?,
            restored: status["restoreRate"].as_f64()?,
        })
    }

    /// Until there is enough for another call of the same cost; `None`: there is.
    fn wait(self) -> Option<Duration> {
        let missing = self.requested - self.available;
        let seconds = missing / self.restored.max(1.0);
        (missing > 0.0).then(|| Duration::from_secs_f64(seconds.min(3_600.0)))
    }
}

/// The version that answered, where it is not the one that was asked: ours is no longer served.
fn other_version<'r>(asked: &str, response: &'r Response) -> Option<&'r str> {
    let used = response.header("x-shopify-api-version")?;
    (used != asked).then_some(used)
}

/// One of `userErrors`.
struct UserError {
    field: Vec<String>,
    code: String,
    message: String,
}

impl UserError {
    fn all(payload: &Value) -> Vec<Self> {
        let errors = payload["userErrors"].as_array();
        let texts = |value: &Value| value.as_str().map(str::to_owned);
        let read = |error: &Value| Self {
            field: error["field"]
                .as_array()
                .map(|path| path.iter().filter_map(texts).collect())
                .unwrap_or_default(),
            code: texts(&error["code"]).unwrap_or_default(),
            message: short(error["message"].as_str().unwrap_or_default()),
        };
        errors.into_iter().flatten().map(read).collect()
    }

    /// The row that it is about: paths are `["input", "quantities", "3", "quantity"]`.
    fn row(&self) -> Option<usize> {
        self.field.iter().find_map(|step| step.parse().ok())
    }

    /// The quantity was changed after it was read.
    fn is_stale(&self) -> bool {
        self.code == "CHANGE_FROM_QUANTITY_STALE"
    }

    fn error(&self) -> MarketplaceError {
        match self.code.as_str() {
            "PRODUCT_DOES_NOT_EXIST" => not_found("the product"),
            "PRODUCT_VARIANT_DOES_NOT_EXIST" | "MUST_BE_FOR_THIS_PRODUCT" => {
                not_found("the variant")
            }
            "INVALID_INVENTORY_ITEM" => not_found("the stock of the variant"),
            "INVALID_LOCATION" => not_found("the location"),
            // Another try reads again, and has a key of its own.
            code if self.is_stale() || code.starts_with("IDEMPOTENCY_") => {
                unavailable(code.to_owned())
            }
            code => refused(code, &self.message),
        }
    }
}

/// Longest part of a remote message that goes into an error.
const LONGEST_MESSAGE: usize = 160;

fn short(message: &str) -> String {
    message.chars().take(LONGEST_MESSAGE).collect()
}

fn refused(code: &str, message: &str) -> MarketplaceError {
    MarketplaceError::Refused {
        marketplace: SLUG,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn rate_limited(retry_after: Option<Duration>) -> MarketplaceError {
    MarketplaceError::RateLimited {
        marketplace: SLUG,
        retry_after,
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
