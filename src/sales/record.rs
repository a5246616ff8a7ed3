//! Writing one order to the books, in the caller's transaction.

use super::{
    Booked, BookedLine, ConflictKind, Plan, Step,
    conflicts::settle_order,
    edits,
    held::{Held, attention, count, rules, set_attention},
    history::{Done, write_done, write_steps},
    imported::held_or_imported,
    lines,
    numbers::take_number,
    plan::{self, Cause},
    queries::{document_name, fulfilment_name},
    returns,
    settlements::written_off,
    told, unpaid,
    worth::Worth,
};
use crate::channels::{self, Channel, ChannelError};
use crate::db::Tx;
use crate::domain::{
    Document, Fulfilment, MerchantId, Order, OrderId, OutletId, Source, Timestamp,
};
use crate::stock::{self, SoldOn};
use entity::{order_lines, orders};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
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

/// What a reading can say is in question, or no longer is.
const JUDGED: &[ConflictKind] = &[
    ConflictKind::CalledOffAfterSent,
    ConflictKind::PaidAfterVoid,
    ConflictKind::SoldAfterVoid,
    ConflictKind::TotalDiffers,
    ConflictKind::CurrencyChanged,
    ConflictKind::RefundOverPaid,
    ConflictKind::GoodsUndecided,
    ConflictKind::UnknownStatus,
    ConflictKind::OrderNotShown,
];

/// Records one order as the marketplace shows it now.
///
/// 1. Lock the booked order, and leave if it is newer or the same.
/// 2. Decide the steps and what each line shall hold (`plan`, pure).
/// 3. Write the order, its lines, the stock movements, the returns and the steps, each at most once.
/// 4. Tell whoever listens, and enqueue a push for every other listing of each SKU that moved.
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
    let row = held_or_imported(tx, connection, order).await?;
    let hash = content_hash(order);
    let channel_id = channels::of_platform(tx, connection, order.platform, now).await?;
    let channel = channels::load(tx, channel_id).await?;
    let held = match row {
        None => None,
        Some(row) if order.version.micros() < row.version => {
            return Ok(Recorded::Older(OrderId(row.id)));
        }
        Some(row) => Some(Held::of(tx, row).await?),
    };
    if let Some(held) = &held
        && held.is_as_read(order, &hash, &channel.settings)
    {
        return unchanged(tx, &held.row, order, now).await;
    }
    let before = held.as_ref().map(|held| held.booked(order.currency));
    let rules = rules(&channel.settings);
    let plan = plan::plan(before.as_ref(), order, &rules);
    if held.is_none() && plan.standing.document == Document::None {
        unpaid::hold(tx, connection, &channel, order, now).await?;
        return Ok(Recorded::NothingToBook);
    }
    let is_new = held.is_none();
    let merchant = connection.merchant;
    let open = match &held {
        Some(held) if held.row.open_conflicts > 0 || !plan.causes.is_empty() => {
            let question = (plan.causes.as_slice(), JUDGED);
            settle_order(tx, merchant, OrderId(held.row.id), question, now).await?
        }
        _ => Vec::new(),
    };
    let attention = attention(order.remark.as_deref(), &open);
    let is_news = held
        .as_ref()
        .is_none_or(|held| held.row.content_hash != hash);
    let (held_row, held_lines, held_returns) = match held {
        None => (None, Vec::new(), Vec::new()),
        Some(held) => (Some(held.row), held.lines, held.returns),
    };
    let edit = before
        .as_ref()
        .and_then(|before| edit(before, &plan, &held_lines, order));
    let writing = Writing {
        recording,
        channel: &channel,
        plan: &plan,
        attention,
    };
    let row = write_order(tx, writing, order, held_row, hash, now).await?;
    let id = OrderId(row.id);
    if is_new && !plan.causes.is_empty() {
        raise_first(tx, &row, &plan.causes, now).await?;
    }
    let changes = lines::write_lines(tx, &row, Some(order), &plan.lines, held_lines, now).await?;
    let holding = stock::hold(tx, &channel, id, &changes).await?;
    let mut moved = stock::append_untold(tx, merchant, &holding.movements, now).await?;
    write_steps(tx, &row, order, &plan, recording.source, now).await?;
    let currency = plan.worth.currency;
    let both = (held_returns.as_slice(), plan.returning.returns.as_slice());
    let mut done = returns::write(tx, &row, currency, both, recording.source, now).await?;
    done.extend(edit);
    write_done(tx, &row, &done, recording.source, now).await?;
    let did = told::Did {
        merchant,
        order: id,
        steps: &plan.steps,
        is_new,
        is_news,
        movements: &holding.movements,
        moved: &moved,
    };
    told::tell(tx, &did, now).await?;
    if is_new {
        moved.extend(unpaid::release(tx, connection, order).await?);
    }
    let sold = SoldOn {
        channel: connection.id,
        reduces_own_stock: connection.marketplace.limits().reduces_own_stock,
        placed_at: order.placed_at,
        alone: &holding.alone,
    };
    stock::enqueue_pushes(tx, merchant, &moved, Some(sold), Source::Sale, now).await?;
    Ok(Recorded::Booked {
        order: id,
        steps: plan.steps,
        is_new,
    })
}

