//! Connecting: the merchant's consent, tokens, and the webhooks that a shop sends us.

use super::{HOOK_CREATE, HOOK_DELETE, HOOK_LIST, HOOK_UPDATE, ask, nodes, rows_of, send};
use crate::domain::Timestamp;
use crate::marketplaces::{
    Access, Consent, ConsentAnswer, ConsentQuestion, MarketplaceError, Result, Subscribed,
    SubscriptionState, Tokens,
    http::Request,
    shopify::{
        SLUG, UserError, rate_limited, refused, resting, short, unavailable, unreadable, webhook,
    },
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use url::{Host, Url};

/// What the app may do, for the page on which the merchant consents.
const SCOPES: &str = "read_orders,read_returns,read_products,write_products,read_inventory,write_inventory,\
read_locations";
/// How far the time of a signed callback may be from ours. Source: Shopify's own library.
const CALLBACK_SECS: u64 = 90;

/// A subscription as Shopify has it.
struct Hook {
    id: String,
    /// As in `TOPICS`; others are not ours to touch.
    topic: &'static str,
    address: String,
    /// Without filter, in JSON, with the members that we need.
    is_right: bool,
}

impl Hook {
    fn read(row: &Value) -> Option<Self> {
        let text = |name: &str| row[name].as_str();
        let topic = text("topic")?;
        let mut topics = webhook::TOPICS.into_iter();
        let topic = topics.find(|known| webhook::enum_of(known) == topic)?;
        let fields = rows_of(&row["includeFields"]);
        let needed = webhook::fields_of(topic);
        let has_needed = needed.iter().all(|name| fields.contains(&json!(name)));
        Some(Self {
            id: text("id")?.to_owned(),
            topic,
            address: text("uri").unwrap_or_default().to_owned(),
            is_right: text("format") == Some("JSON")
                && text("filter").unwrap_or_default().is_empty()
                && (fields.is_empty() || (!needed.is_empty() && has_needed)),
        })
    }
}

/// Our app's subscriptions in this shop to the topics that we live on.
async fn hooks(access: &Access) -> Result<Vec<Hook>> {
    let rows = hook_rows(access).await?;
    Ok(rows.iter().filter_map(Hook::read).collect())
}

/// All subscriptions that our app has made in this shop.
async fn hook_rows(access: &Access) -> Result<Vec<Value>> {
    let mut after = Value::Null;
    let mut hooks = Vec::new();
    loop {
        let data = ask(access, HOOK_LIST, json!({ "after": after })).await?;
        let list = &data["webhookSubscriptions"];
        hooks.extend(nodes(list).iter().cloned());
        let cursor = list["pageInfo"]["endCursor"].clone();
        if list["pageInfo"]["hasNextPage"] != true || cursor == after {
            return Ok(hooks);
        }
        after = cursor;
    }
}

/// Subscriptions that send elsewhere are left alone: another installation of the app may live by them.
pub async fn subscribe(access: &Access, address: &str) -> Result<Vec<String>> {
    let hooks = hooks(access).await?;
    let mut changed = Vec::new();
    let mut failed = None;
    for topic in webhook::TOPICS {
        let mut ours = hooks
            .iter()
            .filter(|h| h.topic == topic && h.address == address);
        let known = ours.next();
        if known.is_some_and(|hook| hook.is_right) {
            continue;
        }
        let mut wanted = json!({"uri": address, "format": "JSON",
            "includeFields": webhook::fields_of(topic)});
        let (payload, done) = if let Some(hook) = known {
            // Left out, it would stay.
            wanted["filter"] = "".into();
            let variables = json!({"id": hook.id, "hook": wanted});
            let mut data = ask(access, HOOK_UPDATE, variables).await?;
            let payload = data["webhookSubscriptionUpdate"].take();
            (
                payload,
                format!("{topic} was filtered and is now sent whole"),
            )
        } else {
            let variables = json!({"topic": webhook::enum_of(topic), "hook": wanted});
            let mut data = ask(access, HOOK_CREATE, variables).await?;
            let payload = data["webhookSubscriptionCreate"].take();
            (payload, format!("{topic} is now sent"))
        };
        match UserError::all(&payload).first() {
            None => changed.push(done),
            // The others are worth having all the same.
            Some(error) => drop(failed.get_or_insert_with(|| refused(topic, &error.message))),
        }
    }
    failed.map_or(Ok(changed), Err)
}

pub async fn subscriptions(access: &Access, address: &str) -> Result<Vec<Subscribed>> {
    let hooks = hooks(access).await?;
    let is_sent = |topic: &str| {
        let mut ours = hooks
            .iter()
            .filter(|h| h.topic == topic && h.address == address);
        ours.any(|hook| hook.is_right)
    };
    let state = |topic: &str| Subscribed {
        topic: topic.to_owned(),
        state: if is_sent(topic) {
            SubscriptionState::Active
        } else {
            SubscriptionState::Missing
        },
    };
    Ok(webhook::TOPICS.into_iter().map(state).collect())
}

/// Deletes what our app has made for this address, whatever its topic. What a merchant has made by hand and
/// what the app's own configuration says is not listed, and stays.
pub async fn unsubscribe(access: &Access, address: &str) -> Result<Vec<String>> {
    let rows = hook_rows(access).await?;
    let mut changed = Vec::new();
    for row in rows.iter().filter(|row| row["uri"] == address) {
        let data = ask(access, HOOK_DELETE, json!({ "id": row["id"] })).await?;
        let payload = &data["webhookSubscriptionDelete"];
        let topic = webhook::topic_of(row["topic"].as_str().unwrap_or_default());
        if payload["deletedWebhookSubscriptionId"].is_string() {
            changed.push(format!("{topic} is no longer sent"));
        } else if let Some(error) = UserError::all(payload).first()
            // With a wrong id it is gone already.
            && error.field != ["id"]
        {
            return Err(refused(&topic, &error.message));
        }
    }
    Ok(changed)
}

/// The answer of the token endpoint.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    /// Missing where the token lives for ever.
    expires_in: Option<u64>,
    refresh_token: Option<String>,
    refresh_token_expires_in: Option<u64>,
}

