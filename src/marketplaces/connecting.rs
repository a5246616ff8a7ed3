//! How a merchant hands a shop over: by keys, or by consenting on the marketplace's own page.

use super::Tokens;
use crate::domain::{Order, Product, Timestamp};
use url::Url;

/// What connecting a shop takes, as data: commands and pages ask for it, and errors name it.
#[derive(Debug, Clone, Copy)]
pub struct Connecting {
    /// Values of our own app at the marketplace, set in the configuration as `{slug}.{name}`.
    pub app: &'static [&'static str],
    /// Values of our app that may be set besides.
    pub app_besides: &'static [&'static str],
    pub address: ShopAddress,
    /// What a merchant copies by hand: name, and where it is found.
    pub secrets: &'static [Handed],
    /// The marketplace has a page on which the merchant consents, and sends the browser back to us.
    pub consent: bool,
}

/// A secret that a merchant copies by hand.
#[derive(Debug, Clone, Copy)]
pub struct Handed {
    pub name: &'static str,
    /// Where the merchant finds it.
    pub place: &'static str,
    pub is_needed: bool,
    /// Where an address is optional: needed by shops that have one (true), or by those that have none (false).
    pub needed_if_addressed: Option<bool>,
}

impl Handed {
    pub const fn needed(name: &'static str, place: &'static str) -> Self {
        Self {
            name,
            place,
            is_needed: true,
            needed_if_addressed: None,
        }
    }

    pub const fn optional(name: &'static str, place: &'static str) -> Self {
        Self {
            name,
            place,
            is_needed: false,
            needed_if_addressed: None,
        }
    }

    /// Needed by shops that have an address, or by those that have none.
    pub const fn needed_if(has_address: bool, name: &'static str, place: &'static str) -> Self {
        Self {
            needed_if_addressed: Some(has_address),
            ..Self::optional(name, place)
        }
    }

    /// Whether a shop with or without an address of its own needs it.
    pub fn is_needed_by(&self, has_address: bool) -> bool {
        self.is_needed || self.needed_if_addressed == Some(has_address)
    }
}

/// Whether a shop has an address of its own that the merchant tells us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShopAddress {
    /// One API for all shops.
    Shared,
    /// Needed; the text is an example.
    Own(&'static str),
    /// The shop may have an API, or live by its webhooks alone; the text is an example.
    Optional(&'static str),
}

/// What one shop's API can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Its orders can be listed and read.
    pub orders: bool,
    /// Its products can be listed and read.
    pub products: bool,
    /// It takes quantities.
    pub stock: bool,
    /// It takes prices.
    pub prices: bool,
}

impl Abilities {
    pub const ALL: Self = Self {
        orders: true,
        products: true,
        stock: true,
        prices: true,
    };
    /// Of a shop without an API.
    pub const NONE: Self = Self {
        orders: false,
        products: false,
        stock: false,
        prices: false,
    };
}

/// Where the merchant should come back to after consenting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentQuestion {
    /// One-time text that the answer must carry.
    pub state: String,
    /// Our address that takes the answer: `{public_url}/connect/{slug}/callback`.
    pub callback: Url,
}

/// What came to the callback: the pairs of its query, or the members of the JSON that was posted.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsentAnswer {
    pub pairs: Vec<(String, String)>,
}

impl ConsentAnswer {
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Codes are secrets: only the names are printed.
impl std::fmt::Debug for ConsentAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.pairs.iter().map(|(name, _)| name))
            .finish()
    }
}

/// What a consent gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    pub tokens: Tokens,
    /// When the consent itself ends, where the answer says so.
    pub until: Option<Timestamp>,
}

/// One kind of webhook, as the marketplace has it for one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// As in `limits().topics`.
    pub topic: String,
    pub state: SubscriptionState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    Active,
    /// Never made, deleted by the marketplace, or sent to another address.
    Missing,
    /// There, and switched off.
    SwitchedOff,
}

impl SubscriptionState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Missing => "missing",
            Self::SwitchedOff => "switched_off",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Active, Self::Missing, Self::SwitchedOff];
        all.into_iter().find(|state| state.as_str() == name)
    }
}

/// Webhooks that the marketplace gave up on and kept for us, oldest first. They come unsigned, because we
/// asked for them.
#[derive(Debug, Default)]
pub struct Missed {
    /// Bodies as they were first sent.
    pub bodies: Vec<bytes::Bytes>,
    /// Hand this to `confirm_missed` when all of them are stored. `None`: there is nothing to confirm.
    pub mark: Option<String>,
    /// More are waiting behind these.
    pub more: bool,
}

/// What a delivery carries whole, for shops that have no API to read back from.
#[derive(Debug, Default, PartialEq)]
pub struct Carried {
    pub orders: Vec<Order>,
    pub products: Vec<Product>,
    /// The shop says that it takes back its consent.
    pub is_farewell: bool,
}
