//! Returns in the database: reading what is booked, and writing what was planned.

use super::{
    Step,
    history::Done,
    returning::{BookedReturn, BookedReturnLine, return_steps},
};
use crate::db::Tx;
use crate::domain::{
    Currency, Goods, MerchantId, RemoteId, ReturnId, ReturnState, Source, Timestamp,
};
use entity::{orders, return_lines, returns};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::HashMap;

/// A return with its lines, as the database holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnFull {
    pub row: returns::Model,
    pub lines: Vec<return_lines::Model>,
}

pub(super) const fn state_name(state: ReturnState) -> &'static str {
    match state {
        ReturnState::Requested => "requested",
        ReturnState::Accepted => "accepted",
        ReturnState::Refunded => "refunded",
        ReturnState::Closed => "closed",
    }
}

fn state_named(name: &str) -> ReturnState {
    match name {
        "accepted" => ReturnState::Accepted,
        "refunded" => ReturnState::Refunded,
        "closed" => ReturnState::Closed,
        _ => ReturnState::Requested,
    }
}

const fn goods_name(goods: Goods) -> &'static str {
    match goods {
        Goods::Unknown => "unknown",
        Goods::Kept => "kept",
        Goods::Coming => "coming",
        Goods::Back => "back",
    }
}

/// The goods of a line that is no longer told of a return.
const GONE: &str = "gone";

fn goods_named(name: &str) -> Goods {
    match name {
        "kept" => Goods::Kept,
        "coming" => Goods::Coming,
        "back" => Goods::Back,
        _ => Goods::Unknown,
    }
}

/// Every return of an order, oldest first. Two queries.
pub(super) async fn of_order<C: ConnectionTrait>(
    db: &C,
    order: i64,
) -> Result<Vec<ReturnFull>, DbErr> {
    let rows = returns::Entity::find()
        .filter(returns::Column::OrderId.eq(order))
        .order_by_asc(returns::Column::Id)
        .all(db)
        .await?;
    with_lines(db, rows).await
}

async fn with_lines<C: ConnectionTrait>(
    db: &C,
    rows: Vec<returns::Model>,
) -> Result<Vec<ReturnFull>, DbErr> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines: HashMap<i64, Vec<return_lines::Model>> = HashMap::new();
    let ids = rows.iter().map(|row| row.id);
    let found = return_lines::Entity::find()
        .filter(return_lines::Column::ReturnId.is_in(ids))
        .order_by_asc(return_lines::Column::Id)
        .all(db)
        .await?;
    for line in found {
        lines.entry(line.return_id).or_default().push(line);
    }
    let full = |row: returns::Model| ReturnFull {
        lines: lines.remove(&row.id).unwrap_or_default(),
        row,
    };
    Ok(rows.into_iter().map(full).collect())
}

/// The merchant's returns, newest first; `open`: those that wait for a decision alone.
///
/// # Errors
/// When the database fails.
pub async fn list_returns<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    open: bool,
    limit: u64,
) -> Result<Vec<ReturnFull>, DbErr> {
    let mut asked = returns::Entity::of_merchant(merchant.0);
    if open {
        asked = asked.filter(returns::Column::Undecided.gt(0));
    }
    let rows = asked
        .order_by_desc(returns::Column::RecordedAt)
        .order_by_desc(returns::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    with_lines(db, rows).await
}

/// A return of the merchant, by our id.
pub(super) async fn one_return<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    id: ReturnId,
) -> Result<Option<returns::Model>, DbErr> {
    returns::Entity::of_merchant(merchant.0)
        .filter(returns::Column::Id.eq(id.0))
        .one(db)
        .await
}

/// As the plan needs it.
pub(super) fn booked(full: &ReturnFull) -> BookedReturn {
    let row = &full.row;
    let line = |line: &return_lines::Model| BookedReturnLine {
        line: line.line.clone(),
        place: line.place,
        quantity: line.quantity,
        claim: line.refund_minor,
        credited: line.credited_minor,
        goods: goods_named(&line.goods),
        restocked: line.restocked,
        quarantined: line.quarantined,
        written_off: line.written_off,
        undecided: line.undecided,
        decided_by: line.decided_by.clone(),
    };
    BookedReturn {
        remote_id: RemoteId::from(row.remote_id.as_str()),
        remote_status: row.remote_status.clone(),
        state: state_named(&row.state),
        version: Timestamp::from_micros(row.version),
        reason: row.reason.clone(),
        claim: row.refund_minor,
        credited: row.credited_minor,
        is_deleted: row.deleted_at.is_some(),
        lines: full
            .lines
            .iter()
            .filter(|line| line.goods != GONE)
            .map(line)
            .collect(),
    }
}

