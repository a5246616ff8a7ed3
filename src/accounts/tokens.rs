//! Tokens: what programs call the API with.
//!
//! A token is shown once, when it is made; only its SHA-256 is kept. It has a role of its own, for one merchant or for
//! all, on named channels or on all, until it ends or is revoked.

use super::{
    AccountError, Membership, Role,
    people::{channels_of, channels_text},
};
use crate::db::{Db, Tx};
use crate::domain::{MerchantId, Timestamp};
use entity::api_tokens;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt;

/// How every token begins, so that it is known where it is found.
pub const TOKEN_PREFIX: &str = "mks_";
/// Random bytes of a token.
const RANDOM: usize = 32;
/// Characters that are kept to know a token again; of 64 random ones, 8.
const SHOWN: usize = TOKEN_PREFIX.len() + 8;
const DAY_MICROS: i64 = 86_400_000_000;
const LIST_LIMIT: u64 = 1_000;

/// A token as it is shown once; it never enters a log.
#[derive(Clone)]
pub struct NewToken(String);

impl NewToken {
    /// # Errors
    /// When the operating system gives no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; RANDOM];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{TOKEN_PREFIX}{}", hex::encode(bytes))))
    }

    /// For whoever it is made for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn shown(&self) -> &str {
        self.0.get(..SHOWN).unwrap_or(TOKEN_PREFIX)
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewToken({}…)", self.shown())
    }
}

/// A token as it is known after it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    pub id: i64,
    pub name: String,
    /// How it begins.
    pub prefix: String,
    #[serde(flatten)]
    pub may: Membership,
    pub created_by: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// Days since 1970 in UTC.
    pub last_used_day: Option<i64>,
    pub revoked_at: Option<Timestamp>,
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Takes as long whatever differs.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let differs = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differs) == 0
}

/// Writes down that a token is good, and what for.
///
/// # Errors
/// When the role does not go with whom it is for.
pub async fn add_token(
    tx: &Tx,
    token: &NewToken,
    (name, may): (&str, &Membership),
    (created_by, expires_at): (&str, Option<Timestamp>),
    now: Timestamp,
) -> Result<i64, AccountError> {
    may.check()?;
    let row = api_tokens::ActiveModel {
        name: Set(name.trim().to_owned()),
        prefix: Set(token.shown().to_owned()),
        hash: Set(hex::encode(digest(token.expose()))),
        merchant_id: Set(may.merchant.map(|merchant| merchant.0)),
        role: Set(may.role.as_str().to_owned()),
        channels: Set(channels_text(may.channels.as_deref())),
        created_by: Set(created_by.to_owned()),
        created_at: Set(now.micros()),
        expires_at: Set(expires_at.map(Timestamp::micros)),
        ..Default::default()
    };
    Ok(row.insert(tx).await?.id)
}

/// The good token that this is; `None` when there is none, or it has ended or was revoked.
///
/// # Errors
/// When the database fails.
pub async fn token_of(db: &Db, text: &str, now: Timestamp) -> Result<Option<Token>, DbErr> {
    if !text.starts_with(TOKEN_PREFIX) {
        return Ok(None);
    }
    let given = digest(text);
    // Who looks for the hash by an index learns nothing from how long that takes: it is not the token.
    let row = api_tokens::Entity::find()
        .filter(api_tokens::Column::Hash.eq(hex::encode(given)))
        .one(db.read())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut kept = [0; 32];
    let is_readable = hex::decode_to_slice(&row.hash, &mut kept).is_ok();
    if !is_readable || !is_same(&kept, &given) {
        return Ok(None);
    }
    let is_over = row.expires_at.is_some_and(|at| at <= now.micros());
    if is_over || row.revoked_at.is_some() {
        return Ok(None);
    }
    Ok(token(row))
}

/// Notes the day on which a token was used; once a day, so that calls do not write.
///
/// # Errors
/// When the database fails.
pub async fn note_use(db: &Db, token: &Token, now: Timestamp) -> Result<(), DbErr> {
    let today = now.micros().div_euclid(DAY_MICROS);
    if token.last_used_day == Some(today) {
        return Ok(());
    }
    let tx = db.write_tx().await?;
    api_tokens::Entity::update_many()
        .col_expr(api_tokens::Column::LastUsedDay, Expr::value(today))
        .filter(api_tokens::Column::Id.eq(token.id))
        .exec(&tx)
        .await?;
    tx.commit().await
}

fn token(row: api_tokens::Model) -> Option<Token> {
    Some(Token {
        id: row.id,
        name: row.name,
        prefix: row.prefix,
        may: Membership {
            role: Role::parse(&row.role)?,
            merchant: row.merchant_id.map(MerchantId),
            channels: channels_of(row.channels.as_deref()),
        },
        created_by: row.created_by,
        created_at: Timestamp::from_micros(row.created_at),
        expires_at: row.expires_at.map(Timestamp::from_micros),
        last_used_day: row.last_used_day,
        revoked_at: row.revoked_at.map(Timestamp::from_micros),
    })
}

/// The merchant's tokens and those for every merchant, newest first.
///
/// # Errors
/// When the database fails.
pub async fn tokens(db: &Db, merchant: MerchantId) -> Result<Vec<Token>, DbErr> {
    let ours = sea_orm::Condition::any()
        .add(api_tokens::Column::MerchantId.eq(merchant.0))
        .add(api_tokens::Column::MerchantId.is_null());
    let rows = api_tokens::Entity::find()
        .filter(ours)
        .order_by_desc(api_tokens::Column::Id)
        .limit(LIST_LIMIT)
        .all(db.read())
        .await?;
    Ok(rows.into_iter().filter_map(token).collect())
}

/// Ends a token at once; the token as it was, or `None` when there is no such good one.
///
/// # Errors
/// When the database fails.
pub async fn revoke_token<C: ConnectionTrait>(
    tx: &C,
    id: i64,
    now: Timestamp,
) -> Result<Option<Token>, DbErr> {
    let known = api_tokens::Entity::find_by_id(id).one(tx).await?;
    let Some(row) = known.filter(|row| row.revoked_at.is_none()) else {
        return Ok(None);
    };
    api_tokens::Entity::update_many()
        .col_expr(api_tokens::Column::RevokedAt, Expr::value(now.micros()))
        .filter(api_tokens::Column::Id.eq(id))
        .exec(tx)
        .await?;
    Ok(token(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_is_not_printed() {
        let token = NewToken::random().unwrap();

        assert_eq!(token.expose().len(), 4 + 64);
        assert!(!format!("{token:?}").contains(token.expose()));
    }

    #[test]
    fn only_the_same_hash_is_the_same() {
        let (one, mut other) = ([7; 32], [7; 32]);
        assert!(is_same(&one, &other));

        other[31] = 8;

        assert!(!is_same(&one, &other));
    }
}
