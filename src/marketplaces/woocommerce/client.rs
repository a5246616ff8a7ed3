//! Signed calls to a WooCommerce store, and the walks over its lists.
//!
//! A store is somebody's PHP site: every answer is checked before it is believed. Over TLS the keys go in
//! the `Authorization` header; without TLS they stay here and sign each request.
//!
//! The date filters are exclusive, have a grain of one second, and go wrong by the store's UTC offset when
//! a time carries a zone: times are sent as UTC without a zone, a second wider than the window, and rows
//! outside it are dropped here.
//!
//! Source: WooCommerce 10.5.2 and a running store, read 2026-11-23.

use super::{
    NAME, list,
    mapping::{self, Target},
    read_answer, refused, unreadable, webhook,
};
use crate::domain::{Currency, Order, Product, RemoteId, Timestamp};
use crate::marketplaces::{
    Access, MarketplaceError, OrderQuery, OrderSummary, OrderTime, Page, PageToken, PriceChange,
    ProductQuery, ProductScope, PushOutcome, Result, ShopIdentity, StockLevel,
    http::{
        Request, Response,
        batch::{self, Answers, Entry},
        lenient::{self, text},
        oauth1::{self, Consumer, Pairs},
        walk::Walk,
    },
};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use url::Url;

/// Rows per page and entries per batch; more is refused. Source: REST API v3.
pub const LARGEST_PAGE: usize = 100;
/// Products per page: each variable one costs a request of its own, and a page is what a crash repeats.
pub const PRODUCT_PAGE: usize = 50;
/// The wait after a 429 that names none.
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// A request to `{api}/wp-json/{path}`; unsigned, so without secrets.
fn address(access: &Access, path: &str) -> Result<Url> {
    let mut api = access.api.clone();
    api.set_query(None);
    api.set_fragment(None);
    let address = format!("{}/wp-json/{path}", api.as_str().trim_end_matches('/'));
    Url::parse(&address).map_err(|error| MarketplaceError::AddressRefused {
        reason: error.to_string(),
    })
}

pub(super) async fn call(
    access: &Access,
    method: Method,
    path: &str,
    query: Pairs,
    body: Option<&Value>,
) -> Result<(Value, Response)> {
    let url = address(access, &format!("wc/v3/{path}"))?;
    let nonce = oauth1::nonce().ok_or_else(|| MarketplaceError::Unavailable {
        marketplace: NAME,
        reason: "the system gives no random numbers".to_owned(),
    })?;
    let consumer = Consumer {
        key: access.secrets.need(NAME, "consumer_key")?,
        secret: access.secrets.need(NAME, "consumer_secret")?,
    };
    let once = (nonce.as_str(), access.clock.now().secs());
    let mut request = oauth1::authorized(method, url, &query, consumer, once);
    if let Some(body) = body {
        request = request.header("content-type", "application/json");
        request.body = Some(body.to_string().into());
    }
    send(access, request).await
}

pub(super) async fn get(access: &Access, path: &str, query: Pairs) -> Result<(Value, Response)> {
    call(access, Method::GET, path, query, None).await
}

async fn send(access: &Access, request: Request) -> Result<(Value, Response)> {
    let response = access
        .http
        .send(NAME, access.pace.as_ref(), request)
        .await?;
    let read = read_answer(&response, access.clock.now());
    if let Err(MarketplaceError::RateLimited { retry_after, .. }) = &read {
        access.pace.slow_down(retry_after.unwrap_or(SLOW_DOWN));
    }
    Ok((read?, response))
}

