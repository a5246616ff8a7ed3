//! Signed calls to Shopee's Open Platform.
//!
//! Promises: an answer is judged by its `error`, never by its HTTP status alone; one unreadable order or
//! product does not hide the others; every push gets an outcome, also the refusals of single models that
//! hide behind an empty `error`. Neither tokens nor signatures appear in errors.
//!
//! Source: <https://open.shopee.com/developer-guide/16>, developer-guide/20 and the page of each call, read
//! 2026-11-23.

mod call;
mod pushes;
mod returns;
mod tokens;

pub(super) use pushes::{set_price, set_stock};
pub(super) use tokens::{consent_page, refresh};

#[cfg(test)]
pub(super) use call::sign;

pub(super) use returns::{returned, settlements};

use super::{
    LIMITS, Misfit, SLUG, id_of, is_plain_id, mapping, number, unauthorized, unreadable, webhook,
};
use crate::domain::{Currency, Order, Product, RemoteId, Timestamp, Window};
use crate::marketplaces::{
    Access, Consent, ConsentAnswer, MarketplaceError, Missed, OrderQuery, OrderSummary, Page,
    PageToken, ProductQuery, ProductScope, Result, ShopIdentity, Subscribed,
    http::{lenient::text, offsets::Offsets},
};
use call::Call;
use serde_json::{Value, json};

const SHOP_INFO: &str = "/api/v2/shop/get_shop_info";
const ORDER_LIST: &str = "/api/v2/order/get_order_list";
const ORDER_DETAIL: &str = "/api/v2/order/get_order_detail";
const ESCROW_DETAIL: &str = "/api/v2/payment/get_escrow_detail";
const ITEM_LIST: &str = "/api/v2/product/get_item_list";
const ITEM_BASE_INFO: &str = "/api/v2/product/get_item_base_info";
const MODEL_LIST: &str = "/api/v2/product/get_model_list";
const PUSH_CONFIG: &str = "/api/v2/push/get_app_push_config";
const SET_PUSH_CONFIG: &str = "/api/v2/push/set_app_push_config";
const LOST_PUSHES: &str = "/api/v2/push/get_lost_push_message";
const CONFIRM_LOST: &str = "/api/v2/push/confirm_consumed_lost_push_message";

/// Ids per detail call, and models per push. Source: the pages of the calls.
const BATCH: usize = 50;
const STATUSES: [&str; 6] = [
    "NORMAL",
    "BANNED",
    "UNLIST",
    "REVIEWING",
    "SELLER_DELETE",
    "SHOPEE_DELETE",
];

impl Call {
    async fn ask(self, access: &Access) -> Result<Value> {
        self.ask_at(access, access.clock.now()).await
    }

    /// The `response` inside the envelope. Without one nothing was told: that is no empty list, which would
    /// end a scan before its end.
    async fn fetch(self, access: &Access) -> Result<Value> {
        match self.ask(access).await?["response"].take() {
            response @ Value::Object(_) => Ok(response),
            _ => Err(unreadable("there is no `response` in the answer")),
        }
    }
}

pub(super) async fn consent(access: &Access, answer: &ConsentAnswer) -> Result<Consent> {
    tokens::consent(access, answer, access.clock.now()).await
}

fn misread((id, reason): Misfit) -> MarketplaceError {
    unreadable(format!("{id}: {reason}"))
}

fn rows(answer: &mut Value, name: &str) -> Vec<Value> {
    match answer[name].take() {
        Value::Array(rows) => rows,
        _ => Vec::new(),
    }
}

fn unless_gone<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(MarketplaceError::NotFound { .. }) => Ok(None),
        answer => answer.map(Some),
    }
}

