//! Staying connected, by hand: testing a channel, replacing secrets and keys.

use super::{Answer, Place, shops::Town};
use base64::{Engine, engine::general_purpose::STANDARD};
use entity::{deliveries, subscriptions, webhook_secrets};
use marketsink::{
    clock::Clock,
    db::{DatabaseOptions, Db},
    marketplaces::{Subscribing, WebhookAddress},
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr,
};
use serde_json::{Value, json};
use std::time::Duration;

fn check<'v>(tested: &'v Value, name: &str) -> &'v Value {
    let checks = tested["checks"].as_array().expect("there are checks");
    let found = checks.iter().find(|check| check["check"] == name);
    found.unwrap_or_else(|| panic!("`{name}` was not checked: {tested}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn testing_a_channel_shows_each_check_and_what_to_do() {
    for town in Town::every().await {
        town.connect();

        let tested = town.place.json(&["channel", "test", "1"]);

        for name in [
            "credentials",
            "access token",
            "refresh token",
            "authorization",
            "reading orders",
            "reading products",
            "webhooks",
            "clock",
            "signed self-test",
        ] {
            assert_ne!(check(&tested, name)["state"], "fail", "{tested}");
        }
        for name in ["credentials", "clock", "signed self-test"] {
            assert_eq!(check(&tested, name)["state"], "ok", "{tested}");
        }
        let quiet = check(&tested, "last delivery");
        assert_eq!(quiet["state"], "warn", "{tested}");
        assert!(quiet["to_do"].is_string(), "{tested}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_that_do_not_come_are_told_and_mended_when_asked() {
    for town in Town::every().await {
        if town.shop.marketplace().limits().subscribing != Subscribing::Api {
            continue;
        }
        town.connect();
        town.shop.with(|shop| shop.subscriptions.clear());

        let broken = town.place.run(&["channel", "test", "1", "--json"]).fails();
        let mended = town.place.json(&["channel", "test", "1", "--mend"]);
        let shown = town.place.json(&["channel", "show", "1"]);

        let webhooks = check(&broken.json(), "webhooks").clone();
        assert_eq!(webhooks["state"], "fail", "{webhooks}");
        assert!(webhooks["to_do"].to_string().contains("--mend"));
        assert_eq!(check(&mended, "webhooks")["state"], "ok", "{mended}");
        let topics = shown["subscriptions"].as_array().expect("they are shown");
        let n_topics = town.shop.marketplace().limits().topics.len();
        assert_eq!(topics.len(), n_topics, "{shown}");
        for topic in topics {
            assert_eq!(topic["state"], "active", "{shown}");
            assert!(topic["mended_at"].is_string(), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_self_test_that_nobody_answers_fails_and_says_so() {
    for town in Town::every().await {
        town.connect();
        let place = town
            .place
            .with("MARKETSINK_HTTP_PUBLIC_URL", "http://127.0.0.1:1");

        let sent = place
            .run(&["channel", "test", "1", "--send", "--json"])
            .fails()
            .json();

        let checks = sent["checks"].as_array().expect("there are checks");
        let found = checks.iter().find(|check| {
            let name = check["check"].as_str().unwrap_or_default();
            name.starts_with("self-test to ")
        });
        let found = found.expect("it was sent");
        assert_eq!(found["state"], "fail", "{sent}");
        assert!(found["to_do"].to_string().contains("serve"), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_secret_is_shown_only_where_it_must_be_pasted() {
    for town in Town::every().await {
        town.connect();
        let limits = town.shop.marketplace().limits();
        let rotate = ["channel", "rotate-secret", "1", "--json"];
        if !limits.webhook_address.is_per_channel() {
            let refused = town.place.run(&rotate).fails();
            assert!(refused.err.contains("secret of our app"), "{refused:?}");
            continue;
        }

        if limits.webhook_address == WebhookAddress::Either {
            let refused = town.place.run(&rotate).fails();
            assert!(refused.err.contains("hand it over"), "{refused:?}");
            let given = [&rotate[..], &["--secret", "5ecret0fTheirs5ecret0fTheirs"]].concat();
            let rotated = town.place.run(&given).works().json();
            assert!(rotated["to_paste"].is_null(), "they have it: {rotated}");
            assert_eq!(rotated["by_hand"], true, "{rotated}");
            continue;
        }

        let rotated = town.place.run(&rotate).works().json();
        let shown = town.place.json(&["channel", "show", "1"]);

        let is_told = limits.subscribing == Subscribing::Api
            && limits.webhook_address == WebhookAddress::Channel;
        assert_eq!(rotated["to_paste"].is_null(), is_told, "{rotated}");
        assert_eq!(rotated["error"], Value::Null, "{rotated}");
        assert!(rotated["webhook_url"].is_string(), "{rotated}");
        if is_told {
            assert_eq!(shown["overlap_ends_at"], rotated["overlap_ends_at"]);
        }
        let tested = town.place.json(&["channel", "test", "1"]);
        assert_eq!(check(&tested, "signed self-test")["state"], "ok");
    }
}

fn refused(answer: Answer) -> String {
    let answer = answer.fails();
    assert!(answer.err.starts_with("marketsink: "), "{answer:?}");
    answer.err
}

/// The one key that is in use.
fn key_in_use(place: &Place) -> Value {
    let status = place.json(&["secrets", "status"]);
    let rows = status.as_array().expect("keys are listed").iter();
    let used: Vec<_> = rows.filter(|row| row["credentials"] != 0).collect();
    assert_eq!(used.len(), 1, "{status}");
    used[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_is_replaced_while_the_books_stand() {
    let town = Town::every().await.remove(0);
    town.connect();
    let before = key_in_use(&town.place);
    assert_eq!(before["standing"], "current", "{before}");
    let (old, new) = ("books.key", "new.key");
    let path = |name: &str| town.place.path().join(name).display().to_string();
    town.place.file(new, STANDARD.encode([7; 32]));
    let (old, new) = (path(old), path(new));
    let place = town.place.with("MARKETSINK_SECRETS_KEY_FILE", &new);

    let too_early = refused(place.run(&["channel", "test", "1"]));
    let status = place.run(&["secrets", "status"]).fails();
    let place = place.with("MARKETSINK_SECRETS_PREVIOUS_KEY_FILE", &old);
    place.run(&["channel", "test", "1"]).works();
    assert_eq!(key_in_use(&place)["standing"], "previous");
    let first = place.json(&["secrets", "rotate"]);
    let second = place.json(&["secrets", "rotate"]);
    let place = place.with("MARKETSINK_SECRETS_PREVIOUS_KEY_FILE", "");
    place.run(&["channel", "test", "1"]).works();

    let id = before["key"].as_str().expect("keys have ids");
    assert!(too_early.contains(id), "{too_early}");
    assert!(status.out.contains("not set"), "{status:?}");
    assert_eq!(first["credentials"], 1, "{first}");
    assert_eq!(second["credentials"], 0, "{second}");
    let after = key_in_use(&place);
    assert_eq!(after["standing"], "current", "{after}");
    assert_eq!(after["key"], first["key"]);
    assert_ne!(after["key"], before["key"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_key_file_nothing_runs_until_the_secrets_are_given_up() {
    let town = Town::every().await.remove(0);
    town.connect();
    let id = key_in_use(&town.place)["key"].as_str().map(str::to_owned);
    let id = id.expect("keys have ids");
    let file = town.place.path().join("books.key");
    std::fs::remove_file(&file).expect("the key is lost");

    let refusal = refused(town.place.run(&["channel", "list"]));
    assert!(!file.exists(), "no new key is made in silence");
    let unsure = refused(town.place.run(&["secrets", "forget", &id]));
    let given_up = town.place.json(&["secrets", "forget", &id, "--yes"]);
    let listed = town.place.json(&["channel", "list"]);

    assert!(refusal.contains("books.key") && refusal.contains(&id));
    assert!(unsure.contains("--yes"), "{unsure}");
    assert_eq!(given_up, json!({"locked": [1]}));
    assert_eq!(listed[0]["state"], "locked", "{listed}");
    town.connect();
    assert_eq!(town.place.json(&["channel", "list"])[0]["state"], "active");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_that_others_may_read_is_found_by_the_doctor() {
    use std::os::unix::fs::PermissionsExt;
    let town = Town::every().await.remove(0);
    town.connect();
    let file = town.place.path().join("books.key");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&file, open).expect("it is ours");

    let found = town.place.run(&["doctor"]).out;

    assert!(found.contains("chmod 600"), "{found}");
}

async fn open(place: &Place) -> Db {
    let (_, url) = &place.env[0];
    let options = DatabaseOptions {
        url: url.clone(),
        connections: 1,
        allow_undurable: false,
    };
    Db::connect(&options).await.expect("the database opens")
}

/// What a day of a shop that nobody told of its new secret leaves: a delivery signed with the one before,
/// an hour before that one runs out; and a topic that was switched off.
async fn neglect(place: &Place) {
    let db = open(place).await;
    let now = Clock::system().now();
    let tx = db.write_tx().await.expect("it is writable");
    let soon = now + Duration::from_secs(3_600);
    webhook_secrets::Entity::update_many()
        .col_expr(
            webhook_secrets::Column::ExpiresAt,
            Expr::value(soon.micros()),
        )
        .filter(webhook_secrets::Column::ExpiresAt.is_not_null())
        .exec(&tx)
        .await
        .expect("the overlap is shortened");
    subscriptions::Entity::update_many()
        .col_expr(subscriptions::Column::State, Expr::value("switched_off"))
        .filter(subscriptions::Column::Topic.eq("order.updated"))
        .exec(&tx)
        .await
        .expect("a topic is off");
    let delivery = deliveries::ActiveModel {
        merchant_id: Set(Some(1)),
        channel_id: Set(Some(1)),
        marketplace: Set("woocommerce".to_owned()),
        delivery_key: Set("1:late".to_owned()),
        topic: Set("order.updated".to_owned()),
        verdict: Set("ignored".to_owned()),
        headers: Set("[]".to_owned()),
        body: Set(b"{}".to_vec()),
        received_at: Set(now.micros()),
        key_index: Set(1),
        ..Default::default()
    };
    delivery.insert(&tx).await.expect("it is stored");
    tx.commit().await.expect("it is kept");
    db.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_secrets_that_run_out_unused_and_topics_that_are_off() {
    let towns = Town::every().await.into_iter();
    let is_woo = |town: &Town| town.shop.marketplace().slug() == "woocommerce";
    let town = towns.rev().find(is_woo).expect("it is in the list");
    town.connect();
    town.place.run(&["channel", "rotate-secret", "1"]).works();
    neglect(&town.place).await;

    let findings = town.place.run(&["doctor", "--json"]).json();
    let shown = town.place.json(&["deliveries", "show", "1"]);
    let text = town.place.run(&["channel", "show", "1"]).works().out;

    let of = |check: &str| {
        let mut findings = findings.as_array().expect("there are findings").iter();
        let found = findings.find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("{check}: {findings:?}"))
    };
    let key = of("webhook key of channel 1");
    assert_eq!(key["state"], "warn", "{key}");
    assert!(key["to_do"].to_string().contains("rotate-secret"), "{key}");
    let webhooks = of("webhooks of channel 1");
    assert_eq!(webhooks["state"], "warn", "{webhooks}");
    let found = webhooks["found"].to_string();
    assert!(
        found.contains("order.updated switched off since"),
        "{found}"
    );
    assert_eq!(shown["key_index"], 1, "{shown}");
    assert!(text.contains("order.updated switched off"), "{text}");
}
