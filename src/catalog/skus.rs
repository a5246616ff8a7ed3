//! SKUs, and linking listings to them by exact code.

use crate::db::Tx;
use crate::domain::{MerchantId, SkuId, Timestamp};
use entity::{listings, skus};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use std::collections::{BTreeSet, HashMap};

const LIST_LIMIT: u64 = 100_000;

/// SKU ids by code.
#[derive(Debug, Default)]
pub struct SkuIndex(HashMap<String, i64>);

impl SkuIndex {
    pub fn id_of(&self, code: Option<&str>) -> Option<i64> {
        self.0.get(code?).copied()
    }
}

/// The merchant's SKUs among `codes`; one query, or none without codes.
pub async fn index<'a, C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    codes: impl Iterator<Item = &'a str>,
) -> Result<SkuIndex, DbErr> {
    let codes: BTreeSet<&str> = codes.collect();
    if codes.is_empty() {
        return Ok(SkuIndex::default());
    }
    let rows = skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::Code.is_in(codes))
        .all(db)
        .await?;
    Ok(SkuIndex(
        rows.into_iter().map(|row| (row.code, row.id)).collect(),
    ))
}

pub async fn find_sku<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    code: &str,
) -> Result<Option<SkuId>, DbErr> {
    let found = index(db, merchant, std::iter::once(code)).await?;
    Ok(found.id_of(Some(code)).map(SkuId))
}

/// The SKU with this code, made if there is none; listings that were waiting for it are linked.
/// Returns the SKU and how many listings were linked.
pub async fn create_sku(
    tx: &Tx,
    merchant: MerchantId,
    code: &str,
    name: &str,
    now: Timestamp,
) -> Result<(SkuId, u64), DbErr> {
    if let Some(known) = find_sku(tx, merchant, code).await? {
        return Ok((known, 0));
    }
    let row = skus::ActiveModel {
        merchant_id: Set(merchant.0),
        code: Set(code.to_owned()),
        name: Set(name.to_owned()),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    let sku = row.insert(tx).await?;
    let linked = listings::Entity::update_many()
        .col_expr(listings::Column::SkuId, Expr::value(sku.id))
        .col_expr(listings::Column::UpdatedAt, Expr::value(now.micros()))
        .filter(listings::Column::MerchantId.eq(merchant.0))
        .filter(listings::Column::SellerSku.eq(code))
        .filter(listings::Column::SkuId.is_null())
        .exec(tx)
        .await?;
    Ok((SkuId(sku.id), linked.rows_affected))
}

/// The merchant's SKUs, by code.
pub async fn list_skus<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
) -> Result<Vec<skus::Model>, DbErr> {
    skus::Entity::of_merchant(merchant.0)
        .order_by_asc(skus::Column::Code)
        .limit(LIST_LIMIT)
        .all(db)
        .await
}

/// The codes of these SKUs.
pub async fn sku_codes<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    ids: &[SkuId],
) -> Result<HashMap<SkuId, String>, DbErr> {
    let rows = skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (SkuId(row.id), row.code))
        .collect())
}
