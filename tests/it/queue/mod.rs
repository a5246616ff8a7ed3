//! What the job engine promises, on both databases.

mod claiming;
mod ending;
mod enqueueing;
mod janitor;
mod schema;

use crate::support::builders::NOW;
use entity::jobs;
use marketsink::{
    db::Db,
    domain::{ChannelId, JobId, MerchantId, Source, Timestamp, Work},
    queue::{Claimed, Ended, NewJob, Outcome, Queue, QueueOptions, enqueue},
};
use sea_orm::{EntityTrait, QueryOrder};
use std::time::Duration;

const MERCHANT: MerchantId = MerchantId(7);
const CHANNEL: ChannelId = ChannelId(42);
const LEASE: Duration = Duration::from_secs(60);

fn queue(db: &Db) -> Queue {
    let options = QueueOptions {
        lease: LEASE,
        ..QueueOptions::default()
    };
    Queue::new(db.clone(), options)
}

fn fetch(order: &str) -> Work {
    Work::FetchOrder {
        order: order.into(),
    }
}

fn rescan(product: &str) -> Work {
    Work::RescanProduct {
        product: product.into(),
    }
}

fn new_job(work: Work) -> NewJob {
    NewJob {
        merchant: MERCHANT,
        channel: CHANNEL,
        work,
        source: Source::Webhook,
        run_at: None,
    }
}

async fn add(db: &Db, works: &[Work], now: Timestamp) -> u64 {
    let jobs: Vec<_> = works.iter().cloned().map(new_job).collect();
    let tx = db.write_tx().await.unwrap();
    let written = enqueue(&tx, &jobs, now).await.unwrap();
    tx.commit().await.unwrap();
    written
}

async fn claim(queue: &Queue, now: Timestamp) -> Vec<Claimed> {
    queue.claim("w1", &[], 100, now).await.unwrap()
}

/// Claims the only job that is due.
async fn claim_one(queue: &Queue, now: Timestamp) -> Claimed {
    let mut claimed = claim(queue, now).await;
    assert_eq!(claimed.len(), 1, "one job is due");
    claimed.remove(0)
}

async fn finish(queue: &Queue, job: &Claimed, outcome: Outcome, now: Timestamp) -> Ended {
    let ended = [(job.clone(), outcome)];
    queue.finish(&ended, "w1", now, 0, now).await.unwrap()[0]
}

fn held(job: &Claimed) -> [(JobId, String); 1] {
    [(job.id, job.lease.clone())]
}

async fn rows(db: &Db) -> Vec<jobs::Model> {
    jobs::Entity::find()
        .order_by_asc(jobs::Column::Id)
        .all(db.read())
        .await
        .unwrap()
}

async fn states(db: &Db) -> Vec<String> {
    rows(db).await.into_iter().map(|row| row.state).collect()
}

/// Outcome and error of each try, oldest first.
async fn tries(queue: &Queue, job: JobId) -> Vec<(i64, String, Option<String>)> {
    let attempts = queue.attempts(MERCHANT, job, 100).await.unwrap();
    attempts
        .into_iter()
        .map(|row| (row.number, row.outcome, row.error))
        .collect()
}

fn at(secs: u64) -> Timestamp {
    NOW + Duration::from_secs(secs)
}
