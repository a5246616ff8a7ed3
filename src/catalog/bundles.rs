//! Bundles: SKUs that are sold as one and counted as their components.
//!
//! A component is counted itself: bundles of bundles are refused. A bundle is never counted; what is available of it
//! follows from its components.
//!
//! TikTok Shop knows virtual bundles of its own, and names their components on the order line
//! (`combined_listing_skus`). Here a bundle is what the merchant says it is: a line counts by the SKU that it is
//! linked to, on every marketplace alike.

use crate::db::Tx;
use crate::domain::{MerchantId, SkuId};
use entity::{bundle_parts, skus};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use std::collections::BTreeMap;
use thiserror::Error;

const LIST_LIMIT: u64 = 100_000;
/// Components of one bundle.
pub const MOST_PARTS: usize = 50;
/// Units of one component in a bundle.
pub const MOST_UNITS_OF_PART: i64 = 10_000;

#[derive(Debug, Error)]
pub enum BundleError {
    #[error("a bundle needs at least one component, and takes {MOST_PARTS} at most")]
    Parts,
    #[error("a bundle takes 1 to {MOST_UNITS_OF_PART} units of a component, not {0}")]
    Units(i64),
    #[error("a bundle cannot hold itself")]
    Itself,
    #[error(
        "SKU {0} is a bundle; name its components instead, since bundles of bundles are not counted"
    )]
    Nested(SkuId),
    #[error("SKU {0} is a component of another bundle, so it cannot be a bundle itself")]
    IsComponent(SkuId),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Makes `bundle` of these components, in place of those it had.
///
/// # Errors
/// When it would hold itself, nothing, too much, or another bundle; nothing is written then.
pub async fn set_bundle(
    tx: &Tx,
    merchant: MerchantId,
    bundle: SkuId,
    parts: &BTreeMap<SkuId, i64>,
) -> Result<(), BundleError> {
    if parts.is_empty() || parts.len() > MOST_PARTS {
        return Err(BundleError::Parts);
    }
    if parts.contains_key(&bundle) {
        return Err(BundleError::Itself);
    }
    if let Some(units) = parts
        .values()
        .find(|n| !(1..=MOST_UNITS_OF_PART).contains(*n))
    {
        return Err(BundleError::Units(*units));
    }
    lock(tx, merchant, bundle, parts).await?;
    let components = || parts.keys().map(|sku| sku.0);
    let tangled = Condition::any()
        .add(bundle_parts::Column::BundleId.is_in(components()))
        .add(bundle_parts::Column::ComponentId.eq(bundle.0));
    let tangled = bundle_parts::Entity::of_merchant(merchant.0)
        .filter(tangled)
        .order_by_asc(bundle_parts::Column::BundleId)
        .one(tx)
        .await?;
    match tangled {
        Some(row) if row.component_id == bundle.0 => return Err(BundleError::IsComponent(bundle)),
        Some(row) => return Err(BundleError::Nested(SkuId(row.bundle_id))),
        None => {}
    }
    remove_bundle(tx, merchant, bundle).await?;
    let row = |(component, units): (&SkuId, &i64)| bundle_parts::ActiveModel {
        bundle_id: Set(bundle.0),
        component_id: Set(component.0),
        merchant_id: Set(merchant.0),
        units: Set(*units),
    };
    bundle_parts::Entity::insert_many(parts.iter().map(row))
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Two people who make bundles of the same SKUs do so one after the other.
async fn lock(
    tx: &Tx,
    merchant: MerchantId,
    bundle: SkuId,
    parts: &BTreeMap<SkuId, i64>,
) -> Result<(), DbErr> {
    let all = parts.keys().chain([&bundle]).map(|sku| sku.0);
    skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::Id.is_in(all))
        .order_by_asc(skus::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    Ok(())
}

/// Makes a bundle a SKU like others again. False when it was none.
pub async fn remove_bundle(tx: &Tx, merchant: MerchantId, bundle: SkuId) -> Result<bool, DbErr> {
    let removed = bundle_parts::Entity::delete_many()
        .filter(bundle_parts::Column::MerchantId.eq(merchant.0))
        .filter(bundle_parts::Column::BundleId.eq(bundle.0))
        .exec(tx)
        .await?;
    Ok(removed.rows_affected > 0)
}

/// The components of those of `skus` that are bundles, by bundle and component.
pub async fn parts_of_bundles<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    skus: &[SkuId],
) -> Result<Vec<bundle_parts::Model>, DbErr> {
    bundle_parts::Entity::of_merchant(merchant.0)
        .filter(bundle_parts::Column::BundleId.is_in(skus.iter().map(|sku| sku.0)))
        .order_by_asc(bundle_parts::Column::BundleId)
        .order_by_asc(bundle_parts::Column::ComponentId)
        .all(db)
        .await
}

/// All of the merchant's bundles, by bundle and component.
pub async fn list_bundles<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
) -> Result<Vec<bundle_parts::Model>, DbErr> {
    bundle_parts::Entity::of_merchant(merchant.0)
        .order_by_asc(bundle_parts::Column::BundleId)
        .order_by_asc(bundle_parts::Column::ComponentId)
        .limit(LIST_LIMIT)
        .all(db)
        .await
}

/// Whether the merchant has any bundle.
pub async fn has_bundles<C: ConnectionTrait>(db: &C, merchant: MerchantId) -> Result<bool, DbErr> {
    let any = bundle_parts::Entity::of_merchant(merchant.0)
        .order_by_asc(bundle_parts::Column::BundleId)
        .one(db)
        .await?;
    Ok(any.is_some())
}
