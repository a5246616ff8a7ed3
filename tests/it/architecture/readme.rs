//! The README promises two commands and a table of settings; both are held to it.

use super::source::{read, root};
use marketsink::config;

#[test]
fn the_settings_table_is_the_one_that_the_program_has() {
    let readme = read("README.md");
    let expected = config::markdown_table();

    let begin = readme
        .find("| setting |")
        .expect("the README has the table of settings");
    let table: String = readme[begin..]
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('|'))
        .collect();

    assert!(
        table == expected,
        "put this table into README.md:\n\n{expected}"
    );
}

#[test]
fn the_two_commands_exist() {
    let readme = read("README.md");

    for command in ["cargo run --release -- demo", "tests/run"] {
        assert!(
            readme.lines().any(|line| line.trim() == command),
            "{command}"
        );
    }
    assert!(is_executable("tests/run"));
    assert!(is_executable(".ci/run"));
    assert!(read(".ci/run").contains("tests/run"));
}

#[cfg(unix)]
fn is_executable(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(root().join(path));
    metadata.is_ok_and(|file| file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &str) -> bool {
    root().join(path).exists()
}
