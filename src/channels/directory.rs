//! Who is behind a webhook address, answered from memory.
//!
//! A webhook must not wait for the database before its signature is checked. Answers are kept for a few
//! seconds, so that a change made by another process is seen soon; a refused signature looks again at
//! once, so that a rotated secret works at once.

use super::{ChannelError, ChannelState, Sealer, secrets};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, Timestamp};
use crate::marketplaces::{Marketplace, WebhookKeys};
use entity::channels;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// How long an answer is believed.
const FRESH: Duration = Duration::from_secs(5);
/// How soon after a look-up the same question may reach the database again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Answers that are kept; more are forgotten all at once. Bounds what strangers can make us remember.
const MOST_ANSWERS: usize = 10_000;

/// A channel as a webhook needs it.
#[derive(Debug, Clone)]
pub struct Known {
    pub channel: ChannelId,
    pub merchant: MerchantId,
    pub is_active: bool,
}

/// A channel and the keys that may sign for it.
#[derive(Debug, Clone)]
pub struct KnownKeys {
    pub known: Option<Known>,
    /// The merchant has removed the channel: nobody is known, and nobody wants to hear of it.
    pub is_removed: bool,
    pub keys: WebhookKeys,
    looked_at: Timestamp,
}

/// Who is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// The channel at this webhook address.
    Address(String),
    /// The channel of this shop; `None`: the delivery named no shop.
    Shop(Option<String>),
}

type Question = (&'static str, Who);

/// Looks up channels by webhook address or by shop.
#[derive(Debug)]
pub struct Directory {
    db: Db,
    sealer: Sealer,
    /// Keys of marketplaces that sign with the app's key.
    app_keys: HashMap<&'static str, WebhookKeys>,
    answers: RwLock<HashMap<Question, Arc<KnownKeys>>>,
}

impl Directory {
    pub fn new(db: Db, sealer: Sealer, app_keys: HashMap<&'static str, WebhookKeys>) -> Self {
        Self {
            db,
            sealer,
            app_keys,
            answers: RwLock::default(),
        }
    }

    /// The keys of a marketplace that signs with the app's key.
    pub fn app_keys(&self, marketplace: &dyn Marketplace) -> WebhookKeys {
        self.app_keys
            .get(marketplace.slug())
            .cloned()
            .unwrap_or_default()
    }

    /// The channel at a webhook address, or of a shop where there is one address for the whole app.
    ///
    /// # Errors
    /// When the database fails or the secrets do not open.
    pub async fn look_up(
        &self,
        marketplace: &'static dyn Marketplace,
        who: Who,
        now: Timestamp,
    ) -> Result<Arc<KnownKeys>, ChannelError> {
        self.look_up_if_older(marketplace, who, FRESH, now).await
    }

    /// The same, unless the database was asked within the last second.
    pub async fn look_again(
        &self,
        marketplace: &'static dyn Marketplace,
        who: Who,
        now: Timestamp,
    ) -> Result<Arc<KnownKeys>, ChannelError> {
        self.look_up_if_older(marketplace, who, LOOK_AGAIN, now)
            .await
    }

    /// The same, asked of the database in any case: for commands, which may have changed it a moment ago.
    ///
    /// # Errors
    /// As [`Directory::look_up`].
    pub async fn look_fresh(
        &self,
        marketplace: &'static dyn Marketplace,
        who: Who,
        now: Timestamp,
    ) -> Result<KnownKeys, ChannelError> {
        self.ask(marketplace, who, now).await
    }

    async fn look_up_if_older(
        &self,
        marketplace: &'static dyn Marketplace,
        who: Who,
        age: Duration,
        now: Timestamp,
    ) -> Result<Arc<KnownKeys>, ChannelError> {
        let question = (marketplace.slug(), who.clone());
        let kept = {
            let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
            answers.get(&question).cloned()
        };
        if let Some(answer) = kept.filter(|answer| now.since(answer.looked_at) < age) {
            return Ok(answer);
        }
        let answer = Arc::new(self.ask(marketplace, who, now).await?);
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST_ANSWERS {
            answers.clear();
        }
        answers.insert(question, Arc::clone(&answer));
        Ok(answer)
    }

    async fn ask(
        &self,
        marketplace: &'static dyn Marketplace,
        who: Who,
        now: Timestamp,
    ) -> Result<KnownKeys, ChannelError> {
        let (read, slug) = (self.db.read(), marketplace.slug());
        let mut is_removed = false;
        let known = match &who {
            Who::Shop(None) => None,
            Who::Shop(Some(shop)) => {
                let known = known_shop(read, slug, shop).await?;
                is_removed = known.is_none() && self::is_removed(read, slug, shop).await?;
                known
            }
            Who::Address(address) => {
                known_by(read, slug, channels::Column::Address.eq(address.as_str())).await?
            }
        };
        let mut keys = self.app_keys(marketplace);
        if let (Who::Address(_), Some(known)) = (&who, &known) {
            let id = known.channel;
            let own = secrets::secrets_of_connection(read, &self.sealer, id, now).await?;
            keys.keys.splice(..0, own.keys);
        }
        Ok(KnownKeys {
            known,
            is_removed,
            keys,
            looked_at: now,
        })
    }
}

/// The channel of a shop, as it is now; `None` when the shop is not connected.
///
/// # Errors
/// When the database fails.
pub async fn known_shop<C: ConnectionTrait>(
    conn: &C,
    marketplace: &str,
    shop: &str,
) -> Result<Option<Known>, ChannelError> {
    known_by(conn, marketplace, channels::Column::RemoteId.eq(shop)).await
}

/// Whether the merchant has removed this shop.
///
/// # Errors
/// When the database fails.
pub async fn is_removed<C: ConnectionTrait>(
    conn: &C,
    marketplace: &str,
    shop: &str,
) -> Result<bool, ChannelError> {
    let row = channels::Entity::find()
        .filter(channels::Column::Marketplace.eq(marketplace))
        .filter(channels::Column::ParentId.is_null())
        .filter(channels::Column::State.eq(ChannelState::Removed.as_str()))
        .filter(channels::Column::RemoteId.eq(shop))
        .one(conn)
        .await?;
    Ok(row.is_some())
}

/// Those of these channels that are active, and stay so until the transaction ends: whoever locks or unlocks
/// one of them waits for it, or was waited for.
///
/// # Errors
/// When the database fails.
pub async fn active_among(tx: &Tx, ids: &[ChannelId]) -> Result<HashSet<ChannelId>, DbErr> {
    // Whatever their state: only rows that are found are held.
    let rows = channels::Entity::find()
        .filter(channels::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .order_by_asc(channels::Column::Id)
        .lock_shared()
        .all(tx)
        .await?;
    let active = rows
        .into_iter()
        .filter(|row| row.state == ChannelState::Active.as_str());
    Ok(active.map(|row| ChannelId(row.id)).collect())
}

async fn known_by<C: ConnectionTrait>(
    conn: &C,
    marketplace: &str,
    named: Expr,
) -> Result<Option<Known>, ChannelError> {
    let row = channels::Entity::find()
        .filter(channels::Column::Marketplace.eq(marketplace))
        .filter(channels::Column::ParentId.is_null())
        .filter(channels::Column::State.ne(ChannelState::Removed.as_str()))
        .filter(named)
        .one(conn)
        .await?;
    Ok(row.map(|row| Known {
        channel: ChannelId(row.id),
        merchant: MerchantId(row.merchant_id),
        is_active: row.state == ChannelState::Active.as_str(),
    }))
}
