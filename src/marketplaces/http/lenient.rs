//! Reading JSON that other people's plugins have touched.
//!
//! Fields change their type, names carry HTML entities, and warnings are printed before the answer. These
//! readers take every spelling that is exact, and nothing that has to be guessed.

use crate::domain::{RemoteId, Timestamp};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::Value;
use std::time::Duration;

/// Places in an answer at which JSON is looked for before it is given up.
const MOST_TRIES: usize = 64;

/// The JSON object or list with which a body ends, whatever warnings stand before it.
///
/// It must begin the body, a line, or follow a tag: a list inside an answer that was cut off is not taken
/// for the answer.
pub fn json_of(body: &[u8]) -> Option<Value> {
    let starts = body.iter().enumerate().filter(|(at, byte)| {
        let before = body[..*at].last();
        matches!(byte, b'{' | b'[') && matches!(before, None | Some(b'\n' | b'>'))
    });
    starts
        .take(MOST_TRIES)
        .find_map(|(at, _)| serde_json::from_slice(&body[at..]).ok())
}

/// A text that is not blank.
pub fn text<'v>(row: &'v Value, name: &str) -> Option<&'v str> {
    let text = row.get(name)?.as_str()?;
    (!text.trim().is_empty()).then_some(text)
}

/// An id above zero, written as a number or as text.
pub fn id(row: &Value, name: &str) -> Option<u64> {
    let id = match row.get(name)? {
        Value::String(text) => text.parse().ok()?,
        other => other.as_u64()?,
    };
    (id > 0).then_some(id)
}

/// A whole number, however it is written: `2`, `2.0`, `"2"`.
pub fn whole(value: &Value) -> Option<i64> {
    if let Value::String(text) = value {
        let number: Value = serde_json::from_str(text.trim()).ok()?;
        return number.is_number().then(|| whole(&number))?;
    }
    value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
    })
}

/// The number of rows that a list says it has.
pub fn count(answer: &Value, name: &str) -> Option<u64> {
    u64::try_from(whole(answer.get(name)?)?).ok()
}

/// The rows of a list; none where it is missing.
pub fn rows(answer: &Value, name: &str) -> Vec<Value> {
    let rows = answer.get(name).and_then(Value::as_array);
    rows.cloned().unwrap_or_default()
}

/// Rows as what they mean; those that cannot be read stand aside, with the reason, under the id in `name`.
pub fn readable<T>(
    rows: Vec<Value>,
    name: &str,
    read: impl Fn(&Value) -> Result<T, String>,
) -> (Vec<T>, Vec<(RemoteId, String)>) {
    let (mut items, mut misfits) = (Vec::new(), Vec::new());
    for row in rows {
        match read(&row) {
            Ok(item) => items.push(item),
            Err(why) => misfits.push((id(&row, name).unwrap_or(0).into(), why)),
        }
    }
    (items, misfits)
}

/// Numbers above are milliseconds: as seconds they would lie beyond the year 5138.
const LATEST_SECOND: i64 = 100_000_000_000;

/// An instant in whole seconds or milliseconds since 1970, told apart by its size; `None` for what is no time.
pub fn instant(value: &Value) -> Option<Timestamp> {
    let number = whole(value).filter(|number| *number > 0)?;
    Some(if number > LATEST_SECOND {
        Timestamp::from_millis(number)
    } else {
        Timestamp::from_secs(number)
    })
}

/// `2026-10-21 10:15:00 +0800`, `2026-10-21T10:15:00+08:00`, or an [`instant`]. A date without a zone is none.
pub fn time(row: &Value, name: &str) -> Option<Timestamp> {
    let value = row.get(name)?;
    let text = value.as_str().unwrap_or_default().trim();
    let formats = ["%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
    let dated = formats.iter().find_map(|format| {
        let at = DateTime::parse_from_str(text, format).ok()?;
        Some(Timestamp::from(at.to_utc()))
    });
    dated.or_else(|| instant(value))
}

/// An instant that is written in local time without a zone; a day without a time is its start or, with
/// `is_end`, its end. `utc_hours`: how far local time is ahead.
pub fn local_time(text: &str, utc_hours: i64, is_end: bool) -> Option<Timestamp> {
    let text = text.trim();
    let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d%H:%M"];
    let timed = formats
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let of_day = || {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        let day = day.checked_add_days(Days::new(u64::from(is_end)))?;
        day.and_hms_opt(0, 0, 0)
    };
    let ahead = TimeDelta::try_hours(utc_hours)?;
    let local = timed.or_else(of_day)?;
    Some(local.checked_sub_signed(ahead)?.and_utc().into())
}

/// The wait in a text such as `This ban will last 3 more seconds`.
pub fn stated_wait(message: &str) -> Option<Duration> {
    let words: Vec<&str> = message.split_whitespace().collect();
    (0..words.len()).find_map(|at| {
        let mut next = words[at + 1..].iter().take(2);
        let is_wait = next.any(|word| word.starts_with("second"));
        let seconds = words[at].parse().ok().filter(|_| is_wait)?;
        Some(Duration::from_secs(seconds))
    })
}

/// `text` with the entities that `character` knows (named without `&` and `;`) replaced, once.
pub fn without_entities(text: &str, character: impl Fn(&str) -> Option<char>) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let entity = rest.split_once(';');
        match entity.and_then(|(name, after)| Some((character(name)?, after))) {
            Some((character, after)) => {
                decoded.push(character);
                rest = after;
            }
            None => decoded.push('&'),
        }
    }
    decoded + rest
}

