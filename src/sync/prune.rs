//! Taking old walks, notices, alarms and proofs away; what a cursor or a report builds on stays.

use crate::db::{Pruned, Span, Tx, old_rows, prune_rows};
use entity::{
    alarms, completeness, completeness_orders, downloads, notices, readings, replay_items, replays,
    scan_changes, scan_pages, scans, silences, webhook_misses,
};
use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, sea_query::Expr};

/// Scans of one transaction: each may have thousands of changes and pages.
const SCANS: u64 = 5;

/// It has ended, and a later one of its kind on the channel was done: the newest that was done is what reports show.
const SCAN_MAY_GO: &str = "scans.state in ('done', 'suspicious', 'failed', 'cancelled') and exists (select 1 \
    from scans l where l.channel_id = scans.channel_id and l.kind = scans.kind and l.state = 'done' \
    and l.id > scans.id)";
const SCAN_IS_OVER: &str = "scans.state in ('done', 'suspicious', 'failed', 'cancelled')";
const DOWNLOAD_MAY_GO: &str = "downloads.finished_at is not null and exists (select 1 from downloads l \
    where l.channel_id = downloads.channel_id and l.id > downloads.id)";
const COMPLETENESS_MAY_GO: &str = "completeness.state <> 'closing' and exists (select 1 from completeness l \
    where l.channel_id = completeness.channel_id and l.id > completeness.id)";

const READING_MAY_GO: &str = "exists (select 1 from readings l where l.channel_id = readings.channel_id \
    and l.remote_id = readings.remote_id and l.id > readings.id)";
const REPLAY_ITEM_MAY_GO: &str = "exists (select 1 from replays r where r.id = replay_items.replay_id \
    and r.finished_at is not null)";
const REPLAY_MAY_GO: &str = "replays.finished_at is not null and not exists (select 1 from replay_items i \
    where i.replay_id = replays.id)";

/// Deletes a page of scans with their pages and changes.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_scans(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let span = few(span);
    let columns = (scans::Column::Id, scans::Column::StartedAt);
    let may_go = Condition::all().add(Expr::cust(SCAN_MAY_GO));
    let old = old_rows::<scans::Entity>(tx, columns, may_go, &span).await?;
    if !old.ids.is_empty() {
        delete_changes(tx, &old.ids).await?;
        delete_pages(tx, &old.ids).await?;
        scans::Entity::delete_many()
            .filter(scans::Column::Id.is_in(old.ids.iter().copied()))
            .exec(tx)
            .await?;
    }
    Ok(Pruned::of(&old.ids, old.next))
}

/// Deletes what a page of scans found, and keeps the scans.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_scan_changes(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let columns = (scans::Column::Id, scans::Column::StartedAt);
    let may_go = Condition::all().add(Expr::cust(SCAN_MAY_GO));
    let old = old_rows::<scans::Entity>(tx, columns, may_go, &few(span)).await?;
    let rows = delete_changes(tx, &old.ids).await?;
    Ok(Pruned {
        rows,
        next: old.next,
    })
}

/// Deletes what a page of scans saw: it tells absence while they run, and nothing afterwards.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_scan_pages(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let columns = (scans::Column::Id, scans::Column::StartedAt);
    let may_go = Condition::all().add(Expr::cust(SCAN_IS_OVER));
    let old = old_rows::<scans::Entity>(tx, columns, may_go, &few(span)).await?;
    let rows = delete_pages(tx, &old.ids).await?;
    Ok(Pruned {
        rows,
        next: old.next,
    })
}

/// Deletes a page of readings; the newest of each order says what the marketplace shows, and stays.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_readings(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let columns = (readings::Column::Id, readings::Column::LastReadAt);
    let may_go = Condition::all().add(Expr::cust(READING_MAY_GO));
    let (gone, next) = prune_rows::<readings::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}

/// Deletes a page of what ended replays took up.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_replay_items(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let columns = (replay_items::Column::Id, replay_items::Column::TakenAt);
    let may_go = Condition::all().add(Expr::cust(REPLAY_ITEM_MAY_GO));
    let (gone, next) = prune_rows::<replay_items::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}

/// Deletes a page of ended replays of which nothing is left that they took up.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_replays(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let columns = (replays::Column::Id, replays::Column::CreatedAt);
    let may_go = Condition::all().add(Expr::cust(REPLAY_MAY_GO));
    let (gone, next) = prune_rows::<replays::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}

fn few(span: &Span) -> Span {
    Span {
        limit: span.limit.min(SCANS),
        ..*span
    }
}

async fn delete_changes(tx: &Tx, of: &[i64]) -> Result<u64, DbErr> {
    let gone = scan_changes::Entity::delete_many()
        .filter(scan_changes::Column::ScanId.is_in(of.iter().copied()))
        .exec(tx)
        .await?;
    Ok(gone.rows_affected)
}

async fn delete_pages(tx: &Tx, of: &[i64]) -> Result<u64, DbErr> {
    let gone = scan_pages::Entity::delete_many()
        .filter(scan_pages::Column::ScanId.is_in(of.iter().copied()))
        .exec(tx)
        .await?;
    Ok(gone.rows_affected)
}

/// Deletes a page of order downloads; the newest of each channel stays.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_downloads(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(Expr::cust(DOWNLOAD_MAY_GO));
    let columns = (downloads::Column::Id, downloads::Column::StartedAt);
    let (gone, next) = prune_rows::<downloads::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}

/// Deletes a page of notices.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_notices(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let columns = (notices::Column::Id, notices::Column::CreatedAt);
    let (gone, next) = prune_rows::<notices::Entity>(tx, columns, Condition::all(), span).await?;
    Ok(Pruned::of(&gone, next))
}

/// Deletes a page of closed alarms.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_alarms(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let closed = alarms::Column::ClosedAt.lt(span.before.micros());
    let columns = (alarms::Column::Id, alarms::Column::RaisedAt);
    let may_go = Condition::all().add(closed);
    let (gone, next) = prune_rows::<alarms::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}

/// Deletes a page of silences that ended.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_silences(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let ended = silences::Column::EndedAt.lt(span.before.micros());
    let columns = (silences::Column::Id, silences::Column::NoticedAt);
    let may_go = Condition::all().add(ended);
    let (gone, next) = prune_rows::<silences::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}

/// Deletes a page of proofs of completeness with their orders; the newest of each channel stays.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_completeness(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let columns = (completeness::Column::Id, completeness::Column::WindowTo);
    let may_go = Condition::all().add(Expr::cust(COMPLETENESS_MAY_GO));
    let old = old_rows::<completeness::Entity>(tx, columns, may_go, span).await?;
    if !old.ids.is_empty() {
        completeness_orders::Entity::delete_many()
            .filter(completeness_orders::Column::CompletenessId.is_in(old.ids.iter().copied()))
            .exec(tx)
            .await?;
        completeness::Entity::delete_many()
            .filter(completeness::Column::Id.is_in(old.ids.iter().copied()))
            .exec(tx)
            .await?;
    }
    Ok(Pruned::of(&old.ids, old.next))
}

/// Deletes the counts of old days: one row per channel and day, all at once.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_misses(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let gone = webhook_misses::Entity::delete_many()
        .filter(webhook_misses::Column::ComputedAt.lt(span.before.micros()))
        .exec(tx)
        .await?;
    Ok(Pruned {
        rows: gone.rows_affected,
        next: None,
    })
}