/// The reading says nothing new; but it was shown, whatever was said before.
async fn unchanged(
    tx: &Tx,
    row: &orders::Model,
    order: &Order,
    now: Timestamp,
) -> Result<Recorded, ChannelError> {
    let id = OrderId(row.id);
    if row.open_conflicts > 0 {
        let shown = (&[] as &[Cause], &[ConflictKind::OrderNotShown] as &[_]);
        let told = settle_order(tx, MerchantId(row.merchant_id), id, shown, now).await?;
        set_attention(tx, row, &told).await?;
    }
    if row.version < order.version.micros() {
        set_version(tx, id, order.version).await?;
    }
    Ok(Recorded::Unchanged(id))
}

/// What of a booked order was changed; nothing where it was not booked, or is called off whole.
fn edit(before: &Booked, plan: &Plan, held: &[order_lines::Model], order: &Order) -> Option<Done> {
    let is_booked =
        |document: Document| matches!(document, Document::SalesOrder | Document::Invoice);
    if !is_booked(before.standing.document) || !is_booked(plan.standing.document) {
        return None;
    }
    let names = order.lines.iter().map(|line| {
        let name = line.seller_sku.as_deref().unwrap_or(&line.title);
        (line.remote_id.as_str(), name.to_owned())
    });
    let held_names = held.iter().map(|line| {
        let name = line.seller_sku.as_deref().unwrap_or(&line.title);
        (line.remote_id.as_str(), name.to_owned())
    });
    let names = held_names.chain(names).collect();
    let was = (before.lines.as_slice(), &before.worth);
    let is: (&[BookedLine], &Worth) = (plan.lines.as_slice(), &plan.worth);
    let told = edits::between(was, is, &names)?;
    let told_hash = hex::encode(&Sha256::digest(told.as_bytes())[..4]);
    Some(Done {
        step: Step::ChangeOrder,
        subject: format!("{}-{told_hash}", order.version.micros()),
        detail: Some(told),
    })
}

/// What is in question about an order that was not booked before.
async fn raise_first(
    tx: &Tx,
    row: &orders::Model,
    causes: &[Cause],
    now: Timestamp,
) -> Result<(), DbErr> {
    let merchant = MerchantId(row.merchant_id);
    let told = settle_order(tx, merchant, OrderId(row.id), (causes, JUDGED), now).await?;
    set_attention(tx, row, &told).await
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

/// What is written of an order, and for whom.
struct Writing<'w> {
    recording: Recording<'w>,
    channel: &'w Channel,
    plan: &'w Plan,
    attention: Option<String>,
}

async fn write_order(
    tx: &Tx,
    writing: Writing<'_>,
    order: &Order,
    held: Option<orders::Model>,
    hash: String,
    now: Timestamp,
) -> Result<orders::Model, DbErr> {
    let Writing {
        recording,
        channel,
        plan,
        attention,
    } = writing;
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
        currency: Set(plan.worth.currency.code().to_owned()),
        total_minor: Set(plan.worth.total),
        told_minor: Set(plan.worth.told.map(|(told, _)| told)),
        told_currency: Set(plan
            .worth
            .told
            .map(|(_, currency)| currency.code().to_owned())),
        refunded_minor: Set(plan.returning.credited),
        n_returns: Set(count(plan.returning.returns.len())),
        remark: Set(order.remark.clone()),
        version: Set(order.version.micros()),
        content_hash: Set(hash),
        attention: Set(attention),
        recorded_at: Set(now.micros()),
        ..Default::default()
    };
    // A tracking number that was booked is not taken back by a reading without one.
    if order.tracking_number.is_some() || held.is_none() {
        row.tracking_number = Set(order.tracking_number.clone());
    }
    if plan.steps.contains(&Step::AddPayment)
        && let Some((fee, reason)) = written_off(&channel.settings, plan.worth.total)
    {
        row.fee_minor = Set(fee);
        row.fee_reason = Set(Some(reason));
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
    row.open_conflicts = Set(0);
    row.booking = Set(1);
    if row.fee_minor.is_not_set() {
        row.fee_minor = Set(0);
    }
    row.first_seen_at = Set(now.micros());
    row.insert(tx).await
}

/// Goods that had left when the shop was connected are not in the merchant's opening count.
fn has_left_before(connection: &Channel, order: &Order, plan: &Plan) -> bool {
    let has_left = plan.standing.fulfilment == Fulfilment::Sent
        || plan.lines.iter().any(|line| line.shipped > 0);
    has_left && order.version < connection.connected_at
}
