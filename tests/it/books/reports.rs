//! Reports: the same totals from whatever side, on random histories; and what a broken row does to them.

use super::{channel_of, count, idr, order, record};
use crate::{
    support::{
        builders::{NOW, Shop},
        database::databases,
    },
    views::{a_known_shop, another_channel},
};
use marketsink::{
    catalog::{self, ToldSku},
    db::Db,
    domain::{Day, Fulfilment, Goods, Order, Return, ReturnLine, ReturnState, Standing},
    reports::{
        ReturnsBy, ValuationQuery, Worth, agreement,
        export::{ExportKind, ExportPlace, export_page},
        returned,
        sales::{By, SalesQuery, sales},
        valuation,
    },
};
use sea_orm::ConnectionTrait;
use std::time::Duration;

databases!(
    ledger_documents_and_reports_agree_on_any_history,
    what_was_written_past_the_books_is_told,
    a_day_is_that_of_the_merchant_and_currencies_are_apart,
    stock_is_worth_what_it_cost_and_what_it_sells_for,
    every_kind_of_export_is_read_page_after_page,
);

fn of(by: By) -> SalesQuery {
    SalesQuery {
        by,
        from: None,
        to: None,
        channel: None,
    }
}

/// The same each time: a property over histories, without a database for each.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Readings of one order, one after the other: paid, shipped, cancelled in part or whole, in any order.
fn readings(dice: &mut Dice, n: u64) -> Vec<Order> {
    let standings = [
        Standing::PLACED,
        Standing::SOLD,
        Standing::SHIPPED,
        Standing::COMPLETED,
        Standing::CANCELLED,
    ];
    let code = ["A", "B", "C", "unknown"][dice.roll(4) as usize];
    let quantity = 1 + dice.roll(5).cast_signed();
    let mut readings = Vec::new();
    for step in 0..1 + dice.roll(4) {
        let standing = standings[dice.roll(5) as usize];
        let mut order = order(&n.to_string(), standing, code, quantity, step);
        order.placed_at = NOW + Duration::from_secs(dice.roll(400_000));
        let line = &mut order.lines[0];
        // Nobody calls units off after they left here: that waits for a person.
        if standing == Standing::SOLD && readings.is_empty() {
            line.cancelled = dice.roll(quantity.cast_unsigned()).cast_signed();
        }
        line.gross = (dice.roll(2) == 0).then(|| idr(line.total.minor + 337));
        let mut second = line.clone();
        second.remote_id = format!("m{n}").into();
        second.seller_sku = Some("B".to_owned());
        second.total = idr(333);
        second.gross = None;
        second.quantity = 3;
        order.total = idr(order.total.minor + 333 + dice.roll(500).cast_signed());
        order.lines.push(second);
        if standing.fulfilment == Fulfilment::Sent && dice.roll(2) == 0 {
            order.returns = Some(vec![a_return(dice, n, quantity, step)]);
        }
        readings.push(order);
    }
    // The first reading of an order is kept: what is called off stays so.
    let cancelled = readings[0].lines[0].cancelled;
    for reading in &mut readings {
        reading.lines[0].cancelled = cancelled;
        reading.lines[1].cancelled = 0;
    }
    readings
}

/// Some units of an order's first line, with some money.
fn a_return(dice: &mut Dice, n: u64, quantity: i64, step: u64) -> Return {
    let goods = [Goods::Back, Goods::Kept, Goods::Coming, Goods::Unknown];
    let refund = idr(dice.roll(3_000).cast_signed());
    Return {
        remote_id: format!("t{n}").into(),
        remote_status: "X".to_owned(),
        state: [ReturnState::Accepted, ReturnState::Refunded][dice.roll(2) as usize],
        version: NOW + Duration::from_secs(step),
        reason: (dice.roll(2) == 0).then(|| "DAMAGED".to_owned()),
        refund: Some(refund),
        lines: vec![ReturnLine {
            line: format!("l{n}").into(),
            quantity: 1 + dice.roll(quantity.cast_unsigned()).cast_signed(),
            refund: (dice.roll(2) == 0).then_some(refund),
            goods: goods[dice.roll(4) as usize],
        }],
    }
}

