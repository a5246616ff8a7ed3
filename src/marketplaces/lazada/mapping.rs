//! Lazada's JSON to our words and back: the only file of the adapter that knows its field names.
//!
//! Promises: ids stay text, money stays exact, and nothing about the buyer is read. Numbers are taken as text or
//! as numbers, dates in each of the spellings that have been seen. What cannot be read is named, never guessed.
//!
//! An order has no status and no quantities: it is a list of units, each with a status of its own. Units of one
//! SKU are one line here, under the lowest of their ids, whatever was paid for each: prices change after the
//! sale, as when a voucher is split anew, and a line keeps its name.
//!
//! Source: <https://open.lazada.com/apps/doc/api?path=/orders/get> and the pages of the other calls, read
//! 2026-11-23.

mod products;
mod returns;

pub(super) use products::product;

use super::{SLUG, client::answers::code_of, is_digits};
use crate::domain::{Currency, Money, Order, OrderLine, RemoteId, Standing, Timestamp};
use crate::marketplaces::{
    OrderSummary, PriceChange, StockLevel,
    http::lenient::{text, time},
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) type Read<T> = Result<T, String>;

/// An id of digits, sent as text or as a number.
pub(super) fn id(row: &Value, name: &str) -> Option<RemoteId> {
    let id = match row.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    is_digits(&id).then(|| id.into())
}

fn joined<'t>(texts: impl IntoIterator<Item = &'t str>, between: &str) -> String {
    texts.into_iter().collect::<Vec<_>>().join(between)
}

/// An amount as text or number; `None` where there is none.
fn amount(row: &Value, name: &str, currency: Currency) -> Read<Option<Money>> {
    let text = match row.get(name) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let money = Money::parse(&text, currency);
    money.map(Some).map_err(|error| format!("{name}: {error}"))
}

fn minor(row: &Value, name: &str, currency: Currency) -> Read<i64> {
    Ok(amount(row, name, currency)?.map_or(0, |money| money.minor))
}

/// When an order changed, as the list sorts it.
pub(super) fn order_version(row: &Value) -> Read<Timestamp> {
    let at = time(row, "updated_at").or_else(|| time(row, "created_at"));
    at.ok_or_else(|| "`updated_at` is no time".to_owned())
}

fn number_of(row: &Value, id: &RemoteId) -> String {
    self::id(row, "order_number").map_or_else(|| id.to_string(), |number| number.to_string())
}

pub(super) fn placed_at(row: &Value) -> Option<Timestamp> {
    time(row, "created_at")
}

/// `currency`: the site's; rows of orders name none.
pub(super) fn summary(row: &Value, currency: Option<Currency>) -> Read<OrderSummary> {
    let id = id(row, "order_id").ok_or("`order_id` is missing")?;
    let told = statuses(row);
    Ok(OrderSummary {
        placed_at: placed_at(row),
        standing: told.as_ref().map(|told| standing(told)),
        total: currency.and_then(|currency| total(row, currency).ok()),
        number: number_of(row, &id),
        version: order_version(row)?,
        remote_id: id,
        remote_status: told.map(|told| joined(told.into_iter().collect::<BTreeSet<_>>(), ", ")),
        bookable: true,
    })
}

/// What the units' statuses are, as the order's own row tells it.
fn statuses(row: &Value) -> Option<Vec<&str>> {
    let told = row.get("statuses")?.as_array()?;
    Some(told.iter().filter_map(Value::as_str).collect())
}

/// `price` is before vouchers and shipping. Source: docId=121327.
fn total(row: &Value, currency: Currency) -> Read<Money> {
    let price = amount(row, "price", currency)?.ok_or("`price` is missing")?;
    let voucher = minor(row, "voucher", currency)?;
    let shipping = minor(row, "shipping_fee", currency)?;
    Ok(Money {
        minor: price.minor.saturating_sub(voucher).saturating_add(shipping),
        currency,
    })
}

