//! A report in one line. Pure.

use super::{Proof, Tally};
use crate::domain::Money;
use entity::completeness;

/// `Rp 5.123.000` for rupiah in whole amounts, `19.98 USD` for all others.
pub fn amount(money: Money) -> String {
    let hundredths = 10_i64.pow(money.currency.exponent());
    if money.currency.code() != "IDR" || money.minor % hundredths != 0 {
        return money.to_string();
    }
    let digits = (money.minor / hundredths).unsigned_abs().to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push('.');
        }
        grouped.push(digit);
    }
    let sign = if money.minor < 0 { "-" } else { "" };
    format!("{sign}Rp {grouped}")
}

/// Amounts of several currencies, which are never added up.
pub fn amounts(of: &[Money]) -> String {
    let words: Vec<String> = of.iter().map(|money| amount(*money)).collect();
    if words.is_empty() {
        "nothing sold".to_owned()
    } else {
        words.join(" + ")
    }
}

/// What a person asks first: are all orders of the day in the books? If not: what is missing, and what to do.
pub fn sentence(report: &completeness::Model) -> String {
    let tally = Tally::of(report);
    let reason = report.reason.as_deref().unwrap_or("no reason is known");
    let matched = format!(
        "{} of {} orders, {}",
        tally.matched,
        tally.theirs,
        amounts(&tally.theirs_value)
    );
    let more = more(&tally);
    match Proof::parse(&report.state) {
        Some(Proof::Complete) => {
            // On a day that is not over the window ends where the look began.
            let is_over = report.window_to < report.looked_at;
            let so_far = if is_over { "" } else { " so far" };
            format!("complete{so_far}: {matched}{}{more}", closed(report))
        }
        Some(Proof::Closing) => format!(
            "being closed: {matched}; {} fetched now, looked at again in a moment{more}",
            gap(&tally)
        ),
        Some(Proof::Incomplete) => {
            format!(
                "not complete: {matched}; {}; {}{more}",
                gap(&tally),
                to_do(&tally)
            )
        }
        Some(Proof::NotProved) | None => format!("not proved: {reason}"),
    }
}

/// What was found and put right.
fn closed(report: &completeness::Model) -> String {
    let before: Option<Tally> = report
        .before_closing
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    before.map_or_else(String::new, |before| {
        format!(" (before: {}; all put right)", gap(&before))
    })
}

fn gap(tally: &Tally) -> String {
    let parts = [
        (tally.missing, "missing"),
        (tally.wrong_status, "with another status"),
        (tally.different_total, "with another total"),
        (tally.only_in_books, "only in the books"),
        (tally.unreadable, "that cannot be read"),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    words.join(", ")
}

fn to_do(tally: &Tally) -> &'static str {
    if tally.missing + tally.wrong_status + tally.different_total + tally.unreadable > 0 {
        "look at the reasons with `marketsink completeness show`, and run it again"
    } else {
        "the marketplace deleted what only the books hold: decide by hand whether to void it"
    }
}

fn more(tally: &Tally) -> String {
    let parts = [
        (tally.explained, "more are explained"),
        (tally.noted, "with a note"),
    ];
    let told = parts.iter().filter(|(n, _)| *n > 0);
    let words: Vec<String> = told.map(|(n, what)| format!("; {n} {what}")).collect();
    words.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;

    fn money(minor: i64, code: &str) -> Money {
        let currency = Currency::from_code(code).unwrap();
        Money { minor, currency }
    }

    #[test]
    fn rupiah_are_written_as_people_write_them() {
        assert_eq!(amount(money(512_300_000, "IDR")), "Rp 5.123.000");
        assert_eq!(amount(money(100, "IDR")), "Rp 1");
        assert_eq!(amount(money(-100_000, "IDR")), "-Rp 1.000");
        assert_eq!(amount(money(150, "IDR")), "1.50 IDR");
        assert_eq!(amount(money(1_998, "USD")), "19.98 USD");
    }

    #[test]
    fn currencies_are_not_added_up() {
        let both = [money(100_000, "IDR"), money(1_998, "USD")];

        assert_eq!(amounts(&both), "Rp 1.000 + 19.98 USD");
    }
}
