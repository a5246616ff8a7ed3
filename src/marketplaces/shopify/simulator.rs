//! Shopify's Admin API from the other side, over a neutral shop.
//!
//! Promises: it carries out the documents that it is sent, checks their variables, and answers the fields
//! that they ask for; it counts costs, throttles, and refuses what costs too much at once; it checks token,
//! page sizes, depth, idempotency keys and compared quantities; tokens die and rotate; bulk operations run
//! for a while and leave a file that can be read in ranges.
//!
//! Left out on purpose: several currencies, edits, and buyers.

mod changes;

use super::{DEEPEST_ROW, READABLE, SLUG, VERSION, uuid_of, webhook};
use crate::domain::{Currency, ProductState, RemoteId, Timestamp};
use crate::marketplaces::{
    Secrets,
    simulation::{
        Shop, ShopChange, Signing, SimDelivery, SimOrder, SimRequest, SimResponse, Simulator,
        graphql::{
            self, Field,
            objects::{gid, word_locations, word_order, word_product, word_variant},
        },
        keyset_page,
    },
};
use changes::{
    bulk_file, bulk_operation, create_hook, delete_hook, hooks, run_bulk, set_prices,
    set_quantities, update_hook,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Invented, and the same for all shops: they belong to the app.
const CLIENT_ID: &str = "51b0e7d2c3f44a5f9a6d7e8f90a1b2c3";
const CLIENT_SECRET: &str = "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";
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
/// Points that come back each second, here of a shop with the Plus plan; `restore_rate` in the memory says
/// otherwise. The bucket holds twenty seconds' worth.
const RESTORE_RATE: f64 = 1_000.0;
/// What one call may cost, unless `largest_cost` in the memory says otherwise. Source: an older text of
/// Shopify's engineers.
const LARGEST_COST: u64 = 1_000;
const LARGEST_INPUT: usize = 250;

/// Why a whole call is refused: code and message.
type Refusal = (&'static str, String);
type Answer = Result<Value, Refusal>;

/// The simulator; the shop holds what is remembered.
#[derive(Debug, Clone, Copy)]
pub struct ShopifySimulator;

impl Simulator for ShopifySimulator {
    fn open_shop(&self, seed: u32, name: &str, now: Timestamp) -> Shop {
        let domain = RemoteId::from(format!("toko-{seed}.myshopify.com"));
        let currency = Currency::from_code("IDR").expect("the rupiah is a currency");
        let first_id = 5_600_000_000_000 + u64::from(seed) * 1_000_000_000;
        let mut shop = Shop::new(domain, name, currency, first_id);
        shop.platforms = vec![SLUG];
        shop.secrets = Secrets::of([
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("api_version", VERSION),
            ("access_token", &format!("shpat_sim{seed:06}a")),
            ("refresh_token", &format!("shprt_sim{seed:06}r")),
        ]);
        shop.token_expires_at = Some(now + TOKEN_LIFE);
        shop
    }

    fn credentials(&self, shop: &Shop) -> Secrets {
        shop.secrets.clone()
    }

    fn answer(&self, shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
        // 402 while the bill is not paid, 423 while it is locked.
        let closed = shop.memory.get("closed").and_then(|text| text.parse().ok());
        if let Some(status) = closed {
            return SimResponse::json(status, &json!({"errors": "Unavailable Shop"}));
        }
        let steps: Vec<&str> = request.path.split('/').skip(1).collect();
        match (request.method.as_str(), steps.as_slice()) {
            ("GET", ["admin", "oauth", "authorize"]) => authorize(shop, request, now),
            ("POST", ["admin", "oauth", "access_token"]) => grant(shop, request, now),
            ("POST", ["admin", "api", version, "graphql.json"]) => {
                admin(shop, request, now).header("x-shopify-api-version", served(version))
            }
            ("GET", ["bulk", file]) => bulk_file(shop, request, file),
            _ => SimResponse::json(404, &json!({"errors": "Not Found"})),
        }
    }

    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<SimDelivery> {
        webhook::deliveries(self, shop, change, now)
    }

    /// Eight retries over four hours, each wait about twice the one before; how long each is, Shopify does
    /// not say.
    fn retry_after(&self, failures: u32) -> Option<Duration> {
        let minutes = [1, 2, 4, 8, 15, 30, 60, 120];
        let wait = minutes.get(usize::try_from(failures).ok()?.checked_sub(1)?)?;
        Some(Duration::from_secs(wait * 60))
    }

    fn answer_deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// After eight failures in a row the subscription is deleted.
    fn delivered(&self, shop: &mut Shop, delivery: &SimDelivery, success: bool) {
        let mut hooks = shop.subscriptions.iter_mut();
        let Some(hook) = hooks.find(|hook| hook.id == delivery.subscription) else {
            return;
        };
        hook.failures = if success { 0 } else { hook.failures + 1 };
        shop.subscriptions.retain(|hook| hook.failures < 8);
    }

    fn sign(&self, signing: &Signing<'_>, body: &[u8]) -> Vec<(String, String)> {
        vec![webhook::signature(signing.secret, body)]
    }

    /// Status 200, and a bucket that fills up in just that time.
    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse {
        let mut body = failure(&("THROTTLED", "Throttled".to_owned()));
        if let Some(wait) = retry_after {
            body["extensions"] = cost(500.0 * wait.as_secs_f64(), None, 0.0, 500.0);
        }
        SimResponse::json(200, &body)
    }
}

/// The version that answers: of one that is no longer served, the oldest that is.
fn served(version: &str) -> &str {
    match version {
        "2026-01" | "2026-04" | "2026-07" | "2026-10" => version,
        _ => "2026-01",
    }
}

fn secret<'s>(shop: &'s Shop, name: &str) -> &'s str {
    shop.secrets.get(name).unwrap_or_default()
}

