//! What a person decides about a conflict or a return, done to the books in one transaction.
//!
//! 1. Lock the order's row: whoever records or decides at the same time waits.
//! 2. End the conflict. Whoever comes second finds it ended, and changes nothing.
//! 3. Do what was chosen, and write down who chose it and why.

use super::{
    Booked, Choice, ConflictKind, Step,
    conflicts::{self, end_as_resolved, open_of_order},
    held::{Held, apply, rules, set_attention},
    history::{Done, write_done},
    lines, plan, relinked,
    returning::{BookedReturn, Told},
    returns,
};
use crate::channels::{self, ChannelError};
use crate::db::Tx;
use crate::domain::{
    ChannelId, ConflictId, Currency, Document, Fulfilment, Handling, MerchantId, OrderId, RemoteId,
    ReturnId, Source, Standing, Timestamp, Work,
};
use crate::queue::{self, NewJob};
use entity::{conflicts as rows, orders};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, QueryFilter, QuerySelect};
use serde_json::Value;
use thiserror::Error;

/// What was chosen, by whom, and why.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'d> {
    pub choice: Choice,
    pub by: &'d str,
    pub why: Option<&'d str>,
}

/// What came of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    Done,
    /// Somebody was faster, or the cause is gone: nothing was done. The row says how it ended.
    EndedBefore(Box<rows::Model>),
}

#[derive(Debug, Error)]
pub enum ResolveError {
    #[error("there is no conflict {0}; `marketsink conflicts list` shows those there are")]
    Unknown(ConflictId),
    #[error("there is no return {0}; `marketsink orders returns` shows those there are")]
    UnknownReturn(ReturnId),
    #[error(
        "nothing of return {0} waits for a decision; `marketsink orders returns` shows what was decided"
    )]
    NothingToDecide(ReturnId),
    #[error("`{choice}` does not answer {kind}; choose one of {allowed}")]
    NoChoice {
        kind: ConflictKind,
        choice: Choice,
        allowed: String,
    },
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Decides a conflict.
///
/// # Errors
/// When there is no such conflict, the choice does not answer it, or the database fails.
pub async fn resolve(
    tx: &Tx,
    merchant: MerchantId,
    id: ConflictId,
    decision: Decision<'_>,
    now: Timestamp,
) -> Result<Resolved, ResolveError> {
    let row = conflicts::one(tx, merchant, id).await?;
    let row = row.ok_or(ResolveError::Unknown(id))?;
    let kind = ConflictKind::parse(&row.kind).ok_or(ResolveError::Unknown(id))?;
    if !kind.choices().contains(&decision.choice) {
        let names = kind.choices().iter().map(|choice| choice.as_str());
        return Err(ResolveError::NoChoice {
            kind,
            choice: decision.choice,
            allowed: names.collect::<Vec<_>>().join(", "),
        });
    }
    let order = match row.order_id {
        None => None,
        Some(order) => lock(tx, merchant, OrderId(order)).await?,
    };
    let told = (decision.by, decision.why);
    if !end_as_resolved(tx, &row, decision.choice, told, now).await? {
        let ended = conflicts::one(tx, merchant, id).await?;
        return Ok(Resolved::EndedBefore(Box::new(ended.unwrap_or(row))));
    }
    if let Some(order) = order {
        let held = Held::of(tx, order).await?;
        let step = Done {
            step: Step::Decide,
            subject: format!("conflict:{id}"),
            detail: Some(words(kind.as_str(), decision)),
        };
        act(tx, held, &row, (kind, decision), step, now).await?;
    }
    Ok(Resolved::Done)
}

/// Says what becomes of the goods of a return that wait for it.
///
/// # Errors
/// When there is no such return, nothing of it waits, or the database fails.
pub async fn decide_return(
    tx: &Tx,
    merchant: MerchantId,
    id: ReturnId,
    (handling, by, why): (Handling, &str, Option<&str>),
    now: Timestamp,
) -> Result<i64, ResolveError> {
    let unknown = || ResolveError::UnknownReturn(id);
    let row = returns::one_return(tx, merchant, id).await?;
    let row = row.ok_or_else(unknown)?;
    let order = lock(tx, merchant, OrderId(row.order_id)).await?;
    let held = Held::of(tx, order.ok_or_else(unknown)?).await?;
    let mut booked = held.booked(currency_of(&held.row));
    let units = settle_goods(&mut booked, &row.remote_id, handling, by);
    if units == 0 {
        return Err(ResolveError::NothingToDecide(id));
    }
    let choice = match handling {
        Handling::Restock => Choice::TakeBack,
        Handling::Quarantine => Choice::Quarantine,
        Handling::WriteOff | Handling::Ask => Choice::WriteOff,
    };
    let decision = Decision { choice, by, why };
    let subject = format!("order:{}:return:{}", row.order_id, row.remote_id);
    for conflict in open_of_order(tx, OrderId(row.order_id)).await? {
        if conflict.subject == subject {
            end_as_resolved(tx, &conflict, choice, (by, why), now).await?;
        }
    }
    let step = Done {
        step: Step::Decide,
        subject: format!("return:{id}:{}", row.revision),
        detail: Some(words(&format!("return {}", row.remote_id), decision)),
    };
    redo(tx, held, &booked, step, now).await?;
    Ok(units)
}

