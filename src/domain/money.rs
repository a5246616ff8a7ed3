//! Money: whole minor units and an ISO 4217 currency, never a float.

use iso_currency::Currency as Iso;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// An ISO 4217 currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(Iso);

impl Currency {
    /// # Errors
    /// `UnknownCurrency` when `code` is not an ISO 4217 code.
    pub fn from_code(code: &str) -> Result<Self, MoneyError> {
        Iso::from_code(&code.to_ascii_uppercase())
            .map(Self)
            .ok_or_else(|| MoneyError::UnknownCurrency(code.chars().take(8).collect()))
    }

    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimals of the minor unit: 2 for USD and IDR, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::from_code(&code).map_err(serde::de::Error::custom)
    }
}

/// An amount of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Whole minor units: 18_900_000 is 189000.00 IDR.
    pub minor: i64,
    pub currency: Currency,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MoneyError {
    #[error("unknown currency `{0}`; an ISO 4217 code was expected")]
    UnknownCurrency(String),
    #[error("`{0}` is not an amount of money")]
    NotAnAmount(String),
    #[error("`{text}` has more decimals than {currency} knows")]
    TooPrecise {
        text: String,
        currency: &'static str,
    },
    #[error("`{0}` is too large an amount")]
    TooLarge(String),
}

impl Money {
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Reads an amount in major units, such as `"189000"`, `"19.98"` or `"-93750.00"`.
    ///
    /// # Errors
    /// When the text is not a plain decimal, is finer than the minor unit, or does not fit.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let shown = || text.chars().take(32).collect::<String>();
        let amount =
            Decimal::from_str(text.trim()).map_err(|_| MoneyError::NotAnAmount(shown()))?;
        let scaled = Decimal::from(10_i64.pow(currency.exponent()))
            .checked_mul(amount)
            .ok_or_else(|| MoneyError::TooLarge(shown()))?;
        if !scaled.fract().is_zero() {
            return Err(MoneyError::TooPrecise {
                text: shown(),
                currency: currency.code(),
            });
        }
        let minor = i64::try_from(scaled).map_err(|_| MoneyError::TooLarge(shown()))?;
        Ok(Self { minor, currency })
    }
}

impl Money {
    /// Without its currency: `189000.00`.
    pub fn amount(self) -> String {
        Decimal::new(self.minor, self.currency.exponent()).to_string()
    }
}

/// `189000.00 IDR`
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, code: &str) -> Result<i64, MoneyError> {
        Money::parse(text, Currency::from_code(code).unwrap()).map(|m| m.minor)
    }

    #[test]
    fn amounts_are_exact_in_every_exponent() {
        assert_eq!(read("189000", "IDR"), Ok(18_900_000));
        assert_eq!(read("19.98", "usd"), Ok(1_998));
        assert_eq!(read("1234", "JPY"), Ok(1_234));
        assert_eq!(read("1.234", "KWD"), Ok(1_234));
        assert_eq!(read("-0", "USD"), Ok(0));
        assert_eq!(read("93750.00", "JPY"), Ok(93_750));
    }

    #[test]
    fn what_a_currency_cannot_express_is_refused() {
        assert!(matches!(
            read("1.5", "JPY"),
            Err(MoneyError::TooPrecise { .. })
        ));
        assert!(matches!(
            read("1,234", "USD"),
            Err(MoneyError::NotAnAmount(_))
        ));
        assert!(matches!(read("", "USD"), Err(MoneyError::NotAnAmount(_))));
        assert!(matches!(
            read("99999999999999999999", "USD"),
            Err(MoneyError::TooLarge(_))
        ));
        assert!(Currency::from_code("Rp.").is_err());
    }

    proptest! {
        #[test]
        fn money_survives_its_text(minor in any::<i64>(), code in prop::sample::select(vec!["IDR", "USD", "JPY", "KWD"])) {
            let money = Money { minor, currency: Currency::from_code(code).unwrap() };

            let text = money.to_string();
            let amount = text.split(' ').next().unwrap();

            prop_assert_eq!(Money::parse(amount, money.currency), Ok(money));
        }

        #[test]
        fn reading_money_never_panics(text in ".{0,40}") {
            let _ = read(&text, "IDR");
        }
    }
}
