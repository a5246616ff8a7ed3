//! Overlap, catch-up, jitter, pausing, running now, and clocks that jump.

use super::utc;
use crate::support::{
    builders::{NOW, Shop, a_shop, channel},
    databases,
};
use entity::{jobs, schedule_fires};
use marketsink::{
    db::Db,
    domain::{ChannelId, Timestamp},
    queue::{Ended, Outcome as End, Queue, QueueOptions},
    schedule::{
        CatchUp, Changes, Expression, Fired, Outcome, Overlap, ScheduleError, Task, change, delay,
        fire_due, last_fires, list, run_now, usual_jitter,
    },
};
use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};
use std::{collections::BTreeSet, time::Duration};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);
/// The first full hour after `NOW`.
const THREE: &str = "2026-11-23T03:00:00Z";

databases!(
    a_fire_is_skipped_while_the_run_before_waits_or_runs,
    a_fire_queues_one_behind_the_run_before,
    after_downtime_one_run_stands_for_all,
    after_downtime_no_run_is_made_up_for,
    after_downtime_every_run_is_made_up_for_one_after_the_other,
    a_thousand_channels_do_not_start_at_midnight_together,
    a_delayed_fire_is_one_fire,
    a_paused_schedule_rests_and_goes_on_with_its_next_time,
    a_change_keeps_what_it_does_not_name,
    what_cannot_be_is_refused,
    run_now_runs_once_and_moves_no_time,
    run_now_says_why_it_cannot,
    a_clock_that_is_put_back_fires_no_time_twice_and_rests_no_schedule,
    a_clock_that_jumps_ahead_fires_once,
);

struct Stage {
    db: Db,
    queue: Queue,
    shop: Shop,
}

impl Stage {
    /// An hourly order download, on the second.
    async fn open(db: Db, changes: Changes) -> Self {
        let shop = a_shop(&db).await;
        let queue = Queue::new(db.clone(), QueueOptions::default());
        let stage = Self { db, queue, shop };
        let hourly = Changes {
            expression: Some("0 * * * *".to_owned()),
            jitter: Some(Duration::ZERO),
            ..changes
        };
        stage.change(&hourly, NOW).await.unwrap();
        stage
    }

    async fn change(&self, changes: &Changes, now: Timestamp) -> Result<(), ScheduleError> {
        let tx = self.db.write_tx().await.unwrap();
        let owner = (self.shop.merchant, self.shop.channel);
        let changed = change(&tx, owner, Task::OrderDownload, changes, now).await;
        tx.commit().await.unwrap();
        changed
    }

    async fn fire(&self, now: Timestamp) -> Vec<(String, Outcome, i64)> {
        let fired = fire_due(&self.db, now).await.unwrap();
        let told = |fired: &Fired| (fired.fire_at.to_string(), fired.outcome, fired.missed);
        fired.iter().map(told).collect()
    }

    /// Takes the job that is due, and does not end it.
    async fn begin(&self, now: Timestamp) -> marketsink::queue::Claimed {
        let mut claimed = self.queue.claim("test", &[], 10, now).await.unwrap();
        assert_eq!(claimed.len(), 1);
        claimed.remove(0)
    }

    async fn end(&self, job: marketsink::queue::Claimed, now: Timestamp) {
        let ended = self
            .queue
            .finish(&[(job, End::Done)], "test", now, 0, now)
            .await;
        assert_eq!(ended.unwrap(), [Ended::Done]);
    }

    async fn n_waiting(&self) -> usize {
        let rows = jobs::Entity::find().all(self.db.read()).await.unwrap();
        rows.iter().filter(|row| row.state == "available").count()
    }

    async fn rows(&self) -> Vec<(String, String, i64)> {
        let rows = schedule_fires::Entity::find()
            .order_by_asc(schedule_fires::Column::FireAt)
            .all(self.db.read())
            .await
            .unwrap();
        rows.into_iter()
            .map(|row| {
                let at = Timestamp::from_micros(row.fire_at).to_string();
                (at, row.outcome, row.missed)
            })
            .collect()
    }

    async fn run_now(&self, task: Task, now: Timestamp) -> Result<bool, ScheduleError> {
        let tx = self.db.write_tx().await.unwrap();
        let answer = run_now(&tx, self.shop.merchant, self.shop.channel, task, now).await;
        tx.commit().await.unwrap();
        answer
    }
}

fn at(text: &str, outcome: Outcome, missed: i64) -> (String, Outcome, i64) {
    (text.to_owned(), outcome, missed)
}