/// A grant, with the app's own credentials: they are shown to Shopify alone.
async fn grant(access: &Access, mut body: Value, now: Timestamp) -> Result<Tokens> {
    shop_host(&access.auth)?;
    for name in ["client_id", "client_secret"] {
        body[name] = access.secrets.need(SLUG, name)?.into();
    }
    let mut url = access.auth.clone();
    url.set_path("/admin/oauth/access_token");
    let request =
        Request::json(Method::POST, url, body.to_string()).header("accept", "application/json");
    let response = send(access, request).await?;
    if let Some(error) = resting(response.status) {
        return Err(error);
    }
    let answer = match response.status {
        200..300 => serde_json::from_slice::<TokenAnswer>(&response.body)
            .map_err(|_| unreadable("the token answer is not understood".to_owned()))?,
        429 => return Err(rate_limited(response.retry_after(now))),
        // Only a new consent gives another.
        status @ (400 | 401) => {
            let error: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let code = short(error["error"].as_str().unwrap_or("no code"));
            return Err(MarketplaceError::Unauthorized {
                marketplace: SLUG,
                reason: format!("{status} {code}"),
            });
        }
        // Whatever stands between us and Shopify, it says nothing about the consent.
        status => return Err(unavailable(format!("HTTP {status}"))),
    };
    let until = |secs: Option<u64>| secs.map(|secs| now + Duration::from_secs(secs));
    let mut secrets = vec![("access_token".to_owned(), answer.access_token)];
    secrets.extend(
        answer
            .refresh_token
            .map(|token| ("refresh_token".to_owned(), token)),
    );
    Ok(Tokens {
        secrets,
        expires_at: until(answer.expires_in),
        refresh_expires_at: until(answer.refresh_token_expires_in),
    })
}

/// With the refresh token, which changes each time; an answer that was lost does no harm, because the one
/// before is taken until its successor was used. Without one by the app's own credentials, as custom apps do.
pub async fn refresh(access: &Access, now: Timestamp) -> Result<Tokens> {
    let body = match access.secrets.get("refresh_token") {
        Some(token) => json!({"grant_type": "refresh_token", "refresh_token": token}),
        None => json!({"grant_type": "client_credentials"}),
    };
    grant(access, body, now).await
}

/// Whether a host is a shop's. Source: Shopify's own library.
fn is_shop(host: &str) -> bool {
    const DOMAINS: [&str; 4] = ["myshopify.com", "shopify.com", "myshopify.io", "shop.dev"];
    host.split_once('.').is_some_and(|(name, domain)| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        DOMAINS.contains(&domain)
            && name.bytes().all(is_plain)
            && name
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The shop's host; `None` for this machine, where only the sandbox is: elsewhere such addresses are refused
/// before anything is sent.
///
/// # Errors
/// When the address is not a shop's at Shopify, or not encrypted: somebody typed it in, and our app's secret
/// must not be had by typing.
pub fn shop_host(address: &Url) -> Result<Option<&str>> {
    match address.host() {
        Some(Host::Domain(host)) if is_shop(host) && address.scheme() == "https" => Ok(Some(host)),
        Some(Host::Ipv4(ip)) if ip.is_loopback() => Ok(None),
        Some(Host::Ipv6(ip)) if ip.is_loopback() => Ok(None),
        _ => Err(refused(
            "no_shop",
            "the address must be the shop's own, such as https://example.myshopify.com",
        )),
    }
}

pub fn consent_page(access: &Access, question: &ConsentQuestion) -> Result<Url> {
    shop_host(&access.consent)?;
    let mut url = access.consent.clone();
    url.set_path("/admin/oauth/authorize");
    url.query_pairs_mut()
        .clear()
        .append_pair("client_id", access.secrets.need(SLUG, "client_id")?)
        .append_pair("scope", SCOPES)
        .append_pair("redirect_uri", question.callback.as_str())
        .append_pair("state", &question.state);
    Ok(url)
}

/// What came back is believed when Shopify signed it, just now, for this shop.
pub async fn consent(access: &Access, answer: &ConsentAnswer, now: Timestamp) -> Result<Consent> {
    let forged = |why: &str| refused("forged_callback", why);
    if !webhook::is_signed(answer, &access.secrets) {
        return Err(forged("Shopify did not sign it with the app's secret"));
    }
    let sent_at = answer
        .get("timestamp")
        .and_then(|text| text.parse::<i64>().ok());
    let is_fresh = |at: i64| at.abs_diff(now.secs()) <= CALLBACK_SECS;
    if !sent_at.is_some_and(is_fresh) {
        return Err(forged("its time is too far from our clock"));
    }
    let shop = answer.get("shop").unwrap_or_default().to_ascii_lowercase();
    if !is_shop(&shop) || shop_host(&access.consent)?.is_some_and(|host| host != shop) {
        return Err(forged("it is about another shop"));
    }
    let code = answer
        .get("code")
        .ok_or_else(|| forged("it carries no code"))?;
    let tokens = grant(access, json!({"code": code, "expiring": "1"}), now).await?;
    Ok(Consent {
        tokens,
        until: None,
    })
}
