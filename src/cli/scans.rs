//! `scans`: what scans there are and were, what they found, and stopping them.

use super::{
    context::Context,
    output::{Table, or_dash, say, say_json, tell},
    scan::{say_scan, when},
};
use crate::accounts::Deed;
use crate::catalog::DifferenceKind;
use crate::domain::ScanId;
use crate::reports::{self, ScanView};
use crate::sync;
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// Scans there are and were: list, show, changes, pause, resume, cancel, notices
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink scans list\n  marketsink scans changes 12 --kind gone"
)]
pub enum ScansCommand {
    List(ListArgs),
    Show(OneArgs),
    Changes(ChangesArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Cancel(CancelArgs),
    Notices(NoticesArgs),
}

/// Lists scans, newest first, and when each channel was scanned last
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink scans list\n  marketsink scans list --open --json\n  marketsink scans list --channel 1"
)]
pub struct ListArgs {
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Only those that wait, run or are paused
    #[arg(long)]
    open: bool,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u64,
}

/// Shows how far a scan is, and what it found
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink scans show 12\n  marketsink scans show 12 --json")]
pub struct OneArgs {
    /// The scan's id, as `marketsink scans list` shows it
    scan: i64,
}

/// Lists what a scan found that differed: which field, from what, to what
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink scans changes 12\n  marketsink scans changes 12 --kind changed --limit 1000"
)]
pub struct ChangesArgs {
    /// The scan's id, as `marketsink scans list` shows it
    scan: i64,
    /// Only added, changed, gone, linked, conflict or error
    #[arg(long, value_parser = kind)]
    kind: Option<DifferenceKind>,
    /// Only those behind this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: i64,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
}

/// Lets a scan rest where it is, from its next page on
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink scans pause 12")]
pub struct PauseArgs {
    #[command(flatten)]
    of: OneArgs,
}

/// Lets a scan that was paused or given up go on from its checkpoint
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink scans resume 12")]
pub struct ResumeArgs {
    #[command(flatten)]
    of: OneArgs,
}

/// Ends a scan where it is; what it has written stays, and it concludes nothing
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink scans cancel 12")]
pub struct CancelArgs {
    #[command(flatten)]
    of: OneArgs,
}

/// Lists how scans ended that nobody waited for, until somebody has read it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink scans notices\n  marketsink scans notices --read")]
pub struct NoticesArgs {
    /// Take those that are listed for read
    #[arg(long)]
    read: bool,
}

/// Notices that are listed at once.
const NOTICES: u64 = 100;

fn kind(text: &str) -> Result<DifferenceKind, String> {
    DifferenceKind::parse(text).ok_or_else(|| {
        let known: Vec<_> = DifferenceKind::ALL
            .iter()
            .map(|kind| kind.as_str())
            .collect();
        format!("there are {}", known.join(", "))
    })
}