/// One order of its own row and the rows of its units. `currency`: the site's, for rows that name none.
pub(super) fn order(row: &Value, items: &[Value], currency: Currency) -> Read<Order> {
    let id = id(row, "order_id").ok_or("`order_id` is missing")?;
    if items.is_empty() {
        return Err("the order has no items".to_owned());
    }
    let named = items.iter().find_map(|item| text(item, "currency"));
    let currency = named.map_or(Ok(currency), Currency::from_code);
    let currency = currency.map_err(|error| error.to_string())?;
    // Units can change without their order's own time.
    let of_items = items.iter().filter_map(|item| time(item, "updated_at"));
    let version = of_items.fold(order_version(row)?, Timestamp::max);
    let statuses: Vec<&str> = items.iter().map(status).collect();
    let distinct: BTreeSet<&str> = statuses.iter().copied().collect();
    let lines = lines(items, currency)?;
    let tracking = items.iter().find_map(|item| text(item, "tracking_code"));
    Ok(Order {
        number: number_of(row, &id),
        platform: SLUG,
        remote_status: joined(distinct, ", "),
        standing: standing(&statuses),
        version,
        placed_at: placed_at(row).ok_or("`created_at` is no time")?,
        currency,
        total: total(row, currency)?,
        tracking_number: tracking.map(str::to_owned),
        charges: charges(row, &statuses, currency)?,
        returns: Some(returns::returns(items, &lines, currency, version)?),
        lines,
        remark: remark(&statuses),
        remote_id: id,
    })
}

/// Shipping; the vouchers are in the units already. Not told once a unit was called off: what the total is then is not
/// documented.
fn charges(row: &Value, statuses: &[&str], currency: Currency) -> Read<Option<Money>> {
    if row.get("shipping_fee").is_none() || statuses.iter().any(|status| is_called_off(status)) {
        return Ok(None);
    }
    let minor = minor(row, "shipping_fee", currency)?;
    Ok(Some(Money { minor, currency }))
}

fn status(item: &Value) -> &str {
    text(item, "status").unwrap_or("without status").trim()
}

fn is_called_off(status: &str) -> bool {
    matches!(status, "canceled" | "cancelled")
}

/// It has left the shop, and has not come back.
fn has_left(status: &str) -> bool {
    let lost = matches!(status, "failed" | "lost" | "lost_by_3pl" | "damaged_by_3pl");
    lost || matches!(status, "shipping" | "shipped" | "delivered")
}

/// What the statuses of the units make of the order. Those called off count only when all are.
///
/// Deliveries that failed and returns void nothing by themselves: whether the goods come back, and in which
/// state, is for a person to say.
fn standing(statuses: &[&str]) -> Standing {
    let open = statuses.iter().filter(|status| !is_called_off(status));
    let open: Vec<&str> = open.copied().collect();
    let is_kept = |status: &&&str| **status != "returned";
    let kept: Vec<&str> = open.iter().filter(is_kept).copied().collect();
    match kept.as_slice() {
        _ if open.is_empty() => Standing::CANCELLED,
        [] => Standing::SHIPPED,
        kept if kept.iter().all(|status| *status == "delivered") => Standing::COMPLETED,
        kept if kept.iter().all(|status| has_left(status)) => Standing::SHIPPED,
        kept if kept.iter().all(|status| *status == "unpaid") => Standing::PLACED,
        // Paid, or to be paid on delivery; statuses that nobody has heard of included.
        _ => Standing::SOLD,
    }
}

/// Why a person should look at it.
fn remark(statuses: &[&str]) -> Option<String> {
    let mut remarks = BTreeSet::new();
    for status in statuses {
        remarks.insert(match *status {
            "unpaid"
            | "pending"
            | "repacked"
            | "packed"
            | "ready_to_ship_pending"
            | "ready_to_ship"
            | "shipping"
            | "shipped"
            | "delivered"
            | "returned"
            | "canceled"
            | "cancelled" => {
                continue;
            }
            "failed" => "the delivery failed; decide whether to void the sale".to_owned(),
            "lost" | "lost_by_3pl" | "damaged_by_3pl" => {
                format!("units are `{status}`; decide whether to void the sale")
            }
            other => {
                let other: String = other.chars().take(40).collect();
                format!("status `{other}` is not known; booked as sold")
            }
        });
    }
    let remark = joined(remarks.iter().map(String::as_str), "; ");
    (!remark.is_empty()).then_some(remark)
}

