//! WooCommerce's orders and products in our words, and our pushes in theirs.
//!
//! The only file of the adapter that knows the names of their fields. Everything is read defensively:
//! plugins change types, add statuses and leave fields out. What cannot be read exactly is refused with a
//! text that names the field; nothing is guessed or rounded.
//!
//! Source: WooCommerce 10.5.2, REST API v3, and a running store, read 2026-11-23.

mod paging;
mod refunds;

pub use paging::{BY_CREATION, is_by_creation, page_query};
pub use refunds::{REFUND_FIELDS, has_refunds};

use super::{NAME, entry_error, refused, unreadable};
use crate::domain::{
    Currency, Document, Fulfilment, Money, Order, OrderLine, Product, ProductState, RemoteId,
    Standing, Timestamp, Variant,
};
use crate::marketplaces::{
    OrderSummary, PriceChange, PushOutcome, StockLevel,
    http::{
        lenient::{self, plain, text, whole},
        oauth1::Pairs,
    },
};
use serde_json::{Value, json};

/// The fields of an order that a list is asked for.
pub const SUMMARY_FIELDS: &str = "id,number,status,currency,total,date_created_gmt,\
date_modified_gmt,date_paid_gmt,date_completed_gmt";
/// The fields of an order that are read: none of the buyer's.
pub const ORDER_FIELDS: &str = "id,number,status,currency,total,date_created_gmt,\
date_modified_gmt,date_paid_gmt,date_completed_gmt,line_items,refunds,shipping_total,\
total_tax,fee_lines";
/// The fields of a product or variation that are read; the others are slow to make and long.
pub const PRODUCT_FIELDS: &str = "id,parent_id,name,type,status,sku,price,regular_price,\
manage_stock,stock_quantity,date_created_gmt,date_modified_gmt,attributes,variations";

/// Why a row could not be read, naming the field.
pub type Read<T> = Result<T, String>;

/// Query parameters.
pub fn pairs<const N: usize>(of: [(&str, String); N]) -> Pairs {
    of.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A row's id, above zero.
pub fn id(row: &Value) -> Read<u64> {
    lenient::id(row, "id").ok_or_else(|| "it has no id".to_owned())
}

/// The time of the last change, which every order and product has.
pub fn version(row: &Value) -> Read<Timestamp> {
    time(row, "date_modified_gmt")
        .or_else(|| time(row, "date_created_gmt"))
        .ok_or_else(|| "it has no `date_modified_gmt`".to_owned())
}

pub fn placed_at(row: &Value) -> Option<Timestamp> {
    time(row, "date_created_gmt")
}

fn currency(row: &Value) -> Read<Currency> {
    let code = text(row, "currency").ok_or("it has no `currency`")?;
    Currency::from_code(code).map_err(|error| error.to_string())
}

pub fn summary(row: &Value) -> Read<OrderSummary> {
    let id = id(row)?;
    let (standing, _) = standing(row);
    Ok(OrderSummary {
        remote_id: id.into(),
        number: text(row, "number").map_or_else(|| id.to_string(), str::to_owned),
        version: version(row)?,
        remote_status: Some(status(row).to_owned()),
        bookable: standing != Standing::NOTHING,
        placed_at: placed_at(row),
        standing: Some(standing),
        total: currency(row)
            .and_then(|currency| money(row, "total", currency))
            .ok(),
    })
}

/// An order, with its refunds as they were asked for.
pub fn order(row: &Value, refunds: &[Value]) -> Read<Order> {
    let summary = summary(row)?;
    let (standing, why) = standing(row);
    let currency = currency(row)?;
    let lines = row.get("line_items").and_then(Value::as_array);
    let lines = lines.ok_or("it has no `line_items`")?;
    let lines: Vec<OrderLine> = lines
        .iter()
        .map(|line| order_line(line, currency))
        .collect::<Read<_>>()?;
    let mut remarks: Vec<String> = why.into_iter().collect();
    let returns = refunds::returns(row, &lines, refunds, currency, &mut remarks)?;
    Ok(Order {
        remote_id: summary.remote_id,
        number: summary.number,
        platform: NAME,
        remote_status: status(row).to_owned(),
        standing,
        version: summary.version,
        placed_at: summary.placed_at.unwrap_or(summary.version),
        currency,
        total: money(row, "total", currency)?,
        // WooCommerce itself knows no parcels; plugins keep theirs each in its own place.
        tracking_number: None,
        charges: charges(row, currency)?,
        lines,
        returns: Some(returns),
        remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
    })
}

/// Shipping, fees, and the tax that no line has; rounding is in there too. `None` where the store leaves one out.
fn charges(row: &Value, currency: Currency) -> Read<Option<Money>> {
    let (Some(_), Some(_)) = (text(row, "shipping_total"), text(row, "total_tax")) else {
        return Ok(None);
    };
    let mut minor = money(row, "shipping_total", currency)?.minor;
    minor += money(row, "total_tax", currency)?.minor;
    for fee in rows(row, "fee_lines") {
        minor += money(fee, "total", currency)?.minor;
    }
    for line in rows(row, "line_items") {
        minor -= amount_of(line, "total_tax", currency)?.minor;
    }
    Ok(Some(Money { minor, currency }))
}

fn rows<'v>(row: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    let rows = row.get(name).and_then(Value::as_array);
    rows.into_iter().flatten()
}

