//! Views, links, SKUs made of listings, and drift, on the command line.

use super::shops::Town;
use marketsink::clock::Clock;
use serde_json::Value;

/// A formula, as a seller may call a product.
const FORMULA: &str = "=HYPERLINK(\"http://example.com\")";

/// A connected shop whose catalogue was read, with a listing that has no seller SKU and a formula for a title.
async fn a_scanned_shop() -> (Town, String) {
    let town = Town::every().await.remove(0);
    let now = Clock::system().now();
    town.shop.with(|shop| {
        shop.add_product(FORMULA, &[("", None, 900_000, 3)], now);
    });
    town.connect();
    let channel = "1".to_owned();
    town.place.run(&["scan", &channel]).works();
    (town, channel)
}

fn rows(answer: &Value) -> &Vec<Value> {
    answer["rows"].as_array().expect("a page has rows")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_is_downloaded_and_looked_through() {
    let (town, channel) = a_scanned_shop().await;
    let place = &town.place;

    let unlinked = place.json(&["listings", "not-in-pos", &channel, "--limit", "2"]);
    let file = place.run(&["listings", "not-in-pos", "--csv"]).works().out;
    let made = place.json(&[
        "listings",
        "create-skus",
        &channel,
        "--all",
        "--opening-stock",
    ]);
    let sold = place.json(&["listings", "sold-in-channel", &channel]);
    let statistic = place.json(&["listings", "statistic"]);
    let text = place.run(&["listings", "statistic"]).works().out;
    let multiple = place.run(&["listings", "multiple"]).works().out;

    let total = unlinked["total"].as_u64().unwrap();
    assert_eq!(rows(&unlinked).len(), 2);
    assert!(unlinked["next"].is_string());
    assert_eq!(file.lines().count() as u64, total + 1, "{file}");
    assert!(file.contains("\"'=HYPERLINK("), "{file}");
    let n_made = made["made"].as_array().unwrap().len() as u64;
    assert_eq!(made["skipped"][0]["reason"], "no_seller_sku");
    assert!(made["made"][0]["opening"].is_number(), "{made}");
    assert_eq!(sold["total"], n_made);
    let counts = &rows(&statistic)[0];
    assert_eq!(counts["not_in_channel"], 0);
    assert_eq!(counts["skus"], n_made);
    assert!(
        text.contains("not in channel") && text.contains("full"),
        "{text}"
    );
    assert!(multiple.contains("no channel lists"), "{multiple}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_channel_lacks_is_a_file_that_is_safe_to_open() {
    let (town, channel) = a_scanned_shop().await;
    let place = &town.place;
    for code in ["=1+1", "HAT"] {
        place
            .run(&["stock", "set", "--sku", code, "--units", "4"])
            .works();
    }
    place
        .run(&[
            "stock",
            "price",
            "--sku",
            "HAT",
            "19.98",
            "--currency",
            "USD",
        ])
        .works();

    let args = [
        "listings",
        "missing-in",
        &channel,
        "--csv",
        "--output",
        "f.csv",
    ];
    let said = place.run(&args).works().out;
    let file = std::fs::read_to_string(place.path().join("f.csv")).unwrap();
    let shown = place.json(&["listings", "missing-in", &channel]);

    assert!(said.contains("2 SKUs are in f.csv"), "{said}");
    assert_eq!(
        file,
        "seller_sku,name,quantity,price,currency\n'=1+1,'=1+1,4,,\nHAT,HAT,4,19.98,USD\n"
    );
    assert_eq!(shown.as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_are_linked_and_unlinked_by_hand_and_drift_tells_why() {
    let (town, channel) = a_scanned_shop().await;
    let place = &town.place;
    place
        .run(&["stock", "set", "--sku", "GIFT", "--units", "9"])
        .works();
    let found = place.json(&["listings", "not-in-pos", &channel, "--search", "hyperlink"]);
    let listing = rows(&found)[0]["id"].to_string();

    let linked = place.json(&["listings", "link", &listing, "--sku", "GIFT"]);
    let drift = place.json(&["drift", &channel, "--class", "in_flight"]);
    let told = place
        .run(&["drift", &channel, "--timeline", "--search", "gift"])
        .works();
    let file = place
        .run(&["drift", "--csv", "--class", "in_flight"])
        .works();
    let unlinked = place.json(&["listings", "unlink", &listing]);
    let suggested = place.run(&["listings", "suggest"]).works();

    assert_eq!(linked["before"], Value::Null);
    assert_eq!(linked["pushes_enqueued"], 1);
    let row = &rows(&drift)[0];
    assert_eq!((&row["ours"], &row["shown"]), (&9.into(), &3.into()));
    assert!(told.out.contains("linked by hand"), "{}", told.out);
    assert!(file.out.contains("'=HYPERLINK"), "{}", file.out);
    assert_eq!(unlinked["before"], "GIFT");
    assert!(suggested.out.contains("no listing"), "{}", suggested.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_linked_is_said_with_what_to_do() {
    let (town, channel) = a_scanned_shop().await;
    let place = &town.place;
    place
        .run(&["stock", "set", "--sku", "GIFT", "--units", "9"])
        .works();

    let no_sku = place
        .run(&["listings", "link", "1", "--sku", "HAT"])
        .fails();
    let no_listing = place
        .run(&["listings", "link", "99999", "--sku", "GIFT"])
        .fails();
    let no_channel = place.run(&["drift", "77"]).fails();
    let no_class = place.run(&["drift", &channel, "--class", "odd"]);
    let no_place = place
        .run(&["listings", "multiple", "--after", "here"])
        .fails();

    assert!(no_sku.err.contains("stock set --sku HAT"), "{}", no_sku.err);
    assert!(no_listing.err.contains("not-in-pos"), "{}", no_listing.err);
    assert!(
        no_channel.err.contains("channel list"),
        "{}",
        no_channel.err
    );
    assert_eq!(no_class.code, 2);
    assert!(no_class.err.contains("failed_push"), "{}", no_class.err);
    assert!(no_place.err.contains("next"), "{}", no_place.err);
}
