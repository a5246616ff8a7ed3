//! `scan`: walks a channel's catalogue now.

use super::{
    context::{Context, Session},
    follow::{self, Ending, LentWorker},
    output::{say, say_json, tell},
};
use crate::channels::{self, Channel};
use crate::domain::{JobKind, ScanKind, ScanMethod, Timestamp, Work};
use crate::sync;
use anyhow::bail;
use clap::{Args, ValueEnum};
use entity::scans;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::{process::ExitCode, time::Duration};

/// Scans whose row may be the one that is followed.
const RECENT: u64 = 100;
const KINDS: &[JobKind] = &[
    JobKind::RunScan,
    JobKind::RescanProduct,
    JobKind::RefreshToken,
];

/// Walks a channel's catalogue now: all of it, what buyers can find, what changed, or one product
///
/// A scan goes on where it was interrupted, whoever interrupted it. Only a full scan may conclude that a
/// listing is gone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink scan 1
  marketsink scan 1 --type updated --method async
  marketsink scan 1 --product 501")]
pub struct ScanArgs {
    /// The channel's id, as `marketsink channel list` shows it
    channel: i64,
    /// What is walked [default: full, or single with --product]
    #[arg(long = "type", value_enum)]
    kind: Option<ScanType>,
    /// The product of a single scan, by the marketplace's id
    #[arg(long, value_name = "ID", required_if_eq("kind", "single"))]
    product: Option<String>,
    /// Wait for the end, or leave it to `marketsink serve`
    #[arg(long, value_enum, default_value = "sync")]
    method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScanType {
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

pub async fn run(context: &Context, args: &ScanArgs) -> anyhow::Result<ExitCode> {
    let (kind, work) = work(args)?;
    let session = context.session().await?;
    let channel = session.channel(args.channel).await?;
    let connection = channels::connection_of(session.app.db.read(), channel.id).await?;
    let can = session.app.sync.abilities(connection.id).await;
    if kind != ScanKind::Single && can.is_ok_and(|can| !can.products) {
        return nothing_to_scan(context, session, &connection).await;
    }
    let begun_at = session.now();
    let job = follow::enqueue(&session, &connection, work).await?;
    if args.method == Method::Async {
        if context.json {
            say_json(&job)?;
        } else {
            say(format!(
                "job {} will run the {kind} scan of channel {} as soon as `marketsink serve` takes it",
                job.id, connection.id
            ));
        }
        session.close().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Wanted {
        connection,
        kind,
        product: args.product.clone(),
        begun_at,
    };
    let bar = Bar::new(context.json);
    let worker = LentWorker::start(&session.app, KINDS);
    let ending = follow::follow(&session, &job, async || {
        if let Some(row) = wanted.row(&session).await? {
            bar.show(&row, &wanted, session.now());
        }
        Ok(())
    })
    .await?;
    bar.0.finish_and_clear();
    worker.stop().await?;
    let row = wanted.row(&session).await?;
    session.close().await?;
    report(context, &wanted, row.as_ref(), ending)
}

async fn nothing_to_scan(
    context: &Context,
    session: Session,
    connection: &Channel,
) -> anyhow::Result<ExitCode> {
    session.close().await?;
    let note = format!(
        "channel {} has no API that could be asked for its products; what its webhooks told is in the books",
        connection.id
    );
    if context.json {
        say_json(&json!({ "note": note }))?;
    } else {
        say(note);
    }
    Ok(ExitCode::SUCCESS)
}

fn work(args: &ScanArgs) -> anyhow::Result<(ScanKind, Work)> {
    let scan = match (args.kind, &args.product) {
        (Some(ScanType::Single) | None, Some(product)) => {
            let product = product.as_str().into();
            return Ok((ScanKind::Single, Work::RescanProduct { product }));
        }
        (Some(_), Some(_)) => bail!("--product is for a scan of --type single"),
        (Some(ScanType::Active), None) => ScanKind::Active,
        (Some(ScanType::Updated), None) => ScanKind::Updated,
        (Some(ScanType::Full | ScanType::Single) | None, None) => ScanKind::Full,
    };
    let method = match args.method {
        Method::Sync => ScanMethod::Sync,
        Method::Async => ScanMethod::Async,
    };
    Ok((scan, Work::RunScan { scan, method }))
}

/// Which scan is followed.
struct Wanted {
    connection: Channel,
    kind: ScanKind,
    product: Option<String>,
    begun_at: Timestamp,
}

impl Wanted {
    /// The newest row of this kind that is not over since before the command.
    async fn row(&self, session: &Session) -> anyhow::Result<Option<scans::Model>> {
        let rows = sync::scans(&session.app.db, session.merchant, RECENT).await?;
        let is_it = |row: &scans::Model| {
            let is_current = row
                .finished_at
                .is_none_or(|at| at >= self.begun_at.micros());
            row.channel_id == self.connection.id.0
                && row.kind == self.kind.as_str()
                && row.subject == self.product
                && is_current
        };
        Ok(rows.into_iter().find(is_it))
    }
}

/// The bar on standard error; nothing, when that is no terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(is_hidden: bool) -> Self {
        let target = if is_hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style("{spinner} {msg}"));
        bar.set_message("waiting for a worker");
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    fn show(&self, row: &scans::Model, wanted: &Wanted, now: Timestamp) {
        let seconds = now.since(wanted.begun_at).as_secs_f64().max(0.001);
        self.0.set_message(format!(
            "page {}, {} listings, {:.0} a second",
            row.pages,
            row.listings,
            row.listings as f64 / seconds
        ));
        // The marketplace announces products; pages hold products, and each may have several listings.
        if let Some(expected) = row.expected.filter(|expected| *expected > 0) {
            if self.0.length().is_none() {
                self.0
                    .set_style(style("{bar:30} {percent:>3} % {msg}, {eta} left"));
            }
            let page = i64::from(wanted.connection.marketplace.limits().product_page);
            let read = (row.pages * page).min(expected);
            self.0.set_length(expected.cast_unsigned());
            self.0.set_position(read.cast_unsigned());
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well formed")
}

fn report(
    context: &Context,
    wanted: &Wanted,
    row: Option<&scans::Model>,
    ending: Ending,
) -> anyhow::Result<ExitCode> {
    if context.json {
        say_json(&row)?;
    } else if let Some(row) = row {
        say_row(row, wanted);
    }
    let what = format!(
        "the {} scan of channel {}",
        wanted.kind, wanted.connection.id
    );
    match ending {
        Ending::Done => return Ok(ExitCode::SUCCESS),
        Ending::Interrupted => tell(format!(
            "{what} goes on where it was, with `marketsink serve` or the same command"
        )),
        Ending::Dead(error) => bail!("{what} was given up: {error}"),
        Ending::Locked(reason) => bail!("{what} waits: {reason}"),
        Ending::Resting { error, until } => {
            bail!(
                "{what} keeps failing and is tried again at {until} by `marketsink serve`: {error}"
            )
        }
    }
    Ok(ExitCode::FAILURE)
}

fn say_row(row: &scans::Model, wanted: &Wanted) {
    let ended_at = row.finished_at.map(Timestamp::from_micros);
    let took = ended_at.map_or_else(String::new, |at| {
        let seconds = at
            .since(Timestamp::from_micros(row.started_at))
            .as_secs_f64();
        format!(" in {seconds:.1} s")
    });
    say(format!(
        "scan {} ({}) of channel {} {}: {}{took}",
        row.id, row.kind, wanted.connection.id, wanted.connection.name, row.state
    ));
    say(format!(
        "{} listings on {} pages: {} added, {} changed, {} gone, {} linked to a SKU, {} unreadable; {} API calls",
        row.listings,
        row.pages,
        row.added,
        row.changed,
        row.gone,
        row.linked,
        row.errors,
        row.api_calls
    ));
    if row.emulated {
        say("the API has no filter for this kind of scan; every listing was walked and compared");
    }
}
