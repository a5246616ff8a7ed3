//! The queries of a search: one for each kind, each bounded and along an index that begins with the tenant.

use super::{Hit, HitKind, MOST_HITS, Subject};
use crate::channels::Channel;
use crate::db::Db;
use crate::domain::{ChannelId, EventKind, MerchantId, RemoteId};
use crate::inbox;
use crate::marketplaces;
use crate::sales;
use entity::{deliveries, jobs, listings, order_steps, orders, readings, returns, skus};
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, IntoColumnRef},
};
use std::collections::{BTreeSet, HashMap};

/// Written out, so that the partial index is recognised.
const NUMBERS_INVOICE: &str = "order_steps.step in ('create_invoice', 'convert_to_invoice')";

pub(super) struct Lookup<'a> {
    pub db: &'a Db,
    pub merchant: MerchantId,
    pub channels: &'a [Channel],
}

/// How a column is to be like what is looked for.
enum Like<'a> {
    Any(&'a [String]),
    Beginning(&'a str),
}

/// A hit with the text that asked for it.
type Asked = (String, Hit);

impl Lookup<'_> {
    /// What these texts are, whole.
    pub async fn exact(&self, texts: &[String]) -> Result<Vec<Asked>, DbErr> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let most = MOST_HITS * texts.len() as u64 + 1;
        let like = Like::Any(texts);
        let mut found = self.of_columns(&like, most).await?;
        found.extend(self.heard(texts, most).await?);
        let ids: Vec<i64> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        found.extend(self.deliveries(texts, &ids, most).await?);
        found.extend(self.jobs(&ids).await?);
        let asked = |hit: Hit| (hit.text.clone(), hit);
        Ok(found.into_iter().map(asked).collect())
    }

    /// What begins with this text.
    pub async fn beginning(&self, text: &str) -> Result<Vec<Hit>, DbErr> {
        self.of_columns(&Like::Beginning(text), MOST_HITS + 1).await
    }

    /// All kinds that are a column of a table.
    async fn of_columns(&self, like: &Like<'_>, most: u64) -> Result<Vec<Hit>, DbErr> {
        let mut found = Vec::new();
        let columns = [
            (HitKind::OrderNumber, orders::Column::Number),
            (HitKind::OrderId, orders::Column::RemoteId),
            (HitKind::Invoice, orders::Column::InvoiceNumber),
            (HitKind::Tracking, orders::Column::TrackingNumber),
        ];
        for (kind, column) in columns {
            let rows = self.orders(column, like, most).await?;
            found.extend(rows.iter().map(|row| order_hit(kind, row, column)));
        }
        found.extend(self.earlier_invoices(like, most).await?);
        found.extend(self.returns(like, most).await?);
        found.extend(self.read(like, most).await?);
        found.extend(self.skus(like, most).await?);
        let columns = [
            (HitKind::SellerSku, listings::Column::SellerSku),
            (HitKind::Product, listings::Column::ProductId),
            (HitKind::Variant, listings::Column::VariantId),
        ];
        for (kind, column) in columns {
            found.extend(self.listings(kind, column, like, most).await?);
        }
        Ok(found)
    }

    fn is_like<C: ColumnTrait + IntoColumnRef>(&self, column: C, like: &Like<'_>) -> Condition {
        match like {
            Like::Any(texts) => {
                Condition::all().add(column.is_in(texts.iter().map(String::as_str)))
            }
            // The end of the range is the greatest character there is: all that begins so is before it.
            Like::Beginning(text) if self.db.is_postgres() => {
                // In the order of bytes, whatever the database's language: `ix_..` with text_pattern_ops.
                let (table, name) = (column.entity_name(), column.to_string());
                let name = format!("{table}.{name}");
                Condition::all()
                    .add(Expr::cust_with_values(format!("{name} ~>=~ $1"), [*text]))
                    .add(Expr::cust_with_values(
                        format!("{name} ~<~ $1"),
                        [format!("{text}\u{10ffff}")],
                    ))
            }
            Like::Beginning(text) => Condition::all()
                .add(column.gte(*text))
                .add(column.lt(format!("{text}\u{10ffff}"))),
        }
    }

    async fn orders(
        &self,
        column: orders::Column,
        like: &Like<'_>,
        most: u64,
    ) -> Result<Vec<orders::Model>, DbErr> {
        orders::Entity::of_merchant(self.merchant.0)
            .filter(self.is_like(column, like))
            .limit(most)
            .all(self.db.read())
            .await
    }

    /// Numbers of invoices that orders had before they were booked again.
    async fn earlier_invoices(&self, like: &Like<'_>, most: u64) -> Result<Vec<Hit>, DbErr> {
        let rows: Vec<(i64, Option<String>)> = order_steps::Entity::of_merchant(self.merchant.0)
            .select_only()
            .columns([order_steps::Column::OrderId, order_steps::Column::Detail])
            .filter(Expr::cust(NUMBERS_INVOICE))
            .filter(self.is_like(order_steps::Column::Detail, like))
            .limit(most)
            .into_tuple()
            .all(self.db.read())
            .await?;
        let found = self.by_id(rows.iter().map(|(order, _)| *order)).await?;
        let hit = |(order, number): (i64, Option<String>)| {
            let row = found.get(&order)?;
            let mut hit = order_hit(HitKind::Invoice, row, orders::Column::InvoiceNumber);
            hit.text = number?;
            Some(hit)
        };
        Ok(rows.into_iter().filter_map(hit).collect())
    }

    async fn returns(&self, like: &Like<'_>, most: u64) -> Result<Vec<Hit>, DbErr> {
        let rows = returns::Entity::of_merchant(self.merchant.0)
            .filter(self.is_like(returns::Column::RemoteId, like))
            .limit(most)
            .all(self.db.read())
            .await?;
        let found = self.by_id(rows.iter().map(|row| row.order_id)).await?;
        let hit = |row: returns::Model| {
            let order = found.get(&row.order_id)?;
            let hit = order_hit(HitKind::Return, order, orders::Column::Number);
            Some(Hit {
                id: row.id,
                label: format!("return of order {}, {}", order.number, row.state),
                text: row.remote_id,
                ..hit
            })
        };
        Ok(rows.into_iter().filter_map(hit).collect())
    }

    async fn by_id(
        &self,
        ids: impl Iterator<Item = i64>,
    ) -> Result<HashMap<i64, orders::Model>, DbErr> {
        let ids: BTreeSet<i64> = ids.collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = orders::Entity::of_merchant(self.merchant.0)
            .filter(orders::Column::Id.is_in(ids))
            .all(self.db.read())
            .await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }

    /// Orders that were read, whatever came of it.
    async fn read(&self, like: &Like<'_>, most: u64) -> Result<Vec<Hit>, DbErr> {
        let mut found = Vec::new();
        for column in [readings::Column::Number, readings::Column::RemoteId] {
            let rows: Vec<(i64, i64, String, Option<String>, String)> =
                readings::Entity::of_merchant(self.merchant.0)
                    .select_only()
                    .columns([
                        readings::Column::Id,
                        readings::Column::ChannelId,
                        readings::Column::RemoteId,
                        readings::Column::Number,
                        readings::Column::Outcome,
                    ])
                    .filter(self.is_like(column, like))
                    .limit(most)
                    .into_tuple()
                    .all(self.db.read())
                    .await?;
            found.extend(rows.into_iter().map(|(id, channel, remote, number, came)| {
                let text = match (column, &number) {
                    (readings::Column::Number, Some(number)) => number.clone(),
                    _ => remote.clone(),
                };
                let label = format!(
                    "order {}, read: {}",
                    number.unwrap_or_else(|| remote.clone()),
                    came.replace('_', " ")
                );
                heard_hit(id, ChannelId(channel), remote, text, label)
            }));
        }
        Ok(found)
    }

    /// Orders that deliveries named.
    async fn heard(&self, texts: &[String], most: u64) -> Result<Vec<Hit>, DbErr> {
        let connections: Vec<ChannelId> = self
            .channels
            .iter()
            .filter(|channel| channel.parent.is_none())
            .map(|channel| channel.id)
            .collect();
        let kind = EventKind::OrderChanged;
        let named = inbox::named_on(
            self.db.read(),
            self.merchant,
            &connections,
            kind,
            texts,
            most,
        )
        .await?;
        let hit = |(channel, subject): (ChannelId, RemoteId)| {
            let label = format!("order {subject}, named by a webhook");
            heard_hit(0, channel, subject.to_string(), subject.to_string(), label)
        };
        Ok(named.into_iter().map(hit).collect())
    }

    async fn skus(&self, like: &Like<'_>, most: u64) -> Result<Vec<Hit>, DbErr> {
        let rows = skus::Entity::of_merchant(self.merchant.0)
            .filter(self.is_like(skus::Column::Code, like))
            .limit(most)
            .all(self.db.read())
            .await?;
        let hit = |row: skus::Model| Hit {
            kind: HitKind::Sku,
            id: row.id,
            label: format!("SKU {}: {}", row.code, row.name),
            text: row.code,
            channel: None,
            order: None,
        };
        Ok(rows.into_iter().map(hit).collect())
    }

    async fn listings(
        &self,
        kind: HitKind,
        column: listings::Column,
        like: &Like<'_>,
        most: u64,
    ) -> Result<Vec<Hit>, DbErr> {
        let rows = listings::Entity::of_merchant(self.merchant.0)
            .filter(self.is_like(column, like))
            .limit(most)
            .all(self.db.read())
            .await?;
        let hit = |row: listings::Model| Hit {
            kind,
            id: row.id,
            text: match column {
                listings::Column::ProductId => row.product_id.clone(),
                listings::Column::VariantId => row.variant_id.clone(),
                _ => row.seller_sku.clone().unwrap_or_default(),
            },
            channel: Some(ChannelId(row.channel_id)),
            label: format!(
                "listing {}:{} \"{}\", {}",
                row.product_id, row.variant_id, row.title, row.state
            ),
            order: None,
        };
        Ok(rows.into_iter().map(hit).collect())
    }

    /// By our id, and by the marketplace's own of the notification. Without their bodies, which may be long.
    async fn deliveries(
        &self,
        texts: &[String],
        ids: &[i64],
        most: u64,
    ) -> Result<Vec<Hit>, DbErr> {
        let slugs: Vec<&str> = marketplaces::all().iter().map(|one| one.slug()).collect();
        let keyed = deliveries::Entity::find()
            .filter(deliveries::Column::Marketplace.is_in(slugs))
            .filter(deliveries::Column::DeliveryKey.is_in(texts.iter().map(String::as_str)));
        let numbered =
            deliveries::Entity::find().filter(deliveries::Column::Id.is_in(ids.iter().copied()));
        let mut found = Vec::new();
        for (kind, query) in [(HitKind::Delivery, numbered), (HitKind::DeliveryKey, keyed)] {
            if kind == HitKind::Delivery && ids.is_empty() {
                continue;
            }
            for (id, channel, key, topic, verdict) in self.heads(query, most).await? {
                found.push(Hit {
                    kind,
                    id,
                    text: match kind {
                        HitKind::Delivery => id.to_string(),
                        _ => key,
                    },
                    channel: channel.map(ChannelId),
                    label: format!("delivery {id}, {topic}, {}", verdict.replace('_', " ")),
                    order: None,
                });
            }
        }
        Ok(found)
    }

    async fn heads(
        &self,
        query: Select<deliveries::Entity>,
        most: u64,
    ) -> Result<Vec<(i64, Option<i64>, String, String, String)>, DbErr> {
        // The merchant's, and those that no merchant claims.
        let ours = deliveries::Column::MerchantId
            .eq(self.merchant.0)
            .or(deliveries::Column::MerchantId.is_null());
        query
            .select_only()
            .columns([
                deliveries::Column::Id,
                deliveries::Column::ChannelId,
                deliveries::Column::DeliveryKey,
                deliveries::Column::Topic,
                deliveries::Column::Verdict,
            ])
            .filter(ours)
            .limit(most)
            .into_tuple()
            .all(self.db.read())
            .await
    }

    async fn jobs(&self, ids: &[i64]) -> Result<Vec<Hit>, DbErr> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = jobs::Entity::of_merchant(self.merchant.0)
            .filter(jobs::Column::Id.is_in(ids.iter().copied()))
            .order_by_asc(jobs::Column::Id)
            .all(self.db.read())
            .await?;
        let hit = |row: jobs::Model| Hit {
            kind: HitKind::Job,
            id: row.id,
            text: row.id.to_string(),
            channel: Some(ChannelId(row.channel_id)),
            label: format!(
                "job {}, {}, {}",
                row.id,
                row.kind.replace('_', " "),
                row.state
            ),
            order: None,
        };
        Ok(rows.into_iter().map(hit).collect())
    }
}

fn order_hit(kind: HitKind, row: &orders::Model, column: orders::Column) -> Hit {
    let text = match column {
        orders::Column::RemoteId => Some(row.remote_id.clone()),
        orders::Column::InvoiceNumber => row.invoice_number.clone(),
        orders::Column::TrackingNumber => row.tracking_number.clone(),
        _ => Some(row.number.clone()),
    };
    let standing = sales::standing_in_words(&row.document, row.paid, &row.fulfilment);
    Hit {
        kind,
        id: row.id,
        text: text.unwrap_or_default(),
        channel: Some(ChannelId(row.channel_id)),
        label: format!("order {}, {standing}", row.number),
        order: Some(Subject {
            connection: ChannelId(row.connection_id),
            remote_id: row.remote_id.clone(),
        }),
    }
}

fn heard_hit(
    id: i64,
    connection: ChannelId,
    remote_id: String,
    text: String,
    label: String,
) -> Hit {
    Hit {
        kind: HitKind::Heard,
        id,
        text,
        channel: Some(connection),
        label,
        order: Some(Subject {
            connection,
            remote_id,
        }),
    }
}
