//! Reading deliveries and events, and marking events handled.

use super::body_of;
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, EventKind, MerchantId, RemoteId, Timestamp};
use crate::marketplaces::RawDelivery;
use entity::{deliveries, events};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use std::collections::HashSet;

/// Deliveries that are looked at for one subject: the first nearly always carries it.
const NEWEST: u64 = 5;
/// Far more than one order's returns raise.
const MOST_WITHOUT_VERSION: u64 = 100;

/// Which deliveries to list; empty means all.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub channel: Option<ChannelId>,
    pub verdict: Option<String>,
    /// Only those whose events name this order or product.
    pub subject: Option<String>,
    /// Only those with a smaller id: the next page.
    pub before: Option<i64>,
}

/// Deliveries of the merchant and those that no merchant claims, newest first.
pub async fn deliveries(
    db: &Db,
    merchant: MerchantId,
    filter: &DeliveryFilter,
    limit: u64,
) -> Result<Vec<deliveries::Model>, DbErr> {
    let ours = deliveries::Column::MerchantId
        .eq(merchant.0)
        .or(deliveries::Column::MerchantId.is_null());
    let mut query = deliveries::Entity::find().filter(ours);
    if let Some(channel) = filter.channel {
        query = query.filter(deliveries::Column::ChannelId.eq(channel.0));
    }
    if let Some(verdict) = &filter.verdict {
        query = query.filter(deliveries::Column::Verdict.eq(verdict));
    }
    if let Some(before) = filter.before {
        query = query.filter(deliveries::Column::Id.lt(before));
    }
    if let Some(subject) = &filter.subject {
        let named: Vec<i64> = events::Entity::of_merchant(merchant.0)
            .select_only()
            .column(events::Column::DeliveryId)
            .filter(events::Column::Subject.eq(subject))
            .order_by_desc(events::Column::Id)
            .limit(1_000)
            .into_tuple()
            .all(db.read())
            .await?;
        query = query.filter(deliveries::Column::Id.is_in(named));
    }
    query
        .order_by_desc(deliveries::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// One delivery of the merchant, or one that no merchant claims.
pub async fn delivery(
    db: &Db,
    merchant: MerchantId,
    id: i64,
) -> Result<Option<deliveries::Model>, DbErr> {
    let ours = deliveries::Column::MerchantId
        .eq(merchant.0)
        .or(deliveries::Column::MerchantId.is_null());
    deliveries::Entity::find_by_id(id)
        .filter(ours)
        .one(db.read())
        .await
}

pub async fn events_of<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    delivery: i64,
) -> Result<Vec<events::Model>, DbErr> {
    events::Entity::of_merchant(merchant.0)
        .filter(events::Column::DeliveryId.eq(delivery))
        .order_by_asc(events::Column::Id)
        .all(db)
        .await
}

/// When a channel's last delivery came.
pub async fn last_delivery_at(db: &Db, channel: ChannelId) -> Result<Option<Timestamp>, DbErr> {
    let last = deliveries::Entity::of_channel(channel.0)
        .order_by_desc(deliveries::Column::ReceivedAt)
        .one(db.read())
        .await?;
    Ok(last.map(|row| Timestamp::from_micros(row.received_at)))
}

/// Deliveries per verdict.
pub async fn counts_by_verdict(db: &Db, merchant: MerchantId) -> Result<Vec<(String, i64)>, DbErr> {
    let ours = deliveries::Column::MerchantId
        .eq(merchant.0)
        .or(deliveries::Column::MerchantId.is_null());
    deliveries::Entity::find()
        .select_only()
        .column(deliveries::Column::Verdict)
        .column_as(deliveries::Column::Id.count(), "n")
        .filter(ours)
        .group_by(deliveries::Column::Verdict)
        .order_by_asc(deliveries::Column::Verdict)
        .into_tuple()
        .all(db.read())
        .await
}

/// The newest version of a subject that any pending event names. A reading below it is stale.
pub async fn newest_version<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    kind: EventKind,
    subject: &RemoteId,
) -> Result<Option<Timestamp>, DbErr> {
    let newest = events::Entity::of_channel(channel.0)
        .filter(events::Column::Kind.eq(kind.as_str()))
        .filter(events::Column::Subject.eq(subject.as_str()))
        .filter(events::Column::State.eq("pending"))
        .filter(events::Column::Version.is_not_null())
        .order_by_desc(events::Column::Version)
        .one(db)
        .await?;
    Ok(newest
        .and_then(|row| row.version)
        .map(Timestamp::from_micros))
}

