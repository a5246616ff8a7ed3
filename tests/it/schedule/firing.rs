//! Schedules in the database: defaults, settings, and one fire whoever asks.

use super::utc;
use crate::support::{
    builders::{NOW, Shop, a_shop, a_shop_in, channel},
    databases,
};
use entity::{jobs, schedule_fires};
use marketsink::{
    db::Db,
    domain::{ChannelId, MerchantId, Timestamp},
    marketplaces::{Abilities, Limits, Platform, Subscribing, WebhookAddress},
    schedule::{
        Changes, Fired, Outcome, ScheduleError, Task, change, defaults_for, fire_due, list,
    },
};
use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

databases!(
    a_connected_channel_gets_a_schedule_per_task,
    connecting_again_keeps_what_the_merchant_set,
    a_marketplace_whose_tokens_last_needs_no_refresh,
    subscriptions_are_checked_twice_a_day_where_the_api_can,
    a_due_schedule_enqueues_its_work_once,
    two_tickers_at_once_fire_once,
    missed_fires_are_one_job_and_are_counted,
    a_schedule_runs_in_the_merchants_time_zone,
    only_enabled_schedules_of_active_channels_fire,
    what_was_switched_off_is_not_made_up_for,
    a_schedule_is_not_set_on_another_merchants_channel,
    an_expression_that_fires_too_often_is_refused,
    old_fires_are_forgotten,
);

fn limits(tokens_expire: bool) -> Limits {
    const PLATFORM: Platform = Platform {
        slug: "simulation",
        name: "Simulation",
    };
    Limits {
        platforms: &[PLATFORM],
        webhook_address: WebhookAddress::Channel,
        subscribing: Subscribing::Api,
        topics: &[],
        pushes_product_edits: true,
        keeps_missed: true,
        order_page: 50,
        order_batch: 50,
        product_page: 50,
        stock_batch: 50,
        requests_per_second: 10.0,
        burst: 10,
        lookback: Duration::from_secs(600),
        longest_order_window: None,
        created_filter: true,
        updated_filter: true,
        active_filter: true,
        product_result_cap: None,
        reduces_own_stock: true,
        tells_returns_apart: false,
        tells_settlements: true,
        tokens_expire,
    }
}