/// An amount that may be left out; none then.
fn amount_of(row: &Value, name: &str, currency: Currency) -> Read<Money> {
    match text(row, name) {
        Some(_) => money(row, name, currency),
        None => Ok(Money::zero(currency)),
    }
}

/// What a status asks of the books, and what a person should know about it.
///
/// Payment comes before shipping here, the reverse of the marketplaces. `refunded` is set when all of
/// the money went back, whether goods moved or not: what was never done is called off by it, and what was done
/// stays sold, with the refunds to tell what came back. Part of the money going back leaves the status alone. Plugins add statuses of their own, which are
/// sales as soon as a payment has been noted.
fn standing(row: &Value) -> (Standing, Option<String>) {
    const SOLD_AND_PAID: Standing = Standing::of(Document::Invoice, true, Fulfilment::Unsent);
    let known = match status(row) {
        "checkout-draft" | "auto-draft" | "draft" | "new" => Standing::NOTHING,
        "pending" => Standing::PLACED,
        "on-hold" => Standing::SOLD,
        "processing" => SOLD_AND_PAID,
        "completed" => Standing::COMPLETED,
        "refunded" if time(row, "date_completed_gmt").is_some() => Standing::COMPLETED,
        "cancelled" | "failed" | "refunded" => Standing::CANCELLED,
        "trash" => {
            let why = "moved to the trash in the store".to_owned();
            return (Standing::CANCELLED, Some(why));
        }
        other => {
            let other: String = other.chars().take(40).collect();
            let (standing, booked) = match time(row, "date_paid_gmt") {
                Some(_) => (SOLD_AND_PAID, "paid"),
                None => (Standing::PLACED, "unpaid"),
            };
            let why = format!("status `{other}` is a plugin's; booked as {booked}");
            return (standing, Some(why));
        }
    };
    (known, None)
}

fn order_line(line: &Value, currency: Currency) -> Read<OrderLine> {
    let id = id(line).map_err(|why| format!("a line: {why}"))?;
    let product = lenient::id(line, "product_id").unwrap_or(0);
    let variation = lenient::id(line, "variation_id").unwrap_or(product);
    let quantity = line.get("quantity").unwrap_or(&Value::Null);
    let units = whole(quantity).filter(|units| *units >= 0).ok_or_else(|| {
        format!("line {id} sells {quantity} units; only whole units can be booked")
    })?;
    let net = money(line, "total", currency)?;
    let tax = amount_of(line, "total_tax", currency)?;
    let gross = match text(line, "subtotal") {
        Some(_) => Some(Money {
            minor: money(line, "subtotal", currency)?
                .minor
                .saturating_add(amount_of(line, "subtotal_tax", currency)?.minor),
            currency,
        }),
        None => None,
    };
    Ok(OrderLine {
        remote_id: id.into(),
        product_id: product.into(),
        variant_id: variation.into(),
        seller_sku: text(line, "sku").map(str::to_owned),
        title: plain(text(line, "name").unwrap_or_default()),
        quantity: units,
        // Units are not called off one by one here; refunds are records of their own.
        cancelled: 0,
        gross,
        off_shelf: 0,
        total: Money {
            // Their `total` is without tax; ours is what the buyer is charged.
            minor: net.minor.saturating_add(tax.minor),
            currency,
        },
    })
}

