//! What a WordPress site does on the wire, whatever runs on it: keys, lists, dates, errors, escapes.
//!
//! The site's own time is UTC+7, so that mistakes with time zones show. Date filters are exclusive, have a
//! grain of a second, and `dates_are_gmt` together with a zone goes wrong as it does on a real site.
//!
//! Source: WordPress 6.9.1 `class-wp-date-query.php`, WooCommerce 10.5.2
//! `class-wc-rest-authentication.php`, and a running site, read 2026-11-23.

pub mod objects;

use super::{Shop, SimRequest, SimResponse};
use crate::domain::Timestamp;
use crate::marketplaces::http::oauth1::{self, Pairs};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// How far the site's clock on the wall is ahead of UTC.
const SITE_OFFSET: Duration = Duration::from_secs(7 * 3_600);
/// Seconds that a signed timestamp may be off, and that a nonce is remembered.
const OAUTH_WINDOW: u64 = 15 * 60;

/// Set in a shop's memory once its keys were withdrawn.
pub const REVOKED: &str = "revoked";

type Refusal = SimResponse;

pub fn error(status: u16, code: &str, message: &str) -> Refusal {
    SimResponse::json(
        status,
        &json!({ "code": code, "message": message, "data": { "status": status } }),
    )
}

fn invalid(parameter: &str) -> Refusal {
    let message = format!("Invalid parameter(s): {parameter}");
    error(400, "rest_invalid_param", &message)
}

/// JSON as PHP writes it: `/` as `\/`, and nothing beyond ASCII.
pub fn php_json(value: &Value) -> String {
    let mut written = String::new();
    for character in value.to_string().chars() {
        match character {
            '/' => written.push_str("\\/"),
            '\0'..='\u{7f}' => written.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(written, "\\u{unit:04x}").expect("a string takes everything");
                }
            }
        }
    }
    written
}

/// UTC, without a zone.
pub fn gmt(at: Timestamp) -> String {
    at.to_utc().format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The site's time, without a zone.
pub fn local(at: Timestamp) -> String {
    gmt(at + SITE_OFFSET)
}

/// The site's address and the rest of the path, below `wp-json`.
pub fn route(request: &SimRequest) -> Option<(String, Vec<String>)> {
    let (site, rest) = request.path.split_once("/wp-json")?;
    let segments = rest.split('/').filter(|part| !part.is_empty());
    let site = site.strip_suffix("/index.php").unwrap_or(site);
    Some((
        format!("{}{site}", request.origin),
        segments.map(str::to_owned).collect(),
    ))
}

/// Checks the keys: Basic over TLS, OAuth 1.0a otherwise.
pub fn admit(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Result<(), Refusal> {
    let is_private = request.origin.starts_with("https://");
    let Some((key, secret)) = basic(request).filter(|_| is_private) else {
        return admit_signed(shop, request, now);
    };
    if !is_key(shop, &key) {
        // An unknown key is nobody's, and nobody may look.
        return Err(nobody());
    }
    if shop.secrets.get("consumer_secret") != Some(&secret) {
        return Err(unauthentic("Consumer secret is invalid."));
    }
    Ok(())
}

fn is_key(shop: &Shop, key: &str) -> bool {
    !shop.memory.contains_key(REVOKED) && shop.secrets.get("consumer_key") == Some(key)
}

fn nobody() -> Refusal {
    let message = "Sorry, you cannot list resources.";
    error(401, "woocommerce_rest_cannot_view", message)
}

fn unauthentic(message: &str) -> Refusal {
    error(401, "woocommerce_rest_authentication_error", message)
}

fn basic(request: &SimRequest) -> Option<(String, String)> {
    let in_query = request
        .param("consumer_key")
        .zip(request.param("consumer_secret"));
    if let Some((key, secret)) = in_query {
        return Some((key.to_owned(), secret.to_owned()));
    }
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (key, secret) = pair.split_once(':')?;
    Some((key.to_owned(), secret.to_owned()))
}

fn admit_signed(shop: &mut Shop, request: &SimRequest, now: Timestamp) -> Result<(), Refusal> {
    const NAMES: [&str; 5] = [
        "oauth_consumer_key",
        "oauth_timestamp",
        "oauth_nonce",
        "oauth_signature_method",
        "oauth_signature",
    ];
    let given = NAMES.map(|name| request.param(name));
    if given.iter().all(Option::is_none) {
        return Err(nobody());
    }
    let [
        Some(key),
        Some(at),
        Some(nonce),
        Some(method),
        Some(signature),
    ] = given
    else {
        let message = "Missing OAuth parameter";
        return Err(error(
            401,
            "woocommerce_rest_authentication_missing_parameter",
            message,
        ));
    };
    if !is_key(shop, key) {
        return Err(unauthentic("Consumer key is invalid."));
    }
    if method != "HMAC-SHA256" {
        return Err(unauthentic(
            "Invalid signature - signature method is invalid.",
        ));
    }
    // Of a name that was sent more than once PHP keeps the last; one published client sends its own twice.
    let kept: BTreeMap<&str, &str> = request
        .query
        .iter()
        .filter(|(name, _)| name != "oauth_signature")
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let pairs: Pairs = kept
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let url = format!("{}{}", request.origin, request.path);
    let base = oauth1::base_string(&request.method, &url, &pairs);
    let secret = shop.secrets.get("consumer_secret").unwrap_or_default();
    if oauth1::signature(&base, secret) != signature {
        return Err(unauthentic(
            "Invalid signature - provided signature does not match.",
        ));
    }
    let is_near = |at: &i64| at.abs_diff(now.secs()) <= OAUTH_WINDOW;
    let Some(at) = at.parse::<i64>().ok().filter(is_near) else {
        return Err(unauthentic("Invalid timestamp."));
    };
    remember_nonce(shop, nonce, at, now)
}

/// Keeps one nonce per second, as the real one does.
fn remember_nonce(shop: &mut Shop, nonce: &str, at: i64, now: Timestamp) -> Result<(), Refusal> {
    const PREFIX: &str = "nonce:";
    shop.memory.retain(|name, _| {
        let second = name
            .strip_prefix(PREFIX)
            .and_then(|at| at.parse::<i64>().ok());
        second.is_none_or(|second| second.abs_diff(now.secs()) <= OAUTH_WINDOW)
    });
    let mut nonces = shop
        .memory
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX));
    if nonces.any(|(_, used)| used == nonce) {
        return Err(unauthentic("Invalid nonce - nonce has already been used."));
    }
    shop.memory
        .insert(format!("{PREFIX}{at}"), nonce.to_owned());
    Ok(())
}

