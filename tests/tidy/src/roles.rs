//! Who may do what on AWS: the table here and the roles in `template.yaml` must be the same, to the action. One more right
//! or one less fails, so a change of either is a decision and shows in a review.

use crate::repository::{doors, pascal, read, report};
use crate::template::{Template, each, events, logical, mappings, template, texts};
use serde_json::Value;
use std::collections::BTreeSet;

const LOG: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents"];
const CONSUME: &[&str] = &[
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
];
const SEND: &[&str] = &["sqs:SendMessage"];
const REDRIVE: &[&str] = &[
    "sqs:StartMessageMoveTask",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];
/// From one verified sender, by one configuration set.
const MAIL: &[&str] = &["ses:SendEmail"];
const SECRET: &[&str] = &["ssm:GetParameters"];
/// Put and no more: a receiver learns of a duplicate from the row that its refused put returns, and so does whoever posts to
/// the ledger.
const ADD: &[&str] = &["dynamodb:PutItem"];
const GET: &[&str] = &["dynamodb:GetItem"];
const LIST: &[&str] = &["dynamodb:Query"];
/// Each write is conditional; transactions ask for the rights of what they contain.
const UPDATE: &[&str] = &["dynamodb:UpdateItem"];
/// Who moves jobs or settles usage also takes rows away: OPEN#, OWED# and PARKED#.
const MOVE: &[&str] = &[
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
];
/// Who lets people in and closes accounts asks in the same transaction whether what he goes by is still so.
/// Who begins work that costs something does so only if the customer's limit is what it was read as.
const CHECK: &[&str] = &["dynamodb:ConditionCheckItem"];
/// Who pays is looked up under owner and installation in one read.
const PAYER: &[&str] = &["dynamodb:BatchGetItem"];

