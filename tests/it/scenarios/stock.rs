//! Outlets, bundles, rules, promotions, unpaid orders, comparing and prices: what channels are told, and why.

use super::{World, world::snap};
use crate::support::{everywhere, scenarios};
use futures::future::join_all;
use marketsink::{
    accounts, catalog, channels,
    domain::{OutletId, SkuId, Source, Work},
    marketplaces::simulation::{
        NewLine, ShopChange,
        SimStatus::{Arranged, Cancelled, Paid, Shipped, Unpaid},
    },
    sandbox::SimShop,
    stock::{self, PushFilter, Rule, RuleScope},
    worker::Worker,
};
use std::collections::BTreeMap;

scenarios!(
    a_channel_sells_from_its_second_outlet_when_the_first_has_too_little,
    a_bundle_and_its_components_are_one_stock_on_every_channel,
    what_is_told_follows_the_rules_and_the_last_units_stay_on_one_channel,
    units_of_an_unpaid_order_are_offered_nowhere_until_it_is_paid_or_forgotten,
    the_last_unit_is_sold_once_however_many_workers_there_are,
);

everywhere!(
    a_bundle_and_its_components_are_one_stock_on_every_channel,
    units_of_an_unpaid_order_are_offered_nowhere_until_it_is_paid_or_forgotten,
);

impl World {
    pub async fn sku_id(&self, code: &str) -> SkuId {
        let db = self.running.app.db.read();
        let found = catalog::find_sku(db, self.merchant, code).await;
        found.unwrap().unwrap()
    }

