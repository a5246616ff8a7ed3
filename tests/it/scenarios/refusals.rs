//! Requests that are not believed, not understood, too long, or come when nothing can be stored.

use super::{World, hands::is_2xx, world::snap};
use crate::support::{everywhere, scenarios};
use entity::deliveries;
use futures::future::join_all;
use marketsink::{
    channels,
    config::Secret,
    domain::RemoteId,
    inbox,
    marketplaces::simulation::{ShopChange, SimDelivery, SimStatus::Paid},
    sandbox::SimShop,
};
use sea_orm::EntityTrait;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

scenarios!(
    forged_deliveries_are_refused_and_few_are_kept,
    addresses_and_methods_that_are_not_ours_are_refused,
    a_body_over_the_limit_is_refused_announced_or_not,
    what_is_signed_and_not_understood_is_stored,
    a_previous_secret_is_accepted_while_it_is_rotated,
    without_a_database_nothing_is_acknowledged_and_nothing_is_lost,
);

everywhere!(forged_deliveries_are_refused_and_few_are_kept,);

/// A signed webhook of an order that the shop has.
fn genuine(world: &World, shop: &SimShop) -> SimDelivery {
    let order = shop.with(|s| s.orders.keys().next().cloned());
    let order = order.unwrap_or_else(|| RemoteId::from("0"));
    let told = world.told(shop, &ShopChange::OrderUpdated(order));
    told.into_iter()
        .find(|d| d.topic != "product.updated")
        .unwrap()
}

async fn forged_deliveries_are_refused_and_few_are_kept(url: String) {
    let world = World::open(url).await;
    for shop in [&world.first, &world.second] {
        world.order(shop, Paid, &[("MUG", 1)]);
    }
    world.settle().await;
    let stored = world.n_deliveries().await;
    let mut forged = Vec::new();
    for shop in [&world.first, &world.second] {
        let genuine = genuine(&world, shop);
        let mut body = genuine.body.to_vec();
        body[10] ^= 1;
        let bit = |body: Vec<u8>| SimDelivery {
            body: body.into(),
            ..genuine.clone()
        };
        forged.push(bit(body));
        // The same JSON, spelled in another way.
        let respelled = String::from_utf8(genuine.body.to_vec()).unwrap();
        forged.push(bit(respelled.replacen(':', ": ", 1).into_bytes()));
        let is_signature = |name: &str| {
            name == "authorization" || name.ends_with("-signature") || name.contains("-hmac-")
        };
        let with = |change: &dyn Fn(&str) -> Option<String>| {
            let headers = genuine.headers.iter().filter_map(|(name, value)| {
                let value = if is_signature(name) {
                    change(value)?
                } else {
                    value.clone()
                };
                Some((name.clone(), value))
            });
            SimDelivery {
                headers: headers.collect(),
                ..genuine.clone()
            }
        };
        forged.push(with(&|_| None));
        forged.push(with(&|_| Some(String::new())));
        forged.push(with(&|value| Some(value.chars().rev().collect())));
        forged.push(with(&|value| Some(value.repeat(100))));
    }

    for _ in 0..4 {
        let answers = join_all(forged.iter().map(|delivery| world.post(delivery))).await;
        assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
    }

    assert_eq!(world.n_deliveries().await, stored);
    let refusals = world.running.app.inbox.refusals();
    assert_eq!(refusals.values().sum::<u64>(), 48, "all are counted");
    let samples = inbox::refused_samples(&world.running.app.db, 100).await;
    assert_eq!(
        samples.unwrap().len(),
        20,
        "ten a minute and marketplace are kept"
    );
    world.assert_in_step().await;
    snap!(world, "forged", world.state().await);
    world.close().await;
}