/// Writes the returns that differ from what is held. The steps are what it did.
pub(super) async fn write(
    tx: &Tx,
    order: &orders::Model,
    currency: Currency,
    (held, planned): (&[ReturnFull], &[BookedReturn]),
    source: Source,
    now: Timestamp,
) -> Result<Vec<Done>, DbErr> {
    let mut done = Vec::new();
    for one in planned {
        let held = held
            .iter()
            .find(|held| held.row.remote_id == one.remote_id.as_str());
        let before = held.map(booked);
        if before.as_ref() == Some(one) {
            continue;
        }
        let revision = held.map_or(0, |held| held.row.revision) + 1;
        let id = write_return(tx, order, held, one, (revision, source), now).await?;
        write_return_lines(tx, order, id, held, one).await?;
        let subject = match revision {
            1 => one.remote_id.to_string(),
            again => format!("{}#{again}", one.remote_id),
        };
        let steps = return_steps(before.as_ref(), one, currency);
        done.extend(
            steps
                .into_iter()
                .map(|(step, detail): (Step, String)| Done {
                    step,
                    subject: subject.clone(),
                    detail: Some(format!("return {}: {detail}", one.remote_id)),
                }),
        );
    }
    Ok(done)
}

async fn write_return(
    tx: &Tx,
    order: &orders::Model,
    held: Option<&ReturnFull>,
    one: &BookedReturn,
    (revision, source): (i64, Source),
    now: Timestamp,
) -> Result<i64, DbErr> {
    let was_deleted = held.and_then(|held| held.row.deleted_at);
    let row = returns::ActiveModel {
        remote_status: Set(one.remote_status.clone()),
        state: Set(state_name(one.state).to_owned()),
        version: Set(one.version.micros()),
        reason: Set(one.reason.clone()),
        refund_minor: Set(one.claim),
        credited_minor: Set(one.credited),
        undecided: Set(one.lines.iter().map(|line| line.undecided).sum()),
        revision: Set(revision),
        recorded_at: Set(now.micros()),
        deleted_at: Set(one.is_deleted.then(|| was_deleted.unwrap_or(now.micros()))),
        ..Default::default()
    };
    if let Some(held) = held {
        let row = returns::ActiveModel {
            id: Set(held.row.id),
            ..row
        };
        return Ok(row.update(tx).await?.id);
    }
    let row = returns::ActiveModel {
        merchant_id: Set(order.merchant_id),
        order_id: Set(order.id),
        remote_id: Set(one.remote_id.to_string()),
        source: Set(source.as_str().to_owned()),
        first_seen_at: Set(now.micros()),
        ..row
    };
    Ok(row.insert(tx).await?.id)
}

async fn write_return_lines(
    tx: &Tx,
    order: &orders::Model,
    id: i64,
    held: Option<&ReturnFull>,
    one: &BookedReturn,
) -> Result<(), DbErr> {
    let mut held: HashMap<(&str, i64), &return_lines::Model> = held
        .into_iter()
        .flat_map(|held| &held.lines)
        .map(|line| ((line.line.as_str(), line.place), line))
        .collect();
    for line in &one.lines {
        let known = held.remove(&(line.line.as_str(), line.place));
        let row = return_lines::ActiveModel {
            quantity: Set(line.quantity),
            refund_minor: Set(line.claim),
            credited_minor: Set(line.credited),
            goods: Set(goods_name(line.goods).to_owned()),
            restocked: Set(line.restocked),
            quarantined: Set(line.quarantined),
            written_off: Set(line.written_off),
            undecided: Set(line.undecided),
            decided_by: Set(line.decided_by.clone()),
            ..Default::default()
        };
        if let Some(known) = known {
            let row = return_lines::ActiveModel {
                id: Set(known.id),
                ..row
            };
            row.update(tx).await?;
            continue;
        }
        let row = return_lines::ActiveModel {
            merchant_id: Set(order.merchant_id),
            return_id: Set(id),
            line: Set(line.line.clone()),
            place: Set(line.place),
            ..row
        };
        row.insert(tx).await?;
    }
    // What is no longer told of it is worth nothing, and stays to be seen.
    for gone in held.into_values() {
        let mut row = gone.clone().into_active_model();
        if gone.goods == GONE {
            continue;
        }
        row.goods = Set(GONE.to_owned());
        row.quantity = Set(0);
        row.credited_minor = Set(0);
        row.restocked = Set(0);
        row.quarantined = Set(0);
        row.written_off = Set(0);
        row.undecided = Set(0);
        row.update(tx).await?;
    }
    Ok(())
}
