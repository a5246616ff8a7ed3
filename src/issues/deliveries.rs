//! Issues of deliveries: not understood, or refused.

use super::{Found, Shops};
use crate::db::Db;
use crate::domain::{Cause, ChannelId, Timestamp};
use crate::inbox;
use entity::{deliveries, quarantine, webhook_secrets};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use std::time::Duration;

/// Deliveries that were not understood and are looked at, newest first.
const MOST: u64 = 2_000;
/// Written out, so that the partial index is recognised.
const NOT_UNDERSTOOD: &str = "deliveries.verdict in ('unknown_topic', 'unreadable')";
/// What was not understood longer ago is history.
const LATELY: Duration = Duration::from_secs(7 * 86_400);
/// Refusals of the last day count.
const REFUSED_LATELY: Duration = Duration::from_secs(86_400);
/// A secret that was replaced so shortly before the first refusal is the likely reason.
const KEY_CHANGE: Duration = Duration::from_secs(2 * 86_400);

pub(super) async fn look(db: &Db, shops: &Shops, now: Timestamp) -> Result<Vec<Found>, DbErr> {
    let mut found = not_understood(db, shops, now).await?;
    found.extend(refused(db, shops, now).await?);
    Ok(found)
}

async fn not_understood(db: &Db, shops: &Shops, now: Timestamp) -> Result<Vec<Found>, DbErr> {
    use deliveries::Column as C;
    let rows: Vec<(i64, i64, String, String, i64)> = deliveries::Entity::find()
        .select_only()
        .columns([C::Id, C::ChannelId, C::Verdict, C::Topic, C::ReceivedAt])
        .filter(Expr::cust(NOT_UNDERSTOOD))
        .filter(C::ChannelId.is_in(shops.ids()))
        .filter(C::ReceivedAt.gt((now - LATELY).micros()))
        .order_by_desc(C::Id)
        .limit(MOST)
        .into_tuple()
        .all(db.read())
        .await?;
    let mut all: Vec<Found> = Vec::new();
    for (id, channel, verdict, topic, received_at) in rows {
        let cause = match verdict.as_str() {
            "unknown_topic" => Cause::UnknownTopic,
            _ => Cause::UnreadableDelivery,
        };
        let at = Timestamp::from_micros(received_at);
        let mut one = Found::of(cause, Some(ChannelId(channel)), at);
        one.subject = topic;
        let key = one.key();
        let place = all.iter().position(|known| known.key() == key);
        let found = if let Some(place) = place {
            all[place].count += 1;
            all[place].first_at = at;
            &mut all[place]
        } else {
            one.to_do = format!(
                "marketsink deliveries show {id}; after an update they are parsed again by themselves"
            );
            all.push(one);
            all.last_mut().expect("it was just added")
        };
        found.name(format!("delivery {id}"));
        let shop = shops
            .get(ChannelId(channel))
            .map_or("", |one| one.name.as_str());
        found.found = match cause {
            Cause::UnknownTopic => format!(
                "{} deliveries of {shop} are of the topic {}, which this version does not know",
                found.count, found.subject
            ),
            _ => format!(
                "{} deliveries of {shop} of the topic {} are not what the topic promises",
                found.count, found.subject
            ),
        };
    }
    Ok(all)
}

/// Channels whose deliveries are refused, with none believed since.
async fn refused(db: &Db, shops: &Shops, now: Timestamp) -> Result<Vec<Found>, DbErr> {
    use quarantine::Column as C;
    let rows: Vec<(i64, i64, Option<i64>, Option<i64>)> = quarantine::Entity::find()
        .select_only()
        .column(C::ChannelId)
        .column_as(C::Id.count(), "n")
        .column_as(C::ReceivedAt.min(), "first_at")
        .column_as(C::ReceivedAt.max(), "last_at")
        .filter(C::ChannelId.is_in(shops.ids()))
        .filter(C::ReceivedAt.gt((now - REFUSED_LATELY).micros()))
        .group_by(C::ChannelId)
        .into_tuple()
        .all(db.read())
        .await?;
    let mut all = Vec::new();
    for (id, n, first, last) in rows {
        let (Some(first), Some(last), Some(channel)) = (first, last, shops.get(ChannelId(id)))
        else {
            continue;
        };
        let (first, last) = (Timestamp::from_micros(first), Timestamp::from_micros(last));
        let believed = inbox::last_delivery_at(db, channel.id).await?;
        if believed.is_some_and(|at| at > last) {
            continue;
        }
        let mut found = Found::of(Cause::SignatureFailing, Some(channel.id), first);
        found.last_at = last;
        found.count = n.unsigned_abs();
        let changed = key_changed_at(db, channel.id, first).await?;
        let since = changed.map_or_else(String::new, |at| {
            format!("; the secret was replaced at {at}, shortly before")
        });
        let heard = believed.map_or_else(
            || "none was ever believed".to_owned(),
            |at| format!("the last one that was believed came at {at}"),
        );
        found.found = format!(
            "{n} deliveries of {} are refused since {first}: their signature does not match any secret; {heard}{since}",
            channel.name
        );
        found.to_do = format!(
            "give both sides one secret: marketsink channel rotate-secret {}; then marketsink orders download {}",
            channel.id, channel.id
        );
        all.push(found);
    }
    Ok(all)
}

/// When the secret was replaced, shortly before `first`.
async fn key_changed_at(
    db: &Db,
    channel: ChannelId,
    first: Timestamp,
) -> Result<Option<Timestamp>, DbErr> {
    let changed: Option<i64> = webhook_secrets::Entity::find()
        .select_only()
        .column(webhook_secrets::Column::CreatedAt)
        .filter(webhook_secrets::Column::ChannelId.eq(channel.0))
        .filter(webhook_secrets::Column::CreatedAt.lte(first.micros()))
        .filter(webhook_secrets::Column::CreatedAt.gte((first - KEY_CHANGE).micros()))
        .order_by_desc(webhook_secrets::Column::CreatedAt)
        .limit(1)
        .into_tuple()
        .one(db.read())
        .await?;
    Ok(changed.map(Timestamp::from_micros))
}
