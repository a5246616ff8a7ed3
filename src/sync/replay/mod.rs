//! Taking up again deliveries and jobs that a person selected: first told, then done, a page at a time.
//!
//! ```text
//!  preview ─► planned ──first page──► running ──all settled──► done
//!                │                      │
//!                └───────cancel─────────┴──────────────────► cancelled
//! ```
//!
//! 1. [`Sync::plan_replay`] counts what is selected, reads the orders back and books each in a transaction that is
//!    rolled back: what would change is told, and nothing is written.
//! 2. [`open_replay`] writes down who wants what and why, and enqueues one job. What arrives later is no part of it.
//! 3. Each run of that job takes up a page in one transaction: parses the deliveries anew, or revives and repeats the
//!    jobs, enqueues their work, and notes for each how its order was booked before. A replay has a cap and a rate.
//! 4. When the work of a delivery or job has ended, what changed in the books is noted with it.
//!
//! The work reads the present, and orders are recorded once per change: replaying twice, or by two people at once,
//! changes nothing twice.

mod items;
mod pace;
mod plan;
mod run;

pub use items::{replay, replay_counts, replay_items, replays, replays_of};
pub use plan::{Foreseen, Planned, ReplayPlan};

use crate::db::Tx;
use crate::domain::{MerchantId, ReplayId, Source, Timestamp, Work, job::named};
use crate::inbox::{self, DeliverySelection};
use crate::queue::{self, JobSelection, NewJob};
use entity::replays as rows;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, IntoActiveModel, QueryFilter,
    QuerySelect,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Taken up at most, where nothing else is asked for; and whatever is asked for.
pub const USUAL_MOST: u64 = 1_000;
pub const GREATEST_MOST: u64 = 100_000;
/// Taken up a minute, where nothing else is asked for; and whatever is asked for.
pub const USUAL_RATE: u64 = 60;
pub const GREATEST_RATE: u64 = 6_000;

named!(
    /// Where a replay is.
    ReplayState {
        /// Nothing was taken up yet.
        Planned = "planned",
        Running = "running",
        Done = "done",
        Cancelled = "cancelled",
    }
);

named!(
    /// What became of one delivery or job.
    ReplayOutcome {
        /// Its work has not ended yet.
        Waiting = "waiting",
        /// The books are not as they were before it.
        Changed = "changed",
        Unchanged = "unchanged",
        /// Its work, which is about no order, is done.
        Done = "done",
        /// Its work was given up, or goes on failing.
        Failed = "failed",
        /// Understood; nothing to do.
        Ignored = "ignored",
        /// For a channel that is locked.
        Parked = "parked",
        UnknownTopic = "unknown_topic",
        Unreadable = "unreadable",
        /// For no shop of this merchant.
        UnknownChannel = "unknown_channel",
        /// For a channel that was removed.
        Removed = "removed",
    }
);

/// What is taken up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplaySelection {
    Deliveries(DeliverySelection),
    Jobs(JobSelection),
}

impl ReplaySelection {
    /// The word for it in tables; never renamed.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Deliveries(_) => "deliveries",
            Self::Jobs(_) => "jobs",
        }
    }

    /// How many are selected, and the newest of them.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn count<C: sea_orm::ConnectionTrait>(
        &self,
        db: &C,
        merchant: MerchantId,
    ) -> Result<(u64, i64), DbErr> {
        match self {
            Self::Deliveries(selection) => inbox::count_selected(db, merchant, selection).await,
            Self::Jobs(selection) => queue::count_jobs(db, merchant, selection).await,
        }
    }
}

/// A replay that a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayWish {
    pub selection: ReplaySelection,
    /// Taken up at most; the oldest first.
    pub most: u64,
    /// Taken up a minute at most.
    pub per_minute: u64,
    pub by: String,
    pub why: String,
}

/// Writes a replay down and enqueues its work; `None` when nothing is selected. Call [`queue::Queue::wake`] after the
/// commit.
///
/// # Errors
/// When the database fails.
pub async fn open_replay(
    tx: &Tx,
    merchant: MerchantId,
    wish: &ReplayWish,
    now: Timestamp,
) -> Result<Option<rows::Model>, DbErr> {
    let (matched, up_to) = wish.selection.count(tx, merchant).await?;
    if matched == 0 {
        return Ok(None);
    }
    let selection =
        serde_json::to_string(&wish.selection).map_err(|error| DbErr::Custom(error.to_string()))?;
    let row = rows::ActiveModel {
        merchant_id: Set(merchant.0),
        source_kind: Set(wish.selection.kind().to_owned()),
        selection: Set(selection),
        by_name: Set(wish.by.clone()),
        why: Set(wish.why.clone()),
        state: Set(ReplayState::Planned.as_str().to_owned()),
        matched: Set(signed(matched)),
        most: Set(signed(wish.most.clamp(1, GREATEST_MOST))),
        per_minute: Set(signed(wish.per_minute.clamp(1, GREATEST_RATE))),
        up_to: Set(up_to),
        position: Set(0),
        taken: Set(0),
        minute: Set(0),
        minute_taken: Set(0),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    let row = row.insert(tx).await?;
    queue::enqueue(tx, &[job(merchant, ReplayId(row.id))], now).await?;
    Ok(Some(row))
}

/// Takes up nothing more; what was taken up already is followed to its end. False when there is no such replay under
/// way.
///
/// # Errors
/// When the database fails.
pub async fn cancel_replay(
    tx: &Tx,
    merchant: MerchantId,
    id: ReplayId,
    note: &str,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let row = rows::Entity::of_merchant(merchant.0)
        .filter(rows::Column::Id.eq(id.0))
        .lock_exclusive()
        .one(tx)
        .await?;
    let open = [ReplayState::Planned, ReplayState::Running].map(ReplayState::as_str);
    let Some(row) = row.filter(|row| open.contains(&row.state.as_str())) else {
        return Ok(false);
    };
    let mut row = row.into_active_model();
    row.state = Set(ReplayState::Cancelled.as_str().to_owned());
    row.note = Set(Some(note.to_owned()));
    row.update(tx).await?;
    queue::enqueue(tx, &[job(merchant, id)], now).await?;
    Ok(true)
}

fn job(merchant: MerchantId, replay: ReplayId) -> NewJob {
    NewJob::of_merchant(merchant, Work::Replay { replay }, Source::Replay)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
