//! Which schedules are due. Pure: schedules, their last fires and the time go in, fires come out.
//!
//! Fires that were missed, because nothing ran, collapse into the latest of them unless the merchant says
//! otherwise: whoever was away for a day wants one scan and not ninety-six.

use super::{CatchUp, Expression, GRACE, MOST_CAUGHT_UP};
use crate::domain::Timestamp;
use chrono_tz::Tz;
use std::time::Duration;

/// Missed fires are counted up to here.
const MOST_MISSED: i64 = 1_000;
/// How far back the latest fire is looked for at first.
const FIRST_LOOK: Duration = Duration::from_secs(60);

/// A schedule as the tick sees it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The row.
    pub id: i64,
    pub expression: Expression,
    pub zone: Tz,
    /// Times of the schedule at or before this are past.
    pub last_fire_at: Timestamp,
    /// How much later than its times it fires.
    pub delay: Duration,
    pub catch_up: CatchUp,
}

/// A schedule is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fire {
    /// The row of its schedule.
    pub schedule: i64,
    /// The time of the schedule, before its delay: the latest it was due, or with [`CatchUp::All`] the oldest that
    /// is made up for.
    pub fire_at: Timestamp,
    /// Earlier times that nobody served and that nobody will; 1 000 means at least so many.
    pub missed: i64,
    /// Nobody was there when it was due.
    pub is_late: bool,
}

/// The schedules that are due at `now`, each once, in the order of `entries`.
pub fn due_fires(entries: &[Entry], now: Timestamp) -> Vec<Fire> {
    entries
        .iter()
        .filter_map(|entry| due_fire(entry, now))
        .collect()
}

fn due_fire(entry: &Entry, now: Timestamp) -> Option<Fire> {
    // All below is in times of the schedule.
    let now = now - entry.delay;
    let first = next(entry, entry.last_fire_at, now)?;
    let fire_at = match entry.catch_up {
        CatchUp::One | CatchUp::None => latest(entry, first, now, 1),
        CatchUp::All => latest(entry, first, now, MOST_CAUGHT_UP),
    };
    let mut missed = 0;
    let mut at = first;
    while at < fire_at && missed < MOST_MISSED {
        missed += 1;
        at = next(entry, at, now)?;
    }
    Some(Fire {
        schedule: entry.id,
        fire_at,
        missed,
        is_late: now.since(fire_at) > GRACE,
    })
}

/// The first fire after `after` that is not in the future.
fn next(entry: &Entry, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let at = entry.expression.next_after(after, entry.zone)?;
    (at <= now).then_some(at)
}

/// The first of the last `n` fires up to `now`; before `first` there is none. Looks back twice as far each time,
/// so that a year of minutes is not walked through.
fn latest(entry: &Entry, first: Timestamp, now: Timestamp, n: usize) -> Timestamp {
    let mut look = FIRST_LOOK;
    while now - look > first {
        let found = after(entry, now - look, now);
        if found.len() >= n {
            return found[found.len() - n];
        }
        look = look.saturating_mul(2);
    }
    let mut found = vec![first];
    found.extend(after(entry, first, now));
    found[found.len().saturating_sub(n)]
}

fn after(entry: &Entry, mut at: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let mut found = Vec::new();
    while let Some(following) = next(entry, at, now) {
        at = following;
        found.push(at);
    }
    found
}
