//! The demo: simulated marketplaces in bad weather, and marketsink between them on a SQLite file of its own.
//!
//! 1. Open a shop on every marketplace, fill them with the same goods, count the opening stock, connect.
//! 2. Let buyers order, pay and change their minds while deliveries get lost, doubled, late and forged.
//! 3. Stop the buyers, wait until every schedule has run once more and nothing is left to do.
//! 4. Compare books, stock and shops in every unit, and say what was done.

mod agreement;
mod outcome;
mod stage;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use outcome::Outcome;
use stage::Stage;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

use crate::reports::{self, FeedPosition};
use crate::sandbox::{Driver, Weather};

/// Between two deeds of the buyers and sellers.
const BETWEEN_DEEDS: Duration = Duration::from_millis(350);
/// How long the end may take: a retry in bad weather waits for minutes, but the weather is calm then.
const LONGEST_END: Duration = Duration::from_secs(180);

/// Shows all of it at once, against simulated shops in bad weather; Ctrl-C ends it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink demo\n  marketsink demo --weather stormy --seconds 30 --json"
)]
pub struct DemoArgs {
    /// End after so many seconds, and exit with 1 if the books are not right
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: Option<u64>,
    /// End with the result as one JSON document
    #[arg(from_global)]
    pub json: bool,
    /// Where the page is; 0 lets the system choose
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// What goes wrong on the way
    #[arg(long, value_enum, default_value = "breezy")]
    pub weather: WeatherName,
    /// The same seed makes the same things happen
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// How bad the weather is between the marketplaces and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WeatherName {
    /// Nothing goes wrong
    Calm,
    /// About as bad as the real marketplaces
    Breezy,
    /// Worse than any real day
    Stormy,
}

impl WeatherName {
    pub fn weather(self) -> Weather {
        match self {
            Self::Calm => Weather::calm(),
            Self::Breezy => Weather::breezy(),
            Self::Stormy => Weather::stormy(),
        }
    }
}

/// Runs the demo to its end.
///
/// # Errors
/// When it cannot be started, or the database fails.
pub async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let log = crate::config::Log {
        // The simulated shops break off answers on purpose; their server need not complain.
        filter: "error,actix_http=off".to_owned(),
        ..crate::config::Settings::default().log
    };
    crate::telemetry::start(&log);
    let say = |text: &str| {
        if !args.json {
            println!("{text}");
        }
    };
    let stage = Stage::set(&args).await?;
    say(&stage.introduction());
    let mut position = FeedPosition::default();
    stage.until_idle(LONGEST_END).await?;
    print_feed(&stage, &mut position, &say).await?;
    say("\nThe shops are connected and read. Buyers come in; the weather turns.\n");
    stage.sandbox.set_weather(args.weather.weather());
    let driver = Driver::new(stage.sandbox.clone(), args.seed);
    say(&stage.lose_webhooks());
    let end = args
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let interrupted = act(&stage, &driver, end, &mut position, &say).await?;
    say(if interrupted {
        "\nStopping: the last deliveries and one more round of scans, then the result. Ctrl-C again leaves at once.\n"
    } else {
        "\nThe buyers go home. The last deliveries, and one more round of scans.\n"
    });
    let outcome = tokio::select! {
        outcome = finish(&stage, &driver, &mut position, &say) => outcome?,
        _ = tokio::signal::ctrl_c() => {
            stage.clear().await?;
            return Ok(ExitCode::from(130));
        }
    };
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&outcome).context("the result is JSON")?
        );
    } else {
        println!("{}", outcome.as_text());
    }
    stage.clear().await?;
    Ok(if outcome.agreement.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Deeds until the time is over or somebody presses Ctrl-C; true for the latter.
async fn act(
    stage: &Stage,
    driver: &Driver,
    end: Option<Instant>,
    position: &mut FeedPosition,
    say: &impl Fn(&str),
) -> anyhow::Result<bool> {
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        say(&format!("shops    {}", driver.step()));
        tokio::select! {
            _ = &mut stop => return Ok(true),
            () = sleep(BETWEEN_DEEDS) => {}
        }
        print_feed(stage, position, say).await?;
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(false);
        }
    }
}

async fn finish(
    stage: &Stage,
    driver: &Driver,
    position: &mut FeedPosition,
    say: &impl Fn(&str),
) -> anyhow::Result<Outcome> {
    stage.sandbox.set_weather(Weather::calm());
    say(&stage.lose_webhooks());
    let give_up = Instant::now() + LONGEST_END;
    while !driver.is_settled() && Instant::now() < give_up {
        sleep(Duration::from_millis(100)).await;
    }
    let settled_at = stage.running.app.clock.now();
    stage
        .until_downloaded_since(settled_at, LONGEST_END)
        .await?;
    stage.until_idle(LONGEST_END).await?;
    print_feed(stage, position, say).await?;
    Outcome::of(stage).await
}

async fn print_feed(
    stage: &Stage,
    position: &mut FeedPosition,
    say: &impl Fn(&str),
) -> anyhow::Result<()> {
    for line in reports::feed(&stage.running.app.queue, stage.merchant, position).await? {
        say(&line);
    }
    Ok(())
}
