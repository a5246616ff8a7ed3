//! What it takes to call a channel's API, put together; and what its failures mean for the channel.

use super::{
    SyncError,
    error::ChannelTrouble,
    pace::{Bucket, Lane, Paced},
    renewals::Renewals,
};
use crate::accounts::{Acting, Deed};
use crate::channels::{self, Channel, ChannelState, Sealer, StoredCredentials};
use crate::clock::Clock;
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, Source, Timestamp, Work};
use crate::marketplaces::{
    Abilities, Access, Marketplace, MarketplaceError, Pace, Secrets, ShopAddress, http::Http,
};
use crate::queue::{self, NewJob, Queue};
use sea_orm::DbErr;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use url::Url;

/// Where a marketplace's API is, and the app's own secrets for it.
#[derive(Debug, Clone)]
pub struct Api {
    /// None where every shop has its own.
    pub api: Option<Url>,
    /// Where tokens are, when that differs.
    pub auth: Option<Url>,
    /// Where merchants consent, when that differs.
    pub consent: Option<Url>,
    /// Where the marketplace sends the app's webhooks, when that is not below our public address.
    pub webhook_url: Option<String>,
    /// Merged into every channel's secrets: app key and app secret.
    pub secrets: Secrets,
}

/// Our apps at the marketplaces, by slug.
pub type Apis = HashMap<&'static str, Api>;

#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// How marketplaces reach us, such as `https://hooks.example.com`: webhooks are asked for there.
    pub public_url: String,
    /// How far back the first order download of a channel reaches.
    pub first_download: Duration,
    /// Multiplies the request rate; more than 1 only against simulated marketplaces.
    pub haste: f64,
    /// Private and loopback addresses may be called: only for the sandbox.
    pub allow_private_hosts: bool,
    /// How long an API may take to answer.
    pub timeout: Duration,
}

/// Speaks to marketplaces on behalf of channels. Cheap to clone; clones share the rate budgets.
#[derive(Clone)]
pub struct Sync {
    pub(super) shared: Arc<Shared>,
    /// Who asks for what is done; `None` when nobody does.
    acting: Option<Acting>,
}

pub(super) struct Shared {
    pub db: Db,
    pub queue: Queue,
    pub sealer: Sealer,
    pub clock: Clock,
    pub apis: Apis,
    pub http: Http,
    pub options: SyncOptions,
    pub renewals: Renewals,
    buckets: Mutex<HashMap<ChannelId, Arc<Bucket>>>,
}

impl fmt::Debug for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sync").finish_non_exhaustive()
    }
}

impl Sync {
    pub fn new(
        queue: Queue,
        sealer: Sealer,
        clock: Clock,
        apis: Apis,
        options: SyncOptions,
    ) -> Self {
        let http = Http::new(options.allow_private_hosts, options.timeout);
        Self {
            shared: Arc::new(Shared {
                db: queue.db().clone(),
                queue,
                sealer,
                clock,
                apis,
                http,
                options,
                renewals: Renewals::default(),
                buckets: Mutex::default(),
            }),
            acting: None,
        }
    }

