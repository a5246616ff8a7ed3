//! Returns and their lines, what of them is booked, and conflicts that a person decides.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Each return and each edit of an order has steps of its own.
const WIDEN: &[&str] = &[
    "drop index uq_order_steps_order_id_step",
    "create unique index uq_order_steps_order_id_step_subject on order_steps (order_id, step, subject)",
];
const NARROW: &[&str] = &[
    "drop index uq_order_steps_order_id_step_subject",
    "delete from order_steps where subject <> ''",
    "create unique index uq_order_steps_order_id_step on order_steps (order_id, step)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, mut column) in columns() {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            manager
                .alter_table(alter.table(table).add_column(&mut column).take())
                .await?;
        }
        for statement in WIDEN {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        for table in tables() {
            table.create(manager).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables().iter().rev() {
            table.drop(manager).await?;
        }
        for statement in NARROW {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        for (table, column) in columns().into_iter().rev() {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            let name = column.get_column_name();
            manager
                .alter_table(alter.table(table).drop_column(name).take())
                .await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    let count = |name: &'static str, first: i64| {
        let mut column = ColumnDef::new(name);
        column.big_integer().not_null().default(first).take()
    };
    let words = |name: &'static str| ColumnDef::new(name).text().take();
    vec![
        ("orders", count("refunded_minor", 0)),
        ("orders", count("n_returns", 0)),
        ("orders", count("open_conflicts", 0)),
        ("orders", count("booking", 1)),
        ("orders", ColumnDef::new("told_minor").big_integer().take()),
        ("orders", words("told_currency")),
        ("orders", words("remark")),
        ("order_lines", count("off_shelf", 0)),
        ("order_lines", count("left_out", 0)),
        ("order_lines", count("set_aside", 0)),
        ("order_lines", count("restocked", 0)),
        ("order_lines", count("quarantined", 0)),
        ("order_lines", count("refunded_minor", 0)),
        (
            "order_steps",
            words("subject").not_null().default("").take(),
        ),
    ]
}

fn tables() -> Vec<Table> {
    vec![
        Table::new(
            "returns",
            vec![
                int("merchant_id"),
                int("order_id").references("orders"),
                text("remote_id"),
                text("remote_status"),
                text("state"),
                int("version"),
                text("reason").null(),
                int("refund_minor").null(),
                int("credited_minor"),
                int("undecided"),
                int("revision"),
                text("source"),
                int("first_seen_at"),
                int("recorded_at"),
                int("deleted_at").null(),
            ],
        )
        .unique(&["order_id", "remote_id"])
        .index(&["merchant_id", "recorded_at"]),
        Table::new(
            "return_lines",
            vec![
                int("merchant_id"),
                int("return_id").references("returns"),
                text("line"),
                int("place"),
                int("quantity"),
                int("refund_minor").null(),
                int("credited_minor"),
                text("goods"),
                int("restocked"),
                int("quarantined"),
                int("written_off"),
                int("undecided"),
                text("decided_by").null(),
            ],
        )
        .unique(&["return_id", "line", "place"]),
        Table::new(
            "conflicts",
            vec![
                int("merchant_id"),
                text("kind"),
                text("subject"),
                int("channel_id").null(),
                int("order_id").null(),
                int("sku_id").null(),
                text("detail"),
                text("facts"),
                text("state"),
                text("owner").null(),
                int("raised_at"),
                int("ended_at").null(),
                text("choice").null(),
                text("decided_by").null(),
                text("why").null(),
            ],
        )
        .unique_where(
            "open",
            &["merchant_id", "kind", "subject"],
            "state = 'open'",
        )
        .index(&["merchant_id", "kind", "subject"])
        .index(&["merchant_id", "state", "raised_at"])
        .index(&["order_id"]),
    ]
}
