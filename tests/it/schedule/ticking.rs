//! The pure tick: due or not, and what was missed.

use super::{expression, utc};
use chrono_tz::Asia::Jakarta;
use marketsink::{
    domain::Timestamp,
    schedule::{CatchUp, Entry, Fire, MOST_CAUGHT_UP, due_fires},
};
use proptest::prelude::*;
use std::time::Duration;

fn entry(text: &str, last_fire_at: &str) -> Entry {
    Entry {
        id: 1,
        expression: expression(text),
        zone: Jakarta,
        last_fire_at: utc(last_fire_at),
        delay: Duration::ZERO,
        catch_up: CatchUp::One,
    }
}

fn due(text: &str, last_fire_at: &str, now: &str) -> Option<(Timestamp, i64)> {
    let fires = due_fires(&[entry(text, last_fire_at)], utc(now));
    fires.first().map(|fire| (fire.fire_at, fire.missed))
}

#[test]
fn a_schedule_is_due_from_its_time_on() {
    let last = "2026-11-22T20:00:00Z";
    let time = "2026-11-23T20:00:00Z";

    assert_eq!(due("0 3 * * *", last, "2026-11-23T19:59:59Z"), None);
    assert_eq!(due("0 3 * * *", last, time), Some((utc(time), 0)));
    assert_eq!(due("0 3 * * *", time, time), None);
}

#[test]
fn missed_fires_collapse_into_the_latest() {
    let fire = due("0 * * * *", "2026-11-23T00:00:00Z", "2026-11-23T06:20:00Z");

    assert_eq!(fire, Some((utc("2026-11-23T06:00:00Z"), 5)));
}

#[test]
fn a_monthly_fire_missed_long_ago_is_made_up_for() {
    let fire = due("0 7 1 * *", "2026-10-02T00:00:00Z", "2026-11-23T00:00:00Z");

    assert_eq!(fire, Some((utc("2026-11-01T00:00:00Z"), 0)));
}

#[test]
fn a_year_of_minutes_is_not_walked_through() {
    let fire = due("* * * * *", "2025-11-23T00:00:00Z", "2026-11-23T00:00:30Z");

    assert_eq!(fire, Some((utc("2026-11-23T00:00:00Z"), 1_000)));
}

#[test]
fn a_clock_that_went_back_fires_nothing() {
    assert_eq!(
        due("* * * * *", "2026-11-23T01:00:00Z", "2026-11-23T00:30:00Z"),
        None
    );
}

#[test]
fn only_due_schedules_fire_and_each_once() {
    let hourly = entry("0 * * * *", "2026-11-23T00:00:00Z");
    let daily = Entry {
        id: 2,
        ..entry("0 12 * * *", "2026-11-23T00:00:00Z")
    };
    let other = Entry {
        id: 3,
        ..hourly.clone()
    };

    let fires = due_fires(&[hourly, daily, other], utc("2026-11-23T01:00:00Z"));

    let fire = |schedule| Fire {
        schedule,
        fire_at: utc("2026-11-23T01:00:00Z"),
        missed: 0,
        is_late: false,
    };
    assert_eq!(fires, [fire(1), fire(3)]);
}

#[test]
fn a_delayed_schedule_fires_later_and_keeps_its_time() {
    let entry = Entry {
        delay: Duration::from_secs(90),
        ..entry("0 * * * *", "2026-11-23T00:30:00Z")
    };
    let due = |now: &str| due_fires(std::slice::from_ref(&entry), utc(now));

    let early = due("2026-11-23T01:01:29Z");
    let fires = due("2026-11-23T01:01:30Z");

    assert!(early.is_empty());
    assert_eq!(fires[0].fire_at, utc("2026-11-23T01:00:00Z"));
    assert!(!fires[0].is_late);
}

#[test]
fn a_fire_that_nobody_served_in_time_is_late() {
    let is_late =
        |now: &str| due_fires(&[entry("0 * * * *", "2026-11-23T00:00:00Z")], utc(now))[0].is_late;

    assert!(!is_late("2026-11-23T01:05:00Z"));
    assert!(is_late("2026-11-23T01:05:01Z"));
}

#[test]
fn catching_up_all_begins_with_the_oldest() {
    let entry = Entry {
        catch_up: CatchUp::All,
        ..entry("0 * * * *", "2026-11-23T00:00:00Z")
    };

    let fires = due_fires(&[entry], utc("2026-11-23T06:20:00Z"));

    assert_eq!(fires[0].fire_at, utc("2026-11-23T01:00:00Z"));
    assert_eq!((fires[0].missed, fires[0].is_late), (0, true));
}

#[test]
fn catching_up_all_ends_at_the_last_few() {
    let entry = Entry {
        catch_up: CatchUp::All,
        ..entry("0 * * * *", "2026-11-20T00:00:00Z")
    };

    let fires = due_fires(&[entry], utc("2026-11-23T00:20:00Z"));

    assert_eq!(fires[0].fire_at, utc("2026-11-22T01:00:00Z"));
    assert_eq!(fires[0].missed, 72 - MOST_CAUGHT_UP as i64);
}

proptest! {
    #[test]
    fn the_latest_fire_and_the_count_are_those_of_a_plain_walk(
        minute in 0..60, every in 1..12, hours in 1..60_i64, offset in 0..3_600_i64
    ) {
        let last = utc("2026-11-23T00:00:00Z");
        let now = Timestamp::from_secs(last.secs() + hours * 3_600 + offset);
        let text = format!("{minute} */{every} * * *");
        let entry = Entry { last_fire_at: last, ..entry(&text, "2026-11-23T00:00:00Z") };

        let mut walked = Vec::new();
        let mut at = last;
        while let Some(next) = entry.expression.next_after(at, Jakarta).filter(|at| *at <= now) {
            walked.push(next);
            at = next;
        }
        let expected = walked.last().map(|at| (*at, walked.len() as i64 - 1));

        let fires = due_fires(&[entry], now);
        prop_assert_eq!(fires.first().map(|fire| (fire.fire_at, fire.missed)), expected);
    }
}
