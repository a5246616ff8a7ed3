//! Access that ends: tokens that expire, consent that is gone, and coming back.

use super::{World, hands::add_many, world::snap};
use crate::support::{everywhere, scenarios};
use marketsink::{
    channels,
    domain::{JobKind, ScanKind, Source, Work},
    marketplaces::simulation::{ShopChange, SimStatus::Paid},
    sandbox::Fault::{ExpiredToken, Fair},
};
use std::time::Duration;

scenarios!(
    a_token_that_expires_in_mid_scan_is_renewed_once_and_the_scan_goes_on,
    a_refused_refresh_token_locks_the_channel_until_it_is_connected_again,
    withdrawn_consent_locks_the_channel,
    new_tokens_are_stored_when_the_database_takes_them_again,
);

everywhere!(
    a_token_that_expires_in_mid_scan_is_renewed_once_and_the_scan_goes_on,
    a_refused_refresh_token_locks_the_channel_until_it_is_connected_again,
);

/// How often the credentials were written.
async fn version(world: &World) -> i64 {
    let app = &world.running.app;
    let channel = world.channel(&world.first).await.id;
    let stored = channels::credentials(app.db.read(), &app.sealer, channel).await;
    stored.unwrap().unwrap().version
}

async fn a_token_that_expires_in_mid_scan_is_renewed_once_and_the_scan_goes_on(url: String) {
    let world = World::unconnected(url).await;
    if !world.first.marketplace().limits().tokens_expire {
        return;
    }
    let slug = world.first.marketplace().slug();
    world.stock_shops().await;
    add_many(&world, &world.first, 250);
    world.connect_all().await;
    world.settle().await;
    let (asked, known) = (world.first.n_requests(), version(&world).await);

    world.first.next_answers(vec![Fair, ExpiredToken]);
    let scan = Work::RunScan {
        method: marketsink::domain::ScanMethod::Async,
        scan: ScanKind::Full,
    };
    world.ask_for(&world.first, scan, Source::Manual).await;
    world.work().await;
    // While the token is dead, a sale and a push meet it too.
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.order(&world.second, Paid, &[("TEA-25", 1)]);
    world.settle().await;

    assert_eq!(version(&world).await, known + 1, "renewed once");
    // Two pages, of which one met the dead token; the renewal; the three that were left; the order; the push.
    let n_requests = world.first.n_requests() - asked;
    if world.elsewhere().is_none() {
        assert!((8..=10).contains(&n_requests), "{n_requests} requests");
    }
    let scans = world.section("scans").await;
    assert!(
        scans.contains(&format!("{slug} full done listings 253")),
        "{scans}"
    );
    world.assert_in_step().await;
    let of_bulk = |line: &&str| !line.contains("Bulk");
    let state = world.state().await;
    let state: Vec<&str> = state.lines().filter(of_bulk).collect();
    snap!(world, "token_expired", state.join("\n"));
    world.close().await;
}

async fn a_refused_refresh_token_locks_the_channel_until_it_is_connected_again(url: String) {
    let world = World::open(url).await;
    let slug = world.first.marketplace().slug();
    if !world.first.marketplace().limits().tokens_expire {
        return;
    }
    world.order(&world.first, Paid, &[("TEA-100", 1)]);
    world.settle().await;
    // The seller connected the app anew elsewhere: the tokens that we hold are worth nothing.
    world.first.with(|shop| {
        shop.secrets.set("access_token", "ROW_elsewhere");
        shop.secrets.set("refresh_token", "ROW_elsewhere_too");
    });
    world.order(&world.first, Paid, &[("MUG", 2)]);
    world.settle().await;
    let locked = world.section("channels").await;
    assert!(locked.contains(&format!("{slug} locked")), "{locked}");
    if world.elsewhere().is_none() {
        assert!(locked.contains("tokopedia locked"), "{locked}");
    }
    assert!(locked.contains("reconnect"), "it says what to do: {locked}");

    // Locked: webhooks are taken and kept, nothing is asked, and what was sold elsewhere waits.
    let asked = world.first.n_requests();
    world.order(&world.first, Paid, &[("TEA-25", 1)]);
    world.order(&world.second, Paid, &[("MUG", 1)]);
    world.settle().await;
    world.pass(Duration::from_secs(3_600)).await;
    let n_asked = world.first.n_requests() - asked;
    assert!(
        n_asked <= 3,
        "asked {n_asked} times whether that must stay so"
    );
    let ledger = world.sandbox.ledger();
    assert_eq!(
        (ledger.refused, ledger.failed),
        (0, 0),
        "every delivery got its 2xx"
    );
    let orders = world.section("orders").await;
    assert_eq!(orders.matches(slug).count(), 1, "{orders}");
    let deliveries = world.section("deliveries").await;
    assert!(deliveries.contains("parked"), "{deliveries}");

    world.connect(&world.first).await;
    world.settle().await;

    let orders = world.section("orders").await;
    assert_eq!(orders.matches(slug).count(), 3, "{orders}");
    assert_eq!(
        world.shown(&world.second, "MUG"),
        world.available("MUG").await
    );
    // What the other channel sold meanwhile is told at the latest when the work that waited looks again.
    world.pass(Duration::from_secs(900)).await;
    world.assert_in_step().await;
    snap!(world, "reconnected", world.state().await);
    world.close().await;
}

async fn withdrawn_consent_locks_the_channel(url: String) {
    let world = World::open(url).await;
    world.first.announce(ShopChange::Deauthorized);

    world.settle().await;

    let dead = world.jobs(JobKind::CheckAuthorization).await;
    assert_eq!(dead.len(), 1);
    snap!(world, "deauthorized", world.state().await);
    world.close().await;
}

async fn new_tokens_are_stored_when_the_database_takes_them_again(url: String) {
    let world = World::open(url).await;
    let (sync, fuse) = (world.running.app.sync.clone(), world.fuse.clone());
    let (channel, known) = (world.channel(&world.first).await.id, version(&world).await);
    world.clock.advance(Duration::from_secs(60));

    // The right to renew is written down, and then the disk is full for a while.
    fuse.blow_after(1);
    let renewal = tokio::spawn(async move { sync.refresh_token(channel, Source::Expiry).await });
    while !fuse.has_blown() {
        tokio::task::yield_now().await;
    }
    fuse.mend();
    let renewed = renewal.await.unwrap();

    assert!(renewed.is_ok(), "{renewed:?}");
    assert_eq!(version(&world).await, known + 1);
    let stored = channels::credentials(
        world.running.app.db.read(),
        &world.running.app.sealer,
        channel,
    );
    let stored = stored.await.unwrap().unwrap().secrets;
    let theirs = world.first.credentials();
    assert!(stored.get("refresh_token") == theirs.get("refresh_token"));
    world.close().await;
}
