//! The history of an order: what was done, each once.

use super::{Plan, Step, lines::subject};
use crate::db::Tx;
use crate::domain::{Money, Order, Source, Timestamp};
use entity::{order_steps, orders};
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, sea_query::OnConflict};

/// A step to be written down, of a return, an edit or a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub step: Step,
    /// Which one; of one step and subject only the first is written.
    pub subject: String,
    pub detail: Option<String>,
}

/// The steps of the order itself.
pub(super) async fn write_steps(
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
            Step::AddPayment => Some(payment(row, order)),
            _ => Some(order.remote_status.clone()),
        };
        let subject = subject(row.booking);
        let step = Done {
            step: *step,
            subject,
            detail,
        };
        write_step(tx, row, &step, source, now).await?;
    }
    Ok(())
}

/// What was paid, and what of it was written off.
fn payment(row: &orders::Model, order: &Order) -> String {
    let paid = order.total.to_string();
    match &row.fee_reason {
        Some(reason) if row.fee_minor > 0 => {
            let fee = Money {
                minor: row.fee_minor,
                currency: order.total.currency,
            };
            format!("{paid}, of which {fee} is written off: {reason}")
        }
        _ => paid,
    }
}

/// Steps of returns, edits and decisions.
pub(super) async fn write_done(
    tx: &Tx,
    row: &orders::Model,
    done: &[Done],
    source: Source,
    now: Timestamp,
) -> Result<(), DbErr> {
    for step in done {
        write_step(tx, row, step, source, now).await?;
    }
    Ok(())
}

async fn write_step(
    tx: &Tx,
    row: &orders::Model,
    done: &Done,
    source: Source,
    now: Timestamp,
) -> Result<(), DbErr> {
    let step = order_steps::ActiveModel {
        merchant_id: Set(row.merchant_id),
        order_id: Set(row.id),
        step: Set(done.step.as_str().to_owned()),
        detail: Set(done.detail.clone()),
        source: Set(source.as_str().to_owned()),
        done_at: Set(now.micros()),
        subject: Set(done.subject.clone()),
        ..Default::default()
    };
    let unique = [
        order_steps::Column::OrderId,
        order_steps::Column::Step,
        order_steps::Column::Subject,
    ];
    order_steps::Entity::insert(step)
        .on_conflict(OnConflict::columns(unique).do_nothing().to_owned())
        .exec_without_returning(tx)
        .await?;
    Ok(())
}
