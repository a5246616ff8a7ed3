//! The authorization calendar: when what a channel lives on ends, and who renews it.
//!
//! - The **access token** dies first, after an hour or a month, and is renewed at half of its life.
//! - The **refresh token** renews it. When that dies, only the merchant can help.
//! - The **consent** of the merchant ends after a year or never, whatever the tokens say.
//!
//! The nearer of the last two is warned of 14, 7 and 1 days ahead, once each: what was said is kept beside the
//! credentials, so that neither a restart nor a second process says it again.

use super::{Channel, ChannelError, Sealer, StoredCredentials};
use crate::db::{Db, Tx};
use crate::domain::{ChannelId, MerchantId, Timestamp};
use crate::marketplaces::{Marketplace, Secrets};
use entity::{channels, credentials};
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use std::{collections::HashMap, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);
/// Days ahead at which is warned, the first warning first.
pub const WARNINGS: [i64; 3] = [14, 7, 1];
/// A renewal that moves an end by less than this has not moved it: some marketplaces tell the seconds that
/// are left, and those are a second off now and then.
const SAME: Duration = Duration::from_secs(3_600);
/// However near its end a refresh token is, it is not renewed more often for that.
const BETWEEN_RENEWALS: Duration = Duration::from_secs(12 * 3_600);
const LIST_LIMIT: u64 = 10_000;
/// What every adapter calls the secret that renews the others.
pub const REFRESH_TOKEN: &str = "refresh_token";

/// When what a channel lives on ends; `None`: it does not, or nobody said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expiry {
    pub access: Option<Timestamp>,
    pub refresh: Option<Timestamp>,
    pub consent: Option<Timestamp>,
}

/// What only the merchant can renew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifeline {
    RefreshToken,
    Consent,
}

impl Lifeline {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh token",
            Self::Consent => "authorization",
        }
    }
}

/// An end that only the merchant can put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    pub of: Lifeline,
    pub at: Timestamp,
    /// Whole days that are left, rounded up; 0 when it is over.
    pub days_left: i64,
}

impl Expiry {
    /// The nearer end of what only the merchant can renew.
    pub fn end(&self) -> Option<(Lifeline, Timestamp)> {
        let refresh = self.refresh.map(|at| (Lifeline::RefreshToken, at));
        let consent = self.consent.map(|at| (Lifeline::Consent, at));
        [consent, refresh]
            .into_iter()
            .flatten()
            .min_by_key(|(_, at)| *at)
    }

    /// That end, once it is near enough to be warned of.
    pub fn ending(&self, now: Timestamp) -> Option<Ending> {
        let (of, at) = self.end()?;
        warning_at(at, now)?;
        let days_left = at.since(now).as_secs().div_ceil(DAY.as_secs());
        Some(Ending {
            of,
            at,
            days_left: i64::try_from(days_left).unwrap_or(i64::MAX),
        })
    }

    /// Whether the tokens, renewed last at `renewed_at`, have lived for half of their time.
    pub fn is_renewal_due(&self, renewed_at: Timestamp, now: Timestamp) -> bool {
        let is_half_over = |end: Timestamp| end.since(now) <= end.since(renewed_at) / 2;
        self.access.is_some_and(is_half_over)
            || (self.refresh.is_some_and(is_half_over) && now.since(renewed_at) >= BETWEEN_RENEWALS)
    }

    /// When the access token is renewed, by the schedule's next look.
    pub fn renewal_at(&self, renewed_at: Timestamp) -> Option<Timestamp> {
        let end = self.access?;
        Some(renewed_at + end.since(renewed_at) / 2)
    }

    /// What has been said of the end after it moved from `before` to where it is: an end that was put off
    /// begins anew, and of days that it never had nobody is warned.
    pub(super) fn warned_after(
        &self,
        before: &Self,
        warned: Option<i64>,
        now: Timestamp,
    ) -> Option<i64> {
        let ends = [before.end(), self.end()].map(|end| end.map(|(_, at)| at));
        match ends {
            [Some(old), Some(new)] if old.since(new) < SAME && new.since(old) < SAME => warned,
            [Some(old), Some(new)] if new > old => warning_at(new, now),
            _ => None,
        }
    }
}

/// The nearest of the warnings that are due for an end at `at`.
fn warning_at(at: Timestamp, now: Timestamp) -> Option<i64> {
    let left = at.since(now);
    let days = |days: i64| DAY * u32::try_from(days).unwrap_or(0);
    WARNINGS
        .into_iter()
        .rev()
        .find(|ahead| left <= days(*ahead))
}

pub(super) fn expiry_of(row: &credentials::Model) -> Expiry {
    let at = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    Expiry {
        access: at(row.expires_at),
        refresh: at(row.refresh_expires_at),
        consent: at(row.consent_expires_at),
    }
}

/// What the calendar says of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Dates {
    pub expiry: Expiry,
    pub renewed_at: Timestamp,
}

