//! What is sent to set stock and prices, and how refusals of single models are told.
//!
//! Source: v2.product.update_stock and update_price, read 2026-11-23.

use super::super::{LONGEST_MESSAGE, SLUG};
use super::{model_of, reserved, rows};
use crate::domain::Money;
use crate::marketplaces::{MarketplaceError, http::lenient::text};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What must be known of a model before its stock can be set.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Units of orders and campaigns that are still in the seller's stock.
    reserved: i64,
    /// Sorted; more than one only in shops with several warehouses.
    locations: Vec<String>,
}

/// What is held of each model of an item; 0 is the item itself.
pub fn held(item: &Value, models: Option<&Value>) -> BTreeMap<u64, Held> {
    let all = models.map_or(std::slice::from_ref(item), |models| rows(models, "model"));
    let held = |row: &Value| {
        let stock = &row["stock_info_v2"];
        let at = rows(stock, "seller_stock").iter();
        let mut locations: Vec<_> = at.filter_map(|at| text(at, "location_id")).collect();
        locations.sort_unstable();
        locations.dedup();
        Held {
            reserved: reserved(stock),
            locations: locations.into_iter().map(str::to_owned).collect(),
        }
    };
    all.iter().map(|row| (model_of(row), held(row))).collect()
}

/// One entry of update_stock, so that buyers can buy `quantity`: the call sets what the seller has, of
/// which the reserved units are a part, and refuses less than those.
///
/// Of several warehouses the first (by id: always the same one) gets all of it and the others 0: the sum
/// that buyers see is right.
pub fn stock_entry(model: u64, quantity: i64, held: &Held) -> Value {
    let units = quantity.max(0).saturating_add(held.reserved);
    let stock = match held.locations.as_slice() {
        [] | [_] => vec![json!({ "stock": units })],
        several => several
            .iter()
            .enumerate()
            .map(|(at, id)| json!({"location_id": id, "stock": if at == 0 { units } else { 0 }}))
            .collect(),
    };
    json!({"model_id": model, "seller_stock": stock})
}

/// One entry of update_price.
pub fn price_entry(model: u64, price: Money) -> Value {
    json!({"model_id": model, "original_price": major(price)})
}

/// Why a push of one model was refused. That is told beside successes, under an empty `error`.
pub fn refusal(told: &Value, model: u64) -> Option<MarketplaceError> {
    let mut refused = rows(told, "failure_list").iter();
    // One that names no model is everyone's.
    let row = refused.find(|row| row["model_id"].is_null() || model_of(row) == model)?;
    let reason = text(row, "failed_reason").unwrap_or("no reason was told");
    Some(MarketplaceError::Refused {
        marketplace: SLUG,
        code: "failure_list".to_owned(),
        message: reason.chars().take(LONGEST_MESSAGE).collect(),
    })
}

/// `98000` or `19.9`: amounts are numbers here.
pub fn major(money: Money) -> Value {
    let amount = Decimal::new(money.minor, money.currency.exponent()).normalize();
    serde_json::from_str(&amount.to_string()).unwrap_or(Value::Null)
}
