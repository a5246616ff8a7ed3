//! Counting stock.

use super::Place;
use serde_json::json;

#[test]
fn a_level_is_set_by_what_was_counted_and_shown() {
    let place = Place::new();

    let first = place.json(&[
        "stock", "set", "--sku", "MUG", "--units", "12", "--name", "Mug",
    ]);
    let second = place.json(&["stock", "set", "--sku", "MUG", "--units", "9"]);
    let shown = place.json(&["stock", "show"]);

    assert_eq!(
        (&first["is_new"], &first["difference"]),
        (&json!(true), &json!(12))
    );
    assert_eq!(
        (&second["is_new"], &second["difference"]),
        (&json!(false), &json!(-3))
    );
    let mug = json!([{
        "sku": "MUG", "name": "Mug", "outlet": "Main", "on_hand": 9, "allocated": 0, "reserved": 0,
        "available": 9,
    }]);
    assert_eq!(shown, mug);
}

#[test]
fn outlets_are_counted_apart() {
    let place = Place::new();
    place
        .run(&["stock", "set", "--sku", "MUG", "--units", "2"])
        .works();
    place
        .run(&[
            "stock", "set", "--sku", "MUG", "--units", "5", "--outlet", "Bandung",
        ])
        .works();

    let shown = place.run(&["stock", "show", "--sku", "MUG"]).works().out;

    let levels: Vec<Vec<&str>> = shown
        .lines()
        .filter(|line| line.starts_with("MUG"))
        .map(|line| line.split_whitespace().take(3).collect())
        .collect();
    assert_eq!(levels, [["MUG", "Main", "2"], ["MUG", "Bandung", "5"]]);
}

#[test]
fn a_sku_that_is_not_known_is_told_how_to_make_it() {
    let place = Place::new();
    place
        .run(&["stock", "set", "--sku", "MUG", "--units", "2"])
        .works();

    let answer = place.run(&["stock", "show", "--sku", "CUP"]).fails();

    assert!(answer.err.contains("stock set --sku CUP"), "{}", answer.err);
}

#[test]
fn a_negative_count_is_not_understood() {
    let place = Place::new();

    let answer = place.run(&["stock", "set", "--sku", "MUG", "--units=-1"]);

    assert_eq!(answer.code, 2, "{answer:?}");
}
