//! Shopify's objects to our words and back: the only file of the adapter that knows their field names.
//!
//! Promises: ids stay text, money is the shop's own and exact, an unknown word is told and never a reason to
//! fail, and nothing about the buyer is read. What cannot be read is named; it is never guessed.
//!
//! Source: the objects `Order`, `Product` and `ProductVariant` of version 2026-10, read 2026-11-23.

mod returns;

use super::{SLUG, gid, id_of};
use crate::domain::{
    Currency, Document, Fulfilment, Money, Order, OrderLine, Product, ProductState, RemoteId,
    Standing, Timestamp, Variant, Window,
};
use crate::marketplaces::{OrderSummary, ProductScope, StockLevel};
use returns::{Meaning, WentBack};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Why a row could not be read, naming the field.
type Read<T> = Result<T, String>;
/// A row that could not be read: which, and why.
type Misfit = (RemoteId, String);

/// Every state, by name: the documents disagree about which are shown when none is named.
const EVERY_STATUS: &str = "status:active,draft,archived,unlisted";
/// What buyers can buy; what is unlisted they find by its link.
const ON_SALE: &str = "status:active,unlisted";

/// The filter of a product list.
pub(super) fn product_filter(scope: ProductScope) -> String {
    match scope {
        ProductScope::Full => EVERY_STATUS.to_owned(),
        ProductScope::Active => ON_SALE.to_owned(),
        ProductScope::Updated(window) => {
            format!("{} AND {EVERY_STATUS}", within("updated_at", window))
        }
    }
}

/// What has this time in a window, in whole seconds that hold every instant of it.
pub(super) fn within(field: &str, window: Window) -> String {
    let to = Timestamp::from_micros(window.to.micros().saturating_add(999_999));
    let [from, to] =
        [window.from, to].map(|at| at.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string());
    format!("{field}:>='{from}' AND {field}:<'{to}'")
}

/// Orders by the numbers that people know them by, without what would end a term of the search.
pub(super) fn named(numbers: &[String]) -> String {
    let is_plain = |number: &&String| !number.contains(['\'', '"', '\\', '*', ':']);
    let terms = numbers.iter().filter(is_plain);
    let terms: Vec<String> = terms.map(|number| format!("name:'#{number}'")).collect();
    terms.join(" OR ")
}

/// What prices and stock need to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub currency: Currency,
    /// Where we count and set stock; `None`: the shop ships online orders from nowhere.
    pub location: Option<String>,
    /// There are more locations, so that the variant's own sum is not what lies here.
    pub is_one_of_many: bool,
}

impl Place {
    /// The first active location (they come by id) that fulfils online orders, with its own stock.
    pub fn read(data: &Value) -> Read<Self> {
        let code = data["shop"]["currencyCode"].as_str().unwrap_or_default();
        let rows = data["locations"]["nodes"].as_array();
        let rows = rows.ok_or("it has no `locations`")?;
        let is = |row: &Value, name: &str| row[name].as_bool() == Some(true);
        let active: Vec<_> = rows.iter().filter(|row| is(row, "isActive")).collect();
        let chosen = active
            .iter()
            .find(|row| is(row, "fulfillsOnlineOrders") && !is(row, "isFulfillmentService"));
        Ok(Self {
            currency: Currency::from_code(code).map_err(|error| error.to_string())?,
            location: chosen.and_then(|row| plain(&row["legacyResourceId"])),
            is_one_of_many: active.len() > 1,
        })
    }

    /// As a variable, which has to be there even when nothing is asked of it.
    pub fn location_gid(&self) -> String {
        gid("Location", self.location.as_deref().unwrap_or("0"))
    }
}

/// An id that is written as text or as a number.
fn plain(id: &Value) -> Option<String> {
    let text = id.as_str().map(str::to_owned);
    text.or_else(|| Some(id.as_u64()?.to_string()))
}

