//! Taking old rows away by the rules, and packing bodies.

use super::{
    Kept,
    progress::{State, hold, let_go, states, step},
};
use crate::channels;
use crate::config::Retention;
use crate::db::{Db, Pruned, Span, Tx};
use crate::domain::Timestamp;
use crate::imports;
use crate::inbox::{self, Packed};
use crate::issues;
use crate::outbox;
use crate::prices;
use crate::queue;
use crate::schedule;
use crate::stock;
use crate::sync;
use sea_orm::DbErr;
use serde::Serialize;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// Rows that one transaction looks at: the write lock is held for some milliseconds.
const PAGE: u64 = 500;
/// Bodies that one transaction packs.
const BODIES: u64 = 100;
/// The piece of upkeep that packs.
const COMPRESSION: &str = "compression";

/// What is kept how long, and as of when.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    pub retention: &'a Retention,
    pub now: Timestamp,
}

/// What a call did, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tended {
    pub kept: Kept,
    pub rows: u64,
    /// Nothing old is left.
    pub is_done: bool,
}

impl Keeping<'_> {
    /// Rows of an earlier time may go; `None`: they are kept for ever.
    fn before(&self, days: u64) -> Option<Timestamp> {
        let secs = days.checked_mul(86_400).filter(|secs| *secs > 0)?;
        Some(self.now - Duration::from_secs(secs))
    }

    async fn prune(&self, tx: &Tx, kept: Kept, span: &Span) -> Result<Pruned, DbErr> {
        match kept {
            Kept::Deliveries => {
                let unread = self.before(self.retention.unread_deliveries);
                inbox::prune_deliveries(tx, span, unread, self.now).await
            }
            Kept::DeliveryBodies => inbox::prune_bodies(tx, span, self.now).await,
            Kept::Quarantine => inbox::prune_quarantine(tx, span).await,
            Kept::Attempts => queue::prune_attempts(tx, span).await,
            Kept::Scans => sync::prune_scans(tx, span).await,
            Kept::ScanChanges => sync::prune_scan_changes(tx, span).await,
            Kept::ScanPages => sync::prune_scan_pages(tx, span).await,
            Kept::Downloads => sync::prune_downloads(tx, span).await,
            Kept::StockPushes => stock::prune_pushes(tx, span).await,
            Kept::PricePushes => prices::prune_prices(tx, span).await,
            Kept::StockCompares => stock::prune_compares(tx, span).await,
            Kept::StockDrifts => stock::prune_drifts(tx, span).await,
            Kept::EndpointDeliveries => outbox::prune_deliveries(tx, span).await,
            Kept::Happenings => outbox::prune_happenings(tx, span).await,
            Kept::Notices => sync::prune_notices(tx, span).await,
            Kept::Alarms => sync::prune_alarms(tx, span).await,
            Kept::Silences => sync::prune_silences(tx, span).await,
            Kept::Completeness => sync::prune_completeness(tx, span).await,
            Kept::Misses => sync::prune_misses(tx, span).await,
            Kept::Consents => channels::prune_consents(tx, span).await,
            Kept::Fires => schedule::prune_fires(tx, span).await,
            Kept::Issues => issues::prune_issues(tx, span).await,
            Kept::Imports => imports::prune_imports(tx, span).await,
            Kept::Readings => sync::prune_readings(tx, span).await,
            Kept::Replays => sync::prune_replays(tx, span).await,
            Kept::ReplayItems => sync::prune_replay_items(tx, span).await,
        }
    }

    /// Pages of one rule until nothing old is left, or `pages` are done.
    async fn walk(
        &self,
        db: &Db,
        kept: Kept,
        mut state: State,
        pages: usize,
    ) -> Result<Tended, DbErr> {
        let mut tended = Tended {
            kept,
            rows: 0,
            is_done: false,
        };
        let Some(before) = self.before(kept.days(self.retention)) else {
            tended.is_done = true;
            return Ok(tended);
        };
        for _ in 0..pages {
            let span = Span {
                before,
                after: state.position,
                limit: PAGE,
            };
            let tx = db.write_tx().await?;
            let pruned = Box::pin(self.prune(&tx, kept, &span)).await?;
            let ended_at = pruned.next.is_none().then_some(self.now);
            let page = (pruned.rows, pruned.next.unwrap_or(0), ended_at);
            state = step(&tx, kept.as_str(), &state, page).await?;
            tx.commit().await?;
            tended.rows += pruned.rows;
            if pruned.next.is_none() {
                tended.is_done = true;
                break;
            }
        }
        Ok(tended)
    }
}

