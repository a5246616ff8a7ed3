//! `serve`: receives webhooks, works, fires schedules and serves the page, until it is told to stop.

use super::{
    context::Context,
    output::{say, tell},
};
use crate::app::{App, Roles};
use crate::clock::Clock;
use clap::{Args, ValueEnum};
use std::process::ExitCode;

/// Receives webhooks, works jobs off, fires schedules, and serves the page at /
///
/// SIGTERM or Ctrl-C ends it in order: it accepts no more requests, ends the work in hand, and gives back the
/// rest. A second Ctrl-C ends it at once; nothing that was acknowledged is lost either way.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink serve\n  marketsink serve --roles ingest\n  marketsink serve --roles worker,scheduler --config /etc/marketsink.toml"
)]
pub struct ServeArgs {
    /// What this process does; processes on one PostgreSQL share each role
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["ingest", "worker", "scheduler"])]
    roles: Vec<Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Takes webhooks
    Ingest,
    /// Works off jobs
    Worker,
    /// Fires schedules
    Scheduler,
}

pub async fn run(context: &Context, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    context.log();
    let plays = |role| args.roles.contains(&role);
    let roles = Roles {
        ingest: plays(Role::Ingest),
        worker: plays(Role::Worker),
        scheduler: plays(Role::Scheduler),
    };
    let app = App::build(context.settings.clone(), Clock::system()).await?;
    let running = app.start(roles)?;
    let public = &context.settings.http.public_url;
    say(format!(
        "listening on http://{}; marketplaces reach it at {public}",
        running.address
    ));
    told_to_stop().await?;
    tell("stopping: ending what is in hand; once more to stop at once");
    tokio::select! {
        ended = running.stop() => ended?,
        told = told_to_stop() => {
            told?;
            tell("stopped at once; leases of unfinished jobs will expire");
            return Ok(ExitCode::FAILURE);
        }
    }
    tell("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Returns at the next Ctrl-C or SIGTERM.
///
/// # Errors
/// When the process may not listen to signals.
#[cfg(unix)]
pub async fn told_to_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Returns at the next Ctrl-C.
///
/// # Errors
/// When the process may not listen to signals.
#[cfg(not(unix))]
pub async fn told_to_stop() -> anyhow::Result<()> {
    Ok(tokio::signal::ctrl_c().await?)
}
