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
    Access, Acknowledgement, Connecting, DeliveryKey, Handed, Limits, Malformed, Marketplace,
    MarketplaceError, OrderQuery, OrderSummary, Page, Platform, PriceChange, ProductQuery,
    PushOutcome, RawDelivery, Rejected, Result, ShopAddress, ShopIdentity, StockLevel, Subscribing,
    VerifiedDelivery, WebhookAddress, WebhookKeys,
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
    updated_filter: true,
    active_filter: true,
    product_result_cap: None,
    reduces_own_stock: true,
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
    consent: false,
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

    fn simulator(&self) -> &'static dyn Simulator {
        &WooCommerceSimulator
    }
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
mod tests {
    use super::*;
    use crate::domain::{Currency, Money, ProductState, Window};
    use crate::marketplaces::{
        ProductScope,
        simulation::{loopback, wordpress::objects},
    };
    use simulator::tests::{NOW, TEA, WOO, order, store};

    fn idr() -> Currency {
        Currency::from_code("IDR").unwrap()
    }

    fn read(status: u16, body: &str) -> Result<Value> {
        let response = Response {
            status,
            headers: [("retry-after".parse().unwrap(), "7".parse().unwrap())]
                .into_iter()
                .collect(),
            body: body.to_owned().into(),
        };
        read_answer(&response, Timestamp::EPOCH)
    }

    #[test]
    fn answers_that_are_no_json_say_whether_to_try_again() {
        let page = "<html>maintenance</html>";

        let wait = Some(Duration::from_secs(7));
        assert!(
            matches!(read(429, page), Err(MarketplaceError::RateLimited { retry_after, .. }) if retry_after == wait)
        );
        assert!(matches!(
            read(503, page),
            Err(MarketplaceError::Unavailable { .. })
        ));
        assert!(matches!(
            read(403, page),
            Err(MarketplaceError::Unreadable { .. })
        ));
        assert!(matches!(
            read(301, page),
            Err(MarketplaceError::Refused { .. })
        ));
        assert_eq!(read(200, "<b>Notice</b>: x\n[]"), Ok(Value::Array(vec![])));
    }

    #[test]
    fn error_codes_decide_and_messages_do_not() {
        let coded = |status, code: &str| read(status, &format!("{{\"code\":\"{code}\"}}"));

        assert!(matches!(
            coded(401, "woocommerce_rest_cannot_view"),
            Err(MarketplaceError::Unauthorized { .. })
        ));
        assert!(matches!(
            coded(404, "rest_no_route"),
            Err(MarketplaceError::Unavailable { .. })
        ));
        assert!(matches!(
            coded(404, "woocommerce_rest_shop_order_invalid_id"),
            Err(MarketplaceError::NotFound { .. })
        ));
        assert!(matches!(
            coded(400, "rest_invalid_param"),
            Err(MarketplaceError::Refused { .. })
        ));
    }

