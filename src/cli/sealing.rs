//! `secrets`: the keys that seal credentials and webhook secrets.

use super::{
    context::Context,
    output::{Table, say, say_json},
};
use crate::accounts::Deed;
use crate::app;
use crate::channels::{self, KeyId, KeyUse, Sealer, UNNAMED};
use crate::clock::Clock;
use crate::db::{self, Db};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// The keys that seal stored credentials and webhook secrets: status, rotate, forget
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  marketsink secrets status\n  marketsink help secrets rotate")]
pub enum SecretsCommand {
    Status(StatusArgs),
    Rotate(RotateArgs),
    Forget(ForgetArgs),
}

/// Shows which keys are in use, by their ids; exits with 1 when one of them is not set
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink secrets status\n  marketsink secrets status --json"
)]
pub struct StatusArgs {}

/// Seals everything under the current key
///
/// Beside running processes, in batches: it may be stopped and run again at any time, and does nothing twice.
#[derive(Debug, Args)]
#[command(after_help = "\
To replace the key:
  1. make one: openssl rand -base64 32 > new.key; chmod 600 new.key
  2. with several processes, first set it as secrets.previous_key_file everywhere and restart them, so that
     all can open what any of them seals
  3. set the new key as secrets.key_file (secrets.key) and the old one as secrets.previous_key_file
     (secrets.previous_key); restart every process
  4. marketsink secrets rotate
  5. when `marketsink secrets status` shows one key only, remove the previous one from the settings

Examples:
  marketsink secrets rotate")]
pub struct RotateArgs {}

/// Gives up what a lost key has sealed, so that the program starts again; its channels are locked until they
/// are connected anew
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink secrets forget 1f0c9a5be3a7d210 --yes")]
pub struct ForgetArgs {
    /// The key's id, as `marketsink secrets status` shows it
    key: String,
    /// Really
    #[arg(long)]
    yes: bool,
}

pub async fn run(context: &Context, command: SecretsCommand) -> anyhow::Result<ExitCode> {
    context.log_quietly();
    // Not the whole app: it would refuse to start without the right keys.
    let db = app::open_database(&context.settings).await?;
    db::migrate(&db).await?;
    let code = match command {
        SecretsCommand::Status(_) => status(context, &db).await?,
        SecretsCommand::Rotate(_) => rotate(context, &db).await?,
        SecretsCommand::Forget(args) => forget(context, &db, &args).await?,
    };
    db.close().await?;
    Ok(code)
}

async fn status(context: &Context, db: &Db) -> anyhow::Result<ExitCode> {
    let sealer = app::sealer(&context.settings);
    let uses = channels::key_uses(db).await?;
    let strange = match &sealer {
        Ok(sealer) => channels::unopened(db, sealer).await?.into_keys().collect(),
        Err(_) => uses.keys().copied().collect::<Vec<_>>(),
    };
    let known = sealer.as_ref().map(Sealer::known).unwrap_or_default();
    let unused = known.iter().filter(|key| !uses.contains_key(&Some(**key)));
    let none = KeyUse::default();
    let rows = uses
        .iter()
        .map(|(key, found)| (*key, found))
        .chain(unused.map(|key| (Some(*key), &none)));
    let rows: Vec<Row<'_>> = rows
        .map(|(key, found)| Row {
            key,
            standing: standing(key, &known, &strange),
            found,
        })
        .collect();
    if context.json {
        say_json(&rows.iter().map(Row::json).collect::<Vec<_>>())?;
    } else {
        say_rows(&rows);
        if let Err(error) = &sealer {
            say(format!("{error:#}"));
        }
    }
    Ok(if strange.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Row<'r> {
    key: Option<KeyId>,
    standing: &'static str,
    found: &'r KeyUse,
}

impl Row<'_> {
    fn name(&self) -> String {
        self.key
            .map_or_else(|| UNNAMED.to_owned(), |key| key.to_string())
    }

    fn json(&self) -> Value {
        json!({
            "key": self.name(),
            "standing": self.standing,
            "credentials": self.found.credentials,
            "webhook_secrets": self.found.webhook_secrets,
            "endpoint_secrets": self.found.endpoint_secrets,
            "channels": self.found.channels,
        })
    }
}