/// The calendar of a merchant's connections.
pub async fn calendar(
    db: &Db,
    merchant: MerchantId,
) -> Result<HashMap<ChannelId, Dates>, ChannelError> {
    let rows = credentials::Entity::of_merchant(merchant.0)
        .order_by_asc(credentials::Column::ChannelId)
        .limit(LIST_LIMIT)
        .all(db.read())
        .await?;
    let dates = |row: credentials::Model| {
        let dates = Dates {
            expiry: expiry_of(&row),
            renewed_at: Timestamp::from_micros(row.refreshed_at),
        };
        (ChannelId(row.channel_id), dates)
    };
    Ok(rows.into_iter().map(dates).collect())
}

/// Takes the warning that is due, if it has not been given: whoever gets it must say it.
pub async fn take_warning(tx: &Tx, id: ChannelId, now: Timestamp) -> Result<Option<Ending>, DbErr> {
    let Some(row) = credentials::Entity::find_by_id(id.0).one(tx).await? else {
        return Ok(None);
    };
    let expiry = expiry_of(&row);
    let due = expiry.end().and_then(|(_, at)| warning_at(at, now));
    let Some(due) = due.filter(|due| row.warned_days.is_none_or(|given| *due < given)) else {
        return Ok(None);
    };
    let not_given = Condition::any()
        .add(credentials::Column::WarnedDays.is_null())
        .add(credentials::Column::WarnedDays.gt(due));
    let taken = credentials::Entity::update_many()
        .col_expr(credentials::Column::WarnedDays, Expr::value(due))
        .filter(credentials::Column::ChannelId.eq(id.0))
        .filter(not_given)
        .exec(tx)
        .await?;
    Ok(expiry.ending(now).filter(|_| taken.rows_affected > 0))
}

/// Whether a warning is due that has not been given: a look that writes nothing.
pub async fn is_warning_due(db: &Db, id: ChannelId, now: Timestamp) -> Result<bool, DbErr> {
    let row = credentials::Entity::find_by_id(id.0).one(db.read()).await?;
    Ok(row.is_some_and(|row| {
        let due = expiry_of(&row).end();
        let due = due.and_then(|(_, at)| warning_at(at, now));
        due.is_some_and(|due| row.warned_days.is_none_or(|given| due < given))
    }))
}

/// The connections that live on this refresh token, `of` itself first: a consent may open several shops, and
/// where each renewal gives another refresh token, one renewal must serve them all.
pub async fn sharing(
    db: &Db,
    sealer: &Sealer,
    of: &Channel,
    stored: StoredCredentials,
) -> Result<Vec<(ChannelId, StoredCredentials)>, ChannelError> {
    let token = stored.secrets.get(REFRESH_TOKEN).map(str::to_owned);
    let mut sharing = vec![(of.id, stored)];
    let Some(token) = token else {
        return Ok(sharing);
    };
    let holders = holders(db, sealer, (of.merchant, of.marketplace), &token).await?;
    sharing.extend(holders.into_iter().filter(|(id, _)| *id != of.id));
    Ok(sharing)
}

/// A connection of the merchant that lives on the refresh token of `handed`.
pub async fn holder_of(
    db: &Db,
    sealer: &Sealer,
    of: (MerchantId, &dyn Marketplace),
    handed: &Secrets,
) -> Result<Option<ChannelId>, ChannelError> {
    let Some(token) = handed.get(REFRESH_TOKEN) else {
        return Ok(None);
    };
    let holders = holders(db, sealer, of, token).await?;
    Ok(holders.first().map(|(id, _)| *id))
}

async fn holders(
    db: &Db,
    sealer: &Sealer,
    (merchant, marketplace): (MerchantId, &dyn Marketplace),
    token: &str,
) -> Result<Vec<(ChannelId, StoredCredentials)>, ChannelError> {
    let connections = channels::Entity::of_merchant(merchant.0)
        .filter(channels::Column::Marketplace.eq(marketplace.slug()))
        .filter(channels::Column::ParentId.is_null())
        .order_by_asc(channels::Column::Id)
        .limit(LIST_LIMIT)
        .all(db.read())
        .await?;
    let mut holders = Vec::new();
    for row in connections {
        let id = ChannelId(row.id);
        // Those that do not open concern their own channel.
        if let Ok(Some(stored)) = super::credentials(db.read(), sealer, id).await
            && stored.secrets.get(REFRESH_TOKEN) == Some(token)
        {
            holders.push((id, stored));
        }
    }
    Ok(holders)
}

/// Takes the right to renew the tokens of this version until `until`. False when another has it, or when they
/// are of another version by now.
pub async fn begin_renewal(
    tx: &Tx,
    (id, version): (ChannelId, i64),
    renewer: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let is_free = Condition::any()
        .add(credentials::Column::RenewerUntil.is_null())
        .add(credentials::Column::RenewerUntil.lte(now.micros()));
    let taken = credentials::Entity::update_many()
        .col_expr(credentials::Column::Renewer, Expr::value(renewer))
        .col_expr(
            credentials::Column::RenewerUntil,
            Expr::value(until.micros()),
        )
        .filter(credentials::Column::ChannelId.eq(id.0))
        .filter(credentials::Column::Version.eq(version))
        .filter(is_free)
        .exec(tx)
        .await?;
    Ok(taken.rows_affected > 0)
}

