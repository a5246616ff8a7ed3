//! What channels are told, and how it is seen that they show it: pushes, reading back, promotions and prices.

use super::{World, hands::product, world::variant};
use crate::support::{everywhere, scenarios};
use marketsink::{
    catalog,
    channels::ChannelSettings,
    domain::{Currency, JobKind, Money, Source, Work},
    marketplaces::simulation::SimStatus::Paid,
    prices::{self, PricePushFilter, PriceRule, PriceScope, RoundHow, Rounding},
    queue,
    sandbox::{Fault::ServerError, SimShop},
    stock,
};
use std::time::Duration;

scenarios!(
    what_was_edited_there_is_found_by_reading_back_and_told_again,
    a_refused_push_is_pushed_again_by_night,
    units_set_apart_for_a_promotion_are_not_offered,
    prices_are_told_by_their_rules_and_compared_with_what_is_shown,
    a_push_that_waits_tells_the_newest_level_once,
);

everywhere!(
    what_was_edited_there_is_found_by_reading_back_and_told_again,
    prices_are_told_by_their_rules_and_compared_with_what_is_shown,
);

async fn what_was_edited_there_is_found_by_reading_back_and_told_again(url: String) {
    let world = World::open(url).await;
    world.clock.advance(Duration::from_secs(3_600));
    let (more, fewer) = (
        variant(&world.first, "MUG"),
        variant(&world.first, "TEA-25"),
    );
    let now = world.clock.now();
    world.first.with(|shop| {
        shop.edit_variant(&more, now, |variant| variant.quantity = 14);
        shop.edit_variant(&fewer, now, |variant| variant.quantity = 3);
    });

    world
        .ask_for(&world.first, Work::COMPARE_STOCK, Source::Manual)
        .await;
    world.settle().await;
    assert_eq!(world.shown(&world.first, "MUG"), 10, "told again at once");
    assert_eq!(
        world.shown(&world.first, "TEA-25"),
        3,
        "an order may be on its way"
    );
    world.clock.advance(Duration::from_secs(1_800));
    world.settle().await;

    assert_eq!(world.shown(&world.first, "TEA-25"), 10);
    let db = world.running.app.db.read();
    let channel = Some(world.channel(&world.first).await.id);
    let walks = stock::compares(db, world.merchant, channel, 10)
        .await
        .unwrap();
    assert_eq!(
        (walks[0].listings, walks[0].differed, walks[0].healed),
        (3, 2, 2)
    );
    let drifts = stock::drifts(db, world.merchant, channel, 10)
        .await
        .unwrap();
    let mut found: Vec<_> = drifts
        .iter()
        .map(|row| (row.wanted, row.shown, row.outcome.as_str()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [(10, 3, "told_again"), (10, 14, "told_again")]);
    world.close().await;
}

async fn a_refused_push_is_pushed_again_by_night(url: String) {
    let world = World::open(url).await;
    world.set_stock("MUG", 6).await;
    world.push("MUG").await;
    world.first.next_answers(vec![ServerError; 40]);
    world.settle().await;
    world.first.forget_faults();
    // The push is lost for good.
    let tx = world.running.app.db.write_tx().await.unwrap();
    let channel = world.channel(&world.first).await.id;
    let now = world.clock.now();
    queue::cancel_waiting(&tx, &[channel], "lost", now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.shown(&world.first, "MUG"), 10);

    world
        .ask_for(&world.first, Work::PUSH_AGAIN, Source::Schedule)
        .await;
    world.settle().await;

    assert_eq!(world.shown(&world.first, "MUG"), 6);
    world.close().await;
}

async fn units_set_apart_for_a_promotion_are_not_offered(url: String) {
    let world = World::open(url).await;
    let at = (world.sku_id("MUG").await, world.outlet);
    let now = world.clock.now();
    let tx = world.running.app.db.write_tx().await.unwrap();
    stock::reserve(&tx, world.merchant, at, 4, "flash sale", now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.push("MUG").await;
    world.settle().await;
    world.order(&world.first, Paid, &[("MUG", 1)]);
    world.settle().await;

    for shop in [&world.first, &world.second] {
        assert_eq!(world.shown(shop, "MUG"), 5);
    }
    assert_eq!(world.available("MUG").await, 5);
    let stock = world.section("stock").await;
    let level = "MUG on hand 10 allocated 1 reserved 4 available 5";
    assert!(stock.contains(level), "{stock}");
    world.close().await;
}

async fn prices_are_told_by_their_rules_and_compared_with_what_is_shown(url: String) {
    let world = World::open(url).await;
    let price = |minor| Money {
        minor,
        currency: Currency::from_code("IDR").unwrap(),
    };
    let (merchant, now) = (world.merchant, world.clock.now());
    let first = world.channel(&world.first).await.id;
    let settings = ChannelSettings {
        push_prices: true,
        ..ChannelSettings::default()
    };
    world.set(first, &settings).await;
    let tx = world.running.app.db.write_tx().await.unwrap();
    catalog::set_price(&tx, merchant, "MUG", price(5_750_000), now)
        .await
        .unwrap();
    let scope = PriceScope {
        sku: None,
        channel: Some(first),
    };
    let rule = PriceRule {
        fixed: None,
        adjust_bp: 1_000,
        rounding: Some(Rounding {
            to_minor: 100_000,
            how: RoundHow::Up,
            ending_minor: 0,
        }),
    };
    prices::set_price_rule(&tx, merchant, scope, &rule, now)
        .await
        .unwrap();
    prices::enqueue_price_pushes(&tx, merchant, (None, None), Source::Manual, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.settle().await;

    let cost = |shop: &SimShop| shop.with(|s| s.variant_by_sku("MUG").unwrap().price.minor);
    assert_eq!(cost(&world.first), 6_400_000);
    assert_eq!(cost(&world.second), 5_500_000, "its setting is off");
    let db = &world.running.app.db;
    let pushes = prices::price_pushes(db.read(), merchant, &PricePushFilter::default(), 10).await;
    let pushes = pushes.unwrap();
    assert_eq!(pushes.len(), 1, "{pushes:?}");
    assert_eq!(
        (pushes[0].price_minor, pushes[0].answer.as_ref()),
        (6_400_000, None)
    );

    // The same again tells nothing.
    let tx = db.write_tx().await.unwrap();
    prices::enqueue_price_pushes(&tx, merchant, (None, Some(first)), Source::Manual, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.clock.advance(Duration::from_secs(600));
    world
        .ask_for(
            &world.first,
            Work::RescanProduct {
                product: product(&world.first, "MUG"),
            },
            Source::Webhook,
        )
        .await;
    world.settle().await;
    let pushes = prices::price_pushes(db.read(), merchant, &PricePushFilter::default(), 10).await;
    assert_eq!(pushes.unwrap().len(), 1);
    world.close().await;
}

async fn a_push_that_waits_tells_the_newest_level_once(url: String) {
    let world = World::open(url).await;
    let before = world.pushed("MUG", &world.second).await.len();
    for units in [9, 8, 7] {
        world.set_stock("MUG", units).await;
        world.push("MUG").await;
    }
    assert_eq!(
        world.jobs(JobKind::PushStock).await.len(),
        2,
        "one per listing"
    );

    world.settle().await;

    let pushed = world.pushed("MUG", &world.second).await;
    assert_eq!(pushed.len(), before + 1);
    assert_eq!(pushed[0], (7, "7 available".to_owned()));
    assert_eq!(world.shown(&world.second, "MUG"), 7);
    world.close().await;
}
