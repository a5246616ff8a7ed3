//! Settings from `marketsink.toml` and from `MARKETSINK_*` variables; the environment wins.
//!
//! [`fields`] is the one table: names, ranges, defaults, units and sentences. Reading, refusing,
//! `marketsink config` and the README's table are all made from it, so they cannot disagree.
//!
//! Promises: a name that is not in the table is refused, and so is a value outside its range; every
//! problem is reported at once; no secret is printed.

mod check;
mod describe;
mod error;
mod fields;
mod load;
mod provenance;
mod secret;
mod settings;

pub use describe::{Described, describe, markdown_table};
pub use error::{ConfigError, Problem};
pub use load::{DEFAULT_FILE, FILE_VARIABLE, PREFIX, environment};
pub use provenance::{Effective, Provenance, Source};
pub use secret::Secret;
pub use settings::{
    AppSettings, Apps, Database, HttpSettings, Inbox, Log, LogFormat, Retention, SecretsSettings,
    Settings, Sync, Worker,
};
