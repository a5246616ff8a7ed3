//! The settings as the program uses them: typed, checked, with their defaults from the table of fields.

use super::{
    fields::fields,
    secret::{Secret, without_password},
};
use std::{collections::BTreeMap, fmt, time::Duration};

/// All settings. Ranges, defaults and units of every field: [`super::describe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub database: Database,
    pub http: HttpSettings,
    pub inbox: Inbox,
    pub worker: Worker,
    pub sync: Sync,
    pub retention: Retention,
    pub secrets: SecretsSettings,
    /// Our apps at the marketplaces, by slug.
    pub apps: Apps,
    pub log: Log,
}

/// Where the books are. Its address is printed without its password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// `sqlite:PATH`, or `postgres://USER@HOST/NAME`.
    pub url: String,
    pub connections: u32,
    /// Start although the database would lose acknowledged deliveries in a power cut.
    pub allow_undurable: bool,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", &without_password(&self.url))
            .field("connections", &self.connections)
            .field("allow_undurable", &self.allow_undurable)
            .finish()
    }
}

/// Where marketplaces and people reach us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// `HOST:PORT`.
    pub listen: String,
    /// The address that marketplaces are told, without a slash at its end.
    pub public_url: String,
    pub body_limit_bytes: usize,
    /// Server threads; 0 means one per processor.
    pub workers: usize,
}

/// How receipts are gathered into commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inbox {
    /// Receipts that may wait for a commit; beyond it the answer is 503.
    pub queue: usize,
    /// Receipts per commit.
    pub batch: usize,
    /// Refused requests that are kept per marketplace.
    pub quarantine_samples: u64,
    /// Bytes of their bodies that are kept per marketplace.
    pub quarantine_bytes: u64,
}

/// The background work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worker {
    /// Jobs that run at once.
    pub concurrency: usize,
    /// How long a job belongs to a worker that has not said a word.
    pub lease: Duration,
    /// How often an idle worker looks for jobs.
    pub poll: Duration,
    /// Jobs taken per look.
    pub claim: u64,
}

/// How marketplaces are called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sync {
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// How far back the first download of a new channel's orders reaches.
    pub first_download: Duration,
    /// Let shop addresses lead into private networks: only for the sandbox.
    pub allow_private_hosts: bool,
}

/// How many days things are kept; 0: for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Hours after which bodies of deliveries are compressed; 0: never.
    pub compress_after_hours: u64,
    pub deliveries: u64,
    pub delivery_bodies: u64,
    pub quarantine: u64,
    pub job_attempts: u64,
    pub scans: u64,
    pub scan_changes: u64,
    pub scan_pages: u64,
    pub downloads: u64,
    pub stock_pushes: u64,
    pub price_pushes: u64,
    pub stock_compares: u64,
    pub stock_drifts: u64,
    pub endpoint_deliveries: u64,
    pub happenings: u64,
    pub notices: u64,
    pub alarms: u64,
    pub silences: u64,
    pub completeness: u64,
    pub webhook_misses: u64,
    pub consents: u64,
    pub schedule_fires: u64,
    pub issues: u64,
    pub imports: u64,
    pub readings: u64,
    pub replays: u64,
    pub replay_items: u64,
    /// Deliveries that were not understood.
    pub unread_deliveries: u64,
    /// Jobs that ended well, or were replaced.
    pub jobs: u64,
    /// Jobs that were given up.
    pub dead_jobs: u64,
}

/// The keys that seal stored credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretsSettings {
    /// Base64 of 32 bytes.
    pub key: Option<Secret>,
    /// Where the key is kept; without one, beside the SQLite file.
    pub key_file: Option<String>,
    /// The key before that one, which still opens; base64 of 32 bytes.
    pub previous_key: Option<Secret>,
    /// Where that one is kept.
    pub previous_key_file: Option<String>,
}

/// Our apps at the marketplaces, by the marketplace's slug.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apps(BTreeMap<&'static str, AppSettings>);

impl Apps {
    /// Our app at a marketplace; an empty one when nothing is set.
    pub fn at(&mut self, marketplace: &'static str) -> &mut AppSettings {
        self.0.entry(marketplace).or_default()
    }

    /// A value of our app at a marketplace.
    pub fn value(&self, marketplace: &str, name: &str) -> Option<&Secret> {
        self.get(marketplace)?.values.get(name)
    }

    pub fn get(&self, marketplace: &str) -> Option<&AppSettings> {
        self.0.get(marketplace)
    }
}

/// Our app at one marketplace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppSettings {
    /// The root of the API; none where every shop has its own.
    pub api_url: Option<String>,
    /// The root of the token service, where it differs.
    pub auth_url: Option<String>,
    /// The page on which merchants consent, where it differs.
    pub consent_url: Option<String>,
    /// The webhook address as the marketplace's console has it; none for the one that `http.public_url`
    /// makes.
    pub webhook_url: Option<String>,
    /// Keys and secrets, under the marketplace's own names.
    pub values: BTreeMap<&'static str, Secret>,
}

/// What is logged, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// A level, or directives such as `info,marketsink::sync=debug`.
    pub filter: String,
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// What holds without a file and without an environment.
impl Default for Settings {
    fn default() -> Self {
        let mut settings = Self::blank();
        for field in fields() {
            if let Some(text) = field.default {
                field
                    .kind
                    .set(&mut settings, text)
                    .expect("a test reads every default of the table");
            }
        }
        settings
    }
}

impl Settings {
    /// Before the table has given its defaults.
    fn blank() -> Self {
        Self {
            database: Database::default(),
            http: HttpSettings::default(),
            inbox: Inbox::default(),
            worker: Worker::default(),
            sync: Sync::default(),
            retention: Retention::default(),
            secrets: SecretsSettings::default(),
            apps: Apps::default(),
            log: Log::default(),
        }
    }
}
