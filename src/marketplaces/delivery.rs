//! One webhook request, before and after it is believed.
//!
//! The types make the wrong order impossible: [`RawDelivery::believed`] makes a [`VerifiedDelivery`], needs a
//! [`KeyMatch`], and only [`WebhookKeys::matching`] makes one of those. There are two exceptions: a delivery
//! that was verified before it was stored and is taken up again, and one that we asked the marketplace for.

use crate::domain::Timestamp;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use thiserror::Error;

/// A request exactly as received: nothing is parsed, decoded or trimmed.
#[derive(Clone)]
pub struct RawDelivery {
    /// Names in lower case, values as text; values that are not text are kept lossily.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// When the request came; schemes that sign a timestamp compare with it.
    pub received_at: Timestamp,
}

impl RawDelivery {
    pub fn new(headers: Vec<(String, String)>, body: impl Into<Bytes>) -> Self {
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        Self {
            headers,
            body: body.into(),
            received_at: Timestamp::EPOCH,
        }
    }

    pub fn at(mut self, received_at: Timestamp) -> Self {
        self.received_at = received_at;
        self
    }

    /// The value of a header; `None` when it is missing **or sent more than once**.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Turns the request into one that is believed.
    pub fn believed(self, matched: KeyMatch) -> VerifiedDelivery {
        VerifiedDelivery {
            raw: self,
            key_index: matched.0,
        }
    }

    /// A delivery that came unsigned in the answer to a call of ours: it is believed as any other answer is.
    pub fn fetched_by_us(self) -> VerifiedDelivery {
        VerifiedDelivery {
            raw: self,
            key_index: 0,
        }
    }

    /// A delivery that was verified when it was stored, for replays: secrets change, what was believed
    /// stays believed.
    pub fn believed_before(self) -> VerifiedDelivery {
        VerifiedDelivery {
            raw: self,
            key_index: 0,
        }
    }
}

/// Headers can carry signatures and bodies carry buyers: neither is printed.
impl fmt::Debug for RawDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawDelivery")
            .field("n_headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// A delivery whose signature was right.
#[derive(Debug, Clone)]
pub struct VerifiedDelivery {
    raw: RawDelivery,
    key_index: usize,
}

impl VerifiedDelivery {
    pub fn raw(&self) -> &RawDelivery {
        &self.raw
    }

    pub fn body(&self) -> &[u8] {
        &self.raw.body
    }

    /// 0 when the current secret matched, more when it was one that is being rotated out.
    pub fn key_index(&self) -> usize {
        self.key_index
    }
}

/// The keys that may have signed a delivery, current first.
#[derive(Clone, Default)]
pub struct WebhookKeys {
    pub keys: Vec<WebhookKey>,
    /// The URL that the marketplace was told to send to, for schemes that sign it; empty where none does.
    /// Not the URL that was called: proxies change that one.
    pub address: String,
}

/// One key; `app_key` is empty where the marketplace signs the body alone.
#[derive(Clone)]
pub struct WebhookKey {
    pub app_key: String,
    pub secret: String,
}

impl fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookKeys({} hidden)", self.keys.len())
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(hidden)")
    }
}

/// Proof that a key signed a message.
#[derive(Debug)]
pub struct KeyMatch(usize);

impl WebhookKeys {
    pub fn one(app_key: &str, secret: &str) -> Self {
        Self {
            keys: vec![WebhookKey {
                app_key: app_key.to_owned(),
                secret: secret.to_owned(),
            }],
            address: String::new(),
        }
    }

    pub fn at(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// The first key whose HMAC-SHA256 over `message(key)`'s parts equals `signature`, in constant time.
    ///
    /// `secret(key)` gives the bytes that the marketplace uses as the HMAC key.
    ///
    /// # Errors
    /// [`Rejected::NoKey`] without keys, [`Rejected::BadSignature`] when none matches.
    pub fn matching<'k>(
        &'k self,
        signature: &[u8],
        secret: impl Fn(&'k WebhookKey) -> Vec<u8>,
        message: impl Fn(&'k WebhookKey) -> Vec<&'k [u8]>,
    ) -> Result<KeyMatch, Rejected> {
        self.matching_by(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&secret(key))
                .expect("HMAC takes keys of any length");
            for part in message(key) {
                mac.update(part);
            }
            mac.verify_slice(signature).is_ok()
        })
    }

    /// The first key that `has_signed`, whatever the scheme: asymmetric ones keep their public key in
    /// [`WebhookKey::secret`].
    ///
    /// # Errors
    /// [`Rejected::NoKey`] without keys, [`Rejected::BadSignature`] when none has.
    pub fn matching_by<'k>(
        &'k self,
        has_signed: impl Fn(&'k WebhookKey) -> bool,
    ) -> Result<KeyMatch, Rejected> {
        if self.keys.is_empty() {
            return Err(Rejected::NoKey);
        }
        let mut matched = None;
        // Every key is tried even after a match, so that the time tells nothing.
        for (index, key) in self.keys.iter().enumerate() {
            if has_signed(key) && matched.is_none() {
                matched = Some(KeyMatch(index));
            }
        }
        matched.ok_or(Rejected::BadSignature)
    }
}

/// Why a delivery is refused with 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Rejected {
    #[error("the signature header is missing or was sent more than once")]
    NoSignature,
    #[error("the signature header is not written as this marketplace writes it")]
    UnreadableSignature,
    #[error(
        "no key matches the signature: the body was changed on the way, or the secret is another"
    )]
    BadSignature,
    #[error("no secret is known for this address")]
    NoKey,
    #[error(
        "the signed timestamp is too far from our clock: the request was replayed, or one of the clocks is wrong"
    )]
    OutOfTime,
}

impl Rejected {
    /// The name in tables and metrics; never renamed.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSignature => "no_signature",
            Self::UnreadableSignature => "unreadable_signature",
            Self::BadSignature => "bad_signature",
            Self::NoKey => "no_key",
            Self::OutOfTime => "out_of_time",
        }
    }
}

/// Why a believed delivery could not be turned into events. It is stored and answered with 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    #[error("unknown topic `{0}`")]
    UnknownTopic(String),
    #[error("the body is not what the topic promises: {0}")]
    Shape(String),
}

/// What makes a repeated delivery the same delivery, within one channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryKey(pub String);

/// An HTTP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    pub status: u16,
    pub content_type: &'static str,
    pub body: &'static str,
}

impl Acknowledgement {
    /// `200` with no body.
    pub const fn empty_ok() -> Self {
        Self {
            status: 200,
            content_type: "text/plain",
            body: "",
        }
    }
}
