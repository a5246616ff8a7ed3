//! Our sales in DealPOS's words, and its answers in ours; the only file that knows its field names. Pure.
//!
//! Documented are the fields of creating and of paying an invoice, of the outbound logistic, and most of what an
//! invoice looks like. What no page shows is marked *inference* and read in every spelling that the pages use for
//! the same thing elsewhere.

use super::Settings;
use crate::domain::{Currency, Money, Timestamp};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

/// A sale as the books tell it: the payload of `sale.recorded` and its like.
#[derive(Debug, Clone, Deserialize)]
pub struct Sale {
    pub number: String,
    pub document: String,
    pub payment: String,
    pub fulfilment: String,
    pub invoice_number: Option<String>,
    pub reference_number: Option<String>,
    pub outlet: Option<String>,
    pub channel: SaleChannel,
    pub currency: String,
    pub total_minor: i64,
    pub placed_at: String,
    pub lines: Vec<SaleLine>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SaleChannel {
    pub platform: String,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SaleLine {
    pub id: String,
    pub sku: Option<String>,
    pub seller_sku: Option<String>,
    pub quantity: i64,
    pub cancelled: i64,
    pub total_minor: i64,
}

/// An invoice as it shall be at DealPOS.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub outlet: String,
    pub number: String,
    pub is_void: bool,
    /// The goods have left, also when they came back since.
    pub has_left: bool,
    pub is_paid: bool,
    pub total: Money,
    /// What creates it, or brings its lines up to date.
    pub body: Value,
}

/// What DealPOS shall hold of a sale; `None` while it has no invoice.
///
/// # Errors
/// What a person must mend first.
pub fn wanted(sale: &Sale, settings: &Settings, zone: Tz) -> Result<Option<Wanted>, String> {
    let Some(number) = sale.invoice_number.clone() else {
        return Ok(None);
    };
    let is_void = sale.document == "void";
    if !is_void && sale.document != "invoice" {
        return Ok(None);
    }
    let outlet = sale.outlet.clone().unwrap_or_default();
    let outlet = settings.outlets.get(&outlet).cloned().unwrap_or(outlet);
    let currency = Currency::from_code(&sale.currency).map_err(|error| error.to_string())?;
    let total = Money {
        minor: sale.total_minor,
        currency,
    };
    let has_left = sale.fulfilment != "unsent";
    let is_paid = sale.payment == "paid";
    let wanted = Wanted {
        outlet,
        number,
        is_void,
        has_left,
        is_paid,
        total,
        body: Value::Null,
    };
    if is_void {
        return Ok(Some(wanted));
    }
    let body = body(sale, &wanted, settings, zone)?;
    Ok(Some(Wanted { body, ..wanted }))
}

/// Source: Create an Invoice, DealPOS API 3.1.0. `Surcharge` is an inference: only answers show it.
fn body(sale: &Sale, wanted: &Wanted, settings: &Settings, zone: Tz) -> Result<Value, String> {
    let currency = wanted.total.currency;
    let mut gross = 0;
    let mut variants = Vec::new();
    for line in &sale.lines {
        let units = line.quantity - line.cancelled;
        if units <= 0 {
            continue;
        }
        let code = line.sku.as_ref().or(line.seller_sku.as_ref());
        let code = code.ok_or_else(|| {
            format!(
                "line {} of order {} has no SKU, and DealPOS takes none without; link its listing",
                line.id, sale.number
            )
        })?;
        let code = settings.codes.get(code).unwrap_or(code);
        // Rounded up; what that is too much is taken off the whole invoice.
        let unit =
            line.total_minor.div_euclid(units) + i64::from(line.total_minor.rem_euclid(units) > 0);
        gross += unit * units;
        variants.push(json!({
            "Code": code,
            "Quantity": units,
            "Price": amount(unit, currency),
            "Discount": 0,
        }));
    }
    let tag = settings.tags.get(&sale.channel.platform);
    let reference = sale.reference_number.as_ref().unwrap_or(&sale.number);
    let over = gross - wanted.total.minor;
    let mut body = json!({
        "Outlet": wanted.outlet,
        "Number": wanted.number,
        "Date": day(&sale.placed_at, zone),
        "Tag": tag.unwrap_or(&sale.channel.name),
        "TaxType": settings.tax_type,
        "DiscountAmount": amount(over.max(0), currency),
        "Fulfillment": if wanted.has_left { "Sent" } else { "Unsent" },
        "ReferenceNumber": reference,
        "OrderNote": format!("{} order {}", sale.channel.platform, sale.number),
        "Variants": variants,
        "Payments": [],
    });
    if over < 0 {
        body["Surcharge"] = amount(-over, currency);
    }
    if wanted.is_paid {
        body["Payments"] = json!([{
            "Amount": amount(wanted.total.minor, currency),
            "Method": settings.payment_method,
        }]);
    }
    Ok(body)
}

/// Source: Invoice Payment, DealPOS API 3.1.0.
pub fn payment(wanted: &Wanted, settings: &Settings, at: Timestamp, zone: Tz) -> Value {
    json!({
        "Outlet": wanted.outlet,
        "Number": wanted.number,
        "Payments": [{
            "Date": at.to_utc().with_timezone(&zone).format("%Y-%m-%d").to_string(),
            "Amount": amount(wanted.total.minor, wanted.total.currency),
            "Method": settings.payment_method,
        }],
    })
}

/// Source: Outbound Logistic, DealPOS API 3.1.0.
pub fn outbound(wanted: &Wanted, at: Timestamp, zone: Tz) -> Value {
    json!({
        "Outlet": wanted.outlet,
        "Number": wanted.number,
        "Fulfillment": {
            "Outlet": wanted.outlet,
            "Date": at.to_utc().with_timezone(&zone).format("%Y-%m-%d").to_string(),
        },
        "PickList": {"Dispatch": false},
    })
}

/// The pages say that a void may name the state of the delivery that it expects, and is refused when that is not so;
/// the field's name is an inference.
pub fn void(wanted: &Wanted, expects_sent: bool) -> Value {
    json!({
        "Outlet": wanted.outlet,
        "Number": wanted.number,
        "Fulfillment": if expects_sent { "Sent" } else { "Unsent" },
    })
}

/// An invoice as DealPOS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub is_void: bool,
    pub is_sent: bool,
    pub is_paid: bool,
    /// Minor units; `None` where it is not told.
    pub total_minor: Option<i64>,
}

