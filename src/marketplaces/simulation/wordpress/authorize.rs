//! WooCommerce's own authorize endpoint: the merchant agrees in the store's admin, the store posts new keys to
//! the application, and only if that is answered with 200 does the browser go back.
//!
//! The merchant agrees at once here, unless [`DECLINES`] is in the shop's memory. A store has one pair of
//! keys here: new ones replace what was there, and come back when they cannot be handed over.
//!
//! Source: WooCommerce 10.5.2 `includes/class-wc-auth.php`, read 2026-11-24.

use super::REVOKED;
use crate::domain::Timestamp;
use crate::marketplaces::simulation::{Shop, SimDelivery, SimRequest, SimResponse, consenting};
use serde_json::json;
use sha2::{Digest, Sha256};

/// In a shop's memory: its merchant says no.
pub const DECLINES: &str = "declines";
const PATH: &str = "/wc-auth/v1/authorize";
/// Where the keys go to, and what waits to be sent there.
const CALLBACK: &str = "authorize_callback";
const HANDED: &str = "authorize_keys";
const KEYS: [(&str, &str); 2] = [("consumer_key", "ck"), ("consumer_secret", "cs")];

pub fn is_page(request: &SimRequest) -> bool {
    request.method == "GET" && request.path.ends_with(PATH)
}

/// The page: new keys wait to be handed over, and the browser is sent back.
pub fn page(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> SimResponse {
    let given = |name: &str| request.param(name).filter(|value| !value.is_empty());
    let named = ["app_name", "user_id", "return_url", "callback_url", "scope"].map(given);
    let [Some(_), Some(user), Some(back), Some(callback), Some(scope)] = named else {
        return denied("Missing parameter");
    };
    if !["read", "write", "read_write"].contains(&scope) {
        return denied("Invalid scope");
    }
    let is_declined = shop.memory.contains_key(DECLINES);
    if !is_declined {
        new_keys(shop, now);
        let keys = json!({
            "key_id": 7, "user_id": user, "key_permissions": scope,
            "consumer_key": shop.secrets.get("consumer_key"),
            "consumer_secret": shop.secrets.get("consumer_secret"),
        });
        let memory = &mut shop.memory;
        memory.insert(HANDED.to_owned(), keys.to_string());
        memory.insert(CALLBACK.to_owned(), callback.to_owned());
    }
    let success = if is_declined { "0" } else { "1" };
    let pairs = [("success", success), ("user_id", user)];
    consenting::send_back(back, &pairs)
        .unwrap_or_else(|| denied("The return_url is not a valid URL"))
}

/// The keys, on their way; taken once.
pub fn hand_over(shop: &mut Shop) -> Option<SimDelivery> {
    let (address, body) = shop
        .memory
        .remove(CALLBACK)
        .zip(shop.memory.remove(HANDED))?;
    Some(SimDelivery {
        subscription: 0,
        address,
        topic: "keys".to_owned(),
        headers: vec![(
            "content-type".to_owned(),
            "application/json;charset=UTF-8".to_owned(),
        )],
        body: body.into(),
    })
}

/// Keys that nobody took are deleted, and the merchant is told so.
pub fn handed_over(shop: &mut Shop, success: bool) -> Option<SimResponse> {
    for (name, _) in KEYS {
        let before = shop.memory.remove(&before(name));
        if let Some(before) = before.filter(|_| !success) {
            shop.secrets.set(name, before);
        }
    }
    (!success).then(|| {
        denied("An error occurred in the request and at the time were unable to send the consumer data")
    })
}

fn before(name: &str) -> String {
    format!("{name}_before")
}

fn new_keys(shop: &mut Shop, now: Timestamp) {
    shop.memory.remove(REVOKED);
    for (name, prefix) in KEYS {
        let old = shop.secrets.get(name).unwrap_or_default().to_owned();
        let digits = hex::encode(Sha256::digest(format!("{old} {}", now.micros())));
        shop.memory.insert(before(name), old);
        shop.secrets
            .set(name, format!("{prefix}_{}", &digits[..40]));
    }
}

/// WordPress dies with a page for people.
fn denied(reason: &str) -> SimResponse {
    SimResponse {
        status: 401,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: format!("<html><body>Error: {reason}.</body></html>").into(),
    }
}
