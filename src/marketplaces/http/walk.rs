//! Walking over a list page by page while it changes.
//!
//! Page numbers lose rows when rows leave the list: those behind move forward over the page's edge. So:
//!
//! - by time ([`Sort::Modified`]): each page asks for what changed at or after the last row's second, and
//!   leaves out the rows of that second that were given already;
//! - by id ([`Sort::Id`]): each page begins one row early, at the last row given. If that row is not where
//!   it was, the walk steps back until it is at or before it.
//!
//! Where a filter hides some rows, a walk has several passes. Pure: the caller asks, this says for what,
//! and which rows of the answer are new.

use crate::domain::{Timestamp, Window};
use crate::marketplaces::PageToken;
use serde::{Deserialize, Serialize};

/// A walk over a list; its text is the page token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// What this pass lists, such as a status.
    pub pass: String,
    /// Only what changed in it.
    pub window: Option<Window>,
    pub sort: Sort,
    /// Rows in the lists of all passes so far, where they are told.
    pub total: Option<u64>,
    /// What the adapter wants to remember from page to page.
    pub note: Option<String>,
}

impl Walk {
    /// By time in a window, by id without one.
    pub fn begin(pass: &str, window: Option<Window>) -> Self {
        Self {
            pass: pass.to_owned(),
            window,
            sort: window.map_or(Sort::BY_ID, |w| Sort::modified_since(w.from.secs())),
            total: None,
            note: None,
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

    /// The same walk over another pass, from its start.
    pub fn next_pass(self, pass: &str) -> Self {
        Self {
            sort: Self::begin(pass, self.window).sort,
            pass: pass.to_owned(),
            ..self
        }
    }

    /// Starts this pass again by id, for a list that cannot be sorted by time. `false`: it is by id.
    pub fn fall_back(&mut self) -> bool {
        let can = matches!(self.sort, Sort::Modified { .. });
        if can {
            self.sort = Sort::BY_ID;
        }
        can
    }

    /// Unix seconds between which, exclusively, the rows of the next page changed.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let window = self.window?;
        let after = match self.sort {
            Sort::Modified { after, .. } => after,
            Sort::Id { .. } => window.from.secs().saturating_sub(1),
        };
        Some((after, window.to.secs().saturating_add(1)))
    }

    /// Takes out of a page of up to `size` rows what is new and in the window, and moves on. `listed`:
    /// rows in the whole list. `None`: the page has to be asked for again.
    pub fn take<T>(
        &mut self,
        rows: Vec<T>,
        size: usize,
        listed: Option<u64>,
        mark: impl Fn(&T) -> Mark,
    ) -> Option<Vec<T>> {
        if self.sort.is_first_page() {
            self.total = listed.map(|listed| self.total.unwrap_or(0) + listed);
        }
        let marks: Vec<Mark> = rows.iter().map(mark).collect();
        let is_fresh = self.sort.advance(&marks, size)?;
        let is_inside = |at: Option<i64>| {
            let at = at.map(Timestamp::from_secs);
            self.window
                .zip(at)
                .is_none_or(|(window, at)| window.contains(at))
        };
        let marked = rows.into_iter().zip(marks).zip(is_fresh);
        let wanted = marked.filter(|((_, (_, at)), fresh)| *fresh && is_inside(*at));
        Some(wanted.map(|((row, _), _)| row).collect())
    }
}

/// Where a walk stands. Safe to store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    /// Oldest change first. `after`: unix second, exclusive; `page`: from 1, of the rows after it;
    /// `given`: the rows among them that were given already.
    Modified {
        after: i64,
        page: usize,
        given: Vec<u64>,
    },
    /// Lowest id first. `offset`: where the next page begins; `last`: the last id given, 0 at first.
    Id { offset: usize, last: u64 },
}

/// What a walk needs to know of a row: its id, and the second of its last change.
pub type Mark = (u64, Option<i64>);

impl Sort {
    /// Over what changed at `from_secs` or later.
    pub fn modified_since(from_secs: i64) -> Self {
        Self::Modified {
            after: from_secs.saturating_sub(1),
            page: 1,
            given: vec![],
        }
    }

    pub const BY_ID: Self = Self::Id { offset: 0, last: 0 };

    pub fn is_first_page(&self) -> bool {
        match self {
            Self::Modified { page, given, .. } => *page == 1 && given.is_empty(),
            Self::Id { last, .. } => *last == 0,
        }
    }