/// `None` instead of the error for what is not there.
fn found<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(MarketplaceError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The site's own index tells its name and home, unsigned: WooCommerce's keys are not for WordPress's
/// addresses. The second call is the one that proves the keys.
pub async fn shops(access: &Access) -> Result<Vec<ShopIdentity>> {
    let mut url = address(access, "")?;
    url.set_query(Some("_fields=name,url,home"));
    let (index, _) = send(access, Request::get(url)).await?;
    currency(access).await?;
    let home = text(&index, "home").or_else(|| text(&index, "url"));
    let home = home.ok_or_else(|| unreadable("the index names no home".to_owned()))?;
    let remote_id = webhook::store_id(home);
    Ok(vec![ShopIdentity {
        name: text(&index, "name").map_or_else(|| remote_id.to_string(), lenient::plain),
        remote_id,
        platforms: vec![NAME],
        secrets: vec![],
        base_url: None,
        consent_until: None,
    }])
}

/// The store's currency, which products do not name. Asked anew, because merchants change it.
async fn currency(access: &Access) -> Result<Currency> {
    let (json, _) = get(access, "data/currencies/current", vec![]).await?;
    let code = text(&json, "code").unwrap_or_default();
    Currency::from_code(code).map_err(|error| unreadable(error.to_string()))
}

/// The next rows of a walk, and where it goes on: `any` leaves out the trash, which is a second pass.
async fn step(
    access: &Access,
    path: &str,
    mut walk: Walk,
    fields: &str,
    size: usize,
) -> Result<Page<Value>> {
    loop {
        let asked = get(access, path, mapping::page_query(&walk, fields, size)).await;
        let (rows, listed) = match asked {
            // Older stores cannot sort by time, or list the trash.
            Err(MarketplaceError::Refused { code, .. })
                if code == "rest_invalid_param" && walk.fall_back() =>
            {
                continue;
            }
            Err(MarketplaceError::Refused { code, .. })
                if code == "rest_invalid_param" && walk.pass == "trash" =>
            {
                (vec![], None)
            }
            asked => {
                let (json, response) = asked?;
                let listed = response
                    .header("x-wp-total")
                    .and_then(|n| n.trim().parse().ok());
                (list(json)?, listed)
            }
        };
        let is_last = rows.len() < size;
        let is_by_creation = mapping::is_by_creation(&walk);
        let mark = |row: &Value| {
            let at = if is_by_creation {
                mapping::placed_at(row)
            } else {
                mapping::version(row).ok()
            };
            (mapping::id(row).unwrap_or(0), at.map(Timestamp::secs))
        };
        let Some(items) = walk.take(rows, size, listed, mark) else {
            continue;
        };
        let total = walk.total;
        let next = match (is_last, walk.pass.as_str()) {
            (false, _) => Some(walk.token()),
            (true, "any") => Some(walk.next_pass("trash").token()),
            (true, _) => None,
        };
        return Ok(Page {
            items,
            next,
            total,
            unreadable: vec![],
        });
    }
}

fn walk_of(page: Option<&PageToken>, begin: Walk) -> Result<Walk> {
    page.map_or(Ok(begin), |token| {
        Walk::resume(token).ok_or_else(|| unreadable("the page token is not ours".to_owned()))
    })
}

/// A page of rows as a page of what they mean.
fn read_page<T>(rows: Page<Value>, read: impl Fn(&Value) -> mapping::Read<T>) -> Page<T> {
    let (mut items, mut unreadable) = (vec![], vec![]);
    for row in rows.items {
        match read(&row) {
            Ok(item) => items.push(item),
            Err(why) => unreadable.push((row_id(&row), why)),
        }
    }
    Page {
        items,
        next: rows.next,
        total: rows.total,
        unreadable,
    }
}

fn row_id(row: &Value) -> RemoteId {
    mapping::id(row).unwrap_or(0).into()
}

pub async fn orders(access: &Access, query: &OrderQuery) -> Result<Page<OrderSummary>> {
    let mut begin = Walk::begin("any", Some(query.window));
    if query.by == OrderTime::Created {
        begin.note = Some(mapping::BY_CREATION.to_owned());
    }
    let walk = walk_of(query.page.as_ref(), begin)?;
    let rows = step(
        access,
        "orders",
        walk,
        mapping::SUMMARY_FIELDS,
        LARGEST_PAGE,
    )
    .await?;
    Ok(read_page(rows, mapping::summary))
}

/// Rows with these ids: in one request what the list shows, one by one what it hides (the trash, statuses
/// of plugins that are switched off, variations). In the order asked for; ids that are no numbers, or not
/// there, are left out.
async fn rows_by_id(
    access: &Access,
    path: &str,
    ids: &[RemoteId],
    fields: &str,
) -> Result<Vec<Value>> {
    let mut missing: Vec<u64> = ids
        .iter()
        .filter_map(|id| id.as_str().parse().ok())
        .collect();
    let mut rows = Vec::new();
    if missing.len() > 1 {
        let wanted = missing.clone();
        for some in wanted.chunks(LARGEST_PAGE) {
            let include = some
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(",");
            let query = mapping::pairs([
                ("include", include),
                ("status", "any".to_owned()),
                ("per_page", LARGEST_PAGE.to_string()),
                ("_fields", fields.to_owned()),
            ]);
            rows.extend(list(get(access, path, query).await?.0)?);
        }
        let known: Vec<u64> = rows
            .iter()
            .filter_map(|row| mapping::id(row).ok())
            .collect();
        missing.retain(|id| !known.contains(id));
    }
    for id in missing {
        rows.extend(row_by_id(access, path, id, fields).await?);
    }
    rows.sort_by_key(|row| ids.iter().position(|id| *id == row_id(row)));
    Ok(rows)
}

async fn row_by_id(access: &Access, path: &str, id: u64, fields: &str) -> Result<Option<Value>> {
    let query = mapping::pairs([("_fields", fields.to_owned())]);
    let read = get(access, &format!("{path}/{id}"), query).await;
    found(read.map(|(row, _)| row))
}

pub async fn orders_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>> {
    let rows = rows_by_id(access, "orders", ids, mapping::ORDER_FIELDS).await?;
    let mut orders = Vec::with_capacity(rows.len());
    for row in &rows {
        let refunds = refunds_of(access, row).await?;
        let read = mapping::order(row, &refunds);
        orders.push(read.map_err(|why| unreadable(format!("order {}: {why}", row_id(row))))?);
    }
    Ok(orders)
}

/// The refunds of an order, where it names any.
async fn refunds_of(access: &Access, row: &Value) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut page = 1;
    while mapping::has_refunds(row) && found.len() == LARGEST_PAGE * (page - 1) {
        let query = mapping::pairs([
            ("per_page", LARGEST_PAGE.to_string()),
            ("page", page.to_string()),
            ("_fields", mapping::REFUND_FIELDS.to_owned()),
        ]);
        let path = format!("orders/{}/refunds", row_id(row));
        found.extend(list(get(access, &path, query).await?.0)?);
        page += 1;
    }
    Ok(found)
}

