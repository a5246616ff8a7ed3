//! Channels that fall silent: some lost their webhooks, some have nothing to tell.

use super::{
    World,
    hands::{product, section},
};
use crate::support::{everywhere, scenarios};
use entity::{alarms, deliveries, silences, webhook_misses};
use marketsink::{
    channels::Channel,
    domain::{ChannelId, JobKind, Timestamp},
    marketplaces::simulation::SimStatus::{Paid, Shipped},
    sandbox::{DeliveryFault::Lost, SimShop},
    schedule, sync,
};
use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder};
use std::time::Duration;

scenarios!(
    a_silent_channel_that_lost_webhooks_ends_complete_and_with_an_alarm,
    a_silent_channel_with_nothing_to_tell_raises_no_alarm,
    a_channel_without_history_never_alarms,
    a_thin_history_and_a_short_one_are_none,
    lost_changes_of_orders_and_products_are_told,
    nights_that_are_always_quiet_are_usual,
    a_channel_that_tells_less_for_good_is_believed,
);

everywhere!(
    a_silent_channel_that_lost_webhooks_ends_complete_and_with_an_alarm,
    a_silent_channel_with_nothing_to_tell_raises_no_alarm,
);

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// What was put off is done after so long.
const STEP: Duration = Duration::from_secs(150);
/// Twice that less than half an hour.
const WALK: Duration = Duration::from_secs(1_500);
/// More than any marketplace sends of a few changes.
const MANY: usize = 100;

impl World {
    /// A world that was opened an hour ago and is a little older than that.
    async fn open_for_a_while(url: String) -> Self {
        let world = Self::open(url).await;
        world.hours_pass(2).await;
        world
    }

