//! Settings, schema and the doctor.

use super::Place;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

#[test]
fn a_setting_that_is_not_known_is_refused_by_name() {
    let place = Place::new().with("MARKETSINK_HTTP_LISTN", "127.0.0.1:1");

    let answer = place.run(&["config"]).fails();

    assert!(answer.err.starts_with("marketsink: "), "{}", answer.err);
    assert!(
        answer.err.contains("MARKETSINK_HTTP_LISTN"),
        "{}",
        answer.err
    );
    assert_eq!(answer.err.lines().count(), 1, "{}", answer.err);
}

#[test]
fn config_shows_where_a_value_comes_from_and_hides_secrets() {
    let place = Place::new()
        .with("MARKETSINK_SECRETS_KEY", KEY)
        .with("MARKETSINK_TIKTOK_SHOP_APP_KEY", "6app")
        .with("MARKETSINK_TIKTOK_SHOP_APP_SECRET", "not-to-be-seen");
    place.file("marketsink.toml", "[worker]\nconcurrency = 3\n");

    let text = place.run(&["config"]).works().out;
    let json = place.json(&["config"]).to_string();

    for shown in [&text, &json] {
        assert!(
            !shown.contains(KEY) && !shown.contains("not-to-be-seen"),
            "{shown}"
        );
    }
    let line = text
        .lines()
        .find(|line| line.starts_with("worker.concurrency"));
    assert!(
        line.is_some_and(|line| line.contains('3') && line.contains("marketsink.toml")),
        "{text}"
    );
    let line = text.lines().find(|line| line.starts_with("secrets.key "));
    assert!(
        line.is_some_and(|line| line.contains("environment MARKETSINK_SECRETS_KEY")),
        "{text}"
    );
}

#[test]
fn migrating_says_what_was_done_and_does_it_once() {
    let place = Place::new();

    let first = place.json(&["migrate"]);
    let second = place.json(&["migrate"]);

    assert!(!first.as_array().unwrap().is_empty(), "{first}");
    assert_eq!(second, serde_json::json!([]));
}

#[test]
fn the_doctor_finds_a_fresh_database_usable_and_says_what_to_do() {
    let place = Place::new();
    place.run(&["migrate"]).works();

    let findings = place.json(&["doctor"]);

    let findings = findings.as_array().unwrap();
    let state = |check: &str| {
        let found = findings.iter().find(|finding| finding["check"] == check);
        found.map(|finding| finding["state"].clone())
    };
    assert_eq!(state("database"), Some("ok".into()));
    assert_eq!(state("schema"), Some("ok".into()));
    assert_eq!(state("channels"), Some("warn".into()));
    for finding in findings.iter().filter(|finding| finding["state"] != "ok") {
        assert!(finding["to_do"].is_string(), "{finding}");
    }
}

#[test]
fn the_doctor_writes_nothing() {
    let place = Place::new();

    let answer = place.run(&["doctor"]).works();

    assert!(answer.out.contains("marketsink migrate"), "{}", answer.out);
    assert!(!place.path().join("books.key").exists());
}

#[test]
fn the_doctor_says_no_when_something_is_broken() {
    let settings = Place::new().with("MARKETSINK_WORKER_CONCURRENCY", "none");
    let database = Place::new().with("MARKETSINK_DATABASE_URL", "sqlite:/nowhere/books.db");

    let settings = settings.run(&["doctor"]).fails();
    let database = database.run(&["doctor"]).fails();

    assert!(
        settings.out.contains("MARKETSINK_WORKER_CONCURRENCY"),
        "{}",
        settings.out
    );
    assert!(database.out.contains("database.url"), "{}", database.out);
}

#[test]
fn a_merchant_that_is_not_there_is_told_how_to_open_one() {
    let place = Place::new();

    let answer = place
        .run(&["channel", "list", "--merchant", "nobody"])
        .fails();

    assert!(answer.err.contains("`nobody`"), "{}", answer.err);
    assert!(answer.err.contains("channel add"), "{}", answer.err);
}
