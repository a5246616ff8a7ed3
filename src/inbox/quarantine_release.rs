//! Refused requests that are kept: looking at them, verifying them again, releasing and discarding them.
//!
//! 1. A request is verified again with the keys of now and **as of the time it was received**: a signed timestamp is
//!    compared with that, so that it does not become too old by waiting here.
//! 2. Only what verifies now can be released. It is then taken in exactly as a delivery that came when it came: the same
//!    key that makes a repeat a repeat, the same verdict, events and work.
//! 3. What was released or discarded stays as a row without its body: who did it, when and why.

use super::{
    Inbox, Verdict,
    commit::{Stored, store_in},
    receive::make_receipt,
    self_test,
};
use crate::channels::{ChannelError, Directory, Known, Who};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, Timestamp};
use crate::marketplaces::{self, RawDelivery, Rejected, VerifiedDelivery};
use entity::{channels, deliveries, quarantine};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr,
    EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use std::time::Duration;
use thiserror::Error;

/// The state of a request that nothing was done with yet.
pub const HELD: &str = "held";
pub const RELEASED: &str = "released";
pub const DISCARDED: &str = "discarded";

/// Marketplaces try again for so long, about: what is older was told anew, or is found by a download.
pub const RETRY_WINDOW: Duration = Duration::from_secs(3 * 86_400);

/// Which refused requests; everything that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldFilter {
    /// These; none: all.
    pub ids: Vec<i64>,
    pub marketplace: Option<String>,
    pub channel: Option<ChannelId>,
    /// Why they were refused.
    pub reason: Option<String>,
    pub state: Option<String>,
    /// Received at or after this time.
    pub from: Option<Timestamp>,
    /// Received before this time.
    pub to: Option<Timestamp>,
    /// Only those with a smaller id: the next page.
    pub before: Option<i64>,
}

impl HeldFilter {
    /// Those that claim to be for a shop of the merchant, and those that claim to be for nobody's.
    fn condition(&self, merchant: MerchantId) -> Condition {
        use quarantine::Column as C;
        let ours = channels::Entity::find()
            .select_only()
            .column(channels::Column::Id)
            .filter(channels::Column::MerchantId.eq(merchant.0));
        let ours = C::ChannelId.in_subquery(ours.into_query());
        let ids = (!self.ids.is_empty()).then(|| C::Id.is_in(self.ids.iter().copied()));
        Condition::all()
            .add(Condition::any().add(ours).add(C::ChannelId.is_null()))
            .add_option(ids)
            .add_option(
                self.marketplace
                    .as_ref()
                    .map(|slug| C::Marketplace.eq(slug)),
            )
            .add_option(self.channel.map(|id| C::ChannelId.eq(id.0)))
            .add_option(self.reason.as_ref().map(|reason| C::Reason.eq(reason)))
            .add_option(self.state.as_ref().map(|state| C::State.eq(state)))
            .add_option(self.from.map(|from| C::ReceivedAt.gte(from.micros())))
            .add_option(self.to.map(|to| C::ReceivedAt.lt(to.micros())))
            .add_option(self.before.map(|before| C::Id.lt(before)))
    }
}

/// Refused requests, newest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn held<C: ConnectionTrait>(
    db: &C,
    merchant: MerchantId,
    filter: &HeldFilter,
    limit: u64,
) -> Result<Vec<quarantine::Model>, DbErr> {
    quarantine::Entity::find()
        .filter(filter.condition(merchant))
        .order_by_desc(quarantine::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Why a kept request cannot be taken in.
#[derive(Debug, Error)]
pub enum NotBelieved {
    #[error("it was {0} before")]
    Over(String),
    #[error(
        "only the first {kept} of its {all} bytes were kept, by an older version; download what it told of by number"
    )]
    CutShort { kept: usize, all: i64 },
    #[error("{0} is no marketplace that this version knows")]
    UnknownMarketplace(String),
    #[error("nobody is at the address that it came to any more")]
    NobodyHere,
    #[error("the shop that it is for was removed")]
    Removed,
    #[error("{0}; download what it told of by number")]
    Refused(Rejected),
    #[error("it is a self-test of our own; there is nothing to take in")]
    OurOwn,
    #[error("it is for a shop of another merchant")]
    AnotherMerchant,
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl NotBelieved {
    /// The word for it in tables and JSON; never renamed.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Over(_) => "over",
            Self::CutShort { .. } => "cut_short",
            Self::UnknownMarketplace(_) => "unknown_marketplace",
            Self::NobodyHere => "nobody_here",
            Self::Removed => "removed",
            Self::Refused(why) => why.code(),
            Self::OurOwn => "our_own",
            Self::AnotherMerchant => "another_merchant",
            Self::Channel(_) | Self::Db(_) => "database",
        }
    }
}

