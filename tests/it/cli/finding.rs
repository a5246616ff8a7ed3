//! The one search box and the sync log, as people call them.

use super::{Place, shops::Town};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_order_is_found_asked_for_and_mended_by_one_search() {
    for town in Town::every().await.into_iter().take(3) {
        town.connect();
        let number = town.orders();

        let absent = town.place.run(&["find", &number]).fails().out;
        let asked = town.place.run(&["find", &number, "--ask", "--brief"]);
        let asked = asked.fails().out;
        let mended = town.place.run(&["find", &number, "--mend"]).works().out;
        let found = town.place.json(&["find", &number]);
        let both = town.place.run(&["find", &number, "nothing-of-it"]);
        let both = both.fails().out;

        assert!(absent.contains("nothing has ever named it"), "{absent}");
        let command = format!("marketsink orders download 1 --numbers {number}");
        assert!(absent.contains(&command), "{absent}");
        assert!(asked.contains("says: new: not in the books"), "{asked}");
        assert!(mended.starts_with("done: order "), "{mended}");
        assert!(mended.contains("it is in the books"), "{mended}");
        assert!(mended.contains("create invoice by download"), "{mended}");
        let trace = &found["found"][0]["traces"][0];
        assert_eq!(trace["subject"]["remote_id"], json!(number), "{found}");
        assert!(trace["order"]["invoice_number"].is_string(), "{found}");
        assert!(
            both.contains("order nothing-of-it: nothing has ever named it"),
            "{both}"
        );
        // Its lines' SKUs are not known: the step is taken, and nothing is missing.
        let rows = town.place.json(&["sync-log", "--step", "create_invoice"]);
        assert_eq!(rows["rows"][0]["success"], 1, "{rows}");
        let sheet = town.place.run(&["sync-log", "orders", "--csv"]).works().out;
        assert!(
            sheet.starts_with("day,channel,channel_name,order,"),
            "{sheet}"
        );
        assert!(sheet.contains(&number), "{sheet}");
    }
}

#[test]
fn what_cannot_be_asked_for_is_refused_with_what_can() {
    let place = Place::new();
    place
        .run(&["stock", "set", "--sku", "MUG-1", "--units", "3"])
        .works();

    let sku = place.run(&["find", "mug-1", "MUG-1"]);
    let nowhere = place.run(&["find", "1042"]).fails().out;
    let step = place.run(&["sync-log", "--step", "dance"]);
    let days = place.run(&["sync-log", "--from", "2026-11-08", "--to", "2026-11-01"]);

    assert!(sku.out.contains("SKU MUG-1"), "{sku:?}");
    assert!(nowhere.contains("no shop is connected"), "{nowhere}");
    assert_eq!(step.code, 2);
    assert!(step.err.contains("create_invoice"), "{}", step.err);
    assert!(days.fails().err.contains("2026-11-08 is after 2026-11-01"));
}
