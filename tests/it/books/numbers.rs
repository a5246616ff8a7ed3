//! Invoice numbers: no gap, no double, whatever happens to transactions.

use super::{all_orders, channel_of, order, record, record_in};
use crate::{
    support::{
        builders::{NOW, channel, outlet},
        database::databases,
    },
    views::{a_known_shop, another_channel},
};
use futures::future::join_all;
use marketsink::{
    channels::ChannelSettings,
    db::Db,
    domain::{Standing, Timestamp},
    sales::{self, NumberFormat},
};
use sea_orm::ConnectionTrait;

databases!(
    sixteen_workers_with_rollbacks_in_between_leave_no_gap,
    an_invoice_keeps_its_number_when_it_is_called_off,
    an_unpaid_order_gets_its_number_when_it_becomes_an_invoice,
    invoices_that_had_a_number_before_keep_it,
    outlets_count_apart_and_years_begin_again,
    a_gap_and_a_double_are_told,
);

const WORKERS: usize = 16;
const EACH: usize = 6;

fn sorted_numbers(orders: &[entity::orders::Model]) -> Vec<String> {
    let numbers = orders.iter().filter_map(|row| row.invoice_number.clone());
    let mut numbers: Vec<String> = numbers.collect();
    numbers.sort();
    numbers
}

fn expected(n: usize) -> Vec<String> {
    (1..=n).map(|n| format!("INV/MAIN/2026/{n:06}")).collect()
}

async fn sixteen_workers_with_rollbacks_in_between_leave_no_gap(db: Db) {
    let shop = a_known_shop(&db).await;
    let other = another_channel(&db, shop, "active").await;
    let channels = [
        channel_of(&db, shop.channel).await,
        channel_of(&db, other).await,
    ];
    let worker = |worker: usize| {
        let (db, channel) = (&db, &channels[worker % 2]);
        async move {
            for n in 0..EACH {
                let number = format!("{worker}-{n}");
                let tx = db.write_tx().await.unwrap();
                record_in(
                    &tx,
                    channel,
                    &order(&number, Standing::SOLD, "X", 1, 0),
                    NOW,
                )
                .await;
                if n % 3 == 1 {
                    tx.rollback().await.unwrap();
                } else if n % 3 == 2 {
                    // As when a worker is dropped in the middle.
                    drop(tx);
                } else {
                    tx.commit().await.unwrap();
                }
            }
        }
    };

    join_all((0..WORKERS).map(worker)).await;

    let booked = all_orders(&db).await;
    assert_eq!(sorted_numbers(&booked), expected(WORKERS * EACH / 3));
    let broken = sales::broken_series(&db, shop.merchant).await.unwrap();
    assert_eq!(broken, []);
}

async fn an_invoice_keeps_its_number_when_it_is_called_off(db: Db) {
    let shop = a_known_shop(&db).await;
    let channel = channel_of(&db, shop.channel).await;
    record(&db, &channel, &order("1", Standing::SOLD, "X", 1, 0)).await;
    record(&db, &channel, &order("1", Standing::CANCELLED, "X", 1, 1)).await;
    record(&db, &channel, &order("2", Standing::SOLD, "X", 1, 0)).await;
    // Called off before it was booked: it never was an invoice.
    record(&db, &channel, &order("3", Standing::CANCELLED, "X", 1, 0)).await;
    record(&db, &channel, &order("4", Standing::SHIPPED, "X", 1, 0)).await;

    let booked = all_orders(&db).await;

    let told: Vec<_> = booked
        .iter()
        .map(|row| (row.document.as_str(), row.invoice_number.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("void", Some("INV/MAIN/2026/000001")),
            ("invoice", Some("INV/MAIN/2026/000002")),
            ("void", None),
            ("invoice", Some("INV/MAIN/2026/000003")),
        ]
    );
    let broken = sales::broken_series(&db, shop.merchant).await.unwrap();
    assert_eq!(broken, []);
}

