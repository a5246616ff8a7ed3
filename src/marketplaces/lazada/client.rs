//! Signed calls to the Lazada Open Platform.
//!
//! Promises: an answer is judged by its `code`, never by its HTTP status; one unreadable order or product does
//! not hide the others; every push gets an outcome, and SKUs that are refused take no others with them. Neither
//! tokens nor signatures appear in errors.
//!
//! Source: <https://open.lazada.com/apps/doc/doc?docId=108069> and the pages of each call, read 2026-11-23.

pub(super) mod answers;
mod pushes;

pub(super) use pushes::{set_price, set_stock};

use super::mapping;
use super::{
    Failure, LIMITS, SITES, SLUG, Site, account, is_digits, read_answer, refused, tokens,
    unreadable,
};
use crate::domain::{Currency, Order, Product, RemoteId, Retry, Timestamp, Window};
use crate::marketplaces::{
    Access, Consent, ConsentAnswer, MarketplaceError, OrderQuery, OrderSummary, OrderTime, Page,
    ProductQuery, ProductScope, Result, ShopIdentity, Tokens,
    http::{
        Request,
        lenient::{count, readable, rows, text},
        offsets::Offsets,
        walk::{Sort, Walk},
    },
};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::Value;
use sha2::Sha256;
use url::Url;

const SELLER: &str = "/seller/get";

/// What a refresh is answered that gives no tokens, now or ever.
const RENEWS_NOTHING: [&str; 2] = ["AUTH_TYPE_UNSUPPORTED", "IllegalRefreshToken"];

/// Last `offset` of /orders/get. Source: docId=121327.
const LAST_ORDER_OFFSET: usize = 5_000;
/// Last `offset` of /products/get.
const LAST_PRODUCT_OFFSET: usize = 10_000;

/// The signature of a request: the path without `/rest`, then the pairs as they are before encoding, sorted by
/// name. In upper case, where pushes are signed in lower case.
pub(super) fn sign(secret: &str, path: &str, pairs: &[(&str, String)]) -> String {
    let is_signed = |(name, value): &&(&str, String)| !name.is_empty() && !value.is_empty();
    let mut pairs: Vec<_> = pairs.iter().filter(is_signed).collect();
    pairs.sort_unstable();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(path.as_bytes());
    for (name, value) in pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    hex::encode_upper(mac.finalize().into_bytes())
}

/// A call before it is signed.
pub(super) struct Call {
    root: Url,
    path: &'static str,
    method: Method,
    pairs: Vec<(&'static str, String)>,
}

impl Call {
    /// A call on the shop of `access`.
    pub(super) fn get(access: &Access, path: &'static str) -> Result<Self> {
        let token = access.secrets.need(SLUG, "access_token")?.to_owned();
        Ok(Self {
            root: access.api.clone(),
            path,
            method: Method::GET,
            pairs: vec![("access_token", token)],
        })
    }

