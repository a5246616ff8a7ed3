//! The returns of an order in our contract, and the fees that were kept of it.

use super::{Place, Read, maybe, word_for};
use crate::domain::{
    Currency, Fee, Goods, Money, OrderLine, Return, ReturnLine, ReturnState, Settlement,
};
use std::collections::HashSet;

const STATES: [(&str, ReturnState); 4] = [
    ("requested", ReturnState::Requested),
    ("accepted", ReturnState::Accepted),
    ("refunded", ReturnState::Refunded),
    ("closed", ReturnState::Closed),
];
const GOODS: [(&str, Goods); 4] = [
    ("unknown", Goods::Unknown),
    ("kept", Goods::Kept),
    ("coming", Goods::Coming),
    ("back", Goods::Back),
];
/// Longest reason: a word, so that a policy can be about it and nobody's sentences end in the books.
const LONGEST_REASON: usize = 40;

pub fn return_word(state: ReturnState) -> &'static str {
    word_for(&STATES, state)
}

pub fn goods_word(goods: Goods) -> &'static str {
    word_for(&GOODS, goods)
}

/// Every return of an order, each with an id of its own.
pub fn returns(rows: &Place<'_>, lines: &[OrderLine], currency: Currency) -> Read<Vec<Return>> {
    let mut ids = HashSet::new();
    let mut returns = Vec::new();
    for row in rows.rows()? {
        let read = one(&row, lines, currency)?;
        if !ids.insert(read.remote_id.clone()) {
            return row.wrong("has the id of another return");
        }
        returns.push(read);
    }
    Ok(returns)
}

fn one(row: &Place<'_>, lines: &[OrderLine], currency: Currency) -> Read<Return> {
    let status = row.need("status")?;
    let state = status.word(&STATES)?;
    let refund = maybe(row, "refund", |place| place.charge(currency))?;
    if state == ReturnState::Refunded && refund.is_none() {
        return row.wrong("needs `refund`, because its status is `refunded`");
    }
    let told = match row.find("lines") {
        Some(rows) => rows.rows()?,
        None => Vec::new(),
    };
    let told = told.iter().map(|row| line(row, lines, currency));
    let told: Vec<ReturnLine> = told.collect::<Read<_>>()?;
    let of_lines: i64 = told
        .iter()
        .filter_map(|line| line.refund)
        .map(|money| money.minor)
        .sum();
    if refund.is_some_and(|refund| of_lines > refund.minor) {
        return row.wrong("has lines whose refunds are more than its `refund`");
    }
    Ok(Return {
        remote_id: row.need("id")?.id()?,
        remote_status: status.text()?.to_owned(),
        state,
        version: row.need("updated_at")?.time()?,
        reason: maybe(row, "reason", reason)?,
        refund,
        lines: told,
    })
}

fn reason(place: &Place<'_>) -> Read<String> {
    let text = place.text()?;
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || text.chars().count() > LONGEST_REASON || !text.chars().all(is_plain) {
        return place.wrong("must be a word of 1 to 40 letters, digits, `_`, `-` and `.`");
    }
    Ok(text.to_owned())
}

fn line(row: &Place<'_>, lines: &[OrderLine], currency: Currency) -> Read<ReturnLine> {
    let id = row.need("line")?;
    let remote = id.id()?;
    let Some(ordered) = lines.iter().find(|line| line.remote_id == remote) else {
        return id.wrong("is not the id of one of the order's lines");
    };
    let units = row.need("quantity")?;
    let quantity = units.units()?;
    if quantity > ordered.open_quantity() {
        return units.wrong("is more than what of this line was not called off");
    }
    Ok(ReturnLine {
        line: remote,
        quantity,
        refund: maybe(row, "refund", |place: &Place<'_>| place.charge(currency))?,
        goods: maybe(row, "goods", |place| place.word(&GOODS))?.unwrap_or(Goods::Unknown),
    })
}

/// What of an order was kept, and what the merchant gets; `None` where the order names no fees.
pub fn settlement(row: &Place<'_>) -> Read<Option<Settlement>> {
    let Some(rows) = row.find("fees") else {
        return Ok(None);
    };
    let currency = row.need("currency")?.currency()?;
    let gross = row.need("total")?.charge(currency)?;
    let fee = |row: &Place<'_>| -> Read<Fee> {
        Ok(Fee {
            kind: reason(&row.need("kind")?)?,
            minor: row.need("amount")?.money(currency)?.minor,
        })
    };
    let fees: Vec<Fee> = rows.rows()?.iter().map(fee).collect::<Read<_>>()?;
    let kept: i64 = fees.iter().map(|fee| fee.minor).sum();
    if kept > gross.minor {
        return rows.wrong("come to more than the order's `total`");
    }
    Ok(Some(Settlement {
        order: row.need("id")?.id()?,
        gross,
        fees,
        net: Money {
            minor: gross.minor - kept,
            currency,
        },
        settled_at: maybe(row, "settled_at", Place::time)?,
    }))
}
