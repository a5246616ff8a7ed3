//! The loop that works off jobs, and the one `match` over every kind of work.
//!
//! 1. Claim due jobs; those that one call can serve together (orders to fetch, stock to push, of one channel)
//!    form a group.
//! 2. Run each group as a task of its own, as many at once as allowed; heartbeat everything that is held.
//! 3. Finish each group in one transaction, fenced by its leases. A handler that panics is a failed attempt.
//! 4. Told to stop: claim no more, let running groups end, give back what has not ended. Renewals
//!    of tokens go on: whoever closes the database waits for them.

mod dispatch;

use crate::clock::Clock;
use crate::domain::{Cause, ChannelId, JobId, JobKind, Retry, Work};
use crate::queue::{Claimed, Ended, Outcome, Queue};
use crate::sinks::Sinks;
use crate::sync::Sync;
use dispatch::dispatch;
use sea_orm::DbErr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long running work may go on after the worker was told to stop.
const GRACE: Duration = Duration::from_secs(20);
/// Rest after the database refused a claim.
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// Groups beside the usual number, of what a person waits for.
const BESIDE: usize = 2;
/// How often expired leases are looked for and old jobs are deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The name in attempts: which process did it.
    pub name: String,
    /// Groups that run at once.
    pub concurrency: usize,
    /// Jobs that are claimed at once.
    pub claim: u64,
    /// How often the queue is asked when nobody rings.
    pub poll: Duration,
    /// Kinds of work that are taken; empty means all.
    pub kinds: Vec<JobKind>,
}

/// Works off jobs. Clones share what is held.
#[derive(Debug, Clone)]
pub struct Worker {
    queue: Queue,
    sync: Sync,
    sinks: Sinks,
    clock: Clock,
    options: WorkerOptions,
    held: Arc<Mutex<BTreeMap<JobId, String>>>,
}

/// Jobs that one call serves, all of one kind and channel.
type Group = Vec<Claimed>;

impl Worker {
    pub fn new(queue: Queue, sync: Sync, sinks: Sinks, options: WorkerOptions) -> Self {
        Self {
            clock: sync.clock().clone(),
            queue,
            sync,
            sinks,
            options,
            held: Arc::default(),
        }
    }

    /// Works until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let heart = tokio::spawn(self.clone().beat_until(stop.clone()));
        let mut running = JoinSet::new();
        while !stop.is_cancelled() {
            while running.try_join_next().is_some() {}
            if running.len() >= self.options.concurrency {
                self.run_first_beside(&mut running).await;
                tokio::select! {
                    _ = running.join_next() => {}
                    () = self.queue.wait(self.options.poll) => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            match self.claim().await {
                Ok(groups) if groups.is_empty() => {
                    tokio::select! {
                        () = self.queue.wait(self.options.poll) => {}
                        _ = running.join_next(), if !running.is_empty() => {}
                        () = stop.cancelled() => {}
                    }
                }
                Ok(groups) => {
                    for group in groups {
                        let worker = self.clone();
                        running.spawn(async move { worker.run_group(group).await });
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "no jobs could be claimed; trying again");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, drained).await.is_err() {
            running.shutdown().await;
        }
        heart.abort();
        self.give_back().await;
    }

    /// Works off everything that is due now, one group after the other, until nothing is. Returns the number
    /// of jobs. For tests and commands: nothing runs beside it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_due(&self) -> Result<usize, DbErr> {
        let mut n_jobs = 0;
        loop {
            let groups = self.claim().await?;
            if groups.is_empty() {
                return Ok(n_jobs);
            }
            for group in groups {
                n_jobs += group.len();
                self.run_group(group).await;
            }
        }
    }

    async fn claim(&self) -> Result<Vec<Group>, DbErr> {
        self.claim_up_to(i64::MAX, self.options.claim).await
    }

    /// All places are taken, by scans that last for hours perhaps: what a person waits for gets one beside them.
    async fn run_first_beside(&self, running: &mut JoinSet<()>) {
        let places = (self.options.concurrency + BESIDE).saturating_sub(running.len());
        match self.claim_up_to(Work::FIRST, places as u64).await {
            Ok(groups) => {
                for group in groups {
                    let worker = self.clone();
                    running.spawn(async move { worker.run_group(group).await });
                }
            }
            Err(error) => tracing::error!(%error, "no jobs could be claimed; trying again"),
        }
    }

    async fn claim_up_to(&self, priority: i64, limit: u64) -> Result<Vec<Group>, DbErr> {
        let options = &self.options;
        let now = self.clock.now();
        let claimed = self
            .queue
            .claim_up_to(priority, &options.name, &options.kinds, limit, now)
            .await?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend(claimed.iter().map(|job| (job.id, job.lease.clone())));
        drop(held);
        Ok(grouped(claimed))
    }

    async fn run_group(&self, group: Group) {
        let started_at = self.clock.now();
        let (sync, sinks) = (self.sync.clone(), self.sinks.clone());
        let jobs = group.clone();
        // A task of its own, so that a panic ends the attempt and not the worker.
        let run = tokio::spawn(async move { dispatch(&sync, &sinks, &jobs).await });
        let outcomes = match run.await {
            Ok(outcomes) => outcomes,
            Err(_) => group.iter().map(|_| panicked()).collect(),
        };
        let ids: Vec<JobId> = group.iter().map(|job| job.id).collect();
        let ended: Vec<(Claimed, Outcome)> = group.into_iter().zip(outcomes).collect();
        self.finish(&ended, started_at).await;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|id, _| !ids.contains(id));
    }

    async fn finish(&self, ended: &[(Claimed, Outcome)], started_at: crate::domain::Timestamp) {
        let now = self.clock.now();
        let jitter = now.micros().to_le_bytes()[0];
        let name = &self.options.name;
        let finished = self
            .queue
            .finish(ended, name, started_at, jitter, now)
            .await;
        match finished {
            // The leases expire, and the work is done again: handlers are idempotent.
            Err(error) => tracing::error!(%error, "the end of jobs could not be written"),
            Ok(ends) => {
                for ((job, outcome), end) in ended.iter().zip(ends) {
                    report(job, outcome, &end);
                }
            }
        }
        self.queue.wake();
    }

    async fn beat_until(self, stop: CancellationToken) {
        let lease = self.queue.options().lease;
        let mut beat = tokio::time::interval((lease / 3).max(Duration::from_millis(100)));
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        loop {
            tokio::select! {
                // Work that is being drained keeps its leases: the loop ends when it is aborted.
                _ = beat.tick() => self.heartbeat().await,
                _ = sweep.tick(), if !stop.is_cancelled() => self.sweep().await,
            }
        }
    }

    async fn heartbeat(&self) {
        let held: Vec<(JobId, String)> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.iter()
                .map(|(id, lease)| (*id, lease.clone()))
                .collect()
        };
        if held.is_empty() {
            return;
        }
        if let Err(error) = self.queue.heartbeat(&held, self.clock.now()).await {
            tracing::warn!(%error, "the leases of running jobs could not be extended");
        }
    }

