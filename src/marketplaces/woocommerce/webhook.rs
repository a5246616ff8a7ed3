//! What a WooCommerce store sends us: the creation ping, the signature, the topics.
//!
//! A delivery is only a hint. Bodies are built when they are sent, so `order.created` can already say
//! `completed`; `product.deleted` also comes for trashed orders, coupons and pages; and a lost delivery is
//! never repeated. Nothing here therefore reads more than ids and the time of the last change.
//!
//! Webhooks themselves are asked for, and mended, at the end of this file.
//!
//! Source: WooCommerce 10.5.2 `class-wc-webhook.php`, WordPress 6.9.1 `formatting.php`, and a running
//! store, read 2026-11-23.

use super::{
    client::{LARGEST_PAGE, batch_update, call, get},
    entry_error, list, mapping, refused,
};
use crate::domain::{Event, RemoteId, Timestamp};
use crate::marketplaces::{
    Access, Acknowledgement, DeliveryKey, Malformed, RawDelivery, Rejected, Result as Answer,
    Subscribed, SubscriptionState, VerifiedDelivery, WebhookKeys,
    http::lenient::{self, text},
    simulation::{
        Shop, ShopChange, SimDelivery, SimProduct, SimReturnState, SimStatus, Subscription,
        wordpress::{
            REVOKED,
            objects::{number, order_json, product_json, variation_json},
        },
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The topics we subscribe to. The custom `action.` topics tell of deletions that skip the trash, of
/// which the ordinary ones say nothing.
pub const TOPICS: [&str; 11] = [
    "order.created",
    "order.updated",
    "order.deleted",
    "order.restored",
    "product.created",
    "product.updated",
    "product.deleted",
    "product.restored",
    "action.woocommerce_delete_order",
    "action.woocommerce_delete_product",
    "action.woocommerce_delete_product_variation",
];

/// What a store calls itself when it sends.
pub const USER_AGENT: &str = "WooCommerce/10.5.2 Hookshot (WordPress/6.9.1)";
/// Pages of webhooks that are looked through for ours.
const MOST_PAGES: usize = 20;

/// Statuses of carts and forms that are not orders yet.
const DRAFTS: [&str; 4] = ["checkout-draft", "auto-draft", "draft", "new"];

/// The ping at creation: `webhook_id=12`, unsigned, and any answer but 200 is an error to the admin.
pub fn handshake(raw: &RawDelivery) -> Option<Acknowledgement> {
    let id = raw.body.strip_prefix(b"webhook_id=")?;
    let is_number = (1..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit);
    let is_bare = raw
        .headers
        .iter()
        .all(|(name, _)| !name.starts_with("x-wc-"));
    (is_number && is_bare).then_some(Acknowledgement::empty_ok())
}

/// The store's home address, as it calls itself.
pub fn claimed_channel(raw: &RawDelivery) -> Option<RemoteId> {
    let source = raw.header("x-wc-webhook-source")?;
    (!source.is_empty()).then(|| store_id(source))
}

/// A store's address as its id: without the trailing slash, scheme and host in lower case.
pub fn store_id(home: &str) -> RemoteId {
    let home = home.trim();
    let spelled = url::Url::parse(home).map_or_else(|_| home.to_owned(), String::from);
    RemoteId::from(spelled.trim_end_matches('/'))
}

pub fn verify(raw: RawDelivery, keys: &WebhookKeys) -> Result<VerifiedDelivery, Rejected> {
    let signature = raw
        .header("x-wc-webhook-signature")
        .ok_or(Rejected::NoSignature)?;
    let signature = STANDARD
        .decode(signature)
        .ok()
        .filter(|bytes| bytes.len() == 32)
        .ok_or(Rejected::UnreadableSignature)?;
    // The bytes as received: parsing and printing the JSON again would change its escapes.
    let matched = keys.matching(
        &signature,
        |key| decoded_secret(&key.secret).into_bytes(),
        |_| vec![&raw.body[..]],
    )?;
    Ok(raw.believed(matched))
}

/// The secret as the store uses it: it is kept with HTML entities and decoded before signing.
///
/// Decodes what WordPress's `wp_specialchars_decode(…, ENT_QUOTES)` decodes, once and no more:
/// `&amp; &lt; &gt; &quot;`, and by number `&#38; &#60; &#62; &#34; &#39; &#x26; &#x22; &#x27;` with any
/// zeros before. Not `&apos;`.
pub fn decoded_secret(stored: &str) -> String {
    lenient::without_entities(stored, entity)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        _ => {}
    }
    let number = name.strip_prefix('#')?;
    if let Some(hex) = number.strip_prefix(['x', 'X']) {
        return match hex.trim_start_matches('0') {
            "26" => Some('&'),
            "22" => Some('"'),
            "27" => Some('\''),
            _ => None,
        };
    }
    match number.trim_start_matches('0') {
        "38" => Some('&'),
        "60" => Some('<'),
        "62" => Some('>'),
        "34" => Some('"'),
        "39" => Some('\''),
        _ => None,
    }
}

/// Webhook, delivery id and body together: deliveries of one second share the id, and the same state
/// sent twice has the same body.
pub fn delivery_key(delivery: &VerifiedDelivery) -> DeliveryKey {
    let header = |name| delivery.raw().header(name).unwrap_or_default();
    let body = hex::encode(Sha256::digest(delivery.body()));
    DeliveryKey(format!(
        "{}:{}:{body}",
        header("x-wc-webhook-id"),
        header("x-wc-webhook-delivery-id")
    ))
}

pub fn topic(delivery: &VerifiedDelivery) -> String {
    let topic = delivery.raw().header("x-wc-webhook-topic");
    topic.unwrap_or_default().to_owned()
}

pub fn parse(delivery: &VerifiedDelivery) -> Result<Vec<Event>, Malformed> {
    let topic = topic(delivery);
    let hint = || {
        serde_json::from_slice::<Value>(delivery.body())
            .map_err(|_| Malformed::Shape("it is not JSON".to_owned()))
    };
    match topic.as_str() {
        "order.created" | "order.updated" | "order.restored" | "order.deleted" => order(&hint()?),
        "product.created" | "product.updated" | "product.restored" | "product.deleted" => {
            product(&hint()?)
        }
        "action.woocommerce_delete_order" => Ok(vec![Event::order(argument(&hint()?)?, None)]),
        "action.woocommerce_delete_product" => Ok(vec![Event::product(argument(&hint()?)?, None)]),
        // Its product is not named, and the variation can no longer be asked.
        "action.woocommerce_delete_product_variation" => {
            argument(&hint()?).map(|_| vec![Event::catalogue()])
        }
        other if other.starts_with("coupon.") || other.starts_with("customer.") => Ok(vec![]),
        other => Err(Malformed::UnknownTopic(other.chars().take(80).collect())),
    }
}

fn order(body: &Value) -> Result<Vec<Event>, Malformed> {
    let id = subject(body)?;
    if text(body, "status").is_some_and(|status| DRAFTS.contains(&status)) {
        return Ok(vec![]);
    }
    Ok(vec![Event::order(id, version(body))])
}

/// Variations come under the same topics; what is read again is their product.
fn product(body: &Value) -> Result<Vec<Event>, Malformed> {
    let id = subject(body)?;
    let parent = lenient::id(body, "parent_id").map(RemoteId::from);
    Ok(vec![Event::product(parent.unwrap_or(id), version(body))])
}

fn subject(body: &Value) -> Result<RemoteId, Malformed> {
    if let Some(id) = lenient::id(body, "id") {
        return Ok(id.into());
    }
    // Sent, and signed, when the webhook's owner lost their rights or the object is gone.
    Err(match text(body, "code") {
        Some(code) => {
            let code: String = code.chars().take(80).collect();
            Malformed::Shape(format!("the store sent the error {code} instead"))
        }
        None => Malformed::Shape("it has no id".to_owned()),
    })
}

fn argument(body: &Value) -> Result<RemoteId, Malformed> {
    let id = lenient::id(body, "arg").map(RemoteId::from);
    id.ok_or_else(|| Malformed::Shape("its argument is not an id".to_owned()))
}

fn version(body: &Value) -> Option<Timestamp> {
    Timestamp::parse(text(body, "date_modified_gmt")?)
}

/// Asks for every topic, and switches on what the store has switched off. The failures counted there stay
/// until a delivery succeeds: one more, and the webhook is off again.
pub async fn subscribe(access: &Access, address: &str, secret: &str) -> Answer<Vec<String>> {
    if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(refused(
            "secret",
            "WooCommerce changes secrets that are not letters and digits",
        ));
    }
    let ours = our_webhooks(access, address).await?;
    let mut changed = mend(access, &ours, secret).await?;
    for topic in TOPICS {
        if ours.iter().any(|hook| text(hook, "topic") == Some(topic)) {
            continue;
        }
        let body = json!({
            "name": format!("marketsink {topic}"), "topic": topic, "status": "active",
            "delivery_url": address, "secret": secret,
        });
        call(access, Method::POST, "webhooks", vec![], Some(&body)).await?;
        changed.push(format!("asked for {topic}"));
    }
    Ok(changed)
}

