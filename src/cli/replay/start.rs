//! `replay run`, and the same road for `deliveries replay` and `jobs revive`.

use super::{show, wish::Which};
use crate::accounts::Deed;
use crate::cli::{
    context::{Context, Session},
    follow::LentWorker,
    output::{say, say_json, tell},
    serve::told_to_stop,
};
use crate::domain::{JobKind, ReplayId};
use crate::queue::Outcome;
use crate::sync::{
    self, GREATEST_MOST, GREATEST_RATE, ReplaySelection, ReplayWish, USUAL_MOST, USUAL_RATE,
};
use anyhow::{Context as _, bail};
use clap::Args;
use entity::replays;
use serde_json::json;
use std::{pin::pin, process::ExitCode, time::Duration};

/// Work that is done here where the command waits for it.
const KINDS: &[JobKind] = &[
    JobKind::Replay,
    JobKind::FetchOrder,
    JobKind::RescanProduct,
    JobKind::RefreshToken,
];
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct PaceArgs {
    /// Take up at most so many, the oldest first
    #[arg(long, value_name = "N", default_value_t = USUAL_MOST, value_parser = clap::value_parser!(u64).range(1..=GREATEST_MOST))]
    limit: u64,
    /// Take up at most so many a minute
    #[arg(long, value_name = "N", default_value_t = USUAL_RATE, value_parser = clap::value_parser!(u64).range(1..=GREATEST_RATE))]
    rate: u64,
    /// Do the work here and wait for its end, instead of leaving it to `marketsink serve`
    #[arg(long)]
    wait: bool,
}

/// How something is taken up by another command.
#[derive(Debug)]
pub struct Road {
    pub selection: ReplaySelection,
    /// Why, where nothing was said.
    pub why: &'static str,
    pub n: usize,
}

pub async fn run(context: &Context, which: &Which, args: &PaceArgs) -> anyhow::Result<ExitCode> {
    let Some(why) = context.why() else {
        bail!("say why with --why TEXT: it is kept with the replay");
    };
    let session = context.session().await?;
    let wish = ReplayWish {
        selection: which.selection(&session).await?,
        most: args.limit,
        per_minute: args.rate,
        by: context.by().to_owned(),
        why: why.to_owned(),
    };
    let Some(row) = open(&session, &wish).await? else {
        session.close().await?;
        if context.json {
            say_json(&json!({ "replay": null, "matched": 0 }))?;
        } else {
            say("nothing is selected; nothing was done");
        }
        return Ok(ExitCode::SUCCESS);
    };
    let id = ReplayId(row.id);
    if args.wait {
        wait(&session, id).await?;
        let code = show::say_replay(context, &session, id, None).await?;
        session.close().await?;
        return Ok(code);
    }
    session.close().await?;
    if context.json {
        say_json(&json!({ "replay": row }))?;
    } else {
        say(format!(
            "replay {id}: {} of {} {}, {} a minute",
            row.matched.min(row.most),
            row.matched,
            row.source_kind,
            row.per_minute
        ));
        say(format!(
            "`marketsink serve` does the work; `marketsink replay show {id}` tells how far it is"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(session: &Session, wish: &ReplayWish) -> anyhow::Result<Option<replays::Model>> {
    let tx = session.app.db.write_tx().await?;
    let opened = sync::open_replay(&tx, session.merchant, wish, session.now()).await?;
    if let Some(row) = &opened {
        let after = json!({
            "of": row.source_kind,
            "selection": wish.selection,
            "matched": row.matched,
            "at_most": row.most,
            "a_minute": row.per_minute,
        });
        let deed = Deed::new("replay.started", "replay", row.id);
        session.record(&tx, deed.to(after)).await?;
    }
    tx.commit().await?;
    session.app.queue.wake();
    Ok(opened)
}

/// Takes up a few at once, as a replay of their own; what follows is left to the workers. `None` when nothing is
/// selected.
///
/// # Errors
/// When the database fails.
pub async fn take_up(
    context: &Context,
    session: &Session,
    road: Road,
) -> anyhow::Result<Option<ReplayId>> {
    let wish = ReplayWish {
        selection: road.selection,
        most: road.n as u64,
        per_minute: GREATEST_RATE,
        by: context.by().to_owned(),
        why: context.why().unwrap_or(road.why).to_owned(),
    };
    let Some(row) = open(session, &wish).await? else {
        return Ok(None);
    };
    let id = ReplayId(row.id);
    // The job of it may be taken by a worker meanwhile: the two take up one after the other.
    loop {
        match session.app.sync.run_replay(id).await {
            Outcome::Snoozed { until, .. } if until <= session.now() => {}
            Outcome::Failed { error, .. } => bail!("replay {id} could not go on: {error}"),
            Outcome::Done | Outcome::Snoozed { .. } => return Ok(Some(id)),
        }
    }
}

async fn wait(session: &Session, id: ReplayId) -> anyhow::Result<()> {
    let worker = LentWorker::start(&session.app, KINDS);
    let mut interrupted = pin!(told_to_stop());
    let mut told = -1;
    loop {
        let row = sync::replay(&session.app.db, session.merchant, id).await?;
        let row = row.context("the replay has vanished")?;
        if row.taken != told {
            told = row.taken;
            tell(format!("{told} of {} taken up", row.matched.min(row.most)));
        }
        if row.finished_at.is_some() {
            return worker.stop().await;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            told = &mut interrupted => {
                told?;
                tell("`marketsink serve` goes on with it");
                return worker.stop().await;
            }
        }
    }
}
