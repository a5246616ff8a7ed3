//! From a webhook request to events: whose it is, whether to believe it, what it means. And for the
//! simulator back again, from a change of the shop to the data of a webhook.
//!
//! Promises: the signature is checked over the bytes as received, and nothing in here panics, whatever
//! the bytes. The signature covers no time, so a captured delivery can be sent again for ever: the
//! delivery key is what makes that harmless.
//!
//! Source: <https://partner.tiktokshop.com/docv2/page/tts-webhooks-overview>, read 2026-11-23.

pub(super) mod returns;

use super::{Id, mapping::order_status};
use crate::domain::{Event, ProductState, RemoteId, Timestamp};
use crate::marketplaces::{
    DeliveryKey, Malformed, RawDelivery, Rejected, VerifiedDelivery, WebhookKeys,
    simulation::{Shop, ShopChange, Subscription},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Hexadecimal digits of an HMAC-SHA256.
const SIGNATURE_DIGITS: usize = 64;

/// Webhooks that we handle and the API can switch on. Types 27, 35, 50, 67 and 71 can only be switched
/// on in Partner Center.
pub(super) const EVENTS: [&str; 12] = [
    "ORDER_STATUS_CHANGE",
    "RECIPIENT_ADDRESS_UPDATE",
    "PACKAGE_UPDATE",
    "PRODUCT_STATUS_CHANGE",
    "SELLER_DEAUTHORIZATION",
    "UPCOMING_AUTHORIZATION_EXPIRATION",
    "CANCELLATION_STATUS_CHANGE",
    "RETURN_STATUS_CHANGE",
    "PRODUCT_INFORMATION_CHANGE",
    "PRODUCT_CREATION",
    "PRODUCT_CATEGORY_CHANGE",
    "PRODUCT_AUDIT_STATUS_CHANGE",
];

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: u64,
    /// Missing in one of the documented samples.
    tts_notification_id: Option<Value>,
    /// Missing in type 35, which names the seller instead.
    shop_id: Option<Id>,
    #[serde(default)]
    data: Value,
}

/// The shop in the envelope; for the mirror status of Tokopedia (type 35) the one in its data.
pub(super) fn claimed_channel(raw: &RawDelivery) -> Option<RemoteId> {
    let envelope: Envelope = serde_json::from_slice(&raw.body).ok()?;
    let shop = match envelope.kind {
        35 => Id::deserialize(envelope.data.get("tts_shop_id")?).ok()?,
        _ => envelope.shop_id?,
    };
    Some(shop.into())
}

/// `Authorization: hex(HMAC-SHA256(app secret, app key + body))`, in lower case and without a scheme.
pub(super) fn verify(raw: RawDelivery, keys: &WebhookKeys) -> Result<VerifiedDelivery, Rejected> {
    let signature = raw.header("authorization").ok_or(Rejected::NoSignature)?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if signature.len() != SIGNATURE_DIGITS || !signature.bytes().all(is_digit) {
        return Err(Rejected::UnreadableSignature);
    }
    let signature = hex::decode(signature).map_err(|_| Rejected::UnreadableSignature)?;
    let body = raw.body.clone();
    let matched = keys.matching(
        &signature,
        |key| key.secret.as_bytes().to_vec(),
        |key| vec![key.app_key.as_bytes(), &body],
    )?;
    Ok(raw.believed(matched))
}

/// The notification's id. Without one the body's hash: a retry repeats the body.
pub(super) fn delivery_key(delivery: &VerifiedDelivery) -> DeliveryKey {
    let envelope = serde_json::from_slice::<Envelope>(delivery.body()).ok();
    let id = match envelope.and_then(|envelope| envelope.tts_notification_id) {
        Some(Value::String(id)) if !id.is_empty() => id,
        Some(Value::Number(id)) => id.to_string(),
        _ => hex::encode(Sha256::digest(delivery.body())),
    };
    DeliveryKey(id)
}

/// `type 1 order status change`
pub(super) fn topic(delivery: &VerifiedDelivery) -> String {
    match serde_json::from_slice::<Envelope>(delivery.body()) {
        Ok(envelope) => match words(envelope.kind) {
            Some(words) => format!("type {} {words}", envelope.kind),
            None => format!("type {}", envelope.kind),
        },
        Err(_) => "no type".to_owned(),
    }
}

