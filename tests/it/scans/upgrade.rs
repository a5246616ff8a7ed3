//! Databases of before: scans that were left behind do not stand in the way of new ones.

use crate::support::{builders, scenarios};
use entity::scans;
use marketsink::db::{DatabaseOptions, Db, migrate};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, EntityTrait, QueryOrder};

scenarios!(of_scans_that_were_left_behind_the_newest_may_go_on);

/// Steps before this one.
const BEFORE: u32 = 7;

async fn of_scans_that_were_left_behind_the_newest_may_go_on(url: String) {
    let options = DatabaseOptions {
        url: url.clone(),
        connections: 2,
        allow_undurable: true,
    };
    let db = Db::connect(&options).await.unwrap();
    migrate(&db).await.unwrap();
    let plain = Database::connect(&url).await.unwrap();
    let shop = builders::a_shop(&db).await;
    let n_steps = u32::try_from(Migrator::migrations().len()).unwrap();
    Migrator::down(&plain, Some(n_steps - BEFORE))
        .await
        .unwrap();
    for kind in ["full", "full", "updated"] {
        let insert = format!(
            "insert into scans (merchant_id, channel_id, kind, method, source, state, window_to, pages, listings, \
             added, changed, gone, linked, errors, api_calls, emulated, started_at) values \
             ({}, {}, '{kind}', 'async', 'manual', 'running', 0, 0, 0, 0, 0, 0, 0, 0, 0, false, 5)",
            shop.merchant, shop.channel
        );
        plain.execute_unprepared(&insert).await.unwrap();
    }

    Migrator::up(&plain, None).await.unwrap();

    let rows = scans::Entity::find().order_by_asc(scans::Column::Id);
    let rows = rows.all(db.read()).await.unwrap();
    let states: Vec<_> = rows.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["failed", "running", "running"]);
    assert!(rows[0].error.as_ref().unwrap().contains("newer one"));
    plain.close().await.unwrap();
    db.close().await.unwrap();
}