/// The id of a row, or what stands for it where there is none.
fn row_id(row: &Value) -> Result<RemoteId, Misfit> {
    let missing = || (RemoteId::from("without id"), "it has no `id`".to_owned());
    id_of(&row["id"]).map(RemoteId::from).ok_or_else(missing)
}

fn text(row: &Value, name: &str) -> Option<String> {
    let text = row[name].as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(row: &Value, name: &str) -> Read<Timestamp> {
    let at = row[name].as_str().and_then(Timestamp::parse);
    at.ok_or_else(|| format!("it has no `{name}`"))
}

pub(super) fn summary(row: &Value) -> Result<OrderSummary, Misfit> {
    let id = row_id(row)?;
    let version = time(row, "updatedAt").map_err(|reason| (id.clone(), reason))?;
    // Of money that went back the lines say what it means.
    let payment = row["displayFinancialStatus"].as_str().unwrap_or_default();
    let has_given_back = matches!(payment, "REFUNDED" | "PARTIALLY_REFUNDED");
    let is_clear = !row["cancelledAt"].is_null() || !matches!(payment, "REFUNDED" | "VOIDED");
    Ok(OrderSummary {
        placed_at: time(row, "createdAt").ok(),
        standing: is_clear.then(|| standing(row, &[], &mut Vec::new())),
        total: total(row).ok().filter(|_| !has_given_back),
        number: number(row),
        remote_id: id,
        version,
        remote_status: Some(remote_status(row)),
        bookable: true,
    })
}

/// What is still to be paid for the order or was, without what was taken out of it.
fn total(row: &Value) -> Read<Money> {
    let total = &row["currentTotalPriceSet"]["shopMoney"];
    let code = total["currencyCode"].as_str().unwrap_or_default();
    let currency = Currency::from_code(code).map_err(|error| error.to_string())?;
    money(&total["amount"], currency)
}

/// `1042` of `#1042`; a shop may have chosen other signs around it, which stay.
fn number(row: &Value) -> String {
    let name = row["name"].as_str().unwrap_or_default();
    name.trim_start_matches('#').to_owned()
}

/// Whether units were taken out of the order, or money went back.
pub(super) fn has_refunds(order: &Value) -> bool {
    let payment = order["displayFinancialStatus"].as_str();
    matches!(payment, Some("PARTIALLY_REFUNDED" | "REFUNDED")) || has_lost_units(order)
}

/// Whether a buyer has asked for a return; what became of it does not matter.
pub(super) fn has_returns(order: &Value) -> bool {
    let status = order["returnStatus"].as_str();
    status.is_some_and(|status| status != "NO_RETURN")
}

fn has_lost_units(order: &Value) -> bool {
    let lines = order["lineItems"]["nodes"].as_array();
    lines
        .into_iter()
        .flatten()
        .any(|line| line["currentQuantity"].as_i64() < line["quantity"].as_i64())
}

/// What was asked for besides an order; null where nothing had to be.
#[derive(Debug)]
pub(super) struct WentBackAnswers<'v> {
    pub refunds: &'v Value,
    /// Refunds that were asked for.
    pub most: usize,
    pub returns: &'v Value,
}

/// An order with all its lines, or why it cannot be read.
pub(super) fn order(row: &Value, answers: &WentBackAnswers<'_>) -> Result<Order, Misfit> {
    let id = row_id(row)?;
    read_order(&id, row, answers).map_err(|reason| (id, reason))
}

