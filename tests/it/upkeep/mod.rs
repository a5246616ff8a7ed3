//! Old rows go, and what must stay stays; bodies are packed and read as they came.

mod rows;

use crate::support::{
    builders::{self, NOW, Shop},
    databases,
};
use entity::deliveries;
use marketsink::{
    config::{Retention, Settings},
    db::Db,
    domain::Timestamp,
    inbox,
    upkeep::{self, Keeping, Kept},
};
use rows::ROWS;
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, QueryOrder, Statement};
use std::time::Duration;

databases!(
    of_every_table_the_old_row_goes_and_what_must_stay_stays,
    a_delivery_stays_while_anything_is_left_to_do_with_it,
    no_delivery_goes_within_the_time_in_which_repeats_come,
    a_dry_run_says_the_same_and_changes_nothing,
    a_walk_goes_on_where_it_was_stopped,
    one_process_at_a_time_takes_rows_away,
    packed_bodies_are_read_as_they_came,
    a_dropped_body_leaves_its_row_and_its_events,
);

const DAY: Duration = Duration::from_secs(86_400);

fn days_ago(days: i64) -> i64 {
    NOW.micros() - days * 86_400_000_000
}

fn retention() -> Retention {
    Settings::default().retention
}

fn keeping(retention: &Retention) -> Keeping<'_> {
    Keeping {
        retention,
        now: NOW,
    }
}

