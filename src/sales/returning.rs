//! What returns mean for the books: which units come back where, and what is credited. Pure.
//!
//! The rules, in order:
//! 1. Of a return the newest version counts. One that is missing where all are told was deleted: nothing of it counts
//!    any more, and it stays in the history.
//! 2. A request moves nothing. Goods count when they are back, or, where nobody says where they are, when the money
//!    went back. What then becomes of them is the channel's policy; what was decided once stays decided.
//! 3. No line gets more units back than it sold, and all credits together never exceed the invoice: of what is too
//!    much the later return gets less, and what it claims is kept beside it.
//! 4. Before goods have left there is nothing to come back: the units are no longer sold.

use super::{Step, apportion::apportion};
use crate::domain::{
    Currency, Goods, Handling, Money, RemoteId, Return, ReturnPolicy, ReturnState, Timestamp,
};
use std::collections::HashMap;

/// A return as the books hold it, or shall hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedReturn {
    pub remote_id: RemoteId,
    pub remote_status: String,
    pub state: ReturnState,
    pub version: Timestamp,
    pub reason: Option<String>,
    /// What the marketplace says went back, in the order's minor units; `None`: it does not say.
    pub claim: Option<i64>,
    pub credited: i64,
    pub is_deleted: bool,
    pub lines: Vec<BookedReturnLine>,
}

/// Units of an order line in a return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedReturnLine {
    pub line: String,
    /// Of several entries for one line: which.
    pub place: i64,
    pub quantity: i64,
    pub claim: Option<i64>,
    pub credited: i64,
    pub goods: Goods,
    pub restocked: i64,
    pub quarantined: i64,
    pub written_off: i64,
    /// Units that wait for a person.
    pub undecided: i64,
    /// `policy`, or who said what becomes of them.
    pub decided_by: Option<String>,
}

/// Who decides where no person does.
pub const BY_POLICY: &str = "policy";

/// What was told.
#[derive(Debug, Clone, Copy)]
pub enum Told<'t> {
    /// Nothing about returns.
    Nothing,
    /// Every return there is.
    All(&'t [Return]),
    /// This one, by itself.
    One(&'t Return),
}

/// What of the order decides over its returns.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'c> {
    pub is_invoice: bool,
    pub is_void: bool,
    pub has_left: bool,
    pub total: i64,
    pub currency: Currency,
    pub policy: &'c ReturnPolicy,
    /// By the line's remote id.
    pub lines: &'c HashMap<&'c str, Sold>,
}

/// A line, as far as returns need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sold {
    pub quantity: i64,
    /// In minor units, for all of them.
    pub total: i64,
}

/// What all returns together do to one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Returned {
    pub restocked: i64,
    pub quarantined: i64,
    pub written_off: i64,
    /// Units that stay with the buyer or are lost.
    pub kept: i64,
    /// Units that were refunded before they left.
    pub unsent: i64,
    pub credited: i64,
}

/// What the returns of an order come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returning {
    /// By version, oldest first.
    pub returns: Vec<BookedReturn>,
    /// What marketplaces say went back.
    pub claimed: i64,
    pub credited: i64,
    pub by_line: HashMap<String, Returned>,
}

impl Returning {
    pub fn of_line(&self, line: &str) -> Returned {
        self.by_line.get(line).copied().unwrap_or_default()
    }
}

/// Decides what `told` makes of `before`.
pub fn plan_returns(before: &[BookedReturn], told: Told<'_>, at: &Circumstances<'_>) -> Returning {
    let mut returns = newest(before, told, at.currency);
    returns.sort_by(|a, b| (a.version, &a.remote_id).cmp(&(b.version, &b.remote_id)));
    let mut planned = Returning::default();
    let mut returnable: HashMap<String, i64> = at
        .lines
        .iter()
        .map(|(line, sold)| ((*line).to_owned(), sold.quantity))
        .collect();
    for mut one in returns {
        place_goods(&mut one, &mut returnable, at, &mut planned.by_line);
        credit(&mut one, at, &mut planned);
        planned.returns.push(one);
    }
    planned
}

fn newest(before: &[BookedReturn], told: Told<'_>, currency: Currency) -> Vec<BookedReturn> {
    let told_ones = match told {
        Told::Nothing => &[],
        Told::All(all) => all,
        Told::One(one) => std::slice::from_ref(one),
    };
    let mut returns: Vec<BookedReturn> = Vec::new();
    for one in told_ones {
        // Told twice in one reading, the later counts.
        let known = returns.iter().position(|r| r.remote_id == one.remote_id);
        let held = before.iter().find(|r| r.remote_id == one.remote_id);
        let read = match held {
            Some(held) if held.version > one.version => held.clone(),
            held => read_return(one, held, currency),
        };
        match known {
            Some(known) if returns[known].version > read.version => {}
            Some(known) => returns[known] = read,
            None => returns.push(read),
        }
    }
    let untold = before
        .iter()
        .filter(|held| !told_ones.iter().any(|one| one.remote_id == held.remote_id));
    returns.extend(untold.map(|held| BookedReturn {
        is_deleted: held.is_deleted || matches!(told, Told::All(_)),
        ..held.clone()
    }));
    returns
}

