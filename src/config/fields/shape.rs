//! The shapes of texts: what is allowed in words, and the check that says so.

use base64::{Engine, engine::general_purpose::STANDARD};
use tracing_subscriber::EnvFilter;
use url::Url;

/// A rule for a text.
#[derive(Debug)]
pub struct Shape {
    /// The rule in words.
    pub allowed: &'static str,
    /// The text as it is kept, or `None` when it breaks the rule.
    read: fn(&str) -> Option<String>,
}

impl Shape {
    pub fn read(&self, text: &str) -> Option<String> {
        (self.read)(text)
    }
}

/// The bytes of the key that seals credentials.
const KEY_BYTES: usize = 32;

pub const DATABASE: Shape = Shape {
    allowed: "`sqlite:PATH` or `postgres://USER@HOST/NAME`",
    read: |text| {
        let path = text.strip_prefix("sqlite:");
        let is_sqlite = path.is_some_and(|path| !path.trim_start_matches('/').is_empty());
        let is_postgres = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme) && text.len() > scheme.len());
        keep_if(text, is_sqlite || is_postgres)
    },
};

pub const LISTEN: Shape = Shape {
    allowed: "`HOST:PORT`, such as `0.0.0.0:8080` or `[::1]:8080`",
    read: |text| {
        let (host, port) = text.rsplit_once(':')?;
        let is_name = !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':'));
        keep_if(text, is_name && port.parse::<u16>().is_ok())
    },
};

pub const URL: Shape = Shape {
    allowed: "an address that begins with `http://` or `https://`, without user, query or fragment",
    read: |text| {
        let url = Url::parse(text).ok()?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        // Paths are appended to it.
        keep_if(text.trim_end_matches('/'), is_plain)
    },
};

pub const SEALING_KEY: Shape = Shape {
    allowed: "base64 of 32 random bytes, such as `openssl rand -base64 32` prints",
    read: |text| {
        let text = text.trim();
        let bytes = STANDARD.decode(text).ok()?;
        keep_if(text, bytes.len() == KEY_BYTES)
    },
};

pub const PATH: Shape = Shape {
    allowed: "the path of a file",
    read: |text| keep_if(text, !text.is_empty()),
};

pub const WORD: Shape = Shape {
    allowed: "a text without spaces",
    read: |text| {
        keep_if(
            text,
            !text.is_empty() && !text.contains(char::is_whitespace),
        )
    },
};

pub const FILTER: Shape = Shape {
    allowed: "a level (`error`, `warn`, `info`, `debug`, `trace`, `off`), or directives such as \
              `info,marketsink::sync=debug`",
    read: |text| {
        // A misspelt level reads as the name of a module, and would silence everything.
        let levels = ["error", "warn", "info", "debug", "trace", "off"];
        let is_level = |word: &str| levels.contains(&word.trim().to_ascii_lowercase().as_str());
        let well_formed = text
            .split(',')
            .all(|part| part.contains(['=', '[', ':']) || is_level(part));
        keep_if(text, well_formed && EnvFilter::try_new(text).is_ok())
    },
};

fn keep_if(text: &str, allowed: bool) -> Option<String> {
    allowed.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_takes_what_it_names_and_refuses_what_it_does_not() {
        let key = STANDARD.encode([7; KEY_BYTES]);
        let short = STANDARD.encode([7; 16]);
        let cases: &[(&Shape, &[&str], &[&str])] = &[
            (
                &DATABASE,
                &[
                    "sqlite:a.db",
                    "sqlite:///tmp/a.db",
                    "postgres://u@h/d",
                    "postgresql://h/d",
                ],
                &[
                    "",
                    "sqlite:",
                    "sqlite://",
                    "mysql://h/d",
                    "postgres://",
                    "a.db",
                ],
            ),
            (
                &LISTEN,
                &["127.0.0.1:80", "[::1]:8080", "localhost:0"],
                &["", "8080", ":8080", "host:", "host:99999", "http://host:80"],
            ),
            (
                &URL,
                &[
                    "http://a",
                    "https://a.example/shop",
                    "http://127.0.0.1:8080/",
                ],
                &[
                    "",
                    "a.example",
                    "ftp://a",
                    "https://u:p@a",
                    "https://a?b=c",
                    "https://a#b",
                ],
            ),
            (&SEALING_KEY, &[&key], &["", &short, "not base64!"]),
            (&PATH, &["a b"], &[""]),
            (&WORD, &["abc"], &["", "a b", "a\n"]),
            (
                &FILTER,
                &[
                    "info",
                    "OFF",
                    "warn,marketsink::sync=debug",
                    "marketsink=trace",
                ],
                &["", "inof", "info,=", "marketsink=loud"],
            ),
        ];

        for (shape, good, bad) in cases {
            for text in *good {
                assert!(shape.read(text).is_some(), "{text:?}: {}", shape.allowed);
            }
            for text in *bad {
                assert!(shape.read(text).is_none(), "{text:?}: {}", shape.allowed);
            }
        }
    }

    #[test]
    fn an_address_loses_the_slash_at_its_end() {
        let read = URL.read("https://shop.example/");

        assert_eq!(read.as_deref(), Some("https://shop.example"));
    }
}
