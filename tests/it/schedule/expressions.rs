//! Reading expressions: what is understood, what is refused, and what the refusal says.

use super::{expression, fires};
use chrono_tz::UTC;
use marketsink::schedule::Expression;
use proptest::prelude::*;
use std::time::Duration;

const MONDAY: &str = "2026-11-23T00:00:00Z";

fn refusal(text: &str) -> String {
    text.parse::<Expression>().expect_err(text).to_string()
}

#[test]
fn five_fields_fire_at_the_minute() {
    assert_eq!(
        fires("30 4 * * *", UTC, MONDAY, 2),
        ["11-23 04:30 +00:00", "11-24 04:30 +00:00"]
    );
}

#[test]
fn nicknames_mean_what_they_say() {
    let cases = [
        ("@hourly", "11-23 01:00 +00:00"),
        ("@daily", "11-24 00:00 +00:00"),
        ("@midnight", "11-24 00:00 +00:00"),
        ("@weekly", "11-29 00:00 +00:00"),
        ("@monthly", "12-01 00:00 +00:00"),
        ("@Yearly", "01-01 00:00 +00:00"),
    ];
    for (nickname, first) in cases {
        assert_eq!(fires(nickname, UTC, MONDAY, 1), [first], "{nickname}");
    }
}

#[test]
fn weekdays_count_from_sunday_by_number_or_name() {
    let sunday = ["11-29 09:00 +00:00"];
    let monday = ["11-23 09:00 +00:00"];
    for weekday in ["0", "7", "sun", "SUNDAY", "Sun"] {
        assert_eq!(fires(&format!("0 9 * * {weekday}"), UTC, MONDAY, 1), sunday);
    }
    for weekday in ["1", "mon", "1-5", "mon-fri", "MON,WED", "*", "?", "1/2"] {
        assert_eq!(fires(&format!("0 9 * * {weekday}"), UTC, MONDAY, 1), monday);
    }
}

#[test]
fn a_range_of_weekdays_may_end_with_sunday() {
    let weekend = [
        "11-28 09:00 +00:00",
        "11-29 09:00 +00:00",
        "12-05 09:00 +00:00",
    ];
    for range in ["6-7", "6-0", "sat-sun", "6,0", "6,7"] {
        assert_eq!(fires(&format!("0 9 * * {range}"), UTC, MONDAY, 3), weekend);
    }
}

#[test]
fn day_of_month_or_weekday_is_enough_when_both_are_given() {
    assert_eq!(
        fires("0 9 25 * mon", UTC, MONDAY, 4),
        [
            "11-23 09:00 +00:00",
            "11-25 09:00 +00:00",
            "11-30 09:00 +00:00",
            "12-07 09:00 +00:00"
        ]
    );
}

#[test]
fn a_leap_day_fires_every_four_years() {
    assert_eq!(
        fires("0 0 29 2 *", UTC, MONDAY, 2),
        ["02-29 00:00 +00:00", "02-29 00:00 +00:00"]
    );
}

#[test]
fn spaces_do_not_matter() {
    assert_eq!(expression("  0   9 * *\t1 ").to_string(), "0 9 * * 1");
}

#[test]
fn the_shortest_interval_is_a_minute_unless_seconds_are_given() {
    let interval = |text| expression(text).shortest_interval();

    assert_eq!(interval("* * * * *"), Duration::from_secs(60));
    assert_eq!(interval("30 * * * * *"), Duration::from_secs(60));
    assert_eq!(interval("*/20 * * * * *"), Duration::from_secs(20));
    assert_eq!(interval("5,50 * * * * *"), Duration::from_secs(15));
    assert_eq!(interval("* * * * * *"), Duration::from_secs(1));
}

#[test]
fn a_refusal_names_the_field_and_what_is_allowed() {
    let cases = [
        ("61 * * * *", "minute", "0 to 59"),
        ("* 24 * * *", "hour", "0 to 23"),
        ("* * 0 * *", "day of month", "1 to 31"),
        ("* * * 13 *", "month", "1 to 12"),
        ("* * * janvier *", "month", "jan to dec"),
        ("* * * * 8", "weekday", "0 to 7"),
        ("* * * * funday", "weekday", "sun to sat"),
        ("* * * * 5-2", "weekday", "smaller first"),
        ("* * * * */0", "weekday", "steps"),
        ("*/0 * * * *", "minute", "steps"),
        ("60 * * * * *", "second", "0 to 59"),
        ("* 5-2 * * *", "hour", "smaller first"),
        ("* * L * *", "day of month", "1 to 31"),
    ];
    for (text, field, allowed) in cases {
        let refusal = refusal(text);
        assert!(refusal.contains(&format!("the {field} `")), "{refusal}");
        assert!(refusal.contains(allowed), "{refusal}");
    }
}

#[test]
fn too_few_or_too_many_fields_are_refused() {
    for text in ["", "   ", "* * * *", "0 * * * * * 2026"] {
        assert!(refusal(text).contains("write five"), "{text}");
    }
}

#[test]
fn an_unknown_nickname_is_refused() {
    assert!(refusal("@reboot").contains("allowed are @hourly"));
}

#[test]
fn an_expression_that_never_fires_is_refused() {
    for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 feb *"] {
        assert!(refusal(text).contains("would never fire"), "{text}");
    }
}

#[test]
fn a_long_expression_is_refused_and_not_repeated() {
    let minutes: Vec<String> = (0..60).map(|minute| minute.to_string()).collect();
    let longest = format!("{} 1 * * *", minutes.join(","));
    assert!(longest.len() <= 200);
    expression(&longest);

    let refusal = refusal(&"1,".repeat(100_000));

    assert_eq!(
        refusal,
        "the expression has 200000 characters; at most 200 are allowed"
    );
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "[-0-9a-zA-Z*/,?@# ]{0,40}|.{0,40}") {
        let _ = text.parse::<Expression>();
    }

    #[test]
    fn five_fields_of_anything_do_not_panic(
        fields in prop::collection::vec("[0-9*?]{1,2}([-,/][0-9*]{1,3}){0,2}", 5..7)
    ) {
        if let Ok(expression) = fields.join(" ").parse::<Expression>() {
            let start = super::utc(MONDAY);
            let next = expression.next_after(start, chrono_tz::Asia::Jakarta);
            prop_assert!(next.is_some_and(|at| at > start));
        }
    }
}
