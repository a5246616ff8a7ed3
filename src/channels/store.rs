//! Reading and writing channels.

use super::{
    Belonging, Channel, ChannelError, ChannelSettings, ChannelState, Expiry, Sealer, SecretKind,
    calendar::expiry_of, consents, subscriptions,
};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, OutletId, RemoteId, Timestamp};
use crate::marketplaces::{Marketplace, Secrets};
use entity::{channels, credentials, webhook_secrets};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

const LIST_LIMIT: u64 = 10_000;

/// A shop to be connected.
#[derive(Debug)]
pub struct NewChannel<'a> {
    pub merchant: MerchantId,
    pub outlet: OutletId,
    pub parent: Option<ChannelId>,
    pub marketplace: &'static dyn Marketplace,
    pub platform: &'a str,
    pub remote_id: &'a RemoteId,
    pub name: &'a str,
    /// Where its API is, when that differs per shop.
    pub base_url: Option<&'a str>,
    /// The unguessable part of its webhook URL; used when the channel is new.
    pub address: &'a str,
}

/// Connects a shop, or connects it again: its books, settings and address stay.
///
/// # Errors
/// [`ChannelError::TakenByAnother`] when another merchant has it.
pub async fn connect(
    tx: &Tx,
    new: &NewChannel<'_>,
    now: Timestamp,
) -> Result<ChannelId, ChannelError> {
    let known = channels::Entity::find()
        .filter(channels::Column::Marketplace.eq(new.marketplace.slug()))
        .filter(channels::Column::Platform.eq(new.platform))
        .filter(channels::Column::RemoteId.eq(new.remote_id.as_str()))
        .one(tx)
        .await?;
    if let Some(row) = known {
        if row.merchant_id != new.merchant.0 {
            return Err(ChannelError::TakenByAnother {
                marketplace: new.marketplace.name(),
                shop: new.remote_id.clone(),
            });
        }
        let id = ChannelId(row.id);
        let mut row = row.into_active_model();
        row.state = Set(ChannelState::Active.as_str().to_owned());
        row.state_reason = Set(None);
        row.base_url = Set(new.base_url.map(str::to_owned));
        row.updated_at = Set(now.micros());
        row.update(tx).await?;
        return Ok(id);
    }
    let settings = serde_json::to_string(&ChannelSettings::default()).unwrap_or_default();
    let row = channels::ActiveModel {
        merchant_id: Set(new.merchant.0),
        outlet_id: Set(new.outlet.0),
        parent_id: Set(new.parent.map(|parent| parent.0)),
        marketplace: Set(new.marketplace.slug().to_owned()),
        platform: Set(new.platform.to_owned()),
        remote_id: Set(new.remote_id.to_string()),
        name: Set(new.name.to_owned()),
        address: Set(new.address.to_owned()),
        base_url: Set(new.base_url.map(str::to_owned)),
        state: Set(ChannelState::Active.as_str().to_owned()),
        settings: Set(settings),
        created_at: Set(now.micros()),
        updated_at: Set(now.micros()),
        ..Default::default()
    };
    Ok(ChannelId(row.insert(tx).await?.id))
}

/// One channel, whoever owns it: for work that was enqueued with its merchant.
pub async fn load<C: ConnectionTrait>(db: &C, id: ChannelId) -> Result<Channel, ChannelError> {
    channels::Entity::find_by_id(id.0)
        .one(db)
        .await?
        .ok_or(ChannelError::Unknown(id))?
        .try_into()
}

/// Whether the merchant removed this shop after `since`.
pub async fn was_removed_since(
    tx: &Tx,
    marketplace: &dyn Marketplace,
    shop: &RemoteId,
    since: Timestamp,
) -> Result<bool, DbErr> {
    let removed = channels::Entity::find()
        .filter(channels::Column::Marketplace.eq(marketplace.slug()))
        .filter(channels::Column::RemoteId.eq(shop.as_str()))
        .filter(channels::Column::State.eq(ChannelState::Removed.as_str()))
        .filter(channels::Column::UpdatedAt.gt(since.micros()))
        .one(tx)
        .await?;
    Ok(removed.is_some())
}

/// The channel that holds the connection of `id`.
pub async fn connection_of<C: ConnectionTrait>(
    db: &C,
    id: ChannelId,
) -> Result<Channel, ChannelError> {
    let channel = load(db, id).await?;
    match channel.parent {
        None => Ok(channel),
        Some(parent) => load(db, parent).await,
    }
}

/// The merchant's channels, oldest first; removed ones at the caller's choice.
pub async fn list(
    db: &Db,
    merchant: MerchantId,
    with_removed: bool,
) -> Result<Vec<Channel>, ChannelError> {
    let mut query = channels::Entity::of_merchant(merchant.0);
    if !with_removed {
        query = query.filter(channels::Column::State.ne(ChannelState::Removed.as_str()));
    }
    let rows = query
        .order_by_asc(channels::Column::Id)
        .limit(LIST_LIMIT)
        .all(db.read())
        .await?;
    rows.into_iter().map(Channel::try_from).collect()
}

