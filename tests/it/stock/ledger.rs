//! What the ledger promises: nothing written is changed, every unit is explained, what is missing shows.

use super::{count, sku, with_mug};
use crate::support::{
    builders::{NOW, outlet},
    database::databases,
};
use marketsink::{
    catalog::{self, BundleError},
    db::Db,
    domain::{OrderId, SkuId},
    stock::{self, DeedError, MovedFilter, Movement, MovementKind},
};
use sea_orm::ConnectionTrait;
use std::collections::BTreeMap;

databases!(
    what_was_written_to_the_ledger_is_never_changed,
    every_movement_shows_what_was_there_after_it,
    two_deeds_at_the_same_moment_are_two_movements,
    a_transfer_moves_nothing_that_was_sold,
    units_set_apart_are_on_hand_and_not_available,
    an_oversell_is_noted_once_and_closes_when_it_is_covered,
    bundles_of_bundles_are_refused,
);

async fn what_was_written_to_the_ledger_is_never_changed(db: Db) {
    with_mug(&db, 5).await;

    for attack in [
        "update movements set on_hand_delta = 7",
        "delete from movements",
    ] {
        let tx = db.write_tx().await.unwrap();
        let refused = tx.execute_unprepared(attack).await;
        assert!(
            refused.unwrap_err().to_string().contains("never changed"),
            "{attack}"
        );
    }
}

async fn every_movement_shows_what_was_there_after_it(db: Db) {
    let (shop, mug) = with_mug(&db, 5).await;
    let second = outlet(&db, shop.merchant, "Second").await;
    let tx = db.write_tx().await.unwrap();
    let (merchant, at) = (shop.merchant, (mug, shop.outlet));
    stock::adjust(&tx, merchant, at, -2, "broken", NOW)
        .await
        .unwrap();
    stock::transfer(&tx, merchant, mug, (shop.outlet, second), 1, "moved", NOW)
        .await
        .unwrap();
    count(&tx, shop, at, 4).await;
    tx.commit().await.unwrap();
    let filter = MovedFilter {
        sku: mug,
        outlet: Some(shop.outlet),
        before: None,
        limit: 10,
    };

    let told = stock::history(db.read(), merchant, &filter).await.unwrap();
    let older = MovedFilter {
        before: Some(told[1].id),
        ..filter
    };
    let older = stock::history(db.read(), merchant, &older).await.unwrap();

    let told: Vec<_> = told
        .iter()
        .map(|row| (row.kind.as_str(), row.on_hand_delta, row.on_hand))
        .collect();
    let expected = [
        ("count", 2, 4),
        ("transfer", -1, 2),
        ("adjust", -2, 3),
        ("opening", 5, 5),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        older.iter().map(|row| row.on_hand).collect::<Vec<_>>(),
        [3, 5]
    );
}

async fn two_deeds_at_the_same_moment_are_two_movements(db: Db) {
    let (shop, mug) = with_mug(&db, 5).await;
    let tx = db.write_tx().await.unwrap();
    let at = (mug, shop.outlet);
    for _ in 0..2 {
        stock::adjust(&tx, shop.merchant, at, -1, "broken", NOW)
            .await
            .unwrap();
    }
    count(&tx, shop, at, 9).await;
    count(&tx, shop, at, 8).await;
    tx.commit().await.unwrap();

    let levels = stock::levels(db.read(), shop.merchant).await.unwrap();

    assert_eq!(levels[0].on_hand, 8);
    let differ = stock::sums_differ(&db, shop.merchant).await.unwrap();
    assert_eq!(differ, []);
}

fn sale(shop: crate::support::builders::Shop, sku: SkuId, units: i64, order: i64) -> Movement {
    Movement {
        sku,
        outlet: shop.outlet,
        kind: MovementKind::Allocate,
        on_hand_delta: 0,
        allocated_delta: units,
        order: Some(OrderId(order)),
        order_line: None,
        reference: format!("order:{order}"),
        note: None,
    }
}