/// What is told, with what was decided before.
fn read_return(told: &Return, held: Option<&BookedReturn>, currency: Currency) -> BookedReturn {
    let minor = |money: Option<Money>| {
        let same = money.filter(|money| money.currency == currency);
        same.map(|money| money.minor.max(0))
    };
    let mut lines: Vec<BookedReturnLine> = Vec::new();
    for line in &told.lines {
        let id = line.line.as_str();
        let place = lines.iter().filter(|known| known.line == id).count();
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        let decided = held.and_then(|held| {
            let mut lines = held.lines.iter();
            lines.find(|held| held.line == id && held.place == place)
        });
        // What the policy said of goods that were elsewhere is said anew; what a person said stays.
        let decided = decided.filter(|held| held.goods == line.goods || is_by_person(held));
        lines.push(BookedReturnLine {
            line: id.to_owned(),
            place,
            quantity: line.quantity.max(0),
            claim: minor(line.refund),
            credited: 0,
            goods: line.goods,
            restocked: decided.map_or(0, |line| line.restocked),
            quarantined: decided.map_or(0, |line| line.quarantined),
            written_off: decided.map_or(0, |line| line.written_off),
            undecided: 0,
            decided_by: decided.and_then(|line| line.decided_by.clone()),
        });
    }
    let by_line = lines.iter().filter_map(|line| line.claim);
    let by_line = by_line.reduce(i64::saturating_add);
    BookedReturn {
        remote_id: told.remote_id.clone(),
        remote_status: told.remote_status.clone(),
        state: told.state,
        version: told.version,
        reason: told.reason.clone(),
        claim: minor(told.refund).or(by_line),
        credited: 0,
        is_deleted: false,
        lines,
    }
}

fn is_by_person(line: &BookedReturnLine) -> bool {
    let by = line.decided_by.as_deref();
    by.is_some_and(|by| by != BY_POLICY)
}

fn place_goods(
    one: &mut BookedReturn,
    returnable: &mut HashMap<String, i64>,
    at: &Circumstances<'_>,
    by_line: &mut HashMap<String, Returned>,
) {
    let is_granted = matches!(one.state, ReturnState::Accepted | ReturnState::Refunded);
    let is_refunded = one.state == ReturnState::Refunded;
    for line in &mut one.lines {
        let left = returnable.get(&line.line).copied().unwrap_or(0);
        let by_person = is_by_person(line);
        let counts = !one.is_deleted && is_granted;
        let is_back = match line.goods {
            Goods::Back => true,
            Goods::Unknown => is_refunded || by_person,
            Goods::Coming | Goods::Kept => by_person,
        };
        let units = if counts { line.quantity.min(left) } else { 0 };
        returnable.insert(line.line.clone(), left - units);
        let sums = by_line.entry(line.line.clone()).or_default();
        line.undecided = 0;
        if !is_back || !at.has_left {
            if is_back {
                sums.unsent += units;
            } else if line.goods == Goods::Kept {
                sums.kept += units;
            }
            (line.restocked, line.quarantined, line.written_off) = (0, 0, 0);
            if !by_person {
                line.decided_by = None;
            }
            continue;
        }
        let handling = at.policy.handling(one.reason.as_deref(), line.goods);
        settle(line, units, handling, at.is_void);
        sums.restocked += line.restocked;
        sums.quarantined += line.quarantined;
        sums.written_off += line.written_off;
    }
}

/// Spreads `units` over what was decided before; the policy decides over the rest.
fn settle(line: &mut BookedReturnLine, units: i64, handling: Handling, is_void: bool) {
    line.restocked = line.restocked.min(units);
    line.quarantined = line.quarantined.min(units - line.restocked);
    line.written_off = line
        .written_off
        .min(units - line.restocked - line.quarantined);
    let rest = units - line.restocked - line.quarantined - line.written_off;
    if rest > 0 {
        match handling {
            Handling::Restock => line.restocked += rest,
            Handling::Quarantine => line.quarantined += rest,
            Handling::WriteOff => line.written_off += rest,
            // What becomes of a void order's goods is asked once, of the order.
            Handling::Ask if is_void => {}
            Handling::Ask => line.undecided = rest,
        }
        if handling != Handling::Ask {
            line.decided_by.get_or_insert_with(|| BY_POLICY.to_owned());
        }
    }
    if units == 0 {
        line.decided_by = None;
    }
}

