//! How a call to a marketplace can fail, and whether trying again helps.

use crate::domain::Retry;
use std::time::Duration;
use thiserror::Error;

pub type Result<T> = std::result::Result<T, MarketplaceError>;

/// Texts carry no secrets and no buyer data: adapters put codes and short messages in them, never bodies.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MarketplaceError {
    /// The access token is no longer accepted; renewing it may help.
    #[error("{marketplace} says that the access token expired; it will be renewed")]
    TokenExpired { marketplace: &'static str },
    /// Credentials or consent are gone; only a person can mend that.
    #[error("{marketplace} refused the credentials ({reason}); reconnect the channel")]
    Unauthorized {
        marketplace: &'static str,
        reason: String,
    },
    #[error("{marketplace} asked us to slow down")]
    RateLimited {
        marketplace: &'static str,
        /// What the marketplace asked for, where it did.
        retry_after: Option<Duration>,
    },
    /// 5xx, HTML instead of JSON, a timeout, a broken connection: theirs to mend.
    #[error("{marketplace} could not answer ({reason})")]
    Unavailable {
        marketplace: &'static str,
        reason: String,
    },
    #[error("{marketplace} does not know {what}")]
    NotFound {
        marketplace: &'static str,
        what: String,
    },
    /// The request itself is refused; the same request will be refused again.
    #[error("{marketplace} refused the request: {code} {message}")]
    Refused {
        marketplace: &'static str,
        code: String,
        message: String,
    },
    /// More rows than the marketplace lets anyone page through; the window must be cut.
    #[error("{marketplace} has more results than it lets anyone read; the window will be cut")]
    TooManyResults { marketplace: &'static str },
    /// The marketplace is still preparing the answer; ask again then. Not a failure.
    #[error("{marketplace} is still preparing the answer")]
    NotReady {
        marketplace: &'static str,
        wait: Duration,
    },
    /// An answer in a shape we do not know.
    #[error("{marketplace} answered in a shape we do not know: {reason}")]
    Unreadable {
        marketplace: &'static str,
        reason: String,
    },
    /// A value of our own app is missing in the configuration.
    #[error("{marketplace} needs the setting {marketplace}.{name} of our app")]
    NotSet {
        marketplace: &'static str,
        name: &'static str,
    },
    /// The merchant said no on the marketplace's page.
    #[error("the authorization was declined at {marketplace}; nothing was connected")]
    Declined { marketplace: &'static str },
    /// The address must not be called, such as one inside a private network.
    #[error("the address is not allowed: {reason}")]
    AddressRefused { reason: String },
}

/// Wait after a 429 that names no time.
const DEFAULT_SLOW_DOWN: Duration = Duration::from_secs(5);
/// Longest wait that a marketplace may impose on one job by `Retry-After`.
const LONGEST_SLOW_DOWN: Duration = Duration::from_secs(900);

impl MarketplaceError {
    /// There is no page on which a merchant could consent.
    pub fn no_consent(marketplace: &'static str) -> Self {
        Self::Refused {
            marketplace,
            code: "no_consent".to_owned(),
            message: "shops are connected with keys, not with an authorization page".to_owned(),
        }
    }

    /// Whether trying again can help, and when.
    pub fn retry(&self) -> Retry {
        match self {
            Self::RateLimited { retry_after, .. } => Retry::After(
                retry_after
                    .unwrap_or(DEFAULT_SLOW_DOWN)
                    .min(LONGEST_SLOW_DOWN),
            ),
            Self::NotReady { wait, .. } => Retry::After(*wait),
            Self::TokenExpired { .. }
            | Self::Unavailable { .. }
            | Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::TooManyResults { .. } => Retry::Backoff,
            Self::Unauthorized { .. }
            | Self::Refused { .. }
            | Self::NotSet { .. }
            | Self::Declined { .. }
            | Self::AddressRefused { .. } => Retry::Never,
        }
    }
}
