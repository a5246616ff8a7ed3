//! What every file looks like.

use super::source::{Source, mentions, nothing_breaks, sources};

const LONGEST_FILE: usize = 500;
const EVERYWHERE: &[&str] = &["src", "entity", "migration", "tests"];

fn every_file(rule: &str, breaks: impl Fn(&Source) -> bool) {
    let broken: Vec<_> = sources(EVERYWHERE)
        .iter()
        .filter(|source| breaks(source))
        .map(|source| source.path.clone())
        .collect();
    nothing_breaks(rule, &broken);
}

#[test]
fn every_file_says_what_it_is_for() {
    every_file("a file opens with `//!`", |source| {
        let first = source.text.lines().next().unwrap_or_default();
        first.trim_start_matches("//!").trim().is_empty() || !first.starts_with("//!")
    });
}

#[test]
fn every_file_is_short() {
    every_file("a file has at most 500 lines", |source| {
        source.text.lines().count() > LONGEST_FILE
    });
}

#[test]
fn nothing_is_left_for_later() {
    every_file("no unfinished or left-over code", |source| {
        let code = source.code();
        ["todo!", "unimplemented!", "dbg!", "#[ignore"]
            .iter()
            .any(|word| mentions(&code, word))
    });
}
