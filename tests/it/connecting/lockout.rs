//! Locked out and let in again: nothing is lost meanwhile, and nobody has to do more than agree once more.

use super::Town;
use crate::support::scenarios;
use entity::events;
use marketsink::{channels::ChannelState, sandbox::SimShop};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use std::time::Duration;

scenarios!(
    after_a_new_consent_everything_catches_up_by_itself,
    an_order_that_was_never_announced_catches_up_too,
);

/// Whatever marketsink holds is worth nothing any more, as when the merchant connected another program.
fn lock_out(shop: &SimShop) {
    let names: Vec<String> = serde_json::to_value(shop.credentials())
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let opens = |name: &&String| name.ends_with("_token") || name.starts_with("consumer_");
    shop.with(|shop| {
        for name in names.iter().filter(opens) {
            shop.secrets.set(name, "elsewhere");
        }
    });
}

async fn state(town: &Town, shop: &SimShop) -> ChannelState {
    town.channel(shop).await.unwrap().state
}

/// Events that nobody has worked off.
async fn n_pending(town: &Town) -> u64 {
    let pending = events::Entity::find().filter(events::Column::State.eq("pending"));
    pending.count(town.running.app.db.read()).await.unwrap()
}

async fn after_a_new_consent_everything_catches_up_by_itself(url: String) {
    let town = Town::open(url).await;
    for shop in &town.shops {
        let slug = shop.marketplace().slug();
        assert_eq!(town.consent(shop).await.status, 200, "{slug}");
        town.settle().await;
        town.order(shop);
        town.settle().await;
        assert_eq!(town.n_orders(shop).await, 1, "{slug}");

        lock_out(shop);
        town.order(shop);
        town.settle().await;
        assert_eq!(state(&town, shop).await, ChannelState::Locked, "{slug}");
        // Locked: webhooks are taken and kept, and nothing is asked in vain.
        let (parked, asked) = (town.n_deliveries("parked").await, shop.n_requests());
        town.order(shop);
        town.settle().await;
        town.pass(Duration::from_secs(3_600)).await;
        assert!(town.n_deliveries("parked").await > parked, "{slug}");
        assert_eq!(shop.n_requests(), asked, "{slug} is asked in vain");
        let ledger = town.sandbox.ledger();
        assert_eq!((ledger.refused, ledger.failed), (0, 0), "{slug}");
        assert_eq!(town.n_orders(shop).await, 1, "{slug}");

        let page = town.consent(shop).await;
        assert_eq!(page.status, 200, "{slug}: {}", page.text);
        town.settle().await;

        assert_eq!(state(&town, shop).await, ChannelState::Active, "{slug}");
        assert_eq!(town.n_orders(shop).await, 3, "{slug}");
        assert_eq!(n_pending(&town).await, 0, "{slug}: some still wait");
    }
    town.close().await;
}

async fn an_order_that_was_never_announced_catches_up_too(url: String) {
    let town = Town::open(url).await;
    for shop in &town.shops {
        let slug = shop.marketplace().slug();
        town.consent(shop).await;
        town.settle().await;
        lock_out(shop);
        town.order(shop);
        town.settle().await;
        assert_eq!(state(&town, shop).await, ChannelState::Locked, "{slug}");
        shop.next_deliveries(vec![marketsink::sandbox::DeliveryFault::Lost; 8]);
        town.order(shop);
        town.settle().await;

        town.consent(shop).await;
        town.settle().await;

        assert_eq!(town.n_orders(shop).await, 2, "{slug}");
    }
    town.close().await;
}
