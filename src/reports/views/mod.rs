//! The merchant's six views of the catalogue: what is sold where, and what is missing on which side.
//!
//! | view | rows | what is to be done |
//! |---|---|---|
//! | Sold in Channel | SKUs with a listing | check |
//! | Not in POS | listings without a SKU | link, create the SKU, or fill in the seller SKU |
//! | Not in Channel | SKUs without a listing | upload, or mend the code |
//! | In POS | all SKUs | reference |
//! | Multiple Listed SKU | SKUs with several listings on one channel | correct |
//! | Channel Statistic | channels, with counts | overview |
//!
//! Each answers one page, in the order of an index, with the number of rows there are in all, in at most six queries
//! whatever the size (and one more for every 250 rows of Multiple Listed SKU). Listings that are gone, and those of channels that were removed, count for nothing. A search
//! finds parts of codes and titles whatever their case; on SQLite the case of letters beyond ASCII counts.

mod listings;
mod skus;
mod statistic;

pub use listings::{ListingRow, MultipleRow, Why, multiple_listed, not_in_pos};
pub use skus::{OnChannel, SkuRow, in_pos, not_in_channel, sold_in_channel};
pub use statistic::{LastScan, StatisticRow, channel_statistic};

use crate::channels::{self, Channel, ChannelError};
use crate::db::Db;
use crate::domain::{ChannelId, MerchantId};
use crate::marketplaces;
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, FromQueryResult, Select,
    sea_query::{Expr, ExprTrait, Func, SimpleExpr},
};
use serde::Serialize;
use thiserror::Error;

/// Rows of a page at most.
pub const MOST_ROWS: u64 = 1_000;
/// Not listings that are gone. Written out, so that partial indexes are recognised.
const IS_THERE: &str = "listings.state <> 'gone'";

/// Which rows of a view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewQuery {
    /// Only of this channel; of one on a shared connection, that connection's.
    pub channel: Option<ChannelId>,
    /// Part of a code or a title.
    pub search: Option<String>,
    /// Where the page before ended, as its `next` says.
    pub after: Option<String>,
    /// Rows: 1 to [`MOST_ROWS`].
    pub limit: u64,
}

/// A page of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ViewPage<T> {
    /// Rows on all pages.
    pub total: u64,
    pub rows: Vec<T>,
    /// Where to go on; none on the last page.
    pub next: Option<String>,
}

#[derive(Debug, Error)]
pub enum ViewError {
    #[error("`{0}` is not where a page of this view ended; take `next` of the page before")]
    NotAPlace(String),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl ViewQuery {
    fn limit(&self) -> u64 {
        self.limit.clamp(1, MOST_ROWS)
    }

    /// Whether any of `columns` holds what is searched for.
    fn matching<C: ColumnTrait>(&self, columns: &[C]) -> Condition {
        let mut any = Condition::any();
        let Some(text) = self.search.as_deref().filter(|text| !text.is_empty()) else {
            return Condition::all();
        };
        for column in columns {
            let lower = Func::lower(Expr::col(column.as_column_ref()));
            any = any.add(Expr::expr(lower).like(super::statements::containing(text)));
        }
        any
    }

    fn after_id(&self) -> Result<i64, ViewError> {
        let place = self.after.as_deref().unwrap_or("0");
        place
            .parse()
            .map_err(|_| ViewError::NotAPlace(place.to_owned()))
    }
}

/// The connections whose listings count.
struct Scope {
    channels: Vec<Channel>,
}

impl Scope {
    async fn of(db: &Db, merchant: MerchantId, query: &ViewQuery) -> Result<Self, ViewError> {
        let all = channels::list(db, merchant, false).await?;
        let wanted = query.channel.map(|id| {
            let known = all.iter().find(|channel| channel.id == id);
            known.map_or(id, Channel::connection)
        });
        let is_connection = |channel: &Channel| channel.parent.is_none();
        let channels = all.into_iter().filter(is_connection);
        Ok(Self {
            channels: channels
                .filter(|channel| wanted.is_none_or(|id| id == channel.id))
                .collect(),
        })
    }

    fn ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.channels.iter().map(|channel| channel.id.0)
    }

    /// Whether a listing is on one of them. Of one channel its own index is walked; of several the merchant's, which
    /// is in the order of the page: the sum keeps databases from looking up channel by channel and sorting.
    fn holds_listing(&self) -> SimpleExpr {
        let channel = Expr::col((
            entity::listings::Entity,
            entity::listings::Column::ChannelId,
        ));
        match self.channels.as_slice() {
            [one] => channel.eq(one.id.0),
            _ => channel.add(0_i64).is_in(self.ids()),
        }
    }

    fn name_of(&self, id: i64) -> String {
        let channel = self.channels.iter().find(|channel| channel.id.0 == id);
        channel.map_or_else(String::new, |channel| channel.name.clone())
    }
}

fn platform_of(channel: &Channel) -> String {
    marketplaces::platform_name(&channel.platform).to_owned()
}

/// The rows of a page out of one more than it holds, and where to go on if there was one more.
fn cut<T>(mut rows: Vec<T>, limit: u64, place: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let has_more = rows.len() as u64 > limit;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(place);
    (rows, next)
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

/// How many rows a query finds.
async fn count<E: EntityTrait>(db: &Db, query: Select<E>) -> Result<u64, DbErr> {
    use sea_orm::QuerySelect;
    let found = query
        .select_only()
        .column_as(Expr::cust("count(*)"), "n")
        .into_model::<Count>()
        .one(db.read())
        .await?;
    Ok(found.map_or(0, |count| count.n.cast_unsigned()))
}
