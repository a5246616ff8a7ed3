//! The sync log: every step of every order, by channel and day, with whether it was taken.
//!
//! A step is counted on the day on which its order was placed, in the merchant's time zone; a push on the day on which
//! the listing was last told. Any range of days may be asked for: the rows are found along indexes, a page at a time.
//!
//! | outcome | meaning |
//! |---|---|
//! | success | taken, and the books are as the marketplace says |
//! | wrong status | the order is in the books, and they are not as the marketplace says; a push was refused |
//! | missing | the order is not in the books, though it should be; a push was given up |

mod absent;
mod pushes;
mod walk;

use super::search::Subject;
use crate::accounts;
use crate::channels::{self, Channel, ChannelError};
use crate::domain::{ChannelId, Day, MerchantId, OrderId, Timestamp, Window};
use crate::queue::Queue;
use crate::sales::{Step, StepOutcome};
use chrono_tz::Tz;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// What is pushed to channels is no step of an order, and is counted beside them under this name.
pub const PUSH: &str = "push";

/// Which steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncLogQuery {
    /// As the merchant sees it.
    pub channel: Option<ChannelId>,
    /// Both belong to the range.
    pub days: (Day, Day),
    /// A [`Step`] or [`PUSH`].
    pub step: Option<String>,
    pub outcome: Option<StepOutcome>,
}

/// How often a step ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StepCounts {
    pub success: u64,
    pub wrong_status: u64,
    pub missing: u64,
}

impl StepCounts {
    fn add(&mut self, outcome: StepOutcome, n: u64) {
        match outcome {
            StepOutcome::Success => self.success += n,
            StepOutcome::WrongStatus => self.wrong_status += n,
            StepOutcome::Missing => self.missing += n,
        }
    }

    fn of(self, outcome: StepOutcome) -> u64 {
        match outcome {
            StepOutcome::Success => self.success,
            StepOutcome::WrongStatus => self.wrong_status,
            StepOutcome::Missing => self.missing,
        }
    }
}

/// One step on one channel and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SyncLogRow {
    pub channel: ChannelId,
    pub name: String,
    pub day: Day,
    pub step: String,
    #[serde(flatten)]
    pub counts: StepCounts,
}

/// One step of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SyncLogOrder {
    pub channel: ChannelId,
    pub name: String,
    pub day: Day,
    pub number: String,
    pub subject: Subject,
    /// None where it is not in the books.
    pub order: Option<OrderId>,
    pub step: String,
    pub outcome: StepOutcome,
    /// Why, where it is not a success.
    pub reason: Option<String>,
    /// The command that tells more, and mends it.
    pub command: Option<String>,
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SyncLogPage {
    pub rows: Vec<SyncLogOrder>,
    /// Where to go on; none on the last page.
    pub next: Option<String>,
}

/// What the walks share.
struct Scope<'a> {
    queue: &'a Queue,
    merchant: MerchantId,
    zone: Tz,
    channels: HashMap<i64, Channel>,
    query: &'a SyncLogQuery,
    window: Window,
}

impl<'a> Scope<'a> {
    async fn of(
        queue: &'a Queue,
        merchant: MerchantId,
        query: &'a SyncLogQuery,
    ) -> Result<Self, ChannelError> {
        let zone = accounts::time_zone(queue.db(), merchant).await?;
        let channels = channels::list(queue.db(), merchant, true).await?;
        let (first, last) = query.days;
        Ok(Self {
            queue,
            merchant,
            zone,
            channels: channels
                .into_iter()
                .map(|channel| (channel.id.0, channel))
                .collect(),
            query,
            window: Window {
                from: first.begins_at(zone),
                to: last.next().begins_at(zone),
            },
        })
    }

    fn is_wanted_channel(&self, id: i64) -> bool {
        self.query.channel.is_none_or(|only| only.0 == id)
    }

    fn is_wanted(&self, step: &str, outcome: StepOutcome) -> bool {
        self.query.step.as_deref().is_none_or(|only| only == step)
            && self.query.outcome.is_none_or(|only| only == outcome)
    }

    fn day_of(&self, micros: i64) -> Day {
        Day::of(Timestamp::from_micros(micros), self.zone)
    }

