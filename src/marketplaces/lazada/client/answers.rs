//! What all answers of Lazada have in common: the envelope, and what each code asks for.

use super::super::{SLUG, is_digits, mapping};
use crate::domain::{RemoteId, Timestamp};
use crate::marketplaces::{
    MarketplaceError,
    http::{
        Response,
        lenient::{stated_wait, text},
    },
};
use serde_json::Value;
use std::time::Duration;

/// Answers are read whole; what is wrong with one is its code, and the rows that it names.
#[derive(Debug)]
pub struct Failure {
    pub error: MarketplaceError,
    pub code: String,
    /// One for each refused SKU of a push.
    pub detail: Vec<Value>,
}

impl Failure {
    /// Whether it is about rows of a push, so that others may fare better: what is wrong with the request as a
    /// whole has a word for a code.
    pub fn is_of_rows(&self) -> bool {
        let is_refused = matches!(
            self.error,
            MarketplaceError::Refused { .. } | MarketplaceError::NotFound { .. }
        );
        // These three ask for smaller requests, or for another time.
        let is_of_some = matches!(self.code.as_str(), "4147" | "4170" | "513");
        (is_refused && is_digits(&self.code)) || is_of_some || !self.detail.is_empty()
    }

    /// What it says of one SKU.
    pub fn of(&self, variant: &RemoteId, seller_sku: Option<&str>) -> Option<MarketplaceError> {
        let (code, message) = mapping::refusal(&self.detail, variant, seller_sku)?;
        Some(error_of(code.as_ref().unwrap_or(&self.code), &message))
    }
}

impl From<MarketplaceError> for Failure {
    fn from(error: MarketplaceError) -> Self {
        Self {
            error,
            code: String::new(),
            detail: Vec::new(),
        }
    }
}

impl From<Failure> for MarketplaceError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The whole answer, or the error that its code means: the HTTP status is 200 for both.
pub fn read_answer(response: &Response, now: Timestamp) -> std::result::Result<Value, Failure> {
    let status = response.status;
    let answer = serde_json::from_slice::<Value>(&response.body).ok();
    let code = answer
        .as_ref()
        .and_then(|answer| code_of(answer.get("code")?));
    let (Some(answer), Some(code)) = (answer, code) else {
        return Err(Failure::from(match status {
            429 => rate_limited(response.retry_after(now)),
            500.. => unavailable(format!("HTTP {status}")),
            _ => unreadable(format!("HTTP {status} without the usual envelope")),
        }));
    };
    if code == "0" {
        return Ok(answer);
    }
    let message = text(&answer, "message").unwrap_or_default();
    let is_theirs = text(&answer, "type") == Some("SYSTEM");
    let error = match error_of(&code, message) {
        MarketplaceError::RateLimited { retry_after, .. } => {
            rate_limited(response.retry_after(now).or(retry_after))
        }
        MarketplaceError::Refused { .. } if is_theirs => unavailable(format!("code {code}")),
        error => error,
    };
    let detail = answer.get("detail").and_then(Value::as_array).cloned();
    Err(Failure {
        error,
        code,
        detail: detail.unwrap_or_default(),
    })
}

/// A code as text or number; `E501` is `501`.
pub fn code_of(value: &Value) -> Option<String> {
    let code = match value {
        Value::String(code) => code.trim().to_owned(),
        Value::Number(code) => code.to_string(),
        _ => return None,
    };
    let digits = code.strip_prefix('E').filter(|rest| is_digits(rest));
    Some(digits.map_or_else(|| code.clone(), str::to_owned))
}

/// Longest part of a remote message that goes into an error.
const LONGEST_MESSAGE: usize = 160;

/// What each code asks for. Source: docId=108138 and the pages of the calls.
pub fn error_of(code: &str, message: &str) -> MarketplaceError {
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    match code {
        "IllegalAccessToken" => MarketplaceError::TokenExpired { marketplace: SLUG },
        // The last three are troubles of the store, not of the token: it is paused until a person helps.
        // `InsufficientPermission` is none: one API is not granted, and the shop's others go on.
        "IllegalRefreshToken"
        | "InvalidCode"
        | "SellerNotVerified"
        | "SellerNotActive"
        | "SELLER_NOT_PERMITTED" => MarketplaceError::Unauthorized {
            marketplace: SLUG,
            reason: format!("{code} {message}"),
        },
        "ApiCallLimit"
        | "AppApiCallLimit"
        | "SellerCallLimit"
        | "HOT_KEY_BLOCK_EXCEPTION"
        | "1002" => rate_limited(stated_wait(&message)),
        "901" => rate_limited(stated_wait(&message).or(Some(Duration::from_secs(1)))),
        // Our offsets are numbers: one that is refused lies beyond the last that is allowed.
        "14" => MarketplaceError::TooManyResults { marketplace: SLUG },
        "16" => not_found("the order"),
        "200" | "207" | "208" | "EDIT_ITEM_NOT_BELONG_SELLER" => not_found("the product"),
        "6" | "506" | "513" | "1000" => unavailable(format!("code {code}")),
        "4147" => unavailable("4147: it is being edited elsewhere".to_owned()),
        "4170" => unavailable("4170: a campaign holds its stock".to_owned()),
        _ => MarketplaceError::Refused {
            marketplace: SLUG,
            code: code.to_owned(),
            message,
        },
    }
}

pub fn rate_limited(retry_after: Option<Duration>) -> MarketplaceError {
    MarketplaceError::RateLimited {
        marketplace: SLUG,
        retry_after,
    }
}

pub fn unavailable(reason: String) -> MarketplaceError {
    MarketplaceError::Unavailable {
        marketplace: SLUG,
        reason,
    }
}

pub fn unreadable(reason: String) -> MarketplaceError {
    MarketplaceError::Unreadable {
        marketplace: SLUG,
        reason,
    }
}

pub fn not_found(what: &str) -> MarketplaceError {
    MarketplaceError::NotFound {
        marketplace: SLUG,
        what: what.to_owned(),
    }
}

pub fn refused(code: &str, message: &str) -> MarketplaceError {
    MarketplaceError::Refused {
        marketplace: SLUG,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}
