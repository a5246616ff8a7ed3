//! Any returns in any order: units and money within bounds, and the same books.

use super::*;
use crate::domain::ReturnLine;
use proptest::prelude::*;

const TOTAL: i64 = 10_000;

fn currency() -> Currency {
    Currency::from_code("JPY").unwrap()
}

fn sold() -> HashMap<&'static str, Sold> {
    let of = |quantity, total| Sold { quantity, total };
    HashMap::from([("1", of(3, 6_000)), ("2", of(2, 3_500))])
}

fn decide(before: &[BookedReturn], told: Told<'_>, policy: &str) -> Returning {
    let policy: ReturnPolicy = policy.parse().unwrap();
    let at = Circumstances {
        is_invoice: true,
        is_void: false,
        has_left: true,
        total: TOTAL,
        currency: currency(),
        policy: &policy,
        lines: &sold(),
    };
    plan_returns(before, told, &at)
}

fn any_line() -> impl Strategy<Value = ReturnLine> {
    let goods = vec![Goods::Unknown, Goods::Kept, Goods::Coming, Goods::Back];
    let which = prop::sample::select(vec!["1", "2", "unknown"]);
    let refund = prop::option::of(0_i64..8_000);
    let goods = prop::sample::select(goods);
    (which, 0_i64..5, refund, goods).prop_map(|(line, quantity, refund, goods)| ReturnLine {
        line: line.into(),
        quantity,
        refund: refund.map(|minor| Money {
            minor,
            currency: currency(),
        }),
        goods,
    })
}

fn any_return() -> impl Strategy<Value = Return> {
    let states = vec![
        ReturnState::Requested,
        ReturnState::Accepted,
        ReturnState::Refunded,
        ReturnState::Closed,
    ];
    let refund = prop::option::of(0_i64..12_000);
    let lines = prop::collection::vec(any_line(), 0..4);
    let state = prop::sample::select(states);
    (0_u64..4, 0_i64..20, state, refund, lines).prop_map(|(id, version, state, refund, lines)| {
        Return {
            remote_id: id.into(),
            remote_status: "X".to_owned(),
            state,
            version: Timestamp::from_secs(version),
            reason: None,
            refund: refund.map(|minor| Money {
                minor,
                currency: currency(),
            }),
            lines,
        }
    })
}

fn any_policy() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["default", "restock", "quarantine", "write_off", "ask"])
}

/// Several readings of all returns, of which each return has its own version.
fn any_readings() -> impl Strategy<Value = Vec<Vec<Return>>> {
    prop::collection::vec(prop::collection::vec(any_return(), 0..4), 1..5)
}

proptest! {
    #[test]
    fn no_line_gets_more_back_than_it_sold_and_no_invoice_is_credited_beyond_its_total(
        readings in any_readings(),
        policy in any_policy(),
    ) {
        let mut planned = Returning::default();
        for reading in &readings {
            planned = decide(&planned.returns, Told::All(reading), policy);

            prop_assert!((0..=TOTAL).contains(&planned.credited));
            prop_assert!(planned.credited <= planned.claimed);
            let by_return: i64 = planned.returns.iter().map(|one| one.credited).sum();
            prop_assert_eq!(by_return, planned.credited);
            for one in &planned.returns {
                let by_line: i64 = one.lines.iter().map(|line| line.credited).sum();
                prop_assert!(by_line <= one.credited && by_line >= 0);
            }
            for (line, sold) in sold() {
                let of = planned.of_line(line);
                let units = of.restocked + of.quarantined + of.written_off + of.kept;
                prop_assert!((0..=sold.quantity).contains(&units), "{line}: {of:?}");
            }
        }
    }

    #[test]
    fn hearing_the_same_returns_again_changes_nothing(
        readings in any_readings(),
        policy in any_policy(),
    ) {
        let mut planned = Returning::default();
        for reading in &readings {
            planned = decide(&planned.returns, Told::All(reading), policy);
            let again = decide(&planned.returns, Told::All(reading), policy);

            prop_assert_eq!(&planned, &again);
        }
    }

    #[test]
    fn returns_told_one_by_one_in_any_order_end_as_if_told_at_once(
        told in prop::collection::vec(any_return(), 1..6),
        policy in any_policy(),
    ) {
        // Of one return the versions differ: two readings of the same version say the same.
        let mut told = told;
        for (n, one) in told.iter_mut().enumerate() {
            one.version = Timestamp::from_secs(n as i64);
        }
        let one_by_one = |told: &[Return]| {
            let mut planned = Returning::default();
            for one in told {
                planned = decide(&planned.returns, Told::One(one), policy);
            }
            planned
        };
        let forward = one_by_one(&told);
        told.reverse();
        let backward = one_by_one(&told);

        prop_assert_eq!(forward.credited, backward.credited);
        for (line, _) in sold() {
            prop_assert_eq!(forward.of_line(line), backward.of_line(line));
        }
    }

    #[test]
    fn deleting_every_return_takes_back_everything(
        readings in any_readings(),
        policy in any_policy(),
    ) {
        let mut planned = Returning::default();
        for reading in &readings {
            planned = decide(&planned.returns, Told::All(reading), policy);
        }

        let deleted = decide(&planned.returns, Told::All(&[]), policy);

        prop_assert_eq!((deleted.credited, deleted.claimed), (0, 0));
        for (line, _) in sold() {
            prop_assert_eq!(deleted.of_line(line), Returned::default());
        }
        prop_assert!(deleted.returns.iter().all(|one| one.is_deleted));
    }
}
