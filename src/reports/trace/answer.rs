//! The answer to "where is it?". Pure.
//!
//! In this order, and the first that is so is the answer: what the books say; that its shop is removed; what is being done;
//! what the last reading said; what was given up; what completeness knows; what was heard and not understood; what was
//! refused; and only then that nobody ever heard of it.

use super::{Action, ActionKind, facts::Facts, words};
use crate::channels::{Channel, ChannelState};
use crate::domain::{ChannelId, JobId, Timestamp};
use entity::{job_attempts, jobs, readings};
use serde::Serialize;

/// Where an order is, or the exact reason why it is not in the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    InBooks {
        standing: String,
    },
    /// In the books, and a person is asked.
    InConflict {
        standing: String,
        conflicts: Vec<String>,
    },
    /// In the books, and stock did not move for these lines.
    UnlinkedSku {
        standing: String,
        lines: Vec<String>,
    },
    /// Its shop was removed before it was booked.
    ChannelRemoved {
        channel: ChannelId,
    },
    /// Heard of, and the shop has to be connected again first.
    ChannelLocked {
        channel: ChannelId,
        reason: String,
    },
    /// Heard of, and read in a moment.
    BeingRead {
        job: JobId,
    },
    /// Reading it failed, and is tried again.
    Retrying {
        job: JobId,
        until: Timestamp,
        attempt: i64,
        of: i64,
        error: String,
    },
    /// Reading it was given up.
    GivenUp {
        job: JobId,
        error: String,
    },
    /// The marketplace does not show it.
    NotShown {
        reason: String,
    },
    /// Read: not paid, and the channel wants no sales orders.
    UnpaidBySetting {
        channel: ChannelId,
    },
    /// Read: a draft.
    NothingToBook,
    /// Placed before the books of the channel begin.
    BeforeConnection {
        day: String,
        reason: String,
    },
    /// Completeness knows why it does not belong in the books.
    Explained {
        day: String,
        reason: String,
    },
    /// Completeness found that it is missing.
    Missing {
        day: String,
        reason: String,
    },
    /// A webhook named it, and its work is gone.
    Heard {
        delivery: i64,
        verdict: String,
    },
    /// A webhook that names it was stored, and nothing was made of it.
    NotUnderstood {
        delivery: i64,
        verdict: String,
    },
    /// A webhook that names it was refused.
    Refused {
        sample: i64,
        reason: String,
        channel: Option<ChannelId>,
    },
    NeverHeard,
}

/// An answer with what belongs to it.
#[derive(Debug)]
pub(super) struct Answered {
    pub answer: Answer,
    pub since: Option<Timestamp>,
    pub actions: Vec<Action>,
}

