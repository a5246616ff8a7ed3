//! The program as people call it: every test runs the real binary in a directory of its own.

mod completeness;
mod consent;
mod custom_store;
mod files;
mod finding;
mod help;
mod issues;
mod listings;
mod serving;
mod setup;
mod shops;
mod stock;
mod told;
mod trail;
mod upkeep;
mod webhook;

use serde_json::Value;
use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// A directory with a database that is made by the first command.
struct Place {
    dir: TempDir,
    env: Vec<(String, String)>,
}

/// What a command answered.
#[derive(Debug)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let url = format!("sqlite:{}", dir.path().join("books.db").display());
        Self {
            dir,
            env: vec![("MARKETSINK_DATABASE_URL".to_owned(), url)],
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into the directory, where commands run.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).expect("the file is written");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_marketsink"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Answer {
        let output = self.command(args).output().expect("the program runs");
        answer(output)
    }

    fn run_with_input(&self, args: &[&str], input: &str) -> Answer {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stdin = child.stdin.take().expect("its input is ours");
        stdin
            .write_all(input.as_bytes())
            .expect("it takes its input");
        drop(stdin);
        answer(child.wait_with_output().expect("the program ends"))
    }

    /// Runs a command that works, with `--json`.
    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).works().json()
    }
}

fn answer(output: Output) -> Answer {
    Answer {
        code: output.status.code().expect("no signal ended it"),
        out: String::from_utf8(output.stdout).expect("it prints text"),
        err: String::from_utf8(output.stderr).expect("it prints text"),
    }
}

impl Answer {
    #[track_caller]
    fn works(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Fails with one line that begins as all do.
    #[track_caller]
    fn fails(self) -> Self {
        assert_eq!(self.code, 1, "{self:?}");
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
