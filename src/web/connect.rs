//! Connecting a shop in the browser: the way to the marketplace's page, and the way back.
//!
//! ```text
//! GET  /connect/{marketplace}           this machine only: makes a link and goes there
//! GET  /connect/{marketplace}/callback  the browser comes back; everybody may, the state decides
//! POST /connect/{marketplace}/callback  the marketplace posts keys as JSON, such as WooCommerce
//! ```
//!
//! The answer is a page for people: which shop was found, or what went wrong and what to do. Codes, keys and
//! states are never shown, kept by the browser, or told to the next site.

use super::{WebState, home, webhooks::read_body};
use crate::accounts;
use crate::channels::Channel;
use crate::marketplaces::{self, ConsentAnswer, Marketplace, MarketplaceError};
use crate::sync::{AskConsent, Connected, Connection, ConsentError, SyncError};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Longest answer that is read, in bytes; real ones have a few hundred.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How long an answer may take to arrive.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// Whose shop it will be; the defaults are those of the command line.
#[derive(Debug, Deserialize)]
pub struct Asked {
    merchant: Option<String>,
    outlet: Option<String>,
    /// The shop's own address, where shops have one.
    url: Option<String>,
    name: Option<String>,
}

/// Makes a link and sends the browser there.
pub async fn begin(
    request: HttpRequest,
    marketplace: web::Path<String>,
    asked: web::Query<Asked>,
    state: web::Data<WebState>,
) -> HttpResponse {
    if !home::is_from_here(&request) || is_from_elsewhere(&request) {
        return home::not_from_here();
    }
    let Some(marketplace) = marketplaces::find(&marketplace) else {
        return nowhere();
    };
    match ask(marketplace, asked.into_inner(), &state).await {
        Ok(url) => HttpResponse::Found()
            .insert_header(("location", url))
            .insert_header(("cache-control", "no-store"))
            .finish(),
        Err(error) => {
            let what = format!("{error:#}");
            page(
                StatusCode::BAD_REQUEST,
                "No link could be made",
                html! { p { (what) } },
            )
        }
    }
}

/// A page elsewhere that sends the browser here is not the merchant who asks.
fn is_from_elsewhere(request: &HttpRequest) -> bool {
    let site = request.headers().get("sec-fetch-site");
    site.is_some_and(|site| site == "cross-site")
}

async fn ask(
    marketplace: &'static dyn Marketplace,
    asked: Asked,
    state: &WebState,
) -> anyhow::Result<String> {
    let now = state.clock.now();
    let merchant = asked.merchant.as_deref();
    let merchant = merchant.unwrap_or(accounts::DEFAULT_MERCHANT);
    let outlet = asked.outlet.as_deref().unwrap_or(accounts::DEFAULT_OUTLET);
    let tx = state.queue.db().write_tx().await?;
    let zone = accounts::DEFAULT_TIME_ZONE;
    let merchant = accounts::open_merchant(&tx, merchant, zone, now).await?;
    let outlet = accounts::open_outlet(&tx, merchant, outlet, now).await?;
    tx.commit().await?;
    let ask = AskConsent {
        merchant,
        outlet,
        marketplace,
        base_url: asked.url.filter(|url| !url.is_empty()),
        name: asked.name.filter(|name| !name.is_empty()),
    };
    Ok(state.sync.begin_consent(ask).await?.url.into())
}

/// The browser comes back.
pub async fn came_back(
    request: HttpRequest,
    marketplace: web::Path<String>,
    state: web::Data<WebState>,
) -> HttpResponse {
    finish(&marketplace, query_pairs(&request), state).await
}

/// The marketplace posts what it gives.
pub async fn posted(
    request: HttpRequest,
    marketplace: web::Path<String>,
    body: web::Payload,
    state: web::Data<WebState>,
) -> HttpResponse {
    let read = tokio::time::timeout(ANSWER_DEADLINE, read_body(&request, body, LONGEST_ANSWER));
    let body = match read.await {
        Ok(Ok(body)) => body,
        Ok(Err(status)) => return HttpResponse::build(status).finish(),
        Err(_) => return HttpResponse::RequestTimeout().finish(),
    };
    let Ok(Value::Object(members)) = serde_json::from_slice(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let mut pairs = query_pairs(&request);
    pairs.extend(members.into_iter().filter_map(|(name, value)| match value {
        Value::String(text) => Some((name, text)),
        Value::Number(number) => Some((name, number.to_string())),
        _ => None,
    }));
    finish(&marketplace, pairs, state).await
}

fn query_pairs(request: &HttpRequest) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    pairs.into_owned().collect()
}

