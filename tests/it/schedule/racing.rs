//! Several schedulers, each with a database connection of its own, as so many processes.

use crate::support::{
    builders::{NOW, a_shop, channel},
    scenarios,
};
use entity::{schedule_fires, schedules};
use marketsink::{
    db::{DatabaseOptions, Db, migrate},
    schedule::{Changes, Outcome, Task, change, fire_due},
};
use sea_orm::EntityTrait;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

scenarios!(racing_schedulers_fire_each_time_once);

const MINUTE: Duration = Duration::from_secs(60);
const SCHEDULERS: u64 = 3;

async fn open(url: &str) -> Db {
    let options = DatabaseOptions {
        url: url.to_owned(),
        connections: 4,
        allow_undurable: true,
    };
    Db::connect(&options).await.unwrap()
}

/// Two hours, every minute, on three schedulers whose clocks differ by a few seconds and one of which jumps back.
async fn racing_schedulers_fire_each_time_once(url: String) {
    let db = open(&url).await;
    migrate(&db).await.unwrap();
    let shop = a_shop(&db).await;
    let mut channels = vec![shop.channel];
    for _ in 0..4 {
        channels.push(channel(&db, shop.merchant, shop.outlet, "active").await);
    }
    let tx = db.write_tx().await.unwrap();
    for channel in &channels {
        for task in [Task::OrderDownload, Task::UpdatedScan] {
            let changes = Changes {
                expression: Some("*/10 * * * *".to_owned()),
                jitter: Some(3 * MINUTE),
                ..Changes::default()
            };
            let owner = (shop.merchant, *channel);
            change(&tx, owner, task, &changes, NOW).await.unwrap();
        }
    }
    tx.commit().await.unwrap();

    let scheduler = |n: u64| {
        let url = url.clone();
        async move {
            let db = open(&url).await;
            let mut fired = Vec::new();
            for minute in 0..=120 {
                let mut now = NOW + minute * MINUTE + Duration::from_secs(3 * n);
                if n == 1 && minute == 60 {
                    now = NOW + 20 * MINUTE;
                }
                fired.extend(fire_due(&db, now).await.unwrap());
            }
            db.close().await.unwrap();
            fired
        }
    };
    let racing: Vec<_> = (0..SCHEDULERS)
        .map(|n| tokio::spawn(scheduler(n)))
        .collect();
    let mut fired = Vec::new();
    for one in racing {
        fired.extend(one.await.unwrap());
    }

    let mut times: BTreeMap<_, usize> = BTreeMap::new();
    for one in &fired {
        assert!(matches!(one.outcome, Outcome::Run | Outcome::Skipped));
        *times
            .entry((one.channel, one.task, one.fire_at))
            .or_default() += 1;
    }
    assert!(times.values().all(|n| *n == 1), "{times:?}");
    let rows = schedule_fires::Entity::find().all(db.read()).await.unwrap();
    assert_eq!(rows.len(), fired.len(), "one row each");
    let last: BTreeSet<i64> = schedules::Entity::find()
        .all(db.read())
        .await
        .unwrap()
        .iter()
        .map(|row| row.last_fire_at)
        .collect();
    // All got as far as the schedules go: 04:10 or 04:20, by their delays.
    let latest = (NOW + 110 * MINUTE).micros();
    assert!(last.iter().all(|at| *at >= latest), "{last:?}");
    db.close().await.unwrap();
}
