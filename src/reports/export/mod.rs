//! Everything that can be listed, page after page: for files of any size in constant memory.
//!
//! The names of kinds and of their columns stay as they are: programs read them. Times are UTC, amounts whole minor units
//! beside their currency. Bodies and headers of deliveries, arguments of jobs, and secrets are in no export.

mod kinds;
mod names;

pub use kinds::ExportKind;

use crate::db::Db;
use crate::domain::{MerchantId, Timestamp};
use names::Names;
use sea_orm::DbErr;
use serde_json::{Map, Value};

/// Rows read at once.
const PAGE: u64 = 1_000;

/// A cell of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportCell {
    Nothing,
    Number(i64),
    Text(String),
}

/// One row, in the order of the kind's columns.
pub type ExportRow = Vec<ExportCell>;

/// Where a page ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportPlace(pub(self) i64, pub(self) i64);

/// The next page of a kind after a place, and where to go on; `None`: it was the last. At most five queries.
///
/// # Errors
/// When the database fails.
pub async fn export_page(
    db: &Db,
    merchant: MerchantId,
    kind: ExportKind,
    after: &ExportPlace,
) -> Result<(Vec<ExportRow>, Option<ExportPlace>), DbErr> {
    let rows = kind.rows(db, merchant, (after.0, after.1), PAGE).await?;
    let next = rows
        .last()
        .filter(|_| rows.len() as u64 == PAGE)
        .map(|row| kind.place(row))
        .map(|(first, second)| ExportPlace(first, second));
    let names = Names::read(db, merchant, kind.columns(), &rows).await?;
    let cells = |row: &Map<String, Value>| {
        let columns = kind.columns().iter();
        columns.map(|column| names.cell(column, row)).collect()
    };
    Ok((rows.iter().map(cells).collect(), next))
}

/// A cell as it is stored: times are told as such, everything else as it is.
fn plain(column: &str, value: Option<&Value>) -> ExportCell {
    match value {
        None | Some(Value::Null) => ExportCell::Nothing,
        Some(Value::Bool(is_so)) => ExportCell::Text(if *is_so { "yes" } else { "no" }.to_owned()),
        Some(Value::String(text)) => ExportCell::Text(text.clone()),
        Some(Value::Number(number)) => match number.as_i64() {
            Some(micros) if is_time(column) => {
                ExportCell::Text(Timestamp::from_micros(micros).to_string())
            }
            Some(number) => ExportCell::Number(number),
            None => ExportCell::Text(number.to_string()),
        },
        Some(other) => ExportCell::Text(other.to_string()),
    }
}

fn is_time(column: &str) -> bool {
    column.ends_with("_at") || matches!(column, "window_from" | "window_to" | "version" | "since")
}
