//! Raw bytes in, a status out.
//!
//! ```text
//! 2xx  stored and on disk (or a handshake)      408  the body did not arrive in time
//! 401  the signature is not believed            413  longer than the limit, announced or not
//! 404  nobody is at this address                503  storage failed; nothing was acknowledged
//! 405  not a POST
//! ```
//!
//! The body is taken as received: it is never decompressed, because what is signed is what was sent.

use super::WebState;
use crate::inbox::Answer;
use crate::marketplaces::{self, Acknowledgement, RawDelivery};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::StatusCode, web};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use std::time::Duration;

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// What a marketplace is asked to wait when storage fails, in seconds.
const RETRY_AFTER_S: &str = "30";
/// The header of the answer to a self-test that was believed.
pub const SELF_TEST_PASSED: (&str, &str) = ("marketsink-self-test", "passed");

pub async fn to_marketplace(
    request: HttpRequest,
    path: web::Path<String>,
    body: web::Payload,
    state: web::Data<WebState>,
) -> HttpResponse {
    receive(&request, &path, None, body, &state).await
}

pub async fn to_channel(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Payload,
    state: web::Data<WebState>,
) -> HttpResponse {
    let (marketplace, address) = path.into_inner();
    receive(&request, &marketplace, Some(&address), body, &state).await
}

async fn receive(
    request: &HttpRequest,
    marketplace: &str,
    address: Option<&str>,
    body: web::Payload,
    state: &WebState,
) -> HttpResponse {
    let read = tokio::time::timeout(BODY_DEADLINE, read_body(request, body, state.body_limit));
    let body = match read.await {
        Ok(Ok(body)) => body,
        Ok(Err(status)) => return HttpResponse::build(status).finish(),
        Err(_) => return HttpResponse::RequestTimeout().finish(),
    };
    let Some(marketplace) = marketplaces::find(marketplace) else {
        return HttpResponse::NotFound().finish();
    };
    let raw = RawDelivery::new(headers(request), body);
    let now = state.clock.now();
    match state.inbox.receive(marketplace, address, raw, now).await {
        Answer::Acknowledged(ack) => acknowledged(ack).body(ack.body),
        // So that whoever sent it knows that it came to us, and not to something that says yes to all.
        Answer::Tested(ack) => acknowledged(ack)
            .insert_header(SELF_TEST_PASSED)
            .body(ack.body),
        Answer::Refused(_) => HttpResponse::Unauthorized().finish(),
        Answer::NobodyHere => HttpResponse::NotFound().finish(),
        Answer::Unavailable => HttpResponse::ServiceUnavailable()
            .insert_header(("retry-after", RETRY_AFTER_S))
            .finish(),
    }
}

fn acknowledged(ack: Acknowledgement) -> HttpResponseBuilder {
    let status = StatusCode::from_u16(ack.status).unwrap_or(StatusCode::OK);
    let mut builder = HttpResponse::build(status);
    builder.content_type(ack.content_type);
    builder
}

/// The whole body, or the status that says why not. Never more than `limit` bytes are held.
pub(super) async fn read_body(
    request: &HttpRequest,
    mut body: web::Payload,
    limit: usize,
) -> Result<Bytes, StatusCode> {
    let announced = request.headers().get("content-length");
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut read = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        if read.len() + chunk.len() > limit {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.freeze())
}

fn headers(request: &HttpRequest) -> Vec<(String, String)> {
    let pair = |(name, value): (
        &actix_web::http::header::HeaderName,
        &actix_web::http::header::HeaderValue,
    )| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    };
    request.headers().iter().map(pair).collect()
}
