//! Everything that the demo's driver brings about can be read through the client.

use super::Stage;
use marketsink::{marketplaces::ProductScope, sandbox::Driver};
use std::time::Duration;

#[tokio::test]
async fn whatever_the_driver_does_is_readable() {
    for stage in Stage::every().await {
        let slug = stage.slug();
        let driver = Driver::new(stage.sandbox.clone(), 20);
        driver.stock_catalogue(&stage.sandbox.shops());

        for _ in 0..300 {
            driver.step();
            stage.clock.advance(Duration::from_secs(7));
        }

        let (listed, _) = stage.all_orders(stage.until_now()).await;
        let n_orders = stage.shop.with(|shop| shop.orders.len());
        assert_eq!(listed.len(), n_orders, "{slug}");
        let ids: Vec<_> = listed.into_iter().map(|order| order.remote_id).collect();
        for batch in ids.chunks(stage.marketplace.limits().order_batch as usize) {
            let orders = stage.marketplace.orders_by_id(&stage.access, batch).await;
            let orders = orders.unwrap_or_else(|error| panic!("{slug}: {error}"));
            assert_eq!(orders.len(), batch.len(), "{slug}");
        }
        let (products, _) = stage.all_products(ProductScope::Full).await;
        let n_products = stage.shop.with(|shop| shop.products.len());
        assert_eq!(products.len(), n_products, "{slug}");
    }
}
