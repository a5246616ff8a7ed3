//! Tables for spreadsheets: comma-separated values, as RFC 4180 writes them.

use super::output::say;

/// Prints rows under a heading.
pub fn say_csv<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    say(line(&heading));
    for row in rows {
        say(line(&row));
    }
}

fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell.as_ref())).collect();
    cells.join(",")
}

/// Spreadsheets take a cell that begins with one of these for a formula: a quote before it keeps it a text.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '@', '\t', '\r'])
        || cell.starts_with(['+', '-']) && cell.parse::<f64>().is_err();
    let cell = if is_formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_row_is_quoted_and_a_formula_is_a_text() {
        assert_eq!(line(&["a", "b c", "1.50"]), "a,b c,1.50");
        assert_eq!(line(&["a,b", "say \"hi\""]), "\"a,b\",\"say \"\"hi\"\"\"");
        assert_eq!(line(&["=1+1", "-5", "-x"]), "'=1+1,-5,'-x");
    }
}