/// Door, actions, resources. Secrets are named as in the template, behind `/tallyhook/<stage>/`.
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("github-webhook", LOG, &["GithubWebhookLogs"]),
    ("github-webhook", ADD, &["EventsTable"]),
    ("github-webhook", GET, &["EventsTable/keys/SWITCH#github"]),
    ("github-webhook", SEND, &["GithubEventsQueue"]),
    (
        "github-webhook",
        SECRET,
        &["github-webhook/github-webhook-secrets"],
    ),
    ("stripe-webhook", LOG, &["StripeWebhookLogs"]),
    ("stripe-webhook", ADD, &["EventsTable"]),
    ("stripe-webhook", GET, &["EventsTable/keys/SWITCH#stripe"]),
    ("stripe-webhook", SEND, &["StripeEventsQueue"]),
    (
        "stripe-webhook",
        SECRET,
        &["stripe-webhook/stripe-webhook-secrets"],
    ),
    ("github-events", LOG, &["GithubEventsLogs"]),
    ("github-events", CONSUME, &["GithubEventsQueue"]),
    (
        "github-events",
        SEND,
        &[
            "GithubEventsQueue",
            "PlanQueue",
            "PullsQueue",
            "UsageQueue",
            "NoticesQueue",
            "ProvisioningQueue",
        ],
    ),
    ("github-events", GET, &["EventsTable"]),
    ("github-events", LIST, &["EventsTable"]),
    ("github-events", UPDATE, &["EventsTable"]),
    ("github-events", GET, &["MainTable"]),
    ("github-events", LIST, &["MainTable"]),
    ("github-events", MOVE, &["MainTable"]),
    ("github-events", PAYER, &["MainTable"]),
    ("github-events", CHECK, &["MainTable"]),
    ("github-events", ADD, &["LedgerTable"]),
    (
        "github-events",
        SECRET,
        &[
            "github-events/github-private-key",
            "github-events/ledger-key",
        ],
    ),
    ("stripe-events", LOG, &["StripeEventsLogs"]),
    ("stripe-events", CONSUME, &["StripeEventsQueue"]),
    (
        "stripe-events",
        SEND,
        &["StripeEventsQueue", "NoticesQueue"],
    ),
    ("stripe-events", GET, &["EventsTable"]),
    ("stripe-events", LIST, &["EventsTable"]),
    ("stripe-events", UPDATE, &["EventsTable"]),
    ("stripe-events", GET, &["MainTable"]),
    ("stripe-events", LIST, &["MainTable"]),
    ("stripe-events", MOVE, &["MainTable"]),
    ("stripe-events", ADD, &["LedgerTable"]),
    (
        "stripe-events",
        SECRET,
        &[
            "stripe-events/ledger-key",
            "stripe-events/stripe-secret-key",
        ],
    ),
    ("job-steps", LOG, &["JobStepsLogs"]),
    (
        "job-steps",
        CONSUME,
        &["PlanQueue", "CodeQueue", "ReviewQueue", "AssistsQueue"],
    ),
    (
        "job-steps",
        SEND,
        &[
            "PlanQueue",
            "CodeQueue",
            "ReviewQueue",
            "PullsQueue",
            "AssistsQueue",
        ],
    ),
    ("job-steps", PAYER, &["MainTable"]),
    ("job-steps", MOVE, &["MainTable"]),
    ("job-steps", LIST, &["MainTable"]),
    ("job-steps", ADD, &["LedgerTable"]),
    (
        "job-steps",
        SECRET,
        &[
            "job-steps/github-private-key",
            "job-steps/ledger-key",
            "job-steps/model-api-key",
        ],
    ),
    ("pull-requests", LOG, &["PullRequestsLogs"]),
    ("pull-requests", CONSUME, &["PullsQueue"]),
    (
        "pull-requests",
        SEND,
        &["PullsQueue", "UsageQueue", "NoticesQueue"],
    ),
    ("pull-requests", GET, &["MainTable"]),
    ("pull-requests", MOVE, &["MainTable"]),
    ("pull-requests", LIST, &["MainTable"]),
    ("pull-requests", ADD, &["LedgerTable"]),
    (
        "pull-requests",
        SECRET,
        &[
            "pull-requests/github-private-key",
            "pull-requests/ledger-key",
        ],
    ),
    ("usage-reports", LOG, &["UsageReportsLogs"]),
    ("usage-reports", CONSUME, &["UsageQueue"]),
    ("usage-reports", SEND, &["UsageQueue"]),
    ("usage-reports", MOVE, &["MainTable"]),
    ("usage-reports", LIST, &["MainTable"]),
    (
        "usage-reports",
        SECRET,
        &["usage-reports/stripe-secret-key"],
    ),
    ("notices", LOG, &["NoticesLogs"]),
    ("notices", CONSUME, &["NoticesQueue", "MailEventsQueue"]),
    ("notices", SEND, &["NoticesQueue"]),
    ("notices", GET, &["MainTable"]),
    ("notices", UPDATE, &["MainTable"]),
    (
        "notices",
        MAIL,
        &["identity/MailIdentity", "configuration-set/AWS::StackName"],
    ),
    ("provisioning", LOG, &["ProvisioningLogs"]),
    ("provisioning", CONSUME, &["ProvisioningQueue"]),
    ("provisioning", SEND, &["ProvisioningQueue", "NoticesQueue"]),
    ("provisioning", GET, &["MainTable"]),
    ("provisioning", LIST, &["MainTable"]),
    ("provisioning", ADD, &["MainTable"]),
    ("provisioning", UPDATE, &["MainTable"]),
    ("provisioning", SECRET, &["provisioning/stripe-secret-key"]),
    ("sweeper", LOG, &["SweeperLogs"]),
    (
        "sweeper",
        LIST,
        &[
            "EventsTable/index/state",
            "MainTable/index/due",
            "MainTable",
        ],
    ),
    ("sweeper", GET, &["EventsTable", "MainTable"]),
    ("sweeper", UPDATE, &["EventsTable", "MainTable"]),
    ("sweeper", SEND, QUEUES),
    ("sweeper", SEND, &["SweeperDlq"]),
    ("reconciliation", LOG, &["ReconciliationLogs"]),
    ("reconciliation", GET, &["MainTable"]),
    ("reconciliation", LIST, &["MainTable"]),
    ("reconciliation", MOVE, &["MainTable"]),
    (
        "reconciliation",
        LIST,
        &["LedgerTable", "LedgerTable/index/day"],
    ),
    ("reconciliation", ADD, &["LedgerTable"]),
    ("reconciliation", SEND, &["ReconciliationDlq"]),
    ("reconciliation", SECRET, &["reconciliation/ledger-key"]),
    ("api", LOG, &["ApiLogs"]),
    (
        "api",
        SEND,
        &["GithubEventsQueue", "ProvisioningQueue", "AssistsQueue"],
    ),
    ("api", GET, &["MainTable"]),
    ("api", LIST, &["MainTable"]),
    ("api", MOVE, &["MainTable"]),
    ("api", CHECK, &["MainTable"]),
    (
        "api",
        LIST,
        &["MainTable/index/timeline", "LedgerTable/index/timeline"],
    ),
    ("api", GET, &["LedgerTable"]),
    ("api", ADD, &["LedgerTable"]),
    (
        "api",
        SECRET,
        &[
            "api/github-client-secret",
            "api/ledger-key",
            "api/stripe-secret-key",
        ],
    ),
    ("admin", LOG, &["AdminLogs"]),
    ("admin", GET, &["EventsTable"]),
    ("admin", LIST, &["EventsTable"]),
    ("admin", UPDATE, &["EventsTable"]),
    (
        "admin",
        ADD,
        &[
            "EventsTable/keys/SWITCH#github",
            "EventsTable/keys/SWITCH#stripe",
        ],
    ),
    ("admin", GET, &["MainTable"]),
    ("admin", LIST, &["MainTable"]),
    ("admin", MOVE, &["MainTable"]),
    (
        "admin",
        LIST,
        &[
            "EventsTable/index/state",
            "MainTable/index/timeline",
            "LedgerTable/index/timeline",
        ],
    ),
    ("admin", ADD, &["LedgerTable"]),
    ("admin", SEND, QUEUES),
    ("admin", SEND, &["MailEventsQueue"]),
    (
        "admin",
        REDRIVE,
        &[
            "GithubEventsDlq",
            "StripeEventsDlq",
            "PlanDlq",
            "CodeDlq",
            "ReviewDlq",
            "PullsDlq",
            "UsageDlq",
            "NoticesDlq",
            "MailEventsDlq",
            "ProvisioningDlq",
            "AssistsDlq",
        ],
    ),
    (
        "admin",
        SECRET,
        &["admin/ledger-key", "admin/operator-token"],
    ),
];

