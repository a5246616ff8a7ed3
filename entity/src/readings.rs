//! What marketplaces answered when orders were read, and what came of it. Written by `sync`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "readings")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    /// Whose API was asked.
    pub channel_id: i64,
    #[sea_orm(column_type = "Text")]
    pub remote_id: String,
    /// None where nothing was shown.
    #[sea_orm(column_type = "Text", nullable)]
    pub number: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub remote_status: Option<String>,
    /// What the marketplace's status asks of the books.
    #[sea_orm(column_type = "Text", nullable)]
    pub document: Option<String>,
    pub paid: Option<bool>,
    #[sea_orm(column_type = "Text", nullable)]
    pub fulfilment: Option<String>,
    pub has_tracking: bool,
    pub version: Option<i64>,
    /// What made us look.
    #[sea_orm(column_type = "Text")]
    pub source: String,
    /// `recorded`, `older`, `nothing_to_book`, `not_shown` or `failed`.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    /// JSON of our own order, which holds nothing of the buyer.
    #[sea_orm(column_type = "Text", nullable)]
    pub content: Option<String>,
    /// Of content or error: equal means the same answer.
    #[sea_orm(column_type = "Text")]
    pub content_hash: String,
    /// How often the same was answered in a row.
    pub times: i64,
    pub read_at: i64,
    pub last_read_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one merchant: the only way to begin a query that answers a person.
    pub fn of_merchant(merchant_id: i64) -> Select<Self> {
        Self::find().filter(Column::MerchantId.eq(merchant_id))
    }
}
