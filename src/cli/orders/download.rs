//! `orders download`: fetches what the books lack, in a window, by number, or since the last download.

use super::{
    fetches::{Fetched, Fetches},
    numbers, preview,
};
use crate::accounts;
use crate::channels::{self, Channel};
use crate::cli::{
    context::{Context, Session},
    follow::{self, Ending, LentWorker},
    output::{Table, say, say_json, tell},
};
use crate::domain::{Download, JobKind, Timestamp, Window, Work};
use crate::sync;
use anyhow::{Context as _, bail};
use clap::Args;
use entity::downloads;
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::{path::PathBuf, process::ExitCode, time::Duration};

const KINDS: &[JobKind] = &[
    JobKind::DownloadOrders,
    JobKind::FetchOrder,
    JobKind::RefreshToken,
];
/// Numbers per job: the job's key holds them all, and databases limit how long a key may be.
const NUMBERS: usize = 50;
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
  marketsink orders download 1 --numbers 1042,1043
  marketsink orders download 1 --file missing.csv --json")]
pub struct DownloadArgs {
    /// The channel's id, as `marketsink channel list` shows it
    channel: i64,
    /// Orders changed at or after this time; a date is midnight in the merchant's time zone
    #[arg(long, value_name = "TIME", requires = "to")]
    from: Option<String>,
    /// Orders changed before this time
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// The window is of the time when orders were placed, not of their last change
    #[arg(long, requires = "from")]
    placed: bool,
    /// Tell what would be new, different, the same or not found, and write nothing
    #[arg(long)]
    preview: bool,
    /// These order numbers
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["from", "to"])]
    numbers: Vec<String>,
    /// The order numbers in the first column of this file
    #[arg(long, value_name = "CSV", conflicts_with_all = ["from", "to", "numbers"])]
    file: Option<PathBuf>,
}

