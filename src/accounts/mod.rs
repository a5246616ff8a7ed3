//! Merchants and their outlets: the tenants, and the places that hold their stock; people, their roles, and the audit
//! trail of what they change.
//!
//! Owns the tables `merchants`, `outlets`, `audit`, `audit_heads`, `people`, `memberships` and `api_tokens`.

mod actor;
pub mod audit;
mod deed;
mod people;
mod roles;
mod tokens;

pub use actor::{Actor, ActorKind};
pub use deed::{Acting, Deed};
pub use people::{
    Membership, NewPerson, Person, add_person, change_person, disable_person, end_membership,
    people, person, set_membership,
};
pub use roles::{Permission, Role};
pub use tokens::{
    NewToken, TOKEN_PREFIX, Token, add_token, note_use, revoke_token, token_of, tokens,
};

use crate::db::{Db, Tx};
use crate::domain::{MerchantId, OutletId, Timestamp};
use chrono_tz::Tz;
use entity::{merchants, outlets};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use thiserror::Error;

/// The merchant and outlet that are used when none is named.
pub const DEFAULT_MERCHANT: &str = "default";
pub const DEFAULT_OUTLET: &str = "Main";
/// The time zone of a merchant who is opened without naming one.
pub const DEFAULT_TIME_ZONE: &str = "Asia/Jakarta";

/// Lists never answer with more rows than this.
const LIST_LIMIT: u64 = 1_000;

#[derive(Debug, Error)]
pub enum AccountError {
    #[error("no merchant is called `{0}`; `marketsink channel add --merchant {0}` opens one")]
    UnknownMerchant(String),
    #[error("`{0}` is no time zone; use an IANA name such as Asia/Jakarta")]
    UnknownTimeZone(String),
    #[error("another outlet is called `{0}` already")]
    OutletTaken(String),
    #[error("{0}")]
    Membership(&'static str),
    #[error("`{0}` is no login; use an e-mail address or a short name without spaces")]
    Login(String),
    #[error("the login `{0}` is taken")]
    LoginTaken(String),
    #[error("nobody has the login `{0}`; `marketsink people list` shows everybody")]
    UnknownPerson(String),
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// The merchant with this name, opened if there is none.
///
/// # Errors
/// When `time_zone` is not an IANA name, or the database fails.
pub async fn open_merchant(
    tx: &Tx,
    name: &str,
    time_zone: &str,
    now: Timestamp,
) -> Result<MerchantId, AccountError> {
    let known = merchants::Entity::find()
        .filter(merchants::Column::Name.eq(name))
        .one(tx)
        .await?;
    if let Some(merchant) = known {
        return Ok(MerchantId(merchant.id));
    }
    let zone: Tz = time_zone
        .parse()
        .map_err(|_| AccountError::UnknownTimeZone(time_zone.to_owned()))?;
    let merchant = merchants::ActiveModel {
        name: Set(name.to_owned()),
        time_zone: Set(zone.name().to_owned()),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    Ok(MerchantId(merchant.insert(tx).await?.id))
}

/// The merchant's outlet with this name, opened if there is none.
pub async fn open_outlet(
    tx: &Tx,
    merchant: MerchantId,
    name: &str,
    now: Timestamp,
) -> Result<OutletId, DbErr> {
    let known = outlets::Entity::of_merchant(merchant.0)
        .filter(outlets::Column::Name.eq(name))
        .one(tx)
        .await?;
    if let Some(outlet) = known {
        return Ok(OutletId(outlet.id));
    }
    let outlet = outlets::ActiveModel {
        merchant_id: Set(merchant.0),
        name: Set(name.to_owned()),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    Ok(OutletId(outlet.insert(tx).await?.id))
}

/// Gives an outlet another name.
///
/// # Errors
/// When the merchant has no such outlet, or one with that name already.
pub async fn rename_outlet(
    tx: &Tx,
    merchant: MerchantId,
    outlet: OutletId,
    name: &str,
) -> Result<(), AccountError> {
    let namesake = outlets::Entity::of_merchant(merchant.0)
        .filter(outlets::Column::Name.eq(name))
        .filter(outlets::Column::Id.ne(outlet.0))
        .one(tx)
        .await?;
    if namesake.is_some() {
        return Err(AccountError::OutletTaken(name.to_owned()));
    }
    outlets::Entity::update_many()
        .col_expr(outlets::Column::Name, Expr::value(name))
        .filter(outlets::Column::MerchantId.eq(merchant.0))
        .filter(outlets::Column::Id.eq(outlet.0))
        .exec(tx)
        .await?;
    Ok(())
}

/// # Errors
/// When no merchant has this name, or the database fails.
pub async fn merchant_named(db: &Db, name: &str) -> Result<MerchantId, AccountError> {
    merchants::Entity::find()
        .filter(merchants::Column::Name.eq(name))
        .one(db.read())
        .await?
        .map(|merchant| MerchantId(merchant.id))
        .ok_or_else(|| AccountError::UnknownMerchant(name.to_owned()))
}

/// All merchants, oldest first.
pub async fn merchants(db: &Db) -> Result<Vec<merchants::Model>, DbErr> {
    merchants::Entity::find()
        .order_by_asc(merchants::Column::Id)
        .limit(LIST_LIMIT)
        .all(db.read())
        .await
}

/// The merchant's time zone; UTC when it is not known.
pub async fn time_zone(db: &Db, merchant: MerchantId) -> Result<Tz, DbErr> {
    let row = merchants::Entity::find_by_id(merchant.0)
        .one(db.read())
        .await?;
    let zone = row.and_then(|row| row.time_zone.parse().ok());
    Ok(zone.unwrap_or(chrono_tz::UTC))
}

/// The merchant's outlets, oldest first.
pub async fn outlets(db: &Db, merchant: MerchantId) -> Result<Vec<outlets::Model>, DbErr> {
    outlets::Entity::of_merchant(merchant.0)
        .order_by_asc(outlets::Column::Id)
        .limit(LIST_LIMIT)
        .all(db.read())
        .await
}

/// The merchant's time zone.
///
/// # Errors
/// When the database cannot be asked.
pub async fn zone_of<C: ConnectionTrait>(db: &C, merchant: MerchantId) -> Result<Tz, DbErr> {
    let row = merchants::Entity::find_by_id(merchant.0).one(db).await?;
    let name = row.map(|row| row.time_zone).unwrap_or_default();
    // Zones are checked before they are written.
    Ok(name.parse().unwrap_or(Tz::UTC))
}
