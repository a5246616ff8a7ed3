//! Orders and products as Shopee words them, and what a push does to them.

use super::super::{
    mapping::{major, product_state},
    webhook::as_number,
};
use super::{Answer, returns};
use crate::domain::{Money, ProductState, RemoteId, Timestamp};
use crate::marketplaces::simulation::{
    Shop, SimLine, SimOrder, SimProduct, SimRequest, SimStatus, SimVariant, keyset_page,
};
use serde_json::{Value, json};

/// Source: the pages of the calls.
const LONGEST_WINDOW_S: i64 = 15 * 86_400;
const LARGEST_PAGE: usize = 100;
const LARGEST_BATCH: usize = 50;
/// There is a cap; the number is ours.
const DEEPEST_OFFSET: usize = 10_000;
/// The one warehouse of the simulated shops.
const LOCATION: &str = "IDZ";
/// Told whatever fields are asked for.
const ALWAYS: [&str; 11] = [
    "order_sn",
    "region",
    "currency",
    "cod",
    "order_status",
    "message_to_seller",
    "create_time",
    "update_time",
    "days_to_ship",
    "ship_by_date",
    "booking_sn",
];

pub const WRONG_PARAM: super::Refusal = ("error_param", "A parameter is wrong or missing.");
const NO_ITEM: super::Refusal = ("error_item_not_found", "The item does not exist.");

pub fn order_status(status: SimStatus) -> &'static str {
    match status {
        SimStatus::Unpaid => "UNPAID",
        SimStatus::Paid => "READY_TO_SHIP",
        SimStatus::Arranged => "PROCESSED",
        SimStatus::Shipped => "SHIPPED",
        SimStatus::Delivered => "TO_CONFIRM_RECEIVE",
        SimStatus::Completed => "COMPLETED",
        SimStatus::Cancelled => "CANCELLED",
    }
}

fn item_status(state: ProductState) -> &'static str {
    match state {
        ProductState::Active => "NORMAL",
        ProductState::Inactive => "UNLIST",
        ProductState::Gone => "SELLER_DELETE",
    }
}

/// Units of orders that have not been sent; they have left the seller's stock.
pub fn ordered(shop: &Shop, variant: &RemoteId) -> i64 {
    let open = shop
        .orders
        .values()
        .filter(|order| order.status < SimStatus::Shipped);
    let lines = open.flat_map(|order| &order.lines);
    let of_variant = lines.filter(|line| line.variant_id == *variant);
    of_variant.map(|line| line.quantity - line.cancelled).sum()
}

/// Units that a campaign holds (`campaign <variant>` in the shop's memory): part of what the seller has, and
/// bought in the campaign alone.
fn reserved(shop: &Shop, variant: &SimVariant) -> i64 {
    let held = shop.memory.get(&format!("campaign {}", variant.id));
    let held: i64 = held.and_then(|units| units.parse().ok()).unwrap_or(0);
    held.min(variant.quantity)
}

/// One variant without a name is no model.
fn has_models(product: &SimProduct) -> bool {
    !matches!(product.variants.as_slice(), [only] if only.title.is_empty())
}

/// 0 where the product has no models.
pub fn model_id(product: &SimProduct, variant: &RemoteId) -> Option<u64> {
    if has_models(product) {
        as_number(variant)
    } else {
        Some(0)
    }
}

pub fn known_price(variant: &RemoteId) -> String {
    format!("price {variant}")
}

/// So that a webhook of an edit can tell the price before it.
pub fn remember_prices(shop: &mut Shop) {
    let variants = shop.products.values().flat_map(|product| &product.variants);
    for variant in variants {
        let known = shop.memory.entry(known_price(&variant.id));
        known.or_insert_with(|| variant.price.minor.to_string());
    }
}

pub fn number<T: std::str::FromStr>(request: &SimRequest, name: &str) -> Option<T> {
    request.param(name)?.parse().ok()
}

fn page_size(request: &SimRequest) -> Option<usize> {
    number(request, "page_size").filter(|size| (1..=LARGEST_PAGE).contains(size))
}

