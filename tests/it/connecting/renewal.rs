//! One refresher per channel, in whatever process; and no newer pair of tokens is ever thrown away.

use super::{Gate, Town};
use crate::support::scenarios;
use marketsink::{
    app::App,
    channels::{self, ChannelState, Expiry, NewChannel},
    config::Settings,
    domain::{ChannelId, Source},
    sandbox::SimShop,
    sync::{Connect, Sync, SyncError},
};
use std::{pin::pin, time::Duration};
use tokio::task::JoinHandle;

scenarios!(
    a_program_that_stops_waits_for_the_renewals_under_way,
    two_processes_that_renew_at_once_ask_once,
    a_renewal_that_died_is_taken_over_when_its_time_is_over,
    a_consent_during_a_renewal_wins,
    keys_that_are_handed_over_again_during_a_renewal_do_not_lose_the_new_pair,
    a_renewal_that_is_refused_after_a_new_consent_does_not_lock,
    shops_of_one_consent_are_renewed_together,
    renewed_at_half_life_by_the_schedule_and_not_before,
);

/// A connected TikTok Shop behind a closed gate; refreshing makes one request to it.
struct Stage {
    town: Town,
    gate: Gate,
    channel: ChannelId,
    /// Of the credentials that it was connected with.
    first: i64,
}

impl Stage {
    async fn open(url: String) -> Self {
        let gate = Gate::closed();
        let origin = gate.origin();
        let change = |settings: &mut Settings| {
            settings.apps.at("tiktok_shop").auth_url = Some(origin);
        };
        let town = Town::open_with(url, change).await;
        let shop = town.shop("tiktok_shop");
        gate.stands_before(shop);
        connect(&town, shop).await;
        let channel = town.channel(shop).await.unwrap().id;
        let first = town.credentials(shop).await.version;
        town.clock.advance(Duration::from_secs(60));
        Self {
            town,
            gate,
            channel,
            first,
        }
    }

    fn shop(&self) -> &SimShop {
        self.town.shop("tiktok_shop")
    }

    /// A renewal that stands at the gate.
    async fn renewal(&self) -> JoinHandle<Result<(), SyncError>> {
        let renewal = renewal(&self.town.running.app.sync, self.channel);
        self.gate.one_arrives().await;
        renewal
    }

    /// Another process on the same database.
    async fn other_process(&self) -> App {
        let settings = self.town.running.app.settings.clone();
        let app = App::build_hasty(settings, self.town.clock.clone(), 1_000.0).await;
        app.unwrap()
    }

    /// The channel works with what is stored.
    async fn assert_works(&self) {
        let sync = &self.town.running.app.sync;
        sync.examine(self.channel).await.unwrap().shops.unwrap();
        let channel = self.town.channel(self.shop()).await.unwrap();
        assert_eq!(channel.state, ChannelState::Active);
        let stored = self.town.credentials(self.shop()).await.secrets;
        let theirs = self.shop().credentials();
        for name in ["access_token", "refresh_token"] {
            assert!(stored.get(name) == theirs.get(name), "{name} is an old one");
        }
    }

    /// How often the credentials were written since.
    async fn n_written(&self) -> i64 {
        self.town.credentials(self.shop()).await.version - self.first
    }
}

fn renewal(sync: &Sync, channel: ChannelId) -> JoinHandle<Result<(), SyncError>> {
    let sync = sync.clone();
    tokio::spawn(async move { sync.refresh_token(channel, Source::Expiry).await })
}

/// With the keys that the shop has now.
async fn connect(town: &Town, shop: &SimShop) {
    let connect = Connect {
        merchant: town.merchant,
        outlet: town.outlet,
        marketplace: shop.marketplace(),
        base_url: None,
        secrets: shop.handed(),
        expires_at: shop.with(|shop| shop.token_expires_at),
        name: None,
    };
    town.running.app.sync.connect(connect).await.unwrap();
}

