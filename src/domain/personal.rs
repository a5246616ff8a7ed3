//! What is a person's and nobody else's business: buyers' data in what marketplaces send, and secrets. Found by the
//! names of fields, and masked so that ids, amounts, statuses and SKUs stay.
//!
//! Promises: masking twice is masking once; what was text stays text and what was a number stays a number, so that a
//! masked message is parsed like the one that came. What cannot be parsed is not shown at all.
//!
//! The names are those that the marketplaces document for buyers, recipients, addresses, contacts, notes and tax
//! numbers, and what is usual besides; a marketplace with names of its own adds them.

use serde_json::{Map, Value};

/// What stands where a person's data was.
pub const MASK: &str = "***";
/// What stands where a secret was.
pub const HIDDEN: &str = "[hidden]";

/// A field whose name holds one of these is personal, wherever it stands. Lower case, letters and digits only.
const PERSONAL_PARTS: [&str; 55] = [
    "accountnumber",
    "address",
    "avatar",
    "bankaccount",
    "birth",
    "browserip",
    "buyercomment",
    "buyermessage",
    "buyername",
    "buyernick",
    "buyernote",
    "cardholder",
    "clientdetails",
    "clientip",
    "cnpj",
    "companyname",
    "consignee",
    "contactname",
    "contactperson",
    "cpf",
    "creditcard",
    "customername",
    "customernote",
    "deliveryinstruction",
    "email",
    "firstname",
    "fullname",
    "geolocation",
    "giftmessage",
    "iban",
    "idcard",
    "ipaddr",
    "lastname",
    "latitude",
    "longitude",
    "messagetoseller",
    "middlename",
    "mobilenumber",
    "nationalid",
    "nationalregistration",
    "noteattributes",
    "npwp",
    "orderstatusurl",
    "passport",
    "phone",
    "postalcode",
    "postcode",
    "receiver",
    "recipient",
    "shippername",
    "sellernote",
    "surname",
    "useragent",
    "username",
    "zipcode",
];

/// A field with exactly this name is personal.
const PERSONAL: [&str; 23] = [
    "branchnumber",
    "buyer",
    "comment",
    "comments",
    "company",
    "customer",
    "gender",
    "gstin",
    "instructions",
    "memo",
    "mobile",
    "note",
    "notes",
    "remark",
    "remarks",
    "street",
    "taxcode",
    "taxid",
    "taxnumber",
    "tel",
    "telephone",
    "vatnumber",
    "zip",
];

/// Numbers that a state gives to people: personal although their names end like those of ids.
const STATE_NUMBERS: [&str; 6] = ["cpf", "cnpj", "taxid", "nationalid", "passport", "npwp"];

/// An object with this name is a person; a plain value is not (`shipping` may be what shipping costs).
const PERSONS: [&str; 9] = [
    "destination",
    "billing",
    "contact",
    "contacts",
    "member",
    "sender",
    "shipping",
    "user",
    "users",
];

/// What stays inside a person's object.
const HARMLESS: [&str; 9] = [
    "amount",
    "country",
    "countrycode",
    "createdat",
    "currency",
    "quantity",
    "sku",
    "status",
    "updatedat",
];

/// A field whose name holds one of these is a secret.
const SECRET_PARTS: [&str; 15] = [
    "accesskey",
    "apikey",
    "authorization",
    "cipher",
    "consumerkey",
    "cookie",
    "credential",
    "hmac",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "sealingkey",
    "signature",
    "signingkey",
];

fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a field with this name holds a person's data.
pub fn is_personal(name: &str, more: &[&str]) -> bool {
    let name = plain(name);
    let holds = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if holds(&STATE_NUMBERS) {
        return true;
    }
    if is_id(&name) {
        return false;
    }
    holds(&PERSONAL_PARTS)
        || PERSONAL.contains(&name.as_str())
        || more.iter().any(|more| plain(more) == name)
}

/// Whether a field with this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    let name = plain(name);
    SECRET_PARTS.iter().any(|part| name.contains(part)) || name.ends_with("token")
}

fn is_id(name: &str) -> bool {
    name == "id" || name == "ids" || name.ends_with("id") && !name.ends_with("paid")
}

fn is_harmless(name: &str) -> bool {
    let name = plain(name);
    is_id(&name) && !STATE_NUMBERS.iter().any(|part| name.contains(part))
        || HARMLESS.contains(&name.as_str())
}