    async fn rule(&self, code: Option<&str>, shop: Option<&SimShop>, rule: Rule) {
        let sku = match code {
            Some(code) => Some(self.sku_id(code).await),
            None => None,
        };
        let channel = match shop {
            Some(shop) => Some(self.channel(shop).await.id),
            None => None,
        };
        let scope = RuleScope { sku, channel };
        let (merchant, now) = (self.merchant, self.clock.now());
        let tx = self.running.app.db.write_tx().await.unwrap();
        stock::set_rule(&tx, merchant, scope, &rule, now)
            .await
            .unwrap();
        stock::enqueue_scope(&tx, merchant, scope, Source::Manual, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// A second outlet with so many of a SKU.
    async fn second_outlet(&self, code: &str, units: i64) -> OutletId {
        let sku = self.sku_id(code).await;
        let (merchant, now) = (self.merchant, self.clock.now());
        let tx = self.running.app.db.write_tx().await.unwrap();
        let outlet = accounts::open_outlet(&tx, merchant, "Second", now).await;
        let outlet = outlet.unwrap();
        stock::set_on_hand(&tx, merchant, (sku, outlet), units, "counted", now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        outlet
    }

    pub async fn push(&self, code: &str) {
        let (sku, now) = (self.sku_id(code).await, self.clock.now());
        let tx = self.running.app.db.write_tx().await.unwrap();
        stock::enqueue_pushes(&tx, self.merchant, &[sku], None, Source::Manual, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn pushed(&self, code: &str, shop: &SimShop) -> Vec<(i64, String)> {
        let filter = PushFilter {
            sku: Some(self.sku_id(code).await),
            channel: Some(self.channel(shop).await.id),
            ..PushFilter::default()
        };
        let db = self.running.app.db.read();
        let rows = stock::pushes(db, self.merchant, &filter, 100)
            .await
            .unwrap();
        rows.into_iter()
            .map(|row| (row.quantity, row.because.unwrap()))
            .collect()
    }
}

async fn a_channel_sells_from_its_second_outlet_when_the_first_has_too_little(url: String) {
    let world = World::open(url).await;
    let second = world.second_outlet("MUG", 6).await;
    let channel = world.channel(&world.first).await;
    let now = world.clock.now();
    let tx = world.running.app.db.write_tx().await.unwrap();
    channels::set_outlets(&tx, &channel, (channel.outlet, &[second]), now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.push("MUG").await;
    world.settle().await;
    assert_eq!(world.shown(&world.first, "MUG"), 16, "from both");
    assert_eq!(world.shown(&world.second, "MUG"), 10, "from its own");

    // Nine are taken from the first; of the next three only the second has enough, of the last four nobody.
    let whole = world.order(&world.first, Paid, &[("MUG", 9)]);
    world.settle().await;
    let three = world.order(&world.first, Paid, &[("MUG", 3)]);
    world.settle().await;
    let stock = world.section("stock").await;
    assert!(
        stock.contains("MUG at Second on hand 6 allocated 3"),
        "{stock}"
    );
    let sent = world.order(&world.first, Paid, &[("MUG", 4)]);
    world.settle().await;
    assert_eq!(world.shown(&world.first, "MUG"), 0);
    assert_eq!(world.shown(&world.second, "MUG"), 0);

    world.first.move_order(&three, Cancelled);
    for status in [Arranged, Shipped] {
        world.first.move_order(&sent, status);
        world.settle().await;
    }
    world.first.move_order(&sent, Cancelled);
    world.first.move_order(&whole, Shipped);
    world.settle().await;

    assert_eq!(world.shown(&world.first, "MUG"), 7);
    assert_eq!(world.shown(&world.second, "MUG"), 1);
    snap!(world, "two_outlets", world.state().await);
    world.close().await;
}

/// A gift set of a mug and two small teas, listed on both shops.
async fn with_bundle(world: &World) {
    let now = world.clock.now();
    for shop in [&world.first, &world.second] {
        let change = shop.with(|s| s.add_product("Set", &[("", Some("SET"), 9_000_000, 5)], now));
        shop.announce(change);
    }
    world.settle().await;
    let (mug, tea) = (world.sku_id("MUG").await, world.sku_id("TEA-25").await);
    let merchant = world.merchant;
    let tx = world.running.app.db.write_tx().await.unwrap();
    let (set, _) = catalog::create_sku(&tx, merchant, "SET", "Set", now)
        .await
        .unwrap();
    let parts = BTreeMap::from([(mug, 1), (tea, 2)]);
    catalog::set_bundle(&tx, merchant, set, &parts)
        .await
        .unwrap();
    stock::enqueue_pushes(&tx, merchant, &[set], None, Source::Manual, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.settle().await;
}

async fn a_bundle_and_its_components_are_one_stock_on_every_channel(url: String) {
    let world = World::open(url).await;
    with_bundle(&world).await;
    let shown = |sku| [&world.first, &world.second].map(|shop| world.shown(shop, sku));
    assert_eq!(shown("SET"), [5, 5], "ten teas make five");

    let at_first = world.order(&world.first, Paid, &[("SET", 2)]);
    world.settle().await;
    assert_eq!(
        (shown("MUG"), shown("TEA-25"), shown("SET")),
        ([8, 8], [6, 6], [3, 3])
    );
    world.order(&world.second, Paid, &[("TEA-25", 3)]);
    world.settle().await;
    assert_eq!((shown("TEA-25"), shown("SET")), ([3, 3], [1, 1]));

    world.first.move_order(&at_first, Cancelled);
    world.settle().await;

    assert_eq!(
        (shown("MUG"), shown("TEA-25"), shown("SET")),
        ([10, 10], [7, 7], [3, 3])
    );
    world.assert_in_step().await;
    snap!(world, "bundle", world.state().await);
    world.close().await;
}

async fn what_is_told_follows_the_rules_and_the_last_units_stay_on_one_channel(url: String) {
    let world = World::open(url).await;
    let first = world.channel(&world.first).await.id;
    let half = Rule {
        percentage: Some(50),
        ..Rule::default()
    };
    let last = Rule {
        last: Some((3, first)),
        ..Rule::default()
    };
    world.rule(Some("MUG"), Some(&world.second), half).await;
    world.rule(Some("TEA-25"), None, last).await;
    world.settle().await;
    assert_eq!(world.shown(&world.second, "MUG"), 5);
    assert_eq!(world.shown(&world.second, "TEA-25"), 7);
    assert_eq!(world.shown(&world.first, "TEA-25"), 10);

    // A unit sold where half is shown: the channel's own count would say four.
    world.order(&world.second, Paid, &[("MUG", 1)]);
    world.order(&world.first, Paid, &[("TEA-25", 8)]);
    world.settle().await;
    assert_eq!(world.shown(&world.second, "MUG"), 4);
    assert_eq!(world.shown(&world.first, "TEA-25"), 2);
    assert_eq!(world.shown(&world.second, "TEA-25"), 0);
    world.order(&world.second, Paid, &[("MUG", 2)]);
    world.settle().await;

    assert_eq!(world.shown(&world.second, "MUG"), 3, "half of seven");
    let pushed = world.pushed("MUG", &world.second).await;
    assert_eq!(pushed[0], (3, "7 available: 50 %".to_owned()));
    let pushed = world.pushed("TEA-25", &world.second).await;
    assert_eq!(pushed[0], (0, "2 available: 3 kept back".to_owned()));
    world.close().await;
}

async fn units_of_an_unpaid_order_are_offered_nowhere_until_it_is_paid_or_forgotten(url: String) {
    let world = World::open(url).await;
    let paid_later = world.order(&world.first, Unpaid, &[("MUG", 2)]);
    world.settle().await;
    assert_eq!(world.shown(&world.first, "MUG"), 8, "its own count");
    assert_eq!(world.shown(&world.second, "MUG"), 8, "told");
    assert_eq!(world.available("MUG").await, 10, "nothing is booked");

    // Told the full level, the shop would sell the held units once more.
    world.push("MUG").await;
    world.settle().await;
    assert_eq!(world.shown(&world.first, "MUG"), 8);

    world.first.move_order(&paid_later, Paid);
    world.settle().await;
    world.assert_in_step().await;
    assert_eq!(world.available("MUG").await, 8);

    // Nobody pays this one, and nobody says that it is over.
    world.order(&world.first, Unpaid, &[("TEA-25", 4)]);
    world.settle().await;
    assert_eq!(world.shown(&world.second, "TEA-25"), 6);
    world.clock.advance(stock::SOFT_HOLD_LIFE);
    for shop in [&world.first, &world.second] {
        world.ask_for(shop, Work::PUSH_AGAIN, Source::Manual).await;
    }
    world.settle().await;

    assert_eq!(world.shown(&world.second, "TEA-25"), 10);
    world.close().await;
}

async fn the_last_unit_is_sold_once_however_many_workers_there_are(url: String) {
    let world = World::open(url).await;
    for (round, n_workers) in [2, 16, 64].into_iter().enumerate() {
        world
            .set_stock("MUG", 1 + 2 * i64::try_from(round).unwrap())
            .await;
        let mut told = Vec::new();
        for shop in [&world.first, &world.second] {
            let now = world.clock.now();
            let order = shop.with(|s| {
                let variant_id = s.variant_by_sku("MUG").unwrap().id.clone();
                s.edit_variant(&variant_id, now, |v| v.quantity = 1);
                let line = NewLine {
                    variant_id,
                    quantity: 1,
                };
                s.place_order(s.platforms[0], Paid, &[line], now).unwrap()
            });
            told.extend(world.told(shop, &ShopChange::OrderCreated(order)));
        }
        for delivery in &told {
            assert!(super::hands::is_2xx(world.post(delivery).await));
        }
        let app = &world.running.app;
        let workers: Vec<_> = (0..n_workers).map(|_| app.worker()).collect();
        let ended = join_all(workers.iter().map(Worker::run_due)).await;
        assert!(ended.iter().all(Result::is_ok));
        world.settle().await;

        assert_eq!(world.available("MUG").await, -1, "{n_workers} workers");
        let open = stock::oversells(app.db.read(), world.merchant, false, 10).await;
        let open = open.unwrap();
        assert_eq!(open.len(), 1, "{open:?}");
        assert_eq!(open[0].units, 1);
        let differ = stock::sums_differ(&app.db, world.merchant).await.unwrap();
        assert_eq!(differ, []);
    }
    let all = stock::oversells(world.running.app.db.read(), world.merchant, true, 10).await;
    assert_eq!(all.unwrap().len(), 3, "each covered by the next count");
    world.close().await;
}
