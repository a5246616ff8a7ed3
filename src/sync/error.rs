//! How a piece of synchronisation can fail, and what becomes of its job.

use crate::channels::ChannelError;
use crate::domain::{Cause, ChannelId, Retry, Timestamp};
use crate::marketplaces::MarketplaceError;
use crate::queue::Outcome;
use sea_orm::DbErr;
use std::time::Duration;
use thiserror::Error;

/// How long the work of a locked channel rests before it looks again. Unlocking makes new work at once.
const LOCKED_REST: Duration = Duration::from_secs(900);

/// What a person must know whose tokens were renewed in vain.
const PAIR_SPENT: &str = "the refresh token that was given is used up now: get a new pair of tokens before you try again";

#[derive(Debug, Error)]
pub enum SyncError {
    #[error("channel {channel}: {error}")]
    Marketplace {
        channel: ChannelId,
        error: MarketplaceError,
    },
    /// Before there is a channel.
    #[error("{0}")]
    NotConnected(MarketplaceError),
    #[error("channel {channel} is locked ({reason}); its work waits until it is reconnected")]
    Locked { channel: ChannelId, reason: String },
    /// The answer was to secrets that are not stored any more: it says nothing of those that are.
    #[error(
        "{error}; but channel {channel} was given new credentials meanwhile, and is asked again"
    )]
    Outdated {
        channel: ChannelId,
        error: MarketplaceError,
    },
    #[error("channel {0} was removed")]
    Removed(ChannelId),
    #[error("channel {0} has no credentials; reconnect it")]
    NoCredentials(ChannelId),
    /// Not a failure: the work of a shop without an API is done.
    #[error(
        "channel {channel} has no API that could be asked for {what}; it lives by its webhooks"
    )]
    NothingToAsk {
        channel: ChannelId,
        what: &'static str,
    },
    #[error("{0} has no address for its API; set it in the configuration")]
    NoAddress(&'static str),
    /// Values of our own app are missing.
    #[error("{marketplace} needs the settings {} of our app", settings.join(" and "))]
    AppNotSet {
        marketplace: &'static str,
        settings: Vec<String>,
    },
    #[error("{marketplace} shops have an address of their own; give it, such as {example}")]
    AddressNeeded {
        marketplace: &'static str,
        example: &'static str,
    },
    #[error("{0} has one address for all shops; leave it out")]
    AddressUnasked(&'static str),
    #[error("{0} has no page on which a merchant consents; connect the shop with its keys")]
    NoConsentPage(&'static str),
    #[error("the API still shows order {order} as it was at {shown}, the webhook told of {told}")]
    Stale {
        order: String,
        shown: Timestamp,
        told: Timestamp,
    },
    #[error("the marketplace does not know {0}")]
    Unknown(String),
    #[error("shop {0} was removed after this link was made; make a new one to connect it again")]
    RemovedSince(String),
    #[error("these credentials open no shop")]
    NoShop,
    /// The tokens that were handed over had to be renewed, and then it failed.
    #[error("{error}; {PAIR_SPENT}")]
    PairSpent { error: Box<SyncError> },
    #[error(
        "{0} signs webhooks with the secret of our app, not with one of the channel; `marketsink help channel rotate-secret` tells how to replace that"
    )]
    SignedByApp(&'static str),
    #[error(
        "{0} makes the secrets of webhooks that were made by hand: hand it over with --secret; the webhooks that we asked for are signed with the secret of our app"
    )]
    SecretIsTheirs(&'static str),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Schedule(#[from] crate::schedule::ScheduleError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl SyncError {
    /// What a stranger may read of it: what failed in our own house is for the log.
    pub fn for_people(&self) -> String {
        match self {
            Self::Db(_)
            | Self::Schedule(_)
            | Self::Channel(ChannelError::Db(_) | ChannelError::Seal(_)) => {
                "marketsink could not write it down; its log says why".to_owned()
            }
            Self::PairSpent { error } => {
                format!("{}; {PAIR_SPENT}", error.for_people())
            }
            error => error.to_string(),
        }
    }

    /// Whether trying again can help, and when.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Marketplace { error, .. } | Self::NotConnected(error) => error.retry(),
            Self::Locked { .. } => Retry::After(LOCKED_REST),
            Self::Channel(ChannelError::Db(_))
            | Self::Db(_)
            | Self::Outdated { .. }
            | Self::Stale { .. }
            | Self::Unknown(_) => Retry::Backoff,
            Self::Removed(_)
            | Self::NoCredentials(_)
            | Self::NothingToAsk { .. }
            | Self::NoAddress(_)
            | Self::AppNotSet { .. }
            | Self::AddressNeeded { .. }
            | Self::AddressUnasked(_)
            | Self::NoConsentPage(_)
            | Self::NoShop
            | Self::PairSpent { .. }
            | Self::RemovedSince(_)
            | Self::SignedByApp(_)
            | Self::SecretIsTheirs(_)
            | Self::Channel(_)
            | Self::Schedule(_) => Retry::Never,
        }
    }

    /// The one code for it, whatever the text says.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Marketplace { error, .. }
            | Self::NotConnected(error)
            | Self::Outdated { error, .. } => error.cause(),
            Self::PairSpent { error } => error.cause(),
            Self::Locked { .. } | Self::Removed(_) | Self::NoCredentials(_) => Cause::ChannelLocked,
            Self::Stale { .. } => Cause::Stale,
            Self::Unknown(_) => Cause::UnknownOrder,
            Self::Channel(ChannelError::Db(_)) | Self::Db(_) => Cause::Database,
            Self::NoAddress(_) | Self::AppNotSet { .. } | Self::Channel(_) => Cause::NotConfigured,
            Self::Schedule(_) => Cause::Bug,
            Self::NothingToAsk { .. }
            | Self::AddressNeeded { .. }
            | Self::AddressUnasked(_)
            | Self::NoConsentPage(_)
            | Self::NoShop
            | Self::RemovedSince(_)
            | Self::SignedByApp(_)
            | Self::SecretIsTheirs(_) => Cause::Refused,
        }
    }

    /// The end of a job that failed so.
    pub fn outcome(&self, now: Timestamp) -> Outcome {
        // The work of a channel that was removed, or cannot be asked, has nothing left to do.
        if matches!(self, Self::Removed(_) | Self::NothingToAsk { .. }) {
            return Outcome::Done;
        }
        // Waiting for a marketplace to prepare an answer is no failure, however often it takes.
        if let Self::Marketplace {
            error: MarketplaceError::NotReady { wait, .. },
            ..
        } = self
        {
            return Outcome::Snoozed {
                until: now + *wait,
                reason: self.to_string(),
            };
        }
        Outcome::Failed {
            error: self.to_string(),
            retry: self.retry(),
            cause: self.cause(),
        }
    }
}

/// Failures that concern the whole channel, not the one question that met them.
pub(super) enum ChannelTrouble {
    TokenExpired,
    /// Consent is gone; the reason is for people.
    Unauthorized(String),
    SlowDown(Duration),
}

impl ChannelTrouble {
    pub fn of(error: &MarketplaceError) -> Option<Self> {
        match error {
            MarketplaceError::TokenExpired { .. } => Some(Self::TokenExpired),
            MarketplaceError::Unauthorized { .. } => Some(Self::Unauthorized(error.to_string())),
            MarketplaceError::RateLimited { .. } => match error.retry() {
                Retry::After(wait) => Some(Self::SlowDown(wait)),
                _ => None,
            },
            _ => None,
        }
    }
}