/// The channel under which the merchant sees orders of `platform` that come through `connection`.
pub async fn of_platform(
    tx: &Tx,
    connection: &Channel,
    platform: &str,
    now: Timestamp,
) -> Result<ChannelId, ChannelError> {
    if connection.platform == platform {
        return Ok(connection.id);
    }
    let known = channels::Entity::of_merchant(connection.merchant.0)
        .filter(channels::Column::ParentId.eq(connection.id.0))
        .filter(channels::Column::Platform.eq(platform))
        .one(tx)
        .await?;
    if let Some(row) = known {
        return Ok(ChannelId(row.id));
    }
    // The shop has begun to sell under a name it did not have when it was connected.
    let new = NewChannel {
        merchant: connection.merchant,
        outlet: connection.outlet,
        parent: Some(connection.id),
        marketplace: connection.marketplace,
        platform,
        remote_id: &connection.remote_id,
        name: &connection.name,
        base_url: None,
        address: &format!("{}-{platform}", connection.address),
    };
    connect(tx, &new, now).await
}

/// The channels that share this connection, itself first.
pub async fn platforms_of<C: ConnectionTrait>(
    db: &C,
    connection: ChannelId,
) -> Result<Vec<ChannelId>, DbErr> {
    let of_connection = channels::Column::Id
        .eq(connection.0)
        .or(channels::Column::ParentId.eq(connection.0));
    let rows = channels::Entity::find()
        .filter(of_connection)
        .order_by_asc(channels::Column::Id)
        .limit(LIST_LIMIT)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| ChannelId(row.id)).collect())
}

/// The outlet a channel sells from.
pub async fn outlet_of<C: ConnectionTrait>(
    db: &C,
    id: ChannelId,
) -> Result<OutletId, ChannelError> {
    Ok(load(db, id).await?.outlet)
}

/// Locks a connection and every channel on it. False when nothing of it was active.
pub async fn lock(tx: &Tx, id: ChannelId, reason: &str, now: Timestamp) -> Result<bool, DbErr> {
    set_state(
        tx,
        id,
        ChannelState::Active,
        ChannelState::Locked,
        Some(reason),
        now,
    )
    .await
}

/// When the state or the settings of a channel last changed.
pub async fn changed_at(db: &Db, id: ChannelId) -> Result<Option<Timestamp>, DbErr> {
    let row = channels::Entity::find_by_id(id.0).one(db.read()).await?;
    Ok(row.map(|row| Timestamp::from_micros(row.updated_at)))
}

/// Unlocks a connection and every channel on it. False when nothing of it was locked.
pub async fn unlock(tx: &Tx, id: ChannelId, now: Timestamp) -> Result<bool, DbErr> {
    set_state(
        tx,
        id,
        ChannelState::Locked,
        ChannelState::Active,
        None,
        now,
    )
    .await
}

async fn set_state(
    tx: &Tx,
    id: ChannelId,
    from: ChannelState,
    to: ChannelState,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let of_connection = channels::Column::Id
        .eq(id.0)
        .or(channels::Column::ParentId.eq(id.0));
    let changed = channels::Entity::update_many()
        .col_expr(channels::Column::State, Expr::value(to.as_str()))
        .col_expr(
            channels::Column::StateReason,
            Expr::value(reason.map(str::to_owned)),
        )
        .col_expr(channels::Column::UpdatedAt, Expr::value(now.micros()))
        .filter(of_connection)
        .filter(channels::Column::State.eq(from.as_str()))
        .exec(tx)
        .await?;
    Ok(changed.rows_affected > 0)
}

/// Removes a connection and forgets its secrets; orders, stock and history stay.
pub async fn remove(tx: &Tx, id: ChannelId, now: Timestamp) -> Result<(), DbErr> {
    let reason = "removed by the merchant";
    for from in [ChannelState::Active, ChannelState::Locked] {
        set_state(tx, id, from, ChannelState::Removed, Some(reason), now).await?;
    }
    if let Some(connection) = channels::Entity::find_by_id(id.0).one(tx).await? {
        consents::withdraw(tx, &connection, now).await?;
    }
    credentials::Entity::delete_by_id(id.0).exec(tx).await?;
    webhook_secrets::Entity::delete_many()
        .filter(webhook_secrets::Column::ChannelId.eq(id.0))
        .exec(tx)
        .await?;
    subscriptions::forget(tx, id).await
}

pub async fn save_settings(
    tx: &Tx,
    id: ChannelId,
    settings: &ChannelSettings,
    now: Timestamp,
) -> Result<(), ChannelError> {
    let text = serde_json::to_string(settings).map_err(|_| ChannelError::UnreadableSettings(id))?;
    channels::Entity::update_many()
        .col_expr(channels::Column::Settings, Expr::value(text))
        .col_expr(channels::Column::UpdatedAt, Expr::value(now.micros()))
        .filter(channels::Column::Id.eq(id.0))
        .exec(tx)
        .await?;
    Ok(())
}

