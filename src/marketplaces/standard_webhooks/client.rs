//! Calls to the pull API that a custom store may have.
//!
//! Everything is asked with one bearer token. Lists are walked with the page tokens that the store gives; a store
//! that gives the same one again is stopped. Errors are RFC 9457 problem details; what they say is the store's and
//! is repeated in short.
//!
//! A store without a pull API names itself with what the merchant hands over, and is asked nothing.
//!
//! Source: the guide for custom stores, `src/web/guide/custom_store.md`, pull API version 1.

use super::{
    NAME,
    mapping::{self, Place},
    webhook,
};
use crate::domain::{Order, Product, RemoteId, Settlement, Timestamp};
use crate::marketplaces::{
    Abilities, Access, MarketplaceError, OrderQuery, OrderSummary, Page, PageToken, PriceChange,
    ProductQuery, ProductScope, PushOutcome, Result, ShopIdentity, StockLevel,
    http::{Request, Response},
};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Where the pull API is, below the store's address.
pub const ROOT: &str = "marketsink/v1";
/// Rows per page at most, and rows per push.
pub const LARGEST_PAGE: usize = 100;
/// Ids per request: with the longest of them an address stays below 8 KB.
pub const LARGEST_BATCH: usize = 50;
/// The wait after a 429 that names none.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// Characters of a store's own words that are repeated.
const SHORT: usize = 120;

/// The names of what the merchant hands over.
pub const API_KEY: &str = "api_key";
pub const WEBHOOK_SECRET: &str = "webhook_secret";
pub const STORE_ID: &str = "store_id";
pub const STORE_NAME: &str = "store_name";
/// What the store's API can be asked, as it says itself: words with spaces between.
pub const CAPABILITIES: &str = "capabilities";

pub fn abilities(access: &Access) -> Abilities {
    if !access.has_api() {
        return Abilities::NONE;
    }
    let Some(listed) = access.secrets.get(CAPABILITIES) else {
        return Abilities::ALL;
    };
    let has = |word: &str| listed.split(' ').any(|listed| listed == word);
    Abilities {
        orders: has("orders"),
        products: has("products"),
        stock: has("stock"),
        prices: has("prices"),
    }
}

