//! A store of one's own, from the guide to the first sale: the hour that the guide promises, in the program's words.

use super::{Place, serving::serve};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command},
};

fn place() -> Place {
    Place::new()
        .with("MARKETSINK_HTTP_LISTEN", "127.0.0.1:0")
        .with("MARKETSINK_LOG_FILTER", "off")
}

/// Step one of the guide, and what it answers.
fn connect(place: &Place) -> Value {
    let secrets = ["store_id=shop.example.com", "store_name=Example Shop"];
    let args = ["channel", "add", "standard_webhooks"];
    let named = ["--secret", secrets[0], "--secret", secrets[1]];
    place.json(&[&args[..], &named[..]].concat())[0].take()
}

/// The first whole order of the guide.
fn order() -> Value {
    let guide = include_str!("../../../src/web/guide/custom_store.md");
    let mut blocks = guide.split("```json message\n").skip(1);
    let whole = blocks.find(|block| block.contains("\"lines\"")).unwrap();
    serde_json::from_str(whole.split("```").next().unwrap()).unwrap()
}

fn send(place: &Place, address: &str, to: &str, secret: &str, message: &Value) -> super::Answer {
    place.file("message.json", message.to_string());
    let path = to.rsplit_once("/webhooks/").unwrap().1;
    let to = format!("http://{address}/webhooks/{path}");
    let who = ["--marketplace", "standard_webhooks", "--secret", secret];
    let what = ["--to", to.as_str(), "--body", "message.json"];
    place.run(&[&["webhook", "send"][..], &who[..], &what[..]].concat())
}

fn end(mut server: Child) {
    let told = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status();
    assert!(told.expect("it can be told").success());
    assert!(server.wait().expect("it ends").success());
}

#[test]
#[cfg(unix)]
fn the_steps_of_the_guide_lead_to_the_first_order() {
    let place = place();
    let connected = connect(&place);
    let (to, secret) = (&connected["webhook_url"], &connected["webhook_secret"]);
    let (to, secret) = (to.as_str().unwrap(), secret.as_str().unwrap());
    let mut broken = order();
    broken["data"]["lines"][0]["quantity"] = json!("two");
    let (server, address) = serve(&place);

    let ping = json!({"type": "ping", "timestamp": "2026-11-23T02:20:00Z"});
    let ping = send(&place, &address, to, secret, &ping);
    let sale = send(&place, &address, to, secret, &order());
    let wrong = send(&place, &address, to, secret, &broken);
    let forged = send(
        &place,
        &address,
        to,
        "whsec_Zm9yZ2VkIGZvcmdlZCBmb3JnZWQ=",
        &order(),
    );
    let booked = (0..100).find_map(|_| {
        let shown = place.run(&["orders", "show", "10042", "--json"]);
        (shown.code == 0).then(|| shown.json())
    });
    end(server);

    for answer in [ping, sale, wrong] {
        assert!(answer.works().out.starts_with("200"));
    }
    assert!(forged.fails().out.starts_with("401"));
    let booked = booked.expect("the order is in the books");
    assert_eq!(
        booked["orders"][0]["order"]["document"], "invoice",
        "{booked}"
    );
    let unreadable = place.json(&["deliveries", "list", "--verdict", "unreadable"]);
    let id = unreadable[0]["id"].to_string();
    let shown = place.run(&["deliveries", "show", &id]).works().out;
    assert!(
        shown.contains("problem: ")
            && shown.contains("`/data/lines/0/quantity` must be a whole number"),
        "{shown}"
    );
}

#[test]
fn a_made_secret_is_shown_once_and_nowhere_else() {
    let place = place();
    let name = ["--secret", "store_id=shop.example.com"];
    let args = [&["channel", "add", "standard_webhooks"][..], &name[..]].concat();

    let first = place.run(&args).works().out;
    let again = place.run(&args).works().out;
    let shown = place.run(&["channel", "show", "1", "--json"]).works().out;
    let text = place.run(&["channel", "show", "1"]).works().out;
    let listed = place.run(&["channel", "list", "--json"]).works().out;

    let secret = first
        .split_whitespace()
        .find(|word| word.starts_with("whsec_"));
    let secret = secret.unwrap_or_else(|| panic!("{first}"));
    assert_eq!(first.matches(secret).count(), 1, "{first}");
    assert!(
        first.contains("http://127.0.0.1:8080/webhooks/standard_webhooks/"),
        "{first}"
    );
    for later in [again, shown, text.clone(), listed] {
        assert!(!later.contains("whsec_"), "{later}");
    }
    assert!(text.contains("it lives by its webhooks"), "{text}");
}

#[test]
fn what_a_store_without_an_api_cannot_be_asked_is_said() {
    let place = place();
    connect(&place);

    let test = place.run(&["channel", "test", "1"]).works().out;
    let scan = place.run(&["scan", "1"]).works().out;
    let download = place.run(&["orders", "download", "1"]).works().out;
    let unknown = place
        .run(&["orders", "download", "1", "--numbers", "7"])
        .fails();
    let schedules = place.json(&["schedule", "list"]);

    for said in [test, scan, download] {
        assert!(said.contains("no API"), "{said}");
    }
    assert!(
        unknown.out.contains("no webhook has carried order 7"),
        "{}",
        unknown.out
    );
    assert_eq!(schedules, json!([]));
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let place = place();
    let add = |args: &[&str]| {
        let all = [&["channel", "add", "standard_webhooks"][..], args].concat();
        place.run(&all).fails().err
    };

    let nothing = add(&[]);
    let without_key = add(&["--url", "https://shop.example.com"]);
    let asymmetric = add(&[
        "--secret",
        "store_id=a",
        "--secret",
        "webhook_secret=whpk_AAAA",
    ]);

    assert!(nothing.contains("--secret store_id=-"), "{nothing}");
    assert!(without_key.contains("--secret api_key=-"), "{without_key}");
    assert!(
        asymmetric.contains("ed25519") && !asymmetric.contains("AAAA"),
        "{asymmetric}"
    );
}

/// Head and body of an answer.
fn get(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
#[cfg(unix)]
fn the_guide_is_served_as_a_page_that_needs_nothing_from_elsewhere() {
    let place = place();
    let (server, address) = serve(&place);

    let page = get(&address, "/guide/custom-store");
    let style = get(&address, "/assets/guide.css");
    let unknown = get(&address, "/guide/shoes");
    end(server);

    assert!(
        page.starts_with("HTTP/1.0 200") || page.starts_with("HTTP/1.1 200"),
        "{page}"
    );
    assert!(page.contains("<h2 id=\"signing\">Signing</h2>"), "{page}");
    assert!(page.contains("width=device-width") && page.contains("<div class=\"scroll\"><table>"));
    assert!(!page.contains("<script") && !page.contains("style=\""));
    assert!(style.contains("text/css"), "{style}");
    assert!(unknown.contains(" 404 "), "{unknown}");
}

#[test]
fn the_guide_is_printed_as_it_was_written() {
    let place = Place::new();

    let printed = place.run(&["guide", "custom-store"]).works().out;
    let listed = place.run(&["guide"]).works().out;
    let unknown = place.run(&["guide", "shoes"]).fails().err;

    let written = include_str!("../../../src/web/guide/custom_store.md");
    assert_eq!(printed.trim_end(), written.trim_end());
    assert!(listed.contains("custom-store"), "{listed}");
    assert!(unknown.contains("lists them"), "{unknown}");
}