    async fn sweep(&self) {
        match self.queue.janitor(self.clock.now()).await {
            Ok(swept) if swept.returned > 0 => {
                tracing::warn!(
                    returned = swept.returned,
                    "jobs of a worker that stopped answering were taken back"
                );
                self.queue.wake();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the queue could not be swept"),
        }
        if let Err(error) = self.sync.tend_scans().await {
            tracing::warn!(%error, "scans could not be looked after");
        }
    }

    async fn give_back(&self) {
        let held: Vec<(JobId, String)> = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *held).into_iter().collect()
        };
        if held.is_empty() {
            return;
        }
        if let Err(error) = self.queue.release(&held, self.clock.now()).await {
            tracing::warn!(%error, "running jobs could not be given back; their leases will expire");
        }
    }
}

/// Jobs by kind and channel, in the order claimed; kinds that cannot be served together stand alone.
fn grouped(claimed: Vec<Claimed>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut open: BTreeMap<(JobKind, ChannelId), usize> = BTreeMap::new();
    for job in claimed {
        let kind = job.work.kind();
        let is_served_together = matches!(
            kind,
            JobKind::FetchOrder | JobKind::PushStock | JobKind::PushPrice
        );
        if !is_served_together {
            groups.push(vec![job]);
            continue;
        }
        if let Some(index) = open.get(&(kind, job.channel)) {
            groups[*index].push(job);
        } else {
            open.insert((kind, job.channel), groups.len());
            groups.push(vec![job]);
        }
    }
    groups
}

fn panicked() -> Outcome {
    Outcome::Failed {
        error: "the handler panicked; see the log".to_owned(),
        retry: Retry::Backoff,
        cause: Cause::Bug,
    }
}

fn report(job: &Claimed, outcome: &Outcome, end: &Ended) {
    let error = match outcome {
        Outcome::Failed { error, .. } => error.as_str(),
        Outcome::Done | Outcome::Snoozed { .. } => return,
    };
    if *end == Ended::Dead {
        tracing::error!(
            job.id = job.id.0,
            job.kind = job.work.kind().as_str(),
            channel.id = job.channel.0,
            error,
            "a job was given up; mend the cause and replay it"
        );
    } else {
        tracing::warn!(
            job.id = job.id.0,
            job.kind = job.work.kind().as_str(),
            channel.id = job.channel.0,
            attempt = job.attempt,
            error,
            "a job will be tried again"
        );
    }
}
