//! How an order is booked, as a few plain words that can be kept and compared: what a replay changed, or would change.

use crate::domain::{ChannelId, MerchantId, OrderId, RemoteId};
use crate::stock;
use entity::{order_lines, order_steps, orders, returns, skus};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// An order in the books.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderImage {
    pub number: String,
    pub remote_status: String,
    pub document: String,
    pub paid: bool,
    pub fulfilment: String,
    pub currency: String,
    pub total_minor: i64,
    pub refunded_minor: i64,
    pub fee_minor: i64,
    pub has_tracking_number: bool,
    pub open_conflicts: i64,
    /// By the marketplace's id of the line.
    pub lines: BTreeMap<String, LineImage>,
    /// Returns with their states, by the marketplace's id.
    pub returns: BTreeMap<String, String>,
    /// How often each step was taken.
    pub steps: BTreeMap<String, i64>,
    /// What the order moved, by SKU: units on hand, units allocated.
    pub moved: BTreeMap<String, (i64, i64)>,
}

/// One line of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineImage {
    /// The SKU's code, or what the marketplace calls it.
    pub sku: String,
    pub is_linked: bool,
    pub quantity: i64,
    pub cancelled: i64,
    pub total_minor: i64,
    pub refunded_minor: i64,
}

/// One difference between two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub what: String,
    pub from: String,
    pub to: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.what, self.from, self.to)
    }
}

/// How the order of this connection is booked now; `None` when it is not. Six statements.
///
/// # Errors
/// When the database cannot be asked.
pub async fn order_image<C: ConnectionTrait>(
    db: &C,
    connection: ChannelId,
    id: &RemoteId,
) -> Result<Option<OrderImage>, DbErr> {
    let row = orders::Entity::find()
        .filter(orders::Column::ConnectionId.eq(connection.0))
        .filter(orders::Column::RemoteId.eq(id.as_str()))
        .one(db)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let (merchant, order) = (MerchantId(row.merchant_id), OrderId(row.id));
    let lines = order_lines::Entity::of_merchant(merchant.0)
        .filter(order_lines::Column::OrderId.eq(order.0))
        .all(db)
        .await?;
    let steps = order_steps::Entity::of_merchant(merchant.0)
        .filter(order_steps::Column::OrderId.eq(order.0))
        .order_by_asc(order_steps::Column::Id)
        .all(db)
        .await?;
    let returned = match row.n_returns {
        0 => Vec::new(),
        _ => {
            returns::Entity::of_merchant(merchant.0)
                .filter(returns::Column::OrderId.eq(order.0))
                .all(db)
                .await?
        }
    };
    let movements = stock::movements_of(db, merchant, order).await?;
    let ids: BTreeSet<i64> = lines
        .iter()
        .filter_map(|line| line.sku_id)
        .chain(movements.iter().map(|movement| movement.sku_id))
        .collect();
    let codes: BTreeMap<i64, String> = skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::Id.is_in(ids))
        .all(db)
        .await?
        .into_iter()
        .map(|sku| (sku.id, sku.code))
        .collect();
    let mut image = of_row(row);
    image.lines = lines
        .into_iter()
        .map(|line| (line.remote_id.clone(), line_image(line, &codes)))
        .collect();
    for one in returned {
        image.returns.insert(one.remote_id, one.state);
    }
    for step in steps {
        *image.steps.entry(step.step).or_default() += 1;
    }
    for movement in movements {
        let code = codes.get(&movement.sku_id).cloned();
        let moved = image.moved.entry(code.unwrap_or_default()).or_default();
        moved.0 += movement.on_hand_delta;
        moved.1 += movement.allocated_delta;
    }
    Ok(Some(image))
}

fn of_row(row: orders::Model) -> OrderImage {
    OrderImage {
        number: row.number,
        remote_status: row.remote_status,
        document: row.document,
        paid: row.paid,
        fulfilment: row.fulfilment,
        currency: row.currency,
        total_minor: row.total_minor,
        refunded_minor: row.refunded_minor,
        fee_minor: row.fee_minor,
        has_tracking_number: row.tracking_number.is_some(),
        open_conflicts: row.open_conflicts,
        ..OrderImage::default()
    }
}

fn line_image(line: order_lines::Model, codes: &BTreeMap<i64, String>) -> LineImage {
    let code = line.sku_id.and_then(|id| codes.get(&id)).cloned();
    let is_linked = code.is_some();
    let sku = code.or(line.seller_sku).unwrap_or(line.title);
    LineImage {
        sku,
        is_linked,
        quantity: line.quantity,
        cancelled: line.cancelled,
        total_minor: line.total_minor,
        refunded_minor: line.refunded_minor,
    }
}

