//! The seller's consent, and the tokens it gives.
//!
//! Source: <https://open.shopee.com/developer-guide/20>, read 2026-11-23.

use super::super::{SLUG, number, unauthorized, unreadable};
use super::call::Call;
use crate::domain::Timestamp;
use crate::marketplaces::{
    Access, Consent, ConsentAnswer, ConsentQuestion, MarketplaceError, Result, Tokens,
    http::lenient::{text, whole},
};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

const TOKEN_GET: &str = "/api/v2/auth/token/get";
const TOKEN_REFRESH: &str = "/api/v2/auth/access_token/get";
const REFRESH_TOKEN_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// A life in seconds is below this, an instant above: a sample of token/get shows one.
const LONGEST_LIFE: i64 = 100_000_000;

/// The tokens of one shop: a refresh token is good once, and the shop's alone.
pub async fn refresh(access: &Access, now: Timestamp) -> Result<Tokens> {
    let secret = |name| access.secrets.need(SLUG, name);
    let body = json!({"refresh_token": secret("refresh_token")?,
        "partner_id": needed_number(access, "partner_id")?,
        "shop_id": needed_number(access, "shop_id")?});
    let answer = Call::of_app(TOKEN_REFRESH)
        .sending(body)
        .ask_at(access, now)
        .await;
    tokens(&answer.map_err(no_more_tokens)?, now)
}

/// Refusals after which only a new consent gives tokens. Source: the error lists of the two token calls.
const ENDED: [&str; 6] = [
    "refresh_token_expired",
    "error_shop_refresh_token",
    "shop_access_expired",
    "shop_no_linked",
    "shop_banned",
    "invalid_code",
];

/// A shop is locked for what is documented to be the end of its consent, and for nothing else: a refresh that
/// failed for another reason is tried again, with the same token.
fn no_more_tokens(error: MarketplaceError) -> MarketplaceError {
    let unavailable = |reason| MarketplaceError::Unavailable {
        marketplace: SLUG,
        reason,
    };
    match error {
        MarketplaceError::Refused { code, message, .. } => {
            let name = code.rsplit('.').next().unwrap_or(&code);
            let lower = message.to_ascii_lowercase();
            let is_ended = ENDED.contains(&name) || lower.contains("invalid refresh_token");
            let told = format!("{code} {message}");
            if is_ended {
                unauthorized(told)
            } else {
                unavailable(told)
            }
        }
        // `error_auth` with "Invalid refresh_token.": no access token is sent with these calls.
        MarketplaceError::TokenExpired { .. } => {
            unauthorized("the refresh token is no longer accepted".to_owned())
        }
        MarketplaceError::NotFound { what, .. } => unavailable(format!("it does not know {what}")),
        error => error,
    }
}

fn needed_number(access: &Access, name: &str) -> Result<u64> {
    let id = number(access.secrets.need(SLUG, name)?);
    id.ok_or_else(|| unauthorized(format!("`{name}` is not a number")))
}

pub fn consent_page(access: &Access, question: &ConsentQuestion) -> Result<Url> {
    let mut page = access.consent.clone();
    page.query_pairs_mut()
        .append_pair("partner_id", access.secrets.need(SLUG, "partner_id")?)
        .append_pair("auth_type", "seller")
        .append_pair("redirect_uri", question.callback.as_str())
        .append_pair("response_type", "code")
        .append_pair("state", &question.state);
    Ok(page)
}

/// A seller comes back with the shop, a main account with its own number and consents for many shops.
pub async fn consent(access: &Access, answer: &ConsentAnswer, now: Timestamp) -> Result<Consent> {
    let mut told = ["shop_id", "main_account_id"].into_iter();
    let whose = told.find_map(|name| Some((name, number(answer.get(name)?)?)));
    let (Some(code), Some((name, id))) = (answer.get("code"), whose) else {
        return Err(unauthorized(
            "the answer names no code or no shop".to_owned(),
        ));
    };
    let partner = needed_number(access, "partner_id")?;
    let body = json!({"code": code, "partner_id": partner, name: id});
    let answer = Call::of_app(TOKEN_GET)
        .sending(body)
        .ask_at(access, now)
        .await;
    let answer = answer.map_err(no_more_tokens)?;
    let mut tokens = tokens(&answer, now)?;
    let named = (name == "shop_id").then_some(id);
    tokens.secrets.push(opened(&answer, named)?);
    Ok(Consent {
        tokens,
        until: None,
    })
}

