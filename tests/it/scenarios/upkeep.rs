//! Staying connected, and ending it: subscriptions that are switched off, secrets that are replaced, channels
//! that are removed and come back.

use super::World;
use crate::support::scenarios;
use entity::{credentials, deliveries, jobs, subscriptions, webhook_secrets};
use marketsink::{
    channels::{self, ChannelState, Standing},
    domain::{ChannelId, JobKind, Source, Work},
    inbox::SelfTestError,
    marketplaces::{
        Secrets,
        SubscriptionState::{Active, SwitchedOff},
        simulation::{ShopChange, SimDelivery, SimStatus::Paid},
    },
    sandbox::{Fault::ServerError, SimShop},
    sync::SyncError,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use std::time::Duration;

scenarios!(
    what_the_store_switched_off_is_mended_by_the_scheduled_check,
    a_check_that_finds_everything_in_order_changes_nothing_at_the_shop,
    a_check_that_cannot_ask_again_leaves_what_it_found_to_be_seen,
    a_replaced_secret_is_told_to_the_store_and_the_one_before_still_believed,
    a_store_that_could_not_be_told_is_told_later,
    a_secret_that_the_store_was_not_told_ends_none_before_it,
    a_secret_that_the_store_refuses_leaves_the_one_before,
    the_secret_of_an_app_is_not_replaced_per_channel,
    a_removed_channel_stops_and_comes_back_with_its_books,
    a_shop_that_does_not_answer_is_removed_all_the_same,
    a_renewal_under_way_brings_no_secret_of_a_removed_channel_back,
    a_self_test_is_believed_and_stores_nothing,
    a_self_test_says_what_is_wrong,
    an_examination_tells_shop_rights_webhooks_and_clock,
);

const HALF_DAY: Duration = Duration::from_secs(12 * 3_600);

async fn standing(world: &World, shop: &SimShop) -> Vec<Standing> {
    let channel = world.channel(shop).await.id;
    let db = world.running.app.db.read();
    channels::subscriptions(db, channel).await.unwrap()
}

async fn check(world: &World, shop: &SimShop) {
    world
        .ask_for(shop, Work::CHECK_SUBSCRIPTIONS, Source::Manual)
        .await;
}

/// The webhooks of the shop's first order.
fn told(world: &World, shop: &SimShop) -> SimDelivery {
    let order = shop.with(|shop| shop.orders.keys().next().cloned());
    let change = ShopChange::OrderUpdated(order.expect("somebody has ordered"));
    world.told(shop, &change).remove(0)
}

async fn last_key_index(world: &World) -> i64 {
    let last = deliveries::Entity::find().order_by_desc(deliveries::Column::Id);
    let last = last.one(world.running.app.db.read()).await.unwrap();
    last.unwrap().key_index
}

async fn what_the_store_switched_off_is_mended_by_the_scheduled_check(url: String) {
    let world = World::open(url).await;
    let before = standing(&world, &world.second).await;
    assert!(before.iter().all(|one| one.state == Active), "{before:?}");
    world.second.with(|shop| {
        shop.subscriptions.retain(|s| s.topic != "order.created");
        let mut hooks = shop.subscriptions.iter_mut();
        hooks
            .find(|s| s.topic == "order.updated")
            .unwrap()
            .is_active = false;
    });

    world.pass(HALF_DAY).await;

    let n_active = world
        .second
        .with(|shop| shop.subscriptions.iter().filter(|s| s.is_active).count());
    assert_eq!(n_active, before.len());
    let after = standing(&world, &world.second).await;
    let mended: Vec<_> = after
        .iter()
        .filter(|one| one.mended_at.is_some())
        .map(|one| one.topic.as_str())
        .collect();
    assert_eq!(mended, ["order.created", "order.updated"]);
    for (one, before) in after.iter().zip(&before) {
        assert_eq!(one.state, Active);
        let is_since_then = one.since == before.since;
        assert_eq!(is_since_then, one.mended_at.is_none(), "{}", one.topic);
        assert!(one.checked_at > before.checked_at);
    }
    let order = world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    let orders = world.section("orders").await;
    assert!(orders.contains(order.as_str()), "{orders}");
    assert!(orders.contains("by webhook"), "{orders}");
    world.close().await;
}

async fn a_check_that_finds_everything_in_order_changes_nothing_at_the_shop(url: String) {
    let world = World::open(url).await;
    for shop in [&world.first, &world.second] {
        let known = shop.with(|shop| shop.subscriptions.clone());
        let asked = shop.n_requests();
        check(&world, shop).await;

        world.work().await;

        assert_eq!(shop.n_requests() - asked, 1, "one look");
        let now = shop.with(|shop| shop.subscriptions.clone());
        let shown = |all: &[marketsink::marketplaces::simulation::Subscription]| {
            let shown = all.iter().map(|s| (s.id, s.address.clone(), s.is_active));
            shown.collect::<Vec<_>>()
        };
        assert_eq!(shown(&now), shown(&known));
    }
    world.close().await;
}

async fn a_check_that_cannot_ask_again_leaves_what_it_found_to_be_seen(url: String) {
    let world = World::open(url).await;
    world
        .second
        .with(|shop| shop.subscriptions[0].is_active = false);
    let off = world
        .second
        .with(|shop| shop.subscriptions[0].topic.clone());
    let at = world.clock.now();
    // It tells how they stand, and breaks down when it is asked for more.
    world.second.next_answers(vec![
        marketsink::sandbox::Fault::Fair,
        ServerError,
        ServerError,
    ]);
    check(&world, &world.second).await;

    world.work().await;

    let seen = standing(&world, &world.second).await;
    let seen = seen.into_iter().find(|one| one.topic == off).unwrap();
    assert_eq!((seen.state, seen.since), (SwitchedOff, at));
    assert!(world.channel(&world.second).await.is_active());
    world.settle().await;
    let mended = standing(&world, &world.second).await;
    assert!(mended.iter().all(|one| one.state == Active), "{mended:?}");
    world.close().await;
}

async fn a_replaced_secret_is_told_to_the_store_and_the_one_before_still_believed(url: String) {
    let world = World::open(url).await;
    world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    let late = told(&world, &world.second);
    let channel = world.channel(&world.second).await.id;

    let rotated = world.running.app.sync.rotate_webhook_secret(channel, None);
    let rotated = rotated.await.unwrap();

    assert_eq!(rotated.to_paste, None, "the store was told");
    assert!(rotated.told.is_ok());
    // Signed before, and on its way while the secret was replaced.
    assert_eq!(world.post(&late).await, 200);
    assert_eq!(last_key_index(&world).await, 1);
    world.clock.advance(Duration::from_secs(10));
    world.order(&world.second, Paid, &[("TEA-25", 1)]);
    assert_eq!(world.post(&told(&world, &world.second)).await, 200);
    assert_eq!(last_key_index(&world).await, 0, "the store signs anew");
    let mut forged = late.clone();
    forged.headers = world.signed(&world.second, "never-ours", &forged.body);
    assert_eq!(world.post(&forged).await, 401);
    let app = &world.running.app;
    let overlap = channels::overlap_ends_at(app.db.read(), channel, world.clock.now()).await;
    assert_eq!(overlap.unwrap(), Some(rotated.overlap_ends_at));
    world.settle().await;
    world.assert_in_step().await;
    world.close().await;
}

async fn a_store_that_could_not_be_told_is_told_later(url: String) {
    let world = World::open(url).await;
    let channel = world.channel(&world.second).await.id;
    world.second.next_answers(vec![ServerError; 3]);

    let rotated = world.running.app.sync.rotate_webhook_secret(channel, None);
    let rotated = rotated.await.unwrap();

    assert!(rotated.told.is_err());
    // Until then the store signs with the secret before, which holds.
    world.order(&world.second, Paid, &[("MUG", 1)]);
    assert_eq!(world.post(&told(&world, &world.second)).await, 200);
    assert_eq!(last_key_index(&world).await, 1);
    let app = &world.running.app;
    let since = world.clock.now() - Duration::from_secs(60);
    let old = marketsink::inbox::last_signed_with_previous(&app.db, channel, since).await;
    assert_eq!(old.unwrap(), Some(world.clock.now()));
    world.settle().await;
    world.order(&world.second, Paid, &[("MUG", 1)]);
    assert_eq!(world.post(&told(&world, &world.second)).await, 200);
    assert_eq!(last_key_index(&world).await, 0, "by now it was told");
    world.close().await;
}

async fn a_secret_that_the_store_was_not_told_ends_none_before_it(url: String) {
    let world = World::open(url).await;
    let channel = world.channel(&world.second).await.id;
    world.second.next_answers(vec![ServerError; 3]);
    let rotated = world.running.app.sync.rotate_webhook_secret(channel, None);
    assert!(rotated.await.unwrap().told.is_err());
    let overlap = channels::ROTATION_OVERLAP + Duration::from_secs(60);
    let ends_at = async || {
        let (db, now) = (world.running.app.db.read(), world.clock.now());
        channels::overlap_ends_at(db, channel, now).await.unwrap()
    };

    // The shop cannot be reached for longer than the overlap; it signs with the only secret it knows.
    world.clock.advance(overlap);
    world.order(&world.second, Paid, &[("MUG", 1)]);
    let old = told(&world, &world.second);
    assert_eq!((world.post(&old).await, ends_at().await), (200, None));
    check(&world, &world.second).await;
    world.settle().await;
    assert!(ends_at().await.is_some(), "told: now its time begins");
    assert_eq!(world.post(&old).await, 200);
    world.clock.advance(overlap);

    assert_eq!(world.post(&old).await, 401);
    assert_eq!(world.post(&told(&world, &world.second)).await, 200);
    assert_eq!(last_key_index(&world).await, 0);
    world.close().await;
}

async fn a_secret_that_the_store_refuses_leaves_the_one_before(url: String) {
    let world = World::open(url).await;
    let channel = world.channel(&world.second).await.id;

    let given = Some("not only letters & digits".to_owned());
    let refused = world.running.app.sync.rotate_webhook_secret(channel, given);
    let refused = refused.await.unwrap_err();

    assert!(
        refused.to_string().contains("letters and digits"),
        "{refused}"
    );
    world.order(&world.second, Paid, &[("MUG", 1)]);
    assert_eq!(world.post(&told(&world, &world.second)).await, 200);
    assert_eq!(last_key_index(&world).await, 0);
    world.close().await;
}

async fn the_secret_of_an_app_is_not_replaced_per_channel(url: String) {
    let world = World::open(url).await;
    let channel = world.channel(&world.first).await.id;

    let refused = world.running.app.sync.rotate_webhook_secret(channel, None);
    let refused = refused.await.unwrap_err();

    assert!(matches!(refused, SyncError::SignedByApp(_)), "{refused}");
    world.close().await;
}

/// Rows that only a connected channel has: credentials, webhook secrets, subscriptions.
async fn secrets_of(world: &World, channel: ChannelId) -> (u64, u64, u64) {
    let db = world.running.app.db.read();
    let credentials = credentials::Entity::find()
        .filter(credentials::Column::ChannelId.eq(channel.0))
        .count(db);
    let secrets = webhook_secrets::Entity::of_channel(channel.0).count(db);
    let topics = subscriptions::Entity::of_channel(channel.0).count(db);
    (
        credentials.await.unwrap(),
        secrets.await.unwrap(),
        topics.await.unwrap(),
    )
}

async fn waiting(world: &World, channel: ChannelId) -> u64 {
    jobs::Entity::find()
        .filter(jobs::Column::ChannelId.eq(channel.0))
        .filter(jobs::Column::State.is_in(["available", "running"]))
        .count(world.running.app.db.read())
        .await
        .unwrap()
}

async fn a_removed_channel_stops_and_comes_back_with_its_books(url: String) {
    let world = World::open(url).await;
    for shop in [&world.first, &world.second] {
        world.order(shop, Paid, &[("MUG", 1)]);
    }
    world.settle().await;
    let books = world.section("orders").await;
    for shop in [&world.first, &world.second] {
        let channel = world.channel(shop).await;
        let late = told(&world, shop);
        // Work that waits, also for a channel that shares the connection.
        check(&world, shop).await;
        let all = channels::platforms_of(world.running.app.db.read(), channel.id).await;
        let all = all.unwrap();
        for id in &all {
            world
                .ask(*id, Work::CHECK_AUTHORIZATION, Source::Manual)
                .await;
        }

        let ended = world.running.app.sync.disconnect(channel.id).await.unwrap();

        assert_eq!(ended.channels, all);
        assert!(ended.cancelled > all.len() as u64, "{}", ended.cancelled);
        let changes = ended.webhooks.unwrap();
        assert_eq!(changes.len(), shop.marketplace().limits().topics.len());
        assert!(shop.with(|shop| shop.subscriptions.is_empty()));
        assert_eq!(secrets_of(&world, channel.id).await, (0, 0, 0));
        for id in &all {
            assert_eq!(waiting(&world, *id).await, 0);
            let state = channels::load(world.running.app.db.read(), *id).await;
            assert_eq!(state.unwrap().state, ChannelState::Removed);
        }
        // What still comes: nobody is at its own address, and at the app's nothing is kept of it.
        world.clock.advance(Duration::from_secs(10));
        let n_kept = world.n_deliveries().await;
        let status = world.post(&late).await;
        assert_eq!(world.n_deliveries().await, n_kept);
        let is_own = shop.marketplace().slug() == "woocommerce";
        assert_eq!(status, if is_own { 404 } else { 200 });
    }
    let asked = (world.first.n_requests(), world.second.n_requests());
    for shop in [&world.first, &world.second] {
        world.order(shop, Paid, &[("TEA-25", 1)]);
    }
    world.pass(Duration::from_secs(86_400)).await;
    assert_eq!(
        (world.first.n_requests(), world.second.n_requests()),
        asked,
        "nothing is asked for any more"
    );
    assert_eq!(world.section("orders").await, books, "the books stay");
    let before = world.channel(&world.second).await;

    world.connect_all().await;
    world.settle().await;

    let after = world.channel(&world.second).await;
    assert_eq!((after.id, &after.address), (before.id, &before.address));
    let orders = world.section("orders").await;
    for line in books.lines() {
        assert!(orders.contains(line), "{line} of {orders}");
    }
    assert_eq!(
        orders.matches("TEA-25").count(),
        2,
        "what was sold meanwhile is found: {orders}"
    );
    world.settle().await;
    world.assert_in_step().await;
    world.close().await;
}

async fn a_shop_that_does_not_answer_is_removed_all_the_same(url: String) {
    let world = World::open(url).await;
    let channel = world.channel(&world.second).await.id;
    world.second.next_answers(vec![ServerError; 5]);

    let ended = world.running.app.sync.disconnect(channel).await.unwrap();
    let again = world.running.app.sync.disconnect(channel).await.unwrap();

    assert!(ended.webhooks.is_err());
    assert_eq!(secrets_of(&world, channel).await, (0, 0, 0));
    assert!(again.webhooks.is_err(), "it has no credentials any more");
    assert_eq!(again.cancelled, 0);
    world.close().await;
}

async fn a_renewal_under_way_brings_no_secret_of_a_removed_channel_back(url: String) {
    let world = World::open(url).await;
    let app = &world.running.app;
    let channel = world.channel(&world.first).await;
    let owner = (channel.id, channel.merchant);
    let stored = channels::credentials(app.db.read(), &app.sealer, channel.id).await;
    let version = stored.unwrap().unwrap().version;
    app.sync.disconnect(channel.id).await.unwrap();

    let renewed = Secrets::of([("access_token", "renewed")]);
    let tx = app.db.write_tx().await.unwrap();
    let (now, none) = (world.clock.now(), channels::Expiry::default());
    let is_stored =
        channels::replace_credentials(&tx, &app.sealer, owner, &renewed, none, version, now).await;
    tx.commit().await.unwrap();

    assert!(!is_stored.unwrap());
    assert_eq!(secrets_of(&world, channel.id).await, (0, 0, 0));
    // Nor does it get in the way of a new consent.
    world.clock.advance(Duration::from_secs(1));
    world.connect(&world.first).await;
    let tx = app.db.write_tx().await.unwrap();
    let is_stored =
        channels::replace_credentials(&tx, &app.sealer, owner, &renewed, none, version, now).await;
    tx.commit().await.unwrap();
    assert!(!is_stored.unwrap());
    app.sync.disconnect(channel.id).await.unwrap();
    world
        .ask(channel.id, Work::REFRESH_TOKEN, Source::Sale)
        .await;
    world.work().await;
    let jobs = world.jobs(JobKind::RefreshToken).await;
    assert!(jobs.iter().all(|job| job.state != "dead"), "{jobs:?}");
    world.close().await;
}

async fn a_self_test_is_believed_and_stores_nothing(url: String) {
    let world = World::open(url).await;
    let stored = world.n_deliveries().await;
    let app = &world.running.app;
    for shop in [&world.first, &world.second] {
        let channel = world.channel(shop).await;
        let is_own = shop.marketplace().limits().webhook_address.is_per_channel();

        let test = app
            .inbox
            .self_test(&channel, is_own, world.clock.now())
            .await;
        let test = test.unwrap();
        let url = app.sync.webhook_url(&channel);
        let answer = world.send(&url, &test.headers, test.body).await;
        let forged = world.signed(shop, "never-ours", test.body);
        let refused = world.send(&url, &forged, test.body).await;

        assert_eq!(answer.status(), 200);
        let (name, value) = marketsink::web::SELF_TEST_PASSED;
        assert_eq!(answer.headers()[name], value);
        assert_eq!(refused.status(), 401);
        assert!(refused.headers().get(name).is_none());
    }
    assert_eq!(world.n_deliveries().await, stored);
    let before = world.state().await;
    world.settle().await;
    assert_eq!(world.state().await, before, "it made no work");
    world.close().await;
}

async fn a_self_test_says_what_is_wrong(url: String) {
    let world = World::open(url).await;
    let channel = world.channel(&world.second).await;
    let app = &world.running.app;
    let tx = app.db.write_tx().await.unwrap();
    channels::take_back_webhook_secret(&tx, channel.id)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // What was looked up before is believed for a few seconds.
    world.clock.advance(Duration::from_secs(10));

    let keyless = app.inbox.self_test(&channel, true, world.clock.now()).await;
    app.sync.disconnect(channel.id).await.unwrap();
    world.clock.advance(Duration::from_secs(10));
    let removed = app.inbox.self_test(&channel, true, world.clock.now()).await;

    assert!(matches!(keyless, Err(SelfTestError::NoKey)), "{keyless:?}");
    assert!(
        matches!(removed, Err(SelfTestError::NobodyHere)),
        "{removed:?}"
    );
    world.close().await;
}

async fn an_examination_tells_shop_rights_webhooks_and_clock(url: String) {
    let world = World::open(url).await;
    world.second.with(|shop| shop.subscriptions.clear());
    let known = world.state().await;
    for shop in [&world.first, &world.second] {
        let channel = world.channel(shop).await.id;

        let seen = world.running.app.sync.examine(channel).await.unwrap();

        let shops = seen.shops.unwrap();
        assert_eq!(shops[0].remote_id, shop.remote_id());
        let answers = seen.answers.unwrap();
        assert_eq!(
            (answers.orders, answers.products),
            (Some(Ok(())), Some(Ok(())))
        );
        let told = answers.subscriptions.unwrap().unwrap();
        let is_woo = shop.marketplace().slug() == "woocommerce";
        assert_eq!(told.iter().any(|one| one.state != Active), is_woo);
        let clocks = seen.clocks.unwrap();
        let (ahead, behind) = clocks.ahead_and_behind();
        assert_eq!((ahead.as_secs(), behind.as_secs()), (0, 0));
    }
    assert_eq!(world.state().await, known, "looking changes nothing");
    world.close().await;
}