async fn run(db: &Db, statement: &str) {
    let tx = db.write_tx().await.unwrap();
    tx.execute_unprepared(statement)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
    tx.commit().await.unwrap();
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

async fn count(db: &Db, table: &str) -> i64 {
    let sql = format!("select count(*) as n from {table}");
    let statement = Statement::from_string(db.read().get_database_backend(), sql);
    let row = Count::find_by_statement(statement).one(db.read()).await;
    row.unwrap().unwrap().n
}

/// What the rows above belong to.
async fn a_place(db: &Db) -> (Shop, i64) {
    let shop = builders::a_shop(db).await;
    let (m, c) = (shop.merchant, shop.channel);
    run(
        db,
        &format!(
            "insert into listings (merchant_id, channel_id, product_id, variant_id, title, state, content_hash, \
             remote_version, created_at, updated_at) values ({m}, {c}, 'p', 'v', 'Mug', 'active', 'h', 1, 0, 0)"
        ),
    )
    .await;
    run(
        db,
        &format!(
            "insert into endpoints (merchant_id, protocol, url, kinds, settings, state, failures, created_at, \
             updated_at) values ({m}, 'webhook', 'https://erp.example.com', '', '{{}}', 'active', 0, 0, 0)"
        ),
    )
    .await;
    run(
        db,
        &format!(
            "insert into schedules (merchant_id, channel_id, task, expression, enabled, last_fire_at, created_at) \
             values ({m}, {c}, 'full_scan', '0 1 * * *', true, 0, 0)"
        ),
    )
    .await;
    (shop, 1)
}

async fn add(db: &Db, shop: Shop, insert: &str, (at, n): (i64, i64)) {
    let statement = insert
        .replace("{m}", &shop.merchant.to_string())
        .replace("{c}", &shop.channel.to_string())
        .replace("{o}", &shop.outlet.to_string())
        .replace("{l}", "(select max(id) from listings)")
        .replace("{at}", &at.to_string())
        .replace("{n}", &n.to_string());
    run(db, &statement).await;
}

async fn of_every_table_the_old_row_goes_and_what_must_stay_stays(db: Db) {
    let (shop, _) = a_place(&db).await;
    let retention = retention();
    for rows in ROWS {
        let table = rows.kept;
        for n in 1..=2 {
            for insert in rows.insert {
                add(&db, shop, insert, (days_ago(1_000), n)).await;
            }
        }

        upkeep::run_all(&db, keeping(&retention)).await.unwrap();
        upkeep::run_all(&db, keeping(&retention)).await.unwrap();

        let left = i64::from(rows.newest_stays);
        for table in rows.tables {
            // What a scan saw and found goes sooner than the newest scan.
            let expected = if *table == "scan_pages" { 0 } else { left };
            assert_eq!(
                count(&db, table).await,
                expected,
                "{table} of {}",
                rows.kept
            );
        }
        for insert in rows.insert {
            add(&db, shop, insert, (days_ago(1), 3)).await;
        }

        upkeep::run_all(&db, keeping(&retention)).await.unwrap();

        assert_eq!(
            count(&db, rows.tables[0]).await,
            1,
            "{table}: the new one stays"
        );
        for table in rows.tables.iter().rev() {
            run(&db, &format!("delete from {table} where 1 = 1")).await;
        }
    }
}

async fn a_delivery(db: &Db, shop: Shop, key: &str, verdict: &str, at: i64) -> i64 {
    let (m, c) = (shop.merchant, shop.channel);
    run(
        db,
        &format!(
            "insert into deliveries (merchant_id, channel_id, marketplace, delivery_key, topic, verdict, headers, body, \
             received_at) values ({m}, {c}, 'woocommerce', '{key}', 'order.updated', '{verdict}', '[]', \
             'body of {key} body of {key} body of {key} body of {key}', {at})"
        ),
    )
    .await;
    let last = deliveries::Entity::find().order_by_desc(deliveries::Column::Id);
    last.one(db.read()).await.unwrap().unwrap().id
}

async fn an_event(db: &Db, shop: Shop, delivery: i64, state: &str) {
    let (m, c) = (shop.merchant, shop.channel);
    run(
        db,
        &format!(
            "insert into events (merchant_id, channel_id, delivery_id, kind, subject, state, created_at) \
             values ({m}, {c}, {delivery}, 'order_changed', '1', '{state}', 0)"
        ),
    )
    .await;
}

async fn keys(db: &Db) -> Vec<String> {
    let rows = deliveries::Entity::find().order_by_asc(deliveries::Column::Id);
    let rows = rows.all(db.read()).await.unwrap();
    rows.into_iter().map(|row| row.delivery_key).collect()
}

async fn a_delivery_stays_while_anything_is_left_to_do_with_it(db: Db) {
    let shop = builders::a_shop(&db).await;
    let handled = a_delivery(&db, shop, "handled", "accepted", days_ago(200)).await;
    an_event(&db, shop, handled, "handled").await;
    let pending = a_delivery(&db, shop, "pending", "parked", days_ago(199)).await;
    an_event(&db, shop, pending, "pending").await;
    a_delivery(&db, shop, "unread", "unknown_topic", days_ago(198)).await;
    a_delivery(&db, shop, "ignored", "ignored", days_ago(197)).await;
    a_delivery(&db, shop, "last", "accepted", days_ago(196)).await;
    let retention = retention();

    upkeep::run_all(&db, keeping(&retention)).await.unwrap();

    assert_eq!(keys(&db).await, ["pending", "unread", "last"]);
    assert_eq!(
        count(&db, "events").await,
        1,
        "events go with their delivery"
    );
    let much_later = Keeping {
        retention: &retention,
        now: NOW + DAY * 400,
    };
    upkeep::run_all(&db, much_later).await.unwrap();
    assert_eq!(keys(&db).await, ["pending", "last"], "not for ever");
}

async fn no_delivery_goes_within_the_time_in_which_repeats_come(db: Db) {
    let shop = builders::a_shop(&db).await;
    a_delivery(&db, shop, "past", "accepted", days_ago(31)).await;
    a_delivery(&db, shop, "lately", "accepted", days_ago(29)).await;
    a_delivery(&db, shop, "last", "accepted", days_ago(0)).await;
    let retention = Retention {
        deliveries: 1,
        delivery_bodies: 1,
        ..retention()
    };

    upkeep::run_all(&db, keeping(&retention)).await.unwrap();

    assert_eq!(keys(&db).await, ["lately", "last"]);
    let rows = deliveries::Entity::find().all(db.read()).await.unwrap();
    assert!(rows.iter().all(|row| inbox::body_of(row).is_ok()));
}

async fn a_dry_run_says_the_same_and_changes_nothing(db: Db) {
    let (shop, _) = a_place(&db).await;
    for rows in ROWS {
        for insert in rows.insert {
            add(&db, shop, insert, (days_ago(1_000), 1)).await;
        }
    }
    a_delivery(&db, shop, "old", "accepted", days_ago(200)).await;
    a_delivery(&db, shop, "last", "accepted", days_ago(100)).await;
    let retention = retention();
    let tables = ROWS.iter().flat_map(|rows| rows.tables);
    let mut before = Vec::new();
    for table in tables.clone() {
        before.push(count(&db, table).await);
    }

    let would = upkeep::dry_run(&db, keeping(&retention)).await.unwrap();

    let mut after = Vec::new();
    for table in tables {
        after.push(count(&db, table).await);
    }
    assert_eq!(before, after);
    assert_eq!(keys(&db).await.len(), 2);
    let did = upkeep::run_all(&db, keeping(&retention)).await.unwrap();
    let rows = |all: &[upkeep::Tended], kept: Kept| {
        let one = all.iter().find(|one| one.kept == kept);
        one.map_or(0, |one| one.rows)
    };
    for kept in [
        Kept::Deliveries,
        Kept::Quarantine,
        Kept::Notices,
        Kept::Issues,
    ] {
        assert_eq!(rows(&would, kept), 1, "{kept}");
        assert_eq!(rows(&did, kept), 1, "{kept}");
    }
}

async fn many_notices(db: &Db, shop: Shop, n: i64) {
    let (m, c, at) = (shop.merchant, shop.channel, days_ago(1_000));
    run(
        db,
        &format!(
            "insert into notices (merchant_id, channel_id, level, text, created_at) \
             with recursive counted(n) as (select 1 union all select n + 1 from counted where n < {n}) \
             select {m}, {c}, 'info', 'x', {at} from counted"
        ),
    )
    .await;
}

async fn a_walk_goes_on_where_it_was_stopped(db: Db) {
    let shop = builders::a_shop(&db).await;
    many_notices(&db, shop, 1_200).await;
    let retention = retention();
    let mut left = Vec::new();

    for _ in 0..4 {
        upkeep::tend(&db, keeping(&retention), "one", 1)
            .await
            .unwrap();
        left.push(count(&db, "notices").await);
    }

    assert_eq!(left, [700, 200, 0, 0]);
    let states = upkeep::states(&db).await.unwrap();
    let notices = states["notices"];
    assert_eq!(
        (notices.position, notices.last_count, notices.total),
        (0, 1_200, 1_200)
    );
    assert_eq!(notices.run_at, Some(NOW));
    many_notices(&db, shop, 1).await;
    upkeep::tend(&db, keeping(&retention), "one", 1)
        .await
        .unwrap();
    assert_eq!(count(&db, "notices").await, 1, "once a day");
    let tomorrow = Keeping {
        retention: &retention,
        now: NOW + DAY,
    };
    upkeep::tend(&db, tomorrow, "one", 1).await.unwrap();
    assert_eq!(count(&db, "notices").await, 0);
}

async fn one_process_at_a_time_takes_rows_away(db: Db) {
    let shop = builders::a_shop(&db).await;
    many_notices(&db, shop, 10).await;
    run(
        &db,
        &format!(
            "insert into upkeep (name, position, last_count, total, holder, held_until) \
             values ('hold', 0, 0, 0, 'another', {})",
            NOW.micros() + 1
        ),
    )
    .await;
    let retention = retention();

    let while_held = upkeep::tend(&db, keeping(&retention), "one", 9)
        .await
        .unwrap();
    let after = Keeping {
        retention: &retention,
        now: NOW + Duration::from_secs(1),
    };
    let when_it_died = upkeep::tend(&db, after, "one", 9).await.unwrap();

    assert_eq!(while_held, []);
    assert_eq!(when_it_died.iter().map(|one| one.rows).sum::<u64>(), 10);
}

async fn packed_bodies_are_read_as_they_came(db: Db) {
    let shop = builders::a_shop(&db).await;
    for n in 0..250 {
        a_delivery(&db, shop, &format!("d{n}"), "accepted", days_ago(2)).await;
    }
    a_delivery(&db, shop, "today", "accepted", days_ago(0)).await;
    let before = bodies(&db).await;
    let retention = retention();

    let packed = upkeep::pack_some(&db, keeping(&retention), 2)
        .await
        .unwrap();
    let rest = upkeep::pack_some(&db, keeping(&retention), 2)
        .await
        .unwrap();
    let again = upkeep::pack_some(&db, keeping(&retention), 2)
        .await
        .unwrap();

    assert_eq!((packed.rows, rest.rows, again.rows), (200, 50, 0));
    assert!(packed.packed_bytes < packed.plain_bytes, "{packed:?}");
    assert_eq!(bodies(&db).await, before);
    let rows = deliveries::Entity::find().order_by_desc(deliveries::Column::Id);
    let today = rows.one(db.read()).await.unwrap().unwrap();
    assert_eq!(today.body_encoding, "plain");
}

async fn bodies(db: &Db) -> Vec<Vec<u8>> {
    let rows = deliveries::Entity::find().order_by_asc(deliveries::Column::Id);
    let rows = rows.all(db.read()).await.unwrap();
    let body = |row| inbox::body_of(row).unwrap().into_owned();
    rows.iter().map(body).collect()
}

async fn a_dropped_body_leaves_its_row_and_its_events(db: Db) {
    let shop = builders::a_shop(&db).await;
    let old = a_delivery(&db, shop, "old", "accepted", days_ago(60)).await;
    an_event(&db, shop, old, "handled").await;
    a_delivery(&db, shop, "last", "accepted", days_ago(59)).await;
    let retention = Retention {
        delivery_bodies: 45,
        ..retention()
    };

    upkeep::run_all(&db, keeping(&retention)).await.unwrap();

    assert_eq!(keys(&db).await, ["old", "last"]);
    assert_eq!(count(&db, "events").await, 1);
    let row = deliveries::Entity::find_by_id(old).one(db.read()).await;
    let row = row.unwrap().unwrap();
    assert_eq!(inbox::body_of(&row), Err(inbox::BodyError::Dropped));
    assert!(
        row.body.is_empty() && row.received_at == Timestamp::from_micros(days_ago(60)).micros()
    );
}
