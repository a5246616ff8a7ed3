//! What a person may do, and for whom. Written by `accounts`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "memberships")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub person_id: i64,
    /// None: every merchant.
    pub merchant_id: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub role: String,
    /// JSON list of channel ids; none: every channel.
    #[sea_orm(column_type = "Text", nullable)]
    pub channels: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
