//! `find`: the one search box. Where something is, why, and what mends it.

use super::{
    context::{Context, Session},
    follow::LentWorker,
    output::{Table, or_dash, say, say_json},
};
use crate::accounts::Actor;
use crate::domain::JobKind;
use crate::queue::{JobFilter, JobState};
use crate::reports::{
    search::{self, Found, Hit, SearchAnswer},
    trace::{self, Trace},
};
use crate::sync::{self, Mend, Mended, Told};
use clap::Args;
use serde_json::json;
use std::{process::ExitCode, time::Duration};

/// Kinds that `--mend` works off itself.
const KINDS: &[JobKind] = &[JobKind::FetchOrder, JobKind::RefreshToken];

/// Finds an order, invoice, parcel, SKU, listing, delivery, return or job, and tells where it is and why
///
/// Whole texts first; what is nothing whole, and has at least four characters, is looked for as a beginning. Several may
/// be pasted at once. Of one order everything is told that is known of it: the answer first, what mends it, and then what
/// happened. Exits with 1 when something is not found, or an order is not in the books.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink find 1042
  marketsink find INV/2026/000017 --brief
  marketsink find 1042 1043 1044
  marketsink find 576900000000000321 --ask
  marketsink find 576900000000000321 --mend --json")]
pub struct FindArgs {
    /// Numbers, codes or ids
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// Ask every shop that could have the order what it says; nothing is written
    #[arg(long)]
    ask: bool,
    /// Do the one safe thing that the answer recommends, and answer again
    #[arg(long)]
    mend: bool,
    /// The answer alone, without what happened
    #[arg(long)]
    brief: bool,
}

/// How often, and how long apart, it is looked whether the order has been read: for 15 seconds.
const LOOKS: usize = 100;
const LOOK: Duration = Duration::from_millis(150);
/// Jobs that are looked at.
const MOST_JOBS: u64 = 100;

/// What one text came to.
struct Answered {
    found: Found,
    traces: Vec<Trace>,
    asked: Vec<Told>,
    mended: Option<Result<Mended, String>>,
}

