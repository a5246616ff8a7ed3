//! What marketplaces answered when orders were read, and the indexes by which everything about an order is found.

use crate::table::{Table, flag, int, text};
use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

#[derive(DeriveMigrationName, Debug)]
pub struct Migration;

/// Name, table, columns before the text that is looked for, that text, and the condition of a partial index.
struct Lookup(
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// The tenant first. `=` and the beginnings of texts are found by the same index.
const LOOKUPS: &[Lookup] = &[
    Lookup("ix_orders_remote", "orders", "merchant_id", "remote_id", ""),
    Lookup(
        "ix_orders_tracking",
        "orders",
        "merchant_id",
        "tracking_number",
        "tracking_number is not null",
    ),
    // An order that was booked again after a void has another number; the one before is in its history.
    Lookup(
        "ix_order_steps_invoice",
        "order_steps",
        "merchant_id",
        "detail",
        "step in ('create_invoice', 'convert_to_invoice')",
    ),
    Lookup(
        "ix_listings_product",
        "listings",
        "merchant_id",
        "product_id",
        "",
    ),
    Lookup(
        "ix_listings_variant",
        "listings",
        "merchant_id",
        "variant_id",
        "",
    ),
    Lookup(
        "ix_returns_remote",
        "returns",
        "merchant_id",
        "remote_id",
        "",
    ),
    Lookup(
        "ix_readings_remote",
        "readings",
        "merchant_id",
        "remote_id",
        "",
    ),
    Lookup(
        "ix_readings_number",
        "readings",
        "merchant_id",
        "number",
        "number is not null",
    ),
    Lookup(
        "ix_completeness_orders_remote",
        "completeness_orders",
        "merchant_id",
        "remote_id",
        "",
    ),
    Lookup(
        "ix_completeness_orders_number",
        "completeness_orders",
        "merchant_id",
        "number",
        "",
    ),
    // All jobs of one order, ended ones included.
    Lookup("ix_jobs_key", "jobs", "channel_id, kind", "key", ""),
];

/// Deliveries of which nothing was made: few, and the first place to look for an order that nobody heard of.
const NOT_UNDERSTOOD: (&str, &str) = (
    "ix_deliveries_not_understood",
    "deliveries (merchant_id, id) where verdict in ('ignored', 'unknown_topic', 'unreadable', 'unknown_channel')",
);

/// Where PostgreSQL has an index in the order of a language, in which beginnings are not together.
const BEGINNINGS: &[Lookup] = &[
    Lookup(
        "ix_orders_number_begins",
        "orders",
        "merchant_id",
        "number",
        "",
    ),
    Lookup(
        "ix_orders_invoice_begins",
        "orders",
        "merchant_id",
        "invoice_number",
        "invoice_number is not null",
    ),
    Lookup("ix_skus_code_begins", "skus", "merchant_id", "code", ""),
    Lookup(
        "ix_listings_seller_sku_begins",
        "listings",
        "merchant_id",
        "seller_sku",
        "seller_sku is not null",
    ),
];

impl Lookup {
    fn create(&self, is_postgres: bool) -> String {
        let Self(name, table, before, column, condition) = self;
        let order = if is_postgres { " text_pattern_ops" } else { "" };
        let condition = match *condition {
            "" => String::new(),
            condition => format!(" where {condition}"),
        };
        format!("create index {name} on {table} ({before}, {column}{order}){condition}")
    }
}

fn lookups(is_postgres: bool) -> impl Iterator<Item = &'static Lookup> {
    let beginnings: &[Lookup] = if is_postgres { BEGINNINGS } else { &[] };
    LOOKUPS.iter().chain(beginnings)
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        readings().create(manager).await?;
        let is_postgres = manager.get_database_backend() == DatabaseBackend::Postgres;
        for lookup in lookups(is_postgres) {
            let create = lookup.create(is_postgres);
            manager.get_connection().execute_unprepared(&create).await?;
        }
        let (name, on) = NOT_UNDERSTOOD;
        let create = format!("create index {name} on {on}");
        manager.get_connection().execute_unprepared(&create).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = format!("drop index {}", NOT_UNDERSTOOD.0);
        manager.get_connection().execute_unprepared(&drop).await?;
        let is_postgres = manager.get_database_backend() == DatabaseBackend::Postgres;
        for Lookup(name, table, ..) in lookups(is_postgres) {
            if *table != "readings" {
                let drop = format!("drop index {name}");
                manager.get_connection().execute_unprepared(&drop).await?;
            }
        }
        readings().drop(manager).await
    }
}

fn readings() -> Table {
    Table::new(
        "readings",
        vec![
            int("merchant_id"),
            int("channel_id"),
            text("remote_id"),
            text("number").null(),
            text("remote_status").null(),
            text("document").null(),
            flag("paid").null(),
            text("fulfilment").null(),
            flag("has_tracking"),
            int("version").null(),
            text("source"),
            text("outcome"),
            text("error").null(),
            text("content").null(),
            text("content_hash"),
            int("times"),
            int("read_at"),
            int("last_read_at"),
        ],
    )
    .index(&["last_read_at"])
}
