//! The first page: channels, what they told last, when they were scanned, the latest sales; refreshed live.

use super::{WebState, guide};
use crate::accounts;
use crate::domain::{MerchantId, Timestamp};
use crate::reports::{self, ChannelRow, NoticeRow, Overview, SaleRow, ScanView};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{header, uri::Authority},
    web,
};
use maud::{DOCTYPE, Markup, html};

pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The style sheet's name below `/assets/`.
pub const STYLE_NAME: &str = "home.css";
const STYLE: &str = include_str!("assets/home.css");
const SCRIPT: &str = include_str!("assets/live.js");

/// The whole page.
pub async fn page(request: HttpRequest, state: web::Data<WebState>) -> HttpResponse {
    if !is_from_here(&request) {
        return not_from_here();
    }
    let content = content(&state).await;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "marketsink" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href={ "/assets/" (STYLE_NAME) };
                script type="module" src="/assets/live.js" {}
            }
            body {
                header {
                    h1 { "marketsink" }
                    p { "Books and stock across marketplaces. Times are in UTC." }
                }
                main id="live" data-live="/live" aria-live="polite" { (content) }
            }
        }
    };
    respond(page)
}

/// What changes, for the script on the page.
pub async fn live(request: HttpRequest, state: web::Data<WebState>) -> HttpResponse {
    if !is_from_here(&request) {
        return not_from_here();
    }
    respond(content(&state).await)
}

/// Nobody signs in yet, so the books are shown on this machine only: not to other addresses, not through a
/// proxy, and not to a page elsewhere that made a name of its own lead here.
pub(super) fn is_from_here(request: &HttpRequest) -> bool {
    let is_loopback = request
        .peer_addr()
        .is_some_and(|peer| peer.ip().is_loopback());
    let is_forwarded = FORWARDED
        .iter()
        .any(|name| request.headers().contains_key(*name));
    is_loopback && !is_forwarded && is_called_by_our_name(request)
}

/// Headers that a proxy adds. A script may set some of them too, and none may tell us another name.
const FORWARDED: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "via",
];

/// Whether every name that the browser called us by is one of this machine: where it was called by a name that
/// merely leads here, the page that did it may read the answer.
fn is_called_by_our_name(request: &HttpRequest) -> bool {
    let named = request.headers().get_all(header::HOST);
    let named = named.map(|host| host.to_str().ok().and_then(|host| host.parse().ok()));
    let called = request.uri().authority().cloned().map(Some);
    let names: Vec<Option<Authority>> = named.chain(called).collect();
    let is_ours = |name: &Option<Authority>| {
        let host = name.as_ref().map(Authority::host);
        matches!(host, Some("localhost" | "127.0.0.1" | "[::1]"))
    };
    !names.is_empty() && names.iter().all(is_ours)
}

pub(super) fn not_from_here() -> HttpResponse {
    HttpResponse::Forbidden().body(
        "This page shows the books and has no sign-in yet: it opens on the machine that serves it only. \
         From elsewhere, make a tunnel: ssh -L 8080:127.0.0.1:8080 SERVER, then http://127.0.0.1:8080/\n",
    )
}

/// The style sheet and the script; they are part of the program.
pub async fn asset(name: web::Path<String>) -> HttpResponse {
    let (kind, text) = match name.as_str() {
        STYLE_NAME => ("text/css; charset=utf-8", STYLE),
        "guide.css" => ("text/css; charset=utf-8", guide::STYLE),
        "live.js" => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return HttpResponse::NotFound().finish(),
    };
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header(("cache-control", "no-cache"))
        .body(text)
}

fn respond(markup: Markup) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .body(markup.into_string())
}

