//! One thing that was checked.

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
