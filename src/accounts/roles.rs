//! Roles: what somebody is to a merchant.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What somebody is to a merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The merchant: everything of their own.
    Owner,
    /// Works for the merchant, on named channels.
    Staff,
    /// Helps every merchant, without their secrets and their buyers' data.
    Support,
    /// Runs the installation.
    Administrator,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Owner, Self::Staff, Self::Support, Self::Administrator];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Staff => "staff",
            Self::Support => "support",
            Self::Administrator => "administrator",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
