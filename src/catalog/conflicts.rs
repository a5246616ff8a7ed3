//! Seller SKUs that several listings of one channel have: which of them was sold cannot be told by the code.

use super::Difference;
use crate::domain::{ChannelId, MerchantId};
use entity::listings;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use std::collections::{BTreeMap, BTreeSet};

/// Codes per statement.
const CODES: usize = 1_000;

/// The listings of a channel that share their seller SKU, for these codes; the first of each code is the one
/// that the others are in conflict with. One query, or none without codes.
pub async fn conflicts_of<C: ConnectionTrait>(
    db: &C,
    (merchant, channel): (MerchantId, ChannelId),
    codes: &[String],
) -> Result<Vec<Difference>, DbErr> {
    let codes: BTreeSet<&str> = codes.iter().map(String::as_str).collect();
    let codes: Vec<&str> = codes.into_iter().filter(|code| !code.is_empty()).collect();
    let mut conflicts = Vec::new();
    for some in codes.chunks(CODES) {
        let rows = listings::Entity::of_channel(channel.0)
            .filter(listings::Column::MerchantId.eq(merchant.0))
            .filter(listings::Column::SellerSku.is_in(some.iter().copied()))
            .filter(listings::Column::State.ne("gone"))
            .order_by_asc(listings::Column::Id)
            .all(db)
            .await?;
        let mut first: BTreeMap<Option<String>, listings::Model> = BTreeMap::new();
        for row in rows {
            match first.get(&row.seller_sku) {
                Some(other) => conflicts.push(Difference::conflict(&row, other)),
                None => {
                    first.insert(row.seller_sku.clone(), row);
                }
            }
        }
    }
    Ok(conflicts)
}

/// How many listings of a channel share their seller SKU with an earlier one, and up to `most` of those codes.
/// One query.
pub async fn count_conflicts<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    most: u64,
) -> Result<(u64, Vec<String>), DbErr> {
    let n = || listings::Column::Id.count();
    let rows: Vec<(String, i64)> = listings::Entity::of_channel(channel.0)
        .select_only()
        .column(listings::Column::SellerSku)
        .column_as(n(), "n")
        .filter(listings::Column::SellerSku.is_not_null())
        .filter(listings::Column::SellerSku.ne(""))
        .filter(listings::Column::State.ne("gone"))
        .group_by(listings::Column::SellerSku)
        .having(Expr::expr(n()).gt(1))
        .order_by_asc(listings::Column::SellerSku)
        .limit(most)
        .into_tuple()
        .all(db)
        .await?;
    let shared = rows.iter().map(|(_, n)| n.cast_unsigned() - 1).sum();
    Ok((shared, rows.into_iter().map(|(code, _)| code).collect()))
}
