//! The rows of issues: writing what changed, and reading them.

use super::{Change, Found, IssueError, Looked, compare, compare::sample_text};
use crate::accounts::{Actor, audit};
use crate::db::{Db, Pruned, Span, Tx, prune_rows};
use crate::domain::{Cause, ChannelId, MerchantId, Timestamp};
use entity::issues;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde::{Serialize, Serializer};
use serde_json::json;

const OPEN: &str = "open";
const CLOSED: &str = "closed";
/// Open issues of one merchant that are compared; more are compared in the next look.
const MOST: u64 = 5_000;

/// An issue, as people and pages see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    pub id: i64,
    pub channel: Option<ChannelId>,
    pub cause: Cause,
    pub subject: String,
    pub is_open: bool,
    /// What happened, in words.
    pub found: String,
    /// What a person can do.
    pub to_do: String,
    #[serde(serialize_with = "as_text")]
    pub first_at: Timestamp,
    #[serde(serialize_with = "as_text")]
    pub last_at: Timestamp,
    pub count: i64,
    /// Orders that are affected.
    pub orders: i64,
    /// Some of what is affected.
    pub sample: Vec<String>,
    /// Pieces of work that wait for its end.
    pub blocked: i64,
    /// 1 is the first; each recurrence counts.
    pub episode: i64,
    #[serde(serialize_with = "as_text")]
    pub opened_at: Timestamp,
    #[serde(serialize_with = "as_text_or_none")]
    pub closed_at: Option<Timestamp>,
    pub closed_why: Option<String>,
    /// Pieces of work that were taken up again.
    pub revived: i64,
    #[serde(serialize_with = "as_text_or_none")]
    pub muted_at: Option<Timestamp>,
    pub muted_by: Option<String>,
    pub muted_why: Option<String>,
}

impl Issue {
    /// None of a cause that this version does not know.
    fn of(row: issues::Model) -> Option<Self> {
        let at = Timestamp::from_micros;
        Some(Self {
            id: row.id,
            channel: row.channel_id.map(ChannelId),
            cause: Cause::parse(&row.cause)?,
            subject: row.subject,
            is_open: row.state == OPEN,
            found: row.found,
            to_do: row.to_do,
            first_at: at(row.first_at),
            last_at: at(row.last_at),
            count: row.count,
            orders: row.orders,
            sample: serde_json::from_str(&row.sample).unwrap_or_default(),
            blocked: row.blocked,
            episode: row.episode,
            opened_at: at(row.opened_at),
            closed_at: row.closed_at.map(at),
            closed_why: row.closed_why,
            revived: row.revived,
            muted_at: row.muted_at.map(at),
            muted_by: row.muted_by,
            muted_why: row.muted_why,
        })
    }
}

/// As people and other programs read times.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the way serde hands it over"
)]
fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[allow(clippy::ref_option, reason = "the way serde hands it over")]
fn as_text_or_none<S: Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

/// Which issues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Closed ones as well.
    pub closed: bool,
    /// Muted ones as well.
    pub muted: bool,
    pub channel: Option<ChannelId>,
    pub cause: Option<Cause>,
    /// Only those with a smaller id: the next page.
    pub before: Option<i64>,
}

/// Writes what was found, and counts; `revived` says of which keys work was taken up.
pub(super) async fn write(
    db: &Db,
    merchant: MerchantId,
    found: &[Found],
    revived: &[(String, u64)],
    now: Timestamp,
) -> Result<Looked, DbErr> {
    let open = open_rows(db, merchant).await?;
    let changes = compare(found, &open);
    let mut looked = Looked::default();
    let mut n_open = open.len() as u64;
    if changes.is_empty() && revived.is_empty() {
        looked.open = n_open;
        return Ok(looked);
    }
    let tx = db.write_tx().await?;
    for (key, n) in revived {
        count_revived(&tx, merchant, key, *n).await?;
    }
    for change in changes {
        match change {
            Change::Open(found) => {
                if open_one(&tx, merchant, found, now).await? {
                    looked.opened += 1;
                    n_open += 1;
                }
            }
            Change::Update(row, found) => update(&tx, row, found, now).await?,
            Change::Close(row) => {
                let n = revived.iter().find(|(key, _)| *key == row.key);
                let n = row.revived + n.map_or(0, |(_, n)| n.cast_signed());
                if close(&tx, row, n, now).await? {
                    looked.closed += 1;
                    n_open -= 1;
                }
            }
        }
    }
    tx.commit().await?;
    looked.open = n_open;
    Ok(looked)
}

