//! Who may do what, what they did, and whose data was taken out: people, tokens, the audit trail, erasures. The
//! trail is kept by the database itself from being changed.

use crate::table::{Table, int, text};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// What was written to the trail stays as it is, whoever writes to the database.
const KEEP_SQLITE: [&str; 2] = [
    "create trigger audit_kept_update before update on audit \
     begin select raise(abort, 'the audit trail is never changed'); end",
    "create trigger audit_kept_delete before delete on audit \
     begin select raise(abort, 'the audit trail is never changed'); end",
];

const KEEP_POSTGRES: [&str; 3] = [
    "create function audit_kept() returns trigger as $$ \
     begin raise exception 'the audit trail is never changed'; end $$ language plpgsql",
    "create trigger audit_kept before update or delete on audit \
     for each row execute function audit_kept()",
    "create trigger audit_kept_whole before truncate on audit \
     for each statement execute function audit_kept()",
];

const FREE_SQLITE: [&str; 2] = [
    "drop trigger audit_kept_delete",
    "drop trigger audit_kept_update",
];

const FREE_POSTGRES: [&str; 3] = [
    "drop trigger audit_kept_whole on audit",
    "drop trigger audit_kept on audit",
    "drop function audit_kept()",
];

/// Tables that keep what marketplaces sent, with the buyer's data in it.
const WITH_BODIES: [&str; 2] = ["deliveries", "quarantine"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables() {
            table.create(manager).await?;
        }
        for table in WITH_BODIES {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            let mut column = ColumnDef::new("erased_at").big_integer().null().take();
            manager
                .alter_table(alter.table(table).add_column(&mut column).take())
                .await?;
        }
        match manager.get_database_backend() {
            DbBackend::Postgres => run(manager, &KEEP_POSTGRES).await,
            _ => run(manager, &KEEP_SQLITE).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        match manager.get_database_backend() {
            DbBackend::Postgres => run(manager, &FREE_POSTGRES).await?,
            _ => run(manager, &FREE_SQLITE).await?,
        }
        for table in WITH_BODIES {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            manager
                .alter_table(alter.table(table).drop_column("erased_at").take())
                .await?;
        }
        for table in tables().iter().rev() {
            table.drop(manager).await?;
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

fn tables() -> Vec<Table> {
    let mut all = trail();
    all.extend(people());
    all.push(
        Table::new(
            "erasures",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                text("remote_id"),
                text("asked_by"),
                text("why"),
                int("asked_at"),
                int("bodies"),
            ],
        )
        .unique(&["channel_id", "remote_id"])
        .index(&["merchant_id", "id"]),
    );
    all
}

/// Merchant 0: what concerns all of them, or none.
fn trail() -> Vec<Table> {
    vec![
        Table::new(
            "audit",
            vec![
                int("merchant_id"),
                int("seq"),
                int("at"),
                text("actor"),
                text("actor_kind"),
                text("role"),
                text("action"),
                text("subject_kind"),
                text("subject"),
                text("before").null(),
                text("after").null(),
                text("why").null(),
                text("prev_hash"),
                text("hash"),
            ],
        )
        .unique(&["merchant_id", "seq"])
        .index(&["merchant_id", "subject_kind", "subject", "id"])
        .index(&["merchant_id", "actor", "id"])
        .index(&["merchant_id", "action", "id"])
        .index(&["merchant_id", "at"]),
        Table::keyed(
            "audit_heads",
            &["merchant_id"],
            vec![int("merchant_id"), int("seq"), text("hash")],
        ),
    ]
}

fn people() -> Vec<Table> {
    vec![
        Table::new(
            "people",
            vec![
                text("login"),
                text("name"),
                text("language"),
                text("password_hash").null(),
                int("disabled_at").null(),
                int("created_at"),
            ],
        )
        .unique(&["login"]),
        // Without a merchant: all of them.
        Table::new(
            "memberships",
            vec![
                int("person_id").references("people"),
                int("merchant_id").references("merchants").null(),
                text("role"),
                text("channels").null(),
                int("created_at"),
            ],
        )
        .unique_where(
            "of_one",
            &["person_id", "merchant_id"],
            "merchant_id is not null",
        )
        .unique_where("of_all", &["person_id"], "merchant_id is null")
        .index(&["merchant_id"]),
        Table::new(
            "api_tokens",
            vec![
                text("name"),
                text("prefix"),
                text("hash"),
                int("merchant_id").references("merchants").null(),
                text("role"),
                text("channels").null(),
                text("created_by"),
                int("created_at"),
                int("expires_at").null(),
                int("last_used_day").null(),
                int("revoked_at").null(),
            ],
        )
        .unique(&["hash"])
        .index(&["merchant_id", "id"]),
    ]
}
