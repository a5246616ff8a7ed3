//! A marketplace as plain as can be, so that these tests are about the sandbox and nothing else.

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use marketsink::{
    domain::{Currency, Event, Order, Product, RemoteId, Timestamp},
    marketplaces::{
        Access, Connecting, DeliveryKey, Limits, Malformed, Marketplace, OrderQuery, OrderSummary,
        Page, Platform, PriceChange, ProductQuery, PushOutcome, RawDelivery, Rejected, Result,
        Secrets, ShopAddress, ShopIdentity, StockLevel, Subscribing, VerifiedDelivery,
        WebhookAddress, WebhookKeys,
        simulation::{
            Shop, ShopChange, Signing, SimDelivery, SimRequest, SimResponse, Simulator,
            Subscription,
        },
    },
};
use serde_json::json;
use sha2::Sha256;
use std::time::Duration;

pub const SECRET: &str = "invented-secret";
/// Failed tries in a row after which it switches a subscription off.
pub const PATIENCE: u32 = 3;

#[derive(Debug)]
pub struct Plain;

static LIMITS: Limits = Limits {
    platforms: &[Platform {
        slug: "plain",
        name: "Plain",
    }],
    webhook_address: WebhookAddress::Channel,
    subscribing: Subscribing::Api,
    topics: &[],
    pushes_product_edits: true,
    keeps_missed: false,
    order_page: 10,
    order_batch: 10,
    product_page: 10,
    stock_batch: 10,
    requests_per_second: 10.0,
    burst: 10,
    lookback: Duration::from_secs(60),
    longest_order_window: None,
    created_filter: true,
    updated_filter: false,
    active_filter: false,
    product_result_cap: None,
    reduces_own_stock: true,
    tells_returns_apart: false,
    tells_settlements: false,
    tokens_expire: true,
};

const NOT_HERE: &str = "the sandbox does not call clients";

#[async_trait]
impl Marketplace for Plain {
    fn slug(&self) -> &'static str {
        "plain"
    }

    fn name(&self) -> &'static str {
        "Plain"
    }

    fn limits(&self) -> &'static Limits {
        &LIMITS
    }

    fn connecting(&self) -> &'static Connecting {
        &Connecting {
            app: &[],
            app_besides: &[],
            address: ShopAddress::Own("https://plain.example.com"),
            secrets: &[],
            consent: false,
        }
    }

    fn claimed_channel(&self, _raw: &RawDelivery) -> Option<RemoteId> {
        None
    }

    fn verify(
        &self,
        raw: RawDelivery,
        keys: &WebhookKeys,
    ) -> std::result::Result<VerifiedDelivery, Rejected> {
        let signature = raw.header("x-sign").ok_or(Rejected::NoSignature)?;
        let signature = hex::decode(signature).map_err(|_| Rejected::UnreadableSignature)?;
        let matched = keys.matching(
            &signature,
            |key| key.secret.clone().into_bytes(),
            |_| vec![&raw.body],
        )?;
        Ok(raw.believed(matched))
    }

    fn delivery_key(&self, delivery: &VerifiedDelivery) -> DeliveryKey {
        DeliveryKey(hex::encode(delivery.body()))
    }

    fn topic(&self, _delivery: &VerifiedDelivery) -> String {
        "change".to_owned()
    }

    fn parse(&self, _delivery: &VerifiedDelivery) -> std::result::Result<Vec<Event>, Malformed> {
        Ok(Vec::new())
    }

    async fn shops(&self, _access: &Access) -> Result<Vec<ShopIdentity>> {
        unreachable!("{NOT_HERE}")
    }

    async fn orders(&self, _access: &Access, _query: &OrderQuery) -> Result<Page<OrderSummary>> {
        unreachable!("{NOT_HERE}")
    }

    async fn orders_by_id(&self, _access: &Access, _ids: &[RemoteId]) -> Result<Vec<Order>> {
        unreachable!("{NOT_HERE}")
    }

    async fn products(&self, _access: &Access, _query: &ProductQuery) -> Result<Page<Product>> {
        unreachable!("{NOT_HERE}")
    }

    async fn products_by_id(&self, _access: &Access, _ids: &[RemoteId]) -> Result<Vec<Product>> {
        unreachable!("{NOT_HERE}")
    }

    async fn set_stock(
        &self,
        _access: &Access,
        _levels: &[StockLevel],
    ) -> Result<Vec<PushOutcome>> {
        unreachable!("{NOT_HERE}")
    }

    async fn set_price(
        &self,
        _access: &Access,
        _prices: &[PriceChange],
    ) -> Result<Vec<PushOutcome>> {
        unreachable!("{NOT_HERE}")
    }

    async fn subscribe(
        &self,
        _access: &Access,
        _address: &str,
        _secret: &str,
    ) -> Result<Vec<String>> {
        unreachable!("{NOT_HERE}")
    }

    fn simulator(&self) -> &'static dyn Simulator {
        &Plain
    }
}

