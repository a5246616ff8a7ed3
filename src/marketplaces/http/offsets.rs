//! Walking over a list that has offsets and no order that is known, while it changes.
//!
//! A row that leaves the list moves those behind it forward, over the page's edge. So each page begins at the
//! last row of the one before. When that row is not there, the list has shifted, and the walk steps back a page:
//! rows may come twice, and none is lost. Rows that jump behind the walk are for a later pass to find.
//!
//! Pure: the caller asks, this says for what, and which rows of the answer are new.

use crate::marketplaces::PageToken;
use serde::{Deserialize, Serialize};

/// How often a walk steps back; a list that is never still is then taken as it comes, and said to be shaky.
const MOST_STEPS_BACK: u8 = 20;

/// A walk over a list; its text is the page token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offsets {
    /// What this pass lists, such as a status.
    pub pass: String,
    /// Rows before the next page.
    pub offset: usize,
    /// Unix second at which the walk began, its first pass included.
    pub begun_secs: i64,
    last: Option<u64>,
    steps_back: u8,
    #[serde(skip)]
    is_in_doubt: bool,
}

impl Offsets {
    pub fn begin(pass: &str, begun_secs: i64) -> Self {
        Self {
            pass: pass.to_owned(),
            offset: 0,
            begun_secs,
            last: None,
            steps_back: 0,
            is_in_doubt: false,
        }
    }

    /// The walk that a token continues; `None` when it is not a walk's.
    pub fn resume(token: &PageToken) -> Option<Self> {
        serde_json::from_str(&token.0).ok()
    }

    /// # Panics
    /// Never: numbers and texts are JSON.
    pub fn token(&self) -> PageToken {
        PageToken(serde_json::to_string(self).expect("numbers and texts are JSON"))
    }

    /// Why rows may be missing, on the page at which the list had shifted once too often.
    pub fn doubt(&self) -> Option<&'static str> {
        self.is_in_doubt
            .then_some("the list changed faster than it can be read: products may be missing")
    }

    /// Takes out of a page of up to `size` (2 or more) rows what is new, and moves on. `None`: the page has to
    /// be asked for again.
    pub fn take<T>(
        &mut self,
        mut rows: Vec<T>,
        size: usize,
        id: impl Fn(&T) -> Option<u64>,
    ) -> Option<Vec<T>> {
        let known = self.last;
        let is_there = known.is_none() || rows.first().and_then(&id) == known;
        if !is_there && self.steps_back < MOST_STEPS_BACK {
            self.offset = self.offset.saturating_sub(size);
            self.last = None;
            self.steps_back += 1;
            return None;
        }
        self.is_in_doubt = !is_there;
        self.last = rows.last().and_then(&id);
        self.offset += rows.len() - usize::from(self.last.is_some());
        rows.retain(|row| known.is_none() || id(row) != known);
        Some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: usize = 4;

    /// Walks to the end; before each request `change` may change the list.
    fn walk(mut rows: Vec<u64>, mut change: impl FnMut(&mut Vec<u64>, usize)) -> Vec<u64> {
        let (mut place, mut seen) = (Offsets::begin("all", 0), Vec::new());
        for asked in 0..1_000 {
            change(&mut rows, asked);
            place = Offsets::resume(&place.token()).unwrap();
            let page: Vec<u64> = rows.iter().copied().skip(place.offset).take(SIZE).collect();
            let is_last = page.len() < SIZE;
            let Some(new) = place.take(page, SIZE, |row| Some(*row)) else {
                continue;
            };
            seen.extend(new);
            if is_last {
                return seen;
            }
        }
        panic!("the walk does not end")
    }

    proptest! {
        #[test]
        fn a_still_list_is_given_once_and_whole(n in 0_u64..40) {
            let rows: Vec<u64> = (0..n).rev().collect();

            prop_assert_eq!(walk(rows.clone(), |_, _| {}), rows);
        }

        #[test]
        fn rows_that_leave_take_no_other_row_with_them(
            n in 1_u64..60,
            leaving in prop::collection::vec(0_usize..60, 0..10),
        ) {
            let mut left = Vec::new();
            let seen = walk((0..n).collect(), |rows, asked| {
                if let Some(at) = leaving.get(asked).filter(|at| **at < rows.len()) {
                    left.push(rows.remove(*at));
                }
            });

            for row in 0..n {
                prop_assert!(seen.contains(&row) || left.contains(&row), "{} was lost", row);
            }
        }
    }

    #[test]
    fn a_list_that_is_never_still_ends_all_the_same() {
        let seen = walk((0..50).collect(), |rows, _| rows.rotate_left(7));

        assert!(!seen.is_empty());
    }

    #[test]
    fn a_list_that_is_never_still_is_in_doubt_and_a_still_one_is_not() {
        let mut restless = Offsets::begin("all", 0);
        for n in 0..=2 * u64::from(MOST_STEPS_BACK) {
            assert_eq!(restless.doubt(), None, "after {n}");
            restless.take(vec![2 * n, 2 * n + 1], 2, |row| Some(*row));
        }
        restless.take(vec![900, 901], 2, |row| Some(*row));
        assert!(restless.doubt().is_some());

        restless.take(vec![901, 902], 2, |row| Some(*row));
        assert_eq!(restless.doubt(), None, "that page is as it should be");
    }
}