/// Goes on with what is due, at most `pages` pages of each rule: each rule walks once a day. Nothing while another
/// process does it.
///
/// # Errors
/// When the database fails; what was done until then holds.
pub async fn tend(
    db: &Db,
    keeping: Keeping<'_>,
    holder: &str,
    pages: usize,
) -> Result<Vec<Tended>, DbErr> {
    let now = keeping.now;
    let known = states(db).await?;
    let is_due = |state: &State| {
        let is_old = |at: Timestamp| now.since(at) >= DAY;
        state.position > 0 || state.run_at.is_none_or(is_old)
    };
    let due: Vec<(Kept, State)> = Kept::ALL
        .iter()
        .map(|kept| (*kept, known.get(kept.as_str()).copied().unwrap_or_default()))
        .filter(|(kept, state)| kept.days(keeping.retention) > 0 && is_due(state))
        .collect();
    if due.is_empty() || !hold(db, holder, now).await? {
        return Ok(Vec::new());
    }
    let mut done = Vec::new();
    for (kept, state) in due {
        done.push(keeping.walk(db, kept, state, pages).await?);
    }
    let_go(db, holder).await?;
    Ok(done)
}

/// Walks by every rule now, from where each is to its end.
///
/// # Errors
/// When the database fails; what was done until then holds.
pub async fn run_all(db: &Db, keeping: Keeping<'_>) -> Result<Vec<Tended>, DbErr> {
    let known = states(db).await?;
    let mut done = Vec::new();
    for kept in Kept::ALL {
        let state = known.get(kept.as_str()).copied().unwrap_or_default();
        done.push(keeping.walk(db, *kept, state, usize::MAX).await?);
    }
    Ok(done)
}

/// Says what would go: the same pages, each taken back.
///
/// # Errors
/// When the database fails.
pub async fn dry_run(db: &Db, keeping: Keeping<'_>) -> Result<Vec<Tended>, DbErr> {
    let mut all = Vec::new();
    for kept in Kept::ALL {
        let mut tended = Tended {
            kept: *kept,
            rows: 0,
            is_done: true,
        };
        let before = keeping.before(kept.days(keeping.retention));
        let mut after = Some(0).filter(|_| before.is_some());
        while let (Some(position), Some(before)) = (after, before) {
            let span = Span {
                before,
                after: position,
                limit: PAGE,
            };
            let tx = db.write_tx().await?;
            let pruned = Box::pin(keeping.prune(&tx, *kept, &span)).await?;
            tx.rollback().await?;
            tended.rows += pruned.rows;
            after = pruned.next;
        }
        all.push(tended);
    }
    Ok(all)
}

/// Packs bodies that are old enough, at most `pages` pages; goes on where the last call ended.
///
/// # Errors
/// When the database fails; what was done until then holds.
pub async fn pack_some(db: &Db, keeping: Keeping<'_>, pages: usize) -> Result<Packed, DbErr> {
    let mut all = Packed::default();
    let hours = keeping.retention.compress_after_hours;
    if hours == 0 {
        return Ok(all);
    }
    let before = keeping.now - Duration::from_secs(hours.saturating_mul(3_600));
    let mut state = states(db)
        .await?
        .get(COMPRESSION)
        .copied()
        .unwrap_or_default();
    for _ in 0..pages {
        let span = Span {
            before,
            after: state.position,
            limit: BODIES,
        };
        let packed = inbox::pack_bodies(db, &span).await?;
        all.rows += packed.rows;
        all.plain_bytes += packed.plain_bytes;
        all.packed_bytes += packed.packed_bytes;
        all.next = packed.next;
        if packed.last > state.position {
            let tx = db.write_tx().await?;
            let page = (packed.rows, packed.last, Some(keeping.now));
            state = step(&tx, COMPRESSION, &state, page).await?;
            tx.commit().await?;
        }
        if packed.next.is_none() {
            break;
        }
    }
    Ok(all)
}
