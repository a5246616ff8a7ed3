//! The API over HTTP: what arrives, and the faults that can be ordered.

use super::Stage;
use marketsink::{
    marketplaces::simulation::SimStatus,
    sandbox::{Fault, Weather},
};
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn a_request_reaches_the_simulator_as_it_was_sent() {
    let stage = Stage::set(Weather::calm()).await;

    let answer = stage.get("/a%2Fb/c?x=1%202&y=%26&x=3").await.unwrap();
    let shown: Value = answer.json().await.unwrap();

    assert_eq!(shown["method"], "GET");
    assert_eq!(shown["origin"], stage.shop.origin());
    assert_eq!(shown["path"], "/a%2Fb/c");
    assert_eq!(
        shown["query"],
        serde_json::json!([["x", "1 2"], ["y", "&"], ["x", "3"]])
    );
    assert_eq!(shown["accept"], "*/*");
}

#[tokio::test]
async fn a_large_body_arrives_whole_and_a_huge_one_is_refused() {
    let stage = Stage::set(Weather::calm()).await;

    let large = stage.post("/", "x".repeat(1_900_000)).await;
    let huge = stage.post("/", "x".repeat(2_200_000)).await.status();

    let large: Value = large.json().await.unwrap();
    assert_eq!(large["body_bytes"], 1_900_000);
    assert_eq!(huge, 413);
}

#[tokio::test]
async fn faults_that_were_ordered_come_once_each_and_in_order() {
    let stage = Stage::set(Weather::calm()).await;
    stage.shop.next_answers(vec![
        Fault::RateLimited(Some(Duration::from_secs(3))),
        Fault::Fair,
        Fault::RateLimited(None),
        Fault::ServerError,
    ]);

    let mut seen = Vec::new();
    for _ in 0..5 {
        let answer = stage.get("/").await.unwrap();
        let wait = answer.headers().get("retry-after");
        let wait = wait.map(|v| v.to_str().unwrap().to_owned());
        seen.push((answer.status().as_u16(), wait));
    }

    let expected = [
        (429, Some("3".to_owned())),
        (200, None),
        (429, None),
        (500, None),
        (200, None),
    ];
    assert_eq!(seen, expected);
    assert_eq!(stage.shop.n_requests(), 5);
}

#[tokio::test]
async fn a_server_error_is_a_page_for_people() {
    let stage = Stage::set(Weather::calm()).await;
    stage.shop.next_answers(vec![Fault::ServerError]);

    let answer = stage.get("/").await.unwrap();

    assert_eq!(answer.headers()["content-type"], "text/html");
    assert!(answer.text().await.unwrap().starts_with("<!doctype html>"));
}

#[tokio::test]
async fn a_truncated_answer_is_complete_http_around_half_a_body() {
    let stage = Stage::set(Weather::calm()).await;
    stage.shop.next_answers(vec![Fault::Truncated]);

    let answer = stage.get("/").await.unwrap();

    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-answered"], "yes");
    let text = answer.text().await.unwrap();
    assert!(text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err());
}

#[tokio::test]
async fn a_dropped_answer_breaks_off_though_the_request_was_carried_out() {
    let stage = Stage::set(Weather::calm()).await;
    stage.shop.next_answers(vec![Fault::Dropped]);

    let address = format!("{}/stock", stage.shop.origin());
    let answer = async { reqwest::get(address).await?.bytes().await };

    assert!(answer.await.is_err());
    let quantity = stage
        .shop
        .with(|shop| shop.variant_by_sku("MUG").unwrap().quantity);
    assert_eq!(quantity, 7);
}

#[tokio::test]
async fn an_expired_token_stays_expired_until_it_is_renewed() {
    let stage = Stage::set(Weather::calm()).await;
    stage.shop.next_answers(vec![Fault::ExpiredToken]);

    let first = stage.get("/").await.unwrap().status();
    let second = stage.get("/").await.unwrap().status();
    stage.shop.with(|shop| shop.token_expires_at = None);
    let third = stage.get("/").await.unwrap().status();

    assert_eq!([first, second, third].map(|s| s.as_u16()), [401, 401, 200]);
}

#[tokio::test]
async fn weather_never_swallows_new_tokens_and_an_order_does() {
    let mut weather = Weather::calm();
    weather.truncated = 100;
    let stage = Stage::set(weather).await;
    let is_whole = async |path| {
        let text = stage.get(path).await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).is_ok()
    };

    let (token, other) = (is_whole("/token").await, is_whole("/").await);
    stage.shop.next_answers(vec![Fault::Truncated]);
    let ordered = is_whole("/token").await;

    assert_eq!((token, other, ordered), (true, false, false));
}

#[tokio::test]
async fn reads_lag_behind_webhooks_and_then_catch_up() {
    let mut weather = Weather::calm();
    weather.stale_read = 100;
    let stage = Stage::set(weather).await;
    let id = stage.order(1);

    stage.shop.move_order(&id, SimStatus::Shipped);
    let webhook_came = stage.sandbox.courier().deliver_due().await.accepted > 0;
    let early: Value = stage.get("/").await.unwrap().json().await.unwrap();
    stage.clock.advance(weather.stale_for);
    let late: Value = stage.get("/").await.unwrap().json().await.unwrap();

    assert!(webhook_came);
    assert_eq!(early["statuses"][0], "Paid");
    assert_eq!(late["statuses"][0], "Shipped");
}

#[tokio::test]
async fn each_shop_answers_on_a_port_of_its_own_until_it_is_stopped() {
    let stage = Stage::set(Weather::calm()).await;
    let other = stage.sandbox.open(&super::Plain, 2, "Other").await.unwrap();

    let is_answered = reqwest::get(other.origin()).await.is_ok();
    stage.sandbox.stop().await;

    assert!(is_answered);
    assert_ne!(other.origin(), stage.shop.origin());
    assert_eq!(stage.sandbox.shops().len(), 2);
    assert!(reqwest::get(other.origin()).await.is_err());
    assert!(stage.get("/").await.is_err());
}
