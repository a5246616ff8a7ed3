//! Everything that happened to an order in one line of time. Pure.

use super::facts::Facts;
use crate::domain::{Timestamp, job::named};
use entity::{job_attempts, jobs, readings, replay_items, replays};
use serde::{Deserialize, Serialize};
use std::fmt;

named!(
    /// What a moment is.
    MomentKind {
        Delivery = "delivery",
        Refused = "refused",
        Download = "download",
        Replay = "replay",
        Job = "job",
        Attempt = "attempt",
        Reading = "reading",
        Step = "step",
        Movement = "movement",
        Push = "push",
        Return = "return",
        Conflict = "conflict",
        Happening = "happening",
        Completeness = "completeness",
    }
);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub at: Timestamp,
    pub kind: MomentKind,
    /// Of its row.
    pub id: i64,
    /// In words.
    pub text: String,
    /// It did not go well.
    pub is_trouble: bool,
}

/// All moments, oldest first; of the same instant what came of which.
pub(super) fn timeline(facts: &Facts) -> Vec<Moment> {
    let mut all = Vec::new();
    heard(facts, &mut all);
    worked(facts, &mut all);
    if facts.booked.is_some() {
        in_books(facts, &mut all);
        told(facts, &mut all);
    }
    all.sort_by_key(|moment| (moment.at, moment.kind, moment.id));
    all
}

fn moment(at: i64, kind: MomentKind, id: i64, text: impl Into<String>) -> Moment {
    Moment {
        at: Timestamp::from_micros(at),
        kind,
        id,
        text: text.into(),
        is_trouble: false,
    }
}

fn trouble(is_trouble: bool, moment: Moment) -> Moment {
    Moment {
        is_trouble,
        ..moment
    }
}

fn heard(facts: &Facts, all: &mut Vec<Moment>) {
    for one in &facts.naming {
        let made = if one.state == "handled" {
            "acted upon"
        } else {
            "not acted upon yet"
        };
        let verdict = one.verdict.replace('_', " ");
        let text = format!(
            "webhook {} received (delivery {}): {verdict}, {made}",
            one.topic, one.delivery
        );
        let is_trouble = one.state != "handled";
        let moment = moment(one.received_at, MomentKind::Delivery, one.delivery, text);
        all.push(trouble(is_trouble, moment));
    }
    for one in &facts.unread {
        let verdict = one.verdict.replace('_', " ");
        let text = format!(
            "webhook {} received (delivery {}): {verdict}; nothing was made of it",
            one.topic, one.delivery
        );
        let moment = moment(one.received_at, MomentKind::Delivery, one.delivery, text);
        all.push(trouble(true, moment));
    }
    for one in &facts.refused {
        let text = format!(
            "a webhook that names it was refused ({}, quarantine {}): {}",
            one.marketplace,
            one.sample,
            one.reason.replace('_', " ")
        );
        let moment = moment(one.received_at, MomentKind::Refused, one.sample, text);
        all.push(trouble(true, moment));
    }
    for one in &facts.proved {
        let text = format!(
            "completeness of {}: {}: {}",
            one.day,
            one.row.kind.replace('_', " "),
            one.row.reason
        );
        let is_open = one.row.closed_at.is_none();
        let is_trouble = is_open && !matches!(one.row.kind.as_str(), "explained" | "noted");
        let moment = moment(one.row.found_at, MomentKind::Completeness, one.row.id, text);
        all.push(trouble(is_trouble, moment));
    }
    for one in &facts.downloads {
        let text = format!(
            "order download {} ({}) found it: {} seen, {} missing, {} outdated",
            one.id, one.source, one.seen, one.missing, one.outdated
        );
        all.push(moment(one.started_at, MomentKind::Download, one.id, text));
    }
    all.extend(
        facts
            .replayed
            .iter()
            .map(|(item, replay)| replayed(item, replay)),
    );
}

/// `replay 7 by ani took delivery 12 up (its webhooks had been lost): changed, unsent → sent`
fn replayed(item: &replay_items::Model, replay: &replays::Model) -> Moment {
    let what = if replay.source_kind == "jobs" {
        "job"
    } else {
        "delivery"
    };
    let detail = item.detail.as_deref();
    let text = format!(
        "replay {} by {} took {what} {} up ({}): {}{}",
        replay.id,
        replay.by_name,
        item.source_id,
        replay.why,
        item.outcome,
        detail.map_or_else(String::new, |detail| format!(", {detail}"))
    );
    let moment = moment(item.taken_at, MomentKind::Replay, item.id, text);
    trouble(item.outcome == "failed", moment)
}

