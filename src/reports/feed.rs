//! What has happened since the last look, a sentence each: for the demo's live feed.

use crate::domain::{Currency, MerchantId, Money};
use crate::marketplaces;
use crate::queue::Queue;
use entity::{channels, downloads, order_steps, orders, scans, skus, stock_pushes};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder, QuerySelect};
use std::collections::HashMap;

/// Sentences of each kind per look.
const MOST: u64 = 200;

/// How far the reader has read.
#[derive(Debug, Clone, Default)]
pub struct FeedPosition {
    step: i64,
    push: i64,
    scan: i64,
    download: i64,
}

/// What is new since `position`, which moves on.
///
/// # Errors
/// When the database fails.
pub async fn feed(
    queue: &Queue,
    merchant: MerchantId,
    position: &mut FeedPosition,
) -> Result<Vec<String>, DbErr> {
    let names = platform_names(queue, merchant).await?;
    let mut lines = steps(queue, merchant, &names, &mut position.step).await?;
    lines.extend(pushes(queue, merchant, &names, &mut position.push).await?);
    lines.extend(walks(queue, merchant, &names, position).await?);
    Ok(lines)
}

type Names = HashMap<i64, String>;

async fn platform_names(queue: &Queue, merchant: MerchantId) -> Result<Names, DbErr> {
    let rows = channels::Entity::of_merchant(merchant.0)
        .all(queue.db().read())
        .await?;
    let name = |row: channels::Model| {
        (
            row.id,
            marketplaces::platform_name(&row.platform).to_owned(),
        )
    };
    Ok(rows.into_iter().map(name).collect())
}

fn name_of(names: &Names, channel: i64) -> &str {
    names.get(&channel).map_or("?", String::as_str)
}

async fn steps(
    queue: &Queue,
    merchant: MerchantId,
    names: &Names,
    after: &mut i64,
) -> Result<Vec<String>, DbErr> {
    let db = queue.db().read();
    let steps = order_steps::Entity::of_merchant(merchant.0)
        .filter(order_steps::Column::Id.gt(*after))
        .order_by_asc(order_steps::Column::Id)
        .limit(MOST)
        .all(db)
        .await?;
    let ids = steps.iter().map(|step| step.order_id);
    let found = orders::Entity::of_merchant(merchant.0)
        .filter(orders::Column::Id.is_in(ids))
        .all(db)
        .await?;
    let of: HashMap<i64, orders::Model> = found.into_iter().map(|row| (row.id, row)).collect();
    let mut lines = Vec::new();
    for step in steps {
        *after = step.id;
        let Some(order) = of.get(&step.order_id) else {
            continue;
        };
        let found = if step.source == "scan" {
            " (found by a scan: its webhook was lost)"
        } else {
            ""
        };
        lines.push(format!(
            "  books  {:<12} order {}: {}{}{found}",
            name_of(names, order.channel_id),
            order.number,
            step.step.replace('_', " "),
            amount(&step.step, order),
        ));
    }
    Ok(lines)
}

fn amount(step: &str, order: &orders::Model) -> String {
    let currency = Currency::from_code(&order.currency).ok();
    match (step, currency) {
        ("create_invoice" | "convert_to_invoice", Some(currency)) => {
            let money = Money {
                minor: order.total_minor,
                currency,
            };
            format!(" of {money}")
        }
        _ => String::new(),
    }
}

async fn pushes(
    queue: &Queue,
    merchant: MerchantId,
    names: &Names,
    after: &mut i64,
) -> Result<Vec<String>, DbErr> {
    let db = queue.db().read();
    let pushes = stock_pushes::Entity::of_merchant(merchant.0)
        .filter(stock_pushes::Column::Id.gt(*after))
        .order_by_asc(stock_pushes::Column::Id)
        .limit(MOST)
        .all(db)
        .await?;
    let ids = pushes.iter().map(|push| push.sku_id);
    let found = skus::Entity::of_merchant(merchant.0)
        .filter(skus::Column::Id.is_in(ids))
        .all(db)
        .await?;
    let codes: HashMap<i64, String> = found.into_iter().map(|row| (row.id, row.code)).collect();
    let mut lines = Vec::new();
    for push in pushes {
        *after = push.id;
        let code = codes.get(&push.sku_id).map_or("?", String::as_str);
        let name = name_of(names, push.channel_id);
        lines.push(match &push.answer {
            None => format!("  stock  {name:<12} {code}: {} available", push.quantity),
            Some(answer) => format!("  stock  {name:<12} {code}: not taken, {answer}"),
        });
    }
    Ok(lines)
}

async fn walks(
    queue: &Queue,
    merchant: MerchantId,
    names: &Names,
    position: &mut FeedPosition,
) -> Result<Vec<String>, DbErr> {
    let db = queue.db().read();
    let mut lines = Vec::new();
    let ended = scans::Entity::of_merchant(merchant.0)
        .filter(scans::Column::Id.gt(position.scan))
        .filter(scans::Column::State.eq("done"))
        .order_by_asc(scans::Column::Id)
        .limit(MOST)
        .all(db)
        .await?;
    for scan in ended {
        position.scan = scan.id;
        lines.push(format!(
            "  scan   {:<12} {} scan: {} listings, {} new, {} changed, {} gone, {} calls",
            name_of(names, scan.channel_id),
            scan.kind,
            scan.listings,
            scan.added,
            scan.changed,
            scan.gone,
            scan.api_calls
        ));
    }
    let ended = downloads::Entity::of_merchant(merchant.0)
        .filter(downloads::Column::Id.gt(position.download))
        .filter(downloads::Column::State.eq("done"))
        .order_by_asc(downloads::Column::Id)
        .limit(MOST)
        .all(db)
        .await?;
    for download in ended {
        position.download = download.id;
        if download.missing + download.outdated > 0 {
            lines.push(format!(
                "  scan   {:<12} order download: {} of {} orders were not in the books, {} in an older version",
                name_of(names, download.channel_id),
                download.missing,
                download.seen,
                download.outdated
            ));
        }
    }
    Ok(lines)
}
