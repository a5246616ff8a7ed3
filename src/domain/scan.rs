//! The types and methods of a scan.

use super::job::named;
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// Which listings a scan walks over.
    ScanKind {
        /// All listings, active and inactive. Only this kind may conclude that a listing is gone.
        Full = "full",
        /// Listings that buyers can find.
        Active = "active",
        /// Listings created or changed since the last scan.
        Updated = "updated",
        /// One product.
        Single = "single",
    }
);

named!(
    /// How the caller waits for a scan.
    ScanMethod {
        /// Runs in the background.
        Async = "async",
        /// The caller waits.
        Sync = "sync",
    }
);
