//! Bodies that are believed and nonsense all the same.

use super::{Fixture, fixture};
use marketsink::marketplaces::Marketplace;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Reads a believed body twice: nothing may panic, and both readings must agree.
fn read_twice(marketplace: &dyn Marketplace, fixture: &Fixture, body: &[u8]) {
    let delivery = fixture.believed(marketplace, body);
    let read = || {
        (
            marketplace.parse(&delivery),
            marketplace.topic(&delivery),
            marketplace.delivery_key(&delivery),
            marketplace.claimed_channel(delivery.raw()),
            marketplace.handshake(delivery.raw()),
        )
    };

    assert_eq!(read(), read(), "{}", fixture.name);
}

/// A fixture of each marketplace, chosen by `seed`.
fn chosen(seed: usize) -> Vec<(&'static dyn Marketplace, Fixture)> {
    let every = fixture::every().into_iter();
    every
        .map(|(marketplace, mut fixtures)| {
            let index = seed % fixtures.len();
            (marketplace, fixtures.swap_remove(index))
        })
        .collect()
}

/// Values that a field could hold and nobody expects.
fn oddities() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1.5e300),
        json!(""),
        json!("\u{0}\u{202e}"),
        json!("not a number"),
        json!("9".repeat(400)),
        json!([]),
        json!([[[[[[[[null]]]]]]]]),
        json!({}),
        json!({"id": {"id": []}}),
    ]
}

/// JSON pointers to everything in `value`, the whole included.
fn pointers(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut below = |name: String, inner: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        let inner = pointers(inner).into_iter();
        found.extend(inner.map(|rest| format!("/{name}{rest}")));
    };
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                below(index.to_string(), item);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                below(name.clone(), field);
            }
        }
        _ => {}
    }
    found
}

#[test]
fn an_odd_value_in_any_field_is_survived() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            let Ok(value) = serde_json::from_str::<Value>(&fixture.body) else {
                continue;
            };
            let pointers = pointers(&value);
            for (index, odd) in oddities().into_iter().enumerate() {
                // Every field meets some oddity, and every oddity some fields.
                for pointer in pointers.iter().skip(index % 3).step_by(3) {
                    let mut changed = value.clone();
                    *changed.pointer_mut(pointer).unwrap() = odd.clone();
                    read_twice(marketplace, &fixture, changed.to_string().as_bytes());
                }
            }
        }
    }
}

#[test]
fn nesting_without_end_is_survived() {
    for (marketplace, fixture) in chosen(0) {
        for opening in ["[", "{\"data\":", "{\"type\":1,\"data\":"] {
            read_twice(marketplace, &fixture, opening.repeat(20_000).as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_believed_bytes_are_read_without_panic_and_always_alike(
        seed in any::<usize>(),
        body in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        for (marketplace, fixture) in chosen(seed) {
            read_twice(marketplace, &fixture, &body);
        }
    }

    #[test]
    fn a_body_with_a_piece_replaced_is_read_without_panic_and_always_alike(
        seed in any::<usize>(),
        at in any::<prop::sample::Index>(),
        n_removed in 0_usize..40,
        put in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for (marketplace, fixture) in chosen(seed) {
            let mut body = fixture.body.clone().into_bytes();
            let start = at.index(body.len());
            let end = (start + n_removed).min(body.len());
            body.splice(start..end, put.iter().copied());
            read_twice(marketplace, &fixture, &body);
        }
    }

    #[test]
    fn no_header_makes_an_unsigned_request_believed(
        name in prop::sample::select(vec!["authorization", "x-wc-webhook-signature", "x-hub-signature-256"]),
        value in "\\PC{0,90}",
        seed in any::<usize>(),
    ) {
        for (marketplace, fixture) in chosen(seed) {
            let raw = fixture.with_header(name, std::slice::from_ref(&value));
            let mut headers = raw.headers;
            for (signed, _) in fixture.signature_headers(marketplace) {
                headers.retain(|(known, _)| *known != signed || known == name);
            }
            let raw = marketsink::marketplaces::RawDelivery::new(headers, raw.body);
            prop_assert!(marketplace.verify(raw, &fixture.keys()).is_err());
        }
    }
}
