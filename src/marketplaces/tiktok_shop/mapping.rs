//! TikTok Shop's JSON to our words and back: the only file of the adapter that knows its field names.
//!
//! Promises: ids stay text (they exceed 2^53), money stays exact, and nothing about the buyer is read.
//! What cannot be read is named; it is never guessed.
//!
//! Source: `/order/202309/orders/search`, `/order/202507/orders`, `/product/202502/products/search` and
//! `/product/202309/products/{id}`, read 2026-11-23.

mod wording;

pub(super) use wording::{order_status, product_status, word_order, word_product};

use super::{Id, Misfit, SLUG, TOKOPEDIA};
use crate::domain::{
    Currency, Money, Order, OrderLine, Product, ProductState, RemoteId, Standing, Timestamp,
    Variant,
};
use crate::marketplaces::{OrderSummary, PriceChange, StockLevel};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

/// The one warehouse of the simulated shops.
pub(super) const WAREHOUSE: &str = "7068517275539700001";

/// Largest quantity that Update Inventory takes. Source: its page, `quantity` 1 to 99,999; that it
/// takes 0 is not written there, yet shops stop selling that way.
pub(super) const LARGEST_QUANTITY: i64 = 99_999;

#[derive(Deserialize)]
struct RemoteOrder {
    id: Id,
    status: String,
    create_time: i64,
    update_time: i64,
    /// Only in orders of region ID.
    commerce_platform: Option<String>,
    tracking_number: Option<String>,
    is_sample_order: Option<bool>,
    is_replacement_order: Option<bool>,
    is_exchange_order: Option<bool>,
    payment: Payment,
    line_items: Vec<LineItem>,
}

#[derive(Deserialize)]
struct Payment {
    currency: String,
    total_amount: String,
    original_total_product_price: Option<String>,
    seller_discount: Option<String>,
}

/// One unit: there is no quantity, five shirts are five line items.
#[derive(Deserialize)]
struct LineItem {
    id: Id,
    sku_id: Id,
    product_id: Id,
    product_name: Option<String>,
    sku_name: Option<String>,
    seller_sku: Option<String>,
    original_price: String,
    seller_discount: Option<String>,
    display_status: Option<String>,
    tracking_number: Option<String>,
}

/// An order, or why it cannot be read.
pub(super) fn order(row: Value) -> Result<Order, Misfit> {
    with_id(row, read_order)
}

pub(super) fn summary(row: Value) -> Result<OrderSummary, Misfit> {
    // The list holds whole orders: what could not be booked later is told now.
    order(row).map(|order| OrderSummary {
        remote_id: order.remote_id,
        number: order.number,
        version: order.version,
        remote_status: Some(order.remote_status),
        bookable: true,
        placed_at: Some(order.placed_at),
        standing: Some(order.standing),
        total: Some(order.total),
    })
}

pub(super) fn with_id<T>(
    row: Value,
    read: impl FnOnce(Value) -> Result<T, String>,
) -> Result<T, Misfit> {
    let id = row.get("id").and_then(|id| Id::deserialize(id).ok());
    let id = id.map_or_else(|| RemoteId::from("without id"), RemoteId::from);
    read(row).map_err(|reason| (id, reason))
}

fn read_order(row: Value) -> Result<Order, String> {
    let remote: RemoteOrder = serde_json::from_value(row).map_err(|error| error.to_string())?;
    let currency = Currency::from_code(&remote.payment.currency).map_err(|e| e.to_string())?;
    let standing = standing(&remote.status)
        .ok_or_else(|| format!("unknown order status `{}`", remote.status))?;
    let lines = remote.line_items.iter().map(|item| line(item, currency));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    if lines.is_empty() {
        return Err("the order has no line items".to_owned());
    }
    let remark = remark(&remote);
    let tracking = |text: &Option<String>| filled(text.as_deref());
    let of_lines = || {
        remote
            .line_items
            .iter()
            .find_map(|item| tracking(&item.tracking_number))
    };
    Ok(Order {
        number: remote.id.0.clone(),
        platform: match remote.commerce_platform.as_deref() {
            Some("TOKOPEDIA") => TOKOPEDIA,
            _ => SLUG,
        },
        standing,
        version: Timestamp::from_secs(remote.update_time),
        placed_at: Timestamp::from_secs(remote.create_time),
        currency,
        total: money(&remote.payment.total_amount, currency)?,
        tracking_number: tracking(&remote.tracking_number).or_else(of_lines),
        charges: charges(&remote, &lines, currency)?,
        lines,
        returns: None,
        remark,
        remote_status: remote.status,
        remote_id: remote.id.into(),
    })
}

