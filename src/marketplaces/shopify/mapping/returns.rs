//! Shopify's refunds and returns in our words.
//!
//! A *refund* is money that went back, with the units that were taken out of the order for it. A *return* is the
//! buyer's wish, with the refunds that came of it; reading it needs a scope of its own. Refunds without a return are
//! returns of ours by themselves.
//!
//! What a refund took out before it was sent is called off (`CANCEL`), and no return. What it took out of a cancelled
//! order without putting it back on the shelf is a part of that cancellation.
//!
//! Source: the objects `Refund` and `Return` of version 2026-10, read 2026-11-23.

use super::{Read, id_of, money, text, time};
use crate::domain::{Currency, Goods, Money, Return, ReturnLine, ReturnState, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that went back of an order, or shall.
#[derive(Debug, Default)]
pub struct WentBack {
    refunds: Vec<Refund>,
    wishes: Vec<Wish>,
    /// There is more than was read: what is here is not all.
    pub is_cut: bool,
}

#[derive(Debug)]
struct Refund {
    id: String,
    version: Timestamp,
    /// All of it, in minor units.
    money: i64,
    /// Of that, what the order's total no longer has besides the units.
    shipping: i64,
    lines: Vec<Refunded>,
}

#[derive(Debug)]
struct Refunded {
    line: String,
    units: i64,
    /// What the units had cost, in minor units.
    cost: i64,
    shelf: Shelf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shelf {
    /// Taken out before it was sent, and on the shelf again.
    CalledOff,
    Back,
    NotBack,
}

#[derive(Debug)]
struct Wish {
    id: String,
    status: String,
    version: Timestamp,
    reason: Option<String>,
    refunds: Vec<String>,
    lines: Vec<(String, i64)>,
}

/// What the returns mean for the rest of the order.
#[derive(Debug, Default)]
pub struct Meaning {
    pub returns: Vec<Return>,
    /// Units by line that are in a return and therefore not called off.
    pub returned: BTreeMap<String, i64>,
    /// Units by line that were called off and are not on the shelf.
    pub off_shelf: BTreeMap<String, i64>,
    /// What the order's present total lacks because of the returns, in minor units.
    pub taken: i64,
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn nodes(value: &Value) -> &[Value] {
    rows(&value["nodes"])
}

fn is_long(list: &Value) -> bool {
    list["pageInfo"]["hasNextPage"] == true
}

impl WentBack {
    /// Reads the answers about refunds, of which `most` were asked for, and about returns.
    pub fn read(refunds: &Value, most: usize, returns: &Value, currency: Currency) -> Read<Self> {
        let of_refunds = rows(refunds);
        let of_returns = nodes(returns);
        let is_cut = of_refunds.len() >= most
            || of_refunds
                .iter()
                .any(|row| is_long(&row["refundLineItems"]))
            || is_long(returns)
            || of_returns
                .iter()
                .any(|row| is_long(&row["returnLineItems"]));
        let refunds = of_refunds.iter().map(|row| refund(row, currency));
        Ok(Self {
            refunds: refunds.collect::<Read<_>>()?,
            wishes: of_returns.iter().map(wish).collect::<Read<_>>()?,
            is_cut,
        })
    }

    pub fn meaning(&self, is_cancelled: bool, currency: Currency) -> Meaning {
        let mut meaning = Meaning::default();
        let of_wishes = self.wishes.iter().flat_map(|wish| &wish.refunds);
        let of_wishes: Vec<&String> = of_wishes.collect();
        for refund in &self.refunds {
            let is_wished = of_wishes.contains(&&refund.id);
            let is_back = refund.lines.iter().any(|line| line.shelf == Shelf::Back);
            let is_told = is_wished || is_back || refund.lines.is_empty() || !is_cancelled;
            for line in &refund.lines {
                let units = match line.shelf {
                    Shelf::CalledOff => continue,
                    _ if is_told => &mut meaning.returned,
                    Shelf::NotBack => &mut meaning.off_shelf,
                    Shelf::Back => continue,
                };
                *units.entry(line.line.clone()).or_default() += line.units;
            }
            if is_told {
                meaning.taken += refund.cost_of_returned() + refund.shipping;
            }
            if is_told && !is_wished && refund.is_more_than_called_off() {
                meaning.returns.push(refund.to_return(currency));
            }
        }
        for wish in &self.wishes {
            let its = |refund: &&Refund| wish.refunds.contains(&refund.id);
            let its: Vec<&Refund> = self.refunds.iter().filter(its).collect();
            meaning.returns.push(wish.to_return(&its, currency));
        }
        meaning
    }
}

fn amount(set: &Value, currency: Currency) -> Read<i64> {
    money(&set["shopMoney"]["amount"], currency).map(|money| money.minor)
}

fn refund(row: &Value, currency: Currency) -> Read<Refund> {
    let id = id_of(&row["id"]).ok_or("a refund has no `id`")?;
    let mut shipping = 0;
    for line in nodes(&row["refundShippingLines"]) {
        shipping += amount(&line["subtotalAmountSet"], currency)?;
        shipping += amount(&line["taxAmountSet"], currency)?;
    }
    let lines = nodes(&row["refundLineItems"]).iter().map(|row| {
        let line = id_of(&row["lineItem"]["id"]).ok_or("a refunded line has no `id`")?;
        Ok(Refunded {
            line: line.to_owned(),
            units: row["quantity"].as_i64().unwrap_or(0).max(0),
            cost: amount(&row["subtotalSet"], currency)? + amount(&row["totalTaxSet"], currency)?,
            shelf: match row["restockType"].as_str() {
                Some("CANCEL") => Shelf::CalledOff,
                Some("RETURN" | "LEGACY_RESTOCK") => Shelf::Back,
                _ => Shelf::NotBack,
            },
        })
    });
    Ok(Refund {
        id: id.to_owned(),
        version: time(row, "updatedAt").or_else(|_| time(row, "createdAt"))?,
        money: amount(&row["totalRefundedSet"], currency)?,
        shipping,
        lines: lines.collect::<Read<_>>()?,
    })
}

fn wish(row: &Value) -> Read<Wish> {
    let id = id_of(&row["id"]).ok_or("a return has no `id`")?;
    let times = ["createdAt", "requestApprovedAt", "closedAt"];
    let newest = times.iter().filter_map(|name| time(row, name).ok()).max();
    let lines = nodes(&row["returnLineItems"]);
    let units = lines.iter().filter_map(|row| {
        // A line that Shopify could not match with the order has none.
        let line = id_of(&row["fulfillmentLineItem"]["lineItem"]["id"])?;
        Some((
            line.to_owned(),
            row["quantity"].as_i64().unwrap_or(0).max(0),
        ))
    });
    let reason = |row: &Value| text(&row["returnReasonDefinition"], "handle");
    let refunds = nodes(&row["refunds"]).iter();
    Ok(Wish {
        id: id.to_owned(),
        status: row["status"].as_str().unwrap_or("UNKNOWN").to_owned(),
        version: newest.ok_or("a return has no `createdAt`")?,
        reason: lines.iter().find_map(reason),
        refunds: refunds
            .filter_map(|row| id_of(&row["id"]).map(str::to_owned))
            .collect(),
        lines: units.collect(),
    })
}

impl Refund {
    fn returned(&self) -> impl Iterator<Item = &Refunded> {
        let lines = self.lines.iter();
        lines.filter(|line| line.shelf != Shelf::CalledOff)
    }

    fn cost_of_returned(&self) -> i64 {
        self.returned().map(|line| line.cost).sum()
    }

    fn cost(&self) -> i64 {
        self.lines.iter().map(|line| line.cost).sum()
    }

    /// Money that went back besides what was called off: that is no longer in the total.
    fn money_of_returned(&self) -> i64 {
        (self.money - (self.cost() - self.cost_of_returned())).max(0)
    }

    fn is_more_than_called_off(&self) -> bool {
        self.returned().next().is_some() || self.money_of_returned() > 0
    }

    /// Whether the money is just what the units and the shipping had cost, so that each line has its part.
    fn is_even(&self) -> bool {
        self.money == self.cost() + self.shipping
    }

    fn to_return(&self, currency: Currency) -> Return {
        let lines = self.returned().map(|line| ReturnLine {
            line: line.line.as_str().into(),
            quantity: line.units,
            refund: self.is_even().then_some(Money {
                minor: line.cost,
                currency,
            }),
            goods: match line.shelf {
                Shelf::Back => Goods::Back,
                _ => Goods::Kept,
            },
        });
        Return {
            remote_id: format!("refund-{}", self.id).into(),
            remote_status: "REFUNDED".to_owned(),
            state: ReturnState::Refunded,
            version: self.version,
            reason: None,
            refund: Some(Money {
                minor: self.money_of_returned(),
                currency,
            }),
            lines: merged(lines),
        }
    }
}

impl Wish {
    fn to_return(&self, refunds: &[&Refund], currency: Currency) -> Return {
        let state = match self.status.as_str() {
            _ if !refunds.is_empty() => ReturnState::Refunded,
            "OPEN" => ReturnState::Accepted,
            // Done without money: an exchange.
            "CLOSED" => ReturnState::Refunded,
            "CANCELED" | "DECLINED" => ReturnState::Closed,
            _ => ReturnState::Requested,
        };
        let minor: i64 = refunds.iter().map(|of| of.money_of_returned()).sum();
        let is_even = refunds.iter().all(|of| of.is_even());
        let lines = self.lines.iter().map(|(line, units)| {
            let its = refunds.iter().flat_map(|of| of.returned());
            let its: Vec<&Refunded> = its.filter(|of| of.line == *line).collect();
            let back = its.iter().filter(|of| of.shelf == Shelf::Back);
            let cost = its.iter().map(|of| of.cost).sum();
            ReturnLine {
                line: line.as_str().into(),
                quantity: *units,
                refund: (is_even && !refunds.is_empty()).then_some(Money {
                    minor: cost,
                    currency,
                }),
                goods: match self.status.as_str() {
                    _ if back.map(|of| of.units).sum::<i64>() >= *units => Goods::Back,
                    "CLOSED" => Goods::Unknown,
                    "CANCELED" | "DECLINED" => Goods::Kept,
                    _ => Goods::Coming,
                },
            }
        });
        Return {
            remote_id: format!("return-{}", self.id).into(),
            remote_status: self.status.clone(),
            state,
            version: refunds
                .iter()
                .map(|of| of.version)
                .fold(self.version, Ord::max),
            reason: self.reason.clone(),
            refund: (state >= ReturnState::Refunded).then_some(Money { minor, currency }),
            lines: merged(lines),
        }
    }
}

/// One row for each line: a refund can name one twice, once for each place that it was put back to.
fn merged(lines: impl Iterator<Item = ReturnLine>) -> Vec<ReturnLine> {
    let mut merged: Vec<ReturnLine> = Vec::new();
    for line in lines {
        let Some(same) = merged.iter_mut().find(|of| of.line == line.line) else {
            merged.push(line);
            continue;
        };
        same.quantity += line.quantity;
        same.refund = same.refund.zip(line.refund).map(|(one, other)| Money {
            minor: one.minor + other.minor,
            ..one
        });
        if same.goods != line.goods {
            same.goods = Goods::Unknown;
        }
    }
    merged
}
