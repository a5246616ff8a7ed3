//! How an invoice number looks. Pure.

use crate::domain::Timestamp;
use chrono::Datelike;
use chrono_tz::Tz;
use serde::Serialize;
use std::fmt;
use thiserror::Error;

/// What numbers look like unless the merchant says otherwise.
pub const DEFAULT_FORMAT: &str = "INV/{outlet}/{yyyy}/{seq:6}";
/// Letters of an outlet's code at most.
const CODE_LETTERS: usize = 12;
/// Letters of a format at most.
const FORMAT_LETTERS: usize = 60;

/// Why a format or a code is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NumberError {
    #[error(
        "`{0}` is no part of a number; there are {{outlet}}, {{yyyy}}, {{yy}}, {{mm}} and, at the end, {{seq:6}}"
    )]
    UnknownPart(String),
    #[error("the format must end in {{seq}} or {{seq:N}} with N from 1 to 12, and have it once")]
    NoSequence,
    #[error(
        "the sign before {{seq}} must be one such as / or -, so that two numbers can never read the same"
    )]
    NoSeparator,
    #[error("a number that shows the month must show the year too")]
    MonthWithoutYear,
    #[error("`{0}` cannot stand in a number; letters, digits and / - _ . # can")]
    BadSign(char),
    #[error("a format has at most {FORMAT_LETTERS} letters")]
    TooLong,
    #[error(
        "numbers of invoices that were made before series began with INV/, a digit and /; begin with something else"
    )]
    LikeOld,
    #[error("an outlet's code is a letter and up to {more} more letters and digits, not `{0}`", more = CODE_LETTERS - 1)]
    BadCode(String),
}

/// When a series begins at 1 again: it follows from what the number shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    Never,
    Yearly,
    Monthly,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Outlet,
    Year,
    ShortYear,
    Month,
}

/// How a merchant's invoice numbers look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberFormat {
    text: String,
    parts: Vec<Part>,
    digits: usize,
}

impl NumberFormat {
    /// Reads `INV/{outlet}/{yyyy}/{seq:6}`.
    ///
    /// # Errors
    /// When a part is not known, two numbers could read the same, or a sign does not belong in a number.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.chars().count() > FORMAT_LETTERS {
            return Err(NumberError::TooLong);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        let mut digits = None;
        while !rest.is_empty() {
            // The count is the end: what stands before it is the series.
            if digits.is_some() {
                return Err(NumberError::NoSequence);
            }
            if let Some(inside) = rest.strip_prefix('{') {
                let (name, after) = inside
                    .split_once('}')
                    .ok_or_else(|| NumberError::UnknownPart(rest.to_owned()))?;
                match part(name)? {
                    Found::Part(part) => parts.push(part),
                    Found::Sequence(n) => digits = Some(n),
                }
                rest = after;
            } else {
                let end = rest.find('{').unwrap_or(rest.len());
                parts.push(Part::Text(plain(&rest[..end])?));
                rest = &rest[end..];
            }
        }
        let format = Self {
            text: text.to_owned(),
            parts,
            digits: digits.ok_or(NumberError::NoSequence)?,
        };
        format.check()?;
        Ok(format)
    }

    fn check(&self) -> Result<(), NumberError> {
        match self.parts.last() {
            None => {}
            Some(Part::Text(text)) if !text.ends_with(|c: char| c.is_ascii_alphanumeric()) => {}
            Some(_) => return Err(NumberError::NoSeparator),
        }
        let shows_year = self.has(&Part::Year) || self.has(&Part::ShortYear);
        if self.has(&Part::Month) && !shows_year {
            return Err(NumberError::MonthWithoutYear);
        }
        let begins = match self.parts.first() {
            Some(Part::Text(text)) => text.strip_prefix("INV/"),
            _ => None,
        };
        if begins.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            return Err(NumberError::LikeOld);
        }
        Ok(())
    }

    fn has(&self, part: &Part) -> bool {
        self.parts.contains(part)
    }

    pub fn reset(&self) -> Reset {
        if self.has(&Part::Month) {
            Reset::Monthly
        } else if self.has(&Part::Year) || self.has(&Part::ShortYear) {
            Reset::Yearly
        } else {
            Reset::Never
        }
    }

    /// The series that a number of an outlet belongs to at an instant.
    pub fn series(&self, outlet: &str, at: Timestamp, zone: Tz) -> String {
        let day = at.to_utc().with_timezone(&zone);
        let shown = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Outlet => outlet.to_owned(),
            Part::Year => format!("{:04}", day.year()),
            Part::ShortYear => format!("{:02}", day.year().rem_euclid(100)),
            Part::Month => format!("{:02}", day.month()),
        };
        self.parts.iter().map(shown).collect()
    }

    /// The number: a count that outgrows its digits is written whole.
    pub fn number(&self, series: &str, count: i64) -> String {
        format!("{series}{count:0digits$}", digits = self.digits)
    }
}

impl fmt::Display for NumberFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

enum Found {
    Part(Part),
    Sequence(usize),
}

