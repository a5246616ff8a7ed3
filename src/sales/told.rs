//! What is told of an order: the whole of it as the books hold it, so that who hears only the last happening knows
//! all. Nothing of the buyer.

use super::Step;
use crate::catalog;
use crate::channels::{self, Channel, ChannelError};
use crate::db::Tx;
use crate::domain::{ChannelId, ConflictId, MerchantId, OrderId, SkuId, Timestamp};
use crate::outbox::{self, Happening, HappeningKind};
use crate::stock::{self, Movement};
use entity::{conflicts, order_lines, orders, outlets, return_lines, returns};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use std::collections::HashMap;

/// What was done to an order, to be told.
pub(super) struct Did<'a> {
    pub merchant: MerchantId,
    pub order: OrderId,
    pub steps: &'a [Step],
    pub is_new: bool,
    /// It is not as it was, or was decided.
    pub is_news: bool,
    pub movements: &'a [Movement],
    pub moved: &'a [SkuId],
}

/// Tells the sale, its returns and the stock that it moved. One read where nobody listens.
pub(super) async fn tell(tx: &Tx, did: &Did<'_>, now: Timestamp) -> Result<(), ChannelError> {
    let merchant = did.merchant;
    let Some(audience) = outbox::audience(tx, merchant).await? else {
        return Ok(());
    };
    let mut happenings = stock::changes(tx, merchant, did.movements, did.moved).await?;
    let order = orders::Entity::find_by_id(did.order.0).one(tx).await?;
    if let Some(order) = order {
        if let Some(kind) = kind_of(did) {
            let channel = channels::load(tx, ChannelId(order.channel_id)).await?;
            let mut payload = sale(tx, merchant, &order, &channel).await?;
            payload["steps"] = json!(did.steps);
            happenings.push(Happening {
                kind,
                subject: subject(did.order),
                payload,
            });
        }
        happenings.extend(returns(tx, &order, now).await?);
    }
    Ok(audience.tell(tx, &happenings, now).await?)
}

/// The returns of an order that this transaction has written: they were recorded now. Two reads.
async fn returns(tx: &Tx, order: &orders::Model, now: Timestamp) -> Result<Vec<Happening>, DbErr> {
    let written = returns::Entity::of_merchant(order.merchant_id)
        .filter(returns::Column::OrderId.eq(order.id))
        .filter(returns::Column::RecordedAt.eq(now.micros()))
        .order_by_asc(returns::Column::Id)
        .all(tx)
        .await?;
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let lines = return_lines::Entity::of_merchant(order.merchant_id)
        .filter(return_lines::Column::ReturnId.is_in(written.iter().map(|row| row.id)))
        .order_by_asc(return_lines::Column::Id)
        .all(tx)
        .await?;
    let told = |row: &returns::Model| Happening {
        kind: HappeningKind::ReturnRecorded,
        subject: format!("return:{}", row.id),
        payload: returned(order, row, &lines),
    };
    Ok(written.iter().map(told).collect())
}

fn returned(order: &orders::Model, row: &returns::Model, lines: &[return_lines::Model]) -> Value {
    let lines = lines.iter().filter(|line| line.return_id == row.id);
    let lines: Vec<Value> = lines
        .map(|line| {
            json!({
                "line": line.line,
                "quantity": line.quantity,
                "goods": line.goods,
                "credited_minor": line.credited_minor,
                "restocked": line.restocked,
                "quarantined": line.quarantined,
                "written_off": line.written_off,
                "undecided": line.undecided,
            })
        })
        .collect();
    json!({"return": {
        "id": row.id,
        "remote_id": row.remote_id,
        "order": order.id,
        "order_number": order.number,
        "invoice_number": order.invoice_number,
        "state": row.state,
        "remote_status": row.remote_status,
        "reason": row.reason,
        "is_deleted": row.deleted_at.is_some(),
        "currency": order.currency,
        "refund_minor": row.refund_minor,
        "credited_minor": row.credited_minor,
        "lines": lines,
    }})
}

