//! Webhook secrets of channels: the current one, and those before it that are still accepted.
//!
//! A replaced secret stays good for an overlap of three days, which begins when the shop was *told* the new
//! one: until then the shop knows no other, however long that takes.

use super::{Belonging, ChannelError, Sealer, store::webhook_secret_of};
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, Timestamp};
use crate::marketplaces::{WebhookKey, WebhookKeys};
use entity::webhook_secrets::{self as rows, Entity as Rows};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use std::time::Duration;

/// How long a replaced webhook secret is still accepted: longer than any marketplace retries.
pub const ROTATION_OVERLAP: Duration = Duration::from_secs(3 * 86_400);
/// Secrets of one channel that are looked at.
const MOST: u64 = 16;

/// Makes `secret` the current webhook secret, which the shop was not told yet. Returns its number, for
/// [`mark_told`].
pub async fn rotate_webhook_secret(
    tx: &Tx,
    sealer: &Sealer,
    channel: (ChannelId, MerchantId),
    secret: &str,
    now: Timestamp,
) -> Result<i64, ChannelError> {
    let (id, merchant) = channel;
    let until = now + ROTATION_OVERLAP;
    if untold_secret(tx, id).await?.is_none() {
        Rows::delete_many()
            .filter(rows::Column::ChannelId.eq(id.0))
            .filter(rows::Column::ExpiresAt.lte(now.micros()))
            .exec(tx)
            .await?;
    }
    Rows::update_many()
        .col_expr(rows::Column::ExpiresAt, Expr::value(until.micros()))
        .filter(rows::Column::ChannelId.eq(id.0))
        .filter(rows::Column::ExpiresAt.is_null())
        .exec(tx)
        .await?;
    let row = rows::ActiveModel {
        merchant_id: Set(merchant.0),
        channel_id: Set(id.0),
        sealed: Set(sealer.seal(webhook_secret_of(channel), secret.as_bytes())?),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    Ok(row.insert(tx).await?.id)
}

/// The number of the current webhook secret, if the shop was not told it yet.
pub async fn untold_secret<C: ConnectionTrait>(
    db: &C,
    id: ChannelId,
) -> Result<Option<i64>, DbErr> {
    let current = Rows::of_channel(id.0)
        .filter(rows::Column::ExpiresAt.is_null())
        .order_by_desc(rows::Column::Id)
        .one(db)
        .await?;
    let untold = current.filter(|current| current.told_at.is_none());
    Ok(untold.map(|current| current.id))
}

/// Notes that the shop knows the secret of this number. The overlap of those before it begins now; nothing
/// changes when the secret was replaced meanwhile, or was told before.
pub async fn mark_told(tx: &Tx, id: ChannelId, secret: i64, now: Timestamp) -> Result<(), DbErr> {
    let told = Rows::update_many()
        .col_expr(rows::Column::ToldAt, Expr::value(now.micros()))
        .filter(rows::Column::ChannelId.eq(id.0))
        .filter(rows::Column::Id.eq(secret))
        .filter(rows::Column::ExpiresAt.is_null())
        .filter(rows::Column::ToldAt.is_null())
        .exec(tx)
        .await?;
    if told.rows_affected > 0 {
        let until = now + ROTATION_OVERLAP;
        Rows::update_many()
            .col_expr(rows::Column::ExpiresAt, Expr::value(until.micros()))
            .filter(rows::Column::ChannelId.eq(id.0))
            .filter(rows::Column::ExpiresAt.is_not_null())
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Makes the secret before the current one the current one again, and forgets the latter.
pub async fn take_back_webhook_secret(tx: &Tx, id: ChannelId) -> Result<(), DbErr> {
    let rows = Rows::of_channel(id.0)
        .order_by_desc(rows::Column::Id)
        .limit(2)
        .all(tx)
        .await?;
    let mut rows = rows.into_iter();
    if let Some(current) = rows.next() {
        Rows::delete_by_id(current.id).exec(tx).await?;
    }
    if let Some(before) = rows.next() {
        let mut before = before.into_active_model();
        before.expires_at = Set(None);
        before.update(tx).await?;
    }
    Ok(())
}

/// When the last webhook secret that is being rotated out stops being accepted; `None` when there is none, or
/// when that waits for the shop to be told the new one.
pub async fn overlap_ends_at<C: ConnectionTrait>(
    db: &C,
    id: ChannelId,
    now: Timestamp,
) -> Result<Option<Timestamp>, DbErr> {
    if untold_secret(db, id).await?.is_some() {
        return Ok(None);
    }
    let last = Rows::of_channel(id.0)
        .filter(rows::Column::ExpiresAt.gt(now.micros()))
        .order_by_desc(rows::Column::ExpiresAt)
        .one(db)
        .await?;
    Ok(last
        .and_then(|row| row.expires_at)
        .map(Timestamp::from_micros))
}

/// The webhook secrets of a connection that are still accepted, current first.
pub async fn secrets_of_connection<C: ConnectionTrait>(
    db: &C,
    sealer: &Sealer,
    id: ChannelId,
    now: Timestamp,
) -> Result<WebhookKeys, ChannelError> {
    let rows = Rows::of_channel(id.0)
        .order_by_desc(rows::Column::Id)
        .limit(MOST)
        .all(db)
        .await?;
    let is_untold = |row: &rows::Model| row.expires_at.is_none() && row.told_at.is_none();
    let all_hold = rows.iter().any(is_untold);
    let mut keys = Vec::new();
    for row in rows {
        let is_over = row.expires_at.is_some_and(|at| at <= now.micros());
        if is_over && !all_hold {
            continue;
        }
        let of: Belonging = webhook_secret_of((id, MerchantId(row.merchant_id)));
        let secret = sealer.open(of, &row.sealed)?;
        keys.push(WebhookKey {
            app_key: String::new(),
            secret: String::from_utf8_lossy(&secret).into_owned(),
        });
    }
    Ok(WebhookKeys {
        keys,
        address: String::new(),
    })
}
