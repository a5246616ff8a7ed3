//! Reading the history of scans and downloads.

use crate::db::Db;
use crate::domain::{ChannelId, EventKind, MerchantId, RemoteId, ScanId, Source, Timestamp};
use crate::inbox;
use entity::{downloads, orders, scans};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

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

/// Orders that a scheduled walk has brought into the books since, and that no webhook has named: what was missed.
/// At most `limit`, oldest first.
pub async fn untold_orders(
    db: &Db,
    channel: ChannelId,
    since: Timestamp,
    limit: u64,
) -> Result<Vec<RemoteId>, DbErr> {
    let found: Vec<String> = orders::Entity::find()
        .select_only()
        .column(orders::Column::RemoteId)
        .filter(orders::Column::ConnectionId.eq(channel.0))
        .filter(orders::Column::FirstSeenAt.gte(since.micros()))
        .filter(orders::Column::Source.eq(Source::Scan.as_str()))
        .order_by_asc(orders::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db.read())
        .await?;
    let named = inbox::named(db.read(), channel, EventKind::OrderChanged, &found).await?;
    let untold = found.into_iter().filter(|order| !named.contains(order));
    Ok(untold.map(RemoteId::from).collect())
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
