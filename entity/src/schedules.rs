//! What runs when, per channel. Written by `schedule`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "schedules")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    #[sea_orm(column_type = "Text")]
    pub task: String,
    /// Cron, in the merchant's time zone.
    #[sea_orm(column_type = "Text")]
    pub expression: String,
    /// False while it is paused.
    pub enabled: bool,
    pub paused_at: Option<i64>,
    /// `skip` or `queue_one`.
    #[sea_orm(column_type = "Text")]
    pub overlap: String,
    /// `one`, `all` or `none`.
    #[sea_orm(column_type = "Text")]
    pub catch_up: String,
    /// It fires up to so many seconds later than its times.
    pub jitter_secs: i64,
    /// Fires at or before this are past.
    pub last_fire_at: i64,
    pub created_at: i64,
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
