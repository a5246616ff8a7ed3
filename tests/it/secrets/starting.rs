//! Starting with the right keys, and refusing to start without them.

use super::{key, key_text, store, token};
use crate::support::{
    builders::{Shop, a_shop},
    scenarios,
};
use marketsink::{
    app::App,
    channels,
    clock::Clock,
    config::{Secret, Settings},
    domain::ChannelId,
};
use std::path::Path;
use tempfile::TempDir;

scenarios!(
    a_key_file_is_made_for_a_database_without_secrets_only,
    with_a_wrong_key_nothing_starts_and_the_key_is_named,
    a_key_is_replaced_step_by_step_without_losing_a_secret,
);

fn settings(url: &str, key_file: &Path) -> Settings {
    let mut settings = Settings::default();
    url.clone_into(&mut settings.database.url);
    settings.database.allow_undurable = true;
    settings.database.connections = 4;
    settings.secrets.key_file = Some(key_file.display().to_string());
    settings
}

async fn start(settings: &Settings) -> anyhow::Result<App> {
    App::build(settings.clone(), Clock::system()).await
}

async fn refusal(settings: &Settings) -> String {
    format!("{:#}", start(settings).await.unwrap_err())
}

/// Starts once, with a channel that has secrets afterwards.
async fn with_a_secret(settings: &Settings) -> ChannelId {
    let app = start(settings).await.unwrap();
    let Shop {
        channel, merchant, ..
    } = a_shop(&app.db).await;
    store(&app.db, &app.sealer, (channel, merchant), 3).await;
    app.close().await.unwrap();
    channel
}

async fn assert_opens(settings: &Settings, channel: ChannelId) {
    let app = start(settings).await.unwrap();
    let stored = channels::credentials(app.db.read(), &app.sealer, channel).await;
    assert_eq!(stored.unwrap().unwrap().secrets, token(3));
    app.close().await.unwrap();
}

async fn a_key_file_is_made_for_a_database_without_secrets_only(url: String) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("books.key");
    let settings = settings(&url, &file);
    start(&settings).await.unwrap().close().await.unwrap();
    assert!(file.exists(), "nothing is sealed yet, so any key will do");
    let channel = with_a_secret(&settings).await;
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();

    let refused = refusal(&settings).await;

    assert!(!file.exists(), "a new key would open nothing");
    for part in [
        "books.key",
        "missing",
        &format!("channel {channel}"),
        "restore",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    std::fs::write(&file, kept).unwrap();
    assert_opens(&settings, channel).await;
}

async fn with_a_wrong_key_nothing_starts_and_the_key_is_named(url: String) {
    let dir = TempDir::new().unwrap();
    let mut right = settings(&url, &dir.path().join("books.key"));
    right.secrets.key_file = None;
    right.secrets.key = Some(Secret::new(key_text(1)));
    let channel = with_a_secret(&right).await;
    let mut wrong = right.clone();
    wrong.secrets.key = Some(Secret::new(key_text(2)));

    let refused = refusal(&wrong).await;

    let id = key(1).id().to_string();
    let parts = [
        &id,
        &format!("channel {channel}"),
        "secrets.previous_key",
        "forget",
    ];
    for part in parts {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert!(!refused.contains(&key_text(2)), "keys are not printed");
    assert_opens(&right, channel).await;
}

async fn a_key_is_replaced_step_by_step_without_losing_a_secret(url: String) {
    let dir = TempDir::new().unwrap();
    let (old, new) = (dir.path().join("old.key"), dir.path().join("new.key"));
    let before = settings(&url, &old);
    let channel = with_a_secret(&before).await;
    std::fs::write(&new, key_text(2)).unwrap();
    let mut meanwhile = settings(&url, &new);
    meanwhile.secrets.previous_key_file = Some(old.display().to_string());
    let after = settings(&url, &new);
    assert_opens(&meanwhile, channel).await;
    let too_early = refusal(&after).await;

    let app = start(&meanwhile).await.unwrap();
    let done = channels::reseal(&app.db, &app.sealer, app.clock.now()).await;
    app.close().await.unwrap();

    assert!(too_early.contains("not among the keys"), "{too_early}");
    // Of the two webhook secrets the older has run out long ago.
    assert_eq!(done.unwrap().credentials, 1);
    assert_opens(&after, channel).await;
    assert!(refusal(&before).await.contains(&key(2).id().to_string()));
}
