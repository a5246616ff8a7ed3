//! Looking at endpoints and at what they were told.

use super::{
    super::{
        context::Context,
        output::{Table, at, at_or_dash, dash, or_dash, say, say_json},
        sheet::{Sheet, number, text},
    },
    DeliveriesArgs, ListArgs, ShowArgs, endpoint_json, listed,
};
use crate::outbox::{self, Endpoint};
use entity::{endpoint_deliveries, happenings};
use serde_json::{Value, json};

/// Deliveries that `show` prints.
const SHOWN: u64 = 10;

type Delivery = (endpoint_deliveries::Model, happenings::Model);

pub(super) async fn list(context: &Context, args: &ListArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let db = session.app.db.read();
    let found = outbox::endpoints(db, session.merchant, args.all).await?;
    session.close().await?;
    if context.json {
        return say_json(&found.iter().map(endpoint_json).collect::<Vec<_>>());
    }
    let mut table = Table::new(&[
        "id",
        "protocol",
        "state",
        "kinds",
        "failing since",
        "address",
    ]);
    for endpoint in &found {
        table.row([
            endpoint.id.to_string(),
            endpoint.protocol.to_string(),
            state(endpoint),
            kinds(endpoint),
            or_dash(endpoint.failing_since),
            endpoint.url.clone(),
        ]);
    }
    table.say("no other program is told; `marketsink endpoints add URL` adds one");
    Ok(())
}

fn state(endpoint: &Endpoint) -> String {
    let state = endpoint.state.as_str();
    match &endpoint.state_reason {
        Some(reason) => format!("{state} ({reason})"),
        None => state.to_owned(),
    }
}

fn kinds(endpoint: &Endpoint) -> String {
    if endpoint.kinds.is_empty() {
        return "all".to_owned();
    }
    let kinds: Vec<&str> = endpoint.kinds.iter().map(|kind| kind.as_str()).collect();
    kinds.join(" ")
}

pub(super) async fn show(context: &Context, args: &ShowArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let endpoint = listed(&session, args.endpoint).await?;
    let db = session.app.db.read();
    let found = outbox::deliveries(db, endpoint.id, None, SHOWN).await?;
    session.close().await?;
    if context.json {
        let mut shown = endpoint_json(&endpoint);
        shown["deliveries"] = found.iter().map(delivery_json).collect();
        return say_json(&shown);
    }
    say(format!(
        "endpoint {} ({}): {}",
        endpoint.id, endpoint.protocol, endpoint.url
    ));
    say(format!("state: {}", state(&endpoint)));
    say(format!("kinds: {}", kinds(&endpoint)));
    if let Some(since) = endpoint.failing_since {
        say(format!(
            "failing since {since}: {} failures in a row; next try {}",
            endpoint.failures,
            or_dash(endpoint.rest_until)
        ));
    }
    table(&found).say("nothing was told yet");
    Ok(())
}

pub(super) async fn deliveries(context: &Context, args: &DeliveriesArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let endpoint = listed(&session, args.endpoint).await?;
    let db = session.app.db.read();
    let found = outbox::deliveries(db, endpoint.id, args.state.as_deref(), args.limit).await?;
    session.close().await?;
    if args.csv {
        return say_csv(&found);
    }
    if context.json {
        return say_json(&found.iter().map(delivery_json).collect::<Vec<_>>());
    }
    table(&found).say("there are none");
    Ok(())
}

fn table(found: &[Delivery]) -> Table {
    let mut table = Table::new(&[
        "sequence", "kind", "subject", "state", "tries", "status", "happened", "next", "answer",
    ]);
    for (delivery, happening) in found {
        let waits = delivery.state == "waiting";
        table.row([
            happening.id.to_string(),
            happening.kind.clone(),
            happening.subject.clone(),
            delivery.state.clone(),
            delivery.attempts.to_string(),
            or_dash(delivery.status),
            at(happening.created_at),
            at_or_dash(waits.then_some(delivery.next_at)),
            delivery
                .answer
                .clone()
                .filter(|a| !a.is_empty())
                .unwrap_or_else(dash),
        ]);
    }
    table
}

fn delivery_json((delivery, happening): &Delivery) -> Value {
    json!({
        "sequence": happening.id,
        "kind": happening.kind,
        "subject": happening.subject,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "answer": delivery.answer,
        "happened_at": at(happening.created_at),
        "next_at": (delivery.state == "waiting").then(|| at(delivery.next_at)),
        "finished_at": delivery.finished_at.map(at),
    })
}

fn say_csv(found: &[Delivery]) -> anyhow::Result<()> {
    let heading = [
        "sequence",
        "kind",
        "subject",
        "state",
        "tries",
        "status",
        "happened_at",
        "answer",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    for (delivery, happening) in found {
        sheet.row([
            number(happening.id),
            text(happening.kind.clone()),
            text(happening.subject.clone()),
            text(delivery.state.clone()),
            number(delivery.attempts),
            number(delivery.status),
            text(at(happening.created_at)),
            text(delivery.answer.clone().unwrap_or_default()),
        ])?;
    }
    sheet.write_out()
}
