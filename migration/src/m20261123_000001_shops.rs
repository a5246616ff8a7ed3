//! Merchants, outlets, channels and their sealed secrets.

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
            "merchants",
            vec![text("name"), text("time_zone"), int("created_at")],
        )
        .unique(&["name"]),
        Table::new(
            "outlets",
            vec![
                int("merchant_id").references("merchants"),
                text("name"),
                int("created_at"),
            ],
        )
        .unique(&["merchant_id", "name"]),
        Table::new(
            "channels",
            vec![
                int("merchant_id").references("merchants"),
                int("outlet_id").references("outlets"),
                int("parent_id").null(),
                text("marketplace"),
                text("platform"),
                text("remote_id"),
                text("name"),
                text("address"),
                text("base_url").null(),
                text("state"),
                text("state_reason").null(),
                text("settings"),
                int("created_at"),
                int("updated_at"),
            ],
        )
        .unique(&["marketplace", "platform", "remote_id"])
        .unique(&["address"])
        .index(&["merchant_id"]),
        Table::keyed(
            "credentials",
            &["channel_id"],
            vec![
                int("channel_id").references("channels"),
                int("merchant_id"),
                blob("sealed"),
                int("expires_at").null(),
                int("version"),
                int("refreshed_at"),
            ],
        ),
        Table::new(
            "webhook_secrets",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                blob("sealed"),
                int("created_at"),
                int("expires_at").null(),
            ],
        )
        .index(&["channel_id"]),
    ]
}
