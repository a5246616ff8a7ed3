//! What runs beside the work, in every process that fires schedules: issues, retention, packing.
//!
//! A failure is told and tried again the next time; nothing waits for it.

use super::worker_name;
use crate::accounts;
use crate::clock::Clock;
use crate::config::Retention;
use crate::domain::MerchantId;
use crate::issues;
use crate::queue::Queue;
use crate::upkeep::{self, Keeping};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often it looks. Not at once: what has just started has better things to do.
const EVERY: Duration = Duration::from_secs(60);
/// Pages of retention per rule, and of packing, in one round.
const PAGES: usize = 20;

/// Looks after everything until it is told to stop.
pub(super) async fn until(
    queue: Queue,
    retention: Retention,
    clock: Clock,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_started = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = look(&queue, &clock, &mut has_started).await {
            tracing::error!(%error, "issues could not be looked for; trying again");
        }
        if let Err(error) = keep(&queue, &retention, &clock).await {
            tracing::error!(%error, "old rows could not be taken away; trying again");
        }
    }
}

async fn look(
    queue: &Queue,
    clock: &Clock,
    has_started: &mut bool,
) -> Result<(), issues::IssueError> {
    for merchant in accounts::merchants(queue.db()).await? {
        let merchant = MerchantId(merchant.id);
        if !*has_started {
            issues::take_up_after_start(queue, merchant, clock.now()).await?;
        }
        let looked = issues::look(queue, merchant, clock.now()).await?;
        if looked.opened > 0 {
            tracing::warn!(
                opened = looked.opened,
                open = looked.open,
                "there are new issues; `marketsink issues list` tells them"
            );
        }
    }
    *has_started = true;
    Ok(())
}

async fn keep(queue: &Queue, retention: &Retention, clock: &Clock) -> Result<(), sea_orm::DbErr> {
    let keeping = Keeping {
        retention,
        now: clock.now(),
    };
    let tended = upkeep::tend(queue.db(), keeping, &worker_name(), PAGES).await?;
    let rows: u64 = tended.iter().map(|one| one.rows).sum();
    if rows > 0 {
        tracing::info!(rows, "old rows were taken away");
    }
    upkeep::pack_some(queue.db(), keeping, PAGES).await?;
    Ok(())
}
