//! Which steps a marketplace's word asks of the books, and whether they were taken. Pure.
//!
//! Documents, payment and fulfilment only move forward: what the marketplace takes back asks for nothing. A step that
//! the books are beyond already is not asked for either: an order that was first heard of when it was sold has no sales
//! order.

use super::{Step, lines::subject, queries::standing_of};
use crate::domain::{Document, Fulfilment, Standing, job::named};
use entity::{order_steps, orders};
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// Where a step stands.
    StepOutcome {
        /// Taken, and the books are as the marketplace says.
        Success = "success",
        /// The order is in the books, and they are not as the marketplace says.
        WrongStatus = "wrong_status",
        /// The order is not in the books.
        Missing = "missing",
    }
);

/// What the marketplace said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub standing: Standing,
    pub has_tracking_number: bool,
}

/// What the books hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub standing: Standing,
    pub has_tracking_number: bool,
    pub steps: Vec<Step>,
}

/// The steps that an order takes once in each booking; all others are of a return, an edit or a decision.
const OWN: &[Step] = &[
    Step::CreateOrder,
    Step::ConvertToInvoice,
    Step::CreateInvoice,
    Step::ArrangeShipment,
    Step::OutboundLogistic,
    Step::AddPayment,
    Step::VoidInvoice,
    Step::ReturnGoods,
];

impl Taken {
    /// What the books hold of an order: of its own steps those of its present booking.
    pub fn of(order: &orders::Model, steps: &[order_steps::Model]) -> Self {
        let booking = subject(order.booking);
        let read = |row: &order_steps::Model| {
            let step = Step::parse(&row.step)?;
            (!OWN.contains(&step) || row.subject == booking).then_some(step)
        };
        Self {
            standing: standing_of(order),
            has_tracking_number: order.tracking_number.is_some(),
            steps: steps.iter().filter_map(read).collect(),
        }
    }
}

/// Every step that was taken or should have been, each once. `taken`: none where the order is not in the books.
/// `unpaid_orders`: whether the channel wants sales orders of what is not paid.
pub fn outcomes(
    shown: Shown,
    taken: Option<&Taken>,
    unpaid_orders: bool,
) -> Vec<(Step, StepOutcome)> {
    let asked = asked(shown, taken, unpaid_orders);
    let Some(taken) = taken else {
        let missing = |(step, _): (Step, bool)| (step, StepOutcome::Missing);
        return asked.into_iter().map(missing).collect();
    };
    let mut found: Vec<(Step, StepOutcome)> = Vec::new();
    for (step, is_so) in &asked {
        let was_taken = taken.steps.contains(step);
        match (is_so, was_taken) {
            (true, true) => found.push((*step, StepOutcome::Success)),
            // The books came to it on another road, such as a file.
            (true, false) => {}
            (false, _) => found.push((*step, StepOutcome::WrongStatus)),
        }
    }
    for step in &taken.steps {
        if !found.iter().any(|(known, _)| known == step) {
            found.push((*step, StepOutcome::Success));
        }
    }
    found
}

