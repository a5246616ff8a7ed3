//! How much of what is available a channel is told. Pure.
//!
//! Rules are given for a SKU on a channel, for a SKU, for a channel, or for everything; what a nearer one leaves out, the
//! next one says. In this order:
//!
//! 1. the last units that belong to another channel, or the buffer, whichever is more, are kept back;
//! 2. of the rest the percentage is shown, rounded down;
//! 3. fewer than the minimum are shown as none, more than the maximum are not shown.

use crate::domain::ChannelId;
use serde::Serialize;

/// The largest number of units that a rule can name.
pub const MOST_UNITS: i64 = 1_000_000;

/// What one rule says; `None`: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// 0 to 100.
    pub percentage: Option<i64>,
    /// Units that are kept back; 0 or more.
    pub buffer: Option<i64>,
    /// Fewer units are shown as none; 0 or more.
    pub minimum: Option<i64>,
    /// More units are not shown; 0 or more.
    pub maximum: Option<i64>,
    /// So many last units are shown by this channel only.
    pub last: Option<(i64, ChannelId)>,
}

impl Rule {
    /// With what a more general rule says of the rest.
    #[must_use]
    pub fn over(self, general: Self) -> Self {
        Self {
            percentage: self.percentage.or(general.percentage),
            buffer: self.buffer.or(general.buffer),
            minimum: self.minimum.or(general.minimum),
            maximum: self.maximum.or(general.maximum),
            last: self.last.or(general.last),
        }
    }

    /// Units that are kept back from `channel`.
    pub fn kept_back(&self, channel: ChannelId) -> i64 {
        let buffer = self.buffer.unwrap_or(0);
        match self.last {
            Some((units, only)) if only != channel => buffer.max(units),
            _ => buffer,
        }
    }

    /// Whether the channel that sold a unit shows the right number by having counted one down itself.
    pub fn is_plain(&self) -> bool {
        self.percentage.is_none_or(|percentage| percentage == 100)
            && self.minimum.is_none()
            && self.maximum.is_none()
    }

    /// In words for people: `2 kept back, 50 %, at most 20`; empty: all of it.
    pub fn in_words(&self, channel: ChannelId) -> String {
        let mut said = Vec::new();
        match self.kept_back(channel) {
            0 => {}
            units => said.push(format!("{units} kept back")),
        }
        if let Some(percentage) = self.percentage.filter(|percentage| *percentage != 100) {
            said.push(format!("{percentage} %"));
        }
        if let Some(units) = self.minimum {
            said.push(format!("none below {units}"));
        }
        if let Some(units) = self.maximum {
            said.push(format!("at most {units}"));
        }
        said.join(", ")
    }
}

/// Units that `channel` is told when so many are available.
pub fn quantity(rule: &Rule, available: i64, channel: ChannelId) -> i64 {
    let left = available.saturating_sub(rule.kept_back(channel)).max(0);
    let percentage = rule.percentage.unwrap_or(100).clamp(0, 100);
    // In parts, so that no number of units overflows.
    let share = left / 100 * percentage + left % 100 * percentage / 100;
    let shown = if share < rule.minimum.unwrap_or(0) {
        0
    } else {
        share
    };
    shown.min(rule.maximum.unwrap_or(i64::MAX)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: ChannelId = ChannelId(1);
    const THERE: ChannelId = ChannelId(2);

    #[test]
    fn without_a_rule_everything_available_is_shown_and_a_shortage_as_none() {
        assert_eq!(quantity(&Rule::default(), 10, HERE), 10);
        assert_eq!(quantity(&Rule::default(), -3, HERE), 0);
    }

    #[test]
    fn the_buffer_goes_first_then_the_share_then_the_bounds() {
        let rule = Rule {
            percentage: Some(50),
            buffer: Some(3),
            minimum: Some(2),
            maximum: Some(20),
            last: None,
        };

        let shown = [3, 6, 7, 10, 100].map(|available| quantity(&rule, available, HERE));

        assert_eq!(shown, [0, 0, 2, 3, 20]);
        assert_eq!(
            rule.in_words(HERE),
            "3 kept back, 50 %, none below 2, at most 20"
        );
    }

    #[test]
    fn the_last_units_are_shown_by_one_channel_only() {
        let rule = Rule {
            last: Some((3, HERE)),
            ..Rule::default()
        };

        for (available, here, there) in [(10, 10, 7), (3, 3, 0), (1, 1, 0)] {
            assert_eq!(quantity(&rule, available, HERE), here);
            assert_eq!(quantity(&rule, available, THERE), there);
        }
    }

    #[test]
    fn a_nearer_rule_says_only_what_it_says() {
        let general = Rule {
            buffer: Some(2),
            maximum: Some(9),
            ..Rule::default()
        };
        let near = Rule {
            buffer: Some(0),
            ..Rule::default()
        };

        let rule = near.over(general);

        assert_eq!((rule.buffer, rule.maximum), (Some(0), Some(9)));
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let units = || prop::option::of(0_i64..=MOST_UNITS);
        let small = || prop::option::of(0_i64..30);
        let last = prop::option::of((0_i64..30, 1_i64..4));
        let either = prop_oneof![
            (small(), small(), small()).boxed(),
            (units(), units(), units()).boxed()
        ];
        (prop::option::of(0_i64..=100), either, last).prop_map(
            |(percentage, (buffer, minimum, maximum), last)| Rule {
                percentage,
                buffer,
                minimum,
                maximum,
                last: last.map(|(units, channel)| (units, ChannelId(channel))),
            },
        )
    }

    proptest! {
        #[test]
        fn never_more_than_available_and_never_less_than_none(rule in any_rule(), available in any::<i64>()) {
            let shown = quantity(&rule, available, HERE);

            prop_assert!(shown >= 0);
            prop_assert!(shown <= available.max(0));
        }

        #[test]
        fn more_available_never_shows_less(rule in any_rule(), a in -50_i64..200, more in 0_i64..200) {
            prop_assert!(quantity(&rule, a, HERE) <= quantity(&rule, a + more, HERE));
        }

        #[test]
        fn a_plain_rule_counts_down_as_the_marketplace_does(
            any in any_rule(), available in 0_i64..200, sold in 0_i64..200,
        ) {
            let rule = Rule { percentage: None, minimum: None, maximum: None, ..any };
            let shown = quantity(&rule, available, HERE);
            let sold = sold % (shown + 1);

            prop_assert!(rule.is_plain());
            prop_assert_eq!(quantity(&rule, available - sold, HERE), shown - sold);
        }
    }
}
