//! Scans over HTTP.
//!
//! ```text
//! POST /api/v1/scans                    {"channels": [1], "kind": "full"}; waits for the end and answers with the
//!                                       result, or with `Prefer: respond-async` at once: 202 and where to look
//! POST /api/v1/scans/plan               the same body: what they will probably take
//! GET  /api/v1/scans?ids=1,2&limit=20   newest first
//! GET  /api/v1/scans/{id}
//! GET  /api/v1/scans/{id}/changes?kind=changed&after=0&limit=100
//! POST /api/v1/scans/{id}/{pause|resume|cancel}
//! ```
//!
//! Whoever waits makes the scan go first; a browser that goes away does not end it.

use super::{Problem, answer, body, merchant, ok, prefer::Preferences};
use crate::catalog::DifferenceKind;
use crate::domain::{ChannelId, ListingId, MerchantId, RemoteId, ScanId, ScanKind, ScanMethod};
use crate::reports::{self, LastScans, ScanView};
use crate::sync::{
    self, ControlError, Plan, Requested, ScanRequest, ScanWish, Subject, SyncError, WishError,
};
use crate::web::{WebState, access::Caller};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use entity::scans;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// How often the rows are looked at while somebody waits.
const LOOK: Duration = Duration::from_millis(100);
/// Scans and changes per answer.
const DEFAULT_LIMIT: u64 = 100;
const LARGEST_LIMIT: u64 = 1_000;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    channels: Vec<i64>,
    kind: Option<ScanKind>,
    /// The marketplace's id.
    product: Option<String>,
    sku: Option<String>,
    listing: Option<i64>,
    merchant: Option<String>,
    /// Of a plan: ask the marketplace for its first page.
    #[serde(default)]
    ask: bool,
}

/// A scan that was asked for.
#[derive(Debug, Serialize)]
struct Started {
    #[serde(flatten)]
    requested: Requested,
    #[serde(flatten)]
    view: ScanView,
}

/// A channel that takes none.
#[derive(Debug, Serialize)]
struct Refused {
    channel: ChannelId,
    reason: String,
}

#[derive(Debug, Deserialize)]
pub struct Asked {
    merchant: Option<String>,
    /// Ids, with commas.
    ids: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    after: i64,
    limit: Option<u64>,
}

impl Asked {
    fn limit(&self) -> u64 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, LARGEST_LIMIT)
    }
}

impl Wanted {
    fn subject(&self) -> Result<Option<Subject>, Problem> {
        let product = self.product.as_deref().map(RemoteId::from);
        let mut subjects = [
            product.map(Subject::Product),
            self.sku.clone().map(Subject::Sku),
            self.listing.map(|id| Subject::Listing(ListingId(id))),
        ]
        .into_iter()
        .flatten();
        let subject = subjects.next();
        match subjects.next() {
            None => Ok(subject),
            Some(_) => Err(Problem::bad_request(
                "name the product by one of `product`, `sku` and `listing`",
            )),
        }
    }

    fn wish(&self, merchant: MerchantId, method: ScanMethod) -> Result<ScanWish, Problem> {
        Ok(ScanWish {
            merchant,
            channels: self.channels.iter().map(|id| ChannelId(*id)).collect(),
            kind: self.kind,
            method,
            subject: self.subject()?,
        })
    }
}

pub async fn start(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<WebState>,
) -> HttpResponse {
    let preferences = preferences(&request);
    answer(started(&request, payload, &state, preferences).await)
}

async fn started(
    request: &HttpRequest,
    payload: web::Payload,
    state: &WebState,
    preferences: Preferences,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(request)?;
    let wanted: Wanted = body(request, payload).await?;
    let merchant = merchant(state, &caller, wanted.merchant.as_deref()).await?;
    let method = match preferences.patience() {
        Some(Duration::ZERO) => ScanMethod::Async,
        _ => ScanMethod::Sync,
    };
    let wish = wanted.wish(merchant, method)?;
    let sync = caller.sync(state);
    let requests = seen(&caller, sync.scans_of(&wish).await.map_err(of_wish)?)?;
    let (mut asked, mut refused) = (Vec::new(), Vec::new());
    for request in requests {
        match sync.request_scan(&request).await {
            Ok(requested) => asked.push(requested),
            Err(error @ SyncError::Db(_)) => return Err(Problem::ours(&error)),
            Err(error) => refused.push(Refused {
                channel: request.channel,
                reason: error.for_people(),
            }),
        }
    }
    if asked.is_empty() {
        let reasons: Vec<_> = refused.into_iter().map(|refused| refused.reason).collect();
        return Err(Problem::conflict(reasons.join("; ")));
    }
    let scans = wait(state, &caller, merchant, &asked, preferences.patience()).await?;
    let connections: Vec<i64> = scans.iter().map(|scan| scan.view.channel).collect();
    let last = last_scans(state, merchant, Some(&connections)).await?;
    let has_ended = scans.iter().all(|scan| scan.view.has_ended());
    let content = json!({"scans": scans, "refused": refused, "last_scans": last});
    if has_ended {
        return Ok(ok(&content));
    }
    let mut accepted = HttpResponse::Accepted();
    accepted
        .insert_header((header::LOCATION, location(&asked)))
        .insert_header(("cache-control", "no-store"));
    let applied = preferences.applied();
    if !applied.is_empty() {
        accepted.insert_header(("preference-applied", applied));
    }
    Ok(accepted.json(content))
}

