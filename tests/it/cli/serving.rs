//! Serving until told to stop, as a service manager does it.

use super::Place;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command},
};

const APP_KEY: &str = "6app";
const APP_SECRET: &str = "invented-app-secret";

fn place() -> Place {
    Place::new()
        .with("MARKETSINK_HTTP_LISTEN", "127.0.0.1:0")
        .with("MARKETSINK_LOG_FILTER", "off")
        .with("MARKETSINK_TIKTOK_SHOP_APP_KEY", APP_KEY)
        .with("MARKETSINK_TIKTOK_SHOP_APP_SECRET", APP_SECRET)
}

/// Starts a server and returns it with the address that it prints.
pub(super) fn serve(place: &Place) -> (Child, String) {
    let mut child = place.command(&["serve"]).spawn().expect("it starts");
    let mut line = String::new();
    let out = child.stdout.as_mut().expect("its output is ours");
    BufReader::new(out)
        .read_line(&mut line)
        .expect("it prints a line");
    let address = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("http://"))
        .unwrap_or_else(|| panic!("no address in `{line}`"));
    (child, address.trim_end_matches(';').to_owned())
}

fn send(place: &Place, address: &str, secret: &str) -> super::Answer {
    place.run(&[
        "webhook",
        "send",
        "--marketplace",
        "tiktok_shop",
        "--app-key",
        APP_KEY,
        "--secret",
        secret,
        "--to",
        &format!("http://{address}/webhooks/tiktok_shop"),
        "--body",
        "body",
    ])
}

#[test]
#[cfg(unix)]
fn a_server_takes_signed_deliveries_and_ends_in_order_when_told() {
    let place = place();
    let shop = r#"{"type":1,"tts_notification_id":"7","shop_id":"1","timestamp":1792550405,"data":{"order_id":"5"}}"#;
    place.file("body", shop);
    let (mut server, address) = serve(&place);

    let right = send(&place, &address, APP_SECRET);
    let wrong = send(&place, &address, "guessed");
    let told = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status()
        .expect("it can be told");
    let ended = server.wait().expect("it ends");

    assert!(right.works().out.starts_with("200"));
    assert!(wrong.fails().out.starts_with("401"));
    assert!(told.success());
    assert!(ended.success(), "{ended}");
    place
        .run(&["stock", "set", "--sku", "MUG", "--units", "1"])
        .works();
    let stored = place.json(&["deliveries", "list"]);
    assert_eq!(stored[0]["verdict"], "unknown_channel", "{stored}");
    let shown = place.run(&["deliveries", "show", "1"]).works().out;
    let signature = shown.lines().find(|line| line.contains("authorization:"));
    assert!(
        signature.is_some_and(|line| line.ends_with("… (64 characters)")),
        "{shown}"
    );
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    let place = Place::new().with("MARKETSINK_HTTP_LISTEN", &address);

    let answer = place.run(&["serve"]).fails();

    let line = answer.err.lines().last().unwrap_or_default();
    assert!(
        line.starts_with("marketsink: ") && line.contains(&address),
        "{}",
        answer.err
    );
}
