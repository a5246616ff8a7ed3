//! Reading sources: which files there are, whose they are, and what in them is code.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file of Rust.
pub struct Source {
    /// From the root of the repository, with forward slashes.
    pub path: String,
    /// Everything, as written.
    pub text: String,
}

impl Source {
    /// `src/sync/scan.rs` and `src/sync.rs` belong to `sync`; files elsewhere to nobody.
    pub fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or_default();
        let first = inside.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// How many modules deep: 1 for `src/sync/mod.rs` and `src/clock.rs`, 2 for `src/sync/scan.rs`.
    pub fn depth(&self) -> usize {
        self.path.matches('/').count() - usize::from(self.path.ends_with("/mod.rs"))
    }

    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    /// All code, with comments and the contents of texts blanked.
    pub fn code(&self) -> String {
        blank(&self.text, Blank::CommentsAndTexts)
    }

    /// Code without unit tests: what runs in production.
    pub fn production(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        without_unit_tests(&self.code())
    }

    /// Like [`Source::production`], with its texts: statements of SQL, names of fields.
    pub fn production_with_texts(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        without_unit_tests(&blank(&self.text, Blank::Comments))
    }
}

/// Every `.rs` file below these directories, in order.
pub fn sources(directories: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for directory in directories {
        collect(&root().join(directory), &mut sources);
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!sources.is_empty(), "no sources below {directories:?}");
    sources
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn collect(directory: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inside = path.strip_prefix(root()).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let path = inside.to_str().unwrap().replace('\\', "/");
            sources.push(Source { path, text });
        }
    }
}

/// Fails with every violation, one per line.
pub fn nothing_breaks(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

/// Whether `word` stands in `code` as a whole word.
pub fn mentions(code: &str, word: &str) -> bool {
    positions(code, word).next().is_some()
}

/// Whether a word of `code` begins with `beginning`.
pub fn mentions_beginning(code: &str, beginning: &str) -> bool {
    beginnings(code, beginning).next().is_some()
}

/// Where `word` stands as a whole word; its ends count only where they are letters.
pub fn positions<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let ends_name = word.ends_with(is_name);
    beginnings(code, word).filter(move |at| {
        let goes_on = code[at + word.len()..].starts_with(is_name);
        !(ends_name && goes_on)
    })
}

fn beginnings<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let begins_name = word.starts_with(is_name);
    let places = code.match_indices(word).map(|(at, _)| at);
    places.filter(move |at| !(begins_name && code[..*at].ends_with(is_name)))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every path that the `use` statements of `code` bring in, `{}` unfolded: `entity::orders::Entity`,
/// `entity::orders as o`, `crate::domain::*`.
pub fn used_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for at in positions(code, "use") {
        let rest = &code[at + "use".len()..];
        if rest.starts_with(char::is_whitespace)
            && let Some(end) = rest.find(';')
        {
            let tree = rest[..end].split_whitespace().collect::<Vec<_>>().join(" ");
            unfold("", &tree, &mut paths);
        }
    }
    paths
}

fn unfold(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some(open) = tree.find('{') else {
        let leaf = tree.trim();
        if !leaf.is_empty() {
            paths.push(format!("{prefix}{leaf}").replace("::self", ""));
        }
        return;
    };
    let prefix = format!("{prefix}{}", tree[..open].trim());
    let inner = tree[open + 1..].trim_end().trim_end_matches('}');
    let mut depth = 0;
    let mut start = 0;
    // The inner text has lost all braces that close at its end; depth never goes below zero before it.
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                unfold(&prefix, &close(&inner[start..at]), paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    unfold(&prefix, &close(&inner[start..]), paths);
}

/// Gives a cut tree its closing braces back.
fn close(tree: &str) -> String {
    let missing = tree.matches('{').count() - tree.matches('}').count();
    format!("{tree}{}", "}".repeat(missing))
}

/// Cuts every inline `#[cfg(test)] mod ... { ... }` that begins in the first column.
fn without_unit_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut lines = code.lines().peekable();
    while let Some(line) = lines.next() {
        let opens = lines.peek().is_some_and(|next| {
            !next.starts_with(' ') && mentions(next, "mod") && next.trim_end().ends_with('{')
        });
        if line == "#[cfg(test)]" && opens {
            // rustfmt puts the brace that closes it into the first column.
            lines.by_ref().find(|line| *line == "}");
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[derive(Clone, Copy, PartialEq)]
enum Blank {
    Comments,
    CommentsAndTexts,
}

/// Replaces comments, and texts if asked, by spaces; lines stay where they are.
fn blank(text: &str, what: Blank) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (length, hidden) = match token(rest) {
            Token::Comment(length) => (length, true),
            Token::Text(length) => (length, what == Blank::CommentsAndTexts),
            Token::Code => (c.len_utf8(), false),
        };
        let (piece, after) = rest.split_at(length);
        if hidden {
            let spaced = |c: char| if c == '\n' { '\n' } else { ' ' };
            code.extend(piece.chars().map(spaced));
        } else {
            code.push_str(piece);
        }
        rest = after;
    }
    code
}

enum Token {
    Comment(usize),
    Text(usize),
    Code,
}

fn token(rest: &str) -> Token {
    if rest.starts_with("//") {
        return Token::Comment(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Token::Comment(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if rest.starts_with('"') {
        return Token::Text(quoted(rest, '"'));
    }
    if let Some(inner) = rest.strip_prefix('\'') {
        // A lifetime has no closing quote after its first character.
        let is_char = inner.starts_with('\\') || inner.chars().nth(1) == Some('\'');
        return if is_char {
            Token::Text(quoted(rest, '\''))
        } else {
            Token::Code
        };
    }
    for raw in ["r\"", "r#\"", "r##\""] {
        if let Some(inner) = rest.strip_prefix(raw) {
            let end = format!("\"{}", "#".repeat(raw.len() - 2));
            let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
            return Token::Text(raw.len() + length);
        }
    }
    Token::Code
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn comments_and_texts_are_not_code() {
    let text = "a(\"// no \\\" b\"); // c\nlet d = '\"'; r#\"e \" f\"# /* g */ 'h: loop {}";

    let code = blank(text, Blank::CommentsAndTexts);

    let kept: Vec<_> = code.split_whitespace().collect();
    assert_eq!(
        kept,
        ["a(", ");", "let", "d", "=", ";", "'h:", "loop", "{}"]
    );
}

#[test]
fn unit_tests_are_not_production() {
    let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";

    assert_eq!(without_unit_tests(code), "fn a() {}\nfn c() {}\n");
}

#[test]
fn imports_are_unfolded() {
    let code = "use a::{b, c::{self, d as e}, f::*};\nuse g;\nlet used = 1;";

    assert_eq!(
        used_paths(code),
        ["a::b", "a::c", "a::c::d as e", "a::f::*", "g"]
    );
}