/// Gives all rights of this renewer back: the tokens were not renewed.
pub async fn end_renewal(tx: &Tx, renewer: &str) -> Result<(), DbErr> {
    let nobody = Expr::value(None::<String>);
    let never = Expr::value(None::<i64>);
    credentials::Entity::update_many()
        .col_expr(credentials::Column::Renewer, nobody)
        .col_expr(credentials::Column::RenewerUntil, never)
        .filter(credentials::Column::Renewer.eq(renewer))
        .exec(tx)
        .await?;
    Ok(())
}

/// Keeps when the merchant's consent ends, as the marketplace told it.
pub async fn save_consent_end(
    tx: &Tx,
    id: ChannelId,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), DbErr> {
    let Some(row) = credentials::Entity::find_by_id(id.0).one(tx).await? else {
        return Ok(());
    };
    let before = expiry_of(&row);
    let after = Expiry {
        consent: Some(until),
        ..before
    };
    let warned = after.warned_after(&before, row.warned_days, now);
    credentials::Entity::update_many()
        .col_expr(
            credentials::Column::ConsentExpiresAt,
            Expr::value(until.micros()),
        )
        .col_expr(credentials::Column::WarnedDays, Expr::value(warned))
        .filter(credentials::Column::ChannelId.eq(id.0))
        .exec(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);

    fn days(n: u32) -> Duration {
        DAY * n
    }

    fn consent_until(at: Timestamp) -> Expiry {
        Expiry {
            consent: Some(at),
            ..Expiry::default()
        }
    }

    #[test]
    fn a_token_is_renewed_at_half_of_its_life() {
        let hour = Duration::from_secs(3_600);
        for life in [hour, 4 * hour, days(7), days(30)] {
            let expiry = Expiry {
                access: Some(NOW + life),
                ..Expiry::default()
            };
            let half = expiry.renewal_at(NOW).unwrap();

            assert_eq!(half, NOW + life / 2);
            assert!(!expiry.is_renewal_due(NOW, half - Duration::from_secs(1)));
            assert!(expiry.is_renewal_due(NOW, half));
            assert!(expiry.is_renewal_due(NOW, NOW + life * 2));
        }
        assert!(!Expiry::default().is_renewal_due(NOW, NOW + days(900)));
    }

    #[test]
    fn a_refresh_token_near_its_end_is_renewed_but_not_at_every_look() {
        let expiry = Expiry {
            access: Some(NOW + days(90)),
            refresh: Some(NOW + days(30)),
            consent: None,
        };

        assert!(!expiry.is_renewal_due(NOW, NOW + days(14)));
        assert!(expiry.is_renewal_due(NOW, NOW + days(15)));
        // An end that no renewal puts off is not run after.
        let late = NOW + days(30) - Duration::from_secs(3_600);
        assert!(!expiry.is_renewal_due(late - Duration::from_secs(3_000), late));
    }

    #[test]
    fn the_nearer_end_counts() {
        let both = Expiry {
            access: Some(NOW),
            refresh: Some(NOW + days(30)),
            consent: Some(NOW + days(10)),
        };

        let ending = both.ending(NOW).unwrap();
        assert_eq!((ending.of, ending.days_left), (Lifeline::Consent, 10));
        assert_eq!(consent_until(NOW + days(15)).ending(NOW), None);
        let over = consent_until(NOW - days(2)).ending(NOW).unwrap();
        assert_eq!(over.days_left, 0);
    }

    #[test]
    fn warnings_come_14_7_and_1_days_ahead() {
        let end = NOW + days(20);
        let second = Duration::from_secs(1);
        let at = |left: u32| warning_at(end, end - days(left));

        assert_eq!(warning_at(end, end - days(14) - second), None);
        assert_eq!([at(14), at(8)], [Some(14), Some(14)]);
        assert_eq!([at(7), at(2)], [Some(7), Some(7)]);
        assert_eq!([at(1), at(0)], [Some(1), Some(1)]);
        assert_eq!(warning_at(end, end + days(3)), Some(1));
    }

    #[test]
    fn an_end_that_was_put_off_is_warned_of_anew_and_one_that_was_not_is_not() {
        let before = consent_until(NOW + days(5));
        let (jitter, far, near) = (
            consent_until(NOW + days(5) + Duration::from_secs(2)),
            consent_until(NOW + days(365)),
            consent_until(NOW + days(6)),
        );

        assert_eq!(jitter.warned_after(&before, Some(7), NOW), Some(7));
        assert_eq!(far.warned_after(&before, Some(7), NOW), None);
        // A week is all that it was given: that is no news.
        assert_eq!(near.warned_after(&before, Some(1), NOW), Some(7));
        // Nobody knew until now.
        assert_eq!(near.warned_after(&Expiry::default(), None, NOW), None);
        assert_eq!(before.warned_after(&far, None, NOW), None);
    }
}
