//! Weather: what goes wrong on the way, decided by chance that a seed reproduces.
//!
//! A delivery or an answer meets at most one fault. Percentages of one group add up to 100 at most; what is
//! left is fair weather.

use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, time::Duration};

/// Small, fast chance (splitmix64): the same seed gives the same draws on every machine.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n.max(1)
    }

    /// One of `items`; `None` when there are none.
    pub fn pick<'i, T>(&mut self, items: &'i [T]) -> Option<&'i T> {
        items.get(self.below(items.len() as u64) as usize)
    }

    /// A span in `0..=longest`, in whole milliseconds.
    pub fn span(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.below(longest.as_millis() as u64 + 1))
    }
}

/// How often what goes wrong, in percent; and by how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weather {
    /// Deliveries that are never sent.
    pub lost: u8,
    /// Deliveries that are sent twice.
    pub doubled: u8,
    /// Deliveries that wait up to `late_by`.
    pub late: u8,
    /// Deliveries that wait up to `jitter`, so that younger ones overtake them.
    pub reordered: u8,
    /// Deliveries that a forged one accompanies.
    pub forged: u8,
    /// Answers that are "too many requests", half of them with a time to wait.
    pub rate_limited: u8,
    /// Answers that are status 500 with a page for people; the request is not carried out.
    pub server_error: u8,
    /// Requests that are carried out, but whose answer breaks off.
    pub dropped: u8,
    /// Answers that lack their second half.
    pub truncated: u8,
    /// Requests before which the access token dies.
    pub expired_token: u8,
    /// Changes of an order that the API shows only after `stale_for`.
    pub stale_read: u8,
    /// Longest wait of a late delivery.
    pub late_by: Duration,
    /// Longest wait of a reordered delivery.
    pub jitter: Duration,
    /// How long reads lag behind.
    pub stale_for: Duration,
}

impl Weather {
    /// Nothing goes wrong.
    pub const fn calm() -> Self {
        Self {
            lost: 0,
            doubled: 0,
            late: 0,
            reordered: 0,
            forged: 0,
            rate_limited: 0,
            server_error: 0,
            dropped: 0,
            truncated: 0,
            expired_token: 0,
            stale_read: 0,
            late_by: Duration::from_secs(20),
            jitter: Duration::from_secs(2),
            stale_for: Duration::from_secs(2),
        }
    }

    /// A usual day at a marketplace.
    pub const fn breezy() -> Self {
        Self {
            lost: 2,
            doubled: 5,
            late: 5,
            reordered: 10,
            forged: 2,
            rate_limited: 3,
            server_error: 1,
            dropped: 1,
            truncated: 1,
            expired_token: 1,
            stale_read: 5,
            ..Self::calm()
        }
    }

    /// The worst day of the year.
    pub const fn stormy() -> Self {
        Self {
            lost: 10,
            doubled: 15,
            late: 10,
            reordered: 20,
            forged: 10,
            rate_limited: 10,
            server_error: 5,
            dropped: 4,
            truncated: 4,
            expired_token: 2,
            stale_read: 20,
            ..Self::calm()
        }
    }

    /// What happens to the next delivery.
    pub fn delivery_fault(&self, rng: &mut Rng) -> DeliveryFault {
        let late = rng.span(self.late_by);
        let jitter = rng.span(self.jitter);
        let chances = [
            (self.lost, DeliveryFault::Lost),
            (self.doubled, DeliveryFault::Doubled),
            (self.late, DeliveryFault::Late(late)),
            (self.reordered, DeliveryFault::Reordered(jitter)),
            (self.forged, DeliveryFault::Forged),
        ];
        fall(rng, chances).unwrap_or(DeliveryFault::Fair)
    }

    /// What happens to the next API answer.
    pub fn answer_fault(&self, rng: &mut Rng) -> Fault {
        let wait = (rng.below(2) == 0).then_some(Duration::from_secs(1));
        let chances = [
            (self.rate_limited, Fault::RateLimited(wait)),
            (self.server_error, Fault::ServerError),
            (self.dropped, Fault::Dropped),
            (self.truncated, Fault::Truncated),
            (self.expired_token, Fault::ExpiredToken),
        ];
        fall(rng, chances).unwrap_or(Fault::Fair)
    }

    /// How long reads of the next changed order lag behind.
    pub fn read_lag(&self, rng: &mut Rng) -> Option<Duration> {
        (rng.below(100) < u64::from(self.stale_read)).then_some(self.stale_for)
    }
}

/// One draw against percentages laid end to end.
fn fall<T, const N: usize>(rng: &mut Rng, chances: [(u8, T); N]) -> Option<T> {
    let mut left = rng.below(100);
    for (percent, fault) in chances {
        let percent = u64::from(percent);
        if left < percent {
            return Some(fault);
        }
        left -= percent;
    }
    None
}

/// How an API answer goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    Fair,
    /// "Too many requests", with or without a time to wait; the request is not carried out.
    RateLimited(Option<Duration>),
    /// Status 500 with a page for people; the request is not carried out.
    ServerError,
    /// The request is carried out and the connection breaks before the answer is complete.
    Dropped,
    /// The request is carried out and the answer's body lacks its second half.
    Truncated,
    /// The access token dies just before the request. Nothing where tokens do not expire.
    ExpiredToken,
}

/// What happens to a delivery on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFault {
    /// Nothing: it is sent once, at once.
    Fair,
    /// It is never sent.
    Lost,
    /// It is sent twice.
    Doubled,
    /// It is sent after this time.
    Late(Duration),
    /// It is sent after this short time, so that younger ones overtake it.
    Reordered(Duration),
    /// It is sent, and a forged one with it.
    Forged,
}

/// Faults of one shop: first those that were ordered, then those of the weather.
#[derive(Debug)]
pub(super) struct Forecast {
    answers_rng: Rng,
    deliveries_rng: Rng,
    reads_rng: Rng,
    pub answers: VecDeque<Fault>,
    pub deliveries: VecDeque<DeliveryFault>,
}

impl Forecast {
    /// Answers, deliveries and reads draw from streams of their own: how often the API is called must
    /// not change which deliveries are lost.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            answers_rng: Rng::new(rng.draw()),
            deliveries_rng: Rng::new(rng.draw()),
            reads_rng: Rng::new(rng.draw()),
            answers: VecDeque::new(),
            deliveries: VecDeque::new(),
        }
    }

    /// The fault, and whether it was ordered.
    pub fn next_answer(&mut self, weather: &Weather) -> (Fault, bool) {
        match self.answers.pop_front() {
            Some(ordered) => (ordered, true),
            None => (weather.answer_fault(&mut self.answers_rng), false),
        }
    }

    pub fn next_delivery(&mut self, weather: &Weather) -> DeliveryFault {
        let ordered = self.deliveries.pop_front();
        ordered.unwrap_or_else(|| weather.delivery_fault(&mut self.deliveries_rng))
    }

    pub fn next_read_lag(&mut self, weather: &Weather) -> Option<Duration> {
        weather.read_lag(&mut self.reads_rng)
    }
}
