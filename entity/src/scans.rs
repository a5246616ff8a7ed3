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
    /// `running`, `done`, `failed` or `cancelled`.
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
