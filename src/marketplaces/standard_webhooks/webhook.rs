//! What a custom store sends: the signature of Standard Webhooks, and the messages of our contract.
//!
//! - Signed is `{id}.{timestamp}.{body}`, with the bytes as they were sent. The header holds a list, because a
//!   sender signs with the old secret too while it changes it: one right signature is enough.
//! - The timestamp is that of the try, not of the message. It is looked at only when the signature is right:
//!   otherwise a forger would learn about our clock, and an honest sender the wrong cause.
//! - The id stays the same over all tries: it is the delivery's key.
//! - A message is *thin* (an id, to be read back) or *whole* (everything, for stores without a pull API).
//!
//! Source: Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md),
//! read 2026-11-23.

use super::mapping::{self, Place};
use crate::domain::{Event, Order, Product, RemoteId, Timestamp};
use crate::marketplaces::{
    Carried, DeliveryKey, Malformed, RawDelivery, Rejected, VerifiedDelivery, WebhookKey,
    WebhookKeys, http::signature::SECRET_PREFIX,
};
use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// The messages of the contract that we live on.
pub const TOPICS: [&str; 8] = [
    "order.created",
    "order.updated",
    "order.refunded",
    "product.created",
    "product.updated",
    "product.deleted",
    "catalogue.updated",
    "store.disconnected",
];
/// A message about nothing, with which an integrator tries the signature.
const PING: &str = "ping";
/// The version of the contract that is read.
const CONTRACT: &str = "1";

/// Secrets of the asymmetric variant, which is not spoken here.
const ASYMMETRIC_PREFIXES: [&str; 2] = ["whsk_", "whpk_"];
/// Fewest bytes of a secret. Source: the specification, signature scheme.
const SHORTEST_SECRET: usize = 24;
/// Seconds by which a signed timestamp may differ from our clock. Source: the default of the published libraries;
/// the specification leaves it open.
const TOLERANCE_SECS: u64 = 300;
/// Longest id of a message: it becomes a key in our tables.
const LONGEST_ID: usize = 256;
/// Most signatures in one header: a sender that changes its secret sends two.
const MOST_SIGNATURES: usize = 16;

/// Secrets are copied by people: the padding may have been lost.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

struct Signed<'r> {
    id: &'r str,
    timestamp: &'r str,
    signatures: &'r str,
}

impl<'r> Signed<'r> {
    /// From the three headers; Svix, from which the scheme comes, sends the same three under its own name.
    fn of(raw: &'r RawDelivery) -> Option<Self> {
        let named = |prefix: &str| {
            let header = |name| raw.header(&format!("{prefix}-{name}"));
            Some(Self {
                id: header("id")?,
                timestamp: header("timestamp")?,
                signatures: header("signature")?,
            })
        };
        named("webhook").or_else(|| named("svix"))
    }

    /// The digests of the version we know. Others, such as `v1a`, are passed over, and so is what cannot be read:
    /// it takes nothing from a right one beside it.
    fn digests(&self) -> Result<Vec<Vec<u8>>, Rejected> {
        let mut digests = Vec::new();
        let signatures = self.signatures.split_whitespace();
        for signature in signatures.take(MOST_SIGNATURES) {
            if let Some(("v1", text)) = signature.split_once(',') {
                let digest = STANDARD.decode(text).ok();
                digests.extend(digest.filter(|digest| digest.len() == 32));
            }
        }
        if digests.is_empty() {
            return Err(Rejected::UnreadableSignature);
        }
        Ok(digests)
    }
}

pub fn verify(raw: RawDelivery, keys: &WebhookKeys) -> Result<VerifiedDelivery, Rejected> {
    let signed = Signed::of(&raw).ok_or(Rejected::NoSignature)?;
    let digests = signed.digests()?;
    let seconds: Option<i64> = signed.timestamp.parse().ok();
    let seconds = seconds.filter(|_| (1..=LONGEST_ID).contains(&signed.id.len()));
    let seconds = seconds.ok_or(Rejected::UnreadableSignature)?;
    let matched = keys.matching_by(|key| has_signed(key, &signed, &raw.body, &digests))?;
    if raw.received_at.secs().abs_diff(seconds) > TOLERANCE_SECS {
        return Err(Rejected::OutOfTime);
    }
    Ok(raw.believed(matched))
}

