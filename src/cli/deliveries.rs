//! `deliveries`: webhooks as they were received.

use super::{
    context::{Context, Session},
    output::{Table, at, dash, or_dash, say, say_json},
    replay::{Road, take_up},
};
use crate::accounts::{Deed, Permission};
use crate::domain::{ChannelId, personal};
use crate::inbox::{self, DeliveryFilter, DeliverySelection, Verdict};
use crate::marketplaces::{self, RawDelivery};
use crate::sync::{self, ReplaySelection};
use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use entity::{deliveries, events};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Characters of a hidden header that are shown: enough to compare two, too few to use one.
const SHOWN: usize = 6;
/// Deliveries of one replay that are told one by one.
const MOST_REPLAYED: u64 = 10_000;

/// Webhooks as they were received: list, show, replay
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  marketsink deliveries list --verdict unreadable")]
pub enum DeliveriesCommand {
    List(ListArgs),
    Show(ShowArgs),
    Replay(ReplayArgs),
}

/// Lists deliveries, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Verdicts: accepted, ignored, unknown_topic, unreadable, unknown_channel, parked

Examples:
  marketsink deliveries list
  marketsink deliveries list --channel 1 --verdict unreadable
  marketsink deliveries list --subject 1042 --json")]
pub struct ListArgs {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Only with this verdict
    #[arg(long, value_parser = verdict)]
    verdict: Option<Verdict>,
    /// Only those that name this order or product
    #[arg(long, value_name = "NUMBER")]
    subject: Option<String>,
    /// Only those before this delivery: the next page
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
}

/// Shows one delivery: headers, events, body with the buyer's data masked
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink deliveries show 17
  marketsink deliveries show 17 --unmasked --why 'the courier asks for the address'")]
pub struct ShowArgs {
    id: i64,
    /// The buyer's data as well; say why, for the audit trail
    #[arg(long)]
    unmasked: bool,
}

/// Takes deliveries up again as if they had just come
///
/// The work reads the present, so an old delivery cannot bring an old state back. `marketsink replay` does it for all
/// that match, and tells beforehand what would change.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink deliveries replay 17 18 19")]
pub struct ReplayArgs {
    #[arg(required = true, value_name = "ID")]
    ids: Vec<i64>,
}

fn verdict(text: &str) -> Result<Verdict, String> {
    Verdict::parse(text).ok_or_else(|| {
        let known: Vec<_> = Verdict::ALL
            .iter()
            .map(|verdict| verdict.as_str())
            .collect();
        format!("there are {}", known.join(", "))
    })
}

pub async fn run(context: &Context, command: DeliveriesCommand) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    match command {
        DeliveriesCommand::List(args) => list(context, &session, args).await?,
        DeliveriesCommand::Show(args) => show(context, &session, &args).await?,
        DeliveriesCommand::Replay(args) => replay(context, &session, args.ids).await?,
    }
    session.close().await?;
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, session: &Session, args: ListArgs) -> anyhow::Result<()> {
    let filter = DeliveryFilter {
        channel: args.channel.map(ChannelId),
        verdict: args.verdict.map(|verdict| verdict.as_str().to_owned()),
        subject: args.subject,
        before: args.before,
    };
    let rows = inbox::deliveries(&session.app.db, session.merchant, &filter, args.limit).await?;
    if context.json {
        return say_json(&rows.iter().map(summary).collect::<Vec<_>>());
    }
    let mut table = Table::new(&[
        "id",
        "received",
        "channel",
        "marketplace",
        "topic",
        "verdict",
    ]);
    for row in &rows {
        table.row([
            row.id.to_string(),
            at(row.received_at),
            or_dash(row.channel_id),
            row.marketplace.clone(),
            row.topic.clone(),
            row.verdict.clone(),
        ]);
    }
    table.say("no such delivery");
    Ok(())
}

fn summary(row: &deliveries::Model) -> Value {
    json!({
        "id": row.id,
        "channel": row.channel_id,
        "marketplace": row.marketplace,
        "topic": row.topic,
        "verdict": row.verdict,
        "key_index": row.key_index,
        "received_at": at(row.received_at),
        "body_bytes": inbox::body_of(row).map(|body| body.len()).ok(),
    })
}

async fn find(session: &Session, id: i64) -> anyhow::Result<deliveries::Model> {
    inbox::delivery(&session.app.db, session.merchant, id)
        .await?
        .ok_or_else(|| {
            anyhow!("there is no delivery {id}; `marketsink deliveries list` shows those there are")
        })
}

