//! Signed calls to the TikTok Shop Open API.
//!
//! Promises: an answer is judged by its `code`, never by its HTTP status; one unreadable order or product
//! does not hide the others; every push gets an outcome, also the per-SKU refusals that hide behind
//! `code` 0. Neither tokens nor signatures appear in errors.
//!
//! Source: <https://partner.tiktokshop.com/docv2/page/sign-your-api-request> and the pages of each call,
//! read 2026-11-23.

use super::mapping;
use super::{
    LIMITS, List, Misfit, PushAnswer, SLUG, TokenAnswer, WebhookRow, error_of, is_plain_id,
    not_found, read_answer, shop_identity, unreadable, webhook::EVENTS,
};
use crate::domain::{Order, Product, RemoteId, Retry, Timestamp, Window};
use crate::marketplaces::{
    Access, Consent, ConsentAnswer, ConsentQuestion, MarketplaceError, OrderQuery, OrderSummary,
    Page, PageToken, PriceChange, ProductQuery, ProductScope, PushOutcome, Result, ShopIdentity,
    StockLevel, Subscribed, SubscriptionState, Tokens, http::Request,
};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use url::Url;

const SHOPS: &str = "/authorization/202309/shops";
const ORDER_SEARCH: &str = "/order/202309/orders/search";
const ORDER_DETAIL: &str = "/order/202507/orders";
const PRODUCT_SEARCH: &str = "/product/202502/products/search";
pub(super) const PRODUCTS: &str = "/product/202309/products";
const WEBHOOKS: &str = "/event/202309/webhooks";
const TOKEN_GET: &str = "/api/v2/token/get";
const TOKEN_REFRESH: &str = "/api/v2/token/refresh";
/// The name of the secret, and of the grant.
const REFRESH_TOKEN: &str = "refresh_token";

