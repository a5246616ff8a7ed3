//! What every file of this folder is tested with: documented answers, and a simulated store.

use super::*;
use crate::domain::{Currency, Money, ProductState, Window};
use crate::marketplaces::{
    ProductScope,
    simulation::{bridge, loopback, wordpress::objects},
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
    let variable = mapping::product(&example("product_variable.json"), variations, idr()).unwrap();

    assert_eq!(
        (&simple.variants[0].remote_id, simple.variants[0].quantity),
        (&simple.remote_id, Some(7))
    );
    assert_eq!(variable.version.to_string(), "2026-11-23T03:21:00Z");
    let rows = variable.variants.iter().map(|v| {
        let target = mapping::Target::of(v.push_ref.as_deref(), &variable.remote_id, &v.remote_id);
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
        .orders(&access, &OrderQuery::updated(window))
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

fn asked(api: &str, callback: &str) -> Result<url::Url> {
    let shop = store();
    let shop = shop.lock().unwrap();
    let mut access = bridge::access_to(&WooCommerceSimulator, &shop, NOW);
    access.api = api.parse().unwrap();
    let question = ConsentQuestion {
        state: "abc".to_owned(),
        callback: callback.parse().unwrap(),
    };
    WOO.consent_page(&access, &question)
}

#[test]
fn the_page_is_the_stores_own_and_carries_the_state_everywhere() {
    let callback = "https://hooks.example.com/connect/woocommerce/callback";

    let page = asked("https://shop.example.com/toko/", callback).unwrap();
    let unsafe_callback = asked("https://shop.example.com", "http://hooks.example.com/x");

    assert_eq!(page.path(), "/toko/wc-auth/v1/authorize");
    let pairs: Vec<_> = page.query_pairs().into_owned().collect();
    let back = format!("{callback}?state=abc");
    let expected = [
        ("app_name", "marketsink"),
        ("scope", "read_write"),
        ("user_id", "abc"),
        ("return_url", &back),
        ("callback_url", &back),
    ];
    assert_eq!(pairs, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    let error = unsafe_callback.unwrap_err();
    assert!(error.to_string().contains("http.public_url"), "{error}");
}

#[test]
fn only_keys_that_were_asked_for_and_may_write_are_taken() {
    let posted = |changed: &[(&str, &str)]| {
        let mut pairs = vec![
            ("state", "abc"),
            ("user_id", "abc"),
            ("key_id", "7"),
            ("consumer_key", "ck_1"),
            ("consumer_secret", "cs_1"),
            ("key_permissions", "read_write"),
        ];
        pairs.retain(|(name, _)| changed.iter().all(|(other, _)| other != name));
        pairs.extend(changed.iter().filter(|(_, value)| !value.is_empty()));
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        consent(&ConsentAnswer {
            pairs: pairs.into_iter().map(own).collect(),
        })
    };
    let no_keys = [("consumer_key", ""), ("consumer_secret", "")];
    let returned = |success: &str| posted(&[no_keys[0], no_keys[1], ("success", success)]);

    assert_eq!(posted(&[]).unwrap().tokens.secrets.len(), 2);
    assert!(posted(&[("user_id", "abd")]).is_err());
    assert!(posted(&[("user_id", "")]).is_err());
    assert!(posted(&[("key_permissions", "read")]).is_err());
    assert!(matches!(
        returned("0"),
        Err(MarketplaceError::Declined { .. })
    ));
    assert!(matches!(
        returned("1"),
        Err(MarketplaceError::Refused { .. })
    ));
}

#[test]
fn every_recorded_delivery_is_believed_and_a_changed_one_is_not() {
    let mut n_read = 0;
    for file in std::fs::read_dir("fixtures/woocommerce/webhooks").unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let fixture: Value = serde_json::from_str(&text).unwrap();
        let headers: Vec<(String, String)> =
            serde_json::from_value(fixture["headers"].clone()).unwrap();
        let body = fixture["body"].as_str().unwrap().to_owned();
        let keys = WebhookKeys::one("", fixture["secret"].as_str().unwrap());

        let changed = RawDelivery::new(headers.clone(), body.replacen('1', "2", 1) + " ");
        let raw = RawDelivery::new(headers, body);
        let shop = webhook::claimed_channel(&raw).unwrap();
        let believed = webhook::verify(raw, &keys).unwrap();

        assert_eq!(
            webhook::verify(changed, &keys).unwrap_err(),
            Rejected::BadSignature
        );
        assert_eq!(shop.as_str(), "https://shop.example.com");
        assert_eq!(
            webhook::topic(&believed),
            fixture["topic"].as_str().unwrap()
        );
        let events = webhook::parse(&believed).unwrap().into_iter().map(|event| {
            serde_json::json!({
                "kind": event.kind, "subject": event.subject,
                "version_secs": event.version.map(Timestamp::secs),
            })
        });
        assert_eq!(events.collect::<Value>(), fixture["events"]);
        n_read += 1;
    }
    assert!(n_read > 10);
}

#[test]
fn the_creation_ping_is_answered_and_nothing_like_it() {
    let ping = |body: &str, header: &str| {
        let headers = vec![(header.to_owned(), "x".to_owned())];
        webhook::handshake(&RawDelivery::new(headers, body.to_owned())).is_some()
    };

    assert!(ping("webhook_id=12", "content-type"));
    assert!(!ping("webhook_id=12", "X-WC-Webhook-Topic"));
    assert!(!ping("webhook_id=", "content-type"));
    assert!(!ping("webhook_id=12&x=1", "content-type"));
}

#[test]
fn secrets_are_decoded_as_wordpress_does_it() {
    let stored = "&amp;lt; &#0038; &#X27; &#x3c; &apos; &AMP; & ;";

    assert_eq!(
        webhook::decoded_secret(stored),
        "&lt; & ' &#x3c; &apos; &AMP; & ;"
    );
}
