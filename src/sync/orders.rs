//! Reading orders back and recording them: the one road to a recorded order.

use super::{
    Lane, Sync, SyncError,
    readings::{self, Asked, Came},
};
use crate::channels::Channel;
use crate::domain::{ChannelId, EventKind, Order, RemoteId, Source, Timestamp, Work};
use crate::inbox;
use crate::marketplaces::{Access, MarketplaceError};
use crate::queue::{Claimed, Outcome};
use crate::sales::{self, Recording};
use std::collections::HashMap;

/// After so many tries a lagging reading is believed, and an order that is not shown is given up: with the
/// backoff this is about a minute, and search indexes lag by seconds.
const PATIENCE: i64 = 6;

impl Sync {
    /// Reads the orders of these jobs, all of one channel, and records each in a transaction of its own.
    /// One outcome per job, in order.
    pub async fn fetch_orders(&self, channel: ChannelId, jobs: &[Claimed]) -> Vec<Outcome> {
        let wanted: Vec<Option<RemoteId>> = jobs.iter().map(|job| order_of(&job.work)).collect();
        let ids: Vec<RemoteId> = wanted.iter().flatten().cloned().collect();
        let read = match self.read_orders(channel, &ids).await {
            Ok(read) => read,
            Err(error) => {
                let now = self.shared.clock.now();
                return jobs.iter().map(|_| error.outcome(now)).collect();
            }
        };
        let mut outcomes = Vec::with_capacity(jobs.len());
        for (job, id) in jobs.iter().zip(wanted) {
            let Some(id) = id else {
                outcomes.push(Outcome::Done);
                continue;
            };
            let ended = self.record(&read, job, &id).await;
            outcomes.push(ended.map_or_else(
                |error| error.outcome(self.shared.clock.now()),
                |()| Outcome::Done,
            ));
        }
        self.shared.queue.wake();
        outcomes
    }

    async fn read_orders(&self, channel: ChannelId, ids: &[RemoteId]) -> Result<Read, SyncError> {
        let connection = self.connection(channel).await?;
        let access = self.access(&connection, Lane::Urgent).await?;
        let read_at = self.shared.clock.now();
        let mut orders = HashMap::new();
        let mut unreadable = HashMap::new();
        if !connection.marketplace.abilities(&access).orders {
            for id in ids {
                match self.carried_order(&connection, id).await? {
                    Ok(order) => drop(orders.insert(id.clone(), order)),
                    Err(error) => drop(unreadable.insert(id.clone(), error)),
                }
            }
            return Ok(Read {
                connection,
                version: access.version,
                at: read_at,
                orders,
                unreadable,
            });
        }
        for batch in batches(&connection, ids) {
            let read = read_batch(&connection, &access, batch, &mut orders, &mut unreadable);
            if let Err(error) = read.await {
                return Err(self.trouble(&connection, access.version, error).await);
            }
        }
        Ok(Read {
            connection,
            version: access.version,
            at: read_at,
            orders,
            unreadable,
        })
    }

    async fn record(&self, read: &Read, job: &Claimed, id: &RemoteId) -> Result<(), SyncError> {
        let connection = &read.connection;
        if let Some(error) = read.unreadable.get(id) {
            let why = (Came::Failed, error.to_string());
            self.keep_failed(read, job, id, why).await?;
            return Err(self.trouble(connection, read.version, error.clone()).await);
        }
        let Some(order) = read.orders.get(id) else {
            return self.missing(read, job, id).await;
        };
        let apart = self.returns_told(connection, order).await?;
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let told = inbox::newest_version(&tx, connection.id, EventKind::OrderChanged, id).await?;
        let recording = Recording {
            connection,
            source: job.source,
        };
        let recorded = sales::record_order(&tx, recording, order, now).await?;
        readings::keep(&tx, asked(read, job), order, &recorded, now).await?;
        for told in &apart {
            sales::record_return(&tx, recording, id, told, now).await?;
        }
        let stale = told.filter(|told| *told > order.version && job.attempt < PATIENCE);
        if stale.is_none() {
            handled(&tx, connection.id, id, read.at, now).await?;
        }
        tx.commit().await?;
        match stale {
            None => Ok(()),
            Some(told) => Err(SyncError::Stale {
                order: id.to_string(),
                shown: order.version,
                told,
            }),
        }
    }