    fn name_of(&self, id: i64) -> String {
        let channel = self.channels.get(&id);
        channel.map_or_else(String::new, |channel| channel.name.clone())
    }

    /// Connections whose orders are asked for.
    fn connections(&self) -> impl Iterator<Item = &Channel> {
        let wanted = self.query.channel.map(|id| {
            let channel = self.channels.get(&id.0);
            channel.map_or(id, Channel::connection)
        });
        let mut all: Vec<&Channel> = self
            .channels
            .values()
            .filter(|channel| channel.parent.is_none())
            .filter(|channel| wanted.is_none_or(|id| id == channel.id))
            .collect();
        all.sort_by_key(|channel| channel.id);
        all.into_iter()
    }
}

/// Counts every step in the range, by day, channel and step.
///
/// # Errors
/// When the database cannot be asked.
pub async fn sync_log(
    queue: &Queue,
    merchant: MerchantId,
    query: &SyncLogQuery,
) -> Result<Vec<SyncLogRow>, ChannelError> {
    let scope = Scope::of(queue, merchant, query).await?;
    let mut counts: BTreeMap<(Day, ChannelId, usize, String), StepCounts> = BTreeMap::new();
    let mut count = |day: Day, channel: ChannelId, step: &str, outcome: StepOutcome, n: u64| {
        if scope.is_wanted(step, outcome) {
            let key = (day, channel, place_of(step), step.to_owned());
            counts.entry(key).or_default().add(outcome, n);
        }
    };
    if query.step.as_deref() != Some(PUSH) {
        let mut after = None;
        loop {
            let page = walk::page(&scope, after).await?;
            for order in &page.orders {
                for (step, outcome) in &order.outcomes {
                    let channel = ChannelId(order.row.channel_id);
                    let day = scope.day_of(order.row.placed_at);
                    count(day, channel, step.as_str(), *outcome, 1);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for one in absent::absent(&scope).await? {
            for step in &one.steps {
                count(one.day, one.channel, step.as_str(), StepOutcome::Missing, 1);
            }
        }
    }
    if query.step.as_deref().is_none_or(|step| step == PUSH) {
        for (day, channel, of) in pushes::counts(&scope).await? {
            for outcome in StepOutcome::ALL {
                match of.of(*outcome) {
                    0 => {}
                    n => count(day, channel, PUSH, *outcome, n),
                }
            }
        }
    }
    let row = |((day, channel, _, step), counts): ((Day, ChannelId, usize, String), StepCounts)| {
        SyncLogRow {
            channel,
            name: scope.name_of(channel.0),
            day,
            step,
            counts,
        }
    };
    Ok(counts.into_iter().map(row).collect())
}

/// The order in which steps are taken.
fn place_of(step: &str) -> usize {
    let known = Step::ALL.iter().position(|one| one.as_str() == step);
    known.unwrap_or(usize::MAX)
}

/// The orders behind the counts: first those that are not in the books, then the others by the time they were placed.
/// Pushes are no orders': `stock pushes` lists them.
///
/// # Errors
/// When the database cannot be asked.
pub async fn sync_log_orders(
    queue: &Queue,
    merchant: MerchantId,
    query: &SyncLogQuery,
    after: Option<&str>,
    limit: usize,
) -> Result<SyncLogPage, ChannelError> {
    let scope = Scope::of(queue, merchant, query).await?;
    let mut rows = Vec::new();
    if after.is_none() {
        for one in absent::absent(&scope).await? {
            let wanted = |step: &&Step| scope.is_wanted(step.as_str(), StepOutcome::Missing);
            rows.extend(
                one.steps
                    .iter()
                    .filter(wanted)
                    .map(|step| one.row(&scope, *step)),
            );
        }
    }
    let mut place = after.and_then(walk::place);
    loop {
        let page = walk::page(&scope, place).await?;
        for order in &page.orders {
            rows.extend(order.rows(&scope));
            if rows.len() >= limit {
                let next = walk::next_of(&order.row);
                return Ok(SyncLogPage {
                    rows,
                    next: Some(next),
                });
            }
        }
        place = page.next;
        if place.is_none() {
            return Ok(SyncLogPage { rows, next: None });
        }
    }
}
