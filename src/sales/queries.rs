//! Reading the books.

use super::{
    conflicts as queue,
    returns::{self, ReturnFull},
};
use crate::db::Db;
use crate::domain::{
    ChannelId, Document, Fulfilment, MerchantId, OrderId, RemoteId, Standing, Timestamp,
};
use entity::{conflicts, order_lines, order_steps, orders};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use std::collections::HashMap;

/// The name in the database, in logs and in answers; never renamed.
pub fn document_name(document: Document) -> &'static str {
    match document {
        Document::None => "none",
        Document::SalesOrder => "sales_order",
        Document::Invoice => "invoice",
        Document::Void => "void",
    }
}

/// The same of where the goods are.
pub fn fulfilment_name(fulfilment: Fulfilment) -> &'static str {
    match fulfilment {
        Fulfilment::Unsent => "unsent",
        Fulfilment::Sent => "sent",
        Fulfilment::Returned => "returned",
    }
}

pub(super) fn standing_of(row: &orders::Model) -> Standing {
    standing_named(&row.document, row.paid, &row.fulfilment)
}

/// How an order stands, by the names in the database.
pub fn standing_named(document: &str, paid: bool, fulfilment: &str) -> Standing {
    let document = match document {
        "sales_order" => Document::SalesOrder,
        "invoice" => Document::Invoice,
        "void" => Document::Void,
        _ => Document::None,
    };
    let fulfilment = match fulfilment {
        "sent" => Fulfilment::Sent,
        "returned" => Fulfilment::Returned,
        _ => Fulfilment::Unsent,
    };
    Standing::of(document, paid, fulfilment)
}

/// Document, payment and fulfilment in words, by the names in the database.
pub fn standing_in_words(document: &str, paid: bool, fulfilment: &str) -> String {
    let document = document.replace('_', " ");
    let paid = if paid { "paid" } else { "unpaid" };
    format!("{document}, {paid}, {fulfilment}")
}

/// An order with everything that hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFull {
    pub order: orders::Model,
    pub lines: Vec<order_lines::Model>,
    pub steps: Vec<order_steps::Model>,
    pub returns: Vec<ReturnFull>,
    /// Those that have ended as well.
    pub conflicts: Vec<conflicts::Model>,
}

/// How far the books know an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOrder {
    pub version: Timestamp,
    pub remote_status: String,
}

/// How far the books know these orders; one query.
pub async fn known_orders<C: ConnectionTrait>(
    db: &C,
    connection: ChannelId,
    ids: &[RemoteId],
) -> Result<HashMap<RemoteId, KnownOrder>, DbErr> {
    let rows: Vec<(String, i64, String)> = orders::Entity::find()
        .select_only()
        .column(orders::Column::RemoteId)
        .column(orders::Column::Version)
        .column(orders::Column::RemoteStatus)
        .filter(orders::Column::ConnectionId.eq(connection.0))
        .filter(orders::Column::RemoteId.is_in(ids.iter().map(RemoteId::as_str)))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, version, remote_status)| {
            let version = Timestamp::from_micros(version);
            let known = KnownOrder {
                version,
                remote_status,
            };
            (RemoteId::from(id), known)
        })
        .collect())
}

/// The ids of booked orders by the numbers that people know them by.
pub async fn ids_of_numbers<C: ConnectionTrait>(
    db: &C,
    connection: ChannelId,
    numbers: &[String],
) -> Result<HashMap<String, RemoteId>, DbErr> {
    let mut found = HashMap::new();
    for some in numbers.chunks(1_000) {
        let rows: Vec<(String, String)> = orders::Entity::find()
            .select_only()
            .column(orders::Column::Number)
            .column(orders::Column::RemoteId)
            .filter(orders::Column::ConnectionId.eq(connection.0))
            .filter(orders::Column::Number.is_in(some))
            .order_by_asc(orders::Column::Id)
            .into_tuple()
            .all(db)
            .await?;
        found.extend(rows.into_iter().map(|(n, id)| (n, RemoteId::from(id))));
    }
    Ok(found)
}

