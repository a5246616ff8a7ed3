//! What a marketplace changed about an order after it was booked, in words: the history explains every unit and every
//! minor unit. Pure.

use super::{BookedLine, worth::Worth};
use crate::domain::Money;
use std::collections::HashMap;

/// What differs, such as `MUG: 3 units, now 1; total 30.00 USD, now 10.00 USD`; `None` when nothing does.
///
/// `names` are what people know the lines by. Prices of lines and units that are returned are not part of it.
pub fn between(
    before: (&[BookedLine], &Worth),
    after: (&[BookedLine], &Worth),
    names: &HashMap<&str, String>,
) -> Option<String> {
    let name = |id: &str| names.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let mut told = Vec::new();
    for line in after.0 {
        let held = before
            .0
            .iter()
            .find(|held| held.remote_id == line.remote_id);
        let (is, was) = (line.quantity - line.cancelled, held.map(open));
        match was {
            None => told.push(format!("{}: {is} units added", name(&line.remote_id))),
            Some(was) if was != is => {
                told.push(format!("{}: {was} units, now {is}", name(&line.remote_id)));
            }
            Some(_) => {}
        }
    }
    let money = |worth: &Worth| Money {
        minor: worth.total,
        currency: worth.currency,
    };
    let (was, is) = (money(before.1), money(after.1));
    if was != is {
        told.push(format!("total {was}, now {is}"));
    }
    (!told.is_empty()).then(|| told.join("; "))
}

fn open(line: &BookedLine) -> i64 {
    line.quantity - line.cancelled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;

    fn line(id: &str, quantity: i64, cancelled: i64) -> BookedLine {
        BookedLine {
            remote_id: id.to_owned(),
            quantity,
            cancelled,
            ..BookedLine::default()
        }
    }

    fn worth(minor: i64) -> Worth {
        let currency = Currency::from_code("USD").unwrap();
        Worth::of(Money { minor, currency })
    }

    #[test]
    fn every_unit_and_every_cent_that_changed_is_told() {
        let names = HashMap::from([("1", "MUG".to_owned())]);
        let before = [line("1", 3, 0), line("2", 1, 0)];
        let after = [line("1", 3, 2), line("2", 1, 1), line("3", 4, 0)];

        let told = between((&before, &worth(3_000)), (&after, &worth(1_000)), &names);

        assert_eq!(
            told.as_deref(),
            Some(
                "MUG: 3 units, now 1; 2: 1 units, now 0; 3: 4 units added; total 30.00 USD, now 10.00 USD"
            )
        );
        assert_eq!(
            between((&before, &worth(1)), (&before, &worth(1)), &names),
            None
        );
    }
}
