//! What follows from what: standings, units, repeats.

use super::*;
use crate::domain::{Currency, Money, OrderLine, Timestamp};
use proptest::prelude::*;

fn order(standing: Standing, quantity: i64, cancelled: i64) -> Order {
    let currency = Currency::from_code("IDR").unwrap();
    Order {
        remote_id: "1".into(),
        number: "1".to_owned(),
        platform: "tiktok_shop",
        remote_status: "X".to_owned(),
        standing,
        version: Timestamp::EPOCH,
        placed_at: Timestamp::EPOCH,
        currency,
        total: Money::zero(currency),
        tracking_number: None,
        lines: vec![OrderLine {
            remote_id: "11".into(),
            product_id: "5".into(),
            variant_id: "6".into(),
            seller_sku: None,
            title: String::new(),
            quantity,
            cancelled,
            gross: None,
            off_shelf: 0,
            total: Money::zero(currency),
        }],
        charges: None,
        returns: None,
        remark: None,
    }
}

fn booked(plan: &Plan) -> Booked {
    Booked {
        standing: plan.standing,
        has_tracking_number: false,
        worth: plan.worth,
        lines: plan.lines.clone(),
        returns: plan.returning.returns.clone(),
    }
}

fn plan(before: Option<&Booked>, after: &Order, unpaid_orders: bool) -> Plan {
    let rules = Rules {
        unpaid_orders,
        returns: &ReturnPolicy::default(),
    };
    super::plan(before, after, &rules)
}

fn kinds(plan: &Plan) -> Vec<ConflictKind> {
    plan.causes.iter().map(|cause| cause.kind).collect()
}

fn run(standings: &[Standing]) -> (Plan, Vec<Step>) {
    let mut before = None;
    let mut steps = Vec::new();
    let mut last = None;
    for standing in standings {
        let plan = plan(before.as_ref(), &order(*standing, 2, 0), true);
        steps.extend(plan.steps.clone());
        before = Some(booked(&plan));
        last = Some(plan);
    }
    (last.unwrap(), steps)
}

#[test]
fn an_order_walks_through_its_documents() {
    let (plan, steps) = run(&[
        Standing::PLACED,
        Standing::SOLD,
        Standing::SHIPPED,
        Standing::COMPLETED,
    ]);

    assert_eq!(
        steps,
        [
            Step::CreateOrder,
            Step::ConvertToInvoice,
            Step::OutboundLogistic,
            Step::AddPayment
        ]
    );
    assert_eq!(plan.standing, Standing::COMPLETED);
    assert_eq!((plan.lines[0].allocated, plan.lines[0].shipped), (0, 2));
}

#[test]
fn a_late_join_takes_every_step_at_once() {
    let (_, steps) = run(&[Standing::COMPLETED]);

    assert_eq!(
        steps,
        [
            Step::CreateInvoice,
            Step::OutboundLogistic,
            Step::AddPayment
        ]
    );
}

#[test]
fn an_unpaid_order_is_booked_only_where_the_channel_wants_it() {
    let unpaid = order(Standing::PLACED, 1, 0);

    assert_eq!(plan(None, &unpaid, false).standing.document, Document::None);
    assert_eq!(
        plan(None, &unpaid, true).standing.document,
        Document::SalesOrder
    );
}

#[test]
fn cancelling_releases_what_was_allocated_and_returns_what_had_left() {
    let (unsent, steps) = run(&[Standing::SOLD, Standing::CANCELLED]);
    assert_eq!(unsent.standing.fulfilment, Fulfilment::Unsent);
    assert_eq!(unsent.lines[0].allocated, 0);
    assert_eq!(steps, [Step::CreateInvoice, Step::VoidInvoice]);

    let (sent, steps) = run(&[Standing::SHIPPED, Standing::CANCELLED]);
    assert_eq!(sent.standing.fulfilment, Fulfilment::Returned);
    assert_eq!(sent.lines[0].shipped, 0);
    assert_eq!(steps.last(), Some(&Step::ReturnGoods));
}

#[test]
fn an_order_cancelled_before_it_was_heard_of_takes_no_step_and_no_stock() {
    let (plan, steps) = run(&[Standing::CANCELLED]);

    assert_eq!(plan.standing.document, Document::Void);
    assert!(steps.is_empty());
    assert_eq!(plan.lines[0].allocated, 0);
}

