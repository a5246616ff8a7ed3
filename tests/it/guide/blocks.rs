//! The examples of the guide: its fenced blocks, and the commands in them.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use serde_json::Value;

pub const GUIDE: &str = include_str!("../../../src/web/guide/custom_store.md");

/// A fenced block: what stands behind its fence, and what is in it.
#[derive(Debug, Clone)]
pub struct Block {
    pub info: String,
    pub text: String,
}

impl Block {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

pub fn blocks() -> Vec<Block> {
    let found = blocks_of(GUIDE);
    assert!(found.len() > 10, "the guide has examples");
    found
}

/// The blocks of any guide.
pub fn blocks_of(guide: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut is_open = false;
    for event in Parser::new(guide) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                is_open = true;
                let (info, text) = (info.to_string(), String::new());
                found.push(Block { info, text });
            }
            Event::Text(text) if is_open => found.last_mut().unwrap().text.push_str(&text),
            Event::End(TagEnd::CodeBlock) => is_open = false,
            _ => {}
        }
    }
    found
}

/// The calls of this program in the shell blocks of a guide without variables, in words.
pub fn commands_of(guide: &str) -> Vec<Vec<String>> {
    let mut found = blocks_of(guide);
    found.retain(|block| block.info == "sh");
    let lines = found.iter().flat_map(|block| block.text.lines());
    lines
        .filter(|line| line.starts_with("marketsink "))
        .map(words)
        .collect()
}

/// The blocks behind this fence; there is at least one.
pub fn named(info: &str) -> Vec<Block> {
    let mut found = blocks();
    found.retain(|block| block.info == info);
    assert!(!found.is_empty(), "the guide has no block `{info}`");
    found
}

/// The calls of this program in the shell blocks, in words.
pub fn commands() -> Vec<Vec<String>> {
    let text: Vec<String> = named("sh").into_iter().map(|block| block.text).collect();
    let text = text.join("\n").replace("\\\n", " ");
    let address = text.lines().find_map(|line| line.strip_prefix("address="));
    let address = address
        .expect("the guide sets the address")
        .trim_matches('\'');
    let calls = text.lines().filter(|line| line.starts_with("marketsink "));
    calls
        .map(|line| words(&line.replace("$address", address)))
        .collect()
}

/// Splits a line as a shell does, as far as the guide goes: quotes keep spaces together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if open == c => quote = None,
            (' ', None) => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
