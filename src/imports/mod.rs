//! Files of SKUs, invoices and stock counts: looked through whole, then taken into the books.
//!
//! Owns the table `imports`. What it promises:
//! 1. A look writes nothing. Nothing is taken from a file while any row of it is wrong.
//! 2. A file is taken in steps of [`STEP`] rows or a few more, each one transaction with how far it is: memory does not
//!    grow with the file, nobody waits long to write, and what was interrupted goes on where it stood when it is asked
//!    for again.
//! 3. The same file twice changes nothing the second time; a row that is in the books already is left alone.
//! 4. Buyers' names and addresses are not read into the books, nor into messages.

mod cells;
mod counts;
mod invoices;
mod prune;
mod rows;
mod skus;
mod store;
mod take;

pub use cells::Mark;
pub use prune::prune_imports;
pub use store::{find_import, imports};
pub use take::{Import, examine, take};

use crate::channels::ChannelError;
use crate::domain::{ChannelId, Currency};
use sea_orm::DbErr;
use serde::Serialize;
use thiserror::Error;

/// Rows that are taken in one transaction.
pub const STEP: usize = 500;
/// Wrong rows that are told; all are counted.
pub const TOLD: usize = 100;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportKind {
    Skus,
    Invoices,
    Counts,
}

impl ImportKind {
    pub const ALL: &'static [Self] = &[Self::Skus, Self::Invoices, Self::Counts];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skus => "skus",
            Self::Invoices => "invoices",
            Self::Counts => "counts",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// The columns of its files, in the order of the template.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Skus => skus::COLUMNS,
            Self::Invoices => invoices::COLUMNS,
            Self::Counts => counts::COLUMNS,
        }
    }
}

/// A column of a file.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Read whatever its case, spaces and underscores.
    pub name: &'static str,
    pub is_needed: bool,
    pub example: &'static str,
}

pub(crate) const fn needed(name: &'static str, example: &'static str) -> Column {
    Column {
        name,
        is_needed: true,
        example,
    }
}

pub(crate) const fn optional(name: &'static str, example: &'static str) -> Column {
    Column {
        name,
        is_needed: false,
        example,
    }
}

/// What is said beside the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Of amounts that name none.
    pub currency: Option<Currency>,
    /// The channel that sold imported invoices.
    pub channel: Option<ChannelId>,
    /// The sign before decimals; none: a comma where semicolons separate cells.
    pub mark: Option<Mark>,
    /// The goods of imported invoices have left.
    pub has_left: bool,
    /// Take a file that was taken before.
    pub again: bool,
    /// Who asks.
    pub by: String,
}

/// Something wrong with a row, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line, as an editor counts.
    pub row: u64,
    pub column: Option<String>,
    /// What stands there, shortened; never of a column with buyers' data.
    pub value: String,
    pub problem: String,
}

/// What a look found, or what was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub rows: u64,
    /// Things of the file (an invoice may have several rows) that are new to the books.
    pub added: u64,
    pub changed: u64,
    /// In the books already, and left alone.
    pub unchanged: u64,
    pub n_faults: u64,
    /// The first hundred.
    pub faults: Vec<Fault>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// Under which it is in `imports`; none: nothing was written.
    pub import: Option<i64>,
    /// The file was taken before, under this id.
    pub taken_before: Option<i64>,
}

impl Outcome {
    fn fault(&mut self, fault: Fault) {
        self.n_faults += 1;
        if self.faults.len() < TOLD {
            self.faults.push(fault);
        }
    }
}

/// Why a file as a whole cannot be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("{0} cannot be read")]
    File(String, #[source] std::io::Error),
    #[error("{0}")]
    Heading(String),
    #[error("{0}")]
    Options(String),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Db(#[from] DbErr),
}
