//! What marketplaces paid out for orders: kept once per order, and held against what was expected.
//!
//! The expected fee is a channel's setting. Where the channel writes fees off, it is booked with the payment
//! (`orders.fee_minor`); the fee that was really kept is in `settlements`, read from the marketplace or handed over as a
//! file. Where the two are further apart than the channel tolerates, a conflict says so until they are not.
//!
//! Owns the table `settlements`.

use super::conflicts::{Conflict, ConflictKind, close_gone, raise};
use crate::channels::ChannelSettings;
use crate::db::Tx;
use crate::domain::{ChannelId, Fee, MerchantId, Money, OrderId, RemoteId, Settlement, Timestamp};
use entity::{orders, settlements};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr,
    EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Query,
};
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;

/// Rows that one question asks for.
const CHUNK: usize = 500;

/// The fee that a channel expects of a sale, in minor units; `None` where it expects none in particular.
pub fn expected_fee(settings: &ChannelSettings, total: i64) -> Option<i64> {
    (!settings.service_fee.is_none()).then(|| settings.service_fee.of(total))
}

/// What is written off of a payment: minor units, and why.
pub(super) fn written_off(settings: &ChannelSettings, total: i64) -> Option<(i64, String)> {
    let fee = expected_fee(settings, total).filter(|_| settings.write_off)?;
    let reason = settings.write_off_reason.trim();
    let reason = if reason.is_empty() {
        "marketplace fee"
    } else {
        reason
    };
    Some((fee, reason.to_owned()))
}

/// Channels' settings by the channel's id.
pub type Settings = HashMap<i64, ChannelSettings>;

/// What came of handing over settlements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Settled {
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    /// Of orders that are not booked.
    pub unknown: u64,
    /// Fees that are further from what was expected than the channel tolerates.
    pub differing: u64,
}

/// Keeps what was paid out for orders of a connection. The same again changes nothing.
///
/// # Errors
/// When the database fails; the caller's transaction is not to be committed then.
pub async fn record_settlements(
    tx: &Tx,
    connection: ChannelId,
    settled: &[Settlement],
    source: &'static str,
    settings: &Settings,
    now: Timestamp,
) -> Result<Settled, DbErr> {
    let mut done = Settled::default();
    for some in settled.chunks(CHUNK) {
        let ids = some.iter().map(|of| of.order.as_str());
        let booked = orders::Entity::find()
            .filter(orders::Column::ConnectionId.eq(connection.0))
            .filter(orders::Column::RemoteId.is_in(ids))
            .order_by_asc(orders::Column::Id)
            .lock_exclusive()
            .all(tx)
            .await?;
        let known = settlements::Entity::find()
            .filter(settlements::Column::OrderId.is_in(booked.iter().map(|row| row.id)))
            .all(tx)
            .await?;
        for of in some {
            let Some(order) = booked.iter().find(|row| row.remote_id == of.order.as_str()) else {
                done.unknown += 1;
                continue;
            };
            let known = known.iter().find(|row| row.order_id == order.id);
            match keep(tx, order, of, known, source, now).await? {
                Kept::New => done.new += 1,
                Kept::Changed => done.changed += 1,
                Kept::Same => done.unchanged += 1,
            }
            let settings = settings.get(&order.channel_id);
            if let Some(settings) = settings
                && compare(tx, order, of, settings, now).await?
            {
                done.differing += 1;
            }
        }
    }
    Ok(done)
}

enum Kept {
    New,
    Changed,
    Same,
}

async fn keep(
    tx: &Tx,
    order: &orders::Model,
    of: &Settlement,
    known: Option<&settlements::Model>,
    source: &'static str,
    now: Timestamp,
) -> Result<Kept, DbErr> {
    let fees = serde_json::to_string(&of.fees).unwrap_or_default();
    let settled_at = of.settled_at.map(Timestamp::micros);
    if let Some(known) = known {
        let is_same = known.net_minor == of.net.minor
            && known.fees == fees
            && known.currency == of.net.currency.code()
            && (settled_at.is_none() || known.settled_at == settled_at);
        if is_same {
            return Ok(Kept::Same);
        }
    }
    let mut row = settlements::ActiveModel {
        currency: Set(of.net.currency.code().to_owned()),
        gross_minor: Set(of.gross.minor),
        fee_minor: Set(of.fee()),
        net_minor: Set(of.net.minor),
        fees: Set(fees),
        source: Set(source.to_owned()),
        read_at: Set(now.micros()),
        ..Default::default()
    };
    if settled_at.is_some() || known.is_none() {
        row.settled_at = Set(settled_at);
    }
    if let Some(known) = known {
        row.id = Set(known.id);
        row.update(tx).await?;
        return Ok(Kept::Changed);
    }
    row.merchant_id = Set(order.merchant_id);
    row.channel_id = Set(order.channel_id);
    row.order_id = Set(order.id);
    row.insert(tx).await?;
    Ok(Kept::New)
}

/// Raises or closes the question whether the fee is right. Returns whether it is too far off.
async fn compare(
    tx: &Tx,
    order: &orders::Model,
    of: &Settlement,
    settings: &ChannelSettings,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let merchant = MerchantId(order.merchant_id);
    let subject = format!("order:{}", order.id);
    let expected = expected_fee(settings, order.total_minor);
    let is_off = expected.is_some_and(|expected| {
        expected.abs_diff(of.fee()) > settings.fee_tolerance.unsigned_abs()
    });
    let Some(expected) = expected.filter(|_| is_off) else {
        // Nothing was ever raised where nothing is open.
        if order.open_conflicts > 0 {
            close_gone(tx, merchant, ConflictKind::FeeDiffers, &subject, now).await?;
        }
        return Ok(false);
    };
    let money = |minor| Money {
        minor,
        currency: of.net.currency,
    };
    let detail = format!(
        "{} was kept as fees where {} was expected",
        money(of.fee()),
        money(expected)
    );
    let facts = json!({"expected": expected, "actual": of.fee(), "currency": of.net.currency});
    let mut conflict =
        Conflict::of_order(ConflictKind::FeeDiffers, OrderId(order.id), detail, facts);
    conflict.channel = Some(ChannelId(order.channel_id));
    raise(tx, merchant, conflict, now).await?;
    Ok(true)
}