/// Ids that are joined by commas; none or too many are refused.
fn ids(request: &SimRequest, name: &str) -> Result<Vec<RemoteId>, super::Refusal> {
    let sent = request.param(name).unwrap_or_default().split(',');
    let ids: Vec<RemoteId> = sent.map(RemoteId::from).collect();
    let is_wrong = ids.len() > LARGEST_BATCH || ids.iter().any(|id| id.as_str().is_empty());
    if is_wrong { Err(WRONG_PARAM) } else { Ok(ids) }
}

/// Without times: rows have a number and, when asked for, a status.
pub fn order_list(shop: &Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let by_update = match request.param("time_range_field") {
        Some("update_time") => true,
        Some("create_time") => false,
        _ => return Err(WRONG_PARAM),
    };
    let bounds = number::<i64>(request, "time_from").zip(number::<i64>(request, "time_to"));
    let (from, to) = bounds.ok_or(WRONG_PARAM)?;
    if !(0..=LONGEST_WINDOW_S).contains(&(to - from)) {
        let message = "Start time must be earlier than end time and diff in 15days.";
        return Err(("order.order_list_invalid_time", message));
    }
    let size = page_size(request).ok_or(WRONG_PARAM)?;
    let shown = shop.orders.values().map(|order| order.as_shown(now));
    let timed = shown.map(|order| {
        let at = if by_update {
            order.updated_at
        } else {
            order.placed_at
        };
        (at.secs(), order)
    });
    let status = request.param("order_status");
    let wanted = timed.filter(|(at, order)| {
        let has_status = status.is_none_or(|status| status == order_status(order.status));
        (from..=to).contains(at) && has_status
    });
    let rows = wanted.map(|(at, order)| (format!("{at:012}-{}", order.id), order));
    let cursor = request.param("cursor").filter(|cursor| !cursor.is_empty());
    let page = keyset_page(rows.collect(), true, cursor, size);
    let with_status = request.param("response_optional_fields") == Some("order_status");
    let row = |order: &&SimOrder| {
        let mut row = json!({"order_sn": order.id, "booking_sn": ""});
        if with_status {
            row["order_status"] = order_status(order.status).into();
        }
        row
    };
    let list: Vec<Value> = page.rows.iter().map(row).collect();
    let more = page.next.is_some();
    Ok(json!({"more": more, "next_cursor": page.next.unwrap_or_default(), "order_list": list}))
}

/// Orders that do not exist are dropped in silence.
pub fn order_detail(shop: &Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let asked = request
        .param("response_optional_fields")
        .unwrap_or_default();
    let asked: Vec<&str> = asked.split(',').collect();
    let mut list = Vec::new();
    for id in ids(request, "order_sn_list")? {
        if shop.memory.contains_key(&format!("refused {id}")) {
            return Err(("error_param", "One order_sn is invalid."));
        }
        if let Some(order) = shop.order_as_shown(&id, now) {
            let mut row = word_order(shop, order);
            if let Some(fields) = row.as_object_mut() {
                fields.retain(|name, _| ALWAYS.contains(&&**name) || asked.contains(&&**name));
            }
            list.push(row);
        }
    }
    Ok(json!({ "order_list": list }))
}

/// Whether the order hides what its lines cost.
fn is_bundle(order: &SimOrder) -> bool {
    order.paid_at.is_some() && as_number(&order.id).is_some_and(|id| id % 4 == 0)
}

pub fn times(price: Money, units: i64) -> Value {
    major(Money {
        minor: price.minor * units,
        ..price
    })
}

