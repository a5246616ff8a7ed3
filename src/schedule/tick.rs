//! Which schedules are due. Pure: schedules, their last fires and the time go in, fires come out.
//!
//! Fires that were missed, because nothing ran, collapse into the latest of them: whoever was away for a
//! day wants one scan and not ninety-six.

use super::Expression;
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
    /// Fires at or before this are past.
    pub last_fire_at: Timestamp,
}

/// A schedule is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fire {
    /// The row of its schedule.
    pub schedule: i64,
    /// The latest time it was due.
    pub fire_at: Timestamp,
    /// Earlier times that nobody served; 1 000 means at least so many.
    pub missed: i64,
}

/// The schedules that are due at `now`, each once, in the order of `entries`.
pub fn due_fires(entries: &[Entry], now: Timestamp) -> Vec<Fire> {
    entries
        .iter()
        .filter_map(|entry| due_fire(entry, now))
        .collect()
}

fn due_fire(entry: &Entry, now: Timestamp) -> Option<Fire> {
    let first = next(entry, entry.last_fire_at, now)?;
    let fire_at = latest(entry, first, now);
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
    })
}

/// The first fire after `after` that is not in the future.
fn next(entry: &Entry, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let at = entry.expression.next_after(after, entry.zone)?;
    (at <= now).then_some(at)
}

/// The last fire up to `now`, of which `first` is the first. Looks back twice as far each time, so that a
/// year of minutes is not walked through.
fn latest(entry: &Entry, first: Timestamp, now: Timestamp) -> Timestamp {
    let mut look = FIRST_LOOK;
    while now - look > first {
        if let Some(at) = next(entry, now - look, now) {
            return last_from(entry, at, now);
        }
        look = look.saturating_mul(2);
    }
    last_from(entry, first, now)
}

fn last_from(entry: &Entry, mut at: Timestamp, now: Timestamp) -> Timestamp {
    while let Some(following) = next(entry, at, now) {
        at = following;
    }
    at
}
