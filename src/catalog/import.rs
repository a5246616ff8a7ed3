//! SKUs as a file tells them: made, or brought up to date, many at once.

use super::{create::link_by_code, fold::fold};
use crate::db::Tx;
use crate::domain::{MerchantId, Money, SkuId, Timestamp};
use entity::skus;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter,
};
use std::collections::{BTreeMap, HashMap};

/// A SKU as it is told; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldSku {
    pub code: String,
    pub name: Option<String>,
    pub cost: Option<Money>,
    pub price: Option<Money>,
}

/// What the merchant has of these codes, by code.
pub async fn skus_of_codes<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    codes: &[&str],
) -> Result<HashMap<String, skus::Model>, DbErr> {
    let rows = skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::Code.is_in(codes.iter().copied()))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.code.clone(), row))
        .collect())
}

/// Whether a SKU would be changed by what is told of it.
pub fn would_change(row: &skus::Model, told: &ToldSku) -> bool {
    let differs = |told: Option<Money>, minor: Option<i64>, currency: &Option<String>| {
        told.is_some_and(|told| {
            (Some(told.minor), Some(told.currency.code())) != (minor, currency.as_deref())
        })
    };
    told.name.as_ref().is_some_and(|name| *name != row.name)
        || differs(told.cost, row.cost_minor, &row.cost_currency)
        || differs(told.price, row.price_minor, &row.currency)
}

/// Makes and changes these SKUs; of a code that is told twice, what is told later holds. Listings that waited for a new
/// code are linked. Returns all of them by code, and the codes that are new.
pub async fn take_skus(
    tx: &Tx,
    merchant: MerchantId,
    told: &[ToldSku],
    now: Timestamp,
) -> Result<(HashMap<String, SkuId>, Vec<String>), DbErr> {
    let codes: Vec<&str> = told.iter().map(|told| told.code.as_str()).collect();
    let mut known = skus_of_codes(tx, merchant, &codes).await?;
    let mut fresh: BTreeMap<&str, skus::ActiveModel> = BTreeMap::new();
    for one in told {
        if let Some(row) = known.get_mut(&one.code) {
            if would_change(row, one) {
                let mut change = row.clone().into_active_model();
                write(&mut change, one, now);
                *row = change.update(tx).await?;
            }
        } else {
            let row = fresh.entry(&one.code).or_insert_with(|| skus::ActiveModel {
                merchant_id: Set(merchant.0),
                code: Set(one.code.clone()),
                name: Set(one.code.clone()),
                folded_code: Set(Some(fold(&one.code))),
                price_minor: Set(None),
                currency: Set(None),
                price_at: Set(None),
                cost_minor: Set(None),
                cost_currency: Set(None),
                cost_at: Set(None),
                created_at: Set(now.micros()),
                ..Default::default()
            });
            write(row, one, now);
        }
    }
    let mut ids: HashMap<String, SkuId> = known
        .into_iter()
        .map(|(code, row)| (code, SkuId(row.id)))
        .collect();
    if fresh.is_empty() {
        return Ok((ids, Vec::new()));
    }
    let made = skus::Entity::insert_many(fresh.into_values())
        .exec_with_returning(tx)
        .await?;
    let new: Vec<String> = made.iter().map(|row| row.code.clone()).collect();
    ids.extend(made.into_iter().map(|row| (row.code, SkuId(row.id))));
    link_by_code(tx, merchant, new.iter().cloned(), now).await?;
    Ok((ids, new))
}

fn write(row: &mut skus::ActiveModel, told: &ToldSku, now: Timestamp) {
    if let Some(name) = &told.name {
        row.name = Set(name.clone());
    }
    if let Some(cost) = told.cost {
        row.cost_minor = Set(Some(cost.minor));
        row.cost_currency = Set(Some(cost.currency.code().to_owned()));
        row.cost_at = Set(Some(now.micros()));
    }
    if let Some(price) = told.price {
        row.price_minor = Set(Some(price.minor));
        row.currency = Set(Some(price.currency.code().to_owned()));
        row.price_at = Set(Some(now.micros()));
    }
}