fn failure((code, message): &Refusal) -> Value {
    json!({"errors": [{"message": message, "extensions": {"code": code}}]})
}

fn cost(requested: f64, actual: Option<f64>, available: f64, restored: f64) -> Value {
    json!({"cost": {"requestedQueryCost": requested, "actualQueryCost": actual,
        "throttleStatus": {"maximumAvailable": restored * 20.0,
            "currentlyAvailable": available.floor(), "restoreRate": restored}}})
}

/// The merchant agrees at once.
fn authorize(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
    let param = |name: &str| request.param(name).unwrap_or_default();
    let callback = url::Url::parse(param("redirect_uri"));
    let (Ok(mut callback), true) = (callback, param("client_id") == secret(shop, "client_id"))
    else {
        return SimResponse::json(400, &json!({"error": "invalid_request"}));
    };
    let code = uuid_of(&format!("code {now} {}", shop.n_requests)).replace('-', "");
    shop.memory.insert("code".to_owned(), code.clone());
    shop.memory.remove("deauthorized");
    let at = now.secs().to_string();
    let pairs = [
        ("code", code.as_str()),
        ("host", "YWRtaW4uc2hvcGlmeS5jb20vc3RvcmUvc2lt"),
        ("shop", shop.remote_id.as_str()),
        ("state", param("state")),
        ("timestamp", &at),
    ];
    callback.set_query(Some(&webhook::signed_query(
        &pairs,
        secret(shop, "client_secret"),
    )));
    SimResponse::json(302, &json!({})).header("location", callback)
}

