//! The custom store: any shop that signs as Standard Webhooks says and speaks our own small contract.
//!
//! - The contract is written down for integrators in `src/web/guide/custom_store.md`, which the program serves at
//!   `/guide/custom-store` and whose examples the tests run.
//! - Webhooks are signed per store and set up by hand: the store's people paste our address and a secret.
//! - A store may have a pull API, in whole or in parts, and says so in its `capabilities`. One that has none sends
//!   whole orders and products; then a webhook is all there is, and nothing can be scanned or pushed.
//!
//! Sources: Standard Webhooks 1.0.0, read 2026-11-23; the contract is ours, version 1.

mod client;
mod mapping;
mod simulator;
#[cfg(test)]
mod tests;
mod webhook;

use crate::domain::{Event, Order, Product, RemoteId, Settlement};
use crate::marketplaces::{
    Abilities, Access, Carried, Connecting, DeliveryKey, Handed, Limits, Malformed, Marketplace,
    OrderQuery, OrderSummary, Page, Platform, PriceChange, ProductQuery, PushOutcome, RawDelivery,
    Rejected, Result, ShopAddress, ShopIdentity, StockLevel, Subscribing, VerifiedDelivery,
    WebhookAddress, WebhookKeys, http::signature, simulation::Simulator,
};
use async_trait::async_trait;
pub use simulator::StandardWebhooksSimulator;
use std::time::Duration;

/// The slug, and the platform.
const NAME: &str = "standard_webhooks";

/// The protocol of custom stores.
#[derive(Debug, Clone, Copy)]
pub struct StandardWebhooks;

static LIMITS: Limits = Limits {
    platforms: &[Platform {
        slug: NAME,
        name: "Custom store",
    }],
    webhook_address: WebhookAddress::Channel,
    subscribing: Subscribing::ByHand,
    topics: &webhook::TOPICS,
    pushes_product_edits: true,
    keeps_missed: false,
    order_page: client::LARGEST_PAGE as u32,
    order_batch: client::LARGEST_BATCH as u32,
    product_page: client::LARGEST_PAGE as u32,
    stock_batch: client::LARGEST_PAGE as u32,
    // Home-made shops run on small machines; the guide promises no more than this.
    requests_per_second: 2.0,
    burst: 4,
    lookback: Duration::from_secs(3_600),
    longest_order_window: None,
    // The guide asks stores for a filter by update time alone.
    created_filter: false,
    updated_filter: true,
    active_filter: true,
    product_result_cap: None,
    reduces_own_stock: true,
    tells_returns_apart: false,
    tells_settlements: true,
    tokens_expire: false,
};

static CONNECTING: Connecting = Connecting {
    app: &[],
    app_besides: &[],
    address: ShopAddress::Optional("https://shop.example.com"),
    secrets: &[
        Handed::needed_if(
            true,
            client::API_KEY,
            "the bearer token of the store's pull API",
        ),
        Handed::optional(
            client::WEBHOOK_SECRET,
            "what the store signs with, if it has made one: whsec_ and base64; otherwise one is made here",
        ),
        Handed::needed_if(
            false,
            client::STORE_ID,
            "an id for a store that cannot be asked, such as its domain",
        ),
        Handed::optional(
            client::STORE_NAME,
            "the name of a store that cannot be asked",
        ),
    ],
    consent: false,
};

#[async_trait]
impl Marketplace for StandardWebhooks {
    fn slug(&self) -> &'static str {
        NAME
    }

    fn name(&self) -> &'static str {
        "Custom store"
    }

    fn limits(&self) -> &'static Limits {
        &LIMITS
    }

    fn connecting(&self) -> &'static Connecting {
        &CONNECTING
    }

    fn webhook_secret(&self, random: &[u8]) -> String {
        signature::secret_of(random)
    }

    /// The address alone tells the store.
    fn claimed_channel(&self, _raw: &RawDelivery) -> Option<RemoteId> {
        None
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

    fn abilities(&self, access: &Access) -> Abilities {
        client::abilities(access)
    }

    fn carried(&self, delivery: &VerifiedDelivery) -> Carried {
        webhook::carried(delivery)
    }

    async fn shops(&self, access: &Access) -> Result<Vec<ShopIdentity>> {
        client::shops(access).await
    }

    async fn orders(&self, access: &Access, query: &OrderQuery) -> Result<Page<OrderSummary>> {
        client::orders(access, query).await
    }

    async fn settlements(&self, access: &Access, ids: &[RemoteId]) -> Result<Vec<Settlement>> {
        client::settlements(access, ids).await
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

    /// A person does it, in the store.
    async fn subscribe(
        &self,
        _access: &Access,
        _address: &str,
        _secret: &str,
    ) -> Result<Vec<String>> {
        Ok(vec![])
    }

    fn simulator(&self) -> &'static dyn Simulator {
        &StandardWebhooksSimulator
    }
}
