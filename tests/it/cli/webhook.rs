//! Checking signatures by hand, with the recorded deliveries of every marketplace.

use super::{Answer, Place};
use marketsink::{domain::Timestamp, marketplaces};
use serde_json::Value;
use std::{fs, path::Path};

/// A recorded delivery of each marketplace that was signed rightly and means something.
const RECORDED: [(&str, &str); 6] = [
    ("tiktok_shop", "order_status"),
    ("shopee", "order_ready"),
    ("lazada", "order_ready_to_ship"),
    ("shopify", "orders_paid"),
    ("woocommerce", "order_updated"),
    ("standard_webhooks", "order_updated"),
];

struct Recorded {
    marketplace: &'static str,
    fixture: Value,
    body: String,
}

impl Recorded {
    fn every() -> Vec<Self> {
        assert_eq!(RECORDED.len(), marketplaces::all().len());
        RECORDED
            .map(|(marketplace, name)| Self::read(marketplace, name))
            .into()
    }

    fn read(marketplace: &'static str, name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = root.join(format!("fixtures/{marketplace}/webhooks/{name}.json"));
        let text = fs::read_to_string(path).expect("the fixture is there");
        let fixture: Value = serde_json::from_str(&text).expect("the fixture is JSON");
        let body = fixture["body"].as_str().expect("it has a body").to_owned();
        Self {
            marketplace,
            fixture,
            body,
        }
    }

    fn verify(&self, place: &Place, secret: &str, keep: impl Fn(&str) -> bool) -> Answer {
        let mut args = vec!["webhook", "verify", "--marketplace", self.marketplace];
        let app_key = self.fixture["app_key"].as_str().unwrap_or_default();
        args.extend(["--app-key", app_key, "--secret", secret, "--body", "body"]);
        if let Some(address) = self.fixture["address"].as_str() {
            args.extend(["--url", address]);
        }
        let at = self.fixture["at_secs"].as_i64().unwrap_or_default();
        let at = Timestamp::from_secs(at).to_string();
        args.extend(["--at", &at]);
        let headers: Vec<String> = self.fixture["headers"]
            .as_array()
            .expect("it has headers")
            .iter()
            .map(|pair| {
                format!(
                    "{}: {}",
                    pair[0].as_str().unwrap(),
                    pair[1].as_str().unwrap()
                )
            })
            .collect();
        for header in headers.iter().filter(|header| keep(header)) {
            args.extend(["--header", header]);
        }
        place.run(&args)
    }

    fn secret(&self) -> &str {
        self.fixture["secret"].as_str().expect("it has a secret")
    }
}

fn is_signature(header: &str) -> bool {
    let names = [
        "authorization",
        "x-shopify-hmac-sha256",
        "x-wc-webhook-signature",
        "webhook-signature",
    ];
    names.iter().any(|name| header.starts_with(name))
}

#[test]
fn a_right_signature_is_believed_with_topic_and_events() {
    for recorded in Recorded::every() {
        let place = Place::new();
        place.file("body", &recorded.body);

        let answer = recorded.verify(&place, recorded.secret(), |_| true).works();

        let topic = recorded.fixture["topic"].as_str().unwrap();
        let subject = recorded.fixture["events"][0]["subject"].as_str().unwrap();
        assert!(answer.out.contains(topic), "{}", answer.out);
        assert!(
            answer.out.contains(&format!("order changed {subject}")),
            "{}",
            answer.out
        );
    }
}

#[test]
fn another_secret_is_refused() {
    for recorded in Recorded::every() {
        let place = Place::new();
        place.file("body", &recorded.body);

        let answer = recorded.verify(&place, "another", |_| true).fails();

        assert!(
            answer.out.contains("no key matches the signature"),
            "{}",
            answer.out
        );
    }
}

#[test]
fn a_line_break_that_an_editor_added_is_named() {
    for recorded in Recorded::every() {
        let place = Place::new();
        place.file("body", format!("{}\n", recorded.body));

        let answer = recorded.verify(&place, recorded.secret(), |_| true).fails();

        assert!(
            answer.out.contains("without the line break"),
            "{}",
            answer.out
        );
    }
}

#[test]
fn json_that_was_printed_anew_is_refused() {
    for recorded in Recorded::every() {
        let place = Place::new();
        let parsed: Value = serde_json::from_str(&recorded.body).unwrap();
        place.file("body", serde_json::to_string_pretty(&parsed).unwrap());

        let answer = recorded.verify(&place, recorded.secret(), |_| true).fails();

        assert!(
            !answer.out.contains("the signature is right"),
            "{}",
            answer.out
        );
    }
}

#[test]
fn a_missing_signature_is_named_by_its_header() {
    for recorded in Recorded::every() {
        let place = Place::new();
        place.file("body", &recorded.body);

        let answer = recorded
            .verify(&place, recorded.secret(), |header| !is_signature(header))
            .fails();

        let names = recorded.fixture["headers"].as_array().unwrap();
        let mut names = names.iter().filter_map(|pair| pair[0].as_str());
        let name = names.find(|name| is_signature(name)).unwrap();
        assert!(answer.out.contains(name), "{}", answer.out);
    }
}

#[test]
fn a_missing_app_key_is_named() {
    let place = Place::new();
    let recorded = Recorded::read("tiktok_shop", "order_status");
    place.file("body", &recorded.body);
    let signature = recorded.fixture["headers"].as_array().unwrap();
    let signature = signature
        .iter()
        .find(|pair| pair[0] == "authorization")
        .unwrap();
    let header = format!("Authorization: {}", signature[1].as_str().unwrap());

    let answer = place.run_with_input(
        &[
            "webhook",
            "verify",
            "--marketplace",
            "tiktok_shop",
            "--secret",
            "-",
            "--header",
            &header,
            "--body",
            "body",
        ],
        &format!("{}\n", recorded.secret()),
    );

    assert!(answer.fails().out.contains("--app-key"));
}

#[test]
fn test_deliveries_go_nowhere_but_home() {
    let place = Place::new();
    place.file("body", "{}");

    let answer = place
        .run(&[
            "webhook",
            "send",
            "--marketplace",
            "woocommerce",
            "--secret",
            "s",
            "--to",
            "https://shop.example.com/webhooks/woocommerce/x",
            "--body",
            "body",
        ])
        .fails();

    assert!(answer.err.contains("is not ours"), "{}", answer.err);
}
