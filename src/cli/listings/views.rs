//! The six views: a page as a table or as JSON, everything as CSV.

use crate::cli::{
    context::{Context, Session},
    output::{Table, dash, money, or_dash, say, say_json},
    sheet::{Cell, Sheet, number, text},
};
use crate::domain::ChannelId;
use crate::reports::views::{
    self, ListingRow, MultipleRow, SkuRow, StatisticRow, ViewError, ViewPage, ViewQuery,
};
use clap::Args;
use serde::Serialize;

/// Rows of a page, unless told.
const PAGE: u64 = 50;
/// Rows read at once for a file.
const PAGE_OF_FILE: u64 = 1_000;

#[derive(Debug, Args)]
pub struct ViewArgs {
    /// Only of this channel, as `marketsink channel list` shows it
    channel: Option<i64>,
    /// Only rows with this in a code or a title
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Go on where the page before ended
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    /// Rows at most [default: 50, or all with --csv]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    limit: Option<u64>,
    /// Answer with a CSV file, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl ViewArgs {
    async fn query(&self, session: &Session) -> anyhow::Result<ViewQuery> {
        let channel = match self.channel {
            Some(id) => Some(session.channel(id).await?.id),
            None => None,
        };
        Ok(self.query_of(channel))
    }

    fn query_of(&self, channel: Option<ChannelId>) -> ViewQuery {
        let usual = if self.csv { PAGE_OF_FILE } else { PAGE };
        ViewQuery {
            channel,
            search: self.search.clone(),
            after: self.after.clone(),
            limit: self.limit.unwrap_or(usual),
        }
    }
}