fn worked(facts: &Facts, all: &mut Vec<Moment>) {
    for (job, attempts) in &facts.jobs {
        let text = format!(
            "job {} to read it, asked for by {}: {}",
            job.id, job.source, job.state
        );
        let asked = moment(job.created_at, MomentKind::Job, job.id, text);
        all.push(trouble(job.state == "dead", asked));
        all.extend(attempts.iter().map(|one| attempt(job, one)));
    }
    all.extend(facts.readings.iter().map(reading));
}

fn attempt(job: &jobs::Model, one: &job_attempts::Model) -> Moment {
    let error = one.error.as_deref();
    let error = error.map_or_else(String::new, |error| format!(": {error}"));
    let text = format!(
        "attempt {} of job {}: {}{error}",
        one.number, job.id, one.outcome
    );
    let moment = moment(one.finished_at, MomentKind::Attempt, one.id, text);
    trouble(
        !matches!(one.outcome.as_str(), "done" | "superseded"),
        moment,
    )
}

fn reading(one: &readings::Model) -> Moment {
    let shown = one.remote_status.as_deref().map_or_else(
        || one.error.clone().unwrap_or_default(),
        |status| format!("the marketplace shows it as {status}"),
    );
    let again = if one.times > 1 {
        let last = Timestamp::from_micros(one.last_read_at);
        format!("; the same {} times, last at {last}", one.times)
    } else {
        String::new()
    };
    let text = format!(
        "read for {}: {shown}: {}{again}",
        one.source,
        one.outcome.replace('_', " ")
    );
    let moment = moment(one.read_at, MomentKind::Reading, one.id, text);
    trouble(
        matches!(one.outcome.as_str(), "failed" | "not_shown"),
        moment,
    )
}

fn in_books(facts: &Facts, all: &mut Vec<Moment>) {
    let Some(full) = &facts.booked else { return };
    for step in &full.steps {
        let detail = step.detail.as_deref();
        let detail = detail.map_or_else(String::new, |detail| format!(": {detail}"));
        let text = format!("{} by {}{detail}", step.step.replace('_', " "), step.source);
        all.push(moment(step.done_at, MomentKind::Step, step.id, text));
    }
    for one in &full.returns {
        let row = &one.row;
        let text = format!("return {}: {}", row.remote_id, row.state);
        all.push(moment(row.first_seen_at, MomentKind::Return, row.id, text));
    }
    for row in &full.conflicts {
        let text = format!("{}: {}", row.kind.replace('_', " "), row.detail);
        let raised = moment(row.raised_at, MomentKind::Conflict, row.id, text);
        all.push(trouble(row.state == "open", raised));
        if let Some(ended) = row.ended_at {
            let by = row.decided_by.as_deref().unwrap_or("itself");
            let choice = row.choice.as_deref().unwrap_or("gone");
            let text = format!("{}: {choice}, by {by}", row.kind.replace('_', " "));
            all.push(moment(ended, MomentKind::Conflict, row.id, text));
        }
    }
    for row in &facts.movements {
        let text = format!(
            "stock of {}: {} on hand {:+} allocated {:+}",
            facts.code(row.sku_id),
            row.kind,
            row.on_hand_delta,
            row.allocated_delta
        );
        all.push(moment(row.created_at, MomentKind::Movement, row.id, text));
    }
}

/// What went out because of it.
fn told(facts: &Facts, all: &mut Vec<Moment>) {
    for one in &facts.pushed {
        let name = facts.name_of(one.listing.channel_id);
        for push in &one.pushes {
            let code = facts.code(push.sku_id);
            let answer = match (push.state.as_str(), push.answer.as_deref()) {
                ("pushed", _) => "taken".to_owned(),
                (_, Some(answer)) => format!("refused: {answer}"),
                (_, None) => "refused".to_owned(),
            };
            let text = format!("{name} was told {} of {code}: {answer}", push.quantity);
            let moment = moment(push.finished_at, MomentKind::Push, push.id, text);
            all.push(trouble(push.state != "pushed", moment));
        }
    }
    for (happening, deliveries) in &facts.happenings {
        let states: Vec<String> = deliveries
            .iter()
            .map(|one| format!("endpoint {} {}", one.endpoint_id, one.state))
            .collect();
        let states = if states.is_empty() {
            "nobody asked for it".to_owned()
        } else {
            states.join(", ")
        };
        let text = format!("told as {}: {states}", happening.kind);
        let failed = deliveries.iter().any(|one| one.state == "failed");
        let moment = moment(
            happening.created_at,
            MomentKind::Happening,
            happening.id,
            text,
        );
        all.push(trouble(failed, moment));
    }
}
