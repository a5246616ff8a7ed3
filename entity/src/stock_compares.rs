//! Walks over a channel's listings that read back what it shows. Written by `stock`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "stock_compares")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    /// Where the next walk goes on; 0: at the beginning.
    pub last_listing: i64,
    pub listings: i64,
    pub differed: i64,
    /// Of those that differed: told again.
    pub healed: i64,
    pub compared_at: i64,
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
