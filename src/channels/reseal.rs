//! Which keys the stored secrets are sealed with, and sealing them anew under the current one.
//!
//! Sealing anew goes batch by batch, each one transaction that locks its rows: it can be stopped and begun
//! again at any time, beside running processes, and does nothing to what is under the current key already.

use super::{
    ChannelError, SealError, Sealer, endpoint_secrets,
    keys::KeyId,
    sealing::{Belonging, PREFIX_BYTES, SecretKind, key_of},
    store,
};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, EndpointId, MerchantId, Timestamp};
use entity::{credentials, webhook_secrets};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, Func},
};
use std::collections::{BTreeMap, BTreeSet};

/// Rows per transaction: others want to write too.
const BATCH: u64 = 100;

/// How much one key has sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUse {
    pub credentials: u64,
    pub webhook_secrets: u64,
    pub endpoint_secrets: u64,
    pub channels: BTreeSet<ChannelId>,
}

/// What every key has sealed; `None` stands for values that name no key.
///
/// # Errors
/// When the database cannot be asked.
pub async fn key_uses(db: &Db) -> Result<BTreeMap<Option<KeyId>, KeyUse>, DbErr> {
    let mut uses: BTreeMap<Option<KeyId>, KeyUse> = BTreeMap::new();
    for kind in [SecretKind::Credentials, SecretKind::WebhookSecret] {
        for (channel, prefix) in beginnings(db, kind).await? {
            let found = uses.entry(key_of(&prefix)).or_default();
            found.channels.insert(ChannelId(channel));
            match kind {
                SecretKind::Credentials => found.credentials += 1,
                SecretKind::WebhookSecret => found.webhook_secrets += 1,
                SecretKind::Endpoint => found.endpoint_secrets += 1,
            }
        }
    }
    for prefix in endpoint_secrets::beginnings(db).await? {
        let found = uses.entry(key_of(&prefix)).or_default();
        found.endpoint_secrets += 1;
    }
    Ok(uses)
}

/// Channel and first bytes of every sealed value of a kind.
async fn beginnings(db: &Db, kind: SecretKind) -> Result<Vec<(i64, Vec<u8>)>, DbErr> {
    match kind {
        SecretKind::Credentials => {
            credentials::Entity::find()
                .select_only()
                .column(credentials::Column::ChannelId)
                .expr(beginning(credentials::Column::Sealed))
                .order_by_asc(credentials::Column::ChannelId)
                .into_tuple()
                .all(db.read())
                .await
        }
        SecretKind::WebhookSecret => {
            webhook_secrets::Entity::find()
                .select_only()
                .column(webhook_secrets::Column::ChannelId)
                .expr(beginning(webhook_secrets::Column::Sealed))
                .order_by_asc(webhook_secrets::Column::Id)
                .into_tuple()
                .all(db.read())
                .await
        }
        // Of no channel.
        SecretKind::Endpoint => Ok(Vec::new()),
    }
}

/// Format and key id of a sealed value, in the words of both databases.
pub(super) fn beginning<C: ColumnTrait>(sealed: C) -> Expr {
    let bytes = i32::try_from(PREFIX_BYTES).expect("a prefix of nine bytes");
    Func::cust("substr")
        .args([sealed.into_expr(), Expr::val(1), Expr::val(bytes)])
        .into()
}

/// The channels with secrets that no known key opens, by the key that they name.
///
/// # Errors
/// When the database cannot be asked.
pub async fn unopened(
    db: &Db,
    sealer: &Sealer,
) -> Result<BTreeMap<Option<KeyId>, BTreeSet<ChannelId>>, DbErr> {
    let known = sealer.known();
    let mut strange = BTreeMap::new();
    for (key, found) in key_uses(db).await? {
        let channels = match key {
            Some(key) if known.contains(&key) => continue,
            Some(_) => found.channels,
            // These name no key: only trying tells.
            None => unnamed_unopened(db, sealer, found.channels).await?,
        };
        if !channels.is_empty() {
            strange.insert(key, channels);
        }
    }
    Ok(strange)
}

async fn unnamed_unopened(
    db: &Db,
    sealer: &Sealer,
    channels: BTreeSet<ChannelId>,
) -> Result<BTreeSet<ChannelId>, DbErr> {
    let mut strange = BTreeSet::new();
    for channel in channels {
        let row = credentials::Entity::find_by_id(channel.0)
            .one(db.read())
            .await?;
        let secrets = webhook_secrets::Entity::of_channel(channel.0)
            .order_by_asc(webhook_secrets::Column::Id)
            .all(db.read())
            .await?;
        let rows = row.iter().map(Row::of_credentials);
        let rows = rows.chain(secrets.iter().map(Row::of_webhook_secret));
        let mut unnamed = rows.filter(|row| key_of(row.sealed).is_none());
        if unnamed.any(|row| sealer.open(row.of, row.sealed).is_err()) {
            strange.insert(channel);
        }
    }
    Ok(strange)
}

/// Stands for the id of a key where a value names none.
pub const UNNAMED: &str = "unnamed";

