//! Shopee's JSON to our words and back: with `webhook.rs` the only file that knows its field names.
//!
//! Promises: ids stay text, money stays exact, and nothing about the buyer is read. `""`, 0 and null all
//! stand for "not there". What cannot be read is named; what is guessed carries a remark for a person.
//!
//! Source: v2.order.get_order_detail, v2.payment.get_escrow_detail, v2.product.get_item_base_info,
//! get_model_list, update_stock and update_price, read 2026-11-23.

mod pushes;
mod returns;

pub(super) use pushes::{
    Held, asks_for_location, held, major, price_entry, refusal, stock_entry, unless_it_passes,
};

pub(super) use returns::{closed_by_push, has_returns, order_of, placed_at, returns, settlement};

use super::{Misfit, SLUG, id_of, number};
use crate::domain::{
    Currency, Money, Order, OrderLine, Product, ProductState, RemoteId, Standing, Timestamp,
    Variant,
};
use crate::marketplaces::{
    OrderSummary, ShopIdentity,
    http::lenient::{text, whole},
};
use serde_json::Value;
use std::collections::BTreeMap;

type Read<T> = Result<T, String>;

/// What get_order_detail tells only when it is asked for; of the buyer nothing that we do not need.
pub(super) const ORDER_FIELDS: &str = "item_list,pay_time,total_amount,cancel_by,cancel_reason,\
buyer_cancel_reason,fulfillment_flag,pickup_done_time,package_list,split_up,shipping_carrier,\
payment_method,return_request_due_date";

fn misfit(row: &Value, id: &str, reason: String) -> Misfit {
    let id = id_of(row, id).unwrap_or_else(|| RemoteId::from("without id"));
    (id, reason)
}

fn rows<'v>(row: &'v Value, name: &str) -> &'v [Value] {
    row[name].as_array().map_or(&[], Vec::as_slice)
}

/// A whole number above zero.
fn positive(row: &Value, name: &str) -> Option<i64> {
    whole(row.get(name)?).filter(|n| *n > 0)
}

fn seconds(row: &Value, name: &str) -> Option<Timestamp> {
    positive(row, name).map(Timestamp::from_secs)
}

/// An amount, sent as a number or as text; `None` when nothing is told.
fn money(row: &Value, name: &str, currency: Currency) -> Read<Option<Money>> {
    let text = match &row[name] {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) => text.clone(),
        // Its own text: a float is never reckoned with.
        Value::Number(number) => number.to_string(),
        _ => return Err(format!("`{name}` is not an amount")),
    };
    let amount = Money::parse(&text, currency).map_err(|error| format!("`{name}`: {error}"))?;
    Ok(Some(amount))
}

/// The currency of each country. Source: the data definition guide.
pub(super) fn currency_of(region: &str) -> Option<Currency> {
    let code = match region {
        "ID" => "IDR",
        "SG" => "SGD",
        "MY" => "MYR",
        "TH" => "THB",
        "VN" => "VND",
        "PH" => "PHP",
        "TW" => "TWD",
        "BR" => "BRL",
        "MX" => "MXN",
        "CL" => "CLP",
        "CO" => "COP",
        "AR" => "ARS",
        "PL" => "PLN",
        _ => return None,
    };
    Currency::from_code(code).ok()
}

/// The shop that a token opens, or its state when that lets nobody in.
pub(super) fn shop(info: &Value, id: &str) -> Read<ShopIdentity> {
    let status = text(info, "status").unwrap_or("NORMAL");
    if matches!(status, "FROZEN" | "BANNED") {
        return Err(format!("the shop is {status}"));
    }
    let mut secrets = vec![("shop_id".to_owned(), id.to_owned())];
    if let Some(currency) = text(info, "region").and_then(currency_of) {
        secrets.push(("currency".to_owned(), currency.code().to_owned()));
    }
    Ok(ShopIdentity {
        remote_id: id.into(),
        name: text(info, "shop_name").unwrap_or_default().to_owned(),
        platforms: vec![SLUG],
        secrets,
        base_url: None,
        consent_until: seconds(info, "expire_time"),
    })
}

/// What of an order's details says how it stands and what it costs.
pub(super) const SUMMARY_FIELDS: &str = "total_amount,pay_time,pickup_done_time";

/// The list of orders tells neither times nor totals: a row of the detail call, asked for with these fields.
pub(super) fn summary(row: &Value) -> Result<OrderSummary, Misfit> {
    let version = seconds(row, "update_time");
    let status = text(row, "order_status");
    let currency = text(row, "currency").and_then(|code| Currency::from_code(code).ok());
    let total = currency.and_then(|currency| money(row, "total_amount", currency).ok()?);
    match (id_of(row, "order_sn"), version) {
        (Some(id), Some(version)) => Ok(OrderSummary {
            number: id.to_string(),
            remote_id: id,
            version,
            remote_status: status.map(str::to_owned),
            bookable: true,
            placed_at: seconds(row, "create_time"),
            standing: status.map(|status| standing(status, row).unwrap_or_else(|guess| guess)),
            // 0 before the buyer has paid: then the lines tell it.
            total: total.filter(|total| total.minor > 0),
        }),
        _ => Err(misfit(
            row,
            "order_sn",
            "it has no number or no time".to_owned(),
        )),
    }
}

