//! The keys that seal secrets, as the settings name them; and the refusal to start without the right ones.

use super::sqlite_path;
use crate::channels::{self, KeyId, Sealer, SealingKey};
use crate::config::Settings;
use crate::db::Db;
use crate::domain::ChannelId;
use anyhow::{Context, bail};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// The sealer with the keys of the settings. Changes nothing: a key file that is not there is not made.
///
/// # Errors
/// When there is no key, or a key that cannot be read.
pub fn sealer(settings: &Settings) -> anyhow::Result<Sealer> {
    let current = match &settings.secrets.key {
        Some(key) => SealingKey::from_base64(key.expose()).context("secrets.key")?,
        None => SealingKey::from_file(&key_file(settings)?)?,
    };
    Ok(Sealer::new(current, previous(settings)?))
}

/// The same for a process that starts on `db`.
///
/// 1. Without a key file, one is made, unless something is sealed already: a new key would open none of it.
/// 2. Every sealed value must be of a known key, so that no port opens before the secrets do.
///
/// # Errors
/// What is sealed with which key, and what to do.
pub async fn sealer_for(db: &Db, settings: &Settings) -> anyhow::Result<Sealer> {
    if settings.secrets.key.is_none() {
        let file = key_file(settings)?;
        if !file.exists() {
            make_key_file(db, &file).await?;
        }
    }
    let sealer = sealer(settings)?;
    for file in key_files(settings).filter(|file| channels::is_open_to_others(file)) {
        tracing::warn!(
            file = %file.display(),
            "others than its owner may read the key file; chmod 600 it"
        );
    }
    let strange = channels::unopened(db, &sealer).await?;
    if let Some((key, channels)) = strange.first_key_value() {
        bail!(
            "the secrets of {} are sealed with {}, which is not among the keys that are set; set it as \
             secrets.key or secrets.previous_key, or, if it is lost, give these secrets up with \
             `marketsink secrets forget {}`",
            listed(channels),
            described(*key),
            key.map_or_else(|| channels::UNNAMED.to_owned(), |key| key.to_string()),
        );
    }
    Ok(sealer)
}

async fn make_key_file(db: &Db, file: &Path) -> anyhow::Result<()> {
    let uses = channels::key_uses(db).await?;
    if let Some((key, found)) = uses.first_key_value() {
        bail!(
            "the key file `{}` is missing, and the secrets of {} are sealed with {}; restore the file from its \
             backup, or name its place with secrets.key_file",
            file.display(),
            listed(&found.channels),
            described(*key),
        );
    }
    SealingKey::make_file(file)?;
    Ok(())
}

fn previous(settings: &Settings) -> anyhow::Result<Vec<SealingKey>> {
    let secrets = &settings.secrets;
    let mut keys = Vec::new();
    if let Some(key) = &secrets.previous_key {
        keys.push(SealingKey::from_base64(key.expose()).context("secrets.previous_key")?);
    }
    if let Some(file) = &secrets.previous_key_file {
        keys.push(SealingKey::from_file(Path::new(file)).context("secrets.previous_key_file")?);
    }
    Ok(keys)
}

/// The files that the keys are read from.
pub fn key_files(settings: &Settings) -> impl Iterator<Item = PathBuf> {
    let secrets = &settings.secrets;
    let current = secrets.key.is_none().then(|| key_file(settings).ok());
    let previous = secrets.previous_key_file.as_ref().map(PathBuf::from);
    current.flatten().into_iter().chain(previous)
}

/// The key file of the settings, or the one beside the SQLite file.
fn key_file(settings: &Settings) -> anyhow::Result<PathBuf> {
    let set = settings.secrets.key_file.as_ref().map(PathBuf::from);
    let beside = || Some(sqlite_path(&settings.database.url)?.with_extension("key"));
    set.or_else(beside).context(
        "set secrets.key (or secrets.key_file): every process on this database needs the same key to open the channels' secrets; `openssl rand -base64 32` makes one",
    )
}

fn listed(channels: &BTreeSet<ChannelId>) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = channels
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    let shown = shown.join(", ");
    match channels.len() {
        1 => format!("channel {shown}"),
        n if n <= SHOWN => format!("the channels {shown}"),
        n => format!("{n} channels ({shown}, …)"),
    }
}

fn described(key: Option<KeyId>) -> String {
    key.map_or_else(
        || "a key whose id is not stored".to_owned(),
        |key| format!("the key {key}"),
    )
}