/// Which of these subjects any event names.
pub async fn named<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    kind: EventKind,
    subjects: &[String],
) -> Result<HashSet<String>, DbErr> {
    let mut found = HashSet::new();
    // SQLite binds 32,766 values at most.
    for some in subjects.chunks(1_000) {
        let rows: Vec<Option<String>> = events::Entity::of_channel(channel.0)
            .select_only()
            .column(events::Column::Subject)
            .distinct()
            .filter(events::Column::Kind.eq(kind.as_str()))
            .filter(events::Column::Subject.is_in(some))
            .into_tuple()
            .all(db)
            .await?;
        found.extend(rows.into_iter().flatten());
    }
    Ok(found)
}

/// Which of these subjects events on these channels of a merchant name; one query along an index.
pub async fn named_on<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    channels: &[ChannelId],
    kind: EventKind,
    subjects: &[String],
    limit: u64,
) -> Result<Vec<(ChannelId, RemoteId)>, DbErr> {
    if channels.is_empty() || subjects.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, Option<String>)> = events::Entity::of_merchant(merchant.0)
        .select_only()
        .columns([events::Column::ChannelId, events::Column::Subject])
        .distinct()
        .filter(events::Column::ChannelId.is_in(channels.iter().map(|id| id.0)))
        .filter(events::Column::Kind.eq(kind.as_str()))
        .filter(events::Column::Subject.is_in(subjects.iter().map(String::as_str)))
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let named = |(channel, subject): (i64, Option<String>)| {
        Some((ChannelId(channel), RemoteId::from(subject?)))
    };
    Ok(rows.into_iter().filter_map(named).collect())
}

/// A delivery that names a subject, without its body, and what its event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    pub delivery: i64,
    pub topic: String,
    pub verdict: String,
    pub received_at: i64,
    pub version: Option<i64>,
    /// Of the event: `pending` or `handled`.
    pub state: String,
    pub handled_at: Option<i64>,
}

