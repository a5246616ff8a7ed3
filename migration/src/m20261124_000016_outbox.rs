//! What happens in the books, and the programs that are told.

use crate::table::{Table, blob, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables() {
            table.create(manager).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables().iter().rev() {
            table.drop(manager).await?;
        }
        Ok(())
    }
}

fn tables() -> Vec<Table> {
    vec![
        Table::new(
            "endpoints",
            vec![
                int("merchant_id").references("merchants"),
                text("protocol"),
                text("url"),
                text("kinds"),
                text("settings"),
                text("state"),
                text("state_reason").null(),
                int("failures"),
                int("failing_since").null(),
                int("rest_until").null(),
                int("created_at"),
                int("updated_at"),
            ],
        )
        // Asked in every transaction that has something to tell.
        .index_where("told", &["merchant_id"], "state <> 'removed'"),
        Table::new(
            "endpoint_secrets",
            vec![
                int("merchant_id"),
                int("endpoint_id").references("endpoints"),
                blob("sealed"),
                int("created_at"),
                int("expires_at").null(),
            ],
        )
        .index(&["endpoint_id"]),
        Table::new(
            "happenings",
            vec![
                int("merchant_id"),
                text("kind"),
                text("subject"),
                text("payload"),
                int("created_at"),
            ],
        )
        .index(&["merchant_id", "id"])
        .index(&["merchant_id", "created_at"]),
        Table::new(
            "endpoint_deliveries",
            vec![
                int("merchant_id"),
                int("endpoint_id").references("endpoints"),
                int("happening_id").references("happenings"),
                text("state"),
                int("attempts"),
                int("next_at"),
                int("status").null(),
                text("answer").null(),
                int("created_at"),
                int("finished_at").null(),
            ],
        )
        .unique(&["endpoint_id", "happening_id"])
        .index_where("waiting", &["endpoint_id", "next_at"], "state = 'waiting'"),
    ]
}
