//! Connected shops: their state, settings, sealed credentials and webhook secrets.
//!
//! Owns the tables `channels`, `consents`, `credentials`, `webhook_secrets`, `endpoint_secrets` and `subscriptions`.
//! A channel is what the merchant sees; a *connection* is the channel whose credentials are used. They are the same,
//! except that Tokopedia is a channel of its own on a TikTok Shop connection. The secrets of endpoints are here because
//! all that is sealed is: one rotation of the key reaches it.

mod calendar;
mod consents;
mod directory;
mod endpoint_secrets;
mod keys;
mod prune;
mod reseal;
mod sealing;
mod secrets;
mod store;
mod subscriptions;

pub use calendar::{
    Dates, Ending, Expiry, Lifeline, REFRESH_TOKEN, begin_renewal, calendar, end_renewal,
    holder_of, is_warning_due, save_consent_end, sharing, take_warning,
};
pub use consents::{
    CONSENT_LIFE, NewConsent, PendingConsent, ask, conclude, consent, of_state, use_up,
};
pub use directory::{Directory, Known, KnownKeys, Who, active_among, is_removed, known_shop};
pub use endpoint_secrets::{
    EndpointSecretError, endpoint_secrets, forget_endpoint_secrets, set_endpoint_secret,
};
pub use keys::{KeyId, SealingKey, is_open_to_others};
pub use prune::prune_consents;
pub use reseal::{KeyUse, Resealed, UNNAMED, forget_sealed, key_uses, reseal, unopened};
pub use sealing::{Belonging, SealError, Sealer, SecretKind};
pub use secrets::{
    ROTATION_OVERLAP, mark_told, overlap_ends_at, rotate_webhook_secret, secrets_of_connection,
    take_back_webhook_secret, untold_secret,
};
pub use store::{
    NewChannel, StoredCredentials, changed_at, connect, connection_of, credentials, is_current,
    list, load, lock, of_platform, outlet_of, platforms_of, remove, replace_credentials,
    save_settings, set_outlets, unlock, was_removed_since,
};
pub use subscriptions::{Standing, note_subscriptions, subscriptions};

use crate::domain::{
    ChannelId, MerchantId, OutletId, RemoteId, ReturnPolicy, ServiceFee, Timestamp,
};
use crate::marketplaces::{self, Marketplace, ShopAddress};
use entity::channels;
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a merchant decides about a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelSettings {
    /// Whether an order that is not paid yet makes a sales order, which reserves its units. Default: no.
    pub unpaid_orders: bool,
    /// Whether our stock is told to the channel. Default: yes.
    pub push_stock: bool,
    /// Units that are kept back from the channel; 0 to 100,000. Default: 0, as the rules of stock say.
    pub buffer: i64,
    /// Outlets that the channel sells from when its own has too little, in this order. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_outlets: Vec<OutletId>,
    /// Whether our prices are told to the channel. Default: no.
    pub push_prices: bool,
    /// What becomes of returned goods, per reason. Default: what the marketplace says is back goes on the shelf, and it
    /// is asked where the rest is.
    #[serde(skip_serializing_if = "ReturnPolicy::is_default")]
    pub returns: ReturnPolicy,
    /// What the marketplace is expected to keep of a sale. Default: nothing in particular.
    #[serde(skip_serializing_if = "ServiceFee::is_none")]
    pub service_fee: ServiceFee,
    /// Whether the expected fee is written off when an order is paid. Default: no.
    #[serde(skip_serializing_if = "is_off")]
    pub write_off: bool,
    /// Why, as the books say it; up to 60 characters. Default: `marketplace fee`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub write_off_reason: String,
    /// Minor units by which the fee that was kept may differ from the expected one. Default: 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub fee_tolerance: i64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over references"
)]
fn is_off(flag: &bool) -> bool {
    !flag
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over references"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            unpaid_orders: false,
            push_stock: true,
            buffer: 0,
            further_outlets: Vec::new(),
            push_prices: false,
            returns: ReturnPolicy::default(),
            service_fee: ServiceFee::default(),
            write_off: false,
            write_off_reason: String::new(),
            fee_tolerance: 0,
        }
    }
}

