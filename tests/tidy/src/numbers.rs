//! Numbers and flags in `template.yaml` that must agree with each other or with AWS. `.ci/template` checks the translated
//! template; `cargo test` checks the source here.

use crate::repository::{functions, pascal, read, report, sources};
use crate::rights::{code_of, solid};
use crate::template::{Template, events, logical, mappings, template};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const LAMBDA_EVENT_BYTES: i64 = 6 * 1024 * 1024;
const DLQ_RETENTION_SECONDS: i64 = 14 * 24 * 3600;
const GITHUB_WAITS_SECONDS: i64 = 10;
const GATEWAY_WAITS_SECONDS: i64 = 30;
/// A throttled poll counts as a receive, so a queue needs spare receives.
const RECEIVES_MIN: i64 = 5;

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(-1)
}

fn queue<'a>(template: &'a Template, name: &str) -> &'a Value {
    &template
        .resources
        .get(name)
        .unwrap_or_else(|| panic!("no queue {name}"))["Properties"]
}

#[test]
fn mappings_agree_with_their_queues() {
    let template = template();
    let mut faults = Vec::new();
    for (name, function) in template.functions() {
        for (id, mapping) in mappings(function) {
            let (queue, timeout) = (queue(&template, &id), number(&function["Timeout"]));
            let mut must = |holds: bool, what: &str| {
                if !holds {
                    faults.push(format!("{name} ← {id}: {what}"))
                }
            };
            must(
                number(&queue["VisibilityTimeout"]) >= 6 * timeout,
                "the queue's visibility must be six times the function's timeout",
            );
            must(
                mapping["FunctionResponseTypes"] == json!(["ReportBatchItemFailures"]),
                "without ReportBatchItemFailures one bad message brings back its batch",
            );
            must(
                number(&mapping["ScalingConfig"]["MaximumConcurrency"]) >= 2,
                "needs a MaximumConcurrency, of at least AWS's 2",
            );
            must(number(&mapping["BatchSize"]) >= 1, "say the BatchSize");
            must(
                number(&mapping["BatchSize"]) * number(&queue["MaximumMessageSize"])
                    <= LAMBDA_EVENT_BYTES,
                "a full batch must fit in a Lambda event",
            );
        }
        let most: i64 = mappings(function)
            .map(|(_, mapping)| number(&mapping["ScalingConfig"]["MaximumConcurrency"]))
            .sum();
        if function["ReservedConcurrentExecutions"]
            .as_i64()
            .is_some_and(|reserved| reserved < most)
        {
            faults.push(format!(
                "{name}: a reserve below its mappings' concurrency uses up receives"
            ));
        }
    }
    report(faults);
}

#[test]
fn every_queue_has_a_dead_letter_queue() {
    let template = template();
    let mut faults = Vec::new();
    for (id, queue) in template.of("AWS::SQS::Queue") {
        let mut must = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("{id}: {what}"))
            }
        };
        must(queue["SqsManagedSseEnabled"] == true, "must be encrypted");
        let named = queue["QueueName"]["Fn::Sub"].as_str().unwrap_or_default();
        must(
            named.starts_with("${AWS::StackName}-"),
            "must be named after the stack",
        );
        if id.ends_with("Dlq") {
            must(named.ends_with("-dlq"), "admin finds dead letters by -dlq");
            must(
                number(&queue["MessageRetentionPeriod"]) == DLQ_RETENTION_SECONDS,
                "must keep its messages fourteen days",
            );
            continue;
        }
        let dlq = id.trim_end_matches("Queue").to_owned() + "Dlq";
        let points = queue["RedrivePolicy"]["deadLetterTargetArn"]
            .as_object()
            .map(|_| logical(&queue["RedrivePolicy"]["deadLetterTargetArn"]));
        must(
            points.as_deref() == Some(dlq.as_str()),
            "RedrivePolicy must point at its own dead-letter queue",
        );
        must(
            number(&queue["RedrivePolicy"]["maxReceiveCount"]) >= RECEIVES_MIN,
            "needs at least five receives",
        );
        must(
            template.resources.get(&dlq).is_some_and(|it| {
                it["Properties"]["QueueName"]["Fn::Sub"] == format!("{named}-dlq")
            }),
            "its dead-letter queue is called like it, plus -dlq",
        );
    }
    report(faults);
}

#[test]
fn functions_answer_before_the_caller_gives_up() {
    let template = template();
    let mut faults = Vec::new();
    for (name, function) in template
        .functions()
        .into_iter()
        .filter(|(_, function)| events(function, "HttpApi").next().is_some())
    {
        let waits = if name.ends_with("Webhook") {
            GITHUB_WAITS_SECONDS
        } else {
            GATEWAY_WAITS_SECONDS
        };
        if !(1..waits).contains(&number(&function["Timeout"])) {
            faults.push(format!(
                "{name}: Timeout must be below the {waits} s that the caller waits"
            ));
        }
    }
    report(faults);
}

/// A function that sends to the queue that wakes it is an intended loop, which AWS would stop. Every other loop is a mistake
/// and is stopped.
#[test]
fn loops_are_decided() {
    let template = template();
    let mut faults = Vec::new();
    for (name, function) in template.functions() {
        let woken_by: BTreeSet<_> = mappings(function).map(|(queue, _)| queue).collect();
        let sends_to: BTreeSet<_> = template
            .variables(function)
            .into_iter()
            .filter(|(name, _)| name.ends_with("_QUEUE_URL"))
            .map(|(_, value)| logical(&value))
            .collect();
        let decision = if woken_by.is_disjoint(&sends_to) {
            "Terminate"
        } else {
            "Allow"
        };
        if function["RecursiveLoop"] != decision {
            faults.push(format!("{name}: RecursiveLoop must say {decision}"));
        }
    }
    report(faults);
}

