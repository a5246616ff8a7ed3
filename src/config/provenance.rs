//! Where each setting comes from, with secrets hidden: what `marketsink config` shows.

use super::{
    fields::{Field, fields},
    secret::{HIDDEN, without_password},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// Who gave a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    #[default]
    Default,
    /// The file at this path.
    File(String),
    /// The variable of this name.
    Environment(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

/// One setting as it holds. Shows as `key = value (source)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    pub key: &'static str,
    /// `None`: not set. A secret is `(hidden)`.
    pub value: Option<String>,
    pub source: Source,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().unwrap_or("(not set)");
        write!(f, "{} = {value} ({})", self.key, self.source)
    }
}

/// The sources of all settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    given: BTreeMap<&'static str, (String, Source)>,
}

impl Provenance {
    pub(super) fn note(&mut self, field: &Field, text: &str, source: Source) {
        self.given.insert(field.key, (shown(field, text), source));
    }

    /// Every setting in the order of the table.
    pub fn effective(&self) -> Vec<Effective> {
        fields().map(|field| self.of(field)).collect()
    }

    fn of(&self, field: &Field) -> Effective {
        let (value, source) = match self.given.get(field.key) {
            Some((value, source)) => (Some(value.clone()), source.clone()),
            None => (field.default.map(str::to_owned), Source::Default),
        };
        Effective {
            key: field.key,
            value,
            source,
        }
    }
}

fn shown(field: &Field, text: &str) -> String {
    if field.kind.is_secret() {
        HIDDEN.to_owned()
    } else if field.key == "database.url" {
        without_password(text)
    } else {
        text.to_owned()
    }
}
