//! Client and simulator mean the same: what the shop holds is what the client reads, to the cent.

use super::Stage;
use marketsink::{
    domain::{Document, Fulfilment, Money, Order, Product, ProductState, RemoteId, Window},
    marketplaces::{
        MarketplaceError, PriceChange, ProductScope, StockLevel,
        simulation::{SimOrder, SimStatus},
    },
};
use std::{collections::BTreeMap, time::Duration};

async fn read_orders(stage: &Stage, ids: &[RemoteId]) -> Vec<Order> {
    let read = stage.marketplace.orders_by_id(&stage.access, ids).await;
    read.unwrap_or_else(|error| panic!("{}: {error}", stage.slug()))
}

async fn read_order(stage: &Stage, id: &RemoteId) -> Order {
    let mut orders = read_orders(stage, std::slice::from_ref(id)).await;
    assert_eq!(orders.len(), 1, "{}", stage.slug());
    orders.remove(0)
}

async fn read_products(stage: &Stage, ids: &[RemoteId]) -> Vec<Product> {
    let read = stage.marketplace.products_by_id(&stage.access, ids).await;
    read.unwrap_or_else(|error| panic!("{}: {error}", stage.slug()))
}

fn simulated(stage: &Stage, id: &RemoteId) -> SimOrder {
    stage.shop.with(|shop| shop.orders[id].clone())
}

/// Units, units called off, and amount by seller SKU: lines may be split otherwise.
type Lines = BTreeMap<String, (i64, i64, i64)>;

fn lines_read(order: &Order) -> Lines {
    let mut lines = Lines::new();
    for line in &order.lines {
        let sum = lines
            .entry(line.seller_sku.clone().unwrap_or_default())
            .or_default();
        sum.0 += line.quantity;
        sum.1 += line.cancelled;
        sum.2 += line.total.minor;
    }
    lines
}

fn lines_simulated(stage: &Stage, order: &SimOrder) -> Lines {
    let mut lines = Lines::new();
    for line in &order.lines {
        let sku = stage.shop.with(|shop| {
            let variant = shop.variant(&line.variant_id).unwrap();
            variant.seller_sku.clone().unwrap_or_default()
        });
        let sum = lines.entry(sku).or_default();
        sum.0 += line.quantity;
        sum.1 += line.cancelled;
        sum.2 += line.quantity * line.unit_price.minor;
    }
    lines
}

#[tokio::test]
async fn money_is_exact() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let id = stage.order(
            &[("MUG", 3), ("TEA-25", 7), ("TEA-100", 1)],
            SimStatus::Paid,
        );

        let order = read_order(&stage, &id).await;

        let expected = simulated(&stage, &id);
        assert_eq!(
            lines_read(&order),
            lines_simulated(&stage, &expected),
            "{slug}"
        );
        let currency = stage.shop.with(|shop| shop.currency);
        let minor = expected
            .lines
            .iter()
            .map(|line| line.quantity * line.unit_price.minor)
            .sum();
        assert_eq!(order.total, Money { minor, currency }, "{slug}");
        assert_eq!(order.currency, currency, "{slug}");
    }
}

#[tokio::test]
async fn an_order_is_read_as_the_shop_holds_it() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        for platform in stage.shop.with(|shop| shop.platforms.clone()) {
            let placed_at = stage.clock.now();
            let id = stage.order_on(platform, &[("TEA-25", 2)], SimStatus::Unpaid);
            stage.clock.advance(Duration::from_secs(90));
            stage.shop.move_order(&id, SimStatus::Paid);

            let order = read_order(&stage, &id).await;

            assert_eq!(order.remote_id, id, "{slug}");
            assert_eq!(order.platform, platform, "{slug}");
            assert_eq!(order.placed_at, placed_at, "{slug}");
            assert_eq!(order.version, simulated(&stage, &id).updated_at, "{slug}");
            let tea = stage.product_of("TEA-25");
            assert!(
                order.lines.iter().all(|line| line.product_id == tea),
                "{slug}"
            );
            assert!(!order.number.is_empty() && !order.remote_status.is_empty());
            let known = stage.marketplace.limits().platforms;
            assert!(known.iter().any(|known| known.slug == platform), "{slug}");
        }
    }
}