/// Every reading of the key is held against every digest, so that the time tells nothing.
fn has_signed(key: &WebhookKey, signed: &Signed<'_>, body: &[u8], digests: &[Vec<u8>]) -> bool {
    let mut found = false;
    for secret in readings(&key.secret) {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&secret).expect("HMAC takes keys of any length");
        for part in [signed.id, ".", signed.timestamp, "."] {
            mac.update(part.as_bytes());
        }
        mac.update(body);
        for digest in digests {
            found |= mac.clone().verify_slice(digest).is_ok();
        }
    }
    found
}

/// The bytes that a secret may stand for: what follows `whsec_`, decoded. A secret without that beginning may be
/// base64 that lost it, or plain text.
fn readings(secret: &str) -> Vec<Vec<u8>> {
    let decoded = |text: &str| LENIENT.decode(text).ok();
    let readings = match secret.strip_prefix(SECRET_PREFIX) {
        Some(text) => vec![decoded(text)],
        None => vec![Some(secret.as_bytes().to_vec()), decoded(secret)],
    };
    let readings = readings.into_iter().flatten();
    readings.filter(|bytes| !bytes.is_empty()).collect()
}

/// Whether a secret that a merchant hands over can be used.
///
/// # Errors
/// What is wrong with it.
pub fn check_secret(secret: &str) -> Result<(), &'static str> {
    if ASYMMETRIC_PREFIXES
        .iter()
        .any(|prefix| secret.starts_with(prefix))
    {
        return Err(
            "it is a key for ed25519 signatures; a secret that begins with whsec_ is needed",
        );
    }
    match readings(secret).iter().map(Vec::len).max() {
        Some(SHORTEST_SECRET..) => Ok(()),
        _ => Err("it must be whsec_ and base64 of at least 24 random bytes"),
    }
}

pub fn delivery_key(delivery: &VerifiedDelivery) -> DeliveryKey {
    let id = Signed::of(delivery.raw()).map_or("", |signed| signed.id);
    DeliveryKey(id.to_owned())
}

pub fn topic(delivery: &VerifiedDelivery) -> String {
    let body = serde_json::from_slice::<Value>(delivery.body()).unwrap_or_default();
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.chars().take(80).collect()
}

/// What a message says.
enum Message {
    Order(About<Order>),
    Product(About<Product>),
    Catalogue,
    Farewell,
    Ping,
}

/// What a message says of one thing.
struct About<T> {
    id: RemoteId,
    version: Option<Timestamp>,
    /// `None` in a thin message.
    whole: Option<T>,
}

pub fn parse(delivery: &VerifiedDelivery) -> Result<Vec<Event>, Malformed> {
    Ok(match message(delivery.body())? {
        Message::Order(order) => vec![Event::order(order.id, order.version)],
        Message::Product(product) => vec![Event::product(product.id, product.version)],
        Message::Catalogue => vec![Event::catalogue()],
        Message::Farewell => vec![Event::authorization()],
        Message::Ping => vec![],
    })
}

pub fn carried(delivery: &VerifiedDelivery) -> Carried {
    let mut carried = Carried::default();
    match message(delivery.body()) {
        Ok(Message::Order(order)) => carried.orders.extend(order.whole),
        Ok(Message::Product(product)) => carried.products.extend(product.whole),
        Ok(Message::Farewell) => carried.is_farewell = true,
        Ok(Message::Catalogue | Message::Ping) | Err(_) => {}
    }
    carried
}

fn message(body: &[u8]) -> Result<Message, Malformed> {
    let body: Value =
        serde_json::from_slice(body).map_err(|_| Malformed::Shape("it is not JSON".to_owned()))?;
    let root = Place::root(&body);
    let kind = root.need("type").and_then(|place| place.text());
    let kind = kind.map_err(Malformed::Shape)?;
    if kind != PING && !TOPICS.contains(&kind) {
        return Err(Malformed::UnknownTopic(kind.chars().take(80).collect()));
    }
    meaning(&root, kind).map_err(Malformed::Shape)
}

