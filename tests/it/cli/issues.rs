//! Issues and retention, by hand.

use super::Place;
use marketsink::db::{DatabaseOptions, Db};
use sea_orm::ConnectionTrait;
use serde_json::json;

/// A merchant with a conflict, written past the program.
async fn a_place_with_a_conflict() -> Place {
    let place = Place::new();
    let make = ["stock", "set", "--sku", "MUG", "--units", "2"];
    place.run(&make).works();
    let options = DatabaseOptions {
        url: format!("sqlite:{}", place.path().join("books.db").display()),
        connections: 1,
        allow_undurable: true,
    };
    let db = Db::connect(&options).await.expect("it opens");
    let tx = db.write_tx().await.expect("it writes");
    tx.execute_unprepared(
        "insert into conflicts (merchant_id, kind, subject, order_id, detail, facts, state, raised_at) \
         values (1, 'total_differs', 'order:1', 1, '=the totals differ', '{}', 'open', 1795400400000000)",
    )
    .await
    .expect("it is written");
    tx.commit().await.expect("it is kept");
    db.close().await.expect("it closes");
    place
}

#[tokio::test]
async fn an_issue_is_found_listed_shown_and_muted_with_a_reason() {
    let place = a_place_with_a_conflict().await;

    let checked = place.json(&["issues", "check"]);
    let listed = place.run(&["issues", "list"]).works().out;
    let shown = place.run(&["issues", "show", "1"]).works().out;
    let csv = place.run(&["issues", "list", "--csv"]).works().out;
    let doctor = place.run(&["doctor"]).out;

    assert_eq!(checked["looked"]["opened"], json!(1), "{checked}");
    assert_eq!(checked["issues"][0]["cause"], json!("open_conflict"));
    assert!(
        listed.contains("marketsink conflicts list --kind total_differs"),
        "{listed}"
    );
    assert!(shown.contains("conflict 1: =the totals differ"), "{shown}");
    assert!(csv.starts_with("id,state,channel,cause"), "{csv}");
    assert!(doctor.contains("issue 1 (open_conflict)"), "{doctor}");
    let silent = place.run(&["issues", "mute", "1", "--by", "ani"]).fails();
    assert!(silent.err.contains("--why"), "{silent:?}");
    let mute = ["issues", "mute", "1", "--by", "ani", "--why", "known"];
    place.run(&mute).works();
    assert_eq!(place.json(&["issues", "list"]), json!([]));
    place.run(&["issues", "unmute", "1", "--by", "ani"]).works();
    let listed = place.json(&["issues", "list", "--cause", "open_conflict"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    let unknown = place.run(&["issues", "show", "7"]).fails();
    assert!(unknown.err.contains("issues list --all"), "{unknown:?}");
}

#[test]
fn the_rules_of_retention_are_shown_and_run_with_a_dry_run_first() {
    let place = Place::new().with("MARKETSINK_RETENTION_NOTICES_DAYS", "0");

    let rules = place.json(&["retention", "show"]);
    let dry = place.json(&["retention", "run", "--dry-run"]);
    let run = place.run(&["retention", "run", "--by", "ani"]).works().out;
    let after = place.json(&["retention", "show"]);

    let rule = |rules: &serde_json::Value, table: &str| {
        let all = rules.as_array().expect("a list").clone();
        let mut all = all.into_iter();
        all.find(|rule| rule["table"] == table)
            .unwrap_or_else(|| panic!("{table}"))
    };
    assert_eq!(rule(&rules, "deliveries")["days"], json!(90));
    assert_eq!(rule(&rules, "notices")["days"], json!(0));
    assert!(rules.to_string().contains("pending event"), "{rules}");
    for books in ["orders", "order_lines", "movements", "returns", "audit"] {
        assert!(
            !rules
                .to_string()
                .contains(&format!("\"table\":\"{books}\""))
        );
    }
    assert_eq!(dry["dry_run"], json!(true));
    assert!(run.contains("nothing went"), "{run}");
    assert!(
        rule(&after, "deliveries")["last_run_at"].is_string(),
        "{after}"
    );
    assert!(rule(&after, "notices")["last_run_at"].is_null());
}
