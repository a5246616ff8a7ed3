//! Replays of deliveries and jobs, what became of refused requests, and downloads of orders by status.

use crate::table::{Expansion, Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Written out: both databases take them.
const INDEXES: &[(&str, &str)] = &[
    ("ix_quarantine_state", "quarantine (marketplace, state, id)"),
    (
        "ix_quarantine_channel",
        "quarantine (channel_id, state, id)",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        expansion().up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        expansion().down(manager).await
    }
}

fn expansion() -> Expansion {
    Expansion {
        tables: tables(),
        columns: columns(),
        indexes: INDEXES,
    }
}

fn tables() -> Vec<Table> {
    vec![
        Table::new(
            "replays",
            vec![
                int("merchant_id").references("merchants"),
                text("source_kind"),
                text("selection"),
                text("by_name"),
                text("why"),
                text("state"),
                int("matched"),
                int("most"),
                int("per_minute"),
                int("up_to"),
                int("position"),
                int("taken"),
                int("minute"),
                int("minute_taken"),
                text("note").null(),
                int("created_at"),
                int("started_at").null(),
                int("taken_at").null(),
                int("finished_at").null(),
            ],
        )
        .index(&["merchant_id", "id"]),
        Table::new(
            "replay_items",
            vec![
                int("merchant_id"),
                int("replay_id").references("replays"),
                int("channel_id").null(),
                int("source_id"),
                text("subject").null(),
                text("works"),
                text("before").null(),
                text("outcome"),
                text("detail").null(),
                int("taken_at"),
                int("settled_at").null(),
            ],
        )
        .unique(&["replay_id", "source_id"])
        .index(&["channel_id", "subject"]),
    ]
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    let int = |name: &'static str| ColumnDef::new(name).big_integer().null().take();
    let text = |name: &'static str| ColumnDef::new(name).text().null().take();
    let held = ColumnDef::new("state")
        .text()
        .not_null()
        .default("held")
        .take();
    vec![
        ("quarantine", text("address")),
        ("quarantine", held),
        ("quarantine", int("delivery_id")),
        ("quarantine", int("ended_at")),
        ("quarantine", text("by_name")),
        ("quarantine", text("why")),
        ("downloads", text("statuses")),
    ]
}
