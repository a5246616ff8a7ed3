//! Lines that hold stock of a SKU while their listing is linked to another one by now, or to none: the booked SKU stays
//! until a person decides.

use super::{
    Conflict, ConflictKind,
    conflicts::{close_gone, open_of_order, raise},
    held::{Held, set_attention},
};
use crate::catalog::{self, SoldAs};
use crate::channels::{self, ChannelError};
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, OrderId, RemoteId, SkuId, Source, Timestamp};
use crate::stock::{self, LineChange, Units};
use entity::{order_lines, orders};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Lines looked at for one change of links.
const MOST: u64 = 10_000;

/// After links of these products changed: asks about lines that are still to be sent and hold another SKU, and closes
/// the question about those that hold the right one. Returns how many are in question.
///
/// # Errors
/// When the database fails.
pub async fn question_links(
    tx: &Tx,
    merchant: MerchantId,
    connection: ChannelId,
    products: &[&str],
    now: Timestamp,
) -> Result<u64, DbErr> {
    let lines = order_lines::Entity::of_merchant(merchant.0)
        .filter(order_lines::Column::ProductId.is_in(products.iter().copied()))
        .filter(order_lines::Column::SkuId.is_not_null())
        .filter(order_lines::Column::Allocated.gt(0))
        .order_by_asc(order_lines::Column::OrderId)
        .order_by_asc(order_lines::Column::Id)
        .limit(MOST)
        .all(tx)
        .await?;
    let mut by_order: BTreeMap<i64, Vec<order_lines::Model>> = BTreeMap::new();
    for line in lines {
        by_order.entry(line.order_id).or_default().push(line);
    }
    let mut links = HashMap::new();
    let mut n_questions = 0;
    for (order, lines) in by_order {
        let row = orders::Entity::of_merchant(merchant.0)
            .filter(orders::Column::Id.eq(order))
            .filter(orders::Column::ConnectionId.eq(connection.0))
            .lock_exclusive()
            .one(tx)
            .await?;
        let Some(row) = row else { continue };
        let mut is_changed = false;
        for line in lines {
            let link = link_of(tx, connection, &line, &mut links).await?;
            let subject = format!("line:{}", line.id);
            if link == line.sku_id {
                if row.open_conflicts > 0 {
                    let kind = ConflictKind::SkuUnlinked;
                    is_changed |= close_gone(tx, merchant, kind, &subject, now).await? > 0;
                }
                continue;
            }
            n_questions += 1;
            let conflict = question(&row, &line, link, subject);
            is_changed |= raise(tx, merchant, conflict, now).await?.is_some();
        }
        if is_changed {
            let open = open_of_order(tx, OrderId(row.id)).await?;
            let open: Vec<String> = open.into_iter().map(|conflict| conflict.detail).collect();
            set_attention(tx, &row, &open).await?;
        }
    }
    Ok(n_questions)
}

async fn link_of(
    tx: &Tx,
    connection: ChannelId,
    line: &order_lines::Model,
    links: &mut HashMap<(String, String), Option<i64>>,
) -> Result<Option<i64>, DbErr> {
    let key = (line.product_id.clone(), line.variant_id.clone());
    if let Some(known) = links.get(&key) {
        return Ok(*known);
    }
    let product = RemoteId::from(line.product_id.as_str());
    let variant = RemoteId::from(line.variant_id.as_str());
    let link = match catalog::sold_as(tx, connection, &product, &variant).await? {
        SoldAs::Sku(sku) => Some(sku.0),
        SoldAs::Nothing => None,
        // A listing that is not known says nothing about its link.
        SoldAs::Unknown => line.sku_id,
    };
    links.insert(key, link);
    Ok(link)
}

fn question(
    order: &orders::Model,
    line: &order_lines::Model,
    link: Option<i64>,
    subject: String,
) -> Conflict {
    let name = line.seller_sku.as_deref().unwrap_or(&line.title);
    let now_is = if link.is_some() {
        "another SKU"
    } else {
        "none"
    };
    Conflict {
        kind: ConflictKind::SkuUnlinked,
        subject,
        channel: Some(ChannelId(order.connection_id)),
        order: Some(OrderId(order.id)),
        sku: line.sku_id.map(SkuId),
        detail: format!(
            "{} units of {name} are reserved of the SKU that it was linked to when it was sold; it is linked to {now_is} now",
            line.allocated
        ),
        facts: json!({"line": line.id, "from": line.sku_id, "to": link}),
    }
}

/// Moves what a line has reserved to the SKU that its listing is linked to now. Without a link it holds nothing.
pub(super) async fn move_line(
    tx: &Tx,
    held: &Held,
    facts: &Value,
    now: Timestamp,
) -> Result<(), ChannelError> {
    let id = facts["line"].as_i64().unwrap_or_default();
    let to = facts["to"].as_i64();
    let line = held.lines.iter().find(|line| line.id == id);
    // What has left meanwhile has left as what it was.
    let Some(line) = line.filter(|line| line.allocated > 0 && line.sku_id != to) else {
        return Ok(());
    };
    let was = Units {
        allocated: line.allocated,
        shipped: line.shipped + line.quarantined,
    };
    let without = Units {
        allocated: 0,
        ..was
    };
    let change = |sku: i64, (before, after): (Units, Units), which: &str| LineChange {
        line: line.id,
        sku: SkuId(sku),
        before,
        after,
        aside: None,
        reference: format!(
            "order:{}:line:{}:{}:{which}",
            held.row.id,
            line.id,
            line.revision + 1
        ),
        note: Some("sold as another SKU".to_owned()),
    };
    let from = line.sku_id.map(|sku| change(sku, (was, without), "from"));
    let to_change = to.map(|sku| change(sku, (without, was), "to"));
    let changes: Vec<LineChange> = from.into_iter().chain(to_change).collect();
    let channel = channels::load(tx, ChannelId(held.row.channel_id)).await?;
    let holding = stock::hold(tx, &channel, OrderId(held.row.id), &changes).await?;
    let mut row = line.clone().into_active_model();
    row.sku_id = Set(to);
    row.revision = Set(line.revision + 1);
    if to.is_none() {
        row.allocated = Set(0);
        row.flag = Set(Some("unknown_sku".to_owned()));
    }
    row.update(tx).await?;
    let merchant = MerchantId(held.row.merchant_id);
    let moved = stock::append(tx, merchant, &holding.movements, now).await?;
    stock::enqueue_pushes(tx, merchant, &moved, None, Source::Manual, now).await?;
    Ok(())
}
