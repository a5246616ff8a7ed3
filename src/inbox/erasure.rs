//! Taking a buyer's data out of what was received about an order, without breaking the books.
//!
//! The personal fields of stored bodies are overwritten by the mask; ids, amounts and statuses stay, so a delivery can
//! be taken up again afterwards. What cannot be parsed and names the order is emptied. The order is remembered in
//! `erasures`, so that what comes later about it is masked as well, by [`erase_due`].

use super::bodies::{PLAIN, body_of};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, EventKind, MerchantId, Timestamp, personal};
use crate::marketplaces;
use entity::{deliveries, erasures, events, quarantine};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use std::borrow::Cow;

/// Bodies that are masked in one transaction.
const PAGE: u64 = 200;
/// Erasures that are looked at by one pass.
const MOST: u64 = 10_000;

/// What is to be erased: everything that names one of these on one of these channels.
#[derive(Debug, Clone)]
pub struct Erase<'a> {
    pub merchant: MerchantId,
    pub channels: &'a [ChannelId],
    /// The order and its returns, as the marketplace calls them.
    pub subjects: &'a [String],
    pub by: &'a str,
    pub why: &'a str,
}

/// Remembers that the buyer is to be forgotten. Repeatable.
///
/// # Errors
/// When the database fails.
pub async fn ask_erasure(tx: &Tx, erase: &Erase<'_>, now: Timestamp) -> Result<(), DbErr> {
    for channel in erase.channels {
        for subject in erase.subjects {
            let row = erasures::ActiveModel {
                merchant_id: Set(erase.merchant.0),
                channel_id: Set(channel.0),
                remote_id: Set(subject.clone()),
                asked_by: Set(erase.by.to_owned()),
                why: Set(erase.why.to_owned()),
                asked_at: Set(now.micros()),
                bodies: Set(0),
                ..Default::default()
            };
            let key = [erasures::Column::ChannelId, erasures::Column::RemoteId];
            erasures::Entity::insert(row)
                .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
                .exec_without_returning(tx)
                .await?;
        }
    }
    Ok(())
}

/// Masks the bodies that are stored about it, a page in a transaction each; how many.
///
/// # Errors
/// When the database fails; what was masked before stays so, and the next pass goes on.
pub async fn erase(db: &Db, erase: &Erase<'_>, now: Timestamp) -> Result<u64, DbErr> {
    let mut n_erased = 0;
    for channel in erase.channels {
        for subject in erase.subjects {
            n_erased += erase_subject(db, *channel, subject, now).await?;
        }
    }
    Ok(n_erased)
}

/// Masks what came about erased orders since; how many bodies.
///
/// # Errors
/// When the database fails.
pub async fn erase_due(db: &Db, now: Timestamp) -> Result<u64, DbErr> {
    let due = erasures::Entity::find()
        .order_by_asc(erasures::Column::Id)
        .limit(MOST)
        .all(db.read())
        .await?;
    let mut n_erased = 0;
    for row in due {
        let channel = ChannelId(row.channel_id);
        n_erased += erase_named(db, channel, &row.remote_id, now).await?;
    }
    Ok(n_erased)
}