pub async fn products(access: &Access, query: &ProductQuery) -> Result<Page<Product>> {
    let begin = match query.scope {
        ProductScope::Full => Walk::begin("any", None),
        ProductScope::Active => Walk::begin("publish", None),
        ProductScope::Updated(window) => Walk::begin("any", Some(window)),
    };
    let mut walk = walk_of(query.page.as_ref(), begin)?;
    // One currency for the whole walk: it is asked for at its start.
    let known = walk.note.as_deref().map(Currency::from_code);
    let currency = match known {
        Some(Ok(currency)) => currency,
        _ => currency(access).await?,
    };
    walk.note = Some(currency.code().to_owned());
    let rows = step(
        access,
        "products",
        walk,
        mapping::PRODUCT_FIELDS,
        PRODUCT_PAGE,
    )
    .await?;
    let mut variations = BTreeMap::new();
    for row in &rows.items {
        variations.insert(row_id(row), variations_of(access, row).await?);
    }
    let none = vec![];
    let read = |row: &Value| {
        mapping::product(row, variations.get(&row_id(row)).unwrap_or(&none), currency)
    };
    Ok(read_page(rows, read))
}

/// The variations of a product. Those of a trashed one are in the trash with it.
async fn variations_of(access: &Access, row: &Value) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    if !mapping::has_variations(row) || mapping::is_trashed(row) {
        return Ok(found);
    }
    let path = format!("products/{}/variations", row_id(row));
    let mut walk = Some(Walk::begin("any", None));
    while let Some(here) = walk.filter(|walk| walk.pass == "any") {
        let page = step(access, &path, here, mapping::PRODUCT_FIELDS, LARGEST_PAGE).await?;
        found.extend(page.items);
        walk = page.next.as_ref().and_then(Walk::resume);
    }
    Ok(found)
}

pub async fn products_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Product>> {
    let mut rows = BTreeMap::new();
    for row in rows_by_id(access, "products", ids, mapping::PRODUCT_FIELDS).await? {
        let row = match mapping::parent_of(&row) {
            None => Some(row),
            Some(parent) if rows.contains_key(&RemoteId::from(parent)) => None,
            Some(parent) => row_by_id(access, "products", parent, mapping::PRODUCT_FIELDS).await?,
        };
        rows.extend(row.map(|row| (row_id(&row), row)));
    }
    if rows.is_empty() {
        return Ok(vec![]);
    }
    let currency = currency(access).await?;
    let mut products = Vec::new();
    for (id, row) in &rows {
        let variations = variations_of(access, row).await?;
        let read = mapping::product(row, &variations, currency);
        products.push(read.map_err(|why| unreadable(format!("product {id}: {why}")))?);
    }
    Ok(products)
}

