//! The kinds of background work, and why a piece of work was asked for.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in the database, in logs and in answers; never renamed.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use named;

named!(
    /// One kind per handler in `worker`.
    JobKind {
        /// Read one order and record it.
        FetchOrder = "fetch_order",
        /// Read one product and apply it.
        RescanProduct = "rescan_product",
        /// Walk over a channel's listings.
        RunScan = "run_scan",
        /// Walk over a channel's orders.
        DownloadOrders = "download_orders",
        /// Tell a channel how many units of a listing are available.
        PushStock = "push_stock",
        /// Tell a channel what a listing costs.
        PushPrice = "push_price",
        /// Tell a channel again what moved lately and what it refused.
        PushAgain = "push_again",
        /// Read some listings back and compare them with what they were told.
        CompareStock = "compare_stock",
        /// Renew a channel's access token.
        RefreshToken = "refresh_token",
        /// Fetch the webhooks that a marketplace gave up on.
        FetchMissed = "fetch_missed",
        /// Find out whether the merchant's consent still holds.
        CheckAuthorization = "check_authorization",
        /// Find out whether the webhook subscriptions still stand, and mend them.
        CheckSubscriptions = "check_subscriptions",
        /// Find out whether a channel tells unusually little, and whether webhooks were missed then.
        CheckSilence = "check_silence",
        /// Prove that a day's orders are all in the books.
        CheckCompleteness = "check_completeness",
        /// Tell another program what happened in the books.
        TellEndpoint = "tell_endpoint",
        /// Read what the marketplace paid out for orders, and which fees it kept.
        ReadSettlements = "read_settlements",
        /// Take up again what a person selected, a page at a time.
        Replay = "replay",
        /// Find out which refused deliveries are believed by now, and take them in.
        CheckQuarantine = "check_quarantine",
    }
);

named!(
    /// What made us look: the share of `scan` among recorded orders is the webhook miss rate.
    Source {
        Webhook = "webhook",
        Scan = "scan",
        Download = "download",
        Replay = "replay",
        Connection = "connection",
        Schedule = "schedule",
        Manual = "manual",
        Sale = "sale",
        /// A file that a person imported.
        Import = "import",
        /// A call found its access token expired.
        Expiry = "expiry",
    }
);
