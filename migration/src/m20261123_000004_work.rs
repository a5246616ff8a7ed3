//! Jobs, scans, downloads, schedules.

use crate::table::{Table, blob, flag, int, text};
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
            "jobs",
            vec![
                int("merchant_id"),
                int("channel_id"),
                text("kind"),
                text("key"),
                text("state"),
                int("priority"),
                text("source"),
                text("args"),
                int("run_at"),
                int("waiting_since"),
                int("attempts"),
                int("max_attempts"),
                text("lease_token").null(),
                int("lease_until").null(),
                int("created_at"),
                int("started_at").null(),
                int("finished_at").null(),
                text("last_error").null(),
            ],
        )
        .index(&["channel_id", "state"])
        .unique_where("waiting", &["kind", "key"], "state = 'available'")
        .unique_where("running", &["kind", "key"], "state = 'running'")
        .index_where("claim", &["priority", "run_at"], "state = 'available'")
        .index_where("lease", &["lease_until"], "state = 'running'")
        .index_where("dead", &["finished_at"], "state = 'dead'")
        .index_where("over", &["finished_at"], "finished_at is not null"),
        Table::new(
            "job_attempts",
            vec![
                int("merchant_id"),
                int("job_id"),
                int("number"),
                text("worker"),
                int("started_at"),
                int("finished_at"),
                text("outcome"),
                text("error").null(),
            ],
        )
        .index(&["job_id"]),
        Table::new(
            "scans",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                text("kind"),
                text("method"),
                text("source"),
                text("state"),
                text("subject").null(),
                int("window_from").null(),
                int("window_to"),
                text("page_token").null(),
                int("pages"),
                int("listings"),
                int("added"),
                int("changed"),
                int("gone"),
                int("linked"),
                int("errors"),
                int("api_calls"),
                int("expected").null(),
                flag("emulated"),
                text("error").null(),
                int("started_at"),
                int("finished_at").null(),
            ],
        )
        .index(&["channel_id", "kind", "started_at"]),
        Table::new(
            "scan_pages",
            vec![
                int("merchant_id"),
                int("scan_id").references("scans"),
                int("page"),
                blob("seen"),
            ],
        )
        .unique(&["scan_id", "page"]),
        Table::new(
            "downloads",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                text("source"),
                text("state"),
                int("window_from").null(),
                int("window_to").null(),
                text("numbers").null(),
                text("page_token").null(),
                int("pages"),
                int("seen"),
                int("missing"),
                int("outdated"),
                int("api_calls"),
                text("error").null(),
                int("started_at"),
                int("finished_at").null(),
            ],
        )
        .index(&["channel_id", "started_at"]),
        Table::keyed(
            "cursors",
            &["channel_id", "stream"],
            vec![
                int("channel_id").references("channels"),
                text("stream"),
                int("merchant_id"),
                int("position_at"),
                int("updated_at"),
            ],
        ),
        Table::new(
            "schedules",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                text("task"),
                text("expression"),
                flag("enabled"),
                int("last_fire_at"),
                int("created_at"),
            ],
        )
        .unique(&["channel_id", "task"]),
        Table::new(
            "schedule_fires",
            vec![
                int("merchant_id"),
                int("schedule_id").references("schedules"),
                int("fire_at"),
                int("missed"),
                int("fired_at"),
            ],
        )
        .unique(&["schedule_id", "fire_at"]),
    ]
}