/// A topic is as its best webhook is: one that works is enough.
pub async fn subscriptions(access: &Access, address: &str) -> Answer<Vec<Subscribed>> {
    let ours = our_webhooks(access, address).await?;
    let subscribed = TOPICS.map(|topic| {
        let of_topic = ours
            .iter()
            .filter(|hook| text(hook, "topic") == Some(topic));
        let statuses: Vec<_> = of_topic.map(|hook| text(hook, "status")).collect();
        let state = if statuses.contains(&Some("active")) {
            SubscriptionState::Active
        } else if statuses.is_empty() {
            SubscriptionState::Missing
        } else {
            SubscriptionState::SwitchedOff
        };
        Subscribed {
            topic: topic.to_owned(),
            state,
        }
    });
    Ok(subscribed.into())
}

/// Deletes ours, for good: webhooks have no trash.
pub async fn unsubscribe(access: &Access, address: &str) -> Answer<Vec<String>> {
    let mut changed = Vec::new();
    for hook in our_webhooks(access, address).await? {
        let Ok(id) = mapping::id(&hook) else {
            continue;
        };
        let query = mapping::pairs([("force", "true".to_owned())]);
        call(
            access,
            Method::DELETE,
            &format!("webhooks/{id}"),
            query,
            None,
        )
        .await?;
        let topic = text(&hook, "topic").unwrap_or("unknown");
        changed.push(format!("deleted the webhook of {topic}"));
    }
    Ok(changed)
}

