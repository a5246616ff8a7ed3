//! WooCommerce's refunds in our words. The store knows no requests: a refund is there once the money went back, or
//! was said to have gone back.
//!
//! The order's own answer names its refunds; their lines are asked for apart. A refund that was deleted is missing,
//! and no webhook and no date tells of that.
//!
//! Source: WooCommerce 10.5.2, REST API v3, read 2026-11-23. The two notes on lines, `_refunded_item_id` and
//! `_restock_refunded_items`, are in no document: they are read where they are there.

use super::{Read, amount_of, id, money, rows, time};
use crate::domain::{Currency, Goods, Money, OrderLine, RemoteId, Return, ReturnLine, ReturnState};
use crate::marketplaces::http::lenient::{self, text, whole};
use serde_json::Value;
use std::collections::BTreeMap;

/// The fields of a refund that are read.
pub const REFUND_FIELDS: &str = "id,date_created_gmt,amount,reason,line_items";

/// Longest reason that is kept.
const LONGEST_REASON: usize = 40;

/// Whether the order names refunds, so that they have to be asked for.
pub fn has_refunds(row: &Value) -> bool {
    rows(row, "refunds").next().is_some()
}

/// All refunds of an order.
pub fn returns(
    order: &Value,
    lines: &[OrderLine],
    refunds: &[Value],
    currency: Currency,
    remarks: &mut Vec<String>,
) -> Read<Vec<Return>> {
    let mut returns = Vec::new();
    for row in refunds {
        let id = id(row).map_err(|why| format!("a refund: {why}"))?;
        let read = one(row, id, lines, currency, remarks);
        returns.push(read.map_err(|why| format!("refund {id}: {why}"))?);
    }
    note_restocked(order, &mut returns);
    Ok(returns)
}

fn one(
    row: &Value,
    id: u64,
    lines: &[OrderLine],
    currency: Currency,
    remarks: &mut Vec<String>,
) -> Read<Return> {
    let mut told: Vec<ReturnLine> = Vec::new();
    for refunded in rows(row, "line_items") {
        let units = refunded.get("quantity").and_then(whole);
        let units = units.ok_or("a line has no whole `quantity`")?.abs();
        let net = money(refunded, "total", currency)?.minor;
        let tax = amount_of(refunded, "total_tax", currency)?.minor;
        let back = (net + tax).abs();
        if units == 0 && back == 0 {
            continue;
        }
        let Some(line) = line_of(refunded, lines) else {
            remarks.push(format!("a line of refund {id} is of no line of the order"));
            continue;
        };
        told.push(ReturnLine {
            line,
            quantity: units,
            refund: Some(Money {
                minor: back,
                currency,
            }),
            goods: Goods::Unknown,
        });
    }
    Ok(Return {
        remote_id: id.into(),
        remote_status: "refunded".to_owned(),
        state: ReturnState::Refunded,
        version: time(row, "date_created_gmt").ok_or("it has no `date_created_gmt`")?,
        reason: text(row, "reason").and_then(reason),
        refund: Some(Money {
            minor: money(row, "amount", currency)?.minor.abs(),
            currency,
        }),
        lines: told,
    })
}

/// A reason that is one word can be a policy's; sentences may be about people.
fn reason(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_word = text.chars().count() <= LONGEST_REASON && text.chars().all(is_plain);
    (is_word && !text.is_empty()).then(|| text.to_owned())
}

/// The line that a refunded line notes; without a note, the only line with the same product.
fn line_of(refunded: &Value, lines: &[OrderLine]) -> Option<RemoteId> {
    if let Some(noted) = note(refunded, "_refunded_item_id") {
        let noted = RemoteId::from(u64::try_from(noted).ok()?);
        return lines.iter().any(|l| l.remote_id == noted).then_some(noted);
    }
    let product = lenient::id(refunded, "product_id").unwrap_or(0);
    let variant = lenient::id(refunded, "variation_id").unwrap_or(product);
    let (product, variant) = (RemoteId::from(product), RemoteId::from(variant));
    let mut same = lines
        .iter()
        .filter(|line| line.product_id == product && line.variant_id == variant);
    match (same.next(), same.next()) {
        (Some(only), None) => Some(only.remote_id.clone()),
        _ => None,
    }
}

