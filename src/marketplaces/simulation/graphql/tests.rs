//! Asking a few fields of a shelf.

use super::*;

const SHELF: &str = "query Shelf($n: Int!, $all: Boolean!, $after: String) {
    # Everything that is read.
    shelf {
        rows(first: $n, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...Row } }
        ... on Shelf { name @include(if: $all) }
        ... on Drawer { handle }
    }
}
fragment Row on Row { id price { amount } }";

fn shelf() -> Value {
    let row =
        |id: u64| json!({"__typename": "Row", "id": id, "price": {"amount": "1.0", "tax": 2}});
    json!({"__typename": "Shelf", "name": "Teh", "width": 3, "rows": [row(1), row(2), row(3)]})
}

fn ask(variables: &Value) -> Result<Value, Refusal> {
    let operation = read(SHELF, variables)?;
    answer(&operation.fields[0], &shelf())
}

#[test]
fn only_what_was_asked_for_is_given() {
    let first = ask(&json!({"n": 2, "all": true})).unwrap();
    let cursor = first["rows"]["pageInfo"]["endCursor"].clone();
    let rest = ask(&json!({"n": 2, "all": false, "after": cursor})).unwrap();

    let row = |id: u64| json!({"id": id, "price": {"amount": "1.0"}});
    assert_eq!(first["rows"]["nodes"], json!([row(1), row(2)]));
    assert_eq!(first["name"], "Teh");
    let last =
        json!({"rows": {"nodes": [row(3)], "pageInfo": {"hasNextPage": false, "endCursor": null}}});
    assert_eq!(rest, last);
}

#[test]
fn what_does_not_exist_or_is_missing_is_refused() {
    let refused = [
        ask(&json!({"n": 2})),
        ask(&json!({"n": 2, "all": null})),
        ask(&json!({"n": 2, "all": true, "other": 1})),
        ask(&json!({"n": 251, "all": true})),
        read("{ shelf { colour } }", &json!({})).and_then(|o| answer(&o.fields[0], &shelf())),
        read("{ shelf }", &json!({})).and_then(|o| answer(&o.fields[0], &shelf())),
        read("{ shelf { rows(first: $n) { id } }", &json!({})).map(|_| Value::Null),
    ];

    assert!(refused.iter().all(Result::is_err), "{refused:?}");
}

#[test]
fn a_page_costs_by_its_size_and_a_change_ten() {
    let cost = |text: &str| requested_cost(&read(text, &json!({})).unwrap());

    assert_eq!(cost("{ shelf { name } }"), 1);
    assert_eq!(
        cost("{ shelf { rows(first: 5) { nodes { id price { amount } } } } }"),
        13
    );
    assert_eq!(
        cost("{ nodes(ids: [\"1\", \"2\"]) { ... on Row { id } } }"),
        2
    );
    assert_eq!(
        cost("mutation { paint(colour: RED) { shelf { name } } }"),
        10
    );
}

#[test]
fn a_bulk_file_has_children_after_their_parents() {
    let text = "{ shelves { edges { node { id rows { edges { node { id } } } } } } }";
    let operation = read(text, &json!({})).unwrap();
    let shelves = [
        json!({"id": "S", "rows": [{"id": "A"}, {"id": "B"}]}),
        json!({"id": "T", "rows": []}),
    ];

    let written = lines(&operation.fields[0], &shelves, None).unwrap();

    let expected = "{\"id\":\"S\"}\n{\"__parentId\":\"S\",\"id\":\"A\"}\n{\"__parentId\":\"S\",\"id\":\"B\"}\n{\"id\":\"T\"}\n";
    assert_eq!(written, expected);
}
