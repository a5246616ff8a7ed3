//! Issues open with their cause, count, close by themselves, and take up what they blocked.

mod rows;
mod work;

use crate::support::builders::{self, NOW, Shop};
use marketsink::{
    db::Db,
    domain::Timestamp,
    issues::{self, Filter, Issue, Looked},
    queue::{Queue, QueueOptions},
};
use sea_orm::ConnectionTrait;
use std::time::Duration;

fn queue(db: &Db) -> Queue {
    Queue::new(db.clone(), QueueOptions::default())
}

fn at(secs: u64) -> Timestamp {
    NOW + Duration::from_secs(secs)
}

/// A shop on a marketplace that there is.
async fn a_shop(db: &Db) -> Shop {
    let shop = builders::a_shop(db).await;
    run(
        db,
        shop,
        "update channels set marketplace = 'woocommerce', platform = 'woocommerce', \
         base_url = 'https://shop.example.com' where id = {c}",
    )
    .await;
    shop
}

/// Runs a statement past the owners: `{m}`, `{c}` and `{o}` are the shop's, `{now}`, `{soon}`, `{later}` and `{old}`
/// are times.
async fn run(db: &Db, shop: Shop, statement: &str) {
    let time = |days: i64| (NOW.micros() + days * 86_400_000_000).to_string();
    let statement = statement
        .replace("{m}", &shop.merchant.to_string())
        .replace("{c}", &shop.channel.to_string())
        .replace("{o}", &shop.outlet.to_string())
        .replace("{now}", &time(0))
        .replace("{soon}", &time(3))
        .replace("{later}", &time(90))
        .replace("{old}", &time(-400));
    let tx = db.write_tx().await.unwrap();
    tx.execute_unprepared(&statement)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
    tx.commit().await.unwrap();
}

async fn look(db: &Db, shop: Shop, now: Timestamp) -> Looked {
    issues::look(&queue(db), shop.merchant, now).await.unwrap()
}

async fn open(db: &Db, shop: Shop) -> Vec<Issue> {
    list(db, shop, &Filter::default()).await
}

async fn list(db: &Db, shop: Shop, filter: &Filter) -> Vec<Issue> {
    issues::issues(db, shop.merchant, filter, 100)
        .await
        .unwrap()
}
