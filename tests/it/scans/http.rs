//! Scans over HTTP: waiting or not, problems, and who may ask.

use super::Stage;
use crate::support::scenarios;
use marketsink::{domain::JobKind, queue::Outcome};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

scenarios!(
    whoever_does_not_prefer_otherwise_waits_for_the_result,
    whoever_prefers_it_is_told_where_to_look,
    what_rests_for_long_is_not_waited_for,
    what_differed_is_read_page_by_page,
    a_scan_is_controlled_over_http,
    wrong_questions_are_answered_with_problems,
    only_this_machine_may_ask,
);

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn at(stage: &Stage, path: &str) -> String {
    format!("http://{}/api/v1{path}", stage.town.running.address)
}

fn post(stage: &Stage, path: &str, body: &Value) -> RequestBuilder {
    client().post(at(stage, path)).json(body)
}

async fn get(stage: &Stage, path: &str) -> Value {
    let answer = client().get(at(stage, path)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.json().await.unwrap()
}

/// Sends it and works off what it asks for, until it is answered.
async fn answered(stage: &Stage, request: RequestBuilder) -> Response {
    let asking = tokio::spawn(request.send());
    while !asking.is_finished() {
        stage.town.running.app.worker().run_due().await.unwrap();
        tokio::task::yield_now().await;
    }
    asking.await.unwrap().unwrap()
}

async fn problem(answer: Response, status: u16) -> String {
    let kind = answer.headers()["content-type"].to_str().unwrap();
    assert_eq!(
        (answer.status().as_u16(), kind),
        (status, "application/problem+json")
    );
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], json!(status));
    assert!(
        body["title"]
            .as_str()
            .is_some_and(|title| !title.is_empty())
    );
    body["detail"].as_str().unwrap().to_owned()
}

async fn whoever_does_not_prefer_otherwise_waits_for_the_result(url: String) {
    let stage = Stage::open(url).await;
    stage.gate.let_through(10_000);
    stage.shop().with(|shop| {
        let id = shop.products.keys().next().unwrap().clone();
        shop.products.remove(&id);
    });

    let body = json!({"channels": [stage.channel], "kind": "full"});
    let answer = answered(&stage, post(&stage, "/scans", &body)).await;

    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.headers().contains_key("preference-applied"));
    let body: Value = answer.json().await.unwrap();
    let scan = &body["scans"][0];
    assert_eq!(
        (&scan["state"], &scan["method"]),
        (&json!("done"), &json!("sync"))
    );
    assert_eq!((&scan["joined"], &scan["gone"]), (&json!(false), &json!(1)));
    assert_eq!(body["last_scans"][0]["scans"][0][0], json!("full"));
    stage.town.close().await;
}