fn credit(one: &mut BookedReturn, at: &Circumstances<'_>, planned: &mut Returning) {
    one.credited = 0;
    for line in &mut one.lines {
        line.credited = 0;
    }
    // A void invoice is worth nothing, so there is nothing to credit; neither is there before the invoice.
    if one.is_deleted || one.state != ReturnState::Refunded || !at.is_invoice {
        return;
    }
    let claim = one.claim.unwrap_or(0);
    let left = (at.total - planned.credited).max(0);
    one.credited = claim.min(left);
    planned.claimed = planned.claimed.saturating_add(claim);
    planned.credited += one.credited;
    let weights = weights(one, claim, at);
    for (line, part) in one.lines.iter_mut().zip(apportion(one.credited, &weights)) {
        line.credited = part;
        let sums = planned.by_line.entry(line.line.clone()).or_default();
        sums.credited += part;
    }
}

/// What each line has of a claim; where the lines are told, what is beyond them, such as shipping, is the last.
fn weights(one: &BookedReturn, claim: i64, at: &Circumstances<'_>) -> Vec<i64> {
    if one.lines.iter().any(|line| line.claim.is_some()) {
        let by_line: Vec<i64> = one.lines.iter().map(|l| l.claim.unwrap_or(0)).collect();
        let told: i64 = by_line
            .iter()
            .fold(0, |sum, part| sum.saturating_add(*part));
        let beyond = claim.saturating_sub(told).max(0);
        return by_line.into_iter().chain([beyond]).collect();
    }
    let worth = |line: &BookedReturnLine| {
        let sold = at.lines.get(line.line.as_str()).copied();
        let Some(Sold { quantity, total }) = sold.filter(|sold| sold.quantity > 0) else {
            return 0;
        };
        let units = if line.quantity == 0 {
            quantity
        } else {
            line.quantity.min(quantity)
        };
        let worth = i128::from(total.max(0)) * i128::from(units) / i128::from(quantity);
        i64::try_from(worth).unwrap_or(i64::MAX)
    };
    one.lines.iter().map(worth).collect()
}

/// The steps from one to the other, with what each did.
pub fn return_steps(
    before: Option<&BookedReturn>,
    after: &BookedReturn,
    currency: Currency,
) -> Vec<(Step, String)> {
    let money = |minor: i64| Money { minor, currency }.to_string();
    let mut steps = Vec::new();
    if before.is_none() {
        let units: i64 = after.lines.iter().map(|line| line.quantity).sum();
        let why = after.reason.as_deref().unwrap_or("no reason told");
        let claim = after.claim.map(|minor| format!(", {}", money(minor)));
        let claim = claim.unwrap_or_default();
        steps.push((Step::OpenReturn, format!("{units} units, {why}{claim}")));
    }
    let is_granted = |one: &BookedReturn| {
        !one.is_deleted && matches!(one.state, ReturnState::Accepted | ReturnState::Refunded)
    };
    if is_granted(after) && !before.is_some_and(is_granted) {
        steps.push((Step::AcceptReturn, after.remote_status.clone()));
    }
    steps.extend(goods_steps(before, after));
    let credited = after.credited - before.map_or(0, |before| before.credited);
    match credited {
        1.. => steps.push((Step::CreditNote, money(credited))),
        ..0 => steps.push((Step::ReverseCredit, money(-credited))),
        0 => {}
    }
    let was = before.map(|before| (before.state, before.is_deleted));
    if after.is_deleted {
        if !was.is_some_and(|was| was.1) {
            steps.push((
                Step::DeleteReturn,
                "the marketplace shows it no more".to_owned(),
            ));
        }
    } else if after.state == ReturnState::Closed && was.map(|was| was.0) != Some(after.state) {
        steps.push((Step::CloseReturn, after.remote_status.clone()));
    }
    steps
}

fn goods_steps(before: Option<&BookedReturn>, after: &BookedReturn) -> Vec<(Step, String)> {
    type Of = fn(&BookedReturnLine) -> i64;
    let kinds: [(Of, Step, &str); 3] = [
        (|line| line.restocked, Step::RestockReturn, "on the shelf"),
        (
            |line| line.quarantined,
            Step::QuarantineReturn,
            "in quarantine",
        ),
        (|line| line.written_off, Step::WriteOffReturn, "written off"),
    ];
    let mut steps = Vec::new();
    let mut undone = Vec::new();
    for (of, step, what) in kinds {
        let sum = |one: &BookedReturn| one.lines.iter().map(of).sum::<i64>();
        let units = sum(after) - before.map_or(0, sum);
        match units {
            1.. => {
                let by = after
                    .lines
                    .iter()
                    .find_map(|line| line.decided_by.as_deref());
                let by = by.unwrap_or(BY_POLICY);
                steps.push((step, format!("{units} units {what}, by {by}")));
            }
            ..0 => undone.push(format!("{} units no longer {what}", -units)),
            0 => {}
        }
    }
    if !undone.is_empty() {
        steps.push((Step::UndoReturn, undone.join(", ")));
    }
    steps
}

#[cfg(test)]
mod tests;
