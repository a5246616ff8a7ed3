//! Just enough of GraphQL to answer as a GraphQL server does: it reads a document, checks its variables,
//! gives back the fields that were asked for and no others, and reckons what that costs.
//!
//! A simulator says what there is, as JSON with every field that could be asked for; `__typename` where a
//! fragment has a condition. A list becomes a connection where `nodes` or `edges` are asked of it.
//! Left out on purpose: types, aliases, subscriptions.

pub mod objects;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

/// A field that is asked for, its arguments known.
#[derive(Debug, Clone, Default)]
pub struct Field {
    pub name: String,
    pub args: Map<String, Value>,
    /// Arguments of `@idempotent` and the like, by directive.
    pub directives: Map<String, Value>,
    /// Only of objects of this type.
    on: Option<String>,
    pub fields: Vec<Field>,
}

/// An operation, its variables put in.
#[derive(Debug, Clone)]
pub struct Operation {
    pub is_mutation: bool,
    pub fields: Vec<Field>,
}

/// Why a document is not answered, in the words of the server.
pub type Refusal = String;

/// Reads the one operation of a document.
///
/// # Errors
/// When it is not understood, or a variable is missing, `null` against its type, or not declared.
pub fn read(document: &str, variables: &Value) -> Result<Operation, Refusal> {
    let mut reader = Reader {
        tokens: tokens(document)?,
        at: 0,
        variables: Map::new(),
        sent: variables.as_object().cloned().unwrap_or_default(),
        fragments: Vec::new(),
    };
    reader.document()
}

impl Field {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.args.get(name)?.as_str()
    }

    /// The page size; connections must have one.
    ///
    /// # Errors
    /// When it is missing or not 1 to 250.
    pub fn first(&self) -> Result<usize, Refusal> {
        let first = self.args.get("first").and_then(Value::as_u64);
        match first.filter(|first| (1..=250).contains(first)) {
            Some(first) => Ok(first as usize),
            None => Err(format!(
                "you must provide `first` between 1 and 250 for `{}`",
                self.name
            )),
        }
    }

    fn is_connection(&self) -> bool {
        let is_one = |field: &Field| matches!(field.name.as_str(), "nodes" | "edges" | "pageInfo");
        self.fields.iter().any(is_one)
    }

    /// What is asked of each row of a connection.
    fn of_node(&self) -> &[Self] {
        let of = |fields: &[Self], name: &str| fields.iter().position(|field| field.name == name);
        if let Some(at) = of(&self.fields, "nodes") {
            return &self.fields[at].fields;
        }
        let edges = of(&self.fields, "edges").map(|at| &self.fields[at]);
        let node = edges.and_then(|edges| edges.fields.iter().find(|field| field.name == "node"));
        node.map_or(&[], |node| &node.fields)
    }

    /// Objects 1, values 0, lists by the size that was asked for, connections 2 more.
    fn cost(&self) -> u64 {
        if self.fields.is_empty() {
            return 0;
        }
        let inner = |fields: &[Self]| 1 + fields.iter().map(Self::cost).sum::<u64>();
        let size = |name: &str| self.args.get(name).and_then(Value::as_u64);
        let ids = self.args.get("ids").and_then(Value::as_array);
        if self.is_connection() {
            return 2 + size("first").unwrap_or(1) * inner(self.of_node());
        }
        let many = ids.map(|ids| ids.len() as u64).or(size("first"));
        many.unwrap_or(1) * inner(&self.fields)
    }
}

/// What an operation costs before it is carried out. Source: the rules of the rate-limits page.
pub fn requested_cost(operation: &Operation) -> u64 {
    let fields = operation.fields.iter();
    fields
        .map(|field| {
            if operation.is_mutation {
                10
            } else {
                field.cost()
            }
        })
        .sum()
}

/// What an answer cost: an object 1.
pub fn actual_cost(answer: &Value) -> u64 {
    match answer {
        Value::Object(fields) => 1 + fields.values().map(actual_cost).sum::<u64>(),
        Value::Array(rows) => rows.iter().map(actual_cost).sum(),
        _ => 0,
    }
}

/// Of `there`, what `field` asks for.
///
/// # Errors
/// When something is asked for that is not there, or a page has no size.
pub fn answer(field: &Field, there: &Value) -> Result<Value, Refusal> {
    match there {
        Value::Array(rows) if field.is_connection() => connection(field, rows),
        Value::Array(rows) => {
            let most = field.args.get("first").and_then(Value::as_u64);
            let rows = rows.iter().take(most.map_or(usize::MAX, |n| n as usize));
            rows.map(|row| answer(field, row)).collect()
        }
        Value::Object(object) if field.fields.is_empty() => Err(format!(
            "Field '{}' must have selections ({} fields)",
            field.name,
            object.len()
        )),
        Value::Object(object) => select(&field.fields, object),
        value => Ok(value.clone()),
    }
}

