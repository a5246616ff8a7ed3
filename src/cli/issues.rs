//! `issues`: what is wrong, since when, what it affects, and what to do about it.

use super::{
    context::Context,
    output::{at, dash, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::domain::{Cause, ChannelId, Timestamp};
use crate::issues::{self, Filter, Issue};
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// Episodes that `show` tells.
const EPISODES: u64 = 20;

/// Failures with one cause, what they affect and what to do: list, show, mute, unmute, check
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink issues list\n  marketsink issues show 7\n  marketsink issues check"
)]
pub enum IssuesCommand {
    List(ListArgs),
    Show(ShowArgs),
    Mute(MuteArgs),
    Unmute(UnmuteArgs),
    Check(CheckArgs),
}

/// Lists the open issues, those that opened last first
///
/// An issue closes by itself when its cause is gone; what it blocked is then taken up again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink issues list
  marketsink issues list --channel 1 --cause unlinked_sku
  marketsink issues list --all --csv")]
pub struct ListArgs {
    /// Closed and muted ones as well
    #[arg(long)]
    all: bool,
    /// Only of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<i64>,
    /// Only of this cause, such as unlinked_sku or channel_locked
    #[arg(long, value_parser = cause)]
    cause: Option<Cause>,
    /// Only those before this one: where the page before ended
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// Answer with CSV, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Tells everything about an issue: what it affects, what to do, and when it was there before
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink issues show 7\n  marketsink issues show 7 --json")]
pub struct ShowArgs {
    /// The issue's number, as `marketsink issues list` shows it
    id: i64,
}

/// Keeps an open issue out of lists until it closes; when it comes back, it is told again
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink issues mute 7 --why \"the shop moves on Friday\"")]
pub struct MuteArgs {
    /// The issue's number
    id: i64,
}

/// Shows a muted issue in lists again
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink issues unmute 7")]
pub struct UnmuteArgs {
    /// The issue's number
    id: i64,
}

/// Looks at everything now, instead of within the next minute, and lists what is open
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink issues check\n  marketsink issues check --json")]
pub struct CheckArgs {}

fn cause(text: &str) -> Result<Cause, String> {
    Cause::parse(text).ok_or_else(|| {
        let names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        format!("causes are {}", names.join(", "))
    })
}

