//! One call: what it asks, and its signature.
//!
//! Source: <https://open.shopee.com/developer-guide/16>, read 2026-11-23.

use super::super::{SLUG, read_answer};
use crate::domain::{Retry, Timestamp};
use crate::marketplaces::{Access, MarketplaceError, Result, http::Request};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::Value;
use sha2::Sha256;

/// The signature of a request: what is signed are its parts, one after the other without anything between.
pub fn sign(partner_key: &str, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(partner_key.as_bytes())
        .expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part.as_bytes());
    }
    hex::encode(mac.finalize().into_bytes())
}

/// A call before it is signed.
pub struct Call {
    path: &'static str,
    of_shop: bool,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Call {
    /// A call of the app: it names no shop and needs no token.
    pub fn of_app(path: &'static str) -> Self {
        Self {
            path,
            of_shop: false,
            query: Vec::new(),
            body: None,
        }
    }

    pub fn of_shop(path: &'static str) -> Self {
        Self {
            of_shop: true,
            ..Self::of_app(path)
        }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub fn sending(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// The body, and the query besides the common part, are not signed.
    fn signed(self, access: &Access, now: Timestamp) -> Result<Request> {
        let secret = |name| access.secrets.need(SLUG, name);
        let partner = secret("partner_id")?;
        let timestamp = now.secs().to_string();
        let mut parts = vec![partner, self.path, &timestamp];
        let mut query = vec![("partner_id", partner), ("timestamp", &timestamp)];
        if self.of_shop {
            let (token, shop) = (secret("access_token")?, secret("shop_id")?);
            parts.extend([token, shop]);
            query.extend([("access_token", token), ("shop_id", shop)]);
        }
        let sign = sign(secret("partner_key")?, &parts);
        let mut url = access.api.clone();
        url.set_path(self.path);
        url.query_pairs_mut()
            .clear()
            .extend_pairs(query)
            .append_pair("sign", &sign)
            .extend_pairs(&self.query);
        Ok(match self.body {
            Some(body) => Request::json(Method::POST, url, body.to_string()),
            None => Request::get(url),
        })
    }

    /// The whole answer to the call as it is made at `now`.
    pub async fn ask_at(self, access: &Access, now: Timestamp) -> Result<Value> {
        let request = self.signed(access, now)?;
        let response = access
            .http
            .send(SLUG, access.pace.as_ref(), request)
            .await?;
        let answer = read_answer(&response, now);
        if let Err(error @ MarketplaceError::RateLimited { .. }) = &answer
            && let Retry::After(wait) = error.retry()
        {
            access.pace.slow_down(wait);
        }
        answer
    }
}
