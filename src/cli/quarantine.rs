//! `quarantine`: deliveries that were refused, looked at, verified again, released or discarded.

mod decide;

use super::{
    context::{Context, Session},
    output::{Table, at, at_or_dash, or_dash, say, say_json},
    replay::time,
    sheet::{Sheet, number, text},
};
use crate::domain::personal;
use crate::inbox::{self, HeldFilter};
use crate::marketplaces;
use anyhow::anyhow;
use clap::{Args, Subcommand};
use entity::quarantine;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Characters of a hidden header that are shown: enough to compare two, too few to use one.
const SHOWN: usize = 6;

/// Deliveries that were refused: list, show, verify, release, discard
///
/// A secret that was wrong on one side makes every delivery look forged. When it was corrected, what was refused
/// meanwhile can be verified again and taken in.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink quarantine list\n  marketsink quarantine verify --channel 1"
)]
pub enum QuarantineCommand {
    List(ListArgs),
    Show(ShowArgs),
    Verify(VerifyArgs),
    Release(ReleaseArgs),
    Discard(DiscardArgs),
}

/// Lists refused deliveries, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Reasons: no_signature, unreadable_signature, bad_signature, no_key, out_of_time

Examples:
  marketsink quarantine list
  marketsink quarantine list --channel 1 --reason bad_signature --csv")]
pub struct ListArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Only in this state: held, released, discarded
    #[arg(long)]
    state: Option<String>,
    /// Only those before this one: the next page
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// As CSV
    #[arg(long)]
    csv: bool,
}

#[derive(Debug, Args)]
pub struct WhichArgs {
    /// These
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// That claim to be for this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Of this marketplace
    #[arg(long, value_name = "NAME")]
    of: Option<String>,
    /// That were refused for this reason
    #[arg(long)]
    reason: Option<String>,
    /// Received at or after this time; a date is midnight in the merchant's time zone
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Received before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

/// Shows a refused delivery: headers, and the body with the buyer's data masked
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink quarantine show 17\n  marketsink quarantine show 17 --json"
)]
pub struct ShowArgs {
    /// The request, by its number in `marketsink quarantine list`
    id: i64,
}

/// Verifies refused deliveries again, with the keys of now and as of the time they were received; changes nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink quarantine verify 17
  marketsink quarantine verify --channel 1")]
pub struct VerifyArgs {
    #[command(flatten)]
    which: WhichArgs,
}

/// Takes in what verifies now, exactly as if it had been believed when it came
///
/// What does not verify is not taken in: it may be forged. Download what it told of by number instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink quarantine release 17 --why \"the secret was corrected\"
  marketsink quarantine release --channel 1 --why \"the secret was corrected\"")]
pub struct ReleaseArgs {
    #[command(flatten)]
    which: WhichArgs,
}

/// Throws refused deliveries away; that they came is still known
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink quarantine discard 17 --why \"forged\"
  marketsink quarantine discard --of woocommerce --reason no_signature --why \"a scanner\"")]
pub struct DiscardArgs {
    #[command(flatten)]
    which: WhichArgs,
}

impl WhichArgs {
    async fn filter(&self, session: &Session) -> anyhow::Result<HeldFilter> {
        let channel = match self.channel {
            None => None,
            // Refused requests are kept for the connection; a shop of several platforms has one.
            Some(id) => Some(session.channel(id).await?).map(|channel| channel.id),
        };
        Ok(HeldFilter {
            ids: self.ids.clone(),
            marketplace: self.of.clone(),
            channel,
            reason: self.reason.clone(),
            state: None,
            from: time(session, self.from.as_deref()).await?,
            to: time(session, self.to.as_deref()).await?,
            before: None,
        })
    }

    fn is_empty(&self) -> bool {
        let is_said = self.channel.is_some()
            || self.of.is_some()
            || self.reason.is_some()
            || self.from.is_some()
            || self.to.is_some();
        self.ids.is_empty() && !is_said
    }
}

pub async fn run(context: &Context, command: QuarantineCommand) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let code = match command {
        QuarantineCommand::List(args) => list(context, &session, &args).await?,
        QuarantineCommand::Show(args) => show(context, &session, args.id).await?,
        QuarantineCommand::Verify(args) => decide::verify(context, &session, &args.which).await?,
        QuarantineCommand::Release(args) => decide::release(context, &session, &args.which).await?,
        QuarantineCommand::Discard(args) => decide::discard(context, &session, &args.which).await?,
    };
    session.close().await?;
    Ok(code)
}