pub async fn run(context: &Context, args: &FindArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let pasted = args.text.join(" ");
    let answer = search::search(&session.app.db, session.merchant, &pasted, None).await?;
    let SearchAnswer { found, left_out } = answer;
    let mut answered = Vec::new();
    for one in found {
        answered.push(answer_one(&session, args, one).await?);
    }
    session.close().await?;
    let is_found = !answered.is_empty() && answered.iter().all(Answered::is_well);
    if context.json {
        let found: Vec<_> = answered.iter().map(Answered::json).collect();
        say_json(&json!({"found": found, "left_out": left_out}))?;
    } else {
        for one in &answered {
            one.say(args.brief);
        }
        if left_out > 0 {
            say(format!(
                "{left_out} more were left out: {} are answered at once",
                search::MOST_TEXTS
            ));
        }
    }
    Ok(if is_found {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn answer_one(session: &Session, args: &FindArgs, found: Found) -> anyhow::Result<Answered> {
    let is_order = found.hits.is_empty() || found.hits.iter().any(|hit| hit.kind.is_order());
    let is_one = found.hits.is_empty() || !found.is_beginning;
    let mut traces = Vec::new();
    if is_order && is_one {
        traces = traced(session, &found.text).await?;
    }
    let mut mended = None;
    if args.mend
        && let Some(mend) = traces.iter().find_map(Trace::mend).cloned()
    {
        mended = Some(mend_now(session, &mend).await?);
        traces = traced(session, &found.text).await?;
    }
    let mut asked = Vec::new();
    if args.ask && is_order && is_one {
        asked = ask(session, &found.text, &traces).await?;
    }
    Ok(Answered {
        found,
        traces,
        asked,
        mended,
    })
}

async fn traced(session: &Session, text: &str) -> anyhow::Result<Vec<Trace>> {
    let (queue, merchant) = (&session.app.queue, session.merchant);
    Ok(trace::trace(queue, merchant, text, session.now()).await?)
}

/// The shop that has it, or all that could.
async fn ask(session: &Session, text: &str, traces: &[Trace]) -> anyhow::Result<Vec<Told>> {
    let known: Vec<_> = traces
        .iter()
        .filter_map(|trace| trace.subject.as_ref())
        .collect();
    let mut asked = Vec::new();
    for channel in sync::could_have(&session.app.sync, session.merchant).await? {
        let of_it = known.iter().find(|one| one.connection == channel.id);
        let number = match of_it {
            Some(subject) => subject.remote_id.as_str(),
            None if known.is_empty() => text,
            None => continue,
        };
        asked.push(session.app.sync.ask_about(&channel, number).await);
    }
    Ok(asked)
}

async fn mend_now(session: &Session, mend: &Mend) -> anyhow::Result<Result<Mended, String>> {
    let sync = &session.app.sync;
    let actor = Actor::command(account());
    let mended = match sync
        .mend(session.merchant, mend, (&actor, None), session.now())
        .await
    {
        Ok(mended) => mended,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let worker = LentWorker::start(&session.app, KINDS);
    wait_until_read(session).await?;
    worker.stop().await?;
    Ok(Ok(mended))
}

/// The name of the account that runs the command.
fn account() -> String {
    let named = ["USER", "LOGNAME", "USERNAME"].map(std::env::var);
    let named = named.into_iter().flatten().find(|name| !name.is_empty());
    named.unwrap_or_else(|| "somebody".to_owned())
}

/// Waits until what was asked for has ended once: what fails is tried again in the background.
async fn wait_until_read(session: &Session) -> anyhow::Result<()> {
    for _ in 0..LOOKS {
        if !is_reading(session).await? {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Whether an order is being read, or is to be read now.
async fn is_reading(session: &Session) -> anyhow::Result<bool> {
    for state in [JobState::Running, JobState::Available] {
        let filter = JobFilter {
            kind: Some(JobKind::FetchOrder),
            state: Some(state),
            ..JobFilter::default()
        };
        let jobs = session
            .app
            .queue
            .list(session.merchant, &filter, MOST_JOBS)
            .await?;
        let now = session.now().micros();
        if jobs
            .iter()
            .any(|job| job.state == "running" || job.run_at <= now)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Answered {
    fn is_well(&self) -> bool {
        // What was mended was not there when it was searched for.
        match self.traces.as_slice() {
            [] => !self.found.hits.is_empty(),
            traces => traces.iter().all(Trace::is_in_books),
        }
    }

    fn json(&self) -> serde_json::Value {
        let (mended, failed) = match &self.mended {
            Some(Ok(mended)) => (Some(mended), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        json!({
            "text": self.found.text,
            "is_beginning": self.found.is_beginning,
            "hits": self.found.hits,
            "has_more": self.found.has_more,
            "traces": self.traces,
            "asked": self.asked,
            "mended": mended,
            "not_mended": failed,
        })
    }

    fn say(&self, is_brief: bool) {
        match &self.mended {
            Some(Ok(mended)) => say(format!("done: {}", mended.did)),
            Some(Err(error)) => say(format!("not done: {error}")),
            None => {}
        }
        for trace in &self.traces {
            say(trace.text(is_brief).trim_end());
        }
        self.say_asked();
        let others = self.found.hits.iter();
        let others: Vec<&Hit> = others
            .filter(|hit| self.traces.is_empty() || !hit.kind.is_order())
            .collect();
        if !others.is_empty() {
            let what = if self.found.is_beginning {
                "what begins with"
            } else {
                "what is called"
            };
            say(format!("{what} {}", self.found.text));
            say_hits(&others);
        }
        if self.found.has_more {
            say("there are more; write more of it");
        }
    }

    fn say_asked(&self) {
        for told in &self.asked {
            let name = format!("channel {} {}", told.channel, told.name);
            match (&told.order, &told.error) {
                (Some(order), _) => {
                    let before = if told.is_before_connection {
                        "; it was placed before the shop was connected"
                    } else {
                        ""
                    };
                    let reasons = order.reasons.join("; ");
                    let result = order.result.as_str().replace('_', " ");
                    say(format!("{name} says: {result}: {reasons}{before}"));
                }
                (None, Some(error)) => say(format!("{name} could not be asked: {error}")),
                (None, None) => say(format!("{name} says nothing of it")),
            }
        }
    }
}

fn say_hits(hits: &[&Hit]) {
    let mut table = Table::new(&["  kind", "text", "channel", "what"]);
    for hit in hits {
        table.row([
            format!("  {}", hit.kind.as_str().replace('_', " ")),
            hit.text.clone(),
            or_dash(hit.channel),
            hit.label.clone(),
        ]);
    }
    table.say("  nothing");
}