async fn a_transfer_moves_nothing_that_was_sold(db: Db) {
    let (shop, mug) = with_mug(&db, 5).await;
    let second = outlet(&db, shop.merchant, "Second").await;
    let tx = db.write_tx().await.unwrap();
    stock::append(&tx, shop.merchant, &[sale(shop, mug, 3, 1)], NOW)
        .await
        .unwrap();

    let there = (shop.outlet, second);
    let refused = stock::transfer(&tx, shop.merchant, mug, there, 3, "", NOW).await;
    let taken = stock::transfer(&tx, shop.merchant, mug, there, 2, "", NOW).await;

    assert!(matches!(
        refused,
        Err(DeedError::TooFew { available: 2, .. })
    ));
    assert!(taken.is_ok());
}

async fn units_set_apart_are_on_hand_and_not_available(db: Db) {
    let (shop, mug) = with_mug(&db, 5).await;
    let (merchant, at) = (shop.merchant, (mug, shop.outlet));
    let tx = db.write_tx().await.unwrap();

    stock::reserve(&tx, merchant, at, 4, "flash sale", NOW)
        .await
        .unwrap();
    let too_many = stock::reserve(&tx, merchant, at, 2, "more", NOW).await;
    let too_free = stock::reserve(&tx, merchant, at, -5, "over", NOW).await;
    tx.commit().await.unwrap();

    assert!(matches!(too_many, Err(DeedError::TooFew { .. })));
    assert!(matches!(too_free, Err(DeedError::NotReserved { .. })));
    let level = &stock::levels(db.read(), merchant).await.unwrap()[0];
    assert_eq!((level.on_hand, level.reserved, level.available), (5, 4, 1));
    let differ = stock::sums_differ(&db, merchant).await.unwrap();
    assert_eq!(differ, []);
}

async fn an_oversell_is_noted_once_and_closes_when_it_is_covered(db: Db) {
    let (shop, mug) = with_mug(&db, 1).await;
    let tx = db.write_tx().await.unwrap();
    for order in 1..=3 {
        stock::append(&tx, shop.merchant, &[sale(shop, mug, 1, order)], NOW)
            .await
            .unwrap();
    }
    let open = stock::oversells(&tx, shop.merchant, false, 10)
        .await
        .unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!((open[0].units, open[0].order), (2, Some(OrderId(3))));

    count(&tx, shop, (mug, shop.outlet), 2).await;
    let open = stock::oversells(&tx, shop.merchant, false, 10)
        .await
        .unwrap();
    assert_eq!(open.len(), 1, "one is still missing");
    count(&tx, shop, (mug, shop.outlet), 3).await;
    tx.commit().await.unwrap();

    let open = stock::oversells(db.read(), shop.merchant, false, 10).await;
    assert_eq!(open.unwrap(), []);
    let all = stock::oversells(db.read(), shop.merchant, true, 10).await;
    assert_eq!(all.unwrap()[0].closed_at, Some(NOW));
}

async fn bundles_of_bundles_are_refused(db: Db) {
    let (shop, mug) = with_mug(&db, 5).await;
    let merchant = shop.merchant;
    let tx = db.write_tx().await.unwrap();
    let set = sku(&tx, shop, "SET").await;
    let big = sku(&tx, shop, "BIG-SET").await;
    let one = |sku| BTreeMap::from([(sku, 1)]);

    catalog::set_bundle(&tx, merchant, set, &one(mug))
        .await
        .unwrap();
    let nested = catalog::set_bundle(&tx, merchant, big, &one(set)).await;
    let component = catalog::set_bundle(&tx, merchant, mug, &one(big)).await;
    let itself = catalog::set_bundle(&tx, merchant, big, &one(big)).await;
    let again = catalog::set_bundle(&tx, merchant, set, &BTreeMap::from([(mug, 2)])).await;

    assert!(matches!(nested, Err(BundleError::Nested(_))));
    assert!(matches!(component, Err(BundleError::IsComponent(_))));
    assert!(matches!(itself, Err(BundleError::Itself)));
    assert!(again.is_ok());
}
