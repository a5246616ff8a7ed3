//! Consents that were asked for: who asked, for which shop, and what came of it.
//!
//! The answer of a marketplace comes through the merchant's browser, so it proves nothing by itself. It must
//! carry a *state* that we made: 32 random bytes, good once, for half an hour, at one marketplace. Only its
//! SHA-256 is stored, so that whoever reads the table cannot answer.

use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, OutletId, Timestamp};
use crate::marketplaces::{self, Marketplace};
use entity::{channels, consents};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, sea_query::Expr,
};
use sha2::{Digest, Sha256};
use std::time::Duration;
use url::Url;

/// How long an answer is waited for. The codes that marketplaces give live no longer.
pub const CONSENT_LIFE: Duration = Duration::from_secs(30 * 60);
/// How long it can be seen what came of a consent.
const KEEP: Duration = Duration::from_secs(30 * 86_400);

/// What came of links that ended with a channel.
const WITHDRAWN: &str = "a shop was removed after the link was made";

/// A consent to ask for.
#[derive(Debug)]
pub struct NewConsent<'a> {
    pub merchant: MerchantId,
    pub outlet: OutletId,
    pub marketplace: &'static dyn Marketplace,
    pub base_url: Option<&'a str>,
    pub name: Option<&'a str>,
}

/// A consent that was asked for.
#[derive(Debug, Clone)]
pub struct PendingConsent {
    pub id: i64,
    pub merchant: MerchantId,
    pub outlet: OutletId,
    /// The slug.
    pub marketplace: String,
    pub base_url: Option<String>,
    pub name: Option<String>,
    pub asked_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    /// None while it is being worked on.
    pub outcome: Option<String>,
    /// The first channel that was connected.
    pub channel: Option<ChannelId>,
}

impl PendingConsent {
    pub fn marketplace_name(&self) -> &str {
        marketplaces::find(&self.marketplace).map_or(self.marketplace.as_str(), |m| m.name())
    }
}

fn hash(state: &str) -> String {
    hex::encode(Sha256::digest(state.as_bytes()))
}

/// Writes down that a consent is asked for; old ones are forgotten.
pub async fn ask(
    tx: &Tx,
    new: &NewConsent<'_>,
    state: &str,
    now: Timestamp,
) -> Result<PendingConsent, DbErr> {
    consents::Entity::delete_many()
        .filter(consents::Column::ExpiresAt.lt((now - KEEP).micros()))
        .exec(tx)
        .await?;
    let row = consents::ActiveModel {
        merchant_id: Set(new.merchant.0),
        outlet_id: Set(new.outlet.0),
        marketplace: Set(new.marketplace.slug().to_owned()),
        base_url: Set(new.base_url.map(str::to_owned)),
        name: Set(new.name.map(str::to_owned)),
        state_hash: Set(hash(state)),
        created_at: Set(now.micros()),
        expires_at: Set((now + CONSENT_LIFE).micros()),
        ..Default::default()
    };
    Ok(row.insert(tx).await?.into())
}

/// The consent that this state belongs to.
pub async fn of_state<C: ConnectionTrait>(
    db: &C,
    state: &str,
) -> Result<Option<PendingConsent>, DbErr> {
    let row = consents::Entity::find()
        .filter(consents::Column::StateHash.eq(hash(state)))
        .one(db)
        .await?;
    Ok(row.map(Into::into))
}

/// A consent of a merchant.
pub async fn consent(
    db: &Db,
    merchant: MerchantId,
    id: i64,
) -> Result<Option<PendingConsent>, DbErr> {
    let row = consents::Entity::of_merchant(merchant.0)
        .filter(consents::Column::Id.eq(id))
        .one(db.read())
        .await?;
    Ok(row.map(Into::into))
}

/// Ends the links that could bring this connection back, answered or not: its merchant has removed it. Where
/// all shops of a marketplace have one address nobody knows which shop a link is for, so all of them end.
pub(super) async fn withdraw(
    tx: &Tx,
    connection: &channels::Model,
    now: Timestamp,
) -> Result<(), DbErr> {
    let open = consents::Entity::of_merchant(connection.merchant_id)
        .filter(consents::Column::Marketplace.eq(connection.marketplace.as_str()))
        .filter(consents::Column::UsedAt.is_null())
        .filter(consents::Column::ExpiresAt.gt(now.micros()))
        .order_by_asc(consents::Column::Id)
        .all(tx)
        .await?;
    let host = connection.base_url.as_deref().and_then(host_of);
    let is_elsewhere = |asked: &consents::Model| {
        let asked = asked.base_url.as_deref().and_then(host_of);
        asked.is_some() && host.is_some() && asked != host
    };
    for asked in open.into_iter().filter(|asked| !is_elsewhere(asked)) {
        let mut asked = asked.into_active_model();
        asked.expires_at = Set(now.micros());
        asked.outcome = Set(Some(WITHDRAWN.to_owned()));
        asked.update(tx).await?;
    }
    Ok(())
}

fn host_of(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// Uses the state up. False when somebody was faster, or its time is over.
pub async fn use_up(tx: &Tx, id: i64, now: Timestamp) -> Result<bool, DbErr> {
    let used = consents::Entity::update_many()
        .col_expr(consents::Column::UsedAt, Expr::value(now.micros()))
        .filter(consents::Column::Id.eq(id))
        .filter(consents::Column::UsedAt.is_null())
        .filter(consents::Column::ExpiresAt.gt(now.micros()))
        .exec(tx)
        .await?;
    Ok(used.rows_affected > 0)
}

/// Writes down what came of it.
pub async fn conclude(
    tx: &Tx,
    id: i64,
    outcome: &str,
    channel: Option<ChannelId>,
) -> Result<(), DbErr> {
    consents::Entity::update_many()
        .col_expr(consents::Column::Outcome, Expr::value(outcome))
        .col_expr(
            consents::Column::ChannelId,
            Expr::value(channel.map(|channel| channel.0)),
        )
        .filter(consents::Column::Id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

impl From<consents::Model> for PendingConsent {
    fn from(row: consents::Model) -> Self {
        Self {
            id: row.id,
            merchant: MerchantId(row.merchant_id),
            outlet: OutletId(row.outlet_id),
            marketplace: row.marketplace,
            base_url: row.base_url,
            name: row.name,
            asked_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            used_at: row.used_at.map(Timestamp::from_micros),
            outcome: row.outcome,
            channel: row.channel_id.map(ChannelId),
        }
    }
}
