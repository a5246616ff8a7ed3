//! The JSON API below `/api/v1`: for tokens, and without one on this machine only, because nobody signs in yet.
//!
//! Errors are problem details (RFC 9457). A request that changes something must be JSON: a page elsewhere cannot
//! send that from a browser on this machine without being asked first, and nobody answers such a question.

mod prefer;
pub(super) mod scans;

use super::{WebState, access::Caller, home, webhooks::read_body};
use crate::accounts::{self, AccountError};
use crate::domain::MerchantId;
use actix_web::{
    HttpRequest, HttpResponse, Resource,
    http::{StatusCode, header},
    web,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::time::Duration;

/// Longest body that is read, in bytes.
const LONGEST_BODY: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Where the API begins.
pub(super) const ROOT: &str = "/api/v1";

/// An answer instead of what was asked for.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    /// What kind of problem, for people; always the same for the same kind.
    title: &'static str,
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title,
            detail: detail.into(),
        }
    }

    fn bad_request(detail: impl Into<String>) -> Self {
        let title = "The request is not understood";
        Self::new(StatusCode::BAD_REQUEST, title, detail)
    }

    fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such thing", detail)
    }

    fn conflict(detail: impl Into<String>) -> Self {
        let title = "This cannot be done as things are";
        Self::new(StatusCode::CONFLICT, title, detail)
    }

    /// What failed in our own house is for the log.
    pub(super) fn ours(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a question to the API could not be answered");
        let detail = "the database did not answer; the log says why";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The books cannot be read just now",
            detail,
        )
    }

    pub(super) fn respond(self) -> HttpResponse {
        let body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response
            .content_type("application/problem+json")
            .insert_header(("cache-control", "no-store"))
            .body(body.to_string())
    }
}

fn answer(result: Result<HttpResponse, Problem>) -> HttpResponse {
    result.unwrap_or_else(Problem::respond)
}

fn ok(body: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(body)
}

/// This machine only, called by its own name, and not by a page elsewhere.
pub(super) fn guard(request: &HttpRequest) -> Result<(), Problem> {
    let site = request.headers().get("sec-fetch-site");
    let is_from_elsewhere = site.is_some_and(|site| site != "same-origin" && site != "none");
    if home::is_from_here(request) && !is_from_elsewhere && has_our_origin(request) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "Only this machine may ask",
        "without a token the API answers on the machine that serves it only; make one with `marketsink tokens \
         create`, or a tunnel: ssh -L 8080:127.0.0.1:8080 SERVER",
    ))
}

/// Browsers say which page sends a request that changes something.
fn has_our_origin(request: &HttpRequest) -> bool {
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let Some(origin) = text(header::ORIGIN) else {
        return !request.headers().contains_key(header::ORIGIN);
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text(header::HOST)
}

/// Questions that are not understood are answered with problems as well.
pub(super) fn with_problems(resource: Resource) -> Resource {
    let bad_query = |error: actix_web::error::QueryPayloadError, _: &HttpRequest| {
        let response = Problem::bad_request(error.to_string()).respond();
        actix_web::error::InternalError::from_response(error, response).into()
    };
    let bad_path = |error: actix_web::error::PathError, _: &HttpRequest| {
        let response = Problem::not_found(error.to_string()).respond();
        actix_web::error::InternalError::from_response(error, response).into()
    };
    resource
        .app_data(web::QueryConfig::default().error_handler(bad_query))
        .app_data(web::PathConfig::default().error_handler(bad_path))
}

pub(super) async fn nowhere(request: HttpRequest) -> HttpResponse {
    Problem::not_found(format!("nothing answers {} here", request.path())).respond()
}

/// A body of JSON.
async fn body<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<T, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body is not JSON",
            "send it with content-type: application/json",
        ));
    }
    let read = tokio::time::timeout(BODY_DEADLINE, read_body(request, payload, LONGEST_BODY));
    let bytes = match read.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(status)) => {
            return Err(Problem::new(
                status,
                "The body cannot be read",
                format!("it may have {LONGEST_BODY} bytes"),
            ));
        }
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "The body did not arrive",
                "it took longer than ten seconds",
            ));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| Problem::bad_request(error.to_string()))
}

/// The merchant that is asked about: the caller's own, or the default one, unless it is named. Another merchant than
/// the caller's is not there.
async fn merchant(
    state: &WebState,
    caller: &Caller,
    name: Option<&str>,
) -> Result<MerchantId, Problem> {
    let name = match (name, caller.merchant) {
        (None, Some(own)) => return Ok(own),
        (name, _) => name.unwrap_or(accounts::DEFAULT_MERCHANT),
    };
    let unknown = || Problem::not_found(format!("there is no merchant `{name}`"));
    match accounts::merchant_named(state.queue.db(), name).await {
        Ok(merchant) if caller.merchant.is_none_or(|own| own == merchant) => Ok(merchant),
        Ok(_) | Err(AccountError::UnknownMerchant(_)) => Err(unknown()),
        Err(error) => Err(Problem::ours(&error)),
    }
}
