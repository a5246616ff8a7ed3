//! SKUs made of what a channel shows: its download into the books.
//!
//! A SKU takes the listing's seller SKU as its code, its title and its price. Every listing with exactly that code is
//! linked to it. What a person should look at first is left out and said: listings without a code, codes that look
//! like one that is there, listings that somebody unlinked.

use super::{
    fold::fold,
    links::may_be_linked,
    skus::{self, SkuIndex},
};
use crate::db::Tx;
use crate::domain::{ChannelId, ListingId, MerchantId, SkuId, Timestamp};
use entity::{listings, skus as sku_table};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, SimpleExpr},
};
use serde::Serialize;
use std::{collections::HashMap, fmt};

/// Why no SKU was made of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", content = "code", rename_all = "snake_case")]
pub enum Skip {
    NoSellerSku,
    Linked,
    UnlinkedByHand,
    Gone,
    /// There is a SKU with this very code.
    Exists(String),
    /// There is a SKU, or another listing of the selection, with a code that looks like it.
    LooksLike(String),
    /// The merchant has no such listing.
    Unknown,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSellerSku => f.write_str(
                "it has no seller SKU; give it one at the marketplace and scan, or name one with --code",
            ),
            Self::Linked => f.write_str("it has a SKU already"),
            Self::UnlinkedByHand => {
                f.write_str("it was unlinked by hand; link it by hand, or name a code with --code")
            }
            Self::Gone => f.write_str("it is gone from its channel"),
            Self::Exists(code) => write!(
                f,
                "there is a SKU {code} already; link it with `listings link`"
            ),
            Self::LooksLike(code) => write!(
                f,
                "its code looks like {code}; link it with `listings link`, or make it with --despite-look-alikes"
            ),
            Self::Unknown => f.write_str("there is no such listing"),
        }
    }
}

/// A listing of which no SKU was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub listing: ListingId,
    #[serde(flatten)]
    pub why: Skip,
}

/// A SKU that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSku {
    pub sku: SkuId,
    pub code: String,
    /// The listings of the selection that have its code, at least one.
    pub of: Vec<listings::Model>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Creation {
    pub made: Vec<NewSku>,
    pub skipped: Vec<Skipped>,
    /// Listings that were linked, those of other channels included.
    pub linked: u64,
}