/// Whether its variants are rows of their own, to be asked for.
pub fn has_variations(row: &Value) -> bool {
    text(row, "type").is_some_and(|kind| kind.starts_with("variable"))
}

/// The product of which this row is a variation.
pub fn parent_of(row: &Value) -> Option<u64> {
    let is_variation = text(row, "type")?.ends_with("variation");
    lenient::id(row, "parent_id").filter(|_| is_variation)
}

pub fn is_trashed(row: &Value) -> bool {
    status(row) == "trash"
}

/// A product with its variations.
///
/// A simple product is its own single variant. Grouped and external products are signs to others, and
/// have none.
pub fn product(row: &Value, variations: &[Value], currency: Currency) -> Read<Product> {
    let product_id = id(row)?;
    let state = state(row);
    let title = plain(text(row, "name").unwrap_or_default());
    let variants = match text(row, "type").unwrap_or("simple") {
        "grouped" | "external" => vec![],
        _ if has_variations(row) => variations
            .iter()
            .map(|variation| self::variation(variation, row, currency))
            .collect::<Read<_>>()?,
        _ => vec![Variant {
            remote_id: product_id.into(),
            title: title.clone(),
            state,
            seller_sku: text(row, "sku").map(str::to_owned),
            price: price(row, currency),
            quantity: quantity(row),
            reserved: None,
            push_ref: Some(Target::Product.to_ref()),
        }],
    };
    // A variation that is saved moves its own date, and its parent's only a little later.
    let newest = variations.iter().filter_map(|row| version(row).ok()).max();
    Ok(Product {
        remote_id: product_id.into(),
        title,
        state,
        version: version(row)?.max(newest.unwrap_or(Timestamp::EPOCH)),
        variants,
    })
}

fn variation(row: &Value, parent: &Value, currency: Currency) -> Read<Variant> {
    let id = id(row).map_err(|why| format!("a variation: {why}"))?;
    let by_parent = row.get("manage_stock").and_then(Value::as_str) == Some("parent");
    let options = row.get("attributes").and_then(Value::as_array);
    let options: Vec<String> = options
        .into_iter()
        .flatten()
        .filter_map(|attribute| text(attribute, "option").map(plain))
        .collect();
    let title = if options.is_empty() {
        let name = text(row, "name").or(text(parent, "name"));
        plain(name.unwrap_or_default())
    } else {
        options.join(", ")
    };
    // A variation without a SKU shows its parent's, which would then be several listings' SKU.
    let sku = text(row, "sku").filter(|sku| Some(*sku) != text(parent, "sku"));
    let target = if by_parent {
        Target::Parent
    } else {
        Target::Variation
    };
    Ok(Variant {
        remote_id: id.into(),
        title,
        state: state(row).max(state(parent)),
        seller_sku: sku.map(str::to_owned),
        price: price(row, currency),
        quantity: if by_parent {
            quantity(row).or(quantity(parent))
        } else {
            quantity(row)
        },
        reserved: None,
        push_ref: Some(target.to_ref()),
    })
}

fn state(row: &Value) -> ProductState {
    match status(row) {
        "publish" => ProductState::Active,
        "trash" => ProductState::Gone,
        _ => ProductState::Inactive,
    }
}

/// What buyers pay now. Stores keep prices as typed: one finer than the currency is not shown, rather
/// than rounded, and must not keep the product's stock from being read.
fn price(row: &Value, currency: Currency) -> Option<Money> {
    let typed = text(row, "price").or_else(|| text(row, "regular_price"))?;
    Money::parse(typed, currency).ok()
}