/// What each type is about; `None` for types that the documents do not list.
fn words(kind: u64) -> Option<&'static str> {
    Some(match kind {
        1 => "order status change",
        2 => "reverse status update",
        3 => "recipient address update",
        4 => "package update",
        5 => "product status change",
        6 => "seller deauthorization",
        7 => "upcoming authorization expiration",
        11 => "cancellation status change",
        12 => "return status change",
        13 | 14 | 33 => "conversation",
        15 => "product information change",
        16 => "product creation",
        17 | 20 | 55 | 59 => "creator content",
        18 => "product category change",
        19 | 25 | 62 => "suggestion",
        21..=24 | 58 => "fulfilment by TikTok",
        27 => "inventory status change",
        35 => "Tokopedia mirror status",
        36 => "invoice status",
        37 => "product audit status change",
        38 | 39 | 63 => "promotion",
        42 => "combined listing change",
        46 => "image translation",
        50 => "SKU status change",
        51 | 52 => "global replication",
        64..=66 => "aftersales",
        67 => "refund success",
        71 => "inventory changed by shop",
        _ => return None,
    })
}

/// Data of one order or one product. Ids come as text or as numbers beyond 2^53, by type.
#[derive(Deserialize)]
struct OfOrder {
    order_id: Id,
    update_time: Option<i64>,
}

#[derive(Deserialize)]
struct OfProduct {
    product_id: Id,
    update_time: Option<i64>,
}

#[derive(Deserialize)]
struct OfPackages {
    package_list: Vec<PackageOrders>,
}

#[derive(Deserialize)]
struct PackageOrders {
    order_id_list: Vec<Id>,
}

#[derive(Deserialize)]
struct OfRefund {
    line_items: Vec<RefundedLine>,
}

#[derive(Deserialize)]
struct RefundedLine {
    main_order_id: Id,
}

/// What to look at again. Types that move neither orders nor stock give an empty list.
pub(super) fn parse(delivery: &VerifiedDelivery) -> Result<Vec<Event>, Malformed> {
    let Envelope { kind, data, .. } = read(serde_json::from_slice(delivery.body()))?;
    Ok(match kind {
        1 | 3 => {
            let of: OfOrder = typed(data)?;
            vec![Event::order(of.order_id.into(), version(of.update_time))]
        }
        // The update time is the cancellation's or the return's, not the order's: taken for the order's
        // version it would make every reading look stale.
        11 | 12 => {
            let of: OfOrder = typed(data)?;
            vec![Event::order(of.order_id.into(), None)]
        }
        4 => {
            let of: OfPackages = typed(data)?;
            orders(of.package_list.into_iter().flat_map(|p| p.order_id_list))
        }
        67 => {
            let of: OfRefund = typed(data)?;
            orders(of.line_items.into_iter().map(|line| line.main_order_id))
        }
        5 | 15 | 16 | 18 => {
            let of: OfProduct = typed(data)?;
            vec![Event::product(
                of.product_id.into(),
                version(of.update_time),
            )]
        }
        // Here the time is that of the stock, the audit or the SKU.
        27 | 37 | 50 | 71 => {
            let of: OfProduct = typed(data)?;
            vec![Event::product(of.product_id.into(), None)]
        }
        35 => vec![Event::catalogue()],
        6 | 7 => vec![Event::authorization()],
        known if words(known).is_some() => Vec::new(),
        unknown => return Err(Malformed::UnknownTopic(format!("type {unknown}"))),
    })
}

/// One event per order, however often it is named.
fn orders(ids: impl Iterator<Item = Id>) -> Vec<Event> {
    let mut ids: Vec<RemoteId> = ids.map(RemoteId::from).collect();
    ids.sort();
    ids.dedup();
    ids.into_iter().map(|id| Event::order(id, None)).collect()
}

fn version(update_time: Option<i64>) -> Option<Timestamp> {
    update_time.map(Timestamp::from_secs)
}

fn typed<T: DeserializeOwned>(data: Value) -> Result<T, Malformed> {
    read(serde_json::from_value(data))
}

fn read<T>(result: serde_json::Result<T>) -> Result<T, Malformed> {
    result.map_err(|error| Malformed::Shape(error.to_string()))
}