async fn a_program_that_stops_waits_for_the_renewals_under_way(url: String) {
    let stage = Stage::open(url).await;
    let sync = stage.town.running.app.sync.clone();
    sync.renewals_ended().await;
    let renewal = stage.renewal().await;

    let mut ended = pin!(sync.renewals_ended());
    let is_waiting = futures::poll!(&mut ended).is_pending();
    stage.gate.let_through(1);
    ended.await;

    assert!(is_waiting, "the database would be closed under it");
    assert_eq!(stage.n_written().await, 1, "it is stored by then");
    renewal.await.unwrap().unwrap();
    stage.town.close().await;
}

async fn two_processes_that_renew_at_once_ask_once(url: String) {
    let stage = Stage::open(url).await;
    let other = stage.other_process().await;
    let first = stage.renewal().await;

    // The first stands at the gate with the refresh token in its hand.
    let second = other
        .sync
        .refresh_token(stage.channel, Source::Expiry)
        .await;
    let third = renewal(&stage.town.running.app.sync, stage.channel).await;
    assert!(second.is_ok() && third.unwrap().is_ok());
    assert_eq!(
        stage.gate.n_waiting(),
        0,
        "the token was used twice at once"
    );
    stage.gate.let_through(1);
    first.await.unwrap().unwrap();

    assert_eq!(stage.n_written().await, 1);
    stage.assert_works().await;
    // Whoever met the dead token before it was renewed asks in vain.
    other
        .sync
        .refresh_token(stage.channel, Source::Expiry)
        .await
        .unwrap();
    assert_eq!((stage.n_written().await, stage.gate.n_waiting()), (1, 0));
    other.close().await.unwrap();
    stage.town.close().await;
}

async fn a_renewal_that_died_is_taken_over_when_its_time_is_over(url: String) {
    let stage = Stage::open(url).await;
    let (app, now) = (&stage.town.running.app, stage.town.clock.now());
    let until = now + Duration::from_secs(40);
    let of_version = (stage.channel, stage.first);
    let tx = app.db.write_tx().await.unwrap();
    let taken = channels::begin_renewal(&tx, of_version, "a process that died", until, now).await;
    tx.commit().await.unwrap();
    assert!(taken.unwrap());

    stage.town.clock.advance(Duration::from_secs(39));
    app.sync
        .refresh_token(stage.channel, Source::Expiry)
        .await
        .unwrap();
    assert_eq!(stage.gate.n_waiting(), 0, "it may still be at it");
    stage.town.clock.advance(Duration::from_secs(1));
    stage.gate.let_through(1);
    app.sync
        .refresh_token(stage.channel, Source::Expiry)
        .await
        .unwrap();

    assert_eq!(stage.n_written().await, 1);
    stage.assert_works().await;
    stage.town.close().await;
}

async fn a_consent_during_a_renewal_wins(url: String) {
    let stage = Stage::open(url).await;
    let renewal = stage.renewal().await;

    // The code is traded through the gate too: first in, first out.
    let link = stage.town.link(stage.shop()).await;
    let back = stage.town.browser.agree(link.url.as_str()).await;
    stage.gate.let_through(1);
    renewal.await.unwrap().unwrap();
    let renewed = stage.n_written().await;
    stage.gate.let_through(1);
    let page = stage.town.browser.open(&back).await;

    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!((renewed, stage.n_written().await), (1, 2));
    stage.assert_works().await;
    stage.town.close().await;
}

async fn keys_that_are_handed_over_again_during_a_renewal_do_not_lose_the_new_pair(url: String) {
    let stage = Stage::open(url).await;
    let renewal = stage.renewal().await;

    // The merchant runs `channel add` again with the same keys, while they are being traded.
    connect(&stage.town, stage.shop()).await;
    assert_eq!(stage.n_written().await, 1);
    stage.gate.let_through(1);
    renewal.await.unwrap().unwrap();

    assert_eq!(
        stage.n_written().await,
        2,
        "the new pair comes from what is stored"
    );
    stage.assert_works().await;
    stage.town.close().await;
}

