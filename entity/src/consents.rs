//! Consents that merchants were asked for. Written by `channels`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "consents")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Whose shop it will be.
    pub merchant_id: i64,
    /// Where it will sell from.
    pub outlet_id: i64,
    #[sea_orm(column_type = "Text")]
    pub marketplace: String,
    /// The shop's own address, where shops have one.
    #[sea_orm(column_type = "Text", nullable)]
    pub base_url: Option<String>,
    /// Instead of the name that the shop tells.
    #[sea_orm(column_type = "Text", nullable)]
    pub name: Option<String>,
    /// SHA-256 of the one-time text that the answer must carry; the text itself is nowhere.
    #[sea_orm(column_type = "Text")]
    pub state_hash: String,
    pub created_at: i64,
    /// Answers are not taken after this.
    pub expires_at: i64,
    /// When the answer came; a second one is not taken.
    pub used_at: Option<i64>,
    /// What came of it, for people; none while it is being worked on.
    #[sea_orm(column_type = "Text", nullable)]
    pub outcome: Option<String>,
    /// The first channel that was connected; none when it failed.
    pub channel_id: Option<i64>,
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