async fn addresses_and_methods_that_are_not_ours_are_refused(url: String) {
    let world = World::open(url).await;
    for shop in [&world.first, &world.second] {
        world.order(shop, Paid, &[("MUG", 1)]);
    }
    world.settle().await;
    let before = world.n_deliveries().await;
    let woo = genuine(&world, &world.second);
    let tiktok = genuine(&world, &world.first);
    let at = |path: &str| format!("{}/webhooks/{path}", world.address());
    let strange = [
        (at("woocommerce/0000000000000000"), &woo),
        (at("woocommerce"), &woo),
        (at("no_marketplace"), &tiktok),
        (at("tiktok_shop/0000000000000000"), &tiktok),
        (at("tiktok_shop/a/b"), &tiktok),
    ];
    for (url, delivery) in strange {
        let answer = world.send(&url, &delivery.headers, &delivery.body).await;
        assert_eq!(answer.status(), 404, "{url}");
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for url in [&woo.address, &tiktok.address] {
        let statuses = [
            client.get(url).send().await.unwrap().status(),
            client.put(url).send().await.unwrap().status(),
            client.delete(url).send().await.unwrap().status(),
        ];
        assert_eq!(statuses.map(|status| status.as_u16()), [405; 3], "{url}");
    }
    // The ping of a new webhook is unsigned: it is answered, and nothing is stored.
    let form = ("content-type", "application/x-www-form-urlencoded");
    let form = [(form.0.to_owned(), form.1.to_owned())];
    let ping = world.send(&woo.address, &form, b"webhook_id=12").await;
    assert_eq!(ping.status(), 200);
    let not_a_ping = world.send(&woo.address, &form, b"webhook_id=12&x=1").await;
    assert_eq!(not_a_ping.status(), 401);
    let nobodys_ping = at("woocommerce/0000000000000000");
    let nobodys_ping = world.send(&nobodys_ping, &form, b"webhook_id=12").await;
    assert_eq!(nobodys_ping.status(), 404);

    assert_eq!(world.n_deliveries().await, before);
    snap!(world, "strange_addresses", world.state().await);
    world.close().await;
}

/// Writes raw bytes and returns the first line of the answer.
async fn ask(address: SocketAddr, parts: Vec<Vec<u8>>) -> String {
    let ask = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let patience = Duration::from_secs(5);
        stream.set_read_timeout(Some(patience)).unwrap();
        for part in parts {
            // The server may hang up before everything is written: it has read enough.
            if stream.write_all(&part).is_err() {
                break;
            }
        }
        let mut answer = vec![0; 4_096];
        let n = stream.read(&mut answer).unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..n]).into_owned();
        answer.lines().next().unwrap_or_default().to_owned()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