/// The signature of a request: the path, the pairs sorted by name and as they are before
/// percent-encoding, and the body, between two copies of the secret that is also the key.
pub(super) fn sign(secret: &str, path: &str, query: &[(&str, String)], body: &[u8]) -> String {
    let mut pairs: Vec<_> = query.iter().collect();
    pairs.sort_unstable();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(secret.as_bytes());
    mac.update(path.as_bytes());
    for (name, value) in pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.update(body);
    mac.update(secret.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A call before it is signed.
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Call {
    /// A call that must not name a shop.
    fn of_seller(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            query: Vec::new(),
            body: None,
        }
    }

    /// A call on the shop of `access`.
    pub(super) fn of_shop(access: &Access, path: impl Into<String>) -> Result<Self> {
        let cipher = access.secrets.need(SLUG, "shop_cipher")?.to_owned();
        Ok(Self {
            query: vec![("shop_cipher", cipher)],
            ..Self::of_seller(&path.into())
        })
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    fn sending(self, method: Method, body: Value) -> Self {
        Self {
            method,
            body: Some(body),
            ..self
        }
    }

    pub(super) fn signed(mut self, access: &Access) -> Result<Request> {
        let secret = |name| access.secrets.need(SLUG, name);
        self.query.push(("app_key", secret("app_key")?.to_owned()));
        self.query
            .push(("timestamp", access.clock.now().secs().to_string()));
        // Made once: the bytes that are signed are the bytes that are sent.
        let body = self.body.map(|body| body.to_string());
        let signed_body = body.as_deref().unwrap_or_default().as_bytes();
        let sign = sign(secret("app_secret")?, &self.path, &self.query, signed_body);
        self.query.push(("sign", sign));
        let mut url = access.api.clone();
        url.set_path(&self.path);
        url.query_pairs_mut().clear().extend_pairs(&self.query);
        Ok(Request {
            method: self.method,
            url,
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("x-tts-access-token", secret("access_token")?.to_owned()),
            ],
            body: body.map(Into::into),
        })
    }

    async fn ask<T: DeserializeOwned>(self, access: &Access) -> Result<T> {
        let request = self.signed(access)?;
        send(access, request).await
    }
}

async fn send<T: DeserializeOwned>(access: &Access, request: Request) -> Result<T> {
    let response = access
        .http
        .send(SLUG, access.pace.as_ref(), request)
        .await?;
    let answer = read_answer(&response, access.clock.now());
    if let Err(error @ MarketplaceError::RateLimited { .. }) = &answer
        && let Retry::After(wait) = error.retry()
    {
        access.pace.slow_down(wait);
    }
    serde_json::from_value(answer?).map_err(|error| unreadable(error.to_string()))
}

fn misread((id, reason): Misfit) -> MarketplaceError {
    unreadable(format!("{id}: {reason}"))
}

pub(super) async fn shops(access: &Access) -> Result<Vec<ShopIdentity>> {
    let list: List = Call::of_seller(SHOPS).ask(access).await?;
    let shops = list.rows().into_iter().map(shop_identity);
    shops
        .collect::<std::result::Result<_, _>>()
        .map_err(misread)
}

/// Whole seconds `[from, to)` that hold every instant of the window.
fn seconds(window: Window) -> (i64, i64) {
    let from = window.from.secs();
    let to = Timestamp::from_micros(window.to.micros().saturating_add(999_999)).secs();
    (from, to.max(from + 1))
}

pub(super) async fn orders(access: &Access, query: &OrderQuery) -> Result<Page<OrderSummary>> {
    let (from, to) = seconds(query.window);
    let field = query.by.pick("update_time", "create_time");
    let body = json!({format!("{field}_ge"): from, format!("{field}_lt"): to});
    let mut call = Call::of_shop(access, ORDER_SEARCH)?
        .with("page_size", LIMITS.order_page)
        .with("sort_field", field)
        .with("sort_order", "ASC")
        .sending(Method::POST, body);
    if let Some(page) = &query.page {
        call = call.with("page_token", &page.0);
    }
    let list: List = call.ask(access).await?;
    let next = list.next().map(|token| PageToken(token.to_owned()));
    let total = list.total_count;
    let (items, unreadable) = list.read(mapping::summary);
    Ok(Page {
        items,
        next,
        total,
        unreadable,
    })
}

pub(super) async fn orders_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>> {
    let mut found = Vec::new();
    for batch in ids.chunks(LIMITS.order_batch as usize) {
        match order_batch(access, batch).await {
            // One order of another seller refuses the whole batch: ask for each alone.
            Err(MarketplaceError::NotFound { .. }) if batch.len() > 1 => {
                for id in batch {
                    found.extend(unless_gone(
                        order_batch(access, std::slice::from_ref(id)).await,
                    )?);
                }
            }
            answer => found.extend(unless_gone(answer)?),
        }
    }
    Ok(found)
}

/// # Errors
/// `Unreadable` with the id when one of the orders cannot be read: an order is never dropped in silence.
async fn order_batch(access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>> {
    let plain = ids
        .iter()
        .map(RemoteId::as_str)
        .filter(|id| is_plain_id(id));
    let ids = plain.collect::<Vec<_>>().join(",");
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let list: List = Call::of_shop(access, ORDER_DETAIL)?
        .with("ids", ids)
        .ask(access)
        .await?;
    let orders = list.rows().into_iter().map(mapping::order);
    orders
        .collect::<std::result::Result<_, _>>()
        .map_err(misread)
}

fn unless_gone<T: Default>(answer: Result<T>) -> Result<T> {
    match answer {
        Err(MarketplaceError::NotFound { .. }) => Ok(T::default()),
        answer => answer,
    }
}

/// The statuses to walk through, one after the other. `ALL` leaves deleted products out, and a deleted
/// product is worth knowing before a full scan misses it.
fn passes(scope: ProductScope) -> &'static [&'static str] {
    match scope {
        ProductScope::Active => &["ACTIVATE"],
        ProductScope::Full | ProductScope::Updated(_) => &["ALL", "DELETED"],
    }
}

pub(super) async fn products(access: &Access, query: &ProductQuery) -> Result<Page<Product>> {
    let passes = passes(query.scope);
    // Our page token is theirs behind the name of the pass: `DELETED:b2Zmc2V0`.
    let (pass, token) = match &query.page {
        Some(page) => page.0.split_once(':').unwrap_or((passes[0], &page.0)),
        None => (passes[0], ""),
    };
    let mut body = json!({"status": pass});
    if let ProductScope::Updated(window) = query.scope {
        let (from, to) = seconds(window);
        body["update_time_ge"] = from.into();
        // Inclusive here, where orders have an exclusive `_lt`.
        body["update_time_le"] = (to - 1).into();
    }
    let mut call = Call::of_shop(access, PRODUCT_SEARCH)?
        .with("page_size", LIMITS.product_page)
        .sending(Method::POST, body);
    if !token.is_empty() {
        call = call.with("page_token", token);
    }
    let is_first = pass == passes[0];
    let list: List = match call.ask(access).await {
        // Deleted products are an extra: a full scan misses those beyond the cap by their absence.
        Err(MarketplaceError::TooManyResults { .. }) if !is_first => List::default(),
        answer => answer?,
    };
    let next = match list.next() {
        Some(token) => Some(format!("{pass}:{token}")),
        None if is_first => passes.get(1).map(|pass| format!("{pass}:")),
        None => None,
    };
    // Of the first pass alone; what the later one adds is not known yet.
    let total = list.total_count.filter(|_| is_first);
    let (items, unreadable) = list.read(mapping::product);
    Ok(Page {
        items,
        next: next.map(PageToken),
        total,
        unreadable,
    })
}

pub(super) async fn products_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Product>> {
    let mut found = Vec::new();
    for id in ids.iter().filter(|id| is_plain_id(id.as_str())) {
        let call = Call::of_shop(access, format!("{PRODUCTS}/{id}"))?;
        if let Some(row) = unless_gone(call.ask::<Value>(access).await.map(Some))? {
            found.push(mapping::product(row).map_err(misread)?);
        }
    }
    Ok(found)
}

/// One SKU of a push, with its place among the outcomes.
struct Push<'p> {
    place: usize,
    sku: &'p RemoteId,
    body: Value,
}