/// A main account's consent opens many shops, of which each becomes a channel of its own.
pub(super) async fn shops(access: &Access) -> Result<Vec<ShopIdentity>> {
    let ids = match access.secrets.get("shop_id") {
        Some(id) => id,
        None => access.secrets.need(SLUG, "shop_id_list")?,
    };
    let (mut shops, mut refused) = (Vec::new(), None);
    for id in ids.split(',') {
        let mut of_shop = access.clone();
        of_shop.secrets.set("shop_id", id);
        let info = Call::of_shop(SHOP_INFO).ask(&of_shop).await;
        match info.and_then(|info| mapping::shop(&info, id).map_err(unauthorized)) {
            Ok(shop) => shops.push(shop),
            // One closed shop of an account does not close the others.
            Err(
                error @ (MarketplaceError::Unauthorized { .. } | MarketplaceError::Refused { .. }),
            ) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if shops.is_empty() => Err(error),
        _ => Ok(shops),
    }
}

/// The whole seconds in the window, since all times here are whole; the last is not in it. So no window
/// becomes longer than it was.
fn seconds(window: Window) -> (i64, i64) {
    let up = |at: Timestamp| Timestamp::from_micros(at.micros().saturating_add(999_999)).secs();
    let from = up(window.from);
    (from, up(window.to).max(from + 1))
}

pub(super) async fn orders(access: &Access, query: &OrderQuery) -> Result<Page<OrderSummary>> {
    let (from, to) = seconds(query.window);
    let cursor = query.page.as_ref().map_or("", |page| page.0.as_str());
    let field = query.by.pick("update_time", "create_time");
    let mut list = Call::of_shop(ORDER_LIST)
        .with("time_range_field", field)
        .with("time_from", from)
        .with("time_to", to)
        .with("page_size", LIMITS.order_page)
        .with("cursor", cursor)
        .with("request_order_status_pending", true)
        .fetch(access)
        .await?;
    let next = match (list["more"].as_bool(), text(&list, "next_cursor")) {
        (Some(true), Some(next)) if next != cursor => Some(PageToken(next.to_owned())),
        (Some(true), _) => return Err(unreadable("more orders are promised, but not where")),
        _ => None,
    };
    let listed = rows(&mut list, "order_list");
    let ids: Vec<RemoteId> = listed
        .iter()
        .filter_map(|row| id_of(row, "order_sn"))
        .collect();
    let (mut items, mut unreadable) = (Vec::new(), Vec::new());
    let found = details(access, &ids, mapping::SUMMARY_FIELDS).await?;
    let mut missing = ids;
    missing.retain(|id| found.refused.iter().all(|(refused, _)| refused != id));
    unreadable.extend(found.refused);
    for row in found.rows {
        missing.retain(|id| id_of(&row, "order_sn").as_ref() != Some(id));
        match mapping::summary(&row) {
            Ok(order) => items.push(order),
            Err(misfit) => unreadable.push(misfit),
        }
    }
    let untold = |id| (id, "listed, and not told of".to_owned());
    unreadable.extend(missing.into_iter().map(untold));
    // Whether `time_to` itself belongs to the window is not documented: here it never does.
    let time = |order: &OrderSummary| query.by.pick(Some(order.version), order.placed_at);
    items.retain(|order| time(order).is_none_or(|at| at.secs() != to));
    items.sort_by_key(time);
    Ok(Page {
        items,
        next,
        total: None,
        unreadable,
    })
}

/// What a call by ids found, in no order; ids that are not known are in neither list.
#[derive(Default)]
struct Found {
    rows: Vec<Value>,
    /// Ids that were refused one by one.
    refused: Vec<Misfit>,
}

/// Rows of a call that takes a list of ids. `call` makes it from the list, `name` is that of the rows.
///
/// # Errors
/// `Refused` when that is all that is said, of one id or of many.
async fn by_id(
    access: &Access,
    ids: &[RemoteId],
    name: &str,
    call: impl Fn(String) -> Call,
) -> Result<Found> {
    let mut found = Found::default();
    let plain = ids
        .iter()
        .map(RemoteId::as_str)
        .filter(|id| is_plain_id(id));
    for batch in plain.collect::<Vec<_>>().chunks(BATCH) {
        match call(batch.join(",")).fetch(access).await {
            // One id that is not the shop's may refuse the whole batch: ask for each alone.
            Err(error) if batch.len() > 1 && may_be_of_one(&error) => {
                let before = found.rows.len();
                for id in batch {
                    match call((*id).to_owned()).fetch(access).await {
                        Ok(mut one) => found.rows.extend(rows(&mut one, name)),
                        Err(MarketplaceError::NotFound { .. }) => {}
                        Err(one @ MarketplaceError::Refused { .. }) => {
                            found.refused.push(((*id).into(), one.to_string()));
                        }
                        Err(other) => return Err(other),
                    }
                }
                if found.rows.len() == before && found.refused.len() == batch.len() {
                    return Err(error);
                }
            }
            answer => {
                let told = unless_gone(answer)?.map(|mut told| rows(&mut told, name));
                found.rows.extend(told.unwrap_or_default());
            }
        }
    }
    Ok(found)
}

/// Whether the error may be about one id of many, and not about the call.
fn may_be_of_one(error: &MarketplaceError) -> bool {
    match error {
        MarketplaceError::NotFound { .. } => true,
        MarketplaceError::Refused { code, message, .. } => {
            let told = format!("{code} {message}").to_ascii_lowercase();
            let of_call = ["permission", "restricted", "error_sign"];
            !of_call.iter().any(|part| told.contains(part))
        }
        _ => false,
    }
}

/// Orders with the `optional` fields.
async fn details(access: &Access, ids: &[RemoteId], optional: &str) -> Result<Found> {
    let call = |ids| {
        let call = Call::of_shop(ORDER_DETAIL)
            .with("order_sn_list", ids)
            .with("request_order_status_pending", true);
        match optional {
            "" => call,
            optional => call.with("response_optional_fields", optional),
        }
    };
    by_id(access, ids, "order_list", call).await
}

/// # Errors
/// `Unreadable` with the id when one of the orders cannot be read or is refused: an order is never dropped in
/// silence.
pub(super) async fn orders_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Order>> {
    let mut orders = Vec::new();
    let found = details(access, ids, mapping::ORDER_FIELDS).await?;
    if let Some(refused) = found.refused.into_iter().next() {
        return Err(misread(refused));
    }
    for row in found.rows {
        let settled = match id_of(&row, "order_sn").filter(|_| mapping::hides_prices(&row)) {
            Some(id) => settlement(access, &id).await?,
            None => None,
        };
        let mut order = mapping::order(&row, settled.as_ref()).map_err(misread)?;
        if let Some(placed_at) = mapping::placed_at(&row).filter(|_| mapping::has_returns(&row)) {
            let id = &order.remote_id;
            order.returns = Some(
                returns::returns_of(access, id, placed_at, &order.lines, access.clock.now())
                    .await?,
            );
        }
        orders.push(order);
    }
    Ok(orders)
}

/// What a bundle's lines cost; before it is paid an order has no settlement.
async fn settlement(access: &Access, order: &RemoteId) -> Result<Option<Value>> {
    let told = Call::of_shop(ESCROW_DETAIL).with("order_sn", order);
    match told.ask(access).await {
        Err(MarketplaceError::NotFound { .. } | MarketplaceError::Refused { .. }) => Ok(None),
        answer => answer.map(|mut told| Some(told["response"].take())),
    }
}

/// The list as it is, and then, where everything is walked, what was edited while it was read: such rows may have
/// changed their place in it.
const PASSES: [&str; 2] = ["all", "again"];

/// The list has no documented order.
pub(super) async fn products(access: &Access, query: &ProductQuery) -> Result<Page<Product>> {
    let now = access.clock.now().secs();
    let mut walk = match &query.page {
        Some(token) => {
            Offsets::resume(token).ok_or_else(|| unreadable("the page token is not ours"))?
        }
        None => Offsets::begin(PASSES[0], now),
    };
    let is_again = walk.pass == PASSES[1];
    let (mut list, listed) = loop {
        let mut list = item_list(access, query.scope, &walk).await?;
        let size = LIMITS.product_page as usize;
        let listed = rows(&mut list, "item");
        let id = |row: &Value| id_of(row, "item_id")?.as_str().parse().ok();
        if let Some(fresh) = walk.take(listed, size, id) {
            break (list, fresh);
        }
    };
    let doubt = walk.doubt();
    let is_whole = query.scope == ProductScope::Full && !is_again;
    let next = if list["has_next_page"].as_bool() == Some(true) {
        if listed.is_empty() {
            return Err(unreadable("more products are promised, and none listed"));
        }
        Some(walk)
    } else {
        let is_over = !is_whole || now == walk.begun_secs;
        (!is_over).then(|| Offsets::begin(PASSES[1], walk.begun_secs))
    };
    let has_times = is_again || matches!(query.scope, ProductScope::Updated(_));
    let total = list["total_count"].take().as_u64().filter(|_| !has_times);
    let gone: Vec<Product> = listed.iter().filter_map(mapping::deleted).collect();
    let is_gone = |id: &RemoteId| gone.iter().any(|product| product.remote_id == *id);
    let ids = listed.iter().filter_map(|row| id_of(row, "item_id"));
    let ids: Vec<RemoteId> = ids.filter(|id| !is_gone(id)).collect();
    let (mut items, mut unreadable) = read_products(access, &ids).await?;
    let is_told = |id: &RemoteId| {
        let mut told = items.iter().map(|p| &p.remote_id);
        told.any(|known| known == id) || unreadable.iter().any(|(known, _)| known == id)
    };
    let untold: Vec<_> = ids.into_iter().filter(|id| !is_told(id)).collect();
    let untold = untold
        .into_iter()
        .map(|id| (id, "listed, and not told of".to_owned()));
    unreadable.extend(untold);
    // Of no product: then nothing is concluded from what is not listed.
    unreadable.extend(doubt.map(|why| (RemoteId::from(""), why.to_owned())));
    items.extend(gone);
    Ok(Page {
        items,
        next: next.map(|walk| walk.token()),
        total,
        unreadable,
    })
}

async fn item_list(access: &Access, scope: ProductScope, walk: &Offsets) -> Result<Value> {
    let mut call = Call::of_shop(ITEM_LIST)
        .with("offset", walk.offset)
        .with("page_size", LIMITS.product_page);
    let statuses = match scope {
        ProductScope::Active => &STATUSES[..1],
        ProductScope::Full | ProductScope::Updated(_) => &STATUSES[..],
    };
    for status in statuses {
        call = call.with("item_status", status);
    }
    let times = match scope {
        ProductScope::Updated(window) => Some(seconds(window)),
        _ if walk.pass == PASSES[1] => Some((walk.begun_secs, access.clock.now().secs())),
        _ => None,
    };
    if let Some((from, to)) = times {
        call = call
            .with("update_time_from", from)
            .with("update_time_to", to);
    }
    call.fetch(access).await
}

pub(super) async fn products_by_id(access: &Access, ids: &[RemoteId]) -> Result<Vec<Product>> {
    let (products, misfits) = read_products(access, ids).await?;
    match misfits.into_iter().next() {
        Some(misfit) => Err(misread(misfit)),
        None => Ok(products),
    }
}

async fn read_products(access: &Access, ids: &[RemoteId]) -> Result<(Vec<Product>, Vec<Misfit>)> {
    let usual = access.secrets.get("currency");
    let usual = usual.and_then(|code| Currency::from_code(code).ok());
    let found = base_infos(access, ids).await?;
    let (mut products, mut misfits) = (Vec::new(), found.refused);
    for item in found.rows {
        let models = models_of(access, &item).await?;
        match mapping::product(&item, models.as_ref(), usual) {
            Ok(product) => products.push(product),
            Err(misfit) => misfits.push(misfit),
        }
    }
    Ok((products, misfits))
}

async fn base_infos(access: &Access, ids: &[RemoteId]) -> Result<Found> {
    let call = |ids| Call::of_shop(ITEM_BASE_INFO).with("item_id_list", ids);
    by_id(access, ids, "item_list", call).await
}

/// The models of an item that has some; an item that went meanwhile has none.
async fn models_of(access: &Access, item: &Value) -> Result<Option<Value>> {
    match id_of(item, "item_id").filter(|_| mapping::has_models(item)) {
        Some(id) => {
            let call = Call::of_shop(MODEL_LIST).with("item_id", id);
            unless_gone(call.fetch(access).await)
        }
        None => Ok(None),
    }
}

async fn push_config(access: &Access) -> Result<Value> {
    Call::of_app(PUSH_CONFIG).fetch(access).await
}

/// The codes stay as the console has them: which ones an app may have depends on its category.
pub(super) async fn subscribe(access: &Access, address: &str) -> Result<Vec<String>> {
    let config = push_config(access).await?;
    let changes = webhook::to_mend(&config, address);
    if !changes.is_empty() {
        let body = json!({ "callback_url": address });
        Call::of_app(SET_PUSH_CONFIG)
            .sending(body)
            .ask(access)
            .await?;
    }
    Ok(changes)
}

pub(super) async fn subscriptions(access: &Access, address: &str) -> Result<Vec<Subscribed>> {
    Ok(webhook::subscribed(&push_config(access).await?, address))
}

pub(super) async fn missed(access: &Access) -> Result<Missed> {
    webhook::missed(&Call::of_app(LOST_PUSHES).fetch(access).await?)
}

pub(super) async fn confirm_missed(access: &Access, mark: &str) -> Result<()> {
    let mark = number(mark).ok_or_else(|| unreadable("the mark is not a number"))?;
    let body = json!({ "last_message_id": mark });
    Call::of_app(CONFIRM_LOST)
        .sending(body)
        .ask(access)
        .await
        .map(drop)
}