/// Whether the order hides what a line costs, as it does in bundles: only the settlement tells it then.
pub(super) fn hides_prices(row: &Value) -> bool {
    let is_zero = |line: &Value| {
        let shown = &line["model_discounted_price"];
        whole(shown) == Some(0) || shown.is_null() || shown.as_str() == Some("")
    };
    rows(row, "item_list").iter().any(is_zero)
}

/// An order as get_order_detail tells it; `settled` is its get_escrow_detail, where one was needed and had.
pub(super) fn order(row: &Value, settled: Option<&Value>) -> Result<Order, Misfit> {
    read_order(row, settled).map_err(|reason| misfit(row, "order_sn", reason))
}

fn read_order(row: &Value, settled: Option<&Value>) -> Read<Order> {
    let id = id_of(row, "order_sn").ok_or("it has no `order_sn`")?;
    let currency = match text(row, "currency") {
        Some(code) => Currency::from_code(code).map_err(|error| error.to_string())?,
        None => text(row, "region")
            .and_then(currency_of)
            .ok_or("it names no currency")?,
    };
    let status = text(row, "order_status").ok_or("it has no `order_status`")?;
    let version = seconds(row, "update_time").ok_or("it has no `update_time`")?;
    let mut remarks = Vec::new();
    let standing = standing(status, row).unwrap_or_else(|guess| {
        remarks.push(format!("unknown status `{status}`, booked by its payment"));
        guess
    });
    let mut subtotals = subtotals(settled, currency)?;
    let mut lines: Vec<OrderLine> = Vec::new();
    for item in rows(row, "item_list") {
        let (line, is_priced) = line(item, currency, &mut subtotals)?;
        if !is_priced {
            remarks.push(format!("the price of line {} is not told", line.remote_id));
        }
        match lines.iter_mut().find(|l| l.remote_id == line.remote_id) {
            Some(known) => {
                known.quantity = known.quantity.saturating_add(line.quantity);
                known.cancelled = known.cancelled.saturating_add(line.cancelled);
                known.total.minor = known.total.minor.saturating_add(line.total.minor);
                known.gross = known.gross.zip(line.gross).map(|(one, other)| Money {
                    minor: one.minor.saturating_add(other.minor),
                    ..one
                });
            }
            None => lines.push(line),
        }
    }
    if lines.is_empty() {
        return Err("the order has no items".to_owned());
    }
    let of_lines = lines.iter().map(|line| line.total.minor);
    let of_lines = of_lines.fold(0_i64, i64::saturating_add);
    // 0 before the buyer has paid.
    let told = money(row, "total_amount", currency)?.filter(|total| total.minor > 0);
    Ok(Order {
        number: id.to_string(),
        remote_id: id,
        platform: SLUG,
        remote_status: status.to_owned(),
        standing,
        version,
        placed_at: seconds(row, "create_time").unwrap_or(version),
        currency,
        total: told.unwrap_or(Money {
            minor: of_lines,
            currency,
        }),
        tracking_number: tracking_number(row),
        lines,
        charges: None,
        returns: None,
        remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
    })
}

/// What a status asks of the books; the guess for one that the documents do not list is the error.
fn standing(status: &str, row: &Value) -> Result<Standing, Standing> {
    // Cash on delivery is sold before it is paid.
    let is_sold = seconds(row, "pay_time").is_some() || row["cod"].as_bool() == Some(true);
    let by_payment = if is_sold {
        Standing::SOLD
    } else {
        Standing::PLACED
    };
    Ok(match status {
        // PENDING: Shopee still checks the order, and may call it off.
        "UNPAID" | "PENDING" => Standing::PLACED,
        "READY_TO_SHIP" | "PROCESSED" | "RETRY_SHIP" | "INVOICE_PENDING" => Standing::SOLD,
        // Asked for, not granted: it may go back to what it was.
        "IN_CANCEL" => by_payment,
        // What comes back is the returns' to tell.
        "SHIPPED" | "TO_CONFIRM_RECEIVE" | "TO_RETURN" => Standing::SHIPPED,
        "COMPLETED" => Standing::COMPLETED,
        "CANCELLED" => Standing::CANCELLED,
        _ if seconds(row, "pickup_done_time").is_some() => return Err(Standing::SHIPPED),
        _ => return Err(by_payment),
    })
}

