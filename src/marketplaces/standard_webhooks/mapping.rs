//! The orders and products of our contract in our words, and our pushes in the contract's.
//!
//! The contract is ours, so it is read strictly: what is wrong is refused with the JSON pointer of the member and
//! what belongs there, for the people who build the store. Values are never repeated: they may be a buyer's.
//! Members that the contract does not name are passed over.
//!
//! Source: the guide for custom stores, `src/web/guide/custom_store.md`, contract version 1.

mod returns;

pub use returns::{goods_word, return_word, settlement};

use super::NAME;
use crate::domain::{
    Currency, Document, Fulfilment, Money, Order, OrderLine, Product, ProductState, RemoteId,
    Standing, Timestamp, Variant,
};
use crate::marketplaces::{OrderSummary, PriceChange, StockLevel};
use serde_json::{Value, json};
use std::collections::HashSet;

/// What is wrong, and where.
pub type Read<T> = Result<T, String>;

/// Longest id. Ids go into addresses, keys and lists.
const LONGEST_ID: usize = 128;
/// Most units of one line or variant: far beyond any shop's, far below what sums could overflow.
const MOST_UNITS: i64 = 1_000_000_000;

const STATUSES: [(&str, Document); 4] = [
    ("draft", Document::None),
    ("placed", Document::SalesOrder),
    ("confirmed", Document::Invoice),
    ("cancelled", Document::Void),
];
const PAYMENTS: [(&str, bool); 2] = [("unpaid", false), ("paid", true)];
const FULFILMENTS: [(&str, Fulfilment); 3] = [
    ("unsent", Fulfilment::Unsent),
    ("sent", Fulfilment::Sent),
    ("returned", Fulfilment::Returned),
];
const STATES: [(&str, ProductState); 3] = [
    ("active", ProductState::Active),
    ("inactive", ProductState::Inactive),
    ("gone", ProductState::Gone),
];

/// A value with the place where it stands.
#[derive(Debug, Clone)]
pub struct Place<'v> {
    value: &'v Value,
    pointer: String,
}

impl<'v> Place<'v> {
    pub fn root(value: &'v Value) -> Self {
        Self {
            value,
            pointer: String::new(),
        }
    }

    /// A member; `None` when it is missing or null.
    pub fn find(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self {
            value,
            pointer: format!("{}/{name}", self.pointer),
        })
    }

    pub fn need(&self, name: &str) -> Read<Self> {
        if !self.value.is_object() {
            return self.wrong("must be an object");
        }
        let missing = || format!("`{}/{name}` is missing", self.pointer);
        self.find(name).ok_or_else(missing)
    }

    pub fn wrong<T>(&self, what: &str) -> Read<T> {
        let place = if self.pointer.is_empty() {
            "it".to_owned()
        } else {
            format!("`{}`", self.pointer)
        };
        Err(format!("{place} {what}"))
    }

    pub fn text(&self) -> Read<&'v str> {
        match self.value.as_str() {
            Some(text) => Ok(text),
            None => self.wrong("must be a text"),
        }
    }

    pub fn rows(&self) -> Read<Vec<Self>> {
        let Some(rows) = self.value.as_array() else {
            return self.wrong("must be a list");
        };
        let place = |(at, value)| Self {
            value,
            pointer: format!("{}/{at}", self.pointer),
        };
        Ok(rows.iter().enumerate().map(place).collect())
    }

    /// An id, as text or as a whole number.
    pub fn id(&self) -> Read<RemoteId> {
        let text = match self.value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_u64() => number.to_string(),
            _ => return self.wrong("must be an id: a text, or a whole number"),
        };
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != ',';
        if text.is_empty() || text.len() > LONGEST_ID || !text.chars().all(is_plain) {
            return self
                .wrong("must be an id of 1 to 128 characters, without spaces and without commas");
        }
        Ok(text.into())
    }

    pub fn time(&self) -> Read<Timestamp> {
        let read = self
            .value
            .as_str()
            .and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
        match read {
            Some(at) => Ok(at.to_utc().into()),
            None => self.wrong(
                "must be a time with its zone, as RFC 3339 writes it: \"2026-11-23T02:20:00Z\"",
            ),
        }
    }

    /// An amount in major units, as decimal text: a JSON number may have been a float somewhere.
    pub fn money(&self, currency: Currency) -> Read<Money> {
        let read = self.value.as_str().map(|text| Money::parse(text, currency));
        match read {
            Some(Ok(money)) => Ok(money),
            _ => self.wrong(&format!(
                "must be an amount of {currency} as text, such as \"{}\"",
                amount(Money {
                    minor: 187_500 * 10_i64.pow(currency.exponent()),
                    currency
                })
            )),
        }
    }

    pub fn charge(&self, currency: Currency) -> Read<Money> {
        let money = self.money(currency)?;
        if money.minor < 0 {
            return self.wrong("must be 0 or more");
        }
        Ok(money)
    }

    pub fn currency(&self) -> Read<Currency> {
        match self.value.as_str().map(Currency::from_code) {
            Some(Ok(currency)) => Ok(currency),
            _ => self.wrong("must be the code of a currency as ISO 4217 has it, such as \"IDR\""),
        }
    }

    pub fn units(&self) -> Read<i64> {
        match self.value.as_i64() {
            Some(units) if (0..=MOST_UNITS).contains(&units) => Ok(units),
            _ => self.wrong("must be a whole number, 0 or more"),
        }
    }

    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Read<T> {
        let known = |text: &str| words.iter().find(|(word, _)| *word == text);
        if let Some((_, meaning)) = self.value.as_str().and_then(known) {
            return Ok(*meaning);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.wrong(&format!("must be one of {}", names.join(", ")))
    }
}

