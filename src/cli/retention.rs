//! `retention`: what is kept how long, and taking away what is older.

use super::{
    context::Context,
    output::{Table, or_dash, say, say_json},
};
use crate::accounts::Deed;
use crate::db::Db;
use crate::domain::Timestamp;
use crate::upkeep::{self, Keeping, Kept, Tended};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// What is kept how long: show, run
///
/// Orders, stock, returns, payouts, conflicts, numbers and the audit trail are kept for ever.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink retention show\n  marketsink retention run --dry-run"
)]
pub enum RetentionCommand {
    Show(ShowArgs),
    Run(RunArgs),
}

/// Shows the rule of each table: days, what stays however old it is, and what went
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink retention show\n  marketsink retention show --json"
)]
pub struct ShowArgs {}

/// Takes away what is older than the rules say, and packs bodies, now instead of within a day
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink retention run --dry-run\n  marketsink retention run"
)]
pub struct RunArgs {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(context: &Context, command: RetentionCommand) -> anyhow::Result<ExitCode> {
    match command {
        RetentionCommand::Show(_) => show(context).await?,
        RetentionCommand::Run(args) => take_away(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(context: &Context) -> anyhow::Result<()> {
    let app = context.open().await?;
    let states = upkeep::states(&app.db).await?;
    let retention = app.settings.retention.clone();
    app.close().await?;
    let state = |kept: &Kept| states.get(kept.as_str()).copied().unwrap_or_default();
    if context.json {
        let rules: Vec<Value> = Kept::ALL
            .iter()
            .map(|kept| {
                let state = state(kept);
                json!({
                    "table": kept,
                    "what": kept.what(),
                    "setting": setting(*kept),
                    "days": kept.days(&retention),
                    "stays": kept.stays(),
                    "last_run_at": state.run_at.map(|at| at.to_string()),
                    "last_rows": state.last_count,
                    "rows": state.total,
                })
            })
            .collect();
        return say_json(&rules);
    }
    let mut table = Table::new(&[
        "table",
        "days",
        "last run",
        "went then",
        "went",
        "stays however old",
    ]);
    for kept in Kept::ALL {
        let state = state(kept);
        table.row([
            kept.to_string(),
            days(kept.days(&retention)),
            or_dash(state.run_at),
            state.last_count.to_string(),
            state.total.to_string(),
            kept.stays().to_owned(),
        ]);
    }
    table.say("there are no rules");
    say(
        "jobs that ended go with their tries after retention.jobs_days and retention.dead_jobs_days; the books are kept for ever",
    );
    Ok(())
}

fn setting(kept: Kept) -> String {
    format!("retention.{kept}_days")
}

fn days(days: u64) -> String {
    if days == 0 {
        "for ever".to_owned()
    } else {
        days.to_string()
    }
}

async fn take_away(context: &Context, args: &RunArgs) -> anyhow::Result<()> {
    let app = context.open().await?;
    let keeping = Keeping {
        retention: &app.settings.retention,
        now: app.clock.now(),
    };
    let (done, packed) = if args.dry_run {
        (upkeep::dry_run(&app.db, keeping).await?, None)
    } else {
        note(context, &app.db, keeping.now).await?;
        let done = upkeep::run_all(&app.db, keeping).await?;
        let packed = upkeep::pack_some(&app.db, keeping, usize::MAX).await?;
        (done, Some(packed))
    };
    app.close().await?;
    if context.json {
        let packed = packed.map(|one| {
            json!({
                "rows": one.rows,
                "plain_bytes": one.plain_bytes,
                "packed_bytes": one.packed_bytes,
            })
        });
        return say_json(&json!({"dry_run": args.dry_run, "tables": done, "packed": packed}));
    }
    say_done(&done, args.dry_run);
    if let Some(packed) = packed {
        say(format!(
            "{} bodies packed, from {} to {} bytes",
            packed.rows, packed.plain_bytes, packed.packed_bytes
        ));
    }
    Ok(())
}

/// Who had it run: what goes, goes in many transactions.
async fn note(context: &Context, db: &Db, now: Timestamp) -> anyhow::Result<()> {
    let tx = db.write_tx().await?;
    let deed = Deed::new("retention.run", "retention", "all");
    context.record(&tx, None, deed, now).await?;
    Ok(tx.commit().await?)
}

fn say_done(done: &[Tended], is_dry: bool) {
    let verb = if is_dry { "would go" } else { "went" };
    let mut table = Table::new(&["table", verb]);
    for one in done.iter().filter(|one| one.rows > 0) {
        table.row([one.kept.to_string(), one.rows.to_string()]);
    }
    table.say(&format!("nothing {verb}"));
}
