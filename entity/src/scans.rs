//! Walks over a channel's listings. Written by `sync`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "scans")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub method: String,
    #[sea_orm(column_type = "Text")]
    pub source: String,
    /// `waiting`, `running`, `paused`, `done`, `suspicious`, `failed` or `cancelled`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// The product of a single scan.
    #[sea_orm(column_type = "Text", nullable)]
    pub subject: Option<String>,
    pub window_from: Option<i64>,
    /// Fixed when the scan starts; the cursor moves here when it ends.
    pub window_to: i64,
    /// Where to go on.
    #[sea_orm(column_type = "Text", nullable)]
    pub page_token: Option<String>,
    pub pages: i64,
    pub listings: i64,
    pub added: i64,
    pub changed: i64,
    pub gone: i64,
    pub linked: i64,
    pub errors: i64,
    pub api_calls: i64,
    /// Products the API announced.
    pub expected: Option<i64>,
    /// The API lacks the filter; everything was walked.
    pub emulated: bool,
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    pub started_at: i64,
    pub finished_at: Option<i64>,
    /// Products that were read.
    pub products: i64,
    /// Listings that share their seller SKU with another listing of the channel.
    pub conflicts: i64,
    /// Rows of `scan_changes`, those that were left out included.
    pub differences: i64,
    /// Milliseconds of work; waiting and pauses are not in it.
    pub spent_ms: i64,
    /// A product that does not even tell its id could not be read: absence cannot be told.
    pub blind: bool,
    pub last_page_at: Option<i64>,
    pub paused_at: Option<i64>,
    /// JSON: when the last pages were written, and how many products had been read by then.
    #[sea_orm(column_type = "Text", nullable)]
    pub recent: Option<String>,
    /// A roaring bitmap of the listings seen since the last row of `scan_pages`.
    #[serde(skip)]
    pub seen: Option<Vec<u8>>,
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