fn skipping() -> Changes {
    Changes {
        overlap: Some(Overlap::Skip),
        ..Changes::default()
    }
}

fn catching_up(catch_up: CatchUp) -> Changes {
    Changes {
        catch_up: Some(catch_up),
        ..Changes::default()
    }
}

async fn a_fire_is_skipped_while_the_run_before_waits_or_runs(db: Db) {
    let stage = Stage::open(db, skipping()).await;
    let three = utc(THREE);

    stage.fire(three).await;
    let while_it_waits = stage.fire(three + HOUR).await;
    let job = stage.begin(three + HOUR).await;
    let while_it_runs = stage.fire(three + 2 * HOUR).await;
    stage.end(job, three + 2 * HOUR).await;
    let afterwards = stage.fire(three + 3 * HOUR).await;

    let four = at("2026-11-23T04:00:00Z", Outcome::Skipped, 0);
    let five = at("2026-11-23T05:00:00Z", Outcome::Skipped, 0);
    let six = at("2026-11-23T06:00:00Z", Outcome::Run, 0);
    assert_eq!(
        (while_it_waits, while_it_runs, afterwards),
        (vec![four], vec![five], vec![six])
    );
    assert_eq!(stage.n_waiting().await, 1);
    let outcomes: Vec<String> = stage.rows().await.into_iter().map(|row| row.1).collect();
    assert_eq!(outcomes, ["run", "skipped", "skipped", "run"]);
}

async fn a_fire_queues_one_behind_the_run_before(db: Db) {
    let stage = Stage::open(db, Changes::default()).await;
    let three = utc(THREE);
    stage.fire(three).await;
    let job = stage.begin(three).await;

    for hours in 1..=3 {
        let fired = stage.fire(three + hours * HOUR).await;
        assert_eq!(fired[0].1, Outcome::Run);
        assert_eq!(stage.n_waiting().await, 1, "one, and never more");
    }

    stage.end(job, three + 3 * HOUR).await;
    assert_eq!(stage.n_waiting().await, 1);
}

async fn after_downtime_one_run_stands_for_all(db: Db) {
    let stage = Stage::open(db, Changes::default()).await;

    let fired = stage.fire(utc(THREE) + 9 * HOUR + 20 * MINUTE).await;

    assert_eq!(fired, [at("2026-11-23T12:00:00Z", Outcome::Run, 9)]);
    assert_eq!(stage.n_waiting().await, 1);
}

async fn after_downtime_no_run_is_made_up_for(db: Db) {
    let stage = Stage::open(db, catching_up(CatchUp::None)).await;
    let back = utc(THREE) + 9 * HOUR + 20 * MINUTE;

    let missed = stage.fire(back).await;
    let next = stage.fire(back + 40 * MINUTE).await;

    assert_eq!(missed, [at("2026-11-23T12:00:00Z", Outcome::Dropped, 9)]);
    assert_eq!(next, [at("2026-11-23T13:00:00Z", Outcome::Run, 0)]);
    assert_eq!(stage.n_waiting().await, 1);
    assert_eq!(stage.rows().await[0].1, "dropped", "it is written down");
}

async fn after_downtime_every_run_is_made_up_for_one_after_the_other(db: Db) {
    let stage = Stage::open(db, catching_up(CatchUp::All)).await;
    let back = utc(THREE) + 2 * HOUR + 20 * MINUTE;
    let mut made_up = Vec::new();

    for n in 0..5 {
        let now = back + n * MINUTE;
        made_up.extend(stage.fire(now).await);
        assert!(stage.fire(now).await.is_empty(), "each waits for its turn");
        if stage.n_waiting().await == 1 {
            let job = stage.begin(now).await;
            stage.end(job, now).await;
        }
    }

    let hours = ["03", "04", "05"];
    let expected = hours.map(|hour| at(&format!("2026-11-23T{hour}:00:00Z"), Outcome::Run, 0));
    assert_eq!(made_up, expected);
}