async fn connect(db: &Db, shop: Shop, tokens_expire: bool) {
    let tx = db.write_tx().await.unwrap();
    let limits = limits(tokens_expire);
    defaults_for(
        &tx,
        shop.merchant,
        shop.channel,
        &limits,
        Abilities::ALL,
        NOW,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

async fn try_set(
    db: &Db,
    (merchant, channel): (MerchantId, ChannelId),
    (expression, enabled): (&str, bool),
    now: Timestamp,
) -> Result<(), ScheduleError> {
    let tx = db.write_tx().await.unwrap();
    let task = Task::OrderDownload;
    let changes = Changes {
        expression: Some(expression.to_owned()),
        enabled: Some(enabled),
        jitter: Some(Duration::ZERO),
        ..Changes::default()
    };
    let answer = change(&tx, (merchant, channel), task, &changes, now).await;
    tx.commit().await.unwrap();
    answer
}

async fn set_download(db: &Db, shop: Shop, expression: &str, enabled: bool, now: Timestamp) {
    try_set(
        db,
        (shop.merchant, shop.channel),
        (expression, enabled),
        now,
    )
    .await
    .unwrap();
}

async fn jobs(db: &Db) -> Vec<(i64, String, String)> {
    let rows = jobs::Entity::find()
        .order_by_asc(jobs::Column::Id)
        .all(db.read())
        .await
        .unwrap();
    rows.into_iter()
        .map(|row| (row.channel_id, row.kind, row.source))
        .collect()
}

async fn a_connected_channel_gets_a_schedule_per_task(db: Db) {
    let shop = a_shop(&db).await;

    connect(&db, shop, true).await;

    let schedules = list(&db, shop.merchant).await.unwrap();
    let tasks: Vec<_> = schedules.iter().map(|schedule| schedule.task).collect();
    assert_eq!(tasks, Task::ALL);
    for schedule in schedules {
        let next = schedule.next_at(NOW).unwrap();
        let latest = NOW + 24 * HOUR + schedule.jitter;
        assert!(next > NOW && next <= latest, "{schedule:?}");
    }
    assert!(list(&db, MerchantId(0)).await.unwrap().is_empty());
}

async fn connecting_again_keeps_what_the_merchant_set(db: Db) {
    let shop = a_shop(&db).await;
    connect(&db, shop, true).await;
    set_download(&db, shop, "0 4 * * *", false, NOW).await;

    connect(&db, shop, true).await;

    let schedules = list(&db, shop.merchant).await.unwrap();
    assert_eq!(schedules.len(), Task::ALL.len());
    let download = schedules
        .iter()
        .find(|schedule| schedule.task == Task::OrderDownload)
        .unwrap();
    assert_eq!(download.expression.to_string(), "0 4 * * *");
    assert_eq!(download.next_at(NOW), None);
}

async fn a_marketplace_whose_tokens_last_needs_no_refresh(db: Db) {
    let shop = a_shop(&db).await;

    connect(&db, shop, false).await;

    let schedules = list(&db, shop.merchant).await.unwrap();
    assert!(schedules.iter().all(|s| s.task != Task::TokenRefresh));
}

async fn subscriptions_are_checked_twice_a_day_where_the_api_can(db: Db) {
    let shop = a_shop(&db).await;
    let check = Task::SubscriptionCheck;
    let of = |subscribing| Limits {
        subscribing,
        ..limits(false)
    };
    connect(&db, shop, false).await;

    let schedules = list(&db, shop.merchant).await.unwrap();

    let schedule = schedules.iter().find(|one| one.task == check).unwrap();
    let first = schedule.next_at(NOW).unwrap();
    let second = schedule.next_at(first).unwrap();
    assert_eq!(second.since(first), 12 * HOUR);
    let default = |channel, subscribing| check.default_expression(channel, &of(subscribing));
    assert_eq!(default(shop.channel, Subscribing::ByHand), None);
    let spread = [1, 2].map(|id| default(ChannelId(id), Subscribing::AddressOnly));
    assert_ne!(spread[0], spread[1], "not all at once");
}

async fn a_due_schedule_enqueues_its_work_once(db: Db) {
    let shop = a_shop(&db).await;
    set_download(&db, shop, "0 * * * *", true, NOW).await;

    let early = fire_due(&db, NOW).await.unwrap();
    let due = fire_due(&db, NOW + HOUR).await.unwrap();
    let again = fire_due(&db, NOW + HOUR).await.unwrap();

    let fired = Fired {
        merchant: shop.merchant,
        channel: shop.channel,
        task: Task::OrderDownload,
        fire_at: utc("2026-11-23T03:00:00Z"),
        missed: 0,
        outcome: Outcome::Run,
    };
    assert_eq!((early, due, again), (vec![], vec![fired], vec![]));
    let job = ("download_orders".to_owned(), "schedule".to_owned());
    assert_eq!(jobs(&db).await, [(shop.channel.0, job.0, job.1)]);
}

async fn two_tickers_at_once_fire_once(db: Db) {
    let shop = a_shop(&db).await;
    connect(&db, shop, true).await;
    let now = NOW + 48 * HOUR;

    let tickers: Vec<_> = (0..4)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { fire_due(&db, now).await.unwrap() })
        })
        .collect();
    let mut fired = Vec::new();
    for ticker in tickers {
        fired.extend(ticker.await.unwrap());
    }

    let n_tasks = Task::ALL
        .iter()
        .filter(|task| !task.is_for_locked())
        .count();
    assert_eq!(fired.len(), n_tasks);
    assert_eq!(jobs(&db).await.len(), n_tasks);
    let fires = schedule_fires::Entity::find().count(db.read()).await;
    assert_eq!(fires.unwrap(), n_tasks as u64);
}

async fn missed_fires_are_one_job_and_are_counted(db: Db) {
    let shop = a_shop(&db).await;
    set_download(&db, shop, "*/15 * * * *", true, NOW).await;

    let fired = fire_due(&db, NOW + 6 * HOUR).await.unwrap();

    assert_eq!((fired.len(), fired[0].missed), (1, 23));
    assert_eq!(jobs(&db).await.len(), 1);
    let row = schedule_fires::Entity::find().one(db.read()).await.unwrap();
    assert_eq!(row.unwrap().missed, 23);
}

