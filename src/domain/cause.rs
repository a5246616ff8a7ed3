//! Why something failed, or waits for a person: one code per cause, with what it means and what to do.
//!
//! Texts of errors change; the code does not. What failed for one cause is mended at once, and what it blocked is
//! taken up again when the cause is gone.

use super::job::named;
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// The cause of a failed attempt, or of an issue.
    Cause {
        /// The access token is not accepted any more, and renewing it did not help yet.
        TokenExpired = "token_expired",
        /// The shop lets us in no more: a person must connect it again.
        ChannelLocked = "channel_locked",
        /// The consent, or the token that renews the others, ends soon.
        AuthorizationEnding = "authorization_ending",
        /// The shop lets us in, but not do this.
        MissingScope = "missing_scope",
        /// The marketplace asked us to slow down.
        RateLimited = "rate_limited",
        /// No connection, or no answer in time.
        Unreachable = "unreachable",
        /// The marketplace could not answer, and said so.
        ServerError = "server_error",
        /// The marketplace refused the request; the same one will be refused again.
        Refused = "refused",
        /// The marketplace does not know what it was asked for.
        UnknownOrder = "unknown_order",
        /// The API still shows an older state than a webhook told of.
        Stale = "stale",
        /// An answer in a shape that we do not know.
        UnreadableAnswer = "unreadable_answer",
        /// A setting is missing, or an address is not allowed.
        NotConfigured = "not_configured",
        /// Units were sold that belong to no SKU yet.
        UnlinkedSku = "unlinked_sku",
        /// The database refused.
        Database = "database",
        /// The worker was killed, or stopped answering.
        WorkerLost = "worker_lost",
        /// Ours to mend: a handler panicked, or arguments were not understood.
        Bug = "bug",
        /// Believed deliveries of a topic that we do not know.
        UnknownTopic = "unknown_topic",
        /// Believed deliveries that are not what their topic promises.
        UnreadableDelivery = "unreadable_delivery",
        /// Deliveries are refused because no key matches their signature.
        SignatureFailing = "signature_failing",
        /// A webhook topic is missing or switched off at the marketplace.
        SubscriptionRemoved = "subscription_removed",
        /// A channel shows other quantities than it was told.
        Drift = "drift",
        /// More units were sold than there are.
        Oversold = "oversold",
        /// Something waits for a decision.
        OpenConflict = "open_conflict",
        /// Another program does not take what it is told.
        EndpointFailing = "endpoint_failing",
        /// Another program is told nothing any more, because it took nothing for long.
        EndpointDisabled = "endpoint_disabled",
        /// A channel tells unusually little, and something was missed.
        SilentChannel = "silent_channel",
        /// The marketplace shows orders that are not in the books.
        MissingOrders = "missing_orders",
        /// A schedule was paused by a person.
        SchedulePaused = "schedule_paused",
        /// A scan saw so little that it was not believed.
        ScanSuspicious = "scan_suspicious",
    }
);

impl Cause {
    /// Whether what failed for it works again as soon as the other side does: then what was given up is tried again
    /// without a person.
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Self::TokenExpired
                | Self::ChannelLocked
                | Self::MissingScope
                | Self::RateLimited
                | Self::Unreachable
                | Self::ServerError
                | Self::Stale
                | Self::Database
                | Self::WorkerLost
                | Self::NotConfigured
        )
    }

    /// What happened, in a few words that follow the name of what it happened to.
    pub const fn headline(self) -> &'static str {
        match self {
            Self::TokenExpired => "the access token is not accepted any more",
            Self::ChannelLocked => "the channel is locked",
            Self::AuthorizationEnding => "the authorization ends soon",
            Self::MissingScope => "the shop does not allow this to us",
            Self::RateLimited => "the marketplace asks us to slow down",
            Self::Unreachable => "the marketplace cannot be reached",
            Self::ServerError => "the marketplace cannot answer",
            Self::Refused => "the marketplace refuses what it is asked",
            Self::UnknownOrder => "the marketplace does not know what it is asked for",
            Self::Stale => "the API shows older states than webhooks told of",
            Self::UnreadableAnswer => "answers cannot be read",
            Self::NotConfigured => "a setting is missing or an address is not allowed",
            Self::UnlinkedSku => "sold listings have no SKU",
            Self::Database => "the database refused",
            Self::WorkerLost => "workers were killed or stopped answering",
            Self::Bug => "marketsink itself failed",
            Self::UnknownTopic => "deliveries of an unknown topic",
            Self::UnreadableDelivery => "deliveries that cannot be read",
            Self::SignatureFailing => "deliveries are refused: their signature does not match",
            Self::SubscriptionRemoved => "webhook topics are missing or switched off",
            Self::Drift => "the shop shows other quantities than it was told",
            Self::Oversold => "more was sold than there is",
            Self::OpenConflict => "conflicts wait for a decision",
            Self::EndpointFailing => "an endpoint takes nothing",
            Self::EndpointDisabled => "an endpoint is disabled",
            Self::SilentChannel => "the channel tells unusually little",
            Self::MissingOrders => "orders at the marketplace are not in the books",
            Self::SchedulePaused => "a schedule is paused",
            Self::ScanSuspicious => "a scan saw too little to be believed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_read_by_its_name_and_has_words_of_its_own() {
        let mut headlines = std::collections::BTreeSet::new();

        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(*cause));
            assert!(headlines.insert(cause.headline()), "{cause}");
        }
    }
}
