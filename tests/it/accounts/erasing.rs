//! A buyer is forgotten, and the books do not notice.

use crate::support::{
    builders::{self, Shop},
    databases,
};
use entity::{deliveries, events, quarantine};
use marketsink::{
    db::Db,
    domain::{Timestamp, personal},
    inbox::{self, Erase},
    marketplaces,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

databases!(
    what_names_the_order_is_masked_and_nothing_else,
    what_comes_later_is_masked_as_well,
);

const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);
const ABOUT: &str = r#"{"order_id":"A-1","status":"paid","buyer":{"name":"Budi","phone":"0812"}}"#;
const OTHER: &str = r#"{"order_id":"A-2","status":"paid","buyer":{"name":"Siti","phone":"0813"}}"#;

async fn delivery(db: &Db, shop: Shop, body: &str, subject: Option<&str>) -> i64 {
    let tx = db.write_tx().await.unwrap();
    let verdict = if subject.is_some() {
        "accepted"
    } else {
        "unreadable"
    };
    let row = deliveries::ActiveModel {
        merchant_id: Set(Some(shop.merchant.0)),
        channel_id: Set(Some(shop.channel.0)),
        marketplace: Set("woocommerce".to_owned()),
        delivery_key: Set(format!("{body}{}", uuid::Uuid::now_v7())),
        topic: Set("order.updated".to_owned()),
        verdict: Set(verdict.to_owned()),
        headers: Set("[]".to_owned()),
        body: Set(body.as_bytes().to_vec()),
        received_at: Set(NOW.micros()),
        key_index: Set(0),
        ..Default::default()
    };
    let id = row.insert(&tx).await.unwrap().id;
    if let Some(subject) = subject {
        let event = events::ActiveModel {
            merchant_id: Set(shop.merchant.0),
            channel_id: Set(shop.channel.0),
            delivery_id: Set(id),
            kind: Set("order_changed".to_owned()),
            subject: Set(Some(subject.to_owned())),
            state: Set("handled".to_owned()),
            created_at: Set(NOW.micros()),
            ..Default::default()
        };
        event.insert(&tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    id
}

async fn refused(db: &Db, shop: Shop, body: &str) -> i64 {
    let tx = db.write_tx().await.unwrap();
    let row = quarantine::ActiveModel {
        marketplace: Set("woocommerce".to_owned()),
        channel_id: Set(Some(shop.channel.0)),
        reason: Set("signature".to_owned()),
        headers: Set("[]".to_owned()),
        body: Set(body.as_bytes().to_vec()),
        body_bytes: Set(body.len() as i64),
        received_at: Set(NOW.micros()),
        ..Default::default()
    };
    let id = row.insert(&tx).await.unwrap().id;
    tx.commit().await.unwrap();
    id
}

async fn body(db: &Db, id: i64) -> String {
    let row = deliveries::Entity::find_by_id(id).one(db.read()).await;
    String::from_utf8(row.unwrap().unwrap().body).unwrap()
}

async fn ask(db: &Db, shop: Shop) -> u64 {
    let (channels, subjects) = ([shop.channel], ["A-1".to_owned()]);
    let erase = Erase {
        merchant: shop.merchant,
        channels: &channels,
        subjects: &subjects,
        by: "rani",
        why: "asked by e-mail",
    };
    let tx = db.write_tx().await.unwrap();
    inbox::ask_erasure(&tx, &erase, NOW).await.unwrap();
    tx.commit().await.unwrap();
    inbox::erase(db, &erase, NOW).await.unwrap()
}

async fn what_names_the_order_is_masked_and_nothing_else(db: Db) {
    let shop = builders::a_shop(&db).await;
    let about = delivery(&db, shop, ABOUT, Some("A-1")).await;
    let other = delivery(&db, shop, OTHER, Some("A-2")).await;
    let broken = delivery(&db, shop, "{\"order_id\":\"A-1\",\"buyer\":\"Bu", None).await;
    let forged = refused(&db, shop, ABOUT).await;

    let n_erased = ask(&db, shop).await;
    let again = ask(&db, shop).await;

    assert_eq!((n_erased, again), (3, 0));
    let masked: Value = serde_json::from_str(&body(&db, about).await).unwrap();
    let expected = json!({"name": "***", "phone": "***"});
    assert_eq!(
        (&masked["order_id"], &masked["status"], &masked["buyer"]),
        (&json!("A-1"), &json!("paid"), &expected)
    );
    assert_eq!(body(&db, other).await, OTHER);
    assert_eq!(body(&db, broken).await, "");
    let forged = quarantine::Entity::find_by_id(forged).one(db.read()).await;
    let forged = forged.unwrap().unwrap();
    assert!(!String::from_utf8(forged.body).unwrap().contains("Budi"));
    assert!(forged.erased_at.is_some());
}

async fn what_comes_later_is_masked_as_well(db: Db) {
    let shop = builders::a_shop(&db).await;
    ask(&db, shop).await;
    let later = delivery(&db, shop, ABOUT, Some("A-1")).await;
    let other = delivery(&db, shop, OTHER, Some("A-2")).await;

    let n_erased = inbox::erase_due(&db, NOW).await.unwrap();

    assert_eq!(n_erased, 1);
    assert!(!body(&db, later).await.contains("Budi"));
    assert_eq!(body(&db, other).await, OTHER);
    let listed = inbox::list_erasures(&db, shop.merchant, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].bodies), (1, 1));
}