#[test]
fn every_function_and_queue_has_alarms() {
    let template = template();
    let functions: BTreeSet<_> = template
        .functions()
        .into_keys()
        .map(str::to_owned)
        .collect();
    let queues: BTreeSet<_> = template
        .of("AWS::SQS::Queue")
        .into_keys()
        .map(str::to_owned)
        .collect();
    let (dead, live) = queues.iter().cloned().partition(|id| id.ends_with("Dlq"));
    let stopped = template
        .functions()
        .into_iter()
        .filter(|(_, it)| it["RecursiveLoop"] == "Terminate");
    let stopped = stopped.map(|(name, _)| name.to_owned()).collect();
    let mut faults = Vec::new();
    for (metric, wanted) in [
        ("Errors", &functions),
        ("Throttles", &functions),
        ("RecursiveInvocationsDropped", &stopped),
        ("ApproximateNumberOfMessagesVisible", &dead),
        ("ApproximateAgeOfOldestMessage", &live),
    ] {
        let watched = watched(&template, metric);
        faults.extend(wanted.symmetric_difference(&watched).map(|id| {
            format!("{id}: must have exactly one alarm on {metric} if it is of the kind to have it")
        }));
    }
    report(faults);
}

/// The resources that the alarms on a metric watch. An alarm without the topic does not count.
fn watched(template: &Template, metric: &str) -> BTreeSet<String> {
    let alarms = template.of("AWS::CloudWatch::Alarm").into_values();
    let mine = alarms.filter(|alarm| {
        alarm["MetricName"] == metric && alarm["AlarmActions"] == json!([{ "Ref": "AlarmTopic" }])
    });
    mine.map(|alarm| logical(&alarm["Dimensions"][0]["Value"]))
        .collect()
}

#[test]
fn every_function_s_log_expires_and_is_counted() {
    let template = template();
    let (groups, filters) = (
        template.of("AWS::Logs::LogGroup"),
        template.of("AWS::Logs::MetricFilter"),
    );
    let mut faults = Vec::new();
    for (name, function) in template.functions() {
        let logs = format!("{name}Logs");
        let mut must = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("{name}: {what}"))
            }
        };
        must(
            function["LoggingConfig"]["LogGroup"] == json!({ "Ref": logs }),
            "must log to a group of its own",
        );
        must(
            groups
                .get(logs.as_str())
                .is_some_and(|group| group["RetentionInDays"] == 30),
            "its log must expire after 30 days",
        );
        let counts = |filter: &&Value| {
            filter["LogGroupName"] == json!({ "Ref": logs })
                && filter["MetricTransformations"][0]["MetricName"] == "ErrorLines"
        };
        must(
            filters.values().any(counts),
            "its ERROR lines must be counted",
        );
    }
    report(faults);
}

/// A filter that looks for a log line must find its words in the code.
#[test]
fn filters_look_for_lines_that_are_written() {
    let template = template();
    let sources = sources();
    let mut faults = Vec::new();
    for (id, filter) in template.of("AWS::Logs::MetricFilter") {
        let Some(words) = words(filter["FilterPattern"].as_str().unwrap_or_default()) else {
            continue;
        };
        let group = logical(&filter["LogGroupName"]);
        let function = functions()
            .into_iter()
            .find(|function| pascal(function) + "Logs" == group);
        let function =
            function.unwrap_or_else(|| panic!("{id}: {group} is not the log of a function"));
        if !code_of(&function, &sources).contains(&solid(words)) {
            faults.push(format!("{id}: {function} never writes {words}"));
        }
    }
    report(faults);
}

/// What a line must contain: the phrase of a `"phrase"`, the beginning of a `%beginning..pattern%`. A JSON pattern looks
/// at fields that `boot` writes for every function.
fn words(pattern: &str) -> Option<&str> {
    let phrase = pattern
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let expression = || {
        pattern
            .strip_prefix('%')
            .and_then(|rest| rest.split("..").next())
    };
    phrase.or_else(expression)
}

#[test]
fn the_template_has_no_plain_secrets() {
    let template = template();
    let mut faults = Vec::new();
    for (name, function) in template.functions() {
        for (variable, value) in template.variables(function) {
            let secret = ["_SECRETS", "_SECRET", "_KEY", "_TOKEN"]
                .iter()
                .any(|suffix| variable.ends_with(suffix));
            // Browsers get the publishable key.
            let secret = secret && variable != "STRIPE_PUBLISHABLE_KEY";
            if secret
                && !value["Fn::Sub"]
                    .as_str()
                    .is_some_and(|text| text.starts_with("ssm:/tallyhook/${Stage}/"))
            {
                faults.push(format!(
                    "{name}: {variable} must be a reference, ssm:/tallyhook/${{Stage}}/…"
                ));
            }
        }
    }
    report(faults);
}

#[test]
fn all_functions_run_on_the_same_platform() {
    let text = read("template.yaml");
    let wanted = [
        "Architectures: [arm64]",
        "Runtime: provided.al2023",
        "Handler: bootstrap",
    ];
    report(
        wanted
            .iter()
            .filter(|line| !text.contains(**line))
            .map(|line| format!("template.yaml: must say {line}"))
            .collect(),
    );
    let template = template();
    let own: Vec<_> = template
        .functions()
        .into_iter()
        .filter(|(_, function)| {
            ["Runtime", "Architectures", "Handler"]
                .iter()
                .any(|key| function.get(key).is_some())
        })
        .map(|(name, _)| name)
        .collect();
    assert!(
        own.is_empty(),
        "{own:?}: runtime, architecture and handler belong in Globals"
    );
}
