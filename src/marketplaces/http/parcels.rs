//! Rows that are sent together, where one refusal may stop them all.
//!
//! An answer that refuses may name the rows that it is about, or none of them, and need not say what became of
//! the others. Rows set absolute values, so they can be sent again: those that are named stand aside and the
//! rest goes out once more; when none is named, each half goes alone. So in the end each row has its own outcome.
//!
//! Pure: the caller sends a parcel and tells how it went.

use crate::marketplaces::{MarketplaceError, PushOutcome, Result};
use std::collections::VecDeque;

/// Rows to be sent in one request, with their places among the outcomes.
#[derive(Debug)]
pub struct Parcel<R>(Vec<(usize, R)>);

impl<R> Parcel<R> {
    pub fn rows(&self) -> impl Iterator<Item = &R> {
        self.0.iter().map(|(_, row)| row)
    }
}

/// What is still to be sent, and how everything else went.
#[derive(Debug)]
pub struct Parcels<R> {
    waiting: VecDeque<Parcel<R>>,
    outcomes: Vec<Option<PushOutcome>>,
    stopped: Option<MarketplaceError>,
}

impl<R> Parcels<R> {
    /// Up to `size` rows a parcel; a row without content is refused with its error.
    pub fn of(rows: Vec<std::result::Result<R, MarketplaceError>>, size: usize) -> Self {
        let mut parcels = Self {
            waiting: VecDeque::new(),
            outcomes: Vec::new(),
            stopped: None,
        };
        for (place, row) in rows.into_iter().enumerate() {
            let refused = row.as_ref().err().cloned();
            parcels.outcomes.push(refused.map(Err));
            let Ok(row) = row else { continue };
            match parcels.waiting.back_mut() {
                Some(last) if last.0.len() < size => last.0.push((place, row)),
                _ => parcels.waiting.push_back(Parcel(vec![(place, row)])),
            }
        }
        parcels
    }

    /// The next parcel to send; `None` when there is none, or when nothing more should be sent.
    pub fn take_next(&mut self) -> Option<Parcel<R>> {
        if self.stopped.is_some() {
            return None;
        }
        self.waiting.pop_front()
    }

    pub fn done(&mut self, parcel: Parcel<R>) {
        for (place, _) in parcel.0 {
            self.outcomes[place] = Some(Ok(()));
        }
    }

    /// The request failed for a reason that has nothing to do with its rows: no other would fare better.
    pub fn stop(&mut self, error: MarketplaceError) {
        self.stopped = Some(error);
    }

    /// The request was refused with `error`; `named` gives the reason that it names for a row.
    pub fn refused(
        &mut self,
        parcel: Parcel<R>,
        error: &MarketplaceError,
        named: impl Fn(&R) -> Option<MarketplaceError>,
    ) {
        let (mut rest, is_single) = (Vec::new(), parcel.0.len() == 1);
        let n_rows = parcel.0.len();
        for (place, row) in parcel.0 {
            match named(&row) {
                Some(reason) => self.outcomes[place] = Some(Err(reason)),
                None if is_single => self.outcomes[place] = Some(Err(error.clone())),
                None => rest.push((place, row)),
            }
        }
        if rest.len() == n_rows {
            let second = rest.split_off(n_rows / 2);
            self.waiting.push_front(Parcel(second));
        }
        if !rest.is_empty() {
            self.waiting.push_front(Parcel(rest));
        }
    }

    /// One outcome per row, in order.
    ///
    /// # Errors
    /// When the credentials failed, or nothing was set because the channel could not be reached.
    pub fn finish(self) -> Result<Vec<PushOutcome>> {
        let Some(error) = self.stopped else {
            // Without a stop every row was settled one way or the other.
            return Ok(self.outcomes.into_iter().flatten().collect());
        };
        let is_of_credentials = matches!(
            error,
            MarketplaceError::TokenExpired { .. } | MarketplaceError::Unauthorized { .. }
        );
        let mut settled = self.outcomes.iter();
        if is_of_credentials || !settled.any(|outcome| outcome == &Some(Ok(()))) {
            return Err(error);
        }
        let settled = self.outcomes.into_iter();
        Ok(settled
            .map(|outcome| outcome.unwrap_or_else(|| Err(error.clone())))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> MarketplaceError {
        MarketplaceError::Refused {
            marketplace: "x",
            code: code.to_owned(),
            message: String::new(),
        }
    }

    fn rows(n: u32) -> Vec<std::result::Result<u32, MarketplaceError>> {
        (0..n).map(Ok).collect()
    }

    /// Sends everything to a marketplace that refuses a parcel when it holds a `bad` row; returns which rows
    /// failed with which code, and how many requests it took.
    fn send(mut parcels: Parcels<u32>, bad: &[u32], names_them: bool) -> (Vec<String>, usize) {
        let mut n_requests = 0;
        while let Some(parcel) = parcels.take_next() {
            n_requests += 1;
            if parcel.rows().any(|row| bad.contains(row)) {
                let named = |row: &u32| (names_them && bad.contains(row)).then(|| error("named"));
                parcels.refused(parcel, &error("whole"), named);
            } else {
                parcels.done(parcel);
            }
        }
        let outcomes = parcels.finish().unwrap().into_iter();
        let told = outcomes.map(|outcome| match outcome {
            Ok(()) => "ok".to_owned(),
            Err(MarketplaceError::Refused { code, .. }) => code,
            Err(other) => other.to_string(),
        });
        (told.collect(), n_requests)
    }

    #[test]
    fn rows_that_are_named_stand_aside_and_the_rest_is_sent_again() {
        let (told, n_requests) = send(Parcels::of(rows(5), 3), &[1, 2], true);

        assert_eq!(told, ["ok", "named", "named", "ok", "ok"]);
        assert_eq!(n_requests, 3);
    }

    #[test]
    fn a_refusal_that_names_nobody_is_narrowed_down() {
        let (told, _) = send(Parcels::of(rows(6), 6), &[4], false);

        assert_eq!(told, ["ok", "ok", "ok", "ok", "whole", "ok"]);
    }

    #[test]
    fn rows_without_content_have_their_own_error_and_none_at_all_is_no_request() {
        let mut three = rows(3);
        three[1] = Err(error("own"));

        assert_eq!(
            send(Parcels::of(three, 9), &[], true).0,
            ["ok", "own", "ok"]
        );
        assert_eq!(send(Parcels::of(vec![], 9), &[], true), (vec![], 0));
    }

    #[test]
    fn after_a_stop_nothing_is_sent_and_the_rest_has_its_reason() {
        let down = MarketplaceError::RateLimited {
            marketplace: "x",
            retry_after: None,
        };
        let mut parcels = Parcels::of(rows(4), 2);
        let first = parcels.take_next().unwrap();
        parcels.done(first);
        let mut none = Parcels::of(rows(2), 2);

        parcels.stop(down.clone());
        none.stop(down.clone());

        assert!(parcels.take_next().is_none());
        let rest = Err(down.clone());
        let expected = vec![Ok(()), Ok(()), rest.clone(), rest];
        assert_eq!(parcels.finish(), Ok(expected));
        assert_eq!(none.finish(), Err(down));
    }
}
