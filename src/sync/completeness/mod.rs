//! Proving that all orders of a day are in the books, and closing the gap where they are not.
//!
//! 1. A look reads what the marketplace shows of the day (in the merchant's time zone) and compares each order
//!    with the books: matched, missing, wrong status, different total, only in the books. What does not belong in
//!    the books is explained, not missing.
//! 2. What is missing or differs is fetched by the usual jobs, in the transaction that keeps the report.
//! 3. Once they have ended, or after [`PATIENCE`], a second look proves the day, or says what is still not right.
//! 4. A day that could not be looked at is not proved, and says why: never quietly complete.
//!
//! A look costs a call per page of the day's orders, and one per batch of those of which the list does not tell
//! enough. What it finds is held in memory: a day's orders of one shop.

mod look;
mod store;
mod words;

pub use store::{CompletenessReport, completeness_orders, completeness_reports};
pub use words::{amount, amounts, sentence};

use super::{Sync, SyncError, download};
use crate::accounts;
use crate::channels::{Channel, ChannelState};
use crate::domain::{
    ChannelId, Day, Days, JobKind, Money, RemoteId, Source, Timestamp, Work, job::named,
};
use crate::queue::{self, NewJob, Outcome};
use crate::sales;
use entity::completeness;
use look::Look;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// How long after the first look the second one is taken.
const CLOSING: Duration = Duration::from_secs(60);
/// How often it is looked whether the fetches have ended.
const AGAIN: Duration = Duration::from_secs(30);
/// After so long the second look is taken whatever the fetches do: then it says that they fail.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

named!(
    /// What a report proves.
    Proof {
        Complete = "complete",
        /// What was missing is being fetched.
        Closing = "closing",
        Incomplete = "incomplete",
        /// The day could not be looked at.
        NotProved = "not_proved",
    }
);

named!(
    /// What there is to say of an order.
    FindingKind {
        Missing = "missing",
        WrongStatus = "wrong_status",
        DifferentTotal = "different_total",
        OnlyInBooks = "only_in_books",
        Unreadable = "unreadable",
        /// It does not belong in the books.
        Explained = "explained",
        /// It is in the books as it should be, and something is to be known of it.
        Noted = "noted",
    }
);

impl FindingKind {
    /// Whether fetching the order may put it right.
    pub fn is_fetched(self) -> bool {
        matches!(
            self,
            Self::Missing | Self::WrongStatus | Self::DifferentTotal | Self::Unreadable
        )
    }
}

/// An order that there is something to say of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub remote_id: RemoteId,
    pub number: String,
    pub kind: FindingKind,
    pub reason: String,
    pub theirs_status: Option<String>,
    pub ours_status: Option<String>,
    pub theirs_total: Option<Money>,
    pub ours_total: Option<Money>,
}

impl Finding {
    fn of(id: &RemoteId, number: &str, kind: FindingKind, reason: String) -> Self {
        Self {
            remote_id: id.clone(),
            number: number.to_owned(),
            kind,
            reason,
            theirs_status: None,
            ours_status: None,
            theirs_total: None,
            ours_total: None,
        }
    }
}

/// The counts of a look, and the amounts of both sides, one per currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub listed: u64,
    pub explained: u64,
    pub noted: u64,
    pub theirs: u64,
    pub theirs_value: Vec<Money>,
    pub ours: u64,
    pub ours_value: Vec<Money>,
    pub matched: u64,
    pub missing: u64,
    pub wrong_status: u64,
    pub different_total: u64,
    pub only_in_books: u64,
    pub unreadable: u64,
}

impl Tally {
    fn count(&mut self, kind: FindingKind) {
        *match kind {
            FindingKind::Missing => &mut self.missing,
            FindingKind::WrongStatus => &mut self.wrong_status,
            FindingKind::DifferentTotal => &mut self.different_total,
            FindingKind::OnlyInBooks => &mut self.only_in_books,
            FindingKind::Unreadable => &mut self.unreadable,
            FindingKind::Explained => &mut self.explained,
            FindingKind::Noted => &mut self.noted,
        } += 1;
    }

