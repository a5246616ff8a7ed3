//! Lines that wait for a SKU: sold, booked, and without effect on stock until the line has one.

use crate::domain::{ChannelId, MerchantId, RemoteId, Timestamp};
use entity::{order_lines, orders};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use std::collections::HashMap;

/// Orders read again for one cause.
const MOST: u64 = 10_000;
/// Values bound in one statement.
const AT_ONCE: usize = 1_000;

/// Whose listing has a SKU by now. A correlated question, which the query builder cannot ask without relations.
const IS_LINKED: &str = "exists (select 1 from orders o join listings l \
    on l.channel_id = o.connection_id and l.product_id = order_lines.product_id \
    and l.variant_id = order_lines.variant_id \
    where o.id = order_lines.order_id and l.sku_id is not null)";

/// Orders of a connection with a line of one of `products` that waits, though its listing has a SKU now. Two queries
/// for every thousand products.
pub async fn orders_waiting_for_products<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    connection: ChannelId,
    products: &[&str],
) -> Result<Vec<RemoteId>, DbErr> {
    let mut found = Vec::new();
    for chunk in products.chunks(AT_ONCE) {
        let waiting: Vec<i64> = order_lines::Entity::of_merchant(merchant.0)
            .select_only()
            .column(order_lines::Column::OrderId)
            .distinct()
            .filter(order_lines::Column::SkuId.is_null())
            .filter(order_lines::Column::ProductId.is_in(chunk.iter().copied()))
            .filter(Expr::cust(IS_LINKED))
            .limit(MOST)
            .into_tuple()
            .all(db)
            .await?;
        if waiting.is_empty() {
            continue;
        }
        let ids: Vec<String> = orders::Entity::of_merchant(merchant.0)
            .select_only()
            .column(orders::Column::RemoteId)
            .filter(orders::Column::ConnectionId.eq(connection.0))
            .filter(orders::Column::Id.is_in(waiting))
            .order_by_asc(orders::Column::Id)
            .into_tuple()
            .all(db)
            .await?;
        found.extend(ids.into_iter().map(RemoteId::from));
    }
    Ok(found)
}

/// Orders with a line that waits for a SKU of one of these codes: connection and remote id. Two queries for every
/// thousand codes.
pub async fn orders_waiting_for_codes<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    codes: &[&str],
) -> Result<Vec<(ChannelId, RemoteId)>, DbErr> {
    let mut found = Vec::new();
    for chunk in codes.chunks(AT_ONCE) {
        let waiting: Vec<i64> = order_lines::Entity::of_merchant(merchant.0)
            .select_only()
            .column(order_lines::Column::OrderId)
            .distinct()
            .filter(order_lines::Column::SkuId.is_null())
            .filter(order_lines::Column::SellerSku.is_in(chunk.iter().copied()))
            .limit(MOST)
            .into_tuple()
            .all(db)
            .await?;
        if waiting.is_empty() {
            continue;
        }
        let rows: Vec<(i64, String)> = orders::Entity::of_merchant(merchant.0)
            .select_only()
            .columns([orders::Column::ConnectionId, orders::Column::RemoteId])
            .filter(orders::Column::Id.is_in(waiting))
            .order_by_asc(orders::Column::Id)
            .into_tuple()
            .all(db)
            .await?;
        let pair = |(connection, id)| (ChannelId(connection), RemoteId::from(id));
        found.extend(rows.into_iter().map(pair));
    }
    Ok(found)
}

/// Units sold on one listing that wait for its SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingUnits {
    pub units: i64,
    pub placed_at: Timestamp,
}

/// Units that will leave the stock when lines of these products find their SKU, by product and variant. Two queries.
pub async fn waiting_units<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    connection: ChannelId,
    products: &[&str],
) -> Result<HashMap<(String, String), Vec<WaitingUnits>>, DbErr> {
    let lines = order_lines::Entity::of_merchant(merchant.0)
        .filter(order_lines::Column::SkuId.is_null())
        .filter(order_lines::Column::ProductId.is_in(products.iter().copied()))
        .order_by_asc(order_lines::Column::Id)
        .limit(MOST)
        .all(db)
        .await?;
    if lines.is_empty() {
        return Ok(HashMap::new());
    }
    // What had left before the shop was connected moves no stock; what is void holds none.
    let placed: HashMap<i64, i64> = orders::Entity::of_merchant(merchant.0)
        .select_only()
        .columns([orders::Column::Id, orders::Column::PlacedAt])
        .filter(orders::Column::Id.is_in(lines.iter().map(|line| line.order_id)))
        .filter(orders::Column::ConnectionId.eq(connection.0))
        .filter(orders::Column::LeftBefore.eq(false))
        .filter(orders::Column::Document.is_in(["sales_order", "invoice"]))
        .into_tuple()
        .all(db)
        .await?
        .into_iter()
        .collect();
    let mut units: HashMap<_, Vec<WaitingUnits>> = HashMap::new();
    for line in lines {
        let Some(placed_at) = placed.get(&line.order_id) else {
            continue;
        };
        let key = (line.product_id, line.variant_id);
        units.entry(key).or_default().push(WaitingUnits {
            units: line.quantity - line.cancelled,
            placed_at: Timestamp::from_micros(*placed_at),
        });
    }
    Ok(units)
}
