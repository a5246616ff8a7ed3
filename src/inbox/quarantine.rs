//! Refused requests: all are counted, a bounded sample is kept to look at.

use crate::db::Db;
use crate::domain::{ChannelId, Timestamp};
use crate::marketplaces::{RawDelivery, Rejected};
use entity::quarantine;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

/// Bytes of a refused body that are kept.
const BODY_SAMPLE: usize = 4 << 10;
/// Samples that are taken per marketplace and minute: a flood of forgeries must not become a flood of writes.
const SAMPLES_A_MINUTE: u64 = 10;
const MINUTE_US: i64 = 60_000_000;

/// Refusals by marketplace and reason.
pub type Refusals = BTreeMap<(&'static str, &'static str), u64>;

#[derive(Debug)]
pub struct Quarantine {
    db: Db,
    /// Samples kept per marketplace.
    most: u64,
    counts: Mutex<Refusals>,
    /// The present minute and the samples taken in it, per marketplace.
    taken: Mutex<HashMap<&'static str, (i64, u64)>>,
}

impl Quarantine {
    pub fn new(db: Db, most: u64) -> Self {
        Self {
            db,
            most,
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
    pub async fn keep(
        &self,
        marketplace: &'static str,
        channel: Option<ChannelId>,
        why: Rejected,
        raw: &RawDelivery,
        now: Timestamp,
    ) {
        self.count(marketplace, why);
        if !self.may_sample(marketplace, now) {
            return;
        }
        tracing::warn!(
            marketplace,
            reason = why.code(),
            "a delivery was refused: {why}"
        );
        if let Err(error) = self.sample(marketplace, channel, why, raw, now).await {
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

    async fn sample(
        &self,
        marketplace: &'static str,
        channel: Option<ChannelId>,
        why: Rejected,
        raw: &RawDelivery,
        now: Timestamp,
    ) -> Result<(), DbErr> {
        let kept = quarantine::Entity::find()
            .filter(quarantine::Column::Marketplace.eq(marketplace))
            .count(self.db.read())
            .await?;
        if kept >= self.most {
            return Ok(());
        }
        let tx = self.db.write_tx().await?;
        let row = quarantine::ActiveModel {
            marketplace: Set(marketplace.to_owned()),
            channel_id: Set(channel.map(|channel| channel.0)),
            reason: Set(why.code().to_owned()),
            headers: Set(serde_json::to_string(&raw.headers).unwrap_or_default()),
            body: Set(raw.body[..raw.body.len().min(BODY_SAMPLE)].to_vec()),
            body_bytes: Set(raw.body.len() as i64),
            received_at: Set(now.micros()),
            ..Default::default()
        };
        row.insert(&tx).await?;
        tx.commit().await
    }
}

/// The newest refused requests.
pub async fn refused_samples(db: &Db, limit: u64) -> Result<Vec<quarantine::Model>, DbErr> {
    quarantine::Entity::find()
        .order_by_desc(quarantine::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}