    pub fn is_complete(&self) -> bool {
        self.missing
            + self.wrong_status
            + self.different_total
            + self.only_in_books
            + self.unreadable
            == 0
    }
}

/// What a day's look will cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CompletenessPlan {
    /// Orders of the day in the books: what is known before the marketplace is asked.
    pub booked: u64,
    /// Calls at least, and when details have to be read for every order.
    pub calls: (u64, u64),
    /// The API has no filter by creation time: everything that changed since the day began is listed.
    pub emulated: bool,
}

impl Sync {
    /// Proves the days that a job is about, or goes on with closing their gap.
    pub async fn check_completeness(
        &self,
        channel: ChannelId,
        days: Days,
        source: Source,
    ) -> Outcome {
        let ended = match days {
            Days::Lately => self.check_lately(channel).await.map(|()| None),
            Days::Day(day) => self.check_day(channel, day, source).await,
        };
        let now = self.shared.clock.now();
        match ended {
            Ok(None) => Outcome::Done,
            Ok(Some(reason)) => Outcome::Snoozed {
                until: now + AGAIN,
                reason,
            },
            Err(error) => error.outcome(now),
        }
    }

    /// What a look at a day will cost; asks nobody.
    ///
    /// # Errors
    /// When the channel is unknown or the database fails.
    pub async fn completeness_plan(
        &self,
        channel: ChannelId,
        day: Day,
    ) -> Result<CompletenessPlan, SyncError> {
        let connection = self.unremoved(channel).await?;
        let zone = accounts::time_zone(self.db(), connection.merchant).await?;
        let window = day.window(zone);
        let booked = sales::booked_within(self.db().read(), connection.id, window).await?;
        let (n, limits) = (booked.len() as u64, connection.marketplace.limits());
        let pages = n.div_ceil(u64::from(limits.order_page.max(1))).max(1);
        let details = n.div_ceil(u64::from(limits.order_batch.max(1)));
        Ok(CompletenessPlan {
            booked: n,
            calls: (pages, pages + 1 + details),
            emulated: !limits.created_filter,
        })
    }

    /// A job for each of the days: they fail and are tried again one by one.
    async fn check_lately(&self, channel: ChannelId) -> Result<(), SyncError> {
        let connection = self.unremoved(channel).await?;
        let now = self.shared.clock.now();
        let zone = accounts::time_zone(self.db(), connection.merchant).await?;
        let today = Day::of(now, zone);
        let jobs = [1, 3].map(|ago| NewJob {
            merchant: connection.merchant,
            channel: connection.id,
            work: Work::CheckCompleteness {
                completeness: Days::Day(today.before(ago)),
            },
            source: Source::Schedule,
            run_at: Some(now),
        });
        let tx = self.db().write_tx().await?;
        queue::enqueue(&tx, &jobs, now).await?;
        tx.commit().await?;
        self.shared.queue.wake();
        Ok(())
    }

    /// `Some`: the second look has to wait, and why.
    async fn check_day(
        &self,
        channel: ChannelId,
        day: Day,
        source: Source,
    ) -> Result<Option<String>, SyncError> {
        let connection = self.unremoved(channel).await?;
        let open = store::closing(self.db().read(), connection.id, day).await?;
        if let Some(report) = &open
            && let Some(reason) = self.fetches_under_way(&connection, report).await?
        {
            return Ok(Some(reason));
        }
        let now = self.shared.clock.now();
        let zone = accounts::time_zone(self.db(), connection.merchant).await?;
        let begins_at = day.begins_at(zone);
        if let Some(why) = connection.marketplace.hides_orders_of(begins_at, now) {
            self.not_proved(&connection, day, source, why).await?;
            return Ok(None);
        }
        let looked = match connection.state {
            ChannelState::Locked => Err(SyncError::Locked {
                channel: connection.id,
                reason: connection.state_reason.clone().unwrap_or_default(),
            }),
            _ => self.look(&connection, day, open.is_some()).await,
        };
        match looked {
            Ok(look) => self.report(&connection, day, source, open, look).await?,
            Err(error) => {
                let why = error.to_string();
                self.not_proved(&connection, day, source, &why).await?;
                return Err(error);
            }
        }
        Ok(None)
    }

