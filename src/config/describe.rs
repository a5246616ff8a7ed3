//! The table of settings for people.

use super::fields::{Field, fields};
use serde::Serialize;
use std::fmt::Write;

/// What there is to know about one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Described {
    pub key: &'static str,
    pub variable: String,
    pub allowed: String,
    /// Empty where there is none.
    pub unit: &'static str,
    pub default: Option<&'static str>,
    pub secret: bool,
    pub doc: &'static str,
}

/// Every setting, in the order of the table.
pub fn describe() -> Vec<Described> {
    fields().map(of).collect()
}

fn of(field: &Field) -> Described {
    Described {
        key: field.key,
        variable: field.variable(),
        allowed: field.kind.allowed(),
        unit: field.kind.unit(),
        default: field.default,
        secret: field.kind.is_secret(),
        doc: field.doc,
    }
}

/// The README's table.
pub fn markdown_table() -> String {
    let mut table =
        String::from("| setting | what it is | allowed | default |\n| --- | --- | --- | --- |\n");
    for setting in describe() {
        let Described {
            key, doc, allowed, ..
        } = &setting;
        let secret = if setting.secret { " Secret." } else { "" };
        let default = match (setting.default, setting.unit) {
            (None, _) => "not set".to_owned(),
            (Some(text), "") => format!("`{text}`"),
            (Some(text), unit) => format!("`{text}` {unit}"),
        };
        writeln!(table, "| `{key}` | {doc}{secret} | {allowed} | {default} |")
            .expect("a string takes every write");
    }
    table
}
