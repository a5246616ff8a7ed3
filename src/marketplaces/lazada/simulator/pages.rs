//! Windows of time and pages of rows, as Lazada's lists read them.

use super::{Pairs, Refusal, refuse};
use crate::domain::Timestamp;
use crate::marketplaces::simulation::Shop;
use chrono::DateTime;
use serde_json::Value;
use std::ops::RangeInclusive;

/// A date of a question: with an offset, which a raw `+` would have lost.
pub(super) fn day(pairs: &Pairs, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(text) = pairs.get(name) else {
        return Ok(None);
    };
    let at = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z"));
    let wrong = |_| refuse("17", "E017: Invalid Date Format");
    at.map(|at| Some(at.timestamp())).map_err(wrong)
}

/// Both bounds belong to the window.
pub(super) fn is_within(after: Option<i64>, before: Option<i64>, at: Timestamp) -> bool {
    after.is_none_or(|after| after <= at.secs()) && before.is_none_or(|before| at.secs() <= before)
}

/// The rows from `offset` on, `limit` of them, up to the largest allowed of both; from the first on, and as many
/// as may be, when it is left open.
pub(super) fn page(
    shop: &Shop,
    pairs: &Pairs,
    rows: impl Iterator<Item = Value>,
    [last_offset, most]: [usize; 2],
) -> Result<Vec<Value>, Refusal> {
    let param = |name: &str, open: usize, range: RangeInclusive<usize>| {
        let Some(text) = pairs.get(name) else {
            return Some(open);
        };
        text.parse().ok().filter(|number| range.contains(number))
    };
    let offset = param("offset", 0, 0..=last_offset);
    let offset = offset.ok_or_else(|| refuse("14", "E014: Invalid Offset"))?;
    let limit = param("limit", most, 1..=most);
    let limit = limit.ok_or_else(|| refuse("19", "E019: Invalid Limit"))?;
    let most = shop.memory.get("short pages").and_then(|n| n.parse().ok());
    let limit = limit.min(most.unwrap_or(limit));
    Ok(rows.skip(offset).take(limit).collect())
}