fn fixtures() -> Vec<PathBuf> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")];
    let mut found = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|name| name.to_str()) {
                _ if path.is_dir() => open.push(path),
                Some("json") => found.push(path),
                _ => {}
            }
        }
    }
    found
}

/// What a marketplace may say of a buyer, under the names that the marketplaces document.
fn planted() -> Vec<(&'static str, Value)> {
    let address = json!({
        "name": "PLANTED", "address_1": "PLANTED", "city": "PLANTED", "full_address": "PLANTED",
        "phone": "PLANTED", "district_info": [{"address_name": "PLANTED"}],
    });
    vec![
        ("recipient_address", address.clone()),
        ("address_billing", address.clone()),
        ("address_shipping", address.clone()),
        ("billing", address.clone()),
        ("shipping", address.clone()),
        ("shipping_address", address.clone()),
        (
            "customer",
            json!({"first_name": "PLANTED", "default_address": address}),
        ),
        ("buyer_username", json!("PLANTED")),
        ("buyer_nickname", json!("PLANTED")),
        ("buyer_email", json!("PLANTED")),
        ("buyer_message", json!("PLANTED")),
        ("buyer_note", json!("PLANTED")),
        ("buyer_cpf_id", json!("PLANTED")),
        ("message_to_seller", json!("PLANTED")),
        ("customer_note", json!("PLANTED")),
        ("customer_first_name", json!("PLANTED")),
        ("customer_ip_address", json!("PLANTED")),
        ("contact_email", json!("PLANTED")),
        ("note", json!("PLANTED")),
        (
            "note_attributes",
            json!([{"name": "gift", "value": "PLANTED"}]),
        ),
        ("browser_ip", json!("PLANTED")),
        ("remarks", json!("PLANTED")),
        ("gift_message", json!("PLANTED")),
        ("tax_code", json!("PLANTED")),
        ("national_registration_number", json!("PLANTED")),
        (
            "meta_data",
            json!([{"key": "_billing_phone", "value": "PLANTED"}]),
        ),
        ("any_name", json!("planted@example.com")),
        ("another_name", json!("+62 812 3456 7890")),
    ]
}

/// Plants it in every object.
fn plant(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: serde_json::Map<String, Value> = members
                .into_iter()
                .map(|(name, value)| (name, plant(value)))
                .collect();
            for (name, value) in planted() {
                members.entry(name).or_insert(value);
            }
            Value::Object(members)
        }
        Value::Array(items) => items.into_iter().map(plant).collect(),
        other => other,
    }
}

#[test]
fn what_is_planted_in_any_fixture_does_not_come_out() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 100);

    for path in fixtures {
        let text = fs::read_to_string(&path).unwrap();
        let said: Value = serde_json::from_str(&text).unwrap();
        let planted = plant(said).to_string();
        for marketplace in marketplaces::all() {
            let more = marketplace.personal_fields();

            let masked = personal::masked_body(planted.as_bytes(), more).unwrap();

            for word in ["PLANTED", "planted@", "+62 812"] {
                assert!(!masked.contains(word), "{}: {word}", path.display());
            }
        }
    }
}
