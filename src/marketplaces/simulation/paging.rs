//! Pages of a simulated list, from the key of the last row shown rather than by counting rows: so that rows
//! which change between two pages hide no others.

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysetPage<T> {
    pub rows: Vec<T>,
    /// Place of the first row in the whole list.
    pub start: usize,
    /// Rows in the whole list.
    pub total: usize,
    /// The last key shown; `None` on the last page.
    pub next: Option<String>,
}

/// The `size` rows that come after the key `last`, rising or falling by key.
pub fn keyset_page<T>(
    mut rows: Vec<(String, T)>,
    is_rising: bool,
    last: Option<&str>,
    size: usize,
) -> KeysetPage<T> {
    rows.sort_by(|(a, _), (b, _)| if is_rising { a.cmp(b) } else { b.cmp(a) });
    let total = rows.len();
    let is_shown =
        |key: &str| last.is_some_and(|last| if is_rising { key <= last } else { key >= last });
    let start = rows.partition_point(|(key, _)| is_shown(key));
    let end = total.min(start + size);
    let next = (start < end && end < total).then(|| rows[end - 1].0.clone());
    let rows = rows.drain(start..end).map(|(_, row)| row).collect();
    KeysetPage {
        rows,
        start,
        total,
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(keys: &[&str], is_rising: bool) -> Vec<Vec<String>> {
        let rows = || {
            keys.iter()
                .map(|key| ((*key).to_owned(), (*key).to_owned()))
                .collect()
        };
        let (mut pages, mut last) = (Vec::new(), None::<String>);
        loop {
            let page = keyset_page(rows(), is_rising, last.as_deref(), 2);
            assert_eq!(page.total, keys.len());
            pages.push(page.rows);
            last = page.next;
            if last.is_none() {
                return pages;
            }
        }
    }

    #[test]
    fn every_row_is_shown_once_in_order() {
        assert_eq!(pages(&["b", "a", "c"], true), [vec!["a", "b"], vec!["c"]]);
        assert_eq!(pages(&["b", "a", "c"], false), [vec!["c", "b"], vec!["a"]]);
        assert_eq!(pages(&["a", "b"], true), [["a", "b"]]);
        assert_eq!(pages(&[], true), [Vec::<String>::new()]);
    }

    #[test]
    fn a_row_that_leaves_hides_no_other() {
        let first = keyset_page(
            vec![("a".into(), 1), ("b".into(), 2), ("c".into(), 3)],
            true,
            None,
            2,
        );

        let rest = keyset_page(
            vec![("b".to_owned(), 2), ("c".to_owned(), 3)],
            true,
            first.next.as_deref(),
            2,
        );

        assert_eq!(rest.rows, [3]);
    }
}