type Query = Vec<(&'static str, String)>;

async fn call(
    access: &Access,
    method: Method,
    path: &str,
    query: Query,
    body: Option<&Value>,
) -> Result<Value> {
    let mut url = address(access, path)?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let token = access.secrets.need(NAME, API_KEY)?;
    let mut request = Request::get(url).header("accept", "application/json");
    request.method = method;
    if let Some(body) = body {
        request = request.header("content-type", "application/json");
        request.body = Some(body.to_string().into());
    }
    let request = request.header("authorization", format!("Bearer {token}"));
    let response = access
        .http
        .send(NAME, access.pace.as_ref(), request)
        .await?;
    let read = read_answer(&response, access.clock.now());
    if let Err(MarketplaceError::RateLimited { retry_after, .. }) = &read {
        access.pace.slow_down(retry_after.unwrap_or(SLOW_DOWN));
    }
    read
}

fn address(access: &Access, path: &str) -> Result<Url> {
    let mut api = access.api.clone();
    api.set_query(None);
    api.set_fragment(None);
    let address = format!("{}/{ROOT}/{path}", api.as_str().trim_end_matches('/'));
    Url::parse(&address).map_err(|error| MarketplaceError::AddressRefused {
        reason: error.to_string(),
    })
}

/// The JSON of a success; anything else as the error that it is.
pub(super) fn read_answer(response: &Response, now: Timestamp) -> Result<Value> {
    let json = serde_json::from_slice::<Value>(&response.body).ok();
    let json = json.filter(Value::is_object);
    let problem = json.as_ref().map_or_else(String::new, problem);
    match response.status {
        200..300 => json.ok_or_else(|| unreadable("the answer is no JSON object".to_owned())),
        300..=399 => Err(refused(
            "redirect",
            "the store's address leads elsewhere; connect the channel with its final address",
        )),
        401 | 403 => Err(MarketplaceError::Unauthorized {
            marketplace: NAME,
            reason: format!("{} {problem}", response.status)
                .trim_end()
                .to_owned(),
        }),
        404 if json.is_some() => Err(MarketplaceError::NotFound {
            marketplace: NAME,
            what: problem,
        }),
        429 => Err(MarketplaceError::RateLimited {
            marketplace: NAME,
            retry_after: response.retry_after(now),
        }),
        status @ (405 | 501) => Err(refused(
            &status.to_string(),
            "the store does not have this call; let it leave that out of its `capabilities`, and connect it again",
        )),
        status @ 500.. => Err(MarketplaceError::Unavailable {
            marketplace: NAME,
            reason: format!("{status} {problem}").trim_end().to_owned(),
        }),
        status if json.is_some() => Err(refused(&status.to_string(), &problem)),
        status => Err(unreadable(format!(
            "{status} without problem details; is this the address of the pull API?"
        ))),
    }
}

/// `title: detail` of problem details.
fn problem(json: &Value) -> String {
    let part = |name| json.get(name).and_then(Value::as_str);
    let parts: Vec<&str> = [part("title"), part("detail")]
        .into_iter()
        .flatten()
        .collect();
    parts.join(": ").chars().take(SHORT).collect()
}

fn refused(code: &str, message: &str) -> MarketplaceError {
    MarketplaceError::Refused {
        marketplace: NAME,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn unreadable(reason: String) -> MarketplaceError {
    MarketplaceError::Unreadable {
        marketplace: NAME,
        reason,
    }
}

pub async fn shops(access: &Access) -> Result<Vec<ShopIdentity>> {
    if let Some(secret) = access.secrets.get(WEBHOOK_SECRET) {
        webhook::check_secret(secret).map_err(|why| refused(WEBHOOK_SECRET, why))?;
    }
    if !access.has_api() {
        return Ok(vec![named(access)?]);
    }
    let store = call(access, Method::GET, "store", vec![], None).await?;
    let read = || -> mapping::Read<ShopIdentity> {
        let store = Place::root(&store);
        store.need("currency")?.currency()?;
        let mut capabilities = Vec::new();
        for place in store.need(CAPABILITIES)?.rows()? {
            capabilities.push(place.text()?);
        }
        Ok(ShopIdentity {
            remote_id: store.need("id")?.id()?,
            name: store.need("name")?.text()?.to_owned(),
            platforms: vec![NAME],
            secrets: vec![(CAPABILITIES.to_owned(), capabilities.join(" "))],
            base_url: None,
            consent_until: None,
        })
    };
    read().map(|shop| vec![shop]).map_err(unreadable)
}

/// A store that cannot be asked is what the merchant says it is.
fn named(access: &Access) -> Result<ShopIdentity> {
    let Some(id) = access.secrets.get(STORE_ID) else {
        return Err(refused(
            STORE_ID,
            "a store without an address cannot be asked who it is; hand over an id for it, such as its domain",
        ));
    };
    if access.secrets.get(API_KEY).is_some() {
        return Err(refused(
            API_KEY,
            "a key opens nothing without the store's address; hand over both or neither",
        ));
    }
    let written = Value::from(id);
    let remote_id = Place::root(&written).id();
    let name = access.secrets.get(STORE_NAME).unwrap_or(id);
    Ok(ShopIdentity {
        remote_id: remote_id.map_err(|why| refused(STORE_ID, &why))?,
        name: name.to_owned(),
        platforms: vec![NAME],
        secrets: vec![],
        base_url: None,
        consent_until: None,
    })
}

/// A page of a list: rows as they are, and where it goes on.
struct Rows {
    found: Vec<Value>,
    next: Option<PageToken>,
    total: Option<u64>,
}

async fn list(
    access: &Access,
    path: &'static str,
    mut query: Query,
    page: Option<&PageToken>,
) -> Result<Rows> {
    query.extend(page.map(|token| ("page", token.0.clone())));
    let mut answer = call(access, Method::GET, path, query, None).await?;
    let place = Place::root(&answer);
    place
        .need(path)
        .and_then(|rows| rows.rows())
        .map_err(unreadable)?;
    let next = next_page(&place).map_err(unreadable)?;
    if next.is_some() && next.as_ref() == page {
        return Err(unreadable(
            "`/next_page` is the page that was asked for: the list would never end".to_owned(),
        ));
    }
    let total = answer.get("total").and_then(Value::as_u64);
    let found = match answer.get_mut(path).map(Value::take) {
        Some(Value::Array(rows)) => rows,
        _ => vec![],
    };
    Ok(Rows { found, next, total })
}

/// An empty text is as good as none: asked for, it would be the first page again.
pub(super) fn next_page(answer: &Place<'_>) -> mapping::Read<Option<PageToken>> {
    let next = answer.find("next_page").map(|next| next.text());
    let next = next.transpose()?.filter(|token| !token.is_empty());
    Ok(next.map(|token| PageToken(token.to_owned())))
}

/// A page of rows as a page of what they mean.
fn read_page<T>(
    path: &str,
    rows: Rows,
    read: impl Fn(&Place<'_>) -> mapping::Read<T>,
) -> Result<Page<T>> {
    let (mut items, mut wrong) = (vec![], vec![]);
    for row in &rows.found {
        let place = Place::root(row);
        match read(&place) {
            Ok(item) => items.push(item),
            Err(why) => match mapping::subject(&place) {
                Ok((id, _)) => wrong.push((id, why)),
                // A row that does not even name itself cannot be asked for again.
                Err(_) => return Err(unreadable(format!("a row of {path}: {why}"))),
            },
        }
    }
    Ok(Page {
        items,
        next: rows.next,
        total: rows.total,
        unreadable: wrong,
    })
}

pub async fn orders(access: &Access, query: &OrderQuery) -> Result<Page<OrderSummary>> {
    let window = vec![
        ("updated_from", query.window.from.to_string()),
        ("updated_to", query.window.to.to_string()),
    ];
    let rows = list(access, "orders", window, query.page.as_ref()).await?;
    read_page("orders", rows, mapping::summary)
}

pub async fn products(access: &Access, query: &ProductQuery) -> Result<Page<Product>> {
    let filter = match query.scope {
        ProductScope::Full => vec![],
        ProductScope::Active => vec![("state", "active".to_owned())],
        ProductScope::Updated(window) => vec![
            ("updated_from", window.from.to_string()),
            ("updated_to", window.to.to_string()),
        ],
    };
    let rows = list(access, "products", filter, query.page.as_ref()).await?;
    read_page("products", rows, mapping::product)
}

/// The rows with these ids, read whole; other rows that the store adds are passed over.
async fn by_id<T>(
    access: &Access,
    path: &'static str,
    ids: &[RemoteId],
    read: impl Fn(&Place<'_>) -> mapping::Read<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for some in ids.chunks(LARGEST_BATCH) {
        let joined = some.iter().map(RemoteId::as_str).collect::<Vec<_>>();
        let query = vec![("ids", joined.join(","))];
        for row in list(access, path, query, None).await?.found {
            let place = Place::root(&row);
            let (id, _) = mapping::subject(&place).map_err(unreadable)?;
            if some.contains(&id) {
                let read = read(&place);
                found.push(read.map_err(|why| unreadable(format!("{path} {id}: {why}")))?);
            }
        }
    }
    Ok(found)
}

pub async fn orders_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>> {
    by_id(access, "orders", ids, mapping::order).await
}

/// What was kept of orders that say so.
pub async fn settlements(access: &Access, ids: &[RemoteId]) -> Result<Vec<Settlement>> {
    let read = by_id(access, "orders", ids, mapping::settlement).await?;
    Ok(read.into_iter().flatten().collect())
}

pub async fn products_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Product>> {
    by_id(access, "products", ids, mapping::product).await
}

pub async fn set_stock(access: &Access, levels: &[StockLevel]) -> Result<Vec<PushOutcome>> {
    let mut outcomes = Vec::new();
    for some in levels.chunks(LARGEST_PAGE) {
        let ids = some
            .iter()
            .map(|level| (&level.product_id, &level.variant_id));
        let body = mapping::stock_body(some);
        outcomes.extend(push(access, "stock", &body, ids).await?);
    }
    Ok(outcomes)
}

pub async fn set_price(access: &Access, prices: &[PriceChange]) -> Result<Vec<PushOutcome>> {
    let mut outcomes = Vec::new();
    for some in prices.chunks(LARGEST_PAGE) {
        let ids = some
            .iter()
            .map(|change| (&change.product_id, &change.variant_id));
        let body = mapping::price_body(some);
        outcomes.extend(push(access, "prices", &body, ids).await?);
    }
    Ok(outcomes)
}

/// Puts a batch; each row has its own answer, found by its ids.
async fn push<'a>(
    access: &Access,
    path: &str,
    body: &Value,
    ids: impl Iterator<Item = (&'a RemoteId, &'a RemoteId)>,
) -> Result<Vec<PushOutcome>> {
    let answer = call(access, Method::PUT, path, vec![], Some(body)).await?;
    let results = Place::root(&answer).need("results");
    let rows = results.and_then(|place| place.rows()).map_err(unreadable)?;
    let is_of = |row: &Place<'_>, name: &str, id: &RemoteId| {
        row.need(name).and_then(|place| place.id()).as_ref() == Ok(id)
    };
    let outcome = |(product, variant)| {
        let mut rows = rows.iter();
        let row =
            rows.find(|row| is_of(row, "product_id", product) && is_of(row, "variant_id", variant));
        match row {
            Some(row) => result_of(row),
            None => Err(unreadable(format!(
                "no result for variant {variant} of product {product}"
            ))),
        }
    };
    Ok(ids.map(outcome).collect())
}

fn result_of(row: &Place<'_>) -> PushOutcome {
    let status = row.need("status").and_then(|place| place.text());
    let detail = row.find("detail");
    let detail = detail
        .and_then(|place| place.text().ok())
        .unwrap_or_default();
    let detail: String = detail.chars().take(SHORT).collect();
    match status {
        Ok("ok") => Ok(()),
        Ok("not_found") => Err(MarketplaceError::NotFound {
            marketplace: NAME,
            what: format!("the variant {detail}").trim_end().to_owned(),
        }),
        Ok("refused") => Err(refused("refused", &detail)),
        Ok(_) => Err(unreadable(
            "`status` of a result must be one of ok, not_found, refused".to_owned(),
        )),
        Err(why) => Err(unreadable(why)),
    }
}
