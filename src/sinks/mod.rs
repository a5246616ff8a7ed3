//! Telling other programs what happened in the books: signed webhooks, and the tills that have an API of their own.
//!
//! Owns no table. `outbox` says what waits for whom; here it is sent, outside any transaction, and `outbox` writes down
//! how it went. What was sent and not written down, because the process died between the two, is sent again: receivers
//! know a message by its id.
//!
//! 1. An endpoint has one job, which runs alone and sends what is due, oldest first.
//! 2. A failure lets that delivery wait by its own tries, and the endpoint rest by its failures in a row; then the next
//!    one is tried, so that one message that is never taken does not hold up the others.
//! 3. Three days without a success, or 410 Gone, disable the endpoint, and say so; what happens meanwhile waits, and
//!    is told when a person resumes it.

pub mod dealpos;
mod webhook;

use crate::channels::{self, EndpointSecretError, Sealer};
use crate::clock::Clock;
use crate::db::Db;
use crate::domain::{Cause, EndpointId, Retry, Timestamp};
use crate::marketplaces::{MarketplaceError, http, http::Http};
use crate::outbox::{self, Due, Endpoint, EndpointState, Protocol, Told};
use crate::queue::{Outcome, Queue};
use sea_orm::DbErr;
use std::{
    fmt,
    sync::{Arc, PoisonError},
    time::Duration,
};
use thiserror::Error;
use url::Url;

/// How long an endpoint may take to answer. Source: the specification of Standard Webhooks proposes 15 to 30 s.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a replaced secret still signs beside the new one, unless a person says otherwise.
pub const SECRET_OVERLAP: Duration = Duration::from_secs(24 * 3_600);
/// Without a success for so long, an endpoint is disabled.
const DISABLE_AFTER: Duration = Duration::from_secs(3 * 86_400);
/// Deliveries that are read at once.
const BATCH: u64 = 20;
/// Deliveries of one run; then others have their turn.
const MOST_PER_RUN: usize = 200;