fn word_line(shop: &Shop, order: &SimOrder, (at, line): (usize, &SimLine)) -> Value {
    let (asked, returned) = returns::units(order, at);
    let product = shop.products.get(&line.product_id);
    let variant = shop.variant(&line.variant_id);
    let model = product.and_then(|product| model_id(product, &line.variant_id));
    let sku = variant
        .and_then(|variant| variant.seller_sku.as_deref())
        .unwrap_or_default();
    let (item_sku, model_sku) = if model == Some(0) {
        (sku, "")
    } else {
        ("", sku)
    };
    let is_bundle = is_bundle(order);
    let price = if is_bundle {
        json!(0)
    } else {
        major(line.unit_price)
    };
    json!({"item_id": as_number(&line.product_id), "model_id": model,
        "item_name": product.map_or("", |product| &product.title), "item_sku": item_sku,
        "model_name": variant.map_or("", |variant| &variant.title), "model_sku": model_sku,
        "model_quantity_purchased": line.quantity, "model_original_price": major(line.unit_price),
        "model_discounted_price": price, "wholesale": false, "weight": 0.27,
        "promotion_type": if is_bundle { "bundle_deal" } else { "" }, "promotion_group_id": 0,
        "order_item_id": as_number(&line.product_id), "line_item_id": line.first_id,
        "product_location_id": [LOCATION], "active_qty": line.quantity - line.cancelled,
        "cancel_requested_qty": 0, "cancelled_qty": line.cancelled,
        "return_requested_qty": asked, "returned_qty": returned})
}

fn word_order(shop: &Shop, order: &SimOrder) -> Value {
    let open = order
        .lines
        .iter()
        .map(|line| (line.quantity - line.cancelled) * line.unit_price.minor);
    let open = Money {
        minor: open.sum(),
        currency: shop.currency,
    };
    // What is not there yet is 0, null or "", as it happens.
    let paid_at = order.paid_at.map_or(Value::Null, |at| at.secs().into());
    let total = if order.paid_at.is_some() {
        major(open)
    } else {
        json!(0)
    };
    let left_at = if (SimStatus::Shipped..=SimStatus::Completed).contains(&order.status) {
        order.updated_at.secs()
    } else {
        0
    };
    let lines = order.lines.iter().enumerate();
    let lines = lines.map(|line| word_line(shop, order, line));
    json!({"order_sn": order.id, "booking_sn": "", "region": "ID", "currency": shop.currency,
        "cod": false, "order_status": order_status(order.status), "message_to_seller": "",
        "create_time": order.placed_at.secs(), "update_time": order.updated_at.secs(),
        "days_to_ship": 2, "ship_by_date": 0, "pay_time": paid_at, "total_amount": total,
        "payment_method": "ShopeePay", "payment_info": [], "split_up": false,
        "buyer_user_id": 1, "buyer_username": "****", "cancel_by": "", "cancel_reason": "",
        "buyer_cancel_reason": "", "fulfillment_flag": "fulfilled_by_local_seller",
        "pickup_done_time": left_at, "shipping_carrier": "SPX Standard", "invoice_data": null,
        "recipient_address": {"name": "S****a", "phone": "******64", "full_address": "Jl. ******"},
        "package_list": [{"package_number": format!("OFG{}", order.id), "group_shipment_id": null,
            "logistics_status": "LOGISTICS_READY", "shipping_carrier": "SPX Standard"}],
        "item_list": lines.collect::<Vec<_>>()})
}

/// There is a settlement once the buyer has paid; its prices are those of whole lines.
pub fn escrow(shop: &Shop, request: &SimRequest, now: Timestamp) -> Answer {
    let id = RemoteId::from(request.param("order_sn").unwrap_or_default());
    let order = shop
        .order_as_shown(&id, now)
        .filter(|order| order.paid_at.is_some());
    let order = order.ok_or(("error_not_found", "There is no settlement of the order."))?;
    let item = |line: &SimLine| {
        let product = shop.products.get(&line.product_id);
        let model = product.and_then(|product| model_id(product, &line.variant_id));
        json!({"item_id": as_number(&line.product_id), "model_id": model,
            "quantity_purchased": line.quantity,
            "original_price": times(line.unit_price, line.quantity),
            "discounted_price": times(line.unit_price, line.quantity)})
    };
    let items: Vec<Value> = order.lines.iter().map(item).collect();
    // Three and two parts in a hundred are kept.
    let sold = order.open_total() - order.refunded();
    let part = |hundredths: i64| sold * hundredths / 100;
    let money = |minor| {
        major(Money {
            minor,
            currency: shop.currency,
        })
    };
    Ok(
        json!({"order_sn": id, "order_income": {"escrow_amount": money(sold - part(3) - part(2)),
        "commission_fee": money(part(3)), "service_fee": money(part(2)), "items": items}}),
    )
}

