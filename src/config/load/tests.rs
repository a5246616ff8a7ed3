//! Reading settings: what is taken, what is refused, and what is said about it.

use super::*;
use crate::config::{LogFormat, Secret};
use std::time::Duration;

fn load(toml: &str, env: &[(&str, &str)]) -> Result<(Settings, Provenance), ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.toml");
    fs::write(&path, toml).unwrap();
    Settings::load(Some(&path), variables(env))
}

fn variables(env: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    env.iter().map(owned).collect::<Vec<_>>().into_iter()
}

fn refusal(toml: &str, env: &[(&str, &str)]) -> String {
    load(toml, env).unwrap_err().to_string()
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let toml = "[worker]\nclaim = 10\nlease_seconds = 30\n[log]\nformat = \"json\"";

    let (settings, _) = load(toml, &[("MARKETSINK_WORKER_CLAIM", "20")]).unwrap();

    assert_eq!(settings.worker.claim, 20);
    assert_eq!(settings.worker.lease, Duration::from_secs(30));
    assert_eq!(settings.worker.concurrency, 8);
    assert_eq!(settings.log.format, LogFormat::Json);
}

#[test]
fn without_file_and_environment_the_defaults_hold() {
    let (settings, provenance) = load("", &[]).unwrap();

    assert_eq!(settings, Settings::default());
    assert!(
        provenance
            .effective()
            .iter()
            .all(|line| line.source == Source::Default)
    );
}

#[test]
fn an_unknown_key_is_refused_with_its_nearest_neighbour_and_without_its_value() {
    let text = refusal(
        "[tiktok_shop]\napp_sekret = \"hunter2\"\n[wolves]\nn = 1\n",
        &[],
    );

    assert!(
        text.contains("no setting `tiktok_shop.app_sekret`"),
        "{text}"
    );
    assert!(
        text.contains("did you mean `tiktok_shop.app_secret`?"),
        "{text}"
    );
    assert!(
        text.contains("no setting `wolves.n`; `marketsink config` lists"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_key_outside_a_section_is_refused() {
    let text = refusal("url = \"sqlite:a.db\"", &[]);

    assert!(text.contains("no setting `url`"), "{text}");
}

#[test]
fn an_unknown_variable_of_ours_is_refused_and_others_are_passed_over() {
    let text = refusal("", &[("MARKETSINK_HTTP_LISTN", "a:1"), ("PATH", "/bin")]);

    assert_eq!(
        text,
        "environment: there is no setting `MARKETSINK_HTTP_LISTN`; did you mean `MARKETSINK_HTTP_LISTEN`?"
    );
}

#[test]
fn a_value_out_of_range_is_refused_with_what_is_allowed() {
    let text = refusal("", &[("MARKETSINK_DATABASE_CONNECTIONS", "201")]);

    assert_eq!(
        text,
        "environment: `MARKETSINK_DATABASE_CONNECTIONS` is `201`; allowed is a whole number from 1 to 200"
    );
    assert!(load("", &[("MARKETSINK_DATABASE_CONNECTIONS", "200")]).is_ok());
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    let text = refusal(
        "[worker]\nclaim = [1]\n[database]\nallow_undurable = 1\n",
        &[],
    );

    assert!(
        text.contains("`worker.claim` is of type array; allowed is a whole number"),
        "{text}"
    );
    assert!(
        text.contains("`database.allow_undurable` is `1`; allowed is `true` or `false`"),
        "{text}"
    );
}

#[test]
fn all_problems_are_reported_one_per_line() {
    let env = [("MARKETSINK_LOG_FORMAT", "xml"), ("MARKETSINK_NOPE", "1")];

    let text = refusal(
        "[http]\nlisten = \"everywhere\"\n[inbox]\nbatch = 0\n",
        &env,
    );

    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn a_refused_secret_is_not_shown() {
    let text = refusal(
        "[secrets]\nkey = \"hunter2\"",
        &[("MARKETSINK_TIKTOK_SHOP_APP_SECRET", "hunter 3")],
    );

    assert!(
        text.contains("`secrets.key` is (hidden); allowed is base64"),
        "{text}"
    );
    assert!(
        text.contains("`MARKETSINK_TIKTOK_SHOP_APP_SECRET` is (hidden)"),
        "{text}"
    );
    assert!(!text.contains("hunter"), "{text}");
}

#[test]
fn broken_toml_is_refused_by_line_without_showing_it() {
    let text = refusal("[secrets]\nkey = \"hunter2\n", &[]);

    assert!(text.contains("settings.toml: line 2 is not TOML"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_named_file_must_exist_and_may_be_named_by_a_variable() {
    let env = || variables(&[(FILE_VARIABLE, "/nowhere/at-all.toml")]);

    let error = Settings::load(None, env()).unwrap_err().to_string();

    assert!(
        error.starts_with("/nowhere/at-all.toml: cannot be read"),
        "{error}"
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let (settings, _) = load("", &[("MARKETSINK_SECRETS_KEY", "")]).unwrap();

    assert_eq!(settings.secrets.key, None);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (env, said) in [
        (
            vec![("MARKETSINK_TIKTOK_SHOP_PREVIOUS_APP_SECRET", "x")],
            "previous_app_secret is for",
        ),
        (
            vec![("MARKETSINK_TIKTOK_SHOP_APP_KEY", "x")],
            "needs tiktok_shop.app_secret",
        ),
        (
            vec![("MARKETSINK_TIKTOK_SHOP_APP_SECRET", "x")],
            "needs tiktok_shop.app_key",
        ),
        (
            vec![("MARKETSINK_INBOX_QUEUE", "1")],
            "inbox.batch is larger",
        ),
        (
            vec![
                (
                    "MARKETSINK_SECRETS_KEY",
                    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                ),
                ("MARKETSINK_SECRETS_KEY_FILE", "a.key"),
            ],
            "both set",
        ),
    ] {
        let text = refusal("", &env);

        assert!(text.contains(said), "{env:?}: {text}");
    }
}

#[test]
fn what_holds_is_shown_with_its_source_and_without_secrets() {
    let toml = "[tiktok_shop]\napp_key = \"k\"\napp_secret = \"hunter2\"\n";
    let env = [("MARKETSINK_DATABASE_URL", "postgres://u:hunter3@h/d")];

    let (settings, provenance) = load(toml, &env).unwrap();

    let lines = provenance.effective();
    let text: Vec<_> = lines.iter().map(ToString::to_string).collect();
    let text = text.join("\n");
    let json = serde_json::to_string(&lines).unwrap();
    assert_eq!(
        settings.apps.value("tiktok_shop", "app_secret").cloned(),
        Some(Secret::new("hunter2"))
    );
    assert_eq!(lines.len(), fields().count());
    assert!(
        text.contains(
            "database.url = postgres://u:(hidden)@h/d (environment MARKETSINK_DATABASE_URL)"
        ),
        "{text}"
    );
    assert!(
        text.contains("tiktok_shop.app_secret = (hidden) (file "),
        "{text}"
    );
    assert!(text.contains("secrets.key = (not set) (default)"), "{text}");
    for printed in [
        text,
        json,
        format!("{settings:?}"),
        format!("{provenance:?}"),
    ] {
        assert!(!printed.contains("hunter"), "{printed}");
    }
}