/// Of the first package that has one: an order that was split is one order all the same.
fn tracking_number(row: &Value) -> Option<String> {
    let of_packages = rows(row, "package_list").iter();
    let told = of_packages.filter_map(|p| text(p, "tracking_number").or(text(p, "tracking_no")));
    told.map(str::to_owned).next()
}

/// Subtotals of the settlement by item and model, each with its units, in the order told.
type Subtotals = BTreeMap<(RemoteId, u64), Vec<(i64, Money)>>;

fn model_of(row: &Value) -> u64 {
    id_of(row, "model_id")
        .and_then(|id| number(id.as_str()))
        .unwrap_or(0)
}

fn subtotals(settled: Option<&Value>, currency: Currency) -> Read<Subtotals> {
    let mut found = Subtotals::new();
    let income = settled.map(|settled| &settled["order_income"]);
    for item in income.map_or(&[][..], |income| rows(income, "items")) {
        let subtotal = money(item, "discounted_price", currency)?;
        if let (Some(id), Some(subtotal)) = (id_of(item, "item_id"), subtotal) {
            let units = positive(item, "quantity_purchased").unwrap_or(0);
            let of_model = found.entry((id, model_of(item))).or_default();
            of_model.push((units, subtotal));
        }
    }
    Ok(found)
}

/// A line, and whether its price is known.
fn line(item: &Value, currency: Currency, subtotals: &mut Subtotals) -> Read<(OrderLine, bool)> {
    let product_id = id_of(item, "item_id").ok_or("a line has no `item_id`")?;
    let model = model_of(item);
    let remote_id = line_id(item, &product_id, model);
    let units = |name: &str| positive(item, name).unwrap_or(0);
    let quantity = whole(&item["model_quantity_purchased"])
        .filter(|quantity| *quantity >= 0)
        .ok_or_else(|| format!("line {remote_id} does not say how many units"))?;
    let subtotal = subtotals
        .get_mut(&(product_id.clone(), model))
        .filter(|of_model| !of_model.is_empty())
        .map(|of_model| {
            let same = of_model.iter().position(|(units, _)| *units == quantity);
            of_model.remove(same.unwrap_or(0)).1
        });
    let unit_price = money(item, "model_discounted_price", currency)?;
    let unit_price = unit_price.filter(|price| price.minor != 0);
    let total = match unit_price {
        Some(price) => Some(Money {
            minor: price
                .minor
                .checked_mul(quantity)
                .ok_or_else(|| format!("line {remote_id} is worth too much"))?,
            currency,
        }),
        None => subtotal,
    };
    let names = [text(item, "item_name"), text(item, "model_name")];
    let line = OrderLine {
        remote_id,
        variant_id: variant_id(&product_id, model),
        product_id,
        seller_sku: seller_sku(model, item, item),
        title: names.into_iter().flatten().collect::<Vec<_>>().join(", "),
        quantity,
        // Returned units are the returns' to tell.
        cancelled: units("cancelled_qty").min(quantity),
        gross: gross(item, quantity, currency)?,
        off_shelf: 0,
        total: total.unwrap_or(Money::zero(currency)),
    };
    Ok((line, total.is_some()))
}

/// What the units cost before any discount.
fn gross(item: &Value, quantity: i64, currency: Currency) -> Read<Option<Money>> {
    let price = money(item, "model_original_price", currency)?.filter(|price| price.minor > 0);
    Ok(price.and_then(|price| {
        Some(Money {
            minor: price.minor.checked_mul(quantity)?,
            currency,
        })
    }))
}

/// Four ids together name a line; rows that share them are one. `line_item_id`, which came in July 2026, names
/// none: an order that was booked without it would have other lines with it, and what was shipped already
/// would be shipped again.
fn line_id(item: &Value, product: &RemoteId, model: u64) -> RemoteId {
    let part = |name: &str| id_of(item, name).map_or_else(|| "0".to_owned(), |id| id.to_string());
    let (of_order, group) = (part("order_item_id"), part("promotion_group_id"));
    format!("{of_order}-{product}-{model}-{group}").into()
}

/// Model 0 stands for a product without variations: it goes by the product's id.
fn variant_id(product: &RemoteId, model: u64) -> RemoteId {
    if model == 0 {
        product.clone()
    } else {
        model.into()
    }
}

/// The model of one of our variants, as calls want it; `None` when it cannot be one.
pub(super) fn model_number(product: &RemoteId, variant: &RemoteId) -> Option<u64> {
    if product == variant {
        Some(0)
    } else {
        number(variant.as_str())
    }
}

/// The product's own code is that of a variation only where there are none.
fn seller_sku(model: u64, of_model: &Value, of_item: &Value) -> Option<String> {
    let code = text(of_model, "model_sku");
    let code = code.or_else(|| text(of_item, "item_sku").filter(|_| model == 0));
    code.map(str::to_owned)
}

