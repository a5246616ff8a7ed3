//! The signature of Standard Webhooks, from the sender's side: custom stores are simulated with it, and what happens in
//! the books is told with it.
//!
//! Signed is `{id}.{timestamp}.{body}` with HMAC-SHA256. While a secret is being replaced, the header holds one
//! signature for each secret.
//!
//! Source: Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md),
//! read 2026-11-23.

use crate::domain::Timestamp;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What begins a secret. Source: the specification, signature scheme.
pub const SECRET_PREFIX: &str = "whsec_";

/// A secret made of `random` bytes; the specification asks for 24 to 64.
pub fn secret_of(random: &[u8]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(random))
}

/// Whether it is `whsec_` and base64 of as many bytes as the specification asks for.
pub fn is_secret(text: &str) -> bool {
    let bytes = text
        .strip_prefix(SECRET_PREFIX)
        .and_then(|text| STANDARD.decode(text).ok());
    bytes.is_some_and(|bytes| (24..=64).contains(&bytes.len()))
}

/// The three headers of one try: the id of the message, the time of the try, and a signature for each secret.
pub fn headers(
    secrets: &[&str],
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> [(&'static str, String); 3] {
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| format!("v1,{}", signature(secret, id, at, body)))
        .collect();
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.secs().to_string()),
        ("webhook-signature", signatures.join(" ")),
    ]
}

fn signature(secret: &str, id: &str, at: Timestamp, body: &[u8]) -> String {
    let key = secret
        .strip_prefix(SECRET_PREFIX)
        .and_then(|text| STANDARD.decode(text).ok());
    let key = key.unwrap_or_else(|| secret.as_bytes().to_vec());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{}.", at.secs()).as_bytes());
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: the example that the published libraries are tested with.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let at = Timestamp::from_secs(1_614_265_330);

        let headers = headers(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at,
            br#"{"test": 2432232314}"#,
        );

        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(headers[2], ("webhook-signature", expected.to_owned()));
    }

    #[test]
    fn while_a_secret_is_replaced_both_sign() {
        let at = Timestamp::from_secs(1);
        let [one, two] = [[1; 24], [2; 24]].map(|bytes: [u8; 24]| secret_of(&bytes));
        let of = |secrets: &[&str]| headers(secrets, "1", at, b"{}")[2].1.clone();

        let both = of(&[&one, &two]);

        assert_eq!(both, format!("{} {}", of(&[&one]), of(&[&two])));
    }
}
