//! SKUs, and linking listings to them by exact code.

use super::{
    fold::{Alike, fold},
    links,
};
use crate::db::{Db, Tx};
use crate::domain::{MerchantId, Money, SkuId, Timestamp};
use entity::{listings, skus};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use std::collections::{BTreeSet, HashMap};

const LIST_LIMIT: u64 = 100_000;
/// Codes folded in one transaction.
const FOLDS: u64 = 500;

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
        folded_code: Set(Some(fold(code))),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    let sku = row.insert(tx).await?;
    let linked = listings::Entity::update_many()
        .col_expr(listings::Column::SkuId, Expr::value(sku.id))
        .col_expr(listings::Column::UpdatedAt, Expr::value(now.micros()))
        .filter(listings::Column::MerchantId.eq(merchant.0))
        .filter(listings::Column::SellerSku.eq(code))
        .filter(links::may_be_linked())
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

/// These SKUs, by id.
pub async fn skus_by_id<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    ids: &[SkuId],
) -> Result<HashMap<SkuId, skus::Model>, DbErr> {
    let rows = skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (SkuId(row.id), row)).collect())
}

/// Says what the merchant asks for one unit. False when the merchant has no such SKU.
pub async fn set_price(
    tx: &Tx,
    merchant: MerchantId,
    code: &str,
    price: Money,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let set = skus::Entity::update_many()
        .col_expr(skus::Column::PriceMinor, Expr::value(price.minor))
        .col_expr(skus::Column::Currency, Expr::value(price.currency.code()))
        .col_expr(skus::Column::PriceAt, Expr::value(now.micros()))
        .filter(skus::Column::MerchantId.eq(merchant.0))
        .filter(skus::Column::Code.eq(code))
        .exec(tx)
        .await?;
    Ok(set.rows_affected > 0)
}

/// The merchant's SKUs that look like any of `codes`, by folded code; one query, or none without codes. Those made
/// before codes were folded are found after [`fold_missing`].
pub async fn alike<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    codes: &[&str],
) -> Result<Alike<skus::Model>, DbErr> {
    let folded: BTreeSet<String> = codes.iter().map(|code| fold(code)).collect();
    if folded.is_empty() {
        return Ok(Alike::from_iter([]));
    }
    let rows = skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::FoldedCode.is_in(folded))
        .order_by_asc(skus::Column::Id)
        .all(db)
        .await?;
    let pair = |row: skus::Model| Some((row.folded_code.clone()?, row));
    Ok(rows.into_iter().filter_map(pair).collect())
}

/// Folds the codes of SKUs that were made before codes were folded. One query when there are none.
pub async fn fold_missing(db: &Db, merchant: MerchantId) -> Result<(), DbErr> {
    loop {
        let unfolded = skus::Entity::of_merchant(merchant.0)
            .filter(skus::Column::FoldedCode.is_null())
            .order_by_asc(skus::Column::Id)
            .limit(FOLDS)
            .all(db.read())
            .await?;
        if unfolded.is_empty() {
            return Ok(());
        }
        let tx = db.write_tx().await?;
        for row in unfolded {
            skus::Entity::update_many()
                .col_expr(skus::Column::FoldedCode, Expr::value(fold(&row.code)))
                .filter(skus::Column::Id.eq(row.id))
                .exec(&tx)
                .await?;
        }
        tx.commit().await?;
    }
}
