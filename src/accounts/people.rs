//! People, and what they may do for whom.
//!
//! A membership is a role at one merchant, or at all of them, on named channels or on all. Nobody is deleted: a person
//! who is disabled may nothing, and the audit trail keeps its name.

use super::{AccountError, Role};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, Timestamp};
use entity::{memberships, people};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;

/// Lists never answer with more rows than this.
const LIST_LIMIT: u64 = 1_000;

/// A person to be.
#[derive(Debug, Clone)]
pub struct NewPerson<'a> {
    /// An e-mail address or a short name; unique without regard to case.
    pub login: &'a str,
    pub name: &'a str,
    /// BCP 47.
    pub language: &'a str,
}

/// What somebody is, to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Membership {
    pub role: Role,
    /// None: every merchant.
    pub merchant: Option<MerchantId>,
    /// None: every channel.
    pub channels: Option<Vec<ChannelId>>,
}

/// A person with all memberships.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    pub id: i64,
    pub login: String,
    pub name: String,
    pub language: String,
    pub is_disabled: bool,
    pub memberships: Vec<Membership>,
}

impl Membership {
    /// # Errors
    /// When the role does not go with whom it is for.
    pub fn check(&self) -> Result<(), AccountError> {
        let is_wide = matches!(self.role, Role::Support | Role::Administrator);
        let problem = match (is_wide, self.merchant, &self.channels) {
            (true, Some(_), _) => "support and administrators are for every merchant",
            (false, None, _) => "owners and staff belong to one merchant",
            (_, _, Some(_)) if self.role != Role::Staff => "only staff is limited to channels",
            (_, _, Some(channels)) if channels.is_empty() => "no channel is named",
            _ => return Ok(()),
        };
        Err(AccountError::Membership(problem))
    }
}

pub(super) fn channels_text(channels: Option<&[ChannelId]>) -> Option<String> {
    let ids = |channels: &[ChannelId]| channels.iter().map(|id| id.0).collect::<Vec<_>>();
    channels.map(|channels| serde_json::json!(ids(channels)).to_string())
}

/// A list that cannot be read is of no channel: nothing is opened by mistake.
pub(super) fn channels_of(text: Option<&str>) -> Option<Vec<ChannelId>> {
    text.map(|text| {
        let ids: Vec<i64> = serde_json::from_str(text).unwrap_or_default();
        ids.into_iter().map(ChannelId).collect()
    })
}

fn membership_of(row: &memberships::Model) -> Option<Membership> {
    Some(Membership {
        role: Role::parse(&row.role)?,
        merchant: row.merchant_id.map(MerchantId),
        channels: channels_of(row.channels.as_deref()),
    })
}

fn folded(login: &str) -> String {
    login.trim().to_lowercase()
}

