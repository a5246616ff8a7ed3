//! Stock and prices: what the client sets is what the shop holds and the client reads back.

use super::{
    Stage,
    products::{shelf_read, shelf_simulated},
};
use marketsink::{
    domain::{Money, RemoteId},
    marketplaces::{MarketplaceError, PriceChange, ProductScope, StockLevel},
};

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