/// A kept request that is believed now.
#[derive(Debug)]
pub struct Believed {
    delivery: VerifiedDelivery,
    marketplace: &'static dyn marketplaces::Marketplace,
    known: Option<Known>,
}

impl Believed {
    /// Which key fits: 0 the current one, 1 and up those that are being rotated out.
    pub fn key_index(&self) -> usize {
        self.delivery.key_index()
    }

    /// What it would be stored as.
    pub fn verdict(&self) -> Verdict {
        let known = self.known.as_ref();
        make_receipt(self.marketplace, &self.delivery, known, Timestamp::EPOCH).verdict
    }
}

/// A request that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    pub id: i64,
    /// What it is stored as: a new delivery, or the one that told the same before.
    pub delivery: Option<i64>,
    pub is_duplicate: bool,
    pub verdict: Verdict,
}

/// Who does something about a kept request, and why.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'d> {
    pub by: &'d str,
    pub why: &'d str,
}

/// Verifies a kept request with the keys of now, as of the time it was received. Writes nothing.
///
/// # Errors
/// Why it is not believed.
pub async fn verify_held(
    directory: &Directory,
    merchant: MerchantId,
    row: &quarantine::Model,
    now: Timestamp,
) -> Result<Believed, NotBelieved> {
    if row.state != HELD {
        return Err(NotBelieved::Over(row.state.clone()));
    }
    if (row.body.len() as i64) < row.body_bytes {
        let (kept, all) = (row.body.len(), row.body_bytes);
        return Err(NotBelieved::CutShort { kept, all });
    }
    let marketplace = marketplaces::find(&row.marketplace)
        .ok_or_else(|| NotBelieved::UnknownMarketplace(row.marketplace.clone()))?;
    let headers = serde_json::from_str(&row.headers).unwrap_or_default();
    let received_at = Timestamp::from_micros(row.received_at);
    let raw = RawDelivery::new(headers, row.body.clone()).at(received_at);
    let who = match &row.address {
        Some(address) => Who::Address(address.clone()),
        None => Who::Shop(marketplace.claimed_channel(&raw).map(|id| id.to_string())),
    };
    let found = directory.look_fresh(marketplace, who, now).await?;
    if row.address.is_some() && found.known.is_none() {
        return Err(NotBelieved::NobodyHere);
    }
    let delivery = marketplace
        .verify(raw, &found.keys)
        .map_err(NotBelieved::Refused)?;
    if self_test::is_ours(&delivery) {
        return Err(NotBelieved::OurOwn);
    }
    if found.is_removed {
        return Err(NotBelieved::Removed);
    }
    let known = found.known;
    if known
        .as_ref()
        .is_some_and(|known| known.merchant != merchant)
    {
        return Err(NotBelieved::AnotherMerchant);
    }
    Ok(Believed {
        delivery,
        marketplace,
        known,
    })
}

/// Takes in a request that is believed, in the caller's transaction; `None` when somebody else was quicker.
///
/// # Errors
/// When the database fails.
pub async fn release_held(
    tx: &Tx,
    id: i64,
    believed: &Believed,
    decided: Decided<'_>,
    now: Timestamp,
) -> Result<Option<Released>, DbErr> {
    let Some(row) = locked(tx, id).await? else {
        return Ok(None);
    };
    let received_at = Timestamp::from_micros(row.received_at);
    let known = believed.known.as_ref();
    let receipt = make_receipt(believed.marketplace, &believed.delivery, known, received_at);
    let verdict = receipt.verdict;
    let key = (receipt.marketplace, receipt.delivery_key.clone());
    let stored = store_in(tx, &[receipt], now).await?;
    let (stored, delivery) = stored
        .into_iter()
        .next()
        .unwrap_or((Stored::Duplicate, None));
    let delivery = match delivery {
        Some(id) => Some(id),
        None => stored_as(tx, key).await?,
    };
    end(tx, row, (RELEASED, delivery), decided, now).await?;
    Ok(Some(Released {
        id,
        delivery,
        is_duplicate: stored == Stored::Duplicate,
        verdict,
    }))
}