/// What the buyer pays beyond the products as the seller sold them; the platform's discounts lower it. The sums are
/// told apart from the lines, as long as none of these was called off.
fn charges(
    order: &RemoteOrder,
    lines: &[OrderLine],
    currency: Currency,
) -> Result<Option<Money>, String> {
    let Some(products) = filled(order.payment.original_total_product_price.as_deref()) else {
        return Ok(None);
    };
    if lines.iter().any(|line| line.cancelled > 0) {
        return Ok(None);
    }
    let discount = filled(order.payment.seller_discount.as_deref());
    let sold = money(&products, currency)?.minor
        - money(discount.as_deref().unwrap_or("0"), currency)?.minor;
    Ok(Some(Money {
        minor: money(&order.payment.total_amount, currency)?.minor - sold,
        currency,
    }))
}

/// `CANCEL` is how webhooks spell it. A full refund after shipping ends in `COMPLETED`, too.
fn standing(status: &str) -> Option<Standing> {
    Some(match status {
        "UNPAID" => Standing::PLACED,
        // Paid; in the hour in which the buyer may change their mind it cannot be sent yet.
        "ON_HOLD" | "AWAITING_SHIPMENT" | "PARTIALLY_SHIPPING" | "AWAITING_COLLECTION" => {
            Standing::SOLD
        }
        "IN_TRANSIT" | "DELIVERED" => Standing::SHIPPED,
        "COMPLETED" => Standing::COMPLETED,
        "CANCELLED" | "CANCEL" => Standing::CANCELLED,
        _ => return None,
    })
}

fn line(item: &LineItem, currency: Currency) -> Result<OrderLine, String> {
    let price = money(&item.original_price, currency)?;
    let discount = money(
        filled(item.seller_discount.as_deref())
            .as_deref()
            .unwrap_or("0"),
        currency,
    )?;
    let is_cancelled = matches!(item.display_status.as_deref(), Some("CANCELLED" | "CANCEL"));
    Ok(OrderLine {
        remote_id: item.id.clone().into(),
        product_id: item.product_id.clone().into(),
        variant_id: item.sku_id.clone().into(),
        seller_sku: item.seller_sku.clone().filter(|sku| !sku.is_empty()),
        title: title(item),
        quantity: 1,
        cancelled: i64::from(is_cancelled),
        // What the sale earns: the platform's discount is paid back to the seller, so only the
        // seller's own lowers it. `sale_price` would have both taken off.
        gross: Some(price),
        off_shelf: 0,
        total: Money {
            minor: price.minor.saturating_sub(discount.minor),
            currency,
        },
    })
}

/// `Kaos Polos, Hitam, M`; a product with one SKU calls it `Default`.
fn title(item: &LineItem) -> String {
    let names = [item.product_name.as_deref(), item.sku_name.as_deref()];
    let told = |name: &&str| !name.is_empty() && !name.eq_ignore_ascii_case("default");
    names
        .into_iter()
        .flatten()
        .filter(told)
        .collect::<Vec<_>>()
        .join(", ")
}

fn remark(order: &RemoteOrder) -> Option<String> {
    let kinds = [
        (order.is_sample_order, "sample order"),
        (order.is_replacement_order, "replacement order"),
        (order.is_exchange_order, "exchange order"),
    ];
    let told = kinds.iter().filter(|(is_so, _)| is_so == &Some(true));
    let text = told.map(|(_, words)| *words).collect::<Vec<_>>().join(", ");
    filled(Some(&text))
}

