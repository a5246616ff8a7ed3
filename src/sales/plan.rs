//! What a change of an order means for the books. Pure.
//!
//! The rules, in order:
//! 1. Documents, payment and fulfilment only move forward. A late reading never takes anything back.
//! 2. Any step is reachable from any earlier state: an order first heard of when it was shipped gets its
//!    invoice and its delivery at once.
//! 3. A void order stays void, with what it was before in its history. Goods that had left are taken back, except
//!    those of which the marketplace, a return or a person says that they do not come.
//! 4. Stock is held by what is booked: a sales order and an unsent invoice allocate (the marketplace has
//!    reserved the units already, and other channels must not sell them), a sent invoice has left, others
//!    hold nothing. Of a void one the units that do not come back have left, sent or not.
//! 5. What returns do is in `returning`, what the order is worth is in `worth`.
//! 6. What must not happen by itself is left to a person, with the reason: a cause of a conflict.

use super::{
    ConflictKind, Step,
    returning::{BookedReturn, Circumstances, Returned, Returning, Sold, Told, plan_returns},
    worth::{self, Worth},
};
use crate::domain::{CANCELLED, Document, Fulfilment, Handling, Order, ReturnPolicy, Standing};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// An order as the books hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    pub standing: Standing,
    pub has_tracking_number: bool,
    pub worth: Worth,
    pub lines: Vec<BookedLine>,
    pub returns: Vec<BookedReturn>,
}

/// A line as the books hold it, or shall hold it. Units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookedLine {
    pub remote_id: String,
    pub quantity: i64,
    /// Called off.
    pub cancelled: i64,
    /// Do not come back, as the marketplace says.
    pub off_shelf: i64,
    /// Called off and left out of stock, as a person or a policy says.
    pub left_out: i64,
    /// Called off and in quarantine, as a person or a policy says.
    pub set_aside: i64,
    pub allocated: i64,
    /// Have left the shelf, and are neither back on it nor in quarantine.
    pub shipped: i64,
    pub restocked: i64,
    /// Those set aside included.
    pub quarantined: i64,
    /// What the buyer is charged for it, and what is credited; minor units.
    pub total: i64,
    pub refunded: i64,
}

impl BookedLine {
    fn open(&self) -> i64 {
        (self.quantity - self.cancelled).max(0)
    }

    /// Units that have left the shelf at some time.
    pub fn had_left(&self) -> i64 {
        self.shipped + self.restocked + self.quarantined
    }

    /// Units that were called off after they had left, about which nobody has decided.
    pub fn stranded(&self) -> i64 {
        (self.had_left() - self.open() - self.left_out - self.set_aside).max(0)
    }
}

/// What the books shall hold, and the steps that lead there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub standing: Standing,
    pub steps: Vec<Step>,
    pub worth: Worth,
    pub lines: Vec<BookedLine>,
    pub returning: Returning,
    /// Why a person should decide.
    pub causes: Vec<Cause>,
}

/// A reason for a conflict about the order, or about one of its returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub kind: ConflictKind,
    /// The return's remote id.
    pub about: Option<String>,
    pub detail: String,
    pub facts: Value,
}

impl Cause {
    pub fn new(kind: ConflictKind, detail: impl Into<String>, facts: Value) -> Self {
        Self {
            kind,
            about: None,
            detail: detail.into(),
            facts,
        }
    }
}

/// What a channel's settings say.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'r> {
    /// Whether an unpaid order is booked as a sales order.
    pub unpaid_orders: bool,
    pub returns: &'r ReturnPolicy,
}

/// Decides what `after`, as the marketplace shows it now, makes of `before`.
pub fn plan(before: Option<&Booked>, after: &Order, rules: &Rules<'_>) -> Plan {
    let nothing = Booked {
        standing: Standing::NOTHING,
        has_tracking_number: false,
        worth: Worth::of(after.total),
        lines: Vec::new(),
        returns: Vec::new(),
    };
    let mut causes = Vec::new();
    let (worth, cause) = worth::settle(before.map(|before| &before.worth), after);
    causes.extend(cause);
    let before = before.unwrap_or(&nothing);
    let standing = next_standing(before.standing, after, rules, &mut causes);
    let lines = lines_read(before, after, worth.currency == after.currency);
    let told = after.returns.as_deref().map_or(Told::Nothing, Told::All);
    let mut plan = hold(before, told, rules, (standing, worth, lines));
    plan.steps = steps_between(before, plan.standing, after.tracking_number.is_some());
    if after.has_unknown_words() {
        causes.push(Cause::new(
            ConflictKind::UnknownStatus,
            format!(
                "the marketplace calls it {}, which we do not know",
                after.remote_status
            ),
            json!({"status": after.remote_status}),
        ));
    }
    plan.causes.extend(causes);
    plan
}

