//! A CSV file, row by row: whatever separates its cells, with or without the marks that spreadsheets put before it.

use super::{Column, Fault, ImportError, Mark};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// Bytes of one row at most; one with more is no row.
const ROW_BYTES: usize = 65_536;

/// A file that is read from its first row to its last.
pub struct Rows {
    reader: csv::Reader<BufReader<File>>,
    /// For each known column, where it is in the file.
    places: Vec<(&'static str, Option<usize>)>,
    lines_before: u64,
    record: csv::StringRecord,
    pub mark: Mark,
}

/// One row.
#[derive(Debug)]
pub struct Row<'a> {
    /// As an editor counts: the heading is in the first line.
    pub line: u64,
    pub mark: Mark,
    record: &'a csv::StringRecord,
    places: &'a [(&'static str, Option<usize>)],
}

impl Row<'_> {
    /// The cell of a column, without blanks around it; empty where the file has no such column.
    pub fn cell(&self, column: &str) -> &str {
        let place = self.places.iter().find(|(name, _)| *name == column);
        let at = place.and_then(|(_, at)| *at);
        at.and_then(|at| self.record.get(at)).unwrap_or("").trim()
    }

    /// Reads a cell, or says what is wrong with it.
    pub fn read<T>(
        &self,
        column: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Fault> {
        read(self.cell(column)).map_err(|problem| self.fault(column, problem))
    }

    /// The same; an empty cell is `None`.
    pub fn read_if<T>(
        &self,
        column: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Fault> {
        if self.cell(column).is_empty() {
            return Ok(None);
        }
        self.read(column, read).map(Some)
    }

    pub fn fault(&self, column: &str, problem: impl Into<String>) -> Fault {
        Fault {
            row: self.line,
            column: Some(column.to_owned()),
            value: self.cell(column).chars().take(40).collect(),
            problem: problem.into(),
        }
    }
}

impl Rows {
    /// Opens a file and reads its heading.
    ///
    /// # Errors
    /// When it cannot be read, or its heading lacks a column or has one that nobody knows.
    pub fn open(
        path: &Path,
        columns: &'static [Column],
        mark: Option<Mark>,
    ) -> Result<Self, ImportError> {
        let (file, begin) = beginning(path)?;
        let separator = begin.separator;
        let mark = mark.unwrap_or(if separator == b';' {
            Mark::Comma
        } else {
            Mark::Point
        });
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .flexible(true)
            .has_headers(false)
            .from_reader(file);
        let mut heading = csv::StringRecord::new();
        let has_heading = reader.read_record(&mut heading).map_err(not_text)?;
        if !has_heading {
            return Err(ImportError::Heading("the file is empty".to_owned()));
        }
        Ok(Self {
            reader,
            places: places(&heading, columns)?,
            lines_before: begin.lines,
            record: csv::StringRecord::new(),
            mark,
        })
    }

    /// The next row that has anything in it; `Err` for one that is none.
    pub fn next(&mut self) -> Result<Option<Result<Row<'_>, Fault>>, ImportError> {
        loop {
            let before = self.reader.position().line();
            let fault = |line: u64, problem: &str| Fault {
                row: line,
                column: None,
                value: String::new(),
                problem: problem.to_owned(),
            };
            match self.reader.read_record(&mut self.record) {
                Ok(false) => return Ok(None),
                Ok(true) => {}
                Err(error) if error.is_io_error() => return Err(not_text(error)),
                Err(_) => {
                    let line = before + self.lines_before;
                    let problem = "it is not UTF-8 text; save the file as `CSV UTF-8`";
                    return Ok(Some(Err(fault(line, problem))));
                }
            }
            if self.record.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            let line =
                self.record.position().map_or(before, csv::Position::line) + self.lines_before;
            if self.record.as_slice().len() > ROW_BYTES {
                let problem = "the row is too long; is a quotation mark missing?";
                return Ok(Some(Err(fault(line, problem))));
            }
            let last = self.places.iter().filter_map(|(_, at)| *at).max();
            let n_columns = last.map_or(0, |last| last + 1);
            let beyond = self.record.iter().skip(n_columns.max(self.places.len()));
            if beyond.into_iter().any(|cell| !cell.trim().is_empty()) {
                let problem = "it has more cells than the heading; is a separator inside a cell without quotation marks?";
                return Ok(Some(Err(fault(line, problem))));
            }
            return Ok(Some(Ok(Row {
                line,
                mark: self.mark,
                record: &self.record,
                places: &self.places,
            })));
        }
    }
}

