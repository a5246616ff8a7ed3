//! Orders that a file told before their marketplace did.
//!
//! An imported order has no id at its marketplace, only the number that people know it by. When the marketplace tells
//! an order with that number, the two are one: the imported one takes the marketplace's ids, and everything the
//! marketplace says of it holds from then on.

use crate::channels::Channel;
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, Order, OrderLine, RemoteId};
use entity::{order_lines, orders};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::HashSet;

const IMPORTED: &str = "import:";

/// The id of an order that is known by its number alone, until its marketplace tells another.
pub fn imported_id(number: &str) -> RemoteId {
    RemoteId::new(format!("{IMPORTED}{number}"))
}

/// The numbers, among these, of orders that the books hold for a connection.
pub async fn booked_numbers<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    connection: ChannelId,
    numbers: &[&str],
) -> Result<HashSet<String>, DbErr> {
    let rows: Vec<String> = orders::Entity::of_merchant(merchant.0)
        .select_only()
        .column(orders::Column::Number)
        .filter(orders::Column::ConnectionId.eq(connection.0))
        .filter(orders::Column::Number.is_in(numbers.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// The booked row of an order, locked: its own, or else the imported one, which becomes its own. One statement, unless
/// there is something to join.
pub(super) async fn held_or_imported(
    tx: &Tx,
    connection: &Channel,
    order: &Order,
) -> Result<Option<orders::Model>, DbErr> {
    let imported = imported_id(&order.number);
    let ids = [order.remote_id.as_str(), imported.as_str()];
    let rows = orders::Entity::of_merchant(connection.merchant.0)
        .filter(orders::Column::ConnectionId.eq(connection.id.0))
        .filter(orders::Column::RemoteId.is_in(ids))
        .lock_exclusive()
        .all(tx)
        .await?;
    let is_own = |row: &&orders::Model| row.remote_id == order.remote_id.as_str();
    if let Some(row) = rows.iter().find(is_own) {
        return Ok(Some(row.clone()));
    }
    match rows.into_iter().next() {
        Some(row) => adopt(tx, row, order).await.map(Some),
        None => Ok(None),
    }
}

async fn adopt(tx: &Tx, row: orders::Model, order: &Order) -> Result<orders::Model, DbErr> {
    let mut row = row.into_active_model();
    row.remote_id = Set(order.remote_id.to_string());
    row.placed_at = Set(order.placed_at.micros());
    // Whatever the marketplace says is newer than the file.
    row.version = Set(0);
    row.content_hash = Set(String::new());
    let row = row.update(tx).await?;
    let held = order_lines::Entity::of_merchant(row.merchant_id)
        .filter(order_lines::Column::OrderId.eq(row.id))
        .order_by_asc(order_lines::Column::Id)
        .all(tx)
        .await?;
    for (line, shown) in pairs(held, &order.lines) {
        let mut line = line.into_active_model();
        line.remote_id = Set(shown.remote_id.to_string());
        line.product_id = Set(shown.product_id.to_string());
        line.variant_id = Set(shown.variant_id.to_string());
        line.update(tx).await?;
    }
    Ok(row)
}

/// Imported lines with the line of the marketplace that is theirs: of the same code, the same number of units first.
fn pairs(
    held: Vec<order_lines::Model>,
    shown: &[OrderLine],
) -> Vec<(order_lines::Model, &OrderLine)> {
    let mut left: Vec<&OrderLine> = shown.iter().collect();
    let mut pairs = Vec::new();
    for line in held {
        let same_code = |other: &&OrderLine| other.seller_sku == line.seller_sku;
        let same = |other: &&OrderLine| same_code(other) && other.quantity == line.quantity;
        let at = left.iter().position(same);
        if let Some(at) = at.or_else(|| left.iter().position(same_code)) {
            pairs.push((line, left.remove(at)));
        }
    }
    pairs
}
