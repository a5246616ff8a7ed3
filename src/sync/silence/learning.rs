//! Listening: what a channel told is counted once, and kept by hour of the week.
//!
//! Listening goes as far as the last delivery: the quiet after it is counted when it has ended, and not at all when
//! it turned out that webhooks had been missed.

use super::rhythm::{
    FEWEST_DELIVERIES, Heard, LONGEST_LOOK, Rhythm, SHORTEST_HISTORY, hour_of_week, quarter_of,
};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, Timestamp};
use crate::inbox::{self, QUARTER};
use chrono_tz::Tz;
use entity::{delivery_rhythm, delivery_watches};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, QueryOrder, sea_query::OnConflict,
};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

const DAY: Duration = Duration::from_secs(86_400);

/// What is known of a channel's deliveries.
#[derive(Debug, Clone)]
pub struct Learned {
    /// Since when it was listened to.
    pub from: Timestamp,
    /// Up to when.
    pub to: Timestamp,
    pub rhythm: Rhythm,
}

impl Learned {
    /// `12.5 deliveries a day, learned since 2026-11-02`.
    pub fn in_words(&self, now: Timestamp) -> String {
        let heard = self.rhythm.heard();
        let since = self
            .from
            .to_utc()
            .with_timezone(&self.rhythm.zone)
            .date_naive();
        if !self.rhythm.is_known() {
            let days = heard.quarters as f64 * QUARTER.as_secs_f64() / DAY.as_secs_f64();
            return format!(
                "not known yet: {days:.1} of {} days and {} of {FEWEST_DELIVERIES} deliveries, since {since}",
                SHORTEST_HISTORY.as_secs() / DAY.as_secs(),
                heard.deliveries_milli / 1_000
            );
        }
        let week = self.rhythm.expected(now - 7 * DAY, now);
        format!("{:.1} deliveries a day, learned since {since}", week / 7.0)
    }
}

/// What is known of a channel's deliveries; `None` before the first was counted.
///
/// # Errors
/// When the database cannot be asked.
pub async fn learned<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    zone: Tz,
) -> Result<Option<Learned>, DbErr> {
    let watch = delivery_watches::Entity::find_by_id(channel.0)
        .one(db)
        .await?;
    let Some(watch) = watch else {
        return Ok(None);
    };
    let rows = delivery_rhythm::Entity::of_channel(channel.0)
        .order_by_asc(delivery_rhythm::Column::HourOfWeek)
        .all(db)
        .await?;
    let heard = |row: delivery_rhythm::Model| {
        let heard = Heard {
            quarters: row.quarters,
            deliveries_milli: row.deliveries_milli,
        };
        (row.hour_of_week, heard)
    };
    Ok(Some(Learned {
        from: Timestamp::from_micros(watch.learned_from),
        to: Timestamp::from_micros(watch.learned_to),
        rhythm: Rhythm {
            hours: rows.into_iter().map(heard).collect(),
            zone,
        },
    }))
}

/// Counts what came since it was counted last, up to the last delivery. Returns what is known then.
pub(super) async fn learn(
    db: &Db,
    owner: (ChannelId, MerchantId),
    zone: Tz,
    now: Timestamp,
) -> Result<Option<Learned>, DbErr> {
    let channel = owner.0;
    let before = learned(db.read(), channel, zone).await?;
    let Some((first, last)) = inbox::first_and_last_arrival(db.read(), channel).await? else {
        return Ok(before);
    };
    let begin = quarter_of(first.max(now - LONGEST_LOOK));
    let mut known = before.unwrap_or(Learned {
        from: begin,
        to: begin,
        rhythm: Rhythm {
            hours: HashMap::new(),
            zone,
        },
    });
    let from = known.to.max(quarter_of(now - LONGEST_LOOK));
    let to = quarter_of(last.min(now));
    if to <= from {
        return Ok(Some(known));
    }
    let counts = inbox::arrived_per_quarter(db.read(), channel, from, to).await?;
    let counts: HashMap<Timestamp, i64> = counts.into_iter().collect();
    let mut touched = HashSet::new();
    let mut at = from;
    while at < to {
        let deliveries = counts.get(&at).copied().unwrap_or_default();
        known.rhythm.hear(at, deliveries);
        touched.insert(hour_of_week(at, zone));
        at = at + QUARTER;
    }
    known.to = to;
    let tx = db.write_tx().await?;
    write(&tx, owner, &known, &touched).await?;
    tx.commit().await?;
    Ok(Some(known))
}

async fn write(
    tx: &Tx,
    owner: (ChannelId, MerchantId),
    known: &Learned,
    touched: &HashSet<i64>,
) -> Result<(), DbErr> {
    let (channel, merchant) = owner;
    watch(tx, owner, known.from, known.to).await?;
    let hours = known.rhythm.hours.iter();
    let rows = hours.filter(|(hour, _)| touched.contains(hour));
    let rows = rows.map(|(hour, heard)| delivery_rhythm::ActiveModel {
        channel_id: Set(channel.0),
        hour_of_week: Set(*hour),
        merchant_id: Set(merchant.0),
        quarters: Set(heard.quarters),
        deliveries_milli: Set(heard.deliveries_milli),
    });
    let key = [
        delivery_rhythm::Column::ChannelId,
        delivery_rhythm::Column::HourOfWeek,
    ];
    let merge = OnConflict::columns(key)
        .update_columns([
            delivery_rhythm::Column::Quarters,
            delivery_rhythm::Column::DeliveriesMilli,
        ])
        .to_owned();
    delivery_rhythm::Entity::insert_many(rows)
        .on_conflict(merge)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Notes how far a channel was listened to.
pub(super) async fn watch(
    tx: &Tx,
    (channel, merchant): (ChannelId, MerchantId),
    from: Timestamp,
    to: Timestamp,
) -> Result<(), DbErr> {
    let row = delivery_watches::ActiveModel {
        channel_id: Set(channel.0),
        merchant_id: Set(merchant.0),
        learned_from: Set(from.micros()),
        learned_to: Set(to.micros()),
    };
    let merge = OnConflict::column(delivery_watches::Column::ChannelId)
        .update_column(delivery_watches::Column::LearnedTo)
        .to_owned();
    delivery_watches::Entity::insert(row)
        .on_conflict(merge)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}