async fn a_body_over_the_limit_is_refused_announced_or_not(url: String) {
    let world = World::open(url).await;
    let world = world
        .restarted_with(|settings| settings.http.body_limit_bytes = 65_536)
        .await;
    let before = world.n_deliveries().await;
    let address = world.running.address;
    let head = "POST /webhooks/tiktok_shop HTTP/1.1\r\nhost: marketsink\r\n";

    // Announced, and not one byte of it is sent.
    let announced = format!("{head}content-length: 65537\r\n\r\n");
    let answer = ask(address, vec![announced.into_bytes()]).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Not announced: chunks without end.
    let mut chunked = vec![format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes()];
    let chunk = [b"4000\r\n".to_vec(), vec![b'x'; 0x4000], b"\r\n".to_vec()].concat();
    chunked.extend(vec![chunk; 5]);
    let answer = ask(address, chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // As long as is allowed, signed and compressed: what was signed is what was sent.
    let body = vec![b' '; 65_536];
    let secret = world
        .first
        .with(|s| s.secrets.get("app_secret").unwrap().to_owned());
    let headers = world.signed(&world.first, &secret, &body);
    let url = format!("{}/webhooks/tiktok_shop", world.address());
    let mut compressed = headers.clone();
    compressed.push(("content-encoding".to_owned(), "gzip".to_owned()));
    assert_eq!(world.send(&url, &headers, &body).await.status(), 200);
    assert_eq!(world.send(&url, &compressed, &body).await.status(), 200);
    let long = vec![b' '; 65_537];
    let headers = world.signed(&world.first, &secret, &long);
    assert_eq!(world.send(&url, &headers, &long).await.status(), 413);

    let rows = deliveries::Entity::find()
        .all(world.running.app.db.read())
        .await
        .unwrap();
    let new: Vec<_> = rows.into_iter().skip(before as usize).collect();
    assert!(
        new.iter().all(|row| row.body.len() == 65_536),
        "never cut short"
    );
    snap!(world, "too_long", world.state().await);
    world.close().await;
}

async fn what_is_signed_and_not_understood_is_stored(url: String) {
    let world = World::open(url).await;
    let secret = world
        .first
        .with(|s| s.secrets.get("app_secret").unwrap().to_owned());
    let shop = world.first.remote_id();
    let url = format!("{}/webhooks/tiktok_shop", world.address());
    let bodies = [
        // A type that no document lists; a known type without its data; another shop; no JSON at all.
        format!(r#"{{"type":9999,"tts_notification_id":"1","shop_id":"{shop}","data":{{}}}}"#),
        format!(r#"{{"type":1,"tts_notification_id":"2","shop_id":"{shop}","data":{{}}}}"#),
        r#"{"type":1,"tts_notification_id":"3","shop_id":"7000000000000000009","data":{"order_id":"5"}}"#.to_owned(),
        "no JSON \u{1F375} at all".to_owned(),
        String::new(),
    ];
    for body in &bodies {
        let headers = world.signed(&world.first, &secret, body.as_bytes());
        let answer = world.send(&url, &headers, body.as_bytes()).await;
        assert_eq!(answer.status(), 200, "{body}");
    }
    // The store signs whatever it sends, errors of its own included.
    let hook = world.second.with(|s| s.subscriptions[0].clone());
    let sent = [
        ("order.painted", r#"{"id":5}"#),
        ("order.updated", r#"{"code":"rest_forbidden"}"#),
        ("order.updated", "<html>"),
        ("coupon.updated", r#"{"id":5}"#),
    ];
    for (n, (topic, body)) in sent.into_iter().enumerate() {
        let mut headers = world.signed(&world.second, &hook.secret, body.as_bytes());
        for (name, value) in [
            ("x-wc-webhook-topic", topic),
            ("x-wc-webhook-id", "77"),
            ("x-wc-webhook-delivery-id", &n.to_string()),
        ] {
            headers.push((name.to_owned(), value.to_owned()));
        }
        let answer = world.send(&hook.address, &headers, body.as_bytes()).await;
        assert_eq!(answer.status(), 200, "{topic} {body}");
    }

    world.settle().await;

    let shown = world.section("deliveries").await;
    for verdict in [
        "unknown_topic 2",
        "unreadable 3",
        "unknown_channel 3",
        "ignored 1",
    ] {
        assert!(shown.contains(verdict), "{verdict}: {shown}");
    }
    snap!(world, "not_understood", world.state().await);
    world.close().await;
}

async fn a_previous_secret_is_accepted_while_it_is_rotated(url: String) {
    let world = World::open(url).await;
    // TikTok Shop: the app's new secret is set here, its webhooks are still signed with the old one.
    let world = world
        .restarted_with(|settings| {
            let values = &mut settings.apps.at("tiktok_shop").values;
            values.insert("previous_app_secret", Secret::new("the-one-before"));
        })
        .await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    let now = genuine(&world, &world.first);
    let mut before = genuine(&world, &world.first);
    before.headers = world.signed(&world.first, "the-one-before", &before.body);
    let mut never = before.clone();
    never.headers = world.signed(&world.first, "never-ours", &never.body);
    assert!(is_2xx(world.post(&now).await));
    assert!(is_2xx(world.post(&before).await));
    assert_eq!(world.post(&never).await, 401);
    world.settle().await;
    assert!(world.section("orders").await.contains(order.as_str()));

    // WooCommerce: ours is new, the store still signs with the one before.
    let app = &world.running.app;
    let channel = world.channel(&world.second).await;
    let owner = (channel.id, channel.merchant);
    let tx = app.db.write_tx().await.unwrap();
    let now = world.clock.now();
    let new = channels::rotate_webhook_secret(&tx, &app.sealer, owner, "TheNewOne123", now)
        .await
        .unwrap();
    channels::mark_told(&tx, channel.id, new, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    let mut new = genuine(&world, &world.second);
    new.headers
        .retain(|(name, _)| name != "x-wc-webhook-signature");
    let signature = world.signed(&world.second, "TheNewOne123", &new.body);
    new.headers.extend(signature);
    assert!(is_2xx(world.post(&new).await));
    world.clock.advance(Duration::from_secs(4 * 86_400));
    let late = genuine(&world, &world.second);
    assert_eq!(world.post(&late).await, 401, "the old secret has run out");
    world.settle().await;

    world.assert_in_step().await;
    snap!(world, "rotated", world.state().await);
    world.close().await;
}

async fn without_a_database_nothing_is_acknowledged_and_nothing_is_lost(url: String) {
    let world = World::open(url).await;
    let before = world.n_deliveries().await;
    // The disk takes nothing more.
    world.fuse.blow_after(0);
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.order(&world.second, Paid, &[("TEA-25", 1)]);
    world.sandbox.courier().deliver_due().await;
    let told = genuine(&world, &world.first);
    let answer = world.send(&told.address, &told.headers, &told.body).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "30");
    let ledger = world.sandbox.ledger();
    assert_eq!((ledger.accepted, ledger.failed), (0, 4));
    assert_eq!(world.n_deliveries().await, before);
    // Not even to read: who is asking is not known any more either.
    world.clock.advance(Duration::from_secs(10));
    world.running.app.db.clone().close().await.unwrap();
    for shop in [&world.first, &world.second] {
        assert_eq!(world.post(&genuine(&world, shop)).await, 503);
    }

    let world = world.restarted().await;
    world.recover().await;
    world.pass(Duration::from_secs(660)).await;

    // TikTok Shop tried again; WooCommerce never does, and the download found it.
    let orders = world.section("orders").await;
    assert!(orders.contains("IDR by webhook"), "{orders}");
    assert!(orders.contains("IDR by scan"), "{orders}");
    world.assert_in_step().await;
    snap!(world, "database_away", world.state().await);
    world.close().await;
}
