//! A marketplace is one folder of five files (its unit tests may be a sixth) and one line in the list.

use super::source::{Source, mentions, nothing_breaks, positions, read, root, sources};
use std::{collections::BTreeSet, fs};

const FIVE: [&str; 5] = [
    "client.rs",
    "mapping.rs",
    "mod.rs",
    "simulator.rs",
    "webhook.rs",
];

/// Folders with a `mod.rs`; a folder beside a file of its name (`http.rs`, `http/`) is a part of that file.
fn folders() -> Vec<String> {
    let directory = root().join("src/marketplaces");
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders
        .filter(|folder| !folder.path().with_extension("rs").exists())
        .map(|folder| folder.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The body of `marketplaces::all`.
fn list() -> String {
    let code = Source {
        path: "src/marketplaces/mod.rs".to_owned(),
        text: read("src/marketplaces/mod.rs"),
    }
    .production();
    let start = positions(&code, "pub fn all()")
        .next()
        .expect("the list is a function");
    let end = code[start..].find("\n}").expect("the function ends");
    code[start..start + end].to_owned()
}

/// The files of a marketplace's folder.
fn files(folder: &str) -> BTreeSet<String> {
    let directory = root().join("src/marketplaces").join(folder);
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().is_file());
    let names = files.map(|file| file.file_name().into_string().unwrap());
    // Tests that have outgrown their file stand beside the five.
    names.filter(|name| name != "tests.rs").collect()
}

/// A folder that is only a name so far: nothing beside a `mod.rs` without a line of code.
fn is_empty_plot(folder: &str) -> bool {
    let mod_rs = read(&format!("src/marketplaces/{folder}/mod.rs"));
    files(folder).len() == 1 && mod_rs.lines().all(|line| line.starts_with("//!"))
}

#[test]
fn every_marketplace_has_its_five_files_and_its_line() {
    let list = list();
    let mut broken = Vec::new();

    for folder in folders()
        .into_iter()
        .filter(|folder| !is_empty_plot(folder))
    {
        let files = files(&folder);
        if !files.iter().map(String::as_str).eq(FIVE) {
            broken.push(format!("{folder}: {files:?}"));
        }
        if !mentions(&list, &format!("{folder}::")) {
            broken.push(format!("{folder}: not in `marketplaces::all`"));
        }
    }

    nothing_breaks(
        "a marketplace is five files and one line in the list",
        &broken,
    );
}

#[test]
fn marketplaces_know_no_database() {
    let broken: Vec<_> = sources(&["src/marketplaces"])
        .iter()
        .filter(|source| {
            let code = source.code();
            ["sea_orm", "entity::", "crate::db"]
                .iter()
                .any(|word| mentions(&code, word))
        })
        .map(|source| source.path.clone())
        .collect();

    nothing_breaks("marketplaces know no database", &broken);
}
