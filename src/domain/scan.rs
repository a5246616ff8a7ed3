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

named!(
    /// Where a scan is in its life.
    ///
    /// ```text
    /// waiting ──► running ──► done | suspicious | failed
    ///    │  ▲        │
    ///    ▼  └────────┤ resume
    ///   paused ◄─────┘          any of these ──► cancelled        failed ──resume──► waiting
    /// ```
    ScanState {
        /// Asked for, and not begun or not gone on yet.
        Waiting = "waiting",
        Running = "running",
        /// A person stopped it; a person lets it go on.
        Paused = "paused",
        Done = "done",
        /// Walked to its end, and what it did not show is too much to be believed: another look decides.
        Suspicious = "suspicious",
        /// Given up; it can be resumed from its checkpoint.
        Failed = "failed",
        Cancelled = "cancelled",
    }
);

impl ScanState {
    /// Whether it is the one of its channel and kind that others join.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Running | Self::Paused)
    }
}
