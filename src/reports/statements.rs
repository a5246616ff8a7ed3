//! Pieces of statements that several reports need.

use sea_orm::sea_query::{Expr, LikeExpr, Query, SelectStatement, UnionType};

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

/// One statement out of one for each thing, so that each ends after its own first rows, along an index. SQLite takes
/// 500 at most.
pub fn first_of(each: impl Iterator<Item = SelectStatement>) -> Option<SelectStatement> {
    let wrapped = |(n, inner): (usize, SelectStatement)| {
        Query::select()
            .expr(Expr::cust("*"))
            .from_subquery(inner, format!("t{n}"))
            .to_owned()
    };
    let mut each = each.enumerate().map(wrapped);
    let mut all = each.next()?;
    for one in each {
        all.union(UnionType::All, one);
    }
    Some(all)
}