pub fn item_list(shop: &Shop, request: &SimRequest) -> Answer {
    let offset: usize = number(request, "offset").ok_or(WRONG_PARAM)?;
    let size = page_size(request).ok_or(WRONG_PARAM)?;
    let sent = request
        .query
        .iter()
        .filter(|(name, _)| name == "item_status");
    let statuses: Vec<&str> = sent.map(|(_, status)| status.as_str()).collect();
    let is_wrong = |status: &&str| product_state(status).is_none();
    if statuses.is_empty() || statuses.iter().any(is_wrong) {
        return Err(WRONG_PARAM);
    }
    if offset >= shop.result_cap(DEEPEST_OFFSET) {
        let message = "get items offset over limit, please use the next field";
        return Err(("error_param", message));
    }
    let from = number::<i64>(request, "update_time_from");
    let to = number::<i64>(request, "update_time_to");
    let is_wanted = |product: &&SimProduct| {
        let at = product.updated_at.secs();
        let is_inside = from.is_none_or(|from| from <= at) && to.is_none_or(|to| at <= to);
        is_inside && statuses.contains(&item_status(product.state))
    };
    let wanted: Vec<_> = shop.products.values().filter(is_wanted).collect();
    let end = wanted.len().min(offset + size);
    let row = |product: &&SimProduct| {
        json!({"item_id": as_number(&product.id), "item_status": item_status(product.state),
            "update_time": product.updated_at.secs(), "tag": {"kit": false}})
    };
    let list: Vec<Value> = wanted
        .get(offset..end)
        .unwrap_or_default()
        .iter()
        .map(row)
        .collect();
    let mut page = json!({"item": list, "total_count": wanted.len(), "next": "",
        "has_next_page": end < wanted.len()});
    if end < wanted.len() {
        page["next_offset"] = end.into();
    }
    Ok(page)
}

fn stock_info(shop: &Shop, variant: &SimVariant) -> Value {
    let reserved = reserved(shop, variant);
    json!({"summary_info": {"total_reserved_stock": reserved,
            "total_available_stock": variant.quantity - reserved},
        "seller_stock": [{"location_id": LOCATION, "stock": variant.quantity,
            "if_saleable": true}], "shopee_stock": []})
}

fn price_info(variant: &SimVariant) -> Value {
    let price = major(variant.price);
    json!([{"currency": variant.price.currency, "original_price": price, "current_price": price}])
}

/// Items that do not exist are dropped, with a warning.
pub fn base_info(shop: &Shop, request: &SimRequest) -> Answer {
    let ids = ids(request, "item_id_list")?;
    let found = ids.iter().filter_map(|id| shop.products.get(id));
    let list: Vec<Value> = found.map(|product| word_item(shop, product)).collect();
    Ok(json!({ "item_list": list }))
}

fn word_item(shop: &Shop, product: &SimProduct) -> Value {
    let mut item = json!({"item_id": as_number(&product.id), "item_name": product.title,
        "item_sku": "", "item_status": item_status(product.state), "deboost": "FALSE",
        "create_time": product.created_at.secs(), "update_time": product.updated_at.secs(),
        "has_model": has_models(product), "has_promotion": false, "condition": "NEW"});
    // Where there are models, only they have prices and stock.
    if let ([only], false) = (product.variants.as_slice(), has_models(product)) {
        item["item_sku"] = only.seller_sku.as_deref().unwrap_or_default().into();
        item["price_info"] = price_info(only);
        item["stock_info_v2"] = stock_info(shop, only);
    }
    item
}

