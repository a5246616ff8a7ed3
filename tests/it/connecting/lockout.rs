//! Locked out and let in again: nothing is lost meanwhile, and nobody has to do more than agree once more.

use super::Town;
use crate::support::scenarios;
use entity::events;
use marketsink::{
    channels::{self, ChannelState},
    sandbox::SimShop,
    schedule::{self, Fired, Task},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

scenarios!(
    after_a_new_consent_everything_catches_up_by_itself,
    an_order_that_was_never_announced_catches_up_too,
    a_lock_that_was_a_mistake_heals_by_itself,
    what_is_taken_for_a_locked_channel_after_it_was_unlocked_is_worked_off,
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
        // It is asked once an hour whether that must stay so: for new tokens first, where they are due.
        let n_asked = shop.n_requests() - asked;
        assert!(
            (1..=3).contains(&n_asked),
            "{slug} is asked {n_asked} times in vain"
        );
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

async fn a_lock_that_was_a_mistake_heals_by_itself(url: String) {
    let town = Town::open(url).await;
    for shop in &town.shops {
        let slug = shop.marketplace().slug();
        town.consent(shop).await;
        town.settle().await;
        let theirs = shop.with(|shop| shop.secrets.clone());
        lock_out(shop);
        town.order(shop);
        town.settle().await;
        assert_eq!(state(&town, shop).await, ChannelState::Locked, "{slug}");
        town.order(shop);
        town.settle().await;

        // Theirs to mend, and mended; but the access token has died meanwhile.
        shop.with(|shop| shop.secrets = theirs);
        shop.expire_token();
        town.pass(HOUR).await;
        let healed = state(&town, shop).await;
        town.settle().await;

        assert_eq!(healed, ChannelState::Active, "{slug}");
        assert_eq!(town.n_orders(shop).await, 2, "{slug}");
        assert_eq!(n_pending(&town).await, 0, "{slug}: some still wait");
        town.clock.advance(HOUR);
        let fired = schedule::fire_due(&town.running.app.db, town.clock.now()).await;
        let checks = |fired: &Fired| fired.task == Task::AuthorizationCheck;
        assert!(
            !fired.unwrap().iter().any(checks),
            "{slug} is asked for nothing"
        );
    }
    town.close().await;
}

async fn what_is_taken_for_a_locked_channel_after_it_was_unlocked_is_worked_off(url: String) {
    let town = Town::open(url).await;
    let shop = town.shop("woocommerce");
    town.consent(shop).await;
    town.settle().await;
    let channel = town.channel(shop).await.unwrap();
    let app = &town.running.app;
    let tx = app.db.write_tx().await.unwrap();
    let now = town.clock.now();
    channels::lock(&tx, channel.id, "a test", now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    town.order(shop);
    town.sandbox.courier().deliver_due().await;
    assert!(town.n_deliveries("parked").await > 0);

    // Unlocked in this very second, by a process that knows nothing of what the receiving one remembers.
    app.sync.check_authorization(channel.id).await.unwrap();
    town.order(shop);
    town.sandbox.courier().deliver_due().await;
    town.settle().await;

    assert_eq!(town.n_orders(shop).await, 2);
    assert_eq!(n_pending(&town).await, 0, "some wait for nobody");
    town.close().await;
}
