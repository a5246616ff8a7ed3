//! `orders download`: fetches what the books lack, in a window, by number, or since the last download.

use super::{
    fetches::{Fetched, Fetches},
    preview,
    wanted::{NUMBERS, Wanted},
};
use crate::channels::{self, Channel};
use crate::cli::{
    context::{Context, Session},
    follow::{self, Ending, LentWorker},
    output::{Table, say, say_json, tell},
};
use crate::domain::{Download, JobKind, Timestamp, Window, Work};
use crate::sync::{self, Seen};
use anyhow::{Context as _, bail};
use clap::Args;
use entity::downloads;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode, time::Duration};

const KINDS: &[JobKind] = &[
    JobKind::DownloadOrders,
    JobKind::FetchOrder,
    JobKind::RefreshToken,
];
/// Downloads whose row may be the one that is followed.
const RECENT: u64 = 100;

/// Fetches orders that the books lack or hold in an older version
///
/// Without a window or numbers it goes on where the last download ended, with an overlap. Repeating it does no harm.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink orders download 1
  marketsink orders download 1 --from 2026-11-01 --to 2026-11-08
  marketsink orders download 1 --from 2026-11-01 --to 2026-11-08 --placed --preview
  marketsink orders download 1 2 --from 2026-11-01 --to 2026-11-08 --status paid,shipped --preview
  marketsink orders download 1 --numbers 1042,1043
  marketsink orders download 1 --file missing.csv --json")]
pub struct DownloadArgs {
    /// The channels' ids, as `marketsink channel list` shows them; numbers are looked for on each of them
    #[arg(required = true, value_name = "CHANNEL")]
    channels: Vec<i64>,
    /// Orders changed at or after this time; a date is midnight in the merchant's time zone
    #[arg(long, value_name = "TIME", requires = "to")]
    pub from: Option<String>,
    /// Orders changed before this time
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<String>,
    /// The window is of the time when orders were placed, not of their last change
    #[arg(long, requires = "from")]
    pub placed: bool,
    /// Only orders that stand so now: unpaid, paid, shipped, completed, cancelled, returned, or the marketplace's own word
    #[arg(long, value_delimiter = ',', requires = "from")]
    pub status: Vec<String>,
    /// Tell what would be new, different, the same or not found, and write nothing
    #[arg(long)]
    preview: bool,
    /// These order numbers
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["from", "to"])]
    pub numbers: Vec<String>,
    /// The order numbers in the first column of this file
    #[arg(long, value_name = "CSV", conflicts_with_all = ["from", "to", "numbers"])]
    pub file: Option<PathBuf>,
}

pub async fn run(context: &Context, args: &DownloadArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let mut asked = Vec::new();
    for id in &args.channels {
        let channel = session.channel(*id).await?;
        let connection = channels::connection_of(session.app.db.read(), channel.id).await?;
        let is_new = |one: &Asked| one.connection.id != connection.id;
        if asked.iter().all(is_new) {
            asked.push(asked_of(&session, connection, args).await?);
        }
    }
    if asked.len() > 1 {
        keep_where_found(&session, &mut asked).await?;
    }
    if args.preview {
        return preview_all(context, session, asked).await;
    }
    let mut answers = Vec::new();
    for one in asked {
        match download(context, &session, one).await {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                // What was fetched of the channels before is in the books: it is told.
                say_answers(context, &answers)?;
                return Err(error);
            }
        }
    }
    session.close().await?;
    say_answers(context, &answers)
}

/// What is asked of one channel.
struct Asked {
    connection: Channel,
    /// `None` where the channel has no list of orders.
    wanted: Option<Wanted>,
}

/// What became of it.
struct Answer {
    connection: Channel,
    /// Nothing was asked for, because the channel shows none of the numbers.
    is_unknown: bool,
    done: Option<(downloads::Model, Wanted, Vec<Fetched>)>,
}

async fn asked_of(
    session: &Session,
    connection: Channel,
    args: &DownloadArgs,
) -> anyhow::Result<Asked> {
    let wanted = Wanted::read(session, args).await?;
    let can = session.app.sync.abilities(connection.id).await;
    if wanted.numbers().is_none() && can.is_ok_and(|can| !can.orders) {
        return Ok(Asked {
            connection,
            wanted: None,
        });
    }
    let wanted = wanted.with_ids(session, &connection).await?;
    Ok(Asked {
        connection,
        wanted: Some(wanted),
    })
}

