//! Shopify's objects as its GraphQL API words them, with everything that our documents ask for.

use crate::domain::{Goods, Money, ProductState, Timestamp};
use crate::marketplaces::simulation::{
    Shop, SimOrder, SimProduct, SimReturn, SimReturnState, SimStatus, SimVariant,
};
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

fn word_money(shop: &Shop, minor: i64) -> Value {
    let amount = Decimal::new(minor, shop.currency.exponent()).normalize();
    // At least one decimal, and no more than needed.
    let text = amount.to_string();
    let text = if text.contains('.') {
        text
    } else {
        text + ".0"
    };
    json!({"shopMoney": {"amount": text, "currencyCode": shop.currency}})
}

/// Everything that can be asked of an order.
pub fn word_order(shop: &Shop, order: &SimOrder) -> Value {
    let set = |minor: i64| word_money(shop, minor);
    let (mut lines, mut refunded, mut open) = (Vec::new(), Vec::new(), 0);
    for (at, line) in order.lines.iter().enumerate() {
        let id = gid("LineItem", &line.first_id.to_string());
        let left = line.quantity - line.cancelled - taken_out(order, at);
        open += left * line.unit_price.minor;
        let product = shop.products.get(&line.product_id);
        let variant = shop.variant(&line.variant_id);
        let restocked = line.cancelled - line.off_shelf;
        for (units, kind) in [(restocked, "CANCEL"), (line.off_shelf, "NO_RESTOCK")] {
            if units > 0 {
                refunded.push(json!({"quantity": units, "restockType": kind,
                    "subtotalSet": set(units * line.unit_price.minor), "totalTaxSet": set(0),
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
        (Some(_), false) => match order.refunded() {
            0 if refunded.is_empty() => "PAID",
            all if all > 0 && all >= order.open_total() => "REFUNDED",
            _ => "PARTIALLY_REFUNDED",
        },
    };
    let is_sent = !is_cancelled && order.status >= SimStatus::Shipped;
    let parcels = order.tracking_number.iter().filter(|_| is_sent);
    let parcels: Vec<_> = parcels
        .map(|number| json!({"status": "SUCCESS", "trackingInfo": [{ "number": number }]}))
        .collect();
    let mut refunds: Vec<Value> = order
        .returns
        .iter()
        .filter(|of| of.state == SimReturnState::Refunded && !of.is_exchange)
        .map(|of| word_refund(shop, order, of))
        .collect();
    if !refunded.is_empty() {
        let called_off = order
            .lines
            .iter()
            .map(|line| line.cancelled * line.unit_price.minor);
        let money = order.paid_at.map_or(0, |_| called_off.sum());
        let id = order.lines[0].first_id + 1_000_000;
        refunds.push(json!({"id": gid("Refund", &id.to_string()),
            "createdAt": utc(order.updated_at), "updatedAt": utc(order.updated_at),
            "totalRefundedSet": set(money), "refundShippingLines": [], "refundLineItems": refunded}));
    }
    let wishes = order.returns.iter().filter(|of| of.is_asked);
    let wishes: Vec<Value> = wishes.map(|of| word_return(order, of)).collect();
    json!({"__typename": "Order", "id": gid("Order", order.id.as_str()),
        "name": order_name(order), "createdAt": utc(order.placed_at),
        "updatedAt": utc(order.updated_at), "cancelledAt": is_cancelled.then(|| utc(order.updated_at)),
        "cancelReason": is_cancelled.then_some("CUSTOMER"), "test": false,
        "displayFinancialStatus": payment,
        "displayFulfillmentStatus": if is_sent { "FULFILLED" } else { "UNFULFILLED" },
        "taxesIncluded": true, "currentTotalPriceSet": set(open),
        "currentSubtotalPriceSet": set(open), "fulfillments": parcels,
        "lineItems": lines, "refunds": refunds, "returns": wishes,
        "returnStatus": return_status(order)})
}

/// Units that refunds took out of a line.
fn taken_out(order: &SimOrder, line: usize) -> i64 {
    let refunds = order
        .returns
        .iter()
        .filter(|of| of.state == SimReturnState::Refunded && !of.is_exchange);
    let its = refunds
        .flat_map(|of| &of.lines)
        .filter(|of| of.line == line);
    its.map(|of| of.quantity).sum()
}

fn word_refund(shop: &Shop, order: &SimOrder, of: &SimReturn) -> Value {
    let lines = of.lines.iter().map(|line| {
        let sold = &order.lines[line.line];
        let kind = if of.is_restocked {
            "RETURN"
        } else {
            "NO_RESTOCK"
        };
        json!({"quantity": line.quantity, "restockType": kind,
            "subtotalSet": word_money(shop, line.quantity * sold.unit_price.minor),
            "totalTaxSet": word_money(shop, 0),
            "lineItem": {"id": gid("LineItem", &sold.first_id.to_string())}})
    });
    json!({"id": gid("Refund", of.id.as_str()), "createdAt": utc(of.created_at),
        "updatedAt": utc(of.updated_at), "totalRefundedSet": word_money(shop, of.refund),
        "refundShippingLines": [], "refundLineItems": lines.collect::<Vec<_>>()})
}

/// The buyer's wish; its id is another than that of the refund that came of it.
fn word_return(order: &SimOrder, of: &SimReturn) -> Value {
    let lines = of.lines.iter().map(|line| {
        let sold = order.lines[line.line].first_id;
        json!({"__typename": "ReturnLineItem", "quantity": line.quantity,
            "returnReasonDefinition": {"handle": of.reason.to_lowercase()},
            "fulfillmentLineItem": {"lineItem": {"id": gid("LineItem", &sold.to_string())}}})
    });
    let at = |is: bool| is.then(|| utc(of.updated_at));
    let (state, is_refund) = (wish_status(of), of.state == SimReturnState::Refunded);
    let refunds: Vec<_> = [of]
        .iter()
        .filter(|of| is_refund && !of.is_exchange)
        .map(|of| json!({"id": gid("Refund", of.id.as_str())}))
        .collect();
    json!({"__typename": "Return", "id": gid("Return", of.id.as_str()), "status": state,
        "createdAt": utc(of.created_at), "requestApprovedAt": at(state == "OPEN"),
        "closedAt": at(state == "CLOSED"), "refunds": refunds,
        "returnLineItems": lines.collect::<Vec<_>>()})
}

fn wish_status(of: &SimReturn) -> &'static str {
    match of.state {
        SimReturnState::Requested => "REQUESTED",
        SimReturnState::Accepted => "OPEN",
        SimReturnState::Refunded if of.goods == Goods::Coming => "OPEN",
        SimReturnState::Refunded => "CLOSED",
        SimReturnState::Refused => "DECLINED",
    }
}

/// The one of several that is shown first.
fn return_status(order: &SimOrder) -> &'static str {
    let wishes = order.returns.iter().filter(|of| of.is_asked);
    let states: Vec<_> = wishes.map(wish_status).collect();
    let shown = [
        ("REQUESTED", "RETURN_REQUESTED"),
        ("OPEN", "IN_PROGRESS"),
        ("CLOSED", "RETURNED"),
        ("DECLINED", "RETURN_FAILED"),
    ];
    let found = shown.iter().find(|(state, _)| states.contains(state));
    found.map_or("NO_RETURN", |(_, status)| status)
}

/// What people call an order: not its id.
pub fn order_name(order: &SimOrder) -> String {
    let number: u64 = order.id.as_str().parse().unwrap_or(0);
    format!("#{}", number % 10_000_000)
}

fn utc(at: Timestamp) -> String {
    at.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