/// How rows of one kind are shown.
struct Look<R, const T: usize, const C: usize> {
    table: [&'static str; T],
    in_table: fn(&R) -> [String; T],
    csv: [&'static str; C],
    in_csv: fn(&R) -> [Cell; C],
    none: &'static str,
}

async fn show<R, F, const T: usize, const C: usize>(
    context: &Context,
    args: &ViewArgs,
    look: Look<R, T, C>,
    page: impl Fn(Session, ViewQuery) -> F,
) -> anyhow::Result<()>
where
    R: Serialize,
    F: Future<Output = (Session, Result<ViewPage<R>, ViewError>)>,
{
    let session = context.session().await?;
    let mut query = args.query(&session).await?;
    if args.csv {
        let mut sheet = Sheet::open(None, &look.csv)?;
        let mut session = session;
        loop {
            let (back, found) = page(session, query.clone()).await;
            session = back;
            let found = found?;
            for row in &found.rows {
                sheet.row((look.in_csv)(row))?;
            }
            sheet.write_out()?;
            query.after = found.next;
            if query.after.is_none() || args.limit.is_some() {
                return session.close().await;
            }
        }
    }
    let (session, found) = page(session, query).await;
    session.close().await?;
    let found = found?;
    if context.json {
        return say_json(&found);
    }
    let mut table = Table::new(&look.table);
    for row in &found.rows {
        table.row((look.in_table)(row));
    }
    table.say(look.none);
    if !table.is_empty() {
        say(format!("{} of {}", found.rows.len(), found.total));
    }
    if let Some(next) = &found.next {
        say(format!("go on with --after '{next}'"));
    }
    Ok(())
}

/// Which view of SKUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkuView {
    Sold,
    Missing,
    All,
}

pub async fn skus(context: &Context, args: &ViewArgs, view: SkuView) -> anyhow::Result<()> {
    let look = Look {
        table: ["sku", "on hand", "allocated", "price", "channels", "name"],
        in_table: |row: &SkuRow| {
            [
                row.code.clone(),
                or_dash(row.on_hand),
                or_dash(row.allocated),
                price(row.price_minor, row.currency.as_deref()),
                channels_of(row),
                row.name.clone(),
            ]
        },
        csv: [
            "sku",
            "name",
            "on_hand",
            "allocated",
            "price",
            "currency",
            "channels",
        ],
        in_csv: |row: &SkuRow| {
            [
                text(&*row.code),
                text(&*row.name),
                number(row.on_hand),
                number(row.allocated),
                amount(row.price_minor, row.currency.as_deref()),
                text(row.currency.clone().unwrap_or_default()),
                text(channels_of(row)),
            ]
        },
        none: match view {
            SkuView::Sold => "no SKU is listed; `marketsink scan` reads a channel's listings",
            SkuView::Missing => "every SKU is listed",
            SkuView::All => {
                "there is no SKU; `marketsink stock set` and `marketsink listings create-skus` make them"
            }
        },
    };
    show(context, args, look, |session, query| async move {
        let (db, merchant) = (&session.app.db, session.merchant);
        let page = match view {
            SkuView::Sold => views::sold_in_channel(db, merchant, &query).await,
            SkuView::Missing => views::not_in_channel(db, merchant, &query).await,
            SkuView::All => views::in_pos(db, merchant, &query).await,
        };
        (session, page)
    })
    .await
}

fn channels_of(row: &SkuRow) -> String {
    if row.channels.is_empty() {
        return dash();
    }
    let one = |on: &views::OnChannel| {
        let times = if on.listings > 1 {
            format!(" ({} times)", on.listings)
        } else {
            String::new()
        };
        format!("{} {}{times}", on.channel, on.name)
    };
    row.channels.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub fn price(minor: Option<i64>, currency: Option<&str>) -> String {
    match (minor, currency) {
        (Some(minor), Some(currency)) => money(minor, currency),
        _ => dash(),
    }
}

/// The amount alone, in major units.
pub fn amount(minor: Option<i64>, currency: Option<&str>) -> Cell {
    let shown = price(minor, currency);
    let amount = shown.split(' ').next().filter(|amount| *amount != "-");
    text(amount.unwrap_or_default())
}

pub async fn not_in_pos(context: &Context, args: &ViewArgs) -> anyhow::Result<()> {
    let look = Look {
        table: [
            "listing",
            "channel",
            "seller sku",
            "why",
            "state",
            "shows",
            "price",
            "title",
        ],
        in_table: |row: &ListingRow| {
            [
                row.id.to_string(),
                format!("{} {}", row.channel, row.channel_name),
                or_dash(row.seller_sku.as_ref()),
                row.why.map_or("", views::Why::as_str).to_owned(),
                row.state.clone(),
                or_dash(row.quantity),
                price(row.price_minor, row.currency.as_deref()),
                row.title.clone(),
            ]
        },
        csv: [
            "listing",
            "channel",
            "channel_name",
            "product",
            "variant",
            "seller_sku",
            "why",
            "state",
            "quantity",
            "price",
            "currency",
            "title",
        ],
        in_csv: |row: &ListingRow| {
            [
                number(row.id.0),
                number(row.channel),
                text(&*row.channel_name),
                text(&*row.product_id),
                text(&*row.variant_id),
                text(row.seller_sku.clone().unwrap_or_default()),
                text(row.why.map_or("", views::Why::as_str)),
                text(&*row.state),
                number(row.quantity),
                amount(row.price_minor, row.currency.as_deref()),
                text(row.currency.clone().unwrap_or_default()),
                text(&*row.title),
            ]
        },
        none: "every listing has a SKU",
    };
    show(context, args, look, |session, query| async move {
        let page = views::not_in_pos(&session.app.db, session.merchant, &query).await;
        (session, page)
    })
    .await
}

pub async fn multiple(context: &Context, args: &ViewArgs) -> anyhow::Result<()> {
    let look = Look {
        table: ["sku", "channel", "times", "listings", "name"],
        in_table: |row: &MultipleRow| {
            [
                row.code.clone(),
                format!("{} {}", row.channel, row.channel_name),
                row.n_listings.to_string(),
                listing_ids(row),
                row.name.clone(),
            ]
        },
        csv: [
            "sku",
            "name",
            "channel",
            "channel_name",
            "times",
            "listings",
        ],
        in_csv: |row: &MultipleRow| {
            [
                text(&*row.code),
                text(&*row.name),
                number(row.channel),
                text(&*row.channel_name),
                number(row.n_listings),
                text(listing_ids(row)),
            ]
        },
        none: "no channel lists a SKU more than once",
    };
    show(context, args, look, |session, query| async move {
        let page = views::multiple_listed(&session.app.db, session.merchant, &query).await;
        (session, page)
    })
    .await
}

fn listing_ids(row: &MultipleRow) -> String {
    let ids = row.listings.iter().map(|listing| listing.id.to_string());
    let more = (row.n_listings > row.listings.len() as i64).then(|| "...".to_owned());
    ids.chain(more).collect::<Vec<_>>().join(" ")
}

pub async fn statistic(context: &Context, args: &ViewArgs) -> anyhow::Result<()> {
    let look = Look {
        table: [
            "channel",
            "platform",
            "active",
            "inactive",
            "gone",
            "linked",
            "not in pos",
            "no seller sku",
            "skus",
            "multiple",
            "not in channel",
            "last scans",
        ],
        in_table: |row: &StatisticRow| {
            [
                format!("{} {}", row.channel, row.name),
                row.platform.clone(),
                row.active.to_string(),
                row.inactive.to_string(),
                row.gone.to_string(),
                row.linked.to_string(),
                row.not_in_pos.to_string(),
                row.without_seller_sku.to_string(),
                row.skus.to_string(),
                row.multiple_listed.to_string(),
                row.not_in_channel.to_string(),
                last_scans(row),
            ]
        },
        csv: [
            "channel",
            "name",
            "platform",
            "state",
            "active",
            "inactive",
            "gone",
            "linked",
            "not_in_pos",
            "without_seller_sku",
            "skus",
            "multiple_listed",
            "not_in_channel",
            "last_scans",
        ],
        in_csv: |row: &StatisticRow| {
            [
                number(row.channel.0),
                text(&*row.name),
                text(&*row.platform),
                text(row.state),
                number(row.active),
                number(row.inactive),
                number(row.gone),
                number(row.linked),
                number(row.not_in_pos),
                number(row.without_seller_sku),
                number(row.skus),
                number(row.multiple_listed),
                number(row.not_in_channel),
                text(last_scans(row)),
            ]
        },
        none: "no shop is connected; `marketsink channel add` connects one",
    };
    show(context, args, look, |session, query| async move {
        let page = views::channel_statistic(&session.app.db, session.merchant, &query).await;
        (session, page)
    })
    .await
}

fn last_scans(row: &StatisticRow) -> String {
    if row.last_scans.is_empty() {
        return "never scanned".to_owned();
    }
    let one = |scan: &views::LastScan| format!("{} {}", scan.kind, scan.finished_at);
    row.last_scans
        .iter()
        .map(one)
        .collect::<Vec<_>>()
        .join(", ")
}