pub async fn run(context: &Context, args: &DownloadArgs) -> anyhow::Result<ExitCode> {
    let session = context.session().await?;
    let channel = session.channel(args.channel).await?;
    let connection = channels::connection_of(session.app.db.read(), channel.id).await?;
    let wanted = Wanted::read(&session, args).await?;
    let can = session.app.sync.abilities(connection.id).await;
    if wanted.numbers().is_none() && can.is_ok_and(|can| !can.orders) {
        return nothing_to_download(context, session, &connection).await;
    }
    let wanted = wanted.with_ids(&session, &connection).await?;
    if args.preview {
        return preview::run(context, session, &connection, &wanted.jobs()).await;
    }
    let since = session.now();
    let mut jobs = Vec::new();
    for orders in wanted.jobs() {
        let work = Work::DownloadOrders { orders };
        jobs.push(follow::enqueue(&session, &connection, work).await?);
    }
    let bar = bar(context.json);
    // Started last: a download that waits already is then the one that is followed.
    let worker = LentWorker::start(&session.app, KINDS);
    for job in &jobs {
        let ending = follow::follow(&session, job, async || {
            if let Some(row) = newest(&session, &connection, since).await? {
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
    let fetched = fetches.wait(&session, |n_all, n_ended| {
        bar.set_message(format!("{n_ended} of {n_all} orders fetched"));
    });
    let fetched = fetched.await?;
    bar.finish_and_clear();
    worker.stop().await?;
    let row = newest(&session, &connection, since).await?;
    session.close().await?;
    report(context, row.as_ref(), &wanted, &fetched)
}

async fn nothing_to_download(
    context: &Context,
    session: Session,
    connection: &Channel,
) -> anyhow::Result<ExitCode> {
    session.close().await?;
    let note = format!(
        "channel {} has no API that could be asked for its orders; what its webhooks told is in the books, and \
         --numbers takes up again what they told of single orders",
        connection.id
    );
    if context.json {
        say_json(&serde_json::json!({ "note": note }))?;
    } else {
        say(note);
    }
    Ok(ExitCode::SUCCESS)
}

/// Which orders the command asks for.
enum Wanted {
    Updated,
    Within(Window),
    Placed(Window),
    Numbered(Vec<String>),
}

impl Wanted {
    async fn read(session: &Session, args: &DownloadArgs) -> anyhow::Result<Self> {
        if let (Some(from), Some(to)) = (&args.from, &args.to) {
            let merchants = accounts::merchants(&session.app.db).await?;
            let own = merchants.iter().find(|row| row.id == session.merchant.0);
            let zone = own.and_then(|row| row.time_zone.parse().ok());
            let zone = zone.unwrap_or(chrono_tz::UTC);
            let window = Window {
                from: numbers::time(from, zone)?,
                to: numbers::time(to, zone)?,
            };
            if window.from >= window.to {
                bail!("--from {} is not before --to {}", window.from, window.to);
            }
            return Ok(if args.placed {
                Self::Placed(window)
            } else {
                Self::Within(window)
            });
        }
        if let Some(file) = &args.file {
            return Ok(Self::Numbered(numbers::of_file(file)?));
        }
        let numbers = numbers::without_repeats(args.numbers.iter().cloned());
        Ok(if numbers.is_empty() {
            Self::Updated
        } else {
            Self::Numbered(numbers)
        })
    }

    /// The same, with the marketplace's ids instead of the numbers that people know orders by.
    async fn with_ids(self, session: &Session, connection: &Channel) -> anyhow::Result<Self> {
        let Self::Numbered(numbers) = self else {
            return Ok(self);
        };
        let known = session.app.sync.order_ids(connection.id, &numbers).await?;
        let ids = known.into_iter().map(|(_, id)| id.to_string());
        Ok(Self::Numbered(numbers::without_repeats(ids)))
    }

    fn jobs(&self) -> Vec<Download> {
        match self {
            Self::Updated => vec![Download::Updated],
            Self::Within(window) => vec![Download::Within(*window)],
            Self::Placed(window) => vec![Download::Placed(*window)],
            Self::Numbered(numbers) => numbers
                .chunks(NUMBERS)
                .map(|chunk| Download::Numbered(chunk.to_vec()))
                .collect(),
        }
    }

    fn numbers(&self) -> Option<Vec<String>> {
        match self {
            Self::Numbered(numbers) => Some(numbers.clone()),
            Self::Updated | Self::Within(_) | Self::Placed(_) => None,
        }
    }
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

fn report(
    context: &Context,
    row: Option<&downloads::Model>,
    wanted: &Wanted,
    fetched: &[Fetched],
) -> anyhow::Result<ExitCode> {
    let row = row.context("the download left no record")?;
    let n_fetched = fetched.iter().filter(|order| order.is_done()).count();
    let n_failed = fetched.len() - n_fetched;
    if context.json {
        say_json(&serde_json::json!({
            "download": row,
            "fetched": n_fetched,
            "failed": n_failed,
            "orders": fetched,
        }))?;
    } else {
        match wanted {
            Wanted::Numbered(numbers) => say(format!(
                "{} asked for, {n_fetched} fetched, {n_failed} not",
                numbers.len()
            )),
            Wanted::Updated | Wanted::Within(_) | Wanted::Placed(_) => {
                let what = if row.by_time == "created" {
                    "placed"
                } else {
                    "changed"
                };
                say(format!(
                    "orders {what} {}",
                    Window {
                        from: Timestamp::from_micros(row.window_from.unwrap_or_default()),
                        to: Timestamp::from_micros(row.window_to.unwrap_or_default()),
                    }
                ));
                if row.emulated {
                    say(
                        "the API has no filter by the time when orders were placed: everything that changed since was listed instead",
                    );
                }
                say(format!(
                    "{}; {n_fetched} fetched, {n_failed} not",
                    counts(row)
                ));
            }
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
    if n_failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    tell("marketsink: some orders were not fetched; `marketsink orders show NUMBER` tells more");
    Ok(ExitCode::FAILURE)
}
