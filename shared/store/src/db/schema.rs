//! The tables as code, for the local stack and the tests, which have to create them.
//! `template.yaml` declares the same tables for AWS, and `tests/tidy` compares the two.
//!
//! Rules for changing an item. *Old reader, new data*: readers ignore attributes they do not know,
//! and keep them, because writes update single attributes. *New reader, old data*: a new attribute
//! is optional when read. *Old writer, new data*: if an old version meets a word it does not know
//! (a state, for example), it rejects the item and leaves it to the queue.

use crate::{Connection, StoreError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use std::collections::BTreeSet;

/// One index.
pub struct Index {
    pub name: &'static str,
    /// The partition key, a string.
    pub hash: &'static str,
    /// The sort key, a number.
    pub range: &'static str,
    /// Attributes projected in addition to the keys.
    pub include: &'static [&'static str],
}

/// One table. The keys are `pk` and `sk`, both strings. The expiry is in `ttl`, except in the
/// ledger, where nothing expires.
pub struct Table {
    /// The logical name.
    pub name: &'static str,
    pub indexes: &'static [Index],
}

/// The event log.
pub const EVENTS: Table = Table {
    name: "events",
    indexes: &[Index {
        name: "state",
        hash: "sx",
        range: "at",
        include: &[],
    }],
};

/// Accounts, jobs, and usage.
pub const MAIN: Table = Table {
    name: "main",
    indexes: &[
        Index {
            name: "due",
            hash: "dx",
            range: "due_at",
            include: &[],
        },
        Index {
            name: "timeline",
            hash: "owner",
            range: "at",
            include: &[],
        },
    ],
};

/// Entries and seals. The index projects everything that customers list: an entry is small, and
/// costs one unit either way.
pub const LEDGER: Table = Table {
    name: "ledger",
    indexes: &[
        Index {
            name: "day",
            hash: "day",
            range: "at",
            include: &["digest"],
        },
        Index {
            name: "timeline",
            hash: "owner",
            range: "at",
            include: &[
                "kind",
                "amount",
                "free",
                "held",
                "note",
                "source",
                "priced_by",
            ],
        },
    ],
};

impl Connection {
    /// Creates a table with this name, unless it already exists.
    pub async fn table_ensure(&self, table: &Table, name: &str) -> Result<(), StoreError> {
        let mut create = self
            .client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range))
            .attribute_definitions(attribute("pk", ScalarAttributeType::S))
            .attribute_definitions(attribute("sk", ScalarAttributeType::S));
        let mut defined = BTreeSet::new();
        for index in table.indexes {
            for (name, kind) in [
                (index.hash, ScalarAttributeType::S),
                (index.range, ScalarAttributeType::N),
            ] {
                if defined.insert(name) {
                    create = create.attribute_definitions(attribute(name, kind));
                }
            }
            create = create.global_secondary_indexes(definition(index));
        }
        match create.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_resource_in_use_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::sdk("create a table", error)),
        }
    }
}

fn definition(index: &Index) -> GlobalSecondaryIndex {
    let projection = if index.include.is_empty() {
        Projection::builder()
            .projection_type(ProjectionType::KeysOnly)
            .build()
    } else {
        let names = index
            .include
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(names))
            .build()
    };
    GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .key_schema(key(index.hash, KeyType::Hash))
        .key_schema(key(index.range, KeyType::Range))
        .projection(projection)
        .build()
        .expect("name, keys and projection are given")
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(kind)
        .build()
        .expect("name and kind are given")
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(kind)
        .build()
        .expect("name and kind are given")
}
