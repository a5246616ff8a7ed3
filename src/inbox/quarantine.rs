//! Refused requests: all are counted, and as many as there is room for are kept whole.
//!
//! A key that was replaced on one side only makes every delivery of a shop look forged. What is kept can be verified
//! again when the key is right ([`super::verify_held`]). Room is bounded twice, in number and in bytes, for each
//! marketplace; a flood of forgeries takes ten places a minute, and what was kept for longer than marketplaces try
//! again makes room first.

use super::quarantine_release::{HELD, RETRY_WINDOW};
use crate::channels;
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, Timestamp};
use crate::marketplaces::{Marketplace, RawDelivery, Rejected};
use entity::quarantine;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    ExprTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

/// Samples that are taken per marketplace and minute: a flood of forgeries must not become a flood of writes.
const SAMPLES_A_MINUTE: u64 = 10;
const MINUTE_US: i64 = 60_000_000;

/// Refusals by marketplace and reason.
pub type Refusals = BTreeMap<(&'static str, &'static str), u64>;

/// What is kept per marketplace, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub requests: u64,
    /// Of their bodies.
    pub bytes: u64,
}

/// A refused request.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'r> {
    pub marketplace: &'static dyn Marketplace,
    /// The channel at whose own address it came.
    pub channel: Option<ChannelId>,
    /// The last part of the path, where that is a channel's own.
    pub address: Option<&'r str>,
    pub why: Rejected,
    pub raw: &'r RawDelivery,
}

#[derive(Debug)]
pub struct Quarantine {
    db: Db,
    room: Room,
    counts: Mutex<Refusals>,
    /// The present minute and the samples taken in it, per marketplace.
    taken: Mutex<HashMap<&'static str, (i64, u64)>>,
}

impl Quarantine {
    pub fn new(db: Db, room: Room) -> Self {
        Self {
            db,
            room,
            counts: Mutex::default(),
            taken: Mutex::default(),
        }
    }

    pub fn refusals(&self) -> Refusals {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Counts a refusal, and keeps it if there is room. Never fails: a refusal is answered all the same.
    pub async fn keep(&self, refused: Refused<'_>, now: Timestamp) {
        let (marketplace, why) = (refused.marketplace.slug(), refused.why);
        self.count(marketplace, why);
        if !self.may_sample(marketplace, now) {
            return;
        }
        tracing::warn!(
            marketplace,
            reason = why.code(),
            "a delivery was refused: {why}"
        );
        if let Err(error) = self.sample(refused, now).await {
            tracing::warn!(marketplace, %error, "the refused delivery could not be kept");
        }
    }

    fn count(&self, marketplace: &'static str, why: Rejected) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((marketplace, why.code())).or_default() += 1;
    }

    fn may_sample(&self, marketplace: &'static str, now: Timestamp) -> bool {
        let minute = now.micros().div_euclid(MINUTE_US);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = taken.entry(marketplace).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        entry.1 += 1;
        entry.1 <= SAMPLES_A_MINUTE
    }

    async fn sample(&self, refused: Refused<'_>, now: Timestamp) -> Result<(), DbErr> {
        let (slug, raw) = (refused.marketplace.slug(), refused.raw);
        let channel = match refused.channel {
            Some(channel) => Some(channel),
            None => self.claimed(refused).await,
        };
        let tx = self.db.write_tx().await?;
        if !self.makes_room(&tx, slug, raw.body.len(), now).await? {
            return Ok(());
        }
        let row = quarantine::ActiveModel {
            marketplace: Set(slug.to_owned()),
            channel_id: Set(channel.map(|channel| channel.0)),
            reason: Set(refused.why.code().to_owned()),
            headers: Set(serde_json::to_string(&raw.headers).unwrap_or_default()),
            body: Set(raw.body.to_vec()),
            body_bytes: Set(bytes(raw.body.len())),
            received_at: Set(now.micros()),
            address: Set(refused.address.map(str::to_owned)),
            state: Set(HELD.to_owned()),
            ..Default::default()
        };
        row.insert(&tx).await?;
        tx.commit().await
    }

    /// The channel that it claims to be for. Only asked for what is kept: a flood looks nothing up.
    async fn claimed(&self, refused: Refused<'_>) -> Option<ChannelId> {
        let shop = refused.marketplace.claimed_channel(refused.raw)?;
        let slug = refused.marketplace.slug();
        let known = channels::known_shop(self.db.read(), slug, shop.as_str()).await;
        known.ok().flatten().map(|known| known.channel)
    }

    /// Whether there is room for a body of this length, after what is too old to be released has gone.
    async fn makes_room(
        &self,
        tx: &Tx,
        slug: &str,
        length: usize,
        now: Timestamp,
    ) -> Result<bool, DbErr> {
        let has_room = |(requests, kept): (i64, i64)| {
            let kept = kept.saturating_add(bytes(length));
            requests < as_signed(self.room.requests) && kept <= as_signed(self.room.bytes)
        };
        if has_room(kept(tx, slug).await?) {
            return Ok(true);
        }
        let before = now - RETRY_WINDOW;
        let old: Vec<i64> = quarantine::Entity::find()
            .select_only()
            .column(quarantine::Column::Id)
            .filter(quarantine::Column::Marketplace.eq(slug))
            .filter(quarantine::Column::State.eq(HELD))
            .filter(quarantine::Column::ReceivedAt.lt(before.micros()))
            .order_by_asc(quarantine::Column::Id)
            .limit(SAMPLES_A_MINUTE)
            .into_tuple()
            .all(tx)
            .await?;
        if old.is_empty() {
            return Ok(false);
        }
        quarantine::Entity::delete_many()
            .filter(quarantine::Column::Id.is_in(old))
            .exec(tx)
            .await?;
        Ok(has_room(kept(tx, slug).await?))
    }
}

fn as_signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn bytes(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// How many requests are held, and the bytes of their bodies.
async fn kept<C: ConnectionTrait>(db: &C, slug: &str) -> Result<(i64, i64), DbErr> {
    let sum = Expr::col(quarantine::Column::BodyBytes)
        .sum()
        .cast_as("bigint");
    let kept: Option<(i64, Option<i64>)> = quarantine::Entity::find()
        .select_only()
        .column_as(quarantine::Column::Id.count(), "n")
        .column_as(sum, "bytes")
        .filter(quarantine::Column::Marketplace.eq(slug))
        .filter(quarantine::Column::State.eq(HELD))
        .into_tuple()
        .one(db)
        .await?;
    let (requests, bytes) = kept.unwrap_or_default();
    Ok((requests, bytes.unwrap_or_default()))
}

/// The newest refused requests.
pub async fn refused_samples(db: &Db, limit: u64) -> Result<Vec<quarantine::Model>, DbErr> {
    quarantine::Entity::find()
        .order_by_desc(quarantine::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}
