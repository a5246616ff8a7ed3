//! How many of a replay may be taken up now. Pure.

use crate::domain::Timestamp;
use entity::replays;

const MINUTE_US: i64 = 60_000_000;
/// Taken up in one transaction, which holds the write lock.
const PAGE: i64 = 25;

/// What a replay may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    Take(u64),
    /// The minute's share is used up.
    Wait(Timestamp),
    /// As many as it may were taken up.
    Enough,
}

/// The minute of this time, since 1970.
pub fn minute_of(now: Timestamp) -> i64 {
    now.micros().div_euclid(MINUTE_US)
}

/// What was taken up in the minute of `now`.
pub fn taken_in_minute(row: &replays::Model, now: Timestamp) -> i64 {
    if row.minute == minute_of(now) {
        row.minute_taken
    } else {
        0
    }
}

pub fn allowance(row: &replays::Model, now: Timestamp) -> Allowance {
    let left = row.most - row.taken;
    if left <= 0 || row.position >= row.up_to {
        return Allowance::Enough;
    }
    let share = row.per_minute - taken_in_minute(row, now);
    if share <= 0 {
        let next = (minute_of(now) + 1) * MINUTE_US;
        return Allowance::Wait(Timestamp::from_micros(next));
    }
    let n = left.min(share).min(PAGE);
    Allowance::Take(u64::try_from(n).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(taken: i64, most: i64) -> replays::Model {
        replays::Model {
            id: 1,
            merchant_id: 1,
            source_kind: "deliveries".to_owned(),
            selection: "{}".to_owned(),
            by_name: "Ana".to_owned(),
            why: "lost".to_owned(),
            state: "running".to_owned(),
            matched: 500,
            most,
            per_minute: 60,
            up_to: 500,
            position: taken,
            taken,
            minute: 0,
            minute_taken: 0,
            note: None,
            created_at: 0,
            started_at: None,
            taken_at: None,
            finished_at: None,
        }
    }

    #[test]
    fn a_minute_has_its_share_and_the_next_one_its_own() {
        let now = Timestamp::from_secs(1_795_400_430);
        let mut row = row(60, 1_000);
        (row.minute, row.minute_taken) = (minute_of(now), 50);
        assert_eq!(allowance(&row, now), Allowance::Take(10));

        row.minute_taken = 60;
        let next = Timestamp::from_secs(1_795_400_460);
        assert_eq!(allowance(&row, now), Allowance::Wait(next));
        assert_eq!(allowance(&row, next), Allowance::Take(25));
    }

    #[test]
    fn the_cap_holds_and_so_does_the_end_of_what_was_selected() {
        let now = Timestamp::from_secs(1_795_400_430);

        assert_eq!(allowance(&row(97, 100), now), Allowance::Take(3));
        assert_eq!(allowance(&row(100, 100), now), Allowance::Enough);
        assert_eq!(allowance(&row(500, 1_000), now), Allowance::Enough);
    }
}
