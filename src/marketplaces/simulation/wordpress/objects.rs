//! The objects of a WooCommerce store as its API and its webhooks write them.
//!
//! A product with one variant is a simple product, under the product's own id and with `variation_id` 0
//! in orders; one with several is a variable product. Units that were called off make a line shorter.
//!
//! Source: WooCommerce 10.5.2, REST API v3, and a running store, read 2026-11-23.

use super::{Row, gmt, local};
use crate::domain::{Money, ProductState, RemoteId, Timestamp};
use crate::marketplaces::simulation::{
    Shop, SimLine, SimOrder, SimProduct, SimRequest, SimReturn, SimReturnState, SimStatus,
    SimVariant, Subscription,
};
use serde_json::{Value, json};

/// Before a variant's id in a shop's memory: its stock is not counted.
pub const UNCOUNTED: &str = "uncounted:";

pub fn order_rows(shop: &Shop, request: &SimRequest, now: Timestamp) -> Vec<Row> {
    let wanted: Vec<&str> = request
        .param("status")
        .unwrap_or("any")
        .split(',')
        .collect();
    let orders = shop.orders.values().map(|order| order.as_shown(now));
    let listed = orders.filter(|order| wanted.contains(&"any") || wanted.contains(&status(order)));
    let row = |order: &SimOrder| Row {
        id: number(&order.id),
        created_at: order.placed_at,
        modified_at: order.updated_at,
        json: order_json(shop, order),
    };
    listed.map(row).collect()
}

fn is_listed(request: &SimRequest, product: &SimProduct) -> bool {
    match request.param("status").unwrap_or("any") {
        "any" => product.state != ProductState::Gone,
        one => one == state(product),
    }
}

pub fn product_rows(shop: &Shop, request: &SimRequest) -> Vec<Row> {
    let listed = shop
        .products
        .values()
        .filter(|product| is_listed(request, product));
    listed
        .map(|product| row(product, &product.id, product_json(shop, product)))
        .collect()
}

/// None for simple and for unknown products.
pub fn variation_rows(shop: &Shop, product: &str, request: &SimRequest) -> Vec<Row> {
    let product = shop.products.get(&RemoteId::from(product));
    let Some(product) = product.filter(|p| p.variants.len() > 1 && is_listed(request, p)) else {
        return vec![];
    };
    let variants = product.variants.iter();
    variants
        .map(|v| row(product, &v.id, variation_json(shop, product, v)))
        .collect()
}

fn row(product: &SimProduct, id: &RemoteId, json: Value) -> Row {
    Row {
        id: number(id),
        created_at: product.created_at,
        modified_at: product.updated_at,
        json,
    }
}

pub fn number(id: &RemoteId) -> u64 {
    id.as_str().parse().unwrap_or(0)
}

pub fn is_counted(shop: &Shop, variant: &RemoteId) -> bool {
    !shop.memory.contains_key(&format!("{UNCOUNTED}{variant}"))
}

fn amount(money: Money) -> String {
    let shown = money.to_string();
    shown.split(' ').next().unwrap_or_default().to_owned()
}

pub fn status(order: &SimOrder) -> &'static str {
    let refunded = order.refunded();
    if refunded > 0 && refunded >= order.open_total() && order.status != SimStatus::Cancelled {
        return "refunded";
    }
    match order.status {
        SimStatus::Unpaid => "pending",
        SimStatus::Paid | SimStatus::Arranged => "processing",
        SimStatus::Shipped | SimStatus::Delivered | SimStatus::Completed => "completed",
        SimStatus::Cancelled => "cancelled",
    }
}

pub fn state(product: &SimProduct) -> &'static str {
    match product.state {
        ProductState::Active => "publish",
        ProductState::Inactive => "draft",
        ProductState::Gone => "trash",
    }
}

/// Adds the fields of `more` to an object.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

fn dates(created_at: Timestamp, modified_at: Timestamp) -> Value {
    json!({
        "date_created": local(created_at), "date_created_gmt": gmt(created_at),
        "date_modified": local(modified_at), "date_modified_gmt": gmt(modified_at),
    })
}

fn links(shop: &Shop, path: &str) -> Value {
    let home = &shop.remote_id;
    json!({ "_links": { "self": [{ "href": format!("{home}/wp-json/wc/v3/{path}") }] } })
}

