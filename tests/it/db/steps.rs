//! Steps of the schema go back and forth, and keep what is there.

use crate::support::{builders, scenarios};
use entity::{credentials, schedules};
use marketsink::db::{DatabaseOptions, Db, migrate};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, Database, EntityTrait};

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
        let row = schedules::ActiveModel {
            merchant_id: Set(shop.merchant.0),
            channel_id: Set(shop.channel.0),
            task: Set(task.to_owned()),
            expression: Set(expression),
            enabled: Set(true),
            last_fire_at: Set(0),
            created_at: Set(0),
            ..Default::default()
        };
        row.insert(&plain).await.unwrap();
    }

    Migrator::up(&plain, None).await.unwrap();

    let rows = schedules::Entity::find().all(db.read()).await.unwrap();
    let mut expressions: Vec<_> = rows.into_iter().map(|row| row.expression).collect();
    expressions.sort();
    let often = format!("{}-59/10 * * * *", shop.channel.0 % 10);
    let check = format!("{} * * * *", shop.channel.0 % 60);
    let proof = format!("{} 5 * * *", shop.channel.0 % 60);
    let mut expected = vec!["1-59/10 * * * *".to_owned(), often, check, proof];
    expected.sort();
    assert_eq!(expressions, expected);
    let none = credentials::Entity::find().all(db.read()).await.unwrap();
    assert_eq!(none, []);
    plain.close().await.unwrap();
    db.close().await.unwrap();
}