async fn finish(
    marketplace: &str,
    pairs: Vec<(String, String)>,
    state: web::Data<WebState>,
) -> HttpResponse {
    let Some(marketplace) = marketplaces::find(marketplace) else {
        return nowhere();
    };
    let answer = ConsentAnswer { pairs };
    // On its own: a browser that is closed now must not end it between the code and the tokens.
    let finishing = tokio::spawn(async move {
        let finished = state.sync.finish_consent(marketplace, &answer);
        finished.await
    });
    match finishing.await {
        Ok(Ok(connection)) => page(StatusCode::OK, "The shop is connected", shops(&connection)),
        Ok(Err(error)) => not_connected(marketplace, &error),
        Err(error) => {
            tracing::error!(%error, marketplace = marketplace.slug(), "a consent ended badly");
            HttpResponse::InternalServerError().finish()
        }
    }
}

fn shops(connection: &Connection) -> Markup {
    html! {
        @for shop in &connection.connected {
            @if let Some(first) = shop.channels.first() { (one_shop(shop, first)) }
        }
        @for shop in &connection.failed { p.attention { (shop.for_people()) } }
        p { "Its catalogue and latest orders are being read. You may close this page." }
    }
}

fn one_shop(shop: &Connected, first: &Channel) -> Markup {
    html! {
        h2 { (first.name) }
        p { "Shop " code { (first.remote_id) } " on " (first.marketplace.name()) }
        ul {
            @for channel in &shop.channels {
                li { "Channel " (channel.id) ": " (marketplaces::platform_name(&channel.platform)) }
            }
        }
        p { "Webhooks come to " code.address { (shop.webhook_url) } }
        @match &shop.webhooks {
            Ok(changes) if changes.is_empty() => {
                @if shop.by_hand().is_none() { p { "Webhooks were set up already." } }
            }
            Ok(changes) => ul { @for change in changes { li { (change) } } },
            Err(error) => {
                p.attention { "Webhooks could not be set up: " (error) }
                p { "Scheduled scans find what webhooks miss. Connect the shop again to try once more." }
            }
        }
        @if let Some(to_do) = shop.by_hand() { p.attention { "By hand: " (to_do) } }
    }
}

fn not_connected(marketplace: &dyn Marketplace, error: &ConsentError) -> HttpResponse {
    let status = match error {
        // The browser comes back after the keys were posted, or the page is loaded again.
        ConsentError::Used {
            outcome,
            channel: Some(_),
            ..
        } => {
            let told = outcome.as_deref().unwrap_or_default();
            let content = html! { p { (told) } p { "You may close this page." } };
            return page(StatusCode::OK, "The shop is connected", content);
        }
        ConsentError::Declined(_) => StatusCode::FORBIDDEN,
        ConsentError::Expired { .. } => StatusCode::GONE,
        ConsentError::NoState
        | ConsentError::Unknown
        | ConsentError::OtherMarketplace { .. }
        | ConsentError::Used { .. } => StatusCode::BAD_REQUEST,
        ConsentError::Sync(error) => status_of(error),
    };
    if status.is_server_error() {
        tracing::error!(%error, marketplace = marketplace.slug(), "a shop was not connected");
    } else {
        tracing::warn!(%error, marketplace = marketplace.slug(), "a shop was not connected");
    }
    let content = html! {
        p { (marketplace.name()) ": " (error.for_people()) "." }
        p {
            "Begin again with a new link: " code { "marketsink channel link " (marketplace.slug()) }
            ", or on the machine that runs marketsink " code { "/connect/" (marketplace.slug()) } "."
        }
    };
    page(status, "Nothing was connected", content)
}

fn status_of(error: &SyncError) -> StatusCode {
    match error {
        SyncError::Db(_) => StatusCode::SERVICE_UNAVAILABLE,
        SyncError::NotConnected(
            MarketplaceError::Unavailable { .. } | MarketplaceError::Unreadable { .. },
        ) => StatusCode::BAD_GATEWAY,
        SyncError::Channel(_) => StatusCode::CONFLICT,
        SyncError::PairSpent { error } => status_of(error),
        _ => StatusCode::BAD_REQUEST,
    }
}

fn nowhere() -> HttpResponse {
    let known: Vec<_> = marketplaces::all().iter().map(|m| m.slug()).collect();
    let content = html! { p { "There are: " (known.join(", ")) "." } };
    page(
        StatusCode::NOT_FOUND,
        "No marketplace is called so",
        content,
    )
}

fn page(status: StatusCode, title: &str, content: Markup) -> HttpResponse {
    let is_good = status == StatusCode::OK;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · marketsink" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/assets/home.css";
            }
            body {
                header { h1 { "marketsink" } }
                main {
                    section.trouble[!is_good].connect { h2 { (title) } (content) }
                }
            }
        }
    };
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .body(page.into_string())
}
