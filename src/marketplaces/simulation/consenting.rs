//! The page on which a merchant agrees, and the code that it hands to the browser, as all protocols have them.

use super::{Shop, SimResponse};
use crate::domain::Timestamp;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::time::Duration;
use url::Url;

/// Where the browser goes after consenting, in a shop's memory: marketplaces whose page takes no callback
/// have it in the app's console.
pub const CALLBACK: &str = "callback";

const CODE: &str = "auth_code";
/// The last code, so that the next one differs.
const LAST: &str = "last_auth_code";
const CODE_UNTIL: &str = "auth_code_until";
/// How long codes are good, wherever it is documented.
const CODE_LIFE: Duration = Duration::from_secs(30 * 60);

/// The merchant agrees: a new code, good once and for half an hour.
pub fn issue_code(shop: &mut Shop, now: Timestamp) -> String {
    let last = shop.memory.get(LAST).map_or("", String::as_str);
    let seed = format!("{} {last} {}", shop.remote_id, now.micros());
    let code = format!("sim{}", &hex::encode(Sha256::digest(seed))[..24]);
    for name in [CODE, LAST] {
        shop.memory.insert(name.to_owned(), code.clone());
    }
    let until = (now + CODE_LIFE).micros();
    shop.memory.insert(CODE_UNTIL.to_owned(), until.to_string());
    code
}

/// Whether this code is good; it is not afterwards.
pub fn take_code(shop: &mut Shop, code: Option<&str>, now: Timestamp) -> bool {
    let until = shop.memory.get(CODE_UNTIL).and_then(|at| at.parse().ok());
    let is_good = code.is_some()
        && shop.memory.get(CODE).map(String::as_str) == code
        && until.is_some_and(|until| now.micros() < until);
    if is_good {
        shop.memory.remove(CODE);
    }
    is_good
}

/// Sends the browser to `callback` with these pairs; `None` when that is no address.
pub fn send_back(callback: &str, pairs: &[(&str, &str)]) -> Option<SimResponse> {
    let mut url = Url::parse(callback).ok()?;
    url.query_pairs_mut().extend_pairs(pairs);
    let answer = SimResponse {
        status: 302,
        headers: Vec::new(),
        body: Bytes::new(),
    };
    Some(answer.header("location", url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;

    const NOW: Timestamp = Timestamp::from_secs(1_795_400_400);

    #[test]
    fn a_code_is_good_once_and_for_half_an_hour() {
        let mut shop = Shop::new("1".into(), "x", Currency::from_code("IDR").unwrap(), 1);
        let first = issue_code(&mut shop, NOW);
        let second = issue_code(&mut shop, NOW);

        assert_ne!(first, second);
        assert!(!take_code(&mut shop, None, NOW));
        assert!(!take_code(&mut shop, Some(&first), NOW));
        assert!(!take_code(&mut shop, Some(&second), NOW + CODE_LIFE));
        assert!(take_code(&mut shop, Some(&second), NOW));
        assert!(!take_code(&mut shop, Some(&second), NOW));
    }
}