impl ChannelSettings {
    /// Changes one setting by its name.
    ///
    /// # Errors
    /// A sentence that says which names and values are allowed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let flag = || match value {
            "yes" | "true" | "on" => Ok(true),
            "no" | "false" | "off" => Ok(false),
            _ => Err(format!("{name} is yes or no, not `{value}`")),
        };
        match name {
            "unpaid_orders" => self.unpaid_orders = flag()?,
            "push_stock" => self.push_stock = flag()?,
            "push_prices" => self.push_prices = flag()?,
            "buffer" => {
                self.buffer = value
                    .parse()
                    .ok()
                    .filter(|units| (0..=100_000).contains(units))
                    .ok_or_else(|| format!("buffer is 0 to 100000 units, not `{value}`"))?;
            }
            "returns" => self.returns = value.parse()?,
            "service_fee" => self.service_fee = value.parse()?,
            "write_off" => self.write_off = flag()?,
            "write_off_reason" => {
                if value.chars().count() > 60 {
                    return Err("write_off_reason has up to 60 characters".to_owned());
                }
                value.clone_into(&mut self.write_off_reason);
            }
            "fee_tolerance" => {
                self.fee_tolerance =
                    value
                        .parse()
                        .ok()
                        .filter(|minor| *minor >= 0)
                        .ok_or_else(|| {
                            format!("fee_tolerance is 0 or more minor units, not `{value}`")
                        })?;
            }
            _ => {
                return Err(format!(
                    "no setting is called `{name}`; there are unpaid_orders, push_stock, push_prices, buffer, returns, service_fee, write_off, write_off_reason and fee_tolerance"
                ));
            }
        }
        Ok(())
    }
}

/// Whether a channel works.
///
/// ```text
/// active <-> locked        removed (its books stay)
///    \________________________/
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelState {
    Active,
    /// Only a person can mend it; the reason says how.
    Locked,
    Removed,
}

impl ChannelState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Removed => "removed",
        }
    }
}

/// A connected shop.
#[derive(Debug, Clone)]
pub struct Channel {
    pub id: ChannelId,
    pub merchant: MerchantId,
    pub outlet: OutletId,
    /// The channel whose connection this one uses, when it has none of its own.
    pub parent: Option<ChannelId>,
    pub marketplace: &'static dyn Marketplace,
    pub platform: String,
    pub remote_id: RemoteId,
    pub name: String,
    /// The unguessable last part of its webhook URL.
    pub address: String,
    pub base_url: Option<String>,
    pub state: ChannelState,
    pub state_reason: Option<String>,
    pub settings: ChannelSettings,
    pub connected_at: Timestamp,
}

impl Channel {
    /// The channel whose credentials reach the shop.
    pub fn connection(&self) -> ChannelId {
        self.parent.unwrap_or(self.id)
    }

    pub fn is_active(&self) -> bool {
        self.state == ChannelState::Active
    }

    /// The outlets that it sells from, first first.
    pub fn outlets(&self) -> Vec<OutletId> {
        let mut outlets = vec![self.outlet];
        for further in &self.settings.further_outlets {
            if !outlets.contains(further) {
                outlets.push(*further);
            }
        }
        outlets
    }

    /// False for a shop that lives by its webhooks alone.
    pub fn has_api(&self) -> bool {
        let may_have_none = matches!(
            self.marketplace.connecting().address,
            ShopAddress::Optional(_)
        );
        self.base_url.is_some() || !may_have_none
    }
}

#[derive(Debug, Error)]
pub enum ChannelError {
    #[error("channel {0} is unknown")]
    Unknown(ChannelId),
    #[error("channel {id} is on the marketplace `{slug}`, which this version does not speak")]
    UnknownMarketplace { id: ChannelId, slug: String },
    #[error("channel {0} holds settings that cannot be read; set them again")]
    UnreadableSettings(ChannelId),
    #[error("shop {shop} on {marketplace} is already connected by another merchant")]
    TakenByAnother {
        marketplace: &'static str,
        shop: RemoteId,
    },
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl TryFrom<channels::Model> for Channel {
    type Error = ChannelError;

    fn try_from(row: channels::Model) -> Result<Self, ChannelError> {
        let id = ChannelId(row.id);
        let marketplace = marketplaces::find(&row.marketplace).ok_or_else(|| {
            ChannelError::UnknownMarketplace {
                id,
                slug: row.marketplace.clone(),
            }
        })?;
        let settings = serde_json::from_str(&row.settings)
            .map_err(|_| ChannelError::UnreadableSettings(id))?;
        let state = match row.state.as_str() {
            "active" => ChannelState::Active,
            "removed" => ChannelState::Removed,
            _ => ChannelState::Locked,
        };
        Ok(Self {
            id,
            merchant: MerchantId(row.merchant_id),
            outlet: OutletId(row.outlet_id),
            parent: row.parent_id.map(ChannelId),
            marketplace,
            platform: row.platform,
            remote_id: row.remote_id.into(),
            name: row.name,
            address: row.address,
            base_url: row.base_url,
            state,
            state_reason: row.state_reason,
            settings,
            connected_at: Timestamp::from_micros(row.created_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_changed_by_name_or_refused_with_what_is_allowed() {
        let mut settings = ChannelSettings::default();

        settings.set("unpaid_orders", "yes").unwrap();
        settings.set("buffer", "3").unwrap();

        assert!(settings.unpaid_orders);
        assert_eq!(settings.buffer, 3);
        assert!(
            settings
                .set("buffer", "-1")
                .unwrap_err()
                .contains("0 to 100000")
        );
        assert!(
            settings
                .set("bufer", "1")
                .unwrap_err()
                .contains("push_stock")
        );
    }
}
