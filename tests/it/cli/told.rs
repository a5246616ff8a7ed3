//! Other programs that are told: added, tried, given new secrets, and removed.

use super::Place;
use serde_json::json;

#[test]
fn an_endpoint_is_added_with_a_secret_that_is_shown_once() {
    let place = Place::new();

    let added = place.json(&[
        "endpoints",
        "add",
        "https://erp.example.com/hooks",
        "--kind",
        "sale.recorded",
    ]);
    let listed = place.json(&["endpoints", "list"]);
    let shown = place.run(&["endpoints", "show", "1"]).works().out;

    let secret = added["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"), "{added}");
    assert_eq!(listed[0]["state"], "active");
    assert_eq!(listed[0]["kinds"], json!(["sale.recorded"]));
    assert!(!listed.to_string().contains(secret) && !shown.contains(secret));
}

#[test]
fn an_address_that_must_not_be_called_is_refused() {
    let place = Place::new();

    for (address, why) in [
        ("https://127.0.0.1/hooks", "private network"),
        ("https://169.254.169.254/latest", "private network"),
        ("http://erp.example.com/hooks", "not encrypted"),
        ("erp.example.com", "no address"),
    ] {
        let refused = place.run(&["endpoints", "add", address]).fails();

        assert!(refused.err.contains(why), "{address}: {refused:?}");
    }
    place.json(&["endpoints", "add", "https://erp.example.com/hooks"]);
    let listed = place.json(&["endpoints", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[test]
fn an_endpoint_is_paused_resumed_rotated_and_removed() {
    let place = Place::new();
    let url = "https://erp.example.com/hooks";
    let added = place.json(&["endpoints", "add", url]);
    let state = || place.json(&["endpoints", "list", "--all"])[0]["state"].clone();

    let rotated = place.json(&["endpoints", "rotate", "1", "--overlap-hours", "0"]);
    place.run(&["endpoints", "pause", "1"]).works();
    let paused = state();
    place.run(&["endpoints", "resume", "1"]).works();
    let resumed = state();
    let sealed = place.json(&["secrets", "status"])[0]["endpoint_secrets"].clone();
    place.run(&["endpoints", "remove", "1"]).works();
    let forgotten = place.json(&["secrets", "status"])[0]["endpoint_secrets"].clone();

    assert_ne!(rotated["secret"], added["secret"]);
    assert_eq!(
        (paused, resumed, state()),
        (json!("paused"), json!("active"), json!("removed"))
    );
    assert_eq!((sealed, forgotten), (json!(1), json!(0)));
    let gone = place.run(&["endpoints", "test", "1"]).fails();
    assert!(gone.err.contains("was removed"), "{gone:?}");
}

#[test]
fn a_replay_must_say_what() {
    let place = Place::new();
    place.json(&["endpoints", "add", "https://erp.example.com/hooks"]);

    let vague = place.run(&["endpoints", "replay", "1"]).fails();
    let everything = [
        "endpoints",
        "replay",
        "1",
        "--since",
        "2026-01-01T00:00:00Z",
    ];
    let nothing = place.json(&everything);

    assert!(vague.err.contains("--failed"), "{vague:?}");
    assert_eq!(nothing["replayed"], 0);
}

#[test]
fn without_an_account_at_dealpos_the_answer_says_how_to_connect_one() {
    let place = Place::new();
    place.json(&["endpoints", "add", "https://erp.example.com/hooks"]);

    let refused = place.run(&["dealpos", "show"]).fails();

    assert!(
        refused.err.contains("marketsink help dealpos connect"),
        "{refused:?}"
    );
}
