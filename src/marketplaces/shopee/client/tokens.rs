//! The seller's consent, and the tokens it gives.
//!
//! Source: <https://open.shopee.com/developer-guide/20>, read 2026-11-23.

use super::super::{SLUG, number, unauthorized, unreadable};
use super::call::Call;
use crate::domain::Timestamp;
use crate::marketplaces::{
    Access, Consent, ConsentAnswer, ConsentQuestion, MarketplaceError, Result, Tokens,
    http::lenient::text,
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

/// Whatever else is said of a refresh token or a code, only a new consent gives another; but a wrong
/// signature is ours.
fn no_more_tokens(error: MarketplaceError) -> MarketplaceError {
    match error {
        MarketplaceError::Refused { code, message, .. } if !code.ends_with("error_sign") => {
            unauthorized(format!("{code} {message}"))
        }
        MarketplaceError::TokenExpired { .. } | MarketplaceError::NotFound { .. } => {
            unauthorized("the refresh token is no longer accepted".to_owned())
        }
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
        .filter_map(Value::as_u64)
        .collect();
    if shops.is_empty() {
        shops.extend(named);
    }
    let shops: Vec<_> = shops.iter().map(u64::to_string).collect();
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
    let life = answer["expire_in"].as_i64().filter(|life| *life > 0);
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
        let ends = |expire_in: i64| {
            let answer = json!({"access_token": "a", "refresh_token": "r", "expire_in": expire_in});
            tokens(&answer, now)
                .unwrap()
                .expires_at
                .map(Timestamp::secs)
        };

        assert_eq!(ends(14_400), Some(1_795_414_800));
        assert_eq!(ends(1_795_414_800), Some(1_795_414_800));
        assert_eq!(ends(0), None);
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
        // The seller comes back with a shop, and the answer need not repeat it.
        assert_eq!(named(json!([]), Some(7)).as_deref(), Some("shop_id 7"));
        assert_eq!(named(json!([5]), Some(7)).as_deref(), Some("shop_id 5"));
        assert_eq!(named(json!([]), None), None);
    }
}
