//! Work that a command asks for and waits for.
//!
//! The command enqueues the job like everybody else, lends a worker for its kinds, and watches the job's row:
//! who does the work, this process or a serving one, does not matter.

use super::{channel::again, context::Session, output::tell, serve::told_to_stop};
use crate::accounts::Deed;
use crate::app::App;
use crate::channels::{self, Channel, ChannelState};
use crate::domain::{JobKind, Source, Timestamp, Work};
use crate::queue::{self, JobFilter, JobState, NewJob};
use anyhow::{Context, bail};
use entity::jobs;
use serde_json::json;
use std::{pin::pin, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often the rows are looked at.
const LOOK: Duration = Duration::from_millis(150);
/// A job that rests longer than this before its next try is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A worker of this process, lent for some kinds of work.
#[derive(Debug)]
pub struct LentWorker {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl LentWorker {
    pub fn start(app: &App, kinds: &[JobKind]) -> Self {
        let stop = CancellationToken::new();
        let worker = app.worker_of(kinds.to_vec());
        let until = stop.clone();
        let task = tokio::spawn(async move { worker.run(until).await });
        Self { stop, task }
    }

    /// Ends the work in hand and gives back the rest; another Ctrl-C ends it at once.
    ///
    /// # Errors
    /// When the worker did not end well.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        tokio::select! {
            ended = self.task => ended.context("the worker did not end well"),
            told = told_to_stop() => told,
        }
    }
}

/// How waiting for a job ended.
#[derive(Debug)]
pub enum Ending {
    Done,
    /// Given up; the reason.
    Dead(String),
    /// Fails, and rests for long before the next try.
    Resting {
        error: String,
        until: Timestamp,
    },
    /// The channel is locked; the reason.
    Locked(String),
    /// Ctrl-C.
    Interrupted,
}

/// Enqueues work on a connection for a person who waits, and returns its job.
///
/// # Errors
/// When the channel does not work, or the database fails.
pub async fn enqueue(
    session: &Session,
    connection: &Channel,
    work: Work,
) -> anyhow::Result<jobs::Model> {
    if let Some(reason) = why_not(connection) {
        bail!("channel {}: {reason}", connection.id);
    }
    let now = session.now();
    let (kind, key) = (work.kind(), work.key(connection.id));
    let job = NewJob {
        merchant: session.merchant,
        channel: connection.id,
        work,
        source: Source::Manual,
        run_at: Some(now),
    };
    let tx = session.app.db.write_tx().await?;
    queue::enqueue(&tx, &[job], now).await?;
    let deed = Deed::new("work.requested", "channel", connection.id);
    let what = json!({"kind": kind.as_str(), "key": key});
    session.record(&tx, deed.to(what)).await?;
    tx.commit().await?;
    session.app.queue.wake();
    newest(session, kind, &key)
        .await?
        .context("the job was enqueued and cannot be found")
}

/// Why a connection takes no work.
pub fn why_not(connection: &Channel) -> Option<String> {
    match connection.state {
        ChannelState::Active => None,
        ChannelState::Removed => Some("it was removed".to_owned()),
        ChannelState::Locked => Some(format!(
            "it is locked ({}); mend it and connect it again: {}",
            connection
                .state_reason
                .as_deref()
                .unwrap_or("no reason is known"),
            again(connection)
        )),
    }
}

/// Waits until the job has ended, or nothing can be expected of it soon. `look` is called with each look at it.
///
/// # Errors
/// When the database fails.
pub async fn follow(
    session: &Session,
    job: &jobs::Model,
    mut look: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Ending> {
    let mut interrupted = pin!(told_to_stop());
    let mut id = job.id;
    let kind = JobKind::parse(&job.kind).context("the job is of no known kind")?;
    let mut told = None;
    loop {
        look().await?;
        let of_key = of_key(session, kind, &job.key).await?;
        let row = of_key.iter().find(|row| row.id == id);
        let row = row.context("the job has vanished")?;
        let newest = of_key.first().map_or(id, |row| row.id);
        match state_of(session, row).await? {
            Some(Ending::Dead(_)) if row.state == JobState::Superseded.as_str() && newest > id => {
                id = newest;
            }
            Some(ending) => return Ok(ending),
            None if row.last_error.is_some() && row.last_error != told => {
                told.clone_from(&row.last_error);
                let error = told.as_deref().unwrap_or_default();
                tell(format!(
                    "attempt {} failed, trying again: {error}",
                    row.attempts
                ));
            }
            None => {}
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            told = &mut interrupted => {
                told?;
                tell("ending what is in hand; Ctrl-C again to end at once");
                return Ok(Ending::Interrupted);
            }
        }
    }
}

async fn state_of(session: &Session, row: &jobs::Model) -> anyhow::Result<Option<Ending>> {
    let error = || row.last_error.clone().unwrap_or_else(|| row.state.clone());
    let until = Timestamp::from_micros(row.run_at);
    Ok(match JobState::parse(&row.state) {
        Some(JobState::Done) => Some(Ending::Done),
        Some(JobState::Available | JobState::Running) | None => {
            let id = crate::domain::ChannelId(row.channel_id);
            let channel = channels::load(session.app.db.read(), id).await?;
            let rests = row.state == JobState::Available.as_str() && row.attempts > 0;
            match why_not(&channel) {
                Some(reason) => Some(Ending::Locked(reason)),
                None if rests && until > session.now() + PATIENCE => Some(Ending::Resting {
                    error: error(),
                    until,
                }),
                None => None,
            }
        }
        Some(_) => Some(Ending::Dead(error())),
    })
}

async fn of_key(session: &Session, kind: JobKind, key: &str) -> anyhow::Result<Vec<jobs::Model>> {
    let filter = JobFilter {
        kind: Some(kind),
        key: Some(key.to_owned()),
        ..JobFilter::default()
    };
    Ok(session
        .app
        .queue
        .list(session.merchant, &filter, 50)
        .await?)
}

async fn newest(
    session: &Session,
    kind: JobKind,
    key: &str,
) -> anyhow::Result<Option<jobs::Model>> {
    Ok(of_key(session, kind, key).await?.into_iter().next())
}