fn select(fields: &[Field], object: &Map<String, Value>) -> Result<Value, Refusal> {
    let mut selected = Map::new();
    for field in fields {
        let kind = object.get("__typename").and_then(Value::as_str);
        if field.on.is_some() && field.on.as_deref() != kind {
            continue;
        }
        let Some(there) = object.get(&field.name) else {
            return Err(format!("Field '{}' doesn't exist", field.name));
        };
        selected.insert(field.name.clone(), answer(field, there)?);
    }
    Ok(selected.into())
}

/// A page of rows that are all here. Cursors count rows: lists inside of one object do not change between.
fn connection(field: &Field, rows: &[Value]) -> Result<Value, Refusal> {
    let start = match field.text("after") {
        Some(cursor) => from_cursor(cursor)
            .and_then(|at| at.parse::<usize>().ok())
            .ok_or_else(|| "Invalid cursor".to_owned())?,
        None => 0,
    };
    let end = rows.len().min(start + field.first()?);
    let shown = rows.get(start..end).unwrap_or_default();
    page(field, shown, (end < rows.len()).then(|| end.to_string()))
}

/// A page of rows, and the place after it where there are more.
///
/// # Errors
/// As for [`answer`].
pub fn page(field: &Field, rows: &[Value], next: Option<String>) -> Result<Value, Refusal> {
    let cursor = next.as_deref().map(to_cursor);
    let has_next = next.is_some();
    let edges: Vec<_> = rows.iter().map(|row| json!({ "node": row })).collect();
    let info = json!({"hasNextPage": has_next, "endCursor": cursor});
    let there = json!({"nodes": rows, "edges": edges, "pageInfo": info});
    answer(field, &there)
}

pub fn to_cursor(place: &str) -> String {
    STANDARD.encode(json!({ "last_id": place }).to_string())
}

pub fn from_cursor(cursor: &str) -> Option<String> {
    let place: Value = serde_json::from_slice(&STANDARD.decode(cursor).ok()?).ok()?;
    Some(place.get("last_id")?.as_str()?.to_owned())
}

/// The rows of a connection as a bulk operation writes them: a line each, the rows of inner connections
/// after the row they belong to, with its id.
///
/// # Errors
/// As for [`answer`].
pub fn lines(field: &Field, rows: &[Value], parent: Option<&Value>) -> Result<String, Refusal> {
    let mut written = String::new();
    let (inner, own): (Vec<_>, Vec<_>) = field
        .of_node()
        .iter()
        .partition(|field| field.is_connection());
    let own: Vec<Field> = own.into_iter().cloned().collect();
    for row in rows {
        let Value::Object(object) = row else { continue };
        let mut line = select(&own, object)?;
        if let Some(parent) = parent {
            line["__parentId"] = parent.clone();
        }
        written.push_str(&line.to_string());
        written.push('\n');
        for field in &inner {
            let below = object.get(&field.name).and_then(Value::as_array);
            let below = below.ok_or_else(|| format!("Field '{}' doesn't exist", field.name))?;
            written.push_str(&lines(field, below, Some(&line["id"]))?);
        }
    }
    Ok(written)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    /// A number or a text.
    Literal(Value),
    Mark(char),
    Spread,
}

fn tokens(document: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut rest = document;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '.' if rest.starts_with("...") => {
                tokens.push(Token::Spread);
                3
            }
            '"' => {
                let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
                let text = texts.next().and_then(Result::ok);
                tokens.push(Token::Literal(text.ok_or("Unterminated string")?));
                texts.byte_offset()
            }
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '=' | '!' | '$' | '@' => {
                tokens.push(Token::Mark(first));
                1
            }
            c if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                tokens.push(match rest[..end].parse::<i64>() {
                    Ok(number) => Token::Literal(number.into()),
                    Err(_) => Token::Name(rest[..end].to_owned()),
                });
                end
            }
            c if c.is_whitespace() || c == ',' => c.len_utf8(),
            c => return Err(format!("Unexpected character {c:?}")),
        };
        rest = &rest[length..];
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    /// Declared, with their values.
    variables: Map<String, Value>,
    sent: Map<String, Value>,
    /// Name, type, and where the selection begins.
    fragments: Vec<(String, String, usize)>,
}

impl Reader {
    fn document(&mut self) -> Result<Operation, Refusal> {
        self.find_fragments()?;
        self.at = 0;
        let is_mutation = match self.peek() {
            Some(Token::Name(word)) if word == "query" || word == "mutation" => {
                let is_mutation = word == "mutation";
                self.at += 1;
                if matches!(self.peek(), Some(Token::Name(_))) {
                    self.at += 1;
                }
                if self.take('(') {
                    self.declarations()?;
                }
                is_mutation
            }
            _ => false,
        };
        let declared = |name: &&String| self.variables.contains_key(*name);
        if let Some(unknown) = self.sent.keys().find(|name| !declared(name)) {
            return Err(format!("Variable ${unknown} is not declared"));
        }
        let fields = self.selection()?;
        Ok(Operation {
            is_mutation,
            fields,
        })
    }