/// Decides what follows from a return that is told by itself, or from what a person has written into `before`.
pub fn replan(before: &Booked, told: Told<'_>, rules: &Rules<'_>) -> Plan {
    let unchanged = (before.standing, before.worth, before.lines.clone());
    hold(before, told, rules, unchanged)
}

/// Decides what follows when a person calls the order off.
pub fn void(before: &Booked, rules: &Rules<'_>) -> Plan {
    let fulfilment = match before.standing.fulfilment {
        Fulfilment::Sent => Fulfilment::Returned,
        other => other,
    };
    let standing = Standing::of(Document::Void, before.standing.paid, fulfilment);
    let void = (standing, before.worth, before.lines.clone());
    let mut plan = hold(before, Told::Nothing, rules, void);
    plan.steps = steps_between(before, plan.standing, false);
    plan
}

/// Settles returns and what every line holds.
fn hold(
    before: &Booked,
    told: Told<'_>,
    rules: &Rules<'_>,
    (mut standing, worth, mut lines): (Standing, Worth, Vec<BookedLine>),
) -> Plan {
    let sold = |line: &BookedLine| Sold {
        quantity: line.quantity,
        total: line.total,
    };
    let by_id: HashMap<&str, Sold> = lines
        .iter()
        .map(|line| (line.remote_id.as_str(), sold(line)))
        .collect();
    let circumstances = Circumstances {
        is_invoice: standing.document == Document::Invoice,
        is_void: standing.document == Document::Void,
        has_left: standing.fulfilment != Fulfilment::Unsent,
        total: worth.total,
        currency: worth.currency,
        policy: rules.returns,
        lines: &by_id,
    };
    let returning = plan_returns(&before.returns, told, &circumstances);
    let mut causes = Vec::new();
    for line in &mut lines {
        let returned = returning.of_line(&line.remote_id);
        let had_left = line.had_left();
        hold_line(line, had_left, standing, &returned);
    }
    if before.standing.fulfilment == Fulfilment::Sent
        && before.standing.document != Document::Void
        && standing.document == Document::Void
    {
        cancel_sent(before, &mut lines, &returning, rules, &mut causes);
        let is_out = |line: &BookedLine| line.shipped >= left_before(before, line);
        if !lines.is_empty() && lines.iter().all(is_out) {
            standing.fulfilment = Fulfilment::Sent;
        }
    }
    if standing.document == Document::Invoice && standing.fulfilment == Fulfilment::Sent {
        causes.extend(stranded(&lines));
    }
    causes.extend(over_paid(&returning, &worth));
    causes.extend(returning.returns.iter().filter_map(undecided));
    Plan {
        standing,
        steps: Vec::new(),
        worth,
        lines,
        returning,
        causes,
    }
}

fn next_standing(
    before: Standing,
    after: &Order,
    rules: &Rules<'_>,
    causes: &mut Vec<Cause>,
) -> Standing {
    let mut wanted = after.standing;
    if wanted.document == Document::SalesOrder && !rules.unpaid_orders {
        wanted.document = Document::None;
    }
    if before.document == Document::Void {
        if wanted.document > Document::None && wanted.document < Document::Void {
            let kind = if wanted.paid {
                ConflictKind::PaidAfterVoid
            } else {
                ConflictKind::SoldAfterVoid
            };
            let status = &after.remote_status;
            let detail = format!(
                "the marketplace shows it as {status} after it was voided; decide whether to book it again"
            );
            causes.push(Cause::new(kind, detail, json!({"booked": "void"})));
        }
        return before;
    }
    if wanted.document == Document::Void {
        let fulfilment = match before.fulfilment {
            Fulfilment::Sent => Fulfilment::Returned,
            other => other,
        };
        return Standing::of(Document::Void, before.paid, fulfilment);
    }
    Standing::of(
        before.document.max(wanted.document),
        before.paid || wanted.paid,
        before.fulfilment.max(wanted.fulfilment),
    )
}

/// The lines as they are shown, with what they hold so far. One that the marketplace no longer shows was taken out of
/// the order.
fn lines_read(before: &Booked, after: &Order, is_same_currency: bool) -> Vec<BookedLine> {
    let mut held: HashMap<&str, &BookedLine> = before
        .lines
        .iter()
        .map(|line| (line.remote_id.as_str(), line))
        .collect();
    let mut lines = Vec::new();
    for shown in &after.lines {
        let held = held.remove(shown.remote_id.as_str()).cloned();
        let held = held.unwrap_or_default();
        lines.push(BookedLine {
            remote_id: shown.remote_id.to_string(),
            quantity: shown.quantity,
            cancelled: (shown.quantity - shown.open_quantity()).max(shown.cancelled),
            off_shelf: shown.off_shelf.clamp(0, shown.quantity.max(0)),
            total: if is_same_currency {
                shown.total.minor
            } else {
                held.total
            },
            ..held
        });
    }
    let mut removed: Vec<&BookedLine> = held.into_values().collect();
    removed.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
    lines.extend(removed.into_iter().map(|line| BookedLine {
        cancelled: line.quantity,
        off_shelf: 0,
        ..line.clone()
    }));
    lines
}

