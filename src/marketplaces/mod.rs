//! Speaks to the outside, and knows no database.
//!
//! A marketplace is one folder of five files and one line in [`all`]:
//!
//! - `mod.rs`: slug, limits, topics, links to its documents;
//! - `webhook.rs`: claimed channel, verify, delivery key, parse;
//! - `client.rs`: signed calls;
//! - `mapping.rs`: their JSON to our domain, the only file that knows their field names;
//! - `simulator.rs`: the same API from the other side.
//!
//! The contract tests run over [`all`], so a new marketplace inherits every one of them.

pub mod access;
pub mod connecting;
pub mod delivery;
pub mod error;
pub mod http;
pub mod lazada;
pub mod limits;
pub mod query;
pub mod shopee;
pub mod shopify;
pub mod simulation;
pub mod standard_webhooks;
pub mod tiktok_shop;
pub mod woocommerce;

pub use access::{Access, Pace, Secrets, Tokens};
pub use connecting::{
    Abilities, Carried, Connecting, Consent, ConsentAnswer, ConsentQuestion, Handed, Missed,
    ShopAddress, Subscribed, SubscriptionState,
};
pub use delivery::{
    Acknowledgement, DeliveryKey, Malformed, RawDelivery, Rejected, VerifiedDelivery, WebhookKey,
    WebhookKeys,
};
pub use error::{MarketplaceError, Result};
pub use limits::{Limits, Platform, Subscribing, Tolerance, WebhookAddress};
pub use query::{
    OrderQuery, OrderSummary, OrderTime, Page, PageToken, PriceChange, ProductQuery, ProductScope,
    PushOutcome, ShopIdentity, StockLevel,
};

use crate::domain::{Event, Order, Product, RemoteId, Return, Settlement, Timestamp, Window};
use async_trait::async_trait;
use simulation::Simulator;