    fn find_fragments(&mut self) -> Result<(), Refusal> {
        while self.at < self.tokens.len() {
            let is_fragment = self.tokens[self.at] == Token::Name("fragment".to_owned());
            self.at += 1;
            if is_fragment {
                let name = self.name()?;
                self.name()?;
                let on = self.name()?;
                self.fragments.push((name, on, self.at));
            }
        }
        Ok(())
    }

    /// `$name: Type! = value`, up to the closing bracket.
    fn declarations(&mut self) -> Result<(), Refusal> {
        while !self.take(')') {
            self.must('$')?;
            let name = self.name()?;
            self.must(':')?;
            let is_needed = self.kind()?;
            let default = if self.take('=') {
                Some(self.value()?)
            } else {
                None
            };
            let value = self.sent.get(&name).cloned().or(default);
            let value = value.unwrap_or(Value::Null);
            if is_needed && value.is_null() {
                return Err(format!("Variable ${name} was provided invalid value"));
            }
            self.variables.insert(name, value);
        }
        Ok(())
    }

    /// A type; whether it may not be null.
    fn kind(&mut self) -> Result<bool, Refusal> {
        if self.take('[') {
            self.kind()?;
            self.must(']')?;
        } else {
            self.name()?;
        }
        Ok(self.take('!'))
    }

    fn selection(&mut self) -> Result<Vec<Field>, Refusal> {
        self.must('{')?;
        let mut fields = Vec::new();
        while !self.take('}') {
            if self.peek() == Some(&Token::Spread) {
                self.at += 1;
                fields.extend(self.fragment()?);
                continue;
            }
            let mut field = Field {
                name: self.name()?,
                ..Field::default()
            };
            if self.take('(') {
                field.args = self.arguments()?;
            }
            let mut is_included = true;
            while self.take('@') {
                let (name, args) = (self.name()?, self.directive()?);
                match name.as_str() {
                    "include" => is_included &= args["if"] == true,
                    "skip" => is_included &= args["if"] != true,
                    _ => drop(field.directives.insert(name, args)),
                }
            }
            if self.peek() == Some(&Token::Mark('{')) {
                field.fields = self.selection()?;
            }
            if is_included {
                fields.push(field);
            }
        }
        Ok(fields)
    }

    /// What follows `...`: a name, or `on Type { .. }`.
    fn fragment(&mut self) -> Result<Vec<Field>, Refusal> {
        let name = self.name()?;
        let (on, fields) = if name == "on" {
            (self.name()?, self.selection()?)
        } else {
            let known = self.fragments.iter().find(|(known, ..)| *known == name);
            let Some((_, on, at)) = known.cloned() else {
                return Err(format!("Fragment {name} was used, but not defined"));
            };
            let back = std::mem::replace(&mut self.at, at);
            let fields = self.selection()?;
            self.at = back;
            (on, fields)
        };
        let conditioned = |field| Field {
            on: Some(on.clone()),
            ..field
        };
        Ok(fields.into_iter().map(conditioned).collect())
    }

    fn directive(&mut self) -> Result<Value, Refusal> {
        if self.take('(') {
            return self.arguments().map(Value::from);
        }
        Ok(json!({}))
    }

    fn arguments(&mut self) -> Result<Map<String, Value>, Refusal> {
        let mut arguments = Map::new();
        while !self.take(')') {
            let name = self.name()?;
            self.must(':')?;
            arguments.insert(name, self.value()?);
        }
        Ok(arguments)
    }

    fn value(&mut self) -> Result<Value, Refusal> {
        if self.take('$') {
            let name = self.name()?;
            let value = self.variables.get(&name).cloned();
            return value.ok_or_else(|| format!("Variable ${name} is used but not declared"));
        }
        if self.take('[') {
            let mut items = Vec::new();
            while !self.take(']') {
                items.push(self.value()?);
            }
            return Ok(items.into());
        }
        let token = self.peek().cloned();
        self.at += 1;
        match token {
            Some(Token::Literal(value)) => Ok(value),
            Some(Token::Name(name)) => Ok(match name.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                "null" => Value::Null,
                word => word.into(),
            }),
            other => Err(format!("Expected a value, actual: {other:?}")),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, mark: char) -> bool {
        let is_it = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(is_it);
        is_it
    }

    fn must(&mut self, mark: char) -> Result<(), Refusal> {
        let found = format!("{:?}", self.peek());
        let is_it = self.take(mark);
        is_it
            .then_some(())
            .ok_or_else(|| format!("Expected {mark:?}, actual: {found}"))
    }

    fn name(&mut self) -> Result<String, Refusal> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            other => Err(format!("Expected a name, actual: {other:?}")),
        }
    }
}

#[cfg(test)]
mod tests;