/// What the line holds in a document of this standing.
fn hold_line(line: &mut BookedLine, had_left: i64, standing: Standing, returned: &Returned) {
    let open = line.open();
    line.refunded = returned.credited;
    (
        line.allocated,
        line.shipped,
        line.restocked,
        line.quarantined,
    ) = (0, 0, 0, 0);
    let lost = line.off_shelf.max(returned.kept.min(line.quantity));
    match (standing.document, standing.fulfilment) {
        (Document::Invoice, Fulfilment::Sent) => {
            // What has left stays out until somebody says that it came back.
            let left = open.max(had_left);
            line.quarantined = (returned.quarantined + line.set_aside).min(left);
            line.restocked = returned.restocked.min(left - line.quarantined);
            line.shipped = left - line.quarantined - line.restocked;
        }
        (Document::Invoice | Document::SalesOrder, _) => {
            line.allocated = (open - returned.unsent).max(0);
        }
        (Document::Void, Fulfilment::Unsent) => line.shipped = lost.max(line.left_out),
        (Document::Void, _) => {
            line.quarantined = (returned.quarantined + line.set_aside).min(line.quantity);
            let out = lost + returned.written_off + line.left_out;
            line.shipped = out.min(line.quantity - line.quarantined);
        }
        (Document::None, _) => {}
    }
}

/// Units of a line that had left when the order was called off; as many as were sold where no SKU was known.
fn left_before(before: &Booked, line: &BookedLine) -> i64 {
    let mut held = before.lines.iter();
    let held = held.find(|held| held.remote_id == line.remote_id);
    held.map_or(line.quantity, |held| held.had_left().max(held.open()))
}

/// Goods of an order that is called off after they had left: the channel's policy, or back on the shelf and a question.
fn cancel_sent(
    before: &Booked,
    lines: &mut [BookedLine],
    returning: &Returning,
    rules: &Rules<'_>,
    causes: &mut Vec<Cause>,
) {
    let policy = rules.returns.of_reason(CANCELLED);
    let mut in_question = BTreeMap::new();
    let void = Standing::of(Document::Void, false, Fulfilment::Returned);
    for line in lines {
        let returned = returning.of_line(&line.remote_id);
        let out = line.shipped + line.quarantined + returned.restocked;
        let units = (left_before(before, line) - out).max(0);
        if units == 0 {
            continue;
        }
        match policy {
            Some(Handling::Restock) => continue,
            Some(Handling::Quarantine) => line.set_aside += units,
            Some(Handling::WriteOff) => line.left_out += units,
            Some(Handling::Ask) => {
                line.left_out += units;
                in_question.insert(line.remote_id.clone(), units);
            }
            None => {
                in_question.insert(line.remote_id.clone(), units);
                continue;
            }
        }
        hold_line(line, 0, void, &returned);
    }
    let units: i64 = in_question.values().sum();
    if units > 0 {
        let done = match policy {
            Some(_) => "they stay out of stock",
            None => "they were taken back into stock",
        };
        causes.push(Cause::new(
            ConflictKind::CancelledAfterSent,
            format!("it was cancelled after {units} units had left; {done}: say where they are"),
            json!({"lines": in_question}),
        ));
    }
}

fn stranded(lines: &[BookedLine]) -> Option<Cause> {
    let by_line: BTreeMap<&str, i64> = lines
        .iter()
        .map(|line| (line.remote_id.as_str(), line.stranded()))
        .filter(|(_, units)| *units > 0)
        .collect();
    let units: i64 = by_line.values().sum();
    (units > 0).then(|| {
        let detail = format!(
            "{units} units were called off after they had left; decide whether they come back to stock"
        );
        let facts = json!({"lines": by_line});
        Cause::new(ConflictKind::CalledOffAfterSent, detail, facts)
    })
}

fn over_paid(returning: &Returning, worth: &Worth) -> Option<Cause> {
    let money = |minor: i64| crate::domain::Money {
        minor,
        currency: worth.currency,
    };
    (returning.claimed > returning.credited).then(|| {
        let (claimed, credited) = (money(returning.claimed), money(returning.credited));
        Cause::new(
            ConflictKind::RefundOverPaid,
            format!("{claimed} is said to have gone back; {credited} is all that can be credited"),
            json!({"claimed": returning.claimed, "credited": returning.credited}),
        )
    })
}

fn undecided(one: &BookedReturn) -> Option<Cause> {
    let units: i64 = one.lines.iter().map(|line| line.undecided).sum();
    (units > 0).then(|| Cause {
        kind: ConflictKind::GoodsUndecided,
        about: Some(one.remote_id.to_string()),
        detail: format!(
            "nobody has said where {units} units of return {} are; decide what becomes of them",
            one.remote_id
        ),
        facts: json!({"return": one.remote_id, "units": units}),
    })
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
mod tests;