fn words(what: &str, decision: Decision<'_>) -> String {
    let Decision { choice, by, why } = decision;
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("{what}: {choice}, by {by}{why}")
}

/// Of an unknown code: any, since it is only compared.
fn currency_of(row: &orders::Model) -> Currency {
    let known = Currency::from_code(&row.currency).ok();
    known
        .or_else(|| Currency::from_code("XXX").ok())
        .expect("XXX is the ISO 4217 code for no currency")
}

async fn lock(
    tx: &Tx,
    merchant: MerchantId,
    order: OrderId,
) -> Result<Option<orders::Model>, DbErr> {
    orders::Entity::of_merchant(merchant.0)
        .filter(orders::Column::Id.eq(order.0))
        .lock_exclusive()
        .one(tx)
        .await
}

/// Gives the undecided units of a return to `handling`. Returns how many that were.
fn settle_goods(booked: &mut Booked, remote_id: &str, handling: Handling, by: &str) -> i64 {
    let of_it = |one: &&mut BookedReturn| one.remote_id.as_str() == remote_id;
    let Some(one) = booked.returns.iter_mut().find(of_it) else {
        return 0;
    };
    let mut units = 0;
    for line in one.lines.iter_mut().filter(|line| line.undecided > 0) {
        units += line.undecided;
        let to = match handling {
            Handling::Restock => &mut line.restocked,
            Handling::Quarantine => &mut line.quarantined,
            Handling::WriteOff => &mut line.written_off,
            Handling::Ask => continue,
        };
        *to += line.undecided;
        line.undecided = 0;
        line.decided_by = Some(by.to_owned());
    }
    units
}