fn part(name: &str) -> Result<Found, NumberError> {
    let part = match name {
        "outlet" => Part::Outlet,
        "yyyy" => Part::Year,
        "yy" => Part::ShortYear,
        "mm" => Part::Month,
        "seq" => return Ok(Found::Sequence(1)),
        _ => {
            let digits = name
                .strip_prefix("seq:")
                .ok_or_else(|| NumberError::UnknownPart(format!("{{{name}}}")))?;
            return match digits.parse() {
                Ok(n @ 1..=12) => Ok(Found::Sequence(n)),
                _ => Err(NumberError::NoSequence),
            };
        }
    };
    Ok(Found::Part(part))
}

fn plain(text: &str) -> Result<String, NumberError> {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "/-_.#".contains(*c);
    match text.chars().find(|c| !is_plain(c)) {
        Some(sign) => Err(NumberError::BadSign(sign)),
        None => Ok(text.to_owned()),
    }
}

/// Reads an outlet's code.
///
/// # Errors
/// When it is not a letter followed by letters and digits.
pub fn outlet_code(text: &str) -> Result<String, NumberError> {
    let code = text.trim().to_uppercase();
    let begins = code.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_plain = code.chars().all(|c| c.is_ascii_alphanumeric());
    if begins && is_plain && code.len() <= CODE_LETTERS {
        Ok(code)
    } else {
        Err(NumberError::BadCode(text.chars().take(20).collect()))
    }
}

/// What stands for an outlet that was given no code.
pub(super) fn usual_code(name: &str, outlet: i64) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let code: String = letters.take(CODE_LETTERS).collect();
    outlet_code(&code).unwrap_or_else(|_| format!("O{outlet}"))
}

pub(super) fn usual_format() -> NumberFormat {
    NumberFormat::parse(DEFAULT_FORMAT).expect("a test reads it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_798_740_000); // 2026-12-31T18:00:00Z

    fn number(format: &str, outlet: &str, zone: Tz, count: i64) -> String {
        let format = NumberFormat::parse(format).unwrap();
        format.number(&format.series(outlet, NOW, zone), count)
    }

    #[test]
    fn a_number_shows_outlet_year_and_month_of_the_merchants_clock() {
        let jakarta = chrono_tz::Asia::Jakarta;

        assert_eq!(
            number(DEFAULT_FORMAT, "MAIN", Tz::UTC, 7),
            "INV/MAIN/2026/000007"
        );
        assert_eq!(
            number(DEFAULT_FORMAT, "MAIN", jakarta, 7),
            "INV/MAIN/2027/000007"
        );
        assert_eq!(
            number("{outlet}-{yy}{mm}-{seq:3}", "B", Tz::UTC, 1_234),
            "B-2612-1234"
        );
        assert_eq!(number("{seq}", "B", Tz::UTC, 5), "5");
    }

    #[test]
    fn a_series_begins_again_when_what_it_shows_changes() {
        let reset = |text: &str| NumberFormat::parse(text).unwrap().reset();

        assert_eq!(reset(DEFAULT_FORMAT), Reset::Yearly);
        assert_eq!(reset("{yy}/{mm}/{seq:4}"), Reset::Monthly);
        assert_eq!(reset("A-{seq}"), Reset::Never);
    }

    #[test]
    fn formats_whose_numbers_could_be_taken_for_each_other_are_refused() {
        for (text, why) in [
            ("INV/{yyyy}", NumberError::NoSequence),
            ("{seq}/{yyyy}", NumberError::NoSequence),
            ("INV/{seq:0}", NumberError::NoSequence),
            ("INV{seq}", NumberError::NoSeparator),
            ("INV/{yyyy}{seq}", NumberError::NoSeparator),
            ("INV/{mm}/{seq}", NumberError::MonthWithoutYear),
            ("INV/3/{seq}", NumberError::LikeOld),
            ("INV {seq}", NumberError::BadSign(' ')),
            ("{day}/{seq}", NumberError::UnknownPart("{day}".to_owned())),
        ] {
            assert_eq!(NumberFormat::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn an_outlet_without_a_code_gets_one_of_its_name() {
        assert_eq!(usual_code("Main", 1), "MAIN");
        assert_eq!(usual_code("Gudang Jakarta Selatan", 1), "GUDANGJAKART");
        assert_eq!(usual_code("2nd floor", 7), "O7");
        assert_eq!(usual_code("倉庫", 8), "O8");
        assert!(outlet_code("A B").is_err() && outlet_code("").is_err());
    }

    fn formats() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            DEFAULT_FORMAT,
            "INV/{outlet}/{seq}",
            "{outlet}-{yy}{mm}-{seq:2}",
            "{yyyy}-{seq:1}",
            "{seq:4}",
        ])
    }

    proptest! {
        #[test]
        fn two_numbers_read_the_same_only_if_series_and_count_are_the_same(
            one in (formats(), "[A-Z][A-Z0-9]{0,3}", 1_i64..2_000),
            other in (formats(), "[A-Z][A-Z0-9]{0,3}", 1_i64..2_000),
        ) {
            let given = |(format, outlet, count): (&str, String, i64)| {
                let format = NumberFormat::parse(format).unwrap();
                let series = format.series(&outlet, NOW, Tz::UTC);
                (format.number(&series, count), series, count)
            };
            let (one, other) = (given(one), given(other));

            // The same count may be written with other digits; the number is then another text.
            if one.0 == other.0 {
                prop_assert_eq!((one.1, one.2), (other.1, other.2));
            }
        }
    }
}