pub fn order_json(shop: &Shop, order: &SimOrder) -> Value {
    let sold = |line: &SimLine| match order.status {
        SimStatus::Cancelled => line.quantity,
        _ => line.quantity - line.cancelled,
    };
    let mut total = Money::zero(shop.currency);
    let mut lines = Vec::new();
    for line in order.lines.iter().filter(|line| sold(line) > 0) {
        let minor = line.unit_price.minor * sold(line);
        total.minor += minor;
        let mut shown = line_json(shop, line, sold(line), Money { minor, ..total });
        if let Some(units) = restocked(order, line) {
            let noted =
                json!({ "id": 1, "key": "_restock_refunded_items", "value": units.to_string() });
            shown["meta_data"] = json!([noted]);
        }
        lines.push(shown);
    }
    let newest_first = refunds(order).rev().map(|of| {
        let minor = -of.refund;
        json!({ "id": number(&of.id), "reason": of.reason, "total": amount(Money { minor, ..total }) })
    });
    let refunds: Vec<Value> = newest_first.collect();
    let nobody = json!({ "first_name": "", "last_name": "", "email": "", "phone": "" });
    let paid = |time: fn(Timestamp) -> String| order.paid_at.map(time);
    let own = json!({
        "id": number(&order.id), "parent_id": 0, "number": order.id, "status": status(order),
        "order_key": format!("wc_order_{}", order.id), "created_via": "checkout",
        "version": "10.5.2", "currency": shop.currency.code(), "prices_include_tax": false,
        "discount_total": "0.00", "shipping_total": "0.00", "total": amount(total),
        "total_tax": "0.00", "customer_id": 0, "billing": nobody, "shipping": nobody,
        "payment_method": "bacs", "payment_method_title": "Transfer bank", "transaction_id": "",
        "date_paid": paid(local), "date_paid_gmt": paid(gmt), "meta_data": [],
        "line_items": lines, "tax_lines": [], "shipping_lines": [], "fee_lines": [],
        "coupon_lines": [], "refunds": refunds, "shipping_tax": "0.00",
        "date_completed_gmt": completed_at(order).map(gmt),
    });
    let own = with(own, dates(order.placed_at, order.updated_at));
    with(own, links(shop, &format!("orders/{}", order.id)))
}

/// When the store's staff said that it was done; not known once it was called off.
fn completed_at(order: &SimOrder) -> Option<Timestamp> {
    let is_done = order.status >= SimStatus::Shipped && order.status != SimStatus::Cancelled;
    is_done.then_some(order.updated_at)
}

/// Requests are unknown to the store.
fn refunds(order: &SimOrder) -> impl DoubleEndedIterator<Item = &SimReturn> {
    let made = |of: &&SimReturn| of.state == SimReturnState::Refunded;
    order.returns.iter().filter(made)
}

/// Units of a line that refunds put back on the shelf, as the store notes them on the line.
fn restocked(order: &SimOrder, line: &SimLine) -> Option<i64> {
    let restocked = refunds(order).filter(|of| of.is_restocked);
    let its = restocked.flat_map(|of| &of.lines);
    let its = its.filter(|of| order.lines[of.line].first_id == line.first_id);
    let units = its.map(|of| of.quantity).sum();
    (units > 0).then_some(units)
}

/// The refunds of an order; amounts and units of their lines are below zero.
pub fn refund_rows(shop: &Shop, order: &SimOrder) -> Vec<Row> {
    let row = |of: &SimReturn| Row {
        id: number(&of.id),
        created_at: of.updated_at,
        modified_at: of.updated_at,
        json: refund_json(shop, order, of),
    };
    refunds(order).map(row).collect()
}

fn refund_json(shop: &Shop, order: &SimOrder, of: &SimReturn) -> Value {
    let money = |minor: i64| {
        amount(Money {
            minor,
            currency: shop.currency,
        })
    };
    let lines = of.lines.iter().enumerate().map(|(at, line)| {
        let sold = &order.lines[line.line];
        let total = Money {
            minor: -line.refund,
            currency: shop.currency,
        };
        let mut shown = line_json(shop, sold, -line.quantity, total);
        let noted =
            json!({ "id": 2, "key": "_refunded_item_id", "value": sold.first_id.to_string() });
        shown["id"] = json!(number(&of.id) * 10 + at as u64);
        shown["meta_data"] = json!([noted]);
        shown
    });
    json!({
        "id": number(&of.id), "date_created": local(of.updated_at),
        "date_created_gmt": gmt(of.updated_at), "amount": money(of.refund), "reason": of.reason,
        "refunded_by": 1, "refunded_payment": false, "meta_data": [],
        "line_items": lines.collect::<Vec<_>>(), "shipping_lines": [], "tax_lines": [],
        "fee_lines": [],
    })
}

