//! Which listings differ, and how many: one statement each.

use super::{DriftClass, DriftQuery, DriftTotals};
use crate::catalog;
use crate::channels::Channel;
use crate::db::Db;
use crate::domain::{ListingId, Timestamp};
use crate::prices::{self, PriceRules};
use crate::stock::{self, Rules};
use entity::{listings, skus};
use sea_orm::{
    Condition, DbErr, FromQueryResult, Order,
    sea_query::{Expr, ExprTrait, Func, Query, SelectStatement, SimpleExpr},
};

/// What a channel is told, as an expression over its listings: read once for a whole answer.
pub(super) struct Ours<'a> {
    pub connection: &'a Channel,
    quantity: String,
    price: String,
}

impl<'a> Ours<'a> {
    /// Three queries.
    pub async fn of(db: &Db, connection: &'a Channel, now: Timestamp) -> Result<Self, DbErr> {
        let merchant = connection.merchant;
        let rules = Rules::of_merchant(db.read(), merchant).await?;
        let with_bundles = catalog::has_bundles(db.read(), merchant).await?;
        let prices = PriceRules::of_merchant(db.read(), merchant).await?;
        let sku = "listings.sku_id";
        Ok(Self {
            connection,
            quantity: stock::pushable_sql(connection, sku, &rules, with_bundles, now),
            price: prices::price_sql(connection, &prices),
        })
    }
}

/// A listing that differs, and our level.
#[derive(FromQueryResult)]
pub(super) struct Candidate {
    pub id: i64,
    pub ours: Option<i64>,
    /// Our price, in the SKU's currency.
    pub price: Option<i64>,
}

/// Listings of a connection after `after` that differ, in the order of their ids, which is that of an index.
pub(super) async fn page(
    db: &Db,
    ours: &Ours<'_>,
    query: &DriftQuery,
    after: ListingId,
    limit: u64,
) -> Result<Vec<Candidate>, DbErr> {
    let mut select = candidates(ours.connection);
    select
        .column((listings::Entity, listings::Column::Id))
        .expr_as(Expr::cust(ours.quantity.clone()), "ours")
        .expr_as(Expr::cust(ours.price.clone()), "price")
        .and_where(col(listings::Column::Id).gt(after.0))
        .cond_where(differing(ours, query))
        .order_by((listings::Entity, listings::Column::Id), Order::Asc)
        .limit(limit);
    Candidate::find_by_statement(db.read().get_database_backend().build(&select))
        .all(db.read())
        .await
}

fn col(column: listings::Column) -> SimpleExpr {
    Expr::col((listings::Entity, column))
}

fn of_sku(column: skus::Column) -> SimpleExpr {
    Expr::col((skus::Entity, column))
}

/// The connection's listings that are there, beside their SKU.
fn candidates(connection: &Channel) -> SelectStatement {
    Query::select()
        .from(listings::Entity)
        .left_join(
            skus::Entity,
            of_sku(skus::Column::Id).equals((listings::Entity, listings::Column::SkuId)),
        )
        .and_where(col(listings::Column::ChannelId).eq(connection.id.0))
        .and_where(Expr::cust("listings.state <> 'gone'"))
        .to_owned()
}

fn stock_differs(ours: &Ours<'_>) -> SimpleExpr {
    // Null, and so no difference, where either side counts nothing.
    col(listings::Column::Quantity).ne(Expr::cust(ours.quantity.clone()))
}

/// Prices in another currency than the SKU's are not compared.
fn price_differs(ours: &Ours<'_>) -> SimpleExpr {
    col(listings::Column::PriceMinor)
        .ne(Expr::cust(ours.price.clone()))
        .and(col(listings::Column::Currency).eq(of_sku(skus::Column::Currency)))
}

fn differing(ours: &Ours<'_>, query: &DriftQuery) -> Condition {
    let is_unlinked = col(listings::Column::SkuId).is_null();
    let differs = match query.class {
        Some(DriftClass::Unlinked) => Condition::all().add(is_unlinked),
        class => {
            let mut any = Condition::any()
                .add(stock_differs(ours))
                .add(price_differs(ours));
            if class.is_none() {
                any = any.add(is_unlinked);
            }
            any
        }
    };
    let Some(text) = query.search.as_deref().filter(|text| !text.is_empty()) else {
        return differs;
    };
    let contains = |expr: SimpleExpr| {
        Expr::expr(Func::lower(expr)).like(super::super::statements::containing(text))
    };
    let found = Condition::any()
        .add(contains(col(listings::Column::Title)))
        .add(contains(col(listings::Column::SellerSku)))
        .add(contains(of_sku(skus::Column::Code)));
    Condition::all().add(differs).add(found)
}

#[derive(FromQueryResult)]
struct Totals {
    compared: Option<i64>,
    stock: Option<i64>,
    price: Option<i64>,
    unlinked: Option<i64>,
}

pub(super) async fn totals(db: &Db, ours: &Ours<'_>) -> Result<DriftTotals, DbErr> {
    let n = |when: SimpleExpr| {
        let one = Expr::case(when, Expr::cust("1")).finally(Expr::cust("0"));
        Func::sum(one).cast_as("bigint")
    };
    let mut select = candidates(ours.connection);
    select
        .expr_as(n(col(listings::Column::SkuId).is_not_null()), "compared")
        .expr_as(n(stock_differs(ours)), "stock")
        .expr_as(n(price_differs(ours)), "price")
        .expr_as(n(col(listings::Column::SkuId).is_null()), "unlinked");
    let found = Totals::find_by_statement(db.read().get_database_backend().build(&select))
        .one(db.read())
        .await?;
    let n = |value: Option<i64>| value.unwrap_or(0).cast_unsigned();
    Ok(
        found.map_or_else(DriftTotals::default, |found| DriftTotals {
            compared: n(found.compared),
            stock: n(found.stock),
            price: n(found.price),
            unlinked: n(found.unlinked),
        }),
    )
}
