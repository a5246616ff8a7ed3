//! The guide for receivers: what it shows is what is sent, its code is run, and its commands are understood.

use super::blocks::{Block, blocks_of, commands_of};
use marketsink::{
    cli,
    domain::Timestamp,
    marketplaces::{RawDelivery, WebhookKeys, find, http::signature},
    outbox::HappeningKind,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

const GUIDE: &str = include_str!("../../../src/web/guide/events.md");

fn named(info: &str) -> Block {
    let mut found = blocks_of(GUIDE).into_iter();
    found
        .find(|block| block.info == info)
        .unwrap_or_else(|| panic!("no `{info}`"))
}

fn example() -> BTreeMap<String, String> {
    let text = named("text signing").text;
    let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

#[test]
fn every_kind_of_happening_is_in_the_guide() {
    for kind in HappeningKind::ALL {
        assert!(GUIDE.contains(&format!("| `{kind}` |")), "{kind}");
    }
    assert!(GUIDE.contains("| `endpoint.test` |"));
}

#[test]
fn the_message_in_the_guide_is_of_a_kind_and_has_what_every_message_has() {
    let message: Value = named("json message").json();

    assert!(HappeningKind::parse(message["type"].as_str().unwrap()).is_some());
    assert!(Timestamp::parse(message["timestamp"].as_str().unwrap()).is_some());
    assert!(message["data"]["sequence"].is_i64() && message["data"]["subject"].is_string());
}

#[test]
fn the_worked_example_gives_the_signature_that_it_shows() {
    let shown = example();
    let at = Timestamp::from_secs(shown["webhook-timestamp"].parse().unwrap());
    let body = shown["body"].clone();

    let made = signature::headers(
        &[&shown["secret"]],
        &shown["webhook-id"],
        at,
        body.as_bytes(),
    );

    for (name, value) in &made {
        assert_eq!(&shown[*name], value, "{name}");
    }
    let headers = made
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let raw = RawDelivery::new(headers.collect(), body).at(at);
    let verified = find("standard_webhooks").unwrap();
    let verified = verified.verify(raw, &WebhookKeys::one("", &shown["secret"]));
    assert!(verified.is_ok());
}

/// Runs the guide's own code, where there is a Python to run it.
#[test]
fn the_code_of_the_guide_believes_the_example_and_nothing_else() {
    let shown = example();
    let cases = [
        ("True", shown["body"].clone(), 1_795_400_400),
        ("False", shown["body"].replace("40", "41"), 1_795_400_400),
        ("False", shown["body"].clone(), 1_795_401_000),
    ];
    let code = named("python").text;
    for (expected, body, now) in cases {
        let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .map(|name| format!("{name:?}: {:?}", shown[name]))
            .join(", ");
        let secret = &shown["secret"];
        let program = format!(
            "{code}\nprint(is_genuine({secret:?}, {{{headers}}}, {body:?}.encode(), {now}))\n"
        );
        let Some(said) = python(&program) else {
            eprintln!("left out: there is no python3");
            return;
        };

        assert_eq!(said.trim(), expected, "{body}");
    }
}

fn python(program: &str) -> Option<String> {
    let mut child = Command::new("python3")
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().expect("its input is ours");
    input.write_all(program.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    Some(String::from_utf8(output.stdout).expect("it prints text"))
}

#[test]
fn every_command_in_the_guide_is_one() {
    let commands = commands_of(GUIDE);
    assert!(commands.len() >= 8, "{commands:?}");

    for words in commands {
        let shown = words.join(" ");
        let understood = cli::commands().try_get_matches_from(words);
        assert!(understood.is_ok(), "{shown}: {:?}", understood.err());
    }
}