#[derive(Deserialize)]
struct RemoteProduct {
    id: Id,
    title: Option<String>,
    status: Option<String>,
    create_time: Option<i64>,
    update_time: Option<i64>,
    /// One in webhooks, a list in the API.
    integrated_platform_statuses: Option<Platforms>,
    skus: Option<Vec<RemoteSku>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Platforms {
    Many(Vec<PlatformStatus>),
    One(PlatformStatus),
}

#[derive(Deserialize)]
struct PlatformStatus {
    status: Option<String>,
}

#[derive(Deserialize)]
struct RemoteSku {
    id: Id,
    seller_sku: Option<String>,
    price: Option<ShownPrice>,
    inventory: Option<Vec<Inventory>>,
    status_info: Option<PlatformStatus>,
}

#[derive(Deserialize)]
struct ShownPrice {
    currency: String,
    sale_price: Option<String>,
    tax_exclusive_price: Option<String>,
}

#[derive(Deserialize)]
struct Inventory {
    warehouse_id: Option<Id>,
    quantity: i64,
}

/// A product from the list or on its own, or why it cannot be read.
pub(super) fn product(row: Value) -> Result<Product, Misfit> {
    with_id(row, read_product)
}

fn read_product(row: Value) -> Result<Product, String> {
    let remote: RemoteProduct = serde_json::from_value(row).map_err(|error| error.to_string())?;
    let state = product_state(&remote)?;
    let skus = remote.skus.unwrap_or_default();
    let variants = skus.into_iter().map(|sku| variant(sku, state));
    let version = remote
        .update_time
        .or(remote.create_time)
        .unwrap_or_default();
    Ok(Product {
        remote_id: remote.id.into(),
        title: remote.title.unwrap_or_default(),
        state,
        version: Timestamp::from_secs(version),
        variants: variants.collect::<Result<_, _>>()?,
    })
}

/// A product that is only on Tokopedia has no `status`; there the platforms' own ones speak.
fn product_state(product: &RemoteProduct) -> Result<ProductState, String> {
    let of_platforms: Vec<&str> = match &product.integrated_platform_statuses {
        Some(Platforms::Many(many)) => many.iter().filter_map(|p| p.status.as_deref()).collect(),
        Some(Platforms::One(one)) => one.status.as_deref().into_iter().collect(),
        None => Vec::new(),
    };
    let status = filled(product.status.as_deref()).or_else(|| {
        let is_active = of_platforms.contains(&"ACTIVATE");
        let told = if is_active {
            Some("ACTIVATE")
        } else {
            of_platforms.first().copied()
        };
        told.map(str::to_owned)
    });
    match status.as_deref() {
        Some("ACTIVATE") => Ok(ProductState::Active),
        Some("DELETED") => Ok(ProductState::Gone),
        Some(
            "DRAFT"
            | "PENDING"
            | "FAILED"
            | "SELLER_DEACTIVATED"
            | "PLATFORM_DEACTIVATED"
            | "FREEZE"
            | "SCHEDULED",
        ) => Ok(ProductState::Inactive),
        Some(unknown) => Err(format!("unknown product status `{unknown}`")),
        None => Err("the product has no status".to_owned()),
    }
}

fn variant(sku: RemoteSku, of_product: ProductState) -> Result<Variant, String> {
    let is_off = sku
        .status_info
        .is_some_and(|info| info.status.as_deref() == Some("DEACTIVATED"));
    let seller_sku = sku.seller_sku.filter(|code| !code.is_empty());
    Ok(Variant {
        remote_id: sku.id.into(),
        // The list does not tell "Hitam, M", only the product on its own does: named by it, a listing
        // would change its title with every scan.
        title: seller_sku.clone().unwrap_or_else(|| "Default".to_owned()),
        state: match of_product {
            ProductState::Active if is_off => ProductState::Inactive,
            state => state,
        },
        seller_sku,
        price: sku.price.map(price).transpose()?.flatten(),
        quantity: sku.inventory.as_deref().map(in_all_warehouses),
        reserved: None,
        push_ref: sku.inventory.and_then(|all| warehouses(&all)),
    })
}

fn in_all_warehouses(inventory: &[Inventory]) -> i64 {
    inventory
        .iter()
        .fold(0, |sum, at| sum.saturating_add(at.quantity))
}

/// Before promotions. Local sellers' lists tell it as the price without tax.
fn price(price: ShownPrice) -> Result<Option<Money>, String> {
    let text = filled(price.sale_price.as_deref()).or(filled(price.tax_exclusive_price.as_deref()));
    let Some(text) = text else { return Ok(None) };
    let currency = Currency::from_code(&price.currency).map_err(|e| e.to_string())?;
    money(&text, currency).map(Some)
}

/// The warehouses of a SKU as JSON, sorted, so that an answer in another order is the same one.
fn warehouses(inventory: &[Inventory]) -> Option<String> {
    let mut ids: Vec<&str> = inventory
        .iter()
        .filter_map(|i| Some(i.warehouse_id.as_ref()?.0.as_str()))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    (!ids.is_empty()).then(|| json!(ids).to_string())
}

/// One SKU of Update Inventory.
///
/// The call replaces and wants every warehouse of the SKU, and we know one number per channel. So the
/// first warehouse (by id: always the same one) gets all of it and the others 0: the sum that buyers
/// see is right, and no unit is offered twice.
pub(super) fn stock_of(level: &StockLevel) -> Value {
    let known = level
        .push_ref
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    let known: Vec<String> = known.unwrap_or_default();
    let quantity = level.quantity.clamp(0, LARGEST_QUANTITY);
    let all_on_first = known.iter().enumerate().map(|(place, id)| {
        let share = if place == 0 { quantity } else { 0 };
        json!({"warehouse_id": id, "quantity": share})
    });
    let mut inventory: Vec<Value> = all_on_first.collect();
    if inventory.is_empty() {
        inventory.push(json!({"quantity": quantity}));
    }
    json!({"id": level.variant_id, "inventory": inventory})
}

/// One SKU of Update Price.
pub(super) fn price_of(change: &PriceChange) -> Value {
    let amount = major(change.price);
    let currency = change.price.currency.code();
    json!({"id": change.variant_id, "price": {"amount": amount, "currency": currency}})
}

/// `189000` rather than `189000.00`: rupiah and yen are written without decimals, cents stay.
pub(super) fn major(money: Money) -> String {
    let amount = Decimal::new(money.minor, money.currency.exponent());
    let whole = amount.trunc();
    if whole == amount {
        whole.to_string()
    } else {
        amount.to_string()
    }
}

fn money(text: &str, currency: Currency) -> Result<Money, String> {
    Money::parse(text, currency).map_err(|error| error.to_string())
}

fn filled(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}
