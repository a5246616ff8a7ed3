//! What every file of this folder is tested with: documented answers, and the client against its simulator.

mod refusals;

use super::*;
use crate::clock::Clock;
use crate::marketplaces::{
    OrderTime, SubscriptionState,
    simulation::{NewLine, Shop, SimStatus, loopback},
};
use serde_json::json;
use std::sync::{Arc, Mutex};

const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);

pub(super) fn fixture(name: &str) -> Value {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/fixtures/shopee/{name}.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

/// A shop with a mug and a tea in two sizes, hosted, and access to it.
async fn hosted() -> (Arc<Mutex<Shop>>, Access) {
    let mut shop = ShopeeSimulator.open_shop(7, "Toko Contoh", NOW);
    shop.add_product("Mug", &[("", Some("MUG"), 5_500_000, 10)], NOW);
    let tea = [
        ("25 bags", Some("TEA-25"), 1_850_000, 10),
        ("100 bags", Some("TEA-100"), 6_200_000, 10),
    ];
    shop.add_product("Tea", &tea, NOW);
    let shop = Arc::new(Mutex::new(shop));
    let access = loopback::host(&ShopeeSimulator, &shop, NOW).await;
    (shop, access)
}

fn place(shop: &Mutex<Shop>, sku: &str, quantity: i64) -> RemoteId {
    let mut shop = shop.lock().unwrap();
    let variant_id = shop.variant_by_sku(sku).unwrap().id.clone();
    let line = NewLine {
        variant_id,
        quantity,
    };
    shop.place_order(SLUG, SimStatus::Paid, &[line], NOW)
        .unwrap()
}

#[test]
fn every_known_signature_is_reckoned_and_that_of_the_body_alone_is_not_believed() {
    let vectors = fixture("vectors");
    for vector in vectors["requests"].as_array().unwrap() {
        let parts: Vec<&str> = vector["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p.as_str().unwrap())
            .collect();
        assert_eq!(parts.concat(), text(vector, "signed"));
        let signature = client::sign(text(vector, "partner_key"), &parts);
        assert_eq!(signature, text(vector, "signature"));
    }
    for vector in vectors["webhooks"].as_array().unwrap() {
        let keys = WebhookKeys::one("", text(vector, "key")).at(text(vector, "address"));
        let sent = |signature: &str, keys: &WebhookKeys| {
            let headers = vec![("Authorization".to_owned(), signature.to_owned())];
            let raw = RawDelivery::new(headers, text(vector, "body").to_owned());
            webhook::verify(raw, keys).err()
        };
        let signature = text(vector, "signature");
        assert_eq!(sent(signature, &keys), None, "{}", vector["name"]);
        let elsewhere = keys.clone().at("http://hooks.example.com/shopee/push");
        assert_eq!(sent(signature, &elsewhere), Some(Rejected::BadSignature));
        if let Some(of_body) = vector["of_the_body_alone"].as_str() {
            assert_eq!(sent(of_body, &keys), Some(Rejected::BadSignature));
        }
    }
}

#[test]
fn the_push_key_signs_and_without_one_the_partner_key() {
    let secrets = |app: Secrets| -> Vec<String> {
        let keys = Shopee.app_keys(&app).into_iter();
        keys.map(|key| key.secret).collect()
    };
    let (old, new) = (("partner_key", "p"), ("push_key", "k"));

    assert_eq!(secrets(Secrets::of([old])), ["p"]);
    assert_eq!(secrets(Secrets::of([old, new])), ["k"]);
    let rotating = Secrets::of([old, new, ("previous_push_key", "before")]);
    assert_eq!(secrets(rotating), ["k", "before"]);
    assert!(secrets(Secrets::default()).is_empty());
}

#[test]
fn the_answer_is_empty_and_a_body_would_be_a_failure() {
    let answer = Shopee.acknowledgement();

    assert_eq!((answer.status, answer.body), (204, ""));
    assert!(ShopeeSimulator.is_success(answer.status, answer.body.as_bytes()));
    assert!(!ShopeeSimulator.is_success(200, br#"{"ok":true}"#));
    assert!(!ShopeeSimulator.is_success(500, b""));
    let waits: Vec<_> = (1..=4).map(|n| ShopeeSimulator.retry_after(n)).collect();
    let seconds = [Some(300), Some(1_800), Some(10_800), None];
    assert_eq!(waits, seconds.map(|wait| wait.map(Duration::from_secs)));
}

#[test]
fn a_shop_is_claimed_wherever_it_is_named_as_number_or_text() {
    let claimed = |body: Value| {
        let raw = RawDelivery::new(Vec::new(), body.to_string());
        webhook::claimed_channel(&raw).map(|id| id.to_string())
    };
    let id = Some("727720655".to_owned());

    assert_eq!(claimed(json!({"code": 3, "shop_id": 727_720_655})), id);
    assert_eq!(claimed(json!({"code": 3, "shop_id": "727720655"})), id);
    for data in [
        json!({"shop_id": 727_720_655}),
        json!({"shopid": "727720655"}),
        json!({"shop_id_list": [727_720_655, 2]}),
        json!({"shop_expire_soon": ["727720655"]}),
    ] {
        assert_eq!(claimed(json!({"code": 2, "data": data})), id);
    }
    assert_eq!(claimed(json!({"code": 0, "shop_id": 0, "data": {}})), None);
    assert_eq!(
        claimed(json!({"code": 12, "data": {"shop_expire_soon": []}})),
        None
    );
    assert_eq!(claimed(json!([1])), None);
}

#[test]
fn unlisted_codes_are_named_and_hollow_ones_are_unreadable() {
    let parsed = |body: Value| {
        let raw = RawDelivery::new(Vec::new(), body.to_string());
        webhook::parse(&raw.fetched_by_us())
    };

    let unknown = parsed(json!({"code": 99, "data": {}}));
    assert_eq!(unknown, Err(Malformed::UnknownTopic("code 99".to_owned())));
    for code in [3, 8, 16] {
        let hollow = parsed(json!({"code": code, "data": {"ordersn": "", "item_id": 0}}));
        assert!(matches!(hollow, Err(Malformed::Shape(_))), "{code}");
    }
    assert_eq!(parsed(json!({"code": 10, "data": {}})), Ok(Vec::new()));
}

#[test]
fn a_lost_webhook_is_the_one_that_was_sent_however_it_is_wrapped() {
    let lost = webhook::missed(&fixture("api/lost_push")["response"]).unwrap();
    let empty = json!({"push_message_list": [], "has_next_page": false, "last_message_id": 5});
    let empty = webhook::missed(&empty).unwrap();

    let sent = fixture("webhooks/order_processed");
    let key = |body: &[u8]| {
        let raw = RawDelivery::new(Vec::new(), body.to_vec());
        webhook::delivery_key(&raw.fetched_by_us())
    };
    let expected = key(text(&sent, "body").as_bytes());
    let [first, second, third, of_app] = lost.bodies.as_slice() else {
        panic!("four bodies")
    };
    assert_eq!(first, text(&sent, "body").as_bytes());
    assert_eq!(
        [key(first), key(second), key(third)],
        [expected.clone(), expected.clone(), expected]
    );
    let of_app = RawDelivery::new(Vec::new(), of_app.clone());
    assert_eq!(webhook::claimed_channel(&of_app), Some("727720655".into()));
    assert_eq!(
        webhook::parse(&of_app.fetched_by_us()),
        Ok(vec![Event::authorization()])
    );
    assert_eq!((lost.mark.as_deref(), lost.more), (Some("176610"), true));
    // An empty page is never confirmed, whatever number it tells.
    assert_eq!((empty.mark, empty.more), (None, false));
}

#[test]
fn the_state_of_each_topic_is_told_where_the_api_tells_it() {
    let config = fixture("api/push_config")["response"].clone();
    let address = text(&config, "callback_url");
    let states = |config: &Value, address: &str| {
        let told = webhook::subscribed(config, address);
        told.into_iter()
            .map(|told| (webhook::code_of(&told.topic), told.state))
            .collect::<Vec<_>>()
    };
    let (on, off) = (SubscriptionState::Active, SubscriptionState::SwitchedOff);
    let expected = [
        (1, on),
        (2, on),
        (3, on),
        (4, off),
        (6, off),
        (7, off),
        (8, off),
        (12, on),
    ];

    assert_eq!(states(&config, address), expected);
    assert!(webhook::to_mend(&config, address).is_empty());
    let elsewhere = states(&config, "https://elsewhere.example.com/");
    assert_eq!(elsewhere[0], (1, SubscriptionState::Missing));
    let mut suspended = config.clone();
    suspended["live_push_status"] = "suspended".into();
    assert_eq!(states(&suspended, address)[0], (1, off));
    assert_eq!(webhook::to_mend(&suspended, address).len(), 1);
}

#[test]
fn each_code_asks_for_what_helps() {
    let of = |code: &str, message: &str| error_of(code, message, NOW);
    let kind = |error: MarketplaceError| {
        format!("{error:?}")
            .split([' ', '{'])
            .next()
            .unwrap()
            .to_owned()
    };

    for (code, message, expected) in [
        ("invalid_acceess_token", "", "TokenExpired"),
        ("error_auth", "Invalid access_token.", "TokenExpired"),
        (
            "error_auth",
            "Invalid partner_id or shopid.",
            "Unauthorized",
        ),
        (
            "error_auth",
            "System error, please try again later.",
            "Unavailable",
        ),
        (
            "error_auth",
            "Total stock must be more than reserved stock.",
            "Refused",
        ),
        (
            "error_auth",
            "The shop is in holiday mode, try again later.",
            "Refused",
        ),
        ("error_auth", "Lack of location_id.", "Refused"),
        ("error_auth", "No permission to current api.", "Refused"),
        ("error_ashop_api_permission", "", "Refused"),
        ("error_api_permission", "", "Refused"),
        ("error_api_call_restricted", "", "Refused"),
        ("error_permission", "", "Refused"),
        ("source_ip_undeclared", "", "Unavailable"),
        ("error_partner_key_expired", "", "Unavailable"),
        ("shop_no_linked", "", "Unauthorized"),
        ("common.shop_banned", "", "Unauthorized"),
        ("error_rate_limit", "", "RateLimited"),
        ("error_inner", "", "Unavailable"),
        ("error_data", "parse data failed", "Unavailable"),
        ("error_param", "Timestamp is expired.", "Unavailable"),
        (
            "error_param",
            "get items offset over limit, please use the next field",
            "TooManyResults",
        ),
        ("product.error_item_not_found", "", "NotFound"),
        ("order.order_not_found", "", "NotFound"),
        ("error_param", "The order X is not found.", "NotFound"),
        ("error_sign", "Wrong sign.", "Refused"),
        ("error_cannt_edit_stock_in_promotion", "", "Refused"),
    ] {
        assert_eq!(kind(of(code, message)), expected, "{code} {message}");
    }
    // 02:20 UTC is 10:20 where the quota is counted.
    let MarketplaceError::RateLimited { retry_after, .. } = of("error_limit", "") else {
        panic!("the quota comes back")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(13 * 3_600 + 40 * 60)));
}

#[tokio::test]
async fn a_push_leaves_buyers_with_what_was_asked_for_beside_open_orders() {
    let (shop, access) = hosted().await;
    place(&shop, "MUG", 3);
    let product = shop.lock().unwrap().products.keys().next().unwrap().clone();
    let level = StockLevel {
        product_id: product.clone(),
        variant_id: product.clone(),
        quantity: 2,
        push_ref: None,
    };

    let pushed = Shopee.set_stock(&access_to_shop(access), &[level]).await;

    assert_eq!(pushed, Ok(vec![Ok(())]));
    assert_eq!(
        shop.lock().unwrap().variant_by_sku("MUG").unwrap().quantity,
        2
    );
}

fn access_to_shop(mut access: Access) -> Access {
    access.shop = access.secrets.get("shop_id").unwrap().into();
    access
}

#[tokio::test]
async fn the_token_before_works_five_minutes_more_and_a_used_refresh_token_never_again() {
    let (_shop, access) = hosted().await;

    let tokens = Shopee.refresh(&access, NOW).await.unwrap().unwrap();
    let before = Shopee.shops(&access).await;
    let again = Shopee.refresh(&access, NOW).await;
    let mut renewed = access.clone();
    for (name, value) in &tokens.secrets {
        renewed.secrets.set(name, value);
    }
    let after = Shopee.shops(&renewed).await;

    assert!(before.is_ok() && after.is_ok());
    assert!(
        matches!(again, Err(MarketplaceError::Unauthorized { .. })),
        "{again:?}"
    );
    assert_eq!(
        tokens.expires_at,
        Some(NOW + Duration::from_secs(4 * 3_600))
    );
    assert_eq!(
        tokens.refresh_expires_at,
        Some(NOW + Duration::from_secs(30 * 86_400))
    );
}

#[tokio::test]
async fn a_shop_tells_its_currency_and_when_its_consent_ends() {
    let (_shop, access) = hosted().await;

    let shops = Shopee.shops(&access).await.unwrap();

    assert!(shops[0].consent_until > Some(NOW));
    assert!(
        shops[0]
            .secrets
            .contains(&("currency".to_owned(), "IDR".to_owned()))
    );
    let closed = mapping::shop(&json!({"shop_name": "x", "status": "FROZEN"}), "1");
    assert!(closed.is_err());
}

#[tokio::test]
async fn a_request_of_another_time_key_or_shop_is_refused() {
    let (_shop, access) = hosted().await;
    let late = Access {
        clock: Clock::standing(NOW + Duration::from_secs(301)),
        ..access.clone()
    };
    let with = |name: &str, value: &str| {
        let mut changed = access.clone();
        changed.secrets.set(name, value);
        changed
    };

    let refused = [
        Shopee.shops(&late).await,
        Shopee.shops(&with("partner_key", "another")).await,
        Shopee.shops(&with("shop_id", "5")).await,
        Shopee.shops(&with("access_token", "another")).await,
    ];

    let words = refused.map(|refused| refused.unwrap_err().to_string());
    for (word, expected) in words
        .iter()
        .zip(["Timestamp", "error_sign", "error_auth", "expired"])
    {
        assert!(word.contains(expected), "{word}");
    }
}

#[tokio::test]
async fn lost_webhooks_come_by_the_hundred_and_a_confirmed_one_not_again() {
    let (shop, access) = hosted().await;
    {
        let mut shop = shop.lock().unwrap();
        ShopeeSimulator.switch_on(&mut shop, "https://hooks.example.com/shopee", "");
    }
    let lose = |n: i64| {
        for _ in 0..n {
            let id = place(&shop, "MUG", 0);
            let mut shop = shop.lock().unwrap();
            let change = crate::marketplaces::simulation::ShopChange::OrderCreated(id);
            let told = ShopeeSimulator.webhooks(&mut shop, &change, NOW);
            for _ in 0..4 {
                ShopeeSimulator.delivered(&mut shop, &told[0], false);
            }
        }
    };
    lose(120);

    let first = Shopee.missed(&access).await.unwrap();
    Shopee
        .confirm_missed(&access, first.mark.as_ref().unwrap())
        .await
        .unwrap();
    let second = Shopee.missed(&access).await.unwrap();
    Shopee
        .confirm_missed(&access, second.mark.as_ref().unwrap())
        .await
        .unwrap();
    let third = Shopee.missed(&access).await.unwrap();

    assert_eq!((first.bodies.len(), first.more), (100, true));
    assert_eq!((second.bodies.len(), second.more), (20, false));
    assert_eq!((third.bodies.len(), third.mark), (0, None));
}

#[tokio::test]
async fn a_window_of_more_than_fifteen_days_is_refused_and_ours_is_not() {
    let (_shop, access) = hosted().await;
    let within = |span: Duration| OrderQuery {
        window: crate::domain::Window {
            from: NOW - span,
            to: NOW,
        },
        by: OrderTime::Updated,
        page: None,
    };

    let ours = Shopee
        .orders(&access, &within(LIMITS.longest_order_window.unwrap()))
        .await;
    let longer = Shopee
        .orders(&access, &within(Duration::from_secs(15 * 86_400 + 1)))
        .await;

    assert!(ours.is_ok(), "{ours:?}");
    assert!(
        longer
            .unwrap_err()
            .to_string()
            .contains("order_list_invalid_time")
    );
}

#[tokio::test]
async fn a_closed_shop_of_a_main_account_does_not_close_the_others() {
    let (_shop, access) = hosted().await;
    let of_account = |shops: &str| {
        let mut account = access.clone();
        account.secrets.take("shop_id");
        account.secrets.set("shop_id_list", shops);
        account
    };

    let some = Shopee.shops(&of_account("5,727000007")).await.unwrap();
    let none = Shopee.shops(&of_account("5,6")).await;

    assert_eq!(some.len(), 1);
    let own = ("shop_id".to_owned(), "727000007".to_owned());
    assert!(some[0].secrets.contains(&own));
    assert!(matches!(none, Err(MarketplaceError::Unauthorized { .. })));
}