fn read_order(id: &RemoteId, row: &Value, answers: &WentBackAnswers<'_>) -> Read<Order> {
    let now = total(row)?;
    let currency = now.currency;
    let went_back = WentBack::read(answers.refunds, answers.most, answers.returns, currency)?;
    let meaning = went_back.meaning(!row["cancelledAt"].is_null(), currency);
    let lines = row["lineItems"]["nodes"].as_array();
    let lines = lines.ok_or("it has no `lineItems`")?;
    let has_tax_inside = row["taxesIncluded"].as_bool() == Some(true);
    let lines = lines
        .iter()
        .map(|row| line(row, currency, has_tax_inside, &meaning));
    let lines = lines.collect::<Read<Vec<_>>>()?;
    let mut remarks = Vec::new();
    if row["test"] == true {
        remarks.push("test order".to_owned());
    }
    let standing = standing(row, &lines, &mut remarks);
    let n_off_shelf: i64 = meaning.off_shelf.values().sum();
    if n_off_shelf > 0 {
        remarks.push(format!(
            "{n_off_shelf} refunded units did not go back to stock"
        ));
    }
    if went_back.is_cut {
        remarks.push("it has too many refunds to read; check what went back to stock".to_owned());
    }
    Ok(Order {
        remote_id: id.clone(),
        number: number(row),
        platform: SLUG,
        remote_status: remote_status(row),
        standing,
        version: time(row, "updatedAt")?,
        placed_at: time(row, "createdAt")?,
        currency,
        total: Money {
            minor: now.minor.saturating_add(meaning.taken),
            currency,
        },
        tracking_number: tracking_number(row),
        charges: charges(row, now)?,
        lines,
        // A part of them would look as if the others had been deleted.
        returns: (!went_back.is_cut).then_some(meaning.returns),
        remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
    })
}

/// What the total has beyond the lines, where these are as they were ordered: their sum is told apart from the total.
fn charges(row: &Value, total: Money) -> Read<Option<Money>> {
    let subtotal = &row["currentSubtotalPriceSet"]["shopMoney"]["amount"];
    if has_refunds(row) || subtotal.is_null() {
        return Ok(None);
    }
    let currency = total.currency;
    let mut minor = total.minor - money(subtotal, currency)?.minor;
    if row["taxesIncluded"].as_bool() != Some(true) {
        // Our lines have their taxes; Shopify's sum does not.
        for row in row["lineItems"]["nodes"].as_array().into_iter().flatten() {
            minor -= sum(row, "taxLines", "priceSet", currency)?;
        }
    }
    Ok(Some(Money { minor, currency }))
}

fn remote_status(row: &Value) -> String {
    let word = |name: &str| row[name].as_str().unwrap_or("NONE").to_owned();
    if row["cancelledAt"].is_null() {
        let payment = word("displayFinancialStatus");
        format!("{payment} {}", word("displayFulfillmentStatus"))
    } else {
        format!("CANCELLED {}", word("cancelReason"))
    }
}

/// What the states of payment and fulfilment ask of the books. Payment comes before shipping here, unless
/// it is collected at the door: what was sent is sold, paid or not.
fn standing(row: &Value, lines: &[OrderLine], remarks: &mut Vec<String>) -> Standing {
    if !row["cancelledAt"].is_null() {
        return Standing::CANCELLED;
    }
    let is_empty = lines.iter().all(|line| line.open_quantity() == 0);
    let mut say = |text: &str| remarks.push(text.to_owned());
    let (document, paid) = match row["displayFinancialStatus"].as_str().unwrap_or("PENDING") {
        "AUTHORIZED" | "PARTIALLY_PAID" => (Document::Invoice, false),
        // All of it was called off.
        "REFUNDED" | "VOIDED" if is_empty => return Standing::CANCELLED,
        // Of what went back the returns tell.
        "PAID" | "PARTIALLY_REFUNDED" | "REFUNDED" => (Document::Invoice, true),
        "PENDING" => (Document::SalesOrder, false),
        "EXPIRED" => {
            say("the payment expired");
            (Document::SalesOrder, false)
        }
        "VOIDED" => {
            say("the payment was voided");
            (Document::SalesOrder, false)
        }
        other => {
            say(&format!("payment state {} is unknown", cut(other)));
            (Document::SalesOrder, false)
        }
    };
    let fulfilment = match row["displayFulfillmentStatus"].as_str().unwrap_or_default() {
        "FULFILLED" => Fulfilment::Sent,
        // Nothing to send: what is sold has left.
        "FULFILLMENT_NOT_REQUIRED" if document == Document::Invoice => Fulfilment::Sent,
        "FULFILLMENT_NOT_REQUIRED"
        | "IN_PROGRESS"
        | "ON_HOLD"
        | "OPEN"
        | "PARTIALLY_FULFILLED"
        | "PENDING_FULFILLMENT"
        | "REQUEST_DECLINED"
        | "RESTOCKED"
        | "SCHEDULED"
        | "UNFULFILLED" => Fulfilment::Unsent,
        other => {
            say(&format!("fulfilment state {} is unknown", cut(other)));
            Fulfilment::Unsent
        }
    };
    let document = match fulfilment {
        Fulfilment::Sent => Document::Invoice,
        _ => document,
    };
    Standing::of(document, paid, fulfilment)
}

