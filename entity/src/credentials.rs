//! The sealed credentials of a channel. Written by `channels`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "credentials")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel_id: i64,
    pub merchant_id: i64,
    /// Encrypted; bound to this channel.
    pub sealed: Vec<u8>,
    /// When the access token dies; none when it does not.
    pub expires_at: Option<i64>,
    /// Raised by each renewal, so that two refreshers cannot both win.
    pub version: i64,
    pub refreshed_at: i64,
    /// When the refresh token dies; none when it does not, or nobody said.
    pub refresh_expires_at: Option<i64>,
    /// When the merchant's consent ends; none when it does not, or nobody said.
    pub consent_expires_at: Option<i64>,
    /// The last warning that was given of the nearer of those two ends, in days ahead; none: no warning yet.
    pub warned_days: Option<i64>,
    /// Who renews the tokens just now: one at a time.
    #[sea_orm(column_type = "Text", nullable)]
    pub renewer: Option<String>,
    /// Until when nobody else may.
    pub renewer_until: Option<i64>,
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
