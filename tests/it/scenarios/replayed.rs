//! The whole log of deliveries, told again to books that know nothing of it, ends in the same books.
//!
//! On SQLite, where the database of the morning is one file that can be set aside; what PostgreSQL does differently is
//! no matter of replaying. The custom store is left out: its signature holds for five minutes only.

use super::{World, hands::is_2xx};
use crate::support::database::at_sqlite;
use entity::{channels, deliveries};
use marketsink::{
    domain::{Goods, RemoteId},
    marketplaces::{
        find,
        simulation::SimStatus::{Cancelled, Completed, Delivered, Paid, Shipped, Unpaid},
    },
    sandbox::SimShop,
};
use sea_orm::{ConnectionTrait, Database, EntityTrait, QueryOrder};

#[test]
fn the_log_of_a_day_told_to_the_books_of_its_morning_makes_the_books_of_its_evening() {
    for slug in ["tiktok_shop", "shopee", "lazada", "shopify", "woocommerce"] {
        super::elsewhere(slug, || at_sqlite(replayed));
    }
}

async fn replayed(url: String) {
    let mut world = World::open(url.clone()).await;
    let morning = set_aside(&url).await;
    for shop in [world.first.clone(), world.second.clone()] {
        a_day(&world, &shop).await;
    }
    let (evening, log) = (books(&world).await, log(&world).await);

    world = world
        .restarted_with(|settings| settings.database.url = morning)
        .await;
    assert_eq!(world.section("orders").await, "", "nothing is known yet");
    for (path, headers, body) in &log {
        let url = format!("{}{path}", world.address());
        let answer = world.send(&url, headers, body).await;
        assert!(is_2xx(answer.status().as_u16()), "{path}: {answer:?}");
    }
    world.settle().await;

    assert!(log.len() > 10, "{}", log.len());
    assert_eq!(books(&world).await, evening);
    world.close().await;
}

/// Sales in every state that a day leaves behind: open, sent, received, called off in part and whole, refunded.
async fn a_day(world: &World, shop: &SimShop) {
    let buy = |wanted: &[(&str, i64)]| world.order(shop, Paid, wanted);
    let open = buy(&[("TEA-25", 1)]);
    let received = buy(&[("MUG", 2), ("TEA-100", 1)]);
    let cut = buy(&[("TEA-25", 2)]);
    let cancelled = buy(&[("MUG", 1)]);
    world.order(shop, Unpaid, &[("TEA-100", 1)]);
    world.settle().await;
    shop.cancel_units(&cut, 0, 1);
    let moved = |order: &RemoteId, status| shop.move_order(order, status);
    moved(&cancelled, Cancelled);
    for status in [Shipped, Delivered, Completed] {
        moved(&received, status);
        world.settle().await;
    }
    let _ = shop.refund_units(&received, &[(0, 1)], None, Goods::Kept);
    moved(&open, Shipped);
    world.settle().await;
}

/// A copy of the database, as it is now.
async fn set_aside(url: &str) -> String {
    let copy = format!("{url}.morning");
    let path = copy.strip_prefix("sqlite:").unwrap();
    let db = Database::connect(url).await.unwrap();
    db.execute_unprepared(&format!("vacuum into '{path}'"))
        .await
        .unwrap();
    db.close().await.unwrap();
    copy
}

/// What matters of the state: not how often something was told, nor by how many steps the books came there. Of an order
/// that is first heard of when it is called off, nobody asks whether it had been paid.
async fn books(world: &World) -> String {
    let orders = world.section("orders").await;
    let is_told = |line: &&str| !line.trim_start().starts_with("steps:");
    let told = orders.lines().filter(is_told);
    let told: Vec<String> = told
        .map(|line| line.replace(" void paid ", " void unpaid "))
        .collect();
    format!("{}\n{}", told.join("\n"), world.section("stock").await)
}

/// Every delivery as it was received, with the path it came to.
async fn log(world: &World) -> Vec<(String, Vec<(String, String)>, Vec<u8>)> {
    let db = world.running.app.db.read();
    let channels = channels::Entity::find().all(db).await.unwrap();
    let rows = deliveries::Entity::find()
        .order_by_asc(deliveries::Column::Id)
        .all(db)
        .await
        .unwrap();
    let path = |row: &deliveries::Model| {
        let slug = &row.marketplace;
        let address = find(slug).unwrap().limits().webhook_address;
        let channel = channels
            .iter()
            .find(|channel| Some(channel.id) == row.channel_id);
        match channel.filter(|_| !address.is_per_app()) {
            Some(channel) => format!("/webhooks/{slug}/{}", channel.address),
            None => format!("/webhooks/{slug}"),
        }
    };
    let as_sent = |row: deliveries::Model| {
        let headers: Vec<(String, String)> = serde_json::from_str(&row.headers).unwrap();
        let of_connection = ["host", "content-length", "connection", "accept-encoding"];
        let headers = headers
            .into_iter()
            .filter(|(name, _)| !of_connection.contains(&name.as_str()));
        (path(&row), headers.collect(), row.body)
    };
    rows.into_iter().map(as_sent).collect()
}
