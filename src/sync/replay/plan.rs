//! What a replay would do, told before anything is done: nothing is written, no work is enqueued, nobody is told.
//!
//! Every order is read back and really booked, in a transaction that is rolled back: what is told is what would happen.

use super::ReplaySelection;
use crate::channels::{self, Channel, ChannelState};
use crate::domain::{
    ChannelId, Event, EventKind, MerchantId, Order, RemoteId, Source, Work, job::named,
};
use crate::inbox;
use crate::marketplaces::MarketplaceError;
use crate::queue::{self, Again};
use crate::sales::{self, Change, Recording};
use crate::sync::{Lane, Sync, SyncError, orders};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

/// Deliveries or jobs that are read in one go.
const PAGE: u64 = 200;

named!(
    /// What a replay would make of an order.
    Foreseen {
        Changed = "changed",
        Unchanged = "unchanged",
        /// The marketplace does not show it.
        NotFound = "not_found",
        /// The marketplace shows it in a form that cannot be read.
        Unreadable = "unreadable",
        /// The channel could not be asked.
        NotAsked = "not_asked",
    }
);

/// One order of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    pub channel: ChannelId,
    pub order: RemoteId,
    pub number: String,
    pub result: Foreseen,
    pub changes: Vec<Change>,
    /// Why it could not be told.
    pub why: Option<String>,
}

/// What a replay would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayPlan {
    pub of: &'static str,
    /// How many are selected, exactly.
    pub matched: u64,
    /// How many of them would be taken up.
    pub taken: u64,
    /// What they would come to: verdicts of deliveries, states of jobs.
    pub by_result: BTreeMap<String, u64>,
    /// Work that is about no order, by kind: it would be done again.
    pub other_work: BTreeMap<String, u64>,
    /// Different orders among them.
    pub n_orders: u64,
    /// Those of them that were read back, oldest first.
    pub orders: Vec<Planned>,
    pub api_calls: u64,
}

impl ReplayPlan {
    /// How many of the orders that were looked at had this result.
    pub fn n(&self, result: Foreseen) -> usize {
        let those = self.orders.iter().filter(|order| order.result == result);
        those.count()
    }
}

/// Orders in the order in which they were met, each once.
#[derive(Default)]
struct Orders {
    met: BTreeSet<(ChannelId, RemoteId)>,
    in_order: Vec<(ChannelId, RemoteId)>,
}

impl Orders {
    fn add(&mut self, channel: ChannelId, order: &RemoteId) {
        if self.met.insert((channel, order.clone())) {
            self.in_order.push((channel, order.clone()));
        }
    }
}

impl Sync {
    /// Tells what a replay of `most` of these would do; at most `look_at` of their orders are read back.
    ///
    /// # Errors
    /// When the database fails. A channel that cannot be asked is told of with its orders.
    pub async fn plan_replay(
        &self,
        merchant: MerchantId,
        selection: &ReplaySelection,
        most: u64,
        look_at: usize,
    ) -> Result<ReplayPlan, SyncError> {
        let (matched, up_to) = selection.count(self.db().read(), merchant).await?;
        let mut plan = ReplayPlan {
            of: selection.kind(),
            matched,
            taken: matched.min(most),
            by_result: BTreeMap::new(),
            other_work: BTreeMap::new(),
            n_orders: 0,
            orders: Vec::new(),
            api_calls: 0,
        };
        let mut orders = Orders::default();
        let (mut after, mut left) = (0, plan.taken);
        while left > 0 {
            let range = (after, up_to);
            let n = left.min(PAGE);
            let read = match selection {
                ReplaySelection::Deliveries(selection) => {
                    let page =
                        inbox::page_selected(self.db().read(), merchant, selection, range, n);
                    let page = page.await?;
                    after = page.last().map_or(up_to, |row| row.id);
                    for row in &page {
                        self.foresee_delivery(merchant, row, &mut plan, &mut orders)
                            .await?;
                    }
                    page.len() as u64
                }
                ReplaySelection::Jobs(selection) => {
                    let page = queue::page_jobs(self.db().read(), merchant, selection, range, n);
                    let page = page.await?;
                    after = page.last().map_or(up_to, |row| row.id);
                    for row in &page {
                        foresee_job(row, &mut plan, &mut orders);
                    }
                    page.len() as u64
                }
            };
            left -= read.min(left);
            if read < n {
                break;
            }
        }
        plan.n_orders = orders.in_order.len() as u64;
        orders.in_order.truncate(look_at);
        self.look_at(&orders.in_order, &mut plan).await?;
        Ok(plan)
    }

    async fn foresee_delivery(
        &self,
        merchant: MerchantId,
        row: &entity::deliveries::Model,
        plan: &mut ReplayPlan,
        orders: &mut Orders,
    ) -> Result<(), SyncError> {
        let reread = inbox::reread(self.db().read(), merchant, row).await?;
        *plan
            .by_result
            .entry(reread.verdict.as_str().to_owned())
            .or_default() += 1;
        let Some(connection) = reread.connection else {
            return Ok(());
        };
        let is_order = |event: &&Event| event.kind == EventKind::OrderChanged;
        if !reread.jobs.is_empty() {
            for event in reread.events.iter().filter(is_order) {
                if let Some(order) = &event.subject {
                    orders.add(connection, order);
                }
            }
        }
        for job in &reread.jobs {
            note_other(&job.work, plan);
        }
        Ok(())
    }