/// What a person asked for cannot be done.
#[derive(Debug, Error)]
pub enum SinkError {
    #[error("`{0}` is no address; give one such as https://erp.example.com/hooks")]
    NoAddress(String),
    #[error("{0} is not encrypted; give an https address")]
    NotEncrypted(String),
    #[error("{0}")]
    Refused(MarketplaceError),
    #[error("what is to be told cannot be read: {0}")]
    Unread(String),
    #[error(transparent)]
    Secret(#[from] EndpointSecretError),
    #[error(transparent)]
    Seal(#[from] channels::ChannelError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl SinkError {
    /// The one code for it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::NoAddress(_) | Self::NotEncrypted(_) | Self::Secret(_) | Self::Seal(_) => {
                Cause::NotConfigured
            }
            Self::Refused(error) => error.cause(),
            Self::Unread(_) => Cause::Bug,
            Self::Db(_) => Cause::Database,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct SinksOptions {
    /// Private and loopback addresses may be called, and without encryption: only for the sandbox and tests.
    pub allow_private_hosts: bool,
    /// How long an endpoint may take to answer; [`ANSWER_WITHIN`] at most.
    pub timeout: Duration,
}

/// Sends what waits. Cheap to clone.
#[derive(Clone)]
pub struct Sinks {
    shared: Arc<Shared>,
}

struct Shared {
    db: Db,
    sealer: Sealer,
    clock: Clock,
    http: Http,
    options: SinksOptions,
    tokens: dealpos::Tokens,
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sinks").finish_non_exhaustive()
    }
}

impl Sinks {
    pub fn new(queue: Queue, sealer: Sealer, clock: Clock, options: SinksOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                db: queue.db().clone(),
                sealer,
                clock,
                http: Http::new(options.allow_private_hosts, options.timeout),
                options,
                tokens: dealpos::Tokens::default(),
            }),
        }
    }

    fn db(&self) -> &Db {
        &self.shared.db
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// An address that may be told: encrypted, and not inside a private network.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_address(&self, text: &str) -> Result<Url, SinkError> {
        let url = Url::parse(text).map_err(|_| SinkError::NoAddress(text.to_owned()))?;
        let allow_private = self.shared.options.allow_private_hosts;
        http::check_address(&url, allow_private).map_err(SinkError::Refused)?;
        if url.scheme() != "https" && !allow_private {
            return Err(SinkError::NotEncrypted(text.to_owned()));
        }
        Ok(url)
    }

    /// Sends what is due to an endpoint: the work of its job.
    pub async fn tell(&self, endpoint: EndpointId) -> Outcome {
        match self.try_tell(endpoint).await {
            Ok(None) => Outcome::Done,
            Ok(Some(until)) => Outcome::Snoozed {
                until,
                reason: "deliveries wait for their next try".to_owned(),
            },
            Err(error) => Outcome::Failed {
                cause: error.cause(),
                error: error.to_string(),
                retry: Retry::Backoff,
            },
        }
    }

    /// When to go on; `None` when nothing waits.
    async fn try_tell(&self, id: EndpointId) -> Result<Option<Timestamp>, SinkError> {
        let mut n_sent = 0;
        loop {
            let Some(mut endpoint) = outbox::load(self.db().read(), id).await? else {
                return Ok(None);
            };
            let now = self.now();
            if endpoint.state != EndpointState::Active {
                return Ok(None);
            }
            if let Some(until) = endpoint.rest_until.filter(|until| *until > now) {
                return Ok(Some(until));
            }
            if n_sent >= MOST_PER_RUN {
                return Ok(Some(now));
            }
            let due = outbox::due(self.db().read(), id, BATCH, now).await?;
            if due.is_empty() {
                return Ok(outbox::next_due(self.db().read(), id).await?);
            }
            for one in &due {
                n_sent += 1;
                let told = self.tell_one(&endpoint, one).await?;
                match told {
                    Told::Failed { .. } => break,
                    Told::Delivered { .. } => endpoint.failures = 0,
                    Told::Refused { .. } => {}
                }
            }
        }
    }

    /// Sends one delivery and writes down how it went.
    async fn tell_one(&self, endpoint: &Endpoint, due: &Due) -> Result<Told, SinkError> {
        let told = match endpoint.protocol {
            Protocol::Webhook => self.send_webhook(endpoint, due).await?,
            Protocol::DealPos => self.tell_dealpos(endpoint, due).await?,
        };
        let now = self.now();
        let tx = self.db().write_tx().await?;
        outbox::note(&tx, endpoint, due, &told, now).await?;
        if let Some(reason) = reason_to_disable(endpoint, &told, now) {
            outbox::disable(&tx, endpoint.id, &reason, now).await?;
            tracing::error!(
                endpoint.id = endpoint.id.0,
                reason,
                "an endpoint was disabled; mend it, then `marketsink endpoints resume` tells it what it missed"
            );
        }
        tx.commit().await?;
        Ok(told)
    }

    /// The token in use at an endpoint; forgotten with the process.
    fn token_of(&self, endpoint: EndpointId) -> dealpos::Token {
        let mut tokens = self
            .shared
            .tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        tokens.entry(endpoint.0).or_default().clone()
    }

    /// The secrets that hold now as text, the current one first.
    async fn secrets(&self, endpoint: &Endpoint) -> Result<Vec<String>, EndpointSecretError> {
        let shared = &self.shared;
        let found =
            channels::endpoint_secrets(shared.db.read(), &shared.sealer, endpoint.id, self.now())
                .await?;
        let texts = found.iter().map(|bytes| String::from_utf8_lossy(bytes));
        Ok(texts.map(std::borrow::Cow::into_owned).collect())
    }
}

/// Why an endpoint is not told any more, if it is not.
fn reason_to_disable(endpoint: &Endpoint, told: &Told, now: Timestamp) -> Option<String> {
    let Told::Failed { status, answer, .. } = told else {
        return None;
    };
    if *status == Some(410) {
        return Some("it answered 410 Gone: it wants to be told no more".to_owned());
    }
    let since = endpoint.failing_since?;
    (now.since(since) >= DISABLE_AFTER)
        .then(|| format!("nothing could be delivered since {since}; the last answer was: {answer}"))
}
