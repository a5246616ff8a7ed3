//! Ending a run: done, tried again later, or given up.

use super::{
    Claimed, JobState, Queue,
    held::{self, Attempt, Placed, PutBack},
};
use crate::db::Tx;
use crate::domain::{Cause, JobId, Retry, Timestamp, backoff};
use entity::jobs;
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait},
};
use std::collections::BTreeSet;

/// What a handler says of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// `error` is kept and shown: no secrets, no buyers.
    Failed {
        error: String,
        retry: Retry,
        cause: Cause,
    },
    /// Not the time for it: again at `until`, and this run counts as no attempt.
    Snoozed {
        until: Timestamp,
        reason: String,
    },
}

impl Outcome {
    /// Whether the job is given up with it.
    pub fn is_last(&self, job: &Claimed) -> bool {
        match self {
            Self::Failed { retry, .. } => match retry {
                Retry::Never => true,
                Retry::Backoff => job.attempt >= job.max_attempts,
                Retry::After(_) => false,
            },
            Self::Done | Self::Snoozed { .. } => false,
        }
    }
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// Waits for its next attempt.
    Retrying {
        at: Timestamp,
    },
    /// Given up: a person has to act.
    Dead,
    /// To be tried again, but a newer twin waits already.
    Superseded,
    /// Waits, and this run counts as no attempt.
    Snoozed {
        until: Timestamp,
    },
    /// Another worker took the job over meanwhile; nothing was changed.
    LostLease,
}

impl Queue {
    /// Ends runs, all in one transaction; the answers are in the order of `ended`.
    ///
    /// `jitter` spreads the backoff; each job turns it by its id, so that jobs that failed together do not
    /// come back together.
    ///
    /// # Errors
    /// When the database refuses: then nothing has ended, and the call can be repeated.
    pub async fn finish(
        &self,
        ended: &[(Claimed, Outcome)],
        worker: &str,
        started_at: Timestamp,
        jitter: u8,
        now: Timestamp,
    ) -> Result<Vec<Ended>, DbErr> {
        if ended.is_empty() {
            return Ok(Vec::new());
        }
        let tx = self.db.write_tx().await?;
        let done = finish_done(&tx, ended, now).await?;
        let mut answers = vec![Ended::LostLease; ended.len()];
        for index in in_order_of_keys(ended) {
            let (job, outcome) = &ended[index];
            answers[index] = match step_after(job, outcome, jitter, now) {
                Step::End if done.contains(&job.id) => Ended::Done,
                Step::End => Ended::LostLease,
                step => not_done(&tx, job, step, now).await?,
            };
        }
        let attempts: Vec<_> = ended
            .iter()
            .zip(&answers)
            .filter_map(|((job, outcome), answer)| {
                attempt(job, outcome, *answer, worker, started_at)
            })
            .collect();
        held::record(&tx, &attempts, now).await?;
        tx.commit().await?;
        Ok(answers)
    }

    /// Gives jobs back that were not begun or not ended, at shutdown: due at once, no attempt counted.
    /// Returns those that were still held.
    ///
    /// # Errors
    /// When the database refuses: then their leases run out by themselves.
    pub async fn release(
        &self,
        held: &[(JobId, String)],
        now: Timestamp,
    ) -> Result<Vec<JobId>, DbErr> {
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let mut held = held.to_vec();
        held.sort();
        let tx = self.db.write_tx().await?;
        let mut released = Vec::with_capacity(held.len());
        for (id, lease) in held {
            let back = PutBack {
                only: held::held(id, &lease),
                run_at: now,
                attempts: one_less(),
                error: None,
                cause: None,
            };
            if held::put_back(&tx, back, now).await? != Placed::Nothing {
                released.push(id);
            }
        }
        tx.commit().await?;
        Ok(released)
    }
}

/// Pure: what an outcome means for its job.
enum Step<'a> {
    End,
    Bury {
        error: &'a str,
        cause: Cause,
    },
    Retry {
        at: Timestamp,
        error: &'a str,
        cause: Cause,
    },
    Snooze {
        until: Timestamp,
        reason: &'a str,
        cause: Option<Cause>,
    },
}