/// Tells that a conflict was raised, or has ended, as it stands now. One read where nobody listens; conflicts are rare.
pub(super) async fn conflict(
    tx: &Tx,
    merchant: MerchantId,
    id: ConflictId,
    now: Timestamp,
) -> Result<(), DbErr> {
    let Some(audience) = outbox::audience(tx, merchant).await? else {
        return Ok(());
    };
    let Some(row) = conflicts::Entity::find_by_id(id.0).one(tx).await? else {
        return Ok(());
    };
    let kind = if row.state == "open" {
        HappeningKind::ConflictRaised
    } else {
        HappeningKind::ConflictResolved
    };
    let facts: Value = serde_json::from_str(&row.facts).unwrap_or_default();
    let payload = json!({"conflict": {
        "id": row.id,
        "kind": row.kind,
        "about": row.subject,
        "order": row.order_id,
        "detail": row.detail,
        "facts": facts,
        "state": row.state,
        "choice": row.choice,
        "raised_at": Timestamp::from_micros(row.raised_at).to_string(),
    }});
    let happening = Happening {
        kind,
        subject: format!("conflict:{id}"),
        payload,
    };
    audience.tell(tx, &[happening], now).await
}

/// What an order is called in the log.
pub fn subject(order: OrderId) -> String {
    format!("order:{order}")
}

fn kind_of(did: &Did<'_>) -> Option<HappeningKind> {
    let steps = did.steps;
    if did.is_new {
        return Some(HappeningKind::SaleRecorded);
    }
    if steps.contains(&Step::VoidInvoice) {
        return Some(HappeningKind::InvoiceVoided);
    }
    let is_change = did.is_news || !steps.is_empty() || !did.moved.is_empty();
    is_change.then_some(HappeningKind::SaleChanged)
}

/// An order as other programs are told of it. Three reads.
///
/// # Errors
/// When the database cannot be asked.
pub async fn sale<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    order: &orders::Model,
    channel: &Channel,
) -> Result<Value, DbErr> {
    let lines = order_lines::Entity::of_merchant(merchant.0)
        .filter(order_lines::Column::OrderId.eq(order.id))
        .order_by_asc(order_lines::Column::Id)
        .all(db)
        .await?;
    let skus: Vec<SkuId> = lines
        .iter()
        .filter_map(|line| line.sku_id.map(SkuId))
        .collect();
    let codes = if skus.is_empty() {
        HashMap::new()
    } else {
        catalog::sku_codes(db, merchant, &skus).await?
    };
    let outlet = outlets::Entity::find_by_id(order.outlet_id).one(db).await?;
    let lines: Vec<Value> = lines.iter().map(|line| told_line(line, &codes)).collect();
    Ok(json!({"order": {
        "id": order.id,
        "number": order.number,
        "remote_id": order.remote_id,
        "channel": {"id": channel.id, "name": channel.name, "platform": channel.platform},
        "outlet": outlet.map(|outlet| outlet.name),
        "document": order.document,
        "payment": if order.paid { "paid" } else { "unpaid" },
        "fulfilment": order.fulfilment,
        "invoice_number": order.invoice_number,
        "reference_number": order.tracking_number,
        "remote_status": order.remote_status,
        "currency": order.currency,
        "total_minor": order.total_minor,
        "refunded_minor": order.refunded_minor,
        "placed_at": Timestamp::from_micros(order.placed_at).to_string(),
        "attention": order.attention,
        "lines": lines,
    }}))
}

fn told_line(line: &order_lines::Model, codes: &HashMap<SkuId, String>) -> Value {
    let sku = line.sku_id.and_then(|sku| codes.get(&SkuId(sku)));
    json!({
        "id": line.remote_id,
        "sku": sku,
        "seller_sku": line.seller_sku,
        "title": line.title,
        "quantity": line.quantity,
        "cancelled": line.cancelled,
        "allocated": line.allocated,
        "shipped": line.shipped,
        "total_minor": line.total_minor,
        "refunded_minor": line.refunded_minor,
    })
}