/// Writes a person down, with what they are.
///
/// # Errors
/// When the login is taken or empty, or the role does not go with whom it is for.
pub async fn add_person(
    tx: &Tx,
    new: &NewPerson<'_>,
    membership: &Membership,
    now: Timestamp,
) -> Result<i64, AccountError> {
    membership.check()?;
    let login = folded(new.login);
    if login.is_empty() || login.chars().any(char::is_whitespace) {
        return Err(AccountError::Login(new.login.to_owned()));
    }
    let known = people::Entity::find().filter(people::Column::Login.eq(&login));
    if known.one(tx).await?.is_some() {
        return Err(AccountError::LoginTaken(login));
    }
    let row = people::ActiveModel {
        login: Set(login),
        name: Set(new.name.trim().to_owned()),
        language: Set(new.language.to_owned()),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    let person = row.insert(tx).await?.id;
    set_membership(tx, person, membership, now).await?;
    Ok(person)
}

/// Gives a person this role at this merchant, in place of the one that they had there.
///
/// # Errors
/// When the role does not go with whom it is for.
pub async fn set_membership(
    tx: &Tx,
    person: i64,
    membership: &Membership,
    now: Timestamp,
) -> Result<(), AccountError> {
    membership.check()?;
    end_membership(tx, person, membership.merchant).await?;
    let row = memberships::ActiveModel {
        person_id: Set(person),
        merchant_id: Set(membership.merchant.map(|merchant| merchant.0)),
        role: Set(membership.role.as_str().to_owned()),
        channels: Set(channels_text(membership.channels.as_deref())),
        created_at: Set(now.micros()),
        ..Default::default()
    };
    row.insert(tx).await?;
    Ok(())
}

/// Takes what the person is at this merchant; false when they were nothing there.
///
/// # Errors
/// When the database fails.
pub async fn end_membership(
    tx: &Tx,
    person: i64,
    merchant: Option<MerchantId>,
) -> Result<bool, DbErr> {
    let which = match merchant {
        Some(merchant) => memberships::Column::MerchantId.eq(merchant.0),
        None => memberships::Column::MerchantId.is_null(),
    };
    let done = memberships::Entity::delete_many()
        .filter(memberships::Column::PersonId.eq(person))
        .filter(which)
        .exec(tx)
        .await?;
    Ok(done.rows_affected > 0)
}

/// Changes the name or language of a person.
///
/// # Errors
/// When there is no such person.
pub async fn change_person(
    tx: &Tx,
    login: &str,
    name: Option<&str>,
    language: Option<&str>,
) -> Result<(), AccountError> {
    let mut row = row_of(tx, login).await?.into_active_model();
    if let Some(name) = name {
        row.name = Set(name.trim().to_owned());
    }
    if let Some(language) = language {
        row.language = Set(language.to_owned());
    }
    if row.is_changed() {
        row.update(tx).await?;
    }
    Ok(())
}

/// From now on the person may nothing; or may again what they might before.
///
/// # Errors
/// When there is no such person.
pub async fn disable_person(
    tx: &Tx,
    login: &str,
    is_disabled: bool,
    now: Timestamp,
) -> Result<(), AccountError> {
    let mut row = row_of(tx, login).await?.into_active_model();
    row.disabled_at = Set(is_disabled.then(|| now.micros()));
    row.update(tx).await?;
    Ok(())
}

async fn row_of<C: sea_orm::ConnectionTrait>(
    db: &C,
    login: &str,
) -> Result<people::Model, AccountError> {
    people::Entity::find()
        .filter(people::Column::Login.eq(folded(login)))
        .one(db)
        .await?
        .ok_or_else(|| AccountError::UnknownPerson(login.to_owned()))
}

/// The person with this login.
///
/// # Errors
/// When there is no such person.
pub async fn person<C: sea_orm::ConnectionTrait>(
    db: &C,
    login: &str,
) -> Result<Person, AccountError> {
    let row = row_of(db, login).await?;
    let theirs = memberships::Entity::find()
        .filter(memberships::Column::PersonId.eq(row.id))
        .order_by_asc(memberships::Column::Id)
        .limit(LIST_LIMIT)
        .all(db)
        .await?;
    Ok(with_memberships(row, &theirs))
}

/// Everybody, by login.
///
/// # Errors
/// When the database fails.
pub async fn people(db: &Db) -> Result<Vec<Person>, DbErr> {
    let rows = people::Entity::find()
        .order_by_asc(people::Column::Login)
        .limit(LIST_LIMIT)
        .all(db.read())
        .await?;
    let ids = rows.iter().map(|row| row.id);
    let theirs = memberships::Entity::find()
        .filter(memberships::Column::PersonId.is_in(ids))
        .order_by_asc(memberships::Column::Id)
        .all(db.read())
        .await?;
    let one = |row| with_memberships(row, &theirs);
    Ok(rows.into_iter().map(one).collect())
}

fn with_memberships(row: people::Model, all: &[memberships::Model]) -> Person {
    let theirs = all
        .iter()
        .filter(|membership| membership.person_id == row.id);
    Person {
        id: row.id,
        login: row.login,
        name: row.name,
        language: row.language,
        is_disabled: row.disabled_at.is_some(),
        memberships: theirs.filter_map(membership_of).collect(),
    }
}
