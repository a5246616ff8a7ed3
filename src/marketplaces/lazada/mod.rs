//! Lazada: one protocol, six countries, a host for each.
//!
//! Sources, read 2026-11-23, as the documentation stood in December 2025:
//! - webhooks ("Lazada Push Mechanism"): <https://open.lazada.com/apps/doc/doc?nodeId=29526&docId=120168>;
//! - signing: <https://open.lazada.com/apps/doc/doc?docId=108069>; hosts: docId=108065;
//! - consent and tokens: docId=108260; errors: docId=108138;
//! - orders: docId=121327; inventory: docId=121233 and 121234.
//!
//! Whoever sets it up should know:
//! - webhooks are switched on by hand, in the app's console, for the whole app: one URL, `/webhooks/lazada`;
//! - that URL must have a certificate of a company (OV or EV). Certificates that only prove a domain (DV), such
//!   as those of Let's Encrypt, are refused: put a proxy or a CDN with the right one in front;
//! - an answer counts only within 500 ms, from anywhere in the world to where this runs;
//! - a seller must consent again when the refresh token ends (about twice a year); renewing does not move that.
//!
//! A shop is a seller **in a country**: its id here is `my:1000123456`, the end of the `site` that webhooks name
//! and the seller's id. Nothing but the pair is unique, and one account may sell in six countries. Order ids are
//! unique in one shop only: a cart that spans two stores gives both of them the same one.
//!
//! Besides the adapter, here are its sites. What all answers have in common is in `client::answers`.

mod client;
mod mapping;
mod simulator;
mod webhook;

pub use simulator::LazadaSimulator;

use super::{
    Access, Connecting, Consent, ConsentAnswer, ConsentQuestion, DeliveryKey, Handed, Limits,
    Malformed, Marketplace, OrderQuery, OrderSummary, Page, Platform, PriceChange, ProductQuery,
    PushOutcome, RawDelivery, Rejected, Result, Secrets, ShopAddress, ShopIdentity, StockLevel,
    Subscribing, Tokens, Tolerance, VerifiedDelivery, WebhookAddress, WebhookKey, WebhookKeys,
    http::lenient::{text, whole},
    simulation::Simulator,
};
use crate::domain::{Event, Order, Product, RemoteId, Timestamp};
use async_trait::async_trait;
use client::answers::{Failure, not_found, read_answer, refused, unreadable};
use serde_json::Value;
use std::time::Duration;
use url::Url;

const SLUG: &str = "lazada";

static LIMITS: Limits = Limits {
    platforms: &[Platform {
        slug: SLUG,
        name: "Lazada",
    }],
    webhook_address: WebhookAddress::App,
    // The console is the only place; its URL must have an OV or EV certificate.
    subscribing: Subscribing::ByHand,
    topics: &webhook::TOPICS,
    // Type 4. Whether an edit of price or stock alone raises it is not documented: scans of what changed tell.
    pushes_product_edits: true,
    keeps_missed: false,
    // /orders/get: `limit` up to 100.
    order_page: 100,
    // Ours, of the 50 that /orders/items/get takes: each order costs a call of its own besides, and one call
    // that fails takes the batch with it.
    order_batch: 20,
    // /products/get: `limit` up to 50.
    product_page: 50,
    // 50 SKUs a call are allowed, 20 are advised.
    stock_batch: 20,
    // Ours: rates are unpublished but for 50 inventory calls a second, and polling too hard bans an app.
    requests_per_second: 5.0,
    burst: 5,
    // Ours: offsets over a list that moves can skip rows, so windows overlap.
    lookback: Duration::from_secs(2 * 3_600),
    longest_order_window: None,
    created_filter: true,
    updated_filter: true,
    active_filter: true,
    // /products/get: `offset` up to 10,000.
    product_result_cap: Some(10_000),
    reduces_own_stock: true,
    tells_returns_apart: false,
    tells_settlements: false,
    // 30 days by one page, 7 or 10 by others: the answer says.
    tokens_expire: true,
};

static CONNECTING: Connecting = Connecting {
    app: &["app_key", "app_secret"],
    app_besides: &["previous_app_secret"],
    address: ShopAddress::Shared,
    secrets: &[
        Handed::needed(
            "access_token",
            "the answer of /auth/token/create to the seller's authorization code",
        ),
        Handed::needed("refresh_token", "the same answer"),
        Handed::needed(
            "country",
            "the same answer: sg, my, th, vn, ph or id; for `cb` the countries of its country_user_info, with commas between",
        ),
        Handed::optional("seller_id", "the same answer, in its country_user_info"),
    ],
    consent: true,
};

/// The adapter; holds no state.
#[derive(Debug, Clone, Copy)]
pub struct Lazada;

