//! Listings that showed something else than they were told. Written by `stock`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "stock_drifts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    pub listing_id: i64,
    pub sku_id: i64,
    /// What it took last.
    pub told: Option<i64>,
    /// What should be shown.
    pub wanted: i64,
    /// What was read back.
    pub shown: i64,
    /// Units that campaigns hold there.
    pub reserved: Option<i64>,
    /// `told_again` or why not.
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
    pub found_at: i64,
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
