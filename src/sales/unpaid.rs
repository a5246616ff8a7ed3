//! Orders that are not paid yet and not booked: the marketplace holds their units all the same.

use super::lines::Skus;
use crate::channels::Channel;
use crate::db::Tx;
use crate::domain::{Document, Order, SkuId, Source, Timestamp};
use crate::stock::{self, SoldOn, UnpaidOrder};
use sea_orm::DbErr;

/// Keeps the units of an unpaid order out of what every channel is told, where the marketplace has lowered its own
/// number for them.
pub async fn hold(
    tx: &Tx,
    connection: &Channel,
    channel: &Channel,
    order: &Order,
    now: Timestamp,
) -> Result<(), DbErr> {
    // Drafts hold nothing.
    let is_unpaid = order.standing.document == Document::SalesOrder;
    if !is_unpaid || !connection.marketplace.limits().reduces_own_stock {
        return Ok(());
    }
    let mut skus = Skus::default();
    let mut sold: Vec<(SkuId, i64)> = Vec::new();
    for line in &order.lines {
        let of = (connection.merchant, connection.id);
        if let Some(sku) = skus.resolve(tx, of, line).await? {
            sold.push((sku, line.open_quantity()));
        }
    }
    let unpaid = UnpaidOrder {
        merchant: connection.merchant,
        connection: connection.id,
        outlet: channel.outlet,
        remote_id: &order.remote_id,
        placed_at: order.placed_at,
    };
    let changed = stock::hold_softly(tx, &unpaid, &sold, now).await?;
    let alone: Vec<SkuId> = sold.into_iter().map(|(sku, _)| sku).collect();
    let sold = SoldOn {
        channel: connection.id,
        reduces_own_stock: true,
        placed_at: order.placed_at,
        alone: &alone,
    };
    let merchant = connection.merchant;
    stock::enqueue_pushes(tx, merchant, &changed, Some(sold), Source::Sale, now).await?;
    Ok(())
}

/// Lets go of what an order held before it was booked. Returns the SKUs.
pub async fn release(tx: &Tx, connection: &Channel, order: &Order) -> Result<Vec<SkuId>, DbErr> {
    if !connection.marketplace.limits().reduces_own_stock {
        return Ok(Vec::new());
    }
    stock::release_softly(tx, connection.id, &order.remote_id).await
}
