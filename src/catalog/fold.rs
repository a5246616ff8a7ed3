//! Codes that people cannot tell apart. Pure.
//!
//! Two codes that fold to the same text differ only in case, in spaces, or in characters that look alike. That is a
//! reason to ask a person, never a reason to link. Confusable characters are those of Unicode's technical standard 39;
//! the letters i and l, which it keeps apart, are one here, because capital I and l are not told apart in a code.

use std::{collections::HashMap, fmt};
use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

/// The code without what people cannot tell apart.
pub fn fold(code: &str) -> String {
    // As written first: small letters of another alphabet look less alike than its capitals.
    let shown: String = visible(code).collect();
    let small: String = skeleton(&shown).flat_map(char::to_lowercase).collect();
    let alike: String = skeleton(&small).flat_map(char::to_lowercase).collect();
    alike.replace('i', "l")
}

/// How two codes differ that fold to the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    Spaces,
    Case,
    Characters,
}

impl Difference {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spaces => "spaces",
            Self::Case => "case",
            Self::Characters => "look-alike characters",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What sets two codes apart that are not the same, the least first.
pub fn difference(one: &str, other: &str) -> Difference {
    let (one, other): (String, String) = (visible(one).collect(), visible(other).collect());
    if one == other {
        Difference::Spaces
    } else if one.to_lowercase() == other.to_lowercase() {
        Difference::Case
    } else {
        Difference::Characters
    }
}

/// The characters that are seen, each in its usual form.
fn visible(code: &str) -> impl Iterator<Item = char> + '_ {
    code.nfkc()
        .filter(|c| !c.is_whitespace() && !c.is_control() && !is_invisible(*c))
}

/// Characters of no width, which come along when codes are copied: soft hyphens, joiners, marks of direction, byte
/// order marks, variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

/// Things by their folded code.
#[derive(Debug)]
pub struct Alike<T>(HashMap<String, Vec<T>>);

impl<T> Alike<T> {
    pub fn of(&self, folded: &str) -> &[T] {
        self.0.get(folded).map_or(&[], Vec::as_slice)
    }
}

impl<T> FromIterator<(String, T)> for Alike<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(pairs: I) -> Self {
        let mut map: HashMap<String, Vec<T>> = HashMap::new();
        for (folded, thing) in pairs {
            map.entry(folded).or_default().push(thing);
        }
        Self(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_spaces_and_look_alikes_fold_to_the_same() {
        for other in [
            "tin-01",
            " TIN-01 ",
            "TIN - 01",
            "ТIN-01",
            "TIN-O1",
            "TlN-0l",
            "T1N‐01",
            "ＴＩＮ-01",
            "TIN\u{200b}-01",
            "TIN\u{a0}-01",
        ] {
            assert_eq!(fold(other), fold("TIN-01"), "{other}");
        }
    }

    #[test]
    fn what_people_can_tell_apart_stays_apart() {
        for other in ["TIN-02", "TIN01", "TIM-01", "TIN-01-B", ""] {
            assert_ne!(fold(other), fold("TIN-01"), "{other}");
        }
    }

    #[test]
    fn the_difference_is_named() {
        assert_eq!(difference("MUG", " MUG"), Difference::Spaces);
        assert_eq!(difference("MUG", "mug"), Difference::Case);
        assert_eq!(difference("MUG-0", "MUG-O"), Difference::Characters);
    }
}
