//! Deliveries, the quarantine, events.

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
            "deliveries",
            vec![
                int("merchant_id").null(),
                int("channel_id").null(),
                text("marketplace"),
                text("delivery_key"),
                text("topic"),
                text("verdict"),
                text("headers"),
                blob("body"),
                int("received_at"),
            ],
        )
        .unique(&["marketplace", "delivery_key"])
        .index(&["channel_id", "received_at"])
        .index(&["received_at"]),
        Table::new(
            "quarantine",
            vec![
                text("marketplace"),
                int("channel_id").null(),
                text("reason"),
                text("headers"),
                blob("body"),
                int("body_bytes"),
                int("received_at"),
            ],
        )
        .index(&["marketplace", "received_at"]),
        Table::new(
            "events",
            vec![
                int("merchant_id"),
                int("channel_id"),
                int("delivery_id"),
                text("kind"),
                text("subject").null(),
                int("version").null(),
                text("state"),
                int("created_at"),
                int("handled_at").null(),
            ],
        )
        .index(&["delivery_id"])
        .index(&["channel_id", "kind", "subject"]),
    ]
}
