//! What happened to a listing and its SKU, in one line of time.

use super::facts::Facts;
use crate::domain::Timestamp;
use serde::Serialize;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub at: Timestamp,
    /// `movement`, `push`, `job`, `read`, `seen`, `changed_there`, `link` or `price`.
    pub what: &'static str,
    pub text: String,
}

/// Newest first.
pub(super) fn timeline(facts: &Facts<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |at: i64, what, text: String| {
        let at = Timestamp::from_micros(at);
        entries.push(Entry { at, what, text });
    };
    let listing = facts.listing;
    for movement in facts.movements {
        let row = &movement.row;
        let of_order = movement
            .order_number
            .as_ref()
            .map_or_else(String::new, |number| format!(", order {number}"));
        let note = row
            .note
            .as_ref()
            .map_or_else(String::new, |note| format!(" ({note})"));
        add(
            row.created_at,
            "movement",
            format!(
                "{}: on hand {:+}, allocated {:+}{of_order}{note}",
                row.kind, row.on_hand_delta, row.allocated_delta
            ),
        );
    }
    for push in facts.pushes {
        let text = match &push.answer {
            None => format!("told {}: taken", push.quantity),
            Some(answer) => format!("told {}: {answer}", push.quantity),
        };
        add(push.finished_at, "push", text);
    }
    for job in facts.jobs {
        let trouble = job
            .last_error
            .as_ref()
            .map_or_else(String::new, |error| format!(": {error}"));
        let text = format!("push {}, {} tries{trouble}", job.state, job.attempts);
        add(job.finished_at.unwrap_or(job.waiting_since), "job", text);
    }
    let shown = listing
        .quantity
        .map_or_else(|| "no quantity".to_owned(), |units| units.to_string());
    add(
        facts.shown_at().micros(),
        "read",
        format!("the channel showed {shown}"),
    );
    if facts.read_at > facts.shown_at() {
        let text = "a scan that covers it found nothing new".to_owned();
        add(facts.read_at.micros(), "seen", text);
    }
    if listing.remote_version > 0 {
        let text = "last changed there, as the channel says".to_owned();
        add(listing.remote_version, "changed_there", text);
    }
    if let Some(at) = listing.link_at {
        let text = if listing.unlinked_by_hand {
            "unlinked by hand"
        } else {
            "linked by hand"
        };
        add(at, "link", text.to_owned());
    }
    if let Some(at) = facts.sku.and_then(|sku| sku.price_at) {
        add(at, "price", "the SKU's price was set".to_owned());
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    entries
}
