//! Changes of clocks: a table of cases, and a comparison with another evaluator.

use super::{fires, utc};
use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::{
    Africa::Cairo,
    America::{New_York, Santiago},
    Asia::Jakarta,
    Australia::Lord_Howe,
    Europe::Berlin,
    Tz,
};
use croner::Cron;
use marketsink::{domain::Timestamp, schedule::Expression};
use proptest::prelude::*;
use std::{str::FromStr, sync::LazyLock};

const ZONES: [Tz; 6] = [New_York, Berlin, Cairo, Santiago, Lord_Howe, Jakarta];

/// New York, 8 March 2026: 02:00 to 03:00 do not exist.
const BEFORE_GAP: &str = "2026-03-08T05:30:00Z";
/// New York, 1 November 2026, 00:30: 01:00 to 02:00 come twice.
const BEFORE_FOLD: &str = "2026-11-01T04:30:00Z";

#[test]
fn a_fixed_time_in_the_gap_fires_at_the_first_minute_after_it() {
    assert_eq!(
        fires("30 2 * * *", New_York, BEFORE_GAP, 2),
        ["03-08 03:00 -04:00", "03-09 02:30 -04:00"]
    );
}

#[test]
fn all_fixed_times_in_one_gap_fire_once() {
    assert_eq!(
        fires("0,15,30 2,3 * * *", New_York, BEFORE_GAP, 4),
        [
            "03-08 03:00 -04:00",
            "03-08 03:15 -04:00",
            "03-08 03:30 -04:00",
            "03-09 02:00 -04:00"
        ]
    );
}

#[test]
fn hourly_work_skips_the_hour_that_does_not_exist() {
    assert_eq!(
        fires("30 * * * *", New_York, BEFORE_GAP, 3),
        [
            "03-08 01:30 -05:00",
            "03-08 03:30 -04:00",
            "03-08 04:30 -04:00"
        ]
    );
}

#[test]
fn a_fixed_time_in_the_fold_fires_once() {
    assert_eq!(
        fires("30 1 * * *", New_York, BEFORE_FOLD, 2),
        ["11-01 01:30 -04:00", "11-02 01:30 -05:00"]
    );
}

#[test]
fn hourly_work_runs_in_both_passes_of_the_fold() {
    assert_eq!(
        fires("0 * * * *", New_York, BEFORE_FOLD, 4),
        [
            "11-01 01:00 -04:00",
            "11-01 01:00 -05:00",
            "11-01 02:00 -05:00",
            "11-01 03:00 -05:00"
        ]
    );
}

#[test]
fn work_every_half_hour_runs_in_order_through_the_fold() {
    assert_eq!(
        fires("*/30 * * * *", New_York, BEFORE_FOLD, 6),
        [
            "11-01 01:00 -04:00",
            "11-01 01:30 -04:00",
            "11-01 01:00 -05:00",
            "11-01 01:30 -05:00",
            "11-01 02:00 -05:00",
            "11-01 02:30 -05:00"
        ]
    );
}

#[test]
fn asking_within_the_fold_answers_the_same() {
    let second_pass = "2026-11-01T06:10:00Z";

    assert_eq!(
        fires("*/30 * * * *", New_York, second_pass, 1),
        ["11-01 01:30 -05:00"]
    );
    assert_eq!(
        fires("30 1 * * *", New_York, second_pass, 1),
        ["11-02 01:30 -05:00"]
    );
}

#[test]
fn midnight_that_does_not_exist_fires_at_one() {
    // Cairo, 24 April 2026: clocks go from 00:00 to 01:00.
    assert_eq!(
        fires("@daily", Cairo, "2026-04-23T12:00:00Z", 2),
        ["04-24 01:00 +03:00", "04-25 00:00 +03:00"]
    );
}

#[test]
fn a_change_by_half_an_hour_is_followed() {
    // Lord Howe Island, 4 October 2026: 02:00 to 02:30 do not exist; 5 April 2026: 01:30 to 02:00 come twice.
    assert_eq!(
        fires("15 2 * * *", Lord_Howe, "2026-10-03T12:00:00Z", 2),
        ["10-04 02:30 +11:00", "10-05 02:15 +11:00"]
    );
    assert_eq!(
        fires("*/15 * * * *", Lord_Howe, "2026-04-04T14:35:00Z", 4),
        [
            "04-05 01:45 +11:00",
            "04-05 01:30 +10:30",
            "04-05 01:45 +10:30",
            "04-05 02:00 +10:30"
        ]
    );
}

#[test]
fn a_day_that_a_zone_left_out_is_made_up_for_at_its_end() {
    // Samoa went from 29 to 31 December 2011.
    assert_eq!(
        fires(
            "0 12 * * *",
            chrono_tz::Pacific::Apia,
            "2011-12-30T01:00:00Z",
            3
        ),
        [
            "12-31 00:00 +14:00",
            "12-31 12:00 +14:00",
            "01-01 12:00 +14:00"
        ]
    );
}

