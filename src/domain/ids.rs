//! Identifiers: ours are numbers with a type each, theirs are text.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! our_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

our_id!(
    /// The tenant.
    MerchantId,
    /// A place that holds stock.
    OutletId,
    /// A connected shop account.
    ChannelId,
    /// What the merchant sells and counts.
    SkuId,
    /// A sellable variant as a channel shows it.
    ListingId,
    /// One webhook request as received.
    DeliveryId,
    /// What a delivery means.
    EventId,
    /// One piece of background work.
    JobId,
    /// One walk over a channel's listings.
    ScanId,
    /// A sales order in our books.
    OrderId,
    /// A return of a booked order.
    ReturnId,
    /// What waits for a person's decision.
    ConflictId,
    /// Something that happened in the books.
    HappeningId,
    /// Another program that is told what happens.
    EndpointId,
    /// Deliveries or jobs that a person had taken up again.
    ReplayId,
);

impl ChannelId {
    /// In place of a channel where work is the merchant's own, as [`super::Work::is_of_channel`] says; ids are
    /// counted from 1, so that no channel is meant.
    pub const NONE: Self = Self(0);
}

/// An identifier given by a marketplace.
///
/// Always text: TikTok Shop's numbers exceed 2^53, and WooCommerce's are only unique in one store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteId(String);

impl RemoteId {
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for RemoteId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl From<String> for RemoteId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl From<u64> for RemoteId {
    fn from(id: u64) -> Self {
        Self(id.to_string())
    }
}
