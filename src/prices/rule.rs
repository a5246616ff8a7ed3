//! How the price of a SKU becomes the price on a channel. Pure, in whole minor units.
//!
//! 1. The SKU's price with the adjustment, rounded half up to the minor unit;
//! 2. rounded to a multiple, such that taking off the ending afterwards keeps the direction: to 1000.00 up with an
//!    ending of 1.00 makes 9,500 into 9,999 and 9,999.50 into 10,999.

use crate::domain::{Money, job::named};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Hundredths of a percent that make up a whole.
pub const WHOLE_BP: i64 = 10_000;

named!(
    /// Which multiple a price is rounded to.
    RoundHow {
        Up = "up",
        Down = "down",
        Nearest = "nearest",
    }
);

/// To which multiples prices are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rounding {
    /// Minor units; 1 or more.
    pub to_minor: i64,
    pub how: RoundHow,
    /// Minor units that are taken off a multiple, for prices such as 9.99; less than `to_minor`.
    pub ending_minor: i64,
}

/// What one rule says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PriceRule {
    /// This price, whatever the SKU's; nothing else counts then.
    pub fixed: Option<Money>,
    /// Hundredths of a percent on top of the SKU's price; negative: off it; not below -10,000.
    pub adjust_bp: i64,
    pub rounding: Option<Rounding>,
}

/// The price that a rule yields; `None` where there is nothing to reckon with, or nothing is left.
pub fn priced(rule: &PriceRule, base: Option<Money>) -> Option<Money> {
    if let Some(fixed) = rule.fixed {
        return Some(fixed);
    }
    let base = base?;
    let whole = i128::from(WHOLE_BP);
    let adjusted = i128::from(base.minor) * (whole + i128::from(rule.adjust_bp));
    let adjusted = (adjusted + whole / 2).div_euclid(whole);
    let rounded = match rule.rounding {
        None => adjusted,
        Some(rounding) => rounded(adjusted, rounding),
    };
    let minor = i64::try_from(rounded).ok().filter(|minor| *minor > 0)?;
    Some(Money {
        minor,
        currency: base.currency,
    })
}

fn rounded(price: i128, rounding: Rounding) -> i128 {
    let (to, ending) = (
        i128::from(rounding.to_minor.max(1)),
        i128::from(rounding.ending_minor),
    );
    let offset = match rounding.how {
        RoundHow::Up => to - 1,
        RoundHow::Nearest => to / 2,
        RoundHow::Down => 0,
    };
    (price + ending + offset).div_euclid(to) * to - ending
}

impl PriceRule {
    /// `+10 %, to 1000 up less 100 (minor units)`.
    pub fn in_words(&self) -> String {
        if let Some(fixed) = self.fixed {
            return format!("{fixed}");
        }
        let mut said = Vec::new();
        if self.adjust_bp != 0 {
            let sign = if self.adjust_bp < 0 { '-' } else { '+' };
            let (whole, part) = (self.adjust_bp.abs() / 100, self.adjust_bp.abs() % 100);
            said.push(match part {
                0 => format!("{sign}{whole} %"),
                part => format!("{sign}{whole}.{part:02} %"),
            });
        }
        if let Some(rounding) = self.rounding {
            let ending = match rounding.ending_minor {
                0 => String::new(),
                minor => format!(" less {minor}"),
            };
            said.push(format!(
                "{} to {}{ending} minor units",
                rounding.how, rounding.to_minor
            ));
        }
        if said.is_empty() {
            "the SKU's price".to_owned()
        } else {
            said.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;
    use proptest::prelude::*;

    fn idr(minor: i64) -> Money {
        let currency = Currency::from_code("IDR").unwrap();
        Money { minor, currency }
    }

    fn minor(rule: &PriceRule, base: i64) -> Option<i64> {
        priced(rule, Some(idr(base))).map(|price| price.minor)
    }

    fn rule(adjust_bp: i64, to_minor: i64, how: RoundHow, ending_minor: i64) -> PriceRule {
        let rounding = Rounding {
            to_minor,
            how,
            ending_minor,
        };
        PriceRule {
            fixed: None,
            adjust_bp,
            rounding: Some(rounding),
        }
    }

    #[test]
    fn a_percentage_is_rounded_half_up_to_the_minor_unit() {
        let tenth = PriceRule {
            adjust_bp: 1_050,
            ..PriceRule::default()
        };

        assert_eq!(minor(&tenth, 1_000), Some(1_105));
        assert_eq!(minor(&tenth, 101), Some(112));
        assert_eq!(tenth.in_words(), "+10.50 %");
    }

    #[test]
    fn prices_end_as_the_merchant_likes() {
        let charm = rule(0, 1_000, RoundHow::Up, 1);

        assert_eq!(minor(&charm, 9_500), Some(9_999));
        assert_eq!(minor(&charm, 9_999), Some(9_999));
        assert_eq!(minor(&charm, 10_000), Some(10_999));
        assert_eq!(
            minor(&rule(0, 1_000, RoundHow::Down, 0), 9_999),
            Some(9_000)
        );
        assert_eq!(
            minor(&rule(0, 1_000, RoundHow::Nearest, 0), 9_500),
            Some(10_000)
        );
    }

    #[test]
    fn a_fixed_price_needs_no_price_of_the_sku_and_nothing_is_told_of_no_price() {
        let fixed = PriceRule {
            fixed: Some(idr(77)),
            ..PriceRule::default()
        };

        assert_eq!(priced(&fixed, None), Some(idr(77)));
        assert_eq!(priced(&PriceRule::default(), None), None);
        assert_eq!(minor(&rule(0, 1_000, RoundHow::Down, 0), 900), None);
    }

    fn any_rounding() -> impl Strategy<Value = Rounding> {
        let how = prop::sample::select(RoundHow::ALL);
        (1_i64..100_000, how, 0_i64..100).prop_map(|(to_minor, how, percent)| Rounding {
            to_minor,
            how,
            ending_minor: (to_minor - 1) * percent / 100,
        })
    }

    proptest! {
        #[test]
        fn a_rounded_price_has_its_ending_and_is_never_further_than_a_step(
            price in 0_i128..1_000_000_000_000, rounding in any_rounding(),
        ) {
            let rounded = rounded(price, rounding);
            let to = i128::from(rounding.to_minor);

            prop_assert_eq!((rounded + i128::from(rounding.ending_minor)) % to, 0);
            let off = rounded - price;
            match rounding.how {
                RoundHow::Up => prop_assert!(0 <= off && off < to),
                RoundHow::Down => prop_assert!(-to < off && off <= 0),
                RoundHow::Nearest => prop_assert!(off.abs() * 2 <= to),
            }
        }

        #[test]
        fn a_dearer_sku_is_never_cheaper_on_a_channel(
            base in 1_i64..1_000_000_000, more in 0_i64..1_000_000, adjust in -10_000_i64..50_000,
            rounding in prop::option::of(any_rounding()),
        ) {
            let rule = PriceRule { fixed: None, adjust_bp: adjust, rounding };

            prop_assert!(minor(&rule, base) <= minor(&rule, base + more));
        }
    }
}
