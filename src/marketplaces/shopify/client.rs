//! Calls to the Admin API, one document each.
//!
//! Promises: what an answer says about cost is heeded before the next call; a page that costs too much is
//! made smaller; lists inside of an object are read to their end; stock is only changed from the quantity
//! that was just read; the token goes to the shop's own address at Shopify and nowhere else.
//!
//! Products, pushes and connecting have files of their own.
//!
//! Source: <https://shopify.dev/docs/api/admin-graphql/2026-10> and
//! <https://shopify.dev/docs/api/usage/bulk-operations/queries>, read 2026-11-23.

mod connecting;
mod products;
mod pushes;

pub(super) use connecting::{consent_page, subscribe, subscriptions, unsubscribe};
#[cfg(test)]
pub(super) use products::bulk_query;
pub(super) use products::{products, products_by_id};

use super::mapping::{self, Place, WentBackAnswers};
use super::{
    DEEPEST_ROW, LIMITS, SLUG, VERSION, gid, is_plain_id, is_too_costly, other_version,
    read_answer, unreadable,
};
use crate::domain::{Order, RemoteId, Retry};
use crate::marketplaces::{
    Access, Consent, ConsentAnswer, MarketplaceError, OrderQuery, OrderSummary, Page, PageToken,
    PriceChange, PushOutcome, Result, ShopIdentity, StockLevel, Tokens,
    http::{Request, Response},
};
use products::Bulk;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

macro_rules! documents {
    ($($name:ident = $($file:literal)+;)*) => {
        $(const $name: &str = concat!($(include_str!(concat!("queries/", $file, ".graphql"))),+);)*

        /// Every document, for the test that holds them against the schema.
        #[cfg(test)]
        pub(super) const DOCUMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

documents! {
    SHOP = "shop";
    PLACE = "place";
    PRODUCTS_PAGE = "products_page" "variant_fields";
    PRODUCT_ONE = "product_one" "variant_fields";
    PRODUCTS_BULK = "products_bulk";
    BULK_RUN = "bulk_run";
    BULK_POLL = "bulk_poll";
    ORDERS_PAGE = "orders_page";
    ORDERS_BY_ID = "orders_by_id" "line_fields";
    ORDER_LINES = "order_lines" "line_fields";
    ORDER_REFUNDS = "order_refunds";
    ORDER_RETURNS = "order_returns";
    STOCK_NOW = "stock_now";
    STOCK_SET = "stock_set";
    PRICE_SET = "price_set";
    HOOK_LIST = "hook_list";
    HOOK_CREATE = "hook_create";
    HOOK_UPDATE = "hook_update";
    HOOK_DELETE = "hook_delete";
}

// Sizes with which a call costs less than the 1,000 points that one may cost.
const LINES: usize = 10;
const MORE_LINES: usize = 80;
const REFUNDS: usize = 10;
const REFUNDED_LINES: usize = 12;
const RETURNS: usize = 10;

/// One call.
async fn ask(access: &Access, document: &str, variables: Value) -> Result<Value> {
    let version = access.secrets.get("api_version").unwrap_or(VERSION);
    connecting::shop_host(&access.api)?;
    let mut url = access.api.clone();
    url.set_path(&format!("/admin/api/{version}/graphql.json"));
    // Without a token, the first one is a renewal away: an app of one's own store begins like that.
    let token = access.secrets.get("access_token");
    let token = token.ok_or(MarketplaceError::TokenExpired { marketplace: SLUG })?;
    let body = json!({"query": document, "variables": variables}).to_string();
    let request = Request::json(Method::POST, url, body).header("x-shopify-access-token", token);
    let response = send(access, request).await?;
    if let Some(used) = other_version(version, &response) {
        tell_version(access, version, used);
    }
    match read_answer(&response, access.clock.now()) {
        Ok((data, cost)) => {
            if let Some(wait) = cost.and_then(super::Cost::wait) {
                access.pace.slow_down(wait);
            }
            Ok(data)
        }
        Err(error) => {
            if let (MarketplaceError::RateLimited { .. }, Retry::After(wait)) =
                (&error, error.retry())
            {
                access.pace.slow_down(wait);
            }
            Err(error)
        }
    }
}

/// The same, with the variable `size` halved as long as the call costs too much; it stays so.
async fn ask_within(
    access: &Access,
    document: &str,
    variables: &mut Value,
    size: &str,
) -> Result<Value> {
    loop {
        let answer = ask(access, document, variables.clone()).await;
        let n = variables[size].as_u64().unwrap_or(1);
        match answer {
            Err(error) if is_too_costly(&error) && n > 1 => variables[size] = (n / 2).into(),
            answer => return answer,
        }
    }
}

async fn send(access: &Access, request: Request) -> Result<Response> {
    access.http.send(SLUG, access.pace.as_ref(), request).await
}

/// Said once: it holds for every call until somebody changes the setting.
fn tell_version(access: &Access, asked: &str, used: &str) {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    if !IS_TOLD.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            channel.id = access.channel.0,
            api.version = used,
            asked,
            "Shopify no longer serves the version that we ask for and answers with another; set shopify.api_version"
        );
    }
}

