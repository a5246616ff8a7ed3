//! Webhook requests exactly as received. Written by `inbox`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// None when no connected channel claims it.
    pub merchant_id: Option<i64>,
    pub channel_id: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub marketplace: String,
    /// Scope and the marketplace's notification identity: what makes a repeat a repeat.
    #[sea_orm(column_type = "Text")]
    pub delivery_key: String,
    #[sea_orm(column_type = "Text")]
    pub topic: String,
    /// `accepted`, `unknown_topic`, `unreadable`, `unknown_channel` or `ignored`.
    #[sea_orm(column_type = "Text")]
    pub verdict: String,
    /// JSON list of pairs.
    #[sea_orm(column_type = "Text")]
    pub headers: String,
    /// As `body_encoding` says; only `inbox::body_of` reads it.
    pub body: Vec<u8>,
    pub received_at: i64,
    /// Which key had signed it: 0 the current one, 1 and up those that were being rotated out.
    pub key_index: i64,
    /// `plain`, `deflate`, or `dropped` when only the row is kept.
    #[sea_orm(column_type = "Text")]
    pub body_encoding: String,
    /// When the buyer's data was taken out of the body.
    pub erased_at: Option<i64>,
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
