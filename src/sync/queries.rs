//! Reading the history of scans and downloads.

use crate::db::Db;
use crate::domain::{ChannelId, MerchantId, ScanId};
use entity::{downloads, orders, scans};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};

/// Written out, so that the partial index is recognised.
pub(super) const OPEN: &str = "state in ('waiting', 'running', 'paused')";

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

/// The same of one connection.
pub async fn scans_of(
    db: &Db,
    merchant: MerchantId,
    channel: ChannelId,
    limit: u64,
) -> Result<Vec<scans::Model>, DbErr> {
    scans::Entity::of_merchant(merchant.0)
        .filter(scans::Column::ChannelId.eq(channel.0))
        .order_by_desc(scans::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// The last scan of each kind on a channel that ended well, newest first.
pub async fn last_scans(db: &Db, channel: ChannelId) -> Result<Vec<scans::Model>, DbErr> {
    let newest: Vec<i64> = scans::Entity::of_channel(channel.0)
        .select_only()
        .column_as(scans::Column::Id.max(), "newest")
        .filter(scans::Column::State.eq("done"))
        .group_by(scans::Column::Kind)
        .into_tuple()
        .all(db.read())
        .await?;
    scans::Entity::of_channel(channel.0)
        .filter(scans::Column::Id.is_in(newest))
        .order_by_desc(scans::Column::Id)
        .all(db.read())
        .await
}

/// The merchant's scans that wait, run or are paused, oldest first.
pub async fn open_scans(db: &Db, merchant: MerchantId) -> Result<Vec<scans::Model>, DbErr> {
    scans::Entity::of_merchant(merchant.0)
        .filter(Expr::cust(OPEN))
        .order_by_asc(scans::Column::Id)
        .limit(1_000)
        .all(db.read())
        .await
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
