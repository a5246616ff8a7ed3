//! The kinds of exports: which table, which columns, in which order.

use crate::db::Db;
use crate::domain::MerchantId;
use entity::{
    alarms, channels, completeness, completeness_orders, conflicts, deliveries, downloads,
    endpoint_deliveries, events, happenings, imports, jobs, levels, listings, movements, notices,
    order_lines, order_steps, orders, outlets, oversells, price_pushes, price_rules, return_lines,
    returns, scan_changes, scans, schedules, settlements, skus, stock_drifts, stock_pushes,
    stock_rules,
};
use sea_orm::{ColumnTrait, Condition, DbErr, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::{Map, Value};

type Row = Map<String, Value>;

fn object<T: Serialize>(row: &T) -> Row {
    match serde_json::to_value(row) {
        Ok(Value::Object(object)) => object,
        _ => Row::new(),
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $table:ident $(where $only:expr)?, [$($column:literal),+ $(,)?];)+) => {
        /// What can be exported.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ExportKind {
            $($(#[$doc])* $name,)+
            /// Stock per SKU and outlet.
            Levels,
        }

        impl ExportKind {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+ Self::Levels];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                    Self::Levels => "levels",
                }
            }

            /// The columns, in their order.
            pub const fn columns(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$($column),+],)+
                    Self::Levels => LEVELS,
                }
            }

            /// The columns of the table.
            #[cfg(test)]
            fn stored(self) -> Vec<String> {
                use sea_orm::{IdenStatic, Iterable};
                match self {
                    $(Self::$name => $table::Column::iter().map(|c| c.as_str().to_owned()).collect(),)+
                    Self::Levels => levels::Column::iter().map(|c| c.as_str().to_owned()).collect(),
                }
            }

            /// Rows after a place, along an index.
            pub(super) async fn rows(
                self,
                db: &Db,
                merchant: MerchantId,
                after: (i64, i64),
                limit: u64,
            ) -> Result<Vec<Row>, DbErr> {
                match self {
                    $(Self::$name => {
                        let rows = $table::Entity::of_merchant(merchant.0)
                            .filter($table::Column::Id.gt(after.0))
                            $(.filter($only))?
                            .order_by_asc($table::Column::Id)
                            .limit(limit)
                            .all(db.read())
                            .await?;
                        Ok(rows.iter().map(object).collect())
                    })+
                    Self::Levels => level_rows(db, merchant, after, limit).await,
                }
            }
        }
    };
}