    /// Why the second look has to wait.
    async fn fetches_under_way(
        &self,
        connection: &Channel,
        report: &completeness::Model,
    ) -> Result<Option<String>, SyncError> {
        let now = self.shared.clock.now();
        if now.since(Timestamp::from_micros(report.looked_at)) > PATIENCE {
            return Ok(None);
        }
        let keys = store::fetched_keys(self.db().read(), connection.id, report.id).await?;
        let jobs = self
            .shared
            .queue
            .unended(connection.id, JobKind::FetchOrder, &keys);
        let n_open = jobs
            .await?
            .values()
            .filter(|job| job.state != "dead")
            .count();
        Ok((n_open > 0).then(|| format!("{n_open} orders are still being fetched")))
    }

    /// Keeps what was found, and asks for what is missing, in one transaction.
    async fn report(
        &self,
        connection: &Channel,
        day: Day,
        source: Source,
        open: Option<completeness::Model>,
        mut look: Look,
    ) -> Result<(), SyncError> {
        let now = self.shared.clock.now();
        let fetched: Vec<Finding> = look
            .findings
            .iter()
            .filter(|finding| finding.kind.is_fetched())
            .cloned()
            .collect();
        let is_second = open.is_some();
        if is_second {
            self.tell_why(connection, &mut look).await?;
        }
        let closes = !is_second && !fetched.is_empty();
        let proof = match (look.tally.is_complete(), closes) {
            (true, _) => Proof::Complete,
            (false, true) => Proof::Closing,
            (false, false) => Proof::Incomplete,
        };
        let tx = self.db().write_tx().await?;
        let about = store::About {
            connection,
            day,
            source,
            proof,
        };
        store::keep(&tx, &about, open, &look, now).await?;
        for finding in &look.findings {
            if finding.kind == FindingKind::OnlyInBooks {
                let deleted = "the marketplace no longer shows this order; it was deleted there";
                sales::mark_attention(&tx, connection, &finding.remote_id, deleted, now).await?;
            }
        }
        if closes {
            let mut jobs: Vec<NewJob> = fetched
                .into_iter()
                .map(|finding| download::fetch(connection, finding.remote_id, source))
                .collect();
            jobs.push(NewJob {
                merchant: connection.merchant,
                channel: connection.id,
                work: Work::CheckCompleteness {
                    completeness: Days::Day(day),
                },
                source,
                run_at: Some(now + CLOSING),
            });
            queue::enqueue(&tx, &jobs, now).await?;
        }
        tx.commit().await?;
        self.shared.queue.wake();
        if proof == Proof::Incomplete {
            tracing::warn!(
                channel.id = connection.id.0,
                %day,
                missing = look.tally.missing,
                "not all orders of a day are in the books as the marketplace shows them"
            );
        }
        Ok(())
    }

    /// Of what is still not right, what its fetch said.
    async fn tell_why(&self, connection: &Channel, look: &mut Look) -> Result<(), SyncError> {
        let key = |finding: &Finding| store::fetch_key(connection.id, &finding.remote_id);
        let still = look.findings.iter().filter(|one| one.kind.is_fetched());
        let keys: Vec<String> = still.map(key).collect();
        let queue = &self.shared.queue;
        let jobs = queue
            .unended(connection.id, JobKind::FetchOrder, &keys)
            .await?;
        for finding in &mut look.findings {
            let job = jobs.get(&key(finding));
            if let Some(error) = job.and_then(|job| job.last_error.as_deref())
                && finding.kind.is_fetched()
            {
                finding.reason = format!("{}; fetching it failed: {error}", finding.reason);
            }
        }
        Ok(())
    }

    async fn not_proved(
        &self,
        connection: &Channel,
        day: Day,
        source: Source,
        why: &str,
    ) -> Result<(), SyncError> {
        let now = self.shared.clock.now();
        let zone = accounts::time_zone(self.db(), connection.merchant).await?;
        let about = store::About {
            connection,
            day,
            source,
            proof: Proof::NotProved,
        };
        let tx = self.db().write_tx().await?;
        store::keep_unproved(&tx, &about, day.window(zone), why, now).await?;
        tx.commit().await?;
        Ok(())
    }
}