pub async fn run(context: &Context, command: IssuesCommand) -> anyhow::Result<ExitCode> {
    match command {
        IssuesCommand::List(args) => list(context, &args).await?,
        IssuesCommand::Show(args) => show(context, args.id).await?,
        IssuesCommand::Mute(args) => mute(context, &args).await?,
        IssuesCommand::Unmute(args) => unmute(context, &args).await?,
        IssuesCommand::Check(_) => check(context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, args: &ListArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    if let Some(id) = args.channel {
        session.channel(id).await?;
    }
    let filter = Filter {
        closed: args.all,
        muted: args.all,
        channel: args.channel.map(ChannelId),
        cause: args.cause,
        before: args.before,
    };
    let found = issues::issues(&session.app.db, session.merchant, &filter, args.limit).await?;
    session.close().await?;
    if context.json {
        return say_json(&found);
    }
    if args.csv {
        return write_csv(&found);
    }
    say_issues(&found);
    Ok(())
}

const HEADING: &[&str] = &[
    "id", "state", "channel", "cause", "subject", "first", "last", "count", "orders", "blocked",
    "found", "to do",
];

fn write_csv(found: &[Issue]) -> anyhow::Result<()> {
    let mut sheet = Sheet::open(None, HEADING)?;
    for issue in found {
        sheet.row([
            number(issue.id),
            text(state(issue)),
            number(issue.channel.map(|channel| channel.0)),
            text(issue.cause.as_str()),
            text(issue.subject.clone()),
            text(issue.first_at.to_string()),
            text(issue.last_at.to_string()),
            number(issue.count),
            number(issue.orders),
            number(issue.blocked),
            text(issue.found.clone()),
            text(issue.to_do.clone()),
        ])?;
    }
    sheet.write_out()
}

fn say_issues(found: &[Issue]) {
    if found.is_empty() {
        say("no issue is open; `marketsink issues list --all` shows those there were");
    }
    for issue in found {
        say(format!(
            "{}  {}, channel {}, since {}: {} times, {} orders, {} pieces of work wait",
            issue.id,
            cause_of(issue),
            or_dash(issue.channel),
            shown(issue.first_at),
            issue.count,
            issue.orders,
            issue.blocked,
        ));
        say(format!("  {}", issue.found));
        say(format!("  -> {}", issue.to_do));
    }
}

fn shown(time: Timestamp) -> String {
    at(time.micros())
}

fn cause_of(issue: &Issue) -> String {
    match state(issue) {
        "open" => issue.cause.to_string(),
        state => format!("{} ({state})", issue.cause),
    }
}

fn state(issue: &Issue) -> &'static str {
    match (issue.is_open, issue.muted_at) {
        (false, _) => "closed",
        (true, Some(_)) => "muted",
        (true, None) => "open",
    }
}

async fn show(context: &Context, id: i64) -> anyhow::Result<()> {
    let session = context.session().await?;
    let db = &session.app.db;
    let issue = issues::issue(db, session.merchant, id).await?;
    let episodes = issues::episodes(db, session.merchant, &issue, EPISODES).await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({"issue": issue, "episodes": episodes}));
    }
    say(format!(
        "issue {} ({}): {}",
        issue.id,
        state(&issue),
        issue.cause.headline()
    ));
    say(format!("  what      {}", issue.found));
    say(format!("  to do     {}", issue.to_do));
    say(format!("  cause     {}", issue.cause));
    say(format!("  channel   {}", or_dash(issue.channel)));
    say(format!(
        "  seen      {} times from {} to {}",
        issue.count,
        shown(issue.first_at),
        shown(issue.last_at)
    ));
    say(format!(
        "  affects   {} orders; {} pieces of work wait, {} were taken up again",
        issue.orders, issue.blocked, issue.revived
    ));
    if let (Some(by), Some(since)) = (&issue.muted_by, issue.muted_at) {
        let why = issue.muted_why.clone().unwrap_or_else(dash);
        say(format!("  muted     by {by} at {}: {why}", shown(since)));
    }
    if let (Some(since), Some(why)) = (issue.closed_at, &issue.closed_why) {
        say(format!("  closed    {}: {why}", shown(since)));
    }
    for one in &issue.sample {
        say(format!("    {one}"));
    }
    say_episodes(&episodes, issue.id);
    Ok(())
}

fn say_episodes(episodes: &[Issue], but: i64) {
    for one in episodes.iter().filter(|one| one.id != but) {
        say(format!(
            "  episode {}: opened {}, closed {} (issue {})",
            one.episode,
            shown(one.opened_at),
            one.closed_at.map_or_else(dash, shown),
            one.id
        ));
    }
}

async fn mute(context: &Context, args: &MuteArgs) -> anyhow::Result<()> {
    let Some(why) = context.why() else {
        bail!("nobody will know why it is muted; say it with --why TEXT");
    };
    let session = context.session().await?;
    let now = session.now();
    let tx = session.app.db.write_tx().await?;
    let who = (&context.acting.actor, why);
    issues::mute(&tx, session.merchant, args.id, who, now).await?;
    tx.commit().await?;
    session.close().await?;
    said(context, args.id, "muted until it closes")
}

async fn unmute(context: &Context, args: &UnmuteArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let now = session.now();
    let tx = session.app.db.write_tx().await?;
    let who = (&context.acting.actor, context.why());
    issues::unmute(&tx, session.merchant, args.id, who, now).await?;
    tx.commit().await?;
    session.close().await?;
    said(context, args.id, "in lists again")
}

fn said(context: &Context, id: i64, what: &str) -> anyhow::Result<()> {
    if context.json {
        return say_json(&json!({"issue": id, "done": what}));
    }
    say(format!("issue {id} is {what}"));
    Ok(())
}

async fn check(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let looked = issues::look(&session.app.queue, session.merchant, session.now()).await?;
    let found =
        issues::issues(&session.app.db, session.merchant, &Filter::default(), 1_000).await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({"looked": looked, "issues": found}));
    }
    say(format!(
        "{} open; {} opened and {} closed now, {} pieces of work were taken up again",
        looked.open, looked.opened, looked.closed, looked.revived
    ));
    say_issues(&found);
    Ok(())
}
