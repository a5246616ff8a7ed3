//! One thing that was checked, and how a list of them looks.

use super::output::{Table, dash, say};
use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    /// Works, and somebody should look.
    Warn,
    /// Does not work.
    Fail,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What was found, and what to do about it.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub check: String,
    pub state: State,
    pub found: String,
    pub to_do: Option<String>,
}

impl Finding {
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            state: State::Ok,
            found: found.into(),
            to_do: None,
        }
    }

    pub fn warn(
        check: impl Into<String>,
        found: impl Into<String>,
        to_do: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Warn,
            to_do: Some(to_do.into()),
            ..Self::ok(check, found)
        }
    }

    pub fn fail(
        check: impl Into<String>,
        found: impl Into<String>,
        to_do: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Fail,
            ..Self::warn(check, found, to_do)
        }
    }
}

/// The findings as a table, and how many of each there are.
pub fn say_findings(findings: &[Finding]) {
    let mut table = Table::new(&["", "check", "found", "what to do"]);
    for finding in findings {
        table.row([
            finding.state.as_str().to_owned(),
            finding.check.clone(),
            finding.found.replace('\n', "; "),
            finding.to_do.clone().unwrap_or_else(dash),
        ]);
    }
    table.say("nothing was checked");
    let count = |state| {
        findings
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    say(format!(
        "{} ok, {} to look at, {} broken",
        count(State::Ok),
        count(State::Warn),
        count(State::Fail)
    ));
}

/// Whether something does not work.
pub fn is_broken(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.state == State::Fail)
}
