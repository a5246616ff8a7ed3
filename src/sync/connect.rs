//! Connecting a shop: ask it who it is, store it, ask for its webhooks, and begin to read it.

use super::{Lane, Sync, SyncError, held::check_later};
use crate::accounts::Deed;
use crate::channels::{self, Channel, Expiry, NewChannel, REFRESH_TOKEN};
use crate::config::Secret;
use crate::domain::{
    ChannelId, Download, EventKind, MerchantId, OutletId, RemoteId, ScanKind, ScanMethod, Source,
    Timestamp, Work,
};
use crate::inbox;
use crate::marketplaces::{
    Abilities, Access, Marketplace, MarketplaceError, Secrets, ShopIdentity, Subscribing,
    WebhookAddress, http,
};
use crate::queue::{self, NewJob};
use crate::schedule;
use serde_json::json;
use url::Url;

/// The name under which a merchant hands over the secret of webhooks that were set up by hand.
const WEBHOOK_SECRET: &str = "webhook_secret";
/// How often the shops are asked for with tokens that were just renewed.
const TRIES: usize = 4;

/// A shop to connect, with what the merchant handed over.
#[derive(Debug)]
pub struct Connect {
    pub merchant: MerchantId,
    pub outlet: OutletId,
    pub marketplace: &'static dyn Marketplace,
    /// The store's own address, where shops have one.
    pub base_url: Option<String>,
    pub secrets: Secrets,
    pub expires_at: Option<Timestamp>,
    /// Instead of the name that the shop tells.
    pub name: Option<String>,
}

/// A shop that was connected.
#[derive(Debug)]
pub struct Connected {
    /// One per platform; the first holds the connection.
    pub channels: Vec<Channel>,
    pub webhook_url: String,
    /// The secret that was made for its webhooks, where a person must paste it into the store: this is the only
    /// time that it is told.
    pub webhook_secret: Option<Secret>,
    /// What was changed at the marketplace, in words; or why webhooks could not be set up. Scans find what
    /// webhooks miss, so the shop is connected all the same.
    pub webhooks: Result<Vec<String>, SyncError>,
}

/// What came of connecting the shops that the credentials open.
#[derive(Debug)]
pub struct Connection {
    /// At least one.
    pub connected: Vec<Connected>,
    pub failed: Vec<Unconnected>,
}

/// A shop that could not be connected, while others could.
#[derive(Debug)]
pub struct Unconnected {
    pub shop: RemoteId,
    pub name: String,
    pub error: SyncError,
}

impl Unconnected {
    pub fn for_people(&self) -> String {
        let (name, shop) = (&self.name, &self.shop);
        format!(
            "{name} (shop {shop}) was not connected: {}",
            self.error.for_people()
        )
    }
}

impl Connected {
    /// What a person has to do by hand before webhooks come; `None` where nothing.
    pub fn by_hand(&self) -> Option<String> {
        let limits = self.channels.first()?.marketplace.limits();
        let topics = limits.topics.join(", ");
        match limits.subscribing {
            Subscribing::Api => None,
            Subscribing::AddressOnly => Some(format!(
                "switch these webhooks on in the app's console: {topics}"
            )),
            Subscribing::ByHand => Some(format!(
                "set this address in the console of the app or shop, for these webhooks: {topics}"
            )),
        }
    }
}

impl Sync {
    /// Connects every shop that the credentials open: they are tried before anything is stored.
    ///
    /// # Errors
    /// When the address is not allowed, the credentials open no shop, or none of the shops could be connected,
    /// such as when another merchant has it.
    pub async fn connect(&self, connect: Connect) -> Result<Connection, SyncError> {
        let expiry = Expiry {
            access: connect.expires_at,
            ..Expiry::default()
        };
        self.connect_until(connect, expiry, None).await
    }

    /// The same with every end that is known, and with when it was asked for: what was asked for before the
    /// merchant removed the shop does not bring it back.
    pub(super) async fn connect_until(
        &self,
        mut connect: Connect,
        mut expiry: Expiry,
        asked_at: Option<Timestamp>,
    ) -> Result<Connection, SyncError> {
        if let Some(base) = &connect.base_url {
            self.check_base_url(base)?;
        }
        let handed = connect.secrets.clone();
        let opened = self.opened_by(&mut connect, &mut expiry).await;
        let done = match opened {
            Ok(shops) => self.connect_all(&connect, expiry, asked_at, &shops).await,
            Err(error) => Err(error),
        };
        let refresh_token = |secrets: &Secrets| secrets.get(REFRESH_TOKEN).map(str::to_owned);
        let is_spent = refresh_token(&handed) != refresh_token(&connect.secrets);
        done.map_err(|error| match error {
            error if is_spent => SyncError::PairSpent {
                error: Box::new(error),
            },
            error => error,
        })
    }

