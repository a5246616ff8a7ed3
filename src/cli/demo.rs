//! The demo: everything at once, against simulated shops.

use crate::sandbox::Weather;
use anyhow::bail;
use clap::{Args, ValueEnum};
use std::process::ExitCode;

/// Shows all of it at once, against simulated shops in bad weather; Ctrl-C ends it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink demo\n  marketsink demo --weather stormy --seconds 30 --json"
)]
pub struct DemoArgs {
    /// End after so many seconds, and exit with 1 if the books are not right
    #[arg(long, value_name = "N")]
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

/// # Errors
/// When the demo cannot be started.
#[expect(clippy::unused_async, reason = "the demo serves and works")]
pub async fn run(_args: DemoArgs) -> anyhow::Result<ExitCode> {
    bail!("not yet")
}
