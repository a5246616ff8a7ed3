//! Removed, and connected again by a new consent: the books go on, and nothing comes back unasked.

use super::{Gate, Town};
use crate::support::scenarios;
use entity::{consents, schedules};
use marketsink::{
    channels::{self, ChannelState, NewChannel},
    config::Settings,
    domain::{ChannelId, Source},
    sandbox::SimShop,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use std::time::Duration;

scenarios!(
    a_removed_shop_comes_back_by_a_new_consent_with_its_books_and_schedules,
    a_link_from_before_the_removal_brings_nothing_back,
    a_consent_that_was_being_traded_brings_nothing_back,
    a_link_of_another_store_outlives_a_removal,
    shops_with_tokens_of_their_own_are_renewed_one_by_one,
);

async fn remove(town: &Town, shop: &SimShop) -> ChannelId {
    let channel = town.channel(shop).await.unwrap().id;
    town.running.app.sync.disconnect(channel).await.unwrap();
    town.clock.advance(Duration::from_secs(60));
    channel
}

/// The schedules of a channel: task, expression, and whether they fire.
async fn plan(town: &Town, channel: ChannelId) -> Vec<(String, String, bool)> {
    let rows = schedules::Entity::find()
        .filter(schedules::Column::ChannelId.eq(channel.0))
        .order_by_asc(schedules::Column::Id)
        .all(town.running.app.db.read());
    let rows = rows.await.unwrap().into_iter();
    rows.map(|row| (row.task, row.expression, row.enabled))
        .collect()
}

async fn outcome(town: &Town, consent: i64) -> String {
    let sync = &town.running.app.sync;
    let outcome = sync.consent_outcome(town.merchant, consent).await.unwrap();
    outcome.unwrap().outcome.unwrap_or_default()
}

async fn a_removed_shop_comes_back_by_a_new_consent_with_its_books_and_schedules(url: String) {
    let town = Town::open(url).await;
    for shop in &town.shops {
        let slug = shop.marketplace().slug();
        assert_eq!(town.consent(shop).await.status, 200, "{slug}");
        town.settle().await;
        town.order(shop);
        town.settle().await;
        let before = town.channel(shop).await.unwrap();
        let planned = plan(&town, before.id).await;
        assert!(!planned.is_empty(), "{slug}");
        remove(&town, shop).await;
        town.order(shop);
        town.clock.advance(Duration::from_secs(60));

        let page = town.consent(shop).await;
        town.settle().await;

        assert_eq!(page.status, 200, "{slug}: {}", page.text);
        let after = town.channel(shop).await.unwrap();
        assert_eq!(after.state, ChannelState::Active, "{slug}");
        assert_eq!(
            (before.id, before.address),
            (after.id, after.address),
            "{slug}"
        );
        assert_eq!(plan(&town, after.id).await, planned, "{slug}");
        // The one from before, and the one that nobody was there for.
        assert_eq!(town.n_orders(shop).await, 2, "{slug}");
    }
    town.close().await;
}

async fn a_link_from_before_the_removal_brings_nothing_back(url: String) {
    let town = Town::open(url).await;
    for shop in &town.shops {
        let slug = shop.marketplace().slug();
        assert_eq!(town.consent(shop).await.status, 200, "{slug}");
        town.settle().await;
        let link = town.link(shop).await;
        town.clock.advance(Duration::from_secs(60));
        let channel = remove(&town, shop).await;

        let mut page = town.browser.open(link.url.as_str()).await;
        // Where keys are posted, the store hears the refusal, and its own page is the last.
        if let Some(back) = &page.location {
            page = town.browser.open(back).await;
        }

        assert_ne!(page.status, 200, "{slug}: {}", page.text);
        let told = outcome(&town, link.consent).await;
        assert!(told.contains("was removed"), "{slug}: {told}");
        let db = town.running.app.db.read();
        let state = channels::load(db, channel).await.unwrap().state;
        assert_eq!(state, ChannelState::Removed, "{slug}");
    }
    town.close().await;
}

async fn a_consent_that_was_being_traded_brings_nothing_back(url: String) {
    let gate = Gate::closed();
    let origin = gate.origin();
    let change = |settings: &mut Settings| {
        settings.apps.at("tiktok_shop").auth_url = Some(origin);
    };
    let town = Town::open_with(url, change).await;
    let shop = town.shop("tiktok_shop");
    gate.stands_before(shop);
    gate.let_through(1);
    assert_eq!(town.consent(shop).await.status, 200);
    gate.one_arrives().await;
    let link = town.link(shop).await;
    let back = town.browser.agree(link.url.as_str()).await;
    town.clock.advance(Duration::from_secs(60));

    // The code stands at the gate while the merchant removes the shop.
    let opening = town.browser.open(&back);
    let removing = async {
        gate.one_arrives().await;
        let channel = remove(&town, shop).await;
        gate.let_through(1);
        channel
    };
    let (page, channel) = tokio::join!(opening, removing);

    assert_ne!(page.status, 200, "{}", page.text);
    let told = outcome(&town, link.consent).await;
    assert!(told.contains("removed after this link was made"), "{told}");
    let app = &town.running.app;
    let state = channels::load(app.db.read(), channel).await.unwrap().state;
    assert_eq!(state, ChannelState::Removed);
    let stored = channels::credentials(app.db.read(), &app.sealer, channel).await;
    assert!(stored.unwrap().is_none());
    town.close().await;
}

async fn a_link_of_another_store_outlives_a_removal(url: String) {
    let town = Town::open(url).await;
    let store = town.shop("woocommerce");
    assert_eq!(town.consent(store).await.status, 200);
    let elsewhere = marketsink::sync::AskConsent {
        merchant: town.merchant,
        outlet: town.outlet,
        marketplace: store.marketplace(),
        base_url: Some("http://127.0.0.2:9".to_owned()),
        name: None,
    };
    let sync = &town.running.app.sync;
    let elsewhere = sync.begin_consent(elsewhere).await.unwrap();
    let here = town.link(store).await;

    remove(&town, store).await;

    assert_eq!(outcome(&town, elsewhere.consent).await, "");
    assert!(outcome(&town, here.consent).await.contains("was removed"));
    let rows = consents::Entity::find().all(town.running.app.db.read());
    let open = rows.await.unwrap().into_iter();
    let now = town.clock.now().micros();
    let open: Vec<i64> = open
        .filter(|row| row.used_at.is_none() && row.expires_at > now)
        .map(|row| row.id)
        .collect();
    assert_eq!(open, [elsewhere.consent]);
    town.close().await;
}

async fn shops_with_tokens_of_their_own_are_renewed_one_by_one(url: String) {
    let town = Town::open(url).await;
    let shop = town.shop("shopee");
    assert_eq!(town.consent(shop).await.status, 200);
    town.settle().await;
    let (app, now) = (&town.running.app, town.clock.now());
    let first = town.channel(shop).await.unwrap();
    // Another shop of the same main account, opened by the same consent.
    let held = town.credentials(shop).await;
    let new = NewChannel {
        merchant: first.merchant,
        outlet: first.outlet,
        parent: None,
        marketplace: first.marketplace,
        platform: &first.platform,
        remote_id: &"727720999".into(),
        name: "Second",
        base_url: None,
        address: "0123456789abcdef0123456789abcdef",
    };
    let mut secrets = held.secrets.clone();
    secrets.set("shop_id", "727720999");
    let tx = app.db.write_tx().await.unwrap();
    let second = channels::connect(&tx, &new, now).await.unwrap();
    let owner = (second, first.merchant);
    channels::replace_credentials(&tx, &app.sealer, owner, &secrets, held.expiry, 0, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    town.clock.advance(Duration::from_secs(60));

    let renewed = app.sync.refresh_token(first.id, Source::Expiry).await;

    renewed.unwrap();
    let stored = channels::credentials(app.db.read(), &app.sealer, second).await;
    let (stored, used) = (stored.unwrap().unwrap().secrets, held.secrets);
    assert!(
        stored.get("refresh_token") == used.get("refresh_token"),
        "the other shop lost the token that is still good for it"
    );
    let renewed = town.credentials(shop).await.secrets;
    assert!(renewed.get("refresh_token") != used.get("refresh_token"));
    town.close().await;
}
