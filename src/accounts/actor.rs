//! Who acts: a person, a token, somebody at the command line, or the program itself.

use super::Role;
use serde::Serialize;
use std::fmt;

/// How somebody came to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// Somebody who signed in.
    Person,
    /// A program with a token.
    Token,
    /// Somebody at the command line; the name is what they said, or the name of their account there.
    Command,
    /// This program, by itself.
    Program,
}

impl ActorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Token => "token",
            Self::Command => "command",
            Self::Program => "program",
        }
    }
}

/// Who acts, as the audit trail names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    pub name: String,
    pub kind: ActorKind,
    pub role: Role,
}

impl Actor {
    pub fn person(name: impl Into<String>, role: Role) -> Self {
        let (name, kind) = (name.into(), ActorKind::Person);
        Self { name, kind, role }
    }

    pub fn token(name: impl Into<String>, role: Role) -> Self {
        let (name, kind) = (name.into(), ActorKind::Token);
        Self { name, kind, role }
    }

    /// Who can run commands on this machine can read the database file as well: an administrator.
    pub fn command(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: ActorKind::Command,
            role: Role::Administrator,
        }
    }

    pub fn program() -> Self {
        Self {
            name: "marketsink".to_owned(),
            kind: ActorKind::Program,
            role: Role::Administrator,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ActorKind::Person | ActorKind::Program => write!(f, "{}", self.name),
            ActorKind::Token => write!(f, "{} (token)", self.name),
            ActorKind::Command => write!(f, "{} (command)", self.name),
        }
    }
}
