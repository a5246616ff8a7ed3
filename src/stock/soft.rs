//! Soft holds: units that a marketplace has set apart for an order that nobody has paid yet, and that the books do not
//! hold.
//!
//! The marketplace has lowered its own number for them. Told the full level again it would sell them twice, and so
//! would every other channel. So they are left out of what is pushed until the order is booked or called off, or until
//! they expire: most unpaid orders come to nothing, and not every marketplace tells of that.

use super::Part;
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, OutletId, RemoteId, SkuId, Timestamp};
use entity::soft_holds;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// How long an unpaid order holds its units at most, from when it was placed. Shopee and Lazada cancel most within a day
/// or two.
pub const SOFT_HOLD_LIFE: Duration = Duration::from_secs(3 * 24 * 3_600);

/// An unpaid order of a connection.
#[derive(Debug, Clone, Copy)]
pub struct UnpaidOrder<'a> {
    pub merchant: MerchantId,
    pub connection: ChannelId,
    pub outlet: OutletId,
    pub remote_id: &'a RemoteId,
    pub placed_at: Timestamp,
}

/// Holds these units of an unpaid order, in place of those it held. Returns the SKUs whose hold changed.
pub async fn hold_softly(
    tx: &Tx,
    order: &UnpaidOrder<'_>,
    sold: &[(SkuId, i64)],
    now: Timestamp,
) -> Result<Vec<SkuId>, DbErr> {
    let skus: Vec<SkuId> = sold.iter().map(|(sku, _)| *sku).collect();
    let parts = super::hold::parts_of(tx, order.merchant, &skus).await?;
    let mut wanted: BTreeMap<SkuId, i64> = BTreeMap::new();
    for (sku, units) in sold {
        for Part { sku, units: each } in &parts[sku] {
            *wanted.entry(*sku).or_default() += each * units;
        }
    }
    wanted.retain(|_, units| *units > 0);
    let held: BTreeMap<SkuId, i64> = of_order(tx, order.connection, order.remote_id).await?;
    let expires_at = order.placed_at + SOFT_HOLD_LIFE;
    if held == wanted || expires_at <= now {
        return Ok(Vec::new());
    }
    release_softly(tx, order.connection, order.remote_id).await?;
    let row = |(sku, units): (&SkuId, &i64)| soft_holds::ActiveModel {
        connection_id: Set(order.connection.0),
        remote_id: Set(order.remote_id.to_string()),
        sku_id: Set(sku.0),
        outlet_id: Set(order.outlet.0),
        merchant_id: Set(order.merchant.0),
        units: Set(*units),
        since: Set(now.micros()),
        expires_at: Set(expires_at.micros()),
    };
    if !wanted.is_empty() {
        let key = [
            soft_holds::Column::ConnectionId,
            soft_holds::Column::RemoteId,
            soft_holds::Column::SkuId,
        ];
        let mut newest = OnConflict::columns(key);
        newest.update_column(soft_holds::Column::Units);
        soft_holds::Entity::insert_many(wanted.iter().map(row))
            .on_conflict(newest)
            .exec_without_returning(tx)
            .await?;
    }
    let mut changed: Vec<SkuId> = held.keys().chain(wanted.keys()).copied().collect();
    changed.sort_unstable();
    changed.dedup();
    Ok(changed)
}

async fn of_order(
    tx: &Tx,
    connection: ChannelId,
    order: &RemoteId,
) -> Result<BTreeMap<SkuId, i64>, DbErr> {
    let rows = soft_holds::Entity::find()
        .filter(soft_holds::Column::ConnectionId.eq(connection.0))
        .filter(soft_holds::Column::RemoteId.eq(order.as_str()))
        .all(tx)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (SkuId(row.sku_id), row.units))
        .collect())
}

/// Lets go of what an order held while it was not paid: it is booked now, or called off. Returns the SKUs; one statement.
pub async fn release_softly(
    tx: &Tx,
    connection: ChannelId,
    order: &RemoteId,
) -> Result<Vec<SkuId>, DbErr> {
    let freed = soft_holds::Entity::delete_many()
        .filter(soft_holds::Column::ConnectionId.eq(connection.0))
        .filter(soft_holds::Column::RemoteId.eq(order.as_str()))
        .exec_with_returning(tx)
        .await?;
    Ok(freed.into_iter().map(|row| SkuId(row.sku_id)).collect())
}

/// Forgets what has expired. Returns the SKUs that are free again.
pub async fn expire_soft_holds(
    tx: &Tx,
    merchant: MerchantId,
    now: Timestamp,
) -> Result<Vec<SkuId>, DbErr> {
    let freed = soft_holds::Entity::delete_many()
        .filter(soft_holds::Column::MerchantId.eq(merchant.0))
        .filter(soft_holds::Column::ExpiresAt.lte(now.micros()))
        .exec_with_returning(tx)
        .await?;
    Ok(freed.into_iter().map(|row| SkuId(row.sku_id)).collect())
}

#[derive(FromQueryResult)]
struct Sum {
    sku_id: i64,
    units: i64,
}

/// Units that are held softly of these SKUs at these outlets; one query.
pub async fn softly_held<C: ConnectionTrait>(
    db: &C,
    outlets: &[OutletId],
    skus: impl IntoIterator<Item = i64>,
    now: Timestamp,
) -> Result<HashMap<SkuId, i64>, DbErr> {
    let sum = Expr::col(soft_holds::Column::Units).sum().cast_as("bigint");
    let rows = soft_holds::Entity::find()
        .select_only()
        .column(soft_holds::Column::SkuId)
        .column_as(sum, "units")
        .filter(soft_holds::Column::SkuId.is_in(skus))
        .filter(soft_holds::Column::OutletId.is_in(outlets.iter().map(|outlet| outlet.0)))
        .filter(soft_holds::Column::ExpiresAt.gt(now.micros()))
        .group_by(soft_holds::Column::SkuId)
        .order_by_asc(soft_holds::Column::SkuId)
        .into_model::<Sum>()
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (SkuId(row.sku_id), row.units))
        .collect())
}
