//! How each webhook topic of a connection stood when it was last checked. Written by `channels`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "subscriptions")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    /// The marketplace's word.
    #[sea_orm(column_type = "Text")]
    pub topic: String,
    /// `active`, `missing` or `switched_off`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub since: i64,
    pub checked_at: i64,
    /// When it was last asked for again.
    pub mended_at: Option<i64>,
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
