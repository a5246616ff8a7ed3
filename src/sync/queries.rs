//! Reading the history of scans and downloads.

use crate::db::Db;
use crate::domain::{ChannelId, MerchantId, ScanId};
use entity::{downloads, orders, scans};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};

/// One scan of the merchant.
pub async fn scan(
    db: &Db,
    merchant: MerchantId,
    id: ScanId,
) -> Result<Option<scans::Model>, DbErr> {
    scans::Entity::of_merchant(merchant.0)
        .filter(scans::Column::Id.eq(id.0))
        .one(db.read())
        .await
}

/// The merchant's scans, newest first.
pub async fn scans(db: &Db, merchant: MerchantId, limit: u64) -> Result<Vec<scans::Model>, DbErr> {
    scans::Entity::of_merchant(merchant.0)
        .order_by_desc(scans::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// The last scan of each kind on a channel that ended well, newest first.
pub async fn last_scans(db: &Db, channel: ChannelId) -> Result<Vec<scans::Model>, DbErr> {
    let rows = scans::Entity::of_channel(channel.0)
        .filter(scans::Column::State.eq("done"))
        .order_by_desc(scans::Column::Id)
        .limit(100)
        .all(db.read())
        .await?;
    let mut kinds = std::collections::HashSet::new();
    Ok(rows
        .into_iter()
        .filter(|row| kinds.insert(row.kind.clone()))
        .collect())
}

/// The merchant's order downloads, newest first.
pub async fn downloads(
    db: &Db,
    merchant: MerchantId,
    limit: u64,
) -> Result<Vec<downloads::Model>, DbErr> {
    downloads::Entity::of_merchant(merchant.0)
        .order_by_desc(downloads::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// Orders by what found them first. The share of scans is the webhook miss rate.
pub async fn order_sources(db: &Db, merchant: MerchantId) -> Result<Vec<(String, i64)>, DbErr> {
    orders::Entity::of_merchant(merchant.0)
        .select_only()
        .column(orders::Column::Source)
        .column_as(orders::Column::Id.count(), "n")
        .group_by(orders::Column::Source)
        .order_by_asc(orders::Column::Source)
        .into_tuple()
        .all(db.read())
        .await
}