pub(super) async fn shops(access: &Access) -> Result<Vec<ShopIdentity>> {
    let data = ask(access, SHOP, json!({})).await?;
    let shop = &data["shop"];
    let domain = shop["myshopifyDomain"].as_str();
    let domain = domain.ok_or_else(|| unreadable("the shop has no domain".to_owned()))?;
    Ok(vec![ShopIdentity {
        remote_id: domain.to_ascii_lowercase().into(),
        name: shop["name"].as_str().unwrap_or(domain).to_owned(),
        platforms: vec![SLUG],
        secrets: Vec::new(),
        base_url: None,
        consent_until: None,
    }])
}

/// Names per search; ours: a search may be 5,000 characters long.
const NAMES: usize = 25;

/// Where a walk over a list is; its JSON is the page token.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Turn {
    after: Option<String>,
    /// Rows given so far.
    n: u64,
    /// Products per page; smaller after a page cost too much.
    size: u64,
    place: Option<Place>,
    bulk: Option<Bulk>,
}

impl Turn {
    fn resume(token: Option<&PageToken>) -> Self {
        let read = token.and_then(|token| serde_json::from_str(&token.0).ok());
        read.unwrap_or_default()
    }

    fn token(&self) -> PageToken {
        PageToken(serde_json::to_string(self).expect("numbers and texts are JSON"))
    }

    /// # Errors
    /// `TooManyResults` when the next page lies beyond what anyone may read.
    fn next(mut self, list: &Value) -> Result<Option<PageToken>> {
        self.n += nodes(list).len() as u64;
        if list["pageInfo"]["hasNextPage"] != true {
            return Ok(None);
        }
        // A page that has a next one was full; so will that be.
        if self.n + nodes(list).len() as u64 > DEEPEST_ROW {
            return Err(MarketplaceError::TooManyResults { marketplace: SLUG });
        }
        self.after = list["pageInfo"]["endCursor"].as_str().map(str::to_owned);
        Ok(Some(self.token()))
    }
}

fn nodes(list: &Value) -> &[Value] {
    rows_of(&list["nodes"])
}

fn rows_of(rows: &Value) -> &[Value] {
    rows.as_array().map_or(&[], Vec::as_slice)
}

/// What can be read and what cannot.
fn sorted<T>(
    rows: impl Iterator<Item = std::result::Result<T, (RemoteId, String)>>,
) -> (Vec<T>, Vec<(RemoteId, String)>) {
    let (mut read, mut misfits) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(row) => read.push(row),
            Err(misfit) => misfits.push(misfit),
        }
    }
    (read, misfits)
}

fn misread((id, reason): (RemoteId, String)) -> MarketplaceError {
    unreadable(format!("{id}: {reason}"))
}

pub(super) async fn orders(access: &Access, query: &OrderQuery) -> Result<Page<OrderSummary>> {
    let turn = Turn::resume(query.page.as_ref());
    let (field, sort) = query
        .by
        .pick(("updated_at", "UPDATED_AT"), ("created_at", "CREATED_AT"));
    let filter = mapping::within(field, query.window);
    let variables =
        json!({"first": LIMITS.order_page, "after": turn.after, "q": filter, "sort": sort});
    let data = ask(access, ORDERS_PAGE, variables).await?;
    let list = &data["orders"];
    let (items, unreadable) = sorted(nodes(list).iter().map(mapping::summary));
    Ok(Page {
        items,
        next: turn.next(list)?,
        total: None,
        unreadable,
    })
}

/// Orders are known to people by their names, such as `#1042`, and to the API by other ids.
pub(super) async fn order_ids(
    access: &Access,
    numbers: &[String],
) -> Result<Vec<(String, RemoteId)>> {
    let mut found = Vec::new();
    for some in numbers.chunks(NAMES) {
        let filter = mapping::named(some);
        let variables = json!({"first": LIMITS.order_page, "q": filter, "sort": "CREATED_AT"});
        let data = ask(access, ORDERS_PAGE, variables).await?;
        let (orders, _) = sorted(nodes(&data["orders"]).iter().map(mapping::summary));
        let orders = orders.into_iter();
        // A search finds more than it is asked for.
        let asked = orders.filter(|order| some.contains(&order.number));
        found.extend(asked.map(|order| (order.number, order.remote_id)));
    }
    Ok(found)
}