/// The entry of a listing; `None` when its ids are no numbers, which WooCommerce's are.
fn entry(
    target: Target,
    (product, variant): (&RemoteId, &RemoteId),
    body: impl Fn(u64) -> Value,
) -> Option<Entry> {
    let product: u64 = product.as_str().parse().ok()?;
    let variant: u64 = variant.as_str().parse().ok()?;
    let (path, id) = match target {
        Target::Product | Target::Parent => ("products/batch".to_owned(), product),
        Target::Variation => (format!("products/{product}/variations/batch"), variant),
    };
    Some(Entry {
        path,
        id,
        body: body(id),
    })
}

pub async fn set_stock(access: &Access, levels: &[StockLevel]) -> Result<Vec<PushOutcome>> {
    let entries = levels.iter().map(|level| {
        let target = Target::of(
            level.push_ref.as_deref(),
            &level.product_id,
            &level.variant_id,
        );
        let body = |id| mapping::stock_entry(id, level);
        entry(target, (&level.product_id, &level.variant_id), body)
    });
    let check = |at: usize, answer: &Value| mapping::stock_outcome(answer, levels[at].quantity);
    push(access, entries.collect(), check).await
}

/// Prices in another currency than the store's are refused: the store would take the bare number.
pub async fn set_price(access: &Access, prices: &[PriceChange]) -> Result<Vec<PushOutcome>> {
    let currency = currency(access).await?;
    let entries = prices.iter().map(|change| {
        let target = if change.product_id == change.variant_id {
            Target::Product
        } else {
            Target::Variation
        };
        let body = |id| mapping::price_entry(id, change);
        let entry = self::entry(target, (&change.product_id, &change.variant_id), body);
        entry.filter(|_| change.price.currency == currency)
    });
    let check = |at: usize, answer: &Value| mapping::price_outcome(answer, prices[at].price);
    let mut outcomes = push(access, entries.collect(), check).await?;
    for (outcome, change) in outcomes.iter_mut().zip(prices) {
        if change.price.currency != currency {
            let text = format!(
                "the store sells in {currency}, the price is in {}",
                change.price.currency
            );
            *outcome = Err(refused("other_currency", &text));
        }
    }
    Ok(outcomes)
}

/// Sends entries batch by batch; `check` reads the answer to the entry at a place.
async fn push(
    access: &Access,
    entries: Vec<Option<Entry>>,
    check: impl Fn(usize, &Value) -> PushOutcome,
) -> Result<Vec<PushOutcome>> {
    let unknown = MarketplaceError::NotFound {
        marketplace: NAME,
        what: "an id that is no number".to_owned(),
    };
    let mut answers = Answers::new(entries.len(), &unknown);
    let (batches, at_odds) = batch::plan(&entries, LARGEST_PAGE);
    for place in at_odds {
        let text = "these variations share their parent's stock and cannot differ";
        answers.set(place, Err(refused("shared_stock", text)));
    }
    for batch in &batches {
        let sent = match answers.stopped() {
            Some(error) => Err(error),
            None => batch_update(access, batch.path, &batch.bodies).await,
        };
        match sent {
            Err(error) => answers.fail(batch, &error),
            Ok(rows) => {
                for (id, places) in &batch.places {
                    let row = rows.iter().find(|row| mapping::id(row) == Ok(*id));
                    let missing = || unreadable(format!("no answer for {id}"));
                    for at in places {
                        answers.set(*at, row.ok_or_else(missing).and_then(|row| check(*at, row)));
                    }
                }
            }
        }
    }
    answers.finish()
}

pub(super) async fn batch_update(
    access: &Access,
    path: &str,
    update: &[impl Serialize],
) -> Result<Vec<Value>> {
    let body = json!({ "update": update });
    let (mut answer, _) = call(access, Method::POST, path, vec![], Some(&body)).await?;
    list(
        answer
            .get_mut("update")
            .map(Value::take)
            .unwrap_or_default(),
    )
}