/// One row of a list, before it is filtered, sorted and cut.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: u64,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    pub json: Value,
}

/// Answers a list request over `rows`, which the caller has filtered by everything but dates and ids.
pub fn list(request: &SimRequest, mut rows: Vec<Row>) -> Result<SimResponse, Refusal> {
    let number = |name: &'static str, default: usize, largest: usize| match request.param(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| *n <= largest)
            .ok_or_else(|| invalid(name)),
    };
    let size = number("per_page", 10, 100)?.max(1);
    let page = number("page", 1, usize::MAX)?.max(1);
    let skip = number("offset", (page - 1).saturating_mul(size), usize::MAX)?;
    filter_by_date(request, &mut rows)?;
    for (name, keep) in [("include", true), ("exclude", false)] {
        if let Some(ids) = request.param(name) {
            let ids: Vec<u64> = ids.split(',').filter_map(|id| id.parse().ok()).collect();
            rows.retain(|row| ids.contains(&row.id) == keep);
        }
    }
    match request.param("orderby").unwrap_or("date") {
        "date" => rows.sort_by_key(|row| (row.created_at.secs(), row.id)),
        "modified" => rows.sort_by_key(|row| (row.modified_at.secs(), row.id)),
        "id" | "include" => rows.sort_by_key(|row| row.id),
        _ => return Err(invalid("orderby")),
    }
    if request.param("order").unwrap_or("desc") == "desc" {
        rows.reverse();
    }
    let (total, pages) = (rows.len(), rows.len().div_ceil(size));
    let shown = rows.into_iter().skip(skip).take(size);
    let shown: Vec<Value> = shown.map(|row| only_fields(request, row.json)).collect();
    let answer = SimResponse::json(200, &Value::Array(shown))
        .header("x-wp-total", total.to_string())
        .header("x-wp-totalpages", pages.to_string());
    // As on the real site, OAuth parameters are repeated, and worthless.
    let link = |page: usize, rel: &str| {
        let others = request.query.iter().filter(|(name, _)| name != "page");
        let mut query: Pairs = others.cloned().collect();
        query.push(("page".to_owned(), page.to_string()));
        let query = oauth1::query_string(&query);
        format!(
            "<{}{}?{query}>; rel=\"{rel}\"",
            request.origin, request.path
        )
    };
    let links = [
        (page > 1).then(|| link(page - 1, "prev")),
        (page < pages).then(|| link(page + 1, "next")),
    ];
    let links: Vec<String> = links.into_iter().flatten().collect();
    Ok(if links.is_empty() {
        answer
    } else {
        answer.header("link", links.join(", "))
    })
}