/// A member that may be missing.
pub fn maybe<'v, T>(
    row: &Place<'v>,
    name: &str,
    read: impl Fn(&Place<'v>) -> Read<T>,
) -> Read<Option<T>> {
    row.find(name).map(|place| read(&place)).transpose()
}

fn owned(place: &Place<'_>) -> Read<String> {
    place.text().map(str::to_owned)
}

/// A text that is not blank.
fn code(place: &Place<'_>) -> Read<Option<String>> {
    let text = place.text()?;
    Ok((!text.trim().is_empty()).then(|| text.to_owned()))
}

/// The id and, where it is told, the version of what a row is about.
pub fn subject(row: &Place<'_>) -> Read<(RemoteId, Option<Timestamp>)> {
    let id = row.need("id")?.id()?;
    Ok((id, maybe(row, "updated_at", Place::time)?))
}

/// Whether a row is more than an id and a version.
pub fn is_whole_order(row: &Place<'_>) -> bool {
    ["status", "lines"]
        .iter()
        .any(|name| row.find(name).is_some())
}

pub fn is_whole_product(row: &Place<'_>) -> bool {
    ["state", "variants"]
        .iter()
        .any(|name| row.find(name).is_some())
}

pub fn summary(row: &Place<'_>) -> Read<OrderSummary> {
    let remote_id = row.need("id")?.id()?;
    let number = maybe(row, "number", owned)?;
    Ok(OrderSummary {
        number: number.unwrap_or_else(|| remote_id.to_string()),
        remote_id,
        version: row.need("updated_at")?.time()?,
        remote_status: standing(row).ok().map(|(_, status)| status),
        bookable: row.need("status")?.word(&STATUSES)? != Document::None,
        placed_at: maybe(row, "created_at", Place::time).ok().flatten(),
        standing: standing(row).ok().map(|(standing, _)| standing),
        total: total(row).ok(),
    })
}

fn total(row: &Place<'_>) -> Read<Money> {
    row.need("total")?.charge(row.need("currency")?.currency()?)
}