/// `Teh &amp; Jamu` as people read it.
pub fn plain(text: &str) -> String {
    without_entities(text, |entity| {
        let number = match entity {
            "amp" => return Some('&'),
            "lt" => return Some('<'),
            "gt" => return Some('>'),
            "quot" => return Some('"'),
            "apos" => return Some('\''),
            "nbsp" => return Some(' '),
            "ndash" => return Some('\u{2013}'),
            "mdash" => return Some('\u{2014}'),
            other => other.strip_prefix('#')?,
        };
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        char::from_u32(code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn json_is_found_behind_warnings_and_not_in_pages() {
        let warned = b"<br />\n<b>Warning</b>: Undefined array key [x] in {y}\n[{\"id\":1}]";

        assert_eq!(json_of(warned), Some(json!([{"id": 1}])));
        assert_eq!(json_of(b"[{\"id\":1,\"lines\":[]"), None);
        assert_eq!(json_of(b"<html><style>a{b:c}</style></html>"), None);
    }

    #[test]
    fn whole_numbers_are_taken_in_every_spelling_and_fractions_in_none() {
        let read = [
            json!(2),
            json!(2.0),
            json!("2"),
            json!("2.00"),
            json!(2.5),
            json!("two"),
        ];

        let units: Vec<_> = read.iter().map(whole).collect();

        assert_eq!(units, [Some(2), Some(2), Some(2), Some(2), None, None]);
    }

    #[test]
    fn times_are_taken_in_every_spelling_that_has_a_zone() {
        let at = Timestamp::from_secs(1_792_548_900);
        let row = json!({
            "spaced": "2026-10-21 10:15:00 +0800", "iso": "2026-10-21T10:15:00+08:00",
            "bare": "2026-10-21T10:15:00+0800", "utc": "2026-10-21T02:15:00Z",
            "seconds": 1_792_548_900, "millis": "1792548900000",
            "zoneless": "2026-10-21 10:15:00", "none": "", "zero": 0, "list": [],
        });

        for name in ["spaced", "iso", "bare", "utc", "seconds", "millis"] {
            assert_eq!(time(&row, name), Some(at), "{name}");
        }
        for name in ["zoneless", "none", "zero", "list", "missing"] {
            assert_eq!(time(&row, name), None, "{name}");
        }
    }

    #[test]
    fn a_local_day_begins_and_ends_where_it_is_lived() {
        let at = |text, is_end| local_time(text, 8, is_end).map(|at| at.to_string());
        let is = |text: &str| Some(text.to_owned());

        assert_eq!(at("2026-11-01", false), is("2026-10-31T16:00:00Z"));
        assert_eq!(at("2026-11-01", true), is("2026-11-01T16:00:00Z"));
        assert_eq!(at("2026-11-01 09:30", true), is("2026-11-01T01:30:00Z"));
        assert_eq!(at("2026-11-0109:30", false), is("2026-11-01T01:30:00Z"));
        assert_eq!(at("01/11/2026", false), None);
    }

    #[test]
    fn a_wait_is_found_in_a_text_that_states_one() {
        let wait = |text| stated_wait(text).map(|wait| wait.as_secs());

        assert_eq!(wait("Too fast. This ban will last 7 more seconds"), Some(7));
        assert_eq!(wait("Try again in 30 seconds."), Some(30));
        assert_eq!(wait("Limit of 5 calls reached"), None);
        assert_eq!(wait("99999999999999999999 seconds"), None);
    }

    #[test]
    fn entities_are_decoded_once() {
        assert_eq!(
            plain("Teh &amp; Jamu &#8211; &lt;1kg&gt;"),
            "Teh & Jamu \u{2013} <1kg>"
        );
        assert_eq!(plain("a &amp;lt; b & c; &"), "a &lt; b & c; &");
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in ".{0,60}", bytes: Vec<u8>) {
            let _ = (plain(&text), json_of(&bytes), stated_wait(&text));
            let row = json!({"it": text});
            let _ = (whole(&row["it"]), time(&row, "it"), local_time(&text, 8, true));
        }
    }
}
