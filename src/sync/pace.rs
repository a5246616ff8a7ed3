//! One rate budget per channel, shared by all work of this process; webhook work goes before scans.
//!
//! A bucket of tokens fills at the marketplace's rate. A scan leaves a quarter of the bucket and steps back
//! while other work waits, so that an order never queues behind a catalogue. Being told to slow down stops
//! everything on the channel until the time is over.

use crate::marketplaces::{Limits, Pace};
use async_trait::async_trait;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Orders, pushes, single products, and scans that somebody waits for.
    Urgent,
    /// Scans and downloads in the background.
    Scan,
}

/// Longest time that work waits in its place until it may ask. Where it is longer, the work is put back, and its
/// place is free for other channels.
const LONGEST_STAND: Duration = Duration::from_secs(10);

/// Share of the bucket that scans leave to others.
const RESERVE: f64 = 0.25;

#[derive(Debug)]
pub struct Bucket {
    /// How much faster than the marketplace allows; also divides the waits that it asks for.
    haste: f64,
    state: Mutex<State>,
}

/// The arithmetic, without waiting.
#[derive(Debug)]
struct State {
    /// Tokens per second.
    rate: f64,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
    blocked_until: Option<Instant>,
    urgent_waiting: u32,
}

impl Bucket {
    /// `haste` multiplies the marketplace's rate, and divides the waits that it asks for: 1 for real ones,
    /// more for simulated ones.
    pub fn new(limits: &Limits, haste: f64, now: Instant) -> Self {
        let burst = f64::from(limits.burst.max(1)) * haste.max(1.0);
        Self {
            haste: haste.max(1.0),
            state: Mutex::new(State {
                rate: limits.requests_per_second * haste,
                burst,
                tokens: burst,
                filled_at: now,
                blocked_until: None,
                urgent_waiting: 0,
            }),
        }
    }

    /// How long the channel was told to wait, when that is too long for anyone to stand by.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        self.with(|state| state.rest(now))
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn rest(&self, now: Instant) -> Option<Duration> {
        let left = self.blocked_until?.saturating_duration_since(now);
        (left > LONGEST_STAND).then_some(left)
    }

    /// Takes a token, or says how long to wait before asking again.
    fn take(&mut self, lane: Lane, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.blocked_until {
            if now < until {
                return Err(until - now);
            }
            self.blocked_until = None;
        }
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = passed.mul_add(self.rate, self.tokens).min(self.burst);
        self.filled_at = now;
        let one = Duration::from_secs_f64(1.0 / self.rate.max(0.001));
        let needed = match lane {
            Lane::Urgent => 1.0,
            Lane::Scan if self.urgent_waiting > 0 => return Err(one),
            Lane::Scan => 1.0 + (self.burst - 1.0) * RESERVE,
        };
        if self.tokens >= needed {
            self.tokens -= 1.0;
            return Ok(());
        }
        let missing = (needed - self.tokens) / self.rate.max(0.001);
        Err(Duration::from_secs_f64(missing.clamp(0.001, 60.0)))
    }
}

/// A bucket, as one lane sees it.
#[derive(Debug, Clone)]
pub struct Paced {
    pub bucket: Arc<Bucket>,
    pub lane: Lane,
}

/// Counts an urgent request as waiting, for as long as it lives.
struct Waiting<'a>(&'a Bucket);

impl<'a> Waiting<'a> {
    fn new(bucket: &'a Bucket) -> Self {
        bucket.with(|state| state.urgent_waiting += 1);
        Self(bucket)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.with(|state| state.urgent_waiting -= 1);
    }
}

#[async_trait]
impl Pace for Paced {
    async fn permit(&self) {
        let _waiting = (self.lane == Lane::Urgent).then(|| Waiting::new(&self.bucket));
        while let Err(wait) = self
            .bucket
            .with(|state| state.take(self.lane, Instant::now()))
        {
            sleep(wait).await;
        }
    }

    fn slow_down(&self, wait: Duration) {
        let until = Instant::now() + wait.div_f64(self.bucket.haste);
        self.bucket.with(|state| {
            state.blocked_until = Some(state.blocked_until.map_or(until, |known| known.max(until)));
        });
    }
}

/// Rests between tries of something that must succeed: longer each time, until the time for it is over.
#[derive(Debug)]
pub(super) struct Rests {
    until: Instant,
    next: Duration,
}

/// The first rest; the others are twice the one before, up to the longest.
const FIRST_REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(5);

impl Rests {
    pub fn within(time: Duration) -> Self {
        Self {
            until: Instant::now() + time,
            next: FIRST_REST,
        }
    }

    /// False, at once, when the time is over.
    pub async fn rest(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sleep(self.next.min(left)).await;
        self.next = (self.next * 2).min(LONGEST_REST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(now: Instant) -> State {
        State {
            rate: 2.0,
            burst: 4.0,
            tokens: 4.0,
            filled_at: now,
            blocked_until: None,
            urgent_waiting: 0,
        }
    }

    #[test]
    fn a_scan_leaves_a_reserve_for_urgent_work() {
        let now = Instant::now();
        let mut state = state(now);

        let scans = (0..10)
            .filter(|_| state.take(Lane::Scan, now).is_ok())
            .count();
        let urgent = (0..10)
            .filter(|_| state.take(Lane::Urgent, now).is_ok())
            .count();

        assert_eq!((scans, urgent), (3, 1));
    }

    #[test]
    fn tokens_come_back_at_the_rate() {
        let now = Instant::now();
        let mut state = state(now);
        while state.take(Lane::Urgent, now).is_ok() {}

        assert!(
            state
                .take(Lane::Urgent, now + Duration::from_millis(400))
                .is_err()
        );
        assert!(
            state
                .take(Lane::Urgent, now + Duration::from_millis(600))
                .is_ok()
        );
    }

    #[test]
    fn a_scan_steps_back_while_urgent_work_waits() {
        let now = Instant::now();
        let mut state = state(now);
        state.urgent_waiting = 1;

        assert!(state.take(Lane::Scan, now).is_err());
        assert!(state.take(Lane::Urgent, now).is_ok());
    }

    #[test]
    fn being_told_to_slow_down_stops_every_lane_for_that_long() {
        let now = Instant::now();
        let mut state = state(now);
        state.blocked_until = Some(now + Duration::from_secs(5));

        assert_eq!(state.take(Lane::Urgent, now), Err(Duration::from_secs(5)));
        assert!(
            state
                .take(Lane::Urgent, now + Duration::from_secs(5))
                .is_ok()
        );
    }

    #[test]
    fn nobody_stands_by_for_long() {
        let now = Instant::now();
        let mut state = state(now);
        let mut rest = |secs: u64| {
            state.blocked_until = Some(now + Duration::from_secs(secs));
            state.rest(now).map(|wait| wait.as_secs())
        };

        assert_eq!((rest(10), rest(11), rest(900)), (None, Some(11), Some(900)));
        let at_its_end = now + Duration::from_secs(900);
        assert_eq!(state.rest(at_its_end), None);
    }
}