/// The lines of an order, in the order of their lowest unit.
fn lines(items: &[Value], currency: Currency) -> Read<Vec<OrderLine>> {
    let mut units: Vec<(RemoteId, &Value)> = Vec::new();
    for item in items {
        let id = id(item, "order_item_id").ok_or("an item without `order_item_id`")?;
        units.push((id, item));
    }
    // As numbers: the lowest unit names the line.
    units.sort_by_cached_key(|(id, _)| (id.as_str().len(), id.clone()));
    units.dedup_by(|(a, _), (b, _)| a == b);
    let mut lines: Vec<OrderLine> = Vec::new();
    for (id, item) in units {
        let unit = unit(id, item, currency)?;
        let Some(line) = lines.iter_mut().find(|line| is_same_sku(line, &unit)) else {
            lines.push(unit);
            continue;
        };
        line.quantity += unit.quantity;
        line.cancelled += unit.cancelled;
        line.total.minor = line.total.minor.saturating_add(unit.total.minor);
        line.gross = line.gross.zip(unit.gross).map(|(one, other)| Money {
            minor: one.minor.saturating_add(other.minor),
            ..one
        });
    }
    Ok(lines)
}

/// By its id; by the seller's code only where neither has one.
fn is_same_sku(a: &OrderLine, b: &OrderLine) -> bool {
    if a.variant_id.as_str().is_empty() && b.variant_id.as_str().is_empty() {
        a.seller_sku.is_some() && a.seller_sku == b.seller_sku
    } else {
        a.variant_id == b.variant_id
    }
}

fn unit(remote_id: RemoteId, item: &Value, currency: Currency) -> Read<OrderLine> {
    let item_price = amount(item, "item_price", currency)?;
    let paid_price = amount(item, "paid_price", currency)?.or(item_price);
    let paid_price = paid_price.ok_or("an item without `paid_price`")?;
    // Old orders have no ids, but `3100045678_MY-15500078901`.
    let shop_sku = text(item, "shop_sku").unwrap_or_default();
    let in_shop_sku = |part: Option<&str>| {
        let part = part.filter(|part| is_digits(part)).unwrap_or_default();
        RemoteId::from(part)
    };
    let product = id(item, "product_id").unwrap_or_else(|| in_shop_sku(shop_sku.split('_').next()));
    let variant = id(item, "sku_id").unwrap_or_else(|| in_shop_sku(shop_sku.rsplit('-').next()));
    let names = [text(item, "name"), text(item, "variation")];
    // What was returned is in the order's returns.
    let is_off = is_called_off(status(item));
    Ok(OrderLine {
        remote_id,
        product_id: product,
        variant_id: variant,
        seller_sku: text(item, "sku").map(str::to_owned),
        title: joined(names.into_iter().flatten(), ", "),
        quantity: 1,
        cancelled: i64::from(is_off),
        gross: item_price,
        off_shelf: 0,
        total: paid_price,
    })
}

/// The warehouse of sellers who have only one, who must not name it. Source: docId=121233.
const ONLY_WAREHOUSE: &str = "dropshipping";

/// What a push says of a SKU besides its ids.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct PushRef {
    pub sku: Option<String>,
    /// Sorted, and empty where the seller has one warehouse, as far as was told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warehouses: Vec<String>,
}

impl PushRef {
    fn of(sku: Option<String>, mut warehouses: Vec<String>) -> Self {
        warehouses.sort_unstable();
        warehouses.dedup();
        if warehouses == [ONLY_WAREHOUSE] {
            warehouses.clear();
        }
        Self { sku, warehouses }
    }

    fn names_none(&self) -> bool {
        self.warehouses.is_empty()
    }

    fn to_text(&self) -> Option<String> {
        let says = self.sku.is_some() || !self.warehouses.is_empty();
        says.then(|| serde_json::to_string(self).ok()).flatten()
    }

    pub(super) fn read(text: Option<&String>) -> Self {
        let read = text.and_then(|text| serde_json::from_str(text).ok());
        read.unwrap_or_default()
    }
}

