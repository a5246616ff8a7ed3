//! Taking a stored delivery up again, as if it had just come.

use super::{BodyError, Verdict, body_of, follow_up};
use crate::channels::{self, ChannelError};
use crate::db::Tx;
use crate::domain::{ChannelId, Event, EventKind, MerchantId, Source, Timestamp};
use crate::marketplaces::{Malformed, RawDelivery};
use crate::queue::{self, NewJob};
use entity::{deliveries, events};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub verdict: Verdict,
    /// Jobs that wait now.
    pub jobs: u64,
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
    let Some(channel_id) = row.channel_id else {
        return Ok(Replayed {
            verdict: Verdict::UnknownChannel,
            jobs: 0,
        });
    };
    let channel = channels::load(tx, ChannelId(channel_id)).await?;
    let parsed = match body_of(&row) {
        // What it meant is known all the same.
        Err(BodyError::Dropped) => Ok(stored_events(tx, merchant, row.id).await?),
        _ => reparse(&channel, &row),
    };
    let (verdict, parsed) = match parsed {
        Ok(parsed) if parsed.is_empty() => (Verdict::Ignored, parsed),
        Ok(parsed) if channel.is_active() => (Verdict::Accepted, parsed),
        Ok(parsed) => (Verdict::Parked, parsed),
        Err(Malformed::UnknownTopic(_)) => (Verdict::UnknownTopic, Vec::new()),
        Err(Malformed::Shape(_)) => (Verdict::Unreadable, Vec::new()),
    };
    let known = events::Entity::of_merchant(merchant.0)
        .filter(events::Column::DeliveryId.eq(row.id))
        .one(tx)
        .await?;
    if known.is_none() {
        for event in &parsed {
            let event = events::ActiveModel {
                merchant_id: Set(merchant.0),
                channel_id: Set(channel_id),
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
    if row.verdict != verdict.as_str() {
        let mut row = row.into_active_model();
        row.verdict = Set(verdict.as_str().to_owned());
        row.update(tx).await?;
    }
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
    let jobs: Vec<NewJob> = parsed.iter().filter(allowed).filter_map(job).collect();
    queue::enqueue(tx, &jobs, now).await?;
    Ok(Replayed {
        verdict,
        jobs: jobs.len() as u64,
    })
}

fn reparse(channel: &channels::Channel, row: &deliveries::Model) -> Result<Vec<Event>, Malformed> {
    let headers: Vec<(String, String)> = serde_json::from_str(&row.headers)
        .map_err(|_| Malformed::Shape("its stored headers cannot be read".to_owned()))?;
    let body = body_of(row).map_err(|error| Malformed::Shape(error.to_string()))?;
    let raw = RawDelivery::new(headers, body.into_owned());
    channel.marketplace.parse(&raw.believed_before())
}

/// What a delivery meant when it came.
async fn stored_events(
    tx: &Tx,
    merchant: MerchantId,
    delivery: i64,
) -> Result<Vec<Event>, sea_orm::DbErr> {
    let rows = super::events_of(tx, merchant, delivery).await?;
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
