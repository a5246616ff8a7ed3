//! The connection to marketplaces: bounded in time and size, never redirected, never inwards.
//!
//! Adapters make every request through [`Http::send`], so that pacing, counting, the size limit and the
//! guard against server-side request forgery hold for all of them.

pub mod batch;
mod guard;
pub mod lenient;
pub mod oauth1;
pub mod offsets;
pub mod parcels;
pub mod signature;
pub mod walk;

pub use guard::check_address;

use super::{MarketplaceError, Pace};
use crate::domain::Timestamp;
use bytes::{Bytes, BytesMut};
use reqwest::{Client, ClientBuilder, Method, header::HeaderMap};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use url::Url;

/// Longest answer that is read. A page of 100 full orders is well below 2 MB.
const LARGEST_ANSWER: usize = 16 << 20;

/// A request to a marketplace, complete and signed.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Bytes>,
}

/// Urls and headers can carry secrets: only the method and the path are printed.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.url.path())
    }
}

impl Request {
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    pub fn json(method: Method, url: Url, body: impl Into<Bytes>) -> Self {
        Self {
            method,
            url,
            headers: vec![("content-type", "application/json".to_owned())],
            body: Some(body.into()),
        }
    }

    /// A POST of JSON.
    pub fn post_json(url: Url, body: impl Into<Bytes>) -> Self {
        Self::json(Method::POST, url, body)
    }

    /// A PUT of JSON.
    pub fn put_json(url: Url, body: impl Into<Bytes>) -> Self {
        Self::json(Method::PUT, url, body)
    }

    /// A POST of pairs, percent-encoded as a browser does.
    pub fn form(url: Url, pairs: &[(&str, String)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let encoded = form.extend_pairs(pairs).finish();
        Self {
            method: Method::POST,
            url,
            headers: vec![(
                "content-type",
                "application/x-www-form-urlencoded;charset=utf-8".to_owned(),
            )],
            body: Some(encoded.into()),
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The wait that `Retry-After` asks for, in seconds or as a date.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
        Some(Timestamp::from(at.to_utc()).since(now))
    }
}

/// A client that is shared by all channels; cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    allow_private: bool,
    calls: Arc<AtomicU64>,
    /// The `Date` of the last answer, in microseconds; 0 before the first.
    told_at: Arc<AtomicI64>,
}

impl Http {
    /// `allow_private` lets requests reach loopback and private addresses: only for the sandbox and tests.
    ///
    /// # Panics
    /// When the TLS library cannot start, which is a fault of the build.
    pub fn new(allow_private: bool, timeout: Duration) -> Self {
        let client = client(|| {
            Client::builder()
                .user_agent(concat!("marketsink/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .timeout(timeout)
                .connect_timeout(timeout.min(Duration::from_secs(10)))
                .no_proxy()
                .dns_resolver(Arc::new(guard::GuardedResolver { allow_private }))
        });
        Self {
            client,
            allow_private,
            calls: Arc::default(),
            told_at: Arc::default(),
        }
    }

    /// A handle that counts its own calls from zero and keeps its own time, over the same connections.
    pub fn counting(&self) -> Self {
        Self {
            calls: Arc::default(),
            told_at: Arc::default(),
            ..self.clone()
        }
    }

    /// Requests made through this handle.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// What the clock at the other end showed when it last answered through this handle, to the second; `None`
    /// when no answer told.
    pub fn told_at(&self) -> Option<Timestamp> {
        let told = self.told_at.load(Ordering::Relaxed);
        (told != 0).then(|| Timestamp::from_micros(told))
    }

    /// Makes one request when `pace` permits, and reads the whole answer.
    ///
    /// # Errors
    /// [`MarketplaceError::Unavailable`] when no complete answer came,
    /// [`MarketplaceError::AddressRefused`] when the address leads inwards.
    pub async fn send(
        &self,
        marketplace: &'static str,
        pace: &dyn Pace,
        request: Request,
    ) -> Result<Response, MarketplaceError> {
        self.exchange(marketplace, pace, request, LARGEST_ANSWER)
            .await
    }

    /// The same for answers of which only the beginning matters: what comes after `largest` bytes is not read.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn send_for_brief(
        &self,
        marketplace: &'static str,
        pace: &dyn Pace,
        request: Request,
        largest: usize,
    ) -> Result<Response, MarketplaceError> {
        self.exchange(marketplace, pace, request, largest).await
    }

    async fn exchange(
        &self,
        marketplace: &'static str,
        pace: &dyn Pace,
        request: Request,
        largest: usize,
    ) -> Result<Response, MarketplaceError> {
        check_address(&request.url, self.allow_private)?;
        pace.permit().await;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let unavailable = |reason: String| MarketplaceError::Unavailable {
            marketplace,
            reason,
        };
        let mut builder = self.client.request(request.method, request.url);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        // `without_url`: addresses can carry secrets in their query.
        let mut response = builder
            .send()
            .await
            .map_err(|error| unavailable(describe(&error.without_url())))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        if let Some(at) = date(&headers) {
            self.told_at.store(at.micros(), Ordering::Relaxed);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| unavailable(describe(&error.without_url())))?
        {
            let room = largest - body.len();
            if chunk.len() > room {
                if largest == LARGEST_ANSWER {
                    return Err(unavailable("the answer is larger than 16 MiB".to_owned()));
                }
                body.extend_from_slice(&chunk[..room]);
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status,
            headers,
            body: body.freeze(),
        })
    }
}

/// A client as `make` wants it. On a machine without CA certificates it trusts nobody: plain http works, and
/// https fails with the reason, instead of nothing working at all.
///
/// # Panics
/// When the TLS library cannot start, which is a fault of the build.
pub fn client(make: impl Fn() -> ClientBuilder) -> Client {
    make().build().unwrap_or_else(|error| {
        tracing::warn!(%error, "no https address can be trusted; install the package ca-certificates");
        let trusting_nobody = make().tls_certs_only([]).build();
        trusting_nobody.expect("the TLS library starts")
    })
}

/// When the answer was made, by the clock of who made it.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get("date")?.to_str().ok()?;
    let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp::from(at.to_utc()))
}

/// The whole chain of causes in one line; reqwest's own text stops at the first.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
