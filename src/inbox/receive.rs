//! One request: verified over its raw bytes, parsed, and handed to the writer.

use super::{
    Verdict, Writer,
    commit::{Receipt, Stored},
    old_keys::OldKeys,
    quarantine::{Quarantine, Refusals, Refused, Room},
    self_test,
};
use crate::channels::{ChannelError, Directory, Known, KnownKeys, Who};
use crate::domain::Timestamp;
use crate::marketplaces::{
    Acknowledgement, Malformed, Marketplace, RawDelivery, Rejected, VerifiedDelivery,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Stored, or nothing to store, such as for a channel that was removed: what the marketplace counts as
    /// success.
    Acknowledged(Acknowledgement),
    /// A delivery that we signed ourselves was believed; nothing was stored.
    Tested(Acknowledgement),
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
    pub(super) directory: Arc<Directory>,
    writer: Writer,
    quarantine: Quarantine,
    old_keys: OldKeys,
    counters: Counters,
}

impl Inbox {
    /// Refused requests are kept where there is `room`.
    pub fn new(directory: Arc<Directory>, writer: Writer, room: Room) -> Self {
        let quarantine = Quarantine::new(writer.db().clone(), room);
        Self {
            directory,
            writer,
            quarantine,
            old_keys: OldKeys::default(),
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
        let raw = raw.at(now);
        let kind = marketplace.limits().webhook_address;
        let is_served = match address {
            Some(_) => kind.is_per_channel(),
            None => kind.is_per_app(),
        };
        if !is_served {
            return Ok(Answer::NobodyHere);
        }
        let verified = match address {
            Some(address) => {
                self.take_for_channel(marketplace, address, raw, now)
                    .await?
            }
            None => self.take_for_app(marketplace, raw, now).await?,
        };
        let (delivery, known) = match verified {
            Ok(verified) => verified,
            Err(answer) => return Ok(answer),
        };
        if self_test::is_ours(&delivery) {
            return Ok(Answer::Tested(marketplace.acknowledgement()));
        }
        if known.is_removed {
            tracing::debug!(
                marketplace = marketplace.slug(),
                "a delivery for a removed channel was not kept"
            );
            return Ok(Answer::Acknowledged(marketplace.acknowledgement()));
        }
        let who = known.known.as_ref();
        self.old_keys
            .note(marketplace.slug(), who, delivery.key_index(), now);
        let receipt = make_receipt(marketplace, &delivery, who, now);
        let stored = self
            .writer
            .store(receipt)
            .await
            .map_err(ReceiveError::Store)?;
        match stored {
            Stored::New => self.counters.accepted.fetch_add(1, Ordering::Relaxed),
            Stored::Duplicate => self.counters.duplicates.fetch_add(1, Ordering::Relaxed),
        };
        Ok(Answer::Acknowledged(marketplace.acknowledgement()))
    }

    /// One address for all shops: the app's key decides, before a forgery can make us look anything up.
    async fn take_for_app(
        &self,
        marketplace: &'static dyn Marketplace,
        raw: RawDelivery,
        now: Timestamp,
    ) -> Result<Taken, ReceiveError> {
        if let Some(acknowledgement) = marketplace.handshake(&raw) {
            return Ok(Err(Answer::Acknowledged(acknowledgement)));
        }
        let who = marketplace.claimed_channel(&raw).map(|id| id.to_string());
        let keys = self.directory.app_keys(marketplace);
        let delivery = match marketplace.verify(raw.clone(), &keys) {
            Ok(delivery) => delivery,
            Err(rejected) => {
                let refused = Refused {
                    marketplace,
                    channel: None,
                    address: None,
                    why: rejected,
                    raw: &raw,
                };
                return Ok(Err(self.refuse(refused, now).await));
            }
        };
        let known = self
            .directory
            .look_up(marketplace, Who::Shop(who), now)
            .await?;
        Ok(Ok((delivery, known)))
    }

    /// One address per channel: the channel's secrets decide. A refusal is tried once more with secrets read
    /// anew, since they may just have been rotated.
    async fn take_for_channel(
        &self,
        marketplace: &'static dyn Marketplace,
        address: &str,
        raw: RawDelivery,
        now: Timestamp,
    ) -> Result<Taken, ReceiveError> {
        let who = || Who::Address(address.to_owned());
        let known = self.directory.look_up(marketplace, who(), now).await?;
        if known.known.is_none() {
            return Ok(Err(Answer::NobodyHere));
        }
        if let Some(acknowledgement) = marketplace.handshake(&raw) {
            return Ok(Err(Answer::Acknowledged(acknowledgement)));
        }
        let rejected = match marketplace.verify(raw.clone(), &known.keys) {
            Ok(delivery) => return Ok(Ok((delivery, known))),
            Err(rejected) => rejected,
        };
        let again = self.directory.look_again(marketplace, who(), now).await?;
        if !Arc::ptr_eq(&again, &known)
            && let Ok(delivery) = marketplace.verify(raw.clone(), &again.keys)
        {
            return Ok(Ok((delivery, again)));
        }
        let refused = Refused {
            marketplace,
            channel: again.known.as_ref().map(|known| known.channel),
            address: Some(address),
            why: rejected,
            raw: &raw,
        };
        Ok(Err(self.refuse(refused, now).await))
    }

    async fn refuse(&self, refused: Refused<'_>, now: Timestamp) -> Answer {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        self.quarantine.keep(refused, now).await;
        Answer::Refused(refused.why)
    }
}

/// A believed delivery and who it is for; or the answer, when there is nothing to store.
type Taken = Result<(VerifiedDelivery, Arc<KnownKeys>), Answer>;

#[derive(Debug, thiserror::Error)]
enum ReceiveError {
    #[error("the channel could not be looked up: {0}")]
    LookUp(#[from] ChannelError),
    #[error("{0}")]
    Store(super::commit::StoreError),
}

/// What a believed delivery is stored as; `known` is the channel that it is for.
pub(super) fn make_receipt(
    marketplace: &'static dyn Marketplace,
    delivery: &VerifiedDelivery,
    known: Option<&Known>,
    now: Timestamp,
) -> Receipt {
    let parsed = marketplace.parse(delivery);
    let (verdict, events) = match (known, parsed) {
        // A test from the marketplace's console is signed, and about no shop.
        (None, Ok(events)) if events.is_empty() => (Verdict::Ignored, events),
        (None, _) => (Verdict::UnknownChannel, Vec::new()),
        (_, Err(Malformed::UnknownTopic(_))) => (Verdict::UnknownTopic, Vec::new()),
        (_, Err(Malformed::Shape(_))) => (Verdict::Unreadable, Vec::new()),
        (_, Ok(events)) if events.is_empty() => (Verdict::Ignored, events),
        (Some(known), Ok(events)) if !known.is_active => (Verdict::Parked, events),
        (_, Ok(events)) => (Verdict::Accepted, events),
    };
    let scope = known.map_or_else(|| "-".to_owned(), |known| known.channel.to_string());
    Receipt {
        marketplace: marketplace.slug(),
        known: known.cloned(),
        delivery_key: format!("{scope}:{}", marketplace.delivery_key(delivery).0),
        topic: marketplace.topic(delivery),
        verdict,
        raw: delivery.raw().clone(),
        key_index: delivery.key_index(),
        events,
        received_at: now,
    }
}
