//! Consenting from the command line, and the calendar, against simulated marketplaces.

use super::Place;
use marketsink::{
    channels,
    clock::Clock,
    config::describe,
    db::{DatabaseOptions, Db},
    domain::ChannelId,
    marketplaces,
    sandbox::{Sandbox, SimShop, Weather},
};
use serde_json::json;
use std::{
    io::{BufRead, BufReader},
    time::Duration,
};

const TIKTOK: &str = "tiktok_shop";

/// Serves the shop as long as it is held, beside the place that may call it.
async fn town(slug: &str) -> (Sandbox, SimShop, Place) {
    let sandbox = Sandbox::new(Clock::system(), Weather::calm(), 1);
    let marketplace = marketplaces::find(slug).unwrap();
    let shop = sandbox.open(marketplace, 3, "Kopi Toko").await.unwrap();
    let place = Place::new().with("MARKETSINK_SYNC_ALLOW_PRIVATE_HOSTS", "true");
    let environment = shop.environment();
    let place = environment
        .iter()
        .fold(place, |place, (name, value)| place.with(name, value));
    let needs = place.json(&["channel", "needs", slug]);
    shop.send_consents_to(needs[0]["callback"].as_str().unwrap());
    (sandbox, shop, place)
}

/// The merchant opens the link and agrees: the address on which the browser ends.
async fn agree(link: &str) -> String {
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let page = browser.get(link).send().await.unwrap();
    page.headers()["location"].to_str().unwrap().to_owned()
}

#[test]
fn what_each_marketplace_asks_for_is_listed_from_its_adapter() {
    let place = Place::new();

    let text = place.run(&["channel", "needs"]).works().out;
    let unknown = place.run(&["channel", "needs", "nowhere"]).fails();

    for marketplace in marketplaces::all() {
        let (slug, connecting) = (marketplace.slug(), marketplace.connecting());
        let one = place.run(&["channel", "needs", slug]).works().out;
        assert!(text.contains(one.trim_end()), "{slug}: {one}");
        for secret in connecting.secrets {
            assert!(
                one.contains(secret.name) && one.contains(secret.place),
                "{one}"
            );
        }
        for name in connecting.app {
            let setting = format!("{slug}.{name}");
            assert!(one.contains(&setting), "{one}");
            assert!(
                describe().iter().any(|known| known.key == setting),
                "{setting}"
            );
        }
        let link = format!("marketsink channel link {slug}");
        assert_eq!(one.contains(&link), connecting.consent, "{one}");
        assert!(unknown.err.contains(slug), "{}", unknown.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_answered_with_the_address_on_which_the_browser_ended() {
    let mut n_connected = 0;
    let pages = marketplaces::all().iter();
    for marketplace in pages.filter(|m| m.connecting().consent) {
        let slug = marketplace.slug();
        let (_sandbox, shop, place) = town(slug).await;
        let origin = shop.origin();
        let mut args = vec!["channel", "link", slug];
        if shop.base_url().is_some() {
            args.extend(["--url", &origin]);
        }
        let link = place.json(&args);
        if slug == "woocommerce" {
            // It posts its keys, and nothing listens: nobody can paste them.
            continue;
        }
        let back = agree(link["url"].as_str().unwrap()).await;

        let answer = place.run_with_input(
            &["channel", "answer", slug, "--callback", "-", "--json"],
            &format!("{back}\n"),
        );
        let again = place
            .run(&["channel", "answer", slug, "--callback", &back])
            .fails();
        let tested = place.json(&["channel", "test", "1"]);

        let shops = answer.works().json();
        assert_eq!(shops[0]["channels"][0]["name"], "Kopi Toko", "{shops}");
        assert_eq!(tested["works"], true, "{slug}");
        assert!(again.err.contains("counts once"), "{}", again.err);
        let code = back
            .split("code=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap();
        assert!(!again.err.contains(code), "{}", again.err);
        n_connected += 1;
    }
    assert!(n_connected > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_the_answer_is_told_the_shop() {
    let (_sandbox, shop, place) = town(TIKTOK).await;
    let mut waiting = place
        .command(&["channel", "link", TIKTOK, "--wait", "--json"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let link = told.next().unwrap().unwrap();
    let back = agree(link.strip_prefix("open ").unwrap()).await;

    place
        .run(&["channel", "answer", TIKTOK, "--callback", &back])
        .works();
    let ended = waiting.wait_with_output().unwrap();

    assert!(ended.status.success());
    let answer: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(answer["connected"], true, "{answer}");
    assert_eq!(
        answer["channels"][0]["shop"],
        json!(shop.remote_id()),
        "{answer}"
    );
    assert_eq!(answer["channels"].as_array().unwrap().len(), 2, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_cannot_be_made_says_what_is_missing() {
    let place = Place::new();

    let no_app = place.run(&["channel", "link", TIKTOK]).fails();
    let no_url = place.run(&["channel", "link", "woocommerce"]).fails();
    let no_address = place
        .with("MARKETSINK_TIKTOK_SHOP_APP_KEY", "k")
        .with("MARKETSINK_TIKTOK_SHOP_APP_SECRET", "s")
        .run(&["channel", "answer", TIKTOK, "--callback", "code=secret"])
        .fails();

    assert!(no_app.err.contains("tiktok_shop.app_key"), "{}", no_app.err);
    assert!(
        no_url.err.contains("address of their own"),
        "{}",
        no_url.err
    );
    assert!(no_address.err.contains("no address"), "{}", no_address.err);
    assert!(
        !no_address.err.contains("code=secret"),
        "{}",
        no_address.err
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calendar_says_what_ends_when_and_who_must_act() {
    let (_sandbox, _shop, place) = town(TIKTOK).await;
    let link = place.json(&["channel", "link", TIKTOK]);
    let back = agree(link["url"].as_str().unwrap()).await;
    place
        .run(&["channel", "answer", TIKTOK, "--callback", &back])
        .works();

    let far = place.json(&["channel", "calendar"]);
    let url = format!("sqlite:{}", place.path().join("books.db").display());
    end_in(&url, Duration::from_secs(5 * 86_400 + 3_600)).await;
    let near = place.run(&["channel", "calendar"]).works().out;
    let shown = place.run(&["channel", "show", "1"]).works().out;
    let doctor = place.run(&["doctor"]).out;

    assert_eq!(far.as_array().unwrap().len(), 1, "{far}");
    assert_eq!(far[0]["who"], "nobody", "{far}");
    assert!(far[0]["access_token_ends_at"].is_string(), "{far}");
    assert!(far[0]["refresh_token_ends_at"].is_string(), "{far}");
    for told in [&near, &shown] {
        assert!(told.contains("the authorization ends in 6 days"), "{told}");
        assert!(
            told.contains("marketsink channel link tiktok_shop"),
            "{told}"
        );
    }
    assert!(near.contains("merchant"), "{near}");
    assert!(doctor.contains("authorization of channel 1"), "{doctor}");
    assert!(doctor.contains("6 days left"), "{doctor}");
}

/// As if the marketplace had told it.
async fn end_in(url: &str, left: Duration) {
    let options = DatabaseOptions {
        url: url.to_owned(),
        connections: 1,
        allow_undurable: false,
    };
    let db = Db::connect(&options).await.unwrap();
    let (tx, now) = (db.write_tx().await.unwrap(), Clock::system().now());
    channels::save_consent_end(&tx, ChannelId(1), now + left, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    db.close().await.unwrap();
}
