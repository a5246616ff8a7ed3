//! How a call to a marketplace can fail, and whether trying again helps.

use crate::domain::{Cause, Retry};
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

    /// The one code for it, whatever the marketplace's words are.
    pub fn cause(&self) -> Cause {
        match self {
            Self::TokenExpired { .. } => Cause::TokenExpired,
            Self::Unauthorized { reason, .. } if names_a_scope(reason) => Cause::MissingScope,
            Self::Unauthorized { .. } => Cause::ChannelLocked,
            Self::RateLimited { .. } | Self::NotReady { .. } => Cause::RateLimited,
            Self::Unavailable { reason, .. } if is_transport(reason) => Cause::Unreachable,
            Self::Unavailable { .. } => Cause::ServerError,
            Self::NotFound { .. } => Cause::UnknownOrder,
            Self::Refused { code, message, .. }
                if names_a_scope(code) || names_a_scope(message) =>
            {
                Cause::MissingScope
            }
            Self::Refused { .. } | Self::TooManyResults { .. } | Self::Declined { .. } => {
                Cause::Refused
            }
            Self::Unreadable { .. } => Cause::UnreadableAnswer,
            Self::NotSet { .. } | Self::AddressRefused { .. } => Cause::NotConfigured,
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

/// What `http` says when there was no answer at all: its own words, or those of the client underneath.
fn is_transport(reason: &str) -> bool {
    let words = [
        "no answer in time",
        "error ",
        "request or response body error",
    ];
    words.iter().any(|word| reason.starts_with(word))
}

/// A right that the merchant can grant: Shopify says `ACCESS_DENIED`, Lazada `InsufficientPermission`, others scope.
fn names_a_scope(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words = ["scope", "access_denied", "insufficientpermission"];
    words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_from_the_type_and_not_from_the_wording() {
        let marketplace = "shopee";
        let unavailable = |reason: &str| MarketplaceError::Unavailable {
            marketplace,
            reason: reason.to_owned(),
        };
        let refused = |code: &str| MarketplaceError::Refused {
            marketplace,
            code: code.to_owned(),
            message: String::new(),
        };

        assert_eq!(unavailable("no answer in time").cause(), Cause::Unreachable);
        let refused_connection = "error sending request: client error (Connect)";
        assert_eq!(unavailable(refused_connection).cause(), Cause::Unreachable);
        assert_eq!(unavailable("503 without JSON").cause(), Cause::ServerError);
        assert_eq!(unavailable("error_server").cause(), Cause::ServerError);
        assert_eq!(refused("ACCESS_DENIED").cause(), Cause::MissingScope);
        assert_eq!(refused("bad_quantity").cause(), Cause::Refused);
    }
}
