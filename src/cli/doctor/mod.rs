//! `doctor`: what is in order, what is not, and what to do about it. Changes nothing.

mod books;
mod finding;
mod place;

use super::{
    Global,
    context::Context,
    output::{Table, dash, say, say_json},
};
use crate::app;
use crate::clock::Clock;
use crate::db::Db;
use clap::Args;
use finding::{Finding, State};
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
    report(global.json, &findings)?;
    let is_broken = findings.iter().any(|finding| finding.state == State::Fail);
    Ok(if is_broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn examine(context: &Context, findings: &mut Vec<Finding>) {
    let clock = Clock::system();
    findings.push(place::public_url(&context.settings));
    findings.extend(place::apps(&context.settings));
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

fn report(as_json: bool, findings: &[Finding]) -> anyhow::Result<()> {
    if as_json {
        return say_json(findings);
    }
    let mut table = Table::new(&["", "check", "found", "what to do"]);
    for finding in findings {
        table.row([
            finding.state.as_str().to_owned(),
            finding.check.clone(),
            finding.found.replace('\n', "; "),
            finding.to_do.clone().unwrap_or_else(dash),
        ]);
    }
    table.say("nothing was checked");
    let count = |state| {
        findings
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    say(format!(
        "{} ok, {} to look at, {} broken",
        count(State::Ok),
        count(State::Warn),
        count(State::Fail)
    ));
    Ok(())
}