async fn a_renewal_that_is_refused_after_a_new_consent_does_not_lock(url: String) {
    let stage = Stage::open(url).await;
    let renewal = stage.renewal().await;

    // The seller agreed anew: the pair before it is dead, and the one that was asked for with it is refused.
    stage.shop().with(|shop| {
        shop.secrets.set("access_token", "ROW_anew");
        shop.secrets.set("refresh_token", "ROW_anew_too");
    });
    connect(&stage.town, stage.shop()).await;
    stage.gate.let_through(1);
    let refused = renewal.await.unwrap();

    assert!(refused.is_ok(), "{refused:?}");
    assert_eq!(stage.n_written().await, 1);
    stage.assert_works().await;
    stage.town.close().await;
}

async fn shops_of_one_consent_are_renewed_together(url: String) {
    let stage = Stage::open(url).await;
    let (app, now) = (&stage.town.running.app, stage.town.clock.now());
    // The seller's second shop: the same tokens, and a cipher of its own.
    let first = stage.town.channel(stage.shop()).await.unwrap();
    let mut secrets = stage.town.credentials(stage.shop()).await.secrets;
    secrets.set("shop_cipher", "ROW_second");
    let new = NewChannel {
        merchant: first.merchant,
        outlet: first.outlet,
        parent: None,
        marketplace: first.marketplace,
        platform: &first.platform,
        remote_id: &"7495000000000000999".into(),
        name: "Second",
        base_url: None,
        address: "0123456789abcdef0123456789abcdef",
    };
    let tx = app.db.write_tx().await.unwrap();
    let second = channels::connect(&tx, &new, now).await.unwrap();
    let (owner, expiry) = ((second, first.merchant), Expiry::default());
    channels::replace_credentials(&tx, &app.sealer, owner, &secrets, expiry, 0, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    stage.town.clock.advance(Duration::from_secs(60));

    let renewing = stage.renewal().await;
    app.sync
        .refresh_token(second, Source::Expiry)
        .await
        .unwrap();
    assert_eq!(
        stage.gate.n_waiting(),
        0,
        "the token was used twice at once"
    );
    stage.gate.let_through(1);
    renewing.await.unwrap().unwrap();
    // Both have the new pair: nobody needs to ask again.
    app.sync
        .refresh_token(second, Source::Expiry)
        .await
        .unwrap();

    assert_eq!(stage.gate.n_waiting(), 0);
    stage.assert_works().await;
    let stored = channels::credentials(app.db.read(), &app.sealer, second).await;
    let (stored, theirs) = (stored.unwrap().unwrap(), stage.shop().credentials());
    assert!(stored.secrets.get("refresh_token") == theirs.get("refresh_token"));
    assert_eq!(stored.secrets.get("shop_cipher"), Some("ROW_second"));
    stage.town.close().await;
}

async fn renewed_at_half_life_by_the_schedule_and_not_before(url: String) {
    let town = Town::open(url).await;
    let mut n_renewed = 0;
    for shop in &town.shops {
        let (slug, limits) = (shop.marketplace().slug(), shop.marketplace().limits());
        if !limits.tokens_expire {
            continue;
        }
        town.consent(shop).await;
        let now = town.clock.now();
        let before = town.credentials(shop).await;
        let life = before.expiry.access.unwrap().since(now);
        let channel = town.channel(shop).await.unwrap().id;
        let sync = &town.running.app.sync;

        town.clock
            .advance((life / 2).saturating_sub(Duration::from_secs(2)));
        sync.refresh_token(channel, Source::Schedule).await.unwrap();
        assert_eq!(
            town.credentials(shop).await.version,
            before.version,
            "{slug}"
        );
        // The next look of the schedule is ten minutes away at most: enough for tokens of an hour.
        town.pass(Duration::from_secs(600)).await;
        let after = town.credentials(shop).await;

        assert_eq!(after.version, before.version + 1, "{slug}");
        assert!(after.expiry.access > before.expiry.access, "{slug}");
        assert!(
            life > Duration::from_secs(2 * 600),
            "{slug} would need a quicker look"
        );
        n_renewed += 1;
    }
    assert!(n_renewed > 0);
    town.close().await;
}