/// SKU and ids are read live: they go when the product goes.
fn line_json(shop: &Shop, line: &SimLine, units: i64, total: Money) -> Value {
    let product = shop.products.get(&line.product_id);
    let variant = product.and_then(|p| p.variants.iter().find(|v| v.id == line.variant_id));
    let is_variation = product.is_some_and(|p| p.variants.len() > 1);
    let name = product.map_or("Sold product", |p| p.title.as_str());
    json!({
        "id": line.first_id, "name": name.replace('&', "&amp;"),
        "product_id": product.map_or(0, |p| number(&p.id)),
        "variation_id": if is_variation { number(&line.variant_id) } else { 0 },
        "quantity": units, "subtotal": amount(total), "subtotal_tax": "0.00",
        "total": amount(total), "total_tax": "0.00", "taxes": [], "meta_data": [],
        "sku": product.zip(variant).map(|(p, v)| sku(p, v)),
        "price": line.unit_price.minor as f64 / 10_f64.powi(shop.currency.exponent() as i32),
    })
}

/// A variation without a SKU shows its parent's.
fn sku(product: &SimProduct, variant: &SimVariant) -> String {
    let own = variant.seller_sku.clone();
    own.unwrap_or_else(|| parent_sku(product))
}

fn parent_sku(product: &SimProduct) -> String {
    if product.variants.len() > 1 {
        format!("PARENT-{}", product.id)
    } else {
        String::new()
    }
}

pub fn product_json(shop: &Shop, product: &SimProduct) -> Value {
    let common = json!({
        "id": number(&product.id), "name": product.title.replace('&', "&amp;"),
        "status": state(product), "parent_id": 0, "meta_data": [],
        "sku": parent_sku(product), "price": "", "regular_price": "", "sale_price": "",
        "manage_stock": false, "stock_quantity": null, "stock_status": "instock",
        "type": "variable", "attributes": [], "images": [], "related_ids": [],
    });
    let variations: Vec<u64> = product.variants.iter().map(|v| number(&v.id)).collect();
    let own = match product.variants.as_slice() {
        [only] => with(
            json!({ "type": "simple", "variations": [] }),
            stock_json(shop, product, only),
        ),
        _ => json!({ "variations": variations }),
    };
    let all = with(
        with(common, own),
        dates(product.created_at, product.updated_at),
    );
    with(all, links(shop, &format!("products/{}", product.id)))
}

fn stock_json(shop: &Shop, product: &SimProduct, variant: &SimVariant) -> Value {
    let is_counted = is_counted(shop, &variant.id);
    let price = amount(variant.price);
    json!({
        "sku": sku(product, variant), "price": price, "regular_price": price, "sale_price": "",
        "manage_stock": is_counted, "stock_quantity": is_counted.then_some(variant.quantity),
    })
}

pub fn variation_json(shop: &Shop, product: &SimProduct, variant: &SimVariant) -> Value {
    let own = json!({
        "id": number(&variant.id), "parent_id": number(&product.id), "type": "variation",
        "name": format!("{} - {}", product.title, variant.title).replace('&', "&amp;"),
        "status": if product.state == ProductState::Gone { "trash" } else { "publish" },
        "attributes": [{ "id": 1, "name": "Variant", "option": variant.title }],
        "meta_data": [], "image": null,
    });
    let own = with(own, stock_json(shop, product, variant));
    let own = with(own, dates(product.created_at, product.updated_at));
    with(
        own,
        links(
            shop,
            &format!("products/{}/variations/{}", product.id, variant.id),
        ),
    )
}

/// A webhook as it is shown: never with its secret.
pub fn hook_json(hook: &Subscription) -> Value {
    json!({
        "id": hook.id, "name": hook.topic, "topic": hook.topic, "delivery_url": hook.address,
        "status": if hook.is_active { "active" } else { "disabled" },
    })
}