async fn a_history(db: &Db, seed: u64, n: u64) -> Shop {
    let shop = a_known_shop(db).await;
    let other = another_channel(db, shop, "active").await;
    for code in ["A", "B", "C"] {
        count(db, shop, shop.outlet, code, 50).await;
    }
    let channels = [
        channel_of(db, shop.channel).await,
        channel_of(db, other).await,
    ];
    let mut dice = Dice(seed);
    for n in 0..n {
        let channel = &channels[dice.roll(2) as usize];
        for reading in readings(&mut dice, n) {
            record(db, channel, &reading).await;
        }
    }
    shop
}

async fn ledger_documents_and_reports_agree_on_any_history(db: Db) {
    for seed in 0..3 {
        let shop = a_history(&db, seed, 25).await;

        let found = agreement(&db, shop.merchant).await.unwrap();

        assert_eq!(found.differences, Vec::<String>::new(), "seed {seed}");
        assert!(found.lines_compared > 20);
        let by_day = sales(&db, shop.merchant, &of(By::Day)).await.unwrap();
        assert!(by_day.rows.len() > 1 && by_day.totals[0].refunds_minor > 0);
        let all = returned(&db, shop.merchant, ReturnsBy::Day, (None, None))
            .await
            .unwrap();
        assert!(all.totals[0].credited_minor > 0);
        for by in ReturnsBy::ALL {
            let report = returned(&db, shop.merchant, *by, (None, None))
                .await
                .unwrap();
            let credited: i64 = report.rows.iter().map(|row| row.credited_minor).sum();
            assert_eq!(credited, all.totals[0].credited_minor, "{by:?}");
            assert_eq!(report.totals, all.totals);
        }
        for by in By::ALL {
            let report = sales(&db, shop.merchant, &of(*by)).await.unwrap();
            let sum = |of: fn(&marketsink::reports::sales::SalesRow) -> i64| {
                report.rows.iter().map(of).sum::<i64>()
            };
            let totals = &by_day.totals[0];
            assert_eq!(report.totals, by_day.totals, "{by:?}");
            assert_eq!(sum(|row| row.units), totals.units);
            assert_eq!(sum(|row| row.gross_minor), totals.gross_minor);
            assert_eq!(sum(|row| row.discounts_minor), totals.discounts_minor);
            assert_eq!(sum(|row| row.charges_minor), totals.charges_minor);
            assert_eq!(sum(|row| row.refunds_minor), totals.refunds_minor);
            assert_eq!(sum(|row| row.net_minor), totals.net_minor);
        }
    }
}

async fn what_was_written_past_the_books_is_told(db: Db) {
    let shop = a_history(&db, 7, 10).await;
    for broken in [
        "update order_lines set allocated = allocated + 1 where id = (select min(id) from order_lines where sku_id is not null)",
        "update levels set on_hand = on_hand + 1",
        "delete from order_steps where step = 'create_invoice'",
    ] {
        let before = agreement(&db, shop.merchant).await.unwrap().n_differences;
        let tx = db.write_tx().await.unwrap();
        tx.execute_unprepared(broken).await.unwrap();
        tx.commit().await.unwrap();

        let found = agreement(&db, shop.merchant).await.unwrap();

        assert!(found.n_differences > before, "{broken}");
    }
}

