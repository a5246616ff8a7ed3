//! Consents that were asked for, and when what a channel lives on ends.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Tokens are renewed every ten minutes where they live for an hour; channels that are there already had an
/// hourly schedule. What a merchant chose stays.
const RENEW_MORE_OFTEN: &str = "update schedules set expression = cast(channel_id % 10 as text) || '-59/10 * * * *' \
     where task = 'token_refresh' and expression = cast(channel_id % 60 as text) || ' * * * *'";
const RENEW_HOURLY: &str = "update schedules set expression = cast(channel_id % 60 as text) || ' * * * *' \
     where task = 'token_refresh' and expression = cast(channel_id % 10 as text) || '-59/10 * * * *'";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        consents().create(manager).await?;
        for column in columns() {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            let alter = alter.table("credentials").add_column(column).take();
            manager.alter_table(alter).await?;
        }
        let connection = manager.get_connection();
        connection.execute_unprepared(RENEW_MORE_OFTEN).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(RENEW_HOURLY).await?;
        for column in columns() {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            let name = Alias::new(column.get_column_name());
            let alter = alter.table("credentials").drop_column(name).take();
            manager.alter_table(alter).await?;
        }
        consents().drop(manager).await
    }
}

fn consents() -> Table {
    Table::new(
        "consents",
        vec![
            int("merchant_id").references("merchants"),
            int("outlet_id").references("outlets"),
            text("marketplace"),
            text("base_url").null(),
            text("name").null(),
            text("state_hash"),
            int("created_at"),
            int("expires_at"),
            int("used_at").null(),
            text("outcome").null(),
            int("channel_id").null(),
        ],
    )
    .unique(&["state_hash"])
    .index(&["expires_at"])
}

/// One statement each: SQLite adds one column at a time.
fn columns() -> [ColumnDef; 5] {
    let int = |name| ColumnDef::new(name).big_integer().null().take();
    let text = |name| ColumnDef::new(name).text().null().take();
    [
        int("refresh_expires_at"),
        int("consent_expires_at"),
        int("warned_days"),
        text("renewer"),
        int("renewer_until"),
    ]
}
