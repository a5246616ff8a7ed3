//! How answers look: aligned columns for people, one JSON document for machines.

use crate::domain::{Currency, Money, Timestamp};
use serde::Serialize;
use std::io::{self, Write};

/// Prints to standard output. A reader that has gone, such as `head`, is no failure.
pub fn say(text: impl AsRef<str>) {
    let _ = writeln!(io::stdout(), "{}", text.as_ref());
}

/// Tells to standard error what is not part of the answer.
pub fn tell(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// One line per problem, with its causes.
pub fn complain(error: &anyhow::Error) {
    for line in format!("{error:#}").lines() {
        tell(format!("marketsink: {line}"));
    }
}

/// Prints one JSON document.
///
/// # Errors
/// When the value is not JSON.
pub fn say_json<T: Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Rows under a heading, each column as wide as its widest cell.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(heading: &[&str]) -> Self {
        let heading = heading.iter().map(|cell| (*cell).to_owned()).collect();
        Self {
            rows: vec![heading],
        }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// Prints the rows, or `none` when there are none.
    pub fn say(&self, none: &str) {
        if self.is_empty() {
            say(none);
        } else {
            say(self.text());
        }
    }

    /// As it is printed.
    pub fn text(&self) -> String {
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..n_columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths);
            let padded: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            padded.join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// To the second; for columns.
pub fn at(micros: i64) -> String {
    Timestamp::from_secs(Timestamp::from_micros(micros).secs()).to_string()
}

/// The instant, or `-`.
pub fn at_or_dash(micros: Option<i64>) -> String {
    micros.map_or_else(dash, at)
}

pub fn dash() -> String {
    "-".to_owned()
}

/// The text, or `-`.
pub fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(dash, |value| value.to_string())
}

/// What a rule is about.
pub fn scope_in_words(sku: Option<&str>, channel: Option<i64>) -> String {
    match (sku, channel) {
        (None, None) => "everything".to_owned(),
        (Some(sku), None) => format!("SKU {sku}"),
        (None, Some(channel)) => format!("channel {channel}"),
        (Some(sku), Some(channel)) => format!("SKU {sku} on channel {channel}"),
    }
}

pub fn yes_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// An amount with its currency.
pub fn money(minor: i64, currency: &str) -> String {
    match Currency::from_code(currency) {
        Ok(currency) => Money { minor, currency }.to_string(),
        Err(_) => format!("{minor} {currency}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["id", "name"]);

        table.row(["7".to_owned(), "Café".to_owned()]);
        table.row(["1042".to_owned(), "-".to_owned()]);

        assert_eq!(table.text(), "id    name\n7     Café\n1042  -");
    }
}
