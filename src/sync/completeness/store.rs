//! Keeping reports, and reading them.

use super::{Finding, FindingKind, Proof, Tally, look::Look};
use crate::channels::Channel;
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, Day, MerchantId, Money, RemoteId, Source, Timestamp, Window, Work};
use entity::{completeness, completeness_orders};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use std::collections::HashSet;

/// Orders that are kept of one report; of more only the numbers are kept.
const MOST: usize = 5_000;
/// Rows per statement: SQLite binds 32,766 values at most.
const ROWS: usize = 500;

/// What a report is about.
#[derive(Debug)]
pub(super) struct About<'a> {
    pub connection: &'a Channel,
    pub day: Day,
    pub source: Source,
    pub proof: Proof,
}

/// A report with the orders that there is something to say of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletenessReport {
    pub report: completeness::Model,
    pub orders: Vec<completeness_orders::Model>,
}

impl Tally {
    /// The counts that a report keeps.
    pub fn of(row: &completeness::Model) -> Self {
        let count = i64::cast_unsigned;
        let amounts = |text: &str| serde_json::from_str::<Vec<Money>>(text).unwrap_or_default();
        Self {
            listed: count(row.listed),
            explained: count(row.explained),
            noted: count(row.noted),
            theirs: count(row.theirs),
            theirs_value: amounts(&row.theirs_value),
            ours: count(row.ours),
            ours_value: amounts(&row.ours_value),
            matched: count(row.matched),
            missing: count(row.missing),
            wrong_status: count(row.wrong_status),
            different_total: count(row.different_total),
            only_in_books: count(row.only_in_books),
            unreadable: count(row.unreadable),
        }
    }
}

/// The merchant's reports of these days, newest day first and of each day the newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn completeness_reports(
    db: &Db,
    merchant: MerchantId,
    channel: Option<ChannelId>,
    days: (Day, Day),
    limit: u64,
) -> Result<Vec<completeness::Model>, DbErr> {
    let mut found = completeness::Entity::of_merchant(merchant.0)
        .filter(completeness::Column::Day.gte(days.0.to_string()))
        .filter(completeness::Column::Day.lte(days.1.to_string()));
    if let Some(channel) = channel {
        found = found.filter(completeness::Column::ChannelId.eq(channel.0));
    }
    found
        .order_by_desc(completeness::Column::Day)
        .order_by_asc(completeness::Column::ChannelId)
        .order_by_desc(completeness::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// The orders of a report, by kind and number.
///
/// # Errors
/// When the database cannot be asked.
pub async fn completeness_orders(
    db: &Db,
    merchant: MerchantId,
    report: completeness::Model,
) -> Result<CompletenessReport, DbErr> {
    let orders = completeness_orders::Entity::of_merchant(merchant.0)
        .filter(completeness_orders::Column::CompletenessId.eq(report.id))
        .order_by_asc(completeness_orders::Column::Kind)
        .order_by_asc(completeness_orders::Column::Id)
        .limit(2 * MOST as u64)
        .all(db.read())
        .await?;
    Ok(CompletenessReport { report, orders })
}

/// The report of a day whose gap is being closed.
pub(super) async fn closing<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    day: Day,
) -> Result<Option<completeness::Model>, DbErr> {
    newest(db, channel, day, Proof::Closing).await
}

/// The newest report of a day, if it is of this kind.
async fn newest<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    day: Day,
    proof: Proof,
) -> Result<Option<completeness::Model>, DbErr> {
    let row = completeness::Entity::of_channel(channel.0)
        .filter(completeness::Column::Day.eq(day.to_string()))
        .order_by_desc(completeness::Column::Id)
        .one(db)
        .await?;
    Ok(row.filter(|row| row.state == proof.as_str()))
}

/// The key of an order's fetch.
pub(super) fn fetch_key(channel: ChannelId, order: &RemoteId) -> String {
    let order = order.clone();
    Work::FetchOrder { order }.key(channel)
}

/// The keys of the fetches that a report asked for.
pub(super) async fn fetched_keys<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    report: i64,
) -> Result<Vec<String>, DbErr> {
    let fetched = FindingKind::ALL.iter().filter(|kind| kind.is_fetched());
    let ids: Vec<String> = completeness_orders::Entity::find()
        .select_only()
        .column(completeness_orders::Column::RemoteId)
        .filter(completeness_orders::Column::CompletenessId.eq(report))
        .filter(completeness_orders::Column::Kind.is_in(fetched.map(|kind| kind.as_str())))
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids
        .iter()
        .map(|id| fetch_key(channel, &RemoteId::from(id.as_str())))
        .collect())
}

/// Writes what a look found: as a report of its own, over one that proved nothing, or to the one whose gap has been
/// closed.
pub(super) async fn keep(
    tx: &Tx,
    about: &About<'_>,
    open: Option<completeness::Model>,
    look: &Look,
    now: Timestamp,
) -> Result<(), DbErr> {
    let is_second = open.is_some();
    let held = match open {
        Some(row) => Some(row),
        None => newest(tx, about.connection.id, about.day, Proof::NotProved).await?,
    };
    let mut row = row(about, look.window, look.at);
    counted(&mut row, &look.tally);
    row.emulated = Set(look.emulated);
    let calls = i64::try_from(look.api_calls).unwrap_or(i64::MAX);
    row.api_calls = Set(calls);
    if let (Some(held), true) = (&held, is_second) {
        row.source = Set(held.source.clone());
        row.before_closing = Set(serde_json::to_string(&Tally::of(held)).ok());
        row.api_calls = Set(held.api_calls.saturating_add(calls));
        row.closed_at = Set(Some(now.micros()));
    }
    let row = write(tx, row, held.map(|held| held.id)).await?;
    note_orders(tx, &row, &look.findings, now).await
}