/// The secret that names the shops which a consent opens: one, or those of a main account.
fn opened(answer: &Value, named: Option<u64>) -> Result<(String, String)> {
    let told = answer["shop_id_list"].as_array();
    let mut shops: Vec<_> = told
        .into_iter()
        .flatten()
        .filter_map(whole)
        .filter(|shop| *shop > 0)
        .collect();
    if shops.is_empty() {
        shops.extend(named.and_then(|shop| i64::try_from(shop).ok()));
    }
    let shops: Vec<_> = shops.iter().map(i64::to_string).collect();
    let name = match shops.as_slice() {
        [] => return Err(unauthorized("the consent opens no shop".to_owned())),
        [_] => "shop_id",
        _ => "shop_id_list",
    };
    Ok((name.to_owned(), shops.join(",")))
}

/// What the token calls answer, without an envelope.
fn tokens(answer: &Value, now: Timestamp) -> Result<Tokens> {
    let token = |name: &str| {
        let token = text(answer, name).ok_or_else(|| unreadable(format!("there is no `{name}`")));
        token.map(|token| (name.to_owned(), token.to_owned()))
    };
    let life = whole(&answer["expire_in"]).filter(|life| *life > 0);
    Ok(Tokens {
        secrets: vec![token("access_token")?, token("refresh_token")?],
        expires_at: life.map(|life| {
            let is_life = life < LONGEST_LIFE;
            Timestamp::from_secs(if is_life { now.secs() + life } else { life })
        }),
        refresh_expires_at: Some(now + REFRESH_TOKEN_LIFE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_and_an_instant_are_told_apart() {
        let now = Timestamp::from_secs(1_795_400_400);
        let ends = |expire_in: Value| {
            let answer = json!({"access_token": "a", "refresh_token": "r", "expire_in": expire_in});
            tokens(&answer, now)
                .unwrap()
                .expires_at
                .map(Timestamp::secs)
        };

        assert_eq!(ends(json!(14_400)), Some(1_795_414_800));
        assert_eq!(ends(json!("14400")), Some(1_795_414_800));
        assert_eq!(ends(json!(1_795_414_800)), Some(1_795_414_800));
        assert_eq!(ends(json!(0)), None);
    }

    #[test]
    fn a_consent_names_its_shop_or_all_those_of_a_main_account() {
        let named = |list: Value, named| {
            let (name, shops) = opened(&json!({ "shop_id_list": list }), named).ok()?;
            Some(format!("{name} {shops}"))
        };

        assert_eq!(named(json!([5]), None).as_deref(), Some("shop_id 5"));
        assert_eq!(
            named(json!([5, 6]), None).as_deref(),
            Some("shop_id_list 5,6")
        );
        assert_eq!(
            named(json!(["5", "6"]), None).as_deref(),
            Some("shop_id_list 5,6")
        );
        // The seller comes back with a shop, and the answer need not repeat it.
        assert_eq!(named(json!([]), Some(7)).as_deref(), Some("shop_id 7"));
        assert_eq!(named(json!([5]), Some(7)).as_deref(), Some("shop_id 5"));
        assert_eq!(named(json!([]), None), None);
    }

    #[test]
    fn only_what_is_documented_to_end_a_consent_asks_for_a_new_one() {
        let of = |code: &str, message: &str| {
            let now = Timestamp::from_secs(1_795_400_400);
            no_more_tokens(super::super::super::error_of(code, message, now))
        };
        let is_ended = |code, message| {
            let error = of(code, message);
            let passes = matches!(error, MarketplaceError::Unavailable { .. });
            let ends = matches!(error, MarketplaceError::Unauthorized { .. });
            assert!(passes != ends, "{error:?}");
            ends
        };

        for code in ENDED {
            assert!(is_ended(code, ""), "{code}");
        }
        assert!(is_ended("error_auth", "Invalid refresh_token."));
        assert!(is_ended("error_param", "Invalid refresh_token."));
        for (code, message) in [
            ("error_sign", "Wrong sign."),
            ("error_unheard_of", ""),
            ("error_not_found", ""),
            ("error_param", "There is something wrong."),
            ("source_ip_undeclared", ""),
            ("error_auth", "System error, please try again later."),
        ] {
            assert!(!is_ended(code, message), "{code} {message}");
        }
    }
}