async fn a_day_is_that_of_the_merchant_and_currencies_are_apart(db: Db) {
    let shop = a_known_shop(&db).await;
    let channel = channel_of(&db, shop.channel).await;
    // NOW is 09:20 in Jakarta: fifteen hours later it is the next day there, and still the same in UTC.
    let today = order("1", Standing::SOLD, "A", 2, 0);
    let mut late = order("2", Standing::SOLD, "A", 3, 0);
    late.placed_at = NOW + Duration::from_secs(15 * 3_600);
    let mut dollars = order("3", Standing::SOLD, "A", 1, 0);
    dollars.currency = marketsink::domain::Currency::from_code("USD").unwrap();
    dollars.total.currency = dollars.currency;
    for order in [&today, &late, &dollars] {
        record(&db, &channel, order).await;
    }

    let all = sales(&db, shop.merchant, &of(By::Day)).await.unwrap();
    let first = SalesQuery {
        to: Day::parse("2026-11-23"),
        ..of(By::Sku)
    };
    let first = sales(&db, shop.merchant, &first).await.unwrap();

    let told: Vec<_> = all
        .rows
        .iter()
        .map(|row| (row.key.as_str(), row.currency.as_str(), row.units))
        .collect();
    assert_eq!(
        told,
        [
            ("2026-11-23", "IDR", 2),
            ("2026-11-23", "USD", 1),
            ("2026-11-24", "IDR", 3),
        ]
    );
    let told: Vec<_> = first
        .rows
        .iter()
        .map(|row| (row.key.as_str(), row.total_minor))
        .collect();
    assert_eq!(told, [("(A)", 2_000), ("(A)", 1_000)]);
}

async fn stock_is_worth_what_it_cost_and_what_it_sells_for(db: Db) {
    let shop = a_known_shop(&db).await;
    count(&db, shop, shop.outlet, "A", 4).await;
    count(&db, shop, shop.outlet, "B", 3).await;
    let tx = db.write_tx().await.unwrap();
    let told = ToldSku {
        code: "A".to_owned(),
        name: None,
        cost: Some(idr(250)),
        price: Some(idr(1_000)),
    };
    catalog::take_skus(&tx, shop.merchant, &[told], NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let channel = channel_of(&db, shop.channel).await;
    record(&db, &channel, &order("1", Standing::SHIPPED, "A", 1, 0)).await;

    let worth = |day: Option<&str>| {
        let query = ValuationQuery {
            outlet: None,
            day: day.and_then(Day::parse),
        };
        let db = &db;
        async move {
            let (rows, next) = valuation(db, shop.merchant, &query, None).await.unwrap();
            assert_eq!(next, None);
            let mut worth = Worth::default();
            rows.iter().for_each(|row| worth.add(row));
            worth
        }
    };

    let now = worth(None).await;
    assert_eq!((now.on_hand, now.without_cost), (6, 3));
    assert_eq!((now.cost["IDR"], now.price["IDR"]), (750, 3_000));
    assert_eq!(worth(Some("2026-11-23")).await, now);
    assert_eq!(worth(Some("2026-11-22")).await, Worth::default());
}

async fn every_kind_of_export_is_read_page_after_page(db: Db) {
    let shop = a_history(&db, 1, 5).await;
    let tx = db.write_tx().await.unwrap();
    for n in 0..1_001 {
        let sku = format!(
            "insert into skus (merchant_id, code, name, created_at) values ({}, '=x{n}', 'x', 0)",
            shop.merchant
        );
        tx.execute_unprepared(&sku).await.unwrap();
    }
    tx.commit().await.unwrap();

    for kind in ExportKind::ALL {
        let first = export_page(&db, shop.merchant, *kind, &ExportPlace::default()).await;
        let (rows, _) = first.unwrap();
        assert!(rows.iter().all(|row| row.len() == kind.columns().len()));
    }
    let (first, next) = export_page(
        &db,
        shop.merchant,
        ExportKind::Skus,
        &ExportPlace::default(),
    )
    .await
    .unwrap();
    let (second, end) = export_page(&db, shop.merchant, ExportKind::Skus, &next.unwrap())
        .await
        .unwrap();
    assert_eq!((first.len(), second.len(), end), (1_000, 4, None));
}