/// Type, name of the subscription and data of what a change is told with. The name is empty where only
/// Partner Center can switch the type on: it then goes to whatever address there is.
pub(super) fn notification(
    shop: &mut Shop,
    change: &ShopChange,
    now: Timestamp,
) -> Option<(u64, &'static str, Value)> {
    // The product's own time, so that a reading is never older than what was told.
    let changed_at = |id| shop.products.get(id).map_or(now, |p| p.updated_at).secs();
    Some(match change {
        ShopChange::OrderCreated(id) | ShopChange::OrderUpdated(id) => {
            let order = shop.orders.get(id)?;
            // Webhooks spell it in another way than the API does.
            let status = match order_status(order.status) {
                "CANCELLED" => "CANCEL",
                word => word,
            };
            let update_time = order.updated_at.secs();
            let data = json!({"order_id": id, "order_status": status, "is_on_hold_order": false,
                "update_time": update_time});
            (1, "ORDER_STATUS_CHANGE", data)
        }
        ShopChange::ReturnChanged { .. } => return None,
        ShopChange::ProductCreated(id) => (
            16,
            "PRODUCT_CREATION",
            json!({"product_id": number(id), "update_time": changed_at(id)}),
        ),
        ShopChange::ProductUpdated {
            product,
            variant: Some(variant),
        } => {
            let quantity = shop.variant(variant)?.quantity;
            let data = json!({"event_id": format!("inv-{}", shop.take_ids(1)),
                "occurred_at": now.to_string(), "shop_id": number(&shop.remote_id),
                "product_id": number(product), "sku_id": number(variant),
                "quantity_snapshot_after_change": {"total_available_quantity": quantity}});
            (71, "", data)
        }
        // Told of live products only; others have a status to tell.
        ShopChange::ProductUpdated {
            product,
            variant: None,
        } => match shop.products.get(product) {
            Some(live) if live.state == ProductState::Active => {
                let data = json!({"product_id": product, "change_source": "SELLER_CENTER",
                    "changed_fields": ["title", "others"], "update_time": changed_at(product)});
                (15, "PRODUCT_INFORMATION_CHANGE", data)
            }
            _ => (
                5,
                "PRODUCT_STATUS_CHANGE",
                status_change(product, changed_at(product)),
            ),
        },
        ShopChange::ProductDeleted(id) => (
            5,
            "PRODUCT_STATUS_CHANGE",
            status_change(id, changed_at(id)),
        ),
        ShopChange::Deauthorized => {
            shop.memory
                .insert("deauthorized".to_owned(), now.to_string());
            (
                6,
                "SELLER_DEAUTHORIZATION",
                json!({"message": "The seller withdrew the authorization."}),
            )
        }
    })
}

fn number(id: &RemoteId) -> Option<u64> {
    id.as_str().parse().ok()
}

fn status_change(product: &RemoteId, at: i64) -> Value {
    json!({"product_id": number(product), "status": "PRODUCT_STATUS_CHANGED", "suspended_reason": "",
        "update_time": at})
}

/// What Update Webhook accepts as `event_type` besides what we subscribe to.
const OTHER_EVENTS: [&str; 5] = [
    "REVERSE_STATUS_UPDATE",
    "INVOICE_STATUS_CHANGE",
    "NEW_CONVERSATION",
    "NEW_MESSAGE",
    "NEW_MESSAGE_LISTENER",
];