pub fn order(row: &Place<'_>) -> Read<Order> {
    let summary = summary(row)?;
    let (standing, remote_status) = standing(row)?;
    let currency = row.need("currency")?.currency()?;
    let mut ids = HashSet::new();
    let mut lines = Vec::new();
    for place in row.need("lines")?.rows()? {
        let line = order_line(&place, currency)?;
        if !ids.insert(line.remote_id.clone()) {
            return place.wrong("has the id of another line");
        }
        lines.push(line);
    }
    let charges = charges(row, &lines, currency)?;
    let returns = maybe(row, "returns", |place| {
        returns::returns(place, &lines, currency)
    })?;
    Ok(Order {
        remote_id: summary.remote_id,
        number: summary.number,
        platform: NAME,
        remote_status,
        standing,
        version: summary.version,
        placed_at: row.need("created_at")?.time()?,
        currency,
        total: total(row)?,
        tracking_number: maybe(row, "tracking_number", code)?.flatten(),
        lines,
        charges,
        returns,
        remark: None,
    })
}

/// What the total has beyond the lines. Not told of an order of which units were called off: what these cost is the
/// store's to say, in the total.
fn charges(row: &Place<'_>, lines: &[OrderLine], currency: Currency) -> Read<Option<Money>> {
    let part = |name| maybe(row, name, |place| place.charge(currency));
    let (added, taken) = ([part("shipping")?, part("charges")?], part("discount")?);
    let is_told = added.iter().flatten().next().is_some() || taken.is_some();
    if !is_told || lines.iter().any(|line| line.cancelled > 0) {
        return Ok(None);
    }
    let sum: i64 = added.iter().flatten().map(|money| money.minor).sum();
    let minor = sum - taken.map_or(0, |money| money.minor);
    Ok(Some(Money { minor, currency }))
}

/// Three words make one standing, and the status that people read.
fn standing(row: &Place<'_>) -> Read<(Standing, String)> {
    let (status, payment) = (row.need("status")?, row.need("payment")?);
    let fulfilment = row.need("fulfilment")?;
    let standing = Standing {
        document: status.word(&STATUSES)?,
        paid: payment.word(&PAYMENTS)?,
        fulfilment: fulfilment.word(&FULFILMENTS)?,
    };
    match (standing.document, standing.fulfilment) {
        (Document::None | Document::SalesOrder, Fulfilment::Sent) => {
            return fulfilment.wrong("is `sent` before the order is `confirmed`");
        }
        (Document::None | Document::SalesOrder | Document::Invoice, Fulfilment::Returned) => {
            return fulfilment.wrong("may be `returned` only when the status is `cancelled`");
        }
        _ => {}
    }
    let words = [status.text()?, payment.text()?, fulfilment.text()?];
    Ok((standing, words.join(", ")))
}

fn order_line(row: &Place<'_>, currency: Currency) -> Read<OrderLine> {
    let seller_sku = maybe(row, "sku", code)?.flatten();
    let product_id = match (maybe(row, "product_id", Place::id)?, &seller_sku) {
        (Some(id), _) => id,
        // A store that lists no products sells by SKU alone.
        (None, Some(sku)) => RemoteId::from(sku.as_str()),
        (None, None) => return row.wrong("needs `sku` or `product_id`"),
    };
    let quantity = row.need("quantity")?.units()?;
    let cancelled = maybe(row, "cancelled_quantity", Place::units)?.unwrap_or(0);
    if cancelled > quantity {
        return row.wrong("has a `cancelled_quantity` above its `quantity`");
    }
    let (gross, total) = line_amounts(row, quantity, currency)?;
    Ok(OrderLine {
        remote_id: row.need("id")?.id()?,
        variant_id: maybe(row, "variant_id", Place::id)?.unwrap_or_else(|| product_id.clone()),
        product_id,
        seller_sku,
        title: maybe(row, "title", owned)?.unwrap_or_default(),
        quantity,
        cancelled,
        gross: Some(gross),
        off_shelf: 0,
        total,
    })
}

