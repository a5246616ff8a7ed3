//! What an order is worth in the books: the total, its currency, and what the marketplace says instead. Pure.
//!
//! The total follows the marketplace. It stays as it is booked, and a person is asked, when the marketplace changes the
//! currency, or changes the total to something that its own lines and charges do not come to.

use super::{ConflictKind, plan::Cause};
use crate::domain::{Currency, Money, Order};
use serde_json::json;

/// What the books say, and what is said instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worth {
    /// In minor units.
    pub total: i64,
    pub currency: Currency,
    /// What the marketplace said last, where the books hold something else.
    pub told: Option<(i64, Currency)>,
}

impl Worth {
    pub const fn of(total: Money) -> Self {
        Self {
            total: total.minor,
            currency: total.currency,
            told: None,
        }
    }

    /// What the marketplace said last.
    pub fn last_told(&self) -> (i64, Currency) {
        self.told.unwrap_or((self.total, self.currency))
    }
}

/// What the lines and charges come to, where the marketplace tells all of them.
pub fn sum_of(order: &Order) -> Option<i64> {
    let charges = order.charges?.minor;
    let lines = order.lines.iter().map(|line| line.total.minor);
    Some(lines.fold(charges, i64::saturating_add))
}

/// What the books shall say of `order`, and what is in question.
pub fn settle(before: Option<&Worth>, order: &Order) -> (Worth, Option<Cause>) {
    let told = (order.total.minor, order.currency);
    let sum = sum_of(order).filter(|sum| *sum != told.0);
    let follow = Worth::of(order.total);
    let worth = match before {
        None => follow,
        Some(held) if told.1 != held.currency => Worth {
            told: Some(told),
            ..*held
        },
        Some(_) if sum.is_none() => follow,
        // Said before: it was asked then, and may be decided by now.
        Some(held) if held.last_told() == told => *held,
        Some(held) => Worth {
            told: Some(told),
            ..*held
        },
    };
    let money = |minor: i64| Money {
        minor,
        currency: order.currency,
    };
    let differs = |sum: i64| {
        Cause::new(
            ConflictKind::TotalDiffers,
            format!(
                "its total is told as {}, its lines and charges come to {}",
                order.total,
                money(sum)
            ),
            json!({"told": told.0, "sum": sum}),
        )
    };
    let cause = if told.1 == worth.currency {
        sum.map(differs)
    } else {
        let (from, to) = (worth.currency, told.1);
        Some(Cause::new(
            ConflictKind::CurrencyChanged,
            format!("it was booked in {from} and is now told in {to}; the books keep {from}"),
            json!({"from": from.code(), "to": to.code(), "told": told.0}),
        ))
    };
    (worth, cause)
}