/// Gives up every value that this key sealed, and locks the channels: only their merchants can connect them
/// again. Returns these channels.
///
/// # Errors
/// When the database refuses.
pub async fn forget_sealed(
    tx: &Tx,
    key: Option<KeyId>,
    now: Timestamp,
) -> Result<BTreeSet<ChannelId>, DbErr> {
    let is_of_key = |sealed: &[u8]| key_of(sealed) == key;
    let mut channels = BTreeSet::new();
    let rows = credentials::Entity::find()
        .order_by_asc(credentials::Column::ChannelId)
        .all(tx)
        .await?;
    for row in rows.iter().filter(|row| is_of_key(&row.sealed)) {
        credentials::Entity::delete_by_id(row.channel_id)
            .exec(tx)
            .await?;
        channels.insert(ChannelId(row.channel_id));
    }
    let rows = webhook_secrets::Entity::find()
        .order_by_asc(webhook_secrets::Column::Id)
        .all(tx)
        .await?;
    for row in rows.iter().filter(|row| is_of_key(&row.sealed)) {
        webhook_secrets::Entity::delete_by_id(row.id)
            .exec(tx)
            .await?;
        if row.expires_at.is_none() {
            channels.insert(ChannelId(row.channel_id));
        }
    }
    endpoint_secrets::forget_sealed(tx, key).await?;
    for channel in &channels {
        let reason = "the key of its secrets is lost; reconnect the channel";
        store::lock(tx, *channel, reason, now).await?;
    }
    Ok(channels)
}

/// What sealing anew did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    pub credentials: u64,
    pub webhook_secrets: u64,
    pub endpoint_secrets: u64,
    /// Endpoints with a secret that no known key opens: it was left as it is.
    pub unopened_endpoints: BTreeSet<EndpointId>,
    /// Channels with a secret that no known key opens: it was left as it is.
    pub unopened: BTreeSet<ChannelId>,
}

/// Seals everything under the current key that is not yet, and drops webhook secrets that have run out.
///
/// # Errors
/// When the database refuses; what was committed before stays, and the next call goes on.
pub async fn reseal(db: &Db, sealer: &Sealer, now: Timestamp) -> Result<Resealed, ChannelError> {
    let tx = db.write_tx().await?;
    webhook_secrets::Entity::delete_many()
        .filter(webhook_secrets::Column::ExpiresAt.lte(now.micros()))
        .exec(&tx)
        .await?;
    tx.commit().await?;
    let mut done = Resealed::default();
    let mut after = 0;
    while let Some(last) = reseal_credentials(db, sealer, after, &mut done).await? {
        after = last;
    }
    after = 0;
    while let Some(last) = reseal_webhook_secrets(db, sealer, after, &mut done).await? {
        after = last;
    }
    (done.endpoint_secrets, done.unopened_endpoints) =
        endpoint_secrets::reseal(db, sealer, now).await?;
    Ok(done)
}

/// One batch behind the channel `after`; the last channel of it, `None` when there was none.
async fn reseal_credentials(
    db: &Db,
    sealer: &Sealer,
    after: i64,
    done: &mut Resealed,
) -> Result<Option<i64>, ChannelError> {
    let tx = db.write_tx().await?;
    let rows = credentials::Entity::find()
        .filter(credentials::Column::ChannelId.gt(after))
        .filter(beginning(credentials::Column::Sealed).ne(sealer.prefix().to_vec()))
        .order_by_asc(credentials::Column::ChannelId)
        .limit(BATCH)
        .lock_exclusive()
        .all(&tx)
        .await?;
    let last = rows.last().map(|row| row.channel_id);
    for row in rows {
        let Some(sealed) = sealed_anew(sealer, Row::of_credentials(&row), done)? else {
            continue;
        };
        // The version stays: the secrets are the same, and a renewal in flight may still win.
        let mut row = row.into_active_model();
        row.sealed = Set(sealed);
        row.update(&tx).await?;
        done.credentials += 1;
    }
    commit(tx, last).await
}

async fn reseal_webhook_secrets(
    db: &Db,
    sealer: &Sealer,
    after: i64,
    done: &mut Resealed,
) -> Result<Option<i64>, ChannelError> {
    let tx = db.write_tx().await?;
    let rows = webhook_secrets::Entity::find()
        .filter(webhook_secrets::Column::Id.gt(after))
        .filter(beginning(webhook_secrets::Column::Sealed).ne(sealer.prefix().to_vec()))
        .order_by_asc(webhook_secrets::Column::Id)
        .limit(BATCH)
        .lock_exclusive()
        .all(&tx)
        .await?;
    let last = rows.last().map(|row| row.id);
    for row in rows {
        let Some(sealed) = sealed_anew(sealer, Row::of_webhook_secret(&row), done)? else {
            continue;
        };
        let mut row = row.into_active_model();
        row.sealed = Set(sealed);
        row.update(&tx).await?;
        done.webhook_secrets += 1;
    }
    commit(tx, last).await
}

async fn commit(tx: Tx, last: Option<i64>) -> Result<Option<i64>, ChannelError> {
    tx.commit().await?;
    Ok(last)
}

/// The value under the current key; `None` when no known key opens it.
fn sealed_anew(
    sealer: &Sealer,
    row: Row<'_>,
    done: &mut Resealed,
) -> Result<Option<Vec<u8>>, SealError> {
    let Ok(secret) = sealer.open(row.of, row.sealed) else {
        done.unopened.insert(row.of.channel);
        return Ok(None);
    };
    sealer.seal(row.of, &secret).map(Some)
}

/// A sealed value and what it belongs to.
struct Row<'r> {
    of: Belonging,
    sealed: &'r [u8],
}

impl<'r> Row<'r> {
    fn of_credentials(row: &'r credentials::Model) -> Self {
        let of = Belonging {
            kind: SecretKind::Credentials,
            merchant: MerchantId(row.merchant_id),
            channel: ChannelId(row.channel_id),
        };
        let sealed = &row.sealed;
        Self { of, sealed }
    }

    fn of_webhook_secret(row: &'r webhook_secrets::Model) -> Self {
        let of = Belonging {
            kind: SecretKind::WebhookSecret,
            merchant: MerchantId(row.merchant_id),
            channel: ChannelId(row.channel_id),
        };
        let sealed = &row.sealed;
        Self { of, sealed }
    }
}
