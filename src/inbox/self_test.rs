//! A delivery that we sign ourselves, to see whether one of the marketplace's would be believed.
//!
//! It is signed with the key that signs now, over a body that no marketplace sends. Whoever could not sign
//! cannot make one; who can learns that it was believed. It is never stored and makes no event.

use super::Inbox;
use crate::channels::{Channel, ChannelError, Known, KnownKeys, Who};
use crate::domain::Timestamp;
use crate::marketplaces::{RawDelivery, Rejected, VerifiedDelivery, simulation::Signing};
use std::sync::Arc;
use thiserror::Error;

const BODY: &[u8] = br#"{"marketsink":"self-test"}"#;

/// Whether a believed delivery is one of ours.
pub(super) fn is_ours(delivery: &VerifiedDelivery) -> bool {
    delivery.body() == BODY
}

/// A self-test, signed and believed; it may be sent to our own address.
pub struct SelfTest {
    pub headers: Vec<(String, String)>,
    pub body: &'static [u8],
}

/// Headers carry a signature: only their number is printed.
impl std::fmt::Debug for SelfTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SelfTest({} headers)", self.headers.len())
    }
}

/// Why a delivery of the marketplace would not be taken.
#[derive(Debug, Error)]
pub enum SelfTestError {
    #[error("no key is known that could have signed it")]
    NoKey,
    #[error("its address leads to no channel, or to another one")]
    NobodyHere,
    #[error("{0}")]
    Refused(Rejected),
    #[error("the channel could not be looked up: {0}")]
    LookUp(#[from] ChannelError),
}

impl Inbox {
    /// Signs a delivery for this connection, looks its channel up and checks the signature as
    /// [`Inbox::receive`] does, and stores nothing. `is_own`: at the channel's own address, with its own
    /// secret; otherwise at the app's.
    ///
    /// # Errors
    /// What would keep a genuine delivery out.
    pub async fn self_test(
        &self,
        connection: &Channel,
        is_own: bool,
        now: Timestamp,
    ) -> Result<SelfTest, SelfTestError> {
        let marketplace = connection.marketplace;
        let who = if is_own {
            Who::Address(connection.address.clone())
        } else {
            Who::Shop(Some(connection.remote_id.to_string()))
        };
        let found: Arc<KnownKeys> = self.directory.look_up(marketplace, who, now).await?;
        let is_it = |known: &Known| known.channel == connection.id;
        if !found.known.as_ref().is_some_and(is_it) {
            return Err(SelfTestError::NobodyHere);
        }
        let key = found.keys.keys.first().ok_or(SelfTestError::NoKey)?;
        let signing = Signing {
            app_key: &key.app_key,
            secret: &key.secret,
            address: &found.keys.address,
            id: &format!("self-test-{}", now.micros()),
            at: now,
        };
        let headers = marketplace.simulator().sign(&signing, BODY);
        let raw = RawDelivery::new(headers.clone(), BODY).at(now);
        let believed = marketplace.verify(raw, &found.keys);
        believed.map_err(SelfTestError::Refused)?;
        Ok(SelfTest {
            headers,
            body: BODY,
        })
    }
}
