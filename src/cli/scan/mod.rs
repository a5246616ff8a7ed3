//! `scan`: plans a walk over the catalogues of channels, or takes it, and follows it to its end.

mod following;
mod words;

pub use words::{say_scan, when};

use super::{
    context::{Context, Session},
    follow::LentWorker,
    output::{say, say_json, tell},
};
use crate::domain::{ChannelId, JobKind, ListingId, RemoteId, ScanKind, ScanMethod};
use crate::reports::{self, ScanView};
use crate::sync::{Requested, ScanRequest, ScanWish, Subject, SyncError};
use anyhow::bail;
use clap::{Args, ValueEnum};
use following::{Followed, follow};
use serde_json::json;
use std::process::ExitCode;

const KINDS: &[JobKind] = &[
    JobKind::RunScan,
    JobKind::RescanProduct,
    JobKind::RefreshToken,
];

/// Walks the catalogues of channels now: all of it, what buyers can find, what changed, or one product
///
/// A scan goes on where it was interrupted, whoever interrupted it, and joins the one of the same channel and
/// kind that there is already. Only a full scan may conclude that a listing is gone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink scan 1
  marketsink scan 1 2 3 --kind updated --detach
  marketsink scan 1 --plan --ask
  marketsink scan 1 --product 501
  marketsink scan --sku MUG")]
pub struct ScanArgs {
    /// The channels' ids, as `marketsink channel list` shows them
    #[arg(value_name = "CHANNEL", required_unless_present_any = ["sku", "listing"])]
    channels: Vec<i64>,
    /// What is walked [default: full, or single with a product]
    #[arg(long, alias = "type", value_enum)]
    kind: Option<Kind>,
    /// The product of a single scan, by the marketplace's id
    #[arg(long, value_name = "ID", group = "subject")]
    product: Option<String>,
    /// The products of a single scan, by the code of their SKU; without channels, on all that list it
    #[arg(long, value_name = "CODE", group = "subject")]
    sku: Option<String>,
    /// The product of a single scan, by our id of a listing
    #[arg(long, value_name = "ID", group = "subject")]
    listing: Option<i64>,
    /// Say what it will probably take, and do nothing
    #[arg(long)]
    plan: bool,
    /// Ask the marketplaces for their first page, for a better plan
    #[arg(long, requires = "plan")]
    ask: bool,
    /// Leave it to `marketsink serve`, the same as --method async
    #[arg(long)]
    detach: bool,
    /// Wait for the end, and go before all other work; or leave it to `marketsink serve`
    #[arg(long, value_enum, default_value = "sync", conflicts_with = "plan")]
    method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Every listing
    Full,
    /// Listings that buyers can find
    Active,
    /// What changed since the last scan
    Updated,
    /// One product
    Single,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Follow it to its end
    Sync,
    /// Enqueue it and return
    Async,
}

impl ScanArgs {
    fn is_detached(&self) -> bool {
        self.detach || self.method == Method::Async
    }

    fn wish(&self, session: &Session) -> ScanWish {
        let product = self.product.as_deref().map(RemoteId::from);
        let subject = product.map(Subject::Product);
        let subject = subject.or_else(|| self.sku.clone().map(Subject::Sku));
        let listing = self.listing.map(|id| Subject::Listing(ListingId(id)));
        ScanWish {
            merchant: session.merchant,
            channels: self.channels.iter().map(|id| ChannelId(*id)).collect(),
            kind: self.kind.map(|kind| match kind {
                Kind::Full => ScanKind::Full,
                Kind::Active => ScanKind::Active,
                Kind::Updated => ScanKind::Updated,
                Kind::Single => ScanKind::Single,
            }),
            method: if self.is_detached() {
                ScanMethod::Async
            } else {
                ScanMethod::Sync
            },
            subject: subject.or(listing),
        }
    }
}

