//! What a marketplace keeps of a sale: what is expected, and what it was.

use super::{Money, RemoteId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Hundredths of a percent in one whole.
const WHOLE: i128 = 10_000;

/// A share of the sale and a fixed amount, written as `2.5%`, `1000` or `2.5%+1000`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceFee {
    /// Hundredths of a percent; 0 to 10,000.
    pub basis_points: i64,
    /// Minor units of the order's currency; 0 or more.
    pub fixed_minor: i64,
}

impl ServiceFee {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The fee of a sale of so many minor units: halves are rounded up, and it is never more than the sale.
    pub fn of(&self, total: i64) -> i64 {
        let share = (i128::from(total.max(0)) * i128::from(self.basis_points) + WHOLE / 2) / WHOLE;
        let fee = share + i128::from(self.fixed_minor);
        i64::try_from(fee.clamp(0, i128::from(total.max(0)))).unwrap_or(0)
    }
}

impl fmt::Display for ServiceFee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.basis_points / 100, self.basis_points % 100);
        match (self.basis_points, self.fixed_minor) {
            (0, fixed) => write!(f, "{fixed}"),
            (_, 0) => write!(f, "{whole}.{part:02}%"),
            (_, fixed) => write!(f, "{whole}.{part:02}%+{fixed}"),
        }
    }
}

impl FromStr for ServiceFee {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "service_fee is a share, an amount in minor units, or both, such as 2.5%+1000, not `{text}`"
            )
        };
        let (share, fixed) = match text.trim().split_once('%') {
            Some((share, rest)) => (share, rest.trim().strip_prefix('+').unwrap_or(rest)),
            None => ("0", text.trim()),
        };
        let (whole, part) = share.trim().split_once('.').unwrap_or((share.trim(), ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 2 || whole.is_empty() {
            return Err(wrong());
        }
        let basis_points: i64 = format!("{whole}{part:0<2}").parse().map_err(|_| wrong())?;
        let fixed = fixed.trim();
        if text.trim().is_empty() {
            return Err(wrong());
        }
        let fixed_minor: i64 = match fixed {
            "" => 0,
            fixed => fixed.parse().map_err(|_| wrong())?,
        };
        if i128::from(basis_points) > WHOLE || fixed_minor < 0 {
            return Err(wrong());
        }
        Ok(Self {
            basis_points,
            fixed_minor,
        })
    }
}

impl TryFrom<String> for ServiceFee {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ServiceFee> for String {
    fn from(fee: ServiceFee) -> Self {
        fee.to_string()
    }
}

/// What a marketplace paid out for one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub order: RemoteId,
    /// `net` and all `fees`.
    pub gross: Money,
    pub fees: Vec<Fee>,
    /// What the merchant gets.
    pub net: Money,
    /// When it was paid out, where that is told.
    pub settled_at: Option<Timestamp>,
}

impl Settlement {
    /// All that was kept, in minor units.
    pub fn fee(&self) -> i64 {
        self.fees.iter().map(|fee| fee.minor).sum()
    }
}

/// One fee; below zero it is an allowance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fee {
    /// The marketplace's word, such as `commission_fee`.
    pub kind: String,
    /// Minor units of the settlement's currency.
    pub minor: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fee_is_a_share_an_amount_or_both() {
        let of = |text: &str, total: i64| text.parse::<ServiceFee>().unwrap().of(total);

        assert_eq!(of("2.5%", 20_150_000), 503_750);
        assert_eq!(of("2.5%+1000", 20_150_000), 504_750);
        assert_eq!(of("1000", 20_150_000), 1_000);
        // Halves are rounded up.
        assert_eq!((of("0.5%", 100), of("0.5%", 99)), (1, 0));
        assert_eq!(of("50%+90", 100), 100);
        assert_eq!(of("5%", -100), 0);
    }

    #[test]
    fn what_is_no_fee_is_refused() {
        for text in ["", "x", "%", "-1", "101%", "2.555%", "2.5%-3", "1e3"] {
            assert!(text.parse::<ServiceFee>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_fee_survives_its_text_and_is_never_more_than_the_sale(
            basis_points in 0_i64..=10_000, fixed_minor in 0_i64..1_000_000, total in any::<i64>(),
        ) {
            let fee = ServiceFee { basis_points, fixed_minor };

            prop_assert_eq!(fee.to_string().parse::<ServiceFee>(), Ok(fee));
            prop_assert!((0..=total.max(0)).contains(&fee.of(total)));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}") {
            let _ = text.parse::<ServiceFee>();
        }
    }
}
