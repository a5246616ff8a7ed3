//! How far each piece of upkeep has come. Written by `upkeep`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "upkeep")]
pub struct Model {
    /// A rule of retention, or `compression`.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub name: String,
    /// The id after which the next page begins; 0: at the beginning.
    pub position: i64,
    /// When a walk last came to its end.
    pub run_at: Option<i64>,
    /// Rows of the last walk, or of the one under way.
    pub last_count: i64,
    /// Rows of all walks.
    pub total: i64,
    /// Which process does it now.
    #[sea_orm(column_type = "Text", nullable)]
    pub holder: Option<String>,
    pub held_until: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
