//! The one table of settings. A new setting is a field in `settings.rs` and an entry here.

mod apps;
mod kind;
mod retention;
mod shape;

pub(super) use kind::Kind;

use super::settings::LogFormat;
use kind::{number, secret, text};
use std::time::Duration;

/// One setting.
#[derive(Debug)]
pub(super) struct Field {
    /// `section.name`, as in the file.
    pub key: &'static str,
    pub kind: Kind,
    /// Read like any other value. `None`: not set.
    pub default: Option<&'static str>,
    /// One sentence.
    pub doc: &'static str,
}

impl Field {
    /// `database.url` is `MARKETSINK_DATABASE_URL`.
    pub fn variable(&self) -> String {
        format!(
            "{}{}",
            super::PREFIX,
            self.key.replace('.', "_").to_uppercase()
        )
    }

    pub fn find(key: &str) -> Option<&'static Self> {
        fields().find(|field| field.key == key)
    }

    pub fn of_variable(name: &str) -> Option<&'static Self> {
        fields().find(|field| field.variable() == name)
    }
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Every setting, in the order in which they are shown.
pub(super) fn fields() -> impl Iterator<Item = &'static Field> {
    GENERAL.iter().chain(retention::RETENTION).chain(apps::APPS)
}

const GENERAL: &[Field] = &[
    Field {
        key: "database.url",
        kind: text(&shape::DATABASE, |s, v| s.database.url = v),
        default: Some("sqlite:marketsink.db"),
        doc: "Where the books are kept.",
    },
    Field {
        key: "database.connections",
        kind: number(1..=200, "", |s, v| s.database.connections = v as u32),
        default: Some("8"),
        doc: "Connections to PostgreSQL, or readers of SQLite, which has one writer besides.",
    },
    Field {
        key: "database.allow_undurable",
        kind: Kind::Flag(|s, v| s.database.allow_undurable = v),
        default: Some("false"),
        doc: "Start although the database would lose acknowledged deliveries in a power cut.",
    },
    Field {
        key: "http.listen",
        kind: text(&shape::LISTEN, |s, v| s.http.listen = v),
        default: Some("127.0.0.1:8080"),
        doc: "Where the server listens.",
    },
    Field {
        key: "http.public_url",
        kind: text(&shape::URL, |s, v| s.http.public_url = v),
        default: Some("http://127.0.0.1:8080"),
        doc: "How marketplaces reach the server; webhook subscriptions are made for it.",
    },
    Field {
        key: "http.body_limit_bytes",
        kind: number(KIB..=16 * MIB, "bytes", |s, v| {
            s.http.body_limit_bytes = v as usize;
        }),
        default: Some("1048576"),
        doc: "The largest webhook that is read; a larger one is answered with 413.",
    },
    Field {
        key: "http.workers",
        kind: number(0..=64, "", |s, v| s.http.workers = v as usize),
        default: Some("0"),
        doc: "Server threads; 0 means one per processor.",
    },
    Field {
        key: "inbox.queue",
        kind: number(1..=65_536, "", |s, v| s.inbox.queue = v as usize),
        default: Some("4096"),
        doc: "Receipts that may wait for a commit; beyond it the answer is 503.",
    },
    Field {
        key: "inbox.batch",
        kind: number(1..=1024, "", |s, v| s.inbox.batch = v as usize),
        default: Some("512"),
        doc: "The most receipts that share one commit.",
    },
    Field {
        key: "inbox.quarantine_samples",
        kind: number(0..=10_000, "", |s, v| s.inbox.quarantine_samples = v),
        default: Some("200"),
        doc: "Refused requests that are kept per marketplace, to be verified again when a key was wrong.",
    },
    Field {
        key: "inbox.quarantine_bytes",
        kind: number(0..=1 << 40, "bytes", |s, v| s.inbox.quarantine_bytes = v),
        default: Some("67108864"),
        doc: "Bytes of the bodies of refused requests that are kept per marketplace.",
    },
    Field {
        key: "worker.concurrency",
        kind: number(1..=256, "", |s, v| s.worker.concurrency = v as usize),
        default: Some("8"),
        doc: "Jobs that run at once.",
    },
    Field {
        key: "worker.lease_seconds",
        kind: number(5..=3600, "seconds", |s, v| {
            s.worker.lease = Duration::from_secs(v);
        }),
        default: Some("60"),
        doc: "How long a job stays with a worker that gives no sign of life.",
    },
    Field {
        key: "worker.poll_ms",
        kind: number(10..=60_000, "milliseconds", |s, v| {
            s.worker.poll = Duration::from_millis(v);
        }),
        default: Some("500"),
        doc: "How often an idle worker looks for jobs.",
    },
    Field {
        key: "worker.claim",
        kind: number(1..=1000, "", |s, v| s.worker.claim = v),
        default: Some("64"),
        doc: "The most jobs that are taken at one look.",
    },
    Field {
        key: "sync.timeout_seconds",
        kind: number(1..=300, "seconds", |s, v| {
            s.sync.timeout = Duration::from_secs(v);
        }),
        default: Some("30"),
        doc: "The longest wait for one answer of a marketplace.",
    },
    Field {
        key: "sync.first_download_days",
        kind: number(0..=90, "days", |s, v| {
            s.sync.first_download = Duration::from_secs(v * 86_400);
        }),
        default: Some("15"),
        doc: "How far back the first download of a new channel's orders reaches.",
    },
    Field {
        key: "sync.allow_private_hosts",
        kind: Kind::Flag(|s, v| s.sync.allow_private_hosts = v),
        default: Some("false"),
        doc: "Let shop addresses lead into private networks; only for the sandbox.",
    },
    Field {
        key: "secrets.key",
        kind: secret(&shape::SEALING_KEY, |s, v| s.secrets.key = Some(v)),
        default: None,
        doc: "The key that seals stored credentials.",
    },
    Field {
        key: "secrets.key_file",
        kind: text(&shape::PATH, |s, v| s.secrets.key_file = Some(v)),
        default: None,
        doc: "The file that holds that key; without one it is made beside the SQLite file.",
    },
    Field {
        key: "secrets.previous_key",
        kind: secret(&shape::SEALING_KEY, |s, v| s.secrets.previous_key = Some(v)),
        default: None,
        doc: "The key before that one: what it sealed still opens; `marketsink secrets rotate` makes it needless.",
    },
    Field {
        key: "secrets.previous_key_file",
        kind: text(&shape::PATH, |s, v| s.secrets.previous_key_file = Some(v)),
        default: None,
        doc: "The file that holds the key before.",
    },
    Field {
        key: "log.filter",
        kind: text(&shape::FILTER, |s, v| s.log.filter = v),
        default: Some("info"),
        doc: "What is logged: a level, or directives such as `info,marketsink::sync=debug`.",
    },
    Field {
        key: "log.format",
        kind: Kind::Choice {
            of: &["text", "json"],
            set: |s, v| {
                s.log.format = match v {
                    "json" => LogFormat::Json,
                    _ => LogFormat::Text,
                }
            },
        },
        default: Some("text"),
        doc: "How a log line looks: for people, or one JSON object per line.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use std::collections::BTreeSet;

    #[test]
    fn every_default_is_an_allowed_value() {
        let mut settings = Settings::default();

        for field in fields() {
            if let Some(text) = field.default {
                assert_eq!(field.kind.set(&mut settings, text), Ok(()), "{}", field.key);
            }
        }
    }

    #[test]
    fn keys_variables_and_sentences_are_well_formed() {
        let keys: BTreeSet<_> = fields().map(|field| field.key).collect();
        let variables: BTreeSet<_> = fields().map(Field::variable).collect();

        assert_eq!(keys.len(), fields().count());
        assert_eq!(variables.len(), fields().count());
        for field in fields() {
            assert_eq!(field.key.split('.').count(), 2, "{}", field.key);
            assert!(field.doc.ends_with('.'), "{}", field.key);
            assert!(!field.doc.contains('|'), "{}", field.key);
        }
    }

    #[test]
    fn every_setting_reaches_its_place() {
        let settings = Settings::default();

        assert_eq!(settings.database.url, "sqlite:marketsink.db");
        assert_eq!(settings.database.connections, 8);
        assert_eq!(settings.http.body_limit_bytes, 1 << 20);
        assert_eq!(settings.worker.lease, Duration::from_mins(1));
        assert_eq!(settings.worker.poll, Duration::from_millis(500));
        assert_eq!(
            settings.sync.first_download,
            Duration::from_secs(15 * 86_400)
        );
        assert_eq!(settings.log.format, LogFormat::Text);
    }
}