fn cut(word: &str) -> String {
    word.chars().take(40).collect()
}

fn tracking_number(row: &Value) -> Option<String> {
    let fulfilments = row["fulfillments"].as_array()?;
    let stands = |row: &&Value| {
        !matches!(
            row["status"].as_str(),
            Some("CANCELLED" | "ERROR" | "FAILURE")
        )
    };
    let parcels = fulfilments.iter().filter(stands);
    let parcels = parcels.filter_map(|row| row["trackingInfo"].as_array());
    parcels.flatten().find_map(|parcel| text(parcel, "number"))
}

/// Units that an edit or a refund took out are called off, unless a return has them.
fn line(
    row: &Value,
    currency: Currency,
    has_tax_inside: bool,
    meaning: &Meaning,
) -> Read<OrderLine> {
    let id = id_of(&row["id"]).ok_or("a line has no `id`")?;
    let units = |name: &str| row[name].as_i64().filter(|units| *units >= 0);
    let quantity = units("quantity").ok_or_else(|| format!("line {id} has no `quantity`"))?;
    let left = units("currentQuantity").unwrap_or(quantity);
    let lost = (quantity - left).max(0);
    let of_line = |units: &BTreeMap<String, i64>| units.get(id).copied().unwrap_or(0);
    let returned = of_line(&meaning.returned).min(lost);
    let off_shelf = of_line(&meaning.off_shelf).min(lost - returned);
    let of = |value: &Value| money(&value["shopMoney"]["amount"], currency).map(|m| m.minor);
    // The order's own discounts are spread over the lines here, and nowhere else.
    let discount = sum(row, "discountAllocations", "allocatedAmountSet", currency)?;
    let tax = if has_tax_inside {
        0
    } else {
        sum(row, "taxLines", "priceSet", currency)?
    };
    let full = of(&row["originalUnitPriceSet"])?.saturating_mul(quantity);
    let remote = |name: &str| RemoteId::from(id_of(&row[name]["id"]).unwrap_or("0"));
    Ok(OrderLine {
        remote_id: id.into(),
        // Null for what was deleted and for what was never in the catalogue; the SKU stays.
        product_id: remote("product"),
        variant_id: remote("variant"),
        seller_sku: text(row, "sku"),
        title: row["name"].as_str().unwrap_or_default().to_owned(),
        quantity,
        cancelled: lost - returned - off_shelf,
        gross: Some(Money {
            minor: full.saturating_add(tax),
            currency,
        }),
        off_shelf,
        total: Money {
            minor: full.saturating_sub(discount).saturating_add(tax),
            currency,
        },
    })
}

