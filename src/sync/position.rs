//! Where a walk over a list is, in a form that survives a crash. Pure.

use crate::domain::{Timestamp, Window};
use crate::marketplaces::PageToken;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Windows narrower than this are not cut further: more rows than the cap changed within one second.
const NARROWEST: Duration = Duration::from_secs(2);

/// How far beyond the present the last window of a walk over everything reaches.
const AHEAD: Duration = Duration::from_secs(3_600);

/// The windows that are still to be walked, the present one last, and the page in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Empty: the list is walked whole, without a window.
    pub windows: Vec<Window>,
    pub page: Option<PageToken>,
    /// The last page was written; what is left is to conclude.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_walked: bool,
}

impl Position {
    pub fn whole() -> Self {
        Self::default()
    }

    pub fn within(window: Window) -> Self {
        Self {
            windows: vec![window],
            ..Self::default()
        }
    }

    /// Behind the last page.
    pub fn walked() -> Self {
        Self {
            is_walked: true,
            ..Self::default()
        }
    }

    /// The same window in pieces of at most `longest`, oldest first.
    pub fn in_pieces(window: Window, longest: Duration) -> Self {
        let mut windows = Vec::new();
        let mut from = window.from;
        while from < window.to {
            let to = (from + longest).min(window.to);
            windows.push(Window { from, to });
            from = to;
        }
        if windows.is_empty() {
            windows.push(window);
        }
        windows.reverse();
        Self {
            windows,
            ..Self::default()
        }
    }

    pub fn window(&self) -> Option<Window> {
        self.windows.last().copied()
    }

    /// The position after a page was written; `None` when the walk is over.
    pub fn after(mut self, next: Option<PageToken>) -> Option<Self> {
        self.page = next;
        if self.page.is_none() {
            self.windows.pop();
            if self.windows.is_empty() {
                return None;
            }
        }
        Some(self)
    }

    /// Once more, for what changed since: where the last window ended in the past, whatever changed after its end
    /// is in none of them. The new one ends a little after `now`, because clocks differ and reading it takes time.
    /// `None` when nothing is left out.
    pub fn for_the_rest(&self, now: Timestamp) -> Option<Self> {
        let [window] = self.windows.as_slice() else {
            return None;
        };
        let to = now + AHEAD;
        (window.to <= now).then(|| {
            Self::within(Window {
                from: window.to,
                to,
            })
        })
    }

    /// The present window in two halves, from the start of the older; `None` when it is too narrow to cut.
    pub fn cut(mut self) -> Option<Self> {
        let window = self.windows.pop()?;
        let span = window.to.since(window.from);
        if span < NARROWEST {
            return None;
        }
        // On a whole second: marketplaces count in seconds.
        let middle = Timestamp::from_secs((window.from + span / 2).secs());
        self.windows.push(Window {
            from: middle,
            to: window.to,
        });
        self.windows.push(Window {
            from: window.from,
            to: middle,
        });
        self.page = None;
        Some(self)
    }

    /// # Panics
    /// Never: windows and tokens are JSON.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("windows and tokens are JSON")
    }

    /// `None` when the text is not a position: the walk begins anew.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window {
            from: Timestamp::from_secs(from),
            to: Timestamp::from_secs(to),
        }
    }

    #[test]
    fn a_walk_goes_page_by_page_and_window_by_window() {
        let position = Position::in_pieces(window(0, 25), Duration::from_secs(10));
        assert_eq!(position.window(), Some(window(0, 10)));

        let next = position.after(Some(PageToken("2".to_owned()))).unwrap();
        assert_eq!(next.window(), Some(window(0, 10)));

        let next = next.after(None).unwrap();
        assert_eq!(
            (next.window(), next.page.clone()),
            (Some(window(10, 20)), None)
        );
        assert_eq!(next.after(None).unwrap().after(None), None);
    }

    #[test]
    fn cutting_covers_the_window_without_gap_or_overlap() {
        let mut position = Position::within(window(0, 1_000));
        let mut walked = Vec::new();
        while let Some(present) = position.window() {
            if present.to.since(present.from) > Duration::from_secs(100) {
                position = position.cut().unwrap();
                continue;
            }
            walked.push(present);
            match position.after(None) {
                Some(next) => position = next,
                None => break,
            }
        }

        assert_eq!(walked.first().unwrap().from, Timestamp::EPOCH);
        assert_eq!(walked.last().unwrap().to, Timestamp::from_secs(1_000));
        assert!(walked.windows(2).all(|pair| pair[0].to == pair[1].from));
    }

    #[test]
    fn what_changes_during_a_walk_in_windows_is_in_the_last_one() {
        let now = Timestamp::from_secs(1_000);
        let last = Position::within(window(500, 1_000));
        let within = last.clone().cut().unwrap();

        let rest = last.for_the_rest(now).unwrap();

        assert_eq!(rest.window(), Some(window(1_000, 4_600)));
        assert_eq!(
            rest.for_the_rest(now),
            None,
            "it reaches beyond the present"
        );
        // Reading it took longer than an hour.
        let later = rest.for_the_rest(Timestamp::from_secs(5_000)).unwrap();
        assert_eq!(later.window(), Some(window(4_600, 8_600)));
        assert_eq!(within.for_the_rest(now), None, "its own last window comes");
        assert_eq!(Position::whole().for_the_rest(now), None, "no windows");
    }

    #[test]
    fn a_position_survives_its_text() {
        let position = Position {
            windows: vec![window(5, 9)],
            page: Some(PageToken("a+/=".to_owned())),
            is_walked: false,
        };

        assert_eq!(Position::from_text(&position.to_text()), Some(position));
    }
}
