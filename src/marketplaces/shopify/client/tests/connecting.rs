//! Tokens, consent and subscriptions.

use super::*;
use crate::marketplaces::{ConsentQuestion, Subscribed, SubscriptionState, shopify::webhook};
use std::collections::BTreeSet;
use url::Url;

async fn take_over(access: &mut Access) -> Result<Tokens> {
    let tokens = refresh(access).await?;
    for (name, value) in &tokens.secrets {
        access.secrets.set(name, value);
    }
    Ok(tokens)
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_can_be_repeated_until_its_token_was_used() {
    let (_shop, access) = town(1, 1).await;
    let (mut lost, mut kept) = (access.clone(), access.clone());

    take_over(&mut lost).await.unwrap();
    take_over(&mut kept).await.unwrap();
    let tokens = take_over(&mut kept).await.unwrap();
    // Its successor's successor is in use by now.
    let too_late = take_over(&mut lost.clone()).await;
    let from_the_start = take_over(&mut access.clone()).await;

    assert_eq!(
        shops(&kept).await.unwrap()[0].remote_id.as_str(),
        "toko-7.myshopify.com"
    );
    assert_eq!(tokens.expires_at, Some(NOW + Duration::from_secs(3_600)));
    for refused in [too_late, from_the_start] {
        assert!(matches!(
            refused,
            Err(MarketplaceError::Unauthorized { .. })
        ));
    }
}

#[tokio::test]
async fn a_shop_that_answers_nothing_for_now_keeps_its_consent() {
    let (shop, access) = town(1, 1).await;
    let renewed = async |status: &str| {
        remember(&shop, "closed", status);
        take_over(&mut access.clone()).await.unwrap_err()
    };

    for status in ["402", "423"] {
        let wait = Retry::After(Duration::from_secs(900));
        assert_eq!(renewed(status).await.retry(), wait, "{status}");
        assert_eq!(shops(&access).await.unwrap_err().retry(), wait, "{status}");
    }
    for status in ["403", "404", "418", "430", "503"] {
        let error = renewed(status).await;
        let is_theirs = matches!(error, MarketplaceError::Unavailable { .. });
        assert!(is_theirs, "{status}: {error}");
    }
    for status in ["400", "401"] {
        let error = renewed(status).await;
        let is_refused = matches!(error, MarketplaceError::Unauthorized { .. });
        assert!(is_refused, "{status}: {error}");
    }
}

#[tokio::test]
async fn without_a_refresh_token_the_apps_own_credentials_renew() {
    let (_shop, mut access) = town(1, 1).await;
    access.secrets.take("refresh_token");

    let tokens = take_over(&mut access).await.unwrap();

    assert_eq!(tokens.expires_at, Some(NOW + Duration::from_secs(86_400)));
    assert_eq!(access.secrets.get("refresh_token"), None);
    assert!(shops(&access).await.is_ok());
}

/// What the browser brings back after the merchant has agreed.
async fn agree(access: &Access) -> ConsentAnswer {
    let callback = "https://hooks.example.com/connect/shopify/callback"
        .parse()
        .unwrap();
    let state = "nonce-7f3a".to_owned();
    let question = ConsentQuestion { state, callback };
    let asked = consent_page(access, &question).unwrap();
    let answer = send(access, Request::get(asked)).await.unwrap();
    let back: Url = answer.header("location").unwrap().parse().unwrap();
    assert_eq!(
        (answer.status, back.path()),
        (302, "/connect/shopify/callback")
    );
    ConsentAnswer {
        pairs: back.query_pairs().into_owned().collect(),
    }
}

#[tokio::test]
async fn a_consent_gives_tokens_once_and_only_when_it_is_fresh() {
    let (_shop, mut access) = town(1, 1).await;
    access.secrets.take("access_token");
    access.secrets.take("refresh_token");
    let answer = agree(&access).await;
    let at = |secs: i64| Access {
        clock: Clock::standing(Timestamp::from_secs(NOW.secs() + secs)),
        ..access.clone()
    };

    for secs in [-91, 91] {
        let refused = consent(&at(secs), &answer).await.unwrap_err();
        assert_eq!(refused.retry(), Retry::Never, "{secs}");
    }
    let given = consent(&at(90), &answer).await.unwrap();
    let again = consent(&access, &answer).await;

    assert_eq!(answer.get("state"), Some("nonce-7f3a"));
    assert!(again.is_err(), "a code is good once");
    assert!(given.tokens.refresh_expires_at.is_some());
    for (name, value) in &given.tokens.secrets {
        access.secrets.set(name, value);
    }
    assert!(shops(&access).await.is_ok());
    assert!(take_over(&mut access).await.is_ok());
}

#[tokio::test]
async fn a_consent_is_for_the_shop_that_was_asked_and_a_page_for_shops_alone() {
    let (_shop, mut access) = town(1, 1).await;
    let answer = agree(&access).await;

    access.consent = "https://another-shop.myshopify.com".parse().unwrap();
    let of_another = consent(&access, &answer).await.unwrap_err();
    let page = |address: &str| {
        let asked = Access {
            consent: address.parse().unwrap(),
            ..access.clone()
        };
        let callback = "https://hooks.example.com/c".parse().unwrap();
        consent_page(
            &asked,
            &ConsentQuestion {
                state: "s".to_owned(),
                callback,
            },
        )
    };

    assert!(
        of_another.to_string().contains("another shop"),
        "{of_another}"
    );
    let good = page("https://kopi-nusantara.myshopify.com").unwrap();
    assert_eq!(good.host_str(), Some("kopi-nusantara.myshopify.com"));
    assert!(
        good.query().unwrap().contains("client_id=") && good.path() == "/admin/oauth/authorize"
    );
    for stranger in [
        "https://kopi.example.com",
        "https://myshopify.com",
        "https://x.myshopify.com.example.com",
        "https://a.b.myshopify.com",
    ] {
        assert!(page(stranger).is_err(), "{stranger}");
    }
}

#[tokio::test]
async fn subscriptions_of_others_are_left_alone_and_narrow_ones_are_widened() {
    let (shop, access) = town(1, 1).await;
    let (here, there) = (
        "https://hooks.example.com/webhooks/shopify",
        "https://staging.example.com/s",
    );
    subscribe(&access, there).await.unwrap();
    let all_missing = subscriptions(&access, here).await.unwrap();
    subscribe(&access, here).await.unwrap();
    {
        let mut shop = shop.lock().unwrap();
        let is_it = |hook: &&Subscription| hook.address == here && hook.topic == "orders/paid";
        let id = shop.subscriptions.iter().find(is_it).unwrap().id;
        shop.memory
            .insert(format!("filter {id}"), "total_price:>=100".to_owned());
        shop.subscriptions
            .retain(|hook| hook.address != here || hook.topic != "orders/delete");
    }
    let some_missing = subscriptions(&access, here).await.unwrap();
    let changed = subscribe(&access, here).await.unwrap();

    let n = |all: &[Subscribed]| {
        all.iter()
            .filter(|s| s.state != SubscriptionState::Active)
            .count()
    };
    assert_eq!((n(&all_missing), n(&some_missing)), (12, 2));
    let expected = [
        "orders/paid was filtered and is now sent whole",
        "orders/delete is now sent",
    ];
    assert_eq!(changed, expected);
    assert_eq!(n(&subscriptions(&access, here).await.unwrap()), 0);
    assert_eq!(n(&subscriptions(&access, there).await.unwrap()), 0);
}

#[tokio::test]
async fn what_was_made_for_an_address_is_deleted_and_nothing_else() {
    let (shop, access) = town(1, 1).await;
    let (here, there) = (
        "https://hooks.example.com/s",
        "https://hooks.example.com/s/x",
    );
    subscribe(&access, here).await.unwrap();
    subscribe(&access, there).await.unwrap();
    let by_hand = Subscription {
        id: 1,
        topic: "orders/paid".to_owned(),
        address: here.to_owned(),
        secret: "store-level".to_owned(),
        is_active: true,
        failures: 0,
    };
    shop.lock().unwrap().subscriptions.push(by_hand);

    let changed = Shopify.unsubscribe(&access, here).await.unwrap();
    let again = Shopify.unsubscribe(&access, here).await.unwrap();

    assert_eq!((changed.len(), again.len()), (12, 0));
    assert_eq!(changed[0], "orders/create is no longer sent");
    let left = shop.lock().unwrap().subscriptions.clone();
    let n_at = |address| left.iter().filter(|hook| hook.address == address).count();
    assert_eq!((n_at(here), n_at(there)), (1, 12));
}

#[tokio::test]
async fn neither_token_nor_the_apps_secret_is_shown_to_anyone_but_shopify() {
    let (_shop, access) = town(1, 1).await;
    // All of these would lead to the simulator, or nowhere.
    let port = access.api.port().unwrap();
    for stranger in [
        format!("http://localhost:{port}"),
        format!("http://kopi.myshopify.com:{port}"),
        "https://kopi.example.com".to_owned(),
        "https://203.0.113.7".to_owned(),
        "https://[2001:db8::7]".to_owned(),
    ] {
        let address: Url = stranger.parse().unwrap();
        let access = Access {
            api: address.clone(),
            auth: address,
            ..access.clone()
        };
        let errors = [
            shops(&access).await.unwrap_err(),
            refresh(&access).await.unwrap_err(),
        ];
        // Whoever is asked and does not answer is not available.
        for error in errors {
            let is_no_shop =
                matches!(&error, MarketplaceError::Refused { code, .. } if code == "no_shop");
            assert!(is_no_shop, "{stranger}: {error}");
        }
    }
}

#[tokio::test]
async fn one_deed_is_told_under_several_topics_and_as_little_as_was_asked_for() {
    let (shop, access) = town(1, 1).await;
    subscribe(&access, "https://hooks.example.com/webhooks/shopify")
        .await
        .unwrap();
    let mut shop = shop.lock().unwrap();
    let by_hand = Subscription {
        id: 1,
        topic: "orders/paid".to_owned(),
        address: "https://hooks.example.com/webhooks/shopify/x".to_owned(),
        secret: "store-level".to_owned(),
        is_active: true,
        failures: 0,
    };
    shop.subscriptions.push(by_hand);
    let variant_id = shop.variant_by_sku("P0-0").unwrap().id.clone();
    let line = NewLine {
        variant_id,
        quantity: 1,
    };
    let order = shop
        .place_order(SLUG, SimStatus::Paid, &[line], NOW)
        .unwrap();

    let sent = Simulated.webhooks(&mut shop, &ShopChange::OrderCreated(order), NOW);

    let topics: Vec<_> = sent
        .iter()
        .map(|delivery| delivery.topic.as_str())
        .collect();
    let expected = [
        "orders/create",
        "orders/updated",
        "orders/paid",
        "orders/paid",
        "products/update",
    ];
    assert_eq!(topics, expected);
    let header = |delivery: &SimDelivery, name: &str| {
        let found = delivery.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    let all = |name| {
        sent.iter()
            .map(|delivery| header(delivery, name))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(all("x-shopify-event-id").len(), 1);
    assert_eq!(all("x-shopify-webhook-id").len(), 5);
    let members = |delivery: &SimDelivery| {
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        body.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(members(&sent[0]), ["id", "updated_at"]);
    assert!(
        members(&sent[3]).len() > 5,
        "what was made by hand is sent whole"
    );
    let signature = webhook_signature("store-level", &sent[3].body);
    assert_eq!(header(&sent[3], "x-shopify-hmac-sha256"), signature);
}

fn webhook_signature(secret: &str, body: &[u8]) -> String {
    webhook::signature(secret, body).1
}

#[test]
fn the_simulator_tries_eight_times_more_over_four_hours_and_then_forgets_the_subscription() {
    let waits = (1..=9).map(|failures| Simulated.retry_after(failures));
    let waits: Vec<_> = waits.collect();
    let total: Duration = waits.iter().flatten().sum();
    assert_eq!((total, waits[8]), (Duration::from_secs(4 * 3_600), None));
    assert_eq!(Simulated.answer_deadline(), Duration::from_secs(5));
    assert_eq!(Shopify.limits().topics.len(), 12);
}
