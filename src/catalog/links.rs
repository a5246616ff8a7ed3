//! Which SKU a listing is sold as: by the same code, by hand, or by nobody's word.
//!
//! ```text
//!               same code            a person
//! unlinked ───────────────► auto ───────────────► hand
//!    ▲                        │                     │
//!    └── the code changed ────┘   a person          ▼
//!                             └──────────────► unlinked by hand
//! ```
//!
//! What a person decided stays until a person decides again, whatever scans read.

use super::{difference, fold, skus};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, ListingId, MerchantId, RemoteId, SkuId, Timestamp, job::named};
use entity::{listings, skus as sku_table};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Listings looked at together for suggestions.
const PAGE: u64 = 500;
/// Pages looked at in one question, so that an answer comes whatever the catalogue's size.
const MOST_PAGES: usize = 20;

named!(
    /// Who linked a listing, or took its link away.
    LinkBy {
        Auto = "auto",
        Hand = "hand",
    }
);

#[derive(Debug, Error)]
pub enum LinkError {
    #[error(
        "there is no listing {0}; `marketsink listings not-in-pos` shows those without a SKU, with their numbers"
    )]
    NoListing(ListingId),
    #[error("listing {0} is gone from its channel; it is linked again when a scan finds it")]
    Gone(ListingId),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Whether a person decided what this listing is sold as.
pub(super) fn is_by_hand(listing: &listings::Model) -> bool {
    listing.unlinked_by_hand || listing.link_by == LinkBy::Hand.as_str()
}

/// Unlinked and free to be linked by its code.
pub(super) fn may_be_linked() -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(listings::Column::SkuId.is_null())
        .add(listings::Column::UnlinkedByHand.eq(false))
}

/// Links a listing by hand, from whatever it was linked to before. Returns the listing as it was.
pub async fn link(
    tx: &Tx,
    merchant: MerchantId,
    listing: ListingId,
    sku: SkuId,
    now: Timestamp,
) -> Result<listings::Model, LinkError> {
    decide(tx, merchant, listing, Some(sku), now).await
}

/// Takes the link of a listing away by hand; nothing links it again by itself. Returns the listing as it was.
pub async fn unlink(
    tx: &Tx,
    merchant: MerchantId,
    listing: ListingId,
    now: Timestamp,
) -> Result<listings::Model, LinkError> {
    decide(tx, merchant, listing, None, now).await
}

async fn decide(
    tx: &Tx,
    merchant: MerchantId,
    id: ListingId,
    sku: Option<SkuId>,
    now: Timestamp,
) -> Result<listings::Model, LinkError> {
    let held = listings::Entity::of_merchant(merchant.0)
        .filter(listings::Column::Id.eq(id.0))
        .lock_exclusive()
        .one(tx)
        .await?
        .ok_or(LinkError::NoListing(id))?;
    if sku.is_some() && held.state == "gone" {
        return Err(LinkError::Gone(id));
    }
    let column = |column, value: sea_orm::Value| (column, Expr::value(value));
    let changes = [
        column(listings::Column::SkuId, sku.map(|sku| sku.0).into()),
        column(listings::Column::LinkBy, LinkBy::Hand.as_str().into()),
        column(listings::Column::UnlinkedByHand, sku.is_none().into()),
        column(listings::Column::LinkAt, now.micros().into()),
    ];
    let mut update = listings::Entity::update_many();
    for (column, value) in changes {
        update = update.col_expr(column, value);
    }
    update
        .filter(listings::Column::Id.eq(id.0))
        .exec(tx)
        .await?;
    Ok(held)
}

/// What a listing is sold as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoldAs {
    Sku(SkuId),
    /// A person said that it is no SKU of ours: its code is not looked up.
    Nothing,
    /// Not linked, or not known.
    Unknown,
}