pub(super) async fn set_stock(access: &Access, levels: &[StockLevel]) -> Result<Vec<PushOutcome>> {
    let pushes = levels
        .iter()
        .map(|l| (&l.product_id, &l.variant_id, mapping::stock_of(l)));
    push(access, "inventory", pushes).await
}

pub(super) async fn set_price(access: &Access, prices: &[PriceChange]) -> Result<Vec<PushOutcome>> {
    let pushes = prices
        .iter()
        .map(|p| (&p.product_id, &p.variant_id, mapping::price_of(p)));
    push(access, "prices", pushes).await
}

/// One call per product. What concerns the whole channel ends the push: absolute values can be sent again.
async fn push<'p>(
    access: &Access,
    what: &str,
    pushes: impl Iterator<Item = (&'p RemoteId, &'p RemoteId, Value)>,
) -> Result<Vec<PushOutcome>> {
    let mut outcomes = Vec::new();
    let mut by_product: BTreeMap<&RemoteId, Vec<Push<'_>>> = BTreeMap::new();
    for (place, (product, sku, body)) in pushes.enumerate() {
        outcomes.push(Ok(()));
        by_product
            .entry(product)
            .or_default()
            .push(Push { place, sku, body });
    }
    let mut slowed_down = None;
    for (product, skus) in by_product {
        let answer = match &slowed_down {
            None => push_product(access, what, product, &skus).await,
            Some(error) => Err(MarketplaceError::clone(error)),
        };
        match &answer {
            Err(
                error @ (MarketplaceError::TokenExpired { .. }
                | MarketplaceError::Unauthorized { .. }),
            ) => return Err(error.clone()),
            Err(error @ MarketplaceError::RateLimited { .. }) => slowed_down = Some(error.clone()),
            _ => {}
        }
        for Push { place, sku, .. } in skus {
            outcomes[place] = answer.as_ref().map_err(Clone::clone).and_then(|told| {
                let refusal = told.refusal(sku).map(|(code, text)| error_of(code, &text));
                refusal.map_or(Ok(()), Err)
            });
        }
    }
    Ok(outcomes)
}