const QUEUES: &[&str] = &[
    "GithubEventsQueue",
    "StripeEventsQueue",
    "PlanQueue",
    "CodeQueue",
    "ReviewQueue",
    "PullsQueue",
    "UsageQueue",
    "NoticesQueue",
    "ProvisioningQueue",
    "AssistsQueue",
];

/// Doors at which people sign in: they know GitHub by the App's client secret and must not hold its key.
const SIGNS_IN: &[&str] = &["api"];

pub type Right = (String, String, String);

fn allowed() -> BTreeSet<Right> {
    let rights =
        |(door, actions, resources): &(&str, &'static [&'static str], &'static [&'static str])| {
            let door = pascal(door);
            actions
                .iter()
                .flat_map(move |action| {
                    let door = door.clone();
                    resources.iter().map(move |resource| {
                        (door.clone(), (*action).to_owned(), (*resource).to_owned())
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
            "{role}: managed policies allow more than a door does"
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
            let within = partitions(&statement["Condition"]);
            assert_eq!(statement["Effect"], "Allow", "{role}");
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

/// The partitions of a table that a right is good for; none where it is good for all. No other condition is understood.
fn partitions(condition: &Value) -> Vec<&str> {
    let Some(condition) = condition.as_object() else {
        return Vec::new();
    };
    let only = |object: &'_ serde_json::Map<String, Value>, key: &str| {
        object.len() == 1 && object.contains_key(key)
    };
    assert!(
        only(condition, "ForAllValues:StringEquals"),
        "{condition:?}: a condition of another form"
    );
    let keys = condition["ForAllValues:StringEquals"]
        .as_object()
        .expect("what has to be equal");
    assert!(
        only(keys, "dynamodb:LeadingKeys"),
        "{keys:?}: a condition of another form"
    );
    let keys: Vec<_> = texts(&keys["dynamodb:LeadingKeys"]).collect();
    assert!(!keys.is_empty(), "a right that is good for nothing");
    keys
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
    let line = |what: &str, (door, action, resource): &Right| {
        format!("{door}: {what} {action} on {resource}")
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

/// A door is told of exactly the tables, queues and secrets that it may touch.
#[test]
fn a_role_fits_its_settings() {
    let template = template();
    let granted = granted(&template);
    let mut faults = Vec::new();
    for (name, function) in template.functions() {
        let of = |service: &str| -> BTreeSet<String> {
            let mine = granted
                .iter()
                .filter(|(door, action, _)| door == name && action.starts_with(service));
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
                .filter(|(variable, _)| suffixes.iter().any(|suffix| variable.ends_with(suffix)));
            mine.map(|(_, value)| logical(&value).replace("ssm:/tallyhook/Stage}/", ""))
                .collect()
        };
        for (what, may, told) in [
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
            if may != told {
                faults.push(format!(
                    "{name}: its role has {what} {may:?}, its variables have {told:?}"
                ));
            }
        }
    }
    report(faults);
}

/// What a door's `Cargo.toml` can do, its role allows, and the other way round.
#[test]
fn a_role_fits_its_walls() {
    let granted = granted(&template());
    let mut faults = Vec::new();
    for door in doors() {
        let manifest = read(format!("functions/{door}/Cargo.toml"));
        for (wall, right) in [
            ("store", "dynamodb:"),
            ("queues", "sqs:"),
            (
                "github-api",
                if SIGNS_IN.contains(&door.as_str()) {
                    "/github-client-secret"
                } else {
                    "/github-private-key"
                },
            ),
            ("stripe-api", "/stripe-secret-key"),
            ("model-api", "/model-api-key"),
            ("mail-api", "ses:"),
        ] {
            let knows = manifest.lines().any(|line| {
                line.starts_with(&format!("{wall}.workspace"))
                    || line.starts_with(&format!("{wall} ="))
            });
            // What becomes of a failed run is Lambda's doing, by the door's role.
            let may = granted.iter().any(|(name, action, place)| {
                *name == pascal(&door)
                    && *place != format!("{name}Dlq")
                    && (action.starts_with(right) || place.ends_with(right))
            });
            match (knows, may) {
                (true, false) => faults.push(format!(
                    "{door}: its Cargo.toml lists {wall}, its role has nothing of it"
                )),
                (false, true) => faults.push(format!(
                    "{door}: its role allows {right}, its Cargo.toml does not list {wall}"
                )),
                _ => {}
            }
        }
    }
    report(faults);
}

/// A door may consume what wakes it and nothing else.
#[test]
fn a_role_fits_its_mappings() {
    let template = template();
    let granted = granted(&template);
    let mut faults = Vec::new();
    for (name, function) in template.functions() {
        let woken_by: BTreeSet<_> = mappings(function).map(|(queue, _)| queue).collect();
        let may: BTreeSet<_> = granted
            .iter()
            .filter(|(door, action, place)| {
                door == name && action == "sqs:ReceiveMessage" && place.ends_with("Queue")
            })
            .map(|right| right.2.clone())
            .collect();
        if woken_by != may {
            faults.push(format!(
                "{name}: woken by {woken_by:?}, may receive from {may:?}"
            ));
        }
        let schedules = events(function, "Schedule").count();
        let catches = granted.iter().any(|(door, action, place)| {
            door == name && action == "sqs:SendMessage" && *place == format!("{name}Dlq")
        });
        if (schedules > 0) != catches {
            faults.push(format!(
                "{name}: a scheduled door, and only one, keeps its failed runs in {name}Dlq"
            ));
        }
    }
    report(faults);
}
