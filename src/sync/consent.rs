//! Connecting a shop by the merchant's consent, on the marketplace's own page.
//!
//! 1. [`Sync::begin_consent`] makes a *state* and the link that carries it. The merchant opens the link and
//!    agrees; the marketplace sends the browser back to us, or posts its keys.
//! 2. [`Sync::finish_consent`] believes the answer only if its state is ours, for this marketplace, still
//!    good, and not used: each other case is an error of its own, because each asks for something else.
//! 3. The state is used up *before* the marketplace is asked, so that an answer that comes twice does
//!    nothing twice. Then what it brought is traded for tokens, and the shop is connected like any other:
//!    the tokens are tried before anything is stored.
//!
//! What came of it is kept beside the state, for whoever waits for it elsewhere.

use super::{Connect, Connected, Connection, Sync, SyncError, Unconnected, connect::random_bytes};
use crate::accounts::Deed;
use crate::channels::{self, Channel, ChannelError, Expiry, NewConsent, PendingConsent};
use crate::domain::{ChannelId, MerchantId, OutletId, Timestamp};
use crate::marketplaces::{
    self, ConsentAnswer, ConsentQuestion, Marketplace, MarketplaceError, Secrets, ShopAddress,
};
use sea_orm::DbErr;
use serde_json::json;
use thiserror::Error;
use url::Url;

/// The name under which answers carry the state.
const STATE: &str = "state";

/// Whom to ask for which shop.
#[derive(Debug)]
pub struct AskConsent {
    pub merchant: MerchantId,
    pub outlet: OutletId,
    pub marketplace: &'static dyn Marketplace,
    /// The store's own address, where shops have one.
    pub base_url: Option<String>,
    /// Instead of the name that the shop tells.
    pub name: Option<String>,
}

/// The page on which the merchant consents.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsentLink {
    /// The row, to see what came of it.
    pub consent: i64,
    /// Carries the state: for the merchant's eyes only.
    pub url: Url,
    /// The answer is not taken after this.
    pub expires_at: Timestamp,
}

/// The link is a secret.
impl std::fmt::Debug for ConsentLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConsentLink({} until {})", self.consent, self.expires_at)
    }
}