pub fn model_list(shop: &Shop, request: &SimRequest) -> Answer {
    let id = RemoteId::from(request.param("item_id").unwrap_or_default());
    let is_there = |product: &&SimProduct| product.state != ProductState::Gone;
    let product = shop.products.get(&id).filter(is_there).ok_or(NO_ITEM)?;
    let named = if has_models(product) {
        &product.variants[..]
    } else {
        &[]
    };
    let option = |variant: &SimVariant| json!({ "option": variant.title });
    let model = |(at, variant): (usize, &SimVariant)| {
        json!({"model_id": as_number(&variant.id), "tier_index": [at],
            "model_sku": variant.seller_sku.as_deref().unwrap_or_default(),
            "model_status": "MODEL_NORMAL", "price_info": price_info(variant),
            "stock_info_v2": stock_info(shop, variant)})
    };
    let options: Vec<Value> = named.iter().map(option).collect();
    let models: Vec<Value> = named.iter().enumerate().map(model).collect();
    Ok(
        json!({"tier_variation": [{"name": "Varian", "option_list": options}], "model": models,
        "standardise_tier_variation": []}),
    )
}

const BELOW_RESERVED: &str = "Total stock must be more than reserved stock.";

pub fn update_stock(shop: &mut Shop, body: &Value, now: Timestamp) -> Answer {
    if shop.memory.contains_key("on holiday") {
        return Err((
            "error_holiday_mode_change_stock",
            "Stock cannot be changed now.",
        ));
    }
    update(shop, body, "stock_list", now, |shop, variant, entry| {
        let at = entry["seller_stock"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let is_named = at.iter().all(|at| at["location_id"] == LOCATION);
        if shop.memory.contains_key("names its warehouse") && !is_named {
            return Err("Lack of location_id.");
        }
        if shop
            .memory
            .contains_key(&format!("promoted {}", variant.id))
        {
            return Err("Normal_stock cannot be edited when item is under promotion.");
        }
        let units: Option<Vec<i64>> = at.iter().map(|at| at["stock"].as_i64()).collect();
        let units = units.filter(|units| !units.is_empty()).ok_or(WRONG_MODEL)?;
        let stock: i64 = units.iter().sum();
        if stock < reserved(shop, variant) || stock < 0 {
            return Err(BELOW_RESERVED);
        }
        Ok(Box::new(move |variant: &mut SimVariant| {
            variant.quantity = stock;
        }))
    })
}

pub fn update_price(shop: &mut Shop, body: &Value, now: Timestamp) -> Answer {
    update(shop, body, "price_list", now, |_, _, entry| {
        let amount = entry["original_price"].as_number().ok_or(WRONG_MODEL)?;
        let amount = amount.to_string();
        Ok(Box::new(move |variant: &mut SimVariant| {
            if let Ok(price) = Money::parse(&amount, variant.price.currency) {
                variant.price = price;
            }
        }))
    })
}

type Edit = Box<dyn FnOnce(&mut SimVariant)>;
const WRONG_MODEL: &str = "The model is wrong.";

/// Changes what can be changed; the other models are told in `failure_list`, under an empty error.
fn update(
    shop: &mut Shop,
    body: &Value,
    list: &str,
    now: Timestamp,
    edit: impl Fn(&Shop, &SimVariant, &Value) -> Result<Edit, &'static str>,
) -> Answer {
    let item = RemoteId::from(body["item_id"].as_u64().ok_or(WRONG_PARAM)?);
    let is_there = |product: &&SimProduct| product.state != ProductState::Gone;
    let product = shop
        .products
        .get(&item)
        .filter(is_there)
        .ok_or(NO_ITEM)?
        .clone();
    let entries = body[list].as_array().ok_or(WRONG_PARAM)?;
    if entries.is_empty() || entries.len() > LARGEST_BATCH {
        return Err(WRONG_PARAM);
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let model = entry["model_id"].as_u64();
        let mut variants = product.variants.iter();
        let variant = variants.find(|variant| model_id(&product, &variant.id) == model);
        let variant = variant.ok_or(WRONG_MODEL);
        match variant.and_then(|variant| Ok((&variant.id, edit(shop, variant, entry)?))) {
            Ok((variant, edit)) => {
                shop.edit_variant(variant, now, edit);
                done.push(json!({"model_id": model, "location_id": LOCATION}));
            }
            Err(reason) => failed.push(json!({"model_id": model, "failed_reason": reason})),
        }
    }
    Ok(json!({"success_list": done, "failure_list": failed}))
}