/// What differs, in the order in which people read an order. Empty when nothing does.
pub fn changes(before: Option<&OrderImage>, after: Option<&OrderImage>) -> Vec<Change> {
    let nothing = OrderImage::default();
    let (old, new) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
    let mut found = Found::default();
    if before.is_none() != after.is_none() {
        let word = |image: Option<&OrderImage>| match image {
            None => "not in the books".to_owned(),
            Some(image) => format!("in the books as {}", image.number),
        };
        found.note("order", &word(before), &word(after));
    }
    found.word("document", &old.document, &new.document);
    found.note("paid", yes_no(old.paid), yes_no(new.paid));
    found.word("fulfilment", &old.fulfilment, &new.fulfilment);
    found.word("status", &old.remote_status, &new.remote_status);
    let currency = |image: &OrderImage| image.currency.clone();
    found.word("currency", &currency(old), &currency(new));
    for (what, from, to) in [
        ("total", old.total_minor, new.total_minor),
        ("refunded", old.refunded_minor, new.refunded_minor),
        ("fee", old.fee_minor, new.fee_minor),
        ("open conflicts", old.open_conflicts, new.open_conflicts),
    ] {
        found.number(what, from, to);
    }
    let tracking = |image: &OrderImage| yes_no(image.has_tracking_number);
    found.note("tracking number", tracking(old), tracking(new));
    found.lines(&old.lines, &new.lines);
    for (id, from, to) in pairs(&old.returns, &new.returns) {
        found.word(&format!("return {id}"), &from, &to);
    }
    for (step, from, to) in pairs(&old.steps, &new.steps) {
        found.number(&format!("step {step}"), from, to);
    }
    for (sku, from, to) in pairs(&old.moved, &new.moved) {
        found.number(&format!("stock of {sku}, on hand"), from.0, to.0);
        found.number(&format!("stock of {sku}, allocated"), from.1, to.1);
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Change>);

impl Found {
    fn note(&mut self, what: &str, from: &str, to: &str) {
        if from != to {
            self.0.push(Change {
                what: what.to_owned(),
                from: from.to_owned(),
                to: to.to_owned(),
            });
        }
    }

    /// A word that may be missing.
    fn word(&mut self, what: &str, from: &str, to: &str) {
        let or_none = |word: &str| match word {
            "" => "none".to_owned(),
            word => word.to_owned(),
        };
        self.note(what, &or_none(from), &or_none(to));
    }

    fn number(&mut self, what: &str, from: i64, to: i64) {
        self.note(what, &from.to_string(), &to.to_string());
    }

    fn lines(&mut self, old: &BTreeMap<String, LineImage>, new: &BTreeMap<String, LineImage>) {
        for (id, from, to) in pairs(old, new) {
            let name = if to.sku.is_empty() {
                &from.sku
            } else {
                &to.sku
            };
            let line = |what: &str| format!("line {id} ({name}) {what}");
            self.number(&line("quantity"), from.quantity, to.quantity);
            self.number(&line("cancelled"), from.cancelled, to.cancelled);
            self.number(&line("total"), from.total_minor, to.total_minor);
            self.number(&line("refunded"), from.refunded_minor, to.refunded_minor);
            let is_known = old.contains_key(&id);
            if is_known {
                self.note(
                    &line("linked"),
                    yes_no(from.is_linked),
                    yes_no(to.is_linked),
                );
            }
        }
    }
}

/// Every key of both with its two values; what is missing is the default.
fn pairs<V: Clone + Default>(
    old: &BTreeMap<String, V>,
    new: &BTreeMap<String, V>,
) -> Vec<(String, V, V)> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let value = |of: &BTreeMap<String, V>, key: &String| of.get(key).cloned().unwrap_or_default();
    keys.into_iter()
        .map(|key| (key.clone(), value(old, key), value(new, key)))
        .collect()
}

fn yes_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sold() -> OrderImage {
        let line = LineImage {
            sku: "MUG".to_owned(),
            is_linked: true,
            quantity: 2,
            total_minor: 2_000,
            ..LineImage::default()
        };
        OrderImage {
            number: "1042".to_owned(),
            remote_status: "processing".to_owned(),
            document: "invoice".to_owned(),
            fulfilment: "unsent".to_owned(),
            currency: "IDR".to_owned(),
            total_minor: 2_000,
            lines: BTreeMap::from([("7".to_owned(), line)]),
            steps: BTreeMap::from([("create_invoice".to_owned(), 1)]),
            moved: BTreeMap::from([("MUG".to_owned(), (0, 2))]),
            ..OrderImage::default()
        }
    }

    fn told(before: Option<&OrderImage>, after: Option<&OrderImage>) -> Vec<String> {
        let found = changes(before, after);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_image_does_not_differ_from_itself_or_from_its_own_text() {
        let image = sold();
        let text = serde_json::to_string(&image).unwrap();

        assert_eq!(changes(None, None), []);
        assert_eq!(changes(Some(&image), Some(&image)), []);
        assert_eq!(serde_json::from_str::<OrderImage>(&text).unwrap(), image);
    }

    #[test]
    fn what_was_sent_and_paid_is_told_in_words() {
        let before = sold();
        let mut after = sold();
        after.paid = true;
        "sent".clone_into(&mut after.fulfilment);
        after.steps.insert("outbound_logistic".to_owned(), 1);
        after.moved.insert("MUG".to_owned(), (-2, 0));

        assert_eq!(
            told(Some(&before), Some(&after)),
            [
                "paid no → yes",
                "fulfilment unsent → sent",
                "step outbound_logistic 0 → 1",
                "stock of MUG, on hand 0 → -2",
                "stock of MUG, allocated 2 → 0",
            ]
        );
    }

    #[test]
    fn an_order_that_was_not_in_the_books_is_told_whole() {
        let after = sold();

        let told = told(None, Some(&after));

        assert_eq!(told[0], "order not in the books → in the books as 1042");
        assert!(told.contains(&"document none → invoice".to_owned()));
        assert!(told.contains(&"line 7 (MUG) quantity 0 → 2".to_owned()));
        assert!(told.contains(&"stock of MUG, allocated 0 → 2".to_owned()));
    }
}
