//! A simulated shop: the marketplace's side of the wire, without sockets, threads or clocks.
//!
//! [`Shop`] is what every marketplace has: products with stock, orders with a life, webhook
//! subscriptions, tokens. A [`Simulator`] puts one marketplace's protocol in front of it: it answers API
//! requests and words webhooks. `sandbox` hosts them over HTTP and adds weather.

#[cfg(test)]
pub mod bridge;
pub mod consenting;
pub mod graphql;
#[cfg(test)]
pub mod loopback;
mod paging;
mod returns;
mod shop;
pub mod wordpress;

pub use paging::{KeysetPage, keyset_page};
pub use returns::{MovesOrder, SimReturn, SimReturnLine, SimReturnState, Wish};
pub use shop::{
    NewLine, Shop, ShopChange, SimLine, SimOrder, SimProduct, SimStatus, SimVariant, Subscription,
};

use super::Secrets;
use crate::domain::Timestamp;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{collections::BTreeMap, time::Duration};

/// HMAC-SHA256 over the parts, one after the other.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub fn hmac_sha256(key: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// A request as the marketplace's server would see it.
#[derive(Debug, Clone)]
pub struct SimRequest {
    pub method: String,
    /// Scheme, host and port under which it was reached, such as `http://127.0.0.1:4001`.
    pub origin: String,
    /// Path as sent, still percent-encoded, without the query.
    pub path: String,
    /// Query pairs, decoded, in the order sent.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl SimRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The pairs of the query and, of a POST, those of the form.
    pub fn pairs(&self) -> BTreeMap<String, String> {
        let mut pairs: BTreeMap<_, _> = self.query.iter().cloned().collect();
        if self.method == "POST" {
            pairs.extend(url::form_urlencoded::parse(&self.body).into_owned());
        }
        pairs
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// An answer of the simulated API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl SimResponse {
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into(),
        }
    }

    /// Sends the browser elsewhere.
    pub fn redirect(to: impl Into<String>) -> Self {
        Self {
            status: 302,
            headers: vec![("location".to_owned(), to.into())],
            body: Bytes::new(),
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A webhook on its way, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimDelivery {
    /// The subscription it belongs to; 0 for an app-wide address.
    pub subscription: u64,
    pub address: String,
    pub topic: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// How a webhook is signed.
#[derive(Clone, Copy, Default)]
pub struct Signing<'a> {
    /// Empty where the marketplace signs no app key.
    pub app_key: &'a str,
    pub secret: &'a str,
    /// The URL that the marketplace was told to send to.
    pub address: &'a str,
    /// The delivery's own id, for schemes that sign one.
    pub id: &'a str,
    /// When it is sent, for schemes that sign the time.
    pub at: Timestamp,
}

/// The secret is not printed.
impl std::fmt::Debug for Signing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signing({} at {})", self.id, self.at)
    }
}

/// One marketplace's protocol, from the other side. Stateless: the shop holds what is remembered.
pub trait Simulator: Send + Sync {
    /// Gives a new shop its identity, keys and tokens: fixed invented values made from `seed`.
    fn open_shop(&self, seed: u32, name: &str, now: Timestamp) -> Shop;

    /// The secrets that a merchant of this shop would hand to marketsink; the names are those that
    /// this marketplace's client reads.
    fn credentials(&self, shop: &Shop) -> Secrets;

    /// Answers one API request, checking everything the real one checks.
    fn answer(&self, shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse;

    /// The webhooks that a change raises, signed, one per subscription that wants it.
    fn webhooks(&self, shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<SimDelivery>;

    /// Requests of the marketplace to a newly registered address, such as an unsigned ping.
    fn pings(&self, _shop: &Shop, _subscription: &Subscription) -> Vec<SimDelivery> {
        Vec::new()
    }

    /// The wait before the next try after `failures` failed ones (1 is the first); `None`: it gives up.
    fn retry_after(&self, failures: u32) -> Option<Duration>;

    /// Whether it tries again at all after an answer with this status (`None`: no answer came).
    fn wants_retry(&self, _shop: &mut Shop, _delivery: &SimDelivery, _status: Option<u16>) -> bool {
        true
    }

    /// A try is about to be made: whoever signs the time of the try signs anew.
    fn leaving(&self, _shop: &Shop, _delivery: &mut SimDelivery, _now: Timestamp) {}

    /// How long it waits for an answer to a webhook.
    fn answer_deadline(&self) -> Duration;

    /// Whether an answer counts as success.
    fn is_success(&self, status: u16, _body: &[u8]) -> bool {
        (200..300).contains(&status)
    }

    /// What a person does in the marketplace's console, where its API cannot: webhooks go to `address` from
    /// now on, signed with `secret` where the shop has one of its own.
    fn switch_on(&self, _shop: &mut Shop, _address: &str, _secret: &str) {}

    /// A request that the marketplace makes before it answers the browser, such as handing over keys. Taken
    /// once.
    fn hand_over(&self, _shop: &mut Shop) -> Option<SimDelivery> {
        None
    }

    /// Told whether that request was answered with 200. Where it was not, the browser gets this answer.
    fn handed_over(&self, _shop: &mut Shop, _success: bool) -> Option<SimResponse> {
        None
    }

    /// Told how each try ended, so that subscriptions can be switched off as the real ones are.
    fn delivered(&self, _shop: &mut Shop, _delivery: &SimDelivery, _success: bool) {}

    /// The headers that carry the signature of `body`, as `webhooks` would send them: nothing but what
    /// depends on how and what is signed. The contract tests sign arbitrary bodies with it.
    fn sign(&self, signing: &Signing<'_>, body: &[u8]) -> Vec<(String, String)>;

    /// Its way of saying "too many requests".
    fn rate_limited(&self, retry_after: Option<Duration>) -> SimResponse;
}
