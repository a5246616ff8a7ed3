//! What a look makes of both sides of a day.

use super::*;
use crate::domain::Currency;

const EYES: Eyes = Eyes {
    unpaid_orders: false,
    books_begin: Timestamp::from_secs(1_000),
    is_second: false,
};
const DAY: Window = Window {
    from: Timestamp::from_secs(500),
    to: Timestamp::from_secs(2_000),
};

fn money(minor: i64, code: &str) -> Money {
    let currency = Currency::from_code(code).unwrap();
    Money { minor, currency }
}

fn told(id: &str, placed_at: i64, total: Money) -> Told {
    Told {
        remote_id: id.into(),
        number: id.to_owned(),
        version: Timestamp::from_secs(placed_at),
        remote_status: Some("PAID".to_owned()),
        bookable: true,
        placed_at: Some(Timestamp::from_secs(placed_at)),
        standing: Some(Standing::SOLD),
        total: Some(total),
    }
}

fn booked(of: &Told) -> BookedOrder {
    BookedOrder {
        remote_id: of.remote_id.clone(),
        number: of.number.clone(),
        remote_status: "PAID".to_owned(),
        total: of.total,
        version: of.version,
        placed_at: of.placed_at.unwrap(),
        n_unlinked: 0,
    }
}

fn found(told: Vec<Told>, books: Vec<BookedOrder>) -> Found {
    let books: HashMap<_, _> = books
        .into_iter()
        .map(|order| (order.remote_id.clone(), order))
        .collect();
    let told: HashMap<_, _> = told
        .into_iter()
        .map(|order| (order.remote_id.clone(), order))
        .collect();
    let unlisted = books.keys().filter(|id| !told.contains_key(*id));
    Found {
        unlisted: unlisted.cloned().collect(),
        told,
        books,
        ..Found::default()
    }
}

fn kinds(findings: &[Finding]) -> Vec<(&str, FindingKind)> {
    let all = findings.iter();
    all.map(|one| (one.remote_id.as_str(), one.kind)).collect()
}

#[test]
fn amounts_are_summed_by_currency_on_both_sides() {
    let rupiah = [("1", 700), ("2", 500)].map(|(id, minor)| told(id, 1_500, money(minor, "IDR")));
    let dollars = told("3", 1_600, money(700, "USD"));
    let books = vec![booked(&rupiah[0]), booked(&dollars)];
    let [first, second] = rupiah;

    let (tally, findings) = compare(&EYES, DAY, found(vec![first, second, dollars], books));

    assert_eq!(kinds(&findings), [("2", FindingKind::Missing)]);
    assert_eq!(tally.theirs_value, [money(1_200, "IDR"), money(700, "USD")]);
    assert_eq!(tally.ours_value, [money(700, "IDR"), money(700, "USD")]);
    assert_eq!((tally.theirs, tally.ours, tally.matched), (3, 2, 2));
}

#[test]
fn the_same_number_in_another_currency_does_not_match() {
    let theirs = told("1", 1_500, money(700, "USD"));
    let ours = BookedOrder {
        total: Some(money(700, "IDR")),
        ..booked(&theirs)
    };

    let (tally, findings) = compare(&EYES, DAY, found(vec![theirs], vec![ours]));

    assert_eq!(kinds(&findings), [("1", FindingKind::DifferentTotal)]);
    assert_eq!((tally.matched, tally.different_total), (0, 1));
}

#[test]
fn what_was_placed_before_the_books_begin_is_explained_and_not_counted() {
    let early = told("1", 999, money(700, "IDR"));

    let (tally, findings) = compare(&EYES, DAY, found(vec![early], vec![]));

    assert_eq!(kinds(&findings), [("1", FindingKind::Explained)]);
    assert!(findings[0].reason.contains("begin"), "{findings:?}");
    assert_eq!((tally.listed, tally.theirs, tally.explained), (1, 0, 1));
    assert!(tally.is_complete() && tally.theirs_value.is_empty());
}

#[test]
fn what_a_shop_hides_from_everybody_is_noted_and_not_called_deleted() {
    let [old, gone] = ["1", "2"].map(|id| booked(&told(id, 1_500, money(700, "IDR"))));
    let mut both = found(vec![], vec![old, gone]);
    both.hidden.insert("1".into(), "too old");

    let (tally, findings) = compare(&EYES, DAY, both);

    assert_eq!(
        kinds(&findings),
        [("2", FindingKind::OnlyInBooks), ("1", FindingKind::Noted)]
    );
    assert_eq!((tally.ours, tally.only_in_books, tally.noted), (2, 1, 1));
}

#[test]
fn a_list_that_lags_behind_the_books_is_asked_again_and_then_only_noted() {
    let theirs = told("1", 1_500, money(700, "IDR"));
    let ours = BookedOrder {
        remote_status: "SHIPPED".to_owned(),
        version: Timestamp::from_secs(1_700),
        ..booked(&theirs)
    };
    let second = Eyes {
        is_second: true,
        ..EYES
    };
    let day = || found(vec![theirs.clone()], vec![ours.clone()]);

    let (_, first) = compare(&EYES, DAY, day());
    let (_, again) = compare(&second, DAY, day());

    assert_eq!(kinds(&first), [("1", FindingKind::WrongStatus)]);
    assert_eq!(kinds(&again), [("1", FindingKind::Noted)]);
}
