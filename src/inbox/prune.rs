//! Taking old deliveries away: never one that is still to be worked off, or whose repeat may still come.
//!
//! A delivery's row is what makes a repeat a repeat. After [`DEDUPE_WINDOW`] no marketplace sends it again; if one did,
//! it would be taken again, and change nothing: what it says is in the books.

use super::bodies::drop_bodies;
use crate::db::{Pruned, Span, Tx, old_rows, prune_rows};
use crate::domain::Timestamp;
use entity::{deliveries, events, quarantine};
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use std::time::Duration;

/// No delivery is taken away sooner. The longest retry of a marketplace is TikTok Shop's and Shopify's: 3 days at most,
/// and people send again by hand for some days more; 30 days leave room.
pub const DEDUPE_WINDOW: Duration = Duration::from_secs(30 * 86_400);

/// What it tells of waits to be worked off: parked, or being retried.
const IS_PENDING: &str = "exists (select 1 from events e where e.delivery_id = deliveries.id \
    and e.state = 'pending')";
/// Another one came later on the channel: the last one tells when it was last heard of.
const IS_NOT_LAST: &str = "(deliveries.channel_id is null or exists (select 1 from deliveries d \
    where d.channel_id = deliveries.channel_id and d.received_at > deliveries.received_at))";
/// Shops without an API live by what their webhooks carried: the newest of each order is all there is to read again.
const IS_NOT_ALL_THERE_IS: &str = "(deliveries.marketplace <> 'standard_webhooks' or not exists (select 1 \
    from events e where e.delivery_id = deliveries.id and e.kind = 'order_changed' and not exists (select 1 \
    from events l where l.channel_id = e.channel_id and l.kind = e.kind and l.subject = e.subject and l.id > e.id)))";
/// Understood when it came, so that nothing is taken up later.
const IS_UNDERSTOOD: &str =
    "deliveries.verdict not in ('unknown_topic', 'unreadable', 'unknown_channel')";

fn may_go() -> Condition {
    Condition::all()
        .add(Expr::cust(IS_PENDING).not())
        .add(Expr::cust(IS_NOT_LAST))
        .add(Expr::cust(IS_NOT_ALL_THERE_IS))
}

/// Deletes a page of deliveries with their events. Those that were not understood go only when they came before
/// `unread_before`; `None` keeps them.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_deliveries(
    tx: &Tx,
    span: &Span,
    unread_before: Option<Timestamp>,
    now: Timestamp,
) -> Result<Pruned, DbErr> {
    let span = outside_the_window(span, now);
    let unread = unread_before.map(|before| deliveries::Column::ReceivedAt.lt(before.micros()));
    let read_enough = Condition::any()
        .add(Expr::cust(IS_UNDERSTOOD))
        .add_option(unread);
    let may_go = may_go().add(read_enough);
    let columns = (deliveries::Column::Id, deliveries::Column::ReceivedAt);
    let (gone, next) = prune_rows::<deliveries::Entity>(tx, columns, may_go, &span).await?;
    if !gone.is_empty() {
        events::Entity::delete_many()
            .filter(events::Column::DeliveryId.is_in(gone.iter().copied()))
            .exec(tx)
            .await?;
    }
    Ok(Pruned::of(&gone, next))
}

/// Forgets the bodies of a page of deliveries, and keeps their rows.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_bodies(tx: &Tx, span: &Span, now: Timestamp) -> Result<Pruned, DbErr> {
    let span = outside_the_window(span, now);
    let may_go = may_go()
        .add(Expr::cust(IS_UNDERSTOOD))
        .add(deliveries::Column::BodyEncoding.ne("dropped"));
    let columns = (deliveries::Column::Id, deliveries::Column::ReceivedAt);
    let old = old_rows::<deliveries::Entity>(tx, columns, may_go, &span).await?;
    drop_bodies(tx, &old.ids).await?;
    Ok(Pruned::of(&old.ids, old.next))
}

/// Deletes a page of refused requests.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_quarantine(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let columns = (quarantine::Column::Id, quarantine::Column::ReceivedAt);
    let (gone, next) =
        prune_rows::<quarantine::Entity>(tx, columns, Condition::all(), span).await?;
    Ok(Pruned::of(&gone, next))
}

fn outside_the_window(span: &Span, now: Timestamp) -> Span {
    Span {
        before: span.before.min(now - DEDUPE_WINDOW),
        ..*span
    }
}