/// Paid orders of a connection that have no settlement yet, oldest payment news first.
///
/// # Errors
/// When the database fails.
pub async fn unsettled<C: ConnectionTrait>(
    db: &C,
    connection: ChannelId,
    since: Timestamp,
    most: u64,
) -> Result<Vec<RemoteId>, DbErr> {
    let settled = Query::select()
        .column(settlements::Column::OrderId)
        .from(settlements::Entity)
        .to_owned();
    let ids: Vec<String> = orders::Entity::find()
        .select_only()
        .column(orders::Column::RemoteId)
        .filter(orders::Column::ConnectionId.eq(connection.0))
        .filter(orders::Column::Paid.eq(true))
        .filter(orders::Column::Document.eq("invoice"))
        .filter(orders::Column::PlacedAt.gte(since.micros()))
        .filter(orders::Column::Id.not_in_subquery(settled))
        .order_by_asc(orders::Column::RecordedAt)
        .order_by_asc(orders::Column::Id)
        .limit(most)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(RemoteId::from).collect())
}

/// The currencies of booked orders by the numbers that people know them by.
///
/// # Errors
/// When the database fails.
pub async fn currencies_of<C: ConnectionTrait>(
    db: &C,
    connection: ChannelId,
    numbers: &[String],
) -> Result<HashMap<String, String>, DbErr> {
    let mut found = HashMap::new();
    for some in numbers.chunks(CHUNK) {
        let rows: Vec<(String, String)> = orders::Entity::find()
            .select_only()
            .column(orders::Column::Number)
            .column(orders::Column::Currency)
            .filter(orders::Column::ConnectionId.eq(connection.0))
            .filter(orders::Column::Number.is_in(some))
            .into_tuple()
            .all(db)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// One order with what was paid out for it, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payout {
    pub order: i64,
    pub number: String,
    pub channel: i64,
    pub currency: String,
    pub total_minor: i64,
    /// What was written off with the payment.
    pub written_off_minor: i64,
    pub gross_minor: Option<i64>,
    pub fee_minor: Option<i64>,
    pub net_minor: Option<i64>,
    pub fees: Vec<Fee>,
    pub source: Option<String>,
    pub settled_at: Option<i64>,
}

/// Which payouts are meant.
#[derive(Debug, Clone, Default)]
pub struct PayoutQuery {
    pub channel: Option<ChannelId>,
    /// An order's number or id.
    pub number: Option<String>,
    /// Paid orders without a settlement, instead of those with one.
    pub missing: bool,
    /// Only orders after this one.
    pub after: i64,
    pub limit: u64,
}

/// Payouts of a merchant, by order.
///
/// # Errors
/// When the database fails.
pub async fn payouts<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    query: &PayoutQuery,
) -> Result<Vec<Payout>, DbErr> {
    let settled = Query::select()
        .column(settlements::Column::OrderId)
        .from(settlements::Entity)
        .and_where(settlements::Column::MerchantId.eq(merchant.0))
        .to_owned();
    let mut of = orders::Entity::of_merchant(merchant.0)
        .filter(orders::Column::Id.gt(query.after))
        .order_by_asc(orders::Column::Id)
        .limit(query.limit);
    of = if query.missing {
        of.filter(orders::Column::Paid.eq(true))
            .filter(orders::Column::Document.eq("invoice"))
            .filter(orders::Column::Id.not_in_subquery(settled))
    } else {
        of.filter(orders::Column::Id.in_subquery(settled))
    };
    if let Some(channel) = query.channel {
        of = of.filter(
            Condition::any()
                .add(orders::Column::ChannelId.eq(channel.0))
                .add(orders::Column::ConnectionId.eq(channel.0)),
        );
    }
    if let Some(number) = &query.number {
        of = of.filter(
            Condition::any()
                .add(orders::Column::Number.eq(number.as_str()))
                .add(orders::Column::RemoteId.eq(number.as_str())),
        );
    }
    let rows = of.all(db).await?;
    let known = settlements::Entity::of_merchant(merchant.0)
        .filter(settlements::Column::OrderId.is_in(rows.iter().map(|row| row.id)))
        .all(db)
        .await?;
    let mut known: HashMap<i64, settlements::Model> =
        known.into_iter().map(|row| (row.order_id, row)).collect();
    Ok(rows
        .into_iter()
        .map(|row| payout(row, &mut known))
        .collect())
}

fn payout(order: orders::Model, known: &mut HashMap<i64, settlements::Model>) -> Payout {
    let of = known.remove(&order.id);
    let fees = of.as_ref().map(|of| serde_json::from_str(&of.fees));
    Payout {
        order: order.id,
        number: order.number,
        channel: order.channel_id,
        currency: order.currency,
        total_minor: order.total_minor,
        written_off_minor: order.fee_minor,
        gross_minor: of.as_ref().map(|of| of.gross_minor),
        fee_minor: of.as_ref().map(|of| of.fee_minor),
        net_minor: of.as_ref().map(|of| of.net_minor),
        fees: fees.and_then(Result::ok).unwrap_or_default(),
        source: of.as_ref().map(|of| of.source.clone()),
        settled_at: of.and_then(|of| of.settled_at),
    }
}
