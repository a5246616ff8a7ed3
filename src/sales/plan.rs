//! What a change of an order means for the books. Pure.
//!
//! The rules, in order:
//! 1. Documents, payment and fulfilment only move forward. A late reading never takes anything back.
//! 2. Any step is reachable from any earlier state: an order first heard of when it was shipped gets its
//!    invoice and its delivery at once.
//! 3. A void order stays void, with what it was before in its history. Goods that had left are returned, except
//!    those of which the marketplace says that they do not come back.
//! 4. Stock is held by what is booked: a sales order and an unsent invoice allocate (the marketplace has
//!    reserved the units already, and other channels must not sell them), a sent invoice has left, others
//!    hold nothing. Of a void one the units that do not come back have left, sent or not.
//! 5. What must not happen by itself is left to a person, with the reason.

use super::Step;
use crate::domain::{Document, Fulfilment, Order, OrderLine, Standing};
use std::collections::HashMap;

/// An order as the books hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    pub standing: Standing,
    pub has_tracking_number: bool,
    pub attention: Option<String>,
    pub lines: Vec<BookedLine>,
}

/// A line as the books hold it, or shall hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedLine {
    pub remote_id: String,
    pub quantity: i64,
    pub cancelled: i64,
    pub allocated: i64,
    pub shipped: i64,
}

/// What the books shall hold, and the steps that lead there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub standing: Standing,
    pub steps: Vec<Step>,
    /// Why a person should look; kept until the reason is gone.
    pub attention: Option<String>,
    pub lines: Vec<BookedLine>,
}

/// Decides what `after`, as the marketplace shows it now, makes of `before`.
///
/// `unpaid_orders` is the channel's setting: whether an unpaid order is booked as a sales order.
pub fn plan(before: Option<&Booked>, after: &Order, unpaid_orders: bool) -> Plan {
    let nothing = Booked {
        standing: Standing::NOTHING,
        has_tracking_number: false,
        attention: None,
        lines: Vec::new(),
    };
    let before = before.unwrap_or(&nothing);
    let mut attention = after.remark.clone();
    let standing = next_standing(before.standing, after, unpaid_orders, &mut attention);
    let lines = next_lines(before, after, standing, &mut attention);
    let steps = steps_between(before, standing, after.tracking_number.is_some());
    Plan {
        standing,
        steps,
        attention,
        lines,
    }
}

fn next_standing(
    before: Standing,
    after: &Order,
    unpaid_orders: bool,
    attention: &mut Option<String>,
) -> Standing {
    let mut wanted = after.standing;
    if wanted.document == Document::SalesOrder && !unpaid_orders {
        wanted.document = Document::None;
    }
    if before.document == Document::Void {
        if wanted.document > Document::None && wanted.document < Document::Void {
            attention.get_or_insert_with(|| {
                format!(
                    "the marketplace shows it as {} after it was voided; decide whether to book it again by hand",
                    after.remote_status
                )
            });
        }
        return before;
    }
    if wanted.document == Document::Void {
        let fulfilment = match before.fulfilment {
            Fulfilment::Sent if !comes_back(after) => Fulfilment::Sent,
            Fulfilment::Sent => Fulfilment::Returned,
            _ => Fulfilment::Unsent,
        };
        return Standing::of(Document::Void, before.paid, fulfilment);
    }
    Standing::of(
        before.document.max(wanted.document),
        before.paid || wanted.paid,
        before.fulfilment.max(wanted.fulfilment),
    )
}

/// Whether any unit of a void order is in stock again.
fn comes_back(order: &Order) -> bool {
    let is_lost = |line: &OrderLine| line.off_shelf >= line.quantity;
    order.lines.is_empty() || !order.lines.iter().all(is_lost)
}

fn next_lines(
    before: &Booked,
    after: &Order,
    standing: Standing,
    attention: &mut Option<String>,
) -> Vec<BookedLine> {
    let mut held: HashMap<&str, &BookedLine> = before
        .lines
        .iter()
        .map(|line| (line.remote_id.as_str(), line))
        .collect();
    let mut lines = Vec::new();
    for line in &after.lines {
        let id = line.remote_id.as_str();
        let units = Units {
            ordered: line.quantity,
            called_off: (line.quantity - line.open_quantity()).max(line.cancelled),
            off_shelf: line.off_shelf.clamp(0, line.quantity.max(0)),
            shipped_before: held.remove(id).map_or(0, |held| held.shipped),
        };
        lines.push(next_line(id, &units, standing, attention));
    }
    // A line that the marketplace no longer shows was taken out of the order.
    let mut removed: Vec<&BookedLine> = held.into_values().collect();
    removed.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
    for line in removed {
        let units = Units {
            ordered: line.quantity,
            called_off: line.quantity,
            off_shelf: 0,
            shipped_before: line.shipped,
        };
        lines.push(next_line(&line.remote_id, &units, standing, attention));
    }
    lines
}

/// The units of a line: what the marketplace says of them, and what the books do.
struct Units {
    ordered: i64,
    called_off: i64,
    off_shelf: i64,
    shipped_before: i64,
}

fn next_line(
    remote_id: &str,
    units: &Units,
    standing: Standing,
    attention: &mut Option<String>,
) -> BookedLine {
    let open = (units.ordered - units.called_off).max(0);
    let (allocated, shipped) = match (standing.document, standing.fulfilment) {
        (Document::Invoice, Fulfilment::Sent) => {
            if units.shipped_before > open {
                attention.get_or_insert_with(|| {
                    "units were called off after they had left; decide whether they come back to stock".to_owned()
                });
            }
            // What has left stays out until somebody says that it came back.
            (0, open.max(units.shipped_before))
        }
        (Document::Invoice | Document::SalesOrder, _) => (open, 0),
        (Document::Void, _) => (0, units.off_shelf),
        (Document::None, _) => (0, 0),
    };
    BookedLine {
        remote_id: remote_id.to_owned(),
        quantity: units.ordered,
        cancelled: units.called_off,
        allocated,
        shipped,
    }
}

fn steps_between(before: &Booked, after: Standing, has_tracking_number: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    match (before.standing.document, after.document) {
        (Document::None, Document::SalesOrder) => steps.push(Step::CreateOrder),
        (Document::None, Document::Invoice) => steps.push(Step::CreateInvoice),
        (Document::SalesOrder, Document::Invoice) => steps.push(Step::ConvertToInvoice),
        // An order that was called off before it was booked has no document to void.
        (Document::SalesOrder | Document::Invoice, Document::Void) => {
            steps.push(Step::VoidInvoice);
        }
        _ => {}
    }
    if after.document == Document::Invoice && has_tracking_number && !before.has_tracking_number {
        steps.push(Step::ArrangeShipment);
    }
    match (before.standing.fulfilment, after.fulfilment) {
        (Fulfilment::Unsent, Fulfilment::Sent) => steps.push(Step::OutboundLogistic),
        (Fulfilment::Sent, Fulfilment::Returned) => steps.push(Step::ReturnGoods),
        _ => {}
    }
    if after.paid && !before.standing.paid {
        steps.push(Step::AddPayment);
    }
    steps
}

#[cfg(test)]
mod tests {
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
            attention: plan.attention.clone(),
            lines: plan.lines.clone(),
        }
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
        assert!(plan.attention.unwrap().contains("after it was voided"));
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
        assert!(then.attention.is_some());
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
}
