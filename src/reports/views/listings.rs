//! Views that begin at listings: Not in POS, Multiple Listed SKU.

use super::super::statements::first_of;
use super::{IS_THERE, Scope, ViewError, ViewPage, ViewQuery, count, cut};
use crate::db::Db;
use crate::domain::{ListingId, MerchantId, SkuId};
use entity::{listings, skus};
use sea_orm::{
    ColumnTrait, DbErr, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};
use serde::Serialize;
use std::collections::HashMap;

/// Listings shown of one SKU on one channel.
const SHOWN: u64 = 20;
/// SKUs on a channel whose listings are read in one statement.
const GROUPS: usize = 250;

/// Why a listing has no SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    NoSellerSku,
    /// Its seller SKU is no code of ours.
    UnknownSku,
    UnlinkedByHand,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSellerSku => "no seller SKU",
            Self::UnknownSku => "unknown SKU",
            Self::UnlinkedByHand => "unlinked by hand",
        }
    }
}

/// A listing as its channel shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListingRow {
    pub id: ListingId,
    pub channel: i64,
    pub channel_name: String,
    pub product_id: String,
    pub variant_id: String,
    pub title: String,
    pub seller_sku: Option<String>,
    pub state: String,
    pub quantity: Option<i64>,
    pub price_minor: Option<i64>,
    pub currency: Option<String>,
    /// Why it has no SKU; none when it has one.
    pub why: Option<Why>,
}

/// Listings that have no SKU.
pub async fn not_in_pos(
    db: &Db,
    merchant: MerchantId,
    query: &ViewQuery,
) -> Result<ViewPage<ListingRow>, ViewError> {
    let scope = Scope::of(db, merchant, query).await?;
    let searched = [
        listings::Column::SellerSku,
        listings::Column::Title,
        listings::Column::ProductId,
    ];
    let all = listings::Entity::of_merchant(merchant.0)
        .filter(listings::Column::SkuId.is_null())
        .filter(Expr::cust(IS_THERE))
        .filter(scope.holds_listing())
        .filter(query.matching(&searched));
    let total = count(db, all.clone()).await?;
    let limit = query.limit();
    let rows = all
        .filter(listings::Column::Id.gt(query.after_id()?))
        .order_by_asc(listings::Column::Id)
        .limit(limit + 1)
        .all(db.read())
        .await?;
    let (rows, next) = cut(rows, limit, |row| row.id.to_string());
    Ok(ViewPage {
        total,
        rows: rows.into_iter().map(|row| shown(&scope, row)).collect(),
        next,
    })
}

fn shown(scope: &Scope, row: listings::Model) -> ListingRow {
    let why = match (&row.sku_id, &row.seller_sku) {
        (Some(_), _) => None,
        (None, _) if row.unlinked_by_hand => Some(Why::UnlinkedByHand),
        (None, None) => Some(Why::NoSellerSku),
        (None, Some(_)) => Some(Why::UnknownSku),
    };
    ListingRow {
        id: ListingId(row.id),
        channel_name: scope.name_of(row.channel_id),
        channel: row.channel_id,
        product_id: row.product_id,
        variant_id: row.variant_id,
        title: row.title,
        seller_sku: row.seller_sku,
        state: row.state,
        quantity: row.quantity,
        price_minor: row.price_minor,
        currency: row.currency,
        why,
    }
}

/// A SKU that one channel lists more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MultipleRow {
    pub sku: SkuId,
    pub code: String,
    pub name: String,
    pub channel: i64,
    pub channel_name: String,
    /// How many there are.
    pub n_listings: i64,
    /// The first of them.
    pub listings: Vec<ListingRow>,
}

#[derive(FromQueryResult)]
struct Group {
    sku_id: i64,
    channel_id: i64,
    n: i64,
}

#[derive(FromQueryResult)]
struct Total {
    n: i64,
}

/// SKUs that a channel lists more than once, by SKU and channel.
pub async fn multiple_listed(
    db: &Db,
    merchant: MerchantId,
    query: &ViewQuery,
) -> Result<ViewPage<MultipleRow>, ViewError> {
    let scope = Scope::of(db, merchant, query).await?;
    let after = place(query)?;
    let groups = groups(merchant, &scope, query);
    let backend = db.read().get_database_backend();
    let counted = Query::select()
        .expr_as(Expr::cust("count(*)"), "n")
        .from_subquery(groups.clone(), "groups")
        .to_owned();
    let total = Total::find_by_statement(backend.build(&counted))
        .one(db.read())
        .await?;
    let limit = query.limit();
    let mut page = groups;
    if let Some((sku, channel)) = after {
        let column = |column| Expr::col((listings::Entity, column));
        let beyond = column(listings::Column::SkuId)
            .gt(sku)
            .or(column(listings::Column::ChannelId).gt(channel));
        page.and_where(column(listings::Column::SkuId).gte(sku))
            .and_where(beyond);
    }
    page.order_by((listings::Entity, listings::Column::SkuId), Order::Asc)
        .order_by((listings::Entity, listings::Column::ChannelId), Order::Asc)
        .limit(limit + 1);
    let rows = Group::find_by_statement(backend.build(&page))
        .all(db.read())
        .await?;
    let (rows, next) = cut(rows, limit, |row| {
        format!("{}:{}", row.sku_id, row.channel_id)
    });
    Ok(ViewPage {
        total: total.map_or(0, |total| total.n.cast_unsigned()),
        rows: with_listings(db, merchant, &scope, rows).await?,
        next,
    })
}

