//! Reserved units, oversells, soft holds, rules of what is pushed, bundles, prices of channels, comparing by reading
//! back; and a ledger that the database itself keeps from being changed.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Channels that can be asked get the schedules that new ones begin with.
const SCHEDULES: [&str; 2] = [
    "insert into schedules (merchant_id, channel_id, task, expression, enabled, overlap, catch_up, jitter_secs, \
     last_fire_at, created_at) select merchant_id, id, 'push_again', (id % 60) || ' 3 * * *', true, 'queue_one', 'one', \
     0, updated_at, updated_at from channels where parent_id is null \
     and (marketplace <> 'standard_webhooks' or base_url is not null)",
    "insert into schedules (merchant_id, channel_id, task, expression, enabled, overlap, catch_up, jitter_secs, \
     last_fire_at, created_at) select merchant_id, id, 'compare_stock', (id % 60) || ' */4 * * *', true, 'queue_one', \
     'one', 0, updated_at, updated_at from channels where parent_id is null \
     and (marketplace <> 'standard_webhooks' or base_url is not null)",
];

const NO_SCHEDULES: [&str; 2] = [
    "delete from schedule_fires where schedule_id in \
     (select id from schedules where task in ('push_again', 'compare_stock'))",
    "delete from schedules where task in ('push_again', 'compare_stock')",
];

/// What was written to the ledger stays as it is, whoever writes to the database.
const KEEP_SQLITE: [&str; 2] = [
    "create trigger movements_kept_update before update on movements \
     begin select raise(abort, 'movements are never changed; write another one'); end",
    "create trigger movements_kept_delete before delete on movements \
     begin select raise(abort, 'movements are never changed; write another one'); end",
];

const KEEP_POSTGRES: [&str; 2] = [
    "create function movements_kept() returns trigger as $$ \
     begin raise exception 'movements are never changed; write another one'; end $$ language plpgsql",
    "create trigger movements_kept before update or delete on movements \
     for each row execute function movements_kept()",
];

const FREE_SQLITE: [&str; 2] = [
    "drop trigger movements_kept_delete",
    "drop trigger movements_kept_update",
];

const FREE_POSTGRES: [&str; 2] = [
    "drop trigger movements_kept on movements",
    "drop function movements_kept()",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            let mut column = column;
            manager
                .alter_table(alter.table(table).add_column(&mut column).take())
                .await?;
        }
        for table in tables() {
            table.create(manager).await?;
        }
        let keep = match manager.get_database_backend() {
            DbBackend::Postgres => KEEP_POSTGRES,
            _ => KEEP_SQLITE,
        };
        run(manager, &SCHEDULES).await?;
        run(manager, &keep).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let free = match manager.get_database_backend() {
            DbBackend::Postgres => FREE_POSTGRES,
            _ => FREE_SQLITE,
        };
        run(manager, &free).await?;
        run(manager, &NO_SCHEDULES).await?;
        for table in tables().iter().rev() {
            table.drop(manager).await?;
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

async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    let units = |name: &'static str| {
        let mut column = ColumnDef::new(name);
        column.big_integer().not_null().default(0).take()
    };
    let number = |name: &'static str| ColumnDef::new(name).big_integer().null().take();
    let words = |name: &'static str| ColumnDef::new(name).text().null().take();
    vec![
        ("levels", units("reserved")),
        ("movements", units("reserved_delta")),
        ("stock_pushes", words("because")),
        ("stock_pushes", number("attempt")),
    ]
}

fn tables() -> Vec<Table> {
    let mut all = stock();
    all.extend(compares());
    all.extend(prices());
    all
}

fn stock() -> Vec<Table> {
    vec![
        Table::new(
            "oversells",
            vec![
                int("merchant_id"),
                int("sku_id").references("skus"),
                int("outlet_id").references("outlets"),
                int("order_id").null(),
                int("units"),
                int("since"),
                int("closed_at").null(),
            ],
        )
        .index(&["merchant_id", "since"])
        .unique_where("open", &["sku_id", "outlet_id"], "closed_at is null"),
        Table::keyed(
            "soft_holds",
            &["connection_id", "remote_id", "sku_id"],
            vec![
                int("connection_id").references("channels"),
                text("remote_id"),
                int("sku_id").references("skus"),
                int("outlet_id").references("outlets"),
                int("merchant_id"),
                int("units"),
                int("since"),
                int("expires_at"),
            ],
        )
        .index(&["sku_id", "outlet_id"])
        .index(&["merchant_id", "expires_at"]),
        // Channel and SKU 0: all of them.
        Table::new(
            "stock_rules",
            vec![
                int("merchant_id").references("merchants"),
                int("channel_id"),
                int("sku_id"),
                int("percentage").null(),
                int("buffer").null(),
                int("minimum").null(),
                int("maximum").null(),
                int("last_units").null(),
                int("last_channel_id").null(),
                int("updated_at"),
            ],
        )
        .unique(&["merchant_id", "sku_id", "channel_id"]),
        Table::keyed(
            "bundle_parts",
            &["bundle_id", "component_id"],
            vec![
                int("bundle_id").references("skus"),
                int("component_id").references("skus"),
                int("merchant_id"),
                int("units"),
            ],
        )
        .index(&["component_id"])
        .index(&["merchant_id", "bundle_id"]),
    ]
}

fn compares() -> Vec<Table> {
    vec![
        Table::new(
            "stock_compares",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                int("last_listing"),
                int("listings"),
                int("differed"),
                int("healed"),
                int("compared_at"),
            ],
        )
        .index(&["channel_id", "id"]),
        Table::new(
            "stock_drifts",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                int("listing_id").references("listings"),
                int("sku_id"),
                int("told").null(),
                int("wanted"),
                int("shown"),
                int("reserved").null(),
                text("outcome"),
                int("found_at"),
            ],
        )
        .index(&["listing_id", "id"])
        .index(&["merchant_id", "id"]),
    ]
}

fn prices() -> Vec<Table> {
    vec![
        // Channel and SKU 0: all of them.
        Table::new(
            "price_rules",
            vec![
                int("merchant_id").references("merchants"),
                int("channel_id"),
                int("sku_id"),
                int("fixed_minor").null(),
                text("currency").null(),
                int("adjust_bp").null(),
                int("round_to_minor").null(),
                text("round_how").null(),
                int("ending_minor").null(),
                int("updated_at"),
            ],
        )
        .unique(&["merchant_id", "sku_id", "channel_id"]),
        Table::new(
            "price_pushes",
            vec![
                int("merchant_id"),
                int("channel_id"),
                int("listing_id").references("listings"),
                int("sku_id"),
                int("price_minor"),
                text("currency"),
                text("source"),
                text("state"),
                text("answer").null(),
                int("attempt"),
                int("finished_at"),
            ],
        )
        .index(&["listing_id", "id"])
        .index(&["merchant_id", "id"]),
    ]
}
