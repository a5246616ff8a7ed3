//! What the simulated API changes: stock, prices, subscriptions; and its bulk operations.

use super::{Refusal, asked_location, search};
use crate::domain::{Money, RemoteId, Timestamp};
use crate::marketplaces::{
    shopify::{uuid_of, webhook},
    simulation::{
        Shop, SimRequest, SimResponse, Subscription,
        graphql::{
            self, Field,
            objects::{ITEM_OFFSET, LOCATION, gid, word_product},
        },
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const LARGEST_INPUT: usize = 250;
/// How long a bulk operation takes here.
const BULK_LIFE: Duration = Duration::from_secs(30);

fn user_error(path: &[&str], code: &str) -> Value {
    json!({"field": path, "message": code.to_ascii_lowercase().replace('_', " "), "code": code})
}

/// All or nothing. The same key gives the same answer again, and with another input an error.
pub fn set_quantities(shop: &mut Shop, field: &Field, now: Timestamp) -> Result<Value, Refusal> {
    let input = &field.args["input"];
    let Some(key) = field
        .directives
        .get("idempotent")
        .and_then(|args| args["key"].as_str())
    else {
        return Err((
            "BAD_REQUEST",
            "The @idempotent directive is required".to_owned(),
        ));
    };
    let (asked, told) = (format!("asked {key}"), format!("told {key}"));
    if let Some(before) = shop.memory.get(&told) {
        if shop.memory.get(&asked) != Some(&input.to_string()) {
            let error = user_error(&[], "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
            return Ok(json!({"inventoryAdjustmentGroup": null, "userErrors": [error]}));
        }
        return Ok(serde_json::from_str(before).unwrap_or_default());
    }
    let rows = input["quantities"].as_array().cloned().unwrap_or_default();
    if rows.len() > LARGEST_INPUT
        || rows
            .iter()
            .any(|row| row.get("changeFromQuantity").is_none())
    {
        return Err((
            "BAD_REQUEST",
            "The input array is too long or lacks a field".to_owned(),
        ));
    }
    let mut errors = Vec::new();
    if input["name"] != "available" || input["reason"] != "correction" {
        errors.push(user_error(&["input", "reason"], "INVALID_REASON"));
    }
    let (mut changes, mut items) = (Vec::new(), BTreeSet::new());
    for (index, row) in rows.iter().enumerate() {
        match checked(shop, row, &mut items) {
            Ok(change) => changes.push(change),
            Err((name, code)) => {
                let index = index.to_string();
                errors.push(user_error(&["input", "quantities", &index, name], code));
            }
        }
    }
    let group = errors.is_empty().then(|| {
        for (variant, quantity) in changes {
            shop.edit_variant(&variant, now, |variant| variant.quantity = quantity);
        }
        let id = gid("InventoryAdjustmentGroup", &shop.take_ids(1).to_string());
        json!({ "id": id })
    });
    let answer = json!({"inventoryAdjustmentGroup": group, "userErrors": errors});
    if errors.is_empty() {
        shop.memory.insert(asked, input.to_string());
        shop.memory.insert(told, answer.to_string());
    }
    Ok(answer)
}

/// Variant and quantity of one row; or the member that is wrong, and the code.
fn checked(
    shop: &Shop,
    row: &Value,
    items: &mut BTreeSet<String>,
) -> Result<(RemoteId, i64), (&'static str, &'static str)> {
    let item = row["inventoryItemId"].as_str().unwrap_or_default();
    let number = item
        .rsplit('/')
        .next()
        .and_then(|id| id.parse::<u64>().ok());
    let id = RemoteId::from(number.unwrap_or(0).saturating_sub(ITEM_OFFSET));
    let Some(variant) = shop.variant(&id) else {
        return Err(("inventoryItemId", "INVALID_INVENTORY_ITEM"));
    };
    if !items.insert(item.to_owned()) {
        return Err((
            "inventoryItemId",
            "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
        ));
    }
    if row["locationId"] != gid("Location", LOCATION) {
        return Err(("locationId", "INVALID_LOCATION"));
    }
    let quantity = row["quantity"].as_i64().filter(|quantity| *quantity >= 0);
    let Some(quantity) = quantity else {
        return Err(("quantity", "INVALID_QUANTITY_NEGATIVE"));
    };
    let from = row["changeFromQuantity"].as_i64();
    if from.is_some_and(|from| from != variant.quantity) {
        return Err(("changeFromQuantity", "CHANGE_FROM_QUANTITY_STALE"));
    }
    Ok((id, quantity))
}

/// Sets what can be set; the others are told.
pub fn set_prices(shop: &mut Shop, field: &Field, now: Timestamp) -> Value {
    let product = field.text("productId").unwrap_or_default();
    let product = RemoteId::from(product.rsplit('/').next().unwrap_or_default());
    let rows = field
        .args
        .get("variants")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if !shop.products.contains_key(&product) {
        let error = user_error(&["productId"], "PRODUCT_DOES_NOT_EXIST");
        return json!({ "userErrors": [error] });
    }
    let mut errors = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let id = row["id"]
            .as_str()
            .and_then(|id| id.rsplit('/').next())
            .unwrap_or_default();
        let id = RemoteId::from(id);
        let price = row["price"]
            .as_str()
            .and_then(|text| Money::parse(text, shop.currency).ok());
        let is_its = shop.product_of(&id).is_some_and(|of| of.id == product);
        let wrong = match price {
            _ if !is_its => Some(("id", "PRODUCT_VARIANT_DOES_NOT_EXIST")),
            Some(price) if price.minor >= 0 => {
                shop.edit_variant(&id, now, |variant| variant.price = price);
                None
            }
            _ => Some(("price", "NEGATIVE_PRICE_VALUE")),
        };
        if let Some((name, code)) = wrong {
            errors.push(user_error(&["variants", &index.to_string(), name], code));
        }
    }
    json!({ "userErrors": errors })
}

pub fn hooks(shop: &Shop) -> Value {
    let rows = shop
        .subscriptions
        .iter()
        // There is no switch: what is not sent any more is gone.
        .filter(|hook| hook.secret.is_empty() && hook.is_active)
        .map(|hook| {
            let fields = shop.memory.get(&format!("fields {}", hook.id));
            let fields = fields.into_iter().flat_map(|fields| fields.split(' '));
            json!({"id": gid("WebhookSubscription", &hook.id.to_string()),
            "topic": webhook::enum_of(&hook.topic), "uri": hook.address, "format": "JSON",
            "filter": shop.memory.get(&format!("filter {}", hook.id)).map_or("", String::as_str),
            "includeFields": fields.filter(|name| !name.is_empty()).collect::<Vec<_>>()})
        });
    rows.collect()
}

/// What a subscription is asked to be, written down.
fn note(shop: &mut Shop, id: u64, wanted: &Value) {
    let fields = wanted["includeFields"].as_array().into_iter().flatten();
    let fields: Vec<_> = fields.filter_map(Value::as_str).collect();
    shop.memory.insert(format!("fields {id}"), fields.join(" "));
    let filter = wanted["filter"].as_str().unwrap_or_default();
    shop.memory
        .insert(format!("filter {id}"), filter.to_owned());
}

pub fn create_hook(shop: &mut Shop, field: &Field) -> Value {
    let topic = field.text("topic").unwrap_or_default();
    let topic = webhook::TOPICS
        .into_iter()
        .find(|known| webhook::enum_of(known) == topic);
    let wanted = &field.args["webhookSubscription"];
    let address = wanted["uri"].as_str().unwrap_or_default();
    let is_taken = |topic: &str| {
        let mut hooks = shop.subscriptions.iter();
        hooks.any(|hook| hook.is_active && hook.topic == topic && hook.address == address)
    };
    let refusal = |text: &str| {
        let error = json!({"field": ["webhookSubscription", "callbackUrl"], "message": text});
        json!({"webhookSubscription": null, "userErrors": [error]})
    };
    let Some(topic) = topic.filter(|_| address.starts_with("http")) else {
        return refusal("Address is invalid");
    };
    if is_taken(topic) {
        return refusal("Address for this topic has already been taken");
    }
    let id = shop.take_ids(1);
    shop.subscriptions.push(Subscription {
        id,
        topic: topic.to_owned(),
        address: address.to_owned(),
        secret: String::new(),
        is_active: true,
        failures: 0,
    });
    note(shop, id, wanted);
    let id = gid("WebhookSubscription", &id.to_string());
    json!({"webhookSubscription": { "id": id }, "userErrors": []})
}

pub fn update_hook(shop: &mut Shop, field: &Field) -> Value {
    let id = field
        .text("id")
        .and_then(|id| id.rsplit('/').next()?.parse::<u64>().ok());
    let known = shop
        .subscriptions
        .iter_mut()
        .find(|hook| Some(hook.id) == id);
    let Some(hook) = known else {
        let error = json!({"field": ["id"], "message": "Webhook subscription does not exist"});
        return json!({"webhookSubscription": null, "userErrors": [error]});
    };
    let wanted = &field.args["webhookSubscription"];
    wanted["uri"]
        .as_str()
        .unwrap_or_default()
        .clone_into(&mut hook.address);
    let id = hook.id;
    note(shop, id, wanted);
    json!({"webhookSubscription": {"id": field.text("id")}, "userErrors": []})
}

pub fn delete_hook(shop: &mut Shop, field: &Field) -> Value {
    let id = field.text("id");
    let n_before = shop.subscriptions.len();
    let gid_of = |hook: &Subscription| gid("WebhookSubscription", &hook.id.to_string());
    shop.subscriptions
        .retain(|hook| !hook.secret.is_empty() || Some(gid_of(hook).as_str()) != id);
    if shop.subscriptions.len() < n_before {
        return json!({"deletedWebhookSubscriptionId": id, "userErrors": []});
    }
    let error = json!({"field": ["id"], "message": "Webhook subscription does not exist"});
    json!({"deletedWebhookSubscriptionId": null, "userErrors": [error]})
}

/// Begins an operation. Its file shows the shop as it is now.
pub fn run_bulk(shop: &mut Shop, field: &Field, now: Timestamp) -> Result<Value, Refusal> {
    let wrong = |text| ("BAD_REQUEST", text);
    let inner = graphql::read(field.text("query").unwrap_or_default(), &json!({}));
    let operation = inner.map_err(wrong)?;
    let [products] = operation.fields.as_slice() else {
        return Err(wrong("one connection was expected".to_owned()));
    };
    if shop.memory.contains_key("bulk full") {
        let error = user_error(&[], "LIMIT_REACHED");
        return Ok(json!({"bulkOperation": null, "userErrors": [error]}));
    }
    let location = asked_location(&products.fields);
    let found = search(shop, products, now).into_iter();
    let found = found.filter_map(|(_, id)| shop.products.get(&id));
    let rows: Vec<_> = found
        .map(|product| word_product(shop, product, location))
        .collect();
    let mut file = graphql::lines(products, &rows, None).map_err(wrong)?;
    if field.args.get("groupObjects") != Some(&Value::Bool(true)) {
        // Nothing is promised about the order of lines then.
        file = file.lines().rev().flat_map(|line| [line, "\n"]).collect();
    }
    let id = shop.take_ids(1).to_string();
    shop.memory.insert(format!("bulk {id}"), file);
    let done_at = now + BULK_LIFE;
    shop.memory
        .insert(format!("bulk {id} done"), done_at.micros().to_string());
    let operation = json!({"id": gid("BulkOperation", &id), "status": "CREATED"});
    Ok(json!({"bulkOperation": operation, "userErrors": []}))
}

pub fn bulk_operation(shop: &Shop, request: &SimRequest, field: &Field, now: Timestamp) -> Value {
    let id = field
        .text("id")
        .and_then(|id| id.rsplit('/').next())
        .unwrap_or_default();
    let done_at = shop.memory.get(&format!("bulk {id} done"));
    let Some(done_at) = done_at.and_then(|micros| micros.parse().ok()) else {
        return Value::Null;
    };
    let is_empty = shop
        .memory
        .get(&format!("bulk {id}"))
        .is_none_or(String::is_empty);
    let state = |status: &str, url: Option<String>, error: Option<&str>| json!({"status": status, "errorCode": error, "url": url});
    if shop.memory.contains_key("bulk fails") {
        return state("FAILED", None, Some("INTERNAL_SERVER_ERROR"));
    }
    if now < Timestamp::from_micros(done_at) {
        return state("RUNNING", None, None);
    }
    let key = uuid_of(id);
    let url = (!is_empty).then(|| format!("{}/bulk/{id}.jsonl?key={key}", request.origin));
    state("COMPLETED", url, None)
}

/// The file, or the range of it that is asked for. Whoever shows a token here has shown it to a stranger.
pub fn bulk_file(shop: &Shop, request: &SimRequest, name: &str) -> SimResponse {
    let id = name.trim_end_matches(".jsonl");
    let answer = |status: u16, body: &[u8]| SimResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/jsonl".to_owned())],
        body: body.to_vec().into(),
    };
    let is_let_in = request.header("x-shopify-access-token").is_none()
        && request.param("key") == Some(uuid_of(id).as_str())
        && !shop.memory.contains_key("bulk expired");
    let Some(file) = shop.memory.get(&format!("bulk {id}")).filter(|_| is_let_in) else {
        return answer(403, b"");
    };
    let range = request.header("range").and_then(|range| {
        let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((start.parse::<usize>().ok()?, end.parse::<usize>().ok()?))
    });
    match range {
        None => answer(200, file.as_bytes()),
        Some((start, _)) if start >= file.len() => answer(416, b""),
        Some((start, end)) => {
            let end = end.min(file.len() - 1);
            let shown = format!("bytes {start}-{end}/{}", file.len());
            answer(206, &file.as_bytes()[start..=end]).header("content-range", shown)
        }
    }
}