async fn our_webhooks(access: &Access, address: &str) -> Answer<Vec<Value>> {
    let mut ours = Vec::new();
    for page in 1..=MOST_PAGES {
        let query = mapping::pairs([
            ("per_page", LARGEST_PAGE.to_string()),
            ("page", page.to_string()),
        ]);
        let rows = list(get(access, "webhooks", query).await?.0)?;
        let is_last = rows.len() < LARGEST_PAGE;
        ours.extend(
            rows.into_iter()
                .filter(|hook| text(hook, "delivery_url") == Some(address)),
        );
        if is_last {
            break;
        }
    }
    Ok(ours)
}

/// Switches ours on and gives all of them the secret, which can be set but never read.
async fn mend(access: &Access, ours: &[Value], secret: &str) -> Answer<Vec<String>> {
    let update = ours.iter().filter_map(|hook| mapping::id(hook).ok());
    let update = update.map(|id| json!({ "id": id, "status": "active", "secret": secret }));
    let update: Vec<Value> = update.collect();
    for some in update.chunks(LARGEST_PAGE) {
        for answer in batch_update(access, "webhooks/batch", some).await? {
            entry_error(&answer)?;
        }
    }
    let asleep = ours
        .iter()
        .filter(|hook| text(hook, "status") != Some("active"));
    let words = asleep.map(|hook| {
        let field = |name| text(hook, name).unwrap_or("unknown");
        format!(
            "switched {} on again: it was {}",
            field("topic"),
            field("status")
        )
    });
    Ok(words.collect())
}

/// The simulated store's half: the topics and bodies that a change raises. A sale saves what it sold, so it tells of products too;
/// the checkout saves an order before it announces it.
pub fn told(shop: &mut Shop, change: &ShopChange, now: Timestamp) -> Vec<(&'static str, Value)> {
    let mut told = Vec::new();
    let order = |shop: &Shop, id: &RemoteId| shop.orders.get(id).map(|o| order_json(shop, o));
    match change {
        ShopChange::OrderCreated(id) => {
            told.extend(sold(shop, id, now));
            let body = order(shop, id).into_iter();
            told.extend(body.flat_map(|b| [("order.updated", b.clone()), ("order.created", b)]));
        }
        ShopChange::OrderUpdated(id) => {
            if shop
                .orders
                .get(id)
                .is_some_and(|o| o.status == SimStatus::Cancelled)
            {
                told.extend(sold(shop, id, now));
            }
            told.extend(order(shop, id).map(|body| ("order.updated", body)));
        }
        ShopChange::ReturnChanged { order: of, id } => {
            // Requests are unknown here, and what was deleted is not told.
            let changed = shop.orders.get(of).and_then(|of| of.find_return(id));
            if changed.is_some_and(|of| of.state == SimReturnState::Refunded) {
                if changed.is_some_and(|of| of.is_restocked) {
                    told.extend(sold(shop, of, now));
                }
                told.extend(order(shop, of).map(|body| ("order.updated", body)));
            }
        }
        ShopChange::ProductCreated(id) => {
            let product = shop.products.get(id);
            told.extend(product.map(|p| ("product.created", product_json(shop, p))));
        }
        ShopChange::ProductUpdated { product, variant } => {
            let product = shop.products.get(product);
            let body = product.map(|p| saved_json(shop, p, variant.as_ref()));
            told.extend(body.map(|body| ("product.updated", body)));
        }
        ShopChange::ProductDeleted(id) => {
            let product = shop.products.get(id).filter(|p| p.variants.len() > 1);
            let variations = product.into_iter().flat_map(|p| &p.variants).map(|v| &v.id);
            let gone = |id: &RemoteId| ("product.deleted", json!({ "id": number(id) }));
            told.extend(variations.chain([id]).map(gone));
        }
        ShopChange::Deauthorized => {
            shop.memory.insert(REVOKED.to_owned(), now.to_string());
        }
    }
    told
}

