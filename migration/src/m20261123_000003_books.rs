//! SKUs, listings, stock, orders.

use crate::table::{Table, flag, int, text};
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
            "skus",
            vec![
                int("merchant_id").references("merchants"),
                text("code"),
                text("name"),
                int("created_at"),
            ],
        )
        .unique(&["merchant_id", "code"]),
        Table::new(
            "listings",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                text("product_id"),
                text("variant_id"),
                int("sku_id").null().references("skus"),
                text("seller_sku").null(),
                text("title"),
                text("state"),
                int("price_minor").null(),
                text("currency").null(),
                int("quantity").null(),
                text("push_ref").null(),
                text("content_hash"),
                int("remote_version"),
                int("push_read_at").null(),
                int("pushed_quantity").null(),
                int("pushed_at").null(),
                int("created_at"),
                int("updated_at"),
            ],
        )
        .unique(&["channel_id", "product_id", "variant_id"])
        // A full scan looks through a channel's listings by id, in one write transaction.
        .index(&["channel_id", "id"])
        .index(&["sku_id"])
        .index(&["merchant_id", "seller_sku"]),
        Table::keyed(
            "levels",
            &["sku_id", "outlet_id"],
            vec![
                int("sku_id").references("skus"),
                int("outlet_id").references("outlets"),
                int("merchant_id"),
                int("on_hand"),
                int("allocated"),
                int("updated_at"),
            ],
        ),
        Table::new(
            "movements",
            vec![
                int("merchant_id"),
                int("sku_id").references("skus"),
                int("outlet_id").references("outlets"),
                text("kind"),
                int("on_hand_delta"),
                int("allocated_delta"),
                int("order_id").null(),
                int("order_line_id").null(),
                text("reference"),
                text("note").null(),
                int("created_at"),
            ],
        )
        .unique(&["merchant_id", "reference"])
        .index(&["sku_id", "outlet_id"])
        .index(&["order_id"]),
        Table::new(
            "orders",
            vec![
                int("merchant_id"),
                int("channel_id").references("channels"),
                int("connection_id").references("channels"),
                int("outlet_id").references("outlets"),
                text("remote_id"),
                text("number"),
                text("remote_status"),
                text("document"),
                flag("paid"),
                text("fulfilment"),
                text("invoice_number").null(),
                text("currency"),
                int("total_minor"),
                text("tracking_number").null(),
                int("version"),
                text("content_hash"),
                int("placed_at"),
                flag("left_before"),
                text("source"),
                text("attention").null(),
                int("first_seen_at"),
                int("recorded_at"),
            ],
        )
        .unique(&["connection_id", "remote_id"])
        .index(&["merchant_id", "number"])
        .index(&["channel_id", "recorded_at"])
        .index(&["merchant_id", "recorded_at"]),
        Table::new(
            "order_lines",
            vec![
                int("merchant_id"),
                int("order_id").references("orders"),
                text("remote_id"),
                text("product_id"),
                text("variant_id"),
                int("sku_id").null().references("skus"),
                text("seller_sku").null(),
                text("title"),
                int("quantity"),
                int("cancelled"),
                int("total_minor"),
                text("flag").null(),
                int("allocated"),
                int("shipped"),
                int("revision"),
            ],
        )
        .unique(&["order_id", "remote_id"])
        .index(&["sku_id"]),
        Table::new(
            "order_steps",
            vec![
                int("merchant_id"),
                int("order_id").references("orders"),
                text("step"),
                text("detail").null(),
                text("source"),
                int("done_at"),
            ],
        )
        .unique(&["order_id", "step"]),
        Table::new(
            "stock_pushes",
            vec![
                int("merchant_id"),
                int("channel_id"),
                int("listing_id").references("listings"),
                int("sku_id"),
                int("quantity"),
                text("source"),
                text("state"),
                text("answer").null(),
                int("read_at"),
                int("finished_at"),
            ],
        )
        .index(&["listing_id", "finished_at"])
        .index(&["channel_id", "finished_at"]),
    ]
}
