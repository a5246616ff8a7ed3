//! What a person does about one order: ask the marketplace, and have it read, taken up or tried again.
//!
//! Asking writes nothing. Mending is safe whatever is the matter: the order is read as it is now, and a reading that the
//! books hold already changes nothing.

use super::{Previewed, Sync, SyncError};
use crate::accounts::{Actor, audit};
use crate::channels::{self, Channel};
use crate::db::Tx;
use crate::domain::{ChannelId, Download, JobId, MerchantId, RemoteId, Source, Timestamp, Work};
use crate::inbox;
use crate::queue::{self, NewJob, Revived};
use serde::Serialize;
use serde_json::json;

/// The one thing that mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "deed")]
pub enum Mend {
    /// Read these orders now, by the numbers that people know them by.
    Download {
        channel: ChannelId,
        numbers: Vec<String>,
    },
    /// Take a stored delivery up again.
    Replay { delivery: i64 },
    /// Let a job that was given up wait again.
    Revive { job: JobId },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mended {
    /// In words.
    pub did: String,
    /// Jobs that wait now.
    pub jobs: u64,
}

/// What one channel's marketplace says of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    pub channel: ChannelId,
    pub name: String,
    /// None where it could not be asked.
    pub order: Option<Previewed>,
    /// Why not.
    pub error: Option<String>,
    /// It was placed before the shop was connected.
    pub is_before_connection: bool,
}

impl Sync {
    /// Asks a channel what it says of an order. Writes nothing.
    pub async fn ask_about(&self, channel: &Channel, number: &str) -> Told {
        let mut told = Told {
            channel: channel.id,
            name: channel.name.clone(),
            order: None,
            error: None,
            is_before_connection: false,
        };
        match self.previewed(channel.id, number).await {
            Ok(order) => {
                let placed_at = order.as_ref().and_then(|order| order.placed_at);
                told.is_before_connection = placed_at.is_some_and(|at| at < channel.connected_at);
                told.order = order;
            }
            Err(error) => told.error = Some(error.for_people()),
        }
        told
    }

    async fn previewed(
        &self,
        channel: ChannelId,
        number: &str,
    ) -> Result<Option<Previewed>, SyncError> {
        let numbers = [number.to_owned()];
        let ids = self.order_ids(channel, &numbers).await?;
        let ids = ids.into_iter().map(|(_, id)| id.to_string()).collect();
        let preview = self
            .preview_orders(channel, &Download::Numbered(ids))
            .await?;
        Ok(preview.orders.into_iter().next())
    }

    /// Does it: enqueues the work, or lets it wait again, and notes in the audit trail who did it, in one transaction.
    /// Whoever works the queue off does the rest.
    ///
    /// # Errors
    /// When the channel does not work, or what is to be mended is not there.
    pub async fn mend(
        &self,
        merchant: MerchantId,
        mend: &Mend,
        (actor, why): (&Actor, Option<&str>),
        now: Timestamp,
    ) -> Result<Mended, SyncError> {
        // Calls come before the transaction.
        let ids = match mend {
            Mend::Download { channel, numbers } => {
                self.ids_there(merchant, *channel, numbers).await?
            }
            Mend::Replay { .. } | Mend::Revive { .. } => Vec::new(),
        };
        let tx = self.db().write_tx().await?;
        let (mended, action, kind, subject) = match mend {
            Mend::Download { channel, numbers } => {
                let mended = read_now(&tx, merchant, *channel, (numbers, &ids), now).await?;
                let subject = numbers.join(",");
                (mended, "order.downloaded", "order", subject)
            }
            Mend::Replay { delivery } => {
                let mended = self.take_up(&tx, merchant, *delivery, now).await?;
                let subject = delivery.to_string();
                (mended, "delivery.replayed", "delivery", subject)
            }
            Mend::Revive { job } => {
                let revived = queue::revive(&tx, merchant, *job, now).await?;
                if revived == Revived::NotDead {
                    let what = format!("job {job}, or it was not given up");
                    return Err(SyncError::Unknown(what));
                }
                let did = format!("job {job} waits again");
                (
                    Mended { did, jobs: 1 },
                    "job.revived",
                    "job",
                    job.to_string(),
                )
            }
        };
        let entry = audit::Entry {
            merchant: Some(merchant),
            actor,
            action,
            subject_kind: kind,
            subject: &subject,
            before: None,
            after: Some(json!({"did": mended.did, "jobs": mended.jobs})),
            why,
        };
        audit::record(&tx, &entry, now).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(mended)
    }

    async fn ids_there(
        &self,
        merchant: MerchantId,
        channel: ChannelId,
        numbers: &[String],
    ) -> Result<Vec<RemoteId>, SyncError> {
        let connection = self.connection(channel).await?;
        if connection.merchant != merchant {
            return Err(SyncError::Unknown(format!("channel {channel}")));
        }
        let ids = self.order_ids(connection.id, numbers).await?;
        Ok(ids.into_iter().map(|(_, id)| id).collect())
    }

    async fn take_up(
        &self,
        tx: &Tx,
        merchant: MerchantId,
        delivery: i64,
        now: Timestamp,
    ) -> Result<Mended, SyncError> {
        let row = inbox::delivery(self.db(), merchant, delivery).await?;
        let Some(row) = row.filter(|row| row.merchant_id == Some(merchant.0)) else {
            return Err(SyncError::Unknown(format!("delivery {delivery}")));
        };
        let replayed = inbox::replay(tx, merchant, row, now).await?;
        Ok(Mended {
            did: format!(
                "delivery {delivery} was taken up again: {}",
                replayed.verdict.as_str().replace('_', " ")
            ),
            jobs: replayed.jobs,
        })
    }
}

async fn read_now(
    tx: &Tx,
    merchant: MerchantId,
    channel: ChannelId,
    (numbers, ids): (&[String], &[RemoteId]),
    now: Timestamp,
) -> Result<Mended, SyncError> {
    let connection = channels::connection_of(tx, channel).await?;
    let job = |order: &RemoteId| NewJob {
        merchant,
        channel: connection.id,
        work: Work::FetchOrder {
            order: order.clone(),
        },
        source: Source::Download,
        run_at: Some(now),
    };
    let jobs: Vec<NewJob> = ids.iter().map(job).collect();
    queue::enqueue(tx, &jobs, now).await?;
    Ok(Mended {
        did: format!(
            "order {} is read from channel {}",
            numbers.join(", "),
            connection.id
        ),
        jobs: jobs.len() as u64,
    })
}

/// Channels of the merchant that could have an order: those that are not removed and have an API of their own, first
/// those that work.
///
/// # Errors
/// When the channels cannot be read.
pub async fn could_have(
    sync: &Sync,
    merchant: MerchantId,
) -> Result<Vec<Channel>, channels::ChannelError> {
    let mut found = channels::list(sync.db(), merchant, false).await?;
    found.retain(|channel| channel.parent.is_none());
    found.sort_by_key(|channel| (!channel.is_active(), channel.id));
    Ok(found)
}
