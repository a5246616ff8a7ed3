//! Fetching, storing and confirming, and what happens when that is interrupted.

use super::Stage;
use crate::support::scenarios;
use marketsink::{
    domain::RemoteId,
    inbox::Kept,
    marketplaces::simulation::ShopChange,
    sandbox::Fault::{Dropped, Fair, ServerError},
    schedule::{self, Task},
    sync::SyncError,
};
use std::time::Duration;

scenarios!(
    what_shopee_gave_up_on_is_fetched_on_schedule_and_booked,
    a_crash_between_storing_and_confirming_loses_nothing_and_doubles_nothing,
    a_confirmation_whose_answer_was_lost_doubles_nothing,
    nothing_is_confirmed_that_is_not_stored,
    what_reached_us_after_all_is_known,
    webhooks_of_a_shop_that_is_not_ours_are_kept_for_people_to_see,
);

async fn fetch(stage: &Stage) -> Result<Kept, SyncError> {
    stage.running.app.sync.fetch_missed("shopee").await
}

fn texts(ids: &[RemoteId]) -> Vec<String> {
    let mut texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

async fn what_shopee_gave_up_on_is_fetched_on_schedule_and_booked(url: String) {
    let stage = Stage::open(url).await;
    let before = stage.deliveries().await.len();
    // Each raises two webhooks: more than a page of a hundred.
    let lost = stage.lose(60).await;
    assert_eq!(stage.deliveries().await.len(), before, "we were deaf");

    stage.clock.advance(Duration::from_secs(600));
    let db = &stage.running.app.db;
    let fired = schedule::fire_due(db, stage.clock.now()).await.unwrap();
    assert!(fired.iter().any(|fired| fired.task == Task::Missed));
    stage.work().await;
    stage.clock.advance(Duration::from_secs(60));
    stage.work().await;

    let deliveries = stage.deliveries().await;
    assert_eq!(deliveries.len(), before + 120);
    let fetched = &deliveries[before..];
    assert!(fetched.iter().all(|row| row.verdict == "accepted"));
    assert!(
        fetched
            .iter()
            .all(|row| row.headers.contains("fetched as missed"))
    );
    assert_eq!(stage.booked().await, texts(&lost));
    assert_eq!(
        fetch(&stage).await.unwrap(),
        Kept::default(),
        "nothing is left"
    );
    stage.close().await;
}

async fn a_crash_between_storing_and_confirming_loses_nothing_and_doubles_nothing(url: String) {
    let stage = Stage::open(url).await;
    let lost = stage.lose(2).await;
    let before = stage.deliveries().await.len();

    // The list is given; the confirmation does not get through.
    stage.shop.next_answers(vec![Fair, ServerError]);
    fetch(&stage).await.unwrap_err();
    let (stored, n_events) = (stage.deliveries().await.len(), stage.n_events().await);
    let n_fetches = stage.n_fetches().await;
    let again = fetch(&stage).await.unwrap();

    assert_eq!(stored, before + 4);
    assert_eq!(again, Kept { new: 0, known: 4 });
    assert_eq!(stage.deliveries().await.len(), stored);
    assert_eq!(
        (stage.n_events().await, stage.n_fetches().await),
        (n_events, n_fetches)
    );
    assert_eq!(fetch(&stage).await.unwrap(), Kept::default(), "confirmed");
    stage.work().await;
    assert_eq!(stage.booked().await, texts(&lost));
    stage.close().await;
}

async fn a_confirmation_whose_answer_was_lost_doubles_nothing(url: String) {
    let stage = Stage::open(url).await;
    let lost = stage.lose(1).await;

    stage.shop.next_answers(vec![Fair, Dropped]);
    fetch(&stage).await.unwrap_err();
    let again = fetch(&stage).await.unwrap();

    assert_eq!(again, Kept::default(), "it was confirmed all the same");
    stage.work().await;
    assert_eq!(stage.booked().await, texts(&lost));
    stage.close().await;
}

async fn nothing_is_confirmed_that_is_not_stored(url: String) {
    let stage = Stage::open(url).await;
    let lost = stage.lose(1).await;
    let asked = stage.shop.n_requests();

    stage.fuse.blow_after(0);
    fetch(&stage).await.unwrap_err();
    stage.fuse.mend();

    assert_eq!(
        stage.shop.n_requests(),
        asked + 1,
        "only the list was asked for"
    );
    assert_eq!(fetch(&stage).await.unwrap(), Kept { new: 2, known: 0 });
    stage.work().await;
    assert_eq!(stage.booked().await, texts(&lost));
    stage.close().await;
}

async fn what_reached_us_after_all_is_known(url: String) {
    let stage = Stage::open(url).await;
    let order = stage.order();
    stage.sandbox.courier().settle().await;
    let stored = stage.deliveries().await.len();
    // Our answers were lost on their way: Shopee believes that it told nobody.
    let (now, simulator) = (stage.clock.now(), stage.shop.marketplace().simulator());
    stage.shop.with(|shop| {
        let change = ShopChange::OrderCreated(order.clone());
        for delivery in simulator.webhooks(shop, &change, now) {
            (0..4).for_each(|_| simulator.delivered(shop, &delivery, false));
        }
    });

    let kept = fetch(&stage).await.unwrap();

    assert_eq!(kept, Kept { new: 0, known: 2 });
    assert_eq!(stage.deliveries().await.len(), stored);
    stage.close().await;
}

async fn webhooks_of_a_shop_that_is_not_ours_are_kept_for_people_to_see(url: String) {
    let stage = Stage::open(url).await;
    stage.shop.with(|shop| shop.remote_id = "5".into());
    stage.lose(1).await;

    let kept = fetch(&stage).await.unwrap();

    assert_eq!(kept.new, 2);
    let deliveries = stage.deliveries().await;
    let last = deliveries.last().unwrap();
    assert_eq!(
        (last.verdict.as_str(), last.channel_id),
        ("unknown_channel", None)
    );
    assert_eq!(stage.n_fetches().await, 0);
    stage.close().await;
}