fn sold(shop: &mut Shop, order: &RemoteId, now: Timestamp) -> Vec<(&'static str, Value)> {
    let lines = shop.orders.get(order).map(|o| o.lines.clone());
    let lines = lines.unwrap_or_default();
    for line in &lines {
        if let Some(product) = shop.products.get_mut(&line.product_id) {
            product.updated_at = product.updated_at.max(now);
        }
    }
    let saved = lines.iter().filter_map(|line| {
        let product = shop.products.get(&line.product_id)?;
        Some((
            "product.updated",
            saved_json(shop, product, Some(&line.variant_id)),
        ))
    });
    saved.collect()
}

/// What is delivered of a saved product: the variation alone when only that was saved.
fn saved_json(shop: &Shop, product: &SimProduct, variant: Option<&RemoteId>) -> Value {
    let mut variants = product
        .variants
        .iter()
        .filter(|_| product.variants.len() > 1);
    match variants.find(|v| Some(&v.id) == variant) {
        Some(variant) => variation_json(shop, product, variant),
        None => product_json(shop, product),
    }
}

/// `base64(HMAC-SHA256(secret, body))`, as the store reckons it.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let key = decoded_secret(secret);
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

pub fn signed(shop: &Shop, hook: &Subscription, body: &str, now: Timestamp) -> SimDelivery {
    let signature = signature(&hook.secret, body.as_bytes());
    let (resource, event) = hook.topic.split_once('.').unwrap_or((&hook.topic, ""));
    // All of one second share it.
    let once = hex::encode(Sha256::digest(format!("{}{}", hook.id, now.secs())));
    SimDelivery {
        subscription: hook.id,
        address: hook.address.clone(),
        topic: hook.topic.clone(),
        headers: headers([
            ("content-type", "application/json".to_owned()),
            ("user-agent", USER_AGENT.to_owned()),
            ("x-wc-webhook-source", format!("{}/", shop.remote_id)),
            ("x-wc-webhook-topic", hook.topic.clone()),
            ("x-wc-webhook-resource", resource.to_owned()),
            ("x-wc-webhook-event", event.to_owned()),
            ("x-wc-webhook-signature", signature),
            ("x-wc-webhook-id", hook.id.to_string()),
            ("x-wc-webhook-delivery-id", once[..32].to_owned()),
        ]),
        body: body.to_owned().into(),
    }
}

pub fn headers<const N: usize>(of: [(&str, String); N]) -> Vec<(String, String)> {
    of.map(|(name, value)| (name.to_owned(), value)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delivery(topic: &str, body: &[u8]) -> VerifiedDelivery {
        let signature = signature("s", body);
        let headers = headers([
            ("x-wc-webhook-topic", topic.to_owned()),
            ("x-wc-webhook-signature", signature),
        ]);
        let raw = RawDelivery::new(headers, body.to_vec());
        verify(raw, &WebhookKeys::one("", "s")).unwrap()
    }

    #[test]
    fn a_signed_error_object_is_no_order() {
        let error = br#"{"code":"woocommerce_rest_cannot_view","message":"x"}"#;

        let read = parse(&delivery("product.restored", error));

        assert!(matches!(read, Err(Malformed::Shape(why)) if why.contains("cannot_view")));
        let unknown = parse(&delivery("order.eaten", b"{}"));
        assert_eq!(
            unknown,
            Err(Malformed::UnknownTopic("order.eaten".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(
            topic in prop::sample::select(TOPICS.to_vec()),
            body in prop_oneof![".{0,40}", r#"\{"(id|arg|code|status)":("x"|-1|\[\]|1\.5|null)\}"#],
        ) {
            let _ = parse(&delivery(topic, body.as_bytes()));
        }

        #[test]
        fn a_forged_signature_never_panics(signature in ".{0,60}") {
            let headers = vec![("x-wc-webhook-signature".to_owned(), signature)];
            let raw = RawDelivery::new(headers, "{}");

            prop_assert!(verify(raw, &WebhookKeys::one("", "s")).is_err());
        }
    }
}