fn preferences(request: &HttpRequest) -> Preferences {
    let lines = request.headers().get_all("prefer");
    Preferences::of(lines.filter_map(|line| line.to_str().ok()))
}

fn location(asked: &[Requested]) -> String {
    match asked {
        [one] => format!("/api/v1/scans/{}", one.scan),
        several => {
            let ids: Vec<_> = several.iter().map(|one| one.scan.to_string()).collect();
            format!("/api/v1/scans?ids={}", ids.join(","))
        }
    }
}

/// Until all have ended, nothing goes on soon, or the patience is over.
async fn wait(
    state: &WebState,
    caller: &Caller,
    merchant: MerchantId,
    asked: &[Requested],
    patience: Option<Duration>,
) -> Result<Vec<Started>, Problem> {
    let until = patience.map(|patience| Instant::now() + patience);
    loop {
        let (mut scans, mut are_going) = (Vec::new(), false);
        for requested in asked {
            let row = row(state, caller, merchant, requested.scan).await?;
            let view = ScanView::of(&row, state.clock.now());
            // A locked channel, or a marketplace that wants to be left alone, is not waited for.
            let rests = state.sync.scan_rests_until(&row).await;
            let rests = rests.map_err(|error| Problem::ours(&error))?;
            are_going |= !view.has_ended() && rests.is_none();
            scans.push(Started {
                requested: *requested,
                view,
            });
        }
        if !are_going || until.is_some_and(|until| Instant::now() >= until) {
            return Ok(scans);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn row(
    state: &WebState,
    caller: &Caller,
    merchant: MerchantId,
    id: ScanId,
) -> Result<scans::Model, Problem> {
    let row = sync::scan(state.queue.db(), merchant, id).await;
    let row = row.map_err(|error| Problem::ours(&error))?;
    row.filter(|row| caller.sees(ChannelId(row.channel_id)))
        .ok_or_else(|| Problem::not_found(format!("there is no scan {id}")))
}

async fn view(
    state: &WebState,
    caller: &Caller,
    merchant: MerchantId,
    id: ScanId,
) -> Result<ScanView, Problem> {
    let row = row(state, caller, merchant, id).await?;
    Ok(ScanView::of(&row, state.clock.now()))
}

async fn last_scans(
    state: &WebState,
    merchant: MerchantId,
    only: Option<&[i64]>,
) -> Result<Vec<LastScans>, Problem> {
    reports::last_scans(state.queue.db(), merchant, only)
        .await
        .map_err(|error| Problem::ours(&error))
}

pub async fn plan(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<WebState>,
) -> HttpResponse {
    answer(planned(&request, payload, &state).await)
}

async fn planned(
    request: &HttpRequest,
    payload: web::Payload,
    state: &WebState,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(request)?;
    let wanted: Wanted = body(request, payload).await?;
    let merchant = merchant(state, &caller, wanted.merchant.as_deref()).await?;
    let wish = wanted.wish(merchant, ScanMethod::Async)?;
    let mut plans: Vec<Plan> = Vec::new();
    let requests = state.sync.scans_of(&wish).await.map_err(of_wish)?;
    for request in seen(&caller, requests)? {
        let plan = state.sync.plan(&request, wanted.ask).await;
        plans.push(plan.map_err(|error| Problem::conflict(error.for_people()))?);
    }
    Ok(ok(&json!({ "plans": plans })))
}

pub async fn list(
    request: HttpRequest,
    asked: web::Query<Asked>,
    state: web::Data<WebState>,
) -> HttpResponse {
    answer(listed(&request, &asked, &state).await)
}

async fn listed(
    request: &HttpRequest,
    asked: &Asked,
    state: &WebState,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(request)?;
    let merchant = merchant(state, &caller, asked.merchant.as_deref()).await?;
    let mut scans = Vec::new();
    if let Some(ids) = &asked.ids {
        for id in ids.split(',').take(DEFAULT_LIMIT as usize) {
            let number = id.trim().parse().map_err(|_| {
                Problem::bad_request(format!("`{id}` is no id; give numbers with commas"))
            })?;
            scans.push(view(state, &caller, merchant, ScanId(number)).await?);
        }
    } else {
        let rows = sync::scans(state.queue.db(), merchant, asked.limit()).await;
        let rows = rows.map_err(|error| Problem::ours(&error))?;
        let now = state.clock.now();
        let rows = rows
            .iter()
            .filter(|row| caller.sees(ChannelId(row.channel_id)));
        scans.extend(rows.map(|row| ScanView::of(row, now)));
    }
    let last = last_scans(state, merchant, caller.channels().as_deref()).await?;
    Ok(ok(&json!({"scans": scans, "last_scans": last})))
}

pub async fn show(
    request: HttpRequest,
    id: web::Path<i64>,
    asked: web::Query<Asked>,
    state: web::Data<WebState>,
) -> HttpResponse {
    let shown = async {
        let caller = Caller::of(&request)?;
        let merchant = merchant(&state, &caller, asked.merchant.as_deref()).await?;
        Ok(ok(&view(&state, &caller, merchant, ScanId(*id)).await?))
    };
    answer(shown.await)
}

pub async fn changes(
    request: HttpRequest,
    id: web::Path<i64>,
    asked: web::Query<Asked>,
    state: web::Data<WebState>,
) -> HttpResponse {
    answer(changed(&request, ScanId(*id), &asked, &state).await)
}

async fn changed(
    request: &HttpRequest,
    id: ScanId,
    asked: &Asked,
    state: &WebState,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(request)?;
    let merchant = merchant(state, &caller, asked.merchant.as_deref()).await?;
    let scan = view(state, &caller, merchant, id).await?;
    let kind = asked.kind.as_deref().map(|name| {
        DifferenceKind::parse(name).ok_or_else(|| {
            let known: Vec<_> = DifferenceKind::ALL
                .iter()
                .map(|kind| kind.as_str())
                .collect();
            Problem::bad_request(format!("`kind` is one of {}", known.join(", ")))
        })
    });
    let kind = kind.transpose()?;
    let db = state.queue.db();
    let place = (asked.after, asked.limit());
    let rows = sync::scan_changes(db, merchant, id, kind, place).await;
    let rows = rows.map_err(|error| Problem::ours(&error))?;
    let is_full = rows.len() as u64 == asked.limit();
    let next = rows.last().filter(|_| is_full).map(|row| row.seq);
    Ok(ok(
        &json!({"changes": rows, "next_after": next, "left_out": scan.left_out}),
    ))
}

pub async fn pause(
    request: HttpRequest,
    id: web::Path<i64>,
    asked: web::Query<Asked>,
    state: web::Data<WebState>,
) -> HttpResponse {
    answer(controlled(&request, ScanId(*id), &asked, &state, Control::Pause).await)
}

pub async fn resume(
    request: HttpRequest,
    id: web::Path<i64>,
    asked: web::Query<Asked>,
    state: web::Data<WebState>,
) -> HttpResponse {
    answer(controlled(&request, ScanId(*id), &asked, &state, Control::Resume).await)
}

pub async fn cancel(
    request: HttpRequest,
    id: web::Path<i64>,
    asked: web::Query<Asked>,
    state: web::Data<WebState>,
) -> HttpResponse {
    answer(controlled(&request, ScanId(*id), &asked, &state, Control::Cancel).await)
}

#[derive(Clone, Copy)]
enum Control {
    Pause,
    Resume,
    Cancel,
}

async fn controlled(
    request: &HttpRequest,
    id: ScanId,
    asked: &Asked,
    state: &WebState,
    control: Control,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::of(request)?;
    let merchant = merchant(state, &caller, asked.merchant.as_deref()).await?;
    row(state, &caller, merchant, id).await?;
    let sync = caller.sync(state);
    let row = match control {
        Control::Pause => sync.pause_scan(merchant, id).await,
        Control::Resume => sync.resume_scan(merchant, id).await,
        Control::Cancel => sync.cancel_scan(merchant, id).await,
    };
    match row {
        Ok(row) => Ok(ok(&ScanView::of(&row, state.clock.now()))),
        Err(error @ ControlError::Unknown(_)) => Err(Problem::not_found(error.to_string())),
        Err(error @ ControlError::Db(_)) => Err(Problem::ours(&error)),
        Err(ControlError::Sync(error)) => Err(Problem::conflict(error.for_people())),
        Err(error) => Err(Problem::conflict(error.to_string())),
    }
}

/// Channels that the caller does not see are not there.
fn seen(caller: &Caller, requests: Vec<ScanRequest>) -> Result<Vec<ScanRequest>, Problem> {
    let unseen = requests
        .iter()
        .find(|request| !caller.sees(request.channel));
    match unseen {
        None => Ok(requests),
        Some(request) => Err(Problem::not_found(format!(
            "there is no channel {}",
            request.channel
        ))),
    }
}

fn of_wish(error: WishError) -> Problem {
    match error {
        WishError::Channel(_) | WishError::Db(_) => Problem::ours(&error),
        WishError::UnknownChannel(_) | WishError::UnknownListing(_) | WishError::UnlistedSku(_) => {
            Problem::not_found(error.to_string())
        }
        WishError::NoChannel | WishError::NoSubject | WishError::SubjectOf(_) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The request does not fit together",
            error.to_string(),
        ),
    }
}