fn step_after<'a>(job: &Claimed, outcome: &'a Outcome, jitter: u8, now: Timestamp) -> Step<'a> {
    match outcome {
        Outcome::Done => Step::End,
        Outcome::Snoozed { until, reason } => Step::Snooze {
            until: *until,
            reason,
            cause: None,
        },
        Outcome::Failed {
            error,
            retry,
            cause,
        } => match retry {
            Retry::After(wait) => Step::Snooze {
                until: now + *wait,
                reason: error,
                cause: Some(*cause),
            },
            Retry::Backoff if job.attempt < job.max_attempts => {
                let turned = jitter.wrapping_add((job.id.0 as u8).wrapping_mul(37));
                let attempt = u32::try_from(job.attempt).unwrap_or(u32::MAX);
                Step::Retry {
                    at: now + backoff(attempt, turned),
                    error,
                    cause: *cause,
                }
            }
            Retry::Backoff | Retry::Never => Step::Bury {
                error,
                cause: *cause,
            },
        },
    }
}

/// Most runs end well; they end in one statement per claim.
async fn finish_done(
    tx: &Tx,
    ended: &[(Claimed, Outcome)],
    now: Timestamp,
) -> Result<BTreeSet<JobId>, DbErr> {
    let done = ended
        .iter()
        .filter(|(_, outcome)| *outcome == Outcome::Done)
        .map(|(job, _)| (job.id, job.lease.as_str()));
    let changes = held::ending(JobState::Done, None, None, now);
    let mut ids = BTreeSet::new();
    for (lease, group) in held::by_lease(done) {
        ids.extend(held::update(tx, lease, &group, &changes).await?);
    }
    Ok(ids)
}

/// Rows go back to waiting in the order in which [`super::enqueue`] writes them: then neither waits for the
/// other in a circle.
fn in_order_of_keys(ended: &[(Claimed, Outcome)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ended.len()).collect();
    order.sort_by_cached_key(|&index| {
        let job = &ended[index].0;
        (job.work.kind(), job.work.key(job.channel))
    });
    order
}

async fn not_done(tx: &Tx, job: &Claimed, step: Step<'_>, now: Timestamp) -> Result<Ended, DbErr> {
    let only = held::held(job.id, &job.lease);
    let (run_at, attempts, error, cause, placed) = match step {
        Step::End => return Ok(Ended::Done),
        Step::Bury { error, cause } => {
            let why = (Some(error), Some(cause));
            let buried = held::end(tx, only, JobState::Dead, why, now).await?;
            return Ok(if buried {
                Ended::Dead
            } else {
                Ended::LostLease
            });
        }
        Step::Retry { at, error, cause } => (
            at,
            Expr::col(jobs::Column::Attempts),
            error,
            Some(cause),
            Ended::Retrying { at },
        ),
        Step::Snooze {
            until,
            reason,
            cause,
        } => (until, one_less(), reason, cause, Ended::Snoozed { until }),
    };
    let back = PutBack {
        only,
        run_at,
        attempts,
        error: Some(error),
        cause,
    };
    Ok(match held::put_back(tx, back, now).await? {
        Placed::Waiting => placed,
        Placed::Superseded => Ended::Superseded,
        Placed::Nothing => Ended::LostLease,
    })
}

/// A run that counts as no attempt takes back what its claim counted.
fn one_less() -> Expr {
    Expr::col(jobs::Column::Attempts).sub(1)
}

/// The line in the job's history; none for a run whose lease was lost: that one is written down as `lost`
/// by whoever took it over.
fn attempt<'a>(
    job: &Claimed,
    outcome: &Outcome,
    ended: Ended,
    worker: &'a str,
    started_at: Timestamp,
) -> Option<Attempt<'a>> {
    let name = match ended {
        Ended::LostLease => return None,
        Ended::Done => held::DONE,
        Ended::Retrying { .. } | Ended::Dead => held::FAILED,
        Ended::Snoozed { .. } => held::SNOOZED,
        Ended::Superseded => held::SUPERSEDED,
    };
    let (error, cause) = match outcome {
        Outcome::Done => (None, None),
        Outcome::Failed { error, cause, .. } => (Some(error.clone()), Some(*cause)),
        Outcome::Snoozed { reason, .. } => (Some(reason.clone()), None),
    };
    Some(Attempt {
        merchant: job.merchant,
        job: job.id,
        number: job.attempt,
        worker,
        started_at,
        outcome: name,
        error,
        cause,
    })
}