#[tokio::test]
async fn the_standing_follows_the_order_through_its_life() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let id = stage.order(&[("MUG", 1)], SimStatus::Unpaid);

        let unpaid = read_order(&stage, &id).await.standing;
        assert!(
            unpaid.document <= Document::SalesOrder && !unpaid.paid,
            "{slug}"
        );
        let mut versions = vec![simulated(&stage, &id).updated_at];
        for status in [
            SimStatus::Paid,
            SimStatus::Arranged,
            SimStatus::Shipped,
            SimStatus::Delivered,
            SimStatus::Completed,
        ] {
            stage.clock.advance(Duration::from_secs(5));
            assert!(stage.shop.move_order(&id, status));
            let order = read_order(&stage, &id).await;
            assert_eq!(
                order.standing.document,
                Document::Invoice,
                "{slug} {status:?}"
            );
            versions.push(order.version);
        }

        let done = read_order(&stage, &id).await;
        assert_eq!(done.standing.fulfilment, Fulfilment::Sent, "{slug}");
        assert!(versions.is_sorted(), "{slug}: {versions:?}");
    }
}

#[tokio::test]
async fn a_cancelled_order_is_void_and_none_of_its_units_is_sold() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let id = stage.order(&[("MUG", 2), ("TEA-25", 1)], SimStatus::Paid);
        stage.clock.advance(Duration::from_secs(5));
        stage.shop.move_order(&id, SimStatus::Cancelled);

        let order = read_order(&stage, &id).await;

        assert_eq!(order.standing.document, Document::Void, "{slug}");
        let quantity: i64 = order.lines.iter().map(|line| line.quantity).sum();
        assert_eq!(quantity, 3, "{slug}");
    }
}

#[tokio::test]
async fn units_that_were_called_off_are_not_open() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let id = stage.order(&[("MUG", 3), ("TEA-25", 2)], SimStatus::Paid);
        stage.clock.advance(Duration::from_secs(5));
        assert!(stage.shop.cancel_units(&id, 0, 1));

        let order = read_order(&stage, &id).await;

        let read = lines_read(&order);
        let units: Vec<_> = read
            .iter()
            .map(|(sku, l)| (sku.as_str(), l.0, l.1))
            .collect();
        assert_eq!(units, [("MUG", 3, 1), ("TEA-25", 2, 0)], "{slug}");
        assert_eq!(order.standing.document, Document::Invoice, "{slug}");
    }
}

#[tokio::test]
async fn unknown_orders_are_left_out_and_known_ones_are_read() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let first = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let second = stage.order(&[("MUG", 1)], SimStatus::Paid);
        let unknown = RemoteId::from("999999999");

        let mixed = [unknown.clone(), second.clone(), first.clone()];
        let mut found: Vec<_> = read_orders(&stage, &mixed)
            .await
            .into_iter()
            .map(|order| order.remote_id)
            .collect();
        let none = read_orders(&stage, &[unknown]).await;
        let nothing_asked = read_orders(&stage, &[]).await;

        found.sort();
        assert_eq!(found, [first, second], "{slug}");
        assert!(none.is_empty() && nothing_asked.is_empty(), "{slug}");
    }
}

#[tokio::test]
async fn a_full_batch_of_orders_is_read_in_one_call() {
    for stage in Stage::every().await {
        let n = stage.marketplace.limits().order_batch;
        let mut ids: Vec<_> = (0..n)
            .map(|_| stage.order(&[("MUG", 1)], SimStatus::Paid))
            .collect();

        let found = read_orders(&stage, &ids).await;

        let mut found: Vec<_> = found.into_iter().map(|order| order.remote_id).collect();
        found.sort();
        ids.sort();
        assert_eq!(found, ids, "{}", stage.slug());
    }
}

#[tokio::test]
async fn the_order_list_and_the_orders_agree_on_versions() {
    for stage in Stage::every().await {
        for status in [SimStatus::Paid, SimStatus::Shipped, SimStatus::Completed] {
            stage.clock.advance(Duration::from_secs(3));
            stage.order(&[("MUG", 1)], status);
        }

        let (listed, _) = stage.all_orders(stage.until_now()).await;

        assert_eq!(listed.len(), 3, "{}", stage.slug());
        for summary in listed {
            let order = read_order(&stage, &summary.remote_id).await;
            assert_eq!(summary.version, order.version, "{}", stage.slug());
            assert_eq!(summary.number, order.number, "{}", stage.slug());
            assert!(summary.bookable, "{}", stage.slug());
        }
    }
}