/// Tokens for a code, for a refresh token, or for the app's own credentials.
fn grant(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let is = |name: &str, value: &str| body[name] == value;
    let refusal = |code: &str| SimResponse::json(400, &json!({ "error": code }));
    if !is("client_id", secret(shop, "client_id"))
        || !is("client_secret", secret(shop, "client_secret"))
    {
        return refusal("application_cannot_be_found");
    }
    if shop.memory.contains_key("deauthorized") {
        return refusal("app_not_installed");
    }
    let number = shop.take_ids(1);
    let token = |kind: &str| {
        format!(
            "{kind}_{}",
            uuid_of(&format!("{kind} {number}")).replace('-', "")
        )
    };
    let mut answer = json!({"access_token": token("shpat"), "scope": "read_orders,write_products"});
    let mut life = TOKEN_LIFE;
    match body["grant_type"].as_str() {
        Some("client_credentials") => life = Duration::from_secs(86_400),
        Some("refresh_token") => {
            let previous = shop.memory.get("previous_refresh_token");
            let is_current = is("refresh_token", secret(shop, "refresh_token"));
            if !is_current && previous.is_none_or(|previous| !is("refresh_token", previous)) {
                return refusal("invalid_grant");
            }
            // The one before is taken until this one is used.
            if is_current {
                let used = secret(shop, "refresh_token").to_owned();
                shop.memory
                    .insert("previous_refresh_token".to_owned(), used);
            }
            answer["refresh_token"] = token("shprt").into();
        }
        None if body["code"].is_string() => {
            // Good once.
            if shop.memory.remove("code").as_deref() != body["code"].as_str() {
                return refusal("invalid_request");
            }
            if is("expiring", "1") {
                answer["refresh_token"] = token("shprt").into();
            }
        }
        _ => return refusal("unsupported_grant_type"),
    }
    if let Some(token) = answer["refresh_token"].as_str() {
        shop.secrets.set("refresh_token", token);
        answer["refresh_token_expires_in"] = 7_776_000.into();
    }
    answer["expires_in"] = life.as_secs().into();
    shop.secrets.set(
        "access_token",
        answer["access_token"].as_str().unwrap_or_default(),
    );
    shop.token_expires_at = Some(now + life);
    SimResponse::json(200, &answer)
}

/// One call: who asks, what it costs, what it says.
fn admin(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
    let token = request.header("x-shopify-access-token");
    let is_live = shop.token_expires_at.is_none_or(|at| now < at);
    if token != Some(secret(shop, "access_token"))
        || !is_live
        || shop.memory.contains_key("deauthorized")
    {
        let text = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return SimResponse::json(401, &json!({ "errors": text }));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let document = body["query"].as_str().unwrap_or_default();
    let operation = match graphql::read(document, &body["variables"]) {
        Ok(operation) => operation,
        Err(message) => return SimResponse::json(200, &failure(&("undefinedField", message))),
    };
    let requested = graphql::requested_cost(&operation);
    let (rate, mut available) = bucket(shop, now);
    let largest = shop.memory.get("largest_cost");
    let largest = largest.and_then(|text| text.parse().ok());
    if requested > largest.unwrap_or(LARGEST_COST) {
        let text =
            format!("Query cost is {requested}, which exceeds the single query max cost limit");
        return SimResponse::json(200, &failure(&("MAX_COST_EXCEEDED", text)));
    }
    let points = requested as f64;
    if points > available {
        let mut answer = failure(&("THROTTLED", "Throttled".to_owned()));
        answer["extensions"] = cost(points, None, available, rate);
        return SimResponse::json(200, &answer);
    }
    let fields = operation.fields.iter();
    let answered: Answer = fields
        .map(|field| Ok((field.name.clone(), resolve(shop, request, field, now)?)))
        .collect();
    let mut answer = match answered {
        Ok(data) => json!({ "data": data }),
        Err(refusal) => failure(&refusal),
    };
    let actual = graphql::actual_cost(&answer["data"])
        .saturating_sub(1)
        .min(requested) as f64;
    available -= actual;
    shop.memory
        .insert("points".to_owned(), available.to_string());
    answer["extensions"] = cost(points, Some(actual), available, rate);
    SimResponse::json(200, &answer)
}

/// Points per second, and what has come together by now.
fn bucket(shop: &mut Shop, now: Timestamp) -> (f64, f64) {
    let number = |name: &str| {
        shop.memory
            .get(name)
            .and_then(|text| text.parse::<f64>().ok())
    };
    let rate = number("restore_rate").unwrap_or(RESTORE_RATE);
    let at = number("points_at").map(|micros| Timestamp::from_micros(micros as i64));
    let restored = now.since(at.unwrap_or(now)).as_secs_f64() * rate;
    let full = rate * 20.0;
    let available = (number("points").unwrap_or(full) + restored).min(full);
    shop.memory
        .insert("points_at".to_owned(), now.micros().to_string());
    (rate, available)
}

/// The scope that a field needs.
fn scope_of(field: &Field) -> &'static str {
    let asks_for = |fields: &[Field], name: &str| fields.iter().any(|field| field.name == name);
    match field.name.as_str() {
        "orders" | "order" if asks_for(&field.fields, "returns") => "read_returns",
        "orders" | "order" => "read_orders",
        "products" | "product" | "productsCount" => "read_products",
        "locations" => "read_locations",
        "inventorySetQuantities" => "write_inventory",
        "productVariantsBulkUpdate" => "write_products",
        _ => "",
    }
}

