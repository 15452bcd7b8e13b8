//! The roles in `template.yaml` grant exactly the rights of `roles/table.rs`, action by action. A right more or less fails, so
//! a change of either is a decision that a review sees.

mod table;

use self::table::{ALLOWED, SIGNS_IN, WRITERS};
use crate::repository::{functions, pascal, report};
use crate::template::{Template, each, events, logical, mappings, template, texts};
use serde_json::Value;
use std::collections::BTreeSet;

pub type Right = (String, String, String);

fn allowed() -> BTreeSet<Right> {
    let rights = |(function, actions, resources): &(
        &str,
        &'static [&'static str],
        &'static [&'static str],
    )| {
        let function = pascal(function);
        actions
            .iter()
            .flat_map(move |action| {
                let function = function.clone();
                resources.iter().map(move |resource| {
                    (
                        function.clone(),
                        (*action).to_owned(),
                        (*resource).to_owned(),
                    )
                })
            })
            .collect::<Vec<_>>()
    };
    ALLOWED.iter().flat_map(rights).collect()
}

/// Every right that a function's own role gives it. Anything but a plain Allow of listed actions on listed resources is
/// refused here, since the table above could not show it.
pub fn granted(template: &Template) -> BTreeSet<Right> {
    let roles = template.of("AWS::IAM::Role");
    let mut rights = BTreeSet::new();
    for (name, function) in template.functions() {
        let role = logical(&function["Role"]);
        assert_eq!(
            role,
            format!("{name}Role"),
            "{name}: every function has a role of its own"
        );
        let properties = roles
            .get(role.as_str())
            .unwrap_or_else(|| panic!("{role} must be written out"));
        assert!(
            properties.get("ManagedPolicyArns").is_none(),
            "{role}: managed policies allow more than a function needs"
        );
        for statement in each(&properties["Policies"])
            .flat_map(|policy| each(&policy["PolicyDocument"]["Statement"]))
        {
            let keys: BTreeSet<_> = statement
                .as_object()
                .expect("a statement")
                .keys()
                .map(String::as_str)
                .collect();
            let plain = BTreeSet::from(["Action", "Effect", "Resource"]);
            assert!(
                keys.difference(&plain).all(|key| *key == "Condition"),
                "{role}: a statement of another form"
            );
            assert!(
                plain.is_subset(&keys),
                "{role}: a statement of another form"
            );
            if statement["Effect"] == "Deny" {
                continue;
            }
            assert_eq!(statement["Effect"], "Allow", "{role}");
            let within = partitions(&statement["Condition"], "ForAllValues:StringEquals");
            for action in texts(&statement["Action"]) {
                let places = each(&statement["Resource"]).map(place);
                let places = places.flat_map(|place| match &within[..] {
                    [] => vec![place],
                    keys => keys
                        .iter()
                        .map(|key| format!("{place}/keys/{key}"))
                        .collect(),
                });
                rights.extend(places.map(|place| (name.to_owned(), action.to_owned(), place)));
            }
        }
    }
    rights
}

/// The partitions of a table that a right is limited to; empty for the whole table. No other condition is understood.
fn partitions<'v>(condition: &'v Value, test: &str) -> Vec<&'v str> {
    let Some(condition) = condition.as_object() else {
        return Vec::new();
    };
    let only = |object: &'_ serde_json::Map<String, Value>, key: &str| {
        object.len() == 1 && object.contains_key(key)
    };
    assert!(
        only(condition, test),
        "{condition:?}: a condition of another form"
    );
    let keys = condition[test].as_object().expect("what has to be equal");
    assert!(
        only(keys, "dynamodb:LeadingKeys"),
        "{keys:?}: a condition of another form"
    );
    let keys: Vec<_> = texts(&keys["dynamodb:LeadingKeys"]).collect();
    assert!(!keys.is_empty(), "a right without a partition");
    keys
}

/// The partitions of the main table that a function's role forbids it to write.
fn forbidden(template: &Template, function: &str) -> BTreeSet<String> {
    let roles = template.of("AWS::IAM::Role");
    let role = roles[format!("{function}Role").as_str()];
    let denials = each(&role["Policies"])
        .flat_map(|policy| each(&policy["PolicyDocument"]["Statement"]))
        .filter(|statement| statement["Effect"] == "Deny");
    let mut forbidden = BTreeSet::new();
    for denial in denials {
        let actions: BTreeSet<_> = texts(&denial["Action"]).collect();
        assert_eq!(
            actions,
            WRITES.into(),
            "{function}: a denial covers every write"
        );
        assert_eq!(logical(&denial["Resource"]), "MainTable", "{function}");
        let keys = partitions(&denial["Condition"], "ForAnyValue:StringLike");
        forbidden.extend(keys.into_iter().map(str::to_owned));
    }
    forbidden
}

const WRITES: [&str; 3] = [
    "dynamodb:DeleteItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
];

/// Code that can write a key, a session or a member's role can act as anybody. So each function that can write to the main
/// table is denied every such partition that `WRITERS` does not give it.
#[test]
fn only_named_functions_write_what_lets_people_in() {
    let template = template();
    let granted = granted(&template);
    let mut faults = Vec::new();
    for name in template.functions().into_keys() {
        let writes = granted.iter().any(|(function, action, place)| {
            function == name && WRITES.contains(&action.as_str()) && place == "MainTable"
        });
        let others = WRITERS
            .iter()
            .filter(|(_, writers)| !writers.iter().any(|writer| pascal(writer) == name))
            .map(|(partition, _)| (*partition).to_owned());
        let expected: BTreeSet<_> = if writes {
            others.collect()
        } else {
            BTreeSet::new()
        };
        let found = forbidden(&template, name);
        if found != expected {
            faults.push(format!(
                "{name}: its role has to deny writes to {expected:?}, and denies {found:?}"
            ));
        }
    }
    report(faults);
}

