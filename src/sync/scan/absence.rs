//! When what a full scan did not show is believed gone. Pure.
//!
//! Lists shift, filters break, and an API in trouble answers with an empty page that looks like a whole one. So:
//!
//! - few products that were not shown are asked for one by one, and are gone only if that finds none;
//! - many of them, of what is known or because the list ends far before it announced, make the scan suspicious:
//!   nothing is gone, and a second scan looks again later. Only what it does not show either, while showing about
//!   as much as the first, is believed.

use crate::catalog::Unseen;
use crate::domain::{ScanState, Timestamp};
use entity::scans;
use std::time::Duration;

/// Products that are asked for one by one.
pub(super) const ONE_BY_ONE: usize = 200;
/// Share of what was known, in percent, from which on so many missing ones are not believed at once.
const TOO_MANY_PERCENT: u64 = 10;
/// Products by which a list may end earlier than announced, and their share in percent: it moves meanwhile.
const SHORT_BY: i64 = 10;
const SHORT_PERCENT: i64 = 10;
/// How long after the first look the second may be had: trouble passes in minutes.
const APART: Duration = Duration::from_secs(5 * 60);
/// How long a first look counts.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3_600);

/// After how long the second look comes by itself.
pub(super) const SECOND_LOOK: Duration = Duration::from_secs(10 * 60);
/// And the one after a second look that was suspicious too.
pub(super) const LATER_LOOK: Duration = Duration::from_secs(3_600);

/// What becomes of the listings that were not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are gone.
    Gone,
    /// Their products are asked for one by one first.
    Ask,
    /// Nothing is gone; why not, in words.
    Doubt(String),
}

/// `scan`: the one that has ended; `before`: the full scan before it.
pub(super) fn judge(
    scan: &scans::Model,
    unseen: &Unseen,
    before: Option<&scans::Model>,
) -> Verdict {
    let Some(doubt) = doubt(scan, unseen) else {
        return match unseen.products.len() {
            0 => Verdict::Gone,
            few if few <= ONE_BY_ONE => Verdict::Ask,
            _ => Verdict::Gone,
        };
    };
    if before.is_some_and(|before| is_confirmed(scan, before)) {
        return Verdict::Gone;
    }
    Verdict::Doubt(doubt)
}

fn doubt(scan: &scans::Model, unseen: &Unseen) -> Option<String> {
    // Few are asked for one by one, which tells more than another walk.
    if unseen.products.len() <= ONE_BY_ONE {
        return None;
    }
    let read = scan.products + scan.errors;
    if unseen.listings * 100 > unseen.known * TOO_MANY_PERCENT {
        return Some(format!(
            "{} of {} listings that are known were not shown",
            unseen.listings, unseen.known
        ));
    }
    let expected = scan.expected.unwrap_or(0);
    let short_by = expected - read;
    (short_by > SHORT_BY && short_by * 100 > expected * SHORT_PERCENT)
        .then(|| format!("{expected} products were announced, and {read} shown"))
}

/// Both looks agree: the first was suspicious, not long ago and not just now, and showed about as much.
fn is_confirmed(scan: &scans::Model, before: &scans::Model) -> bool {
    let ended_at = Timestamp::from_micros(before.finished_at.unwrap_or(before.started_at));
    let apart = Timestamp::from_micros(scan.started_at).since(ended_at);
    let differs_by = (scan.products - before.products).abs();
    let may_differ = SHORT_BY + before.products * SHORT_PERCENT / 100;
    before.state == ScanState::Suspicious.as_str()
        && (APART..=REMEMBERED).contains(&apart)
        && differs_by <= may_differ
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::RemoteId;

    const ENDED: Timestamp = Timestamp::from_secs(100_000);

    /// A full scan that runs and has read so many products.
    pub fn scan(products: i64, expected: Option<i64>) -> scans::Model {
        scans::Model {
            id: 1,
            merchant_id: 1,
            channel_id: 1,
            kind: "full".to_owned(),
            method: "async".to_owned(),
            source: "schedule".to_owned(),
            state: "running".to_owned(),
            subject: None,
            window_from: None,
            window_to: 0,
            page_token: None,
            pages: 1,
            listings: products,
            added: 0,
            changed: 0,
            gone: 0,
            linked: 0,
            errors: 0,
            api_calls: 1,
            expected,
            emulated: false,
            error: None,
            started_at: (ENDED + Duration::from_secs(600)).micros(),
            finished_at: None,
            products,
            conflicts: 0,
            differences: 0,
            spent_ms: 0,
            blind: false,
            last_page_at: None,
            paused_at: None,
            recent: None,
            seen: None,
        }
    }

    fn unseen(known: u64, listings: u64) -> Unseen {
        let products = (0..listings.min(ONE_BY_ONE as u64 + 1)).map(RemoteId::from);
        Unseen {
            known,
            listings,
            products: products.collect(),
        }
    }

    fn suspicious(products: i64, ended_at: Timestamp) -> scans::Model {
        scans::Model {
            state: "suspicious".to_owned(),
            finished_at: Some(ended_at.micros()),
            ..scan(products, None)
        }
    }

    #[test]
    fn an_empty_page_for_a_shop_with_thousands_is_not_believed() {
        let verdict = judge(&scan(0, Some(0)), &unseen(3_000, 3_000), None);

        assert!(matches!(verdict, Verdict::Doubt(why) if why.starts_with("3000 of 3000 listings")));
    }

    #[test]
    fn a_list_that_ends_far_before_it_announced_is_not_believed() {
        let verdict = judge(&scan(500, Some(900)), &unseen(4_000, 300), None);
        let nearly = judge(&scan(850, Some(900)), &unseen(4_000, 300), None);
        let few = judge(&scan(50, Some(80)), &unseen(80, 30), None);

        assert!(
            matches!(verdict, Verdict::Doubt(why) if why == "900 products were announced, and 500 shown")
        );
        assert_eq!((nearly, few), (Verdict::Gone, Verdict::Ask));
    }

    #[test]
    fn few_are_asked_for_and_many_of_very_many_are_believed() {
        assert_eq!(judge(&scan(10, None), &unseen(10, 0), None), Verdict::Gone);
        assert_eq!(judge(&scan(0, None), &unseen(5, 5), None), Verdict::Ask);
        assert_eq!(
            judge(&scan(99_000, None), &unseen(100_000, 1_000), None),
            Verdict::Gone
        );
    }

    #[test]
    fn a_second_look_that_shows_as_little_is_believed_and_one_that_differs_is_not() {
        let missing = unseen(3_000, 2_900);
        let second = scan(100, None);
        let judged = |before| judge(&second, &missing, Some(&before));

        assert_eq!(judged(suspicious(103, ENDED)), Verdict::Gone);
        assert!(matches!(
            judged(suspicious(2_000, ENDED)),
            Verdict::Doubt(_)
        ));
        let just_now = ENDED + Duration::from_secs(590);
        assert!(matches!(
            judged(suspicious(103, just_now)),
            Verdict::Doubt(_)
        ));
        let mut done = suspicious(103, ENDED);
        done.state = "done".to_owned();
        assert!(matches!(judged(done), Verdict::Doubt(_)));
    }
}