/// Numbers that are asked for on several channels are fetched where they are found: a fetch of what a marketplace does
/// not know would be tried for long.
async fn keep_where_found(session: &Session, asked: &mut [Asked]) -> anyhow::Result<()> {
    let mut missing: Option<Vec<String>> = None;
    for one in asked.iter_mut() {
        let Some(Wanted::Numbered(numbers)) = &mut one.wanted else {
            continue;
        };
        let mut found = Vec::new();
        for chunk in numbers.chunks(NUMBERS) {
            let what = Download::Numbered(chunk.to_vec());
            let sync = &session.app.sync;
            let preview = sync.preview_orders(one.connection.id, &what).await?;
            let those = preview
                .orders
                .into_iter()
                .filter(|order| order.result != Seen::NotFound);
            found.extend(those.map(|order| order.remote_id.to_string()));
        }
        let not_here = numbers.iter().filter(|number| !found.contains(number));
        let not_here: Vec<String> = not_here.cloned().collect();
        missing = Some(match missing {
            None => not_here,
            Some(before) => before
                .into_iter()
                .filter(|number| not_here.contains(number))
                .collect(),
        });
        *numbers = found;
    }
    for number in missing.unwrap_or_default() {
        tell(format!(
            "marketsink: none of these channels shows order {number}"
        ));
    }
    Ok(())
}

async fn preview_all(
    context: &Context,
    session: Session,
    asked: Vec<Asked>,
) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    for one in asked {
        let mut previews = Vec::new();
        for what in one.wanted.iter().flat_map(Wanted::jobs) {
            previews.push(
                session
                    .app
                    .sync
                    .preview_orders(one.connection.id, &what)
                    .await?,
            );
        }
        all.push((one.connection, one.wanted.is_some().then_some(previews)));
    }
    session.close().await?;
    preview::say_all(context, &all)?;
    Ok(ExitCode::SUCCESS)
}

async fn download(context: &Context, session: &Session, asked: Asked) -> anyhow::Result<Answer> {
    let connection = asked.connection;
    let is_unknown = asked.wanted.as_ref().is_some_and(Wanted::is_nothing);
    let Some(wanted) = asked.wanted.filter(|_| !is_unknown) else {
        return Ok(Answer {
            connection,
            is_unknown,
            done: None,
        });
    };
    let since = session.now();
    let mut jobs = Vec::new();
    for orders in wanted.jobs() {
        let work = Work::DownloadOrders { orders };
        jobs.push(follow::enqueue(session, &connection, work).await?);
    }
    let bar = bar(context.json);
    // Started last: a download that waits already is then the one that is followed.
    let worker = LentWorker::start(&session.app, KINDS);
    for job in &jobs {
        let ending = follow::follow(session, job, async || {
            if let Some(row) = newest(session, &connection, since).await? {
                bar.set_message(counts(&row));
            }
            Ok(())
        });
        if let Err(error) = ended_well(ending.await?, &connection) {
            bar.finish_and_clear();
            worker.stop().await?;
            return Err(error);
        }
    }
    let fetches = Fetches {
        connection: connection.id,
        numbers: wanted.numbers(),
        since,
    };
    let fetched = fetches.wait(session, |n_all, n_ended| {
        bar.set_message(format!("{n_ended} of {n_all} orders fetched"));
    });
    let fetched = fetched.await?;
    bar.finish_and_clear();
    worker.stop().await?;
    let row = newest(session, &connection, since).await?;
    let row = row.context("the download left no record")?;
    Ok(Answer {
        connection,
        is_unknown,
        done: Some((row, wanted, fetched)),
    })
}

/// Why nothing was asked of a channel.
pub(super) fn nothing_to_download(connection: &Channel) -> String {
    format!(
        "channel {} has no API that could be asked for its orders; what its webhooks told is in the books, and \
         --numbers takes up again what they told of single orders",
        connection.id
    )
}