/// Notes that a day could not be looked at. A report whose gap is being closed stays: it is gone on with.
pub(super) async fn keep_unproved(
    tx: &Tx,
    about: &About<'_>,
    window: Window,
    reason: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    let (channel, day) = (about.connection.id, about.day);
    if closing(tx, channel, day).await?.is_some() {
        return Ok(());
    }
    let held = newest(tx, channel, day, Proof::NotProved).await?;
    let mut row = row(about, window, now);
    counted(&mut row, &Tally::default());
    row.reason = Set(Some(reason.to_owned()));
    row.api_calls = Set(0);
    write(tx, row, held.map(|held| held.id)).await?;
    Ok(())
}

fn row(about: &About<'_>, window: Window, at: Timestamp) -> completeness::ActiveModel {
    completeness::ActiveModel {
        id: NotSet,
        merchant_id: Set(about.connection.merchant.0),
        channel_id: Set(about.connection.id.0),
        day: Set(about.day.to_string()),
        window_from: Set(window.from.micros()),
        window_to: Set(window.to.micros()),
        source: Set(about.source.as_str().to_owned()),
        state: Set(about.proof.as_str().to_owned()),
        reason: Set(None),
        emulated: Set(false),
        looked_at: Set(at.micros()),
        before_closing: Set(None),
        closed_at: Set(None),
        ..Default::default()
    }
}

fn counted(row: &mut completeness::ActiveModel, tally: &Tally) {
    let amounts = |of: &Vec<Money>| serde_json::to_string(of).unwrap_or_else(|_| "[]".to_owned());
    row.listed = Set(tally.listed.cast_signed());
    row.explained = Set(tally.explained.cast_signed());
    row.noted = Set(tally.noted.cast_signed());
    row.theirs = Set(tally.theirs.cast_signed());
    row.theirs_value = Set(amounts(&tally.theirs_value));
    row.ours = Set(tally.ours.cast_signed());
    row.ours_value = Set(amounts(&tally.ours_value));
    row.matched = Set(tally.matched.cast_signed());
    row.missing = Set(tally.missing.cast_signed());
    row.wrong_status = Set(tally.wrong_status.cast_signed());
    row.different_total = Set(tally.different_total.cast_signed());
    row.only_in_books = Set(tally.only_in_books.cast_signed());
    row.unreadable = Set(tally.unreadable.cast_signed());
}

async fn write(
    tx: &Tx,
    mut row: completeness::ActiveModel,
    over: Option<i64>,
) -> Result<completeness::Model, DbErr> {
    match over {
        Some(id) => {
            row.id = Set(id);
            row.update(tx).await
        }
        None => row.insert(tx).await,
    }
}

/// What was found before and not any more is closed; the rest is as it was found last.
async fn note_orders(
    tx: &Tx,
    report: &completeness::Model,
    findings: &[Finding],
    now: Timestamp,
) -> Result<(), DbErr> {
    let found = findings.iter();
    let still: HashSet<(&str, &str)> = found
        .map(|one| (one.remote_id.as_str(), one.kind.as_str()))
        .collect();
    let of_report = completeness_orders::Column::CompletenessId.eq(report.id);
    let known: Vec<(i64, String, String)> = completeness_orders::Entity::find()
        .select_only()
        .column(completeness_orders::Column::Id)
        .column(completeness_orders::Column::RemoteId)
        .column(completeness_orders::Column::Kind)
        .filter(of_report)
        .into_tuple()
        .all(tx)
        .await?;
    let (again, closed): (Vec<_>, Vec<_>) = known
        .into_iter()
        .partition(|(_, order, kind)| still.contains(&(order.as_str(), kind.as_str())));
    for some in again.chunks(ROWS) {
        completeness_orders::Entity::delete_many()
            .filter(completeness_orders::Column::Id.is_in(some.iter().map(|(id, ..)| *id)))
            .exec(tx)
            .await?;
    }
    for some in closed.chunks(ROWS) {
        completeness_orders::Entity::update_many()
            .col_expr(
                completeness_orders::Column::ClosedAt,
                Expr::value(now.micros()),
            )
            .filter(completeness_orders::Column::Id.is_in(some.iter().map(|(id, ..)| *id)))
            .filter(completeness_orders::Column::ClosedAt.is_null())
            .exec(tx)
            .await?;
    }
    let kept: Vec<_> = findings
        .iter()
        .take(MOST)
        .map(|finding| order_row(report, finding, now))
        .collect();
    for some in kept.chunks(ROWS) {
        completeness_orders::Entity::insert_many(some.iter().cloned())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

fn order_row(
    report: &completeness::Model,
    finding: &Finding,
    now: Timestamp,
) -> completeness_orders::ActiveModel {
    let minor = |of: Option<Money>| of.map(|money| money.minor);
    let code = |of: Option<Money>| of.map(|money| money.currency.code().to_owned());
    completeness_orders::ActiveModel {
        id: NotSet,
        merchant_id: Set(report.merchant_id),
        channel_id: Set(report.channel_id),
        completeness_id: Set(report.id),
        remote_id: Set(finding.remote_id.to_string()),
        number: Set(finding.number.clone()),
        kind: Set(finding.kind.as_str().to_owned()),
        reason: Set(finding.reason.clone()),
        theirs_status: Set(finding.theirs_status.clone()),
        ours_status: Set(finding.ours_status.clone()),
        theirs_minor: Set(minor(finding.theirs_total)),
        theirs_currency: Set(code(finding.theirs_total)),
        ours_minor: Set(minor(finding.ours_total)),
        ours_currency: Set(code(finding.ours_total)),
        found_at: Set(now.micros()),
        closed_at: Set(None),
    }
}