/// The value with every person's data masked. `more` are names that the marketplace has besides the usual ones.
#[must_use]
pub fn masked(value: Value, more: &[&str]) -> Value {
    match value {
        Value::Object(members) => Value::Object(masked_members(members, more)),
        Value::Array(items) => items.into_iter().map(|item| masked(item, more)).collect(),
        Value::String(text) => Value::String(masked_text(text, more)),
        other => other,
    }
}

fn masked_members(members: Map<String, Value>, more: &[&str]) -> Map<String, Value> {
    // `{"key": "billing_phone", "value": "..."}`: the name is a value.
    let named = ["key", "name"]
        .iter()
        .find_map(|key| members.get(*key)?.as_str());
    let is_named_personal =
        members.contains_key("value") && named.is_some_and(|name| is_personal(name, more));
    let masked = members.into_iter().map(|(name, value)| {
        let is_person = PERSONS.contains(&plain(&name).as_str())
            && matches!(value, Value::Object(_) | Value::Array(_));
        let is_all = is_person || is_personal(&name, more) || is_named_personal && name == "value";
        let value = if is_all {
            blotted(value)
        } else {
            masked(value, more)
        };
        (name, value)
    });
    masked.collect()
}

/// Texts that hold JSON are looked into; those that are an e-mail address or a telephone number by their look are
/// masked whatever their name.
fn masked_text(text: String, more: &[&str]) -> String {
    if text.starts_with(['{', '['])
        && let Ok(inside @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(&text)
    {
        return masked(inside, more).to_string();
    }
    if looks_like_email(&text) || looks_like_phone(&text) {
        MASK.to_owned()
    } else {
        text
    }
}

fn looks_like_email(text: &str) -> bool {
    let word = |word: &str| match word.split_once('@') {
        Some((name, host)) => !name.is_empty() && host.contains('.') && !host.contains('/'),
        None => false,
    };
    !text.contains("://") && text.split_whitespace().any(word)
}

/// With the `+` of other countries; digits alone are as likely an id.
fn looks_like_phone(text: &str) -> bool {
    let Some(rest) = text.trim().strip_prefix('+') else {
        return false;
    };
    let n_digits = rest.chars().filter(char::is_ascii_digit).count();
    let is_usual = |c: char| c.is_ascii_digit() || " -().".contains(c);
    n_digits >= 8 && rest.chars().all(is_usual)
}

/// Everything inside is masked but ids and what has no person in it.
fn blotted(value: Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::String(text),
        Value::String(_) => Value::String(MASK.to_owned()),
        Value::Number(_) => Value::from(0),
        Value::Array(items) => items.into_iter().map(blotted).collect(),
        Value::Object(members) => {
            let blot = |(name, value): (String, Value)| {
                let is_kept = is_harmless(&name) && !value.is_object() && !value.is_array();
                let value = if is_kept { value } else { blotted(value) };
                (name, value)
            };
            Value::Object(members.into_iter().map(blot).collect())
        }
        other => other,
    }
}

/// The value without secrets and persons' data: for the audit trail.
#[must_use]
pub fn cleaned(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let clean = |(name, value): (String, Value)| {
                let value = if is_secret(&name) && !value.is_null() && !value.is_boolean() {
                    Value::String(HIDDEN.to_owned())
                } else if is_personal(&name, &[]) {
                    blotted(value)
                } else {
                    cleaned(value)
                };
                (name, value)
            };
            Value::Object(members.into_iter().map(clean).collect())
        }
        Value::Array(items) => items.into_iter().map(cleaned).collect(),
        other => other,
    }
}

/// A body as it came, masked: JSON and forms are; of anything else there is nothing to show.
pub fn masked_body(body: &[u8], more: &[&str]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return match value {
            Value::Object(_) | Value::Array(_) => Some(masked(value, more).to_string()),
            _ => None,
        };
    }
    masked_form(text, more)
}

