//! The job engine: enqueue in the caller's transaction, claim, lease, finish, tidy up. Knows no orders.
//!
//! ```text
//!  enqueue ──► available ──claim──► running ──finish──► done
//!                 ▲                    │ │ └──────────► dead        (no attempts left, or pointless)
//!                 │                    │ └────────────► superseded  (its newer twin already waits)
//!                 └──retry, snooze, lease expired──┘
//!  dead ──revive──► available
//! ```
//!
//! Promises, each kept by an index or a condition of the statement and not by care:
//! - of one kind and key at most one job waits and at most one runs; an event during a run makes a new job;
//! - an attempt is counted when it starts, so a job that kills its process ends too;
//! - who lost the lease changes nothing any more: every ending names the lease it was claimed with;
//! - the same job may run twice (a worker that stopped answering comes back), so handlers are idempotent.
//!
//! Left out on purpose: what jobs do, and waking workers in other processes; those poll.

mod active;
mod again;
mod claim;
mod enqueue;
mod finish;
mod held;
mod inspect;
mod janitor;
mod prune;
mod trouble;

pub use active::active;
pub use again::{
    Again, JobSelection, again, cancel, count_jobs, died_since, job, newest_jobs, page_jobs, revive,
};
pub use claim::Claimed;
pub use enqueue::{NewJob, cancel_one, cancel_waiting, enqueue, hurry};
pub use finish::{Ended, Outcome};
pub use inspect::{Counts, JobFilter, Revived, alive, last_words};
pub use janitor::Swept;
pub use prune::prune_attempts;
pub use trouble::{
    Troubled, end_moot, ended_well_since, revive_group, troubled, troubled_jobs, waiting_on,
};

use crate::db::Db;
use crate::domain::job::named;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::Notify;

named!(
    /// Where a job is in its life.
    JobState {
        /// Waits until its time comes and a worker takes it.
        Available = "available",
        /// A worker holds its lease.
        Running = "running",
        Done = "done",
        /// Given up: a person has to act, then revive it.
        Dead = "dead",
        /// A newer job of the same kind and key took its place.
        Superseded = "superseded",
        Cancelled = "cancelled",
    }
);

/// How long things last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueOptions {
    /// A claimed job that is not heartbeated for so long is given to another worker. Default 60 s; heartbeat
    /// at a third of it.
    pub lease: Duration,
    /// How long finished jobs and their attempts are kept. Default 7 days.
    pub keep_finished: Duration,
    /// How long dead jobs and their attempts are kept. Default 90 days.
    pub keep_dead: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        Self {
            lease: Duration::from_secs(60),
            keep_finished: 7 * DAY,
            keep_dead: 90 * DAY,
        }
    }
}

/// The queue of one database; cheap to clone, clones wake each other.
#[derive(Debug, Clone)]
pub struct Queue {
    db: Db,
    options: QueueOptions,
    bell: Arc<Notify>,
}

impl Queue {
    pub fn new(db: Db, options: QueueOptions) -> Self {
        Self {
            db,
            options,
            bell: Arc::new(Notify::new()),
        }
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    pub fn options(&self) -> &QueueOptions {
        &self.options
    }

    /// Tells the workers of this process that there is work. Called after the commit of what was enqueued:
    /// before it, they would find nothing.
    pub fn wake(&self) {
        self.bell.notify_waiters();
        // One permit stays for a worker that has just looked and not yet gone to sleep.
        self.bell.notify_one();
    }

    /// Returns at the next [`Queue::wake`], or after `at_most`: other processes cannot ring, so poll.
    pub async fn wait(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.bell.notified()).await;
    }
}
