//! Taking a stored delivery up again, as if it had just come.

use super::{BodyError, Verdict, body_of, follow_up};
use crate::channels::{self, ChannelError};
use crate::db::Tx;
use crate::domain::{ChannelId, Event, EventKind, MerchantId, Source, Timestamp};
use crate::marketplaces::{self, Malformed, RawDelivery};
use crate::queue::{self, NewJob};
use entity::{deliveries, events};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub verdict: Verdict,
    /// Jobs that wait now.
    pub jobs: u64,
}

/// A stored delivery, parsed with what this version knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reread {
    pub verdict: Verdict,
    /// The connection that it is for; `None` when it is for no shop of this merchant.
    pub connection: Option<ChannelId>,
    pub events: Vec<Event>,
    /// What follows from it.
    pub jobs: Vec<NewJob>,
}

/// Parses a stored delivery anew, with what this version knows, and enqueues its work.
///
/// The signature was checked when it came and is not checked again: secrets change. Repeatable: the work
/// reads the present, so replaying an old delivery cannot bring an old state back.
///
/// # Errors
/// When the channel is unknown or the database fails.
pub async fn replay(
    tx: &Tx,
    merchant: MerchantId,
    row: deliveries::Model,
    now: Timestamp,
) -> Result<Replayed, ChannelError> {
    let reread = take_up(tx, merchant, row, now).await?;
    queue::enqueue(tx, &reread.jobs, now).await?;
    Ok(Replayed {
        verdict: reread.verdict,
        jobs: reread.jobs.len() as u64,
    })
}

/// The same without enqueueing: whoever takes up many enqueues the work of all of them together, so that two who do it
/// wait for each other instead of locking up.
///
/// # Errors
/// As [`replay`].
pub async fn take_up(
    tx: &Tx,
    merchant: MerchantId,
    row: deliveries::Model,
    now: Timestamp,
) -> Result<Reread, ChannelError> {
    // Two replays of one delivery must not both find that its events are missing.
    let locked = deliveries::Entity::find_by_id(row.id)
        .lock_exclusive()
        .one(tx)
        .await?;
    let row = locked.unwrap_or(row);
    let reread = reread(tx, merchant, &row).await?;
    let Some(connection) = reread.connection else {
        return Ok(reread);
    };
    let known = events::Entity::of_merchant(merchant.0)
        .filter(events::Column::DeliveryId.eq(row.id))
        .one(tx)
        .await?;
    if known.is_none() {
        for event in &reread.events {
            let event = events::ActiveModel {
                merchant_id: Set(merchant.0),
                channel_id: Set(connection.0),
                delivery_id: Set(row.id),
                kind: Set(event.kind.as_str().to_owned()),
                subject: Set(event.subject.as_ref().map(ToString::to_string)),
                version: Set(event.version.map(Timestamp::micros)),
                state: Set("pending".to_owned()),
                created_at: Set(now.micros()),
                ..Default::default()
            };
            event.insert(tx).await?;
        }
    }
    let is_claimed = row.channel_id.is_some();
    if row.verdict != reread.verdict.as_str() || !is_claimed {
        let mut row = row.into_active_model();
        row.verdict = Set(reread.verdict.as_str().to_owned());
        row.merchant_id = Set(Some(merchant.0));
        row.channel_id = Set(Some(connection.0));
        row.update(tx).await?;
    }
    Ok(reread)
}