    /// Each shop for itself: one that cannot be connected does not take the others with it.
    async fn connect_all(
        &self,
        connect: &Connect,
        expiry: Expiry,
        asked_at: Option<Timestamp>,
        shops: &[ShopIdentity],
    ) -> Result<Connection, SyncError> {
        let mut connection = Connection {
            connected: Vec::new(),
            failed: Vec::new(),
        };
        for shop in shops {
            match self.connect_shop(connect, expiry, asked_at, shop).await {
                Ok(connected) => connection.connected.push(connected),
                Err(error) => {
                    let marketplace = connect.marketplace.slug();
                    tracing::warn!(marketplace, shop = %shop.remote_id, %error, "a shop was not connected");
                    connection.failed.push(Unconnected {
                        shop: shop.remote_id.clone(),
                        name: shop.name.clone(),
                        error,
                    });
                }
            }
        }
        if connection.connected.is_empty() {
            let mut failed = connection.failed.into_iter();
            return Err(failed.next().map_or(SyncError::NoShop, |shop| shop.error));
        }
        self.shared.queue.wake();
        Ok(connection)
    }

    /// Which shops the credentials open. Tokens that live for an hour are dead when a person has copied them,
    /// and where an app's own credentials give one, nothing was copied: then a new one is asked for, once.
    async fn opened_by(
        &self,
        connect: &mut Connect,
        expiry: &mut Expiry,
    ) -> Result<Vec<ShopIdentity>, SyncError> {
        let marketplace = connect.marketplace;
        let base_url = connect.base_url.clone();
        let access = self.access_with(marketplace, base_url.as_deref(), &connect.secrets)?;
        let dead = match marketplace.shops(&access).await {
            Err(error @ MarketplaceError::TokenExpired { .. }) => error,
            answer => return answer.map_err(SyncError::NotConnected),
        };
        let _under_way = self.shared.renewals.begin();
        if !self.renew_handed(connect, expiry, &access).await? {
            return Err(SyncError::NotConnected(dead));
        }
        let access = self.access_with(marketplace, base_url.as_deref(), &connect.secrets)?;
        let mut answer = marketplace.shops(&access).await;
        // The old pair is spent, and the new one is nowhere but here: it is not given up for a hiccup.
        for _ in 1..TRIES {
            match answer {
                Err(
                    MarketplaceError::Unavailable { .. } | MarketplaceError::RateLimited { .. },
                ) => {
                    answer = marketplace.shops(&access).await;
                }
                _ => break,
            }
        }
        answer.map_err(SyncError::NotConnected)
    }

    /// Renews the tokens that were handed over. False where that cannot be done.
    async fn renew_handed(
        &self,
        connect: &mut Connect,
        expiry: &mut Expiry,
        access: &Access,
    ) -> Result<bool, SyncError> {
        let (db, sealer) = (self.db(), &self.shared.sealer);
        let of = (connect.merchant, connect.marketplace);
        // A connected shop lives on the same pair: it is renewed the way that lets nobody else do it beside us,
        // and stored where that shop finds it.
        if let Some(holder) = channels::holder_of(db, sealer, of, &connect.secrets).await? {
            self.refresh_token(holder, Source::Manual).await?;
            let stored = self.stored(holder).await?;
            let used = connect.secrets.get(REFRESH_TOKEN);
            let is_renewed = stored.secrets.get(REFRESH_TOKEN) != used;
            connect.secrets.merge(&stored.secrets);
            (expiry.access, expiry.refresh) = (stored.expiry.access, stored.expiry.refresh);
            return Ok(is_renewed);
        }
        let now = self.shared.clock.now();
        let renewed = connect.marketplace.refresh(access, now).await;
        let Some(tokens) = renewed.map_err(SyncError::NotConnected)? else {
            return Ok(false);
        };
        for (name, value) in &tokens.secrets {
            connect.secrets.set(name, value);
        }
        expiry.access = tokens.expires_at;
        expiry.refresh = tokens.refresh_expires_at.or(expiry.refresh);
        Ok(true)
    }

    pub(super) fn check_base_url(&self, base: &str) -> Result<(), SyncError> {
        let refused =
            |reason: String| SyncError::NotConnected(MarketplaceError::AddressRefused { reason });
        let url = Url::parse(base).map_err(|error| refused(error.to_string()))?;
        http::check_address(&url, self.shared.options.allow_private_hosts)
            .map_err(SyncError::NotConnected)
    }

