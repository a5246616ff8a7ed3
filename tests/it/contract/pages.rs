//! Lists end, and show everything exactly once.

use super::Stage;
use marketsink::{
    domain::{RemoteId, Window},
    marketplaces::{ProductScope, simulation::SimStatus},
};
use std::{collections::BTreeSet, time::Duration};

const N_ORDERS: usize = 250;
const N_PRODUCTS: usize = 120;

/// Every id of `expected` once and no other.
fn assert_each_once(slug: &str, found: Vec<RemoteId>, expected: BTreeSet<RemoteId>) {
    let distinct: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(distinct.len(), found.len(), "{slug} shows some twice");
    assert_eq!(distinct, expected, "{slug}");
}

#[tokio::test]
async fn every_order_is_listed_exactly_once_in_a_bounded_number_of_pages() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        for index in 0..N_ORDERS {
            // Several share a second, more than a page of them in the middle.
            if index % 7 == 0 && !(60..=180).contains(&index) {
                stage.clock.advance(Duration::from_secs(1));
            }
            stage.order(&[("MUG", 1)], SimStatus::Paid);
        }

        let (found, n_pages) = stage.all_orders(stage.until_now()).await;

        let expected = stage
            .shop
            .with(|shop| shop.orders.keys().cloned().collect());
        let ids = found.iter().map(|order| order.remote_id.clone()).collect();
        assert_each_once(slug, ids, expected);
        let fewest = N_ORDERS.div_ceil(stage.marketplace.limits().order_page as usize);
        assert!(
            (fewest..=fewest + 2).contains(&n_pages),
            "{slug}: {n_pages}"
        );
        let in_order = found.is_sorted_by_key(|order| order.version);
        assert!(in_order, "{slug} does not list the oldest change first");
    }
}

#[tokio::test]
async fn an_order_window_shows_what_changed_in_it() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let before = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let moved = stage.order(&[("MUG", 1)], SimStatus::Paid);
        stage.clock.advance(Duration::from_secs(60));
        let from = stage.clock.now();
        stage.shop.move_order(&moved, SimStatus::Completed);
        let placed = stage.order(&[("MUG", 1)], SimStatus::Unpaid);
        stage.clock.advance(Duration::from_secs(60));
        let to = stage.clock.now();
        let after = stage.order(&[("MUG", 1)], SimStatus::Paid);

        let (found, _) = stage.all_orders(Window { from, to }).await;

        let ids: BTreeSet<_> = found.into_iter().map(|order| order.remote_id).collect();
        assert!(ids.contains(&moved) && ids.contains(&placed), "{slug}");
        assert!(!ids.contains(&before), "{slug}");
        assert!(!ids.contains(&after), "{slug}");
    }
}

#[tokio::test]
async fn a_window_as_long_as_the_limit_is_read_wherever_its_seconds_begin() {
    for stage in Stage::every().await {
        let Some(longest) = stage.marketplace.limits().longest_order_window else {
            continue;
        };
        let order = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let to = stage.clock.now() + Duration::from_micros(1_500_000);

        let from = to - longest;
        let (found, _) = stage.all_orders(Window { from, to }).await;

        let ids: Vec<_> = found.into_iter().map(|order| order.remote_id).collect();
        assert_eq!(ids, [order], "{}", stage.slug());
    }
}

#[tokio::test]
async fn every_product_is_listed_exactly_once_in_a_bounded_number_of_pages() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let now = stage.clock.now();
        stage.shop.with(|shop| {
            for index in shop.products.len()..N_PRODUCTS {
                let sku = format!("P-{index}");
                shop.add_product(&sku, &[("", Some(sku.as_str()), 1_000_000, 3)], now);
            }
        });

        for scope in [ProductScope::Full, ProductScope::Active] {
            let (found, n_pages) = stage.all_products(scope).await;

            let expected = stage
                .shop
                .with(|shop| shop.products.keys().cloned().collect());
            let ids = found.into_iter().map(|product| product.remote_id).collect();
            assert_each_once(slug, ids, expected);
            let fewest = N_PRODUCTS.div_ceil(stage.marketplace.limits().product_page as usize);
            // Lists that are kept by state may end with a short page for each.
            assert!(
                (fewest..=fewest + 4).contains(&n_pages),
                "{slug}: {n_pages}"
            );
        }
    }
}

#[tokio::test]
async fn a_shop_without_anything_has_empty_lists() {
    for stage in Stage::every().await {
        stage.shop.with(|shop| shop.products.clear());

        let (orders, _) = stage.all_orders(stage.until_now()).await;
        let (products, _) = stage.all_products(ProductScope::Full).await;

        assert_eq!((orders.len(), products.len()), (0, 0), "{}", stage.slug());
    }
}
