//! Group commit: one writer takes all receipts that wait and stores them in one transaction.
//!
//! 1. Wait for one receipt, then take what else is there, up to the batch size. No timer: under load the
//!    batch grows by itself while the commit before it runs.
//! 2. In one transaction insert the deliveries (a repeat changes nothing), the events of those that are new,
//!    and their follow-up jobs.
//! 3. Commit, then tell each waiting request. If the batch fails, it is halved until the receipt that
//!    cannot be stored stands alone: it must not take the others with it.

use super::{Verdict, follow_up};
use crate::channels::{self, Known};
use crate::db::{Db, Tx};
use crate::domain::{Event, Timestamp};
use crate::marketplaces::RawDelivery;
use crate::queue::{self, Queue};
use entity::{deliveries, events};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait,
    sea_query::{OnConflict, Query, Value},
};
use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// Receipts of one commit, at most. SQLite binds at most 32,766 values; a delivery has ten.
const LARGEST_BATCH: usize = 2_000;
/// Bytes of bodies in one commit, about: bounds the memory of the writer.
const LARGEST_BATCH_BYTES: usize = 8 << 20;

/// One believed delivery on its way to the disk.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub marketplace: &'static str,
    pub known: Option<Known>,
    pub delivery_key: String,
    pub topic: String,
    pub verdict: Verdict,
    pub raw: RawDelivery,
    /// Which key had signed it: 0 the current one.
    pub key_index: usize,
    pub events: Vec<Event>,
    pub received_at: Timestamp,
}

/// Whether a delivery was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    New,
    Duplicate,
}

/// Why a receipt is not on disk.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    #[error("too many receipts wait for the disk")]
    Full,
    #[error("the writer has stopped")]
    Stopped,
    #[error("the database did not take it: {0}")]
    Db(String),
}

/// How much may wait, and how much is written at once.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// Receipts that may wait for a commit; more are answered with 503.
    pub queue: usize,
    /// Receipts per commit.
    pub batch: usize,
}

type Waiting = (Receipt, oneshot::Sender<Result<Stored, StoreError>>);

/// Hands receipts to the one task that writes them. Cheap to clone; the task ends with the last clone.
#[derive(Debug, Clone)]
pub struct Writer {
    db: Db,
    sender: mpsc::Sender<Waiting>,
}

impl Writer {
    /// Starts the writing task on the present runtime.
    pub fn start(queue: Queue, options: WriterOptions) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(options.queue.max(1));
        let db = queue.db().clone();
        let batch = options.batch.clamp(1, LARGEST_BATCH);
        let task = tokio::spawn(write_until_closed(queue, receiver, batch));
        (Self { db, sender }, task)
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Returns when the receipt is on disk.
    ///
    /// # Errors
    /// When it is not; the request must not be acknowledged then.
    pub async fn store(&self, receipt: Receipt) -> Result<Stored, StoreError> {
        let (done, result) = oneshot::channel();
        self.sender
            .try_send((receipt, done))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Full,
                mpsc::error::TrySendError::Closed(_) => StoreError::Stopped,
            })?;
        result.await.map_err(|_| StoreError::Stopped)?
    }
}

async fn write_until_closed(queue: Queue, mut receiver: mpsc::Receiver<Waiting>, batch: usize) {
    while let Some(first) = receiver.recv().await {
        let mut bytes = first.0.raw.body.len();
        let mut waiting = vec![first];
        while waiting.len() < batch && bytes < LARGEST_BATCH_BYTES {
            let Ok(next) = receiver.try_recv() else {
                break;
            };
            bytes += next.0.raw.body.len();
            waiting.push(next);
        }
        let (receipts, done): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        let results = store_all(&queue, &receipts).await;
        queue.wake();
        for (done, result) in done.into_iter().zip(results) {
            // A request that went away has been stored all the same.
            let _ = done.send(result);
        }
    }
}

/// Stores every receipt that can be stored; the results are in order.
pub(super) async fn store_all(
    queue: &Queue,
    receipts: &[Receipt],
) -> Vec<Result<Stored, StoreError>> {
    let mut results = vec![Err(StoreError::Stopped); receipts.len()];
    let mut ranges = Vec::new();
    ranges.push(0..receipts.len());
    while let Some(range) = ranges.pop() {
        match store_together(queue, &receipts[range.clone()]).await {
            Ok(stored) => {
                for (slot, stored) in results[range].iter_mut().zip(stored) {
                    *slot = Ok(stored);
                }
            }
            Err(error) if range.len() == 1 => {
                tracing::error!(%error, "a delivery could not be stored");
                results[range.start] = Err(StoreError::Db(error.to_string()));
            }
            Err(error) if queue.db().ping().await.is_err() => {
                // The database is away: halving would only ask it again and again.
                for slot in &mut results[range] {
                    *slot = Err(StoreError::Db(error.to_string()));
                }
            }
            Err(_) => {
                let middle = range.start + range.len() / 2;
                ranges.push(range.start..middle);
                ranges.push(middle..range.end);
            }
        }
    }
    results
}

async fn store_together(queue: &Queue, receipts: &[Receipt]) -> Result<Vec<Stored>, DbErr> {
    let now = receipts
        .iter()
        .map(|r| r.received_at)
        .max()
        .unwrap_or_default();
    let tx = queue.db().write_tx().await?;
    let stored = store_in(&tx, receipts, now).await?;
    tx.commit().await?;
    Ok(stored.into_iter().map(|(stored, _)| stored).collect())
}