/// Lists, sets and removes addresses, as the simulator answers; `None`: the question is not one of these.
pub(super) fn settings(shop: &mut Shop, method: &str, body: &Value) -> Option<Value> {
    if method == "GET" {
        // Sent or not: there is no third state to show.
        let rows = shop.subscriptions.iter().filter(|s| s.is_active).map(|s| {
            // Milliseconds here, unlike everywhere else.
            json!({"event_type": s.topic, "address": s.address, "create_time": 1_795_000_000_000_i64})
        });
        return Some(json!({"webhooks": rows.collect::<Vec<_>>()}));
    }
    let event = body["event_type"].as_str().unwrap_or_default();
    if !EVENTS.contains(&event) && !OTHER_EVENTS.contains(&event) {
        return None;
    }
    match method {
        "DELETE" => shop.subscriptions.retain(|s| s.topic != event),
        "PUT" => {
            let address = body["address"]
                .as_str()
                .filter(|text| (1..=255).contains(&text.len()));
            let address = address?.to_owned();
            shop.subscriptions.retain(|s| s.topic != event);
            let subscription = Subscription {
                id: shop.take_ids(1),
                topic: event.to_owned(),
                address,
                secret: shop
                    .secrets
                    .get("app_secret")
                    .unwrap_or_default()
                    .to_owned(),
                is_active: true,
                failures: 0,
            };
            shop.subscriptions.push(subscription);
        }
        _ => return None,
    }
    Some(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marketplaces::{simulation::Simulator, tiktok_shop::tests::fixture};
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;

    fn believed(body: &[u8]) -> VerifiedDelivery {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
        mac.update(b"app");
        mac.update(body);
        let signature = hex::encode(mac.finalize().into_bytes());
        let headers = vec![("Authorization".to_owned(), signature)];
        let raw = RawDelivery::new(headers, body.to_vec());
        verify(raw, &WebhookKeys::one("app", "secret")).unwrap()
    }

    fn text<'v>(value: &'v Value, name: &str) -> &'v str {
        value[name].as_str().unwrap()
    }

    #[test]
    fn every_known_signature_is_believed_and_no_changed_one() {
        let vectors = fixture("vectors");
        for vector in vectors["webhooks"].as_array().unwrap() {
            let keys = WebhookKeys::one(text(vector, "app_key"), text(vector, "app_secret"));
            let sent = |signature: &str| {
                let headers = vec![("authorization".to_owned(), signature.to_owned())];
                verify(
                    RawDelivery::new(headers, text(vector, "body").to_owned()),
                    &keys,
                )
                .err()
            };
            let signature = text(vector, "signature");

            assert_eq!(sent(signature), None, "{}", vector["name"]);
            let last = if signature.ends_with('0') { '1' } else { '0' };
            let changed = format!("{}{last}", &signature[..63]);
            assert_eq!(sent(&changed), Some(Rejected::BadSignature));
            let shouted = signature.to_uppercase();
            assert_eq!(sent(&shouted), Some(Rejected::UnreadableSignature));
            let with_scheme = format!("Bearer {signature}");
            assert_eq!(sent(&with_scheme), Some(Rejected::UnreadableSignature));
        }
    }

    #[test]
    fn a_shop_is_claimed_as_text_as_number_and_by_the_mirror() {
        let claimed = |body: &str| {
            let raw = RawDelivery::new(Vec::new(), body.to_owned());
            claimed_channel(&raw).map(|id| id.to_string())
        };

        let id = Some("7495000000000000777".to_owned());
        assert_eq!(claimed(r#"{"type":1,"shop_id":"7495000000000000777"}"#), id);
        assert_eq!(claimed(r#"{"type":1,"shop_id":7495000000000000777}"#), id);
        let mirror = r#"{"type":35,"data":{"tts_shop_id":"7495000000000000777"}}"#;
        assert_eq!(claimed(mirror), id);
        assert_eq!(claimed(r#"{"type":1}"#), None);
        assert_eq!(claimed("not json"), None);
    }

    #[test]
    fn a_notification_without_an_id_is_known_by_its_body() {
        let with_id = believed(br#"{"type":3,"tts_notification_id":"7561","data":{}}"#);
        let without = believed(br#"{"type":3,"data":{}}"#);

        assert_eq!(delivery_key(&with_id).0, "7561");
        assert_eq!(delivery_key(&without), delivery_key(&without.clone()));
        assert_eq!(delivery_key(&without).0.len(), 64);
    }

    #[test]
    fn messages_mean_nothing_to_do_and_unlisted_types_are_named() {
        assert_eq!(
            parse(&believed(br#"{"type":14,"data":{}}"#)),
            Ok(Vec::new())
        );
        let unknown = parse(&believed(br#"{"type":999,"data":{}}"#));
        assert_eq!(unknown, Err(Malformed::UnknownTopic("type 999".to_owned())));
        let hollow = parse(&believed(br#"{"type":1,"data":{}}"#));
        assert!(matches!(hollow, Err(Malformed::Shape(_))));
    }

    #[test]
    fn the_simulator_gives_up_after_four_retries() {
        let waits = (1..=5).map(|n| super::super::TikTokShopSimulator.retry_after(n));

        let minutes: Vec<_> = waits.map(|wait| wait.map(|w| w.as_secs() / 60)).collect();

        assert_eq!(minutes, [Some(2), Some(30), Some(180), Some(720), None]);
    }

    #[test]
    fn every_handled_type_has_a_fixture_that_means_what_it_says() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiktok_shop/webhooks");
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().path().file_stem().unwrap().to_owned();
            let told = fixture(&format!("webhooks/{}", name.to_str().unwrap()));
            let headers = serde_json::from_value(told["headers"].clone()).unwrap();
            let keys = WebhookKeys::one(text(&told, "app_key"), text(&told, "secret"));
            let raw = RawDelivery::new(headers, text(&told, "body").to_owned());

            assert_eq!(claimed_channel(&raw), Some("7495000000000000777".into()));
            let delivery = verify(raw, &keys).unwrap();
            assert_eq!(topic(&delivery), text(&told, "topic"));
            let events = parse(&delivery).unwrap().into_iter().map(|event| {
                json!({"kind": event.kind, "subject": event.subject,
                    "version_secs": event.version.map(Timestamp::secs)})
            });
            assert_eq!(events.collect::<Value>(), told["events"], "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let delivery = believed(&body);
            let _ = (parse(&delivery), topic(&delivery), delivery_key(&delivery));
            let _ = claimed_channel(delivery.raw());
        }

        #[test]
        fn no_data_makes_it_panic(kind in 0u64..80, data in "\\PC{0,40}") {
            for data in [data.clone(), serde_json::json!(data).to_string()] {
                let _ = parse(&believed(format!("{{\"type\":{kind},\"data\":{data}}}").as_bytes()));
            }
        }
    }
}
