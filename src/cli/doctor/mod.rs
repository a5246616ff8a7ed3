//! `doctor`: what is in order, what is not, and what to do about it. Changes nothing.

mod books;
mod decisions;
mod place;
mod told;
mod upkeep;

use super::{
    Global,
    context::Context,
    finding::{Finding, State, is_broken, say_findings},
    output::say_json,
};
use crate::app;
use crate::clock::Clock;
use crate::db::Db;
use clap::Args;
use std::process::ExitCode;

/// Checks settings, database, keys, addresses, channels and work, and says what to do; exits with 1 when
/// something is broken
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink doctor\n  marketsink doctor --json")]
pub struct DoctorArgs {}

pub async fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    match Context::load(global) {
        Ok(context) => {
            context.log_quietly();
            findings.push(Finding::ok("settings", "all known and within their ranges"));
            examine(&context, &mut findings).await;
        }
        Err(error) => findings.push(Finding::fail(
            "settings",
            format!("{error:#}"),
            "mend the file or the variables; `marketsink config` shows what holds",
        )),
    }
    if global.json {
        say_json(&findings)?;
    } else {
        say_findings(&findings);
    }
    Ok(if is_broken(&findings) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn examine(context: &Context, findings: &mut Vec<Finding>) {
    let clock = Clock::system();
    findings.push(place::public_url(&context.settings));
    findings.extend(place::apps(&context.settings));
    findings.extend(upkeep::key_files(&context.settings));
    match app::open_database(&context.settings).await {
        Err(error) => findings.push(Finding::fail(
            "database",
            format!("{error:#}"),
            "look at database.url, and whether the database server runs",
        )),
        Ok(db) => {
            if let Err(error) = examine_database(context, &db, &clock, findings).await {
                findings.push(Finding::fail(
                    "database",
                    format!("{error:#}"),
                    "the database answers badly; look at its log",
                ));
            }
            if let Err(error) = db.close().await {
                tracing::warn!(%error, "the database did not close");
            }
        }
    }
}

async fn examine_database(
    context: &Context,
    db: &Db,
    clock: &Clock,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    findings.push(place::durability(db).await?);
    let pending = place::schema(db).await?;
    let is_ready = pending.state == State::Ok;
    findings.push(pending);
    if is_ready {
        books::examine(context, db, clock.now(), findings).await?;
    }
    Ok(())
}