async fn act(
    tx: &Tx,
    held: Held,
    row: &rows::Model,
    (kind, decision): (ConflictKind, Decision<'_>),
    step: Done,
    now: Timestamp,
) -> Result<(), ResolveError> {
    let mut booked = held.booked(currency_of(&held.row));
    let facts: Value = serde_json::from_str(&row.facts).unwrap_or_default();
    match (kind, decision.choice) {
        (ConflictKind::CancelledAfterSent, choice) => {
            move_cancelled(&mut booked, &facts["lines"], choice);
        }
        (ConflictKind::CalledOffAfterSent, choice) => move_called_off(&mut booked, choice),
        (ConflictKind::GoodsUndecided, choice) => {
            let handling = match choice {
                Choice::TakeBack => Handling::Restock,
                Choice::Quarantine => Handling::Quarantine,
                _ => Handling::WriteOff,
            };
            let id = facts["return"].as_str().unwrap_or_default();
            settle_goods(&mut booked, id, handling, decision.by);
        }
        (ConflictKind::TotalDiffers, Choice::AcceptTotal) => {
            (booked.worth.total, _) = booked.worth.last_told();
            booked.worth.told = None;
        }
        (ConflictKind::TotalDiffers, Choice::UseSum) => {
            booked.worth.told = Some(booked.worth.last_told());
            booked.worth.total = facts["sum"].as_i64().unwrap_or(booked.worth.total);
        }
        (ConflictKind::CurrencyChanged, Choice::AcceptCurrency) => {
            (booked.worth.total, booked.worth.currency) = booked.worth.last_told();
            booked.worth.told = None;
            read_again(tx, &held.row, now).await?;
        }
        (ConflictKind::SkuUnlinked, Choice::MoveToNewSku) => {
            relinked::move_line(tx, &held, &facts, now).await?;
            return leave(tx, &held.row, step, now).await;
        }
        (ConflictKind::OrderNotShown, Choice::VoidOrder) => {
            return void(tx, held, &booked, step, now).await;
        }
        (_, Choice::BookAgain) => {
            book_again(tx, &held, now).await?;
            return leave(tx, &held.row, step, now).await;
        }
        _ => return leave(tx, &held.row, step, now).await,
    }
    redo(tx, held, &booked, step, now).await
}

/// Writes what follows from what was changed in `booked`.
async fn redo(
    tx: &Tx,
    held: Held,
    booked: &Booked,
    step: Done,
    now: Timestamp,
) -> Result<(), ResolveError> {
    let channel = channels::load(tx, ChannelId(held.row.channel_id)).await?;
    let plan = plan::replan(booked, Told::Nothing, &rules(&channel.settings));
    apply(tx, held, &plan, vec![step], Source::Manual, now).await?;
    Ok(())
}

/// The books stay as they are.
async fn leave(
    tx: &Tx,
    row: &orders::Model,
    step: Done,
    now: Timestamp,
) -> Result<(), ResolveError> {
    let open = open_of_order(tx, OrderId(row.id)).await?;
    let open: Vec<String> = open.into_iter().map(|conflict| conflict.detail).collect();
    set_attention(tx, row, &open).await?;
    write_done(tx, row, &[step], Source::Manual, now).await?;
    Ok(())
}

/// Units of a void order that had left.
fn move_cancelled(booked: &mut Booked, by_line: &Value, choice: Choice) {
    for line in &mut booked.lines {
        let units = by_line[line.remote_id.as_str()].as_i64().unwrap_or(0);
        if units == 0 {
            continue;
        }
        match choice {
            Choice::LeaveOut => line.left_out = line.left_out.max(units),
            Choice::Quarantine => {
                line.left_out = (line.left_out - units).max(0);
                line.set_aside += units;
            }
            _ => line.left_out = (line.left_out - units).max(0),
        }
    }
    let is_out = |line: &plan::BookedLine| {
        let units = by_line[line.remote_id.as_str()].as_i64().unwrap_or(0);
        line.left_out >= units
    };
    booked.standing.fulfilment = if booked.lines.iter().all(is_out) {
        Fulfilment::Sent
    } else {
        Fulfilment::Returned
    };
}

/// Units that were called off after they had left, of an order that is still sold.
fn move_called_off(booked: &mut Booked, choice: Choice) {
    for line in &mut booked.lines {
        let units = line.stranded();
        match choice {
            Choice::TakeBack => line.shipped -= units.min(line.shipped),
            Choice::Quarantine => line.set_aside += units,
            _ => line.left_out += units,
        }
    }
}

async fn void(
    tx: &Tx,
    held: Held,
    booked: &Booked,
    step: Done,
    now: Timestamp,
) -> Result<(), ResolveError> {
    let channel = channels::load(tx, ChannelId(held.row.channel_id)).await?;
    let plan = plan::void(booked, &rules(&channel.settings));
    let by = step.detail.clone();
    let mut done = vec![step];
    let steps = plan.steps.iter().map(|step| Done {
        step: *step,
        subject: lines::subject(held.row.booking),
        detail: by.clone(),
    });
    done.extend(steps);
    apply(tx, held, &plan, done, Source::Manual, now).await?;
    Ok(())
}

/// Makes a void order one that was never booked, so that the next reading books it: with a new document, and all
/// steps anew. What was stays in the history.
async fn book_again(tx: &Tx, held: &Held, now: Timestamp) -> Result<(), ResolveError> {
    for line in &held.lines {
        if line.left_out != 0 || line.set_aside != 0 {
            lines::forget_decisions(tx, line).await?;
        }
    }
    let nothing = Standing::NOTHING;
    debug_assert_eq!(nothing.document, Document::None);
    let row = orders::ActiveModel {
        id: Set(held.row.id),
        document: Set("none".to_owned()),
        paid: Set(nothing.paid),
        fulfilment: Set("unsent".to_owned()),
        invoice_number: Set(None),
        booking: Set(held.row.booking + 1),
        ..Default::default()
    };
    row.update(tx).await?;
    read_again(tx, &held.row, now).await
}

/// Has the order read again, and written though nothing of it may have changed.
async fn read_again(tx: &Tx, row: &orders::Model, now: Timestamp) -> Result<(), ResolveError> {
    let forgotten = orders::ActiveModel {
        id: Set(row.id),
        content_hash: Set(String::new()),
        ..Default::default()
    };
    forgotten.update(tx).await?;
    let job = NewJob {
        merchant: MerchantId(row.merchant_id),
        channel: ChannelId(row.connection_id),
        work: Work::FetchOrder {
            order: RemoteId::from(row.remote_id.as_str()),
        },
        source: Source::Manual,
        run_at: None,
    };
    queue::enqueue(tx, &[job], now).await?;
    Ok(())
}
