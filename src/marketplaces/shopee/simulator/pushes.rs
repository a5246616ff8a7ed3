//! The app's webhooks from the other side: the address, the codes that are on, how deliveries fare, and the
//! list of those that were lost.

use super::super::webhook::{TOPICS, code_of};
use super::Answer;
use crate::domain::Timestamp;
use crate::marketplaces::simulation::{Shop, SimDelivery, Subscription};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The app has one address for everything.
const TOPIC: &str = "push";
/// Codes that set_app_push_config and get_app_push_config know.
const SWITCHABLE: std::ops::RangeInclusive<i64> = 1..=13;
/// Tries of one delivery.
const TRIES: u32 = 4;
/// From the first try to the end of the last.
const TRIED_FOR_S: i64 = 300 + 1_800 + 10_800;
/// Source: get_lost_push_message.
const LOST_PAGE: usize = 100;
const LOST_LIFE: Duration = Duration::from_secs(3 * 86_400);
/// Source: developer-guide/18: more than 600 pushes, of which fewer than 30 in a hundred succeed. The six
/// hours in which they are counted are left out: a count begins anew when the address is set.
const SUSPENSION_FROM: u64 = 600;
const SUSPENSION_BELOW: u64 = 30;

fn codes(shop: &Shop) -> Vec<i64> {
    let on = shop.memory.get("codes").map_or("", String::as_str);
    on.split(',').filter_map(|code| code.parse().ok()).collect()
}

fn set_codes(shop: &mut Shop, codes: &[i64]) {
    let on: Vec<_> = codes.iter().map(i64::to_string).collect();
    shop.memory.insert("codes".to_owned(), on.join(","));
}

pub fn is_on(shop: &Shop, code: i64) -> bool {
    codes(shop).contains(&code)
}

/// What a person does in the console: the address is kept where it is there already.
pub fn switch_on(shop: &mut Shop, address: &str) {
    let all: Vec<i64> = TOPICS.iter().map(|topic| code_of(topic)).collect();
    set_codes(shop, &all);
    let is_there = |s: &Subscription| s.is_active && s.address == address;
    if !shop.subscriptions.iter().any(is_there) {
        set_address(shop, address);
    }
}

fn set_address(shop: &mut Shop, address: &str) {
    let subscription = Subscription {
        // New each time, since each time it is tested.
        id: shop.take_ids(1),
        topic: TOPIC.to_owned(),
        address: address.to_owned(),
        secret: String::new(),
        is_active: true,
        failures: 0,
    };
    shop.subscriptions = vec![subscription];
    shop.memory.remove("pushes");
    shop.memory.remove("pushes that succeeded");
}

pub fn config(shop: &Shop) -> Value {
    let to = shop.subscriptions.first();
    let (on, off): (Vec<i64>, Vec<i64>) = SWITCHABLE.partition(|code| is_on(shop, *code));
    let is_suspended = to.is_some_and(|to| !to.is_active);
    let status = if is_suspended { "Suspended" } else { "Normal" };
    json!({"callback_url": to.map_or("", |to| &to.address), "live_push_status": status,
        "blocked_shop_id": [], "push_config_on_list": on, "push_config_off_list": off})
}

pub fn configure(shop: &mut Shop, body: &Value) -> Answer {
    let list = |name: &str| {
        let sent = body[name].as_array().into_iter().flatten();
        sent.filter_map(Value::as_i64).collect::<Vec<_>>()
    };
    let (on, off) = (list("set_push_config_on"), list("set_push_config_off"));
    let known = |codes: &[i64]| codes.iter().all(|code| SWITCHABLE.contains(code));
    let address = body["callback_url"].as_str();
    let is_address = address.is_none_or(|address| url::Url::parse(address).is_ok());
    if !known(&on) || !known(&off) || !is_address {
        return Err(("error_param", "Wrong push config."));
    }
    let mut codes = codes(shop);
    codes.retain(|code| !off.contains(code) && !on.contains(code));
    codes.extend(on);
    set_codes(shop, &codes);
    if let Some(address) = address {
        set_address(shop, address);
    }
    Ok(json!({"result": "success"}))
}

fn counted(shop: &mut Shop, name: &str, by: u64) -> u64 {
    let before = shop.memory.get(name).and_then(|n| n.parse().ok());
    let now = before.unwrap_or(0_u64) + by;
    shop.memory.insert(name.to_owned(), now.to_string());
    now
}

/// Whoever answers too badly is no longer told; what failed to the last try is kept.
pub fn delivered(shop: &mut Shop, delivery: &SimDelivery, success: bool) {
    let sent = counted(shop, "pushes", 1);
    let succeeded = counted(shop, "pushes that succeeded", u64::from(success));
    if sent > SUSPENSION_FROM && succeeded * 100 < sent * SUSPENSION_BELOW {
        for subscription in &mut shop.subscriptions {
            subscription.is_active = false;
        }
    }
    let tries = format!(
        "tries {}",
        hex::encode(&Sha256::digest(&delivery.body)[..8])
    );
    if success {
        shop.memory.remove(&tries);
    } else if counted(shop, &tries, 1) == u64::from(TRIES) {
        let body = String::from_utf8_lossy(&delivery.body).into_owned();
        let id = shop.take_ids(1);
        shop.memory.insert(format!("lost {id:020}"), body);
    }
}

/// Ids and bodies of what is lost and neither confirmed nor too old, oldest first.
fn waiting(shop: &Shop, now: Timestamp) -> Vec<(u64, Timestamp, Value)> {
    let mark = shop
        .memory
        .get("lost mark")
        .and_then(|mark| mark.parse().ok());
    let all = shop.memory.iter().filter_map(|(name, body)| {
        let id: u64 = name.strip_prefix("lost ")?.parse().ok()?;
        let body: Value = serde_json::from_str(body).ok()?;
        let sent_at = body["timestamp"].as_i64().unwrap_or_default();
        Some((id, Timestamp::from_secs(sent_at + TRIED_FOR_S), body))
    });
    let is_waiting = |(id, lost_at, _): &(u64, Timestamp, Value)| {
        mark.is_none_or(|mark: u64| *id > mark) && now.since(*lost_at) < LOST_LIFE
    };
    all.filter(is_waiting).collect()
}

/// The earliest hundred. Every other body comes as the sample has it, an object, the others as the documents
/// declare it, a text.
pub fn lost(shop: &Shop, now: Timestamp) -> Value {
    let waiting = waiting(shop, now);
    let page = &waiting[..waiting.len().min(LOST_PAGE)];
    let message = |(id, lost_at, body): &(u64, Timestamp, Value)| {
        let data = if id % 2 == 0 {
            Value::String(body.to_string())
        } else {
            body.clone()
        };
        let mut row = json!({"code": body["code"], "timestamp": lost_at.secs(), "data": data});
        if let Some(shop_id) = body.get("shop_id") {
            row["shop_id"] = shop_id.clone();
        }
        row
    };
    let list: Vec<Value> = page.iter().map(message).collect();
    let last = page.last().map_or(0, |(id, ..)| *id);
    json!({"push_message_list": list, "has_next_page": waiting.len() > page.len(),
        "last_message_id": last})
}

pub fn confirm(shop: &mut Shop, body: &Value) -> Answer {
    let mark = body["last_message_id"].as_u64().filter(|mark| *mark > 0);
    let is_known = |mark: &u64| shop.memory.contains_key(&format!("lost {mark:020}"));
    let mark = mark
        .filter(is_known)
        .ok_or(("error_param", "Wrong last_message_id."))?;
    shop.memory.insert("lost mark".to_owned(), mark.to_string());
    Ok(json!({"warning": ""}))
}
