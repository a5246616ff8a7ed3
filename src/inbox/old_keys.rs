//! Deliveries that are still signed with a key that is being rotated out: noticed, and told now and then.

use crate::channels::Known;
use crate::db::Db;
use crate::domain::{ChannelId, Timestamp};
use entity::deliveries;
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How often one channel's old key is told of.
const TELL_EVERY: Duration = Duration::from_secs(3_600);

/// When each channel's old key was last told of.
#[derive(Debug, Default)]
pub struct OldKeys(Mutex<HashMap<(&'static str, Option<ChannelId>), Timestamp>>);

impl OldKeys {
    /// Takes note of the key that signed a delivery; 0 is the current one.
    pub fn note(
        &self,
        marketplace: &'static str,
        known: Option<&Known>,
        key_index: usize,
        now: Timestamp,
    ) {
        let channel = known.map(|known| known.channel);
        if key_index == 0 || !self.is_time(marketplace, channel, now) {
            return;
        }
        tracing::warn!(
            marketplace,
            channel.id = channel.map(|channel| channel.0),
            "deliveries are signed with a previous key; when its overlap ends they will be refused"
        );
    }

    fn is_time(
        &self,
        marketplace: &'static str,
        channel: Option<ChannelId>,
        now: Timestamp,
    ) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.get(&(marketplace, channel));
        if known.is_some_and(|last| now.since(*last) < TELL_EVERY) {
            return false;
        }
        told.insert((marketplace, channel), now);
        true
    }
}

/// When a delivery of this channel that a previous key had signed last came, since `since`.
pub async fn last_signed_with_previous(
    db: &Db,
    channel: ChannelId,
    since: Timestamp,
) -> Result<Option<Timestamp>, DbErr> {
    let last: Option<i64> = deliveries::Entity::of_channel(channel.0)
        .select_only()
        .column(deliveries::Column::ReceivedAt)
        .filter(deliveries::Column::KeyIndex.gt(0))
        .filter(deliveries::Column::ReceivedAt.gte(since.micros()))
        .order_by_desc(deliveries::Column::ReceivedAt)
        .limit(1)
        .into_tuple()
        .one(db.read())
        .await?;
    Ok(last.map(Timestamp::from_micros))
}

/// The last delivery of a channel, without its body and headers.
pub async fn last_delivery(db: &Db, channel: ChannelId) -> Result<Option<LastDelivery>, DbErr> {
    let last: Option<(i64, String, String, i64)> = deliveries::Entity::of_channel(channel.0)
        .select_only()
        .columns([
            deliveries::Column::ReceivedAt,
            deliveries::Column::Topic,
            deliveries::Column::Verdict,
            deliveries::Column::KeyIndex,
        ])
        .order_by_desc(deliveries::Column::ReceivedAt)
        .limit(1)
        .into_tuple()
        .one(db.read())
        .await?;
    Ok(last.map(|(at, topic, verdict, key_index)| LastDelivery {
        received_at: Timestamp::from_micros(at),
        topic,
        verdict,
        key_index,
    }))
}

/// What a channel told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDelivery {
    pub received_at: Timestamp,
    pub topic: String,
    pub verdict: String,
    /// 0 when the current key had signed it.
    pub key_index: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_is_told_of_once_an_hour_for_each_channel() {
        let keys = OldKeys::default();
        let at = |secs: i64| Timestamp::from_secs(1_795_400_000 + secs);
        let channel = |id: i64| Some(ChannelId(id));

        assert!(keys.is_time("woocommerce", channel(1), at(0)));
        assert!(!keys.is_time("woocommerce", channel(1), at(3_599)));
        assert!(keys.is_time("woocommerce", channel(2), at(3_599)));
        assert!(keys.is_time("tiktok_shop", None, at(3_599)));
        assert!(keys.is_time("woocommerce", channel(1), at(3_600)));
    }
}
