//! Answers that are not believed: each is told apart, asks nothing of the marketplace, and connects nothing.

use super::{Page, Town, town::START};
use crate::support::scenarios;
use marketsink::{marketplaces::ConsentAnswer, sync::ConsentError};
use std::time::Duration;
use url::Url;

scenarios!(
    a_state_that_is_not_ours_or_was_tampered_with_opens_nothing,
    a_state_counts_once,
    a_state_runs_out_after_half_an_hour,
    a_state_is_good_for_its_marketplace_only,
    a_forged_code_uses_the_state_up_and_connects_nothing,
    two_answers_at_once_connect_once,
    an_answer_that_is_no_answer_is_refused,
    an_answer_is_taken_from_the_command_line_too,
);

const TIKTOK: &str = "tiktok_shop";

/// The address on which the browser comes back, not opened yet.
async fn way_back(town: &Town) -> Url {
    let link = town.link(town.shop(TIKTOK)).await;
    let back = town.browser.agree(link.url.as_str()).await;
    back.parse().unwrap()
}

/// The address with one pair changed or, without a value, left out.
fn with(address: &Url, name: &str, value: Option<&str>) -> String {
    let all = address.query_pairs().into_owned();
    let others: Vec<(String, String)> = all.filter(|(known, _)| known != name).collect();
    let mut changed = address.clone();
    changed.query_pairs_mut().clear().extend_pairs(others);
    if let Some(value) = value {
        changed.query_pairs_mut().append_pair(name, value);
    }
    changed.into()
}

fn value(address: &Url, name: &str) -> String {
    let found = address.query_pairs().find(|(known, _)| known == name);
    found.unwrap().1.into_owned()
}

/// Refused, saying `why`, without a word of what it was given.
fn assert_refused(page: &Page, status: u16, why: &str, back: &Url) {
    assert_eq!(page.status, status, "{}", page.text);
    assert!(page.text.contains(why), "{}", page.text);
    assert!(page.text.contains("Begin again"), "{}", page.text);
    for given in ["code", "state"].map(|name| value(back, name)) {
        assert!(!page.text.contains(&given), "it repeats what it was given");
    }
    assert_eq!(page.cache_control, "no-store");
}

async fn assert_nothing_happened(town: &Town, asked: u64) {
    assert_eq!(town.n_requests(), asked, "a marketplace was asked");
    assert!(town.channel(town.shop(TIKTOK)).await.is_none());
}

async fn a_state_that_is_not_ours_or_was_tampered_with_opens_nothing(url: String) {
    let town = Town::open(url).await;
    let back = way_back(&town).await;
    let (asked, state) = (town.n_requests(), value(&back, "state"));
    let mut flipped = state.clone();
    let last = if state.ends_with('0') { "1" } else { "0" };
    flipped.replace_range(63.., last);
    let strange = [
        "x".to_owned(),
        flipped,
        state[..63].to_owned(),
        format!("{state}0"),
        state.to_uppercase(),
        format!(" {state}"),
        "' or 1=1 --".to_owned(),
    ];

    for strange in strange.iter().filter(|strange| **strange != state) {
        let page = town
            .browser
            .open(&with(&back, "state", Some(strange)))
            .await;
        assert_refused(&page, 400, "no link of ours", &back);
    }
    for none in [None, Some("")] {
        let page = town.browser.open(&with(&back, "state", none)).await;
        assert_refused(&page, 400, "does not say which link", &back);
    }

    assert_nothing_happened(&town, asked).await;
    // And the genuine one still counts.
    assert_eq!(town.browser.open(back.as_str()).await.status, 200);
    town.close().await;
}

async fn a_state_counts_once(url: String) {
    let town = Town::open(url).await;
    let back = way_back(&town).await;
    let first = town.browser.open(back.as_str()).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let (asked, version) = (
        town.n_requests(),
        town.credentials(town.shop(TIKTOK)).await.version,
    );

    let again = town.browser.open(back.as_str()).await;
    let with_a_code_of_theirs = with(&back, "code", Some("ROW_theirs"));
    let replayed = town.browser.open(&with_a_code_of_theirs).await;

    // Whoever loads the page again sees what came of it, and nothing is done again.
    for page in [again, replayed] {
        assert_eq!(page.status, 200);
        assert!(
            page.text.contains(&town.shop(TIKTOK).name()),
            "{}",
            page.text
        );
    }
    assert_eq!(town.n_requests(), asked);
    let now = town.credentials(town.shop(TIKTOK)).await.version;
    assert_eq!(now, version);
    town.close().await;
}

