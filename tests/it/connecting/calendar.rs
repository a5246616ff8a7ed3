//! The authorization calendar on a standing clock: what is known of each end, and who is told when.

use super::Town;
use crate::support::scenarios;
use marketsink::{
    channels::{self, Expiry, Lifeline},
    domain::{ChannelId, Source},
    reports,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    instrument::WithSubscriber,
    span::{Attributes, Id, Record},
};

scenarios!(
    a_consent_fills_the_calendar,
    the_merchant_is_warned_14_7_and_1_days_ahead_once_each,
    a_new_consent_ends_the_warnings,
);

const DAY: Duration = Duration::from_secs(86_400);

/// Counts warnings.
#[derive(Clone, Default)]
struct Ear(Arc<AtomicUsize>);

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target().starts_with("marketsink::sync")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// How many warnings a look of the schedule logs.
async fn n_warnings(town: &Town, channel: ChannelId) -> usize {
    let ear = Ear::default();
    let look = town
        .running
        .app
        .sync
        .refresh_token(channel, Source::Schedule);
    look.with_subscriber(ear.clone()).await.unwrap();
    ear.0.load(Ordering::SeqCst)
}

/// Stores other ends, as a renewal would.
async fn set_expiry(town: &Town, channel: ChannelId, expiry: Expiry) {
    let (app, now) = (&town.running.app, town.clock.now());
    let stored = channels::credentials(app.db.read(), &app.sealer, channel).await;
    let secrets = stored.unwrap().unwrap().secrets;
    let owner = (channel, town.merchant);
    let tx = app.db.write_tx().await.unwrap();
    channels::replace_credentials(&tx, &app.sealer, owner, &secrets, expiry, 0, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn a_consent_fills_the_calendar(url: String) {
    let town = Town::open(url).await;
    for shop in &town.shops {
        let slug = shop.marketplace().slug();
        town.consent(shop).await;
        let channel = town.channel(shop).await.unwrap().id;

        let calendar = channels::calendar(&town.running.app.db, town.merchant).await;

        let expiry = calendar.unwrap()[&channel].expiry;
        assert_eq!(
            expiry.access.is_some(),
            shop.marketplace().limits().tokens_expire,
            "{slug}"
        );
        assert_eq!(expiry, town.credentials(shop).await.expiry, "{slug}");
    }
    let tiktok = town.credentials(town.shop("tiktok_shop")).await.expiry;
    assert!(tiktok.refresh > tiktok.access);
    town.close().await;
}

async fn the_merchant_is_warned_14_7_and_1_days_ahead_once_each(url: String) {
    let town = Town::open(url).await;
    let shop = town.shop("woocommerce");
    town.consent(shop).await;
    let channel = town.channel(shop).await.unwrap().id;
    let end = town.clock.now() + 20 * DAY;
    let expiry = Expiry {
        consent: Some(end),
        ..Expiry::default()
    };
    set_expiry(&town, channel, expiry).await;

    // Each look says how many days are left: a look every twelve hours, from twenty days before to one after.
    let mut warned = Vec::new();
    for _ in 0..42 {
        if n_warnings(&town, channel).await > 0 {
            warned.push(end.since(town.clock.now()).as_secs() / 86_400);
        }
        // A second look, or one after a restart or of another process, says nothing again.
        assert_eq!(n_warnings(&town, channel).await, 0);
        town.clock.advance(DAY / 2);
    }

    assert_eq!(warned, [14, 7, 1]);
    town.close().await;
}

async fn a_new_consent_ends_the_warnings(url: String) {
    let town = Town::open(url).await;
    let shop = town.shop("woocommerce");
    town.consent(shop).await;
    let channel = town.channel(shop).await.unwrap().id;
    let now = town.clock.now();
    let near = Expiry {
        refresh: Some(now + 6 * DAY),
        consent: Some(now + 9 * DAY),
        access: None,
    };
    set_expiry(&town, channel, near).await;
    let shown = || async {
        let queue = &town.running.app.queue;
        let overview = reports::overview(queue, town.merchant, town.clock.now()).await;
        let channels = overview.unwrap().channels;
        channels
            .into_iter()
            .find(|row| row.id == channel.0)
            .unwrap()
            .ending
    };
    assert_eq!(shown().await, Some((Lifeline::RefreshToken.as_str(), 6)));
    assert_eq!(n_warnings(&town, channel).await, 1);

    town.clock.advance(Duration::from_secs(60));
    let page = town.consent(shop).await;

    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(shown().await, None);
    town.clock.advance(9 * DAY);
    assert_eq!(n_warnings(&town, channel).await, 0);
    town.close().await;
}
