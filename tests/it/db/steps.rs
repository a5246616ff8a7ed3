//! Steps of the schema go back and forth, and keep what is there.

use crate::support::{builders, scenarios};
use entity::{credentials, listings, schedules};
use marketsink::{
    catalog,
    db::{DatabaseOptions, Db, migrate},
    domain::ListingId,
    sales,
};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, EntityTrait, QueryOrder};

scenarios!(
    the_calendar_comes_to_channels_that_are_there_already,
    listings_and_skus_that_are_there_already_keep_their_links,
    invoices_that_are_there_already_keep_their_numbers,
);

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
    let proof = format!("{} 5 * * *", shop.channel.0 % 60);
    let again = format!("{} 3 * * *", shop.channel.0 % 60);
    let compare = format!("{} */4 * * *", shop.channel.0 % 60);
    let first = "1-59/10 * * * *".to_owned();
    let mut expected = vec![first, often, check, silence, proof, again, compare];
    expected.sort();
    assert_eq!(expressions, expected);
    let none = credentials::Entity::find().all(db.read()).await.unwrap();
    assert_eq!(none, []);
    plain.close().await.unwrap();
    db.close().await.unwrap();
}

/// Steps before links by hand were remembered.
const BEFORE_LINKS: u32 = 7;

async fn listings_and_skus_that_are_there_already_keep_their_links(url: String) {
    let db = open(&url).await;
    migrate(&db).await.unwrap();
    let plain = Database::connect(&url).await.unwrap();
    let shop = builders::a_shop(&db).await;
    let n_steps = u32::try_from(Migrator::migrations().len()).unwrap();
    Migrator::down(&plain, Some(n_steps - BEFORE_LINKS))
        .await
        .unwrap();
    let (merchant, channel) = (shop.merchant.0, shop.channel.0);
    for old in [
        format!(
            "insert into skus (merchant_id, code, name, created_at) values ({merchant}, 'MUG', 'Mug', 1)"
        ),
        format!(
            "insert into listings (merchant_id, channel_id, product_id, variant_id, sku_id, seller_sku, title, \
             state, quantity, content_hash, remote_version, created_at, updated_at) \
             select {merchant}, {channel}, '1', '1', id, 'MUG', 'Mug', 'active', 5, 'x', 1, 1, 1 from skus"
        ),
        format!(
            "insert into listings (merchant_id, channel_id, product_id, variant_id, seller_sku, title, \
             state, quantity, content_hash, remote_version, created_at, updated_at) \
             values ({merchant}, {channel}, '2', '2', 'mug', 'Mug', 'active', 5, 'x', 1, 1, 1)"
        ),
    ] {
        plain.execute_unprepared(&old).await.unwrap();
    }

    Migrator::up(&plain, None).await.unwrap();

    let rows = listings::Entity::find()
        .order_by_asc(listings::Column::Id)
        .all(db.read())
        .await
        .unwrap();
    let links: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.sku_id.is_some(),
                row.link_by.as_str(),
                row.unlinked_by_hand,
            )
        })
        .collect();
    assert_eq!(links, [(true, "auto", false), (false, "auto", false)]);
    // Codes are folded when somebody first asks for look-alikes.
    let found = catalog::suggestions(&db, shop.merchant, None, ListingId(0), 10).await;
    let found = found.unwrap().rows;
    assert_eq!(found.len(), 1, "{found:?}");
    plain.close().await.unwrap();
    db.close().await.unwrap();
}

/// Steps before invoices were numbered in series.
const BEFORE_NUMBERS: u32 = 12;

async fn invoices_that_are_there_already_keep_their_numbers(url: String) {
    let db = open(&url).await;
    migrate(&db).await.unwrap();
    let plain = Database::connect(&url).await.unwrap();
    let shop = builders::a_shop(&db).await;
    let n_steps = u32::try_from(Migrator::migrations().len()).unwrap();
    Migrator::down(&plain, Some(n_steps - BEFORE_NUMBERS))
        .await
        .unwrap();
    let (merchant, outlet, channel) = (shop.merchant.0, shop.outlet.0, shop.channel.0);
    let old = format!(
        "insert into orders (merchant_id, channel_id, connection_id, outlet_id, remote_id, number, remote_status, \
         document, paid, fulfilment, invoice_number, currency, total_minor, version, content_hash, placed_at, \
         left_before, source, first_seen_at, recorded_at) values ({merchant}, {channel}, {channel}, {outlet}, '1', \
         '1042', 'PAID', 'invoice', false, 'unsent', 'INV/1/1042', 'IDR', 5, 1, 'x', 1, false, 'webhook', 1, 1)"
    );
    plain.execute_unprepared(&old).await.unwrap();

    Migrator::up(&plain, None).await.unwrap();

    let found = sales::find_orders(&db, shop.merchant, "INV/1/1042").await;
    let numbers: Vec<_> = found
        .unwrap()
        .into_iter()
        .map(|row| row.invoice_number)
        .collect();
    assert_eq!(numbers, [Some("INV/1/1042".to_owned())]);
    let broken = sales::broken_series(&db, shop.merchant).await.unwrap();
    assert_eq!(broken, []);
    plain.close().await.unwrap();
    db.close().await.unwrap();
}