async fn a_thousand_channels_do_not_start_at_midnight_together(db: Db) {
    let midnight: Expression = "0 0 * * *".parse().unwrap();
    let jitter = usual_jitter(&midnight);
    assert_eq!(jitter, 15 * MINUTE);
    let mut in_second = vec![0; 900];
    for channel in 1..=1_000 {
        in_second[delay(ChannelId(channel), Task::FullScan, jitter).as_secs() as usize] += 1;
    }
    assert!(in_second.iter().all(|n| *n <= 8), "{in_second:?}");
    assert!(in_second.iter().filter(|n| **n > 0).count() > 500);

    // And in the database: thirty channels with the same time start over many moments, and each at its own.
    let shop = a_shop(&db).await;
    let mut channels = vec![shop.channel];
    for _ in 1..30 {
        channels.push(channel(&db, shop.merchant, shop.outlet, "active").await);
    }
    let tx = db.write_tx().await.unwrap();
    for channel in &channels {
        let midnight = Changes {
            expression: Some("0 0 * * *".to_owned()),
            ..Changes::default()
        };
        let owner = (shop.merchant, *channel);
        change(&tx, owner, Task::OrderDownload, &midnight, NOW)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let midnight = utc("2026-11-23T17:00:00Z");
    let foreseen: BTreeSet<_> = list(&db, shop.merchant)
        .await
        .unwrap()
        .iter()
        .map(|one| (one.next_at(NOW).unwrap().secs(), one.channel))
        .collect();
    let mut started = BTreeSet::new();
    for second in 0..=900 {
        let now = midnight + Duration::from_secs(second);
        // Only the moments that matter: each second looks the same.
        if foreseen.iter().any(|(at, _)| *at == now.secs()) || second == 0 {
            let fired = fire_due(&db, now).await.unwrap();
            started.extend(fired.iter().map(|fired| (now.secs(), fired.channel)));
        }
    }
    assert_eq!(started, foreseen, "they start when it was said");
    let moments: BTreeSet<_> = started.iter().map(|(at, _)| *at).collect();
    assert!(moments.len() >= 25, "{moments:?}");
}

async fn a_delayed_fire_is_one_fire(db: Db) {
    let stage = Stage::open(db, Changes::default()).await;
    let jitter = Changes {
        jitter: Some(50 * MINUTE),
        ..Changes::default()
    };
    stage.change(&jitter, NOW).await.unwrap();
    let schedule = &list(&stage.db, stage.shop.merchant).await.unwrap()[0];
    let mut fired = Vec::new();

    for minute in 0..180 {
        fired.extend(stage.fire(NOW + minute * MINUTE).await);
    }

    let times: Vec<&str> = fired.iter().map(|one| one.0.as_str()).collect();
    assert!(schedule.delay() < 50 * MINUTE);
    // What was over when the schedule was set is not made up for, delayed or not.
    let expected = [
        "2026-11-23T03:00:00Z",
        "2026-11-23T04:00:00Z",
        "2026-11-23T05:00:00Z",
    ];
    assert_eq!(times, &expected[..times.len()]);
    assert!(times.len() >= 2, "{times:?}");
    assert!(fired.iter().all(|one| one.2 == 0), "{fired:?}");
}

async fn a_paused_schedule_rests_and_goes_on_with_its_next_time(db: Db) {
    let stage = Stage::open(db, Changes::default()).await;
    let switched = |enabled| Changes {
        enabled: Some(enabled),
        ..Changes::default()
    };
    let three = utc(THREE);

    stage.change(&switched(false), NOW).await.unwrap();
    let resting = stage.fire(three + 3 * HOUR).await;
    let paused = list(&stage.db, stage.shop.merchant)
        .await
        .unwrap()
        .remove(0);
    // Pausing what is paused changes nothing.
    stage.change(&switched(false), three).await.unwrap();
    let again = list(&stage.db, stage.shop.merchant)
        .await
        .unwrap()
        .remove(0);
    let resumed_at = three + 3 * HOUR + MINUTE;
    stage.change(&switched(true), resumed_at).await.unwrap();
    let at_once = stage.fire(resumed_at).await;
    let next = stage.fire(three + 4 * HOUR).await;

    assert!(resting.is_empty());
    assert_eq!((paused.paused_at, paused.next_at(NOW)), (Some(NOW), None));
    assert_eq!(again.paused_at, Some(NOW));
    assert!(at_once.is_empty());
    assert_eq!(next, [at("2026-11-23T07:00:00Z", Outcome::Run, 0)]);
}

async fn a_change_keeps_what_it_does_not_name(db: Db) {
    let stage = Stage::open(db, catching_up(CatchUp::All)).await;
    let read = async || {
        list(&stage.db, stage.shop.merchant)
            .await
            .unwrap()
            .remove(0)
    };

    stage.change(&skipping(), NOW + HOUR).await.unwrap();
    let policies = read().await;
    let daily = Changes {
        expression: Some("0 5 * * *".to_owned()),
        ..Changes::default()
    };
    stage.change(&daily, NOW + 2 * HOUR).await.unwrap();
    let times = read().await;

    assert_eq!(
        (policies.overlap, policies.catch_up, policies.jitter),
        (Overlap::Skip, CatchUp::All, Duration::ZERO)
    );
    assert_eq!(policies.expression.to_string(), "0 * * * *");
    assert_eq!(policies.last_fire_at, NOW, "its times stay");
    assert_eq!(
        (times.overlap, times.catch_up),
        (Overlap::Skip, CatchUp::All)
    );
    assert_eq!(times.jitter, 15 * MINUTE, "that of the new expression");
    assert_eq!(times.last_fire_at, NOW + 2 * HOUR);
}

async fn what_cannot_be_is_refused(db: Db) {
    let stage = Stage::open(db, Changes::default()).await;
    let wide = Changes {
        jitter: Some(7 * HOUR),
        ..Changes::default()
    };
    let tx = stage.db.write_tx().await.unwrap();
    let owner = (stage.shop.merchant, stage.shop.channel);

    let none = change(&tx, owner, Task::FullScan, &skipping(), NOW).await;
    tx.commit().await.unwrap();
    let wide = stage.change(&wide, NOW).await;

    let text = none.unwrap_err().to_string();
    assert!(text.contains("marketsink schedule set"), "{text}");
    assert!(wide.unwrap_err().to_string().contains("at most 21600"));
}

async fn run_now_runs_once_and_moves_no_time(db: Db) {
    let stage = Stage::open(db, Changes::default()).await;
    let paused = Changes {
        enabled: Some(false),
        ..Changes::default()
    };
    stage.change(&paused, NOW).await.unwrap();

    let first = stage.run_now(Task::OrderDownload, NOW + MINUTE).await;
    let second = stage.run_now(Task::OrderDownload, NOW + 2 * MINUTE).await;

    assert_eq!((first.unwrap(), second.unwrap()), (true, false));
    assert_eq!(stage.n_waiting().await, 1);
    let schedule = list(&stage.db, stage.shop.merchant)
        .await
        .unwrap()
        .remove(0);
    assert_eq!((schedule.enabled, schedule.last_fire_at), (false, NOW));
    let last = last_fires(&stage.db, stage.shop.merchant).await.unwrap();
    assert_eq!(last[&schedule.id].outcome, "by_hand");
    assert_eq!(last[&schedule.id].fire_at, (NOW + 2 * MINUTE).micros());
}

async fn run_now_says_why_it_cannot(db: Db) {
    let stage = Stage::open(db, Changes::default()).await;
    let hourly = Changes {
        expression: Some("0 * * * *".to_owned()),
        ..Changes::default()
    };
    let tx = stage.db.write_tx().await.unwrap();
    let owner = (stage.shop.merchant, stage.shop.channel);
    change(&tx, owner, Task::AuthorizationCheck, &hourly, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let unscheduled = stage.run_now(Task::FullScan, NOW).await;
    let resting = stage.run_now(Task::AuthorizationCheck, NOW).await;

    assert!(matches!(
        unscheduled,
        Err(ScheduleError::NotScheduled { .. })
    ));
    let text = resting.unwrap_err().to_string();
    assert!(text.contains("is active"), "{text}");
    assert_eq!(stage.n_waiting().await, 0);
}

async fn a_clock_that_is_put_back_fires_no_time_twice_and_rests_no_schedule(db: Db) {
    let stage = Stage::open(db, Changes::default()).await;
    let three = utc(THREE);
    let mut fired = stage.fire(three).await;
    // A day ahead, for a while: one fire stands for the day.
    fired.extend(stage.fire(three + 24 * HOUR).await);

    // Put right: the hours of the day fire, the two that fired before do not.
    for minute in 0..=(25 * 6) {
        fired.extend(stage.fire(three + minute * 10 * MINUTE).await);
    }

    let times: Vec<&String> = fired.iter().map(|one| &one.0).collect();
    let distinct: BTreeSet<_> = times.iter().collect();
    assert_eq!(distinct.len(), times.len(), "{times:?}");
    assert_eq!(times.len(), 26, "03:00 to 04:00 of the next day: {times:?}");
}

async fn a_clock_that_jumps_ahead_fires_once(db: Db) {
    let stage = Stage::open(db, Changes::default()).await;
    stage.fire(utc(THREE)).await;

    let fired = stage.fire(utc(THREE) + 400 * 24 * HOUR).await;

    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].2, 1_000, "at least so many");
    let rows = schedule_fires::Entity::find().count(stage.db.read()).await;
    assert_eq!(rows.unwrap(), 1, "the old one is forgotten");
}
