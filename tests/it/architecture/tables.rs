//! One owner writes a table: the module that the entity's first line names.

use super::{
    layers::ranks,
    source::{Source, mentions, mentions_beginning, nothing_breaks, sources, used_paths},
};

struct Table {
    name: String,
    owner: String,
}

/// Every table of `entity/`, with the owner from ``Written by `x`.``.
fn tables() -> Vec<Table> {
    let is_table = |source: &Source| !source.path.ends_with("/lib.rs");
    let tables = sources(&["entity/src"]).into_iter().filter(is_table);
    tables.map(|source| table(&source)).collect()
}

fn table(source: &Source) -> Table {
    let first = source.text.lines().next().unwrap_or_default();
    let owner = first
        .split_once("Written by `")
        .and_then(|(_, rest)| rest.split_once("`."))
        .unwrap_or_else(|| panic!("{}: the first line names no owner", source.path));
    let file = source.path.rsplit('/').next().unwrap();
    Table {
        name: file.trim_end_matches(".rs").to_owned(),
        owner: owner.0.to_owned(),
    }
}

/// What of a file is looked at, worked out once for all tables.
struct Looked {
    /// The code in one line.
    line: String,
    used: Vec<String>,
    texts: String,
}

impl Looked {
    fn at(source: &Source) -> Self {
        let code = source.production();
        Self {
            line: on_one_line(&code),
            used: used_paths(&code),
            texts: source.production_with_texts().to_lowercase(),
        }
    }
}

/// How a file of another module writes, or hides that it writes, `table`.
fn violations(source: &Looked, table: &Table) -> Vec<String> {
    let name = &table.name;
    let mut found: Vec<String> = writing_calls(name)
        .into_iter()
        .filter(|call| mentions_beginning(&source.line, call))
        .collect();
    for path in &source.used {
        let Some(inside) = path.strip_prefix(&format!("entity::{name}")) else {
            continue;
        };
        // Under another name, or without its table's name, a write could not be seen.
        if inside.starts_with(" as ")
            || ["::ActiveModel", "::Entity", "::*"]
                .iter()
                .any(|hidden| inside.starts_with(hidden))
        {
            found.push(format!("use {path}"));
        }
    }
    let sql = ["insert into", "update", "delete from"].map(|verb| format!("{verb} {name}"));
    found.extend(
        sql.into_iter()
            .filter(|statement| mentions(&source.texts, statement)),
    );
    found
}

/// A call may be broken over lines; here it is one text.
fn on_one_line(code: &str) -> String {
    let line = code.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace(" ::", "::")
        .replace(" .", ".")
        .replace("( ", "(")
}

fn writing_calls(table: &str) -> Vec<String> {
    let mut calls = vec![format!("{table}::ActiveModel")];
    // And what begins so: `insert_many`, `delete_by_id`.
    calls.extend(["insert", "update", "delete"].map(|verb| format!("{table}::Entity::{verb}")));
    for start in [
        "into_table(",
        "from_table(",
        ".table(",
        "Update::many(",
        "Delete::many(",
    ] {
        calls.push(format!("{start}{table}::Entity"));
        calls.push(format!("{start}entity::{table}::Entity"));
    }
    calls
}

#[test]
fn every_owner_is_a_module() {
    let ranks = ranks();

    let broken: Vec<_> = tables()
        .into_iter()
        .filter(|table| !ranks.contains_key(&table.owner))
        .map(|table| format!("{}: `{}`", table.name, table.owner))
        .collect();

    nothing_breaks("a table's owner is a module of src/lib.rs", &broken);
}

#[test]
fn only_its_owner_writes_a_table() {
    let tables = tables();
    let mut broken = Vec::new();

    for source in sources(&["src"]) {
        let looked = Looked::at(&source);
        for table in tables.iter().filter(|table| table.owner != source.module()) {
            for found in violations(&looked, table) {
                broken.push(format!(
                    "{}: {found} (owner: `{}`)",
                    source.path, table.owner
                ));
            }
        }
    }

    nothing_breaks("only its owner writes a table", &broken);
}

#[test]
fn the_writing_calls_are_recognised() {
    let orders = Table {
        name: "orders".to_owned(),
        owner: "sales".to_owned(),
    };
    let writes = [
        "orders::ActiveModel { id }",
        "entity::orders::ActiveModel::from(row)",
        "orders::Entity::insert(row)",
        "orders::Entity::insert_many(rows)",
        "entity::orders::Entity\n    ::update_many()",
        "orders::Entity::delete_by_id(1)",
        "return orders::ActiveModel::default();",
        "Update::many(\n        orders::Entity,\n    )",
        "Query::insert().into_table(entity::orders::Entity)",
        "use entity::orders::{ActiveModel, Column};",
        "use entity::{orders as o, skus};",
        "use entity::orders::Entity as Orders;",
        "use entity::orders::*;",
        "run(\"UPDATE orders SET state = 1\")",
    ];
    let reads = [
        "orders::Entity::find()",
        "merchant_orders::ActiveModel {}",
        "// orders::ActiveModel",
        "use entity::{orders, order_lines::{self, Column}};",
        "run(\"select 1 from orders\")",
        "\n#[cfg(test)]\nmod tests {\n    fn f() { orders::Entity::insert(row); }\n}\n",
    ];

    let seen = |text: &str| {
        let source = Source {
            path: "src/web/mod.rs".to_owned(),
            text: text.to_owned(),
        };
        !violations(&Looked::at(&source), &orders).is_empty()
    };

    for text in writes {
        assert!(seen(text), "{text}");
    }
    for text in reads {
        assert!(!seen(text), "{text}");
    }
}