fn resolve(shop: &mut Shop, request: &SimRequest, field: &Field, now: Timestamp) -> Answer {
    let scope = scope_of(field);
    if shop.memory.contains_key(&format!("lacks {scope}")) {
        let text = format!(
            "Access denied for {} field. Required access: `{scope}` access scope.",
            field.name
        );
        return Err(("ACCESS_DENIED", text));
    }
    let there = match field.name.as_str() {
        "orders" | "products" => return list(shop, field, now),
        "shop" => json!({"name": shop.name, "myshopifyDomain": shop.remote_id,
            "currencyCode": shop.currency}),
        "locations" => word_locations(shop),
        "productsCount" => {
            // A catalogue that is said to be longer than it is, where no window was asked for.
            let is_windowed = field
                .text("query")
                .is_some_and(|q| q.contains("updated_at"));
            let said = shop.memory.get("counted").filter(|_| !is_windowed);
            let said = said.and_then(|text| text.parse().ok());
            let found = said.unwrap_or_else(|| search(shop, field, now).len() as u64);
            let limit = field.args.get("limit").and_then(Value::as_u64);
            json!({"count": found.min(limit.unwrap_or(10_000))})
        }
        "order" | "product" => node(shop, field, field.text("id"), now),
        "nodes" => {
            let ids = field.args.get("ids").and_then(Value::as_array);
            let ids = ids.map(Vec::as_slice).unwrap_or_default();
            if ids.len() > LARGEST_INPUT {
                let text = "The input array size is greater than the maximum allowed of 250";
                return Err(("MAX_INPUT_SIZE_EXCEEDED", text.to_owned()));
            }
            let nodes = ids.iter().map(|id| node(shop, field, id.as_str(), now));
            nodes.collect()
        }
        "bulkOperation" => bulk_operation(shop, request, field, now),
        "bulkOperationRunQuery" => run_bulk(shop, field, now)?,
        "webhookSubscriptions" => hooks(shop),
        "webhookSubscriptionCreate" => create_hook(shop, field),
        "webhookSubscriptionUpdate" => update_hook(shop, field),
        "webhookSubscriptionDelete" => delete_hook(shop, field),
        "inventorySetQuantities" => set_quantities(shop, field, now)?,
        "productVariantsBulkUpdate" => set_prices(shop, field, now),
        other => return Err(("undefinedField", format!("Field '{other}' doesn't exist"))),
    };
    graphql::answer(field, &there).map_err(|text| ("undefinedField", text))
}

/// The location whose stock is asked for, however deep.
fn asked_location(fields: &[Field]) -> Option<&str> {
    let own = fields.iter().find_map(|field| field.text("locationId"));
    own.or_else(|| {
        fields
            .iter()
            .find_map(|field| asked_location(&field.fields))
    })
}

/// Orders of the last 60 days; older ones need a scope that our app does not ask for.
fn is_readable(order: &SimOrder, now: Timestamp) -> bool {
    now.since(order.placed_at) < READABLE
}

/// One object by its global id, with everything that can be asked of it.
fn node(shop: &Shop, field: &Field, id: Option<&str>, now: Timestamp) -> Value {
    let (kind, id) = id.and_then(|id| id.rsplit_once('/')).unwrap_or_default();
    let (id, location) = (RemoteId::from(id), asked_location(&field.fields));
    let found = match kind {
        "gid://shopify/Order" => shop
            .order_as_shown(&id, now)
            .filter(|order| is_readable(order, now))
            .map(|order| word_order(shop, order)),
        "gid://shopify/Product" => shop
            .products
            .get(&id)
            .filter(|product| product.state != ProductState::Gone)
            .map(|product| word_product(shop, product, location)),
        "gid://shopify/ProductVariant" => shop
            .variant(&id)
            .map(|variant| word_variant(shop, variant, location)),
        _ => None,
    };
    found.unwrap_or_default()
}

