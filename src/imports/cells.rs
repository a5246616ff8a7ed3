//! What people and spreadsheets write into cells, read without guessing more than is safe. Pure.

use crate::domain::{Currency, Day, Money, Timestamp};
use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;
use std::fmt::Write;

/// The sign before decimals, where a number could be read either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Point,
    Comma,
}

/// A code, a number of an invoice, a name: as it was meant before a spreadsheet had it.
///
/// # Errors
/// When the spreadsheet has lost digits: `1.23E+15`.
pub fn identity(cell: &str) -> Result<String, String> {
    let text = cell.trim_matches(is_blank);
    // Spreadsheets are told by ="00123" to leave the zeros.
    let text = text
        .strip_prefix("=\"")
        .and_then(|inside| inside.strip_suffix('"'))
        .unwrap_or(text);
    // What our own files put before what would be calculated.
    let text = match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@']) => rest,
        _ => text,
    };
    if is_shortened(text) {
        return Err(
            "a spreadsheet has shortened it; format the column as text and fill it in again"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{200e}' | '\u{200f}')
}

/// `1.23E+15`, `5,769E+17`
fn is_shortened(text: &str) -> bool {
    let Some((digits, power)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mantissa: Vec<&str> = digits.split(['.', ',']).collect();
    power.strip_prefix('+').is_some_and(is_number)
        && mantissa.len() <= 2
        && mantissa.iter().all(|part| is_number(part))
}

/// A number without separators of thousands and with a point: `1.234,50` is `1234.50`. `None`: it is no number, or its
/// separators contradict each other.
pub fn plain_number(cell: &str, mark: Mark) -> Option<String> {
    let text: String = cell.chars().filter(|c| !is_blank(*c)).collect();
    let text = text.strip_prefix('\'').unwrap_or(&text);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    if !digits.chars().all(is_part) || !digits.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (whole, decimals) = match decimal_at(digits, mark) {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, ""),
    };
    if decimals.contains(['.', ',']) {
        return None;
    }
    let mut plain = format!("{sign}{}", ungrouped(whole)?);
    if !decimals.is_empty() {
        let _ = write!(plain, ".{decimals}");
    }
    Some(plain)
}

/// Where the decimals begin, if there are any.
fn decimal_at(digits: &str, mark: Mark) -> Option<usize> {
    let last = digits.rfind(['.', ','])?;
    let separator = digits.as_bytes()[last];
    let n_same = digits.bytes().filter(|byte| *byte == separator).count();
    let has_other = digits
        .bytes()
        .any(|b| matches!(b, b'.' | b',') && b != separator);
    if has_other {
        return Some(last);
    }
    if n_same > 1 {
        return None;
    }
    let (before, after) = (&digits[..last], &digits[last + 1..]);
    let may_be_thousands = after.len() == 3 && (1..=3).contains(&before.len()) && before != "0";
    let is_mark = separator == if mark == Mark::Point { b'.' } else { b',' };
    (!may_be_thousands || is_mark).then_some(last)
}

/// The digits of `1.234.567`; `None` where the groups are not of three.
fn ungrouped(whole: &str) -> Option<String> {
    let groups: Vec<&str> = whole.split(['.', ',']).collect();
    let separators: Vec<char> = whole.chars().filter(|c| !c.is_ascii_digit()).collect();
    let is_grouped = groups.len() == 1
        || (1..=3).contains(&groups[0].len())
            && groups[1..].iter().all(|group| group.len() == 3)
            && separators.windows(2).all(|pair| pair[0] == pair[1]);
    let digits = groups.concat();
    is_grouped.then(|| {
        if digits.is_empty() {
            "0".to_owned()
        } else {
            digits
        }
    })
}

/// Whole units, such as `12`, `12.0` or `1.234`; 0 to a billion.
///
/// # Errors
/// What is wrong with it.
pub fn units(cell: &str, mark: Mark) -> Result<i64, String> {
    let plain = plain_number(cell, mark).ok_or("a whole number was expected, such as 12")?;
    let (whole, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
    if decimals.bytes().any(|digit| digit != b'0') {
        return Err("units are whole".to_owned());
    }
    match whole.parse() {
        Ok(units @ 0..=1_000_000_000) => Ok(units),
        _ => Err("units are 0 to 1000000000".to_owned()),
    }
}

/// An amount that is not negative.
///
/// # Errors
/// What is wrong with it.
pub fn amount(cell: &str, currency: Currency, mark: Mark) -> Result<Money, String> {
    let plain = plain_number(cell, mark)
        .ok_or("an amount was expected, such as 55000 or 19.98, without a currency sign")?;
    // Spreadsheets write 55000.00 where the currency knows no decimals: that is exact.
    let money = Money::parse(&plain, currency).map_err(|error| error.to_string())?;
    if money.minor < 0 {
        return Err("an amount cannot be negative here".to_owned());
    }
    Ok(money)
}

/// A day, or a day and a time, by the merchant's clock. Days come first: `03/04/2026` is the third of April.
///
/// # Errors
/// What is wrong with it.
pub fn date(cell: &str, zone: Tz) -> Result<Timestamp, String> {
    let text = cell.trim_matches(is_blank);
    if let Some(at) = Timestamp::parse(text).filter(|_| text.ends_with('Z') || text.contains('+')) {
        return Ok(at);
    }
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let unread = || "a day was expected, such as 2026-11-22".to_owned();
    let day = calendar_day(day).ok_or_else(unread)?;
    let time = clock_time(time.trim())?;
    match time {
        None => Day::parse(&day.to_string())
            .map(|day| day.begins_at(zone))
            .ok_or_else(unread),
        Some(time) => zone
            .from_local_datetime(&NaiveDateTime::new(day, time))
            .earliest()
            .map(|at| at.to_utc().into())
            .ok_or_else(|| "clocks left this time out".to_owned()),
    }
}

fn calendar_day(text: &str) -> Option<NaiveDate> {
    // Spreadsheets count days from 1899-12-30.
    if let Ok(serial @ 20_000..=80_000) = text.parse::<u64>() {
        return NaiveDate::from_ymd_opt(1899, 12, 30)?.checked_add_days(Days::new(serial));
    }
    ["%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y"]
        .iter()
        .find_map(|format| NaiveDate::parse_from_str(text, format).ok())
        .filter(|day| ("2000-01-01".."2100-01-01").contains(&day.to_string().as_str()))
}

/// The time, where there is one; an error where there is something else.
fn clock_time(text: &str) -> Result<Option<NaiveTime>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    ["%H:%M", "%H:%M:%S", "%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(text, format).ok())
        .map(Some)
        .ok_or_else(|| "a time was expected, such as 10:30".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_with_either_mark_and_ambiguous_ones_by_the_files_own() {
        let read = |text: &str| {
            (
                plain_number(text, Mark::Point),
                plain_number(text, Mark::Comma),
            )
        };
        let same = |text: &str| (Some(text.to_owned()), Some(text.to_owned()));
        let two = |point: &str, comma: &str| (Some(point.to_owned()), Some(comma.to_owned()));

        assert_eq!(read("12"), same("12"));
        assert_eq!(read("12,5"), same("12.5"));
        assert_eq!(read("1.234,50"), same("1234.50"));
        assert_eq!(read("1,234.50"), same("1234.50"));
        assert_eq!(read("1.234.567"), same("1234567"));
        assert_eq!(read("1\u{a0}234,5"), same("1234.5"));
        assert_eq!(read("1234,567"), same("1234.567"));
        assert_eq!(read("0.500"), same("0.500"));
        assert_eq!(read("1.234"), two("1.234", "1234"));
        assert_eq!(read("1,234"), two("1234", "1.234"));
        for wrong in ["", "Rp 5", "1,23,4", "1.2.3,4,5", "-", "1e3", "12,34,567"] {
            assert_eq!(read(wrong), (None, None), "{wrong}");
        }
    }

    #[test]
    fn units_are_whole_and_amounts_are_exact() {
        let idr = Currency::from_code("IDR").unwrap();
        let jpy = Currency::from_code("JPY").unwrap();

        assert_eq!(units("12.0", Mark::Point), Ok(12));
        assert_eq!(units("1.234", Mark::Comma), Ok(1_234));
        assert!(units("1.5", Mark::Point).is_err() && units("-1", Mark::Point).is_err());
        assert_eq!(amount("55.000", idr, Mark::Comma).unwrap().minor, 5_500_000);
        assert_eq!(amount("55000.00", jpy, Mark::Point).unwrap().minor, 55_000);
        assert!(amount("1.5", jpy, Mark::Point).is_err());
        assert!(amount("-1", idr, Mark::Point).is_err());
    }

    #[test]
    fn what_a_spreadsheet_makes_of_codes_is_undone_or_refused() {
        assert_eq!(identity(" MUG-01\u{a0}"), Ok("MUG-01".to_owned()));
        assert_eq!(identity("=\"00123\""), Ok("00123".to_owned()));
        assert_eq!(identity("'=1+1"), Ok("=1+1".to_owned()));
        assert_eq!(identity("'s-mug"), Ok("'s-mug".to_owned()));
        assert_eq!(identity("MUGE+5"), Ok("MUGE+5".to_owned()));
        assert!(identity("5.769E+17").is_err() && identity("5,769e+17").is_err());
    }

    #[test]
    fn days_are_those_of_the_merchants_clock() {
        let jakarta = chrono_tz::Asia::Jakarta;
        let read = |text: &str| date(text, jakarta).map(|at| at.to_string());
        let midnight = Ok("2026-11-21T17:00:00Z".to_owned());

        for text in [
            "2026-11-22",
            "22/11/2026",
            "22-11-2026",
            "22.11.2026",
            "46348",
        ] {
            assert_eq!(read(text), midnight, "{text}");
        }
        assert_eq!(
            read("2026-11-22 10:30"),
            Ok("2026-11-22T03:30:00Z".to_owned())
        );
        assert_eq!(
            read("2026-11-22T10:30:00Z"),
            Ok("2026-11-22T10:30:00Z".to_owned())
        );
        for wrong in [
            "",
            "11/22/2026",
            "yesterday",
            "2026-11-22 25:00",
            "22/11/26",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn reading_any_cell_never_panics(cell in "[0-9.,E+'= \\-a-z]{0,20}") {
            let _ = (plain_number(&cell, Mark::Comma), identity(&cell), date(&cell, Tz::UTC));
        }

        #[test]
        fn an_amount_that_a_spreadsheet_writes_is_read_as_it_was(minor in 0_i64..1_000_000_000_000, comma in any::<bool>()) {
            let idr = Currency::from_code("IDR").unwrap();
            let money = Money { minor, currency: idr };
            let mark = if comma { Mark::Comma } else { Mark::Point };
            let text = money.amount();
            let text = if comma { text.replace('.', ",") } else { text };

            prop_assert_eq!(amount(&text, idr, mark), Ok(money));
        }
    }
}
