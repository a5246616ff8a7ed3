//! Six zones over five years, minute by minute, against a second implementation.
//!
//! The other one shares nothing with ours: it knows the zones from another database (the `jiff` crate), reads no
//! cron, and walks over every minute with a clock of its own. What it does in gaps and folds is the table in
//! `expression.rs`, said anew.

use super::expression;
use chrono_tz::Tz;
use jiff::{civil, tz::TimeZone};
use marketsink::domain::Timestamp;
use std::collections::BTreeSet;

/// Two that change by an hour, one north and one south of the equator; one at midnight; one by half an hour; one
/// that moves with the moon; one that never changes.
const ZONES: [&str; 6] = [
    "America/New_York",
    "America/Santiago",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Jakarta",
];
const FROM: &str = "2026-01-01T00:00:00Z";
const TO: &str = "2031-01-01T00:00:00Z";
const DAY: i64 = 86_400;

/// A schedule in its own words: no cron is read here.
struct Plan {
    /// The same for ours.
    cron: &'static str,
    minutes: fn(u8) -> bool,
    hours: fn(u8) -> bool,
    /// The hours are a wildcard.
    wildcard: bool,
    /// Day of month, and weekday with Sunday as 0.
    days: fn(u8, u8) -> bool,
}

/// Rare enough to be followed over all five years.
const RARE: [Plan; 7] = [
    Plan {
        cron: "0 0 * * *",
        minutes: |m| m == 0,
        hours: |h| h == 0,
        wildcard: false,
        days: |_, _| true,
    },
    Plan {
        cron: "30 2 * * *",
        minutes: |m| m == 30,
        hours: |h| h == 2,
        wildcard: false,
        days: |_, _| true,
    },
    Plan {
        cron: "15 1 * * *",
        minutes: |m| m == 15,
        hours: |h| h == 1,
        wildcard: false,
        days: |_, _| true,
    },
    Plan {
        cron: "45 23 * * *",
        minutes: |m| m == 45,
        hours: |h| h == 23,
        wildcard: false,
        days: |_, _| true,
    },
    Plan {
        cron: "20 2 * * 0",
        minutes: |m| m == 20,
        hours: |h| h == 2,
        wildcard: false,
        days: |_, w| w == 0,
    },
    Plan {
        cron: "0 0 1 * *",
        minutes: |m| m == 0,
        hours: |h| h == 0,
        wildcard: false,
        days: |d, _| d == 1,
    },
    Plan {
        cron: "10 3 13 * 5",
        minutes: |m| m == 10,
        hours: |h| h == 3,
        wildcard: false,
        days: |d, w| d == 13 || w == 5,
    },
];

/// Followed for the days around each change of clocks.
const FREQUENT: [Plan; 7] = [
    Plan {
        cron: "*/10 * * * *",
        minutes: |m| m % 10 == 0,
        hours: |_| true,
        wildcard: true,
        days: |_, _| true,
    },
    Plan {
        cron: "7-59/15 * * * *",
        minutes: |m| m % 15 == 7,
        hours: |_| true,
        wildcard: true,
        days: |_, _| true,
    },
    Plan {
        cron: "0 */2 * * *",
        minutes: |m| m == 0,
        hours: |h| h % 2 == 0,
        wildcard: true,
        days: |_, _| true,
    },
    Plan {
        cron: "30 */3 * * *",
        minutes: |m| m == 30,
        hours: |h| h % 3 == 0,
        wildcard: true,
        days: |_, _| true,
    },
    Plan {
        cron: "0,30 0-3 * * *",
        minutes: |m| m % 30 == 0,
        hours: |h| h <= 3,
        wildcard: false,
        days: |_, _| true,
    },
    Plan {
        cron: "*/5 1,2 * * *",
        minutes: |m| m % 5 == 0,
        hours: |h| h == 1 || h == 2,
        wildcard: false,
        days: |_, _| true,
    },
    Plan {
        cron: "* 2 * * 0,6",
        minutes: |_| true,
        hours: |h| h == 2,
        wildcard: false,
        days: |_, w| w == 0 || w == 6,
    },
];

/// What a clock on the wall shows: minutes since the first minute of 1970.
fn shown(zone: &TimeZone, secs: i64) -> i64 {
    let at = jiff::Timestamp::from_second(secs).expect("a time of this century");
    (secs + i64::from(zone.to_offset(at).seconds())).div_euclid(60)
}

