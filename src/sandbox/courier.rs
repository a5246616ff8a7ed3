//! The courier: holds webhooks until they are due, sends them, and tries again as the marketplace would.
//!
//! It can be driven in two ways. A test with a standing clock calls [`Courier::deliver_due`], moves the clock
//! to [`Courier::next_due`], and never sleeps. The demo lets [`Courier::run`] go with the system's clock.

use super::{
    SimShop,
    ledger::{Ledger, Outcome, Sent},
    locked,
};
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::marketplaces::{
    http,
    simulation::{Shop, SimDelivery},
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Requests that [`Courier::run`] has open at once.
const LANES: usize = 16;
/// Longest nap of [`Courier::run`]; it wakes earlier when something is posted or due.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Sends deliveries; cheap to clone, clones share the queue.
#[derive(Clone)]
pub struct Courier(Arc<Inner>);

struct Inner {
    clock: Clock,
    client: reqwest::Client,
    desk: Mutex<Desk>,
    posted: Notify,
    time_scale: AtomicU32,
}

#[derive(Default)]
struct Desk {
    /// By due time, then in the order posted.
    pending: BTreeMap<(Timestamp, u64), Parcel>,
    next_number: u64,
    n_in_flight: usize,
    ledger: Ledger,
}

/// A delivery and what becomes of it.
#[derive(Clone)]
pub(super) struct Parcel {
    pub shop: SimShop,
    pub delivery: SimDelivery,
    pub kind: Kind,
    /// Failed tries so far.
    pub failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Genuine,
    /// Sent once.
    Ping,
    /// Sent once; its refusal is the success.
    Forged,
}

/// Counts a parcel as on its way until it is dropped, however its sending ends.
struct OnItsWay {
    courier: Courier,
    parcel: Parcel,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        locked(&self.courier.0.desk).n_in_flight -= 1;
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Courier({} pending)", self.n_pending())
    }
}

impl Courier {
    /// # Panics
    /// When the TLS library cannot start, which is a fault of the build.
    pub(super) fn new(clock: Clock) -> Self {
        let client = http::client(|| {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
        });
        Self(Arc::new(Inner {
            clock,
            client,
            desk: Mutex::default(),
            posted: Notify::new(),
            time_scale: AtomicU32::new(1),
        }))
    }

    /// Divides the waits between tries by `scale` (1 or more).
    pub(super) fn set_time_scale(&self, scale: u32) {
        self.0.time_scale.store(scale.max(1), Ordering::Relaxed);
    }

    pub fn ledger(&self) -> Ledger {
        locked(&self.0.desk).ledger
    }

    /// Deliveries that wait or are on their way.
    pub fn n_pending(&self) -> usize {
        let desk = locked(&self.0.desk);
        desk.pending.len() + desk.n_in_flight
    }

    /// When the next waiting delivery is due; `None` when none waits.
    pub fn next_due(&self) -> Option<Timestamp> {
        let desk = locked(&self.0.desk);
        desk.pending.keys().next().map(|(due, _)| *due)
    }

    /// Sends what is due by now, in order and one after another, and returns when every answer is in.
    pub async fn deliver_due(&self) -> Sent {
        let mut sent = Sent::default();
        for leaving in self.take_due() {
            sent.count(self.send(leaving).await);
        }
        sent
    }

    /// Delivers until nothing waits, retries included. A standing clock is moved on to each due time;
    /// with the system's clock this waits.
    pub async fn settle(&self) -> Sent {
        let mut sent = Sent::default();
        while self.n_pending() > 0 {
            if let Some(due) = self.next_due() {
                let wait = due.since(self.0.clock.now());
                self.0.clock.advance(wait);
            }
            let tried = self.deliver_due().await;
            sent.accepted += tried.accepted;
            sent.refused += tried.refused;
            sent.failed += tried.failed;
            if tried.total() == 0 && self.n_pending() > 0 {
                self.nap().await;
            }
        }
        sent
    }