fn place(query: &ViewQuery) -> Result<Option<(i64, i64)>, ViewError> {
    let Some(text) = &query.after else {
        return Ok(None);
    };
    let place = text
        .split_once(':')
        .and_then(|(sku, channel)| Some((sku.parse().ok()?, channel.parse().ok()?)));
    place
        .map(Some)
        .ok_or_else(|| ViewError::NotAPlace(text.clone()))
}

/// Every SKU and channel with more than one listing, walked along an index.
fn groups(merchant: MerchantId, scope: &Scope, query: &ViewQuery) -> SelectStatement {
    let column = |column| Expr::col((listings::Entity, column));
    let mut groups = Query::select();
    groups
        .column((listings::Entity, listings::Column::SkuId))
        .column((listings::Entity, listings::Column::ChannelId))
        .expr_as(Expr::cust("count(*)"), "n")
        .from(listings::Entity)
        .and_where(column(listings::Column::MerchantId).eq(merchant.0))
        .and_where(column(listings::Column::SkuId).is_not_null())
        .and_where(scope.holds_listing())
        .and_where(Expr::cust(IS_THERE))
        .group_by_columns([
            (listings::Entity, listings::Column::SkuId),
            (listings::Entity, listings::Column::ChannelId),
        ])
        .and_having(Expr::cust("count(*) > 1"));
    let searched = query.matching(&[skus::Column::Code, skus::Column::Name]);
    if query.search.is_some() {
        let of_sku = Query::select()
            .expr(Expr::cust("1"))
            .from(skus::Entity)
            .and_where(
                Expr::col((skus::Entity, skus::Column::Id))
                    .equals((listings::Entity, listings::Column::SkuId)),
            )
            .cond_where(searched)
            .to_owned();
        groups.and_where(Expr::exists(of_sku));
    }
    groups
}

async fn with_listings(
    db: &Db,
    merchant: MerchantId,
    scope: &Scope,
    groups: Vec<Group>,
) -> Result<Vec<MultipleRow>, DbErr> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = groups.iter().map(|group| group.sku_id).collect();
    let names: HashMap<i64, skus::Model> = skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::Id.is_in(ids.iter().copied()))
        .all(db.read())
        .await?
        .into_iter()
        .map(|sku| (sku.id, sku))
        .collect();
    let mut by_group: HashMap<(i64, i64), Vec<ListingRow>> = HashMap::new();
    for chunk in groups.chunks(GROUPS) {
        let Some(select) = first_of(chunk.iter().map(|group| first_listings(merchant, group)))
        else {
            continue;
        };
        let statement = db.read().get_database_backend().build(&select);
        let found = listings::Model::find_by_statement(statement);
        for listing in found.all(db.read()).await? {
            let key = (listing.sku_id.unwrap_or_default(), listing.channel_id);
            let rows = by_group.entry(key).or_default();
            rows.push(shown(scope, listing));
        }
    }
    let row = |group: Group| {
        let sku = names.get(&group.sku_id);
        MultipleRow {
            sku: SkuId(group.sku_id),
            code: sku.map_or_else(String::new, |sku| sku.code.clone()),
            name: sku.map_or_else(String::new, |sku| sku.name.clone()),
            channel: group.channel_id,
            channel_name: scope.name_of(group.channel_id),
            n_listings: group.n,
            listings: by_group
                .remove(&(group.sku_id, group.channel_id))
                .unwrap_or_default(),
        }
    };
    Ok(groups.into_iter().map(row).collect())
}

fn first_listings(merchant: MerchantId, group: &Group) -> SelectStatement {
    listings::Entity::of_merchant(merchant.0)
        .filter(listings::Column::SkuId.eq(group.sku_id))
        .filter(listings::Column::ChannelId.eq(group.channel_id))
        .filter(Expr::cust(IS_THERE))
        .order_by_asc(listings::Column::Id)
        .limit(SHOWN)
        .into_query()
}
