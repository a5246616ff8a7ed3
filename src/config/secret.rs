//! A text that is never printed.

use std::fmt;

/// Shows as `(hidden)` wherever it is printed; [`Secret::expose`] is the only way to read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Never print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// What stands in a secret's place.
pub(super) const HIDDEN: &str = "(hidden)";

/// A database address without its password: `postgres://shop:(hidden)@db/books`.
pub(super) fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        // Not an address we know; what stands before an `@` may be a password.
        let shown = if address.contains('@') {
            HIDDEN
        } else {
            address
        };
        return shown.to_owned();
    };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let place = match place.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{HIDDEN}@{host}"),
            None => format!("{user}@{host}"),
        },
        None => place.to_owned(),
    };
    let query = query.map_or(String::new(), |query| format!("?{}", hide_password(query)));
    format!("{scheme}://{place}{query}")
}

fn hide_password(query: &str) -> String {
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("password") => {
            format!("{name}={HIDDEN}")
        }
        _ => pair.to_owned(),
    };
    query.split('&').map(hide).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new("hunter2");

        let printed = format!("{secret} {secret:?}");

        assert!(!printed.contains("hunter2"));
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_database_address_is_shown_without_its_password() {
        for (given, shown) in [
            ("sqlite:books.db", "sqlite:books.db"),
            ("u:p@h/d", "(hidden)"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://u:p@q@h/d?a=b", "postgres://u:(hidden)@h/d?a=b"),
            (
                "postgres://h/d?user=u&password=p",
                "postgres://h/d?user=u&password=(hidden)",
            ),
        ] {
            assert_eq!(without_password(given), shown);
        }
    }
}