async fn open_rows(db: &Db, merchant: MerchantId) -> Result<Vec<issues::Model>, DbErr> {
    issues::Entity::of_merchant(merchant.0)
        // Written out, so that the partial index is recognised.
        .filter(Expr::cust("issues.state = 'open'"))
        .order_by_asc(issues::Column::Id)
        .limit(MOST)
        .all(db.read())
        .await
}

/// False when another process opened it just before.
async fn open_one(
    tx: &Tx,
    merchant: MerchantId,
    found: &Found,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let key = found.key();
    let last: Option<i64> = issues::Entity::of_merchant(merchant.0)
        .select_only()
        .column(issues::Column::Episode)
        .filter(issues::Column::Key.eq(&key))
        .order_by_desc(issues::Column::Id)
        .limit(1)
        .into_tuple()
        .one(tx)
        .await?;
    let row = issues::ActiveModel {
        id: NotSet,
        merchant_id: Set(merchant.0),
        channel_id: Set(found.channel.map(|channel| channel.0)),
        cause: Set(found.cause.to_string()),
        subject: Set(found.subject.clone()),
        key: Set(key),
        state: Set(OPEN.to_owned()),
        found: Set(found.found.clone()),
        to_do: Set(found.to_do.clone()),
        first_at: Set(found.first_at.micros()),
        last_at: Set(found.last_at.micros()),
        count: Set(found.count.cast_signed()),
        orders: Set(found.orders.cast_signed()),
        sample: Set(sample_text(&found.sample)),
        blocked: Set(found.blocked.cast_signed()),
        episode: Set(last.unwrap_or(0) + 1),
        opened_at: Set(now.micros()),
        looked_at: Set(now.micros()),
        closed_at: Set(None),
        closed_why: Set(None),
        revived: Set(0),
        muted_at: Set(None),
        muted_by: Set(None),
        muted_why: Set(None),
    };
    let mut conflict = OnConflict::columns([issues::Column::MerchantId, issues::Column::Key]);
    conflict
        .target_and_where(Expr::cust("state = 'open'"))
        .do_nothing();
    let written = issues::Entity::insert_many([row])
        .on_conflict(conflict)
        .exec_without_returning(tx)
        .await?;
    Ok(written > 0)
}

async fn update(tx: &Tx, row: &issues::Model, found: &Found, now: Timestamp) -> Result<(), DbErr> {
    let mut changed = row.clone().into_active_model();
    changed.found = Set(found.found.clone());
    changed.to_do = Set(found.to_do.clone());
    changed.first_at = Set(row.first_at.min(found.first_at.micros()));
    changed.last_at = Set(row.last_at.max(found.last_at.micros()));
    changed.count = Set(found.count.cast_signed());
    changed.orders = Set(found.orders.cast_signed());
    changed.sample = Set(sample_text(&found.sample));
    changed.blocked = Set(found.blocked.cast_signed());
    changed.looked_at = Set(now.micros());
    changed.update(tx).await?;
    Ok(())
}

async fn count_revived(tx: &Tx, merchant: MerchantId, key: &str, n: u64) -> Result<(), DbErr> {
    use sea_orm::ExprTrait;
    issues::Entity::update_many()
        .col_expr(
            issues::Column::Revived,
            Expr::col(issues::Column::Revived).add(n.cast_signed()),
        )
        .filter(issues::Column::MerchantId.eq(merchant.0))
        .filter(issues::Column::Key.eq(key))
        .filter(Expr::cust("issues.state = 'open'"))
        .exec(tx)
        .await?;
    Ok(())
}

async fn close(tx: &Tx, row: &issues::Model, revived: i64, now: Timestamp) -> Result<bool, DbErr> {
    let why = if revived > 0 {
        format!("its cause is gone; {revived} pieces of work were taken up again")
    } else {
        "its cause is gone".to_owned()
    };
    let closed = issues::Entity::update_many()
        .col_expr(issues::Column::State, Expr::value(CLOSED))
        .col_expr(issues::Column::ClosedAt, Expr::value(now.micros()))
        .col_expr(issues::Column::LookedAt, Expr::value(now.micros()))
        .col_expr(issues::Column::ClosedWhy, Expr::value(why))
        .filter(issues::Column::Id.eq(row.id))
        .filter(issues::Column::State.eq(OPEN))
        .exec(tx)
        .await?;
    Ok(closed.rows_affected > 0)
}