/// Why an answer connected nothing.
#[derive(Debug, Error)]
pub enum ConsentError {
    /// Such as when a seller began at the marketplace: nobody here asked, so nobody knows whose shop it is.
    #[error("the answer does not say which link it belongs to; begin again with a link made here")]
    NoState,
    #[error("no link of ours is answered by this; begin again with a link made here")]
    Unknown,
    #[error("this link was made for {asked}, not for {answered}; open the link again")]
    OtherMarketplace {
        asked: String,
        answered: &'static str,
    },
    /// With why, where it ended before its time.
    #[error("this link was good until {at}{}; make a new one and agree within half an hour", why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    Expired { at: Timestamp, why: Option<String> },
    /// The outcome is for people, and none while it is being worked on.
    #[error("this link was answered already at {at}, and counts once{}", outcome.as_ref().map(|told| format!(": {told}")).unwrap_or_default())]
    Used {
        at: Timestamp,
        outcome: Option<String>,
        channel: Option<ChannelId>,
    },
    #[error("the authorization was declined at {0}; nothing was connected")]
    Declined(&'static str),
    #[error(transparent)]
    Sync(#[from] SyncError),
}

impl ConsentError {
    /// What a stranger may read of it.
    pub fn for_people(&self) -> String {
        match self {
            Self::Sync(error) => error.for_people(),
            error => error.to_string(),
        }
    }
}

impl From<DbErr> for ConsentError {
    fn from(error: DbErr) -> Self {
        Self::Sync(error.into())
    }
}

impl From<ChannelError> for ConsentError {
    fn from(error: ChannelError) -> Self {
        Self::Sync(error.into())
    }
}

/// Where answers come to. An app's console wants to know it, at most marketplaces.
pub fn consent_callback(public_url: &str, marketplace: &dyn Marketplace) -> String {
    let public = public_url.trim_end_matches('/');
    format!("{public}/connect/{}/callback", marketplace.slug())
}

impl Sync {
    /// Makes a link on which the merchant consents, good once and for half an hour.
    ///
    /// # Errors
    /// When there is no such page, our app is not set up, or the shop's address is missing or not allowed.
    pub async fn begin_consent(&self, ask: AskConsent) -> Result<ConsentLink, SyncError> {
        self.check_ask(&ask)?;
        let state = hex::encode(random_bytes::<32>()?);
        let base_url = ask.base_url.as_deref();
        let access = self.access_with(ask.marketplace, base_url, &Secrets::default())?;
        let callback = consent_callback(self.public_url(), ask.marketplace);
        let callback = Url::parse(&callback).map_err(|error| {
            SyncError::NotConnected(MarketplaceError::AddressRefused {
                reason: format!("http.public_url: {error}"),
            })
        })?;
        let question = ConsentQuestion {
            state: state.clone(),
            callback,
        };
        let url = ask.marketplace.consent_page(&access, &question);
        let url = url.map_err(SyncError::NotConnected)?;
        let new = NewConsent {
            merchant: ask.merchant,
            outlet: ask.outlet,
            marketplace: ask.marketplace,
            base_url,
            name: ask.name.as_deref(),
        };
        let tx = self.db().write_tx().await?;
        let pending = channels::ask(&tx, &new, &state, self.shared.clock.now()).await?;
        let deed = Deed::new("channel.link_made", "consent", pending.id);
        let what = json!({"marketplace": ask.marketplace.slug()});
        self.note_deed(&tx, ask.merchant, deed.to(what)).await?;
        tx.commit().await?;
        Ok(ConsentLink {
            consent: pending.id,
            url,
            expires_at: pending.expires_at,
        })
    }

    fn check_ask(&self, ask: &AskConsent) -> Result<(), SyncError> {
        let (name, connecting) = (ask.marketplace.name(), ask.marketplace.connecting());
        if !connecting.consent {
            return Err(SyncError::NoConsentPage(name));
        }
        match (connecting.address, &ask.base_url) {
            (ShopAddress::Own(example), None) => {
                return Err(SyncError::AddressNeeded {
                    marketplace: name,
                    example,
                });
            }
            (ShopAddress::Shared, Some(_)) => return Err(SyncError::AddressUnasked(name)),
            (_, Some(base)) => self.check_base_url(base)?,
            (_, None) => {}
        }
        let slug = ask.marketplace.slug();
        let app = self.shared.apis.get(slug);
        let is_missing = |value: &&&str| app.is_none_or(|app| app.secrets.get(value).is_none());
        let missing = connecting.app.iter().filter(is_missing);
        let settings: Vec<String> = missing.map(|value| format!("{slug}.{value}")).collect();
        if settings.is_empty() {
            return Ok(());
        }
        Err(SyncError::AppNotSet {
            marketplace: name,
            settings,
        })
    }

    /// Takes the answer to a link of ours, and connects the shops that it opens.
    ///
    /// # Errors
    /// When the answer is not believed, the merchant said no, or the shop cannot be connected. Nothing is
    /// stored then but the reason.
    pub async fn finish_consent(
        &self,
        marketplace: &'static dyn Marketplace,
        answer: &ConsentAnswer,
    ) -> Result<Connection, ConsentError> {
        let pending = self.take_state(marketplace, answer).await?;
        let _under_way = self.shared.renewals.begin();
        let done = self.connect_consented(marketplace, &pending, answer).await;
        let (outcome, channel) = match &done {
            Ok(connection) => {
                let first = connection.connected.first();
                (told(connection), first.map(|shop| shop.channels[0].id))
            }
            Err(error) => (error.for_people(), None),
        };
        let tx = self.db().write_tx().await?;
        channels::conclude(&tx, pending.id, &outcome, channel).await?;
        tx.commit().await?;
        done
    }

    /// What an answer belongs to; its state is used up.
    async fn take_state(
        &self,
        marketplace: &'static dyn Marketplace,
        answer: &ConsentAnswer,
    ) -> Result<PendingConsent, ConsentError> {
        let state = answer.get(STATE).filter(|state| !state.is_empty());
        let state = state.ok_or(ConsentError::NoState)?;
        let now = self.shared.clock.now();
        // Strangers may ask as often as they like: they take no lock.
        let pending = channels::of_state(self.db().read(), state).await?;
        let pending = pending.ok_or(ConsentError::Unknown)?;
        if pending.marketplace != marketplace.slug() {
            return Err(ConsentError::OtherMarketplace {
                asked: pending.marketplace_name().to_owned(),
                answered: marketplace.name(),
            });
        }
        if let Some(at) = pending.used_at {
            return Err(ConsentError::Used {
                at,
                outcome: pending.outcome,
                channel: pending.channel,
            });
        }
        if pending.expires_at <= now {
            return Err(ConsentError::Expired {
                at: pending.expires_at,
                why: pending.outcome,
            });
        }
        let tx = self.db().write_tx().await?;
        let is_first = channels::use_up(&tx, pending.id, now).await?;
        tx.commit().await?;
        if !is_first {
            return Err(ConsentError::Used {
                at: now,
                outcome: None,
                channel: None,
            });
        }
        Ok(pending)
    }

    async fn connect_consented(
        &self,
        marketplace: &'static dyn Marketplace,
        pending: &PendingConsent,
        answer: &ConsentAnswer,
    ) -> Result<Connection, ConsentError> {
        // OAuth 2.0 says it so, and marketplaces that say it in their own words have adapters that know them.
        if answer.get("error").is_some_and(|error| !error.is_empty()) {
            return Err(ConsentError::Declined(marketplace.name()));
        }
        let base_url = pending.base_url.as_deref();
        let access = self.access_with(marketplace, base_url, &Secrets::default())?;
        let consent = match marketplace.consent(&access, answer).await {
            Ok(consent) => consent,
            Err(MarketplaceError::Declined { .. }) => {
                return Err(ConsentError::Declined(marketplace.name()));
            }
            Err(error) => return Err(SyncError::NotConnected(error).into()),
        };
        let mut secrets = Secrets::default();
        for (name, value) in &consent.tokens.secrets {
            secrets.set(name, value);
        }
        let expiry = Expiry {
            access: consent.tokens.expires_at,
            refresh: consent.tokens.refresh_expires_at,
            consent: consent.until,
        };
        let connect = Connect {
            merchant: pending.merchant,
            outlet: pending.outlet,
            marketplace,
            base_url: pending.base_url.clone(),
            secrets,
            expires_at: expiry.access,
            name: pending.name.clone(),
        };
        let asked_at = Some(pending.asked_at);
        Ok(self.connect_until(connect, expiry, asked_at).await?)
    }

    /// What came of a consent of this merchant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consent_outcome(
        &self,
        merchant: MerchantId,
        consent: i64,
    ) -> Result<Option<PendingConsent>, DbErr> {
        channels::consent(self.db(), merchant, consent).await
    }
}

/// The shops and their channels in one line, for people.
fn told(connection: &Connection) -> String {
    let channel = |channel: &Channel| {
        let platform = marketplaces::platform_name(&channel.platform);
        format!("channel {} {platform}", channel.id)
    };
    let shop = |shop: &Connected| {
        let first = &shop.channels[0];
        let channels: Vec<String> = shop.channels.iter().map(channel).collect();
        format!(
            "connected {} (shop {} on {}): {}",
            first.name,
            first.remote_id,
            first.marketplace.name(),
            channels.join(", ")
        )
    };
    let connected = connection.connected.iter().map(shop);
    let failed = connection.failed.iter().map(Unconnected::for_people);
    connected.chain(failed).collect::<Vec<_>>().join("; ")
}