    #[test]
    fn products_and_variations_become_listings() {
        let simple = mapping::product(&example("product_simple.json"), &[], idr()).unwrap();
        let variations = example("variations.json");
        let variations = variations.as_array().unwrap();
        let variable =
            mapping::product(&example("product_variable.json"), variations, idr()).unwrap();

        assert_eq!(
            (&simple.variants[0].remote_id, simple.variants[0].quantity),
            (&simple.remote_id, Some(7))
        );
        assert_eq!(variable.version.to_string(), "2026-11-23T03:21:00Z");
        let rows = variable.variants.iter().map(|v| {
            let target =
                mapping::Target::of(v.push_ref.as_deref(), &variable.remote_id, &v.remote_id);
            let price = v.price.map(|price| price.minor);
            (v.seller_sku.as_deref(), v.quantity, price, v.state, target)
        });
        let (active, own) = (ProductState::Active, mapping::Target::Variation);
        let expected = [
            (
                Some("KOPI-GAYO-250"),
                Some(38),
                Some(9_800_000),
                active,
                own,
            ),
            (None, Some(12), None, active, mapping::Target::Parent),
            (
                Some("KOPI-5"),
                None,
                Some(9_800_000),
                ProductState::Inactive,
                own,
            ),
            (Some("KOPI-100"), Some(2), Some(9_800_000), active, own),
        ];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_pushed_quantity_that_the_store_ignored_is_an_error() {
        let answer = example("batch_products.json");
        let outcomes: Vec<_> = (0..5)
            .map(|at| mapping::stock_outcome(&answer["update"][at], 5))
            .collect();

        let refused_as = |at: usize, wanted: &str| matches!(&outcomes[at], Err(MarketplaceError::Refused { code, .. }) if code == wanted);
        assert_eq!(outcomes[0], Ok(()));
        assert!(refused_as(1, "stock_not_managed"));
        assert!(matches!(
            outcomes[2],
            Err(MarketplaceError::NotFound { .. })
        ));
        assert!(refused_as(3, "stock_of_parent"));
        assert!(matches!(
            outcomes[4],
            Err(MarketplaceError::Unreadable { .. })
        ));
    }

    #[tokio::test]
    async fn the_client_reads_what_the_store_holds() {
        let shop = store();
        let access = loopback::host(&WooCommerceSimulator, &shop, NOW).await;
        let early = order(&shop, "104", 2, NOW - Duration::from_secs(60));
        let last = order(&shop, "102", 1, NOW);
        let window = Window {
            from: NOW - Duration::from_secs(60),
            to: NOW,
        };
        let unknown = RemoteId::from("9");

        let shops = WOO.shops(&access).await.unwrap();
        let page = WOO
            .orders(&access, &OrderQuery { window, page: None })
            .await
            .unwrap();
        let asked = [early.clone(), unknown, last];
        let orders = WOO.orders_by_id(&access, &asked).await.unwrap();
        let scope = ProductScope::Full;
        let products = WOO
            .products(&access, &ProductQuery { scope, page: None })
            .await
            .unwrap();
        let parents = WOO
            .products_by_id(&access, &["105".into(), "9".into()])
            .await
            .unwrap();

        assert_eq!(shops[0].remote_id.as_str(), "https://store-7.example.com");
        let ids: Vec<_> = page.items.iter().map(|order| &order.remote_id).collect();
        assert_eq!(ids, [&early]);
        assert_eq!(orders.len(), 2);
        assert_eq!(orders[0].lines[0].variant_id.as_str(), "104");
        assert_eq!(orders[1].lines[0].variant_id.as_str(), TEA);
        let variants = products.items.iter().flat_map(|product| &product.variants);
        let shown: Vec<_> = variants
            .map(|v| (v.remote_id.as_str(), v.quantity))
            .collect();
        assert_eq!(shown, [(TEA, Some(6)), ("104", Some(3)), ("105", Some(5))]);
        assert_eq!(parents, products.items[1..]);
        assert_eq!(
            (
                parents[0].title.as_str(),
                &parents[0].variants[1].seller_sku
            ),
            ("Kopi & Gula", &None)
        );
    }

    #[tokio::test]
    async fn pushes_change_the_store_and_say_where_they_did_not() {
        let shop = store();
        shop.lock()
            .unwrap()
            .memory
            .insert(format!("{}105", objects::UNCOUNTED), String::new());
        let access = loopback::host(&WooCommerceSimulator, &shop, NOW).await;
        let level = |product: &str, variant: &str| StockLevel {
            product_id: product.into(),
            variant_id: variant.into(),
            quantity: 3,
            push_ref: None,
        };
        let price = PriceChange {
            product_id: TEA.into(),
            variant_id: TEA.into(),
            price: Money {
                minor: 1_300_050,
                currency: shop.lock().unwrap().currency,
            },
            push_ref: None,
        };

        let levels = [
            level("103", "104"),
            level(TEA, TEA),
            level("103", "105"),
            level("8", "8"),
        ];
        let pushed = WOO.set_stock(&access, &levels).await.unwrap();
        let priced = WOO.set_price(&access, &[price]).await.unwrap();

        assert_eq!((&pushed[0], &pushed[1]), (&Ok(()), &Ok(())));
        assert!(
            matches!(&pushed[2], Err(MarketplaceError::Refused { code, .. }) if code == "stock_not_managed")
        );
        assert!(matches!(&pushed[3], Err(MarketplaceError::NotFound { .. })));
        assert_eq!(priced, [Ok(())]);
        let shop = shop.lock().unwrap();
        let held = ["102", "104", "105"].map(|id| shop.variant(&id.into()).unwrap().quantity);
        assert_eq!(held, [3, 3, 5]);
        assert_eq!(shop.variant(&"102".into()).unwrap().price.minor, 1_300_050);
    }
}
