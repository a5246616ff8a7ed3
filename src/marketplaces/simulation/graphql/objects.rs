//! Shopify's objects as its GraphQL API words them, with everything that our documents ask for.

use crate::domain::{Money, ProductState, Timestamp};
use crate::marketplaces::simulation::{Shop, SimOrder, SimProduct, SimStatus, SimVariant};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// The location of the simulated shops that fulfils online orders.
pub const LOCATION: &str = "24826418";
/// A place in the same street that a test may open.
const SHOWROOM: &str = "24826419";
/// Units of everything there.
const ON_SHOW: i64 = 7;
/// A simulated variant's stock item has the variant's id and so much more.
pub const ITEM_OFFSET: u64 = 2_000_000_000_000;

/// `gid://shopify/Order/5623011049531`
pub fn gid(kind: &str, id: &str) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// `98000.00`
fn amount(money: Money) -> String {
    Decimal::new(money.minor, money.currency.exponent()).to_string()
}

fn item_of(variant: &SimVariant) -> String {
    let id: u64 = variant.id.as_str().parse().unwrap_or(0);
    gid("InventoryItem", &(id + ITEM_OFFSET).to_string())
}

fn has_showroom(shop: &Shop) -> bool {
    shop.memory.contains_key("showroom")
}

pub fn word_locations(shop: &Shop) -> Value {
    let location = |id: &str, active: bool, online: bool| {
        json!({"legacyResourceId": id, "isActive": active, "fulfillsOnlineOrders": online,
            "isFulfillmentService": false})
    };
    let mut all = vec![
        location("24826401", false, true),
        location(LOCATION, true, true),
    ];
    if has_showroom(shop) {
        all.push(location(SHOWROOM, true, false));
    }
    all.into()
}

/// Everything that can be asked of a product; `location`: the one whose stock is asked for.
pub fn word_product(shop: &Shop, product: &SimProduct, location: Option<&str>) -> Value {
    let status = match product.state {
        ProductState::Active => "ACTIVE",
        _ => "DRAFT",
    };
    let variants = product.variants.iter();
    let variants = variants.map(|variant| word_variant(shop, variant, location));
    json!({"__typename": "Product", "id": gid("Product", product.id.as_str()),
        "title": product.title, "status": status, "updatedAt": utc(product.updated_at),
        "variants": variants.collect::<Vec<_>>()})
}

pub fn word_variant(shop: &Shop, variant: &SimVariant, location: Option<&str>) -> Value {
    let on_show = if has_showroom(shop) { ON_SHOW } else { 0 };
    let here = match location {
        Some(id) if id == gid("Location", LOCATION) => Some(variant.quantity),
        Some(id) if id == gid("Location", SHOWROOM) => Some(on_show),
        _ => None,
    };
    let level = here.map(|units| json!({"quantities": [{"name": "available", "quantity": units}]}));
    let is_tracked = !shop
        .memory
        .contains_key(&format!("untracked {}", variant.id));
    let title = match variant.title.as_str() {
        "" => "Default Title",
        title => title,
    };
    json!({"__typename": "ProductVariant", "id": gid("ProductVariant", variant.id.as_str()),
        "sku": variant.seller_sku, "title": title, "price": amount(variant.price),
        "inventoryQuantity": variant.quantity + on_show,
        "inventoryItem": {"id": item_of(variant), "tracked": is_tracked, "inventoryLevel": level}})
}

/// Everything that can be asked of an order.
pub fn word_order(shop: &Shop, order: &SimOrder) -> Value {
    let set = |minor: i64| {
        let amount = Decimal::new(minor, shop.currency.exponent()).normalize();
        // At least one decimal, and no more than needed.
        let text = amount.to_string();
        let text = if text.contains('.') {
            text
        } else {
            text + ".0"
        };
        json!({"shopMoney": {"amount": text, "currencyCode": shop.currency}})
    };
    let (mut lines, mut refunded, mut open) = (Vec::new(), Vec::new(), 0);
    for line in &order.lines {
        let id = gid("LineItem", &line.first_id.to_string());
        let left = line.quantity - line.cancelled;
        open += left * line.unit_price.minor;
        let product = shop.products.get(&line.product_id);
        let variant = shop.variant(&line.variant_id);
        let restocked = line.cancelled - line.off_shelf;
        for (units, kind) in [(restocked, "CANCEL"), (line.off_shelf, "NO_RESTOCK")] {
            if units > 0 {
                refunded.push(json!({"quantity": units, "restockType": kind,
                    "lineItem": {"id": id}}));
            }
        }
        lines.push(json!({"__typename": "LineItem", "id": id,
            "name": product.map_or("", |product| &product.title),
            "sku": variant.and_then(|v| v.seller_sku.as_deref()), "quantity": line.quantity,
            "currentQuantity": left, "originalUnitPriceSet": set(line.unit_price.minor),
            "discountAllocations": [], "taxLines": [],
            "product": product.map(|p| json!({"id": gid("Product", p.id.as_str())})),
            "variant": variant.map(|v| json!({"id": gid("ProductVariant", v.id.as_str())}))}));
    }
    let is_cancelled = order.status == SimStatus::Cancelled;
    let payment = match (order.paid_at, is_cancelled) {
        (None, false) => "PENDING",
        (None, true) => "VOIDED",
        (Some(_), true) => "REFUNDED",
        (Some(_), false) if refunded.is_empty() => "PAID",
        (Some(_), false) => "PARTIALLY_REFUNDED",
    };
    let is_sent = !is_cancelled && order.status >= SimStatus::Shipped;
    let parcels = order.tracking_number.iter().filter(|_| is_sent);
    let parcels: Vec<_> = parcels
        .map(|number| json!({"status": "SUCCESS", "trackingInfo": [{ "number": number }]}))
        .collect();
    let refunds = if refunded.is_empty() {
        json!([])
    } else {
        json!([{ "refundLineItems": refunded }])
    };
    json!({"__typename": "Order", "id": gid("Order", order.id.as_str()),
        "name": order_name(order), "createdAt": utc(order.placed_at),
        "updatedAt": utc(order.updated_at), "cancelledAt": is_cancelled.then(|| utc(order.updated_at)),
        "cancelReason": is_cancelled.then_some("CUSTOMER"), "test": false,
        "displayFinancialStatus": payment,
        "displayFulfillmentStatus": if is_sent { "FULFILLED" } else { "UNFULFILLED" },
        "taxesIncluded": true, "currentTotalPriceSet": set(open), "fulfillments": parcels,
        "lineItems": lines, "refunds": refunds})
}

/// What people call an order: not its id.
pub fn order_name(order: &SimOrder) -> String {
    let number: u64 = order.id.as_str().parse().unwrap_or(0);
    format!("#{}", number % 10_000_000)
}

fn utc(at: Timestamp) -> String {
    at.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
