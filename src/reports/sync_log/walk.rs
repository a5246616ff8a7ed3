//! Walking over booked orders in the order in which they were placed, with how each of their steps stands.

use super::{Scope, SyncLogOrder};
use crate::domain::{ChannelId, OrderId};
use crate::reports::{search::Subject, trace};
use crate::sales::{self, Shown, Step, StepOutcome, Taken};
use crate::sync;
use entity::{order_steps, orders};
use sea_orm::{
    ColumnTrait, Condition, DbErr, QueryFilter, QueryOrder, QuerySelect, sea_query::ExprTrait,
};
use std::collections::HashMap;

/// Orders of a page.
const PAGE: u64 = 500;

/// Where a page ended: when the last order was placed, and its id.
pub(super) type Place = (i64, i64);

pub(super) struct Walked {
    pub row: orders::Model,
    pub outcomes: Vec<(Step, StepOutcome)>,
    /// What the marketplace said last; none where that is not kept any more.
    shown_as: Option<String>,
}

pub(super) struct Page {
    pub orders: Vec<Walked>,
    pub next: Option<Place>,
}

/// Reads `micros:id`.
pub(super) fn place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once(':')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

pub(super) fn next_of(row: &orders::Model) -> String {
    format!("{}:{}", row.placed_at, row.id)
}

/// One page of booked orders. Three queries.
pub(super) async fn page(scope: &Scope<'_>, after: Option<Place>) -> Result<Page, DbErr> {
    let db = scope.queue.db().read();
    let merchant = scope.merchant.0;
    let mut only = Condition::all()
        .add(orders::Column::PlacedAt.gte(scope.window.from.micros()))
        .add(orders::Column::PlacedAt.lt(scope.window.to.micros()));
    if let Some((at, id)) = after {
        let later = orders::Column::PlacedAt.gt(at);
        let same = orders::Column::PlacedAt
            .eq(at)
            .and(orders::Column::Id.gt(id));
        only = only
            .add(orders::Column::PlacedAt.gte(at))
            .add(later.or(same));
    }
    let rows = orders::Entity::of_merchant(merchant)
        .filter(only)
        .order_by_asc(orders::Column::PlacedAt)
        .order_by_asc(orders::Column::Id)
        .limit(PAGE)
        .all(db)
        .await?;
    let is_full = rows.len() as u64 == PAGE;
    let last = rows.last().filter(|_| is_full);
    let next = last.map(|row| (row.placed_at, row.id));
    let rows: Vec<orders::Model> = rows
        .into_iter()
        .filter(|row| scope.is_wanted_channel(row.channel_id))
        .collect();
    if rows.is_empty() {
        return Ok(Page {
            orders: Vec::new(),
            next,
        });
    }
    let steps = order_steps::Entity::of_merchant(merchant)
        .filter(order_steps::Column::OrderId.is_in(rows.iter().map(|row| row.id)))
        .order_by_asc(order_steps::Column::Id)
        .all(db)
        .await?;
    let mut by_order: HashMap<i64, Vec<order_steps::Model>> = HashMap::new();
    for step in steps {
        by_order.entry(step.order_id).or_default().push(step);
    }
    let ids: Vec<&str> = rows.iter().map(|row| row.remote_id.as_str()).collect();
    let readings = sync::newest_shown(db, scope.merchant, &ids).await?;
    let readings: HashMap<(i64, String), entity::readings::Model> = readings
        .into_iter()
        .map(|one| ((one.channel_id, one.remote_id.clone()), one))
        .collect();
    let walked = |row: orders::Model| {
        let steps = by_order.remove(&row.id).unwrap_or_default();
        let taken = Taken::of(&row, &steps);
        let reading = readings.get(&(row.connection_id, row.remote_id.clone()));
        // Without what was said the books are taken for it: they follow every reading.
        let shown = reading.and_then(trace::shown).unwrap_or(Shown {
            standing: taken.standing,
            has_tracking_number: taken.has_tracking_number,
        });
        let channel = scope.channels.get(&row.channel_id);
        let unpaid_orders = channel.is_some_and(|channel| channel.settings.unpaid_orders);
        Walked {
            outcomes: sales::outcomes(shown, Some(&taken), unpaid_orders),
            shown_as: reading.and_then(|one| one.remote_status.clone()),
            row,
        }
    };
    Ok(Page {
        orders: rows.into_iter().map(walked).collect(),
        next,
    })
}

impl Walked {
    /// A row for each step that is asked for.
    pub fn rows(&self, scope: &Scope<'_>) -> Vec<SyncLogOrder> {
        let wanted =
            |(step, outcome): &&(Step, StepOutcome)| scope.is_wanted(step.as_str(), *outcome);
        self.outcomes
            .iter()
            .filter(wanted)
            .map(|(step, outcome)| self.of_step(scope, *step, *outcome))
            .collect()
    }

    fn of_step(&self, scope: &Scope<'_>, step: Step, outcome: StepOutcome) -> SyncLogOrder {
        let row = &self.row;
        let standing = sales::standing_in_words(&row.document, row.paid, &row.fulfilment);
        let is_wrong = outcome != StepOutcome::Success;
        let reason = is_wrong.then(|| {
            let shown = self.shown_as.as_deref().unwrap_or(&row.remote_status);
            let asked = row.attention.as_deref();
            let asked = asked.map_or_else(String::new, |why| format!("; {why}"));
            format!("the marketplace shows it as {shown}, the books hold {standing}{asked}")
        });
        SyncLogOrder {
            channel: ChannelId(row.channel_id),
            name: scope.name_of(row.channel_id),
            day: scope.day_of(row.placed_at),
            number: row.number.clone(),
            subject: Subject {
                connection: ChannelId(row.connection_id),
                remote_id: row.remote_id.clone(),
            },
            order: Some(OrderId(row.id)),
            step: step.as_str().to_owned(),
            outcome,
            reason,
            command: is_wrong.then(|| format!("marketsink find {}", trace::quoted(&row.number))),
        }
    }
}
