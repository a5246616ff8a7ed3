//! Completeness and previews by hand, against simulated marketplaces.

use super::shops::Town;
use marketsink::{clock::Clock, domain::Timestamp};
use serde_json::Value;
use std::time::Duration;

fn names_of(preview: &Value, result: &str) -> Vec<String> {
    let parts = preview["parts"].as_array().expect("it has parts");
    let orders = parts
        .iter()
        .filter_map(|part| part["preview"]["orders"].as_array());
    let of = orders.flatten().filter(|order| order["result"] == result);
    of.map(|order| order["remote_id"].as_str().unwrap().to_owned())
        .collect()
}

/// Ten days before and after today.
fn around_today() -> (String, String) {
    let now = Clock::system().now();
    let ten_days = Duration::from_secs(10 * 86_400);
    let day = |at: Timestamp| at.to_utc().date_naive().to_string();
    (day(now - ten_days), day(now + ten_days))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_proved_by_hand_and_kept_as_a_table() {
    for town in Town::every().await {
        town.connect();
        let place = &town.place;
        let never = place.json(&[
            "completeness",
            "list",
            "1",
            "--from",
            "today",
            "--to",
            "today",
        ]);
        assert_eq!(never[0]["state"], "not_proved", "{never}");

        let plan = place.json(&["completeness", "run", "1", "--day", "today", "--plan"]);
        let proved = place.json(&["completeness", "run", "1", "--day", "today"]);

        assert!(plan[0]["plan"]["calls"][0].as_u64() >= Some(1), "{plan}");
        assert_eq!(proved[0]["state"], "complete", "{proved}");
        assert_eq!(proved[0]["counts"]["theirs"], 1, "{proved}");
        let answer = proved[0]["answer"].as_str().unwrap();
        assert!(
            answer.starts_with("complete so far: 1 of 1 orders, "),
            "{answer}"
        );
        assert_eq!(proved[0]["before"]["missing"], 1, "{proved}");
        let shown = place.json(&["completeness", "show", "1", "--day", "today"]);
        assert_eq!(shown["orders"][0]["kind"], "missing", "{shown}");
        assert_eq!(shown["orders"][0]["remote_id"], town.orders(), "{shown}");
        let listed = [
            "completeness",
            "list",
            "--from",
            "today",
            "--to",
            "today",
            "--csv",
        ];
        let csv = place.run(&listed).works().out;
        let mut lines = csv.lines();
        assert!(
            lines.next().unwrap().starts_with("day,channel,name,state,"),
            "{csv}"
        );
        assert!(lines.next().unwrap().contains(",complete,1,"), "{csv}");
        let orders = ["completeness", "show", "1", "--day", "today", "--csv"];
        let csv = place.run(&orders).works().out;
        assert!(
            csv.contains(&town.orders()) && csv.contains(",missing,"),
            "{csv}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_shows_what_is_new_and_leaves_it_to_be_downloaded() {
    for town in Town::every().await {
        town.connect();
        let place = &town.place;
        // A longer window is more calls where lists are asked for half a month at a time.
        let (from, to) = around_today();
        let window = ["--from", &*from, "--to", &*to];
        let preview = [&["orders", "download", "1", "--preview"], &window[..]].concat();
        let placed = [&preview[..], &["--placed"]].concat();

        let new = place.json(&preview);
        let new_by_creation = place.json(&placed);
        let again = place.json(&preview);

        assert_eq!(names_of(&new, "new"), [town.orders()], "{new}");
        assert_eq!(names_of(&new_by_creation, "new"), [town.orders()]);
        assert_eq!(
            names_of(&again, "new"),
            [town.orders()],
            "nothing was written"
        );
        let by_creation = &new_by_creation["parts"][0]["preview"];
        let emulated = !town.shop.marketplace().limits().created_filter;
        assert_eq!(by_creation["emulated"], emulated, "{by_creation}");
        place.file(
            "missing.csv",
            format!("order,total\n{},1\n777777,2\n", town.orders()),
        );
        let file = [
            "orders",
            "download",
            "1",
            "--file",
            "missing.csv",
            "--preview",
        ];
        let by_number = place.json(&file);
        assert_eq!(names_of(&by_number, "new"), [town.orders()], "{by_number}");
        assert_eq!(names_of(&by_number, "not_found"), ["777777"], "{by_number}");
        let download = [&["orders", "download", "1", "--placed"], &window[..]].concat();
        let downloaded = place.json(&download);
        assert_eq!(downloaded["fetched"], 1, "{downloaded}");
        assert_eq!(downloaded["download"]["by_time"], "created", "{downloaded}");
        let same = place.json(&preview);
        assert_eq!(names_of(&same, "same"), [town.orders()], "{same}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_nobody_can_prove_is_not_called_complete() {
    let towns = Town::every().await;
    let town = &towns[0];
    town.connect();
    let place = &town.place;

    let future = place
        .run(&["completeness", "run", "1", "--day", "2099-01-01"])
        .fails();
    let nonsense = place
        .run(&["completeness", "list", "--from", "someday"])
        .fails();
    let unseen = place.run(&["completeness", "show", "1"]).fails();

    assert!(future.err.contains("has not begun"), "{future:?}");
    assert!(nonsense.err.contains("someday"), "{nonsense:?}");
    assert!(
        unseen.err.contains("marketsink completeness run 1"),
        "{unseen:?}"
    );
    // The merchant takes our app back; the next question locks the channel.
    town.shop.with(|shop| {
        shop.secrets.set("access_token", "replaced");
        shop.secrets.set("refresh_token", "replaced");
    });
    let refused = place
        .run(&["completeness", "run", "1", "--day", "today"])
        .fails();
    let listed = place.json(&[
        "completeness",
        "list",
        "1",
        "--from",
        "today",
        "--to",
        "today",
    ]);
    assert!(refused.out.contains("not proved: "), "{refused:?}");
    let answer = listed[0]["answer"].as_str().unwrap();
    assert!(answer.starts_with("not proved: "), "{listed}");
}
