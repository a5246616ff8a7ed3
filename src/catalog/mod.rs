//! SKUs and listings: what the merchant sells, and how each channel shows it.
//!
//! Owns the tables `skus`, `listings` and `bundle_parts`. A page of products costs one query to compare and writes only
//! what differs. A listing is linked to a SKU when its seller SKU is exactly the SKU's code, or by hand; what a person
//! decided stays. Codes that look alike are suggested, and never linked by themselves.

mod apply;
mod bundles;
mod conflicts;
mod create;
mod diff;
mod difference;
mod find;
mod fold;
mod import;
mod links;
mod skus;
mod unseen;

pub use apply::{Applied, apply_gone, apply_products};
pub use bundles::{
    BundleError, has_bundles, list_bundles, parts_of_bundles, remove_bundle, set_bundle,
};
pub use conflicts::{conflicts_of, count_conflicts};
pub use create::{Creation, NewSku, Skip, Skipped, create_skus_from, unlinked_page};
pub use diff::{Change, Fetched};
pub use difference::{Difference, DifferenceKind, FieldChange};
pub use find::{product_of_listing, products_of_code};
pub use fold::{difference, fold};
pub use import::{ToldSku, skus_of_codes, take_skus, would_change};
pub use links::{
    LinkBy, LinkError, SoldAs, Suggestion, Suggestions, link, sold_as, suggestions, unlink,
};
pub use skus::{create_sku, find_sku, fold_missing, list_skus, set_price, sku_codes, skus_by_id};
pub use unseen::{Unseen, ids_of_products, mark_unseen_gone, unseen};

use crate::db::Tx;
use crate::domain::{ChannelId, ListingId, MerchantId, SkuId, Timestamp};
use entity::{bundle_parts, listings};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, Query},
};

/// Listings of any of `skus` and of the bundles that hold them, on all the merchant's channels: whose quantity changes
/// when these move.
pub async fn listings_touched<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    skus: &[SkuId],
) -> Result<Vec<listings::Model>, DbErr> {
    let ids = || skus.iter().map(|sku| sku.0);
    let holding = Query::select()
        .column(bundle_parts::Column::BundleId)
        .from(bundle_parts::Entity)
        .and_where(bundle_parts::Column::ComponentId.is_in(ids()))
        .to_owned();
    let either = Condition::any()
        .add(listings::Column::SkuId.is_in(ids()))
        .add(listings::Column::SkuId.in_subquery(holding));
    listings::Entity::of_merchant(merchant.0)
        .filter(either)
        .filter(listings::Column::State.ne("gone"))
        .order_by_asc(listings::Column::Id)
        .all(db)
        .await
}

/// Listings linked to any of `skus`, of all the merchant's channels.
pub async fn listings_of<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    skus: &[SkuId],
) -> Result<Vec<listings::Model>, DbErr> {
    listings::Entity::of_merchant(merchant.0)
        .filter(listings::Column::SkuId.is_in(skus.iter().map(|sku| sku.0)))
        .filter(listings::Column::State.ne("gone"))
        .order_by_asc(listings::Column::Id)
        .all(db)
        .await
}

pub async fn listing<C: ConnectionTrait>(
    db: &C,
    id: ListingId,
) -> Result<Option<listings::Model>, DbErr> {
    listings::Entity::find_by_id(id.0).one(db).await
}

/// The merchant's listings among `ids`, by id.
pub async fn listings_by_id<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    ids: &[ListingId],
) -> Result<Vec<listings::Model>, DbErr> {
    listings::Entity::of_merchant(merchant.0)
        .filter(listings::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .order_by_asc(listings::Column::Id)
        .all(db)
        .await
}

/// Notes that the levels of these listings are being read for a push. A sale recorded after this moment
/// may have been overwritten by it, and makes another push.
pub async fn note_push_begun(tx: &Tx, ids: &[ListingId], now: Timestamp) -> Result<(), DbErr> {
    listings::Entity::update_many()
        .col_expr(
            listings::Column::PushReadAt,
            Expr::value(Some(now.micros())),
        )
        .filter(listings::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .exec(tx)
        .await?;
    Ok(())
}

/// Notes that the channel took this quantity.
pub async fn note_pushed(
    tx: &Tx,
    id: ListingId,
    quantity: i64,
    now: Timestamp,
) -> Result<(), DbErr> {
    listings::Entity::update_many()
        .col_expr(listings::Column::PushedQuantity, Expr::value(quantity))
        .col_expr(listings::Column::PushedAt, Expr::value(now.micros()))
        .filter(listings::Column::Id.eq(id.0))
        .exec(tx)
        .await?;
    Ok(())
}

/// Counts of a channel's listings: all that are not gone, and those without a SKU.
pub async fn counts<C: ConnectionTrait>(db: &C, channel: ChannelId) -> Result<(u64, u64), DbErr> {
    use sea_orm::PaginatorTrait;
    let here =
        || listings::Entity::of_channel(channel.0).filter(listings::Column::State.ne("gone"));
    let all = here().count(db).await?;
    let unlinked = here()
        .filter(listings::Column::SkuId.is_null())
        .count(db)
        .await?;
    Ok((all, unlinked))
}

/// A channel's listings after `after`, by id.
pub async fn page_of_channel<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    after: ListingId,
    limit: u64,
) -> Result<Vec<listings::Model>, DbErr> {
    listings::Entity::of_channel(channel.0)
        .filter(listings::Column::Id.gt(after.0))
        .order_by_asc(listings::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Linked listings of the merchant that count their stock, after `after`: listing and channel, by listing.
pub async fn linked_after<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    channel: Option<ChannelId>,
    after: i64,
    limit: u64,
) -> Result<Vec<(i64, i64)>, DbErr> {
    let of_channel = channel.map(|id| listings::Column::ChannelId.eq(id.0));
    listings::Entity::of_merchant(merchant.0)
        .select_only()
        .columns([listings::Column::Id, listings::Column::ChannelId])
        .filter(Condition::all().add_option(of_channel))
        .filter(listings::Column::SkuId.is_not_null())
        .filter(listings::Column::Quantity.is_not_null())
        .filter(listings::Column::State.ne("gone"))
        .filter(listings::Column::Id.gt(after))
        .order_by_asc(listings::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}
