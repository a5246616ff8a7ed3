//! Taking old rows away, a page at a time: what every owner's pruning shares.
//!
//! A page is read in the order of the ids, which is the order of time, and ends at the first row that is not old yet:
//! so a page costs the same on a table of any size. Rows that must stay are passed over; the next page begins behind
//! them.

use super::Tx;
use crate::domain::Timestamp;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Query,
};

/// Which rows a page of pruning looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Only rows of an earlier time.
    pub before: Timestamp,
    /// Only rows with a greater id.
    pub after: i64,
    pub limit: u64,
}

/// What a page of pruning did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    pub rows: u64,
    /// Where the next page begins; `None`: nothing old is left.
    pub next: Option<i64>,
}

/// A page of old rows that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    pub ids: Vec<i64>,
    pub next: Option<i64>,
}

/// The rows of a page that may go, by their ids. `time` rises with `id`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn old_rows<E: EntityTrait>(
    tx: &Tx,
    (id, time): (E::Column, E::Column),
    may_go: Condition,
    span: &Span,
) -> Result<Old, DbErr> {
    let rows: Vec<(i64, i64)> = E::find()
        .select_only()
        .column(id)
        .column(time)
        .filter(id.gt(span.after))
        .order_by_asc(id)
        .limit(span.limit)
        .into_tuple()
        .all(tx)
        .await?;
    let is_full = rows.len() as u64 == span.limit;
    let old: Vec<i64> = rows
        .iter()
        .take_while(|(_, at)| *at < span.before.micros())
        .map(|(id, _)| *id)
        .collect();
    let next = (is_full && old.len() == rows.len())
        .then(|| old.last().copied())
        .flatten();
    if old.is_empty() {
        return Ok(Old { ids: old, next });
    }
    let ids = E::find()
        .select_only()
        .column(id)
        .filter(id.is_in(old))
        .filter(may_go)
        .order_by_asc(id)
        .into_tuple()
        .all(tx)
        .await?;
    Ok(Old { ids, next })
}

/// Deletes the rows of a page that may go, looking again whether they may.
///
/// # Errors
/// When the database refuses; the transaction is then of no more use.
pub async fn prune_rows<E: EntityTrait>(
    tx: &Tx,
    (id, time): (E::Column, E::Column),
    may_go: Condition,
    span: &Span,
) -> Result<(Vec<i64>, Option<i64>), DbErr> {
    let old = old_rows::<E>(tx, (id, time), Condition::all(), span).await?;
    if old.ids.is_empty() {
        return Ok((Vec::new(), old.next));
    }
    let statement = Query::delete()
        .from_table(E::default())
        .cond_where(Condition::all().add(id.is_in(old.ids)).add(may_go))
        .returning_col(id)
        .to_owned();
    let mut gone = Vec::new();
    for row in tx.query_all(&statement).await? {
        gone.push(row.try_get_by_index(0)?);
    }
    Ok((gone, old.next))
}

impl Pruned {
    /// Of the ids that went, and where to go on.
    pub fn of(gone: &[i64], next: Option<i64>) -> Self {
        Self {
            rows: gone.len() as u64,
            next,
        }
    }
}
