//! When something fires, in words that a merchant reads. Pure.

use super::Expression;
use crate::domain::Timestamp;
use chrono::{Datelike, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;
use std::time::Duration;

/// A week ahead, a weekday says which day.
const BY_WEEKDAY: i64 = 7;

/// `tomorrow at 02:30`, as clocks in `zone` show it.
pub fn in_words(at: Timestamp, now: Timestamp, zone: Tz) -> String {
    let local = at.to_utc().with_timezone(&zone).naive_local();
    let today = now.to_utc().with_timezone(&zone).date_naive();
    let days = (local.date() - today).num_days();
    let day = match days {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        -1 => "yesterday".to_owned(),
        2..BY_WEEKDAY => local.format("on %A").to_string(),
        _ if local.year() == today.year() => local.format("on %A %-d %B").to_string(),
        _ => local.format("on %A %-d %B %Y").to_string(),
    };
    let seconds = if local.second() == 0 {
        "%H:%M"
    } else {
        "%H:%M:%S"
    };
    format!("{day} at {}", local.format(seconds))
}

/// `in 3 h 10 min`, to the two largest units.
pub fn span_in_words(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let parts: [(u64, &str); 4] = [
        (days, if days == 1 { "day" } else { "days" }),
        (hours, "h"),
        (minutes, "min"),
        (seconds % 60, "s"),
    ];
    let told = parts.iter().skip_while(|(n, _)| *n == 0).take(2);
    let told: Vec<String> = told
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    if told.is_empty() {
        "0 s".to_owned()
    } else {
        told.join(" ")
    }
}

/// Why a fire is not when the expression says, or which of two it is; `None` on ordinary days. `at` is the time of
/// the schedule, before its delay.
pub fn change_of_clocks(expression: &Expression, at: Timestamp, zone: Tz) -> Option<String> {
    let clock = at.to_utc().with_timezone(&zone);
    let local = clock.naive_local();
    match zone.from_local_datetime(&local) {
        LocalResult::Ambiguous(first, _) => {
            let which = if first == clock { "first" } else { "second" };
            let time = local.format("%H:%M");
            Some(format!(
                "the {which} {time} of that day, clocks are put back"
            ))
        }
        _ if expression.is_local_time(local) => None,
        _ => gap_before(local, zone).map(|(from, to)| {
            format!(
                "clocks are put forward from {} to {}",
                from.format("%H:%M"),
                to.format("%H:%M")
            )
        }),
    }
}

/// The local time that was left out right before `local`: its beginning, and its end.
fn gap_before(local: NaiveDateTime, zone: Tz) -> Option<(NaiveDateTime, NaiveDateTime)> {
    let exists = |at: NaiveDateTime| !matches!(zone.from_local_datetime(&at), LocalResult::None);
    let back = |minutes: i64| local.checked_sub_signed(TimeDelta::minutes(minutes));
    let longest = 25 * 60;
    let from = (1..=longest).filter_map(back).find(|at| exists(*at))?;
    Some((from + TimeDelta::minutes(1), local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{America::New_York, Asia::Jakarta};

    fn utc(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn days_are_told_as_people_tell_them() {
        // Monday, 09:20 in Jakarta.
        let now = utc("2026-11-23T02:20:00Z");
        let cases = [
            ("2026-11-23T03:00:00Z", "today at 10:00"),
            ("2026-11-23T17:30:00Z", "tomorrow at 00:30"),
            ("2026-11-22T16:59:59Z", "yesterday at 23:59:59"),
            ("2026-11-28T19:30:07Z", "on Sunday at 02:30:07"),
            ("2026-11-29T17:00:00Z", "on Monday 30 November at 00:00"),
            ("2026-12-31T17:00:00Z", "on Friday 1 January 2027 at 00:00"),
        ];
        for (at, words) in cases {
            assert_eq!(in_words(utc(at), now, Jakarta), words);
        }
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3_600, "1 h"),
            (3_605, "1 h"),
            (86_400 + 3_700, "1 day 1 h"),
            (3 * 86_400 + 60, "3 days"),
        ];
        for (seconds, words) in cases {
            assert_eq!(span_in_words(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn what_clocks_do_is_told() {
        let told = |expression: &str, at: &str| {
            let expression: Expression = expression.parse().unwrap();
            change_of_clocks(&expression, utc(at), New_York).unwrap_or_default()
        };

        assert_eq!(
            told("30 2 * * *", "2026-03-08T07:00:00Z"),
            "clocks are put forward from 02:00 to 03:00"
        );
        assert_eq!(
            told("30 1 * * *", "2026-11-01T05:30:00Z"),
            "the first 01:30 of that day, clocks are put back"
        );
        assert_eq!(
            told("30 * * * *", "2026-11-01T06:30:00Z"),
            "the second 01:30 of that day, clocks are put back"
        );
        assert_eq!(told("30 2 * * *", "2026-03-09T06:30:00Z"), "");
    }
}