    async fn connect_shop(
        &self,
        connect: &Connect,
        expiry: Expiry,
        asked_at: Option<Timestamp>,
        shop: &ShopIdentity,
    ) -> Result<Connected, SyncError> {
        let now = self.shared.clock.now();
        let mut secrets = connect.secrets.clone();
        let handed = secrets.take(WEBHOOK_SECRET);
        for (name, value) in &shop.secrets {
            secrets.set(name, value);
        }
        let limits = connect.marketplace.limits();
        let is_handed = handed.is_some();
        let made = connect.marketplace.webhook_secret(&random_bytes::<32>()?);
        let webhook_secret = handed.unwrap_or(made);
        let base_url = shop.base_url.as_deref().or(connect.base_url.as_deref());
        let access = self.access_with(connect.marketplace, base_url, &secrets)?;
        let abilities = connect.marketplace.abilities(&access);
        let address = hex::encode(random_bytes::<32>()?);
        let tx = self.db().write_tx().await?;
        if let Some(asked_at) = asked_at
            && channels::was_removed_since(&tx, connect.marketplace, &shop.remote_id, asked_at)
                .await?
        {
            return Err(SyncError::RemovedSince(shop.remote_id.to_string()));
        }
        let mut ids = Vec::new();
        for platform in &shop.platforms {
            let new = NewChannel {
                merchant: connect.merchant,
                outlet: connect.outlet,
                parent: ids.first().copied(),
                marketplace: connect.marketplace,
                platform,
                remote_id: &shop.remote_id,
                name: connect.name.as_deref().unwrap_or(&shop.name),
                base_url,
                address: &format!("{address}{}", ids.len()),
            };
            ids.push(channels::connect(&tx, &new, now).await?);
        }
        let id = *ids.first().ok_or(SyncError::NoShop)?;
        let deed = Deed::new("channel.connected", "channel", id);
        let what = json!({
            "marketplace": connect.marketplace.slug(),
            "shop": shop.remote_id,
            "name": connect.name.as_deref().unwrap_or(&shop.name),
            "channels": ids,
        });
        self.note_deed(&tx, connect.merchant, deed.to(what)).await?;
        let owner = (id, connect.merchant);
        let sealer = &self.shared.sealer;
        let expiry = Expiry {
            consent: shop.consent_until.or(expiry.consent),
            ..expiry
        };
        channels::replace_credentials(&tx, sealer, owner, &secrets, expiry, 0, now).await?;
        let kind = limits.webhook_address;
        // What a person has pasted into the store stays good until they hand over another one.
        let is_pasted = limits.subscribing == Subscribing::ByHand;
        let known = channels::secrets_of_connection(&tx, sealer, id, now).await;
        let is_known = known.is_ok_and(|known| !known.keys.is_empty());
        let stays = is_pasted && !is_handed && is_known;
        let is_own = kind == WebhookAddress::Channel || (is_handed && kind.is_per_channel());
        if is_own && !stays {
            let new = channels::rotate_webhook_secret(&tx, sealer, owner, &webhook_secret, now);
            self.note_if_by_hand(&tx, connect.marketplace, owner.0, new.await?)
                .await?;
            check_later(&tx, owner, now).await?;
        }
        let told_once = is_own && is_pasted && !is_handed && !stays;
        schedule::defaults_for(&tx, connect.merchant, id, limits, abilities, now).await?;
        queue::enqueue(&tx, &first_work(connect.merchant, id, abilities), now).await?;
        // What the shop said before is over: it has let us in now.
        let kind = EventKind::AuthorizationChanged;
        inbox::mark_handled(&tx, id, kind, None, now, now).await?;
        inbox::take_up_pending(&tx, connect.merchant, id, now).await?;
        queue::hurry(&tx, id, now).await?;
        let mut channels = Vec::new();
        for id in ids {
            channels.push(channels::load(&tx, id).await?);
        }
        tx.commit().await?;
        let webhook_url = self.webhook_url(&channels[0]);
        let webhooks = self
            .subscribe(&channels[0], &webhook_url, &webhook_secret)
            .await;
        if let Err(error) = self.note_asked_for(&channels[0], webhooks.is_ok()).await {
            tracing::error!(channel.id = id.0, %error, "how the webhooks stand could not be written down");
        }
        Ok(Connected {
            channels,
            webhook_url,
            webhook_secret: told_once.then(|| Secret::new(webhook_secret)),
            webhooks,
        })
    }

    async fn subscribe(
        &self,
        connection: &Channel,
        address: &str,
        secret: &str,
    ) -> Result<Vec<String>, SyncError> {
        let access = self.access(connection, Lane::Urgent).await?;
        let done = connection
            .marketplace
            .subscribe(&access, address, secret)
            .await;
        match done {
            Ok(changes) => {
                self.note_told(connection, secret).await?;
                Ok(changes)
            }
            Err(error) => Err(self.mild_trouble(connection, access.version, error).await),
        }
    }
}

/// A new channel is read whole, and its latest orders are downloaded, as far as its shop can be asked.
fn first_work(merchant: MerchantId, channel: ChannelId, abilities: Abilities) -> Vec<NewJob> {
    let full = Work::RunScan {
        method: ScanMethod::Async,
        scan: ScanKind::Full,
    };
    let orders = Work::DownloadOrders {
        orders: Download::Updated,
    };
    let job = |work| NewJob {
        merchant,
        channel,
        work,
        source: Source::Connection,
        run_at: None,
    };
    let products = abilities.products.then_some(full);
    let orders = abilities.orders.then_some(orders);
    products.into_iter().chain(orders).map(job).collect()
}

/// Bytes that nobody can guess.
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N], SyncError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|_| channels::ChannelError::Seal(channels::SealError::NoRandom))?;
    Ok(bytes)
}
