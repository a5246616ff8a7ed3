//! Walks over a channel's orders. Written by `sync`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "downloads")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    #[sea_orm(column_type = "Text")]
    pub source: String,
    /// `running`, `done` or `failed`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// `updated` (from the cursor), `within` or `placed` (a window that was asked for), or `numbered`.
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    /// Which time the window is about: `updated` or `created`.
    #[sea_orm(column_type = "Text")]
    pub by_time: String,
    /// The API has no filter by that time: what changed since was walked instead.
    pub emulated: bool,
    /// How far before the cursor the window begins.
    pub lookback_secs: Option<i64>,
    pub window_from: Option<i64>,
    pub window_to: Option<i64>,
    /// JSON list of order numbers, instead of a window.
    #[sea_orm(column_type = "Text", nullable)]
    pub numbers: Option<String>,
    /// JSON list of the statuses that were asked for; of others nothing is fetched.
    #[sea_orm(column_type = "Text", nullable)]
    pub statuses: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub page_token: Option<String>,
    pub pages: i64,
    pub seen: i64,
    /// Not in the books: the webhook was missed.
    pub missing: i64,
    /// In the books in an older version.
    pub outdated: i64,
    pub api_calls: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    pub started_at: i64,
    pub finished_at: Option<i64>,
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
