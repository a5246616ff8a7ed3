//! How far each stream of a channel has been read.

use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, Timestamp, job::named};
use entity::cursors;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, sea_query::OnConflict};
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// What is read through a moving window.
    Stream {
        Orders = "orders",
        Products = "products",
    }
);

/// Everything before this instant has been read; `None` before the first time.
pub async fn cursor<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    stream: Stream,
) -> Result<Option<Timestamp>, DbErr> {
    let row = cursors::Entity::find_by_id((channel.0, stream.as_str().to_owned()))
        .one(db)
        .await?;
    Ok(row.map(|row| Timestamp::from_micros(row.position_at)))
}

/// Moves a cursor forward; one that is further already stays.
pub(super) async fn advance(
    tx: &Tx,
    owner: (ChannelId, MerchantId),
    stream: Stream,
    to: Timestamp,
    now: Timestamp,
) -> Result<(), DbErr> {
    let (channel, merchant) = owner;
    if cursor(tx, channel, stream)
        .await?
        .is_some_and(|at| at >= to)
    {
        return Ok(());
    }
    let row = cursors::ActiveModel {
        channel_id: Set(channel.0),
        stream: Set(stream.as_str().to_owned()),
        merchant_id: Set(merchant.0),
        position_at: Set(to.micros()),
        updated_at: Set(now.micros()),
    };
    let key = [cursors::Column::ChannelId, cursors::Column::Stream];
    let merge = OnConflict::columns(key)
        .update_columns([cursors::Column::PositionAt, cursors::Column::UpdatedAt])
        .to_owned();
    cursors::Entity::insert(row)
        .on_conflict(merge)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}