fn bar(is_hidden: bool) -> ProgressBar {
    let target = if is_hidden {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    bar.set_message("waiting for a worker");
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn counts(row: &downloads::Model) -> String {
    format!(
        "{} seen, {} missing, {} outdated",
        row.seen, row.missing, row.outdated
    )
}

/// The newest download of the connection that is not over since before the command.
async fn newest(
    session: &Session,
    connection: &Channel,
    since: Timestamp,
) -> anyhow::Result<Option<downloads::Model>> {
    let rows = sync::downloads(&session.app.db, session.merchant, RECENT).await?;
    let is_it = |row: &downloads::Model| {
        let is_current = row.finished_at.is_none_or(|at| at >= since.micros());
        row.channel_id == connection.id.0 && is_current
    };
    Ok(rows.into_iter().find(is_it))
}

fn ended_well(ending: Ending, connection: &Channel) -> anyhow::Result<()> {
    let what = format!("the download of orders of channel {}", connection.id);
    match ending {
        Ending::Done => Ok(()),
        Ending::Interrupted => bail!("{what} was interrupted; `marketsink serve` goes on with it"),
        Ending::Dead(error) => bail!("{what} was given up: {error}"),
        Ending::Locked(reason) => bail!("{what} waits: {reason}"),
        Ending::Resting { error, until } => {
            bail!(
                "{what} keeps failing and is tried again at {until} by `marketsink serve`: {error}"
            )
        }
    }
}

fn say_answers(context: &Context, answers: &[Answer]) -> anyhow::Result<ExitCode> {
    let n_failed = answers.iter().map(Answer::n_failed).sum::<usize>();
    if context.json {
        match answers {
            [one] => say_json(&one.json())?,
            all => {
                let all: Vec<_> = all
                    .iter()
                    .map(|one| json!({ "channel": one.connection.id, "answer": one.json() }))
                    .collect();
                say_json(&json!({ "channels": all }))?;
            }
        }
    } else {
        for one in answers {
            if answers.len() > 1 {
                say(format!(
                    "channel {} ({})",
                    one.connection.id,
                    one.connection.marketplace.name()
                ));
            }
            one.say();
        }
    }
    if n_failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    tell("marketsink: some orders were not fetched; `marketsink orders show NUMBER` tells more");
    Ok(ExitCode::FAILURE)
}

impl Answer {
    fn n_failed(&self) -> usize {
        let fetched = self.done.iter().flat_map(|(_, _, fetched)| fetched);
        fetched.filter(|order| !order.is_done()).count()
    }

    fn json(&self) -> Value {
        match &self.done {
            None => json!({ "note": self.why_nothing() }),
            Some((row, _, fetched)) => json!({
                "download": row,
                "fetched": fetched.len() - self.n_failed(),
                "failed": self.n_failed(),
                "orders": fetched,
            }),
        }
    }

    fn why_nothing(&self) -> String {
        if self.is_unknown {
            return format!("channel {} shows none of these orders", self.connection.id);
        }
        nothing_to_download(&self.connection)
    }

    fn say(&self) {
        let Some((row, wanted, fetched)) = &self.done else {
            return say(self.why_nothing());
        };
        let n_failed = self.n_failed();
        let n_fetched = fetched.len() - n_failed;
        if let Wanted::Numbered(numbers) = wanted {
            say(format!(
                "{} asked for, {n_fetched} fetched, {n_failed} not",
                numbers.len()
            ));
        } else {
            say_window(row, wanted);
            say(format!(
                "{}; {n_fetched} fetched, {n_failed} not",
                counts(row)
            ));
        }
        let mut table = Table::new(&["number", "result", "what the books say"]);
        for order in fetched {
            table.row([
                order.number.clone(),
                order.result.to_owned(),
                order.detail.clone(),
            ]);
        }
        table.say("the books lacked nothing");
    }
}

fn say_window(row: &downloads::Model, wanted: &Wanted) {
    let what = if row.by_time == "created" {
        "placed"
    } else {
        "changed"
    };
    let window = Window {
        from: Timestamp::from_micros(row.window_from.unwrap_or_default()),
        to: Timestamp::from_micros(row.window_to.unwrap_or_default()),
    };
    say(format!("orders {what} {window}"));
    if row.emulated {
        say(
            "the API has no filter by the time when orders were placed: everything that changed since was listed instead",
        );
    }
    if let Wanted::OfStatus(wish) = wanted {
        say(preview::picked(&wish.statuses));
    }
}
