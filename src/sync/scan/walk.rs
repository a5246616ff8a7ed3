//! How a kind of scan is walked on an API, and in which pieces. Pure.

use crate::domain::{ScanKind, Timestamp, Window};
use crate::marketplaces::{Limits, Page, ProductScope};
use crate::sync::position::Position;

/// How a kind of scan is walked on this API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// The API lacks the filter: more is walked than was asked for. Why, in words.
    pub emulated: Option<&'static str>,
    /// Every listing is walked: absence may be concluded.
    pub complete: bool,
    pub start: Position,
}

/// What is said where the list cannot be filtered.
const NO_UPDATED_FILTER: &str =
    "the API cannot list what changed; every listing is walked and compared";
const NO_ACTIVE_FILTER: &str =
    "the API cannot list what buyers find; every listing is walked and compared";

impl Walk {
    /// `since`: where the window of an updated scan begins; none before the first.
    pub fn of(kind: ScanKind, since: Option<Timestamp>, to: Timestamp, limits: &Limits) -> Self {
        let window = since.map(|from| Window { from, to });
        let whole = |emulated| Self {
            emulated,
            complete: false,
            start: Position::whole(),
        };
        match (kind, window) {
            (ScanKind::Updated, Some(window)) if limits.updated_filter => Self {
                emulated: None,
                complete: false,
                start: Position::within(window),
            },
            // The first updated scan has no cursor yet: everything is new.
            (ScanKind::Updated, window) => whole(window.map(|_| NO_UPDATED_FILTER)),
            (ScanKind::Active, _) if !limits.active_filter => whole(Some(NO_ACTIVE_FILTER)),
            (ScanKind::Active | ScanKind::Single, _) => whole(None),
            (ScanKind::Full, _) => Self {
                complete: true,
                ..whole(None)
            },
        }
    }
}

/// What is asked of the list at this place.
pub fn scope(kind: ScanKind, position: &Position, limits: &Limits) -> ProductScope {
    match position.window() {
        Some(window) => ProductScope::Updated(window),
        None if kind == ScanKind::Active && limits.active_filter => ProductScope::Active,
        None => ProductScope::Full,
    }
}

/// The list says from its first page that its end cannot be reached.
pub fn exceeds<T>(page: &Page<T>, limits: &Limits) -> bool {
    let cap = limits.product_result_cap;
    limits.updated_filter && cap.is_some_and(|cap| page.total.is_some_and(|total| total > cap))
}

/// Cuts the present window in two; a walk without windows begins anew with one that holds everything up to
/// `to`. `None`: it cannot be cut further.
pub fn cut(position: Position, to: Timestamp, limits: &Limits) -> Option<Position> {
    let from = Timestamp::EPOCH;
    match position.window() {
        None if limits.updated_filter => Some(Position::within(Window { from, to })),
        _ => position.cut(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marketplaces;

    const FROM: Timestamp = Timestamp::from_secs(1_000);
    const TO: Timestamp = Timestamp::from_secs(2_000);

    fn limits(updated_filter: bool, active_filter: bool) -> Limits {
        let limits = marketplaces::all()[0].limits().clone();
        Limits {
            updated_filter,
            active_filter,
            ..limits
        }
    }

    #[test]
    fn a_filter_that_the_api_lacks_is_emulated_by_walking_everything_and_said() {
        let lacking = limits(false, false);
        for kind in [ScanKind::Updated, ScanKind::Active] {
            let walk = Walk::of(kind, Some(FROM), TO, &lacking);

            assert!(
                walk.emulated
                    .is_some_and(|why| why.contains("every listing"))
            );
            assert_eq!(walk.start, Position::whole());
            assert_eq!(scope(kind, &walk.start, &lacking), ProductScope::Full);
            assert!(!walk.complete, "only a full scan concludes anything");
        }
    }

    #[test]
    fn a_filter_that_the_api_has_is_used() {
        let having = limits(true, true);
        let updated = Walk::of(ScanKind::Updated, Some(FROM), TO, &having);
        let active = Walk::of(ScanKind::Active, None, TO, &having);

        let window = Window { from: FROM, to: TO };
        assert_eq!(
            scope(ScanKind::Updated, &updated.start, &having),
            ProductScope::Updated(window)
        );
        assert_eq!(
            scope(ScanKind::Active, &active.start, &having),
            ProductScope::Active
        );
        assert_eq!((updated.emulated, active.emulated), (None, None));
    }

    #[test]
    fn the_first_updated_scan_walks_everything_and_emulates_nothing() {
        let walk = Walk::of(ScanKind::Updated, None, TO, &limits(true, true));

        assert_eq!((walk.emulated, walk.start), (None, Position::whole()));
    }
}
