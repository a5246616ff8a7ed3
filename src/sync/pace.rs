//! One rate budget per channel, shared by all work of this process; webhook work goes before scans.
//!
//! A bucket of tokens fills at the marketplace's rate. A scan leaves a quarter of the bucket and steps back
//! while other work waits, so that an order never queues behind a catalogue. A scan that somebody waits for has
//! the whole budget, beside orders and pushes. Being told to slow down stops
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
    /// A scan that somebody waits for: while it runs, work in the background stands still.
    First,
    /// Orders, pushes, single products.
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
    /// Scans that somebody waits for.
    firsts: u32,
}

/// What a channel may still be asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLeft {
    /// Requests that could be made at once.
    pub now: u32,
    /// Requests a second after those.
    pub per_second: f64,
    /// How long the marketplace wants to be left alone.
    pub rest: Duration,
}

/// Keeps work in the background off a channel for as long as it lives.
#[derive(Debug)]
pub struct Hold(Arc<Bucket>);

impl Hold {
    pub fn new(bucket: Arc<Bucket>) -> Self {
        bucket.with(|state| state.firsts += 1);
        Self(bucket)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.with(|state| state.firsts -= 1);
    }
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
                firsts: 0,
            }),
        }
    }

    /// What could be asked now, by work that leaves no reserve.
    pub fn left(&self, now: Instant) -> RateLeft {
        self.with(|state| {
            state.fill(now);
            RateLeft {
                now: state.tokens as u32,
                per_second: state.rate,
                rest: state
                    .blocked_until
                    .map_or(Duration::ZERO, |until| until.saturating_duration_since(now)),
            }
        })
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

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = passed.mul_add(self.rate, self.tokens).min(self.burst);
        self.filled_at = now;
    }

    /// Takes a token, or says how long to wait before asking again.
    fn take(&mut self, lane: Lane, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.blocked_until {
            if now < until {
                return Err(until - now);
            }
            self.blocked_until = None;
        }
        self.fill(now);
        let one = Duration::from_secs_f64(1.0 / self.rate.max(0.001));
        let needed = match lane {
            Lane::First | Lane::Urgent => 1.0,
            Lane::Scan if self.urgent_waiting > 0 || self.firsts > 0 => return Err(one),
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
        let _waiting = (self.lane != Lane::Scan).then(|| Waiting::new(&self.bucket));
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
            firsts: 0,
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

    /// Seconds until sixty requests of this lane are through, beside two downloads that never end and an order
    /// every other second, on a clock of our own.
    fn beside_others(lane: Lane) -> f64 {
        let begun = Instant::now();
        let mut state = state(begun);
        state.firsts = u32::from(lane == Lane::First);
        let answer = Duration::from_millis(50);
        // Who asks, when next, how long after a permit, and since when they wait for one.
        let mut askers = [
            (Lane::Urgent, begun, Duration::from_secs(2), None),
            (Lane::Scan, begun, answer, None),
            (Lane::Scan, begun, answer, None),
            (lane, begun, answer, None),
        ];
        let ours = askers.len() - 1;
        let mut n_through = 0;
        loop {
            let is_urgent = |asker: &&(Lane, Instant, Duration, Option<Instant>)| {
                asker.3.is_some() && asker.0 != Lane::Scan
            };
            state.urgent_waiting = askers.iter().filter(is_urgent).count() as u32;
            // Of those who ask in the same millisecond, the one who waits the longest.
            let turn = |at: &usize| {
                let (_, next, _, since) = askers[*at];
                ((next - begun).as_millis(), since.unwrap_or(next))
            };
            let earliest = (0..askers.len()).min_by_key(turn).unwrap();
            let (lane, at, rest, since) = askers[earliest];
            match state.take(lane, at) {
                Ok(()) if earliest == ours && n_through == 59 => {
                    return (at - begun).as_secs_f64();
                }
                Ok(()) => {
                    n_through += u32::from(earliest == ours);
                    askers[earliest] = (lane, at + rest, rest, None);
                }
                Err(wait) => {
                    let since = since.unwrap_or(at);
                    askers[earliest] = (lane, at + wait, rest, Some(since));
                }
            }
        }
    }

    #[test]
    fn a_scan_that_somebody_waits_for_takes_less_than_half_of_the_time_beside_other_work() {
        let waited_for = beside_others(Lane::First);
        let in_background = beside_others(Lane::Scan);

        assert!(
            waited_for * 2.0 < in_background,
            "{waited_for} s and {in_background} s"
        );
        // Two a second, four at once, and an order every other second beside it.
        assert!((28.0..45.0).contains(&waited_for), "{waited_for} s");
    }

    #[test]
    fn work_in_the_background_stands_still_while_somebody_waits_for_a_scan_and_goes_on_after_it() {
        let bucket = Arc::new(Bucket::new(
            crate::marketplaces::all()[0].limits(),
            1.0,
            Instant::now(),
        ));
        let ask = |lane| bucket.with(|state| state.take(lane, Instant::now()));

        let hold = Hold::new(Arc::clone(&bucket));
        let (background, order, first) = (ask(Lane::Scan), ask(Lane::Urgent), ask(Lane::First));
        drop(hold);

        assert!(background.is_err() && order.is_ok() && first.is_ok());
        assert!(ask(Lane::Scan).is_ok());
    }
}