/// The deliveries of a channel that name a subject, newest first. Two queries, each along an index.
pub async fn naming<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    kind: EventKind,
    subject: &RemoteId,
    limit: u64,
) -> Result<Vec<Naming>, DbErr> {
    let events = events::Entity::of_channel(channel.0)
        .filter(events::Column::Kind.eq(kind.as_str()))
        .filter(events::Column::Subject.eq(subject.as_str()))
        .order_by_desc(events::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let ids = events.iter().map(|event| event.delivery_id);
    let heads: Vec<(i64, String, String, i64)> = deliveries::Entity::of_channel(channel.0)
        .select_only()
        .columns([
            deliveries::Column::Id,
            deliveries::Column::Topic,
            deliveries::Column::Verdict,
            deliveries::Column::ReceivedAt,
        ])
        .filter(deliveries::Column::Id.is_in(ids))
        .into_tuple()
        .all(db)
        .await?;
    let naming = |event: events::Model| {
        let mut heads = heads.iter();
        let (delivery, topic, verdict, received_at) =
            heads.find(|head| head.0 == event.delivery_id)?.clone();
        Some(Naming {
            delivery,
            topic,
            verdict,
            received_at,
            version: event.version,
            state: event.state,
            handled_at: event.handled_at,
        })
    };
    Ok(events.into_iter().filter_map(naming).collect())
}

/// Marks the pending events of a subject handled, in the transaction that handled them. Events that came
/// after `read_at`, when the subject was read, stay pending: they have a job of their own.
pub async fn mark_handled(
    tx: &Tx,
    channel: ChannelId,
    kind: EventKind,
    subject: Option<&RemoteId>,
    read_at: Timestamp,
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut update = events::Entity::update_many()
        .col_expr(events::Column::State, Expr::value("handled"))
        .col_expr(events::Column::HandledAt, Expr::value(now.micros()))
        .filter(events::Column::ChannelId.eq(channel.0))
        .filter(events::Column::Kind.eq(kind.as_str()))
        .filter(events::Column::State.eq("pending"))
        .filter(events::Column::CreatedAt.lte(read_at.micros()));
    if let Some(subject) = subject {
        update = update.filter(events::Column::Subject.eq(subject.as_str()));
    }
    update.exec(tx).await?;
    Ok(())
}

/// A stored delivery that tells of something, with what its event says.
#[derive(Debug, Clone)]
pub struct Telling {
    /// The event's id: it rises with arrival.
    pub event: i64,
    pub version: Option<Timestamp>,
    /// Nothing was made of it yet.
    pub is_pending: bool,
    pub raw: RawDelivery,
}

/// The deliveries that tell of a subject: a few of the newest versions, and the last that came.
pub async fn tellings<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    kind: EventKind,
    subject: Option<&RemoteId>,
) -> Result<Vec<Telling>, DbErr> {
    let mut about =
        events::Entity::of_channel(channel.0).filter(events::Column::Kind.eq(kind.as_str()));
    if let Some(subject) = subject {
        about = about.filter(events::Column::Subject.eq(subject.as_str()));
    }
    let mut found = about
        .clone()
        .filter(events::Column::Version.is_not_null())
        .order_by_desc(events::Column::Version)
        .order_by_desc(events::Column::Id)
        .limit(NEWEST)
        .all(db)
        .await?;
    let last = about.order_by_desc(events::Column::Id).one(db).await?;
    found.extend(last.filter(|last| found.iter().all(|event| event.id != last.id)));
    let ids = found.iter().map(|event| event.delivery_id);
    let rows = deliveries::Entity::of_channel(channel.0)
        .filter(deliveries::Column::Id.is_in(ids))
        .order_by_asc(deliveries::Column::Id)
        .all(db)
        .await?;
    let telling = |event: events::Model| {
        let row = rows.iter().find(|row| row.id == event.delivery_id)?;
        let headers = serde_json::from_str(&row.headers).unwrap_or_default();
        let received_at = Timestamp::from_micros(row.received_at);
        // What was dropped tells nothing any more.
        let body = body_of(row).ok()?.into_owned();
        Some(Telling {
            event: event.id,
            version: event.version.map(Timestamp::from_micros),
            is_pending: event.state == "pending",
            raw: RawDelivery::new(headers, body).at(received_at),
        })
    };
    Ok(found.into_iter().filter_map(telling).collect())
}

/// Deliveries that tell of a subject without naming a version of it: how it stands is not what they are about.
pub async fn told_without_version<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    kind: EventKind,
    subject: &RemoteId,
) -> Result<Vec<RawDelivery>, DbErr> {
    let ids: Vec<i64> = events::Entity::of_channel(channel.0)
        .select_only()
        .column(events::Column::DeliveryId)
        .filter(events::Column::Kind.eq(kind.as_str()))
        .filter(events::Column::Subject.eq(subject.as_str()))
        .filter(events::Column::Version.is_null())
        .order_by_desc(events::Column::Id)
        .limit(MOST_WITHOUT_VERSION)
        .into_tuple()
        .all(db)
        .await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = deliveries::Entity::of_channel(channel.0)
        .filter(deliveries::Column::Id.is_in(ids))
        .order_by_asc(deliveries::Column::Id)
        .all(db)
        .await?;
    let read = |row: deliveries::Model| {
        let headers = serde_json::from_str(&row.headers).unwrap_or_default();
        let received_at = Timestamp::from_micros(row.received_at);
        let body = body_of(&row).ok()?.into_owned();
        Some(RawDelivery::new(headers, body).at(received_at))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}
