//! Issues of channels: locked, ending, not told, silent, paused, drifting, scanned in vain.

use super::{Found, IssueError, Shops, again};
use crate::channels::{self, Channel, ChannelState};
use crate::db::Db;
use crate::domain::{Cause, ChannelId, Timestamp};
use crate::marketplaces::Subscribing;
use crate::queue::{self, Queue};
use entity::{alarms, deliveries, scans, schedules, silences, stock_drifts, subscriptions};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use std::{collections::BTreeMap, time::Duration};

/// Rows of one kind that are looked at.
const MOST: u64 = 1_000;
/// What was found longer ago has been looked at since.
const DRIFT_LATELY: Duration = Duration::from_secs(2 * 86_400);
/// The listing took a quantity after it was found to show another.
const IS_NOT_TOLD_SINCE: &str = "not exists (select 1 from stock_pushes p \
    where p.listing_id = stock_drifts.listing_id and p.finished_at > stock_drifts.found_at and p.state = 'pushed')";
/// No scan of the kind was believed since.
const IS_NOT_DONE_SINCE: &str = "not exists (select 1 from scans l where l.channel_id = scans.channel_id \
    and l.kind = scans.kind and l.state = 'done' and l.id > scans.id)";
const SCANS_LATELY: Duration = Duration::from_secs(14 * 86_400);

pub(super) async fn look(
    queue: &Queue,
    shops: &Shops,
    now: Timestamp,
) -> Result<Vec<Found>, IssueError> {
    let db = queue.db();
    let mut found = Vec::new();
    for channel in shops.connections() {
        if channel.state == ChannelState::Locked {
            found.push(locked(queue, channel, now).await?);
        }
    }
    found.extend(ending(db, shops, now).await?);
    found.extend(switched_off(db, shops).await?);
    found.extend(silent(db, shops).await?);
    found.extend(paused(db, shops).await?);
    found.extend(suspicious(db, shops, now).await?);
    found.extend(drifting(db, shops, now).await?);
    Ok(found)
}

async fn locked(queue: &Queue, channel: &Channel, now: Timestamp) -> Result<Found, DbErr> {
    let since = channels::changed_at(queue.db(), channel.id)
        .await?
        .unwrap_or(now);
    let parked = deliveries::Entity::of_channel(channel.id.0)
        .filter(deliveries::Column::ReceivedAt.gte(since.micros()))
        .filter(deliveries::Column::Verdict.eq("parked"))
        .count(queue.db().read())
        .await?;
    let waiting = queue::waiting_on(queue, channel.id).await?;
    let mut found = Found::of(Cause::ChannelLocked, Some(channel.id), since);
    found.count = 1;
    found.blocked = parked + waiting;
    found.orders = parked;
    found.found = format!(
        "{} is locked ({}); {parked} deliveries are kept for it and {waiting} jobs wait",
        channel.name,
        channel
            .state_reason
            .as_deref()
            .unwrap_or("no reason is known")
    );
    found.to_do = format!(
        "connect the shop again: {}; what was kept is taken up then",
        again(channel)
    );
    Ok(found)
}

async fn ending(db: &Db, shops: &Shops, now: Timestamp) -> Result<Vec<Found>, IssueError> {
    let mut all = Vec::new();
    let dates = channels::calendar(db, shops.merchant).await?;
    for channel in shops.connections().filter(|channel| channel.is_active()) {
        let ending = dates
            .get(&channel.id)
            .and_then(|dates| dates.expiry.ending(now));
        let Some(ending) = ending else {
            continue;
        };
        let renewed_at = dates.get(&channel.id).map_or(now, |dates| dates.renewed_at);
        let mut found = Found::of(Cause::AuthorizationEnding, Some(channel.id), renewed_at);
        found.found = format!(
            "the {} of {} ends at {} ({} days left)",
            ending.of.as_str(),
            channel.name,
            ending.at,
            ending.days_left
        );
        found.to_do = format!("the merchant connects the shop again: {}", again(channel));
        all.push(found);
    }
    Ok(all)
}

/// Topics that the marketplace does not tell of.
async fn switched_off(db: &Db, shops: &Shops) -> Result<Vec<Found>, DbErr> {
    let rows = subscriptions::Entity::of_merchant(shops.merchant.0)
        .filter(subscriptions::Column::State.ne("active"))
        .order_by_asc(subscriptions::Column::ChannelId)
        .order_by_asc(subscriptions::Column::Topic)
        .limit(MOST)
        .all(db.read())
        .await?;
    let mut by_channel: BTreeMap<i64, Vec<subscriptions::Model>> = BTreeMap::new();
    for row in rows {
        by_channel.entry(row.channel_id).or_default().push(row);
    }
    let mut all = Vec::new();
    for (id, rows) in by_channel {
        let Some(channel) = shops.get(ChannelId(id)).filter(|one| one.is_active()) else {
            continue;
        };
        let since = rows.iter().map(|row| row.since).min().unwrap_or_default();
        let last = rows.iter().map(|row| row.checked_at).max().unwrap_or(since);
        let mut found = Found::of(
            Cause::SubscriptionRemoved,
            Some(channel.id),
            Timestamp::from_micros(since),
        );
        found.last_at = Timestamp::from_micros(last);
        found.count = rows.len() as u64;
        found.found = format!(
            "{} does not tell of {} topics: nothing of what they are about reaches us by itself",
            channel.name,
            rows.len()
        );
        found.to_do = mending(channel);
        for row in &rows {
            found.name(format!("{} ({})", row.topic, row.state.replace('_', " ")));
        }
        all.push(found);
    }
    Ok(all)
}