async fn content(state: &WebState) -> Markup {
    let now = state.clock.now();
    let merchants = match accounts::merchants(state.queue.db()).await {
        Ok(merchants) => merchants,
        Err(error) => return trouble(&error.to_string()),
    };
    let mut overviews = Vec::new();
    for merchant in merchants {
        match reports::overview(&state.queue, MerchantId(merchant.id), now).await {
            Ok(overview) => overviews.push(overview),
            Err(error) => return trouble(&error.to_string()),
        }
    }
    html! {
        p.as-of { "as of " (clock_time(now)) }
        @if overviews.is_empty() {
            section {
                h2 { "No shop is connected yet" }
                p { "Connect one with " code { "marketsink channel link" } " or " code { "marketsink channel add" } ", or watch the demo: " code { "marketsink demo" } "." }
            }
        }
        @for overview in &overviews { (merchant(overview, now)) }
    }
}

fn trouble(reason: &str) -> Markup {
    tracing::error!(reason, "the first page could not be made");
    html! {
        section.trouble {
            h2 { "The books cannot be read just now" }
            p { "The database did not answer; the reason is in the log. Webhooks are answered with 503 meanwhile, so that marketplaces send them again." }
        }
    }
}

fn merchant(overview: &Overview, now: Timestamp) -> Markup {
    html! {
        @if overview.merchant != accounts::DEFAULT_MERCHANT { h2 { (overview.merchant) } }
        (figures(overview))
        @if !overview.notices.is_empty() {
            section {
                h2 { "Scans that ended" }
                ul { @for row in &overview.notices { (notice(row, now)) } }
                p.quiet { code { "marketsink scans notices --read" } " clears this list" }
            }
        }
        section {
            h2 { "Channels" }
            @if overview.channels.is_empty() { p { "None is connected." } }
            div.scroll {
                table {
                    thead { tr { th { "Channel" } th { "State" } th { "Last delivery" } th { "Last scans" } th.number { "Listings" } th.number { "Orders" } } }
                    tbody { @for row in &overview.channels { (channel(row, now)) } }
                }
            }
        }
        section {
            h2 { "Latest sales" }
            @if overview.sales.is_empty() { p { "None is recorded yet." } }
            div.scroll {
                table {
                    thead { tr { th { "Order" } th { "Channel" } th { "Document" } th.number { "Total" } th { "Found by" } th { "Recorded" } } }
                    tbody { @for row in &overview.sales { (sale(row, now)) } }
                }
            }
        }
    }
}

fn figures(overview: &Overview) -> Markup {
    let deliveries: i64 = overview.deliveries.iter().map(|(_, n)| n).sum();
    let orders: i64 = overview.sources.iter().map(|(_, n)| n).sum();
    let missed = overview
        .miss_rate_percent
        .map_or_else(|| "–".to_owned(), |percent| format!("{percent:.1} %"));
    html! {
        dl.figures {
            div { dt { "Orders in the books" } dd { (orders) } }
            div { dt { "Missed by webhooks" } dd { (missed) } }
            div { dt { "Deliveries stored" } dd { (deliveries) } }
            div { dt { "Work waiting" } dd { (overview.jobs.due + overview.jobs.running) } }
            div.bad[overview.jobs.dead > 0] { dt { "Work given up" } dd { (overview.jobs.dead) } }
            div.bad[overview.oversold > 0] { dt { "SKUs oversold" } dd { (overview.oversold) } }
        }
    }
}

fn channel(row: &ChannelRow, now: Timestamp) -> Markup {
    html! {
        tr {
            td { strong { (row.platform) } " " br; span.quiet { (row.name) } }
            td {
                span.state.(row.state) { (row.state) }
                @if let Some(reason) = &row.state_reason { " " br; span.quiet { (reason) } }
                @if let Some((what, days)) = row.ending { " " br; span.ending { (what) " ends in " (days) " days" } }
            }
            td data-label="last delivery" { @match row.last_delivery_at { Some(at) => (ago(at, now)), None => span.quiet { "none yet" } } }
            td data-label="last scans" {
                @if row.last_scans.is_empty() { span.quiet { "none yet" } }
                @for (i, (kind, at)) in row.last_scans.iter().enumerate() {
                    @if i > 0 { " · " }
                    span.scan { (kind) " " (ago(*at, now)) }
                }
                @for scan in &row.open_scans { " " br; (open_scan(scan)) }
            }
            td.number data-label="listings" { (row.listings) @if row.unlinked > 0 { " " span.quiet { (row.unlinked) " without SKU" } } }
            td.number data-label="orders" { (row.orders) }
        }
    }
}