#[test]
fn an_order_that_revives_after_its_void_is_left_to_a_person() {
    let (plan, _) = run(&[Standing::SOLD, Standing::CANCELLED, Standing::SOLD]);

    assert_eq!(plan.standing.document, Document::Void);
    assert_eq!(kinds(&plan), [ConflictKind::SoldAfterVoid]);
}

#[test]
fn a_partial_cancellation_releases_those_units_only() {
    let first = plan(None, &order(Standing::SOLD, 3, 0), false);
    let then = plan(Some(&booked(&first)), &order(Standing::SOLD, 3, 1), false);

    assert_eq!(then.lines[0].allocated, 2);
    assert!(then.steps.is_empty());
}

#[test]
fn units_called_off_after_they_left_stay_out_of_stock_until_a_person_decides() {
    let first = plan(None, &order(Standing::SHIPPED, 3, 0), false);
    let then = plan(
        Some(&booked(&first)),
        &order(Standing::SHIPPED, 3, 1),
        false,
    );

    assert_eq!(then.lines[0].shipped, 3);
    assert_eq!(kinds(&then), [ConflictKind::CalledOffAfterSent]);
}

/// A void order of two units, of which so many do not come back.
fn void(off_shelf: i64) -> Order {
    let mut order = order(Standing::CANCELLED, 2, 2 - off_shelf);
    order.lines[0].off_shelf = off_shelf;
    order
}

#[test]
fn of_a_void_order_the_units_that_do_not_come_back_have_left_whatever_was_heard_before() {
    let (sold, _) = run(&[Standing::SOLD]);
    let (shipped, _) = run(&[Standing::SHIPPED]);
    for (off_shelf, after_shipping) in [
        (0, Fulfilment::Returned),
        (1, Fulfilment::Returned),
        (2, Fulfilment::Sent),
    ] {
        let void = void(off_shelf);
        let late = plan(None, &void, true);
        let again = plan(Some(&booked(&late)), &void, true);
        let unsent = plan(Some(&booked(&sold)), &void, true);
        let sent = plan(Some(&booked(&shipped)), &void, true);

        for plan in [&late, &again, &unsent, &sent] {
            assert_eq!(plan.standing.document, Document::Void);
            let line = &plan.lines[0];
            assert_eq!((line.allocated, line.shipped), (0, off_shelf));
            assert_eq!(plan.lines, late.lines);
        }
        assert_eq!(unsent.standing.fulfilment, Fulfilment::Unsent);
        assert_eq!(sent.standing.fulfilment, after_shipping);
        let is_returned = sent.steps.contains(&Step::ReturnGoods);
        assert_eq!(is_returned, off_shelf < 2, "{off_shelf}");
    }
}

#[test]
fn a_unit_that_turns_out_to_be_lost_after_the_void_leaves_then() {
    let first = plan(None, &void(0), true);
    let then = plan(Some(&booked(&first)), &void(1), true);

    assert_eq!((first.lines[0].shipped, then.lines[0].shipped), (0, 1));
    assert!(then.steps.is_empty());
}

fn any_standing() -> impl Strategy<Value = Standing> {
    prop::sample::select(vec![
        Standing::PLACED,
        Standing::SOLD,
        Standing::SHIPPED,
        Standing::COMPLETED,
    ])
}

proptest! {
    #[test]
    fn any_permutation_with_repeats_ends_in_the_same_books(
        heard in prop::collection::vec(any_standing(), 1..8),
    ) {
        let mut sorted = heard.clone();
        sorted.sort_by_key(|s| (s.document, s.fulfilment, s.paid));

        let (plan, steps) = run(&heard);
        let (in_order, _) = run(&sorted);

        prop_assert_eq!(plan.standing, in_order.standing);
        prop_assert_eq!(plan.lines, in_order.lines);
        let mut once = steps.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), steps.len());
    }

    #[test]
    fn hearing_the_same_again_changes_nothing(heard in any_standing(), cancelled in 0_i64..4) {
        let first = plan(None, &order(heard, 3, cancelled), true);
        let again = plan(Some(&booked(&first)), &order(heard, 3, cancelled), true);

        prop_assert!(again.steps.is_empty());
        prop_assert_eq!(first.lines, again.lines);
    }
}
