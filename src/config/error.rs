//! What is wrong with the settings: all of it at once, one line each.

use super::{
    fields::Field,
    secret::{HIDDEN, without_password},
};
use std::fmt;
use thiserror::Error;

/// The settings cannot be used. Prints one problem per line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    /// The value is left out: a misspelt name may carry a secret.
    #[error("{place}: there is no setting `{name}`; {hint}")]
    Unknown {
        place: String,
        name: String,
        hint: String,
    },
    #[error("{place}: `{name}` is {given}; allowed is {allowed}")]
    NotAllowed {
        place: String,
        name: String,
        given: String,
        allowed: String,
    },
    #[error("{0}")]
    Together(String),
}

impl Problem {
    pub(super) fn not_allowed(place: &str, name: &str, field: &Field, given: &str) -> Self {
        let given = if field.kind.is_secret() {
            HIDDEN.to_owned()
        } else if field.key == "database.url" {
            format!("`{}`", without_password(given))
        } else {
            format!("`{given}`")
        };
        Self::NotAllowed {
            place: place.to_owned(),
            name: name.to_owned(),
            given,
            allowed: field.kind.allowed(),
        }
    }
}