fn notice(row: &NoticeRow, now: Timestamp) -> Markup {
    let is_warning = row.level == "warn";
    html! { li { span.attention[is_warning] { (row.text) } " " span.quiet { (ago(row.at, now)) } } }
}

/// `full running 45 %`
fn open_scan(scan: &ScanView) -> Markup {
    let share = scan
        .progress
        .percent
        .map(|percent| format!(" {percent:.0} %"));
    html! { span.quiet { (scan.kind) " " (scan.state) @if let Some(share) = share { (share) } } }
}

fn sale(row: &SaleRow, now: Timestamp) -> Markup {
    let paid = if row.paid { "paid" } else { "unpaid" };
    html! {
        tr {
            td { code { (row.number) } @if let Some(why) = &row.attention { " " br; span.attention { (why) } } }
            td { (row.platform) }
            td { span.state.(row.document) { (row.document.replace('_', " ")) } " " span.quiet { (paid) ", " (row.fulfilment) } }
            td.number { (row.total) }
            td data-label="found by" { (row.source) }
            td { (ago(row.recorded_at, now)) }
        }
    }
}

/// How long ago, with the instant itself for those who point at it.
fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let seconds = now.since(at).as_secs();
    let text = match seconds {
        0..=1 => "now".to_owned(),
        2..=119 => format!("{seconds} s ago"),
        120..=7_199 => format!("{} min ago", seconds / 60),
        7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    };
    html! { time datetime=(at.to_string()) title=(at.to_string()) { (text) } }
}

fn clock_time(at: Timestamp) -> String {
    at.to_utc().format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn asked(headers: &[(&str, &str)]) -> HttpRequest {
        let mut request = TestRequest::default().peer_addr(([127, 0, 0, 1], 50_000).into());
        for header in headers {
            request = request.append_header(*header);
        }
        request.to_http_request()
    }

    #[test]
    fn the_books_are_shown_to_whoever_calls_this_machine_by_its_own_name() {
        for host in ["localhost", "127.0.0.1:8080", "[::1]:8080", "[::1]"] {
            assert!(is_from_here(&asked(&[("host", host)])), "{host}");
        }
    }

    #[test]
    fn a_name_that_leads_here_is_not_ours_whatever_a_header_says_instead() {
        let ours = ("host", "localhost:8080");
        let theirs = ("host", "rebound.example.com:8080");
        for headers in [
            vec![theirs],
            vec![theirs, ("x-forwarded-host", "localhost:8080")],
            vec![ours, ("x-forwarded-host", "localhost:8080")],
            vec![theirs, ("forwarded", "host=localhost")],
            vec![ours, theirs],
            vec![("host", "localhost:8080@rebound.example.com")],
            vec![("host", "")],
            vec![],
        ] {
            assert!(!is_from_here(&asked(&headers)), "{headers:?}");
        }
        let called = TestRequest::with_uri("http://rebound.example.com/")
            .peer_addr(([127, 0, 0, 1], 50_000).into())
            .append_header(ours)
            .to_http_request();
        assert!(!is_from_here(&called));
    }

    #[test]
    fn what_marketplaces_wrote_is_escaped() {
        let row = SaleRow {
            id: 1,
            number: "<script>alert(1)</script>".to_owned(),
            platform: "x".to_owned(),
            document: "invoice".to_owned(),
            paid: false,
            fulfilment: "unsent".to_owned(),
            total: "1.00 USD".to_owned(),
            source: "webhook".to_owned(),
            attention: None,
            recorded_at: Timestamp::EPOCH,
        };

        let page = sale(&row, Timestamp::EPOCH).into_string();

        assert!(!page.contains("<script>"));
        assert!(page.contains("&lt;script&gt;"));
    }
}