kinds! {
    Orders = "orders", orders, [
        "id", "number", "remote_id", "channel_id", "channel", "outlet", "remote_status", "document", "paid",
        "fulfilment", "invoice_number", "currency", "total_minor", "refunded_minor", "fee_minor", "fee_reason",
        "tracking_number", "placed_at", "source",
        "attention", "first_seen_at", "recorded_at",
    ];
    /// Orders with an invoice, void ones included.
    Invoices = "invoices", orders where orders::Column::InvoiceNumber.is_not_null(), [
        "id", "invoice_number", "number", "channel_id", "channel", "outlet", "document", "paid", "fulfilment",
        "currency", "total_minor", "refunded_minor", "tracking_number", "placed_at", "recorded_at",
    ];
    Lines = "lines", order_lines, [
        "id", "order_id", "order", "remote_id", "sku", "seller_sku", "title", "quantity", "cancelled",
        "gross_minor", "total_minor", "allocated", "shipped", "restocked", "quarantined", "refunded_minor", "flag",
    ];
    Steps = "steps", order_steps, [
        "id", "order_id", "order", "step", "subject", "detail", "source", "done_at",
    ];
    Returns = "returns", returns, [
        "id", "order_id", "order", "remote_id", "remote_status", "state", "reason", "refund_minor", "credited_minor",
        "undecided", "source", "first_seen_at", "recorded_at", "deleted_at",
    ];
    ReturnLines = "return_lines", return_lines, [
        "id", "return_id", "line", "quantity", "refund_minor", "credited_minor", "goods", "restocked", "quarantined",
        "written_off", "undecided", "decided_by",
    ];
    Conflicts = "conflicts", conflicts, [
        "id", "kind", "subject", "channel_id", "channel", "order_id", "order", "sku_id", "sku", "detail", "state",
        "owner", "raised_at", "ended_at", "choice", "decided_by", "why",
    ];
    Movements = "movements", movements, [
        "id", "sku_id", "sku", "outlet", "kind", "on_hand_delta", "allocated_delta", "order_id", "order",
        "reference", "note", "created_at",
    ];
    /// Of which more was sold than there is, or was once.
    Oversold = "oversold", oversells, [
        "id", "sku_id", "sku", "outlet", "order_id", "order", "units", "since", "closed_at",
    ];
    /// What marketplaces paid out for orders.
    Payouts = "payouts", settlements, [
        "id", "channel_id", "channel", "order_id", "order", "currency", "gross_minor", "fee_minor", "net_minor",
        "fees", "source", "settled_at", "read_at",
    ];
    Skus = "skus", skus, [
        "id", "code", "name", "price_minor", "currency", "price_at", "cost_minor", "cost_currency", "cost_at",
        "created_at",
    ];
    Listings = "listings", listings, [
        "id", "channel_id", "channel", "product_id", "variant_id", "sku", "seller_sku", "title", "state",
        "price_minor", "currency", "quantity", "reserved", "pushed_quantity", "pushed_at", "link_by", "created_at",
        "updated_at",
    ];
    Pushes = "pushes", stock_pushes, [
        "id", "channel_id", "channel", "listing_id", "sku", "quantity", "because", "source", "state", "attempt",
        "answer", "read_at", "finished_at",
    ];
    /// Listings that showed another quantity than they were told.
    Drifts = "drifts", stock_drifts, [
        "id", "channel_id", "channel", "listing_id", "sku", "told", "wanted", "shown", "reserved", "outcome",
        "found_at",
    ];
    StockRules = "stock_rules", stock_rules, [
        "id", "channel_id", "channel", "sku", "percentage", "buffer", "minimum", "maximum", "last_units",
        "last_channel_id", "updated_at",
    ];
    PriceRules = "price_rules", price_rules, [
        "id", "channel_id", "channel", "sku", "fixed_minor", "currency", "adjust_bp", "round_to_minor", "round_how",
        "ending_minor", "updated_at",
    ];
    PricePushes = "price_pushes", price_pushes, [
        "id", "channel_id", "channel", "listing_id", "sku", "price_minor", "currency", "source", "state", "attempt",
        "answer", "finished_at",
    ];
    Scans = "scans", scans, [
        "id", "channel_id", "channel", "kind", "method", "source", "state", "subject", "window_from", "window_to",
        "pages", "products", "listings", "added", "changed", "gone", "linked", "conflicts", "errors", "api_calls",
        "error", "started_at", "finished_at",
    ];
    /// What scans found changed.
    Changes = "changes", scan_changes, [
        "id", "scan_id", "channel_id", "channel", "kind", "product_id", "variant_id", "listing_id", "field", "before",
        "after",
    ];
    Downloads = "downloads", downloads, [
        "id", "channel_id", "channel", "source", "state", "kind", "by_time", "window_from", "window_to", "pages",
        "seen", "missing", "outdated", "api_calls", "error", "started_at", "finished_at",
    ];
    Completeness = "completeness", completeness, [
        "id", "channel_id", "channel", "day", "state", "reason", "listed", "explained", "noted", "theirs",
        "theirs_value", "ours", "ours_value", "matched", "missing", "wrong_status", "different_total",
        "only_in_books", "unreadable", "looked_at", "closed_at",
    ];
    /// Orders that were missing, or not alike, when a day was looked at.
    CompletenessOrders = "completeness_orders", completeness_orders, [
        "id", "channel_id", "channel", "completeness_id", "remote_id", "number", "kind", "reason", "theirs_status",
        "ours_status", "theirs_minor", "theirs_currency", "ours_minor", "ours_currency", "found_at", "closed_at",
    ];
    /// What other programs are told.
    Happenings = "happenings", happenings, ["id", "kind", "subject", "payload", "created_at"];
    Told = "told", endpoint_deliveries, [
        "id", "endpoint_id", "happening_id", "state", "attempts", "next_at", "status", "answer", "created_at",
        "finished_at",
    ];
    /// Webhooks, without what was in them.
    Deliveries = "deliveries", deliveries, [
        "id", "channel_id", "channel", "marketplace", "delivery_key", "topic", "verdict", "received_at",
    ];
    Events = "events", events, [
        "id", "channel_id", "channel", "delivery_id", "kind", "subject", "version", "state", "created_at",
        "handled_at",
    ];
    Jobs = "jobs", jobs, [
        "id", "channel_id", "channel", "kind", "key", "state", "priority", "source", "run_at", "attempts",
        "created_at", "started_at", "finished_at", "last_error",
    ];
    Schedules = "schedules", schedules, [
        "id", "channel_id", "channel", "task", "expression", "enabled", "overlap", "catch_up", "last_fire_at",
        "paused_at",
    ];
    Alarms = "alarms", alarms, ["id", "channel_id", "channel", "kind", "raised_at", "closed_at"];
    Notices = "notices", notices, [
        "id", "channel_id", "channel", "scan_id", "level", "text", "created_at", "read_at",
    ];
    Imports = "imports", imports, [
        "id", "kind", "file_name", "file_hash", "state", "rows", "done_rows", "added", "changed", "unchanged",
        "by_name", "started_at", "finished_at",
    ];
    Channels = "channels", channels, [
        "id", "marketplace", "platform", "remote_id", "name", "outlet", "state", "state_reason", "created_at",
    ];
    Outlets = "outlets", outlets, ["id", "name", "created_at"];
}