async fn push_product(
    access: &Access,
    what: &str,
    product: &RemoteId,
    skus: &[Push<'_>],
) -> Result<PushAnswer> {
    if !is_plain_id(product.as_str()) {
        return Err(not_found("the product"));
    }
    let skus: Vec<&Value> = skus.iter().map(|push| &push.body).collect();
    Call::of_shop(access, format!("{PRODUCTS}/{product}/{what}/update"))?
        .sending(Method::POST, json!({"skus": skus}))
        .ask(access)
        .await
}

/// The page takes no callback: it sends the browser to the one that the app's console has.
pub(super) fn consent_page(access: &Access, question: &ConsentQuestion) -> Result<Url> {
    let name = "service_id";
    let service = access.secrets.get(name).ok_or(MarketplaceError::NotSet {
        marketplace: SLUG,
        name,
    })?;
    let mut url = access.consent.clone();
    url.query_pairs_mut()
        .append_pair("service_id", service)
        .append_pair("state", &question.state);
    Ok(url)
}

/// A refusal comes as `code=null` with an `error`.
pub(super) async fn consent(access: &Access, answer: &ConsentAnswer) -> Result<Consent> {
    let code = answer
        .get("code")
        .filter(|code| !matches!(*code, "" | "null"));
    let code = code.ok_or(MarketplaceError::Declined { marketplace: SLUG })?;
    let granted = ask_tokens(access, TOKEN_GET, "authorized_code", ("auth_code", code)).await?;
    if granted.user_type.is_some_and(|kind| kind != 0) {
        return Err(MarketplaceError::Refused {
            marketplace: SLUG,
            code: "user_type".to_owned(),
            message: "this account is no seller's; agree with the seller's account".to_owned(),
        });
    }
    // The refresh token lives as long as the consent: one end, told with every renewal.
    Ok(Consent {
        tokens: granted.into(),
        until: None,
    })
}

pub(super) async fn refresh(access: &Access) -> Result<Tokens> {
    let token = access.secrets.need(SLUG, REFRESH_TOKEN)?;
    let answer = ask_tokens(access, TOKEN_REFRESH, REFRESH_TOKEN, (REFRESH_TOKEN, token)).await;
    answer.map(Tokens::from).map_err(|error| match error {
        // Whatever else it says of a refresh token, only a new consent gives another.
        MarketplaceError::Refused { code, message, .. } => MarketplaceError::Unauthorized {
            marketplace: SLUG,
            reason: format!("{code} {message}"),
        },
        MarketplaceError::TokenExpired { .. } => MarketplaceError::Unauthorized {
            marketplace: SLUG,
            reason: "the refresh token expired".to_owned(),
        },
        error => error,
    })
}

/// Unsigned, and with the secrets in the query: this address must never be printed.
async fn ask_tokens(
    access: &Access,
    path: &str,
    grant: &str,
    (name, value): (&str, &str),
) -> Result<TokenAnswer> {
    let mut url = access.auth.clone();
    url.set_path(path);
    url.query_pairs_mut()
        .append_pair("app_key", access.secrets.need(SLUG, "app_key")?)
        .append_pair("app_secret", access.secrets.need(SLUG, "app_secret")?)
        .append_pair(name, value)
        .append_pair("grant_type", grant);
    send(access, Request::get(url)).await
}

/// Where each kind of webhook is sent.
async fn addresses(access: &Access) -> Result<BTreeMap<String, String>> {
    let list: List = Call::of_shop(access, WEBHOOKS)?.ask(access).await?;
    let mut addresses = BTreeMap::new();
    for row in list.rows() {
        let row: WebhookRow =
            serde_json::from_value(row).map_err(|error| unreadable(error.to_string()))?;
        addresses.insert(row.event_type, row.address.unwrap_or_default());
    }
    Ok(addresses)
}

pub(super) async fn subscribe(access: &Access, address: &str) -> Result<Vec<String>> {
    let known = addresses(access).await?;
    let mut changed = Vec::new();
    for event in EVENTS {
        let before = known.get(event);
        if before.is_some_and(|before| before == address) {
            continue;
        }
        Call::of_shop(access, WEBHOOKS)?
            .sending(
                Method::PUT,
                json!({"address": address, "event_type": event}),
            )
            .ask::<Value>(access)
            .await?;
        changed.push(match before {
            Some(_) => format!("{event} was sent elsewhere and now comes here"),
            None => format!("{event} is now sent"),
        });
    }
    Ok(changed)
}

/// There is nothing between sent here and not: it never switches webhooks off.
pub(super) async fn subscriptions(access: &Access, address: &str) -> Result<Vec<Subscribed>> {
    let known = addresses(access).await?;
    let subscribed = EVENTS.map(|event| Subscribed {
        topic: event.to_owned(),
        state: match known.get(event) {
            Some(told) if told == address => SubscriptionState::Active,
            _ => SubscriptionState::Missing,
        },
    });
    Ok(subscribed.into())
}

pub(super) async fn unsubscribe(access: &Access, address: &str) -> Result<Vec<String>> {
    let known = addresses(access).await?;
    let mut changed = Vec::new();
    for (event, _) in known.iter().filter(|(_, told)| *told == address) {
        Call::of_shop(access, WEBHOOKS)?
            .sending(Method::DELETE, json!({"event_type": event}))
            .ask::<Value>(access)
            .await?;
        changed.push(format!("{event} is no longer sent"));
    }
    Ok(changed)
}
