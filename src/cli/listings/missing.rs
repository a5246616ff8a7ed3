//! `listings missing-in`: a file of the SKUs that a channel does not list, to be uploaded there.

use super::views::{amount, price};
use crate::channels::{self, Channel};
use crate::cli::{
    context::{Context, Session},
    output::{Table, or_dash, say, say_json},
    sheet::{Sheet, number, text},
};
use crate::domain::SkuId;
use crate::reports::views::{self, SkuRow, ViewQuery};
use crate::stock;
use clap::Args;
use serde_json::json;
use std::{collections::HashMap, path::PathBuf};

/// SKUs read at once.
const PAGE: u64 = 1_000;

/// Shows the SKUs that a channel does not list, with what could be sold there; --csv makes the file for an upload
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink listings missing-in 1
  marketsink listings missing-in 1 --csv --output missing.csv")]
pub struct MissingArgs {
    /// The channel's id, as `marketsink channel list` shows it
    channel: i64,
    /// Only rows with this in a code or a name
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write the CSV file there
    #[arg(long, value_name = "FILE", requires = "csv")]
    output: Option<PathBuf>,
}

pub async fn missing(context: &Context, args: &MissingArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let channel = session.channel(args.channel).await?;
    let connection = channels::connection_of(session.app.db.read(), channel.id).await?;
    let mut query = ViewQuery {
        channel: Some(connection.id),
        search: args.search.clone(),
        after: None,
        limit: PAGE,
    };
    let mut out = Out::open(context, args)?;
    loop {
        let page = views::not_in_channel(&session.app.db, session.merchant, &query).await?;
        let quantities = quantities(&session, &connection, &page.rows).await?;
        out.add(&page.rows, &quantities)?;
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    session.close().await?;
    out.close(args)
}

/// What would be pushed of each.
async fn quantities(
    session: &Session,
    connection: &Channel,
    rows: &[SkuRow],
) -> anyhow::Result<HashMap<SkuId, i64>> {
    let skus: Vec<SkuId> = rows.iter().map(|row| row.id).collect();
    let read = session.app.db.read();
    let told = stock::pushable(read, connection, &skus, session.now()).await?;
    Ok(told
        .into_iter()
        .map(|(sku, told)| (sku, told.quantity))
        .collect())
}

enum Out {
    Csv(Box<Sheet>, u64),
    Json(Vec<serde_json::Value>),
    Table(Table, u64),
}

impl Out {
    fn open(context: &Context, args: &MissingArgs) -> anyhow::Result<Self> {
        if args.csv {
            let heading = ["seller_sku", "name", "quantity", "price", "currency"];
            let sheet = Sheet::open(args.output.as_deref(), &heading)?;
            return Ok(Self::Csv(Box::new(sheet), 0));
        }
        Ok(if context.json {
            Self::Json(Vec::new())
        } else {
            Self::Table(Table::new(&["sku", "quantity", "price", "name"]), 0)
        })
    }

    fn add(&mut self, rows: &[SkuRow], quantities: &HashMap<SkuId, i64>) -> anyhow::Result<()> {
        for row in rows {
            let quantity = quantities.get(&row.id).copied();
            let currency = row.currency.as_deref();
            match self {
                Self::Csv(sheet, n) => {
                    *n += 1;
                    sheet.row([
                        text(&*row.code),
                        text(&*row.name),
                        number(quantity),
                        amount(row.price_minor, currency),
                        text(currency.unwrap_or_default()),
                    ])?;
                }
                Self::Json(all) => all.push(json!({
                    "sku": row.code,
                    "name": row.name,
                    "quantity": quantity,
                    "price_minor": row.price_minor,
                    "currency": currency,
                })),
                Self::Table(table, n) => {
                    *n += 1;
                    table.row([
                        row.code.clone(),
                        or_dash(quantity),
                        price(row.price_minor, currency),
                        row.name.clone(),
                    ]);
                }
            }
        }
        if let Self::Csv(sheet, _) = self {
            sheet.write_out()?;
        }
        Ok(())
    }

    fn close(self, args: &MissingArgs) -> anyhow::Result<()> {
        match self {
            Self::Csv(_, n) => {
                if let Some(path) = &args.output {
                    say(format!("{n} SKUs are in {}", path.display()));
                }
            }
            Self::Json(all) => say_json(&all)?,
            Self::Table(table, n) => {
                table.say("the channel lists every SKU");
                if n > 0 {
                    say(format!("{n} SKUs"));
                }
            }
        }
        Ok(())
    }
}
