//! Many small changes in few requests, with one outcome each.
//!
//! Pure: [`plan`] says what to send, [`Answers`] keeps what came back.

use crate::marketplaces::{MarketplaceError, PushOutcome, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// One change: where it goes, of what, and what it says.
#[derive(Debug, Clone)]
pub struct Entry {
    pub path: String,
    pub id: u64,
    pub body: Value,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Batch<'e> {
    pub path: &'e str,
    /// What to send.
    pub bodies: Vec<&'e Value>,
    /// Id and the places of its entries, which all say the same.
    pub places: Vec<(u64, Vec<usize>)>,
}

/// The requests, of up to `size` entries each, and the places whose entries contradict each other.
pub fn plan(entries: &[Option<Entry>], size: usize) -> (Vec<Batch<'_>>, Vec<usize>) {
    let mut targets: BTreeMap<(&str, u64), Vec<usize>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        if let Some(entry) = entry {
            targets.entry((&entry.path, entry.id)).or_default().push(at);
        }
    }
    let body = |at: usize| entries[at].as_ref().map(|entry| &entry.body);
    let (mut batches, mut at_odds) = (Vec::<Batch<'_>>::new(), Vec::new());
    for ((path, id), places) in targets {
        let Some(said) =
            body(places[0]).filter(|_| places.iter().all(|at| body(*at) == body(places[0])))
        else {
            at_odds.extend(places);
            continue;
        };
        match batches.last_mut() {
            Some(last) if last.path == path && last.bodies.len() < size => {
                last.bodies.push(said);
                last.places.push((id, places));
            }
            _ => batches.push(Batch {
                path,
                bodies: vec![said],
                places: vec![(id, places)],
            }),
        }
    }
    (batches, at_odds)
}

/// The outcomes of all entries, in their order.
#[derive(Debug)]
pub struct Answers {
    outcomes: Vec<PushOutcome>,
    stopped: Option<MarketplaceError>,
}

impl Answers {
    /// `unanswered`: the outcome of entries of which nothing is told.
    pub fn new(n: usize, unanswered: &MarketplaceError) -> Self {
        Self {
            outcomes: vec![Err(unanswered.clone()); n],
            stopped: None,
        }
    }

    pub fn set(&mut self, place: usize, outcome: PushOutcome) {
        self.outcomes[place] = outcome;
    }

    /// A whole request failed.
    pub fn fail(&mut self, batch: &Batch<'_>, error: &MarketplaceError) {
        for place in batch.places.iter().flat_map(|(_, places)| places) {
            self.set(*place, Err(error.clone()));
        }
        // Every other request would end the same way.
        let is_of_channel = matches!(
            error,
            MarketplaceError::Unauthorized { .. }
                | MarketplaceError::TokenExpired { .. }
                | MarketplaceError::RateLimited { .. }
                | MarketplaceError::Unavailable { .. }
                | MarketplaceError::AddressRefused { .. }
        );
        if is_of_channel {
            self.stopped = Some(error.clone());
        }
    }

    /// Why no further request should be made.
    pub fn stopped(&self) -> Option<MarketplaceError> {
        self.stopped.clone()
    }

    /// # Errors
    /// When nothing was set because the channel as a whole could not be reached.
    pub fn finish(self) -> Result<Vec<PushOutcome>> {
        match self.stopped {
            Some(error) if self.outcomes.iter().all(std::result::Result::is_err) => Err(error),
            _ => Ok(self.outcomes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(path: &str, id: u64, units: i64) -> Entry {
        let (path, body) = (path.to_owned(), json!({ "id": id, "units": units }));
        Entry { path, id, body }
    }

    #[test]
    fn entries_are_sent_together_unless_they_contradict_each_other() {
        let entries = [
            Some(entry("a", 1, 5)),
            Some(entry("b", 1, 5)),
            None,
            Some(entry("a", 2, 5)),
            Some(entry("a", 1, 5)),
            Some(entry("b", 7, 1)),
            Some(entry("b", 7, 2)),
            Some(entry("a", 3, 5)),
        ];

        let (batches, at_odds) = plan(&entries, 2);

        let sent: Vec<_> = batches.iter().map(|b| (b.path, b.places.clone())).collect();
        let expected = [
            ("a", vec![(1, vec![0, 4]), (2, vec![3])]),
            ("a", vec![(3, vec![7])]),
            ("b", vec![(1, vec![1])]),
        ];
        assert_eq!(sent, expected);
        assert_eq!(at_odds, [5, 6]);
    }

    #[test]
    fn a_channel_that_cannot_be_reached_is_one_error() {
        let down = MarketplaceError::RateLimited {
            marketplace: "x",
            retry_after: None,
        };
        let entries = [Some(entry("a", 1, 5)), Some(entry("b", 2, 5))];
        let (batches, _) = plan(&entries, 100);
        let mut all = Answers::new(2, &down);
        let mut some = Answers::new(2, &down);

        all.fail(&batches[0], &down);
        some.set(0, Ok(()));
        some.fail(&batches[1], &down);

        assert_eq!(all.finish(), Err(down.clone()));
        assert_eq!(some.finish(), Ok(vec![Ok(()), Err(down)]));
    }
}
