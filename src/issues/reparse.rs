//! What a new version may understand: looked at again once when the program starts.

use super::IssueError;
use crate::domain::{Cause, MerchantId, Timestamp};
use crate::inbox::{self, Verdict};
use crate::queue::{self, Queue};
use entity::deliveries;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use std::time::Duration;

/// Deliveries of one transaction.
const PAGE: u64 = 50;
/// Deliveries that are parsed again at one start, newest first.
const MOST: usize = 10_000;
/// What came longer ago is not worth it: the orders have been downloaded since.
const LATELY: Duration = Duration::from_secs(30 * 86_400);
/// Dead jobs of one group that are taken up at one start.
const AT_ONCE: u64 = 200;
/// Written out, so that the partial index is recognised.
const NOT_UNDERSTOOD: &str = "deliveries.verdict in ('unknown_topic', 'unreadable')";

/// What a start took up again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reparsed {
    pub deliveries: u64,
    /// Of those: understood now.
    pub understood: u64,
    /// Dead jobs that failed for a reason that a new version, or new settings, may have ended.
    pub revived: u64,
}

/// Parses deliveries again that were not understood, and lets jobs wait again that failed because of ourselves or the
/// settings; of one merchant, and with bounds.
///
/// # Errors
/// When the database fails; what was done until then holds.
pub async fn take_up_after_start(
    queue: &Queue,
    merchant: MerchantId,
    now: Timestamp,
) -> Result<Reparsed, IssueError> {
    let mut done = Reparsed::default();
    let mut before = i64::MAX;
    for _ in 0..MOST.div_ceil(PAGE as usize) {
        let page = deliveries::Entity::of_merchant(merchant.0)
            .filter(Expr::cust(NOT_UNDERSTOOD))
            .filter(deliveries::Column::ReceivedAt.gt((now - LATELY).micros()))
            .filter(deliveries::Column::Id.lt(before))
            .order_by_desc(deliveries::Column::Id)
            .limit(PAGE)
            .all(queue.db().read())
            .await?;
        let Some(last) = page.last() else {
            break;
        };
        before = last.id;
        let tx = queue.db().write_tx().await?;
        for row in page {
            done.deliveries += 1;
            let replayed = inbox::replay(&tx, merchant, row, now).await?;
            let is_understood = !matches!(
                replayed.verdict,
                Verdict::UnknownTopic | Verdict::Unreadable
            );
            done.understood += u64::from(is_understood);
        }
        tx.commit().await?;
    }
    for group in queue::troubled(queue, merchant).await? {
        let is_ours = matches!(
            group.cause,
            Cause::Bug | Cause::UnreadableAnswer | Cause::NotConfigured
        );
        if is_ours && group.dead > 0 {
            let tx = queue.db().write_tx().await?;
            done.revived += queue::revive_group(&tx, merchant, &group, AT_ONCE, now).await?;
            tx.commit().await?;
        }
    }
    if done.understood + done.revived > 0 {
        queue.wake();
    }
    Ok(done)
}
