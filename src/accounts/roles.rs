//! Roles, and what each of them may: one table that everything asks.

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

/// Something that somebody may or may not do. Texts outlive the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See orders, stock, listings, scans and reports.
    ReadBooks,
    /// Search, trace, and see deliveries with buyers masked.
    FindOrders,
    /// Ask marketplaces for orders.
    DownloadOrders,
    /// Take deliveries and jobs up again.
    Replay,
    /// Ask for scans; pause, resume and cancel them.
    RunScans,
    /// Levels, prices, bundles and their rules.
    ChangeStock,
    /// Link listings and SKUs.
    LinkListings,
    /// Decide conflicts and returns.
    Decide,
    /// Settings of channels and their schedules.
    ChangeChannels,
    /// Connect and remove shops, and replace their secrets.
    HandleSecrets,
    /// Numbers, outlets, imports, who is told what happens.
    ChangeMerchant,
    /// See what buyers' data was masked.
    SeeBuyers,
    /// Take a buyer's data out.
    EraseBuyers,
    /// Read the audit trail.
    ReadAudit,
    /// People and tokens.
    ManagePeople,
    /// Things of the installation: every merchant, the database, retention.
    Administrate,
}

impl Permission {
    pub const ALL: [Self; 16] = [
        Self::ReadBooks,
        Self::FindOrders,
        Self::DownloadOrders,
        Self::Replay,
        Self::RunScans,
        Self::ChangeStock,
        Self::LinkListings,
        Self::Decide,
        Self::ChangeChannels,
        Self::HandleSecrets,
        Self::ChangeMerchant,
        Self::SeeBuyers,
        Self::EraseBuyers,
        Self::ReadAudit,
        Self::ManagePeople,
        Self::Administrate,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadBooks => "read_books",
            Self::FindOrders => "find_orders",
            Self::DownloadOrders => "download_orders",
            Self::Replay => "replay",
            Self::RunScans => "run_scans",
            Self::ChangeStock => "change_stock",
            Self::LinkListings => "link_listings",
            Self::Decide => "decide",
            Self::ChangeChannels => "change_channels",
            Self::HandleSecrets => "handle_secrets",
            Self::ChangeMerchant => "change_merchant",
            Self::SeeBuyers => "see_buyers",
            Self::EraseBuyers => "erase_buyers",
            Self::ReadAudit => "read_audit",
            Self::ManagePeople => "manage_people",
            Self::Administrate => "administrate",
        }
    }

    /// What it allows, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::ReadBooks => "see orders, stock, listings, scans and reports",
            Self::FindOrders => "search, trace, see deliveries with buyers masked",
            Self::DownloadOrders => "ask marketplaces for orders",
            Self::Replay => "take deliveries and jobs up again",
            Self::RunScans => "ask for scans, pause, resume and cancel them",
            Self::ChangeStock => "change levels, prices, bundles and their rules",
            Self::LinkListings => "link listings and SKUs",
            Self::Decide => "decide conflicts and returns",
            Self::ChangeChannels => "change settings and schedules of channels",
            Self::HandleSecrets => "connect and remove shops, replace their secrets",
            Self::ChangeMerchant => "change numbers, outlets, imports, endpoints",
            Self::SeeBuyers => "see buyers' data unmasked",
            Self::EraseBuyers => "take a buyer's data out",
            Self::ReadAudit => "read the audit trail",
            Self::ManagePeople => "people and tokens",
            Self::Administrate => "things of the whole installation",
        }
    }
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

    /// The table: what each role may.
    pub fn may(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Administrator => true,
            Self::Owner => permission != P::Administrate,
            Self::Staff => matches!(
                permission,
                P::ReadBooks
                    | P::FindOrders
                    | P::DownloadOrders
                    | P::RunScans
                    | P::ChangeStock
                    | P::LinkListings
                    | P::Decide
            ),
            Self::Support => matches!(
                permission,
                P::ReadBooks
                    | P::FindOrders
                    | P::DownloadOrders
                    | P::Replay
                    | P::RunScans
                    | P::ReadAudit
            ),
        }
    }

    /// Whether a role may be given by somebody with this one: nobody makes more of others than they are.
    pub fn may_give(self, other: Self) -> bool {
        self.may(Permission::ManagePeople)
            && Permission::ALL
                .into_iter()
                .all(|permission| self.may(permission) || !other.may(permission))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, so that a change of it is seen.
    #[test]
    fn what_each_role_may() {
        let mark = |role: Role, permission| if role.may(permission) { "x" } else { "-" };
        let line = |permission: Permission| {
            let marks = Role::ALL.map(|role| mark(role, permission)).join(" ");
            format!("{marks} {permission}")
        };
        let table: Vec<String> = Permission::ALL.into_iter().map(line).collect();

        assert_eq!(
            table,
            [
                "x x x x read_books",
                "x x x x find_orders",
                "x x x x download_orders",
                "x - x x replay",
                "x x x x run_scans",
                "x x - x change_stock",
                "x x - x link_listings",
                "x x - x decide",
                "x - - x change_channels",
                "x - - x handle_secrets",
                "x - - x change_merchant",
                "x - - x see_buyers",
                "x - - x erase_buyers",
                "x - x x read_audit",
                "x - - x manage_people",
                "- - - x administrate",
            ]
        );
    }

    #[test]
    fn nobody_gives_a_role_that_is_more_than_theirs() {
        assert!(Role::Owner.may_give(Role::Staff));
        assert!(Role::Owner.may_give(Role::Owner));
        assert!(!Role::Owner.may_give(Role::Administrator));
        assert!(!Role::Support.may_give(Role::Support));
        assert!(Role::Administrator.may_give(Role::Administrator));
    }
}
