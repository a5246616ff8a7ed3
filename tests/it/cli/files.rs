//! Files in and out: imports, exports, reports, invoice numbers.

use super::Place;
use serde_json::json;

const SKUS: &str =
    "Code,Name,OpeningStock,Cost,Price\nMUG,Mug,10,21000,55000\n\"=1+1\",Formula,2,,\n";

#[test]
fn a_file_is_looked_through_then_taken_once() {
    let place = Place::new();
    place.file("skus.csv", SKUS);
    let ask = ["import", "skus", "skus.csv", "--currency", "IDR"];

    let first = place.run(&[&ask[..], &["--apply", "--by", "Sari"]].concat());
    let look = place.run(&ask).works();
    let again = place.json(&[&ask[..], &["--apply"]].concat());
    let listed = place.json(&["import", "list"]);

    let first = first.works().out;
    assert!(
        first.contains("2 rows: 2 new") && first.contains("as import 1"),
        "{first}"
    );
    assert!(
        look.out.contains("2 as they are in the books"),
        "{}",
        look.out
    );
    assert_eq!(again["applied"], json!(false));
    assert_eq!(again["outcome"]["taken_before"], json!(1));
    assert_eq!(listed[0]["by_name"], json!("Sari"));
    place.run(&["import", "show", "1"]).works();
}

#[test]
fn a_wrong_row_is_told_with_its_line_and_nothing_is_taken() {
    let place = Place::new();
    place.file("skus.csv", SKUS);
    place
        .run(&["import", "skus", "skus.csv", "--currency", "IDR", "--apply"])
        .works();
    place.file("counts.csv", "Code,Units\nMUG,many\nCUP,3\n");

    let answer = place
        .run(&["import", "counts", "counts.csv", "--apply"])
        .fails();

    assert!(answer.out.contains("2     Units   many"), "{}", answer.out);
    assert!(answer.out.contains("nothing is taken"), "{}", answer.out);
    let shown = place.json(&["stock", "show", "--sku", "MUG"]);
    assert_eq!(shown["levels"][0]["on_hand"], json!(10));
}

#[test]
fn a_template_is_a_file_that_is_understood() {
    let place = Place::new();
    place
        .run(&["stock", "set", "--sku", "MUG-01", "--units", "1"])
        .works();
    for kind in ["skus", "counts"] {
        let template = place.run(&["import", "template", kind]).works().out;
        place.file("template.csv", template);
        place.run(&["import", kind, "template.csv"]).works();
    }
    let invoices = place.run(&["import", "template", "invoices"]).works().out;
    assert!(invoices.starts_with("Number,Outlet,Date,DueDate,SalesPerson,Customer,"));
}

#[test]
fn an_export_is_harmless_in_a_spreadsheet_and_whole_as_json() {
    let place = Place::new();
    place.file("skus.csv", SKUS);
    place
        .run(&["import", "skus", "skus.csv", "--currency", "IDR", "--apply"])
        .works();

    let csv = place.run(&["export", "skus"]).works().out;
    let json = place.json(&["export", "levels"]);
    let columns = place.run(&["export", "skus", "--columns"]).works().out;

    assert!(csv.contains("\n1,'=1+1,Formula,"), "{csv}");
    assert_eq!(
        csv.lines().next().unwrap().replace(',', "\n"),
        columns.trim()
    );
    assert_eq!(json[1]["sku"], json!("MUG"));
    assert_eq!(json[1]["on_hand"], json!(10));
    assert_eq!(place.json(&["export", "orders"]), json!([]));
}

#[test]
fn reports_answer_as_text_csv_and_json() {
    let place = Place::new();
    place.file("skus.csv", SKUS);
    place
        .run(&["import", "skus", "skus.csv", "--currency", "IDR", "--apply"])
        .works();

    let worth = place.run(&["report", "valuation"]).works().out;
    let csv = place.run(&["report", "valuation", "--csv"]).works().out;
    let sales = place.json(&["report", "sales", "--by", "sku", "--from", "2026-11-01"]);
    let heading = place.run(&["report", "sales", "--csv"]).works().out;
    place.run(&["report", "check"]).works();

    assert!(
        worth.contains("at what it cost: 210000.00 IDR (2 units have no amount)"),
        "{worth}"
    );
    assert!(
        csv.contains("MUG,Mug,Main,10,0,21000.00,210000.00,IDR,55000.00,"),
        "{csv}"
    );
    assert_eq!((&sales["by"], &sales["rows"]), (&json!("sku"), &json!([])));
    assert!(heading.starts_with("day,currency,orders,"), "{heading}");
}

#[test]
fn numbers_are_shown_changed_and_checked() {
    let place = Place::new();
    place
        .run(&["stock", "set", "--sku", "MUG", "--units", "1"])
        .works();

    place
        .run(&["numbers", "format", "{outlet}-{yy}{mm}-{seq:4}"])
        .works();
    place.run(&["numbers", "code", "Main", "hq"]).works();
    let shown = place.json(&["numbers", "show"]);
    let refused = place.run(&["numbers", "format", "INV{seq}"]).fails();
    place.run(&["numbers", "format", "--usual"]).works();
    place.run(&["numbers", "check"]).works();

    let next = shown[0]["next"].as_str().unwrap();
    assert!(next.starts_with("HQ-") && next.ends_with("-0001"), "{next}");
    assert_eq!(shown[0]["reset"], json!("monthly"));
    assert!(refused.err.contains("before {seq}"), "{}", refused.err);
}
