//! What of an order that is in the books may not be as a person expects: "where is my invoice?", "why did stock not
//! move?", "why does the other shop show it still?". Pure.

use super::{Action, ActionKind, BookedShort, Remark, facts::Facts, words};
use crate::channels::ChannelState;
use crate::domain::{Currency, Money, OrderId, Source, Timestamp};
use crate::sales::{self, OrderFull, Shown, Step, StepOutcome, Taken};
use entity::readings;

pub(super) fn short(full: &OrderFull) -> BookedShort {
    let order = &full.order;
    let total = match Currency::from_code(&order.currency) {
        Ok(currency) => Money {
            minor: order.total_minor,
            currency,
        }
        .to_string(),
        Err(_) => format!("{} {}", order.total_minor, order.currency),
    };
    BookedShort {
        id: OrderId(order.id),
        number: order.number.clone(),
        remote_status: order.remote_status.clone(),
        standing: words::standing(order),
        invoice_number: order.invoice_number.clone(),
        tracking_number: order.tracking_number.clone(),
        total,
        source: order.source.clone(),
        placed_at: Timestamp::from_micros(order.placed_at),
        first_seen_at: Timestamp::from_micros(order.first_seen_at),
        recorded_at: Timestamp::from_micros(order.recorded_at),
    }
}

pub(super) fn remarks(facts: &Facts) -> Vec<Remark> {
    let Some(full) = &facts.booked else {
        return Vec::new();
    };
    let found = [
        no_invoice_yet(facts, full),
        voided(full),
        booked_again(full),
        unlinked(facts, full),
        left_before(full),
        from_a_file(full),
        not_as_shown(facts, full),
        not_read_since(facts, full),
        channel_state(facts),
    ];
    let mut found: Vec<Remark> = found.into_iter().flatten().collect();
    found.extend(pushes(facts));
    found
}

fn remark(code: &'static str, sentence: String, since: i64, actions: Vec<Action>) -> Remark {
    Remark {
        code,
        sentence,
        since: Some(Timestamp::from_micros(since)),
        actions,
    }
}

fn done_at(full: &OrderFull, steps: &[Step]) -> Option<i64> {
    let mut taken = full.steps.iter().rev();
    taken
        .find(|step| steps.iter().any(|one| one.as_str() == step.step))
        .map(|step| step.done_at)
}

fn no_invoice_yet(facts: &Facts, full: &OrderFull) -> Option<Remark> {
    let order = &full.order;
    if order.document != "sales_order" {
        return None;
    }
    let sentence = format!(
        "it has no invoice yet: the marketplace shows it as {}, which is not paid; its sales order becomes an invoice \
         when it is",
        order.remote_status
    );
    let actions = facts
        .connection
        .as_ref()
        .map(|connection| vec![words::download(connection, &order.number)]);
    Some(remark(
        "no_invoice_yet",
        sentence,
        order.first_seen_at,
        actions.unwrap_or_default(),
    ))
}

fn voided(full: &OrderFull) -> Option<Remark> {
    let order = &full.order;
    if order.document != "void" {
        return None;
    }
    let at = done_at(full, &[Step::VoidInvoice]).unwrap_or(order.recorded_at);
    let status = &order.remote_status;
    let sentence = match &order.invoice_number {
        Some(number) => {
            format!("invoice {number} was voided: the marketplace shows the order as {status}")
        }
        None => format!(
            "it has no invoice: the marketplace shows it as {status}, and it was called off before it was paid"
        ),
    };
    Some(remark("voided", sentence, at, Vec::new()))
}

/// After a person had it booked again, until it is read.
fn booked_again(full: &OrderFull) -> Option<Remark> {
    let order = &full.order;
    if order.document != "none" {
        return None;
    }
    let sentence = "it is to be booked again, and waits for its next reading".to_owned();
    Some(remark(
        "booked_again",
        sentence,
        order.recorded_at,
        Vec::new(),
    ))
}

fn unlinked(facts: &Facts, full: &OrderFull) -> Option<Remark> {
    let lines = words::unlinked(full);
    if lines.is_empty() {
        return None;
    }
    let sentence = format!("stock did not move for {}", lines.join("; "));
    let actions = words::linking(facts);
    Some(remark(
        "unlinked_sku",
        sentence,
        full.order.first_seen_at,
        actions,
    ))
}

fn left_before(full: &OrderFull) -> Option<Remark> {
    full.order.left_before.then(|| {
        let sentence =
            "stock did not move: its goods had left before the shop was connected, and were not in the opening count";
        remark(
            "left_before",
            sentence.to_owned(),
            full.order.first_seen_at,
            Vec::new(),
        )
    })
}

fn from_a_file(full: &OrderFull) -> Option<Remark> {
    (full.order.source == Source::Import.as_str() && full.order.version == 0).then(|| {
        let sentence = "it came from an imported file; its marketplace has not told it yet";
        remark(
            "from_a_file",
            sentence.to_owned(),
            full.order.first_seen_at,
            Vec::new(),
        )
    })
}