/// One marketplace's protocol. Implementations hold no state: everything they need is passed in.
#[async_trait]
pub trait Marketplace: Send + Sync {
    /// The name in addresses, tables and settings; never renamed.
    fn slug(&self) -> &'static str;
    fn name(&self) -> &'static str;
    fn limits(&self) -> &'static Limits;
    /// Names of fields that hold a buyer's data here, besides the usual ones that `domain::personal` knows.
    fn personal_fields(&self) -> &'static [&'static str] {
        &[]
    }
    /// What connecting a shop takes.
    fn connecting(&self) -> &'static Connecting;

    // The pure half, tested against `fixtures/`.

    /// An unsigned request that asks only for an answer, such as WooCommerce's creation ping.
    /// It is answered and forgotten.
    fn handshake(&self, _raw: &RawDelivery) -> Option<Acknowledgement> {
        None
    }
    /// The answer that the marketplace counts as success.
    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement::empty_ok()
    }
    /// The keys with which the marketplace signs for our whole app, current first, from the app's values in
    /// the configuration. Empty where each shop has its own.
    fn app_keys(&self, _app: &Secrets) -> Vec<WebhookKey> {
        Vec::new()
    }
    /// A secret for a channel's webhooks, made of `random` bytes, as this marketplace writes one. A merchant may
    /// hand over another one, as `webhook_secret`.
    fn webhook_secret(&self, random: &[u8]) -> String {
        hex::encode(random)
    }
    /// The shop a delivery says it is from. Not trusted until `verify` has passed.
    fn claimed_channel(&self, raw: &RawDelivery) -> Option<RemoteId>;
    /// # Errors
    /// Why the signature is not believed.
    fn verify(
        &self,
        raw: RawDelivery,
        keys: &WebhookKeys,
    ) -> std::result::Result<VerifiedDelivery, Rejected>;
    /// What makes a repeated delivery the same delivery, within one channel.
    fn delivery_key(&self, delivery: &VerifiedDelivery) -> DeliveryKey;
    /// The marketplace's word for what the delivery is about, for people: `order.updated`, `type 15`.
    fn topic(&self, delivery: &VerifiedDelivery) -> String;
    /// An empty list means: understood, and nothing to do.
    ///
    /// # Errors
    /// When the shape or the topic is not known. The delivery is kept all the same.
    fn parse(&self, delivery: &VerifiedDelivery) -> std::result::Result<Vec<Event>, Malformed>;

    /// What this shop's API can be asked: everything, unless shops of this marketplace differ.
    fn abilities(&self, _access: &Access) -> Abilities {
        Abilities::ALL
    }
    /// What the delivery carries whole. Used only for what the shop's API cannot be asked.
    fn carried(&self, _delivery: &VerifiedDelivery) -> Carried {
        Carried::default()
    }
    /// What the delivery tells of returns of an order that was read, where the order's own answer leaves them out.
    fn returns_told(&self, _delivery: &VerifiedDelivery, _order: &Order) -> Vec<Return> {
        Vec::new()
    }
    /// The page on which the merchant consents. Only where `connecting().consent`.
    ///
    /// # Errors
    /// When a value of the app is not set, or the shop's address is no shop's.
    fn consent_page(&self, _access: &Access, _question: &ConsentQuestion) -> Result<url::Url> {
        Err(MarketplaceError::no_consent(self.name()))
    }

    // The network half, tested against the simulators.

    /// Trades what the merchant's consent brought for credentials. The answer is checked here: `state` is
    /// the caller's, everything else is the marketplace's.
    ///
    /// # Errors
    /// When the answer is forged, too old or refused.
    async fn consent(&self, _access: &Access, _answer: &ConsentAnswer) -> Result<Consent> {
        Err(MarketplaceError::no_consent(self.name()))
    }

    /// Which shops these credentials open. The first call when connecting; proves that they work.
    async fn shops(&self, access: &Access) -> Result<Vec<ShopIdentity>>;
    async fn orders(&self, access: &Access, query: &OrderQuery) -> Result<Page<OrderSummary>>;
    /// Orders as they are now, up to `limits().order_batch` ids. Unknown ids are left out.
    async fn orders_by_id(&self, access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>>;
    /// Orders with returns that changed in the window, where the list of orders does not show that they did.
    async fn returned(&self, _access: &Access, _window: Window) -> Result<Vec<RemoteId>> {
        Ok(Vec::new())
    }
    /// What was paid out for these orders; those that are not settled yet are left out. Only where
    /// `limits().tells_settlements`.
    async fn settlements(&self, _access: &Access, _ids: &[RemoteId]) -> Result<Vec<Settlement>> {
        Ok(Vec::new())
    }
    /// The ids of orders by the numbers that people know them by, where the two differ and the API can be asked;
    /// numbers that it does not know are left out. The caller takes a number that is left out for an id.
    async fn order_ids(
        &self,
        _access: &Access,
        _numbers: &[String],
    ) -> Result<Vec<(String, RemoteId)>> {
        Ok(Vec::new())
    }
    /// Why an order that was placed then may be left out although it exists, in words for people; `None`: it is
    /// not there.
    fn hides_orders_of(&self, _placed_at: Timestamp, _now: Timestamp) -> Option<&'static str> {
        None
    }
    async fn products(&self, access: &Access, query: &ProductQuery) -> Result<Page<Product>>;
    /// Products as they are now. Unknown ids are left out.
    async fn products_by_id(&self, access: &Access, ids: &[RemoteId]) -> Result<Vec<Product>>;
    /// Sets absolute quantities, up to `limits().stock_batch` at once; one outcome per level, in order.
    async fn set_stock(&self, access: &Access, levels: &[StockLevel]) -> Result<Vec<PushOutcome>>;
    async fn set_price(&self, access: &Access, prices: &[PriceChange]) -> Result<Vec<PushOutcome>>;
    /// Whether shops that were opened by one consent go on living on one pair of tokens. Where not, each shop
    /// trades the pair of the consent for one of its own, and the others may still do so afterwards.
    fn shops_share_tokens(&self) -> bool {
        true
    }
    /// New tokens for old. `None` where credentials do not expire.
    async fn refresh(&self, _access: &Access, _now: Timestamp) -> Result<Option<Tokens>> {
        Ok(None)
    }
    /// Asks the marketplace to send its webhooks to `address`, signed with `secret` where it is ours
    /// to choose. Repeatable: what is there already is mended, not doubled. Returns what was changed,
    /// in words.
    async fn subscribe(&self, access: &Access, address: &str, secret: &str) -> Result<Vec<String>>;

    /// How the topics of `limits().topics` stand for `address`. `None` where the API does not tell.
    async fn subscriptions(
        &self,
        _access: &Access,
        _address: &str,
    ) -> Result<Option<Vec<Subscribed>>> {
        Ok(None)
    }
    /// Asks the marketplace to send this shop's webhooks to `address` no longer. Never touches what other
    /// shops of our app live on, nor other addresses. Returns what was changed, in words: nothing where the
    /// API has no call for it, or where a person has asked for the webhooks.
    async fn unsubscribe(&self, _access: &Access, _address: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// How far our clock may be off before signed requests are refused; `None` where requests carry no time,
    /// or the marketplace does not say.
    fn clock_tolerance(&self) -> Option<Tolerance> {
        None
    }
    /// Webhooks that the marketplace gave up on, of all shops of our app: `access` has the app's values and
    /// no shop's. Only where `limits().keeps_missed`.
    async fn missed(&self, _access: &Access) -> Result<Missed> {
        Ok(Missed::default())
    }
    /// Everything up to `mark` is stored: the marketplace may forget it.
    async fn confirm_missed(&self, _access: &Access, _mark: &str) -> Result<()> {
        Ok(())
    }

    /// The same API from the other side.
    fn simulator(&self) -> &'static dyn Simulator;
}

impl std::fmt::Debug for dyn Marketplace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.slug())
    }
}

/// Every marketplace that marketsink speaks to, in the order in which they are shown.
pub fn all() -> &'static [&'static dyn Marketplace] {
    &[
        &tiktok_shop::TikTokShop,
        &shopee::Shopee,
        &lazada::Lazada,
        &shopify::Shopify,
        &woocommerce::WooCommerce,
        &standard_webhooks::StandardWebhooks,
    ]
}

/// The marketplace with this slug.
pub fn find(slug: &str) -> Option<&'static dyn Marketplace> {
    all().iter().copied().find(|m| m.slug() == slug)
}

/// The merchant's name for a platform slug, such as `Tokopedia` for `tokopedia`.
pub fn platform_name(slug: &str) -> &str {
    all()
        .iter()
        .flat_map(|m| m.limits().platforms)
        .find(|platform| platform.slug == slug)
        .map_or(slug, |platform| platform.name)
}