/// The steps that lead to what is shown, with whether the books are there.
fn asked(shown: Shown, taken: Option<&Taken>, unpaid_orders: bool) -> Vec<(Step, bool)> {
    let nothing = Taken {
        standing: Standing::NOTHING,
        has_tracking_number: false,
        steps: Vec::new(),
    };
    let books = taken.unwrap_or(&nothing);
    let has = |step: Step| books.steps.contains(&step);
    let document = books.standing.document;
    let mut asked = Vec::new();
    match shown.standing.document {
        Document::None => return asked,
        Document::SalesOrder if !unpaid_orders => {
            // Not asked for; but what was booked while it was wanted stays.
            return asked;
        }
        Document::SalesOrder => {
            let is_so = matches!(document, Document::SalesOrder | Document::Invoice);
            asked.push((Step::CreateOrder, is_so));
        }
        Document::Invoice => {
            let step = if has(Step::CreateOrder) {
                Step::ConvertToInvoice
            } else {
                Step::CreateInvoice
            };
            asked.push((step, document == Document::Invoice));
        }
        Document::Void => {
            // What was called off before it was booked has nothing to void.
            if taken.is_some() && !matches!(document, Document::None | Document::Void) {
                asked.push((Step::VoidInvoice, false));
            }
            return asked;
        }
    }
    // Whether to book it again is a person's decision, and the rest comes with it.
    if document == Document::Void {
        return asked;
    }
    if shown.standing.document == Document::Invoice && shown.has_tracking_number {
        asked.push((Step::ArrangeShipment, books.has_tracking_number));
    }
    match shown.standing.fulfilment {
        Fulfilment::Sent => {
            let has_left = books.standing.fulfilment != Fulfilment::Unsent;
            asked.push((Step::OutboundLogistic, has_left));
        }
        Fulfilment::Returned if has(Step::OutboundLogistic) => {
            let is_back = books.standing.fulfilment == Fulfilment::Returned;
            asked.push((Step::ReturnGoods, is_back));
        }
        Fulfilment::Unsent | Fulfilment::Returned => {}
    }
    if shown.standing.paid {
        asked.push((Step::AddPayment, books.standing.paid));
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Currency, Money, Order, ReturnPolicy, Timestamp};
    use crate::sales::plan::{self, Booked, Rules};

    fn every_shown() -> Vec<Shown> {
        let mut all = Vec::new();
        for document in [
            Document::None,
            Document::SalesOrder,
            Document::Invoice,
            Document::Void,
        ] {
            for fulfilment in [Fulfilment::Unsent, Fulfilment::Sent, Fulfilment::Returned] {
                for paid in [false, true] {
                    for has_tracking_number in [false, true] {
                        all.push(Shown {
                            standing: Standing::of(document, paid, fulfilment),
                            has_tracking_number,
                        });
                    }
                }
            }
        }
        all
    }

    fn order(shown: Shown) -> Order {
        let currency = Currency::from_code("IDR").unwrap();
        Order {
            remote_id: "1".into(),
            number: "1".to_owned(),
            platform: "tiktok_shop",
            remote_status: "X".to_owned(),
            standing: shown.standing,
            version: Timestamp::from_secs(1),
            placed_at: Timestamp::from_secs(1),
            currency,
            total: Money::zero(currency),
            tracking_number: shown.has_tracking_number.then(|| "JX1".to_owned()),
            lines: Vec::new(),
            charges: None,
            returns: None,
            remark: None,
        }
    }

    /// What the books hold after another reading, and whether it raised a question.
    fn book(before: Option<&Taken>, shown: Shown, unpaid_orders: bool) -> (Option<Taken>, bool) {
        let policy = ReturnPolicy::default();
        let rules = Rules {
            unpaid_orders,
            returns: &policy,
        };
        let order = order(shown);
        let booked = before.map(|before| Booked {
            standing: before.standing,
            has_tracking_number: before.has_tracking_number,
            worth: crate::sales::worth::Worth::of(order.total),
            lines: Vec::new(),
            returns: Vec::new(),
        });
        let plan = plan::plan(booked.as_ref(), &order, &rules);
        if before.is_none() && plan.standing.document == Document::None {
            return (None, false);
        }
        let mut steps = before.map_or_else(Vec::new, |before| before.steps.clone());
        steps.extend(plan.steps);
        let had = before.is_some_and(|before| before.has_tracking_number);
        let taken = Taken {
            standing: plan.standing,
            has_tracking_number: had || shown.has_tracking_number,
            steps,
        };
        (Some(taken), !plan.causes.is_empty())
    }

    #[test]
    fn an_order_that_was_just_planned_is_all_success_whatever_came_before() {
        let mut looked_at = 0;
        for unpaid_orders in [false, true] {
            for first in every_shown() {
                for second in every_shown() {
                    for third in every_shown() {
                        let mut taken = None;
                        let mut questions = false;
                        for shown in [first, second, third] {
                            let (now, question) = book(taken.as_ref(), shown, unpaid_orders);
                            (taken, questions) = (now, question);
                            let found = outcomes(shown, taken.as_ref(), unpaid_orders);
                            let is_fine = |(_, outcome): &(Step, StepOutcome)| {
                                *outcome == StepOutcome::Success
                            };
                            looked_at += 1;
                            assert_eq!(
                                found.iter().all(is_fine),
                                !questions,
                                "{first:?} {second:?} {third:?}: {found:?} {taken:?}"
                            );
                        }
                        let _ = questions;
                    }
                }
            }
        }
        assert!(looked_at > 100_000, "{looked_at}");
    }

    #[test]
    fn what_is_shown_and_not_booked_is_missing_and_what_is_booked_otherwise_is_wrong() {
        let completed = Shown {
            standing: Standing::COMPLETED,
            has_tracking_number: true,
        };
        let sold = Taken {
            standing: Standing::SOLD,
            has_tracking_number: false,
            steps: vec![Step::CreateInvoice],
        };

        let absent = outcomes(completed, None, false);
        let behind = outcomes(completed, Some(&sold), false);

        let missing = [
            Step::CreateInvoice,
            Step::ArrangeShipment,
            Step::OutboundLogistic,
            Step::AddPayment,
        ];
        assert_eq!(absent, missing.map(|step| (step, StepOutcome::Missing)));
        let wrong = StepOutcome::WrongStatus;
        assert_eq!(
            behind,
            [
                (Step::CreateInvoice, StepOutcome::Success),
                (Step::ArrangeShipment, wrong),
                (Step::OutboundLogistic, wrong),
                (Step::AddPayment, wrong)
            ]
        );
    }

    #[test]
    fn what_is_not_wanted_or_was_never_booked_is_not_missed() {
        let shown = |standing| Shown {
            standing,
            has_tracking_number: false,
        };

        assert!(outcomes(shown(Standing::PLACED), None, false).is_empty());
        assert!(outcomes(shown(Standing::CANCELLED), None, false).is_empty());
        assert_eq!(
            outcomes(shown(Standing::PLACED), None, true),
            [(Step::CreateOrder, StepOutcome::Missing)]
        );
    }
}
