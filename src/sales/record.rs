//! Writing one order to the books, in the caller's transaction.

use super::{
    Booked, Plan, Step,
    imported::{imported_id, own_row},
    lines,
    numbers::take_number,
    plan,
    queries::{document_name, fulfilment_name, standing_of},
};
use crate::channels::{self, Channel, ChannelError};
use crate::db::Tx;
use crate::domain::{Document, Fulfilment, Order, OrderId, OutletId, Source, Timestamp};
use crate::stock::{self, SoldOn};
use entity::{order_lines, order_steps, orders};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use sha2::{Digest, Sha256};

/// Where a reading came from.
#[derive(Debug, Clone, Copy)]
pub struct Recording<'a> {
    /// The channel whose connection read the order.
    pub connection: &'a Channel,
    pub source: Source,
}

/// What a reading did to the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    Booked {
        order: OrderId,
        steps: Vec<Step>,
        is_new: bool,
    },
    Unchanged(OrderId),
    /// The books hold a newer version.
    Older(OrderId),
    /// A draft, or an unpaid order that the channel does not want.
    NothingToBook,
}

/// Records one order as the marketplace shows it now.
///
/// 1. Lock the booked order, and leave if it is newer or the same.
/// 2. Decide the steps and what each line shall hold (`plan`, pure).
/// 3. Write the order, its lines, the stock movements and the steps, each at most once.
/// 4. Enqueue a push for every other listing of each SKU that moved.
///
/// # Errors
/// When the database fails; nothing is written then.
pub async fn record_order(
    tx: &Tx,
    recording: Recording<'_>,
    order: &Order,
    now: Timestamp,
) -> Result<Recorded, ChannelError> {
    let connection = recording.connection;
    let held = held_order(tx, connection, order).await?;
    let hash = content_hash(order);
    let channel_id = channels::of_platform(tx, connection, order.platform, now).await?;
    let channel = channels::load(tx, channel_id).await?;
    let held_lines = match &held {
        None => Vec::new(),
        Some(row) => lines_of(tx, row.id).await?,
    };
    if let Some(row) = &held {
        let id = OrderId(row.id);
        if order.version.micros() < row.version {
            return Ok(Recorded::Older(id));
        }
        let waits = held_lines.iter().any(|line| line.flag.is_some());
        let wanted_now = row.document == "none" && channel.settings.unpaid_orders;
        // What was read is compared with what was read, and with what the books say of it.
        let is_as_booked = row.remote_status == order.remote_status
            && row.total_minor == order.total.minor
            && row.currency == order.currency.code();
        if row.content_hash == hash && is_as_booked && !waits && !wanted_now {
            if row.version < order.version.micros() {
                set_version(tx, id, order.version).await?;
            }
            return Ok(Recorded::Unchanged(id));
        }
    }
    let before = held.as_ref().map(|row| Booked {
        standing: standing_of(row),
        has_tracking_number: row.tracking_number.is_some(),
        attention: row.attention.clone(),
        lines: held_lines.iter().map(lines::booked).collect(),
    });
    let plan = plan::plan(before.as_ref(), order, channel.settings.unpaid_orders);
    if held.is_none() && plan.standing.document == Document::None {
        return Ok(Recorded::NothingToBook);
    }
    let is_new = held.is_none();
    let row = write_order(tx, recording, &channel, order, &plan, held, hash, now).await?;
    let id = OrderId(row.id);
    let movements = lines::write_lines(tx, &row, order, &plan, held_lines).await?;
    let moved = stock::append(tx, connection.merchant, &movements, now).await?;
    write_steps(tx, &row, order, &plan, recording.source, now).await?;
    let sold = SoldOn {
        channel: connection.id,
        reduces_own_stock: connection.marketplace.limits().reduces_own_stock,
        placed_at: order.placed_at,
    };
    stock::enqueue_pushes(
        tx,
        connection.merchant,
        &moved,
        Some(sold),
        Source::Sale,
        now,
    )
    .await?;
    Ok(Recorded::Booked {
        order: id,
        steps: plan.steps,
        is_new,
    })
}

async fn held_order(
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
    own_row(tx, rows, order).await
}

async fn lines_of(tx: &Tx, order: i64) -> Result<Vec<order_lines::Model>, DbErr> {
    order_lines::Entity::find()
        .filter(order_lines::Column::OrderId.eq(order))
        .order_by_asc(order_lines::Column::Id)
        .all(tx)
        .await
}

async fn set_version(tx: &Tx, id: OrderId, version: Timestamp) -> Result<(), DbErr> {
    orders::Entity::update_many()
        .col_expr(orders::Column::Version, Expr::value(version.micros()))
        .filter(orders::Column::Id.eq(id.0))
        .exec(tx)
        .await?;
    Ok(())
}