/// # Errors
/// `Unreadable` with the id when one of the orders cannot be read: an order is never dropped in silence.
pub(super) async fn orders_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>> {
    let ids = ids.iter().filter(|id| is_plain_id(id.as_str()));
    let gids: Vec<String> = ids.map(|id| gid("Order", id.as_str())).collect();
    let mut batches: Vec<&[String]> = gids.chunks(LIMITS.order_batch as usize).collect();
    let mut found = Vec::new();
    while let Some(batch) = batches.pop() {
        let mut variables = json!({"ids": batch, "lines": LINES});
        let answer = if batch.len() > 1 {
            ask(access, ORDERS_BY_ID, variables).await
        } else {
            ask_within(access, ORDERS_BY_ID, &mut variables, "lines").await
        };
        let mut data = match answer {
            Err(error) if is_too_costly(&error) && batch.len() > 1 => {
                let (one, other) = batch.split_at(batch.len() / 2);
                batches.extend([one, other]);
                continue;
            }
            answer => answer?,
        };
        let rows = data["nodes"].as_array_mut().map(std::mem::take);
        // Unknown ids are null, those of other objects empty.
        for row in rows
            .into_iter()
            .flatten()
            .filter(|row| row["id"].is_string())
        {
            found.extend(whole_order(access, row).await?);
        }
    }
    Ok(found)
}

/// The order with all its lines, and with its refunds and returns where it has any.
async fn whole_order(access: &Access, mut row: Value) -> Result<Option<Order>> {
    let more = json!({"lines": MORE_LINES});
    if !read_on(access, &mut row, "lineItems", ORDER_LINES, "order", more).await? {
        return Ok(None);
    }
    let mut refunds = Value::Null;
    if mapping::has_refunds(&row) {
        let mut variables = json!({"id": row["id"], "refunds": REFUNDS, "lines": REFUNDED_LINES});
        let mut data = ask_within(access, ORDER_REFUNDS, &mut variables, "lines").await?;
        refunds = data["order"]["refunds"].take();
    }
    let mut returns = Value::Null;
    if mapping::has_returns(&row) {
        let mut variables = json!({"id": row["id"], "returns": RETURNS, "lines": REFUNDED_LINES});
        match ask_within(access, ORDER_RETURNS, &mut variables, "lines").await {
            Ok(mut data) => returns = data["order"]["returns"].take(),
            // The app was let in before it asked for that scope: the refunds tell the most of it.
            Err(MarketplaceError::Refused { code, .. }) if code == "ACCESS_DENIED" => {}
            Err(error) => return Err(error),
        }
    }
    let went_back = WentBackAnswers {
        refunds: &refunds,
        most: REFUNDS,
        returns: &returns,
    };
    mapping::order(&row, &went_back).map(Some).map_err(misread)
}

/// Reads the pages of a list inside of `row` that its document had no room for. `false`: it is gone.
async fn read_on(
    access: &Access,
    row: &mut Value,
    list: &str,
    document: &str,
    root: &str,
    mut variables: Value,
) -> Result<bool> {
    variables["id"] = row["id"].clone();
    while row[list]["pageInfo"]["hasNextPage"] == true {
        variables["after"] = row[list]["pageInfo"]["endCursor"].clone();
        let size = if list == "variants" {
            "variants"
        } else {
            "lines"
        };
        let mut data = ask_within(access, document, &mut variables, size).await?;
        let page = data[root][list].take();
        if page.is_null() {
            return Ok(false);
        }
        if page["pageInfo"]["endCursor"] == variables["after"] {
            return Err(unreadable(format!("{list} do not end")));
        }
        if let Some(known) = row[list]["nodes"].as_array_mut() {
            known.extend(nodes(&page).iter().cloned());
        }
        row[list]["pageInfo"] = page["pageInfo"].clone();
    }
    Ok(true)
}

pub(super) async fn set_stock(access: &Access, levels: &[StockLevel]) -> Result<Vec<PushOutcome>> {
    pushes::set_stock(access, levels, access.clock.now()).await
}

pub(super) async fn set_price(access: &Access, prices: &[PriceChange]) -> Result<Vec<PushOutcome>> {
    pushes::set_price(access, prices).await
}

pub(super) async fn refresh(access: &Access) -> Result<Tokens> {
    connecting::refresh(access, access.clock.now()).await
}

pub(super) async fn consent(access: &Access, answer: &ConsentAnswer) -> Result<Consent> {
    connecting::consent(access, answer, access.clock.now()).await
}

#[cfg(test)]
mod tests;