impl Simulator for Plain {
    fn open_shop(&self, seed: u32, name: &str, _now: Timestamp) -> Shop {
        let currency = Currency::from_code("IDR").expect("IDR is a currency");
        let mut shop = Shop::new(RemoteId::from(u64::from(seed)), name, currency, 1_000);
        shop.platforms = vec!["plain"];
        shop.secrets = Secrets::of([("app_secret", SECRET)]);
        shop
    }

    fn credentials(&self, shop: &Shop) -> Secrets {
        shop.secrets.clone()
    }

    /// `POST /subscriptions` with an address as body; `POST /stock` sets every quantity to 7;
    /// `/token` gives a new token; anything else shows the orders' statuses and the request itself.
    fn answer(&self, shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
        if shop.token_expires_at.is_some_and(|at| at <= now) {
            return SimResponse::json(401, &json!({"error": "expired"}));
        }
        if request.path == "/subscriptions" {
            let id = shop.take_ids(1);
            shop.subscriptions.push(Subscription {
                id,
                topic: "change".to_owned(),
                address: String::from_utf8_lossy(&request.body).into_owned(),
                secret: SECRET.to_owned(),
                is_active: true,
                failures: 0,
            });
        }
        if request.path == "/token" {
            let token = format!("token {}", shop.take_ids(1));
            shop.secrets.set("access_token", token);
        }
        if request.path == "/stock" {
            let variants = shop.products.values().flat_map(|p| &p.variants);
            let ids: Vec<_> = variants.map(|variant| variant.id.clone()).collect();
            for id in ids {
                shop.edit_variant(&id, now, |variant| variant.quantity = 7);
            }
        }
        let shown = shop.orders.values().map(|order| order.as_shown(now));
        let statuses: Vec<_> = shown.map(|order| format!("{:?}", order.status)).collect();
        SimResponse::json(
            200,
            &json!({
                "method": request.method,
                "origin": request.origin,
                "path": request.path,
                "query": request.query,
                "accept": request.header("accept"),
                "body_bytes": request.body.len(),
                "statuses": statuses,
            }),
        )
        .header("x-answered", "yes")
    }

    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, _now: Timestamp) -> Vec<SimDelivery> {
        let body = format!("{change:?}");
        let active = shop.subscriptions.iter().filter(|s| s.is_active);
        active
            .map(|subscription| SimDelivery {
                subscription: subscription.id,
                address: subscription.address.clone(),
                topic: subscription.topic.clone(),
                headers: self.sign(
                    &Signing {
                        secret: &subscription.secret,
                        ..Signing::default()
                    },
                    body.as_bytes(),
                ),
                body: body.clone().into(),
            })
            .collect()
    }

    fn pings(&self, _shop: &Shop, subscription: &Subscription) -> Vec<SimDelivery> {
        vec![SimDelivery {
            subscription: subscription.id,
            address: subscription.address.clone(),
            topic: "ping".to_owned(),
            headers: Vec::new(),
            body: "ping".into(),
        }]
    }

    fn retry_after(&self, failures: u32) -> Option<Duration> {
        match failures {
            1 => Some(Duration::from_secs(10)),
            2 => Some(Duration::from_secs(600)),
            _ => None,
        }
    }

    fn answer_deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn delivered(&self, shop: &mut Shop, delivery: &SimDelivery, success: bool) {
        let mut subscriptions = shop.subscriptions.iter_mut();
        if let Some(found) = subscriptions.find(|s| s.id == delivery.subscription) {
            found.failures = if success { 0 } else { found.failures + 1 };
            found.is_active = found.failures < PATIENCE;
        }
    }

    fn sign(&self, signing: &Signing<'_>, body: &[u8]) -> Vec<(String, String)> {
        let mut mac = Hmac::<Sha256>::new_from_slice(signing.secret.as_bytes())
            .expect("any key length will do");
        mac.update(body);
        vec![(
            "x-sign".to_owned(),
            hex::encode(mac.finalize().into_bytes()),
        )]
    }

    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse {
        let answer = SimResponse::json(429, &json!({"error": "slow down"}));
        match retry_after {
            Some(wait) => answer.header("retry-after", wait.as_secs().to_string()),
            None => answer,
        }
    }
}
