//! What happened in the books, written in the transaction in which it happened, and the endpoints that are told.
//!
//! Owns the tables `happenings`, `endpoints` and `endpoint_deliveries`. A *happening* is a line of a log that is only
//! added to; an *endpoint* is another program (a till, an ERP) that is told those of the kinds it asked for; one
//! *delivery* per endpoint and happening says how far that has come. Sending is `sinks`'s.
//!
//! ```text
//! endpoint:  active <-> paused            delivery:  waiting -> delivered
//!               \-> disabled -> active                     \-> failed   (tries used up)
//!            any -> removed                                \-> dropped  (the endpoint was removed)
//! ```
//!
//! Promises:
//! - What is told was committed, and what was committed is told at least once, while the endpoint is listed.
//! - Of one subject, a later happening has a greater id: who holds a greater one already drops the older.
//! - A merchant without endpoints pays one read by index where something happens, and nothing is written: the log
//!   begins with the first endpoint.

mod deliveries;
mod endpoints;
mod prune;
mod tell;

pub use deliveries::{
    Due, Replay, Told, deliveries, due, happenings, next_due, note, replay, told_of, waiting_for,
};
pub use endpoints::{
    Endpoint, EndpointState, NewEndpoint, add, disable, endpoint, endpoints, load, pause, remove,
    resume,
};
pub use prune::{prune_deliveries, prune_happenings};
pub use tell::{Audience, audience, tell};

use crate::domain::job::named;
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// What can happen.
    HappeningKind {
        /// An order was booked for the first time.
        SaleRecorded = "sale.recorded",
        /// A booked order took a step, or its lines changed.
        SaleChanged = "sale.changed",
        /// The document of an order was voided.
        InvoiceVoided = "invoice.voided",
        /// A return or a refund was booked, or went on.
        ReturnRecorded = "return.recorded",
        /// Units came, left or were promised.
        StockChanged = "stock.changed",
        /// Something waits for a person's decision.
        ConflictRaised = "conflict.raised",
        /// It was decided, or its cause is gone.
        ConflictResolved = "conflict.resolved",
    }
);

named!(
    /// How an endpoint is spoken to.
    Protocol {
        /// Signed as Standard Webhooks says.
        Webhook = "webhook",
        /// The REST API of DealPOS.
        DealPos = "dealpos",
    }
);

/// Something that happened, to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    pub kind: HappeningKind,
    /// What it is about, such as `order:12` or `sku:MUG`.
    pub subject: String,
    /// An object; no buyer.
    pub payload: serde_json::Value,
}

/// Rows that a list answers with at most.
const LIST_LIMIT: u64 = 10_000;