/// Of everything that was read, except the version: marketplaces move that without a change.
fn content_hash(order: &Order) -> String {
    let mut read = order.clone();
    read.version = Timestamp::EPOCH;
    hex::encode(&Sha256::digest(format!("{read:?}").as_bytes())[..16])
}

#[allow(clippy::too_many_arguments)]
async fn write_order(
    tx: &Tx,
    recording: Recording<'_>,
    channel: &Channel,
    order: &Order,
    plan: &Plan,
    held: Option<orders::Model>,
    hash: String,
    now: Timestamp,
) -> Result<orders::Model, DbErr> {
    let standing = plan.standing;
    let invoice_number = match &held {
        Some(row) if row.invoice_number.is_some() => row.invoice_number.clone(),
        _ if standing.document == Document::Invoice => {
            let outlet = held.as_ref().map_or(channel.outlet.0, |row| row.outlet_id);
            Some(take_number(tx, channel.merchant, OutletId(outlet), now).await?)
        }
        _ => None,
    };
    let mut row = orders::ActiveModel {
        channel_id: Set(channel.id.0),
        number: Set(order.number.clone()),
        remote_status: Set(order.remote_status.clone()),
        document: Set(document_name(standing.document).to_owned()),
        paid: Set(standing.paid),
        fulfilment: Set(fulfilment_name(standing.fulfilment).to_owned()),
        invoice_number: Set(invoice_number),
        currency: Set(order.currency.code().to_owned()),
        total_minor: Set(order.total.minor),
        version: Set(order.version.micros()),
        content_hash: Set(hash),
        attention: Set(plan.attention.clone()),
        recorded_at: Set(now.micros()),
        ..Default::default()
    };
    // A tracking number that was booked is not taken back by a reading without one.
    if order.tracking_number.is_some() || held.is_none() {
        row.tracking_number = Set(order.tracking_number.clone());
    }
    if let Some(held) = held {
        row.id = Set(held.id);
        return row.update(tx).await;
    }
    row.merchant_id = Set(recording.connection.merchant.0);
    row.connection_id = Set(recording.connection.id.0);
    row.outlet_id = Set(channel.outlet.0);
    row.remote_id = Set(order.remote_id.to_string());
    row.placed_at = Set(order.placed_at.micros());
    row.left_before = Set(has_left_before(recording.connection, order, plan));
    row.source = Set(recording.source.as_str().to_owned());
    row.first_seen_at = Set(now.micros());
    row.insert(tx).await
}

/// Goods that had left when the shop was connected are not in the merchant's opening count.
fn has_left_before(connection: &Channel, order: &Order, plan: &Plan) -> bool {
    let has_left = plan.standing.fulfilment == Fulfilment::Sent
        || plan.lines.iter().any(|line| line.shipped > 0);
    has_left && order.version < connection.connected_at
}

async fn write_steps(
    tx: &Tx,
    row: &orders::Model,
    order: &Order,
    plan: &Plan,
    source: Source,
    now: Timestamp,
) -> Result<(), DbErr> {
    for step in &plan.steps {
        let detail = match step {
            Step::CreateInvoice | Step::ConvertToInvoice => row.invoice_number.clone(),
            Step::ArrangeShipment | Step::OutboundLogistic => order.tracking_number.clone(),
            Step::AddPayment => Some(order.total.to_string()),
            Step::CreateOrder | Step::VoidInvoice | Step::ReturnGoods => {
                Some(order.remote_status.clone())
            }
        };
        let step = order_steps::ActiveModel {
            merchant_id: Set(row.merchant_id),
            order_id: Set(row.id),
            step: Set(step.as_str().to_owned()),
            detail: Set(detail),
            source: Set(source.as_str().to_owned()),
            done_at: Set(now.micros()),
            ..Default::default()
        };
        let unique = [order_steps::Column::OrderId, order_steps::Column::Step];
        order_steps::Entity::insert(step)
            .on_conflict(OnConflict::columns(unique).do_nothing().to_owned())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Notes why a person should look at a booked order, such as that the store no longer has it.
/// False when the books do not hold it.
pub async fn mark_attention(
    tx: &Tx,
    connection: &Channel,
    remote_id: &crate::domain::RemoteId,
    reason: &str,
) -> Result<bool, DbErr> {
    let marked = orders::Entity::update_many()
        .col_expr(orders::Column::Attention, Expr::value(reason))
        .filter(orders::Column::ConnectionId.eq(connection.id.0))
        .filter(orders::Column::RemoteId.eq(remote_id.as_str()))
        .exec(tx)
        .await?;
    Ok(marked.rows_affected > 0)
}
