//! One request: verified over its raw bytes, parsed, and handed to the writer.

use super::{
    Verdict, Writer,
    commit::{Receipt, Stored},
    quarantine::{Quarantine, Refusals},
};
use crate::channels::{ChannelError, Directory, KnownKeys};
use crate::domain::Timestamp;
use crate::marketplaces::{
    Acknowledgement, Malformed, Marketplace, RawDelivery, Rejected, VerifiedDelivery,
    WebhookAddress,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Stored, or nothing to store: what the marketplace counts as success.
    Acknowledged(Acknowledgement),
    /// 401. The body of the answer says no more than that.
    Refused(Rejected),
    /// 404: nobody is at this address.
    NobodyHere,
    /// 503 with `Retry-After`: storage failed, nothing was acknowledged.
    Unavailable,
}

/// What this process has answered since it started.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    duplicates: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
}

/// A reading of [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Stored for the first time.
    pub accepted: u64,
    /// Already stored before.
    pub duplicates: u64,
    /// 401.
    pub refused: u64,
    /// 503.
    pub unavailable: u64,
}

/// The receiving end.
#[derive(Debug)]
pub struct Inbox {
    directory: Arc<Directory>,
    writer: Writer,
    quarantine: Quarantine,
    counters: Counters,
}

impl Inbox {
    /// `samples` refused requests are kept per marketplace.
    pub fn new(directory: Arc<Directory>, writer: Writer, samples: u64) -> Self {
        let quarantine = Quarantine::new(writer.db().clone(), samples);
        Self {
            directory,
            writer,
            quarantine,
            counters: Counters::default(),
        }
    }

    pub fn tally(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            accepted: read(&self.counters.accepted),
            duplicates: read(&self.counters.duplicates),
            refused: read(&self.counters.refused),
            unavailable: read(&self.counters.unavailable),
        }
    }

    /// Refusals per marketplace and reason since this process started.
    pub fn refusals(&self) -> Refusals {
        self.quarantine.refusals()
    }

    /// Receives one request at `/webhooks/{marketplace}` or `/webhooks/{marketplace}/{address}`.
    pub async fn receive(
        &self,
        marketplace: &'static dyn Marketplace,
        address: Option<&str>,
        raw: RawDelivery,
        now: Timestamp,
    ) -> Answer {
        match self.take(marketplace, address, raw, now).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(marketplace = marketplace.slug(), %error, "a delivery could not be stored; 503");
                self.counters.unavailable.fetch_add(1, Ordering::Relaxed);
                Answer::Unavailable
            }
        }
    }

    async fn take(
        &self,
        marketplace: &'static dyn Marketplace,
        address: Option<&str>,
        raw: RawDelivery,
        now: Timestamp,
    ) -> Result<Answer, ReceiveError> {
        let per_channel = marketplace.limits().webhook_address == WebhookAddress::Channel;
        if per_channel != address.is_some() {
            return Ok(Answer::NobodyHere);
        }
        let who = match address {
            Some(address) => Some(address.to_owned()),
            None => marketplace.claimed_channel(&raw).map(|id| id.to_string()),
        };
        let known = self
            .directory
            .look_up(marketplace, who.as_deref(), now)
            .await?;
        if per_channel && known.known.is_none() {
            return Ok(Answer::NobodyHere);
        }
        if let Some(acknowledgement) = marketplace.handshake(&raw) {
            return Ok(Answer::Acknowledged(acknowledgement));
        }
        let (delivery, known) = match self
            .verify(marketplace, who.as_deref(), raw, known, now)
            .await?
        {
            Ok(verified) => verified,
            Err(rejected) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                return Ok(Answer::Refused(rejected));
            }
        };
        let receipt = make_receipt(marketplace, &delivery, &known, now);
        match self
            .writer
            .store(receipt)
            .await
            .map_err(ReceiveError::Store)?
        {
            Stored::New => self.counters.accepted.fetch_add(1, Ordering::Relaxed),
            Stored::Duplicate => self.counters.duplicates.fetch_add(1, Ordering::Relaxed),
        };
        Ok(Answer::Acknowledged(marketplace.acknowledgement()))
    }

    /// Verifies; a refusal is tried once more with keys read anew, since they may just have been rotated.
    async fn verify(
        &self,
        marketplace: &'static dyn Marketplace,
        who: Option<&str>,
        raw: RawDelivery,
        known: Arc<KnownKeys>,
        now: Timestamp,
    ) -> Result<Result<(VerifiedDelivery, Arc<KnownKeys>), Rejected>, ReceiveError> {
        let sample = raw.clone();
        let rejected = match marketplace.verify(raw, &known.keys) {
            Ok(delivery) => return Ok(Ok((delivery, known))),
            Err(rejected) => rejected,
        };
        let again = self.directory.look_again(marketplace, who, now).await?;
        if !Arc::ptr_eq(&again, &known)
            && let Ok(delivery) = marketplace.verify(sample.clone(), &again.keys)
        {
            return Ok(Ok((delivery, again)));
        }
        let channel = again.known.as_ref().map(|known| known.channel);
        self.quarantine
            .keep(marketplace.slug(), channel, rejected, &sample, now)
            .await;
        Ok(Err(rejected))
    }
}

#[derive(Debug, thiserror::Error)]
enum ReceiveError {
    #[error("the channel could not be looked up: {0}")]
    LookUp(#[from] ChannelError),
    #[error("{0}")]
    Store(super::commit::StoreError),
}

fn make_receipt(
    marketplace: &'static dyn Marketplace,
    delivery: &VerifiedDelivery,
    known: &KnownKeys,
    now: Timestamp,
) -> Receipt {
    let parsed = marketplace.parse(delivery);
    let (verdict, events) = match (&known.known, parsed) {
        (None, _) => (Verdict::UnknownChannel, Vec::new()),
        (_, Err(Malformed::UnknownTopic(_))) => (Verdict::UnknownTopic, Vec::new()),
        (_, Err(Malformed::Shape(_))) => (Verdict::Unreadable, Vec::new()),
        (_, Ok(events)) if events.is_empty() => (Verdict::Ignored, events),
        (Some(known), Ok(events)) if !known.is_active => (Verdict::Parked, events),
        (_, Ok(events)) => (Verdict::Accepted, events),
    };
    let scope = known
        .known
        .as_ref()
        .map_or_else(|| "-".to_owned(), |known| known.channel.to_string());
    Receipt {
        marketplace: marketplace.slug(),
        known: known.known.clone(),
        delivery_key: format!("{scope}:{}", marketplace.delivery_key(delivery).0),
        topic: marketplace.topic(delivery),
        verdict,
        raw: delivery.raw().clone(),
        events,
        received_at: now,
    }
}
