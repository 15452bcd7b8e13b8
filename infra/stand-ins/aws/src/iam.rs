//! IAM for the embedded AWS: a caller is who signs the request, and its role's statements decide.
//!
//! Only what the template uses is understood: identity policies that allow or deny named actions
//! on named resources, some only for partitions of a table. As on AWS, nothing is allowed without
//! a statement, and a `Deny` wins (docs.aws.amazon.com, "Policy evaluation logic").

use serde_json::Value;
use std::collections::BTreeMap;

/// The roles of all functions, by the function's name.
pub type Roles = BTreeMap<String, Vec<Statement>>;

/// A statement of a role.
#[derive(Debug, Clone)]
pub struct Statement {
    pub effect: Effect,
    /// Actions by their full name, such as `dynamodb:PutItem`.
    pub actions: Vec<String>,
    /// Tables, `table/index/name`, and queues, by their names.
    pub resources: Vec<String>,
    /// The partitions that the statement is about; empty for all. A `*` at the end stands for any
    /// text.
    pub partitions: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// One thing that a request does.
#[derive(Debug)]
struct Act {
    action: String,
    resource: String,
    partitions: Vec<String>,
}

impl Statement {
    fn matches(&self, act: &Act) -> bool {
        self.actions.contains(&act.action)
            && self.resources.contains(&act.resource)
            && self.matches_partitions(&act.partitions)
    }

    /// An `Allow` has `ForAllValues`, a `Deny` has `ForAnyValue`.
    fn matches_partitions(&self, touched: &[String]) -> bool {
        if self.partitions.is_empty() {
            return true;
        }
        let named = |partition: &String| {
            self.partitions
                .iter()
                .any(|pattern| match pattern.strip_suffix('*') {
                    Some(start) => partition.starts_with(start),
                    None => partition == pattern,
                })
        };
        match self.effect {
            Effect::Allow => touched.iter().all(named),
            Effect::Deny => touched.iter().any(named),
        }
    }
}

/// Returns why a function may not send a request, or `None` if it may.
pub fn refusal(roles: &Roles, caller: &str, target: &str, request: &Value) -> Option<String> {
    let statements = roles.get(caller).map(Vec::as_slice).unwrap_or_default();
    acts(target, request).into_iter().find_map(|act| {
        let of = |effect| {
            let mut matching = statements.iter().filter(|one| one.matches(&act));
            matching.any(|statement| statement.effect == effect)
        };
        let allowed = of(Effect::Allow) && !of(Effect::Deny);
        (!allowed).then(|| {
            let Act { action, resource, partitions } = act;
            format!("{caller} is not authorized to perform {action} on {resource}, partitions {partitions:?}")
        })
    })
}

/// The access key that signed a request.
pub(crate) fn caller(authorization: &str) -> &str {
    let credential = authorization.split_once("Credential=");
    let key = credential.and_then(|(_, rest)| rest.split('/').next());
    key.unwrap_or_default()
}

fn acts(target: &str, request: &Value) -> Vec<Act> {
    let operation = target.rsplit('.').next().unwrap_or_default();
    if target.starts_with("AmazonSQS") {
        return vec![on_queue(operation, request)];
    }
    match operation {
        "TransactWriteItems" => each(&request["TransactItems"])
            .map(in_transaction)
            .collect(),
        "BatchGetItem" => {
            let tables = request["RequestItems"].as_object().into_iter().flatten();
            let act = |(table, wanted): (&String, &Value)| Act {
                action: "dynamodb:BatchGetItem".to_owned(),
                resource: table.clone(),
                partitions: each(&wanted["Keys"]).filter_map(partition).collect(),
            };
            tables.map(act).collect()
        }
        operation => vec![Act {
            action: format!("dynamodb:{operation}"),
            resource: place(request),
            partitions: partition(&request["Key"])
                .or_else(|| partition(&request["Item"]))
                .or_else(|| queried(request))
                .into_iter()
                .collect(),
        }],
    }
}

fn in_transaction(item: &Value) -> Act {
    let part = item.as_object().and_then(|parts| parts.iter().next());
    let (name, request) = part.map_or(("", &Value::Null), |(name, part)| (name.as_str(), part));
    let action = match name {
        "ConditionCheck" => "dynamodb:ConditionCheckItem".to_owned(),
        name => format!("dynamodb:{name}Item"),
    };
    Act {
        action,
        resource: place(request),
        partitions: partition(&request["Key"])
            .or_else(|| partition(&request["Item"]))
            .into_iter()
            .collect(),
    }
}

/// A batch needs the right of its single action.
fn on_queue(operation: &str, request: &Value) -> Act {
    let queue = request["QueueUrl"]
        .as_str()
        .or_else(|| request["SourceArn"].as_str())
        .unwrap_or_default();
    let name = queue.rsplit(['/', ':']).next().unwrap_or_default();
    Act {
        action: format!("sqs:{}", operation.trim_end_matches("Batch")),
        resource: name.to_owned(),
        partitions: Vec::new(),
    }
}

/// The table or index of a request.
fn place(request: &Value) -> String {
    let table = request["TableName"].as_str().unwrap_or_default();
    match request["IndexName"].as_str() {
        Some(index) => format!("{table}/index/{index}"),
        None => table.to_owned(),
    }
}

fn partition(key: &Value) -> Option<String> {
    key["pk"]["S"].as_str().map(str::to_owned)
}

/// The partition of a query: the value that the first attribute of its condition equals.
fn queried(request: &Value) -> Option<String> {
    let condition = request["KeyConditionExpression"].as_str()?;
    let (_, after) = condition.split_once('=')?;
    let name = after.split_whitespace().next()?;
    let value = &request["ExpressionAttributeValues"][name]["S"];
    value.as_str().map(str::to_owned)
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