async fn an_unpaid_order_gets_its_number_when_it_becomes_an_invoice(db: Db) {
    let shop = a_known_shop(&db).await;
    let tx = db.write_tx().await.unwrap();
    let settings = ChannelSettings {
        unpaid_orders: true,
        ..ChannelSettings::default()
    };
    marketsink::channels::save_settings(&tx, shop.channel, &settings, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let channel = channel_of(&db, shop.channel).await;
    record(&db, &channel, &order("1", Standing::PLACED, "X", 1, 0)).await;
    assert_eq!(sorted_numbers(&all_orders(&db).await), expected(0));

    record(&db, &channel, &order("2", Standing::SOLD, "X", 1, 0)).await;
    record(&db, &channel, &order("1", Standing::SOLD, "X", 1, 1)).await;

    let booked = all_orders(&db).await;
    let number = booked[0].invoice_number.as_deref();
    assert_eq!(number, Some("INV/MAIN/2026/000002"));
    assert_eq!(sorted_numbers(&booked), expected(2));
}

async fn invoices_that_had_a_number_before_keep_it(db: Db) {
    let shop = a_known_shop(&db).await;
    let channel = channel_of(&db, shop.channel).await;
    record(&db, &channel, &order("1", Standing::SOLD, "X", 1, 0)).await;
    let tx = db.write_tx().await.unwrap();
    tx.execute_unprepared("update orders set invoice_number = 'INV/1/1'")
        .await
        .unwrap();
    tx.execute_unprepared("delete from number_series")
        .await
        .unwrap();
    tx.commit().await.unwrap();

    record(&db, &channel, &order("1", Standing::SHIPPED, "X", 1, 1)).await;
    record(&db, &channel, &order("2", Standing::SOLD, "X", 1, 0)).await;

    let numbers = sorted_numbers(&all_orders(&db).await);
    assert_eq!(numbers, ["INV/1/1", "INV/MAIN/2026/000001"]);
}

async fn outlets_count_apart_and_years_begin_again(db: Db) {
    let shop = a_known_shop(&db).await;
    let bandung = outlet(&db, shop.merchant, "Bandung 2").await;
    let there = channel(&db, shop.merchant, bandung, "active").await;
    let known = "update channels set marketplace = 'tiktok_shop', platform = 'tiktok_shop'";
    let tx = db.write_tx().await.unwrap();
    tx.execute_unprepared(known).await.unwrap();
    let format = NumberFormat::parse("{outlet}-{yy}-{seq:3}").unwrap();
    sales::set_format(&tx, shop.merchant, Some(bandung), Some(&format), NOW)
        .await
        .unwrap();
    sales::set_code(&tx, shop.merchant, bandung, "BDG", NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // 2026-12-31T18:00Z is next year in Jakarta.
    let new_year = Timestamp::from_secs(1_798_740_000);
    let (main, there) = (
        channel_of(&db, shop.channel).await,
        channel_of(&db, there).await,
    );

    for (number, channel, now) in [
        ("1", &main, NOW),
        ("2", &there, NOW),
        ("3", &there, NOW),
        ("4", &main, new_year),
        ("5", &there, new_year),
    ] {
        let tx = db.write_tx().await.unwrap();
        record_in(&tx, channel, &order(number, Standing::SOLD, "X", 1, 0), now).await;
        tx.commit().await.unwrap();
    }

    let booked = all_orders(&db).await;
    let numbers: Vec<_> = booked
        .iter()
        .filter_map(|row| row.invoice_number.as_deref())
        .collect();
    assert_eq!(
        numbers,
        [
            "INV/MAIN/2026/000001",
            "BDG-26-001",
            "BDG-26-002",
            "INV/MAIN/2027/000001",
            "BDG-27-001",
        ]
    );
}

async fn a_gap_and_a_double_are_told(db: Db) {
    let shop = a_known_shop(&db).await;
    let channel = channel_of(&db, shop.channel).await;
    for number in ["1", "2", "3"] {
        record(&db, &channel, &order(number, Standing::SOLD, "X", 1, 0)).await;
    }
    let tx = db.write_tx().await.unwrap();
    let double = "update orders set invoice_number = 'INV/MAIN/2026/000003' where number = '2'";
    tx.execute_unprepared(double).await.unwrap();
    tx.execute_unprepared("delete from order_steps")
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let broken = sales::broken_series(&db, shop.merchant).await.unwrap();

    assert_eq!(broken.len(), 1);
    assert_eq!((broken[0].missing, broken[0].doubtful), (1, 1));
}