/// A channel's listings without a SKU after `after`, by id: what "Not in POS" shows.
pub async fn unlinked_page<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    after: ListingId,
    limit: u64,
) -> Result<Vec<listings::Model>, DbErr> {
    listings::Entity::of_channel(channel.0)
        .filter(listings::Column::SkuId.is_null())
        // Written out, so that the partial index is recognised.
        .filter(Expr::cust("listings.state <> 'gone'"))
        .filter(listings::Column::Id.gt(after.0))
        .order_by_asc(listings::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Makes SKUs of these listings, at most a thousand at once, in a few statements whatever their number.
pub async fn create_skus_from(
    tx: &Tx,
    merchant: MerchantId,
    chosen: Vec<listings::Model>,
    despite_look_alikes: bool,
    now: Timestamp,
) -> Result<Creation, DbErr> {
    let codes: Vec<&str> = chosen.iter().filter_map(code_of).collect();
    let exact = skus::index(tx, merchant, codes.iter().copied()).await?;
    let mut taken = HashMap::new();
    if !despite_look_alikes {
        let alike = skus::alike(tx, merchant, &codes).await?;
        for code in &codes {
            let folded = fold(code);
            if let Some(first) = alike.of(&folded).first() {
                taken.insert(folded, first.code.clone());
            }
        }
    }
    let mut creation = Creation::default();
    let mut wanted: Vec<(String, Vec<listings::Model>)> = Vec::new();
    for listing in chosen {
        match code_to_make(&listing, &exact, &mut taken, despite_look_alikes) {
            Err(why) => creation.skipped.push(Skipped {
                listing: ListingId(listing.id),
                why,
            }),
            Ok(code) => match wanted.iter_mut().find(|(known, _)| *known == code) {
                Some((_, of)) => of.push(listing),
                None => wanted.push((code, vec![listing])),
            },
        }
    }
    if wanted.is_empty() {
        return Ok(creation);
    }
    let made = insert(tx, merchant, &wanted, now).await?;
    creation.linked = link_by_code(tx, merchant, made.keys().cloned(), now).await?;
    creation.made = wanted
        .into_iter()
        .filter_map(|(code, of)| {
            let sku = *made.get(&code)?;
            Some(NewSku { sku, code, of })
        })
        .collect();
    Ok(creation)
}

fn code_of(listing: &listings::Model) -> Option<&str> {
    listing
        .seller_sku
        .as_deref()
        .filter(|code| !code.trim().is_empty())
}

/// The code of the SKU to be made. `taken` holds, by folded code, the one that is there.
fn code_to_make(
    listing: &listings::Model,
    exact: &SkuIndex,
    taken: &mut HashMap<String, String>,
    despite_look_alikes: bool,
) -> Result<String, Skip> {
    if listing.sku_id.is_some() {
        return Err(Skip::Linked);
    }
    if listing.state == "gone" {
        return Err(Skip::Gone);
    }
    if listing.unlinked_by_hand {
        return Err(Skip::UnlinkedByHand);
    }
    let code = code_of(listing).ok_or(Skip::NoSellerSku)?;
    if exact.id_of(Some(code)).is_some() {
        return Err(Skip::Exists(code.to_owned()));
    }
    if !despite_look_alikes {
        let first = taken.entry(fold(code)).or_insert_with(|| code.to_owned());
        if first != code {
            return Err(Skip::LooksLike(first.clone()));
        }
    }
    Ok(code.to_owned())
}

async fn insert(
    tx: &Tx,
    merchant: MerchantId,
    wanted: &[(String, Vec<listings::Model>)],
    now: Timestamp,
) -> Result<HashMap<String, SkuId>, DbErr> {
    let row = |(code, of): &(String, Vec<listings::Model>)| {
        let priced = of
            .iter()
            .find_map(|l| l.price_minor.zip(l.currency.clone()));
        sku_table::ActiveModel {
            merchant_id: Set(merchant.0),
            code: Set(code.clone()),
            name: Set(of.first().map_or_else(|| code.clone(), |l| l.title.clone())),
            folded_code: Set(Some(fold(code))),
            price_minor: Set(priced.as_ref().map(|(minor, _)| *minor)),
            price_at: Set(priced.as_ref().map(|_| now.micros())),
            currency: Set(priced.map(|(_, currency)| currency)),
            created_at: Set(now.micros()),
            ..Default::default()
        }
    };
    let rows = sku_table::Entity::insert_many(wanted.iter().map(row))
        .exec_with_returning(tx)
        .await?;
    let pair = |row: sku_table::Model| (row.code, SkuId(row.id));
    Ok(rows.into_iter().map(pair).collect())
}

/// Links every free listing of the merchant that has one of these codes.
pub(super) async fn link_by_code(
    tx: &Tx,
    merchant: MerchantId,
    codes: impl Iterator<Item = String>,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let same_code = sku_table::Entity::of_merchant(merchant.0)
        .select_only()
        .column(sku_table::Column::Id)
        .filter(Expr::cust("skus.code = listings.seller_sku"))
        .into_query();
    let sku = SimpleExpr::SubQuery(None, Box::new(same_code.into()));
    let linked = listings::Entity::update_many()
        .col_expr(listings::Column::SkuId, sku)
        .col_expr(listings::Column::UpdatedAt, Expr::value(now.micros()))
        .filter(listings::Column::MerchantId.eq(merchant.0))
        .filter(listings::Column::SellerSku.is_in(codes))
        .filter(may_be_linked())
        .exec(tx)
        .await?;
    Ok(linked.rows_affected)
}