pub(super) fn answer(facts: &Facts) -> Answered {
    booked(facts)
        .or_else(|| removed(facts))
        .or_else(|| at_work(facts))
        .or_else(|| locked(facts))
        .or_else(|| as_read(facts))
        .or_else(|| given_up(facts))
        .or_else(|| proved(facts))
        .or_else(|| heard(facts))
        .or_else(|| not_understood(facts))
        .or_else(|| refused(facts))
        .unwrap_or_else(|| never_heard(facts))
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn answered(answer: Answer, since: i64, actions: Vec<Action>) -> Answered {
    Answered {
        answer,
        since: Some(at(since)),
        actions,
    }
}

fn booked(facts: &Facts) -> Option<Answered> {
    let full = facts.booked.as_ref()?;
    let order = &full.order;
    let standing = words::standing(order);
    let open: Vec<_> = full
        .conflicts
        .iter()
        .filter(|row| row.state == "open")
        .collect();
    if let Some(first) = open.first() {
        let actions = open.iter().map(|row| words::decide(row)).collect();
        let conflicts = open.iter().map(|row| row.detail.clone()).collect();
        let answer = Answer::InConflict {
            standing,
            conflicts,
        };
        return Some(answered(answer, first.raised_at, actions));
    }
    let lines = words::unlinked(full);
    if !lines.is_empty() {
        let actions = words::linking(facts);
        let answer = Answer::UnlinkedSku { standing, lines };
        return Some(answered(answer, order.first_seen_at, actions));
    }
    let answer = Answer::InBooks { standing };
    Some(answered(answer, order.recorded_at, Vec::new()))
}

fn removed(facts: &Facts) -> Option<Answered> {
    let connection = facts.connection.as_ref()?;
    if connection.state != ChannelState::Removed {
        return None;
    }
    let answer = Answer::ChannelRemoved {
        channel: connection.id,
    };
    Some(Answered {
        answer,
        since: None,
        actions: vec![words::reconnect(connection)],
    })
}

fn at_work(facts: &Facts) -> Option<Answered> {
    let connection = facts.connection.as_ref()?;
    let is_alive = |(job, _): &&(jobs::Model, Vec<job_attempts::Model>)| {
        matches!(job.state.as_str(), "available" | "running")
    };
    let (job, attempts) = facts.jobs.iter().find(is_alive)?;
    if !connection.is_active() {
        return None;
    }
    let id = JobId(job.id);
    let since = job.waiting_since;
    let Some(error) = job.last_error.clone() else {
        let actions = vec![words::serving()];
        return Some(answered(Answer::BeingRead { job: id }, since, actions));
    };
    let until = at(job.run_at);
    let first_failure = attempts.iter().find(|one| one.outcome != "done");
    let since = first_failure.map_or(since, |one| one.finished_at);
    let answer = Answer::Retrying {
        job: id,
        until,
        attempt: job.attempts,
        of: job.max_attempts,
        error,
    };
    let wait = Action {
        kind: ActionKind::Wait,
        sentence: format!("wait: it is tried again by itself at {until}"),
        command: None,
        mend: None,
    };
    let actions = vec![words::download(connection, facts.number()), wait];
    Some(answered(answer, since, actions))
}

fn locked(facts: &Facts) -> Option<Answered> {
    let connection = facts.connection.as_ref()?;
    if connection.state != ChannelState::Locked {
        return None;
    }
    let heard = facts.naming.iter().map(|one| one.received_at);
    let asked = facts.jobs.iter().map(|(job, _)| job.created_at);
    let since = heard.chain(asked).min();
    let answer = Answer::ChannelLocked {
        channel: connection.id,
        reason: connection.state_reason.clone().unwrap_or_default(),
    };
    Some(Answered {
        answer,
        since: since.map(at),
        actions: vec![words::reconnect(connection)],
    })
}

fn as_read(facts: &Facts) -> Option<Answered> {
    let connection = facts.connection.as_ref()?;
    let newest = last_read(&facts.readings)?;
    if newest.outcome != "nothing_to_book" {
        return None;
    }
    let again = words::download(connection, facts.number());
    let since = newest.read_at;
    if newest.document.as_deref() != Some("sales_order") {
        return Some(answered(Answer::NothingToBook, since, vec![again]));
    }
    let channel = facts.channel.as_ref().unwrap_or(connection);
    let mut actions = vec![again];
    if !channel.settings.unpaid_orders {
        actions.push(words::want_unpaid(channel));
    }
    let channel = channel.id;
    Some(answered(
        Answer::UnpaidBySetting { channel },
        since,
        actions,
    ))
}

/// The reading that was taken last: an older row may have been counted once more.
fn last_read(readings: &[readings::Model]) -> Option<&readings::Model> {
    readings.iter().max_by_key(|one| (one.last_read_at, one.id))
}

fn given_up(facts: &Facts) -> Option<Answered> {
    let connection = facts.connection.as_ref()?;
    let (job, _) = facts.jobs.first().filter(|(job, _)| job.state == "dead")?;
    let since = job.finished_at.unwrap_or(job.created_at);
    let error = job.last_error.clone().unwrap_or_default();
    let revive = words::revive(job);
    let download = words::download(connection, facts.number());
    let newest = last_read(&facts.readings);
    if let Some(reading) = newest.filter(|one| one.outcome == "not_shown") {
        let reason = reading.error.clone().unwrap_or(error);
        let actions = vec![download, words::ask(facts)];
        return Some(answered(
            Answer::NotShown { reason },
            reading.read_at,
            actions,
        ));
    }
    let answer = Answer::GivenUp {
        job: JobId(job.id),
        error,
    };
    Some(answered(answer, since, vec![revive, download]))
}

fn proved(facts: &Facts) -> Option<Answered> {
    let newest = facts.proved.first()?;
    let row = &newest.row;
    let (day, reason) = (newest.day.clone(), row.reason.clone());
    let connection = facts
        .channels
        .iter()
        .find(|channel| channel.id.0 == row.channel_id)?;
    let download = words::download(connection, &row.number);
    let answer = match row.kind.as_str() {
        "explained" if reason.starts_with("placed before") => {
            Answer::BeforeConnection { day, reason }
        }
        "explained" => Answer::Explained { day, reason },
        "missing" | "unreadable" => Answer::Missing { day, reason },
        _ => return None,
    };
    Some(answered(answer, row.found_at, vec![download]))
}

fn heard(facts: &Facts) -> Option<Answered> {
    let connection = facts.connection.as_ref()?;
    let newest = facts.naming.first()?;
    let answer = Answer::Heard {
        delivery: newest.delivery,
        verdict: newest.verdict.clone(),
    };
    let replay = words::replay(newest.delivery);
    let download = words::download(connection, facts.number());
    Some(answered(answer, newest.received_at, vec![replay, download]))
}

fn not_understood(facts: &Facts) -> Option<Answered> {
    let newest = facts.unread.first()?;
    let answer = Answer::NotUnderstood {
        delivery: newest.delivery,
        verdict: newest.verdict.clone(),
    };
    let mut actions = Vec::new();
    let of = |id: ChannelId| facts.could_have().find(|channel| channel.id == id);
    if let Some(channel) = newest.channel.and_then(of) {
        actions.push(words::download(channel, &facts.asked));
        actions.push(words::replay(newest.delivery));
    } else {
        actions.push(words::look_at_delivery(newest.delivery));
    }
    Some(answered(answer, newest.received_at, actions))
}

fn refused(facts: &Facts) -> Option<Answered> {
    let newest = facts.refused.first()?;
    let answer = Answer::Refused {
        sample: newest.sample,
        reason: newest.reason.replace('_', " "),
        channel: newest.channel,
    };
    let is_it = |channel: &&Channel| match newest.channel {
        Some(id) => channel.id == id,
        None => channel.marketplace.slug() == newest.marketplace,
    };
    let mut actions: Vec<Action> = facts
        .could_have()
        .filter(is_it)
        .flat_map(|channel| {
            [
                words::download(channel, &facts.asked),
                words::check_secret(channel),
            ]
        })
        .collect();
    actions.push(words::verify_refused(newest.sample));
    // Of several channels nobody knows which: no guess is done for a person.
    if facts.could_have().filter(is_it).count() > 1 {
        for action in &mut actions {
            action.mend = None;
        }
    }
    Some(answered(answer, newest.received_at, actions))
}

fn never_heard(facts: &Facts) -> Answered {
    let mut actions = Vec::new();
    if facts.could_have().next().is_some() && !facts.asked.is_empty() {
        actions.push(words::ask(facts));
    }
    for channel in facts.could_have() {
        if !channel.is_active() {
            actions.push(words::reconnect(channel));
            continue;
        }
        if !facts.asked.is_empty() {
            let mut download = words::download(channel, &facts.asked);
            // Which shop has it is not known: it is asked for first.
            if facts.could_have().count() > 1 {
                download.mend = None;
            }
            actions.push(download);
        }
        if facts.silent.contains_key(&channel.id) || facts.unsubscribed.contains_key(&channel.id) {
            actions.push(words::mend_webhooks(channel));
        }
    }
    Answered {
        answer: Answer::NeverHeard,
        since: None,
        actions,
    }
}