fn masked_form(text: &str, more: &[&str]) -> Option<String> {
    let is_form =
        text.contains('=') && !text.contains(|c: char| c.is_whitespace() || "<>{\"".contains(c));
    if !is_form {
        return None;
    }
    let pairs = url::form_urlencoded::parse(text.as_bytes()).map(|(name, value)| {
        // `billing[first_name]`
        let parts: Vec<&str> = name
            .split(['[', ']', '.'])
            .filter(|part| !part.is_empty())
            .collect();
        let is_person = parts.len() > 1 && PERSONS.contains(&plain(parts[0]).as_str());
        let last_is_harmless = parts.last().is_some_and(|last| is_harmless(last));
        let is_masked = !value.is_empty()
            && (parts.iter().any(|part| is_personal(part, more))
                && !(parts.len() > 1 && last_is_harmless)
                || is_person && !last_is_harmless);
        let value = if is_masked {
            MASK.to_owned()
        } else {
            masked_text(value.into_owned(), more)
        };
        (name.into_owned(), value)
    });
    let pairs: Vec<(String, String)> = pairs.collect();
    Some(
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn buyers_are_masked_and_ids_amounts_statuses_and_skus_stay() {
        let said = json!({
            "id": 7, "name": "#1001", "status": "paid", "total": "120.00", "shipping": "9.00",
            "email": "budi@example.com", "buyer_user_id": 42, "buyer_cpf_id": "123",
            "customer": {"id": 3, "name": "Budi", "default_address": {"country_code": "ID", "city": "Bogor"}},
            "billing": {"first_name": "Budi", "postcode": "16110"},
            "line_items": [{"sku": "TEE-RED", "name": "Red tee", "quantity": 2}],
            "meta_data": [{"key": "_billing_phone", "value": "0812"}],
            "data": "{\"recipient_address\":{\"phone\":\"0812\"},\"order_sn\":\"A1\"}",
            "free": "call +62 812 3456 7890", "free2": "+62 812 3456 7890",
        });

        let shown = masked(said, &[]);

        assert_eq!(
            shown,
            json!({
                "id": 7, "name": "#1001", "status": "paid", "total": "120.00", "shipping": "9.00",
                "email": MASK, "buyer_user_id": 42, "buyer_cpf_id": MASK,
                "customer": {"id": 3, "name": MASK, "default_address": {"country_code": "ID", "city": MASK}},
                "billing": {"first_name": MASK, "postcode": MASK},
                "line_items": [{"sku": "TEE-RED", "name": "Red tee", "quantity": 2}],
                "meta_data": [{"key": "_billing_phone", "value": MASK}],
                "data": "{\"order_sn\":\"A1\",\"recipient_address\":{\"phone\":\"***\"}}",
                "free": "call +62 812 3456 7890", "free2": MASK,
            })
        );
    }

    #[test]
    fn forms_are_masked_by_their_names() {
        let body = b"id=7&billing%5Bfirst_name%5D=Budi&billing%5Bcountry%5D=ID&phone=0812&total=9";

        let shown = masked_body(body, &[]).unwrap();

        assert_eq!(
            shown,
            "id=7&billing%5Bfirst_name%5D=***&billing%5Bcountry%5D=ID&phone=***&total=9"
        );
    }

    #[test]
    fn what_cannot_be_parsed_is_not_shown() {
        for body in [
            &b"\xff\xfe"[..],
            b"<xml>Budi</xml>",
            b"Budi, 0812",
            b"\"Budi\"",
            b"{\"a\":",
        ] {
            assert_eq!(masked_body(body, &[]), None);
        }
    }

    #[test]
    fn secrets_do_not_enter_the_trail() {
        let said = json!({"app_secret": "s", "refresh_token": "t", "buffer": 2, "token_ends": 5, "login": "a@b.cd"});

        assert_eq!(
            cleaned(said),
            json!({"app_secret": HIDDEN, "refresh_token": HIDDEN, "buffer": 2, "token_ends": 5, "login": "a@b.cd"})
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z@.+0-9 ]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let name = prop_oneof![
                Just("email".to_owned()),
                Just("customer".to_owned()),
                Just("id".to_owned()),
                Just("shipping".to_owned()),
                "[a-z_]{1,8}",
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(name, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn shape(value: &Value) -> Value {
        match value {
            Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), shape(v))).collect(),
            Value::Array(items) => items.iter().map(shape).collect(),
            Value::String(_) => json!("text"),
            Value::Number(_) => json!(1),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn masking_twice_is_masking_once_and_keeps_the_shape(value in any_json()) {
            let once = masked(value.clone(), &[]);

            prop_assert_eq!(shape(&once), shape(&value));
            prop_assert_eq!(masked(once.clone(), &[]), once);
        }
    }
}
