//! Looking for an order in what was refused or not understood: bounded, and only when nothing else has named it.

use super::body_of;
use crate::db::Db;
use crate::domain::{ChannelId, MerchantId};
use entity::{deliveries, quarantine};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

/// Deliveries, and refused requests of each marketplace, that are looked through: the newest.
const LOOKED_THROUGH: u64 = 200;
/// Written out, so that the partial index is recognised.
const NOT_UNDERSTOOD: &str =
    "deliveries.verdict in ('ignored', 'unknown_topic', 'unreadable', 'unknown_channel')";

/// A delivery that names something, and of which nothing was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub delivery: i64,
    pub channel: Option<ChannelId>,
    pub topic: String,
    pub verdict: String,
    pub received_at: i64,
}

/// A refused request that names something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedNaming {
    pub sample: i64,
    pub marketplace: String,
    pub channel: Option<ChannelId>,
    pub reason: String,
    pub received_at: i64,
}

/// The newest deliveries of the merchant, or of nobody, of which nothing was made and whose body names `text`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn unread_naming(
    db: &Db,
    merchant: MerchantId,
    text: &str,
) -> Result<Vec<Unread>, DbErr> {
    let mut found = Vec::new();
    let whose = [
        deliveries::Column::MerchantId.eq(merchant.0),
        deliveries::Column::MerchantId.is_null(),
    ];
    for ours in whose {
        let rows = deliveries::Entity::find()
            .filter(ours)
            .filter(Expr::cust(NOT_UNDERSTOOD))
            .order_by_desc(deliveries::Column::Id)
            .limit(LOOKED_THROUGH)
            .all(db.read())
            .await?;
        found.extend(rows.into_iter().filter_map(|row| {
            let is_named = body_of(&row).is_ok_and(|body| names(&body, text));
            is_named.then_some(Unread {
                delivery: row.id,
                channel: row.channel_id.map(ChannelId),
                topic: row.topic,
                verdict: row.verdict,
                received_at: row.received_at,
            })
        }));
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.delivery));
    Ok(found)
}

/// The newest refused requests to these marketplaces whose body names `text`. Those that are for a channel count when it
/// is among `channels`; of others nobody knows whose they are.
///
/// # Errors
/// When the database cannot be asked.
pub async fn refused_naming(
    db: &Db,
    marketplaces: &[&str],
    channels: &[ChannelId],
    text: &str,
) -> Result<Vec<RefusedNaming>, DbErr> {
    let mut found = Vec::new();
    for marketplace in marketplaces {
        let is_ours = quarantine::Column::ChannelId
            .is_in(channels.iter().map(|id| id.0))
            .or(quarantine::Column::ChannelId.is_null());
        let rows = quarantine::Entity::find()
            .filter(quarantine::Column::Marketplace.eq(*marketplace))
            .filter(is_ours)
            .order_by_desc(quarantine::Column::ReceivedAt)
            .limit(LOOKED_THROUGH)
            .all(db.read())
            .await?;
        found.extend(rows.into_iter().filter_map(|row| {
            names(&row.body, text).then_some(RefusedNaming {
                sample: row.id,
                marketplace: row.marketplace,
                channel: row.channel_id.map(ChannelId),
                reason: row.reason,
                received_at: row.received_at,
            })
        }));
    }
    Ok(found)
}

/// Whether a body holds this very number: not a longer one that holds it.
fn names(body: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    if text.is_empty() || body.len() < text.len() {
        return false;
    }
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let mut places = body.windows(text.len()).enumerate();
    places.any(|(at, window)| {
        let before = at.checked_sub(1).and_then(|at| body.get(at));
        window == text && !is_part(before) && !is_part(body.get(at + text.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_named_whole_and_not_as_a_part_of_another() {
        assert!(names(br#"{"order_id":"1042"}"#, "1042"));
        assert!(names(b"id=1042&x=1", "1042"));
        assert!(!names(br#"{"order_id":"11042"}"#, "1042"));
        assert!(!names(br#"{"order_id":"10421"}"#, "1042"));
        assert!(!names(b"", "1042"));
    }
}