/// Units on show; below zero with back orders. `None` when the store does not count them.
fn quantity(row: &Value) -> Option<i64> {
    let is_counted = match row.get("manage_stock")? {
        Value::Bool(counted) => *counted,
        other => other.as_str() == Some("parent"),
    };
    let shown = row.get("stock_quantity").filter(|_| is_counted)?;
    // Plugins sell by weight: what is there is then the whole units of it.
    whole(shown).or_else(|| shown.as_f64().map(|units| units.floor() as i64))
}

/// What holds a variant's stock and price: our `push_ref`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A simple product.
    Product,
    /// A variation.
    Variation,
    /// A variation whose stock is its parent's.
    Parent,
}

impl Target {
    fn to_ref(self) -> String {
        let stock = match self {
            Self::Product => "product",
            Self::Variation => "variation",
            Self::Parent => "parent",
        };
        json!({ "stock": stock }).to_string()
    }

    /// Reads a `push_ref`; without one, a variant that is its own product is a simple product.
    pub fn of(push_ref: Option<&str>, product: &RemoteId, variant: &RemoteId) -> Self {
        let known = push_ref.and_then(|text| serde_json::from_str::<Value>(text).ok());
        match known.as_ref().and_then(|known| text(known, "stock")) {
            Some("product") => Self::Product,
            Some("variation") => Self::Variation,
            Some("parent") => Self::Parent,
            _ if product == variant => Self::Product,
            _ => Self::Variation,
        }
    }
}

/// One entry of a batch that sets stock. It does not switch counting on: that is the merchant's choice.
pub fn stock_entry(id: u64, level: &StockLevel) -> Value {
    json!({ "id": id, "stock_quantity": level.quantity })
}

/// One entry of a batch that sets a price. A sale price would hide it, so there is none afterwards.
pub fn price_entry(id: u64, change: &PriceChange) -> Value {
    json!({ "id": id, "regular_price": amount(change.price), "sale_price": "" })
}

/// `98000.00`: text, because WooCommerce wants prices as text.
pub fn amount(money: Money) -> String {
    let shown = money.to_string();
    shown.split(' ').next().unwrap_or_default().to_owned()
}

/// What a batch's answer to a stock entry means. The store ignores stock of what it does not count and
/// still says 200, and turns what it cannot read into 0, so the answer is compared.
pub fn stock_outcome(answer: &Value, wanted: i64) -> PushOutcome {
    entry_error(answer)?;
    match answer.get("manage_stock") {
        Some(Value::Bool(true)) => {}
        Some(Value::String(by)) if by == "parent" => {
            return Err(refused(
                "stock_of_parent",
                "the parent product counts this variation's stock; scan the product, then push again",
            ));
        }
        _ => {
            return Err(refused(
                "stock_not_managed",
                "the store does not count stock of this product; switch on stock management for it there",
            ));
        }
    }
    let now = answer.get("stock_quantity").and_then(whole);
    if now == Some(wanted) {
        return Ok(());
    }
    let reason = format!("set to {wanted} units, the store shows {now:?}");
    Err(unreadable(reason))
}

/// What a batch's answer to a price entry means.
pub fn price_outcome(answer: &Value, wanted: Money) -> PushOutcome {
    entry_error(answer)?;
    let shown = text(answer, "regular_price").map(|shown| Money::parse(shown, wanted.currency));
    match shown {
        Some(Ok(shown)) if shown == wanted => Ok(()),
        _ => Err(unreadable(
            "the store shows another price than the one set".to_owned(),
        )),
    }
}

fn status(row: &Value) -> &str {
    text(row, "status").unwrap_or_default()
}

fn money(row: &Value, name: &str, currency: Currency) -> Read<Money> {
    let amount = text(row, name).ok_or_else(|| format!("it has no `{name}`"))?;
    Money::parse(amount, currency).map_err(|error| format!("`{name}`: {error}"))
}

fn time(row: &Value, name: &str) -> Option<Timestamp> {
    Timestamp::parse(text(row, name)?)
}

#[cfg(test)]
mod tests;