    /// Deliveries of the past: `per_hour` in each hour of the last `days` days in which `is_open`, by UTC.
    async fn add_history(
        &self,
        shop: &SimShop,
        days: u32,
        per_hour: u32,
        is_open: impl Fn(u32) -> bool,
    ) -> ChannelId {
        let channel = self.channel(shop).await;
        let now = self.clock.now();
        let row = |at: Timestamp, n: usize| self.delivery(&channel, at, n);
        let mut rows = Vec::new();
        for hour in 0..days * 24 {
            let begin = now - days * DAY + hour * HOUR;
            if !is_open((begin.secs().rem_euclid(86_400) / 3_600) as u32) {
                continue;
            }
            let times = (0..per_hour).map(|n| begin + HOUR * n / per_hour);
            let first = rows.len();
            rows.extend(times.enumerate().map(|(n, at)| row(at, first + n)));
        }
        let tx = self.running.app.db.write_tx().await.unwrap();
        for chunk in rows.chunks(500) {
            deliveries::Entity::insert_many(chunk.iter().cloned())
                .exec_without_returning(&tx)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        channel.id
    }

    #[expect(clippy::unused_self, reason = "it reads as the world's own")]
    fn delivery(&self, channel: &Channel, at: Timestamp, n: usize) -> deliveries::ActiveModel {
        deliveries::ActiveModel {
            merchant_id: Set(Some(channel.merchant.0)),
            channel_id: Set(Some(channel.id.0)),
            marketplace: Set(channel.marketplace.slug().to_owned()),
            delivery_key: Set(format!("past-{}-{n}-{at}", channel.id)),
            topic: Set("past".to_owned()),
            verdict: Set("ignored".to_owned()),
            headers: Set("[]".to_owned()),
            body: Set(Vec::new()),
            received_at: Set(at.micros()),
            key_index: Set(0),
            ..Default::default()
        }
    }

    async fn hours_pass(&self, hours: u32) {
        for _ in 0..hours * 2 {
            self.clock.advance(WALK);
            let now = self.clock.now();
            schedule::fire_due(&self.running.app.db, now).await.unwrap();
            for _ in 0..2 {
                self.work().await;
                self.clock.advance(STEP);
            }
            self.work().await;
        }
    }

    async fn books_and_listings(&self) -> [String; 3] {
        let state = self.state().await;
        ["orders", "stock", "listings"].map(|name| section(&state, name))
    }

    async fn alarms(&self) -> Vec<alarms::Model> {
        let db = &self.running.app.db;
        sync::alarms(db, self.merchant, true, 100).await.unwrap()
    }

    async fn silences(&self) -> Vec<silences::Model> {
        silences::Entity::find()
            .order_by_asc(silences::Column::Id)
            .all(self.running.app.db.read())
            .await
            .unwrap()
    }

    /// Day, orders and missed ones of a channel.
    async fn misses(&self, channel: ChannelId) -> Vec<(String, i64, i64)> {
        let rows = webhook_misses::Entity::of_channel(channel.0)
            .order_by_asc(webhook_misses::Column::Day)
            .all(self.running.app.db.read())
            .await
            .unwrap();
        let told = |row: webhook_misses::Model| (row.day, row.orders, row.missed);
        rows.into_iter().map(told).collect()
    }
}

async fn a_silent_channel_that_lost_webhooks_ends_complete_and_with_an_alarm(url: String) {
    let world = World::open_for_a_while(url).await;
    let channel = world.add_history(&world.first, 21, 2, |_| true).await;
    world.hours_pass(1).await;
    assert_eq!(world.silences().await, [], "it told until a moment ago");
    world.first.next_deliveries(vec![Lost; MANY]);
    world.order(&world.first, Paid, &[("MUG", 1)]);

    world.hours_pass(6).await;

    let orders = world.section("orders").await;
    assert_eq!(orders.matches("MUG").count(), 1, "{orders}");
    world.assert_in_step().await;
    let silences = world.silences().await;
    assert_eq!(silences.len(), 1, "once per silence");
    let silence = &silences[0];
    assert!(
        (6_900..9_000).contains(&silence.expected_milli),
        "{silence:?}"
    );
    assert_eq!((silence.seen, silence.ended_at), (0, None));
    let alarms = world.alarms().await;
    assert_eq!(alarms.len(), 1);
    let told = (alarms[0].kind.as_str(), alarms[0].found.as_str());
    assert_eq!(told, ("silence", "1 order that no webhook named"));
    assert_eq!(
        (alarms[0].since, alarms[0].closed_at),
        (silence.since, None)
    );

    world.first.forget_faults();
    world.order(&world.first, Paid, &[("TEA-25", 1)]);
    world.hours_pass(1).await;

    let alarms = world.alarms().await;
    assert_eq!(alarms.len(), 1);
    assert!(alarms[0].closed_at.is_some(), "it closes by itself");
    assert!(world.silences().await[0].ended_at.is_some());
    assert_eq!(
        world.misses(channel).await,
        [("2026-11-23".to_owned(), 2, 1)]
    );
    world.assert_in_step().await;
    world.close().await;
}

async fn a_silent_channel_with_nothing_to_tell_raises_no_alarm(url: String) {
    let world = World::open_for_a_while(url).await;
    let channel = world.add_history(&world.first, 21, 2, |_| true).await;
    let books = world.books_and_listings().await;

    world.hours_pass(8).await;

    let silences = world.silences().await;
    assert_eq!(silences.len(), 1, "it is asked once: {silences:?}");
    assert_eq!(silences[0].state, "nothing_missed");
    assert_eq!(world.alarms().await, []);
    assert_eq!(world.misses(channel).await, []);
    assert_eq!(world.books_and_listings().await, books);
    world.close().await;
}

async fn a_channel_without_history_never_alarms(url: String) {
    let world = World::open_for_a_while(url).await;
    let channel = world.channel(&world.first).await.id;
    world.first.next_deliveries(vec![Lost; MANY]);
    world.order(&world.first, Paid, &[("MUG", 1)]);

    world.hours_pass(30).await;

    assert_eq!(
        (world.silences().await, world.alarms().await),
        (vec![], vec![])
    );
    world.assert_in_step().await;
    assert_eq!(
        world.misses(channel).await,
        [("2026-11-23".to_owned(), 1, 1)],
        "it is counted all the same"
    );
    world.close().await;
}

async fn a_thin_history_and_a_short_one_are_none(url: String) {
    let world = World::open_for_a_while(url).await;
    world.add_history(&world.first, 13, 20, |_| true).await;
    // Two a day, over three weeks: 42.
    world
        .add_history(&world.second, 21, 1, |hour| hour % 12 == 0)
        .await;

    world.hours_pass(12).await;

    assert_eq!(world.silences().await, []);
    let first = world.channel(&world.first).await.id;
    let zone = chrono_tz::Asia::Jakarta;
    let db = world.running.app.db.read();
    let learned = sync::learned(db, first, zone).await.unwrap().unwrap();
    let words = learned.in_words(world.clock.now());
    assert!(words.starts_with("not known yet: 13."), "{words}");
    world.close().await;
}

async fn lost_changes_of_orders_and_products_are_told(url: String) {
    let world = World::open_for_a_while(url).await;
    world.add_history(&world.first, 21, 2, |_| true).await;
    let order = world.order(&world.first, Paid, &[("MUG", 1)]);
    world.hours_pass(1).await;
    world.first.next_deliveries(vec![Lost; MANY]);
    world.first.move_order(&order, Shipped);
    let tea = product(&world.first, "TEA-25");
    world
        .first
        .edit_product(&tea, |tea| "Tea, renamed".clone_into(&mut tea.title));

    world.hours_pass(6).await;

    let alarms = world.alarms().await;
    assert_eq!(alarms.len(), 1);
    assert_eq!(
        alarms[0].found,
        "1 change of an order, 1 product that no webhook named"
    );
    let titles: Vec<String> = world
        .listings(&world.first)
        .await
        .into_iter()
        .map(|listing| listing.title)
        .collect();
    assert!(titles.iter().any(|title| title.starts_with("Tea, renamed")));
    world.close().await;
}

async fn nights_that_are_always_quiet_are_usual(url: String) {
    let world = World::open_for_a_while(url).await;
    // It is 04:25 UTC: open until seven, and again from 23 on.
    let is_open = |hour: u32| !(7..23).contains(&hour);
    world.add_history(&world.first, 21, 2, is_open).await;
    let asked = world.jobs(JobKind::DownloadOrders).await.len();

    world.hours_pass(16).await;

    assert_eq!(world.silences().await, [], "six were expected at most");
    assert!(world.jobs(JobKind::DownloadOrders).await.len() > asked);
    world.hours_pass(6).await;
    assert_eq!(world.silences().await.len(), 1, "now it should tell again");
    world.close().await;
}

/// A fifth of what came before, and nothing is missed: that becomes usual.
async fn a_channel_that_tells_less_for_good_is_believed(url: String) {
    let world = World::open_for_a_while(url).await;
    let channel = world.add_history(&world.first, 28, 20, |_| true).await;
    let learned = async || {
        let db = world.running.app.db.read();
        let learned = sync::learned(db, channel, chrono_tz::Asia::Jakarta).await;
        learned.unwrap().unwrap()
    };

    for hour in 0..30 {
        let told = world.delivery(&world.channel(&world.first).await, world.clock.now(), hour);
        let tx = world.running.app.db.write_tx().await.unwrap();
        deliveries::Entity::insert(told).exec(&tx).await.unwrap();
        tx.commit().await.unwrap();
        world.hours_pass(1).await;
    }

    let silences = world.silences().await;
    assert_eq!(silences[0].state, "nothing_missed", "{silences:?}");
    let lasted = silences[0].ended_at.unwrap() - silences[0].noticed_at;
    assert!(lasted >= DAY.as_micros() as i64);
    assert_eq!(world.alarms().await, []);
    let noticed_at = Timestamp::from_micros(silences[0].noticed_at);
    assert!(
        learned().await.to > noticed_at,
        "what came meanwhile is learned"
    );
    world.close().await;
}