/// What a stored delivery means now. Reads only.
///
/// # Errors
/// When the channel is unknown or the database fails.
pub async fn reread<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    row: &deliveries::Model,
) -> Result<Reread, ChannelError> {
    let Some(connection) = whose(db, merchant, row).await? else {
        return Ok(Reread {
            verdict: Verdict::UnknownChannel,
            connection: None,
            events: Vec::new(),
            jobs: Vec::new(),
        });
    };
    let channel = channels::load(db, connection).await?;
    let parsed = match body_of(row) {
        // What it meant is known all the same.
        Err(BodyError::Dropped) => Ok(stored_events(db, merchant, row.id).await?),
        _ => reparse(&channel, row),
    };
    let (verdict, events) = match parsed {
        Ok(parsed) if parsed.is_empty() => (Verdict::Ignored, parsed),
        Ok(parsed) if channel.is_active() => (Verdict::Accepted, parsed),
        Ok(parsed) => (Verdict::Parked, parsed),
        Err(Malformed::UnknownTopic(_)) => (Verdict::UnknownTopic, Vec::new()),
        Err(Malformed::Shape(_)) => (Verdict::Unreadable, Vec::new()),
    };
    let allowed = |event: &&Event| {
        verdict == Verdict::Accepted || event.kind == EventKind::AuthorizationChanged
    };
    let job = |event: &Event| {
        Some(NewJob {
            merchant,
            channel: channel.id,
            work: follow_up::work_of(event)?,
            source: Source::Replay,
            run_at: None,
        })
    };
    let jobs = events.iter().filter(allowed).filter_map(job).collect();
    Ok(Reread {
        verdict,
        connection: Some(channel.id),
        events,
        jobs,
    })
}

/// The connection that a delivery is for. One that came before its shop was connected finds it now, if the shop is this
/// merchant's.
async fn whose<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    row: &deliveries::Model,
) -> Result<Option<ChannelId>, ChannelError> {
    if let Some(channel) = row.channel_id {
        return Ok(Some(ChannelId(channel)));
    }
    let Some(marketplace) = marketplaces::find(&row.marketplace) else {
        return Ok(None);
    };
    let headers = serde_json::from_str(&row.headers).unwrap_or_default();
    let raw = RawDelivery::new(headers, body_of(row).unwrap_or_default().into_owned());
    let Some(shop) = marketplace.claimed_channel(&raw) else {
        return Ok(None);
    };
    let known = channels::known_shop(db, marketplace.slug(), shop.as_str()).await?;
    Ok(known
        .filter(|known| known.merchant == merchant)
        .map(|known| known.channel))
}

fn reparse(channel: &channels::Channel, row: &deliveries::Model) -> Result<Vec<Event>, Malformed> {
    let headers: Vec<(String, String)> = serde_json::from_str(&row.headers)
        .map_err(|_| Malformed::Shape("its stored headers cannot be read".to_owned()))?;
    let body = body_of(row).map_err(|error| Malformed::Shape(error.to_string()))?;
    let raw = RawDelivery::new(headers, body.into_owned());
    channel.marketplace.parse(&raw.believed_before())
}

/// What a delivery meant when it came.
async fn stored_events<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    delivery: i64,
) -> Result<Vec<Event>, sea_orm::DbErr> {
    let rows = super::events_of(db, merchant, delivery).await?;
    let event = |row: events::Model| {
        Some(Event {
            kind: EventKind::parse(&row.kind)?,
            subject: row.subject.map(Into::into),
            version: row.version.map(Timestamp::from_micros),
        })
    };
    Ok(rows.into_iter().filter_map(event).collect())
}

/// Enqueues the work of every pending event of a channel: when it is unlocked, what was parked is taken up.
/// Returns how many jobs wait now.
pub async fn take_up_pending(
    tx: &Tx,
    merchant: MerchantId,
    channel: ChannelId,
    now: Timestamp,
) -> Result<u64, sea_orm::DbErr> {
    let mut after = 0;
    let mut taken_up = 0;
    loop {
        let page = events::Entity::of_merchant(merchant.0)
            .filter(events::Column::ChannelId.eq(channel.0))
            .filter(events::Column::State.eq("pending"))
            .filter(events::Column::Id.gt(after))
            .order_by_asc(events::Column::Id)
            .limit(500)
            .all(tx)
            .await?;
        let Some(last) = page.last() else {
            return Ok(taken_up);
        };
        after = last.id;
        let job = |row: &events::Model| {
            let event = Event {
                kind: EventKind::parse(&row.kind)?,
                subject: row.subject.clone().map(Into::into),
                version: row.version.map(Timestamp::from_micros),
            };
            Some(NewJob {
                merchant,
                channel,
                work: follow_up::work_of(&event)?,
                source: Source::Webhook,
                run_at: None,
            })
        };
        let jobs: Vec<NewJob> = page.iter().filter_map(job).collect();
        taken_up += jobs.len() as u64;
        queue::enqueue(tx, &jobs, now).await?;
    }
}