    async fn look_at(
        &self,
        wanted: &[(ChannelId, RemoteId)],
        plan: &mut ReplayPlan,
    ) -> Result<(), SyncError> {
        let mut by_channel: BTreeMap<ChannelId, Vec<RemoteId>> = BTreeMap::new();
        for (channel, order) in wanted {
            by_channel.entry(*channel).or_default().push(order.clone());
        }
        for (channel, ids) in by_channel {
            let connection = channels::connection_of(self.db().read(), channel).await?;
            match self.read_for_plan(&connection, &ids, plan).await {
                Ok(read) => self.foresee(&connection, &ids, read, plan).await?,
                Err(SyncError::Db(error)) => return Err(error.into()),
                Err(error) => {
                    let why = error.to_string();
                    let unasked = ids.into_iter().map(|order| Planned {
                        channel,
                        number: order.to_string(),
                        order,
                        result: Foreseen::NotAsked,
                        changes: Vec::new(),
                        why: Some(why.clone()),
                    });
                    plan.orders.extend(unasked);
                }
            }
        }
        Ok(())
    }

    /// Orders as the marketplace shows them now. What a refusal means for the channel is left to those who write.
    async fn read_for_plan(
        &self,
        connection: &Channel,
        ids: &[RemoteId],
        plan: &mut ReplayPlan,
    ) -> Result<Read, SyncError> {
        match connection.state {
            ChannelState::Active => {}
            ChannelState::Removed => return Err(SyncError::Removed(connection.id)),
            ChannelState::Locked => {
                return Err(SyncError::Locked {
                    channel: connection.id,
                    reason: connection.state_reason.clone().unwrap_or_default(),
                });
            }
        }
        let access = self.access(connection, Lane::Urgent).await?;
        let mut read = Read::default();
        if !connection.marketplace.abilities(&access).orders {
            for id in ids {
                match self.carried_order(connection, id).await? {
                    Ok(order) => drop(read.orders.insert(id.clone(), order)),
                    Err(error) => drop(read.unreadable.insert(id.clone(), error)),
                }
            }
            return Ok(read);
        }
        for batch in orders::batches(connection, ids) {
            let (orders, unreadable) = (&mut read.orders, &mut read.unreadable);
            let asked = orders::read_batch(connection, &access, batch, orders, unreadable);
            match asked.await {
                Err(error @ MarketplaceError::Unreadable { .. }) if batch.len() == 1 => {
                    read.unreadable.insert(batch[0].clone(), error);
                }
                asked => asked.map_err(|error| SyncError::Marketplace {
                    channel: connection.id,
                    error,
                })?,
            }
        }
        plan.api_calls += access.http.calls();
        Ok(read)
    }

    async fn foresee(
        &self,
        connection: &Channel,
        ids: &[RemoteId],
        mut read: Read,
        plan: &mut ReplayPlan,
    ) -> Result<(), SyncError> {
        for id in ids {
            let mut planned = Planned {
                channel: connection.id,
                order: id.clone(),
                number: id.to_string(),
                result: Foreseen::NotFound,
                changes: Vec::new(),
                why: None,
            };
            if let Some(order) = read.orders.remove(id) {
                planned.number.clone_from(&order.number);
                planned.changes = self.would_change(connection, &order).await?;
                planned.result = if planned.changes.is_empty() {
                    Foreseen::Unchanged
                } else {
                    Foreseen::Changed
                };
            } else if let Some(error) = read.unreadable.remove(id) {
                planned.result = Foreseen::Unreadable;
                planned.why = Some(error.to_string());
            } else {
                let name = connection.marketplace.name();
                planned.why = Some(format!("{name} does not show it"));
            }
            plan.orders.push(planned);
        }
        Ok(())
    }

    /// Books the order, compares, and rolls everything back.
    async fn would_change(
        &self,
        connection: &Channel,
        order: &Order,
    ) -> Result<Vec<Change>, SyncError> {
        let apart = self.returns_told(connection, order).await?;
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let id = &order.remote_id;
        let before = sales::order_image(&tx, connection.id, id).await?;
        let recording = Recording {
            connection,
            source: Source::Replay,
        };
        sales::record_order(&tx, recording, order, now).await?;
        for told in &apart {
            sales::record_return(&tx, recording, id, told, now).await?;
        }
        let after = sales::order_image(&tx, connection.id, id).await?;
        tx.rollback().await?;
        Ok(sales::changes(before.as_ref(), after.as_ref()))
    }
}

#[derive(Default)]
struct Read {
    orders: HashMap<RemoteId, Order>,
    unreadable: HashMap<RemoteId, MarketplaceError>,
}

fn foresee_job(row: &entity::jobs::Model, plan: &mut ReplayPlan, orders: &mut Orders) {
    *plan.by_result.entry(row.state.clone()).or_default() += 1;
    if matches!(queue::again(row), Again::NotUnderstood(_)) {
        return;
    }
    let Ok(work) = Work::from_args(&row.args) else {
        return;
    };
    if let Work::FetchOrder { order } = &work {
        orders.add(ChannelId(row.channel_id), order);
    }
    note_other(&work, plan);
}

fn note_other(work: &Work, plan: &mut ReplayPlan) {
    if !matches!(work, Work::FetchOrder { .. }) {
        let kind = work.kind().as_str().to_owned();
        *plan.other_work.entry(kind).or_default() += 1;
    }
}
