//! What must not happen by itself: a queue of decisions, each with choices, an owner and an age.
//!
//! ```text
//! open ──resolve──► resolved      a person chose; the same facts raise nothing again
//!   \─────────────► gone          the cause is gone, and so is the question
//! ```
//!
//! A conflict is of one kind and about one subject. Of both together one is open at most: raising it again writes down
//! what is known now. What a choice does to the books is in `resolve`.

use super::{plan::Cause, told};
use crate::db::Tx;
use crate::domain::{ChannelId, ConflictId, MerchantId, OrderId, SkuId, Timestamp, job::named};
use entity::{conflicts, orders};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

named!(
    /// What is in question. The names are in the database and in answers.
    ConflictKind {
        /// Called off after the goods had left: they were taken back into stock, as always, and may not have come.
        CancelledAfterSent = "cancelled_after_sent",
        /// Units of an order were called off after they had left.
        CalledOffAfterSent = "called_off_after_sent",
        /// The marketplace shows a void order as paid.
        PaidAfterVoid = "paid_after_void",
        /// The marketplace shows a void order as sold.
        SoldAfterVoid = "sold_after_void",
        /// The order's total is not what its lines and charges come to.
        TotalDiffers = "total_differs",
        /// A booked order is told in another currency.
        CurrencyChanged = "currency_changed",
        /// The listing of a line that holds stock is linked to another SKU by now, or to none.
        SkuUnlinked = "sku_unlinked",
        /// More went back to the buyer than the invoice is worth.
        RefundOverPaid = "refund_over_paid",
        /// The goods of a return are somewhere, and nobody has said where.
        GoodsUndecided = "goods_undecided",
        /// The marketplace calls the order something that we do not know.
        UnknownStatus = "unknown_status",
        /// The marketplace no longer shows an order that is booked.
        OrderNotShown = "order_not_shown",
        /// The marketplace kept another fee than was expected.
        FeeDiffers = "fee_differs",
        /// A system that is told of the books refused to follow them.
        SinkRefused = "sink_refused",
    }
);

named!(
    /// What a person may decide.
    Choice {
        /// The goods are back on the shelf.
        TakeBack = "take_back",
        /// The goods are back and must be looked at: they go to the outlet for that.
        Quarantine = "quarantine",
        /// The goods are back and worth nothing.
        WriteOff = "write_off",
        /// The goods are not back: they stay out of stock.
        LeaveOut = "leave_out",
        /// A new document, as the marketplace shows the order now.
        BookAgain = "book_again",
        LeaveVoid = "leave_void",
        /// What the marketplace says is booked.
        AcceptTotal = "accept_total",
        /// What the lines and charges come to is booked.
        UseSum = "use_sum",
        /// What is booked stays.
        Keep = "keep",
        AcceptCurrency = "accept_currency",
        /// The units move to the SKU that the listing is linked to now.
        MoveToNewSku = "move_to_new_sku",
        /// Cancelled for good: the invoice is void, and what it held is free.
        VoidOrder = "void_order",
        /// It was seen to, elsewhere or by doing nothing.
        Settled = "settled",
    }
);

impl ConflictKind {
    /// What may be chosen, the harmless first.
    pub const fn choices(self) -> &'static [Choice] {
        use Choice::{
            AcceptCurrency, AcceptTotal, BookAgain, Keep, LeaveOut, LeaveVoid, MoveToNewSku,
            Quarantine, Settled, TakeBack, UseSum, VoidOrder, WriteOff,
        };
        match self {
            Self::CancelledAfterSent => &[TakeBack, LeaveOut, Quarantine],
            Self::CalledOffAfterSent => &[LeaveOut, TakeBack, Quarantine],
            Self::PaidAfterVoid | Self::SoldAfterVoid => &[LeaveVoid, BookAgain],
            Self::TotalDiffers => &[Keep, AcceptTotal, UseSum],
            Self::CurrencyChanged => &[Keep, AcceptCurrency],
            Self::SkuUnlinked => &[Keep, MoveToNewSku],
            Self::GoodsUndecided => &[TakeBack, Quarantine, WriteOff],
            Self::OrderNotShown => &[Keep, VoidOrder],
            Self::RefundOverPaid => &[Keep],
            Self::UnknownStatus | Self::FeeDiffers | Self::SinkRefused => &[Settled],
        }
    }
}

/// One question, to be raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub kind: ConflictKind,
    /// What it is about, such as `order:7`, `return:3`, `sku:12:outlet:1`; unique with the kind.
    pub subject: String,
    pub channel: Option<ChannelId>,
    /// The order whose row the caller has locked.
    pub order: Option<OrderId>,
    pub sku: Option<SkuId>,
    /// One sentence for people, lower case, no full stop, no buyer's data.
    pub detail: String,
    /// The same for machines. Facts that were decided are not raised again; other facts are.
    pub facts: Value,
}