/// When a booked order was placed; `None` when the books do not hold it.
pub async fn placed_at<C: ConnectionTrait>(
    db: &C,
    connection: ChannelId,
    id: &RemoteId,
) -> Result<Option<Timestamp>, DbErr> {
    let placed_at: Option<i64> = orders::Entity::find()
        .select_only()
        .column(orders::Column::PlacedAt)
        .filter(orders::Column::ConnectionId.eq(connection.0))
        .filter(orders::Column::RemoteId.eq(id.as_str()))
        .into_tuple()
        .one(db)
        .await?;
    Ok(placed_at.map(Timestamp::from_micros))
}

/// The merchant's latest recorded orders, newest first.
pub async fn latest_orders(
    db: &Db,
    merchant: MerchantId,
    limit: u64,
) -> Result<Vec<orders::Model>, DbErr> {
    orders::Entity::of_merchant(merchant.0)
        .order_by_desc(orders::Column::RecordedAt)
        .order_by_desc(orders::Column::Id)
        .limit(limit)
        .all(db.read())
        .await
}

/// Orders with this order number, remote id, invoice number or tracking number.
pub async fn find_orders(
    db: &Db,
    merchant: MerchantId,
    number: &str,
) -> Result<Vec<orders::Model>, DbErr> {
    let is_it = orders::Column::Number
        .eq(number)
        .or(orders::Column::RemoteId.eq(number))
        .or(orders::Column::InvoiceNumber.eq(number))
        .or(orders::Column::TrackingNumber.eq(number));
    orders::Entity::of_merchant(merchant.0)
        .filter(is_it)
        .order_by_asc(orders::Column::Id)
        .limit(100)
        .all(db.read())
        .await
}

/// One order, whole.
pub async fn order_full(
    db: &Db,
    merchant: MerchantId,
    id: OrderId,
) -> Result<Option<OrderFull>, DbErr> {
    let order = orders::Entity::of_merchant(merchant.0)
        .filter(orders::Column::Id.eq(id.0))
        .one(db.read())
        .await?;
    let Some(order) = order else {
        return Ok(None);
    };
    let lines = order_lines::Entity::of_merchant(merchant.0)
        .filter(order_lines::Column::OrderId.eq(id.0))
        .order_by_asc(order_lines::Column::Id)
        .all(db.read())
        .await?;
    let steps = order_steps::Entity::of_merchant(merchant.0)
        .filter(order_steps::Column::OrderId.eq(id.0))
        .order_by_asc(order_steps::Column::Id)
        .all(db.read())
        .await?;
    let returns = match order.n_returns {
        0 => Vec::new(),
        _ => returns::of_order(db.read(), order.id).await?,
    };
    let conflicts = queue::of_order(db.read(), id).await?;
    Ok(Some(OrderFull {
        order,
        lines,
        steps,
        returns,
        conflicts,
    }))
}

/// Orders with a line that waits for a SKU of this code: connection and remote id.
pub async fn orders_waiting_for<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    code: &str,
) -> Result<Vec<(ChannelId, RemoteId)>, DbErr> {
    let waiting: Vec<i64> = order_lines::Entity::of_merchant(merchant.0)
        .select_only()
        .column(order_lines::Column::OrderId)
        .distinct()
        .filter(order_lines::Column::SkuId.is_null())
        .filter(order_lines::Column::SellerSku.eq(code))
        .limit(10_000)
        .into_tuple()
        .all(db)
        .await?;
    let rows = orders::Entity::of_merchant(merchant.0)
        .filter(orders::Column::Id.is_in(waiting))
        .order_by_asc(orders::Column::Id)
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ChannelId(row.connection_id), row.remote_id.into()))
        .collect())
}

/// Orders per channel as the merchant sees them.
pub async fn counts_by_channel(
    db: &Db,
    merchant: MerchantId,
) -> Result<Vec<(ChannelId, u64)>, DbErr> {
    let rows: Vec<(i64, i64)> = orders::Entity::of_merchant(merchant.0)
        .select_only()
        .column(orders::Column::ChannelId)
        .column_as(orders::Column::Id.count(), "n")
        .group_by(orders::Column::ChannelId)
        .into_tuple()
        .all(db.read())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(channel, n)| (ChannelId(channel), n.cast_unsigned()))
        .collect())
}
