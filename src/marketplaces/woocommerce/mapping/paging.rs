//! The parameters of lists: windows of time, order, pages.

use super::pairs;
use crate::domain::Timestamp;
use crate::marketplaces::http::{
    oauth1::Pairs,
    walk::{Sort, Walk},
};

/// What a walk by the time when orders were placed remembers.
pub const BY_CREATION: &str = "by creation";

pub fn is_by_creation(walk: &Walk) -> bool {
    walk.note.as_deref() == Some(BY_CREATION)
}

/// The parameters that ask for the next page of a walk, whose passes are statuses.
pub fn page_query(walk: &Walk, fields: &str, size: usize) -> Pairs {
    let [order, from, to] = if is_by_creation(walk) {
        ["date", "after", "before"]
    } else {
        ["modified", "modified_after", "modified_before"]
    };
    let mut query = pairs([
        ("status", walk.pass.clone()),
        ("order", "asc".to_owned()),
        ("per_page", size.to_string()),
        ("_fields", fields.to_owned()),
    ]);
    query.extend(match &walk.sort {
        Sort::Modified { page, .. } => {
            pairs([("orderby", order.to_owned()), ("page", page.to_string())])
        }
        Sort::Id { offset, .. } => {
            pairs([("orderby", "id".to_owned()), ("offset", offset.to_string())])
        }
    });
    if let Some((after, before)) = walk.bounds() {
        query.extend(pairs([
            (from, without_zone(after)),
            (to, without_zone(before)),
            ("dates_are_gmt", "true".to_owned()),
        ]));
    }
    query
}

/// `2026-11-22T00:00:00`
fn without_zone(secs: i64) -> String {
    let at = Timestamp::from_secs(secs).to_utc();
    at.format("%Y-%m-%dT%H:%M:%S").to_string()
}