#[async_trait]
impl Marketplace for Lazada {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn name(&self) -> &'static str {
        "Lazada"
    }

    fn personal_fields(&self) -> &'static [&'static str] {
        &["delivery_info", "digital_delivery_info", "personalization"]
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

    fn parse(&self, delivery: &VerifiedDelivery) -> std::result::Result<Vec<Event>, Malformed> {
        webhook::parse(delivery)
    }

    fn consent_page(&self, access: &Access, question: &ConsentQuestion) -> Result<Url> {
        consent_page(access, question)
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

    async fn refresh(&self, access: &Access, now: Timestamp) -> Result<Option<Tokens>> {
        client::refresh(access, now).await
    }

    /// Nothing: the console is the only place where webhooks are switched on.
    async fn subscribe(
        &self,
        _access: &Access,
        _address: &str,
        _secret: &str,
    ) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Source: docId=108067.
    fn clock_tolerance(&self) -> Option<Tolerance> {
        const WINDOW: Duration = Duration::from_secs(7_200);
        Some(Tolerance {
            behind: WINDOW,
            ahead: WINDOW,
        })
    }

    fn simulator(&self) -> &'static dyn Simulator {
        &LazadaSimulator
    }
}

/// A country in which Lazada sells.
#[derive(Debug, PartialEq, Eq)]
struct Site {
    /// As tokens name it, and as webhooks end their `site`.
    country: &'static str,
    host: &'static str,
    currency: &'static str,
    /// Hours ahead of UTC at which its shops write dates that carry no zone.
    utc_hours: i64,
}

/// Source: docId=108065.
static SITES: [Site; 6] = [
    site("sg", "api.lazada.sg", "SGD", 8),
    site("my", "api.lazada.com.my", "MYR", 8),
    site("th", "api.lazada.co.th", "THB", 7),
    site("vn", "api.lazada.vn", "VND", 7),
    site("ph", "api.lazada.com.ph", "PHP", 8),
    site("id", "api.lazada.co.id", "IDR", 7),
];

const fn site(
    country: &'static str,
    host: &'static str,
    currency: &'static str,
    utc_hours: i64,
) -> Site {
    Site {
        country,
        host,
        currency,
        utc_hours,
    }
}

impl Site {
    fn of(country: &str) -> Option<&'static Self> {
        let country = country.trim();
        SITES
            .iter()
            .find(|site| site.country.eq_ignore_ascii_case(country))
    }

    fn shop(&self, seller: &str) -> RemoteId {
        RemoteId::new(format!("{}:{seller}", self.country))
    }

    /// This country's root, when `api` is a root of Lazada's; a sandbox or a test has one root for all.
    fn root(&self, api: &Url) -> Option<Url> {
        let host = api.host_str()?;
        SITES.iter().find(|site| site.host == host)?;
        let mut root = api.clone();
        root.set_host(Some(self.host)).ok()?;
        Some(root)
    }
}

/// Ids are digits; anything else has no business in a request.
fn is_digits(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn consent_page(access: &Access, question: &ConsentQuestion) -> Result<Url> {
    let mut page = access.consent.clone();
    page.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("force_auth", "true")
        .append_pair("redirect_uri", question.callback.as_str())
        .append_pair("client_id", access.secrets.need(SLUG, "app_key")?)
        .append_pair("state", &question.state);
    Ok(page)
}

/// Lifetimes are seconds from now. The refresh token's end never moves; 0 says that it renews nothing, so that
/// the access token's end is the end.
fn tokens(answer: &Value, now: Timestamp) -> Result<Tokens> {
    let secret = |name: &str| {
        let found = text(answer, name).map(|value| (name.to_owned(), value.to_owned()));
        found.ok_or_else(|| unreadable(format!("the token answer has no `{name}`")))
    };
    let end = |name: &str| {
        let seconds = answer.get(name).and_then(whole)?;
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
        Some(now + Duration::from_secs(seconds))
    };
    let expires_at = end("expires_in");
    Ok(Tokens {
        secrets: vec![secret("access_token")?, secret("refresh_token")?],
        expires_at,
        refresh_expires_at: end("refresh_expires_in").or(expires_at),
    })
}

/// Whose token it is: the site and the seller; of an account that sells across borders, all its sites.
fn account(answer: &Value) -> Vec<(String, String)> {
    let named = ["country_user_info", "country_user_info_list"];
    let rows = named.iter().find_map(|name| answer.get(name)?.as_array());
    let rows = rows.map(Vec::as_slice).unwrap_or_default();
    let country = text(answer, "country").unwrap_or_default();
    let is_its = |row: &&Value| {
        let own = text(row, "country").unwrap_or_default();
        Site::of(own).is_some()
            && (Site::of(country).is_none() || Site::of(own) == Site::of(country))
    };
    let own: Vec<&Value> = rows.iter().filter(is_its).collect();
    let countries: Vec<&str> = own.iter().filter_map(|row| text(row, "country")).collect();
    let countries = if countries.is_empty() {
        country.to_owned()
    } else {
        countries.join(",")
    };
    let mut known = vec![("country".to_owned(), countries)];
    if let [row] = own.as_slice()
        && let Some(seller) = mapping::id(row, "seller_id")
    {
        known.push(("seller_id".to_owned(), seller.to_string()));
    }
    known
}

#[cfg(test)]
mod tests;