/// Variants by seller SKU: title of the product, its state, price and quantity.
type Shelf = BTreeMap<String, (String, ProductState, Option<i64>, Option<i64>)>;

fn shelf_read(products: &[Product]) -> Shelf {
    let mut shelf = Shelf::new();
    for product in products {
        for variant in &product.variants {
            let shown = (
                product.title.clone(),
                product.state,
                variant.price.map(|price| price.minor),
                variant.quantity,
            );
            let sku = variant.seller_sku.clone().unwrap_or_default();
            assert_eq!(shelf.insert(sku, shown), None, "two variants of one SKU");
        }
    }
    shelf
}

fn shelf_simulated(stage: &Stage, is_on: impl Fn(ProductState) -> bool) -> Shelf {
    stage.shop.with(|shop| {
        let products = shop.products.values().filter(|p| is_on(p.state));
        let variants = products.flat_map(|p| p.variants.iter().map(move |v| (p, v)));
        variants
            .map(|(product, variant)| {
                let shown = (
                    product.title.clone(),
                    product.state,
                    Some(variant.price.minor),
                    Some(variant.quantity),
                );
                (variant.seller_sku.clone().unwrap_or_default(), shown)
            })
            .collect()
    })
}

#[tokio::test]
async fn products_are_listed_as_the_shop_holds_them_in_every_scope() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let mug = stage.product_of("MUG");
        stage
            .shop
            .edit_product(&mug, |product| product.state = ProductState::Inactive);

        let (full, _) = stage.all_products(ProductScope::Full).await;
        let (active, _) = stage.all_products(ProductScope::Active).await;

        assert_eq!(
            shelf_read(&full),
            shelf_simulated(&stage, |_| true),
            "{slug}"
        );
        let is_active = |state| state == ProductState::Active;
        assert_eq!(
            shelf_read(&active),
            shelf_simulated(&stage, is_active),
            "{slug}"
        );
    }
}

#[tokio::test]
async fn the_updated_scope_shows_what_changed_in_its_window() {
    for stage in Stage::every().await {
        if !stage.marketplace.limits().updated_filter {
            continue;
        }
        stage.clock.advance(Duration::from_secs(60));
        let from = stage.clock.now();
        let tea = stage.product_of("TEA-25");
        stage
            .shop
            .edit_product(&tea, |product| product.title = "Tea, new".to_owned());
        stage.clock.advance(Duration::from_secs(60));
        let to = stage.clock.now();

        let (updated, _) = stage
            .all_products(ProductScope::Updated(Window { from, to }))
            .await;

        let ids: Vec<_> = updated
            .into_iter()
            .map(|p| (p.remote_id, p.title))
            .collect();
        assert_eq!(ids, [(tea, "Tea, new".to_owned())], "{}", stage.slug());
    }
}

#[tokio::test]
async fn products_are_read_by_id_and_unknown_ones_are_left_out() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let ids: Vec<_> = stage
            .shop
            .with(|shop| shop.products.keys().cloned().collect());
        let with_unknown: Vec<_> = std::iter::once(RemoteId::from("999999999"))
            .chain(ids.clone())
            .collect();

        let read = read_products(&stage, &with_unknown).await;
        let none = read_products(&stage, &[RemoteId::from("999999999")]).await;

        assert_eq!(
            shelf_read(&read),
            shelf_simulated(&stage, |_| true),
            "{slug}"
        );
        assert!(none.is_empty(), "{slug}");
        let (listed, _) = stage.all_products(ProductScope::Full).await;
        for product in read {
            assert!(listed.contains(&product), "{slug}: list and detail differ");
        }
    }
}

/// Every variant that the client sees, with what is needed to push to it.
async fn levels(stage: &Stage, quantity: impl Fn(usize) -> i64) -> Vec<StockLevel> {
    let (products, _) = stage.all_products(ProductScope::Full).await;
    let variants = products.into_iter().flat_map(|product| {
        let id = product.remote_id;
        product.variants.into_iter().map(move |v| (id.clone(), v))
    });
    variants
        .enumerate()
        .map(|(index, (product_id, variant))| StockLevel {
            product_id,
            variant_id: variant.remote_id,
            quantity: quantity(index),
            push_ref: variant.push_ref,
        })
        .collect()
}

