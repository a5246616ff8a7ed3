//! Products: what the shop holds is what the client reads, in every scope.

use super::Stage;
use marketsink::{
    domain::{Product, ProductState, RemoteId, Window},
    marketplaces::ProductScope,
};
use std::{collections::BTreeMap, time::Duration};

async fn read_products(stage: &Stage, ids: &[RemoteId]) -> Vec<Product> {
    let read = stage.marketplace.products_by_id(&stage.access, ids).await;
    read.unwrap_or_else(|error| panic!("{}: {error}", stage.slug()))
}

/// Variants by seller SKU: title of the product, its state, price and quantity.
pub type Shelf = BTreeMap<String, (String, ProductState, Option<i64>, Option<i64>)>;

pub fn shelf_read(products: &[Product]) -> Shelf {
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

pub fn shelf_simulated(stage: &Stage, is_on: impl Fn(ProductState) -> bool) -> Shelf {
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