/// Key (by time of change, or of creation where that is asked for) and id of what a search finds:
/// `updated_at:>='..' AND status:a,b`.
fn search(shop: &Shop, field: &Field, now: Timestamp) -> Vec<(String, RemoteId)> {
    let terms: Vec<&str> = field
        .text("query")
        .unwrap_or_default()
        .split(" AND ")
        .collect();
    let fits = |status: &str, created_at: Timestamp, updated_at: Timestamp| {
        let is_met = |term: &str, field: &str, at: Timestamp| {
            let bound = term.strip_prefix(field).unwrap_or_default();
            let time = |sign: &str| Timestamp::parse(bound.strip_prefix(sign)?.trim_matches('\''));
            let at = Timestamp::from_secs(at.secs());
            time(":>=").is_some_and(|from| at >= from) || time(":<").is_some_and(|to| at < to)
        };
        let mut terms = terms.iter().filter(|term| !term.is_empty());
        terms.all(|term| match term.strip_prefix("status:") {
            Some(states) => states.split(',').any(|state| state == status),
            None => {
                is_met(term, "updated_at", updated_at) || is_met(term, "created_at", created_at)
            }
        })
    };
    let key = |at: Timestamp, id: &RemoteId| (format!("{:012}-{id}", at.secs()), id.clone());
    if field.name == "orders" {
        let query = field.text("query").unwrap_or_default();
        let name = |order: &SimOrder| format!("name:'{}'", graphql::objects::order_name(order));
        let is_named = |order: &SimOrder| query.split(" OR ").any(|term| term == name(order));
        let by_name = query.starts_with("name:");
        let is_found = |order: &&SimOrder| {
            by_name && is_named(order) || !by_name && fits("", order.placed_at, order.updated_at)
        };
        let shown = shop.orders.values().map(|order| order.as_shown(now));
        let found = shown
            .filter(|order| is_readable(order, now))
            .filter(is_found);
        let time = |order: &SimOrder| match field.text("sortKey") {
            Some("CREATED_AT") => order.placed_at,
            _ => order.updated_at,
        };
        return found.map(|order| key(time(order), &order.id)).collect();
    }
    let status = |state| match state {
        ProductState::Active => "active",
        ProductState::Inactive => "draft",
        ProductState::Gone => "",
    };
    let products = shop
        .products
        .values()
        .filter(|product| product.state != ProductState::Gone);
    let found = products.filter(|product| {
        fits(
            status(product.state),
            product.created_at,
            product.updated_at,
        )
    });
    found
        .map(|product| key(product.updated_at, &product.id))
        .collect()
}

fn list(shop: &Shop, field: &Field, now: Timestamp) -> Answer {
    let wrong = |text: String| ("BAD_REQUEST", text);
    let size = field.first().map_err(wrong)?;
    let last = match field.text("after") {
        Some(cursor) => graphql::from_cursor(cursor).map(Some),
        None => Some(None),
    };
    let last = last.ok_or_else(|| wrong("Invalid cursor".to_owned()))?;
    let page = keyset_page(search(shop, field, now), true, last.as_deref(), size);
    if (page.start + page.rows.len()) as u64 > DEEPEST_ROW {
        return Err(wrong(
            "Pagination beyond 25,000 objects is not allowed".to_owned(),
        ));
    }
    let kind = if field.name == "orders" {
        "Order"
    } else {
        "Product"
    };
    let ids = page.rows.iter().map(|id| gid(kind, id.as_str()));
    let rows: Vec<_> = ids.map(|id| node(shop, field, Some(&id), now)).collect();
    graphql::page(field, &rows, page.next).map_err(|text| ("undefinedField", text))
}