fn filter_by_date(request: &SimRequest, rows: &mut Vec<Row>) -> Result<(), Refusal> {
    let in_gmt = request.param("dates_are_gmt") == Some("true");
    for name in ["after", "before", "modified_after", "modified_before"] {
        let Some(text) = request.param(name) else {
            continue;
        };
        let at = Timestamp::parse(text).ok_or_else(|| invalid(name))?;
        let has_zone = chrono::DateTime::parse_from_rfc3339(text).is_ok();
        let at = match (in_gmt, has_zone) {
            (true, false) | (false, true) => at,
            // Turned into the site's time, and then compared with UTC.
            (true, true) => at + SITE_OFFSET,
            (false, false) => at - SITE_OFFSET,
        };
        rows.retain(|row| {
            let its = if name.starts_with("modified") {
                row.modified_at
            } else {
                row.created_at
            };
            if name.ends_with("after") {
                its.secs() > at.secs()
            } else {
                its.secs() < at.secs()
            }
        });
    }
    Ok(())
}

/// What `_fields` leaves of an object.
pub fn only_fields(request: &SimRequest, mut object: Value) -> Value {
    if let (Some(fields), Value::Object(map)) = (request.param("_fields"), &mut object) {
        let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
        map.retain(|name, _| fields.contains(&name.as_str()));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;
    use crate::marketplaces::http::oauth1::Consumer;

    const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);

    fn request(origin: &str, query: &[(&str, &str)]) -> SimRequest {
        let query = query
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        SimRequest {
            method: "GET".to_owned(),
            origin: origin.to_owned(),
            path: "/wp-json/wc/v3/orders".to_owned(),
            query: query.collect(),
            headers: vec![],
            body: bytes::Bytes::new(),
        }
    }

    #[test]
    fn a_signed_request_is_admitted_once_and_in_time() {
        let mut shop = Shop::new("1".into(), "x", Currency::from_code("IDR").unwrap(), 1);
        shop.secrets.set("consumer_key", "ck_1");
        shop.secrets.set("consumer_secret", "cs_1");
        let mut ask = |origin: &str, secret: &str, nonce: &str, at: Timestamp| {
            let mut asked = request(origin, &[]);
            let url = format!("{origin}{}", asked.path).parse().unwrap();
            let consumer = Consumer {
                key: "ck_1",
                secret,
            };
            let sent =
                oauth1::authorized(reqwest::Method::GET, url, &[], consumer, (nonce, at.secs()));
            asked.query = sent.url.query_pairs().into_owned().collect();
            asked.headers = sent
                .headers
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect();
            admit(&mut shop, &asked, NOW).is_ok()
        };
        let late = NOW - Duration::from_secs(OAUTH_WINDOW + 1);

        assert!(ask("http://a.example", "cs_1", "a", NOW));
        assert!(!ask("http://a.example", "cs_1", "a", NOW));
        assert!(!ask("http://a.example", "cs_1", "b", late));
        assert!(!ask("http://a.example", "cs_2", "c", NOW));
        assert!(ask("https://a.example", "cs_1", "a", NOW));
        assert!(!ask("https://a.example", "cs_2", "a", NOW));
    }

    #[test]
    fn date_filters_are_exclusive_and_wrong_with_a_zone() {
        let listed = |after: &str, in_gmt: &str| {
            let query = [
                ("modified_after", after),
                ("dates_are_gmt", in_gmt),
                ("_fields", "id"),
            ];
            let row = Row {
                id: 1,
                created_at: NOW,
                modified_at: NOW,
                json: json!({ "id": 1, "x": 2 }),
            };
            let answer = list(&request("http://a.example", &query), vec![row]).unwrap();
            String::from_utf8(answer.body.to_vec()).unwrap()
        };

        assert_eq!(gmt(NOW), "2026-11-23T02:20:00");
        assert_eq!(listed("2026-11-23T02:19:59", "true"), r#"[{"id":1}]"#);
        assert_eq!(listed("2026-11-23T02:20:00", "true"), "[]");
        assert_eq!(listed("2026-11-22T20:00:00Z", "true"), "[]");
        assert_eq!(listed("2026-11-22T20:00:00Z", "false"), r#"[{"id":1}]"#);
    }

    #[test]
    fn json_is_escaped_as_php_does_it() {
        let written = php_json(&json!({ "a": "x/é😀" }));

        assert_eq!(written, r#"{"a":"x\/\u00e9\ud83d\ude00"}"#);
    }
}