/// A number that WooCommerce notes on a line for itself.
fn note(line: &Value, key: &str) -> Option<i64> {
    let noted = rows(line, "meta_data").find(|meta| text(meta, "key") == Some(key))?;
    let value = noted.get("value")?;
    whole(value).or_else(|| value.as_str()?.trim().parse().ok())
}

/// Units went back on the shelf when the store has noted as many of them on the order's line as were refunded. When
/// it noted some, which ones is not told.
fn note_restocked(order: &Value, returns: &mut [Return]) {
    let mut refunded: BTreeMap<RemoteId, i64> = BTreeMap::new();
    for line in returns.iter().flat_map(|of| &of.lines) {
        *refunded.entry(line.line.clone()).or_default() += line.quantity;
    }
    for line in rows(order, "line_items") {
        let Ok(id) = id(line).map(RemoteId::from) else {
            continue;
        };
        let restocked = note(line, "_restock_refunded_items").unwrap_or(0);
        let units = refunded.get(&id).copied().unwrap_or(0);
        if units > 0 && restocked >= units {
            let its = returns.iter_mut().flat_map(|of| &mut of.lines);
            for its in its.filter(|its| its.line == id) {
                its.goods = Goods::Back;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::order;
    use super::*;
    use crate::marketplaces::woocommerce::example;
    use serde_json::json;

    fn read(order_row: &Value, refunds: &Value) -> crate::domain::Order {
        order(order_row, refunds.as_array().unwrap()).unwrap()
    }

    #[test]
    fn a_refund_names_units_and_money_of_the_order_s_line() {
        let order = read(
            &example("order_processing.json"),
            &example("order_refunds.json"),
        );

        let returns = order.returns.unwrap();
        let refund = &returns[0];
        assert_eq!(
            (refund.remote_id.as_str(), refund.state),
            ("1043", ReturnState::Refunded)
        );
        assert_eq!(refund.reason.as_deref(), Some("rusak"));
        assert_eq!(refund.refund.unwrap().to_string(), "93750.00 IDR");
        let line = &refund.lines[0];
        assert_eq!((line.line.as_str(), line.quantity), ("77", 1));
        assert_eq!(line.goods, Goods::Unknown);
    }

    #[test]
    fn units_are_back_when_the_store_has_noted_all_of_them() {
        let mut row = example("order_processing.json");
        let note = |n: i64| json!([{"id": 9, "key": "_restock_refunded_items", "value": n}]);
        let goods = |row: &Value| {
            read(row, &example("order_refunds.json")).returns.unwrap()[0].lines[0].goods
        };
        row["line_items"][0]["meta_data"] = note(1);
        let all = goods(&row);
        row["line_items"][0]["meta_data"] = note(0);

        assert_eq!((all, goods(&row)), (Goods::Back, Goods::Unknown));
    }

    #[test]
    fn a_line_without_a_note_is_found_by_its_product_and_one_of_another_is_told() {
        let mut rows = example("order_refunds.json");
        rows[0]["line_items"][0]["meta_data"] = json!([]);
        let by_product = read(&example("order_processing.json"), &rows);
        rows[0]["line_items"][0]["variation_id"] = json!(503);
        rows[0]["reason"] = json!("Ibu Sari did not like it");
        let of_none = read(&example("order_processing.json"), &rows);

        assert_eq!(by_product.returns.unwrap()[0].lines.len(), 1);
        let returns = of_none.returns.unwrap();
        assert_eq!((returns[0].lines.len(), &returns[0].reason), (0, &None));
        assert!(of_none.remark.unwrap().contains("refund 1043"));
    }

    #[test]
    fn an_order_without_refunds_has_none() {
        let order = read(&example("order_whole_rupiah.json"), &json!([]));

        assert_eq!(order.returns, Some(Vec::new()));
    }
}
