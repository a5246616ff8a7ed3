//! The secrets of endpoints: what marketsink signs with when it tells other programs, or signs in there with.
//!
//! One is current. A replaced one may stay for an overlap, in which messages carry both signatures.

use super::{
    Belonging, ChannelError, KeyId, SealError, Sealer, reseal::beginning, sealing::key_of,
};
use crate::db::{Db, Tx};
use crate::domain::{EndpointId, MerchantId, Timestamp};
use entity::endpoint_secrets::{self as rows, Entity as Rows};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use std::{collections::BTreeSet, time::Duration};
use thiserror::Error;

/// Secrets of one endpoint that are looked at.
const MOST: u64 = 8;
/// Rows per transaction of sealing anew.
const BATCH: u64 = 100;

#[derive(Debug, Error)]
pub enum EndpointSecretError {
    #[error(
        "the secret of endpoint {0} does not open with the keys that are set; restore the key, or give it a new secret"
    )]
    DoesNotOpen(EndpointId),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Makes `secret` the current one. Those before it hold for `overlap` more; with none, they are gone at once.
///
/// # Errors
/// When the database refuses, or the system gives no random numbers.
pub async fn set_endpoint_secret(
    tx: &Tx,
    sealer: &Sealer,
    (merchant, endpoint): (MerchantId, EndpointId),
    secret: &[u8],
    overlap: Duration,
    now: Timestamp,
) -> Result<(), ChannelError> {
    let until = now + overlap;
    Rows::update_many()
        .col_expr(rows::Column::ExpiresAt, Expr::value(until.micros()))
        .filter(rows::Column::EndpointId.eq(endpoint.0))
        .filter(rows::Column::ExpiresAt.is_null())
        .exec(tx)
        .await?;
    Rows::delete_many()
        .filter(rows::Column::EndpointId.eq(endpoint.0))
        .filter(rows::Column::ExpiresAt.lte(now.micros()))
        .exec(tx)
        .await?;
    let of = Belonging::of_endpoint(merchant, endpoint);
    let row = rows::ActiveModel {
        merchant_id: Set(merchant.0),
        endpoint_id: Set(endpoint.0),
        sealed: Set(sealer.seal(of, secret)?),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    row.insert(tx).await?;
    Ok(())
}

/// The secrets of an endpoint that hold at `now`, the current one first.
///
/// # Errors
/// [`EndpointSecretError::DoesNotOpen`] when one was sealed with a key that is not set.
pub async fn endpoint_secrets<C: ConnectionTrait>(
    db: &C,
    sealer: &Sealer,
    endpoint: EndpointId,
    now: Timestamp,
) -> Result<Vec<Vec<u8>>, EndpointSecretError> {
    let found = Rows::find()
        .filter(rows::Column::EndpointId.eq(endpoint.0))
        .order_by_desc(rows::Column::Id)
        .limit(MOST)
        .all(db)
        .await?;
    let mut secrets = Vec::new();
    for row in found {
        if row.expires_at.is_some_and(|at| at <= now.micros()) {
            continue;
        }
        let of = Belonging::of_endpoint(MerchantId(row.merchant_id), endpoint);
        let secret = sealer.open(of, &row.sealed);
        secrets.push(secret.map_err(|_| EndpointSecretError::DoesNotOpen(endpoint))?);
    }
    Ok(secrets)
}

/// Forgets every secret of an endpoint.
///
/// # Errors
/// When the database refuses.
pub async fn forget_endpoint_secrets(tx: &Tx, endpoint: EndpointId) -> Result<(), DbErr> {
    Rows::delete_many()
        .filter(rows::Column::EndpointId.eq(endpoint.0))
        .exec(tx)
        .await?;
    Ok(())
}

/// The first bytes of every value.
pub(super) async fn beginnings(db: &Db) -> Result<Vec<Vec<u8>>, DbErr> {
    Rows::find()
        .select_only()
        .expr(beginning(rows::Column::Sealed))
        .order_by_asc(rows::Column::Id)
        .into_tuple()
        .all(db.read())
        .await
}

/// Gives up every value that this key sealed: the endpoints say that they have no secret until they get one.
pub(super) async fn forget_sealed(tx: &Tx, key: Option<KeyId>) -> Result<(), DbErr> {
    let found = Rows::find().order_by_asc(rows::Column::Id).all(tx).await?;
    for row in found.iter().filter(|row| key_of(&row.sealed) == key) {
        Rows::delete_by_id(row.id).exec(tx).await?;
    }
    Ok(())
}

/// Seals everything under the current key that is not yet, and drops what has run out. How many there were, and
/// whose do not open.
pub(super) async fn reseal(
    db: &Db,
    sealer: &Sealer,
    now: Timestamp,
) -> Result<(u64, BTreeSet<EndpointId>), ChannelError> {
    let (mut done, mut unopened, mut after) = (0, BTreeSet::new(), 0);
    loop {
        let tx = db.write_tx().await?;
        Rows::delete_many()
            .filter(rows::Column::ExpiresAt.lte(now.micros()))
            .exec(&tx)
            .await?;
        let found = Rows::find()
            .filter(rows::Column::Id.gt(after))
            .filter(beginning(rows::Column::Sealed).ne(sealer.prefix().to_vec()))
            .order_by_asc(rows::Column::Id)
            .limit(BATCH)
            .lock_exclusive()
            .all(&tx)
            .await?;
        let Some(last) = found.last() else {
            tx.commit().await?;
            return Ok((done, unopened));
        };
        after = last.id;
        for row in found {
            let endpoint = EndpointId(row.endpoint_id);
            match sealed_anew(sealer, &row, endpoint)? {
                None => {
                    unopened.insert(endpoint);
                }
                Some(sealed) => {
                    let mut row = row.into_active_model();
                    row.sealed = Set(sealed);
                    row.update(&tx).await?;
                    done += 1;
                }
            }
        }
        tx.commit().await?;
    }
}

/// The value under the current key; `None` when no known key opens it.
fn sealed_anew(
    sealer: &Sealer,
    row: &rows::Model,
    endpoint: EndpointId,
) -> Result<Option<Vec<u8>>, SealError> {
    let of = Belonging::of_endpoint(MerchantId(row.merchant_id), endpoint);
    match sealer.open(of, &row.sealed) {
        Ok(secret) => sealer.seal(of, &secret).map(Some),
        Err(_) => Ok(None),
    }
}