#[test]
fn every_day_of_five_years_has_its_fire() {
    for zone in ZONES {
        let expression = super::expression("30 2 * * *");
        let (mut at, end) = (utc("2026-01-01T12:00:00Z"), utc("2031-01-01T12:00:00Z"));
        let mut days = 0;
        while let Some(next) = expression.next_after(at, zone).filter(|next| *next < end) {
            assert!(next > at);
            at = next;
            days += 1;
        }
        assert_eq!(days, 5 * 365 + 1, "{zone}: 2028 is a leap year");
    }
}

/// Hours within which clocks change, 2024 to 2031, per zone.
static CHANGES: LazyLock<Vec<Vec<i64>>> = LazyLock::new(|| {
    let (from, to) = (1_704_067_200, 1_924_992_000);
    let offset = |zone: &Tz, at: i64| {
        let at = DateTime::<Utc>::from_timestamp(at, 0).expect("a time of this century");
        zone.offset_from_utc_datetime(&at.naive_utc()).fix()
    };
    let changes = |zone: &Tz| {
        (from..to)
            .step_by(3_600)
            .filter(|at| offset(zone, *at) != offset(zone, at + 3_600))
            .collect()
    };
    ZONES.iter().map(changes).collect()
});

/// A zone, and a start that is near a change of its clocks if it has any.
fn zone_and_start() -> impl Strategy<Value = (Tz, Timestamp)> {
    let around = 0..4 * 24 * 3_600_i64;
    (0..ZONES.len(), any::<prop::sample::Index>(), around).prop_map(|(zone, change, offset)| {
        let changes = &CHANGES[zone];
        let near = match changes.len() {
            0 => 1_795_400_400,
            n => changes[change.index(n)],
        };
        let start = Timestamp::from_secs(near - 3 * 24 * 3_600 + offset);
        (ZONES[zone], start)
    })
}

/// Minute and hour in the two forms that both evaluators take for the same: one fixed time of day, or a
/// wildcard hour. The other calls several fixed times (`0,30 1 * * *`, `0 1-3 * * *`) an interval, which it
/// runs twice in a fold and leaves out in a gap; we go by the hours alone, as the table in `expression.rs` says.
fn time_of_day() -> impl Strategy<Value = String> {
    let minute = prop_oneof![
        (0..60).prop_map(|minute: i32| minute.to_string()),
        prop_oneof![Just(5), Just(7), Just(15), Just(30)].prop_map(|step| format!("*/{step}")),
        (0..30, 30..60).prop_map(|(from, to)| format!("{from}-{to}/10")),
        (0..30, 30..60).prop_map(|(one, other)| format!("{one},{other}")),
        Just("*".to_owned()),
    ];
    let hour = prop_oneof![
        Just("*".to_owned()),
        (2..7).prop_map(|step| format!("*/{step}"))
    ];
    prop_oneof![
        (0..60, 0..5).prop_map(|(minute, hour)| format!("{minute} {hour}")),
        (0..60, 0..24).prop_map(|(minute, hour)| format!("{minute} {hour}")),
        (minute, hour).prop_map(|(minute, hour)| format!("{minute} {hour}")),
    ]
}

fn days() -> impl Strategy<Value = String> {
    let day = prop_oneof![
        4 => Just("*".to_owned()),
        1 => (1..29).prop_map(|day: i32| day.to_string()),
        1 => (1..10, 20..32).prop_map(|(from, to)| format!("{from}-{to}")),
    ];
    let month = prop_oneof![
        4 => Just("*".to_owned()),
        1 => (1..7, 7..13).prop_map(|(from, to)| format!("{from}-{to}")),
        1 => Just("mar,apr,oct,nov".to_owned()),
    ];
    let weekday = prop_oneof![
        4 => Just("*".to_owned()),
        1 => (0..8).prop_map(|day: i32| day.to_string()),
        1 => Just("1-5".to_owned()),
        1 => Just("5-7".to_owned()),
        1 => Just("sun,wed".to_owned()),
    ];
    (day, month, weekday).prop_map(|(day, month, weekday)| format!("{day} {month} {weekday}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn another_evaluator_agrees_over_gaps_and_folds(
        time in time_of_day(), days in days(), (zone, start) in zone_and_start()
    ) {
        let text = format!("{time} {days}");
        let ours = Expression::from_str(&text).expect("it is understood");
        let theirs = Cron::from_str(&text).expect("the other understands it too");

        let mut at = start;
        let mut their_at = start.to_utc().with_timezone(&zone);
        for _ in 0..40 {
            at = ours.next_after(at, zone).expect("it fires again");
            their_at = theirs.find_next_occurrence(&their_at, false).expect("it fires again");
            let their: Timestamp = their_at.with_timezone(&Utc).into();
            prop_assert_eq!(at.to_string(), their.to_string(), "{} in {}", text, zone);
        }
    }

    #[test]
    fn fires_never_go_back(
        time in time_of_day(), days in days(), (zone, start) in zone_and_start()
    ) {
        let expression = Expression::from_str(&format!("{time} {days}")).expect("it is understood");
        let first = expression.next_after(start, zone).expect("it fires");

        let just_before = Timestamp::from_micros(first.micros() - 1);

        prop_assert!(first > start);
        prop_assert_eq!(expression.next_after(just_before, zone), Some(first));
        prop_assert!(expression.next_after(first, zone).expect("it fires again") > first);
    }
}