/// A secret by its path behind the stage, a sender and a configuration set by the parameter that names it; everything else by
/// its logical id.
fn place(resource: &Value) -> String {
    let place = logical(resource);
    for kind in ["identity", "configuration-set"] {
        if let Some((_, name)) = place.split_once(&format!(":{kind}/")) {
            return format!("{kind}/{}", name.trim_end_matches('}'));
        }
    }
    place
        .split_once("parameter/tallyhook/Stage}/")
        .map(|(_, path)| path.to_owned())
        .unwrap_or(place)
}

#[test]
fn roles_are_what_the_table_says() {
    let (allowed, granted) = (allowed(), granted(&template()));
    let line = |what: &str, (function, action, resource): &Right| {
        format!("{function}: {what} {action} on {resource}")
    };
    let extra = granted
        .difference(&allowed)
        .map(|right| line("the template grants, and the table does not know,", right));
    let missing = allowed
        .difference(&granted)
        .map(|right| line("the template does not grant", right));
    report(extra.chain(missing).collect());
}

#[test]
fn nothing_is_granted_by_wildcard() {
    let starred = |right: &Right| right.1.contains('*') || right.2.contains('*');
    report(
        granted(&template())
            .iter()
            .filter(|right| starred(right))
            .map(|right| format!("{right:?}: name what it may do"))
            .collect(),
    );
}

/// A function has settings for exactly the tables, queues and secrets that it may use.
#[test]
fn a_role_fits_its_settings() {
    let template = template();
    let granted = granted(&template);
    let mut faults = Vec::new();
    for (name, function) in template.functions() {
        let of = |service: &str| -> BTreeSet<String> {
            let mine = granted
                .iter()
                .filter(|(function, action, _)| function == name && action.starts_with(service));
            mine.map(|(_, _, resource)| resource.split('/').next().unwrap_or_default().to_owned())
                .filter(|resource| !resource.ends_with("Dlq"))
                .collect()
        };
        let secrets: BTreeSet<_> = granted
            .iter()
            .filter(|right| right.0 == name && right.1.starts_with("ssm:"))
            .map(|right| right.2.clone())
            .collect();
        let set = |suffixes: &[&str]| -> BTreeSet<String> {
            let mine = template
                .variables(function)
                .into_iter()
                .filter(|(variable, _)| suffixes.iter().any(|suffix| variable.ends_with(suffix)))
                // Browsers get it, so it is no secret.
                .filter(|(variable, _)| variable != "STRIPE_PUBLISHABLE_KEY");
            mine.map(|(_, value)| logical(&value).replace("ssm:/tallyhook/Stage}/", ""))
                .collect()
        };
        for (what, may, set_up) in [
            ("tables", of("dynamodb:"), set(&["_TABLE"])),
            (
                "queues to send to",
                of("sqs:SendMessage"),
                set(&["_QUEUE_URL"]),
            ),
            (
                "secrets",
                secrets,
                set(&["_SECRETS", "_SECRET", "_KEY", "_TOKEN"]),
            ),
        ] {
            if may != set_up {
                faults.push(format!(
                    "{name}: its role has {what} {may:?}, its variables have {set_up:?}"
                ));
            }
        }
    }
    report(faults);
}

/// A function's role allows what its adapters can do, and the other way round.
#[test]
fn a_role_fits_its_adapters() {
    let granted = granted(&template());
    let mut faults = Vec::new();
    for function in functions() {
        let known = crate::dependencies::known_by(&function);
        for (adapter, right) in [
            ("store", "dynamodb:"),
            ("queues", "sqs:"),
            (
                "github-api",
                if SIGNS_IN.contains(&function.as_str()) {
                    "/github-client-secret"
                } else {
                    "/github-private-key"
                },
            ),
            ("stripe-api", "/stripe-secret-key"),
            ("model-api", "/model-api-key"),
            ("mail-api", "ses:"),
        ] {
            let knows = known.contains(adapter);
            // Lambda itself sends failed runs to the dead-letter queue, with the function's role.
            let may = granted.iter().any(|(name, action, place)| {
                *name == pascal(&function)
                    && *place != format!("{name}Dlq")
                    && (action.starts_with(right) || place.ends_with(right))
            });
            match (knows, may) {
                (true, false) => faults.push(format!(
                    "{function}: it uses {adapter}, its role allows nothing of it"
                )),
                (false, true) => faults.push(format!(
                    "{function}: its role allows {right}, it does not use {adapter}"
                )),
                _ => {}
            }
        }
    }
    report(faults);
}

/// A function may consume the queues that wake it and no other.
#[test]
fn a_role_fits_its_mappings() {
    let template = template();
    let granted = granted(&template);
    let mut faults = Vec::new();
    for (name, function) in template.functions() {
        let woken_by: BTreeSet<_> = mappings(function).map(|(queue, _)| queue).collect();
        let may: BTreeSet<_> = granted
            .iter()
            .filter(|(function, action, place)| {
                function == name && action == "sqs:ReceiveMessage" && place.ends_with("Queue")
            })
            .map(|right| right.2.clone())
            .collect();
        if woken_by != may {
            faults.push(format!(
                "{name}: woken by {woken_by:?}, may receive from {may:?}"
            ));
        }
        let schedules = events(function, "Schedule").count();
        let catches = granted.iter().any(|(function, action, place)| {
            function == name && action == "sqs:SendMessage" && *place == format!("{name}Dlq")
        });
        if (schedules > 0) != catches {
            faults.push(format!(
                "{name}: a scheduled function, and no other, sends failed runs to {name}Dlq"
            ));
        }
    }
    report(faults);
}
