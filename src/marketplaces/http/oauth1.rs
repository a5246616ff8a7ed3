//! One-legged OAuth 1.0a with HMAC-SHA256: for shops without TLS, whose keys must not travel in clear.
//!
//! Shops with TLS get the same keys as Basic authorization. There is no token, and the signature goes into the query. Source: RFC 5849, section 3.4; WooCommerce
//! 10.5.2 `class-wc-rest-authentication.php`, which differs in nothing for plain parameters.

use super::Request;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use sha2::Sha256;
use url::Url;

/// What RFC 3986 leaves as it is: letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub type Pairs = Vec<(String, String)>;

/// Percent-encodes as RFC 3986 does.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A query string of decoded pairs.
pub fn query_string(pairs: &[(String, String)]) -> String {
    let pairs = pairs
        .iter()
        .map(|(k, v)| format!("{}={}", encoded(k), encoded(v)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The text that is signed. `url` is without its query; `pairs` are all parameters but the signature.
pub fn base_string(method: &str, url: &str, pairs: &[(String, String)]) -> String {
    let mut written: Pairs = pairs
        .iter()
        .map(|(k, v)| (encoded(k), encoded(v)))
        .collect();
    written.sort();
    let joined: Vec<String> = written.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let joined = encoded(&joined.join("&"));
    format!("{}&{}&{joined}", method.to_ascii_uppercase(), encoded(url))
}

/// The signature of a base string.
pub fn signature(base: &str, consumer_secret: &str) -> String {
    let key = format!("{}&", encoded(consumer_secret));
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(base.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The keys of a shop.
#[derive(Clone, Copy)]
pub struct Consumer<'a> {
    pub key: &'a str,
    pub secret: &'a str,
}

impl std::fmt::Debug for Consumer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Consumer(hidden)")
    }
}

/// 32 random hexadecimal digits; `None` when the system gives no random numbers.
pub fn nonce() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex::encode(bytes))
}

/// `pairs` with the OAuth parameters and the signature. `at_secs` is unix time; `nonce` is used once.
pub fn signed(
    (method, url): (&str, &str),
    pairs: &[(String, String)],
    consumer: Consumer<'_>,
    (nonce, at_secs): (&str, i64),
) -> Pairs {
    let mut all = pairs.to_vec();
    let oauth = [
        ("oauth_consumer_key", consumer.key.to_owned()),
        ("oauth_nonce", nonce.to_owned()),
        ("oauth_signature_method", "HMAC-SHA256".to_owned()),
        ("oauth_timestamp", at_secs.to_string()),
    ];
    all.extend(oauth.map(|(k, v)| (k.to_owned(), v)));
    let signature = signature(&base_string(method, url, &all), consumer.secret);
    all.push(("oauth_signature".to_owned(), signature));
    all
}

/// A request that proves who asks: Basic over TLS, signed without it.
pub fn authorized(
    method: Method,
    mut url: Url,
    query: &[(String, String)],
    consumer: Consumer<'_>,
    once: (&str, i64),
) -> Request {
    let is_private = url.scheme() == "https";
    let query = if is_private {
        query.to_vec()
    } else {
        signed((method.as_str(), url.as_str()), query, consumer, once)
    };
    url.set_query((!query.is_empty()).then_some(&query_string(&query)));
    let request = Request {
        method,
        ..Request::get(url)
    };
    if !is_private {
        return request;
    }
    let basic = STANDARD.encode(format!("{}:{}", consumer.key, consumer.secret));
    request.header("authorization", format!("Basic {basic}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_known_request_gets_its_known_signature() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../fixtures/woocommerce/vectors.json"))
                .unwrap();
        let vector = &vectors["oauth1"];
        let field = |name: &str| vector[name].as_str().unwrap();
        let params = vector["params"].as_object().unwrap();
        let pairs: Pairs = params
            .iter()
            .filter(|(name, _)| !name.starts_with("oauth_"))
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let consumer = Consumer {
            key: field("consumer_key"),
            secret: field("consumer_secret"),
        };
        let at = params["oauth_timestamp"].as_str().unwrap().parse().unwrap();
        let nonce = params["oauth_nonce"].as_str().unwrap();

        let mut signed = signed(
            (field("method"), field("url")),
            &pairs,
            consumer,
            (nonce, at),
        );

        let (name, signature) = signed.pop().unwrap();
        assert_eq!(name, "oauth_signature");
        assert_eq!(signature, field("signature"));
        let base = base_string(field("method"), field("url"), &signed);
        assert_eq!(base, field("string_to_sign"));
    }

    #[test]
    fn list_parameters_are_encoded_twice() {
        let base = base_string("get", "http://a.example/", &[("a[0]".into(), "ü b".into())]);

        assert_eq!(
            base,
            "GET&http%3A%2F%2Fa.example%2F&a%255B0%255D%3D%25C3%25BC%2520b"
        );
    }
}