    /// A call to the token service, signed like any other but without a token.
    fn token(access: &Access, path: &'static str) -> Self {
        Self {
            root: access.auth.clone(),
            path,
            method: Method::GET,
            pairs: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.pairs.push((name, value.to_string()));
        self
    }

    /// With everything in a form, the payload included, which is signed like the rest.
    fn posting(self, payload: &str) -> Self {
        Self {
            method: Method::POST,
            ..self.with("payload", payload)
        }
    }

    pub(super) fn signed(mut self, access: &Access) -> Result<Request> {
        let millis = access.clock.now().micros().div_euclid(1_000);
        self = self
            .with("app_key", access.secrets.need(SLUG, "app_key")?)
            .with("sign_method", "sha256")
            .with("timestamp", millis);
        let secret = access.secrets.need(SLUG, "app_secret")?;
        let signature = sign(secret, self.path, &self.pairs);
        self = self.with("sign", signature);
        let mut url = self.root;
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{}", self.path));
        if self.method == Method::POST {
            return Ok(Request::form(url, &self.pairs));
        }
        url.query_pairs_mut().clear().extend_pairs(&self.pairs);
        Ok(Request::get(url))
    }

    /// The whole answer.
    async fn ask(self, access: &Access) -> std::result::Result<Value, Failure> {
        let request = self.signed(access)?;
        let sent = access.http.send(SLUG, access.pace.as_ref(), request).await;
        let answer = read_answer(&sent?, access.clock.now());
        if let Err(Failure { error, .. }) = &answer
            && let MarketplaceError::RateLimited { .. } = error
            && let Retry::After(wait) = error.retry()
        {
            access.pace.slow_down(wait);
        }
        answer
    }

    /// What is in `data`. Without it nothing was told: that is no empty list.
    async fn ask_data(self, access: &Access) -> Result<Value> {
        let mut answer = self.ask(access).await?;
        let data = answer.get_mut("data").map(Value::take);
        let data = data.filter(|data| !data.is_null());
        data.ok_or_else(|| unreadable("there is no `data` in the answer".to_owned()))
    }
}

/// The code is good once, for 30 minutes.
pub(super) async fn consent(access: &Access, answer: &ConsentAnswer) -> Result<Consent> {
    let code = answer.get("code").filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| refused("no_code", "the answer carries no code"))?;
    let call = Call::token(access, "/auth/token/create").with("code", code);
    let answer = call.ask(access).await?;
    let mut tokens = tokens(&answer, access.clock.now())?;
    tokens.secrets.extend(account(&answer));
    Ok(Consent {
        until: tokens.refresh_expires_at,
        tokens,
    })
}

pub(super) async fn refresh(access: &Access, now: Timestamp) -> Result<Option<Tokens>> {
    let token = access.secrets.need(SLUG, "refresh_token")?;
    let call = Call::token(access, "/auth/token/refresh").with("refresh_token", token);
    match call.ask(access).await {
        Ok(answer) => tokens(&answer, now).map(Some),
        // Apps of the service market renew nothing, and a refresh token ends on a day that no renewal moves. As
        // long as the access token lives that is no trouble.
        Err(failure) if RENEWS_NOTHING.contains(&failure.code.as_str()) => {
            unless_ended(access).await.map(|()| None)
        }
        Err(failure) => Err(failure.into()),
    }
}

/// # Errors
/// `Unauthorized` when the access token has ended as well.
async fn unless_ended(access: &Access) -> Result<()> {
    let Err(failure) = Call::get(access, SELLER)?.ask(access).await else {
        return Ok(());
    };
    match failure.error {
        MarketplaceError::TokenExpired { marketplace } => Err(MarketplaceError::Unauthorized {
            marketplace,
            reason: "the access token ended, and there is nothing to renew it with".to_owned(),
        }),
        // The token was accepted; only this API is not granted.
        MarketplaceError::Refused { code, .. } if code == "InsufficientPermission" => Ok(()),
        error => Err(error),
    }
}

/// The countries to ask: of a connected shop its own, else those that the credentials name.
fn sites(access: &Access) -> Result<Vec<&'static Site>> {
    if let Some((country, _)) = access.shop.as_str().split_once(':')
        && let Some(site) = Site::of(country)
    {
        return Ok(vec![site]);
    }
    let countries = access.secrets.need(SLUG, "country")?;
    let named: Option<Vec<_>> = match countries.trim() {
        "cb" | "CB" => Some(SITES.iter().collect()),
        some => some.split(',').map(Site::of).collect(),
    };
    named.ok_or_else(|| refused("country", "`country` must be sg, my, th, vn, ph, id or cb"))
}