    /// The same on behalf of somebody: what they change enters the audit trail.
    #[must_use]
    pub fn acting(&self, acting: Acting) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            acting: Some(acting),
        }
    }

    /// Writes to the audit trail what somebody asked for; what nobody asked for is not in it.
    pub(super) async fn note_deed(
        &self,
        tx: &Tx,
        merchant: MerchantId,
        deed: Deed,
    ) -> Result<(), DbErr> {
        match &self.acting {
            None => Ok(()),
            Some(acting) => {
                let now = self.shared.clock.now();
                acting.record(tx, Some(merchant), deed, now).await
            }
        }
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub(super) fn db(&self) -> &Db {
        &self.shared.db
    }

    /// The connection of a channel, if it works.
    pub(super) async fn connection(&self, channel: ChannelId) -> Result<Channel, SyncError> {
        let channel = channels::connection_of(self.db().read(), channel).await?;
        match channel.state {
            ChannelState::Active => Ok(channel),
            ChannelState::Removed => Err(SyncError::Removed(channel.id)),
            ChannelState::Locked => Err(SyncError::Locked {
                channel: channel.id,
                reason: channel.state_reason.clone().unwrap_or_default(),
            }),
        }
    }

    /// The same, locked or not.
    pub(super) async fn unremoved(&self, channel: ChannelId) -> Result<Channel, SyncError> {
        let connection = channels::connection_of(self.db().read(), channel).await?;
        match connection.state {
            ChannelState::Removed => Err(SyncError::Removed(connection.id)),
            ChannelState::Active | ChannelState::Locked => Ok(connection),
        }
    }

    /// Everything a client needs to call the API of this connection.
    ///
    /// # Errors
    /// Also when the marketplace wants to be left alone for a while: then the work is better put back.
    pub(super) async fn access(
        &self,
        connection: &Channel,
        lane: Lane,
    ) -> Result<Access, SyncError> {
        if let Some(wait) = self.pace(connection, lane).bucket.rest(Instant::now()) {
            return Err(SyncError::Marketplace {
                channel: connection.id,
                error: MarketplaceError::RateLimited {
                    marketplace: connection.marketplace.slug(),
                    retry_after: Some(wait),
                },
            });
        }
        let stored = self.stored(connection.id).await?;
        self.access_by(connection, &stored, lane)
    }

    /// The same with these credentials, whatever is stored by now.
    pub(super) fn access_by(
        &self,
        connection: &Channel,
        stored: &StoredCredentials,
        lane: Lane,
    ) -> Result<Access, SyncError> {
        let base = connection.base_url.as_deref();
        let mut access = self.access_with(connection.marketplace, base, &stored.secrets)?;
        access.channel = connection.id;
        access.version = stored.version;
        access.shop = connection.remote_id.clone();
        access.pace = Arc::new(self.pace(connection, lane));
        Ok(access)
    }

    /// What the shop behind a channel can be asked.
    ///
    /// # Errors
    /// When the channel is unknown or its credentials do not open.
    pub async fn abilities(&self, channel: ChannelId) -> Result<Abilities, SyncError> {
        let connection = channels::connection_of(self.db().read(), channel).await?;
        let access = self.access(&connection, Lane::Urgent).await?;
        Ok(connection.marketplace.abilities(&access))
    }

    /// The same for a shop that is not connected yet.
    pub(super) fn access_with(
        &self,
        marketplace: &'static dyn Marketplace,
        base_url: Option<&str>,
        secrets: &Secrets,
    ) -> Result<Access, SyncError> {
        let known = self.shared.apis.get(marketplace.slug());
        let own = base_url.and_then(|url| Url::parse(url).ok());
        let shared = known.and_then(|known| known.api.clone());
        let may_have_none = matches!(marketplace.connecting().address, ShopAddress::Optional(_));
        let none = || may_have_none.then(Access::no_api);
        let Some(api) = own.or(shared).or_else(none) else {
            return Err(SyncError::NoAddress(marketplace.name()));
        };
        let or_api = |url: Option<Url>| url.unwrap_or_else(|| api.clone());
        let auth = or_api(known.and_then(|known| known.auth.clone()));
        let consent = or_api(known.and_then(|known| known.consent.clone()));
        let mut secrets = secrets.clone();
        if let Some(known) = known {
            secrets.merge(&known.secrets);
        }
        Ok(Access {
            channel: ChannelId(0),
            shop: String::new().into(),
            api,
            auth,
            consent,
            secrets,
            version: 0,
            http: self.shared.http.counting(),
            pace: Arc::new(crate::marketplaces::access::Unpaced),
            clock: self.shared.clock.clone(),
        })
    }

    pub(super) fn pace(&self, connection: &Channel, lane: Lane) -> Paced {
        let mut buckets = self
            .shared
            .buckets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(connection.id).or_insert_with(|| {
            let limits = connection.marketplace.limits();
            Arc::new(Bucket::new(
                limits,
                self.shared.options.haste,
                Instant::now(),
            ))
        });
        Paced {
            bucket: Arc::clone(bucket),
            lane,
        }
    }

    /// Gives an error its channel, and does what it asks of the channel: renew the token, lock, slow down.
    ///
    /// `version` is that of the credentials that were asked with. Work may hold them for hours: what the
    /// marketplace says of secrets that were replaced meanwhile is not held against the channel.
    pub(super) async fn trouble(
        &self,
        connection: &Channel,
        version: i64,
        error: MarketplaceError,
    ) -> SyncError {
        let now = self.shared.clock.now();
        match ChannelTrouble::of(&error) {
            Some(ChannelTrouble::TokenExpired) => {
                match channels::is_current(self.db().read(), connection.id, version).await {
                    Ok(true) => {}
                    Ok(false) => return outdated(connection, error),
                    Err(failed) => return failed.into(),
                }
                if let Err(failed) = self.ask_for_refresh(connection).await {
                    return failed;
                }
            }
            Some(ChannelTrouble::Unauthorized(reason)) => {
                match self.lock(connection, version, &reason, now).await {
                    Ok(true) => {}
                    Ok(false) => return outdated(connection, error),
                    Err(failed) => return failed,
                }
                return SyncError::Locked {
                    channel: connection.id,
                    reason,
                };
            }
            Some(ChannelTrouble::SlowDown(wait)) => {
                self.pace(connection, Lane::Urgent).slow_down(wait);
            }
            None => {}
        }
        SyncError::Marketplace {
            channel: connection.id,
            error,
        }
    }

    async fn ask_for_refresh(&self, connection: &Channel) -> Result<(), SyncError> {
        let job = NewJob {
            merchant: connection.merchant,
            channel: connection.id,
            work: Work::REFRESH_TOKEN,
            source: Source::Expiry,
            run_at: None,
        };
        let tx = self.db().write_tx().await?;
        queue::enqueue(&tx, &[job], self.shared.clock.now()).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(())
    }

    /// Locks a channel for what was said of its credentials of `version`. False, and not locked, when it has
    /// others by now.
    pub(super) async fn lock(
        &self,
        connection: &Channel,
        version: i64,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, SyncError> {
        let tx = self.db().write_tx().await?;
        // First the channel, as in connecting: whoever is at that has stored the new ones before this looks.
        let is_news = channels::lock(&tx, connection.id, reason, now).await?;
        if !channels::is_current(&tx, connection.id, version).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.commit().await?;
        if is_news {
            tracing::error!(
                channel.id = connection.id.0,
                reason,
                "the channel is locked; reconnect it"
            );
        }
        Ok(true)
    }
}

pub(super) fn outdated(connection: &Channel, error: MarketplaceError) -> SyncError {
    SyncError::Outdated {
        channel: connection.id,
        error,
    }
}
