//! What scans found, how far they are, and that they ended; at most one of a channel and kind at a time.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Of scans that were left behind only the newest may go on; the others ended long ago.
const LEFT_BEHIND: &str = "update scans set state = 'failed', finished_at = started_at, \
    error = coalesce(error, 'it was interrupted, and a newer one took its place') \
    where state = 'running' and id not in \
    (select max(id) from scans where state = 'running' group by channel_id, kind, subject)";

/// What had begun or waits, per channel and kind. Two indexes, because no two missing subjects are equal.
const ONE_AT_A_TIME: [&str; 2] = [
    "create unique index uq_scans_walk on scans (channel_id, kind) \
     where subject is null and state in ('waiting', 'running', 'paused')",
    "create unique index uq_scans_subject on scans (channel_id, kind, subject) \
     where subject is not null and state in ('waiting', 'running', 'paused')",
];
/// The few that are not over, and the last ones of a channel, among very many.
const FOUND_BY: [&str; 3] = [
    "create index ix_scans_open on scans (id) where state in ('waiting', 'running', 'paused')",
    "create index ix_scans_kind on scans (channel_id, kind, id)",
    "create index ix_scans_state on scans (channel_id, state, kind, id)",
];
const NO_MORE: [&str; 5] = [
    "drop index uq_scans_walk",
    "drop index uq_scans_subject",
    "drop index ix_scans_open",
    "drop index ix_scans_kind",
    "drop index ix_scans_state",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            let mut column = column;
            let mut alter = scans();
            manager
                .alter_table(alter.add_column(&mut column).take())
                .await?;
        }
        for table in tables() {
            table.create(manager).await?;
        }
        let db = manager.get_connection();
        db.execute_unprepared(LEFT_BEHIND).await?;
        for statement in ONE_AT_A_TIME.iter().chain(&FOUND_BY) {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in NO_MORE {
            db.execute_unprepared(statement).await?;
        }
        for table in tables().iter().rev() {
            table.drop(manager).await?;
        }
        for column in columns() {
            let mut alter = scans();
            let name = column.get_column_name();
            manager.alter_table(alter.drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn scans() -> TableAlterStatement {
    let mut alter = sea_orm_migration::prelude::Table::alter();
    alter.table("scans").take()
}

fn columns() -> Vec<ColumnDef> {
    let count = |name: &'static str| {
        let mut column = ColumnDef::new(name);
        column.big_integer().not_null().default(0).take()
    };
    let time = |name: &'static str| ColumnDef::new(name).big_integer().null().take();
    vec![
        count("products"),
        count("conflicts"),
        count("differences"),
        count("spent_ms"),
        ColumnDef::new("blind")
            .boolean()
            .not_null()
            .default(false)
            .take(),
        time("last_page_at"),
        time("paused_at"),
        ColumnDef::new("recent").text().null().take(),
        ColumnDef::new("seen").blob().null().take(),
    ]
}

fn tables() -> Vec<Table> {
    vec![
        Table::new(
            "scan_changes",
            vec![
                int("merchant_id"),
                int("channel_id"),
                int("scan_id").references("scans"),
                int("seq"),
                text("kind"),
                text("product_id"),
                text("variant_id").null(),
                int("listing_id").null(),
                text("field").null(),
                text("before").null(),
                text("after").null(),
            ],
        )
        .unique(&["scan_id", "seq"]),
        Table::new(
            "notices",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                int("scan_id").null(),
                text("level"),
                text("text"),
                int("created_at"),
                int("read_at").null(),
            ],
        )
        .index(&["merchant_id", "created_at"]),
    ]
}
