//! `migrate` and `config`: the schema and the settings.

use super::{
    context::Context,
    output::{Table, dash, say, say_json},
};
use crate::app;
use crate::db;
use clap::Args;
use std::process::ExitCode;

/// Brings the database schema up to date
///
/// Every command that opens the database does so as well; this one does nothing else, for deployments that
/// want it apart. Many processes may run it at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink migrate\n  marketsink migrate --json")]
pub struct MigrateArgs {}

/// Shows every setting as it holds, and where it comes from; secrets are hidden
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink config\n  marketsink config --config /etc/marketsink.toml --json"
)]
pub struct ConfigArgs {}

pub async fn migrate(context: &Context) -> anyhow::Result<ExitCode> {
    context.log_quietly();
    let db = app::open_database(&context.settings).await?;
    let applied = db::pending_steps(&db).await?;
    db::migrate(&db).await?;
    db.close().await?;
    if context.json {
        say_json(&applied)?;
    } else if applied.is_empty() {
        say("the schema was up to date");
    } else {
        say(format!(
            "the schema is up to date; applied {}",
            applied.join(", ")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn config(context: &Context) -> anyhow::Result<ExitCode> {
    let settings = context.effective();
    if context.json {
        say_json(&settings)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["setting", "value", "from"]);
    for setting in settings {
        table.row([
            setting.key.to_owned(),
            setting.value.unwrap_or_else(dash),
            setting.source.to_string(),
        ]);
    }
    table.say("there are no settings");
    Ok(ExitCode::SUCCESS)
}
