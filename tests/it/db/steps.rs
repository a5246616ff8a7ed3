//! Steps of the schema go back and forth, and keep what is there.

use crate::support::{builders, scenarios};
use entity::{credentials, schedules};
use marketsink::db::{DatabaseOptions, Db, migrate};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, EntityTrait};

scenarios!(the_calendar_comes_to_channels_that_are_there_already);

/// Steps before the calendar.
const BEFORE: u32 = 4;

async fn open(url: &str) -> Db {
    let options = DatabaseOptions {
        url: url.to_owned(),
        connections: 2,
        allow_undurable: true,
    };
    Db::connect(&options).await.unwrap()
}

async fn the_calendar_comes_to_channels_that_are_there_already(url: String) {
    let db = open(&url).await;
    migrate(&db).await.unwrap();
    let plain = Database::connect(&url).await.unwrap();
    let shop = builders::a_shop(&db).await;
    let n_steps = u32::try_from(Migrator::migrations().len()).unwrap();
    Migrator::down(&plain, Some(n_steps - BEFORE))
        .await
        .unwrap();
    for (task, expression) in [
        ("token_refresh", format!("{} * * * *", shop.channel.0 % 60)),
        ("order_download", "1-59/10 * * * *".to_owned()),
    ] {
        // As it was written then: the table has more columns now.
        let row = format!(
            "insert into schedules (merchant_id, channel_id, task, expression, enabled, last_fire_at, created_at) \
             values ({}, {}, '{task}', '{expression}', true, 0, 0)",
            shop.merchant.0, shop.channel.0
        );
        plain.execute_unprepared(&row).await.unwrap();
    }

    Migrator::up(&plain, None).await.unwrap();

    let rows = schedules::Entity::find().all(db.read()).await.unwrap();
    let policies = |row: &schedules::Model| (row.catch_up == "one", row.jitter_secs);
    assert!(rows.iter().all(|row| policies(row) == (true, 0)));
    let mut expressions: Vec<_> = rows.into_iter().map(|row| row.expression).collect();
    expressions.sort();
    let often = format!("{}-59/10 * * * *", shop.channel.0 % 10);
    let check = format!("{} * * * *", shop.channel.0 % 60);
    let silence = format!("{}-59/15 * * * *", shop.channel.0 % 15);
    let mut expected = vec!["1-59/10 * * * *".to_owned(), often, check, silence];
    expected.sort();
    assert_eq!(expressions, expected);
    let none = credentials::Entity::find().all(db.read()).await.unwrap();
    assert_eq!(none, []);
    plain.close().await.unwrap();
    db.close().await.unwrap();
}
