//! Background work. Written by `queue`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub merchant_id: i64,
    pub channel_id: i64,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    /// Unique while waiting, serial while running, per kind.
    #[sea_orm(column_type = "Text")]
    pub key: String,
    /// `available`, `running`, `done`, `dead`, `superseded` or `cancelled`.
    #[sea_orm(column_type = "Text")]
    pub state: String,
    /// Lower runs first.
    pub priority: i64,
    #[sea_orm(column_type = "Text")]
    pub source: String,
    /// JSON; ids only.
    #[sea_orm(column_type = "Text")]
    pub args: String,
    pub run_at: i64,
    /// When the oldest request merged into this job was made.
    pub waiting_since: i64,
    pub attempts: i64,
    pub max_attempts: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub lease_token: Option<String>,
    pub lease_until: Option<i64>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub last_error: Option<String>,
    /// Why it failed last, or was given up: one of `domain::Cause`.
    #[sea_orm(column_type = "Text", nullable)]
    pub cause: Option<String>,
    /// How often it was given up and tried again because its cause was gone.
    pub revivals: i64,
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
