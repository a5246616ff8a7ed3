//! Reading: the file first, then the environment over it, and every problem noted on the way.

use super::{
    check,
    error::{ConfigError, Problem},
    fields::{Field, fields},
    provenance::{Provenance, Source},
    settings::Settings,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// Every variable of ours begins with it.
pub const PREFIX: &str = "MARKETSINK_";
/// Names the settings file, where no command-line option does.
pub const FILE_VARIABLE: &str = "MARKETSINK_CONFIG";
/// Read when it exists and no other file is named.
pub const DEFAULT_FILE: &str = "marketsink.toml";

/// Our variables of this process's environment.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let value = || value.to_string_lossy().into_owned();
        name.starts_with(PREFIX).then(|| (name, value()))
    })
}

impl Settings {
    /// Reads the file (or the one that [`FILE_VARIABLE`] names, or [`DEFAULT_FILE`] if it exists), then the
    /// environment. Variables that do not begin with [`PREFIX`] are passed over; an empty one counts as
    /// not set.
    ///
    /// # Errors
    /// All problems at once: a file that cannot be read, a name or a value that is not in the table,
    /// settings that contradict each other.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<(Self, Provenance), ConfigError> {
        let mut env: Vec<_> = env
            .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
            .collect();
        env.sort();
        let mut load = Load::default();
        load.read_file(file, &env);
        load.read_environment(&env);
        if load.problems.is_empty() {
            load.problems = check::problems(&load.settings);
        }
        if load.problems.is_empty() {
            Ok((load.settings, load.provenance))
        } else {
            Err(ConfigError {
                problems: load.problems,
            })
        }
    }
}

#[derive(Default)]
struct Load {
    settings: Settings,
    provenance: Provenance,
    problems: Vec<Problem>,
}

impl Load {
    fn read_file(&mut self, file: Option<&Path>, env: &[(String, String)]) {
        let by_variable = || {
            let (_, path) = env.iter().find(|(name, _)| name == FILE_VARIABLE)?;
            Some(PathBuf::from(path))
        };
        let named = file.map(Path::to_owned).or_else(by_variable);
        let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let place = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => self.read_toml(&place, &text),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.refuse_file(&place, format!("cannot be read: {error}")),
        }
    }

    fn read_toml(&mut self, place: &str, text: &str) {
        let table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return self.refuse_file(place, syntax(&error, text)),
        };
        for (section, inner) in &table {
            match inner {
                Value::Table(inner) => {
                    for (name, value) in inner {
                        self.take_from_file(place, &format!("{section}.{name}"), value);
                    }
                }
                _ => self.refuse_unknown(place, section, hint_for_key(section)),
            }
        }
    }

    fn take_from_file(&mut self, place: &str, key: &str, value: &Value) {
        let Some(field) = Field::find(key) else {
            return self.refuse_unknown(place, key, hint_for_key(key));
        };
        let Some(text) = as_text(value) else {
            return self.problems.push(Problem::NotAllowed {
                place: place.to_owned(),
                name: key.to_owned(),
                given: format!("of type {}", value.type_str()),
                allowed: field.kind.allowed(),
            });
        };
        self.take(field, (place, key), &text, Source::File(place.to_owned()));
    }

    fn read_environment(&mut self, env: &[(String, String)]) {
        let place = "environment";
        for (name, text) in env.iter().filter(|(name, _)| name != FILE_VARIABLE) {
            match Field::of_variable(name) {
                Some(field) => {
                    self.take(
                        field,
                        (place, name),
                        text,
                        Source::Environment(name.clone()),
                    );
                }
                None => self.refuse_unknown(place, name, hint_for_variable(name)),
            }
        }
    }

    fn take(&mut self, field: &Field, (place, name): (&str, &str), text: &str, source: Source) {
        if field.kind.set(&mut self.settings, text).is_ok() {
            self.provenance.note(field, text, source);
        } else {
            let problem = Problem::not_allowed(place, name, field, text);
            self.problems.push(problem);
        }
    }

    fn refuse_file(&mut self, file: &str, reason: String) {
        self.problems.push(Problem::File {
            file: file.to_owned(),
            reason,
        });
    }

    fn refuse_unknown(&mut self, place: &str, name: &str, hint: String) {
        self.problems.push(Problem::Unknown {
            place: place.to_owned(),
            name: name.to_owned(),
            hint,
        });
    }
}

/// Where and why, without the line itself: it may hold a secret.
fn syntax(error: &toml::de::Error, text: &str) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = text
        .bytes()
        .take(start)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1;
    format!("line {line} is not TOML: {}", error.message())
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn hint_for_key(key: &str) -> String {
    let keys = fields().map(|field| field.key.to_owned());
    hint(key, keys.collect())
}

fn hint_for_variable(name: &str) -> String {
    hint(name, fields().map(Field::variable).collect())
}

/// The nearest name, or where to find them all.
fn hint(given: &str, names: Vec<String>) -> String {
    let nearest = names.into_iter().min_by_key(|name| distance(given, name));
    match nearest {
        Some(name) if distance(given, &name) <= 3 => format!("did you mean `{name}`?"),
        _ => "`marketsink config` lists them all".to_owned(),
    }
}

/// Letters to change, add or drop (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests;
