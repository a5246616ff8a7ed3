//! Finding products by what the merchant calls them.

use crate::domain::{ChannelId, ListingId, MerchantId, RemoteId};
use entity::listings;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::BTreeSet;

/// Products that are looked at for one code.
const MOST: u64 = 1_000;

/// The channel's products that list a SKU, by its link or by its code.
pub async fn products_of_code<C: ConnectionTrait>(
    db: &C,
    (merchant, channel): (MerchantId, ChannelId),
    code: &str,
) -> Result<BTreeSet<RemoteId>, DbErr> {
    let sku = super::find_sku(db, merchant, code).await?;
    let linked = sku.map(|sku| listings::Column::SkuId.eq(sku.0));
    let either = Condition::any()
        .add(listings::Column::SellerSku.eq(code))
        .add_option(linked);
    let rows: Vec<String> = listings::Entity::of_merchant(merchant.0)
        .select_only()
        .column(listings::Column::ProductId)
        .filter(listings::Column::ChannelId.eq(channel.0))
        .filter(either)
        .order_by_asc(listings::Column::Id)
        .limit(MOST)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(RemoteId::new).collect())
}

/// The channel and product of one of the merchant's listings.
pub async fn product_of_listing<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    listing: ListingId,
) -> Result<Option<(ChannelId, RemoteId)>, DbErr> {
    let row = listings::Entity::of_merchant(merchant.0)
        .filter(listings::Column::Id.eq(listing.0))
        .one(db)
        .await?;
    Ok(row.map(|row| (ChannelId(row.channel_id), RemoteId::new(row.product_id))))
}