/// Every instant at which clocks change, with what they show right before and right then.
fn changes(zone: &TimeZone, from: i64, to: i64) -> Vec<(i64, i64, i64)> {
    let first = jiff::Timestamp::from_second(from).expect("a time of this century");
    zone.following(first)
        .map(|change| change.timestamp().as_second())
        .take_while(|at| *at < to)
        .map(|at| (at, shown(zone, at - 60), shown(zone, at)))
        .filter(|(_, before, then)| then - before != 1)
        .collect()
}

impl Plan {
    fn matches(&self, minute: i64) -> bool {
        let (day, of_day) = (minute.div_euclid(1_440), minute.rem_euclid(1_440) as u16);
        if !(self.minutes)((of_day % 60) as u8) || !(self.hours)((of_day / 60) as u8) {
            return false;
        }
        let date = civil::date(1970, 1, 1) + jiff::Span::new().days(day);
        (self.days)(
            date.day() as u8,
            date.weekday().to_sunday_zero_offset() as u8,
        )
    }

    /// Fires in `[from, to)`, by walking over each minute of it.
    fn walk(&self, zone: &TimeZone, from: i64, to: i64) -> BTreeSet<i64> {
        let changes = changes(zone, from - 30 * DAY, to);
        let mut fires = BTreeSet::new();
        let mut offset = shown(zone, from) - from.div_euclid(60);
        let mut next = changes.iter().skip_while(|(at, ..)| *at <= from).peekable();
        // The furthest that clocks have shown: below it everything comes for the second time.
        let mut furthest = shown(zone, from - 1);
        if let Some((_, before, _)) = changes.iter().rfind(|(at, ..)| *at <= from) {
            furthest = furthest.max(*before);
        }
        for secs in (from..to).step_by(60) {
            let mut after_gap = false;
            if let Some((_, before, then)) = next.next_if(|(at, ..)| *at == secs) {
                offset = then - secs.div_euclid(60);
                after_gap =
                    !self.wildcard && (before + 1..*then).any(|minute| self.matches(minute));
            }
            let minute = secs.div_euclid(60) + offset;
            let is_repeated = minute <= furthest;
            furthest = furthest.max(minute);
            if after_gap || (self.matches(minute) && (self.wildcard || !is_repeated)) {
                fires.insert(secs);
            }
        }
        fires
    }

    /// The same by what is in the product.
    fn ours(&self, zone: Tz, from: i64, to: i64) -> BTreeSet<i64> {
        let expression = expression(self.cron);
        let mut at = Timestamp::from_secs(from - 1);
        let mut fires = BTreeSet::new();
        while let Some(next) = expression.next_after(at, zone).filter(|at| at.secs() < to) {
            assert!(next > at, "{} in {zone}", self.cron);
            fires.insert(next.secs());
            at = next;
        }
        fires
    }

    fn assert_same(&self, name: &str, zone: &TimeZone, (from, to): (i64, i64)) -> usize {
        let theirs = self.walk(zone, from, to);
        let ours = self.ours(name.parse().expect("a zone"), from, to);
        let show = |secs: &i64| Timestamp::from_secs(*secs).to_string();
        let only = |these: &BTreeSet<i64>, those: &BTreeSet<i64>| -> Vec<String> {
            these.difference(those).map(show).collect()
        };
        assert_eq!(
            (only(&ours, &theirs), only(&theirs, &ours)),
            (vec![], vec![]),
            "{} in {name}: fires of ours only, and of the other only",
            self.cron
        );
        ours.len()
    }
}

fn years() -> (i64, i64) {
    (super::utc(FROM).secs(), super::utc(TO).secs())
}

#[test]
fn rare_fires_of_five_years_are_those_of_a_walk_over_each_minute() {
    for name in ZONES {
        let zone = TimeZone::get(name).expect("a zone");
        for plan in &RARE {
            let fires = plan.assert_same(name, &zone, years());
            assert!(fires >= 60, "{} in {name}: {fires}", plan.cron);
        }
    }
}

#[test]
fn frequent_fires_around_every_change_of_clocks_are_those_of_a_walk() {
    let (from, to) = years();
    for name in ZONES {
        let zone = TimeZone::get(name).expect("a zone");
        let changes = changes(&zone, from, to);
        assert_eq!(
            changes.len(),
            if name == "Asia/Jakarta" { 0 } else { 10 },
            "{name}"
        );
        // Where nothing changes, a stretch like any other.
        let around = changes.iter().map(|(at, ..)| *at).chain([from + 100 * DAY]);
        for at in around {
            let begin = (at - 2 * DAY).div_euclid(60) * 60;
            for plan in &FREQUENT {
                plan.assert_same(name, &zone, (begin, begin + 4 * DAY));
            }
        }
    }
}