pub async fn run(context: &Context, args: &ScanArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let requests = session.app.sync.scans_of(&args.wish(&session)).await?;
    if args.plan {
        return plan(context, session, &requests, args.ask).await;
    }
    let connections: Vec<i64> = requests.iter().map(|request| request.channel.0).collect();
    if !context.json {
        let db = &session.app.db;
        for last in reports::last_scans(db, session.merchant, Some(&connections)).await? {
            let told = format!("channel {} was scanned last: {}", last.channel, last.text());
            tell(told);
        }
    }
    let mut asked = Vec::new();
    let mut notes = Vec::new();
    for request in &requests {
        match session.app.sync.request_scan(request).await {
            Ok(requested) => {
                joining(context, request, requested);
                asked.push(requested);
            }
            Err(error @ SyncError::NothingToAsk { .. }) => {
                notes.push(format!("{error}; what its webhooks told is in the books"));
            }
            Err(error) => {
                let channel = session.channel(request.channel.0).await?;
                bail!(match super::follow::why_not(&channel) {
                    Some(why) => format!("channel {}: {why}", channel.id),
                    None => error.to_string(),
                });
            }
        }
    }
    if args.is_detached() || asked.is_empty() {
        return detached(context, session, &asked, &notes).await;
    }
    let worker = LentWorker::start(&session.app, KINDS);
    let followed = follow(&session, &asked, context.json).await?;
    worker.stop().await?;
    // What was in hand when somebody interrupted has been written since.
    let followed = followed.again(&session).await?;
    session.close().await?;
    report(context, &followed, &notes)
}

fn joining(context: &Context, request: &ScanRequest, requested: Requested) {
    if context.json {
        return;
    }
    let what = format!("{} scan of channel {}", request.kind, request.channel);
    let id = requested.scan;
    match (requested.joined, requested.resumed) {
        (_, true) => tell(format!("the {what} goes on where it rested: scan {id}")),
        (true, false) => tell(format!(
            "a {what} is on its way already; this joins it: scan {id}"
        )),
        (false, false) => {}
    }
}

async fn plan(
    context: &Context,
    session: Session,
    requests: &[ScanRequest],
    ask: bool,
) -> anyhow::Result<ExitCode> {
    let mut plans = Vec::new();
    for request in requests {
        plans.push(session.app.sync.plan(request, ask).await?);
    }
    session.close().await?;
    if context.json {
        say_json(&json!({ "plans": plans }))?;
    } else {
        for plan in &plans {
            words::say_plan(plan);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn detached(
    context: &Context,
    session: Session,
    asked: &[Requested],
    notes: &[String],
) -> anyhow::Result<ExitCode> {
    let mut scans = Vec::new();
    for requested in asked {
        let row = crate::sync::scan(&session.app.db, session.merchant, requested.scan).await?;
        scans.extend(row.map(|row| ScanView::of(&row, session.now())));
    }
    session.close().await?;
    if context.json {
        let joined: Vec<_> = asked.iter().map(|requested| requested.joined).collect();
        say_json(&json!({"scans": scans, "joined": joined, "notes": notes}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for scan in &scans {
        say(format!(
            "scan {} ({}) of channel {} is {}; `marketsink serve` takes it, and `marketsink scans show {}` tells how \
             far it is",
            scan.id, scan.kind, scan.channel, scan.state, scan.id
        ));
    }
    for note in notes {
        say(note);
    }
    Ok(ExitCode::SUCCESS)
}

fn report(context: &Context, followed: &Followed, notes: &[String]) -> anyhow::Result<ExitCode> {
    if context.json {
        say_json(&json!({"scans": followed.scans, "notes": notes}))?;
    } else {
        for scan in &followed.scans {
            say_scan(scan);
        }
        for note in notes {
            say(note);
        }
    }
    if followed.is_interrupted {
        tell("it goes on where it was, with `marketsink serve` or the same command");
    }
    match followed.troubles.as_slice() {
        [] if followed.is_interrupted => Ok(ExitCode::FAILURE),
        [] => Ok(ExitCode::SUCCESS),
        troubles => bail!(troubles.join("\n")),
    }
}