/// `None` for a status that the documents do not list.
pub(super) fn product_state(status: &str) -> Option<ProductState> {
    Some(match status {
        "NORMAL" => ProductState::Active,
        "BANNED" | "UNLIST" | "REVIEWING" => ProductState::Inactive,
        "SELLER_DELETE" | "SHOPEE_DELETE" | "DELETED" => ProductState::Gone,
        _ => return None,
    })
}

/// A row of the list, for products that are deleted: they need not be asked for.
pub(super) fn deleted(row: &Value) -> Option<Product> {
    let state = product_state(text(row, "item_status")?)?;
    (state == ProductState::Gone).then_some(Product {
        remote_id: id_of(row, "item_id")?,
        title: String::new(),
        state,
        version: seconds(row, "update_time").unwrap_or_default(),
        variants: Vec::new(),
    })
}

/// Whether the product has models to ask for.
pub(super) fn has_models(item: &Value) -> bool {
    let is_there = text(item, "item_status").and_then(product_state) != Some(ProductState::Gone);
    is_there && item["has_model"].as_bool() == Some(true)
}

/// A product of get_item_base_info with its get_model_list; `usual` is the shop's currency.
pub(super) fn product(
    item: &Value,
    models: Option<&Value>,
    usual: Option<Currency>,
) -> Result<Product, Misfit> {
    read_product(item, models, usual).map_err(|reason| misfit(item, "item_id", reason))
}

fn read_product(item: &Value, models: Option<&Value>, usual: Option<Currency>) -> Read<Product> {
    let remote_id = id_of(item, "item_id").ok_or("it has no `item_id`")?;
    let status = text(item, "item_status").ok_or("it has no `item_status`")?;
    let state = product_state(status).ok_or_else(|| format!("unknown status `{status}`"))?;
    let variants = match models {
        Some(models) => rows(models, "model")
            .iter()
            .map(|model| variant(model, item, model_name(models, model), state, usual))
            .collect::<Read<_>>()?,
        None if item["has_model"].as_bool() == Some(true) => Vec::new(),
        None => vec![variant(item, item, String::new(), state, usual)?],
    };
    Ok(Product {
        remote_id,
        title: text(item, "item_name").unwrap_or_default().to_owned(),
        state,
        version: seconds(item, "update_time").unwrap_or_default(),
        variants,
    })
}

/// Models have no name: `250g, Bubuk` are the options to which their indexes point.
fn model_name(models: &Value, model: &Value) -> String {
    let tiers = rows(models, "tier_variation").iter();
    let options = tiers
        .zip(rows(model, "tier_index"))
        .filter_map(|(tier, at)| {
            let at = usize::try_from(whole(at)?).ok()?;
            text(rows(tier, "option_list").get(at)?, "option")
        });
    options.collect::<Vec<_>>().join(", ")
}

/// `row` is a model, or the item itself where it has none.
fn variant(
    row: &Value,
    item: &Value,
    title: String,
    of_product: ProductState,
    usual: Option<Currency>,
) -> Read<Variant> {
    let model = model_of(row);
    let is_off = text(row, "model_status") == Some("MODEL_UNAVAILABLE");
    let product_id = id_of(item, "item_id").ok_or("it has no `item_id`")?;
    Ok(Variant {
        remote_id: variant_id(&product_id, model),
        title,
        state: match of_product {
            ProductState::Active if is_off => ProductState::Inactive,
            state => state,
        },
        seller_sku: seller_sku(model, row, item),
        price: price(row, usual)?,
        quantity: available(&row["stock_info_v2"]),
        reserved: Some(reserved(&row["stock_info_v2"])),
        push_ref: None,
    })
}

/// Before promotions: what update_price sets.
fn price(row: &Value, usual: Option<Currency>) -> Read<Option<Money>> {
    let Some(info) = rows(row, "price_info").first() else {
        return Ok(None);
    };
    let told = text(info, "currency").map(Currency::from_code);
    match told
        .transpose()
        .map_err(|error| error.to_string())?
        .or(usual)
    {
        Some(currency) => money(info, "original_price", currency),
        None => Err("its price names no currency".to_owned()),
    }
}

/// What buyers can still buy.
fn available(stock: &Value) -> Option<i64> {
    let told = whole(&stock["summary_info"]["total_available_stock"]);
    told.or_else(|| {
        let own = rows(stock, "seller_stock");
        let units = own.iter().filter_map(|at| whole(&at["stock"]));
        (!own.is_empty()).then(|| units.fold(0, i64::saturating_add) - reserved(stock))
    })
}

fn reserved(stock: &Value) -> i64 {
    whole(&stock["summary_info"]["total_reserved_stock"])
        .unwrap_or(0)
        .max(0)
}

#[cfg(test)]
mod tests;