/// `None` when the answer is about no invoice.
pub fn shown(answer: &Value, wanted: &Wanted) -> Option<Shown> {
    let invoice = match answer {
        Value::Array(found) => found.first()?,
        other => other,
    };
    let number = text(invoice, &["Number"])?;
    if number != wanted.number {
        return None;
    }
    let currency = wanted.total.currency;
    let total_minor = minor(invoice.get("SalesNTax"), currency);
    let delivery = text(
        invoice,
        &["Fulfillment", "Delivery", "OrderFulfillmentState"],
    );
    Some(Shown {
        is_void: is_void(invoice),
        is_sent: delivery.is_some_and(|state| state.eq_ignore_ascii_case("sent")),
        is_paid: is_paid(invoice, total_minor, currency),
        total_minor,
    })
}

/// Of webhooks the pages show `Void` with Yes or No; `Status` is an inference from the filter of lists.
fn is_void(invoice: &Value) -> bool {
    let named = text(invoice, &["Void", "IsVoid"]);
    let named = named.is_some_and(|void| ["yes", "true"].contains(&void.to_lowercase().as_str()));
    let flagged = ["Void", "IsVoid"]
        .iter()
        .any(|name| invoice[*name] == json!(true));
    let status = text(invoice, &["Status", "State"]);
    named || flagged || status.is_some_and(|status| ["Cancelled", "Void"].contains(&status))
}

/// By its payments; where they are not shown, by the status of which lists are filtered.
fn is_paid(invoice: &Value, total_minor: Option<i64>, currency: Currency) -> bool {
    if let Some(payments) = invoice.get("Payments").and_then(Value::as_array) {
        let amounts = payments
            .iter()
            .filter_map(|payment| minor(payment.get("Amount"), currency));
        let paid: i64 = amounts.sum();
        return !payments.is_empty() && total_minor.is_none_or(|total| paid >= total);
    }
    let status = text(invoice, &["PaymentStatus", "Payment", "Progress"]);
    status.is_some_and(|status| status.eq_ignore_ascii_case("paid"))
}

fn text<'v>(row: &'v Value, names: &[&str]) -> Option<&'v str> {
    names.iter().find_map(|name| row.get(*name)?.as_str())
}

/// Numbers are written as numbers or as text.
fn minor(value: Option<&Value>, currency: Currency) -> Option<i64> {
    let text = match value? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Money::parse(&text, currency).ok().map(|money| money.minor)
}

/// Major units as a number without needless decimals.
fn amount(minor: i64, currency: Currency) -> Value {
    let decimal = Decimal::new(minor, currency.exponent()).normalize();
    serde_json::from_str(&decimal.to_string()).unwrap_or(Value::Null)
}

/// The day in the merchant's zone: DealPOS's dates carry none.
fn day(placed_at: &str, zone: Tz) -> String {
    let at = Timestamp::parse(placed_at).unwrap_or_default();
    let local = at.to_utc().with_timezone(&zone);
    local.format("%Y-%m-%d").to_string()
}