/// A seller of one country for each country that the credentials open.
pub(super) async fn shops(access: &Access) -> Result<Vec<ShopIdentity>> {
    let sites = sites(access)?;
    let (mut shops, mut refusal) = (Vec::new(), None);
    for site in &sites {
        match shop(access, site).await {
            Ok(shop) => shops.push(shop),
            // An account that sells across borders need not sell in every country.
            Err(
                error @ (MarketplaceError::TokenExpired { .. }
                | MarketplaceError::Unauthorized { .. }
                | MarketplaceError::Refused { .. }),
            ) => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    match refusal {
        Some(error) if shops.is_empty() => Err(error),
        _ => Ok(shops),
    }
}

async fn shop(access: &Access, site: &Site) -> Result<ShopIdentity> {
    let own = site.root(&access.api);
    let mut there = access.clone();
    there.api = own.clone().unwrap_or(there.api);
    let seller = Call::get(&there, SELLER)?.ask_data(&there).await?;
    let told = mapping::id(&seller, "seller_id");
    let handed = || access.secrets.get("seller_id").map(RemoteId::from);
    let id = told.or_else(handed);
    let id = id.ok_or_else(|| unreadable("the seller has no `seller_id`".to_owned()))?;
    let name = text(&seller, "name").or_else(|| text(&seller, "name_company"));
    Ok(ShopIdentity {
        remote_id: site.shop(id.as_str()),
        name: name.map_or_else(|| id.to_string(), str::to_owned),
        platforms: vec![SLUG],
        secrets: vec![
            ("country".to_owned(), site.country.to_owned()),
            ("seller_id".to_owned(), id.to_string()),
        ],
        base_url: own.map(String::from),
        consent_until: None,
    })
}

/// `2026-10-21T01:00:00+00:00`
fn date(secs: i64) -> String {
    let at = Timestamp::from_secs(secs).to_utc();
    at.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

fn not_ours() -> MarketplaceError {
    unreadable("the page token is not ours".to_owned())
}

fn number(row: &Value, name: &str) -> Option<u64> {
    mapping::id(row, name)?.as_str().parse().ok()
}

/// What the number of rows in a page says of the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// A full page: there may be more.
    Open,
    Last,
    /// Fewer rows than asked for, though the list has more: what is missing must not pass for gone.
    CutShort,
}

fn end_of(offset: usize, rows: usize, size: usize, listed: Option<u64>) -> End {
    if rows >= size {
        return End::Open;
    }
    let seen = u64::try_from(offset + rows).unwrap_or(u64::MAX);
    if listed.is_none_or(|listed| seen >= listed) {
        End::Last
    } else {
        End::CutShort
    }
}

/// After each page the window begins at the last row's second, so that neither the largest offset nor rows that
/// move forward while they are listed hide anything.
pub(super) async fn orders(access: &Access, query: &OrderQuery) -> Result<Page<OrderSummary>> {
    let mut walk = match &query.page {
        Some(token) => Walk::resume(token).ok_or_else(not_ours)?,
        None => Walk::begin("all", Some(query.window)),
    };
    let [from, to, sort] = query.by.pick(
        ["update_after", "update_before", "updated_at"],
        ["created_after", "created_before", "created_at"],
    );
    let size = LIMITS.order_page as usize;
    let offset = match walk.sort {
        Sort::Modified { page, .. } => page.saturating_sub(1) * size,
        Sort::Id { offset, .. } => offset,
    };
    if offset > LAST_ORDER_OFFSET {
        return Err(MarketplaceError::TooManyResults { marketplace: SLUG });
    }
    let (after, before) = walk.bounds().unwrap_or_default();
    let data = Call::get(access, "/orders/get")?
        .with(from, date(after.saturating_add(1)))
        .with(to, date(before.saturating_sub(1)))
        .with("sort_by", sort)
        .with("sort_direction", "ASC")
        .with("offset", offset)
        .with("limit", size)
        .ask_data(access)
        .await?;
    let listed = count(&data, "countTotal");
    let rows = rows(&data, "orders");
    let end = end_of(offset, rows.len(), size, listed);
    let asked = walk.sort.clone();
    let mark = |row: &Value| {
        let at = match query.by {
            OrderTime::Updated => mapping::order_version(row).ok(),
            OrderTime::Created => mapping::placed_at(row),
        };
        (
            number(row, "order_id").unwrap_or(0),
            at.map(Timestamp::secs),
        )
    };
    let fresh = walk.take(rows, size, listed, mark).unwrap_or_default();
    if end == End::CutShort {
        if fresh.is_empty() {
            return Err(unreadable("more orders are told than listed".to_owned()));
        }
        // The rest of this page: the walk would go on behind a full one.
        if let (Sort::Modified { page, .. }, Sort::Modified { page: asked, .. }) =
            (&mut walk.sort, asked)
        {
            *page = (*page).min(asked);
        }
    }
    let total = walk.total;
    let currency = Currency::from_code(sites(access)?[0].currency).ok();
    let (items, unreadable) = readable(fresh, "order_id", |row| mapping::summary(row, currency));
    Ok(Page {
        items,
        next: (end != End::Last).then(|| walk.token()),
        total,
        unreadable,
    })
}

fn unless_gone<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(MarketplaceError::NotFound { .. }) => Ok(None),
        answer => answer.map(Some),
    }
}

/// A call for each order, and one for the units of all.
///
/// # Errors
/// `Unreadable` with the id when one of the orders cannot be read: an order is never dropped in silence.
pub(super) async fn orders_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>> {
    let mut found = Vec::new();
    for batch in ids.chunks(LIMITS.order_batch as usize) {
        let mut orders = Vec::new();
        for id in batch.iter().filter(|id| is_digits(id.as_str())) {
            let call = Call::get(access, "/order/get")?.with("order_id", id);
            if let Some(row) = unless_gone(call.ask_data(access).await)? {
                orders.push((id, row));
            }
        }
        if orders.is_empty() {
            continue;
        }
        let currency = Currency::from_code(sites(access)?[0].currency);
        let currency = currency.map_err(|error| unreadable(error.to_string()))?;
        let wanted: Vec<&str> = orders.iter().map(|(id, _)| id.as_str()).collect();
        let wanted = format!("[{}]", wanted.join(","));
        let call = Call::get(access, "/orders/items/get")?.with("order_ids", wanted);
        let items = call.ask_data(access).await?;
        let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
        for (id, row) in orders {
            let is_its = |of: &&Value| mapping::id(of, "order_id").as_ref() == Some(id);
            let of = items.iter().find(is_its).unwrap_or(&Value::Null);
            let order = mapping::order(&row, &rows(of, "order_items"), currency);
            found.push(order.map_err(|why| unreadable(format!("{id}: {why}")))?);
        }
    }
    Ok(found)
}

