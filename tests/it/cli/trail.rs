//! Every command is one that reads or one that changes, and what changes leaves an entry in the audit trail.

use super::Place;
use marketsink::cli;
use std::collections::BTreeSet;

/// Commands that change nothing of a merchant's, or of the installation's beyond the schema.
const READING: &[&str] = &[];
/// Commands that change, tried below.
const CHANGING: &[&str] = &[];
/// Commands that change and need a shop, an endpoint or a decision that waits.
const ELSEWHERE: &[&str] = &[];

fn leaves() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![(String::new(), cli::commands())];
    while let Some((words, command)) = open.pop() {
        if !command.has_subcommands() && !words.is_empty() {
            found.insert(words.clone());
        }
        for inner in command.get_subcommands() {
            let words = format!("{words} {}", inner.get_name());
            open.push((words.trim().to_owned(), inner.clone()));
        }
    }
    found
}

#[test]
fn every_command_reads_or_changes() {
    let known = [READING, CHANGING, ELSEWHERE].concat();
    let known: BTreeSet<String> = known.into_iter().map(str::to_owned).collect();

    assert_eq!(leaves(), known);
}
