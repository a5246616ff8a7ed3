//! Waiting for the orders that a download asked for.

use crate::cli::{context::Session, output::tell, serve::told_to_stop};
use crate::domain::{ChannelId, JobKind, RemoteId, Timestamp, Work};
use crate::queue::{JobFilter, JobState};
use crate::sales;
use entity::jobs;
use serde::Serialize;
use std::{collections::HashMap, pin::pin, time::Duration};

const LOOK: Duration = Duration::from_millis(200);
/// A fetch that rests longer than this before its next try is not waited for: it is tried again in the
/// background. The first tries rest 2 s and 4 s.
const PATIENCE: Duration = Duration::from_secs(5);
/// Fetches that are followed at most.
const MOST: u64 = 20_000;

/// What became of one order.
#[derive(Debug, Serialize)]
pub struct Fetched {
    pub number: String,
    /// `recorded`, `read` (there was nothing to book), `failed` or `waiting`.
    pub result: &'static str,
    pub detail: String,
}

impl Fetched {
    pub fn is_done(&self) -> bool {
        matches!(self.result, "recorded" | "read")
    }
}

/// Which fetches belong to the download.
#[derive(Debug)]
pub struct Fetches {
    pub connection: ChannelId,
    /// These orders; `None`: every fetch made since.
    pub numbers: Option<Vec<String>>,
    pub since: Timestamp,
}

impl Fetches {
    /// Waits until each fetch has ended or rests; Ctrl-C ends the waiting. `look` is told how many there are and
    /// how many have ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wait(
        &self,
        session: &Session,
        look: impl Fn(usize, usize),
    ) -> anyhow::Result<Vec<Fetched>> {
        let mut interrupted = pin!(told_to_stop());
        loop {
            let rows = self.rows(session).await?;
            let n_open = rows
                .iter()
                .filter(|row| is_open(row, session.now()))
                .count();
            look(rows.len(), rows.len() - n_open);
            if n_open == 0 {
                return self.results(session, &rows).await;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                told = &mut interrupted => {
                    told?;
                    tell("the rest is fetched by `marketsink serve`");
                    return self.results(session, &rows).await;
                }
            }
        }
    }

    /// The newest job of each order.
    async fn rows(&self, session: &Session) -> anyhow::Result<Vec<jobs::Model>> {
        let filter = JobFilter {
            channel: Some(self.connection),
            kind: Some(JobKind::FetchOrder),
            ..JobFilter::default()
        };
        let rows = session
            .app
            .queue
            .list(session.merchant, &filter, MOST)
            .await?;
        let wanted: Option<Vec<String>> = self.numbers.as_ref().map(|numbers| {
            let key = |number: &String| self.key(number);
            numbers.iter().map(key).collect()
        });
        let mut newest: HashMap<String, jobs::Model> = HashMap::new();
        for row in rows {
            let is_wanted = match &wanted {
                Some(keys) => keys.contains(&row.key),
                None => row.created_at >= self.since.micros(),
            };
            if is_wanted && !newest.contains_key(&row.key) {
                newest.insert(row.key.clone(), row);
            }
        }
        let mut rows: Vec<_> = newest.into_values().collect();
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }

    fn key(&self, number: &str) -> String {
        let order = RemoteId::from(number);
        Work::FetchOrder { order }.key(self.connection)
    }

    async fn results(
        &self,
        session: &Session,
        rows: &[jobs::Model],
    ) -> anyhow::Result<Vec<Fetched>> {
        let mut results = Vec::new();
        for row in rows {
            let Ok(Work::FetchOrder { order }) = Work::from_args(&row.args) else {
                continue;
            };
            results.push(self.result(session, row, order).await?);
        }
        Ok(results)
    }

    async fn result(
        &self,
        session: &Session,
        row: &jobs::Model,
        order: RemoteId,
    ) -> anyhow::Result<Fetched> {
        let error = row.last_error.clone().unwrap_or_default();
        let (result, detail) = match JobState::parse(&row.state) {
            Some(JobState::Done) => match self.standing(session, &order).await? {
                Some(standing) => ("recorded", standing),
                None => ("read", "there is nothing to book yet".to_owned()),
            },
            Some(JobState::Dead) => ("failed", format!("given up: {error}")),
            Some(JobState::Available) if row.attempts > 0 => {
                let at = Timestamp::from_micros(row.run_at);
                ("failed", format!("{error}; tried again at {at}"))
            }
            _ => ("waiting", "not fetched yet".to_owned()),
        };
        Ok(Fetched {
            number: order.to_string(),
            result,
            detail,
        })
    }

    async fn standing(
        &self,
        session: &Session,
        order: &RemoteId,
    ) -> anyhow::Result<Option<String>> {
        let found = sales::find_orders(&session.app.db, session.merchant, order.as_str()).await?;
        let here = found
            .iter()
            .find(|row| row.connection_id == self.connection.0 && row.remote_id == order.as_str());
        Ok(here.map(super::show::standing))
    }
}

fn is_open(row: &jobs::Model, now: Timestamp) -> bool {
    match JobState::parse(&row.state) {
        Some(JobState::Running) => true,
        Some(JobState::Available) => Timestamp::from_micros(row.run_at) <= now + PATIENCE,
        _ => false,
    }
}