impl Conflict {
    /// About an order as a whole.
    pub fn of_order(
        kind: ConflictKind,
        order: OrderId,
        detail: impl Into<String>,
        facts: Value,
    ) -> Self {
        Self {
            kind,
            subject: format!("order:{order}"),
            channel: None,
            order: Some(order),
            sku: None,
            detail: detail.into(),
            facts,
        }
    }
}

const OPEN: &str = "open";

/// Raises a conflict, unless it is open or was decided with the same facts. Returns it when it is new.
///
/// One or two statements where there is nothing new, two or three otherwise. Call it only when there is a cause.
///
/// # Errors
/// When the database fails.
pub async fn raise(
    tx: &Tx,
    merchant: MerchantId,
    conflict: Conflict,
    now: Timestamp,
) -> Result<Option<ConflictId>, DbErr> {
    let facts = conflict.facts.to_string();
    let last = conflicts::Entity::of_merchant(merchant.0)
        .filter(conflicts::Column::Kind.eq(conflict.kind.as_str()))
        .filter(conflicts::Column::Subject.eq(conflict.subject.as_str()))
        .filter(conflicts::Column::State.ne("gone"))
        .order_by_desc(conflicts::Column::Id)
        .one(tx)
        .await?;
    match last {
        Some(last) if last.state == OPEN => {
            if last.facts != facts || last.detail != conflict.detail {
                reword(tx, last.id, &conflict.detail, facts).await?;
            }
            return Ok(None);
        }
        Some(last) if last.facts == facts => return Ok(None),
        _ => {}
    }
    insert(tx, merchant, conflict, facts, now).await
}

async fn reword(tx: &Tx, id: i64, detail: &str, facts: String) -> Result<(), DbErr> {
    conflicts::Entity::update_many()
        .col_expr(conflicts::Column::Detail, Expr::value(detail))
        .col_expr(conflicts::Column::Facts, Expr::value(facts))
        .filter(conflicts::Column::Id.eq(id))
        .filter(conflicts::Column::State.eq(OPEN))
        .exec(tx)
        .await?;
    Ok(())
}

async fn insert(
    tx: &Tx,
    merchant: MerchantId,
    conflict: Conflict,
    facts: String,
    now: Timestamp,
) -> Result<Option<ConflictId>, DbErr> {
    let row = conflicts::ActiveModel {
        merchant_id: Set(merchant.0),
        kind: Set(conflict.kind.as_str().to_owned()),
        subject: Set(conflict.subject),
        channel_id: Set(conflict.channel.map(|channel| channel.0)),
        order_id: Set(conflict.order.map(|order| order.0)),
        sku_id: Set(conflict.sku.map(|sku| sku.0)),
        detail: Set(conflict.detail),
        facts: Set(facts),
        state: Set(OPEN.to_owned()),
        raised_at: Set(now.micros()),
        ..Default::default()
    };
    // Two that raise the same at once: one row, whoever was first.
    let inserted = conflicts::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .try_insert()
        .exec(tx)
        .await?;
    let sea_orm::TryInsertResult::Inserted(inserted) = inserted else {
        return Ok(None);
    };
    if let Some(order) = conflict.order {
        count_open(tx, order, 1).await?;
    }
    let id = ConflictId(inserted.last_insert_id);
    told::conflict(tx, merchant, id, now).await?;
    Ok(Some(id))
}

/// Closes what is open of this kind and subject, because its cause is gone. Returns how many that were.
///
/// # Errors
/// When the database fails.
pub async fn close_gone(
    tx: &Tx,
    merchant: MerchantId,
    kind: ConflictKind,
    subject: &str,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let open = conflicts::Entity::of_merchant(merchant.0)
        .filter(conflicts::Column::Kind.eq(kind.as_str()))
        .filter(conflicts::Column::Subject.eq(subject))
        .filter(conflicts::Column::State.eq(OPEN))
        .one(tx)
        .await?;
    match open {
        Some(row) => Ok(u64::from(end_as_gone(tx, row, now).await?)),
        None => Ok(0),
    }
}

/// Brings the queue of an order, whose row the caller has locked, in line with what is in question now: raises the new
/// causes, and closes those of `judged` that are gone. Returns what is open then, in words, oldest first.
pub(super) async fn settle_order(
    tx: &Tx,
    merchant: MerchantId,
    order: OrderId,
    (causes, judged): (&[Cause], &[ConflictKind]),
    now: Timestamp,
) -> Result<Vec<String>, DbErr> {
    let mut stands = Vec::new();
    for cause in causes {
        let mut conflict =
            Conflict::of_order(cause.kind, order, cause.detail.clone(), cause.facts.clone());
        if let Some(about) = &cause.about {
            conflict.subject = format!("order:{order}:return:{about}");
        }
        stands.push((cause.kind.as_str(), conflict.subject.clone()));
        raise(tx, merchant, conflict, now).await?;
    }
    let mut open = Vec::new();
    for row in open_of_order(tx, order).await? {
        let is_judged = judged.iter().any(|kind| kind.as_str() == row.kind);
        let still = stands
            .iter()
            .any(|(kind, subject)| *kind == row.kind && *subject == row.subject);
        if still || !is_judged {
            open.push(row.detail);
        } else {
            end_as_gone(tx, row, now).await?;
        }
    }
    Ok(open)
}