/// What the listing of a channel is sold as.
pub async fn sold_as<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    product: &RemoteId,
    variant: &RemoteId,
) -> Result<SoldAs, DbErr> {
    let listing = listings::Entity::of_channel(channel.0)
        .filter(listings::Column::ProductId.eq(product.as_str()))
        .filter(listings::Column::VariantId.eq(variant.as_str()))
        .one(db)
        .await?;
    Ok(match listing {
        Some(listing) if listing.unlinked_by_hand => SoldAs::Nothing,
        Some(listing) => listing
            .sku_id
            .map_or(SoldAs::Unknown, |id| SoldAs::Sku(SkuId(id))),
        None => SoldAs::Unknown,
    })
}

/// A listing without a SKU, and a SKU whose code looks like its seller SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    pub listing: ListingId,
    pub channel: ChannelId,
    pub title: String,
    pub seller_sku: String,
    pub sku: SkuId,
    pub code: String,
    pub name: String,
    /// What sets the two codes apart.
    pub differs_in: &'static str,
}

/// Suggestions, and where to go on when there may be more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestions {
    pub rows: Vec<Suggestion>,
    pub next: Option<ListingId>,
}

/// Listings after `after` without a SKU whose seller SKU looks like the code of one. Those that a person unlinked are
/// left out. Two queries for every 500 listings without a SKU, 10,000 of them at most; `next` goes on.
pub async fn suggestions(
    db: &Db,
    merchant: MerchantId,
    channel: Option<ChannelId>,
    after: ListingId,
    limit: usize,
) -> Result<Suggestions, DbErr> {
    skus::fold_missing(db, merchant).await?;
    let (mut rows, mut after) = (Vec::new(), after);
    for _ in 0..MOST_PAGES {
        let page = unlinked_after(db.read(), merchant, channel, after).await?;
        let is_last = (page.len() as u64) < PAGE;
        let pairs = page
            .iter()
            .filter_map(|listing| Some((listing, listing.seller_sku.as_deref()?)));
        let codes: Vec<&str> = pairs.clone().map(|(_, code)| code).collect();
        let alike = skus::alike(db.read(), merchant, &codes).await?;
        for (listing, code) in pairs {
            if rows.len() >= limit {
                return Ok(Suggestions {
                    rows,
                    next: Some(after),
                });
            }
            after = ListingId(listing.id);
            let candidates = alike.of(&fold(code)).iter();
            rows.extend(candidates.map(|sku| suggestion(listing, code, sku)));
        }
        if is_last {
            return Ok(Suggestions { rows, next: None });
        }
        after = page.last().map_or(after, |listing| ListingId(listing.id));
    }
    let next = Some(after);
    Ok(Suggestions { rows, next })
}

async fn unlinked_after<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    channel: Option<ChannelId>,
    after: ListingId,
) -> Result<Vec<listings::Model>, DbErr> {
    let mut query = listings::Entity::of_merchant(merchant.0);
    if let Some(channel) = channel {
        query = query.filter(listings::Column::ChannelId.eq(channel.0));
    }
    query
        .filter(may_be_linked())
        // Written out, so that the partial index is recognised.
        .filter(Expr::cust("listings.state <> 'gone'"))
        .filter(listings::Column::Id.gt(after.0))
        .order_by_asc(listings::Column::Id)
        .limit(PAGE)
        .all(db)
        .await
}

fn suggestion(listing: &listings::Model, code: &str, sku: &sku_table::Model) -> Suggestion {
    let differs_in = if code == sku.code {
        // The SKU came after the listing was read, by a road that links nothing.
        "nothing"
    } else {
        difference(code, &sku.code).as_str()
    };
    Suggestion {
        listing: ListingId(listing.id),
        channel: ChannelId(listing.channel_id),
        title: listing.title.clone(),
        seller_sku: code.to_owned(),
        sku: SkuId(sku.id),
        code: sku.code.clone(),
        name: sku.name.clone(),
        differs_in,
    }
}