const LEVELS: &[&str] = &[
    "sku_id",
    "sku",
    "outlet_id",
    "outlet",
    "on_hand",
    "allocated",
    "updated_at",
];

impl ExportKind {
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Where the next page begins behind a row.
    pub(super) fn place(self, row: &Row) -> (i64, i64) {
        let number = |column: &str| row.get(column).and_then(Value::as_i64).unwrap_or_default();
        match self {
            Self::Levels => (number("sku_id"), number("outlet_id")),
            _ => (number("id"), 0),
        }
    }
}

async fn level_rows(
    db: &Db,
    merchant: MerchantId,
    (sku, outlet): (i64, i64),
    limit: u64,
) -> Result<Vec<Row>, DbErr> {
    let same_sku = Condition::all()
        .add(levels::Column::SkuId.eq(sku))
        .add(levels::Column::OutletId.gt(outlet));
    let later = Condition::any()
        .add(levels::Column::SkuId.gt(sku))
        .add(same_sku);
    let rows = levels::Entity::of_merchant(merchant.0)
        .filter(later)
        .order_by_asc(levels::Column::SkuId)
        .order_by_asc(levels::Column::OutletId)
        .limit(limit)
        .all(db.read())
        .await?;
    Ok(rows.iter().map(object).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_columns_without_repeats() {
        for kind in ExportKind::ALL {
            assert_eq!(ExportKind::parse(kind.as_str()), Some(*kind));
            let mut columns = kind.columns().to_vec();
            columns.sort_unstable();
            columns.dedup();
            assert_eq!(columns.len(), kind.columns().len(), "{kind:?}");
        }
    }

    #[test]
    fn every_column_is_one_of_the_table_or_the_name_of_one() {
        for kind in ExportKind::ALL {
            let stored = kind.stored();
            for column in kind.columns() {
                let id = match *column {
                    "sku" | "order" | "channel" | "outlet" => format!("{column}_id"),
                    other => other.to_owned(),
                };
                assert!(stored.contains(&id), "{kind:?} has no {column}");
            }
        }
    }

    #[test]
    fn no_export_has_what_is_secret_or_a_buyers() {
        for kind in ExportKind::ALL {
            for column in [
                "body",
                "headers",
                "args",
                "address",
                "settings",
                "lease_token",
            ] {
                assert!(!kind.columns().contains(&column), "{kind:?} {column}");
            }
        }
    }
}
