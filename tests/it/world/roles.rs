//! The functions' roles in `template.yaml`, for the embedded AWS, which holds every journey to them.

use local_stack::stack::{EVENTS_TABLE, LEDGER_TABLE, MAIN_TABLE};
use serde_yaml_ng::Value;
use stand_in_aws::iam::{Effect, Roles, Statement};
use std::sync::LazyLock;

static ROLES: LazyLock<Roles> = LazyLock::new(|| {
    let template = include_str!("../../../template.yaml");
    let template: Value = serde_yaml_ng::from_str(template).expect("template.yaml is YAML");
    let resources = template["Resources"]
        .as_mapping()
        .expect("it has resources");
    let roles = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role");
    roles
        .filter_map(|(id, role)| {
            let function = id.as_str()?.strip_suffix("Role")?;
            Some((
                dashed(function),
                statements(&role["Properties"]["Policies"]),
            ))
        })
        .collect()
});

pub fn of_the_template() -> Roles {
    ROLES.clone()
}

fn statements(policies: &Value) -> Vec<Statement> {
    let policies = policies.as_sequence().into_iter().flatten();
    let statements = policies.flat_map(|policy| each(&policy["PolicyDocument"]["Statement"]));
    statements
        .map(|statement| Statement {
            effect: match statement["Effect"].as_str() {
                Some("Allow") => Effect::Allow,
                Some("Deny") => Effect::Deny,
                other => panic!("an effect that no test knows: {other:?}"),
            },
            actions: each(&statement["Action"])
                .filter_map(|action| action.as_str().map(str::to_owned))
                .collect(),
            resources: each(&statement["Resource"]).filter_map(resource).collect(),
            partitions: partitions(&statement["Condition"]),
        })
        .collect()
}

/// The partitions that a condition names. Any other condition would make a journey's word worthless.
fn partitions(condition: &Value) -> Vec<String> {
    let tests = condition.as_mapping().into_iter().flatten();
    tests
        .flat_map(|(test, keys)| {
            let known = ["ForAllValues:StringEquals", "ForAnyValue:StringLike"];
            assert!(
                known.contains(&test.as_str().unwrap_or_default()),
                "a condition that no test knows: {test:?}"
            );
            each(&keys["dynamodb:LeadingKeys"]).filter_map(|key| key.as_str().map(str::to_owned))
        })
        .collect()
}

/// A table, index or queue by its local name; nothing else is embedded.
fn resource(value: &Value) -> Option<String> {
    let Value::Tagged(tagged) = value else {
        return None;
    };
    let text = tagged.value.as_str()?.replace("${", "").replace('}', "");
    let (id, rest) = text.split_once(".Arn")?;
    let name = match id {
        "EventsTable" => EVENTS_TABLE.to_owned(),
        "MainTable" => MAIN_TABLE.to_owned(),
        "LedgerTable" => LEDGER_TABLE.to_owned(),
        id => match (id.strip_suffix("Queue"), id.strip_suffix("Dlq")) {
            (Some(queue), _) => dashed(queue),
            (_, Some(queue)) => format!("{}-dlq", dashed(queue)),
            _ => return None,
        },
    };
    Some(format!("{name}{rest}"))
}

/// `JobSteps` is `job-steps`.
fn dashed(pascal: &str) -> String {
    let mut name = String::new();
    for c in pascal.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// One value or a list of values.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    match value.as_sequence() {
        Some(values) => values.as_slice(),
        None if value.is_null() => &[],
        None => std::slice::from_ref(value),
    }
    .iter()
}
