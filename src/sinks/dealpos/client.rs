//! Calls of DealPOS's REST v3: a token by client credentials, then one request at a time.
//!
//! Rate limits are not documented: an endpoint's deliveries are sent one after the other, and 429 is obeyed.

use super::{Settings, mapping};
use crate::domain::Timestamp;
use crate::marketplaces::{
    access::Unpaced,
    http::{Http, Request, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use url::Url;

/// What the other side is called in errors.
const NAME: &str = "DealPOS";
/// The root of the API below the account's address. Source: DealPOS API 3.1.0, servers.
const ROOT: &str = "/api/v3/";
/// A token is renewed so long before it ends.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a token is taken to last where the answer does not say; inference.
const TOKEN_LIFE: Duration = Duration::from_secs(600);

/// How the account is signed in to. Sealed at rest.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    pub client_id: String,
    pub client_secret: String,
}

/// The secret is not printed.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A token and when it ends.
pub type Token = Arc<Mutex<Option<(String, Timestamp)>>>;

/// How a call can fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No answer, 5xx, 429: it may have been done or not. Look before it is done again.
    Later {
        status: Option<u16>,
        reason: String,
        wait: Option<Duration>,
    },
    /// The credentials are refused: a person has to mend that.
    Credentials(String),
    /// The request itself is refused.
    Refused { status: u16, message: String },
}

/// One account at DealPOS.
pub struct Till<'a> {
    pub http: &'a Http,
    pub base: &'a str,
    pub settings: &'a Settings,
    pub credentials: &'a Credentials,
    pub token: Token,
    pub now: Timestamp,
}

impl Till<'_> {
    /// # Errors
    /// When no token is given.
    pub async fn sign_in(&self) -> Result<String, Trouble> {
        let held = self.held();
        if let Some((token, _)) = held.filter(|(_, ends_at)| *ends_at > self.now + MARGIN) {
            return Ok(token);
        }
        let pairs = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.credentials.client_id.clone()),
            ("client_secret", self.credentials.client_secret.clone()),
        ];
        let url = self.url(&self.settings.token_path, &[])?;
        let response = self.exchange(Request::form(url, &pairs)).await?;
        let answer = body(&response);
        let token = answer.get("access_token").and_then(Value::as_str);
        match (response.status, token) {
            (200..300, Some(token)) => {
                let life = answer.get("expires_in").and_then(Value::as_u64);
                let life = life.map_or(TOKEN_LIFE, Duration::from_secs);
                self.hold(Some((token.to_owned(), self.now + life)));
                Ok(token.to_owned())
            }
            (500.. | 408 | 429, _) => Err(later(&response, self.now)),
            (status, _) => Err(Trouble::Credentials(format!(
                "DealPOS gives no token ({status} {}); check the client id and the client secret",
                mapping::message(&answer)
            ))),
        }
    }

    /// `None` when there is no such thing.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn look(&self, path: &str, pairs: &[(&str, &str)]) -> Result<Option<Value>, Trouble> {
        let url = self.url(path, pairs)?;
        match self.signed(|| Request::get(url.clone())).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Trouble::Refused { status: 404, .. }) => Ok(None),
            // How "not there" is answered is not documented; inference.
            Err(Trouble::Refused {
                status: 400,
                message,
            }) if says_unknown(&message) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// # Errors
    /// When it is not known to be done.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        let url = self.url(path, &[])?;
        self.signed(|| Request::post_json(url.clone(), body.to_string()))
            .await
    }

    /// # Errors
    /// When it is not known to be done.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        let url = self.url(path, &[])?;
        self.signed(|| Request::put_json(url.clone(), body.to_string()))
            .await
    }

    /// With a token; a token that has ended early is renewed once.
    async fn signed(&self, request: impl Fn() -> Request) -> Result<Value, Trouble> {
        for is_last in [false, true] {
            let token = self.sign_in().await?;
            let request = request().header("authorization", format!("Bearer {token}"));
            let response = self.exchange(request).await?;
            match response.status {
                200..300 => return Ok(body(&response)),
                401 if !is_last => self.hold(None),
                401 | 403 => {
                    let said = mapping::message(&body(&response));
                    return Err(Trouble::Credentials(format!(
                        "DealPOS refuses the call ({} {said}); check the roles of the client",
                        response.status
                    )));
                }
                408 | 429 | 500.. => return Err(later(&response, self.now)),
                status => {
                    let message = mapping::message(&body(&response));
                    return Err(Trouble::Refused { status, message });
                }
            }
        }
        unreachable!("the second round returns")
    }

    async fn exchange(&self, request: Request) -> Result<Response, Trouble> {
        let sent = self.http.send(NAME, &Unpaced, request).await;
        sent.map_err(|error| Trouble::Later {
            status: None,
            reason: error.to_string(),
            wait: None,
        })
    }

    fn url(&self, path: &str, pairs: &[(&str, &str)]) -> Result<Url, Trouble> {
        let base = self.base.trim_end_matches('/');
        let unreadable =
            |_| Trouble::Credentials("the address of DealPOS cannot be read".to_owned());
        let mut url = Url::parse(&format!("{base}{ROOT}{path}")).map_err(unreadable)?;
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Ok(url)
    }

    fn held(&self) -> Option<(String, Timestamp)> {
        self.token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hold(&self, token: Option<(String, Timestamp)>) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_default()
}

fn later(response: &Response, now: Timestamp) -> Trouble {
    Trouble::Later {
        status: Some(response.status),
        reason: format!("DealPOS could not answer ({})", response.status),
        wait: response.retry_after(now),
    }
}

fn says_unknown(message: &str) -> bool {
    let message = message.to_lowercase();
    ["not found", "not exist", "no invoice"]
        .iter()
        .any(|words| message.contains(words))
}