pub async fn run(context: &Context, command: ScansCommand) -> anyhow::Result<ExitCode> {
    match command {
        ScansCommand::List(args) => list(context, &args).await?,
        ScansCommand::Show(args) => show(context, ScanId(args.scan)).await?,
        ScansCommand::Changes(args) => changes(context, &args).await?,
        ScansCommand::Pause(args) => control(context, args.of.scan, Control::Pause).await?,
        ScansCommand::Resume(args) => control(context, args.of.scan, Control::Resume).await?,
        ScansCommand::Cancel(args) => control(context, args.of.scan, Control::Cancel).await?,
        ScansCommand::Notices(args) => notices(context, args.read).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, args: &ListArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let (db, now) = (&session.app.db, session.now());
    let channel = match args.channel {
        Some(id) => Some(session.channel(id).await?.connection()),
        None => None,
    };
    let rows = match channel {
        _ if args.open => sync::open_scans(db, session.merchant).await?,
        Some(channel) => sync::scans_of(db, session.merchant, channel, args.limit).await?,
        None => sync::scans(db, session.merchant, args.limit).await?,
    };
    let scans: Vec<ScanView> = rows
        .iter()
        .filter(|row| channel.is_none_or(|id| row.channel_id == id.0))
        .map(|row| ScanView::of(row, now))
        .collect();
    let only = channel.map(|id| vec![id.0]);
    let last = reports::last_scans(db, session.merchant, only.as_deref()).await?;
    let unread = sync::notices(db, session.merchant, NOTICES).await?.len();
    session.close().await?;
    if context.json {
        return say_json(&json!({"scans": scans, "last_scans": last}));
    }
    for last in &last {
        say(format!(
            "channel {} {} was scanned last: {}",
            last.channel,
            last.name,
            last.text()
        ));
    }
    let mut table = Table::new(&[
        "id", "channel", "kind", "state", "listings", "added", "changed", "gone", "linked",
        "errors", "calls", "when",
    ]);
    for scan in &scans {
        table.row([
            scan.id.to_string(),
            scan.channel.to_string(),
            scan.kind.clone(),
            scan.state.clone(),
            scan.listings.to_string(),
            scan.added.to_string(),
            scan.changed.to_string(),
            scan.gone.to_string(),
            scan.linked.to_string(),
            scan.errors.to_string(),
            scan.api_calls.to_string(),
            when(scan),
        ]);
    }
    table.say("there are no scans; `marketsink scan CHANNEL` makes one");
    if unread > 0 {
        tell(format!(
            "{unread} notices are unread: `marketsink scans notices`"
        ));
    }
    Ok(())
}

async fn show(context: &Context, id: ScanId) -> anyhow::Result<()> {
    let session = context.session().await?;
    let row = sync::scan(&session.app.db, session.merchant, id).await?;
    let now = session.now();
    session.close().await?;
    let Some(row) = row else {
        bail!("there is no scan {id}; `marketsink scans list` shows those there are");
    };
    let scan = ScanView::of(&row, now);
    if context.json {
        return say_json(&scan);
    }
    say_scan(&scan);
    if !scan.has_ended() || scan.paused_at.is_some() {
        say(when(&scan));
    }
    Ok(())
}

async fn changes(context: &Context, args: &ChangesArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let id = ScanId(args.scan);
    let row = sync::scan(&session.app.db, session.merchant, id).await?;
    let place = (args.after, args.limit);
    let found = sync::scan_changes(&session.app.db, session.merchant, id, args.kind, place).await?;
    let now = session.now();
    session.close().await?;
    let Some(row) = row else {
        bail!("there is no scan {id}; `marketsink scans list` shows those there are");
    };
    let scan = ScanView::of(&row, now);
    if context.json {
        return say_json(&json!({"changes": found, "left_out": scan.left_out}));
    }
    let mut table = Table::new(&[
        "n", "what", "product", "variant", "field", "before", "after",
    ]);
    for change in &found {
        table.row([
            change.seq.to_string(),
            change.kind.clone(),
            change.product_id.clone(),
            or_dash(change.variant_id.clone()),
            or_dash(change.field.clone()),
            or_dash(change.before.clone()),
            or_dash(change.after.clone()),
        ]);
    }
    table.say("nothing differed");
    if let Some(last) = found.last().filter(|_| found.len() as u64 == args.limit) {
        let (id, seq) = (scan.id, last.seq);
        tell(format!(
            "there may be more: `marketsink scans changes {id} --after {seq}`"
        ));
    }
    if scan.left_out > 0 {
        tell(format!("{} more were counted and not kept", scan.left_out));
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Control {
    Pause,
    Resume,
    Cancel,
}

async fn control(context: &Context, id: i64, control: Control) -> anyhow::Result<()> {
    let session = context.session().await?;
    let (sync, merchant, id) = (&session.app.sync, session.merchant, ScanId(id));
    let row = match control {
        Control::Pause => sync.pause_scan(merchant, id).await?,
        Control::Resume => sync.resume_scan(merchant, id).await?,
        Control::Cancel => sync.cancel_scan(merchant, id).await?,
    };
    let scan = ScanView::of(&row, session.now());
    session.close().await?;
    if context.json {
        return say_json(&scan);
    }
    say(match control {
        Control::Pause => format!(
            "scan {id} rests from its next page on; `marketsink scans resume {id}` lets it go on"
        ),
        Control::Resume => {
            format!("scan {id} goes on where it was as soon as `marketsink serve` takes it")
        }
        Control::Cancel => format!("scan {id} ends with its next page and concludes nothing"),
    });
    Ok(())
}

async fn notices(context: &Context, read: bool) -> anyhow::Result<()> {
    let session = context.session().await?;
    let found = sync::notices(&session.app.db, session.merchant, NOTICES).await?;
    if let (true, Some(newest)) = (read, found.first()) {
        let deed = Deed::new("notices.read", "notice", newest.id);
        session.record_asked(deed).await?;
        sync::read_notices(&session.app.db, session.merchant, newest.id, session.now()).await?;
    }
    session.close().await?;
    if context.json {
        return say_json(&found);
    }
    for notice in &found {
        let at = super::output::at(notice.created_at);
        say(format!("{at} {}: {}", notice.level, notice.text));
    }
    if found.is_empty() {
        say("nothing is unread");
    }
    Ok(())
}
