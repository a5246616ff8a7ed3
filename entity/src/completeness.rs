//! Whether a day's orders are all in the books, as it was looked at. Written by `sync`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "completeness")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    /// `2026-11-22`, in the merchant's time zone.
    #[sea_orm(column_type = "Text")]
    pub day: String,
    /// Orders placed between these were compared; the end is the moment of the look on a day that is not over.
    pub window_from: i64,
    pub window_to: i64,
    #[sea_orm(column_type = "Text")]
    pub source: String,
    /// `complete`, `closing` (what was missing is being fetched), `incomplete` or `not_proved`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// Why it could not be proved.
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    /// The API has no filter by creation time: what changed since was walked instead.
    pub emulated: bool,
    /// Orders that the marketplace shows for the day, explained ones included.
    pub listed: i64,
    /// Orders that do not belong in the books, each with its reason.
    pub explained: i64,
    /// Orders that are in the books and have something to be known of them.
    pub noted: i64,
    /// Orders at the marketplace that belong in the books.
    pub theirs: i64,
    /// JSON list of amounts, one per currency.
    #[sea_orm(column_type = "Text")]
    pub theirs_value: String,
    /// Orders of the day in the books.
    pub ours: i64,
    #[sea_orm(column_type = "Text")]
    pub ours_value: String,
    pub matched: i64,
    pub missing: i64,
    pub wrong_status: i64,
    pub different_total: i64,
    pub only_in_books: i64,
    /// Shown by the marketplace in a form that cannot be read.
    pub unreadable: i64,
    /// JSON of the counts before the gap was closed.
    #[sea_orm(column_type = "Text", nullable)]
    pub before_closing: Option<String>,
    /// Of all looks.
    pub api_calls: i64,
    pub looked_at: i64,
    /// When the second look was taken.
    pub closed_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one merchant: the only way to begin a query that answers a person.
    pub fn of_merchant(merchant_id: i64) -> Select<Self> {
        Self::find().filter(Column::MerchantId.eq(merchant_id))
    }

    /// Rows of one channel.
    pub fn of_channel(channel_id: i64) -> Select<Self> {
        Self::find().filter(Column::ChannelId.eq(channel_id))
    }
}