/// Stores receipts in the caller's transaction; each with its id where it is new. `now`: when their work may begin.
pub(super) async fn store_in(
    tx: &Tx,
    receipts: &[Receipt],
    now: Timestamp,
) -> Result<Vec<(Stored, Option<i64>)>, DbErr> {
    let receipts = &unparked(tx, receipts).await?[..];
    let mut ids = insert_deliveries(tx, receipts).await?;
    let mut stored = Vec::with_capacity(receipts.len());
    let mut fresh = Vec::new();
    for receipt in receipts {
        // Taken out, so that a repeat within this batch counts as one too.
        match ids.remove(&(receipt.marketplace.to_owned(), receipt.delivery_key.clone())) {
            Some(id) => {
                stored.push((Stored::New, Some(id)));
                fresh.push((id, receipt));
            }
            None => stored.push((Stored::Duplicate, None)),
        }
    }
    insert_events(tx, &fresh).await?;
    let jobs: Vec<queue::NewJob> = fresh
        .iter()
        .flat_map(|(_, receipt)| follow_up::jobs_of(receipt))
        .collect();
    queue::enqueue(tx, &jobs, now).await?;
    Ok(stored)
}

/// The same receipts, as their channels are now: whoever received them may have seen a channel locked that was
/// unlocked since, and what was parked then has been taken up already.
async fn unparked<'a>(tx: &Tx, receipts: &'a [Receipt]) -> Result<Cow<'a, [Receipt]>, DbErr> {
    let is_parked = |receipt: &&Receipt| receipt.verdict == Verdict::Parked;
    let channel = |receipt: &Receipt| receipt.known.as_ref().map(|known| known.channel);
    let parked: BTreeSet<_> = receipts
        .iter()
        .filter(is_parked)
        .filter_map(channel)
        .collect();
    if parked.is_empty() {
        return Ok(receipts.into());
    }
    let parked: Vec<_> = parked.into_iter().collect();
    let active = channels::active_among(tx, &parked).await?;
    if active.is_empty() {
        return Ok(receipts.into());
    }
    let mut receipts = receipts.to_vec();
    for receipt in &mut receipts {
        let is_active = channel(receipt).is_some_and(|channel| active.contains(&channel));
        if is_active && receipt.verdict == Verdict::Parked {
            receipt.verdict = Verdict::Accepted;
        }
    }
    Ok(receipts.into())
}

async fn insert_deliveries(
    tx: &Tx,
    receipts: &[Receipt],
) -> Result<HashMap<(String, String), i64>, DbErr> {
    use deliveries::Column as C;
    let mut insert = Query::insert();
    insert.into_table(deliveries::Entity).columns([
        C::MerchantId,
        C::ChannelId,
        C::Marketplace,
        C::DeliveryKey,
        C::Topic,
        C::Verdict,
        C::Headers,
        C::Body,
        C::ReceivedAt,
        C::KeyIndex,
    ]);
    for receipt in receipts {
        let known = receipt.known.as_ref();
        let headers = serde_json::to_string(&receipt.raw.headers).unwrap_or_default();
        let row: [Value; 10] = [
            known.map(|known| known.merchant.0).into(),
            known.map(|known| known.channel.0).into(),
            receipt.marketplace.into(),
            receipt.delivery_key.clone().into(),
            receipt.topic.clone().into(),
            receipt.verdict.as_str().into(),
            headers.into(),
            receipt.raw.body.to_vec().into(),
            receipt.received_at.micros().into(),
            i64::try_from(receipt.key_index).unwrap_or(i64::MAX).into(),
        ];
        insert.values_panic(row.map(sea_orm::sea_query::Expr::value));
    }
    let unique = [C::Marketplace, C::DeliveryKey];
    insert
        .on_conflict(OnConflict::columns(unique).do_nothing().to_owned())
        .returning(Query::returning().columns([C::Id, C::Marketplace, C::DeliveryKey]));
    let rows = tx.query_all(&insert).await?;
    rows.iter()
        .map(|row| {
            let key = (
                row.try_get("", "marketplace")?,
                row.try_get("", "delivery_key")?,
            );
            Ok((key, row.try_get("", "id")?))
        })
        .collect()
}

async fn insert_events(tx: &Tx, fresh: &[(i64, &Receipt)]) -> Result<(), DbErr> {
    use sea_orm::ActiveValue::Set;
    let mut rows = Vec::new();
    for (delivery, receipt) in fresh {
        let Some(known) = &receipt.known else {
            continue;
        };
        rows.extend(receipt.events.iter().map(|event| events::ActiveModel {
            merchant_id: Set(known.merchant.0),
            channel_id: Set(known.channel.0),
            delivery_id: Set(*delivery),
            kind: Set(event.kind.as_str().to_owned()),
            subject: Set(event.subject.as_ref().map(ToString::to_string)),
            version: Set(event.version.map(Timestamp::micros)),
            state: Set("pending".to_owned()),
            created_at: Set(receipt.received_at.micros()),
            ..Default::default()
        }));
    }
    if !rows.is_empty() {
        events::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}