async fn whoever_prefers_it_is_told_where_to_look(url: String) {
    let stage = Stage::open(url).await;
    let body = json!({"channels": [stage.channel], "kind": "updated"});

    let request = post(&stage, "/scans", &body).header("prefer", "respond-async");
    let answer = request.send().await.unwrap();
    let again = post(&stage, "/scans", &body).header("prefer", "respond-async, wait=0");
    let again = again.send().await.unwrap();

    for answer in [&answer, &again] {
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
    assert_eq!(answer.headers()["preference-applied"], "respond-async");
    assert_eq!(
        again.headers()["preference-applied"],
        "respond-async, wait=0"
    );
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let path = location.strip_prefix("/api/v1").unwrap();
    assert_eq!(get(&stage, path).await["state"], json!("waiting"));
    let again: Value = again.json().await.unwrap();
    assert_eq!(again["scans"][0]["joined"], json!(true));
    stage.gate.let_through(10_000);
    stage.work().await.unwrap();
    let scan = get(&stage, path).await;
    assert_eq!(scan["state"], json!("done"));
    assert_eq!(scan["progress"]["percent"], json!(100.0));
    stage.town.close().await;
}

async fn what_rests_for_long_is_not_waited_for(url: String) {
    let stage = Stage::open(url).await;
    let queue = &stage.town.running.app.queue;
    let now = stage.town.clock.now();
    let body = json!({"channels": [stage.channel], "kind": "active"});

    let asking = tokio::spawn(post(&stage, "/scans", &body).send());
    let scan = [JobKind::RunScan];
    let claimed = loop {
        let claimed = queue.claim("test", &scan, 1, now).await.unwrap();
        if !claimed.is_empty() {
            break claimed;
        }
        tokio::task::yield_now().await;
    };
    let until = now + Duration::from_secs(900);
    let reason = "the channel is locked".to_owned();
    let ended = [(claimed[0].clone(), Outcome::Snoozed { until, reason })];
    queue.finish(&ended, "test", now, 0, now).await.unwrap();
    let answer = asking.await.unwrap().unwrap();

    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert!(answer.headers().contains_key("location"));
    stage.town.close().await;
}

async fn what_differed_is_read_page_by_page(url: String) {
    let stage = Stage::open(url).await;
    stage.gate.let_through(10_000);
    let now = stage.town.clock.now();
    stage.shop().with(|shop| {
        let ids: Vec<_> = shop.products.keys().take(5).cloned().collect();
        for id in ids {
            shop.edit_product(&id, now, |product| product.title.push('!'));
        }
    });
    let body = json!({"channels": [stage.channel]});
    let answer = answered(&stage, post(&stage, "/scans", &body)).await;
    let answer: Value = answer.json().await.unwrap();
    let id = answer["scans"][0]["id"].to_string();

    let (mut after, mut fields) = (json!(0), Vec::new());
    while !after.is_null() {
        let path = format!("/scans/{id}/changes?kind=changed&limit=2&after={after}");
        let page = get(&stage, &path).await;
        for change in page["changes"].as_array().unwrap() {
            fields.push(change["field"].clone());
            let (before, after) = (&change["before"], &change["after"]);
            assert!(!before.to_string().contains('!') && after.to_string().contains('!'));
        }
        after = page["next_after"].clone();
    }

    assert_eq!(fields, vec![json!("title"); 5]);
    stage.town.close().await;
}

async fn a_scan_is_controlled_over_http(url: String) {
    let stage = Stage::open(url).await;
    let body = json!({"channels": [stage.channel], "kind": "full"});
    let request = post(&stage, "/scans", &body).header("prefer", "respond-async");
    let asked: Value = request.send().await.unwrap().json().await.unwrap();
    let id = asked["scans"][0]["id"].to_string();
    let control = async |what: &str| {
        let path = format!("/scans/{id}/{what}");
        client().post(at(&stage, &path)).send().await.unwrap()
    };

    let paused: Value = control("pause").await.json().await.unwrap();
    let twice = problem(control("pause").await, 409).await;
    let resumed: Value = control("resume").await.json().await.unwrap();
    let cancelled: Value = control("cancel").await.json().await.unwrap();
    let over = problem(control("resume").await, 409).await;
    let listed = get(&stage, "/scans?limit=1").await;

    assert_eq!(paused["state"], json!("paused"));
    assert!(twice.contains("paused already"), "{twice}");
    assert_eq!(resumed["state"], json!("waiting"));
    assert_eq!(cancelled["state"], json!("cancelled"));
    assert!(over.contains("cancelled already"), "{over}");
    assert_eq!(listed["scans"][0]["id"].to_string(), id);
    stage.town.close().await;
}

async fn wrong_questions_are_answered_with_problems(url: String) {
    let stage = Stage::open(url).await;
    let ask = async |body: Value| post(&stage, "/scans", &body).send().await.unwrap();

    let unknown = problem(ask(json!({"channels": [77]})).await, 404).await;
    let typo = problem(ask(json!({"channel": 1})).await, 400).await;
    let kind = problem(ask(json!({"channels": [1], "kind": "whole"})).await, 400).await;
    let single = json!({"channels": [stage.channel], "kind": "single"});
    let single = problem(ask(single).await, 422).await;
    let form = client().post(at(&stage, "/scans")).body("channels=1");
    let form = problem(form.send().await.unwrap(), 415).await;
    let missing = client().get(at(&stage, "/scans/99")).send().await.unwrap();
    let missing = problem(missing, 404).await;
    let number = client().get(at(&stage, "/scans/x")).send().await.unwrap();
    problem(number, 404).await;
    let query = at(&stage, "/scans?limit=x");
    problem(client().get(query).send().await.unwrap(), 400).await;
    let nowhere = at(&stage, "/nowhere");
    problem(client().get(nowhere).send().await.unwrap(), 404).await;

    assert!(unknown.contains("no channel 77"), "{unknown}");
    assert!(typo.contains("channel"), "{typo}");
    assert!(kind.contains("full"), "{kind}");
    assert!(single.contains("needs its product"), "{single}");
    assert!(form.contains("application/json"), "{form}");
    assert!(missing.contains("no scan 99"), "{missing}");
    stage.town.close().await;
}

async fn only_this_machine_may_ask(url: String) {
    let stage = Stage::open(url).await;
    let body = json!({"channels": [stage.channel], "kind": "full"});
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.7"),
        ("host", "rebound.example.com"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://elsewhere.example.com"),
    ] {
        let asked = post(&stage, "/scans", &body).header(name, value);
        let asked = asked.send().await.unwrap();
        let detail = problem(asked, 403).await;
        assert!(
            detail.contains("on the machine that serves it"),
            "{name}: {detail}"
        );
        let read = client().get(at(&stage, "/scans")).header(name, value);
        assert_eq!(read.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(stage.n_jobs("available").await, 0);
    stage.town.close().await;
}