/// `quantity` times `unit_price` plus `tax`, and the same less `discount`.
fn line_amounts(row: &Place<'_>, quantity: i64, currency: Currency) -> Read<(Money, Money)> {
    let price = row.need("unit_price")?.charge(currency)?;
    let part = |name| -> Read<i64> {
        let part = maybe(row, name, |place| place.charge(currency))?;
        Ok(part.map_or(0, |money| money.minor))
    };
    let (discount, tax) = (part("discount")?, part("tax")?);
    let gross = price
        .minor
        .checked_mul(quantity)
        .and_then(|gross| gross.checked_add(tax));
    let of = |minor| Money { minor, currency };
    match gross {
        Some(gross) if gross >= discount => Ok((of(gross), of(gross - discount))),
        Some(_) => row.wrong("has a `discount` above what its units cost"),
        None => row.wrong("costs more than can be counted"),
    }
}

pub fn product(row: &Place<'_>) -> Read<Product> {
    let state = row.need("state")?.word(&STATES)?;
    let currency = maybe(row, "currency", Place::currency)?;
    let places = row.need("variants")?;
    let mut ids = HashSet::new();
    let mut variants = Vec::new();
    for place in places.rows()? {
        let variant = variant(&place, state, currency)?;
        if !ids.insert(variant.remote_id.clone()) {
            return place.wrong("has the id of another variant");
        }
        variants.push(variant);
    }
    if variants.is_empty() && state != ProductState::Gone {
        return places
            .wrong("must not be empty: a product that is sold in one kind has one variant");
    }
    Ok(Product {
        remote_id: row.need("id")?.id()?,
        title: row.need("title")?.text()?.to_owned(),
        state,
        version: row.need("updated_at")?.time()?,
        variants,
    })
}

fn variant(row: &Place<'_>, state: ProductState, currency: Option<Currency>) -> Read<Variant> {
    let price = match (row.find("price"), currency) {
        (None, _) => None,
        (Some(price), Some(currency)) => Some(price.charge(currency)?),
        (Some(price), None) => return price.wrong("needs the product's `currency`"),
    };
    Ok(Variant {
        remote_id: row.need("id")?.id()?,
        title: maybe(row, "title", owned)?.unwrap_or_default(),
        state: maybe(row, "state", |place| place.word(&STATES))?.unwrap_or(state),
        seller_sku: maybe(row, "sku", code)?.flatten(),
        price,
        quantity: maybe(row, "quantity", Place::units)?,
        reserved: None,
        push_ref: None,
    })
}

/// A product that was deleted.
pub fn gone(remote_id: RemoteId, version: Timestamp) -> Product {
    Product {
        remote_id,
        title: String::new(),
        state: ProductState::Gone,
        version,
        variants: Vec::new(),
    }
}

/// The body of `PUT /stock`.
pub fn stock_body(levels: &[StockLevel]) -> Value {
    let row = |level: &StockLevel| {
        json!({
            "product_id": level.product_id, "variant_id": level.variant_id,
            "quantity": level.quantity,
        })
    };
    json!({ "levels": levels.iter().map(row).collect::<Vec<_>>() })
}

/// The body of `PUT /prices`.
pub fn price_body(prices: &[PriceChange]) -> Value {
    let row = |change: &PriceChange| {
        json!({
            "product_id": change.product_id, "variant_id": change.variant_id,
            "price": amount(change.price), "currency": change.price.currency.code(),
        })
    };
    json!({ "prices": prices.iter().map(row).collect::<Vec<_>>() })
}

/// `187500.00`
pub fn amount(money: Money) -> String {
    let shown = money.to_string();
    shown.split(' ').next().unwrap_or_default().to_owned()
}

/// The words for a standing: status, payment, fulfilment.
pub fn words(standing: Standing) -> (&'static str, &'static str, &'static str) {
    (
        word_for(&STATUSES, standing.document),
        word_for(&PAYMENTS, standing.paid),
        word_for(&FULFILMENTS, standing.fulfilment),
    )
}

pub fn state_word(state: ProductState) -> &'static str {
    word_for(&STATES, state)
}

pub fn word_for<T: PartialEq>(words: &[(&'static str, T)], meaning: T) -> &'static str {
    let found = words.iter().find(|(_, known)| *known == meaning);
    found.map_or("", |(word, _)| word)
}
