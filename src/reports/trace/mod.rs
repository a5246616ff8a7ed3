//! Where an order is: everything that is known of it in one line of time, and the answer: in the books and how, or the
//! exact reason why not, since when, and what mends it.
//!
//! `facts` reads, `answer` decides (pure), `timeline` puts what happened in order (pure), `words` prints.

mod answer;
mod booked;
mod facts;
mod timeline;
mod words;

pub use answer::Answer;
pub(in crate::reports) use booked::shown;
pub use timeline::{Moment, MomentKind};
pub use words::{quoted, reconnecting};

use super::search::{self, Subject};
use crate::channels::ChannelError;
use crate::domain::{MerchantId, OrderId, Timestamp, job::named};
use crate::queue::Queue;
use crate::sync::Mend;
use facts::Facts;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Orders that one number may name: on several channels, or as an order here and an invoice there.
const MOST_SUBJECTS: usize = 10;

named!(
    /// What a person can do.
    ActionKind {
        /// Ask the marketplaces whether they have it; nothing is written.
        Ask = "ask",
        /// Read it now.
        Download = "download",
        Replay = "replay",
        Revive = "revive",
        Reconnect = "reconnect",
        /// Have the marketplace send webhooks again.
        MendWebhooks = "mend_webhooks",
        /// Change a setting of the channel.
        Setting = "setting",
        LinkListing = "link_listing",
        DecideConflict = "decide_conflict",
        /// Compare the signing secrets.
        CheckSecret = "check_secret",
        VerifyRefused = "verify_refused",
        Wait = "wait",
        Look = "look",
    }
);

/// Something to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    pub kind: ActionKind,
    /// In words.
    pub sentence: String,
    /// The command that does it; none where only a person outside can.
    pub command: Option<String>,
    /// The same for programs, where it is safe to do without looking.
    pub mend: Option<Mend>,
}

/// Something about an order in the books that may not be as a person expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Never renamed, such as `unlinked_sku`.
    pub code: &'static str,
    pub sentence: String,
    pub since: Option<Timestamp>,
    pub actions: Vec<Action>,
}

/// An order as the books hold it, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BookedShort {
    pub id: OrderId,
    pub number: String,
    pub remote_status: String,
    pub standing: String,
    pub invoice_number: Option<String>,
    pub tracking_number: Option<String>,
    pub total: String,
    pub source: String,
    pub placed_at: Timestamp,
    pub first_seen_at: Timestamp,
    pub recorded_at: Timestamp,
}

/// All that is known about one order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace {
    /// What was asked for.
    pub asked: String,
    /// None where nothing has ever named it.
    pub subject: Option<Subject>,
    /// The channel as the merchant sees it, and its name.
    pub channel: Option<(crate::domain::ChannelId, String)>,
    pub order: Option<BookedShort>,
    pub answer: Answer,
    /// The answer in words.
    pub sentence: String,
    /// Since when that is so.
    pub since: Option<Timestamp>,
    /// What to do, best first.
    pub actions: Vec<Action>,
    /// What of an order in the books may not be as expected.
    pub remarks: Vec<Remark>,
    /// Oldest first.
    pub timeline: Vec<Moment>,
}

impl Trace {
    pub fn is_in_books(&self) -> bool {
        self.order.is_some()
    }

    /// The one safe thing that the answer recommends, if there is one.
    pub fn mend(&self) -> Option<&Mend> {
        let of_remarks = self.remarks.iter().flat_map(|remark| &remark.actions);
        let mut actions = self.actions.iter().chain(of_remarks);
        actions.find_map(|action| action.mend.as_ref())
    }
}

/// Traces every order that `number` names; one trace that says so, when it names none.
///
/// # Errors
/// When the database cannot be asked.
pub async fn trace(
    queue: &Queue,
    merchant: MerchantId,
    number: &str,
    now: Timestamp,
) -> Result<Vec<Trace>, ChannelError> {
    let text = search::texts(number).into_iter().next().unwrap_or_default();
    let found = search::search(queue.db(), merchant, &text, None).await?;
    let mut subjects: Vec<Subject> = Vec::new();
    for one in found.found.iter().filter(|one| !one.is_beginning) {
        for subject in one.hits.iter().filter_map(|hit| hit.order.as_ref()) {
            if !subjects.contains(subject) {
                subjects.push(subject.clone());
            }
        }
    }
    subjects.truncate(MOST_SUBJECTS);
    if subjects.is_empty() {
        return Ok(vec![trace_untold(queue, merchant, &text, now).await?]);
    }
    let mut traces = Vec::new();
    for subject in subjects {
        traces.push(trace_order(queue, merchant, &text, subject, now).await?);
    }
    Ok(traces)
}

/// Traces one order.
///
/// # Errors
/// When the database cannot be asked.
pub async fn trace_order(
    queue: &Queue,
    merchant: MerchantId,
    asked: &str,
    subject: Subject,
    now: Timestamp,
) -> Result<Trace, ChannelError> {
    let facts = Facts::of_order(queue, merchant, asked, subject, now).await?;
    Ok(put_together(&facts))
}

/// What is known of a number that names no order.
async fn trace_untold(
    queue: &Queue,
    merchant: MerchantId,
    asked: &str,
    now: Timestamp,
) -> Result<Trace, ChannelError> {
    let facts = Facts::of_nothing(queue, merchant, asked, now).await?;
    Ok(put_together(&facts))
}

fn put_together(facts: &Facts) -> Trace {
    let answered = answer::answer(facts);
    let mut remarks = booked::remarks(facts);
    if matches!(answered.answer, Answer::UnlinkedSku { .. }) {
        // It is the answer.
        remarks.retain(|remark| remark.code != "unlinked_sku");
    }
    let channel = facts.channel.as_ref().or(facts.connection.as_ref());
    Trace {
        asked: facts.asked.clone(),
        subject: facts.subject.clone(),
        channel: channel.map(|channel| (channel.id, channel.name.clone())),
        order: facts.booked.as_ref().map(booked::short),
        sentence: answered.answer.sentence(facts),
        answer: answered.answer,
        since: answered.since,
        actions: answered.actions,
        remarks,
        timeline: timeline::timeline(facts),
    }
}