/// Throws a kept request away; its row stays, without the body. False when there is no such request any more.
///
/// # Errors
/// When the database fails.
pub async fn discard_held(
    tx: &Tx,
    id: i64,
    decided: Decided<'_>,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let Some(row) = locked(tx, id).await? else {
        return Ok(false);
    };
    end(tx, row, (DISCARDED, None), decided, now).await?;
    Ok(true)
}

/// Requests that claim to be for a channel and are still held, received since; oldest first.
///
/// # Errors
/// When the database fails.
pub async fn held_of_channel<C: ConnectionTrait>(
    db: &C,
    channel: ChannelId,
    since: Timestamp,
    (after, limit): (i64, u64),
) -> Result<Vec<quarantine::Model>, DbErr> {
    quarantine::Entity::find()
        .filter(quarantine::Column::ChannelId.eq(channel.0))
        .filter(quarantine::Column::State.eq(HELD))
        .filter(quarantine::Column::ReceivedAt.gte(since.micros()))
        .filter(quarantine::Column::Id.gt(after))
        .order_by_asc(quarantine::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Channels of which requests received since are still held.
///
/// # Errors
/// When the database fails.
pub async fn channels_with_held(
    db: &Db,
    since: Timestamp,
) -> Result<Vec<(ChannelId, MerchantId)>, DbErr> {
    let ids: Vec<Option<i64>> = quarantine::Entity::find()
        .select_only()
        .column(quarantine::Column::ChannelId)
        .distinct()
        .filter(quarantine::Column::State.eq(HELD))
        .filter(quarantine::Column::ReceivedAt.gte(since.micros()))
        .filter(quarantine::Column::ChannelId.is_not_null())
        .into_tuple()
        .all(db.read())
        .await?;
    let rows = channels::Entity::find()
        .filter(channels::Column::Id.is_in(ids.into_iter().flatten()))
        .order_by_asc(channels::Column::Id)
        .all(db.read())
        .await?;
    let owner = |row: channels::Model| (ChannelId(row.id), MerchantId(row.merchant_id));
    Ok(rows.into_iter().map(owner).collect())
}

impl Inbox {
    /// As [`verify_held`], with the keys that this process knows.
    ///
    /// # Errors
    /// Why it is not believed.
    pub async fn verify_held(
        &self,
        merchant: MerchantId,
        row: &quarantine::Model,
        now: Timestamp,
    ) -> Result<Believed, NotBelieved> {
        verify_held(&self.directory, merchant, row, now).await
    }
}

async fn locked(tx: &Tx, id: i64) -> Result<Option<quarantine::Model>, DbErr> {
    let row = quarantine::Entity::find_by_id(id)
        .lock_exclusive()
        .one(tx)
        .await?;
    Ok(row.filter(|row| row.state == HELD))
}

async fn stored_as(
    tx: &Tx,
    (marketplace, key): (&'static str, String),
) -> Result<Option<i64>, DbErr> {
    let row = deliveries::Entity::find()
        .filter(deliveries::Column::Marketplace.eq(marketplace))
        .filter(deliveries::Column::DeliveryKey.eq(key))
        .one(tx)
        .await?;
    Ok(row.map(|row| row.id))
}

async fn end(
    tx: &Tx,
    row: quarantine::Model,
    (state, delivery): (&str, Option<i64>),
    decided: Decided<'_>,
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut row = row.into_active_model();
    row.state = Set(state.to_owned());
    // What was released is among the deliveries; what was discarded nobody wants to keep.
    row.body = Set(Vec::new());
    row.delivery_id = Set(delivery);
    row.ended_at = Set(Some(now.micros()));
    row.by_name = Set(Some(decided.by.to_owned()));
    row.why = Set(Some(decided.why.to_owned()));
    row.update(tx).await?;
    Ok(())
}
