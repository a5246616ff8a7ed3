//! How far a scan is, and when it will probably end. Pure.

use crate::domain::{ScanState, Timestamp};
use entity::scans;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Pages that the estimate is made from: a marketplace that becomes slower is noticed soon.
const PAGES: usize = 10;
/// How far off the estimate may be, as shares of what is left.
const EARLY: f64 = 0.75;
const LATE: f64 = 1.5;

/// When the last pages were written, and how many products had been read by then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Recent(Vec<(Timestamp, i64)>);

impl Recent {
    pub fn of(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    pub fn and(mut self, at: Timestamp, products: i64) -> Self {
        self.0.push((at, products));
        let surplus = self.0.len().saturating_sub(PAGES);
        self.0.drain(..surplus);
        self
    }

    /// # Panics
    /// Never: numbers are JSON.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("numbers are JSON")
    }

    /// Products a second over the last pages.
    fn per_second(&self) -> Option<f64> {
        let ((begun, first), (ended, last)) = (self.0.first()?, self.0.last()?);
        let seconds = ended.since(*begun).as_secs_f64();
        (seconds > 0.0 && last > first).then(|| (last - first) as f64 / seconds)
    }
}

/// How far a scan is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    pub products: i64,
    /// Products that the list announced; none where it does not tell.
    pub expected: Option<i64>,
    pub listings: i64,
    pub pages: i64,
    pub api_calls: i64,
    /// 0 to 100.
    pub percent: Option<f64>,
    pub products_per_minute: Option<f64>,
    /// Seconds that are left, at best and at worst; none while nothing can be said.
    pub seconds_left: Option<(u64, u64)>,
    /// When it will probably end.
    pub ends_at: Option<Timestamp>,
}

impl Progress {
    pub fn of(scan: &scans::Model, now: Timestamp) -> Self {
        let state = ScanState::parse(&scan.state);
        let per_second = Recent::of(scan.recent.as_deref()).per_second();
        let expected = scan.expected.filter(|expected| *expected > 0);
        let is_over = state == Some(ScanState::Done);
        let left = expected.map(|expected| (expected - scan.products).max(0) as f64);
        let seconds = left
            .zip(per_second)
            .map(|(left, rate)| left / rate)
            .filter(|_| state == Some(ScanState::Running));
        let percent = match (is_over, expected) {
            (true, _) => Some(100.0),
            (false, Some(expected)) => {
                Some((100.0 * scan.products as f64 / expected as f64).min(99.9))
            }
            (false, None) => None,
        };
        let rounded = |seconds: f64| seconds.ceil() as u64;
        Self {
            products: scan.products,
            expected,
            listings: scan.listings,
            pages: scan.pages,
            api_calls: scan.api_calls,
            percent,
            products_per_minute: per_second.map(|rate| rate * 60.0),
            seconds_left: seconds.map(|left| (rounded(left * EARLY), rounded(left * LATE))),
            ends_at: seconds.map(|left| now + Duration::from_secs_f64(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::absence::tests::scan;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn the_rate_is_that_of_the_last_pages() {
        let mut recent = Recent::default();
        // Ten pages a hundred times slower than the last ten.
        for page in 0..10 {
            recent = recent.and(at(page * 100), page * 100);
        }
        for page in 0..10 {
            recent = recent.and(at(1_000 + page), 1_000 + page * 100);
        }

        assert_eq!(recent.per_second(), Some(100.0));
        assert_eq!(Recent::of(Some(&recent.to_text())), recent);
    }

    #[test]
    fn the_estimate_follows_the_last_pages_and_rests_with_the_scan() {
        let mut row = scan(300, Some(900));
        let recent = Recent::default().and(at(100), 100).and(at(110), 300);
        row.recent = Some(recent.to_text());

        let running = Progress::of(&row, at(110));
        row.state = "paused".to_owned();
        let paused = Progress::of(&row, at(110));

        // Six hundred are left, at twenty a second.
        assert_eq!(running.ends_at, Some(at(140)));
        assert_eq!(running.seconds_left, Some((23, 45)));
        assert_eq!(running.products_per_minute, Some(1_200.0));
        assert_eq!((paused.ends_at, paused.seconds_left), (None, None));
    }

    #[test]
    fn nothing_is_said_from_one_page() {
        let recent = Recent::default().and(at(5), 100);

        assert_eq!(recent.per_second(), None);
        assert_eq!(Recent::default().per_second(), None);
    }
}