async fn a_schedule_runs_in_the_merchants_time_zone(db: Db) {
    let jakarta = a_shop(&db).await;
    let new_york = a_shop_in(&db, "America/New_York").await;
    for shop in [jakarta, new_york] {
        set_download(&db, shop, "0 12 * * *", true, NOW).await;
    }

    let at_five = fire_due(&db, utc("2026-11-23T05:00:00Z")).await.unwrap();
    let at_seventeen = fire_due(&db, utc("2026-11-23T17:00:00Z")).await.unwrap();

    let channels = |fired: Vec<Fired>| fired.iter().map(|f| f.channel).collect::<Vec<_>>();
    assert_eq!(channels(at_five), [jakarta.channel]);
    assert_eq!(channels(at_seventeen), [new_york.channel]);
}

async fn only_enabled_schedules_of_active_channels_fire(db: Db) {
    let shop = a_shop(&db).await;
    let locked = channel(&db, shop.merchant, shop.outlet, "locked").await;
    let removed = channel(&db, shop.merchant, shop.outlet, "removed").await;
    for channel in [locked, removed] {
        try_set(&db, (shop.merchant, channel), ("0 * * * *", true), NOW)
            .await
            .unwrap();
    }
    set_download(&db, shop, "0 * * * *", false, NOW).await;

    let fired = fire_due(&db, NOW + HOUR).await.unwrap();

    assert!(fired.is_empty());
    assert!(jobs(&db).await.is_empty());
}

async fn what_was_switched_off_is_not_made_up_for(db: Db) {
    let shop = a_shop(&db).await;
    set_download(&db, shop, "0 * * * *", false, NOW).await;
    set_download(&db, shop, "0 * * * *", true, NOW + 5 * HOUR).await;

    let at_once = fire_due(&db, NOW + 5 * HOUR).await.unwrap();
    let next = fire_due(&db, NOW + 6 * HOUR).await.unwrap();

    assert!(at_once.is_empty());
    assert_eq!((next.len(), next[0].missed), (1, 0));
}

async fn a_schedule_is_not_set_on_another_merchants_channel(db: Db) {
    let shop = a_shop(&db).await;
    let stranger = a_shop(&db).await.merchant;

    let answer = try_set(&db, (stranger, shop.channel), ("0 * * * *", true), NOW).await;

    assert!(matches!(answer, Err(ScheduleError::UnknownChannel { .. })));
    assert!(list(&db, shop.merchant).await.unwrap().is_empty());
}

async fn an_expression_that_fires_too_often_is_refused(db: Db) {
    let shop = a_shop(&db).await;
    let owner = (shop.merchant, shop.channel);

    let seconds = try_set(&db, owner, ("*/5 * * * * *", true), NOW).await;
    let nonsense = try_set(&db, owner, ("every hour", true), NOW).await;
    let minutes = try_set(&db, owner, ("30 * * * * *", true), NOW).await;

    assert!(matches!(seconds, Err(ScheduleError::TooOften(_))));
    assert!(matches!(nonsense, Err(ScheduleError::Expression(_))));
    assert!(minutes.is_ok());
}

async fn old_fires_are_forgotten(db: Db) {
    let shop = a_shop(&db).await;
    set_download(&db, shop, "0 0 * * *", true, NOW).await;

    for day in 1..=40 {
        fire_due(&db, NOW + 24 * day * HOUR).await.unwrap();
    }

    let fires = schedule_fires::Entity::find().count(db.read()).await;
    assert!((29..=31).contains(&fires.unwrap()));
}

#[test]
fn schedules_make_up_for_what_a_marketplace_does_not_tell() {
    let default = |task: Task, limits: &Limits| task.default_expression(ChannelId(7), limits);
    let telling = Limits {
        pushes_product_edits: true,
        keeps_missed: false,
        ..limits(true)
    };
    let silent = Limits {
        pushes_product_edits: false,
        keeps_missed: true,
        ..limits(true)
    };

    let shown = |task, limits| default(task, limits).unwrap_or_default();
    assert_eq!(shown(Task::UpdatedScan, &telling), "7-59/15 * * * *");
    assert_eq!(shown(Task::UpdatedScan, &silent), "2-59/5 * * * *");
    assert_eq!(default(Task::Missed, &telling), None);
    assert_eq!(shown(Task::Missed, &silent), "7-59/10 * * * *");
}