fn mending(channel: &Channel) -> String {
    let command = format!("marketsink channel test {} --mend", channel.id);
    match channel.marketplace.limits().subscribing {
        Subscribing::Api => command,
        Subscribing::AddressOnly => {
            format!("{command}; what stays off, switch on in the marketplace's console")
        }
        Subscribing::ByHand => "switch them on in the marketplace's console".to_owned(),
    }
}

/// Channels of which an alarm stands.
async fn silent(db: &Db, shops: &Shops) -> Result<Vec<Found>, DbErr> {
    let standing = alarms::Entity::of_merchant(shops.merchant.0)
        .filter(alarms::Column::ClosedAt.is_null())
        .limit(MOST)
        .all(db.read())
        .await?;
    let mut all = Vec::new();
    for alarm in standing {
        let Some(channel) = shops.get(ChannelId(alarm.channel_id)) else {
            continue;
        };
        let silence = silences::Entity::of_channel(alarm.channel_id)
            .filter(silences::Column::EndedAt.is_null())
            .one(db.read())
            .await?;
        let mut found = Found::of(
            Cause::SilentChannel,
            Some(channel.id),
            Timestamp::from_micros(alarm.since),
        );
        found.last_at = Timestamp::from_micros(alarm.raised_at);
        found.orders = silence.map_or(0, |silence| {
            (silence.missed_orders + silence.missed_changes).unsigned_abs()
        });
        found.found = format!("{}: {}", channel.name, alarm.found);
        found.to_do = format!(
            "{}; what was missed: marketsink alarms list",
            mending(channel)
        );
        all.push(found);
    }
    Ok(all)
}

async fn paused(db: &Db, shops: &Shops) -> Result<Vec<Found>, DbErr> {
    let rows = schedules::Entity::of_merchant(shops.merchant.0)
        .filter(schedules::Column::Enabled.eq(false))
        .order_by_asc(schedules::Column::Id)
        .limit(MOST)
        .all(db.read())
        .await?;
    let paused = rows.into_iter().filter_map(|row| {
        let channel = shops.get(ChannelId(row.channel_id))?;
        let since = Timestamp::from_micros(row.paused_at.unwrap_or(row.last_fire_at));
        let mut found = Found::of(Cause::SchedulePaused, Some(channel.id), since);
        found.subject.clone_from(&row.task);
        found.found = format!("{} of {} does not run", row.task, channel.name);
        found.to_do = format!("marketsink schedule resume {} {}", channel.id, row.task);
        Some(found)
    });
    Ok(paused.collect())
}

async fn suspicious(db: &Db, shops: &Shops, now: Timestamp) -> Result<Vec<Found>, DbErr> {
    let rows = scans::Entity::find()
        .filter(scans::Column::ChannelId.is_in(shops.ids()))
        .filter(scans::Column::State.eq("suspicious"))
        .filter(scans::Column::StartedAt.gt((now - SCANS_LATELY).micros()))
        .filter(Expr::cust(IS_NOT_DONE_SINCE))
        .order_by_desc(scans::Column::Id)
        .limit(MOST)
        .all(db.read())
        .await?;
    let mut all: Vec<Found> = Vec::new();
    for row in rows {
        let Some(channel) = shops.get(ChannelId(row.channel_id)) else {
            continue;
        };
        let at = Timestamp::from_micros(row.finished_at.unwrap_or(row.started_at));
        let mut found = Found::of(Cause::ScanSuspicious, Some(channel.id), at);
        found.subject.clone_from(&row.kind);
        found.found = format!(
            "scan {} of {} saw too little: {}",
            row.id,
            channel.name,
            row.error.as_deref().unwrap_or("it was not believed")
        );
        found.to_do = format!("marketsink scans show {}", row.id);
        found.name(format!("scan {}", row.id));
        match all.iter_mut().find(|one| one.key() == found.key()) {
            Some(newer) => {
                newer.count += 1;
                newer.first_at = at;
                newer.name(format!("scan {}", row.id));
            }
            None => all.push(found),
        }
    }
    Ok(all)
}

/// Listings that show something else than they were told, and that were left so.
async fn drifting(db: &Db, shops: &Shops, now: Timestamp) -> Result<Vec<Found>, DbErr> {
    let rows = stock_drifts::Entity::of_merchant(shops.merchant.0)
        .filter(stock_drifts::Column::FoundAt.gt((now - DRIFT_LATELY).micros()))
        .filter(stock_drifts::Column::Outcome.ne("told_again"))
        .filter(Expr::cust(IS_NOT_TOLD_SINCE))
        .order_by_desc(stock_drifts::Column::Id)
        .limit(MOST)
        .all(db.read())
        .await?;
    let mut all: Vec<Found> = Vec::new();
    for row in rows {
        let Some(channel) = shops.get(ChannelId(row.channel_id)) else {
            continue;
        };
        let at = Timestamp::from_micros(row.found_at);
        let named = format!(
            "listing {}: shows {}, should show {} ({})",
            row.listing_id, row.shown, row.wanted, row.outcome
        );
        let known = all.iter_mut().find(|one| one.channel == Some(channel.id));
        let found = if let Some(found) = known {
            found.count += 1;
            found.first_at = at;
            found
        } else {
            let mut found = Found::of(Cause::Drift, Some(channel.id), at);
            found.to_do = format!(
                "marketsink drift {0} shows why; what it should show is told every night, and at once by: marketsink schedule run-now {0} push_again",
                channel.id
            );
            all.push(found);
            all.last_mut().expect("it was just added")
        };
        found.name(named);
        found.found = format!(
            "{} shows other quantities than it was told, of {} listings",
            channel.name, found.count
        );
    }
    Ok(all)
}
