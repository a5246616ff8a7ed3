//! Tokens that programs call with; only their hashes. Written by `accounts`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// How the token begins: enough to know it again, too little to use it.
    #[sea_orm(column_type = "Text")]
    pub prefix: String,
    /// SHA-256 of the token, in hexadecimal.
    #[sea_orm(column_type = "Text")]
    #[serde(skip)]
    pub hash: String,
    /// None: every merchant.
    pub merchant_id: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub role: String,
    /// JSON list of channel ids; none: every channel.
    #[sea_orm(column_type = "Text", nullable)]
    pub channels: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub created_by: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    /// Days since 1970 in UTC.
    pub last_used_day: Option<i64>,
    pub revoked_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