fn tag(name: &str, value: &str) -> String {
    let value = value.replace('&', "&amp;").replace('<', "&lt;");
    format!("<{name}>{}</{name}>", value.replace('>', "&gt;"))
}

/// One SKU of a push; `what` is what it says of it.
fn sku_xml(product: &RemoteId, variant: &RemoteId, known: &PushRef, what: &str) -> String {
    let ids = tag("ItemId", product.as_str()) + &tag("SkuId", variant.as_str());
    let code = known.sku.as_deref().map(|sku| tag("SellerSku", sku));
    format!("<Sku>{ids}{}{what}</Sku>", code.unwrap_or_default())
}

/// How a push of stock says where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// With the warehouses that are known; without any where none is.
    AsKnown,
    /// The other way round: without the warehouses, or with the one that every seller has.
    Other,
}

/// One SKU of /product/stock/sellable/update: what can be sold, whatever is reserved.
///
/// We know one number per channel. With several warehouses the first by code (always the same one) gets all of
/// it and the others 0: the sum that buyers see is right, and no unit is offered twice.
pub(super) fn stock_xml(level: &StockLevel, form: Form) -> String {
    let known = PushRef::read(level.push_ref.as_ref());
    let units = |units: i64| tag("SellableQuantity", &units.max(0).to_string());
    let warehouses: Vec<&str> = match form {
        Form::AsKnown => known.warehouses.iter().map(String::as_str).collect(),
        Form::Other if known.warehouses.is_empty() => vec![ONLY_WAREHOUSE],
        Form::Other => Vec::new(),
    };
    let shares = warehouses.iter().enumerate().map(|(place, code)| {
        let share = if place == 0 { level.quantity } else { 0 };
        let said = tag("WarehouseCode", code) + &units(share);
        format!("<MultiWarehouseInventory>{said}</MultiWarehouseInventory>")
    });
    let what = if warehouses.is_empty() {
        units(level.quantity)
    } else {
        let shares = shares.collect::<String>();
        format!("<MultiWarehouseInventories>{shares}</MultiWarehouseInventories>")
    };
    sku_xml(&level.product_id, &level.variant_id, &known, &what)
}

/// One SKU of /product/price_quantity/update: the price alone, so that no quantity is touched. On the days of a
/// special price buyers still pay that one.
pub(super) fn price_xml(change: &PriceChange) -> String {
    let known = PushRef::read(change.push_ref.as_ref());
    let what = tag("Price", &major(change.price));
    sku_xml(&change.product_id, &change.variant_id, &known, &what)
}

/// `189.00`, in as many decimals as the currency has.
pub(super) fn major(money: Money) -> String {
    Decimal::new(money.minor, money.currency.exponent()).to_string()
}

pub(super) fn payload(skus: &[&str]) -> String {
    let skus = skus.concat();
    format!("<Request><Product><Skus>{skus}</Skus></Product></Request>")
}

/// Code and text of the refusal of one SKU among the rows of `detail`, which name it by id or by seller SKU.
pub(super) fn refusal(
    detail: &[Value],
    variant: &RemoteId,
    seller_sku: Option<&str>,
) -> Option<(Option<String>, String)> {
    let is_its = |row: &&Value| {
        let of = |names: [&str; 3]| names.into_iter().find_map(|name| row.get(name));
        match of(["sku_id", "SkuId", "skuId"]) {
            Some(id) => code_of(id).as_deref() == Some(variant.as_str()),
            None => of(["seller_sku", "SellerSku", "sellerSku"])
                .is_some_and(|sku| sku.as_str() == seller_sku),
        }
    };
    let row = detail.iter().find(is_its)?;
    let message = text(row, "message").unwrap_or_default();
    // `[4170] stock adjustment restricted`, `E212: negative stock`
    let inside = message.strip_prefix('[').and_then(|m| m.split_once(']'));
    let within = inside.or_else(|| message.split_once(':'));
    let within = within.and_then(|(code, _)| code_of(&Value::from(code)));
    let own = row.get("code").and_then(code_of);
    let code = own.or_else(|| within.filter(|code| is_digits(code)));
    Some((code, message.to_owned()))
}