/// Orders whose buyer asked to be forgotten, newest first.
///
/// # Errors
/// When the database fails.
pub async fn list_erasures(
    db: &Db,
    merchant: MerchantId,
    limit: u64,
) -> Result<Vec<erasures::Model>, DbErr> {
    erasures::Entity::of_merchant(merchant.0)
        .order_by_desc(erasures::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

async fn erase_subject(
    db: &Db,
    channel: ChannelId,
    subject: &str,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let named = erase_named(db, channel, subject, now).await?;
    let unread = erase_unread(db, channel, subject, now).await?;
    let refused = erase_refused(db, channel, subject, now).await?;
    Ok(named + unread + refused)
}

/// Deliveries whose events name it.
async fn erase_named(
    db: &Db,
    channel: ChannelId,
    subject: &str,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let kinds = EventKind::ALL.iter().map(|kind| kind.as_str());
    let named = events::Entity::of_channel(channel.0)
        .select_only()
        .column(events::Column::DeliveryId)
        .filter(events::Column::Kind.is_in(kinds))
        .filter(events::Column::Subject.eq(subject));
    let named = QuerySelect::query(&mut named.clone()).to_owned();
    let mut n_erased = 0;
    loop {
        let rows = deliveries::Entity::find()
            .filter(deliveries::Column::Id.in_subquery(named.clone()))
            .filter(deliveries::Column::ErasedAt.is_null())
            .order_by_asc(deliveries::Column::Id)
            .limit(PAGE)
            .all(db.read())
            .await?;
        if rows.is_empty() {
            return Ok(n_erased);
        }
        n_erased += mask_deliveries(db, rows, (channel, subject), now).await?;
    }
}

/// Deliveries that made no event, and hold it in their text.
async fn erase_unread(
    db: &Db,
    channel: ChannelId,
    subject: &str,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let without_events = ["unknown_topic", "unreadable", "ignored"];
    let (mut last, mut n_erased) = (0, 0);
    loop {
        let rows = deliveries::Entity::of_channel(channel.0)
            .filter(deliveries::Column::Verdict.is_in(without_events))
            .filter(deliveries::Column::ErasedAt.is_null())
            .filter(deliveries::Column::Id.gt(last))
            .order_by_asc(deliveries::Column::Id)
            .limit(PAGE)
            .all(db.read())
            .await?;
        let Some(newest) = rows.last() else {
            return Ok(n_erased);
        };
        last = newest.id;
        let about: Vec<_> = rows
            .into_iter()
            .filter(|row| body_of(row).is_ok_and(|body| holds(&body, subject)))
            .collect();
        if !about.is_empty() {
            n_erased += mask_deliveries(db, about, (channel, subject), now).await?;
        }
    }
}

/// Refused requests of the channel, and those that no channel claims, that hold it in their text.
async fn erase_refused(
    db: &Db,
    channel: ChannelId,
    subject: &str,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let (mut last, mut n_erased) = (0, 0);
    let ours = quarantine::Column::ChannelId
        .eq(channel.0)
        .or(quarantine::Column::ChannelId.is_null());
    loop {
        let rows = quarantine::Entity::find()
            .filter(ours.clone())
            .filter(quarantine::Column::ErasedAt.is_null())
            .filter(quarantine::Column::Id.gt(last))
            .order_by_asc(quarantine::Column::Id)
            .limit(PAGE)
            .all(db.read())
            .await?;
        let Some(newest) = rows.last() else {
            return Ok(n_erased);
        };
        last = newest.id;
        let tx = db.write_tx().await?;
        for row in rows.into_iter().filter(|row| holds(&row.body, subject)) {
            let body = masked(&row.marketplace, &row.body);
            let mut row = row.into_active_model();
            row.body = Set(body);
            row.erased_at = Set(Some(now.micros()));
            row.update(&tx).await?;
            n_erased += 1;
        }
        tx.commit().await?;
    }
}

fn holds(body: &[u8], subject: &str) -> bool {
    !subject.is_empty()
        && body
            .windows(subject.len())
            .any(|part| part == subject.as_bytes())
}

/// What cannot be masked is emptied.
fn masked(slug: &str, body: &[u8]) -> Vec<u8> {
    let more =
        marketplaces::find(slug).map_or(&[][..], |marketplace| marketplace.personal_fields());
    personal::masked_body(body, more)
        .unwrap_or_default()
        .into_bytes()
}

async fn mask_deliveries(
    db: &Db,
    rows: Vec<deliveries::Model>,
    (channel, subject): (ChannelId, &str),
    now: Timestamp,
) -> Result<u64, DbErr> {
    let n_rows = rows.len();
    let tx = db.write_tx().await?;
    for row in rows {
        // Of a body that was dropped, or that cannot be unpacked, nothing is left to be read.
        let plain = body_of(&row).map(Cow::into_owned).unwrap_or_default();
        let body = masked(&row.marketplace, &plain);
        let is_dropped = plain.is_empty();
        let mut row = row.into_active_model();
        if !is_dropped {
            row.body = Set(body);
            row.body_encoding = Set(PLAIN.to_owned());
        }
        row.erased_at = Set(Some(now.micros()));
        row.update(&tx).await?;
    }
    note_bodies(&tx, channel, subject, n_rows).await?;
    tx.commit().await?;
    Ok(n_rows as u64)
}

async fn note_bodies<C: ConnectionTrait>(
    tx: &C,
    channel: ChannelId,
    subject: &str,
    n_bodies: usize,
) -> Result<(), DbErr> {
    let n_bodies = i64::try_from(n_bodies).unwrap_or(i64::MAX);
    erasures::Entity::update_many()
        .col_expr(
            erasures::Column::Bodies,
            Expr::col(erasures::Column::Bodies).add(n_bodies),
        )
        .filter(erasures::Column::ChannelId.eq(channel.0))
        .filter(erasures::Column::RemoteId.eq(subject))
        .exec(tx)
        .await?;
    Ok(())
}
