//! What a call needs besides its question: the shop, its secrets, the connection, and the pace.

use super::{MarketplaceError, http::Http};
use crate::domain::{ChannelId, RemoteId, Timestamp};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, sync::Arc};
use url::Url;

/// Named secrets of a channel. Printed as their names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Takes a secret out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes over the secrets of `other`; its values win.
    pub fn merge(&mut self, other: &Self) {
        self.0.extend(other.0.clone());
    }

    /// The secret, or the error that sends the merchant to reconnect the channel.
    ///
    /// # Errors
    /// When it is not there.
    pub fn need(&self, marketplace: &'static str, name: &str) -> Result<&str, MarketplaceError> {
        self.get(name)
            .ok_or_else(|| MarketplaceError::Unauthorized {
                marketplace,
                reason: format!("`{name}` is not stored"),
            })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Decides when the next request may be made: one budget per channel, shared by all work.
#[async_trait]
pub trait Pace: Send + Sync + fmt::Debug {
    /// Returns when a request may be made.
    async fn permit(&self);
    /// A marketplace told us to slow down.
    fn slow_down(&self, wait: std::time::Duration);
}

/// No waiting: for tests and one-off calls.
#[derive(Debug, Clone, Copy)]
pub struct Unpaced;

#[async_trait]
impl Pace for Unpaced {
    async fn permit(&self) {}
    fn slow_down(&self, _wait: std::time::Duration) {}
}

/// Everything an adapter needs to call one shop's API.
#[derive(Debug, Clone)]
pub struct Access {
    pub channel: ChannelId,
    /// Empty until `shops` has told it.
    pub shop: RemoteId,
    /// The API's root, such as `https://open-api.tiktokglobalshop.com` or a store's own address;
    /// [`Access::no_api`] for a shop that lives by its webhooks alone.
    pub api: Url,
    /// The root for tokens, where it differs.
    pub auth: Url,
    /// The page on which merchants consent, where it differs.
    pub consent: Url,
    pub secrets: Secrets,
    /// Which of the channel's credentials these secrets are; 0 where none are stored.
    pub version: i64,
    pub http: Http,
    pub pace: Arc<dyn Pace>,
    /// Reads the time for request timestamps.
    pub clock: crate::clock::Clock,
}

/// The scheme of an address to which no request can be made.
const NO_API: &str = "none";

impl Access {
    /// What stands for the address of an API where there is none: the connection refuses its scheme.
    ///
    /// # Panics
    /// Never: a scheme and a colon are an address.
    pub fn no_api() -> Url {
        Url::parse(&format!("{NO_API}:")).expect("a scheme and a colon are an address")
    }

    pub fn has_api(&self) -> bool {
        self.api.scheme() != NO_API
    }
}

/// What a token renewal gives.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Replaces the secrets of the same names.
    pub secrets: Vec<(String, String)>,
    /// When the access token dies.
    pub expires_at: Option<Timestamp>,
    /// When the refresh token dies; then only the merchant can help.
    pub refresh_expires_at: Option<Timestamp>,
}

/// Only the names of the secrets are printed.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.secrets.iter().map(|(name, _)| name).collect();
        f.debug_struct("Tokens")
            .field("secrets", &names)
            .field("expires_at", &self.expires_at)
            .field("refresh_expires_at", &self.refresh_expires_at)
            .finish()
    }
}
