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
    /// Units that campaigns hold: part of the seller's stock, which may not be set below them. What buyers
    /// have ordered has left that stock.
    reserved: i64,
    /// Each once: first those from which buyers can buy, then by id. More than one only in shops with several
    /// warehouses.
    locations: Vec<String>,
}

/// What is held of each model of an item; 0 is the item itself.
pub fn held(item: &Value, models: Option<&Value>) -> BTreeMap<u64, Held> {
    let all = models.map_or(std::slice::from_ref(item), |models| rows(models, "model"));
    let held = |row: &Value| {
        let stock = &row["stock_info_v2"];
        Held {
            reserved: reserved(stock),
            locations: locations(stock),
        }
    };
    all.iter().map(|row| (model_of(row), held(row))).collect()
}

fn locations(stock: &Value) -> Vec<String> {
    let at = rows(stock, "seller_stock").iter();
    let is_closed = |at: &Value| at["if_saleable"].as_bool() == Some(false);
    let mut found: Vec<(bool, &str)> = at
        .filter_map(|at| Some((is_closed(at), text(at, "location_id")?)))
        .collect();
    found.sort_unstable();
    let mut ids: Vec<String> = Vec::new();
    for (_, id) in found {
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    ids
}

/// One entry of update_stock. The call sets what the seller has, what campaigns hold included: so buyers can
/// buy `quantity` in all, inside the campaign and outside. Only where the campaign holds more than that, they
/// can buy what it holds, since less is refused.
///
/// Of several warehouses the first from which buyers can buy (by id: always the same one) gets all of it and
/// the others 0: the sum that buyers see is right. `names_location`: also the only one by its id.
pub fn stock_entry(model: u64, quantity: i64, held: &Held, names_location: bool) -> Value {
    let units = quantity.max(0).max(held.reserved);
    let stock = match held.locations.as_slice() {
        [] => vec![json!({ "stock": units })],
        [_] if !names_location => vec![json!({ "stock": units })],
        several => several
            .iter()
            .enumerate()
            .map(|(at, id)| json!({"location_id": id, "stock": if at == 0 { units } else { 0 }}))
            .collect(),
    };
    json!({"model_id": model, "seller_stock": stock})
}

/// Whether a push was refused for not naming a warehouse.
pub fn asks_for_location(error: &MarketplaceError) -> bool {
    matches!(error, MarketplaceError::Refused { code, message, .. }
        if format!("{code} {message}").to_ascii_lowercase().contains("location"))
}

/// The refusal of a push, unless a campaign or a holiday stands in its way: those end, so it is tried again.
///
/// When its tries end first (after about an hour), the job is buried, where people see it and can let it run
/// again. Scans only read what the shop shows: the stock is set by the next push of the SKU, which comes with
/// the next movement of its level.
pub fn unless_it_passes(error: MarketplaceError) -> MarketplaceError {
    let MarketplaceError::Refused { code, message, .. } = &error else {
        return error;
    };
    let reason = format!("{code} {message}");
    let lower = reason.to_ascii_lowercase();
    if !(lower.contains("promotion") || lower.contains("holiday")) {
        return error;
    }
    MarketplaceError::Unavailable {
        marketplace: SLUG,
        reason,
    }
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
    Some(unless_it_passes(MarketplaceError::Refused {
        marketplace: SLUG,
        code: "failure_list".to_owned(),
        message: reason.chars().take(LONGEST_MESSAGE).collect(),
    }))
}

/// `98000` or `19.9`: amounts are numbers here.
pub fn major(money: Money) -> Value {
    let amount = Decimal::new(money.minor, money.currency.exponent()).normalize();
    serde_json::from_str(&amount.to_string()).unwrap_or(Value::Null)
}
