//! `payouts import`: what was paid out, as a file of the marketplace or of the bank says it.
//!
//! A file is taken whole or not at all, and the same file again changes nothing.

use crate::accounts::Deed;
use crate::cli::{
    context::Context,
    output::{say, say_json},
};
use crate::domain::{Currency, Fee, Money, Settlement, Timestamp};
use crate::sales;
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    process::ExitCode,
};

/// Rows of one file.
const MOST: usize = 200_000;

/// Takes over payouts from a CSV file: columns order, amount, fee and, if there is one, settled_at
///
/// `order` is the order's number, `amount` what was paid out for it, `fee` what was kept, both in major units with a
/// decimal point. Columns are separated by comma, semicolon or tab. Without --apply nothing is written.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  marketsink payouts import payout.csv --channel 1\n  marketsink payouts import payout.csv --channel 1 --apply"
)]
pub struct ImportArgs {
    /// The CSV file
    file: PathBuf,
    /// The channel, by its number in `marketsink channel list`
    #[arg(long, value_name = "ID")]
    channel: i64,
    /// Writes what the preview shows
    #[arg(long)]
    apply: bool,
    /// The currency of the amounts; the one of the channel's orders, if left out
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
}

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line in the file; the heading is line 1.
    line: usize,
    number: String,
    amount: String,
    fee: String,
    settled_at: Option<Timestamp>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    line: usize,
    column: &'static str,
    why: String,
}

