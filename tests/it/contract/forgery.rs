//! Webhooks that are not genuine, in every way that has been thought of.

use super::fixture;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use marketsink::marketplaces::{Rejected, WebhookKeys};

#[test]
fn one_flipped_bit_anywhere_in_the_body_is_refused() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            let keys = fixture.keys();
            for index in 0..fixture.body.len() {
                let mut body = fixture.body.clone().into_bytes();
                body[index] ^= 1 << (index % 8);

                let verdict = marketplace.verify(fixture.with_body(body), &keys);

                let name = &fixture.name;
                assert_eq!(
                    verdict.err(),
                    Some(Rejected::BadSignature),
                    "{name} {index}"
                );
            }
        }
    }
}

#[test]
fn a_longer_or_a_shorter_body_is_refused() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            let body = fixture.body.as_bytes();
            let changed = [
                body[1..].to_vec(),
                body[..body.len() - 1].to_vec(),
                [body, b" "].concat(),
                [body, b"\n"].concat(),
                [b"\xEF\xBB\xBF", body].concat(),
                Vec::new(),
            ];

            for body in changed {
                let verdict = marketplace.verify(fixture.with_body(body), &fixture.keys());
                assert!(verdict.is_err(), "{}", fixture.name);
            }
        }
    }
}

#[test]
fn one_flipped_bit_anywhere_in_the_signature_is_refused() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            for (header, value) in fixture.signature_headers(marketplace) {
                for bit in 0..value.len() * 8 {
                    let mut bytes = value.clone().into_bytes();
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    let changed = String::from_utf8_lossy(&bytes).into_owned();
                    let is_same = fixture.is_same_signature(&value, &changed);

                    let raw = fixture.with_header(&header, &[changed]);
                    let verdict = marketplace.verify(raw, &fixture.keys());

                    assert_eq!(
                        verdict.is_ok(),
                        is_same,
                        "{} {header} bit {bit}",
                        fixture.name
                    );
                }
            }
        }
    }
}

#[test]
fn another_secret_or_none_is_refused() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            let with = |app_key: &str, secret: &str| {
                let keys = WebhookKeys::one(app_key, secret).at(&fixture.address);
                marketplace.verify(fixture.raw(), &keys).err()
            };
            let longer = format!("{}x", fixture.secret);
            let shorter = &fixture.secret[1..];

            let bad = Some(Rejected::BadSignature);
            assert_eq!(with(&fixture.app_key, &longer), bad, "{}", fixture.name);
            assert_eq!(with(&fixture.app_key, shorter), bad, "{}", fixture.name);
            assert_eq!(with(&fixture.app_key, ""), bad, "{}", fixture.name);
            if !fixture.app_key.is_empty() {
                assert_eq!(with("another", &fixture.secret), bad, "{}", fixture.name);
            }
            let no_key = marketplace.verify(fixture.raw(), &WebhookKeys::default());
            assert_eq!(no_key.err(), Some(Rejected::NoKey), "{}", fixture.name);
        }
    }
}

#[test]
fn a_signature_that_is_missing_or_comes_twice_is_refused() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            for (header, value) in fixture.signature_headers(marketplace) {
                let other = "0".repeat(value.len());
                let cases = [
                    vec![],
                    vec![value.clone(), value.clone()],
                    vec![value.clone(), other.clone()],
                    vec![other, value],
                ];

                for values in cases {
                    let raw = fixture.with_header(&header, &values);
                    let verdict = marketplace.verify(raw, &fixture.keys());
                    assert_eq!(
                        verdict.err(),
                        Some(Rejected::NoSignature),
                        "{}",
                        fixture.name
                    );
                }
            }
        }
    }
}

#[test]
fn a_signature_that_is_written_otherwise_is_refused() {
    for (marketplace, fixtures) in fixture::every() {
        for fixture in fixtures {
            for (header, value) in fixture.signature_headers(marketplace) {
                let (mark, digest) = digest_of(&value);
                let written = [
                    hex::encode(&digest),
                    format!("{mark}{}", hex::encode(&digest)),
                    format!("{mark}{}", hex::encode_upper(&digest)),
                    STANDARD.encode(&digest),
                    format!("{mark}{}", STANDARD.encode(&digest)),
                    format!("{mark}{}", STANDARD_NO_PAD.encode(&digest)),
                    format!("sha256={value}"),
                    format!("Bearer {value}"),
                    format!(" {value}"),
                    format!("{value} "),
                    format!("{value},{value}"),
                    String::new(),
                    "x".repeat(10_240),
                    value.repeat(10_240 / value.len()),
                ];

                for other in written.into_iter().filter(|other| *other != value) {
                    let raw = fixture.with_header(&header, std::slice::from_ref(&other));
                    let verdict = marketplace.verify(raw, &fixture.keys());
                    let shown: String = other.chars().take(80).collect();
                    let is_same = fixture.is_same_signature(&value, &other);
                    assert_eq!(verdict.is_ok(), is_same, "{}: {shown}", fixture.name);
                }
                let url_safe = format!("{mark}{}", URL_SAFE.encode(&digest));
                if url_safe != value {
                    let raw = fixture.with_header(&header, &[url_safe]);
                    let verdict = marketplace.verify(raw, &fixture.keys());
                    assert!(verdict.is_err(), "{}", fixture.name);
                }
            }
        }
    }
}

/// What stands before the digest of a signature, such as `v1,`, and the digest. Of a signed id or time, its bytes.
fn digest_of(value: &str) -> (&str, Vec<u8>) {
    let (mark, text) = value.split_at(value.find(',').map_or(0, |at| at + 1));
    let digest = hex::decode(text).or_else(|_| STANDARD.decode(text));
    (mark, digest.unwrap_or_else(|_| text.as_bytes().to_vec()))
}

#[test]
fn json_that_was_read_and_printed_again_is_refused() {
    for (marketplace, fixtures) in fixture::every() {
        let mut n_changed = 0;
        for fixture in fixtures {
            let Ok(value) = serde_json::from_str::<serde_json::Value>(&fixture.body) else {
                continue;
            };
            for printed in [
                serde_json::to_vec(&value).unwrap(),
                serde_json::to_vec_pretty(&value).unwrap(),
            ] {
                if printed != fixture.body.as_bytes() {
                    n_changed += 1;
                    let raw = fixture.with_body(printed);
                    let verdict = marketplace.verify(raw, &fixture.keys());
                    assert_eq!(
                        verdict.err(),
                        Some(Rejected::BadSignature),
                        "{}",
                        fixture.name
                    );
                }
            }
        }
        assert!(n_changed > 0, "no fixture of {}", marketplace.slug());
    }
}