async fn a_state_runs_out_after_half_an_hour(url: String) {
    let town = Town::open(url).await;
    let (early, late) = (way_back(&town).await, way_back(&town).await);
    let asked = town.n_requests();

    town.clock.advance(Duration::from_secs(30 * 60));
    let page = town.browser.open(late.as_str()).await;

    assert_refused(&page, 410, "was good until", &late);
    assert_refused(
        &town.browser.open(early.as_str()).await,
        410,
        "was good until",
        &early,
    );
    assert_nothing_happened(&town, asked).await;
    town.close().await;
}

async fn a_state_is_good_for_its_marketplace_only(url: String) {
    let town = Town::open(url).await;
    let back = way_back(&town).await;
    let asked = town.n_requests();
    let elsewhere = back.as_str().replace(TIKTOK, "woocommerce");

    let page = town.browser.open(&elsewhere).await;

    assert_refused(
        &page,
        400,
        "made for TikTok Shop, not for WooCommerce",
        &back,
    );
    assert_nothing_happened(&town, asked).await;
    // A mistake elsewhere does not use it up.
    assert_eq!(town.browser.open(back.as_str()).await.status, 200);
    let nowhere = back.as_str().replace(TIKTOK, "nowhere");
    assert_eq!(town.browser.open(&nowhere).await.status, 404);
    town.close().await;
}

async fn a_forged_code_uses_the_state_up_and_connects_nothing(url: String) {
    let town = Town::open(url).await;
    let back = way_back(&town).await;

    let forged = town
        .browser
        .open(&with(&back, "code", Some("ROW_guessed")))
        .await;
    let genuine = town.browser.open(back.as_str()).await;

    assert_refused(&forged, 400, "36004004", &back);
    assert!(!forged.text.contains("ROW_guessed"), "{}", forged.text);
    assert_refused(&genuine, 400, "counts once", &back);
    assert!(town.channel(town.shop(TIKTOK)).await.is_none());
    town.close().await;
}

async fn two_answers_at_once_connect_once(url: String) {
    let town = Town::open(url).await;
    let back = way_back(&town).await;

    let opened = (0..6).map(|_| town.browser.open(back.as_str()));
    let pages = futures::future::join_all(opened).await;

    let good = pages
        .iter()
        .filter(|page| page.text.contains("Webhooks come to"));
    assert_eq!(good.count(), 1);
    let version = town.credentials(town.shop(TIKTOK)).await.version;
    assert_eq!(version, START.micros(), "written once");
    town.close().await;
}

async fn an_answer_that_is_no_answer_is_refused(url: String) {
    let town = Town::open(url).await;
    let callback = town.callback(town.shop("woocommerce").marketplace());
    let long = format!(r#"{{"consumer_key":"{}"}}"#, "x".repeat(70_000));
    let bodies = [
        ("no JSON", 400),
        ("[]", 400),
        (r#"{"consumer_key":"ck_1","consumer_secret":"cs_1"}"#, 400),
        (long.as_str(), 413),
    ];

    for (body, status) in bodies {
        let page = town.browser.post(&callback, body.to_owned()).await;
        assert_eq!(page.status, status, "{}", &body[..body.len().min(40)]);
        assert!(!page.text.contains("ck_1"), "{}", page.text);
    }

    // Keys of one link under the state of another.
    let woo = town.shop("woocommerce");
    let link = town.link(woo).await;
    let mut pairs = link.url.query_pairs();
    let state = pairs.find(|(name, _)| name == "user_id").unwrap().1;
    let keys = r#"{"user_id":"another","consumer_key":"ck_1","consumer_secret":"cs_1","key_permissions":"read_write"}"#;
    let page = town
        .browser
        .post(&format!("{callback}?state={state}"), keys.to_owned())
        .await;
    assert_eq!(page.status, 400, "{}", page.text);
    assert!(page.text.contains("another link"), "{}", page.text);
    assert!(town.channel(woo).await.is_none());
    town.close().await;
}

async fn an_answer_is_taken_from_the_command_line_too(url: String) {
    let town = Town::open(url).await;
    let (shop, back) = (town.shop(TIKTOK), way_back(&town).await);
    let answer = ConsentAnswer {
        pairs: back.query_pairs().into_owned().collect(),
    };
    let finish = || {
        let sync = &town.running.app.sync;
        let (marketplace, answer) = (shop.marketplace(), &answer);
        async move { sync.finish_consent(marketplace, answer).await }
    };

    let connected = finish().await.unwrap();
    let again = finish().await.unwrap_err();

    assert_eq!(
        connected.connected[0].channels[0].remote_id,
        shop.remote_id()
    );
    let channel = connected.connected[0].channels[0].id;
    let is_used = matches!(again, ConsentError::Used { channel: Some(of), .. } if of == channel);
    assert!(is_used, "{again:?}");
    assert_eq!(format!("{answer:?}"), r#"["app_key", "code", "state"]"#);
    town.close().await;
}
