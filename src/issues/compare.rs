//! What is wrong now, against the issues that are open: pure.

use super::Found;
use entity::issues;
use std::collections::{HashMap, HashSet};

/// What has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    Open(&'a Found),
    /// It is still there, and something about it changed.
    Update(&'a issues::Model, &'a Found),
    /// It is gone.
    Close(&'a issues::Model),
}

/// What opens, changes and closes, in the order of what was found, then of what is gone. Of two findings with one key
/// the first counts.
pub fn compare<'a>(found: &'a [Found], open: &'a [issues::Model]) -> Vec<Change<'a>> {
    let stored: HashMap<&str, &issues::Model> =
        open.iter().map(|row| (row.key.as_str(), row)).collect();
    let mut seen = HashSet::new();
    let mut changes = Vec::new();
    for one in found {
        let key = one.key();
        if seen.contains(&key) {
            continue;
        }
        match stored.get(key.as_str()) {
            None => changes.push(Change::Open(one)),
            Some(row) if is_changed(row, one) => changes.push(Change::Update(row, one)),
            Some(_) => {}
        }
        seen.insert(key);
    }
    let gone = open.iter().filter(|row| !seen.contains(&row.key));
    changes.extend(gone.map(Change::Close));
    changes
}

fn is_changed(row: &issues::Model, found: &Found) -> bool {
    row.found != found.found
        || row.to_do != found.to_do
        || row.last_at != found.last_at.micros().max(row.last_at)
        || row.count != found.count.cast_signed()
        || row.orders != found.orders.cast_signed()
        || row.blocked != found.blocked.cast_signed()
        || row.sample != sample_text(&found.sample)
}

pub(super) fn sample_text(sample: &[String]) -> String {
    serde_json::to_string(sample).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cause, ChannelId, Timestamp};
    use proptest::prelude::*;

    const AT: Timestamp = Timestamp::from_secs(1_795_400_400);

    fn found(channel: i64, subject: &str, count: u64) -> Found {
        Found {
            subject: subject.to_owned(),
            count,
            ..Found::of(Cause::UnknownTopic, Some(ChannelId(channel)), AT)
        }
    }

    fn row(id: i64, found: &Found) -> issues::Model {
        issues::Model {
            id,
            merchant_id: 1,
            channel_id: found.channel.map(|channel| channel.0),
            cause: found.cause.to_string(),
            subject: found.subject.clone(),
            key: found.key(),
            state: "open".to_owned(),
            found: found.found.clone(),
            to_do: found.to_do.clone(),
            first_at: found.first_at.micros(),
            last_at: found.last_at.micros(),
            count: found.count.cast_signed(),
            orders: found.orders.cast_signed(),
            sample: sample_text(&found.sample),
            blocked: found.blocked.cast_signed(),
            episode: 1,
            opened_at: AT.micros(),
            looked_at: AT.micros(),
            closed_at: None,
            closed_why: None,
            revived: 0,
            muted_at: None,
            muted_by: None,
            muted_why: None,
        }
    }

    #[test]
    fn what_is_new_opens_what_differs_is_updated_and_what_is_gone_closes() {
        let (same, more, new) = (found(1, "a", 1), found(1, "b", 2), found(2, "a", 1));
        let before = [
            row(7, &same),
            row(8, &found(1, "b", 1)),
            row(9, &found(3, "a", 1)),
        ];

        let all = [same, more.clone(), new.clone()];
        let changes = compare(&all, &before);

        let expected = [
            Change::Update(&before[1], &more),
            Change::Open(&new),
            Change::Close(&before[2]),
        ];
        assert_eq!(changes, expected);
    }

    proptest! {
        #[test]
        fn what_was_written_is_not_written_again(
            subjects in proptest::collection::btree_map(("[ab]{1,3}", 1_i64..4), 1_u64..9, 0..12),
        ) {
            let all: Vec<Found> = subjects
                .iter()
                .map(|((subject, channel), count)| found(*channel, subject, *count))
                .collect();
            let rows: Vec<_> = all.iter().zip(1..).map(|(one, id)| row(id, one)).collect();

            prop_assert_eq!(compare(&all, &rows), []);
            prop_assert_eq!(compare(&all, &[]).len(), all.len());
            prop_assert_eq!(compare(&[], &rows).len(), rows.len());
        }
    }
}