/// The merchant's issues, those that opened last first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn issues(
    db: &Db,
    merchant: MerchantId,
    filter: &Filter,
    limit: u64,
) -> Result<Vec<Issue>, DbErr> {
    let mut only = Condition::all();
    if !filter.closed {
        only = only.add(Expr::cust("issues.state = 'open'"));
    }
    if !filter.muted {
        only = only.add(issues::Column::MutedAt.is_null());
    }
    let only = only
        .add_option(filter.channel.map(|id| issues::Column::ChannelId.eq(id.0)))
        .add_option(
            filter
                .cause
                .map(|cause| issues::Column::Cause.eq(cause.as_str())),
        )
        .add_option(filter.before.map(|id| issues::Column::Id.lt(id)));
    let rows = issues::Entity::of_merchant(merchant.0)
        .filter(only)
        .order_by_desc(issues::Column::Id)
        .limit(limit)
        .all(db.read())
        .await?;
    Ok(rows.into_iter().filter_map(Issue::of).collect())
}

/// One issue of the merchant.
///
/// # Errors
/// When there is none, or the database cannot be asked.
pub async fn issue(db: &Db, merchant: MerchantId, id: i64) -> Result<Issue, IssueError> {
    let row = issues::Entity::of_merchant(merchant.0)
        .filter(issues::Column::Id.eq(id))
        .one(db.read())
        .await?;
    row.and_then(Issue::of).ok_or(IssueError::Unknown(id))
}

/// The episodes of an issue, newest first; at most `limit`.
///
/// # Errors
/// When there is no such issue, or the database cannot be asked.
pub async fn episodes(
    db: &Db,
    merchant: MerchantId,
    issue: &Issue,
    limit: u64,
) -> Result<Vec<Issue>, IssueError> {
    let channel = issue.channel.unwrap_or(ChannelId::NONE);
    let key = format!("{channel}:{}:{}", issue.cause, issue.subject);
    let rows = issues::Entity::of_merchant(merchant.0)
        .filter(issues::Column::Key.eq(key))
        .order_by_desc(issues::Column::Id)
        .limit(limit)
        .all(db.read())
        .await?;
    Ok(rows.into_iter().filter_map(Issue::of).collect())
}

/// Keeps an open issue out of lists until it closes; its next episode is told again.
///
/// # Errors
/// When there is no such open issue, or the database refuses.
pub async fn mute(
    tx: &Tx,
    merchant: MerchantId,
    id: i64,
    (actor, why): (&Actor, &str),
    now: Timestamp,
) -> Result<(), IssueError> {
    let row = open_row(tx, merchant, id).await?;
    let entry = entry(&row, "issue.muted", (actor, Some(why)), (false, true));
    audit::record(tx, &entry, now).await?;
    let mut row = row.into_active_model();
    row.muted_at = Set(Some(now.micros()));
    row.muted_by = Set(Some(actor.name.clone()));
    row.muted_why = Set(Some(why.to_owned()));
    row.update(tx).await?;
    Ok(())
}

/// Shows an issue in lists again.
///
/// # Errors
/// When there is no such open issue, or the database refuses.
pub async fn unmute(
    tx: &Tx,
    merchant: MerchantId,
    id: i64,
    (actor, why): (&Actor, Option<&str>),
    now: Timestamp,
) -> Result<(), IssueError> {
    let row = open_row(tx, merchant, id).await?;
    let entry = entry(&row, "issue.unmuted", (actor, why), (true, false));
    audit::record(tx, &entry, now).await?;
    let mut row = row.into_active_model();
    row.muted_at = Set(None);
    row.muted_by = Set(None);
    row.muted_why = Set(None);
    row.update(tx).await?;
    Ok(())
}

async fn open_row(tx: &Tx, merchant: MerchantId, id: i64) -> Result<issues::Model, IssueError> {
    let row = issues::Entity::of_merchant(merchant.0)
        .filter(issues::Column::Id.eq(id))
        .one(tx)
        .await?
        .ok_or(IssueError::Unknown(id))?;
    if row.state == OPEN {
        Ok(row)
    } else {
        Err(IssueError::Closed(id))
    }
}

fn entry<'a>(
    row: &'a issues::Model,
    action: &'static str,
    (actor, why): (&'a Actor, Option<&'a str>),
    (was_muted, is_muted): (bool, bool),
) -> audit::Entry<'a> {
    audit::Entry {
        merchant: Some(MerchantId(row.merchant_id)),
        actor,
        action,
        subject_kind: "issue",
        subject: &row.key,
        before: Some(json!({"muted": was_muted})),
        after: Some(json!({"muted": is_muted})),
        why,
    }
}

/// Deletes a page of issues that closed before the time.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_issues(tx: &Tx, span: &Span) -> Result<Pruned, DbErr> {
    let may_go = Condition::all().add(issues::Column::ClosedAt.lt(span.before.micros()));
    let columns = (issues::Column::Id, issues::Column::OpenedAt);
    let (gone, next) = prune_rows::<issues::Entity>(tx, columns, may_go, span).await?;
    Ok(Pruned::of(&gone, next))
}
