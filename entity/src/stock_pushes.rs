//! What was told to channels about stock. Written by `stock`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "stock_pushes")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    pub listing_id: i64,
    pub sku_id: i64,
    pub quantity: i64,
    #[sea_orm(column_type = "Text")]
    pub source: String,
    /// `pushed` or `failed`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub answer: Option<String>,
    /// When the level was read.
    pub read_at: i64,
    pub finished_at: i64,
    /// How the quantity came about.
    #[sea_orm(column_type = "Text", nullable)]
    pub because: Option<String>,
    /// Which try of its job it was.
    pub attempt: Option<i64>,
    /// Why it was not taken: one of `domain::Cause`.
    #[sea_orm(column_type = "Text", nullable)]
    pub cause: Option<String>,
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
