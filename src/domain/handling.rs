//! What becomes of goods that come back: a merchant's policy per channel and reason.

use super::Goods;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// What becomes of returned units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// Back on the shelf they were sold from, and for sale.
    Restock,
    /// To the outlet for what must be looked at, which sells nothing.
    Quarantine,
    /// Worth nothing: they stay out of stock.
    WriteOff,
    /// A person says so, return by return.
    Ask,
}

impl Handling {
    pub const ALL: &'static [Self] = &[Self::Restock, Self::Quarantine, Self::WriteOff, Self::Ask];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restock => "restock",
            Self::Quarantine => "quarantine",
            Self::WriteOff => "write_off",
            Self::Ask => "ask",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == name)
    }
}

impl fmt::Display for Handling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reason under which a policy says what becomes of goods of an order that is called off after they had left.
pub const CANCELLED: &str = "CANCELLED";

/// A channel's policy, written as `ask,DAMAGED:quarantine,CHANGED_MIND:restock`.
///
/// Without any, goods that the marketplace says are back go on the shelf, and it is asked where others are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReturnPolicy {
    pub usual: Option<Handling>,
    /// By the marketplace's word for why, in capitals.
    pub by_reason: BTreeMap<String, Handling>,
}

impl ReturnPolicy {
    /// Whether it says nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What becomes of goods that are at `goods`, returned for `reason`.
    pub fn handling(&self, reason: Option<&str>, goods: Goods) -> Handling {
        let by_reason = reason.and_then(|reason| self.of_reason(reason));
        by_reason.or(self.usual).unwrap_or(match goods {
            Goods::Back => Handling::Restock,
            _ => Handling::Ask,
        })
    }

    /// What the policy says of this very reason.
    pub fn of_reason(&self, reason: &str) -> Option<Handling> {
        self.by_reason.get(&reason.trim().to_uppercase()).copied()
    }
}

/// How no policy is written.
const NONE: &str = "default";

impl TryFrom<String> for ReturnPolicy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ReturnPolicy> for String {
    fn from(policy: ReturnPolicy) -> Self {
        policy.to_string()
    }
}

impl FromStr for ReturnPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut policy = Self::default();
        if text.trim() == NONE {
            return Ok(policy);
        }
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (reason, name) = match part.rsplit_once(':') {
                Some((reason, name)) => (Some(reason.trim()), name.trim()),
                None => (None, part),
            };
            let handling = Handling::parse(name).ok_or_else(|| {
                format!(
                    "`{name}` is not what can become of a return: restock, quarantine, write_off or ask; \
                     for one reason write REASON:restock"
                )
            })?;
            match reason {
                Some("") => return Err(format!("`{part}` names no reason before the colon")),
                Some(reason) => {
                    policy.by_reason.insert(reason.to_uppercase(), handling);
                }
                None => policy.usual = Some(handling),
            }
        }
        Ok(policy)
    }
}

/// As it is written; `default` when nothing is said.
impl fmt::Display for ReturnPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = self.usual.map(|handling| handling.to_string());
        let by_reason = self
            .by_reason
            .iter()
            .map(|(reason, handling)| format!("{reason}:{handling}"));
        let parts: Vec<String> = usual.into_iter().chain(by_reason).collect();
        if parts.is_empty() {
            return f.write_str(NONE);
        }
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_goes_before_what_is_usual() {
        let policy: ReturnPolicy = "restock, damaged:write_off".parse().unwrap();

        assert_eq!(
            policy.handling(Some("DAMAGED"), Goods::Back),
            Handling::WriteOff
        );
        assert_eq!(
            policy.handling(Some("TOO_LATE"), Goods::Unknown),
            Handling::Restock
        );
        assert_eq!(policy.handling(None, Goods::Back), Handling::Restock);
        assert_eq!(policy.to_string(), "restock,DAMAGED:write_off");
    }

    #[test]
    fn without_a_policy_what_is_back_is_on_the_shelf_and_the_rest_is_asked() {
        let none = ReturnPolicy::default();

        assert_eq!(none.handling(Some("X"), Goods::Back), Handling::Restock);
        assert_eq!(none.handling(Some("X"), Goods::Unknown), Handling::Ask);
        assert_eq!("".parse(), Ok(none));
    }

    #[test]
    fn what_is_no_policy_is_refused_with_what_is() {
        let why = "burn".parse::<ReturnPolicy>().unwrap_err();

        assert!(
            why.contains("restock, quarantine, write_off or ask"),
            "{why}"
        );
        assert!(":ask".parse::<ReturnPolicy>().is_err());
    }
}
