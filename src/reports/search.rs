//! Finding a part of a text, whatever its case.

use sea_orm::sea_query::LikeExpr;

/// What a lower-case text must look like to hold `text`.
pub fn containing(text: &str) -> LikeExpr {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        // What stands for anything in a pattern stands for itself in a search.
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    LikeExpr::new(pattern).escape('!')
}