fn standing(key: Option<KeyId>, known: &[KeyId], strange: &[Option<KeyId>]) -> &'static str {
    if strange.contains(&key) {
        return "not set";
    }
    match key {
        None => "opens with a key that is set",
        Some(key) if known.first() == Some(&key) => "current",
        Some(_) => "previous",
    }
}

fn say_rows(rows: &[Row<'_>]) {
    let mut table = Table::new(&[
        "key",
        "standing",
        "credentials",
        "webhook secrets",
        "endpoint secrets",
        "channels",
    ]);
    for row in rows {
        table.row([
            row.name(),
            row.standing.to_owned(),
            row.found.credentials.to_string(),
            row.found.webhook_secrets.to_string(),
            row.found.endpoint_secrets.to_string(),
            row.found.channels.len().to_string(),
        ]);
    }
    table.say("nothing is sealed, and no key is set");
}

async fn rotate(context: &Context, db: &Db) -> anyhow::Result<ExitCode> {
    let sealer = app::sealer(&context.settings)?;
    let now = Clock::system().now();
    let tx = db.write_tx().await?;
    let deed = Deed::new("secrets.sealed_anew", "key", sealer.current());
    context.record(&tx, None, deed, now).await?;
    tx.commit().await?;
    let done = channels::reseal(db, &sealer, now).await?;
    if context.json {
        say_json(&json!({
            "key": sealer.current().to_string(),
            "credentials": done.credentials,
            "webhook_secrets": done.webhook_secrets,
            "endpoint_secrets": done.endpoint_secrets,
            "unopened_endpoints": done.unopened_endpoints,
            "unopened_channels": done.unopened,
        }))?;
    } else {
        say(format!(
            "sealed anew under the key {}: {} credentials, {} webhook secrets, {} endpoint secrets",
            sealer.current(),
            done.credentials,
            done.webhook_secrets,
            done.endpoint_secrets
        ));
        for endpoint in &done.unopened_endpoints {
            say(format!(
                "  endpoint {endpoint} was left as it is: none of the keys that are set opens its secret"
            ));
        }
        for channel in &done.unopened {
            say(format!(
                "  channel {channel} was left as it is: none of the keys that are set opens its secrets"
            ));
        }
    }
    Ok(
        if done.unopened.is_empty() && done.unopened_endpoints.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        },
    )
}

async fn forget(context: &Context, db: &Db, args: &ForgetArgs) -> anyhow::Result<ExitCode> {
    let uses = channels::key_uses(db).await?;
    let is_named = |key: &Option<KeyId>| {
        let name = key.map_or_else(|| UNNAMED.to_owned(), |key| key.to_string());
        name == args.key
    };
    let key = uses.keys().copied().find(is_named);
    let key = key.with_context(|| {
        format!(
            "nothing is sealed with the key {}; look with `marketsink secrets status`",
            args.key
        )
    })?;
    if !args.yes {
        bail!(
            "this gives up the secrets of {} channels, which must be connected anew; say so with --yes",
            uses[&key].channels.len()
        );
    }
    let tx = db.write_tx().await?;
    let now = Clock::system().now();
    let locked = channels::forget_sealed(&tx, key, now).await?;
    let deed = Deed::new("secrets.forgotten", "key", &args.key);
    let what = json!({"locked_channels": locked});
    context.record(&tx, None, deed.to(what), now).await?;
    tx.commit().await?;
    if context.json {
        say_json(&json!({"locked": locked}))?;
    } else {
        for channel in &locked {
            say(format!(
                "channel {channel} is locked; connect its shop again: marketsink help channel add"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
