//! How the webhook subscriptions of a connection stood when they were last checked.
//!
//! A topic that is not active is a topic whose webhooks do not come: who looks at a channel must see it, and
//! since when. Marketplaces that do not tell have no rows here.

use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, Timestamp};
use crate::marketplaces::{Subscribed, SubscriptionState};
use entity::subscriptions;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

/// How one topic stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub topic: String,
    pub state: SubscriptionState,
    pub since: Timestamp,
    pub checked_at: Timestamp,
    /// When it was found missing or switched off, and asked for again.
    pub mended_at: Option<Timestamp>,
}

impl Standing {
    /// In words: `missing since 2026-11-23T02:20:00Z`.
    pub fn text(&self) -> String {
        let state = self.state.as_str().replace('_', " ");
        match self.mended_at {
            Some(at) => format!("{state} since {}, asked for again {at}", self.since),
            None => format!("{state} since {}", self.since),
        }
    }
}

/// Every topic of a connection, by name; none before the first check, or where the marketplace does not tell.
pub async fn subscriptions<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
) -> Result<Vec<Standing>, DbErr> {
    let rows = subscriptions::Entity::of_channel(channel.0)
        .order_by_asc(subscriptions::Column::Topic)
        .all(db)
        .await?;
    Ok(rows.iter().map(standing).collect())
}

fn standing(row: &subscriptions::Model) -> Standing {
    Standing {
        topic: row.topic.clone(),
        state: SubscriptionState::parse(&row.state).unwrap_or(SubscriptionState::Missing),
        since: Timestamp::from_micros(row.since),
        checked_at: Timestamp::from_micros(row.checked_at),
        mended_at: row.mended_at.map(Timestamp::from_micros),
    }
}

/// Writes down how the topics stand now; `mended` are those that stood otherwise before this check. Topics
/// that are not among `found` are forgotten.
pub async fn note_subscriptions(
    tx: &Tx,
    (channel, merchant): (ChannelId, MerchantId),
    found: &[Subscribed],
    mended: &[String],
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut known = subscriptions::Entity::of_channel(channel.0)
        .order_by_asc(subscriptions::Column::Id)
        .all(tx)
        .await?;
    for one in found {
        let state = one.state.as_str();
        let is_mended = mended.contains(&one.topic);
        let before = known.iter().position(|row| row.topic == one.topic);
        let Some(before) = before.map(|place| known.swap_remove(place)) else {
            let row = subscriptions::ActiveModel {
                id: NotSet,
                merchant_id: Set(merchant.0),
                channel_id: Set(channel.0),
                topic: Set(one.topic.clone()),
                state: Set(state.to_owned()),
                since: Set(now.micros()),
                checked_at: Set(now.micros()),
                mended_at: Set(is_mended.then(|| now.micros())),
            };
            row.insert(tx).await?;
            continue;
        };
        // Mended in this very check: it was not active in between, whatever the row says.
        let is_new = before.state != state || is_mended;
        let mut row = before.into_active_model();
        row.checked_at = Set(now.micros());
        if is_new {
            row.state = Set(state.to_owned());
            row.since = Set(now.micros());
        }
        if is_mended {
            row.mended_at = Set(Some(now.micros()));
        }
        row.update(tx).await?;
    }
    for gone in known {
        subscriptions::Entity::delete_by_id(gone.id)
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Forgets the topics of a connection.
pub(super) async fn forget(tx: &Tx, channel: ChannelId) -> Result<(), DbErr> {
    subscriptions::Entity::delete_many()
        .filter(subscriptions::Column::ChannelId.eq(channel.0))
        .exec(tx)
        .await?;
    Ok(())
}
