//! What a delivery means.

use super::{RemoteId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The four things a marketplace can tell us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Read this order again.
    OrderChanged,
    /// Read this product again.
    ProductChanged,
    /// Something in the catalogue changed and we were not told what.
    CatalogueChanged,
    /// The merchant's consent ended, or is about to.
    AuthorizationChanged,
}

impl EventKind {
    pub const ALL: [Self; 4] = [
        Self::OrderChanged,
        Self::ProductChanged,
        Self::CatalogueChanged,
        Self::AuthorizationChanged,
    ];

    /// The name in the database and in logs; never renamed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderChanged => "order_changed",
            Self::ProductChanged => "product_changed",
            Self::CatalogueChanged => "catalogue_changed",
            Self::AuthorizationChanged => "authorization_changed",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A hint: where to look. The marketplace's API says what is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    /// The order or product; empty for the other kinds.
    pub subject: Option<RemoteId>,
    /// The subject's version at the time, where the delivery names one. A reading that is older
    /// than this is stale and is taken again.
    pub version: Option<Timestamp>,
}

impl Event {
    pub fn order(id: RemoteId, version: Option<Timestamp>) -> Self {
        Self {
            kind: EventKind::OrderChanged,
            subject: Some(id),
            version,
        }
    }

    pub fn product(id: RemoteId, version: Option<Timestamp>) -> Self {
        Self {
            kind: EventKind::ProductChanged,
            subject: Some(id),
            version,
        }
    }

    pub fn catalogue() -> Self {
        Self {
            kind: EventKind::CatalogueChanged,
            subject: None,
            version: None,
        }
    }

    pub fn authorization() -> Self {
        Self {
            kind: EventKind::AuthorizationChanged,
            subject: None,
            version: None,
        }
    }
}
