//! The tables of `template.yaml` and those that the local stack and the tests create are the same. The code's side is read
//! as text, so that this package stays without the AWS SDK.

use crate::repository::{read, report};
use crate::template::{each, template};
use serde_json::{Value, json};

/// Logical id in the template, constant in `shared/store/src/db/schema.rs`.
const TABLES: [(&str, &str); 3] = [
    ("EventsTable", "EVENTS"),
    ("MainTable", "MAIN"),
    ("LedgerTable", "LEDGER"),
];

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Index {
    name: String,
    hash: String,
    range: String,
    /// Attributes besides the keys; `*` for all of them.
    more: Vec<String>,
}

/// The quoted texts behind a field's name, up to the end of the field.
fn quoted(text: &str, field: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once(&format!("{field}:")) else {
        return Vec::new();
    };
    let rest = rest.trim_start();
    let value = if rest.starts_with("&[") {
        rest.split(']').next()
    } else {
        rest.split([',', '}']).next()
    };
    value
        .unwrap_or_default()
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn in_code(constant: &str) -> Vec<Index> {
    let text = read("shared/store/src/db/schema.rs");
    let start = text
        .find(&format!("const {constant}:"))
        .unwrap_or_else(|| panic!("schema.rs defines {constant}"));
    let body = text[start..]
        .split_once(';')
        .map_or(&text[start..], |(body, _)| body);
    let one = |text: &str, field: &str| quoted(text, field).concat();
    let mut indexes: Vec<_> = body
        .split("Index {")
        .skip(1)
        .map(|index| Index {
            name: one(index, "name"),
            hash: one(index, "hash"),
            range: one(index, "range"),
            more: if index.contains("ProjectionType::All")
                || index.contains("Projection::All")
                || index.contains("All,")
            {
                vec!["*".into()]
            } else {
                quoted(index, "include")
            },
        })
        .collect();
    indexes.sort();
    indexes
}

fn in_template(table: &Value) -> Vec<Index> {
    let key = |schema: &Value, kind: &str| {
        each(schema)
            .find(|part| part["KeyType"] == kind)
            .and_then(|part| part["AttributeName"].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let mut indexes: Vec<_> = each(&table["GlobalSecondaryIndexes"])
        .map(|index| Index {
            name: index["IndexName"].as_str().unwrap_or_default().to_owned(),
            hash: key(&index["KeySchema"], "HASH"),
            range: key(&index["KeySchema"], "RANGE"),
            more: match index["Projection"]["ProjectionType"].as_str() {
                Some("ALL") => vec!["*".into()],
                Some("INCLUDE") => crate::template::texts(&index["Projection"]["NonKeyAttributes"])
                    .map(str::to_owned)
                    .collect(),
                _ => Vec::new(),
            },
        })
        .collect();
    indexes.sort();
    indexes
}

#[test]
fn indexes_are_the_same_in_code_and_template() {
    let template = template();
    let tables = template.of("AWS::DynamoDB::Table");
    let mut faults = Vec::new();
    for (id, constant) in TABLES {
        let (template, code) = (in_template(tables[id]), in_code(constant));
        if template != code {
            faults.push(format!(
                "{id}: the template has {template:?}, schema.rs has {code:?}"
            ));
        }
    }
    if tables.len() != TABLES.len() {
        faults.push(format!("list every table here: {:?}", tables.keys()));
    }
    report(faults);
}

#[test]
fn tables_have_the_usual_keys() {
    let template = template();
    let mut faults = Vec::new();
    for (id, table) in template.of("AWS::DynamoDB::Table") {
        let keys = json!([{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }]);
        if table["KeySchema"] != keys {
            faults.push(format!("{id}: its keys are pk and sk"));
        }
        for index in in_template(table) {
            for (attribute, kind) in [
                ("pk", "S"),
                ("sk", "S"),
                (index.hash.as_str(), "S"),
                (index.range.as_str(), "N"),
            ] {
                if !each(&table["AttributeDefinitions"])
                    .any(|it| it["AttributeName"] == attribute && it["AttributeType"] == kind)
                {
                    faults.push(format!("{id}: {attribute} must be defined as {kind}"));
                }
            }
        }
    }
    report(faults);
}

/// What would hurt most to find out late: that the money went with the stack.
#[test]
fn tables_outlive_their_stack() {
    let template = template();
    let mut faults = Vec::new();
    for (id, table) in template.of("AWS::DynamoDB::Table") {
        let resource = &template.resources[id];
        let mut must = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("{id}: {what}"))
            }
        };
        must(
            resource["DeletionPolicy"] == "Retain",
            "DeletionPolicy must be Retain",
        );
        must(
            resource["UpdateReplacePolicy"] == "Retain",
            "UpdateReplacePolicy must be Retain",
        );
        must(
            table["DeletionProtectionEnabled"] == true,
            "must be protected from deletion",
        );
        must(
            table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == true,
            "needs point-in-time recovery",
        );
        must(
            table["SSESpecification"]["SSEEnabled"] == true,
            "must be encrypted",
        );
        must(
            table["BillingMode"] == "PAY_PER_REQUEST",
            "is billed on demand",
        );
        let expires = json!({ "AttributeName": "ttl", "Enabled": true });
        if id == "LedgerTable" {
            // A put that replaces an entry by one with a past `ttl` would delete it.
            must(
                table.get("TimeToLiveSpecification").is_none(),
                "must not expire anything",
            );
        } else {
            must(
                table["TimeToLiveSpecification"] == expires,
                "expires rows by ttl",
            );
        }
        must(
            table.get("TableName").is_none(),
            "a fixed name cannot exist twice",
        );
        must(
            table.get("LocalSecondaryIndexes").is_none(),
            "a local index can never be added or dropped later",
        );
    }
    report(faults);
}
