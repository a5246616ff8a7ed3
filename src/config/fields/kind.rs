//! The kinds of values: what each allows, and how it finds its place in the settings.

use super::{super::secret::Secret, shape::Shape};
use crate::config::Settings;
use std::ops::RangeInclusive;

/// What a value must be, and where it goes.
#[derive(Debug)]
pub enum Kind {
    Text {
        shape: &'static Shape,
        set: fn(&mut Settings, String),
    },
    /// Never shown, not even when it is refused.
    Secret {
        shape: &'static Shape,
        set: fn(&mut Settings, Secret),
    },
    Choice {
        of: &'static [&'static str],
        set: fn(&mut Settings, &str),
    },
    Flag(fn(&mut Settings, bool)),
    Number {
        from: u64,
        to: u64,
        unit: &'static str,
        set: fn(&mut Settings, u64),
    },
}

/// The value is not what [`Kind::allowed`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAllowed;

pub const fn text(shape: &'static Shape, set: fn(&mut Settings, String)) -> Kind {
    Kind::Text { shape, set }
}

pub const fn secret(shape: &'static Shape, set: fn(&mut Settings, Secret)) -> Kind {
    Kind::Secret { shape, set }
}

pub const fn number(
    range: RangeInclusive<u64>,
    unit: &'static str,
    set: fn(&mut Settings, u64),
) -> Kind {
    Kind::Number {
        from: *range.start(),
        to: *range.end(),
        unit,
        set,
    }
}

impl Kind {
    /// Puts the value in its place.
    ///
    /// # Errors
    /// When it is not allowed; the settings are then as before.
    pub fn set(&self, settings: &mut Settings, text: &str) -> Result<(), NotAllowed> {
        match self {
            Self::Text { shape, set } => set(settings, shape.read(text).ok_or(NotAllowed)?),
            Self::Secret { shape, set } => {
                set(settings, Secret::new(shape.read(text).ok_or(NotAllowed)?));
            }
            Self::Choice { of, set } => {
                let choice = of.iter().find(|choice| **choice == text);
                set(settings, choice.ok_or(NotAllowed)?);
            }
            Self::Flag(set) => set(settings, text.parse().map_err(|_| NotAllowed)?),
            Self::Number { from, to, set, .. } => {
                let number = text.parse().map_err(|_| NotAllowed)?;
                if !(from..=to).contains(&&number) {
                    return Err(NotAllowed);
                }
                set(settings, number);
            }
        }
        Ok(())
    }

    /// Every value that is allowed, in words.
    pub fn allowed(&self) -> String {
        match self {
            Self::Text { shape, .. } | Self::Secret { shape, .. } => shape.allowed.to_owned(),
            Self::Choice { of, .. } => of
                .iter()
                .map(|choice| format!("`{choice}`"))
                .collect::<Vec<_>>()
                .join(" or "),
            Self::Flag(_) => "`true` or `false`".to_owned(),
            Self::Number { from, to, .. } => format!("a whole number from {from} to {to}"),
        }
    }

    pub fn unit(&self) -> &'static str {
        match self {
            Self::Number { unit, .. } => unit,
            _ => "",
        }
    }

    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret { .. })
    }
}