const AGAIN: &str = "again";

fn passes(scope: ProductScope) -> [&'static str; 2] {
    match scope {
        ProductScope::Full => ["all", AGAIN],
        ProductScope::Active => ["live", ""],
        // `all` leaves them out, and a deleted product is worth knowing before a full scan misses it.
        ProductScope::Updated(_) => ["all", "deleted"],
    }
}

/// The list has no documented order. Where everything is walked, a second pass lists what changed meanwhile,
/// since such rows may have jumped behind the walk.
pub(super) async fn products(access: &Access, query: &ProductQuery) -> Result<Page<Product>> {
    let (now, size) = (access.clock.now(), LIMITS.product_page as usize);
    let passes = passes(query.scope);
    let mut walk = match &query.page {
        Some(token) => Offsets::resume(token).ok_or_else(not_ours)?,
        None => Offsets::begin(passes[0], now.secs()),
    };
    let is_first = walk.pass == passes[0];
    let (fresh, end, total) = loop {
        let data = match product_page(access, query.scope, &walk).await {
            // An extra: what is beyond the cap is found by its absence, or by the next scan.
            Err(MarketplaceError::TooManyResults { .. }) if !is_first => Value::Null,
            answer => answer?,
        };
        let listed = rows(&data, "products");
        let total = count(&data, "total_products");
        let end = end_of(walk.offset, listed.len(), size, total);
        if let Some(fresh) = walk.take(listed, size, |row| number(row, "item_id")) {
            break (fresh, end, total);
        }
    };
    if end == End::CutShort && fresh.is_empty() {
        return Err(unreadable("more products are told than listed".to_owned()));
    }
    let site = sites(access)?[0];
    let doubt = walk.doubt();
    let (items, mut unreadable) =
        readable(fresh, "item_id", |row| mapping::product(row, site, now));
    // Of no product: then nothing is concluded from what is not listed.
    unreadable.extend(doubt.map(|why| (RemoteId::from(""), why.to_owned())));
    let next = match passes[1] {
        _ if end != End::Last => Some(walk),
        AGAIN if now.secs() == walk.begun_secs => None,
        pass if is_first && !pass.is_empty() => Some(Offsets::begin(pass, walk.begun_secs)),
        _ => None,
    };
    Ok(Page {
        items,
        next: next.map(|walk| walk.token()),
        // Of the first pass alone; what the later one adds is not known yet.
        total: total.filter(|_| is_first),
        unreadable,
    })
}

async fn product_page(access: &Access, scope: ProductScope, walk: &Offsets) -> Result<Value> {
    if walk.offset > LAST_PRODUCT_OFFSET {
        return Err(MarketplaceError::TooManyResults { marketplace: SLUG });
    }
    let again = walk.pass == AGAIN;
    let mut call = Call::get(access, "/products/get")?
        .with("filter", if again { "all" } else { &walk.pass })
        .with("offset", walk.offset)
        .with("limit", LIMITS.product_page)
        .with("options", 1);
    if again {
        call = call.with("update_after", date(walk.begun_secs));
    } else if let ProductScope::Updated(Window { from, to }) = scope {
        // Both ends belong to it: the last second is the one before `to`.
        let last = Timestamp::from_micros(to.micros().saturating_sub(1)).secs();
        call = call
            .with("update_after", date(from.secs()))
            .with("update_before", date(last.max(from.secs())));
    }
    call.ask_data(access).await
}

pub(super) async fn products_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Product>> {
    let mut found = Vec::new();
    for id in ids.iter().filter(|id| is_digits(id.as_str())) {
        let call = Call::get(access, "/product/item/get")?.with("item_id", id);
        if let Some(row) = unless_gone(call.ask_data(access).await)? {
            let product = mapping::product(&row, sites(access)?[0], access.clock.now());
            found.push(product.map_err(|why| unreadable(format!("{id}: {why}")))?);
        }
    }
    Ok(found)
}
