//! Deliveries and events: from a request to what it means, stored before it is answered.
//!
//! Owns the tables `deliveries`, `quarantine`, `events` and `erasures`.
//!
//! 1. `receive` finds the keys, verifies over the raw bytes, parses, and hands a receipt to the writer.
//! 2. `commit` takes all receipts that wait, and writes their deliveries, events and follow-up jobs in one
//!    transaction. After the commit each request gets its 2xx.
//! 3. `fetched` puts webhooks that the marketplace kept for us on the same road.
//! 4. Nothing is answered with 2xx that is not on disk, except a handshake and a self-test of ours, which have
//!    no content.

mod bodies;
mod commit;
mod counts;
mod erasure;
mod fetched;
mod follow_up;
mod lateness;
mod old_keys;
mod prune;
mod quarantine;
mod quarantine_release;
mod queries;
mod receive;
mod replay;
mod select;
mod self_test;
mod unread;

pub use bodies::{BodyError, Packed, body_of, pack_bodies};
pub use commit::StoreError;
pub use commit::{Writer, WriterOptions};
pub use counts::{QUARTER, arrived_between, arrived_per_quarter, first_and_last_arrival};
pub use erasure::{Erase, ask_erasure, erase, erase_due, list_erasures};
pub use fetched::{Kept, keep_fetched};
pub use lateness::lateness;
pub use old_keys::{LastDelivery, last_delivery, last_signed_with_previous};
pub use prune::{DEDUPE_WINDOW, prune_bodies, prune_deliveries, prune_quarantine};
pub use quarantine::{Refusals, Room, refused_samples};
pub use quarantine_release::{
    Believed, DISCARDED, Decided, HELD, HeldFilter, NotBelieved, RELEASED, RETRY_WINDOW, Released,
    channels_with_held, discard_held, held, held_of_channel, release_held, verify_held,
};
pub use queries::{
    DeliveryFilter, Naming, Telling, counts_by_verdict, deliveries, delivery, events_of,
    last_delivery_at, mark_handled, named, named_on, naming, newest_version, tellings,
    told_without_version,
};
pub use receive::{Answer, Inbox, Tally};
pub use replay::{Replayed, Reread, replay, reread, take_up, take_up_pending};
pub use select::{DeliverySelection, count_selected, count_verdicts, page_selected};
pub use self_test::{SelfTest, SelfTestError};
pub use unread::{RefusedNaming, Unread, refused_naming, unread_naming};

use crate::domain::job::named;
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// What was made of a delivery that was believed.
    Verdict {
        /// Its events were stored and work was enqueued.
        Accepted = "accepted",
        /// Understood; nothing to do.
        Ignored = "ignored",
        /// A topic we do not know.
        UnknownTopic = "unknown_topic",
        /// Not the shape its topic promises.
        Unreadable = "unreadable",
        /// Signed rightly, for a shop that is not connected.
        UnknownChannel = "unknown_channel",
        /// For a channel that is locked: the events are kept, and worked off when it is unlocked.
        Parked = "parked",
    }
);
