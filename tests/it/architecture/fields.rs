//! Log fields are spelt as in `telemetry::fields`.

use super::source::{nothing_breaks, positions, sources};
use marketsink::telemetry::fields;

const MACROS: [&str; 12] = [
    "error!(",
    "warn!(",
    "info!(",
    "debug!(",
    "trace!(",
    "event!(",
    "error_span!(",
    "warn_span!(",
    "info_span!(",
    "debug_span!(",
    "trace_span!(",
    "span!(",
];

/// The dotted names among the fields of every log line in `code`.
fn dotted_fields(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in MACROS {
        for at in positions(code, name) {
            let inside = balanced(&code[at + name.len()..]);
            found.extend(arguments(inside).into_iter().filter_map(dotted_name));
        }
    }
    found
}

/// Up to the bracket that closes what was opened before.
fn balanced(code: &str) -> &str {
    let mut depth = 1;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &code[..at];
        }
    }
    code
}

fn arguments(inside: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut start = 0;
    let mut found = Vec::new();
    for (at, c) in inside.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&inside[start..]);
    found
}

/// `channel.id` of `channel.id = %id` and of the short form `%channel.id`.
fn dotted_name(argument: &str) -> Option<String> {
    let name = argument.split('=').next()?.trim();
    let name = name.trim_start_matches(['%', '?']);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let is_dotted = name.contains('.') && name.chars().all(is_name);
    is_dotted.then(|| name.to_owned())
}

#[test]
fn every_dotted_log_field_is_in_the_table() {
    let mut broken = Vec::new();

    for source in sources(&["src"]) {
        for name in dotted_fields(&source.production()) {
            if !fields::ALL.iter().any(|(known, _)| *known == name) {
                broken.push(format!("{}: `{name}`", source.path));
            }
        }
    }

    nothing_breaks("log fields are spelt as in telemetry::fields", &broken);
}

#[test]
fn dotted_fields_are_found_in_every_form() {
    let code = "tracing::info!(channel.id = %c.id(1, 2), order.id, ?job.kind, plain = 1, );
        warn!(target: x, scan.id = a == b.c); let f = info!(); tracing::debug_span!(sku.id = 1)";

    let mut found = dotted_fields(code);

    found.sort();
    assert_eq!(
        found,
        ["channel.id", "job.kind", "order.id", "scan.id", "sku.id"]
    );
}
