//! Orders that are booked: reading them under their lock, and writing what no reading of the whole order led to.

use super::{
    Booked, ConflictKind, Plan, Recorded, Recording, Step,
    conflicts::settle_order,
    history::{Done, write_done},
    lines,
    plan::{self, Cause, Rules},
    queries::{document_name, fulfilment_name, standing_of},
    returning::Told,
    returns::{self, ReturnFull},
    told,
    worth::Worth,
};
use crate::channels::{self, Channel, ChannelError, ChannelSettings};
use crate::db::Tx;
use crate::domain::{
    ChannelId, Currency, MerchantId, Order, OrderId, RemoteId, Return, Source, Timestamp,
};
use crate::stock;
use entity::{order_lines, orders};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};

/// An order as it is booked, with its row locked.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub row: orders::Model,
    pub lines: Vec<order_lines::Model>,
    pub returns: Vec<ReturnFull>,
}

impl Held {
    /// The rest of an order whose row is locked.
    pub async fn of(tx: &Tx, row: orders::Model) -> Result<Self, DbErr> {
        let returns = match row.n_returns {
            0 => Vec::new(),
            _ => returns::of_order(tx, row.id).await?,
        };
        Ok(Self {
            lines: lines_of(tx, row.id).await?,
            returns,
            row,
        })
    }

    /// As the plan needs it. `otherwise` is the currency where the books name one that nobody knows.
    pub fn booked(&self, otherwise: Currency) -> Booked {
        let named = |code: &str| Currency::from_code(code).unwrap_or(otherwise);
        let currency = named(&self.row.currency);
        let told_currency = self.row.told_currency.as_deref().map_or(currency, named);
        Booked {
            standing: standing_of(&self.row),
            has_tracking_number: self.row.tracking_number.is_some(),
            worth: Worth {
                total: self.row.total_minor,
                currency,
                told: self.row.told_minor.map(|told| (told, told_currency)),
            },
            lines: self.lines.iter().map(lines::booked).collect(),
            returns: self.returns.iter().map(returns::booked).collect(),
        }
    }

    /// Whether the reading says what was read before, and the books say what can be said of it.
    pub fn is_as_read(&self, order: &Order, hash: &str, settings: &ChannelSettings) -> bool {
        let row = &self.row;
        let waits = self.lines.iter().any(|line| line.flag.is_some());
        let wanted_now = row.document == "none" && settings.unpaid_orders;
        // What was read is compared with what was read, and with what the books say of it.
        let currency = row.told_currency.as_ref().unwrap_or(&row.currency);
        let is_as_booked = row.remote_status == order.remote_status
            && row.told_minor.unwrap_or(row.total_minor) == order.total.minor
            && currency == order.currency.code();
        row.content_hash == hash && is_as_booked && !waits && !wanted_now
    }
}

/// What can be said without a reading of the order.
pub(super) const JUDGED_WITHIN: &[ConflictKind] = &[
    ConflictKind::CalledOffAfterSent,
    ConflictKind::RefundOverPaid,
    ConflictKind::GoodsUndecided,
];

/// Records one return that was told by itself, of an order that is booked. `None` when it is not: the return comes with
/// the order then.
///
/// # Errors
/// When the database fails; nothing is written then.
pub async fn record_return(
    tx: &Tx,
    recording: Recording<'_>,
    order: &RemoteId,
    told: &Return,
    now: Timestamp,
) -> Result<Option<Recorded>, ChannelError> {
    let Some(row) = held_order(tx, recording.connection, order).await? else {
        return Ok(None);
    };
    let held = Held::of(tx, row).await?;
    let otherwise = told.refund.map(|refund| refund.currency);
    let Some(currency) = otherwise.or_else(|| Currency::from_code(&held.row.currency).ok()) else {
        return Ok(Some(Recorded::Unchanged(OrderId(held.row.id))));
    };
    let before = held.booked(currency);
    let channel = channels::load(tx, ChannelId(held.row.channel_id)).await?;
    let plan = plan::replan(&before, Told::One(told), &rules(&channel.settings));
    if plan.returning.returns == before.returns {
        return Ok(Some(Recorded::Unchanged(OrderId(held.row.id))));
    }
    let applied = apply(tx, held, &plan, Vec::new(), recording.source, now).await?;
    Ok(Some(Recorded::Booked {
        order: applied,
        steps: plan.steps,
        is_new: false,
    }))
}

pub(super) fn rules(settings: &ChannelSettings) -> Rules<'_> {
    Rules {
        unpaid_orders: settings.unpaid_orders,
        returns: &settings.returns,
    }
}