    /// The API does not show the order: perhaps not yet, perhaps no more, perhaps because it is too old.
    async fn missing(&self, read: &Read, job: &Claimed, id: &RemoteId) -> Result<(), SyncError> {
        let unknown = || SyncError::Unknown(format!("order {id}"));
        if job.attempt < PATIENCE && job.source != Source::Download {
            let why = (Came::NotShown, unknown().to_string());
            self.keep_failed(read, job, id, why).await?;
            return Err(unknown());
        }
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        let connection = &read.connection;
        let placed_at = sales::placed_at(&tx, connection.id, id).await?;
        let hidden = placed_at.and_then(|at| connection.marketplace.hides_orders_of(at, now));
        let deleted = "the marketplace no longer shows this order; it was deleted there";
        let reason = hidden.unwrap_or(deleted);
        let why = (Came::NotShown, reason);
        readings::keep_failed(&tx, asked(read, job), id, why, now).await?;
        let booked = sales::mark_attention(&tx, connection, id, reason, now).await?;
        if booked {
            handled(&tx, connection.id, id, read.at, now).await?;
        }
        tx.commit().await?;
        if booked { Ok(()) } else { Err(unknown()) }
    }

    async fn keep_failed(
        &self,
        read: &Read,
        job: &Claimed,
        id: &RemoteId,
        (came, why): (Came, String),
    ) -> Result<(), SyncError> {
        let now = self.shared.clock.now();
        let tx = self.db().write_tx().await?;
        readings::keep_failed(&tx, asked(read, job), id, (came, &why), now).await?;
        Ok(tx.commit().await?)
    }
}

struct Read {
    connection: Channel,
    /// Of the credentials that were read with.
    version: i64,
    /// When the reading began.
    at: Timestamp,
    orders: HashMap<RemoteId, Order>,
    unreadable: HashMap<RemoteId, MarketplaceError>,
}

fn asked<'a>(read: &'a Read, job: &Claimed) -> Asked<'a> {
    Asked {
        connection: &read.connection,
        source: job.source,
    }
}

fn order_of(work: &Work) -> Option<RemoteId> {
    match work {
        Work::FetchOrder { order } => Some(order.clone()),
        _ => None,
    }
}

/// Ids by what one call takes.
pub(super) fn batches<'i>(
    connection: &Channel,
    ids: &'i [RemoteId],
) -> std::slice::Chunks<'i, RemoteId> {
    ids.chunks(connection.marketplace.limits().order_batch.max(1) as usize)
}

/// Orders as they are now. One that cannot be read does not hold up the others.
///
/// # Errors
/// What concerns all of them.
pub(super) async fn read_batch(
    connection: &Channel,
    access: &Access,
    batch: &[RemoteId],
    orders: &mut HashMap<RemoteId, Order>,
    unreadable: &mut HashMap<RemoteId, MarketplaceError>,
) -> Result<(), MarketplaceError> {
    match connection.marketplace.orders_by_id(access, batch).await {
        Ok(found) => orders.extend(found.into_iter().map(|o| (o.remote_id.clone(), o))),
        Err(MarketplaceError::Unreadable { .. }) if batch.len() > 1 => {
            read_singly(connection, access, batch, orders, unreadable).await;
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn read_singly(
    connection: &Channel,
    access: &Access,
    ids: &[RemoteId],
    orders: &mut HashMap<RemoteId, Order>,
    unreadable: &mut HashMap<RemoteId, MarketplaceError>,
) {
    for id in ids {
        let one = std::slice::from_ref(id);
        match connection.marketplace.orders_by_id(access, one).await {
            Ok(found) => orders.extend(found.into_iter().map(|o| (o.remote_id.clone(), o))),
            Err(error) => {
                unreadable.insert(id.clone(), error);
            }
        }
    }
}

async fn handled(
    tx: &crate::db::Tx,
    channel: ChannelId,
    id: &RemoteId,
    read_at: Timestamp,
    now: Timestamp,
) -> Result<(), sea_orm::DbErr> {
    inbox::mark_handled(tx, channel, EventKind::OrderChanged, Some(id), read_at, now).await
}