async fn list(context: &Context, session: &Session, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let filter = HeldFilter {
        state: args.state.clone(),
        before: args.before,
        ..args.which.filter(session).await?
    };
    let read = session.app.db.read();
    let rows = inbox::held(read, session.merchant, &filter, args.limit).await?;
    if args.csv {
        say_csv(&rows)?;
    } else if context.json {
        say_json(&rows.iter().map(row_json).collect::<Vec<_>>())?;
    } else {
        let mut table = Table::new(&[
            "id",
            "received",
            "marketplace",
            "channel",
            "reason",
            "bytes",
            "state",
            "delivery",
        ]);
        for row in &rows {
            table.row([
                row.id.to_string(),
                at(row.received_at),
                row.marketplace.clone(),
                or_dash(row.channel_id),
                row.reason.clone(),
                row.body_bytes.to_string(),
                row.state.clone(),
                or_dash(row.delivery_id),
            ]);
        }
        table.say("nothing was refused");
    }
    Ok(ExitCode::SUCCESS)
}

fn row_json(row: &quarantine::Model) -> Value {
    json!({
        "id": row.id,
        "received_at": at(row.received_at),
        "marketplace": row.marketplace,
        "channel": row.channel_id,
        "reason": row.reason,
        "body_bytes": row.body_bytes,
        "state": row.state,
        "delivery": row.delivery_id,
        "by": row.by_name,
        "why": row.why,
        "ended_at": row.ended_at.map(at),
    })
}

fn say_csv(rows: &[quarantine::Model]) -> anyhow::Result<()> {
    let heading = [
        "id",
        "received_at",
        "marketplace",
        "channel",
        "reason",
        "bytes",
        "state",
        "delivery",
        "by",
        "why",
    ];
    let mut sheet = Sheet::open(None, &heading)?;
    for row in rows {
        sheet.row([
            number(row.id),
            text(at(row.received_at)),
            text(row.marketplace.clone()),
            number(row.channel_id),
            text(row.reason.clone()),
            number(row.body_bytes),
            text(row.state.clone()),
            number(row.delivery_id),
            text(row.by_name.clone().unwrap_or_default()),
            text(row.why.clone().unwrap_or_default()),
        ])?;
    }
    sheet.write_out()
}

async fn show(context: &Context, session: &Session, id: i64) -> anyhow::Result<ExitCode> {
    let filter = HeldFilter {
        ids: vec![id],
        ..HeldFilter::default()
    };
    let found = inbox::held(session.app.db.read(), session.merchant, &filter, 1).await?;
    let row = found.into_iter().next().ok_or_else(|| {
        anyhow!(
            "there is no refused delivery {id}; `marketsink quarantine list` shows those there are"
        )
    })?;
    let headers = shown_headers(&row);
    let marketplace = marketplaces::find(&row.marketplace);
    let more = marketplace.map_or(&[][..], |marketplace| marketplace.personal_fields());
    let body = personal::masked_body(&row.body, more);
    if context.json {
        let mut shown = row_json(&row);
        shown["headers"] = json!(headers);
        let parsed = body
            .as_deref()
            .map(|body| serde_json::from_str::<Value>(body).unwrap_or_else(|_| json!(body)));
        shown["body"] = json!(parsed);
        say_json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!(
        "request {id} of {} on {}: {}, {}",
        at(row.received_at),
        row.marketplace,
        row.reason,
        row.state
    ));
    if let (Some(by), Some(why)) = (&row.by_name, &row.why) {
        let ended = at_or_dash(row.ended_at);
        say(format!("  {} on {ended} by {by}: {why}", row.state));
    }
    for (name, value) in headers {
        say(format!("  {name}: {value}"));
    }
    match body {
        Some(body) => say(format!("body, with the buyer's data masked\n{body}")),
        None => say(format!("body: {} bytes, not shown", row.body_bytes)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Signatures and whatever looks like one are cut short: with the body they would make a request that is believed.
fn shown_headers(row: &quarantine::Model) -> Vec<(String, String)> {
    let headers: Vec<(String, String)> = serde_json::from_str(&row.headers).unwrap_or_default();
    let hidden = |name: &str| {
        [
            "authorization",
            "signature",
            "hmac",
            "token",
            "cookie",
            "secret",
            "key",
        ]
        .iter()
        .any(|part| name.contains(part))
    };
    let shown = |(name, value): (String, String)| {
        let value = if hidden(&name) {
            let start: String = value.chars().take(SHOWN).collect();
            format!("{start}… ({} characters)", value.chars().count())
        } else {
            value
        };
        (name, value)
    };
    headers.into_iter().map(shown).collect()
}
