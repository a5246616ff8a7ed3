//! Signed webhooks to a program of the merchant's own: one POST per happening, as Standard Webhooks says.
//!
//! - The body is `{"type", "timestamp", "data"}`; `data.sequence` grows, and of two messages about one subject the one
//!   with the greater sequence is the later.
//! - The id of a message stays the same over all tries and replays.
//! - Any 2xx within the time is a success. A redirect is none: the address that a person gave is the one that is told.
//!
//! Source: Standard Webhooks 1.0.0, read 2026-11-23. The contract for receivers is `src/web/guide/events.md`.

use super::{SinkError, Sinks};
use crate::domain::Timestamp;
use crate::marketplaces::{
    MarketplaceError,
    access::Unpaced,
    http::{Request, Response, signature},
};
use crate::outbox::{Due, Endpoint, Told};
use serde_json::{Value, json};
use url::Url;

/// What the other side is called in errors.
const NAME: &str = "the endpoint";
/// Bytes of an answer that are read.
const LONGEST_ANSWER: usize = 16 << 10;
/// Bytes of a message. An order with a thousand lines has about 300,000.
const LARGEST_BODY: usize = 2 << 20;
/// The kind of a message about nothing, with which a person tries an endpoint.
const TEST: &str = "endpoint.test";

impl Sinks {
    pub(super) async fn send_webhook(
        &self,
        endpoint: &Endpoint,
        due: &Due,
    ) -> Result<Told, SinkError> {
        let happening = &due.happening;
        let mut data: Value = serde_json::from_str(&happening.payload).unwrap_or_default();
        if data.is_object() {
            data["sequence"] = json!(happening.id);
            data["subject"] = json!(happening.subject);
        }
        let at = Timestamp::from_micros(happening.created_at);
        let message = Message {
            id: format!("msg_{}", happening.id),
            body: body(&happening.kind, at, &data),
        };
        self.post(endpoint, &message).await
    }

    /// Sends a message about nothing, whatever the endpoint's state. Nothing is written down.
    ///
    /// # Errors
    /// When its secret cannot be read.
    pub async fn test(&self, endpoint: &Endpoint) -> Result<Told, SinkError> {
        let now = self.now();
        let data = json!({"endpoint": endpoint.id, "sequence": 0, "subject": "test"});
        let message = Message {
            id: format!("msg_test_{}", now.micros()),
            body: body(TEST, now, &data),
        };
        self.post(endpoint, &message).await
    }

    async fn post(&self, endpoint: &Endpoint, message: &Message) -> Result<Told, SinkError> {
        if message.body.len() > LARGEST_BODY {
            let answer = format!("the message has {} bytes", message.body.len());
            let status = None;
            return Ok(Told::Refused { status, answer });
        }
        let secrets = match self.secrets(endpoint).await {
            Err(super::EndpointSecretError::Db(error)) => return Err(error.into()),
            Err(error) => return Ok(failed(error.to_string())),
            Ok(secrets) if secrets.is_empty() => {
                return Ok(failed("it has no secret; rotate it".to_owned()));
            }
            Ok(secrets) => secrets,
        };
        let Ok(url) = Url::parse(&endpoint.url) else {
            return Ok(failed("its address cannot be read".to_owned()));
        };
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let mut request = Request::post_json(url, message.body.clone());
        let body = message.body.as_bytes();
        for (name, value) in signature::headers(&secrets, &message.id, self.now(), body) {
            request = request.header(name, value);
        }
        let sent = self
            .shared
            .http
            .send_for_brief(NAME, &Unpaced, request, LONGEST_ANSWER);
        Ok(judged(sent.await, self.now()))
    }
}

/// A message to an endpoint.
struct Message {
    id: String,
    body: String,
}

fn body(kind: &str, at: Timestamp, data: &Value) -> String {
    json!({"type": kind, "timestamp": at.to_string(), "data": data}).to_string()
}

fn failed(answer: String) -> Told {
    Told::Failed {
        status: None,
        answer,
        wait: None,
    }
}

/// Pure: what an answer means.
fn judged(answer: Result<Response, MarketplaceError>, now: Timestamp) -> Told {
    let response = match answer {
        Ok(response) => response,
        Err(error) => return failed(error.to_string()),
    };
    let status = Some(response.status);
    let said = said(&response.body);
    match response.status {
        200..300 => Told::Delivered {
            status,
            answer: said,
        },
        300..400 => Told::Failed {
            status,
            answer: format!(
                "{} redirects, which is not followed; give the address it leads to",
                response.status
            ),
            wait: None,
        },
        _ => Told::Failed {
            status,
            answer: said,
            wait: response.retry_after(now),
        },
    }
}

/// The beginning of an answer as one line of text.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(1_000)]);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::time::Duration;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Told {
        let mut response = Response {
            status,
            headers: reqwest::header::HeaderMap::new(),
            body: Bytes::from_static(b"so\n it is"),
        };
        for (name, value) in headers {
            response.headers.insert(*name, value.parse().unwrap());
        }
        judged(Ok(response), Timestamp::EPOCH)
    }

    #[test]
    fn only_a_2xx_is_a_success() {
        for status in [200, 202, 204] {
            assert!(matches!(answer(status, &[]), Told::Delivered { .. }));
        }
        for status in [301, 307, 400, 401, 404, 410, 500, 503] {
            assert!(matches!(answer(status, &[]), Told::Failed { .. }));
        }
    }

    #[test]
    fn an_endpoint_may_name_the_time_of_the_next_try() {
        let Told::Failed { wait, answer, .. } = answer(429, &[("retry-after", "90")]) else {
            panic!("it failed");
        };

        assert_eq!(wait, Some(Duration::from_secs(90)));
        assert_eq!(answer, "so it is");
    }
}