/// The last answer asks for steps that the books have not taken.
fn not_as_shown(facts: &Facts, full: &OrderFull) -> Option<Remark> {
    let newest = facts
        .readings
        .iter()
        .filter(|one| one.document.is_some())
        .max_by_key(|one| (one.last_read_at, one.id))?;
    let channel = facts.channel.as_ref()?;
    let outcomes = sales::outcomes(
        shown(newest)?,
        Some(&Taken::of(&full.order, &full.steps)),
        channel.settings.unpaid_orders,
    );
    let behind: Vec<String> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome != StepOutcome::Success)
        .map(|(step, _)| step.as_str().replace('_', " "))
        .collect();
    if behind.is_empty() {
        return None;
    }
    let status = newest.remote_status.as_deref().unwrap_or("?");
    let sentence = format!(
        "the marketplace shows it as {status}, and the books have not taken: {}",
        behind.join(", ")
    );
    let mut actions = Vec::new();
    if let Some(connection) = &facts.connection {
        actions.push(words::download(connection, &full.order.number));
    }
    Some(remark("not_as_shown", sentence, newest.read_at, actions))
}

/// What a reading asks of the books.
pub(in crate::reports) fn shown(reading: &readings::Model) -> Option<Shown> {
    let document = reading.document.as_deref()?;
    let fulfilment = reading.fulfilment.as_deref().unwrap_or("unsent");
    Some(Shown {
        standing: sales::standing_named(document, reading.paid.unwrap_or(false), fulfilment),
        has_tracking_number: reading.has_tracking,
    })
}

/// Something was heard of it since it was recorded, and could not be read.
fn not_read_since(facts: &Facts, full: &OrderFull) -> Option<Remark> {
    let (job, _) = facts.jobs.first()?;
    let error = job.last_error.as_deref()?;
    let connection = facts.connection.as_ref()?;
    let number = &full.order.number;
    match job.state.as_str() {
        "available" | "running" => {
            let until = Timestamp::from_micros(job.run_at);
            let sentence = format!(
                "a change of it is not in the books yet: attempt {} of {} failed ({error}), the next is at {until}",
                job.attempts, job.max_attempts
            );
            let actions = vec![words::download(connection, number)];
            Some(remark("retrying", sentence, job.waiting_since, actions))
        }
        "dead" => {
            let sentence = format!("reading a change of it was given up: {error}");
            let actions = vec![words::revive(job), words::download(connection, number)];
            let since = job.finished_at.unwrap_or(job.created_at);
            Some(remark("given_up", sentence, since, actions))
        }
        _ => None,
    }
}

fn channel_state(facts: &Facts) -> Option<Remark> {
    let connection = facts.connection.as_ref()?;
    let (code, sentence) = match connection.state {
        ChannelState::Active => return None,
        ChannelState::Removed => (
            "channel_removed",
            "its shop was removed: the books stay as they are, and nothing more is heard of it"
                .to_owned(),
        ),
        ChannelState::Locked => (
            "channel_locked",
            format!(
                "its shop is locked ({}): what has changed since it was recorded is not in the books",
                connection
                    .state_reason
                    .as_deref()
                    .unwrap_or("no reason is known")
            ),
        ),
    };
    Some(Remark {
        code,
        sentence,
        since: None,
        actions: vec![words::reconnect(connection)],
    })
}

/// Channels that do not show the new quantity.
fn pushes(facts: &Facts) -> Vec<Remark> {
    let mut found = Vec::new();
    for one in &facts.pushed {
        let name = facts.name_of(one.listing.channel_id);
        let code = one.listing.sku_id.map_or("?", |sku| facts.code(sku));
        let last = one.pushes.last();
        if let Some(job) = one.job.as_ref().filter(|job| job.last_error.is_some()) {
            let error = job.last_error.as_deref().unwrap_or_default();
            let (what, actions) = if job.state == "dead" {
                ("was given up", vec![words::revive(job)])
            } else {
                ("failed and is tried again", Vec::new())
            };
            let sentence = format!("telling {name} the quantity of {code} {what}: {error}");
            found.push(remark("push_failed", sentence, job.waiting_since, actions));
        } else if let Some(push) = last.filter(|push| push.state != "pushed") {
            let answer = push.answer.as_deref().unwrap_or("no reason was given");
            let sentence = format!("{name} did not take {} of {code}: {answer}", push.quantity);
            let look = Action {
                kind: ActionKind::Look,
                sentence: "look at what the channel was told".to_owned(),
                command: Some(format!("marketsink stock pushes --sku {code} --failed")),
                mend: None,
            };
            found.push(remark(
                "push_refused",
                sentence,
                push.finished_at,
                vec![look],
            ));
        }
    }
    found
}
