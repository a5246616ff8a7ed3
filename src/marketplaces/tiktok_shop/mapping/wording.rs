//! Orders and products of a simulated shop in TikTok Shop's words.

use super::super::TOKOPEDIA;
use super::{WAREHOUSE, major};
use crate::domain::{Money, ProductState};
use crate::marketplaces::simulation::{Shop, SimOrder, SimProduct, SimStatus, SimVariant};
use serde_json::{Value, json};

/// The API's word for an order's state; webhooks say `CANCEL`.
pub fn order_status(status: SimStatus) -> &'static str {
    match status {
        SimStatus::Unpaid => "UNPAID",
        SimStatus::Paid => "AWAITING_SHIPMENT",
        SimStatus::Arranged => "AWAITING_COLLECTION",
        SimStatus::Shipped => "IN_TRANSIT",
        SimStatus::Delivered => "DELIVERED",
        SimStatus::Completed => "COMPLETED",
        SimStatus::Cancelled => "CANCELLED",
    }
}

pub fn product_status(state: ProductState) -> &'static str {
    match state {
        ProductState::Active => "ACTIVATE",
        ProductState::Inactive => "SELLER_DEACTIVATED",
        ProductState::Gone => "DELETED",
    }
}

/// An order as the API words it, one line item per unit.
pub fn word_order(shop: &Shop, order: &SimOrder) -> Value {
    let (mut items, mut open) = (Vec::new(), 0);
    let tracking = order.tracking_number.as_deref().unwrap_or_default();
    for line in &order.lines {
        let sku = shop.variant(&line.variant_id);
        let title = shop
            .products
            .get(&line.product_id)
            .map_or("", |product| &product.title);
        open += (line.quantity - line.cancelled) * line.unit_price.minor;
        for (unit, id) in (0..line.quantity).zip(line.first_id..) {
            let status = if unit < line.cancelled {
                SimStatus::Cancelled
            } else {
                order.status
            };
            items.push(json!({
                "id": id.to_string(), "sku_id": line.variant_id, "product_id": line.product_id,
                "product_name": title, "sku_name": sku.map_or("Default", |sku| &sku.title),
                "seller_sku": sku.and_then(|sku| sku.seller_sku.as_deref()).unwrap_or_default(),
                "original_price": major(line.unit_price), "sale_price": major(line.unit_price),
                "seller_discount": "0", "platform_discount": "0", "currency": shop.currency,
                "display_status": order_status(status), "tracking_number": tracking, "is_gift": false,
            }));
        }
    }
    let total = major(Money {
        minor: open,
        currency: shop.currency,
    });
    let mut worded = json!({
        "id": order.id, "status": order_status(order.status), "order_type": "NORMAL",
        "create_time": order.placed_at.secs(), "update_time": order.updated_at.secs(),
        "commerce_platform": if order.platform == TOKOPEDIA { "TOKOPEDIA" } else { "TIKTOK_SHOP" },
        "fulfillment_type": "FULFILLMENT_BY_SELLER", "tracking_number": tracking,
        "is_cod": false, "is_sample_order": false, "is_on_hold_order": false,
        "payment": {"currency": shop.currency, "sub_total": total, "total_amount": total},
        "line_items": items,
    });
    // Times that were not reached are not there.
    if let Some(at) = order.paid_at {
        worded["paid_time"] = at.secs().into();
    }
    worded
}

/// `in_full` is the product on its own; lists tell less.
pub fn word_product(shop: &Shop, product: &SimProduct, in_full: bool) -> Value {
    let status = product_status(product.state);
    let skus = product
        .variants
        .iter()
        .map(|sku| word_sku(sku, in_full))
        .collect::<Vec<_>>();
    let mut worded = json!({
        "id": product.id, "title": product.title, "create_time": product.created_at.secs(),
        "update_time": product.updated_at.secs(), "has_draft": false, "skus": skus,
    });
    let on_tokopedia = shop.platforms.contains(&TOKOPEDIA);
    if on_tokopedia {
        worded["integrated_platform_statuses"] =
            json!([{"platform": "TOKOPEDIA", "status": status}]);
    }
    if !(on_tokopedia
        && product
            .id
            .as_str()
            .parse::<u64>()
            .ok()
            .is_some_and(|id| id % 5 == 0))
    {
        worded["status"] = status.into();
    }
    worded
}

fn word_sku(sku: &SimVariant, in_full: bool) -> Value {
    let price = major(sku.price);
    let mut worded = json!({
        "id": sku.id, "seller_sku": sku.seller_sku.as_deref().unwrap_or_default(),
        "price": {"currency": sku.price.currency, "tax_exclusive_price": price},
        "inventory": [{"warehouse_id": WAREHOUSE, "quantity": sku.quantity}],
        "status_info": {"status": "NORMAL"},
    });
    if in_full {
        worded["price"]["sale_price"] = price.into();
        worded["sales_attributes"] =
            json!([{"id": "100000", "name": "Varian", "value_name": sku.title}]);
    }
    worded
}