async fn show(context: &Context, session: &Session, args: &ShowArgs) -> anyhow::Result<()> {
    let id = args.id;
    let row = find(session, id).await?;
    if args.unmasked {
        note_unmasked(context, session, id).await?;
    }
    let events = inbox::events_of(session.app.db.read(), session.merchant, id).await?;
    let headers = shown_headers(&row);
    let body = shown_body(&row, args.unmasked);
    let parsed: Option<Value> = serde_json::from_str(&body).ok();
    if context.json {
        let mut shown = summary(&row);
        shown["headers"] = json!(headers);
        shown["events"] = json!(events);
        shown["problem"] = json!(problem(&row));
        shown["body"] = parsed.unwrap_or_else(|| json!(body));
        return say_json(&shown);
    }
    say(format!(
        "delivery {} of {} on {}: {} ({})",
        row.id,
        at(row.received_at),
        row.marketplace,
        row.topic,
        row.verdict
    ));
    say(format!("  {}", signed_with(row.key_index)));
    for (name, value) in headers {
        say(format!("  {name}: {value}"));
    }
    for event in &events {
        say(format!("  event: {}", event_text(event)));
    }
    if let Some(problem) = problem(&row) {
        say(format!("  problem: {problem}"));
    }
    say(if args.unmasked {
        "body (it holds the buyer's data: share it with care)"
    } else {
        "body (the buyer's data is masked; --unmasked shows it)"
    });
    match parsed {
        Some(parsed) => say(serde_json::to_string_pretty(&parsed)?),
        None => say(body),
    }
    Ok(())
}

/// Who looks at a buyer's data says why, and the trail has it.
async fn note_unmasked(context: &Context, session: &Session, id: i64) -> anyhow::Result<()> {
    let role = context.acting.actor.role;
    if !role.may(Permission::SeeBuyers) {
        bail!("{role} may not see buyers' data; `marketsink people roles` shows who may what");
    }
    if context.why().is_none() {
        bail!("say why the buyer's data is looked at: --why TEXT");
    }
    session
        .record_asked(Deed::new("delivery.unmasked", "delivery", id))
        .await?;
    Ok(())
}

/// What cannot be masked is not shown.
fn shown_body(row: &deliveries::Model, unmasked: bool) -> String {
    let body = match inbox::body_of(row) {
        Ok(body) => body,
        Err(gone) => return format!("({gone})"),
    };
    if unmasked {
        return String::from_utf8_lossy(&body).into_owned();
    }
    let marketplace = marketplaces::find(&row.marketplace);
    let more = marketplace.map_or(&[][..], |marketplace| marketplace.personal_fields());
    personal::masked_body(&body, more)
        .unwrap_or_else(|| format!("({} bytes that cannot be masked)", body.len()))
}

fn signed_with(key_index: i64) -> String {
    match key_index {
        0 => "signed with the current key".to_owned(),
        1 => "signed with the key before, which is being replaced".to_owned(),
        n => format!("signed with a key {n} before the current one"),
    }
}

/// Why a believed delivery makes no event, as this version sees it.
fn problem(row: &deliveries::Model) -> Option<String> {
    let marketplace = marketplaces::find(&row.marketplace)?;
    let headers = serde_json::from_str(&row.headers).ok()?;
    let body = inbox::body_of(row).ok()?.into_owned();
    let delivery = RawDelivery::new(headers, body).believed_before();
    let malformed = marketplace.parse(&delivery).err()?;
    Some(malformed.to_string())
}

fn event_text(event: &events::Model) -> String {
    let kind = event.kind.replace('_', " ");
    let subject = event.subject.clone().unwrap_or_else(dash);
    format!("{kind} {subject}, {}", event.state)
}

/// Signatures and credentials are shortened.
fn shown_headers(row: &deliveries::Model) -> Vec<(String, String)> {
    let headers: Vec<(String, String)> = serde_json::from_str(&row.headers).unwrap_or_default();
    let is_hidden = |name: &str| {
        [
            "authorization",
            "signature",
            "cookie",
            "token",
            "secret",
            "hmac",
        ]
        .iter()
        .any(|word| name.to_ascii_lowercase().contains(word))
    };
    let shown = |(name, value): (String, String)| {
        if is_hidden(&name) {
            let beginning: String = value.chars().take(SHOWN).collect();
            let length = value.chars().count();
            (name, format!("{beginning}… ({length} characters)"))
        } else {
            (name, value)
        }
    };
    headers.into_iter().map(shown).collect()
}

async fn replay(context: &Context, session: &Session, ids: Vec<i64>) -> anyhow::Result<()> {
    for id in &ids {
        find(session, *id).await?;
    }
    let road = Road {
        n: ids.len(),
        selection: ReplaySelection::Deliveries(DeliverySelection {
            ids,
            ..DeliverySelection::default()
        }),
        why: "replayed by hand",
    };
    let taken = take_up(context, session, road).await?;
    let id = taken.context("they have vanished meanwhile")?;
    let of = (session.merchant, id);
    let items = sync::replay_items(session.app.db.read(), of, None, 0, MOST_REPLAYED).await?;
    if context.json {
        let shown = items
            .iter()
            .map(|item| json!({ "delivery": item.source_id, "outcome": item.outcome }));
        return say_json(&json!({ "replay": id, "deliveries": shown.collect::<Vec<_>>() }));
    }
    for item in &items {
        say(format!("delivery {}: {}", item.source_id, item.outcome));
    }
    say(format!(
        "`marketsink serve` does the work; `marketsink replay show {id}` tells what became of it"
    ));
    Ok(())
}