    /// Sends what becomes due until `stop` is cancelled, several at once.
    pub async fn run(&self, stop: CancellationToken) {
        let lanes = Arc::new(Semaphore::new(LANES));
        let mut on_their_way = JoinSet::new();
        while !stop.is_cancelled() {
            for leaving in self.take_due() {
                let (courier, lanes) = (self.clone(), lanes.clone());
                on_their_way.spawn(async move {
                    let _lane = lanes.acquire_owned().await;
                    courier.send(leaving).await
                });
            }
            while on_their_way.try_join_next().is_some() {}
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.nap() => {}
            }
        }
        on_their_way.shutdown().await;
    }

    /// Until something is posted or due.
    async fn nap(&self) {
        let wait = self.next_due().map(|due| due.since(self.0.clock.now()));
        let wait = wait.unwrap_or(LONGEST_NAP).min(LONGEST_NAP);
        let _ = tokio::time::timeout(wait, self.0.posted.notified()).await;
    }

    pub(super) fn post(&self, parcel: Parcel, delay: Duration) {
        let due = self.0.clock.now() + delay;
        {
            let mut desk = locked(&self.0.desk);
            let number = desk.next_number;
            desk.next_number += 1;
            desk.pending.insert((due, number), parcel);
        }
        self.0.posted.notify_one();
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Ledger)) {
        count(&mut locked(&self.0.desk).ledger);
    }

    /// Forgets what waits.
    pub(super) fn clear(&self) {
        locked(&self.0.desk).pending.clear();
    }

    fn take_due(&self) -> Vec<OnItsWay> {
        let mut desk = locked(&self.0.desk);
        let later = desk
            .pending
            .split_off(&(self.0.clock.now() + Duration::from_micros(1), 0));
        let due = std::mem::replace(&mut desk.pending, later);
        desk.n_in_flight += due.len();
        drop(desk);
        let on_its_way = |parcel| OnItsWay {
            courier: self.clone(),
            parcel,
        };
        due.into_values().map(on_its_way).collect()
    }

    async fn send(&self, mut leaving: OnItsWay) -> Outcome {
        let parcel = &mut leaving.parcel;
        let simulator = parcel.shop.marketplace().simulator();
        if parcel.kind == Kind::Genuine {
            let (delivery, now) = (&mut parcel.delivery, self.0.clock.now());
            let leave = |shop: &mut Shop| simulator.leaving(shop, delivery, now);
            parcel.shop.with(leave);
        }
        let answer = self.request(parcel).await;
        let status = answer.as_ref().map(|(status, _)| *status);
        let outcome = match answer {
            Some((status, body)) if simulator.is_success(status, &body) => Outcome::Accepted,
            Some((400..=499, _)) => Outcome::Refused,
            _ => Outcome::Failed,
        };
        match parcel.kind {
            Kind::Genuine => self.conclude(parcel.clone(), outcome, status),
            Kind::Ping => self.count(|ledger| ledger.pings += 1),
            Kind::Forged => self.count(|ledger| {
                ledger.forged += 1;
                ledger.forged_accepted += u64::from(outcome == Outcome::Accepted);
            }),
        }
        outcome
    }

    /// The status of the answer; `None` without one in time.
    pub(super) async fn request(&self, parcel: &Parcel) -> Option<(u16, bytes::Bytes)> {
        let delivery = &parcel.delivery;
        let deadline = parcel.shop.marketplace().simulator().answer_deadline();
        let mut request = self.0.client.post(&delivery.address).timeout(deadline);
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        let answer = request.body(delivery.body.clone()).send().await.ok()?;
        let status = answer.status().as_u16();
        // The whole answer counts, and a connection is only used again after its end.
        Some((status, answer.bytes().await.ok()?))
    }

    /// Counts a genuine try, tells the simulator, and posts the next try if there is one.
    fn conclude(&self, mut parcel: Parcel, outcome: Outcome, status: Option<u16>) {
        let simulator = parcel.shop.marketplace().simulator();
        let success = outcome == Outcome::Accepted;
        parcel.failures += u32::from(!success);
        let is_wanted = !success
            && parcel
                .shop
                .with(|shop| simulator.wants_retry(shop, &parcel.delivery, status));
        let wait = is_wanted
            .then(|| simulator.retry_after(parcel.failures))
            .flatten();
        self.count(|ledger| {
            ledger.sent += 1;
            match outcome {
                Outcome::Accepted => ledger.accepted += 1,
                Outcome::Refused => ledger.refused += 1,
                Outcome::Failed => ledger.failed += 1,
            }
            ledger.retried += u64::from(wait.is_some());
            ledger.given_up += u64::from(!success && wait.is_none());
        });
        parcel
            .shop
            .with(|shop| simulator.delivered(shop, &parcel.delivery, success));
        if let Some(wait) = wait {
            let wait = wait / self.0.time_scale.load(Ordering::Relaxed);
            self.post(parcel, wait);
        }
    }
}
