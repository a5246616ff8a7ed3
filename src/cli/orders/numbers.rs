//! Order numbers and times as people hand them over.

use crate::domain::Timestamp;
use anyhow::{Context, anyhow, bail};
use chrono::{NaiveDate, TimeZone};
use chrono_tz::Tz;
use std::path::Path;

/// The first column of a file of lines; a first line without digits is a heading.
///
/// # Errors
/// When the file cannot be read, or names no order.
pub fn of_file(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let numbers = of_csv(&text);
    if numbers.is_empty() {
        bail!(
            "{} names no order: one number a line, first column",
            path.display()
        );
    }
    Ok(numbers)
}

fn of_csv(text: &str) -> Vec<String> {
    let first_column = |line: &str| {
        let cell = line.split([',', ';', '\t']).next().unwrap_or_default();
        cell.trim().trim_matches('"').trim().to_owned()
    };
    let lines = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(first_column);
    let has_digit = |cell: &str| cell.contains(|c: char| c.is_ascii_digit());
    let cells = lines
        .enumerate()
        .filter(|(n, cell)| *n > 0 || has_digit(cell))
        .map(|(_, cell)| cell);
    without_repeats(cells)
}

/// Trimmed, without empty ones and repeats, in the order given.
pub fn without_repeats(numbers: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for number in numbers {
        let number = number.trim().trim_start_matches('#').to_owned();
        if !number.is_empty() && !kept.contains(&number) {
            kept.push(number);
        }
    }
    kept
}

/// Reads `2026-11-23T10:15:02Z`, a date-time in UTC, or a date, which begins at midnight in `zone`.
///
/// # Errors
/// When the text is neither.
pub fn time(text: &str, zone: Tz) -> anyhow::Result<Timestamp> {
    if let Some(at) = Timestamp::parse(text) {
        return Ok(at);
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| {
        anyhow!("`{text}` is no time; write it like 2026-11-23 or 2026-11-23T10:15:00Z")
    })?;
    let midnight = date
        .and_hms_opt(0, 0, 0)
        .expect("every day has a midnight on paper");
    let local = zone.from_local_datetime(&midnight).earliest();
    let instant = local.unwrap_or_else(|| zone.from_utc_datetime(&midnight));
    Ok(instant.to_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_first_column_without_heading_and_repeats() {
        let text = "\u{feff}Order,Total\n\"1042\",9\n#1043;x\n\n1042\n";

        assert_eq!(of_csv(text), ["1042", "1043"]);
    }

    #[test]
    fn a_date_begins_at_midnight_in_the_merchants_zone() {
        let zone: Tz = "Asia/Jakarta".parse().unwrap();

        assert_eq!(
            time("2026-11-23", zone).unwrap().to_string(),
            "2026-11-22T17:00:00Z"
        );
        assert_eq!(
            time("2026-11-23T10:00:00Z", zone).unwrap().to_string(),
            "2026-11-23T10:00:00Z"
        );
        assert!(time("yesterday", zone).is_err());
    }
}
