//! How the caller wants to wait: the header `Prefer` (RFC 7240). Pure.

use std::time::Duration;

/// What was preferred of what we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Preferences {
    /// Do not wait for the end.
    pub respond_async: bool,
    /// Wait so long at most, then do not wait for the end.
    pub wait: Option<Duration>,
}

impl Preferences {
    /// Of all lines of the header. Of a preference that is named twice the first counts; those that are not
    /// known are passed over.
    pub fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for preference in lines.flat_map(|line| line.split(',')) {
            // Parameters come after a semicolon; ours have none.
            let token = preference.split(';').next().unwrap_or("");
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => found.respond_async = true,
                "wait" if found.wait.is_none() => {
                    let seconds = value.trim().trim_matches('"').parse().ok();
                    found.wait = seconds.map(Duration::from_secs);
                }
                _ => {}
            }
        }
        found
    }

    /// How long the answer may wait for the end; `None`: as long as it takes.
    pub fn patience(self) -> Option<Duration> {
        match (self.respond_async, self.wait) {
            (true, None) => Some(Duration::ZERO),
            (_, wait) => wait,
        }
    }

    /// For `Preference-Applied`, when the answer does not wait for the end.
    pub fn applied(self) -> String {
        let names = [
            self.respond_async.then(|| "respond-async".to_owned()),
            self.wait.map(|wait| format!("wait={}", wait.as_secs())),
        ];
        let names: Vec<String> = names.into_iter().flatten().collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Preferences {
        Preferences::of(std::iter::once(line))
    }

    #[test]
    fn without_a_preference_the_answer_waits_for_the_end() {
        assert_eq!(Preferences::of(std::iter::empty()).patience(), None);
        assert_eq!(of("return=minimal, handling=lenient").patience(), None);
    }

    #[test]
    fn respond_async_does_not_wait_and_wait_waits_that_long() {
        assert_eq!(of("Respond-Async").patience(), Some(Duration::ZERO));
        assert_eq!(
            of("respond-async, wait=10").patience(),
            Some(Duration::from_secs(10))
        );
        assert_eq!(of("wait=10").applied(), "wait=10");
        assert_eq!(
            of("respond-async; foo=1, wait=\"3\"").applied(),
            "respond-async, wait=3"
        );
    }

    #[test]
    fn a_wait_that_is_no_number_is_passed_over() {
        assert_eq!(of("wait=soon").patience(), None);
    }
}