/// Of a list of sets, in minor units.
fn sum(row: &Value, list: &str, set: &str, currency: Currency) -> Read<i64> {
    let rows = row[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |row: &Value| money(&row[set]["shopMoney"]["amount"], currency).map(|m| m.minor);
    rows.iter().map(of).sum()
}

fn money(amount: &Value, currency: Currency) -> Read<Money> {
    let text = amount.as_str().ok_or("an amount is missing")?;
    Money::parse(text, currency).map_err(|error| error.to_string())
}

/// A product with all its variants, or why it cannot be read.
pub(super) fn product(row: &Value, place: &Place) -> Result<Product, Misfit> {
    let id = row_id(row)?;
    let state = match row["status"].as_str() {
        Some("ACTIVE" | "UNLISTED") => ProductState::Active,
        _ => ProductState::Inactive,
    };
    let read = || {
        let rows = row["variants"]["nodes"].as_array();
        let rows = rows.ok_or("it has no `variants`")?;
        let variants = rows.iter().map(|row| variant(row, state, place));
        Ok(Product {
            remote_id: id.clone(),
            title: text(row, "title").unwrap_or_default(),
            state,
            version: time(row, "updatedAt")?,
            variants: variants.collect::<Read<_>>()?,
        })
    };
    read().map_err(|reason| (id.clone(), reason))
}

fn variant(row: &Value, state: ProductState, place: &Place) -> Read<Variant> {
    let id = id_of(&row["id"]).ok_or("a variant has no `id`")?;
    let item = &row["inventoryItem"];
    let is_counted = item["tracked"].as_bool() == Some(true);
    let quantity = if place.is_one_of_many {
        available(&item["inventoryLevel"])
    } else {
        row["inventoryQuantity"].as_i64()
    };
    let quantity = quantity.filter(|_| is_counted);
    let title = text(row, "title").filter(|title| title != "Default Title");
    let push_ref = id_of(&item["id"]).zip(place.location.as_deref());
    Ok(Variant {
        remote_id: id.into(),
        title: title.unwrap_or_default(),
        state,
        seller_sku: text(row, "sku"),
        // One finer than the currency is not shown, rather than rounded.
        price: money(&row["price"], place.currency).ok(),
        quantity,
        reserved: None,
        push_ref: push_ref
            .filter(|_| quantity.is_some())
            .map(|(item, location)| format!("{item}@{location}")),
    })
}

/// Units at one location; `None` when it does not stock the item.
pub(super) fn available(level: &Value) -> Option<i64> {
    let rows = level["quantities"].as_array()?;
    let row = rows.iter().find(|row| row["name"] == "available")?;
    row["quantity"].as_i64()
}

/// Stock item and location of a push.
pub(super) fn target(level: &StockLevel) -> Option<(&str, &str)> {
    level.push_ref.as_deref()?.split_once('@')
}

/// `98000.00`
pub(super) fn amount(money: Money) -> String {
    Decimal::new(money.minor, money.currency.exponent()).to_string()
}

/// The products in a piece of a bulk file, each with its variants as a list has them, and how many bytes
/// they take. Variants follow their product; the last product is left for the next piece unless `is_end`.
///
/// A line that is not where it belongs leaves a row behind that cannot be read.
pub(super) fn products_of_lines(piece: &[u8], is_end: bool) -> (Vec<Value>, usize) {
    let mut rows: Vec<(usize, Value)> = Vec::new();
    let mut at = 0;
    for line in piece.split_inclusive(|byte| *byte == b'\n') {
        if !is_end && !line.ends_with(b"\n") {
            break;
        }
        let start = at;
        at += line.len();
        let row: Value = serde_json::from_slice(line).unwrap_or_default();
        let parent = row["__parentId"].clone();
        let above = rows.last_mut().map(|(_, above)| above);
        match above {
            _ if parent.is_null() => {
                let mut row = row;
                row["variants"] = json!({"nodes": []});
                rows.push((start, row));
            }
            Some(above) if above["id"] == parent => match above["variants"]["nodes"].as_array_mut()
            {
                Some(variants) => variants.push(row),
                None => above["variants"] = Value::Null,
            },
            _ => rows.push((start, json!({ "id": parent }))),
        }
    }
    if !is_end {
        at = rows.pop().map_or(0, |(start, _)| start);
    }
    (rows.into_iter().map(|(_, row)| row).collect(), at)
}