fn meaning(root: &Place<'_>, kind: &str) -> mapping::Read<Message> {
    if let Some(version) = root.find("contract")
        && version.text()? != CONTRACT
    {
        return version.wrong("names a version of the contract that is not read; \"1\" is");
    }
    let at = root.need("timestamp")?.time()?;
    match kind {
        PING => return Ok(Message::Ping),
        "catalogue.updated" => return Ok(Message::Catalogue),
        "store.disconnected" => return Ok(Message::Farewell),
        _ => {}
    }
    let data = root.need("data")?;
    let (id, version) = mapping::subject(&data)?;
    if kind.starts_with("order.") {
        let whole = mapping::is_whole_order(&data).then(|| mapping::order(&data));
        let whole = whole.transpose()?;
        return Ok(Message::Order(About { id, version, whole }));
    }
    if kind == "product.deleted" {
        // It is as new as its deletion, also where the store names no version: a telling of the product as it was
        // before may still be on its way.
        let version = version.unwrap_or(at);
        let whole = Some(mapping::gone(id.clone(), version));
        let version = Some(version);
        return Ok(Message::Product(About { id, version, whole }));
    }
    let whole = mapping::is_whole_product(&data).then(|| mapping::product(&data));
    let whole = whole.transpose()?;
    Ok(Message::Product(About { id, version, whole }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marketplaces::{
        Marketplace,
        simulation::{Signing, Simulator},
        standard_webhooks::{StandardWebhooks, StandardWebhooksSimulator},
    };
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);
    const SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

    fn signed(secret: &str, at: Timestamp, body: &str) -> Vec<(String, String)> {
        let signing = Signing {
            secret,
            id: "msg_1",
            at,
            ..Signing::default()
        };
        StandardWebhooksSimulator.sign(&signing, body.as_bytes())
    }

    fn signature(headers: &mut [(String, String)]) -> &mut String {
        let mut headers = headers.iter_mut();
        let found = headers.find(|(name, _)| name == "webhook-signature");
        &mut found.unwrap().1
    }

    fn judge(headers: Vec<(String, String)>, secret: &str) -> Result<usize, Rejected> {
        let raw = RawDelivery::new(headers, "{}").at(NOW);
        let believed = verify(raw, &WebhookKeys::one("", secret));
        believed.map(|delivery| delivery.key_index())
    }

    #[test]
    fn the_signature_is_the_one_of_the_published_libraries() {
        let text = std::fs::read_to_string("fixtures/standard_webhooks/vectors.json").unwrap();
        let vectors: Value = serde_json::from_str(&text).unwrap();
        let vector = &vectors["webhook"];
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let headers = |prefix: &str| {
            let pairs = [
                ("id", text("id")),
                ("timestamp", vector["timestamp"].to_string()),
                ("signature", text("signature")),
            ];
            pairs
                .map(|(name, value)| (format!("{prefix}-{name}"), value))
                .into()
        };

        for prefix in ["webhook", "svix", "Webhook", "SVIX"] {
            let raw = RawDelivery::new(headers(prefix), text("body")).at(NOW);
            let believed = verify(raw, &WebhookKeys::one("", &text("secret"))).unwrap();
            assert_eq!(delivery_key(&believed).0, text("id"));
        }
        let to_sign = format!("{}.{}.{}", text("id"), vector["timestamp"], text("body"));
        assert_eq!(to_sign, text("to_sign"));
    }

    #[test]
    fn one_right_signature_in_a_list_is_enough_whatever_stands_beside_it() {
        let right = signature(&mut signed(SECRET, NOW, "{}")).clone();
        let other = signature(&mut signed("whsec_b3RoZXI=", NOW, "{}")).clone();
        let asymmetric = format!("v1a,{}", STANDARD.encode([7; 64]));
        let judged = |list: &str| {
            let mut headers = signed(SECRET, NOW, "{}");
            list.clone_into(signature(&mut headers));
            judge(headers, SECRET)
        };

        assert_eq!(judged(&format!("{asymmetric} {other} {right}")), Ok(0));
        assert_eq!(judged(&format!("{right} v2,later")), Ok(0));
        assert_eq!(judged(&format!("v1,short {right}")), Ok(0));
        assert_eq!(judged(&format!("{right}  {right}")), Ok(0));
        assert_eq!(judged(&format!("no-comma  {other}\t{right} ")), Ok(0));
        assert_eq!(judged(&other), Err(Rejected::BadSignature));
        assert_eq!(judged(&asymmetric), Err(Rejected::UnreadableSignature));
        assert_eq!(judged(&right[3..]), Err(Rejected::UnreadableSignature));
        assert_eq!(judged(" "), Err(Rejected::UnreadableSignature));
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_both_ways_and_a_forgery_learns_nothing_of_it() {
        let at = |seconds: i64| Timestamp::from_secs(NOW.secs() + seconds);

        for seconds in [-300, -299, 0, 300] {
            assert_eq!(judge(signed(SECRET, at(seconds), "{}"), SECRET), Ok(0));
        }
        for seconds in [-301, 301, 86_400, -1_795_400_400] {
            let late = signed(SECRET, at(seconds), "{}");
            assert_eq!(judge(late.clone(), SECRET), Err(Rejected::OutOfTime));
            assert_eq!(judge(late, "another"), Err(Rejected::BadSignature));
        }
    }

    #[test]
    fn a_changed_secret_is_good_beside_the_one_before_on_both_ends() {
        let both = WebhookKeys {
            keys: ["whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXc=", SECRET]
                .map(|secret| WebhookKey {
                    app_key: String::new(),
                    secret: secret.to_owned(),
                })
                .into(),
            address: String::new(),
        };
        let index = |headers| {
            let raw = RawDelivery::new(headers, "{}").at(NOW);
            verify(raw, &both).map(|delivery| delivery.key_index())
        };
        let mut with_both = signed(SECRET, NOW, "{}");
        let new = signature(&mut signed(&both.keys[0].secret, NOW, "{}")).clone();
        let list = signature(&mut with_both);
        *list = format!("{list} {new}");

        assert_eq!(index(signed(SECRET, NOW, "{}")), Ok(1));
        assert_eq!(index(with_both), Ok(0));
    }

    #[test]
    fn a_secret_is_read_as_people_copy_it() {
        let unpadded = SECRET.trim_end_matches('=');
        let bare = SECRET.strip_prefix("whsec_").unwrap();

        for copied in [SECRET, unpadded, bare] {
            assert_eq!(judge(signed(SECRET, NOW, "{}"), copied), Ok(0), "{copied}");
        }
        let plain = "a plain text as a secret";
        assert_eq!(judge(signed(plain, NOW, "{}"), plain), Ok(0));
        for none in ["", "whsec_", "whsec_***"] {
            let signed = signed("", NOW, "{}");
            assert_eq!(judge(signed, none), Err(Rejected::BadSignature), "{none}");
        }
    }

    #[test]
    fn a_secret_that_cannot_be_used_is_refused_when_the_store_is_connected() {
        let made = StandardWebhooks.webhook_secret(&[9; 32]);

        assert_eq!(made.len(), "whsec_".len() + 44);
        assert_eq!(check_secret(&made), Ok(()));
        for bad in ["whsec_AQID", "whsec_***", "short", "whpk_AAAA", "whsk_AAAA"] {
            assert!(check_secret(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_headers_are_judged_without_panic(id in ".{0,30}", at in ".{0,20}", list in "(v1,|v1a,)?.{0,60}") {
            let pairs = [("id", id), ("timestamp", at), ("signature", list)];
            let headers = pairs.map(|(name, value)| (format!("webhook-{name}"), value)).into();

            prop_assert!(judge(headers, SECRET).is_err());
        }
    }
}