#[tokio::test]
async fn stock_that_was_set_is_what_the_shop_holds_and_the_client_reads() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let levels = levels(&stage, |index| [0, 17, 3][index % 3]).await;

        let outcomes = stage.marketplace.set_stock(&stage.access, &levels).await;

        let outcomes = outcomes.unwrap_or_else(|error| panic!("{slug}: {error}"));
        assert_eq!(outcomes, vec![Ok(()); levels.len()], "{slug}");
        let (products, _) = stage.all_products(ProductScope::Full).await;
        assert_eq!(
            shelf_read(&products),
            shelf_simulated(&stage, |_| true),
            "{slug}"
        );
        for level in levels {
            let mut variants = products.iter().flat_map(|p| &p.variants);
            let variant = variants.find(|v| v.remote_id == level.variant_id).unwrap();
            assert_eq!(variant.quantity, Some(level.quantity), "{slug}");
        }
    }
}

#[tokio::test]
async fn a_listing_that_cannot_be_pushed_fails_alone() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let mut levels = levels(&stage, |_| 11).await;
        let unknown = StockLevel {
            product_id: RemoteId::from("999999998"),
            variant_id: RemoteId::from("999999999"),
            ..levels[0].clone()
        };
        levels.insert(1, unknown);

        let outcomes = stage.marketplace.set_stock(&stage.access, &levels).await;

        let outcomes = outcomes.unwrap_or_else(|error| panic!("{slug}: {error}"));
        let failed: Vec<_> = outcomes.iter().map(Result::is_err).collect();
        let expected: Vec<_> = (0..levels.len()).map(|index| index == 1).collect();
        assert_eq!(failed, expected, "{slug}: {outcomes:?}");
        let is_about_it = matches!(
            outcomes[1],
            Err(MarketplaceError::NotFound { .. } | MarketplaceError::Refused { .. })
        );
        assert!(is_about_it, "{slug}: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_price_that_was_set_is_what_the_shop_holds_and_the_client_reads() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let currency = stage.shop.with(|shop| shop.currency);
        let unit = 10_i64.pow(currency.exponent());
        let prices: Vec<_> = levels(&stage, |_| 0)
            .await
            .into_iter()
            .zip(1..)
            .map(|(level, index)| PriceChange {
                product_id: level.product_id,
                variant_id: level.variant_id,
                price: Money {
                    minor: (10_000 + 100 * index) * unit,
                    currency,
                },
                push_ref: level.push_ref,
            })
            .collect();

        let outcomes = stage.marketplace.set_price(&stage.access, &prices).await;

        let outcomes = outcomes.unwrap_or_else(|error| panic!("{slug}: {error}"));
        assert_eq!(outcomes, vec![Ok(()); prices.len()], "{slug}");
        let (products, _) = stage.all_products(ProductScope::Full).await;
        assert_eq!(
            shelf_read(&products),
            shelf_simulated(&stage, |_| true),
            "{slug}"
        );
        for change in prices {
            let mut variants = products.iter().flat_map(|p| &p.variants);
            let variant = variants.find(|v| v.remote_id == change.variant_id).unwrap();
            assert_eq!(variant.price, Some(change.price), "{slug}");
        }
    }
}

#[tokio::test]
async fn subscribing_twice_changes_nothing_the_second_time() {
    for stage in Stage::every().await {
        stage.subscribe().await;
        let known = |stage: &Stage| {
            stage.shop.with(|shop| {
                let subscriptions = shop.subscriptions.iter();
                let mut known: Vec<_> = subscriptions
                    .map(|s| (s.topic.clone(), s.address.clone(), s.is_active))
                    .collect();
                known.sort();
                known
            })
        };
        let first = known(&stage);

        let changed = stage.subscribe_again().await;

        assert_eq!(changed, Vec::<String>::new(), "{}", stage.slug());
        assert_eq!(known(&stage), first, "{}", stage.slug());
        assert!(!first.is_empty(), "{}", stage.slug());
        let all_here = first
            .iter()
            .all(|(_, address, is_active)| *is_active && address == super::stage::ADDRESS);
        assert!(all_here, "{}: {first:?}", stage.slug());
    }
}

#[tokio::test]
async fn a_subscription_that_was_switched_off_is_mended() {
    for stage in Stage::every().await {
        stage.subscribe().await;
        stage
            .shop
            .with(|shop| shop.subscriptions[0].is_active = false);

        stage.subscribe_again().await;

        let all_active = stage
            .shop
            .with(|shop| shop.subscriptions.iter().all(|s| s.is_active));
        assert!(all_active, "{}", stage.slug());
    }
}
