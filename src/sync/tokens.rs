//! Keeping a connection's tokens alive, on a clock and not on traffic: a quiet shop must not lose its link.
//!
//! A refresh token is often good once: two refreshers at once lock the shop out. So a renewal goes like this:
//!
//! 1. read the credentials, and take the right to renew *this* version of them until a time, in one
//!    statement: one refresher per channel, in whatever process;
//! 2. renew with what was read, and with nothing else, for less than that time;
//! 3. store the new pair before anybody uses it. If the credentials were replaced meanwhile, the new pair
//!    wins where it comes from what is stored, and what is stored wins where a merchant connected anew.
//!
//! One consent may open several shops, which then hold copies of one pair: they are renewed together, except
//! where the marketplace gives each shop a pair of its own for the first one.

use super::{Lane, Sync, SyncError, pace::Rests};
use crate::channels::{self, Channel, ChannelState, Expiry, StoredCredentials};
use crate::domain::{ChannelId, Source, Timestamp};
use crate::marketplaces::{MarketplaceError, Secrets, Tokens};
use sea_orm::DbErr;
use std::time::Duration;

/// A token renewed so recently is not renewed again: many jobs meet an expired token at once.
const JUST_RENEWED: Duration = Duration::from_secs(5);
/// What storing new tokens may take beyond asking for them: they exist nowhere else, so it is tried for as long.
pub(super) const STORING: Duration = Duration::from_secs(30);

/// A connection and its credentials as they were read.
type Held = (ChannelId, StoredCredentials);

impl Sync {
    /// Renews the access token when half of its life is over, or at once when a call found it expired; then
    /// warns of an end that only the merchant can put off.
    ///
    /// # Errors
    /// When the marketplace does not renew it. A refused refresh token locks the channel.
    pub async fn refresh_token(&self, channel: ChannelId, source: Source) -> Result<(), SyncError> {
        let connection = match source {
            Source::Schedule => self.connection(channel).await?,
            // It may be locked for want of a token that lives: whoever asks now needs one to unlock it.
            _ => self.unremoved(channel).await?,
        };
        let renewed = self.renew_if_due(&connection, source).await;
        self.warn_ahead(&connection).await?;
        renewed
    }

