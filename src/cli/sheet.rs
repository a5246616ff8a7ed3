//! CSV files that people open in a spreadsheet.
//!
//! A cell that a spreadsheet would take for a formula is made text: titles and codes come from marketplaces, and a
//! formula in one of them would run on the merchant's computer. Source: OWASP, "CSV Injection".

use crate::domain::{Currency, Money};
use std::{
    borrow::Cow,
    fs::File,
    io::{self, Write},
    path::Path,
};

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Of people or marketplaces: made harmless.
    Text(String),
    /// Ours, and as it is.
    Number(Option<i64>),
    /// An amount in major units, such as `-19.98`, or nothing.
    Amount(Option<String>),
}

/// A file, or standard output, that is written row by row.
pub struct Sheet {
    rows: csv::Writer<Vec<u8>>,
    to: Box<dyn Write>,
}

impl Sheet {
    /// # Errors
    /// When the file cannot be made.
    pub fn open(to: Option<&Path>, heading: &[&str]) -> anyhow::Result<Self> {
        let to: Box<dyn Write> = match to {
            None => Box::new(io::stdout()),
            Some(path) => Box::new(File::create(path)?),
        };
        let mut sheet = Self {
            rows: csv::Writer::from_writer(Vec::new()),
            to,
        };
        sheet.rows.write_record(heading)?;
        Ok(sheet)
    }

    /// # Errors
    /// When it has more or fewer cells than the heading.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) -> anyhow::Result<()> {
        self.cells(&cells)
    }

    /// The same for a number of cells that is not known beforehand.
    ///
    /// # Errors
    /// When it has more or fewer cells than the heading.
    pub fn cells(&mut self, cells: &[Cell]) -> anyhow::Result<()> {
        let cells = cells.iter().map(|cell| match cell {
            Cell::Text(text) => harmless(text),
            Cell::Amount(amount) => Cow::Borrowed(amount.as_deref().unwrap_or_default()),
            Cell::Number(number) => {
                Cow::Owned(number.map_or_else(String::new, |number| number.to_string()))
            }
        });
        for cell in cells {
            self.rows.write_field(cell.as_bytes())?;
        }
        self.rows.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// Writes out what there is: after each page, so that a file of any size takes little memory. A reader that has
    /// gone, such as `head`, is no failure.
    ///
    /// # Errors
    /// When the disk is full, or the like.
    pub fn write_out(&mut self) -> anyhow::Result<()> {
        let empty = csv::Writer::from_writer(Vec::new());
        let rows = std::mem::replace(&mut self.rows, empty).into_inner()?;
        match self.to.write_all(&rows).and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }
}

pub fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

pub fn number(number: impl Into<Option<i64>>) -> Cell {
    Cell::Number(number.into())
}

/// An amount of minor units, as a plain decimal; as whole minor units where the currency is not known.
pub fn amount(minor: impl Into<Option<i64>>, currency: &str) -> Cell {
    let shown = |minor: i64| match Currency::from_code(currency) {
        Ok(currency) => Money { minor, currency }.amount(),
        Err(_) => minor.to_string(),
    };
    Cell::Amount(minor.into().map(shown))
}

/// The text, behind an apostrophe where a spreadsheet would calculate it.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_formula = |c: char| {
        matches!(
            c,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'
        )
    };
    let first = text.chars().next();
    let seen = text.trim_start().chars().next();
    if [first, seen].into_iter().flatten().any(is_formula) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_calculate_is_text() {
        for formula in [
            "=HYPERLINK(\"http://example.com\")",
            "+1",
            "-1+2",
            "@SUM(A1)",
            "\t=1",
            " =1",
            "\r=1",
            "＝1",
        ] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        for plain in ["MUG-01", "1+1", "", "a=b", "'x"] {
            assert_eq!(harmless(plain), plain);
        }
    }
}