fn not_text(error: csv::Error) -> ImportError {
    ImportError::Heading(format!(
        "the file cannot be read ({error}); save it as `CSV UTF-8`"
    ))
}

/// What stands before the heading, and what separates cells.
struct Beginning {
    separator: u8,
    lines: u64,
}

/// The file after its byte order mark and after Excel's `sep=;`.
fn beginning(path: &Path) -> Result<(BufReader<File>, Beginning), ImportError> {
    let unread = |error: std::io::Error| ImportError::File(path.display().to_string(), error);
    let mut file = BufReader::new(File::open(path).map_err(unread)?);
    let mut start = 0;
    let bytes = file.fill_buf().map_err(unread)?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let advice = "the file is UTF-16 text; save it as `CSV UTF-8`";
        return Err(ImportError::Heading(advice.to_owned()));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        start = 3;
    }
    file.seek(SeekFrom::Start(start)).map_err(unread)?;
    let mut first = Vec::new();
    (&mut file)
        .take(ROW_BYTES as u64)
        .read_until(b'\n', &mut first)
        .map_err(unread)?;
    let said = first.strip_prefix(b"sep=").and_then(|rest| rest.first());
    let begin = match said {
        Some(separator) => Beginning {
            separator: *separator,
            lines: 1,
        },
        None => Beginning {
            separator: separator_of(&first),
            lines: 0,
        },
    };
    let skip = if said.is_some() {
        first.len() as u64
    } else {
        0
    };
    file.seek(SeekFrom::Start(start + skip)).map_err(unread)?;
    Ok((file, begin))
}

/// Of comma, semicolon and tab, the one that the heading has most of, outside of quotation marks.
fn separator_of(heading: &[u8]) -> u8 {
    let mut is_quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in heading {
        if *byte == b'"' {
            is_quoted = !is_quoted;
        }
        for (separator, n) in &mut counts {
            if !is_quoted && byte == separator {
                *n += 1;
            }
        }
    }
    // Of equals the first: max_by_key would take the last.
    counts
        .iter()
        .rev()
        .max_by_key(|(_, n)| *n)
        .map_or(b',', |(separator, _)| *separator)
}

fn places(
    heading: &csv::StringRecord,
    columns: &'static [Column],
) -> Result<Vec<(&'static str, Option<usize>)>, ImportError> {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let mut places: Vec<(&'static str, Option<usize>)> =
        columns.iter().map(|column| (column.name, None)).collect();
    for (at, cell) in heading.iter().enumerate() {
        let name = plain(cell);
        if name.is_empty() {
            continue;
        }
        let known = places.iter_mut().find(|(known, _)| plain(known) == name);
        let shown: String = cell.chars().take(40).collect();
        match known {
            None => {
                let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
                return Err(ImportError::Heading(format!(
                    "the heading has a column `{shown}`, which is none of {}",
                    names.join(", ")
                )));
            }
            Some((_, Some(_))) => {
                return Err(ImportError::Heading(format!(
                    "the heading has `{shown}` twice"
                )));
            }
            Some((_, place)) => *place = Some(at),
        }
    }
    let is_lacking = |column: &&Column| {
        column.is_needed
            && places
                .iter()
                .any(|(name, at)| *name == column.name && at.is_none())
    };
    let lacking: Vec<&str> = columns.iter().filter(is_lacking).map(|c| c.name).collect();
    if lacking.is_empty() {
        Ok(places)
    } else {
        Err(ImportError::Heading(format!(
            "the heading lacks {}; `marketsink import template` shows what it should be",
            lacking.join(", ")
        )))
    }
}