/// Which conflicts are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Those that have ended as well.
    pub ended: bool,
    pub kind: Option<ConflictKind>,
    pub owner: Option<String>,
}

/// The merchant's conflicts, those that have waited longest first.
///
/// # Errors
/// When the database fails.
pub async fn list_conflicts<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    asked: &Asked,
    limit: u64,
) -> Result<Vec<conflicts::Model>, DbErr> {
    let mut rows = conflicts::Entity::of_merchant(merchant.0);
    if !asked.ended {
        rows = rows.filter(conflicts::Column::State.eq(OPEN));
    }
    if let Some(kind) = asked.kind {
        rows = rows.filter(conflicts::Column::Kind.eq(kind.as_str()));
    }
    if let Some(owner) = &asked.owner {
        rows = rows.filter(conflicts::Column::Owner.eq(owner.as_str()));
    }
    rows.order_by_asc(conflicts::Column::RaisedAt)
        .order_by_asc(conflicts::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// A conflict of the merchant.
///
/// # Errors
/// When the database fails.
pub async fn one<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    id: ConflictId,
) -> Result<Option<conflicts::Model>, DbErr> {
    conflicts::Entity::of_merchant(merchant.0)
        .filter(conflicts::Column::Id.eq(id.0))
        .one(db)
        .await
}

/// Notes who sees to an open conflict; `None` gives it back. False when it is not open.
///
/// # Errors
/// When the database fails.
pub async fn take(
    tx: &Tx,
    merchant: MerchantId,
    id: ConflictId,
    owner: Option<&str>,
) -> Result<bool, DbErr> {
    let written = conflicts::Entity::update_many()
        .col_expr(conflicts::Column::Owner, Expr::value(owner))
        .filter(conflicts::Column::MerchantId.eq(merchant.0))
        .filter(conflicts::Column::Id.eq(id.0))
        .filter(conflicts::Column::State.eq(OPEN))
        .exec(tx)
        .await?;
    Ok(written.rows_affected > 0)
}

/// Every conflict of an order, oldest first.
pub(super) async fn of_order<C: ConnectionTrait>(
    db: &C,
    order: OrderId,
) -> Result<Vec<conflicts::Model>, DbErr> {
    conflicts::Entity::find()
        .filter(conflicts::Column::OrderId.eq(order.0))
        .order_by_asc(conflicts::Column::Id)
        .all(db)
        .await
}

/// What is open of an order whose row the caller has locked, oldest first.
pub(super) async fn open_of_order(tx: &Tx, order: OrderId) -> Result<Vec<conflicts::Model>, DbErr> {
    conflicts::Entity::find()
        .filter(conflicts::Column::OrderId.eq(order.0))
        .filter(conflicts::Column::State.eq(OPEN))
        .order_by_asc(conflicts::Column::Id)
        .all(tx)
        .await
}

/// False when somebody ended it first.
pub(super) async fn end_as_gone(
    tx: &Tx,
    row: conflicts::Model,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let ended = conflicts::ActiveModel {
        state: Set("gone".to_owned()),
        ended_at: Set(Some(now.micros())),
        ..Default::default()
    };
    end(tx, &row, ended, now).await
}

/// False when somebody ended it first.
pub(super) async fn end_as_resolved(
    tx: &Tx,
    row: &conflicts::Model,
    choice: Choice,
    (by, why): (&str, Option<&str>),
    now: Timestamp,
) -> Result<bool, DbErr> {
    let ended = conflicts::ActiveModel {
        state: Set("resolved".to_owned()),
        ended_at: Set(Some(now.micros())),
        choice: Set(Some(choice.as_str().to_owned())),
        decided_by: Set(Some(by.to_owned())),
        why: Set(why.map(str::to_owned)),
        ..Default::default()
    };
    end(tx, row, ended, now).await
}

async fn end(
    tx: &Tx,
    row: &conflicts::Model,
    ended: conflicts::ActiveModel,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let written = conflicts::Entity::update_many()
        .set(ended)
        .filter(conflicts::Column::Id.eq(row.id))
        .filter(conflicts::Column::State.eq(OPEN))
        .exec(tx)
        .await?;
    let is_ended = written.rows_affected > 0;
    if let Some(order) = row.order_id.filter(|_| is_ended) {
        count_open(tx, OrderId(order), -1).await?;
    }
    if is_ended {
        let merchant = MerchantId(row.merchant_id);
        told::conflict(tx, merchant, ConflictId(row.id), now).await?;
    }
    Ok(is_ended)
}

async fn count_open(tx: &Tx, order: OrderId, change: i64) -> Result<(), DbErr> {
    let count = Expr::col(orders::Column::OpenConflicts).add(change);
    orders::Entity::update_many()
        .col_expr(orders::Column::OpenConflicts, count)
        .filter(orders::Column::Id.eq(order.0))
        .exec(tx)
        .await?;
    Ok(())
}
