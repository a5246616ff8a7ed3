//! Orders that should be in the books and are not: those that completeness misses, and those that could not be read.

use super::{Scope, SyncLogOrder};
use crate::domain::{ChannelId, Day, JobKind, RemoteId, Work};
use crate::reports::{search::Subject, trace};
use crate::sales::{self, Step, StepOutcome};
use crate::sync;
use entity::{completeness, completeness_orders};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Orders of one kind that are looked at.
const MOST: u64 = 10_000;
/// Values bound in one statement.
const AT_ONCE: usize = 1_000;

pub(super) struct Absent {
    /// Whose API has it.
    pub channel: ChannelId,
    pub day: Day,
    number: String,
    remote_id: String,
    /// Those that would have been taken.
    pub steps: Vec<Step>,
    reason: String,
}

impl Absent {
    pub fn row(&self, scope: &Scope<'_>, step: Step) -> SyncLogOrder {
        SyncLogOrder {
            channel: self.channel,
            name: scope.name_of(self.channel.0),
            day: self.day,
            number: self.number.clone(),
            subject: Subject {
                connection: self.channel,
                remote_id: self.remote_id.clone(),
            },
            order: None,
            step: step.as_str().to_owned(),
            outcome: StepOutcome::Missing,
            reason: Some(self.reason.clone()),
            command: Some(format!(
                "marketsink find {} --mend",
                trace::quoted(&self.number)
            )),
        }
    }
}

/// Every absent order of the range, each once, by channel and id.
pub(super) async fn absent(scope: &Scope<'_>) -> Result<Vec<Absent>, DbErr> {
    let mut found: BTreeMap<(ChannelId, String), Absent> = BTreeMap::new();
    for one in unread(scope).await?.into_iter().chain(missed(scope).await?) {
        let key = (one.channel, one.remote_id.clone());
        found.entry(key).or_insert(one);
    }
    let mut kept: Vec<Absent> = Vec::new();
    for connection in scope.connections() {
        let of: Vec<RemoteId> = found
            .keys()
            .filter(|(channel, _)| *channel == connection.id)
            .map(|(_, id)| RemoteId::from(id.as_str()))
            .collect();
        let db = scope.queue.db().read();
        let mut booked = HashSet::new();
        for some in of.chunks(AT_ONCE) {
            booked.extend(
                sales::known_orders(db, connection.id, some)
                    .await?
                    .into_keys(),
            );
        }
        for id in of.iter().filter(|id| !booked.contains(*id)) {
            kept.extend(found.remove(&(connection.id, id.to_string())));
        }
    }
    name(scope, &mut kept).await?;
    kept.retain(|one| !one.steps.is_empty());
    Ok(kept)
}

/// Orders that were heard of and could not be read.
async fn unread(scope: &Scope<'_>) -> Result<Vec<Absent>, DbErr> {
    let mut found = Vec::new();
    for connection in scope.connections() {
        let queue = scope.queue;
        let jobs = queue
            .failing(connection.id, JobKind::FetchOrder, MOST)
            .await?;
        for job in jobs {
            let at = job.created_at;
            let is_in_range = scope.window.from.micros() <= at && at < scope.window.to.micros();
            let Ok(Work::FetchOrder { order }) = Work::from_args(&job.args) else {
                continue;
            };
            if !is_in_range {
                continue;
            }
            let error = job.last_error.unwrap_or_default();
            let what = if job.state == "dead" {
                "reading it was given up"
            } else {
                "reading it failed and is tried again"
            };
            found.push(Absent {
                channel: connection.id,
                day: scope.day_of(at),
                number: order.to_string(),
                remote_id: order.to_string(),
                steps: vec![Step::CreateInvoice],
                reason: format!("{what}: {error}"),
            });
        }
    }
    Ok(found)
}

/// Orders that completeness found at the marketplace alone.
async fn missed(scope: &Scope<'_>) -> Result<Vec<Absent>, DbErr> {
    let db = scope.queue.db().read();
    let (first, last) = scope.query.days;
    let reports: Vec<(i64, String)> = completeness::Entity::of_merchant(scope.merchant.0)
        .select_only()
        .columns([completeness::Column::Id, completeness::Column::Day])
        .filter(completeness::Column::Day.gte(first.to_string()))
        .filter(completeness::Column::Day.lte(last.to_string()))
        .filter(completeness::Column::ChannelId.is_in(scope.connections().map(|one| one.id.0)))
        .order_by_asc(completeness::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    let mut found = Vec::new();
    for some in reports.chunks(AT_ONCE) {
        let days: HashMap<i64, Day> = some
            .iter()
            .filter_map(|(id, day)| Some((*id, Day::parse(day)?)))
            .collect();
        let rows = completeness_orders::Entity::of_merchant(scope.merchant.0)
            .filter(completeness_orders::Column::CompletenessId.is_in(days.keys().copied()))
            .filter(completeness_orders::Column::Kind.is_in(["missing", "unreadable"]))
            .filter(completeness_orders::Column::ClosedAt.is_null())
            .order_by_asc(completeness_orders::Column::Id)
            .limit(MOST)
            .all(db)
            .await?;
        found.extend(rows.into_iter().filter_map(|row| {
            Some(Absent {
                channel: ChannelId(row.channel_id),
                day: *days.get(&row.completeness_id)?,
                number: row.number,
                remote_id: row.remote_id,
                steps: vec![Step::CreateInvoice],
                reason: format!("completeness: {}", row.reason),
            })
        }));
    }
    Ok(found)
}

/// Where an absent order was read at some time, its number and the steps that the answer asks for.
async fn name(scope: &Scope<'_>, absent: &mut [Absent]) -> Result<(), DbErr> {
    let db = scope.queue.db().read();
    for some in absent.chunks_mut(AT_ONCE) {
        let ids: Vec<&str> = some.iter().map(|one| one.remote_id.as_str()).collect();
        let readings = sync::newest_shown(db, scope.merchant, &ids).await?;
        for one in some.iter_mut() {
            let is_it = |reading: &&entity::readings::Model| {
                reading.channel_id == one.channel.0 && reading.remote_id == one.remote_id
            };
            let Some(reading) = readings.iter().find(is_it) else {
                continue;
            };
            if let Some(number) = &reading.number {
                one.number.clone_from(number);
            }
            let channel = scope.channels.get(&one.channel.0);
            let unpaid_orders = channel.is_some_and(|channel| channel.settings.unpaid_orders);
            if let Some(shown) = trace::shown(reading) {
                let outcomes = sales::outcomes(shown, None, unpaid_orders);
                one.steps = outcomes.into_iter().map(|(step, _)| step).collect();
            }
        }
    }
    Ok(())
}
