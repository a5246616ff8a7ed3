//! A module imports only modules above it in `src/lib.rs`.

use super::source::{Source, mentions, nothing_breaks, positions, read, sources, used_paths};
use std::collections::BTreeMap;

/// The rank of each module: its place among the `pub mod` lines, which are the rule.
pub fn ranks() -> BTreeMap<String, usize> {
    let text = read("src/lib.rs");
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.map(str::to_owned).zip(0..).collect()
}

/// The modules that `code` names after `crate::`, in imports and in paths.
fn named_modules(code: &str) -> Vec<String> {
    let paths = positions(code, "crate::").map(|at| code[at..].to_owned());
    let paths = paths.chain(used_paths(code));
    paths.filter_map(|path| first_module(&path)).collect()
}

fn first_module(path: &str) -> Option<String> {
    let inside = path.split("crate::").nth(1)?;
    let end = inside.find(|c: char| !c.is_alphanumeric() && c != '_');
    Some(inside[..end.unwrap_or(inside.len())].to_owned())
}

/// Imports in the first column that climb out of their module by `super::`.
fn climbs_out(source: &Source, code: &str) -> bool {
    let climbs = |line: &str| {
        let path = line.trim_start_matches("pub ").strip_prefix("use ");
        path.is_some_and(|path| path.matches("super::").count() >= source.depth())
    };
    code.lines().any(climbs)
}

#[test]
fn the_list_of_modules_is_complete() {
    let ranks = ranks();

    let unlisted: Vec<_> = sources(&["src"])
        .iter()
        .filter(|source| !matches!(source.module(), "lib" | "main"))
        .filter(|source| !ranks.contains_key(source.module()))
        .map(|source| source.path.clone())
        .collect();

    assert!(
        ranks.len() > 15,
        "src/lib.rs lists its modules one per line"
    );
    nothing_breaks(
        "src/lib.rs does not list the module of these files",
        &unlisted,
    );
}

#[test]
fn modules_import_only_modules_above_them() {
    let ranks = ranks();
    let mut broken = Vec::new();

    for source in sources(&["src"]) {
        let Some(own) = ranks.get(source.module()) else {
            continue;
        };
        let code = source.code();
        for name in named_modules(&code) {
            if ranks.get(&name).is_some_and(|other| own < other) {
                broken.push(format!("{} reaches down to `{name}`", source.path));
            }
        }
        if climbs_out(&source, &code) {
            broken.push(format!("{} leaves its module by `super::`", source.path));
        }
    }

    broken.dedup();
    nothing_breaks(
        "a module imports only modules above it in src/lib.rs",
        &broken,
    );
}

#[test]
fn each_file_has_one_import_per_module() {
    let mut broken = Vec::new();

    for source in sources(&["src"]) {
        let code = source.code();
        if mentions(&code, "use crate::{") {
            broken.push(format!(
                "{}: `use crate::{{` hides which modules",
                source.path
            ));
        }
        let mut seen = BTreeMap::new();
        for line in code.lines().filter(|line| line.starts_with("use crate::")) {
            if let Some(name) = first_module(line) {
                *seen.entry(name).or_insert(0) += 1;
            }
        }
        for (name, count) in seen {
            if count > 1 {
                broken.push(format!("{}: {count} imports of `{name}`", source.path));
            }
        }
    }

    nothing_breaks("one `use crate::<module>::{..}` per module", &broken);
}

#[test]
fn modules_are_found_in_imports_and_in_paths() {
    let code = "use crate::domain::Money;\nuse crate::{db::{Db, Tx}, queue};\ncrate::web::serve();";

    let mut names = named_modules(code);

    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    assert_eq!(names, ["db", "domain", "queue", "web"]);
}
