//! Reading JSON that other people's plugins have touched.
//!
//! Fields change their type, names carry HTML entities, and warnings are printed before the answer. These
//! readers take every spelling that is exact, and nothing that has to be guessed.

use serde_json::Value;

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
            let _ = (plain(&text), json_of(&bytes), whole(&Value::String(text.clone())));
        }
    }
}