    /// Renews the tokens of a connection, locked or not, when that is due: for a schedule at half of their life.
    pub(super) async fn renew_if_due(
        &self,
        connection: &Channel,
        source: Source,
    ) -> Result<(), SyncError> {
        let stored = self.stored(connection.id).await?;
        let now = self.shared.clock.now();
        let is_due = match source {
            Source::Schedule => stored.expiry.is_renewal_due(stored.refreshed_at, now),
            _ => now.since(stored.refreshed_at) > JUST_RENEWED,
        };
        if !is_due {
            return Ok(());
        }
        let renewer = uuid::Uuid::now_v7().simple().to_string();
        let patience = self.patience();
        let until = now + patience + STORING;
        let held = if connection.marketplace.shops_share_tokens() {
            channels::sharing(self.db(), &self.shared.sealer, connection, stored).await?
        } else {
            vec![(connection.id, stored)]
        };
        let _under_way = self.shared.renewals.begin();
        if !self.hold(&held, &renewer, until).await? {
            // Another is at it. Should it have died there, whoever meets the dead token asks again.
            return Ok(());
        }
        // Of what was read, not of what is stored by now: the right to renew is for that alone.
        let access = self.access_by(connection, &held[0].1, Lane::Urgent)?;
        let renewal = connection.marketplace.refresh(&access, now);
        let answer = tokio::time::timeout(patience, renewal).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(MarketplaceError::Unavailable {
                marketplace: connection.marketplace.slug(),
                reason: "no new tokens in time".to_owned(),
            })
        });
        match answer {
            Ok(Some(tokens)) => self.keep_tokens(connection, held, tokens).await,
            answer => {
                let tx = self.db().write_tx().await?;
                channels::end_renewal(&tx, &renewer).await?;
                tx.commit().await?;
                match answer {
                    Ok(_) => Ok(()),
                    Err(error) => self.not_renewed(connection, &held[0].1, error).await,
                }
            }
        }
    }

    /// The credentials of a connection.
    pub(super) async fn stored(
        &self,
        connection: ChannelId,
    ) -> Result<StoredCredentials, SyncError> {
        let sealer = &self.shared.sealer;
        let stored = channels::credentials(self.db().read(), sealer, connection).await?;
        if let Some(stored) = stored {
            return Ok(stored);
        }
        // Removed while its work ran: then there is nothing left to do.
        let now = channels::load(self.db().read(), connection).await?;
        Err(match now.state {
            ChannelState::Removed => SyncError::Removed(connection),
            _ => SyncError::NoCredentials(connection),
        })
    }

    /// Locks the channel when its refresh token is refused; but not when the merchant connected it anew
    /// while we asked with what was there before.
    async fn not_renewed(
        &self,
        connection: &Channel,
        used: &StoredCredentials,
        error: MarketplaceError,
    ) -> Result<(), SyncError> {
        if self.stored(connection.id).await?.version != used.version {
            return Ok(());
        }
        // The refresh token itself is refused: renewing will never help again.
        let error = match error {
            MarketplaceError::TokenExpired { marketplace } => MarketplaceError::Unauthorized {
                marketplace,
                reason: "the refresh token is no longer accepted".to_owned(),
            },
            error => error,
        };
        Err(self.trouble(connection, used.version, error).await)
    }

    /// Takes the right to renew these credentials, all of them or none.
    async fn hold(
        &self,
        held: &[Held],
        renewer: &str,
        until: Timestamp,
    ) -> Result<bool, SyncError> {
        let now = self.shared.clock.now();
        let mut in_order: Vec<_> = held
            .iter()
            .map(|(id, stored)| (*id, stored.version))
            .collect();
        in_order.sort_unstable();
        let tx = self.db().write_tx().await?;
        for of_version in in_order {
            if !channels::begin_renewal(&tx, of_version, renewer, until, now).await? {
                tx.rollback().await?;
                return Ok(false);
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Stores the new pair over every copy of the old one.
    async fn keep_tokens(
        &self,
        connection: &Channel,
        held: Vec<Held>,
        tokens: Tokens,
    ) -> Result<(), SyncError> {
        let used = held[0].1.secrets.clone();
        let mut over = held;
        let mut rests = Rests::within(STORING);
        while !over.is_empty() {
            let left = self.store_and_look(connection, &over, &used, &tokens);
            match left.await {
                Ok(left) => over = left,
                Err(error) => {
                    tracing::warn!(channel.id = connection.id.0, %error, "new tokens could not be stored yet");
                    if !rests.rest().await {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns those that the new pair is still to be stored over, as they are now.
    async fn store_and_look(
        &self,
        connection: &Channel,
        over: &[Held],
        used: &Secrets,
        tokens: &Tokens,
    ) -> Result<Vec<Held>, SyncError> {
        let mut left = Vec::new();
        for (id, _) in self.store_tokens(connection, over, tokens).await? {
            let stored = match self.stored(id).await {
                Ok(stored) => stored,
                // Its secrets are gone for good; the others still wait for theirs.
                Err(SyncError::Removed(_) | SyncError::NoCredentials(_)) => continue,
                Err(error) => return Err(error),
            };
            if is_of_the_same_pair(&stored.secrets, used, tokens) {
                left.push((id, stored));
            } else if !holds(&stored.secrets, tokens) {
                tracing::info!(
                    channel.id = id.0,
                    "the shop was connected anew; its new tokens hold"
                );
            }
        }
        Ok(left)
    }

    /// In one transaction. Returns those whose credentials were replaced meanwhile: they are as they were.
    async fn store_tokens(
        &self,
        connection: &Channel,
        over: &[Held],
        tokens: &Tokens,
    ) -> Result<Vec<Held>, SyncError> {
        let (now, sealer) = (self.shared.clock.now(), &self.shared.sealer);
        let mut replaced = Vec::new();
        let tx = self.db().write_tx().await?;
        for (id, stored) in over {
            let mut secrets = stored.secrets.clone();
            for (name, value) in &tokens.secrets {
                secrets.set(name, value);
            }
            let expiry = Expiry {
                access: tokens.expires_at,
                refresh: tokens.refresh_expires_at.or(stored.expiry.refresh),
                consent: stored.expiry.consent,
            };
            let owner = (*id, connection.merchant);
            let version = stored.version;
            if channels::replace_credentials(&tx, sealer, owner, &secrets, expiry, version, now)
                .await?
            {
                tracing::info!(channel.id = id.0, "the access token was renewed");
            } else {
                replaced.push((*id, stored.clone()));
            }
        }
        tx.commit().await?;
        Ok(replaced)
    }

    /// Says that only the merchant can help, 14, 7 and 1 days ahead, once each.
    async fn warn_ahead(&self, connection: &Channel) -> Result<(), DbErr> {
        let now = self.shared.clock.now();
        if !channels::is_warning_due(self.db(), connection.id, now).await? {
            return Ok(());
        }
        let tx = self.db().write_tx().await?;
        let warning = channels::take_warning(&tx, connection.id, now).await?;
        tx.commit().await?;
        if let Some(ending) = warning {
            tracing::warn!(
                channel.id = connection.id.0,
                marketplace = connection.marketplace.slug(),
                ends_at = %ending.at,
                days_left = ending.days_left,
                "the {} of this channel ends; the merchant must connect the shop again",
                ending.of.as_str()
            );
        }
        Ok(())
    }
}

/// Whether what is stored holds the very pair that was just traded for `tokens`.
fn is_of_the_same_pair(stored: &Secrets, used: &Secrets, tokens: &Tokens) -> bool {
    let mut names = tokens.secrets.iter().map(|(name, _)| name);
    names.all(|name| stored.get(name) == used.get(name))
}

/// Whether the new pair is stored already.
fn holds(stored: &Secrets, tokens: &Tokens) -> bool {
    let mut pairs = tokens.secrets.iter();
    pairs.all(|(name, value)| stored.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_the_same_by_every_name_that_is_renewed() {
        let used = Secrets::of([("access", "a1"), ("refresh", "r1"), ("cipher", "c1")]);
        let tokens = Tokens {
            secrets: vec![
                ("access".to_owned(), "a2".to_owned()),
                ("refresh".to_owned(), "r2".to_owned()),
            ],
            expires_at: None,
            refresh_expires_at: None,
        };
        let other = |name: &str, value: &str| {
            let mut other = used.clone();
            other.set(name, value);
            is_of_the_same_pair(&other, &used, &tokens)
        };

        assert!(other("cipher", "c9"));
        assert!(!other("refresh", "r9"));
        assert!(!other("access", "a9"));
    }
}