pub(super) async fn run(context: &Context, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let text = std::fs::read(&args.file)
        .with_context(|| format!("{} could not be read", args.file.display()))?;
    let session = context.session().await?;
    let channel = session.channel(args.channel).await?;
    let (rows, mut wrong) = rows(&text);
    let db = session.app.db.read();
    let numbers: Vec<String> = rows.iter().map(|row| row.number.clone()).collect();
    let ids = sales::ids_of_numbers(db, channel.connection(), &numbers).await?;
    let currencies = sales::currencies_of(db, channel.connection(), &numbers).await?;
    let mut settled = Vec::new();
    let mut seen = HashSet::new();
    for row in &rows {
        let (Some(id), Some(code)) = (ids.get(&row.number), currencies.get(&row.number)) else {
            wrong.push(row.wrong("order", "is not in the books of this channel"));
            continue;
        };
        if !seen.insert(&row.number) {
            wrong.push(row.wrong("order", "is in the file twice; add its rows up"));
            continue;
        }
        let currency = Currency::from_code(args.currency.as_deref().unwrap_or(code))?;
        match row.settlement(id.clone(), currency) {
            Ok(of) => settled.push(of),
            Err(why) => wrong.push(why),
        }
    }
    wrong.sort_by_key(|wrong| wrong.line);
    if !wrong.is_empty() {
        session.close().await?;
        return refuse(context, &wrong);
    }
    let settings: HashMap<_, _> = crate::channels::list(&session.app.db, session.merchant, true)
        .await?
        .into_iter()
        .map(|channel| (channel.id.0, channel.settings))
        .collect();
    let tx = session.app.db.write_tx().await?;
    let connection = channel.connection();
    let now = session.now();
    let done = sales::record_settlements(&tx, connection, &settled, "file", &settings, now).await?;
    if args.apply {
        let deed = Deed::new("payouts.imported", "channel", channel.id);
        let what = json!({"rows": rows.len(), "result": done});
        session.record(&tx, deed.to(what)).await?;
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    session.close().await?;
    if context.json {
        say_json(&json!({"applied": args.apply, "rows": rows.len(), "result": done}))?;
    } else {
        let verb = if args.apply {
            "written"
        } else {
            "to be written"
        };
        say(format!(
            "{} rows: {} new and {} changed {verb}, {} known already; {} with another fee than expected",
            rows.len(),
            done.new,
            done.changed,
            done.unchanged,
            done.differing
        ));
        if !args.apply {
            say("Nothing was written; --apply does it.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse(context: &Context, wrong: &[Wrong]) -> anyhow::Result<ExitCode> {
    if context.json {
        let rows = wrong
            .iter()
            .map(|wrong| json!({"line": wrong.line, "column": wrong.column, "why": wrong.why}));
        say_json(&json!({"applied": false, "wrong": rows.collect::<Vec<_>>()}))?;
        return Ok(ExitCode::FAILURE);
    }
    for wrong in wrong.iter().take(50) {
        say(format!(
            "line {}: `{}` {}",
            wrong.line, wrong.column, wrong.why
        ));
    }
    bail!("{} rows are wrong; nothing was written", wrong.len());
}

impl Row {
    fn wrong(&self, column: &'static str, why: impl Into<String>) -> Wrong {
        Wrong {
            line: self.line,
            column,
            why: why.into(),
        }
    }

    fn settlement(
        &self,
        order: crate::domain::RemoteId,
        currency: Currency,
    ) -> Result<Settlement, Wrong> {
        let read = |column, text: &str| {
            Money::parse(text, currency)
                .map_err(|error| self.wrong(column, format!("is no amount: {error}")))
        };
        let net = read("amount", &self.amount)?;
        let fee = if self.fee.is_empty() {
            Money::zero(currency)
        } else {
            read("fee", &self.fee)?
        };
        // Some files have what was kept below zero.
        let minor = fee.minor.saturating_abs();
        Ok(Settlement {
            order,
            gross: Money {
                minor: net.minor.saturating_add(minor),
                currency,
            },
            fees: vec![Fee {
                kind: "fee".to_owned(),
                minor,
            }],
            net,
            settled_at: self.settled_at,
        })
    }
}

/// The rows of a file, and what is wrong with those that cannot be read.
fn rows(bytes: &[u8]) -> (Vec<Row>, Vec<Wrong>) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let heading = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let count = |mark: u8| heading.split(|byte| *byte == mark).count();
    let mark = *[b',', b';', b'\t']
        .iter()
        .max_by_key(|mark| count(**mark))
        .unwrap_or(&b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(mark)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let at_heading = |why: String| {
        let wrong = Wrong {
            line: 1,
            column: "heading",
            why,
        };
        (Vec::new(), vec![wrong])
    };
    let names: Vec<String> = match reader.headers() {
        Ok(names) => names.iter().map(str::to_lowercase).collect(),
        Err(error) => return at_heading(format!("cannot be read: {error}")),
    };
    let place = |name: &str| names.iter().position(|known| known == name);
    let (Some(order), Some(amount)) = (place("order"), place("amount")) else {
        return at_heading("needs the columns order and amount, and should have fee".to_owned());
    };
    let (fee, settled_at) = (place("fee"), place("settled_at"));
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (at, record) in reader.records().enumerate() {
        let line = at + 2;
        let refusal = |column, why: &str| Wrong {
            line,
            column,
            why: why.to_owned(),
        };
        if rows.len() >= MOST {
            wrong.push(refusal("order", "is one row too many; split the file"));
            break;
        }
        let Ok(record) = record else {
            wrong.push(refusal(
                "order",
                "cannot be read: the file is not UTF-8, or a quote is open",
            ));
            continue;
        };
        let cell = |place: usize| record.get(place).unwrap_or_default().to_owned();
        if record.iter().all(str::is_empty) {
            continue;
        }
        let told = settled_at.map(cell).filter(|text| !text.is_empty());
        let at = told.as_deref().map(Timestamp::parse);
        if at == Some(None) {
            wrong.push(refusal(
                "settled_at",
                "is no time; write 2026-11-23T02:20:00Z",
            ));
            continue;
        }
        rows.push(Row {
            line,
            // A sheet that was made harmless has an apostrophe before what looks like a formula.
            number: cell(order).trim_start_matches('\'').to_owned(),
            amount: cell(amount),
            fee: fee.map(cell).unwrap_or_default(),
            settled_at: at.flatten(),
        });
    }
    (rows, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_of_every_spreadsheet_are_read_alike() {
        let plain = rows(b"order,amount,fee\n1042,98000.00,2000.00\n");
        let excel = rows("\u{feff}Order;Amount;Fee\r\n'1042;98000.00;2000.00\r\n;;\r\n".as_bytes());
        let tabs = rows(b"fee\tamount\torder\n2000.00\t98000.00\t1042");

        assert_eq!(plain.1, []);
        assert_eq!(plain, excel);
        assert_eq!(plain, tabs);
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        let (none, heading) = rows(b"number,paid\n1,2\n");
        let (read, wrong) = rows(b"order,amount,settled_at\n1,2,yesterday\n2,x,\n");
        let amount = read[0].settlement("2".into(), Currency::from_code("IDR").unwrap());

        assert!(none.is_empty() && heading[0].column == "heading");
        assert_eq!((wrong[0].line, wrong[0].column), (2, "settled_at"));
        let amount = amount.unwrap_err();
        assert_eq!((amount.line, amount.column), (3, "amount"));
    }

    #[test]
    fn a_fee_below_zero_is_the_same_fee() {
        let (read, _) = rows(b"order,amount,fee\n1,95.50,-4.50\n");

        let of = read[0].settlement("1".into(), Currency::from_code("USD").unwrap());

        let of = of.unwrap();
        assert_eq!(
            (of.net.minor, of.fee(), of.gross.minor),
            (9_550, 450, 10_000)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = rows(&bytes);
        }
    }
}