/// What a refusal says, as one short line.
pub fn message(answer: &Value) -> String {
    let named = text(
        answer,
        &["Message", "message", "error_description", "error"],
    );
    let said = named.or_else(|| answer.as_str()).unwrap_or("no reason");
    said.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn sale(lines: &[(i64, i64)], total_minor: i64) -> Sale {
        Sale {
            number: "1042".to_owned(),
            document: "invoice".to_owned(),
            payment: "unpaid".to_owned(),
            fulfilment: "unsent".to_owned(),
            invoice_number: Some("INV/1/1042".to_owned()),
            reference_number: None,
            outlet: Some("Main".to_owned()),
            channel: SaleChannel {
                platform: "shopee".to_owned(),
                name: "Toko Contoh".to_owned(),
            },
            currency: "IDR".to_owned(),
            total_minor,
            placed_at: "2026-11-22T18:00:00Z".to_owned(),
            lines: lines
                .iter()
                .map(|(quantity, total)| SaleLine {
                    id: "1".to_owned(),
                    sku: Some("MUG".to_owned()),
                    seller_sku: None,
                    quantity: *quantity,
                    cancelled: 0,
                    total_minor: *total,
                })
                .collect(),
        }
    }

    fn settings() -> Settings {
        let mut settings = Settings::new("Marketplace");
        settings
            .outlets
            .insert("Main".to_owned(), "Outlet1".to_owned());
        settings
            .tags
            .insert("shopee".to_owned(), "Shopee".to_owned());
        settings
    }

    #[test]
    fn a_sale_becomes_an_invoice_in_their_words_on_the_merchants_day() {
        let wanted = wanted(
            &sale(&[(2, 11_000_000)], 11_000_000),
            &settings(),
            Tz::Asia__Jakarta,
        );

        let wanted = wanted.unwrap().unwrap();
        assert_eq!(wanted.outlet, "Outlet1");
        let body = &wanted.body;
        // Six in the evening in London is one in the morning in Jakarta.
        assert_eq!(body["Date"], "2026-11-23");
        assert_eq!(
            (&body["Tag"], &body["ReferenceNumber"]),
            (&json!("Shopee"), &json!("1042"))
        );
        let mug = json!([{"Code": "MUG", "Quantity": 2, "Price": 55_000, "Discount": 0}]);
        assert_eq!(body["Variants"], mug);
        assert_eq!(body["Payments"], json!([]));
    }

    #[test]
    fn a_line_without_a_sku_is_for_a_person() {
        let mut sale = sale(&[(1, 100)], 100);
        sale.lines[0].sku = None;

        let refused = wanted(&sale, &settings(), Tz::UTC).unwrap_err();

        assert!(refused.contains("link its listing"), "{refused}");
    }

    #[test]
    fn an_invoice_is_read_in_every_spelling_of_the_pages() {
        let sale = sale(&[(1, 5_120_000)], 5_120_000);
        let wanted = wanted(&sale, &settings(), Tz::UTC).unwrap().unwrap();
        let read = |invoice: Value| shown(&invoice, &wanted).unwrap();
        let number = "INV/1/1042";

        let old = read(
            json!({"Number": number, "Delivery": "Sent", "Void": "No", "SalesNTax": 51200,
            "Payments": [{"Amount": "51200.00"}]}),
        );
        let new =
            read(json!({"Number": number, "Fulfillment": "Unsent", "Void": true, "Payments": []}));

        assert!(old.is_sent && old.is_paid && !old.is_void);
        assert_eq!(old.total_minor, Some(5_120_000));
        assert!(!new.is_sent && !new.is_paid && new.is_void);
        assert_eq!(shown(&json!({"Number": "other"}), &wanted), None);
        assert_eq!(shown(&Value::Null, &wanted), None);
    }

    proptest! {
        #[test]
        fn what_dealpos_adds_up_is_the_orders_total(
            lines in prop::collection::vec((1_i64..9, 0_i64..100_000_000), 1..5),
            charges in -5_000_000_i64..5_000_000,
        ) {
            let total = (lines.iter().map(|(_, total)| total).sum::<i64>() + charges).max(0);
            let wanted = wanted(&sale(&lines, total), &settings(), Tz::UTC).unwrap().unwrap();
            let idr = wanted.total.currency;
            let of = |value: &Value| minor(Some(value), idr).unwrap();

            let variants = wanted.body["Variants"].as_array().unwrap();
            let gross: i64 = variants
                .iter()
                .map(|variant| of(&variant["Price"]) * variant["Quantity"].as_i64().unwrap())
                .sum();
            let surcharge = wanted.body.get("Surcharge").map_or(0, of);

            prop_assert_eq!(gross - of(&wanted.body["DiscountAmount"]) + surcharge, total);
        }
    }
}
