//! How many deliveries are usual at which hour of the week, and whether fewer are unusual. Pure.
//!
//! Deliveries are taken to come independently of each other (Poisson), at a rate that depends on the hour of the
//! week in the merchant's time zone. They come in bursts, so fewer may come by chance more often than the numbers
//! say: what an unusual silence costs is one order download and one scan, and an alarm needs more than that.

use crate::domain::Timestamp;
use crate::inbox::QUARTER;
use chrono::{Datelike, Timelike};
use chrono_tz::Tz;
use std::{collections::HashMap, time::Duration};

/// So few deliveries, or fewer, come less often than this by chance when nothing is wrong.
pub const UNUSUAL: f64 = 0.001;
/// Deliveries have come again when so few are to be expected at least so often.
pub const USUAL: f64 = 0.01;
/// A channel that was listened to for less has no rhythm yet.
pub const SHORTEST_HISTORY: Duration = Duration::from_secs(14 * 24 * 3_600);
/// A channel with fewer deliveries in its history has no rhythm yet.
pub const FEWEST_DELIVERIES: i64 = 50;
/// The last so many quarters of one hour of the week weigh: eight weeks.
const REMEMBERED: i64 = 8 * 4;
/// No expectation looks further back.
pub const LONGEST_LOOK: Duration = Duration::from_secs(8 * 7 * 24 * 3_600);

/// Quarters that were listened to, and thousandths of deliveries in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    pub quarters: i64,
    pub deliveries_milli: i64,
}

/// What is usual on a channel.
#[derive(Debug, Clone)]
pub struct Rhythm {
    /// By hour of the week.
    pub hours: HashMap<i64, Heard>,
    pub zone: Tz,
}

/// 0 is the hour from Monday's midnight on, 167 the last of Sunday.
pub fn hour_of_week(at: Timestamp, zone: Tz) -> i64 {
    let local = at.to_utc().with_timezone(&zone);
    i64::from(local.weekday().num_days_from_monday() * 24 + local.hour())
}

/// The beginning of the quarter that `at` lies in.
pub fn quarter_of(at: Timestamp) -> Timestamp {
    let length = QUARTER.as_secs() as i64;
    Timestamp::from_secs(at.secs().div_euclid(length) * length)
}

impl Rhythm {
    /// Adds a quarter with so many deliveries. Beyond eight weeks, the oldest fade.
    pub fn hear(&mut self, quarter: Timestamp, deliveries: i64) {
        let hour = hour_of_week(quarter, self.zone);
        let heard = self.hours.entry(hour).or_default();
        if heard.quarters >= REMEMBERED {
            heard.deliveries_milli -= heard.deliveries_milli / REMEMBERED;
        } else {
            heard.quarters += 1;
        }
        heard.deliveries_milli += deliveries * 1_000;
    }

    /// Deliveries that are usual in `[from, to)`.
    pub fn expected(&self, from: Timestamp, to: Timestamp) -> f64 {
        let from = from.max(to - LONGEST_LOOK);
        let mut sum = 0.0;
        let mut at = from;
        while at < to {
            let end = (quarter_of(at) + QUARTER).min(to);
            let share = end.since(at).as_secs_f64() / QUARTER.as_secs_f64();
            sum += share * self.rate(hour_of_week(at, self.zone));
            at = end;
        }
        sum
    }

    /// Deliveries in a quarter of this hour.
    fn rate(&self, hour: i64) -> f64 {
        let heard = self.hours.get(&hour).copied().unwrap_or_default();
        if heard.quarters == 0 {
            return 0.0;
        }
        heard.deliveries_milli as f64 / 1_000.0 / heard.quarters as f64
    }

    pub fn heard(&self) -> Heard {
        let all = self.hours.values();
        all.fold(Heard::default(), |sum, one| Heard {
            quarters: sum.quarters + one.quarters,
            deliveries_milli: sum.deliveries_milli + one.deliveries_milli,
        })
    }

