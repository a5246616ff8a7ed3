//! What happened to deliveries, counted.

use serde::{Deserialize, Serialize};

/// Counters since the sandbox was made.
///
/// `tries = accepted + refused + failed`, for genuine deliveries and their retries. Pings and forged
/// deliveries are counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Webhooks that changes raised, before weather.
    pub raised: u64,
    /// Tries of genuine deliveries.
    pub sent: u64,
    /// Tries that the marketplace counts as success.
    pub accepted: u64,
    /// Tries answered with a 4xx.
    pub refused: u64,
    /// Tries without an answer in time, or with another one.
    pub failed: u64,
    /// Webhooks that were never sent.
    pub lost: u64,
    /// Webhooks that were sent twice.
    pub doubled: u64,
    pub late: u64,
    pub reordered: u64,
    /// Forged deliveries that were sent.
    pub forged: u64,
    /// Forged deliveries that were answered with success. Anything but 0 is a fault of the receiver.
    pub forged_accepted: u64,
    /// Pings that were sent.
    pub pings: u64,
    /// Tries that were put back for another one.
    pub retried: u64,
    /// Deliveries that no retry follows.
    pub given_up: u64,
}

/// How the tries of one call ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub accepted: u64,
    pub refused: u64,
    pub failed: u64,
}

impl Sent {
    /// Tries in all.
    pub fn total(self) -> u64 {
        self.accepted + self.refused + self.failed
    }
}

/// How one try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Refused,
    Failed,
}

impl Sent {
    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Failed => self.failed += 1,
        }
    }
}