    /// Says which rows of a page of up to `size` (2 or more) are new, and moves on. `None`: the list has
    /// shifted, and the page has to be asked for again from where the walk has stepped back to.
    pub fn advance(&mut self, page: &[Mark], size: usize) -> Option<Vec<bool>> {
        match self {
            Self::Modified { .. } => Some(self.advance_in_time(page)),
            Self::Id { offset, last } => {
                let has_shifted = *offset > 0 && page.first().is_none_or(|(id, _)| id > last);
                if has_shifted {
                    *offset = offset.saturating_sub(size);
                    return None;
                }
                let fresh = page.iter().map(|(id, _)| id > last).collect();
                *offset = (*offset + page.len()).saturating_sub(1);
                *last = page.last().map_or(*last, |(id, _)| (*last).max(*id));
                Some(fresh)
            }
        }
    }

    fn advance_in_time(&mut self, page: &[Mark]) -> Vec<bool> {
        let Self::Modified {
            after,
            page: number,
            given,
        } = self
        else {
            return vec![];
        };
        let fresh = page.iter().map(|(id, _)| !given.contains(id)).collect();
        match page.last().and_then(|(_, second)| *second) {
            Some(last) if last > after.saturating_add(1) => {
                let of_last = page.iter().filter(|(_, second)| *second == Some(last));
                *given = of_last.map(|(id, _)| *id).collect();
                (*after, *number) = (last - 1, 1);
            }
            // More rows of one second than a page holds.
            _ => {
                given.extend(page.iter().map(|(id, _)| id));
                *number += 1;
            }
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: usize = 3;

    /// Answers one page of `rows` (sorted as asked) as a shop does.
    fn page(rows: &[Mark], sort: &Sort) -> Vec<Mark> {
        let mut rows = rows.to_vec();
        let skip = match sort {
            Sort::Modified { after, page, .. } => {
                rows.sort_by_key(|(id, second)| (*second, *id));
                rows.retain(|(_, second)| *second > Some(*after));
                (page - 1) * SIZE
            }
            Sort::Id { offset, .. } => {
                rows.sort_unstable();
                *offset
            }
        };
        rows.into_iter().skip(skip).take(SIZE).collect()
    }

    /// Walks to the end; before each request `change` may change the list.
    fn walk(
        mut rows: Vec<Mark>,
        mut sort: Sort,
        mut change: impl FnMut(&mut Vec<Mark>, usize),
    ) -> Vec<u64> {
        let mut seen = Vec::new();
        for asked in 0..1_000 {
            change(&mut rows, asked);
            let page = page(&rows, &sort);
            let Some(fresh) = sort.advance(&page, SIZE) else {
                continue;
            };
            let new = page.iter().zip(fresh).filter(|(_, fresh)| *fresh);
            seen.extend(new.map(|((id, _), _)| *id));
            if page.len() < SIZE {
                break;
            }
        }
        seen
    }

    fn marks(seconds: &[i64]) -> Vec<Mark> {
        (1..)
            .zip(seconds.iter().map(|second| Some(*second)))
            .collect()
    }

    proptest! {
        #[test]
        fn a_still_list_is_given_once_and_whole(seconds in prop::collection::vec(0_i64..6, 0..40)) {
            let rows = marks(&seconds);

            for sort in [Sort::modified_since(0), Sort::BY_ID] {
                let mut seen = walk(rows.clone(), sort, |_, _| {});

                seen.sort_unstable();
                prop_assert_eq!(seen, (1..=seconds.len() as u64).collect::<Vec<_>>());
            }
        }

        #[test]
        fn rows_that_leave_take_no_other_row_with_them(
            n in 1_usize..40,
            leaving in prop::collection::vec(0_usize..40, 0..20),
        ) {
            let rows = marks(&(0..n as i64).collect::<Vec<_>>());

            for sort in [Sort::modified_since(0), Sort::BY_ID] {
                let mut left = Vec::new();
                let seen = walk(rows.clone(), sort, |rows, asked| {
                    if let Some(at) = leaving.get(asked).filter(|at| **at < rows.len()) {
                        left.push(rows.remove(*at).0);
                    }
                });

                for id in 1..=n as u64 {
                    prop_assert!(seen.contains(&id) || left.contains(&id), "{} was lost", id);
                }
            }
        }
    }
}