/// Writes a plan that no reading of the order led to.
pub(super) async fn apply(
    tx: &Tx,
    held: Held,
    plan: &Plan,
    mut done: Vec<Done>,
    source: Source,
    now: Timestamp,
) -> Result<OrderId, ChannelError> {
    let (merchant, id) = (MerchantId(held.row.merchant_id), OrderId(held.row.id));
    let question = (plan.causes.as_slice(), JUDGED_WITHIN);
    let open = settle_order(tx, merchant, id, question, now).await?;
    let row = orders::ActiveModel {
        id: Set(held.row.id),
        document: Set(document_name(plan.standing.document).to_owned()),
        fulfilment: Set(fulfilment_name(plan.standing.fulfilment).to_owned()),
        currency: Set(plan.worth.currency.code().to_owned()),
        total_minor: Set(plan.worth.total),
        told_minor: Set(plan.worth.told.map(|(told, _)| told)),
        told_currency: Set(plan
            .worth
            .told
            .map(|(_, currency)| currency.code().to_owned())),
        refunded_minor: Set(plan.returning.credited),
        n_returns: Set(count(plan.returning.returns.len())),
        attention: Set(attention(held.row.remark.as_deref(), &open)),
        recorded_at: Set(now.micros()),
        ..Default::default()
    };
    let row = row.update(tx).await?;
    let changes = lines::write_lines(tx, &row, None, &plan.lines, held.lines, now).await?;
    let channel = channels::load(tx, ChannelId(row.channel_id)).await?;
    let holding = stock::hold(tx, &channel, id, &changes).await?;
    let moved = stock::append_untold(tx, merchant, &holding.movements, now).await?;
    let both = (held.returns.as_slice(), plan.returning.returns.as_slice());
    let steps = returns::write(tx, &row, plan.worth.currency, both, source, now).await?;
    done.extend(steps);
    write_done(tx, &row, &done, source, now).await?;
    let steps: Vec<Step> = done.iter().map(|done| done.step).collect();
    let did = told::Did {
        merchant,
        order: id,
        steps: &steps,
        is_new: false,
        is_news: true,
        movements: &holding.movements,
        moved: &moved,
    };
    told::tell(tx, &did, now).await?;
    stock::enqueue_pushes(tx, merchant, &moved, None, source, now).await?;
    Ok(id)
}

/// Asks a person about a booked order that the store no longer shows. It is no question any more once it is shown
/// again. False when the books do not hold it.
pub async fn mark_attention(
    tx: &Tx,
    connection: &Channel,
    remote_id: &RemoteId,
    reason: &str,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let Some(row) = held_order(tx, connection, remote_id).await? else {
        return Ok(false);
    };
    let cause = Cause::new(
        ConflictKind::OrderNotShown,
        reason,
        serde_json::json!({"reason": reason}),
    );
    let (merchant, id) = (connection.merchant, OrderId(row.id));
    let told = settle_order(tx, merchant, id, (&[cause], &[]), now).await?;
    set_attention(tx, &row, &told).await?;
    Ok(true)
}

/// The remark of the reading and what is open, in one line.
pub(super) fn attention(remark: Option<&str>, open: &[String]) -> Option<String> {
    let parts: Vec<&str> = remark
        .into_iter()
        .chain(open.iter().map(String::as_str))
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

pub(super) async fn set_attention(
    tx: &Tx,
    row: &orders::Model,
    open: &[String],
) -> Result<(), DbErr> {
    let attention = attention(row.remark.as_deref(), open);
    orders::Entity::update_many()
        .col_expr(orders::Column::Attention, Expr::value(attention))
        .filter(orders::Column::Id.eq(row.id))
        .exec(tx)
        .await?;
    Ok(())
}

pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(super) async fn held_order(
    tx: &Tx,
    connection: &Channel,
    order: &RemoteId,
) -> Result<Option<orders::Model>, DbErr> {
    orders::Entity::of_merchant(connection.merchant.0)
        .filter(orders::Column::ConnectionId.eq(connection.id.0))
        .filter(orders::Column::RemoteId.eq(order.as_str()))
        .lock_exclusive()
        .one(tx)
        .await
}

async fn lines_of(tx: &Tx, order: i64) -> Result<Vec<order_lines::Model>, DbErr> {
    order_lines::Entity::find()
        .filter(order_lines::Column::OrderId.eq(order))
        .order_by_asc(order_lines::Column::Id)
        .all(tx)
        .await
}
