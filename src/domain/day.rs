//! A calendar day, and the instants that belong to it in a time zone.

use super::{Timestamp, Window};
use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A day of the calendar: `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(NaiveDate);

impl Day {
    /// Reads `2026-11-22`.
    pub fn parse(text: &str) -> Option<Self> {
        NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d")
            .ok()
            .map(Self)
    }

    /// The day that it is somewhere.
    pub fn of(at: Timestamp, zone: Tz) -> Self {
        Self(at.to_utc().with_timezone(&zone).date_naive())
    }

    /// So many days earlier; the first day there is, when that is before it.
    pub fn before(self, n_days: u64) -> Self {
        let earlier = self.0.checked_sub_days(Days::new(n_days));
        Self(earlier.unwrap_or(NaiveDate::MIN))
    }

    pub fn next(self) -> Self {
        Self(self.0.succ_opt().unwrap_or(NaiveDate::MAX))
    }

    /// When the day begins somewhere: where clocks skip midnight, the first instant after the gap; where they
    /// show it twice, the first time.
    pub fn begins_at(self, zone: Tz) -> Timestamp {
        let mut clock = self.0.and_time(NaiveTime::MIN);
        // No gap is longer than a day, and they end on a whole quarter of an hour.
        for _ in 0..=96 {
            if let Some(instant) = zone.from_local_datetime(&clock).earliest() {
                return instant.to_utc().into();
            }
            clock += TimeDelta::minutes(15);
        }
        self.0.and_time(NaiveTime::MIN).and_utc().into()
    }

    /// All of its instants: 23 to 25 hours where clocks are changed.
    pub fn window(self, zone: Tz) -> Window {
        Window {
            from: self.begins_at(zone),
            to: self.next().begins_at(zone),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format("%Y-%m-%d").fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn window(day: &str, zone: &str) -> Window {
        Day::parse(day).unwrap().window(zone.parse().unwrap())
    }

    fn hours(window: Window) -> u64 {
        window.to.since(window.from).as_secs() / 3_600
    }

    #[test]
    fn a_day_is_that_of_the_merchants_clock() {
        let jakarta = window("2026-11-23", "Asia/Jakarta");

        assert_eq!(jakarta.from.to_string(), "2026-11-22T17:00:00Z");
        assert_eq!(hours(jakarta), 24);
        let zone = "Asia/Jakarta".parse().unwrap();
        assert_eq!(Day::of(jakarta.from, zone).to_string(), "2026-11-23");
        let before = jakarta.from - Duration::from_secs(1);
        assert_eq!(Day::of(before, zone).to_string(), "2026-11-22");
    }

    #[test]
    fn days_on_which_clocks_are_changed_are_shorter_and_longer_and_leave_no_gap() {
        assert_eq!(hours(window("2026-03-29", "Europe/Berlin")), 23);
        assert_eq!(hours(window("2026-10-25", "Europe/Berlin")), 25);
        // Clocks went from midnight to one o'clock: that day had no midnight.
        let cairo = window("2024-04-26", "Africa/Cairo");
        assert_eq!(cairo.from.to_string(), "2024-04-25T22:00:00Z");
        assert_eq!(hours(cairo), 23);
        assert_eq!(window("2024-04-25", "Africa/Cairo").to, cairo.from);
    }

    #[test]
    fn days_are_written_as_they_are_read() {
        let day = Day::parse("2026-03-01").unwrap();

        assert_eq!(day.to_string(), "2026-03-01");
        assert_eq!(day.before(1).to_string(), "2026-02-28");
        assert_eq!(Day::parse("yesterday"), None);
        assert_eq!(serde_json::to_string(&day).unwrap(), "\"2026-03-01\"");
    }
}
