//! Why a channel shows something else than we hold. Pure.

use super::{DriftClass, facts::Facts};
use crate::domain::Timestamp;
use std::time::Duration;

/// How long a push may take to show in what is read, their clock's difference from ours included.
const SETTLING: Duration = Duration::from_secs(120);

/// Why the quantity shown is not `ours`.
pub(super) fn stock(facts: &Facts<'_>, ours: i64, shown: i64) -> (DriftClass, String) {
    failed(facts)
        .or_else(|| waiting(facts))
        .or_else(|| told_since(facts, ours))
        .or_else(|| sold_since(facts))
        .or_else(|| reserved(facts, ours, shown))
        .or_else(|| edited(facts, shown))
        .unwrap_or_else(|| unknown(facts, shown))
}

/// Why the price shown is not `ours`.
pub(super) fn price(facts: &Facts<'_>, ours: i64) -> (DriftClass, String) {
    if let Some(push) = facts.last_price.filter(|_| facts.tells_prices) {
        if let Some(answer) = &push.answer {
            let why = format!("the channel refused the last push of the price: {answer}");
            return (DriftClass::FailedPush, why);
        }
        let told_at = Timestamp::from_micros(push.finished_at);
        if push.price_minor == ours && told_at + SETTLING >= facts.read_at {
            let why = format!(
                "the channel took this price at {} and was not read since",
                at(push.finished_at)
            );
            return (DriftClass::InFlight, why);
        }
    }
    let set_at = facts.sku.and_then(|sku| sku.price_at);
    match (facts.listing.price_read_at, set_at) {
        (Some(read_at), Some(set_at)) if read_at > set_at => (
            DriftClass::Edited,
            format!(
                "another price was read there at {}, after the SKU's price was set",
                at(read_at)
            ),
        ),
        _ if facts.tells_prices => (
            DriftClass::Unknown,
            "the channel was not told this price; `marketsink prices push` does".to_owned(),
        ),
        _ => (
            DriftClass::Unknown,
            "the channel has shown this price since before the SKU's was set; prices are not told to it: its \
             setting push_prices is off"
                .to_owned(),
        ),
    }
}

fn failed(facts: &Facts<'_>) -> Option<(DriftClass, String)> {
    let last = facts.pushes.first();
    let taken_at = facts.taken().map_or(0, |push| push.finished_at);
    let waits_again = facts.waiting().is_some_and(|job| job.attempts == 0);
    if waits_again {
        return None;
    }
    if let Some(answer) = last.and_then(|push| push.answer.as_ref()) {
        let again = if facts.waiting().is_some() {
            "; it is tried again"
        } else {
            ""
        };
        return Some((
            DriftClass::FailedPush,
            format!("the channel refused the last push: {answer}{again}"),
        ));
    }
    let job = facts.jobs.iter().find(|job| {
        let is_over = job.state == "dead" && job.finished_at.is_some_and(|at| at > taken_at);
        is_over || (job.state == "available" && job.last_error.is_some())
    })?;
    let error = job.last_error.as_deref().unwrap_or("no reason was kept");
    let then = if job.state == "dead" {
        "it was given up"
    } else {
        "it is tried again"
    };
    Some((
        DriftClass::FailedPush,
        format!("the last push failed, {then}: {error}"),
    ))
}

fn waiting(facts: &Facts<'_>) -> Option<(DriftClass, String)> {
    let job = facts.waiting()?;
    let why = match (&facts.locked, job.state.as_str()) {
        (Some(reason), _) => {
            format!("a push waits until the channel is connected again: {reason}")
        }
        (None, "running") => "a push is under way".to_owned(),
        (None, _) => format!("a push waits since {}", at(job.waiting_since)),
    };
    Some((DriftClass::InFlight, why))
}

fn told_since(facts: &Facts<'_>, ours: i64) -> Option<(DriftClass, String)> {
    let push = facts.taken().filter(|push| push.quantity == ours)?;
    let told_at = Timestamp::from_micros(push.finished_at);
    (told_at + SETTLING >= facts.read_at).then(|| {
        let why = format!(
            "the channel took {ours} at {}; what it shows was read {}",
            at(push.finished_at),
            if told_at >= facts.read_at {
                "before"
            } else {
                "too soon after"
            }
        );
        (DriftClass::InFlight, why)
    })
}

/// The marketplace has lowered its own stock for what it sold itself.
fn sold_since(facts: &Facts<'_>) -> Option<(DriftClass, String)> {
    let is_later = |at: i64| Timestamp::from_micros(at) + SETTLING >= facts.read_at;
    let sale = facts.movements.iter().find(|movement| {
        facts.counts_itself && movement.sold_here && is_later(movement.row.created_at)
    })?;
    let why = format!(
        "it was sold there at {}; the channel counts its own sales and was not read since",
        at(sale.row.created_at)
    );
    Some((DriftClass::InFlight, why))
}

fn reserved(facts: &Facts<'_>, ours: i64, shown: i64) -> Option<(DriftClass, String)> {
    let held = facts.listing.reserved?;
    let missing = ours - shown;
    (0 < missing && missing <= held).then(|| {
        let why = format!("the channel holds {held} units back, for campaigns or open orders");
        (DriftClass::PromotionReserved, why)
    })
}

fn edited(facts: &Facts<'_>, shown: i64) -> Option<(DriftClass, String)> {
    let read_at = facts.listing.quantity_read_at?;
    let (since, said) = match facts.taken() {
        Some(push) if push.quantity == shown => return None,
        Some(push) => (push.finished_at, format!("it took {}", push.quantity)),
        None => {
            let newest = facts.movements.first()?.row.created_at;
            (newest, "our level last moved".to_owned())
        }
    };
    let after_settling = Timestamp::from_micros(since) < Timestamp::from_micros(read_at);
    (after_settling && facts.takes_pushes).then(|| {
        let why = format!(
            "another quantity was read there at {}, after {said} at {}: it was edited there, or an order is not in the books yet",
            at(read_at),
            at(since)
        );
        (DriftClass::Edited, why)
    })
}

fn unknown(facts: &Facts<'_>, shown: i64) -> (DriftClass, String) {
    let why = if !facts.takes_pushes {
        "the channel is told no quantities: its setting push_stock is off".to_owned()
    } else if let Some(push) = facts.taken() {
        format!(
            "it took {} at {} and shows {shown}; no movement, push or edit that we know of explains it",
            push.quantity,
            at(push.finished_at)
        )
    } else {
        "it was never told a level of this SKU; the next sale or count of it does".to_owned()
    };
    (DriftClass::Unknown, why)
}

fn at(micros: i64) -> String {
    Timestamp::from_secs(Timestamp::from_micros(micros).secs()).to_string()
}