fn credentials_of((channel, merchant): (ChannelId, MerchantId)) -> Belonging {
    Belonging {
        kind: SecretKind::Credentials,
        merchant,
        channel,
    }
}

pub(super) fn webhook_secret_of(owner: (ChannelId, MerchantId)) -> Belonging {
    Belonging {
        kind: SecretKind::WebhookSecret,
        ..credentials_of(owner)
    }
}

/// The credentials of a connection.
#[derive(Debug, Clone)]
pub struct StoredCredentials {
    pub secrets: Secrets,
    /// Raised by each renewal, and never used twice, also when the channel was removed in between.
    pub version: i64,
    pub expiry: Expiry,
    pub refreshed_at: Timestamp,
}

/// The credentials of a connection; `None` when it has none, such as after it was removed.
pub async fn credentials<C: ConnectionTrait>(
    db: &C,
    sealer: &Sealer,
    id: ChannelId,
) -> Result<Option<StoredCredentials>, ChannelError> {
    let Some(row) = credentials::Entity::find_by_id(id.0).one(db).await? else {
        return Ok(None);
    };
    let opened = sealer.open(
        credentials_of((id, MerchantId(row.merchant_id))),
        &row.sealed,
    )?;
    let secrets = serde_json::from_slice(&opened)
        .map_err(|_| ChannelError::Seal(super::SealError::DoesNotOpen(id)))?;
    Ok(Some(StoredCredentials {
        secrets,
        version: row.version,
        expiry: expiry_of(&row),
        refreshed_at: Timestamp::from_micros(row.refreshed_at),
    }))
}

/// Whether the credentials of `version` are those of the connection, or it has none.
pub async fn is_current<C: ConnectionTrait>(
    db: &C,
    id: ChannelId,
    version: i64,
) -> Result<bool, DbErr> {
    let stored = credentials::Entity::find_by_id(id.0).one(db).await?;
    Ok(stored.is_none_or(|stored| stored.version == version))
}

/// Stores credentials over those of `version` (0: whatever is there). False when somebody was faster, or when
/// those of `version` are gone.
pub async fn replace_credentials(
    tx: &Tx,
    sealer: &Sealer,
    channel: (ChannelId, MerchantId),
    secrets: &Secrets,
    expiry: Expiry,
    version: i64,
    now: Timestamp,
) -> Result<bool, ChannelError> {
    let (id, merchant) = channel;
    let text = serde_json::to_vec(secrets).unwrap_or_default();
    let sealed = sealer.seal(credentials_of(channel), &text)?;
    let stored = credentials::Entity::find_by_id(id.0)
        .lock_exclusive()
        .one(tx)
        .await?;
    match stored {
        Some(row) if version != 0 && row.version != version => Ok(false),
        Some(row) => {
            let next = row.version + 1;
            let warned = expiry.warned_after(&expiry_of(&row), row.warned_days, now);
            let mut row = row.into_active_model();
            row.sealed = Set(sealed);
            row.expires_at = Set(expiry.access.map(Timestamp::micros));
            row.refresh_expires_at = Set(expiry.refresh.map(Timestamp::micros));
            row.consent_expires_at = Set(expiry.consent.map(Timestamp::micros));
            row.warned_days = Set(warned);
            row.renewer = Set(None);
            row.renewer_until = Set(None);
            row.version = Set(next);
            row.refreshed_at = Set(now.micros());
            row.update(tx).await?;
            Ok(true)
        }
        // The channel was removed while the renewal was under way.
        None if version != 0 => Ok(false),
        None => {
            let row = credentials::ActiveModel {
                channel_id: Set(id.0),
                merchant_id: Set(merchant.0),
                sealed: Set(sealed),
                expires_at: Set(expiry.access.map(Timestamp::micros)),
                refresh_expires_at: Set(expiry.refresh.map(Timestamp::micros)),
                consent_expires_at: Set(expiry.consent.map(Timestamp::micros)),
                // Later than any that was removed with the channel: a renewal of those is still none of these.
                version: Set(now.micros()),
                refreshed_at: Set(now.micros()),
                ..Default::default()
            };
            row.insert(tx).await?;
            Ok(true)
        }
    }
}

/// Says which outlets a channel sells from, the first one first. What was sold before stays where it was allocated.
///
/// # Errors
/// When the settings cannot be written.
pub async fn set_outlets(
    tx: &Tx,
    channel: &Channel,
    (first, further): (OutletId, &[OutletId]),
    now: Timestamp,
) -> Result<(), ChannelError> {
    let settings = ChannelSettings {
        further_outlets: further.to_vec(),
        ..channel.settings.clone()
    };
    save_settings(tx, channel.id, &settings, now).await?;
    channels::Entity::update_many()
        .col_expr(channels::Column::OutletId, Expr::value(first.0))
        .filter(channels::Column::Id.eq(channel.id.0))
        .exec(tx)
        .await?;
    Ok(())
}