    /// Whether enough was heard to call anything unusual.
    pub fn is_known(&self) -> bool {
        let heard = self.heard();
        let quarters = SHORTEST_HISTORY.as_secs().div_euclid(QUARTER.as_secs()) as i64;
        heard.quarters >= quarters && heard.deliveries_milli >= FEWEST_DELIVERIES * 1_000
    }
}

/// How likely `seen` deliveries or fewer are where `expected` are usual (Poisson).
pub fn likelihood(seen: u64, expected: f64) -> f64 {
    if expected <= 0.0 {
        return 1.0;
    }
    // Terms are added as parts of the largest, because each may be too small for a number.
    let mut log_term = -expected;
    let mut logs = vec![log_term];
    for n in 1..=seen.min(1_000_000) {
        log_term += expected.ln() - (n as f64).ln();
        logs.push(log_term);
    }
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
    (largest + sum.ln()).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{Asia::Jakarta, Asia::Kathmandu};

    const HOUR: Duration = Duration::from_secs(3_600);

    fn utc(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn rhythm(weeks: i64, per_quarter: impl Fn(i64) -> i64) -> Rhythm {
        let mut rhythm = Rhythm {
            hours: HashMap::new(),
            zone: Jakarta,
        };
        let start = utc("2026-08-03T00:00:00Z");
        for n in 0..weeks * 7 * 96 {
            let at = start + u32::try_from(n).unwrap() * QUARTER;
            rhythm.hear(at, per_quarter(hour_of_week(at, Jakarta)));
        }
        rhythm
    }

    #[test]
    fn likelihoods_are_those_of_the_tables() {
        let near = |seen, expected, p: f64| {
            let ours = likelihood(seen, expected);
            assert!((ours - p).abs() < 5e-5, "{seen} of {expected}: {ours}");
        };
        near(0, 6.907_755, 0.001);
        near(0, 1.0, 0.3679);
        near(2, 5.0, 0.1247);
        near(4, 10.0, 0.0293);
        near(15, 10.0, 0.9513);
        assert!(likelihood(10_000, 10_000.0) > 0.5);
        assert!(likelihood(9_000, 10_000.0) < 1e-20);
        assert!((likelihood(0, 0.0) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_hour_of_the_week_is_that_of_the_merchants_clock() {
        // Monday 00:10 in Jakarta, and in Kathmandu still Sunday, a quarter before the hour.
        let at = utc("2026-11-22T17:10:00Z");

        assert_eq!(hour_of_week(at, Jakarta), 0);
        assert_eq!(hour_of_week(at, Kathmandu), 6 * 24 + 22);
    }

    #[test]
    fn what_is_expected_is_what_was_heard_at_these_hours() {
        // Two in a quarter by day, none by night.
        let rhythm = rhythm(3, |hour| if hour % 24 >= 8 { 2 } else { 0 });
        let eight = utc("2026-11-23T01:00:00Z");

        let day = rhythm.expected(eight, eight + HOUR);
        let night = rhythm.expected(eight - 8 * HOUR, eight);
        let part = rhythm.expected(eight - HOUR, eight + HOUR / 8);

        assert!((day - 8.0).abs() < 1e-9, "{day}");
        assert!(night.abs() < 1e-9, "{night}");
        assert!((part - 1.0).abs() < 1e-9, "{part}");
    }

    #[test]
    fn what_is_long_past_fades() {
        let mut rhythm = rhythm(8, |_| 8);
        let start = utc("2026-11-23T00:00:00Z");
        for n in 0..8 * 7 * 96 {
            rhythm.hear(start + n * QUARTER, 0);
        }

        let expected = rhythm.expected(start, start + HOUR);

        assert!((10.0..14.0).contains(&expected), "{expected} of 32");
    }

    #[test]
    fn a_short_history_and_a_thin_one_are_no_rhythm() {
        assert!(!rhythm(1, |_| 5).is_known());
        assert!(!rhythm(3, |hour| i64::from(hour == 3)).is_known());
        assert!(rhythm(2, |hour| i64::from(hour % 8 == 3)).is_known());
    }
}
