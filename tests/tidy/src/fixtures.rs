//! An event that is acted on has five parts: fixture, variant, file, match arm and journey. These tests name the missing
//! one.

use crate::repository::{find, names, read, report};
use serde_json::Value;
use std::collections::BTreeSet;

/// A vendor, the function that acts on its events, and the domain's enum of them.
const SOURCES: [(&str, &str, &str); 2] = [
    ("github", "github-events", "GithubEvent"),
    ("stripe", "stripe-events", "StripeEvent"),
];

/// The object of an event by the beginning of the event's name: the call that acts on it, and its variant. The first
/// match counts.
const OBJECTS: [(&str, &str, &str); 17] = [
    ("issues.", "issue::handle", "Issue"),
    ("issue_comment.", "issue::handle", "Issue"),
    ("pull_request.", "pull_request::handle", "PullRequest"),
    ("installation.", "installation::handle", "Installation"),
    (
        "installation_repositories.",
        "installation::handle",
        "Installation",
    ),
    (
        "marketplace_purchase.",
        "marketplace::handle",
        "Marketplace",
    ),
    ("checkout.session.", "checkout::handle", "Checkout"),
    ("payment_intent.", "payment::handle", "Payment"),
    ("charge.refunded", "refund::charge", "Charge"),
    ("refund.", "refund::handle", "Refund"),
    ("charge.dispute.", "dispute::handle", "Dispute"),
    (
        "customer.subscription.",
        "subscription::handle",
        "Subscription",
    ),
    ("customer.", "customer::handle", "Customer"),
    ("subscription_schedule.", "schedule::handle", "Schedule"),
    ("invoice.", "invoice::handle", "Invoice"),
    ("payment_method.", "payment_method::handle", "PaymentMethod"),
    ("v1.billing.meter.", "meter::handle", "Meter"),
];

/// Recorded and ignored: GitHub sends it to a new webhook.
const NOT_ACTED_ON: [&str; 1] = ["ping"];

fn events(source: &str) -> Vec<String> {
    let files = names(format!("events/{source}"));
    files
        .iter()
        .filter_map(|file| file.strip_suffix(".json"))
        .filter(|name| !NOT_ACTED_ON.contains(name))
        .map(str::to_owned)
        .collect()
}

fn object(event: &str) -> Option<(&'static str, &'static str)> {
    let found = OBJECTS
        .iter()
        .find(|(prefix, _, _)| event.starts_with(prefix));
    found.map(|(_, call, variant)| (*call, *variant))
}

#[test]
fn every_fixture_has_a_file_an_arm_and_a_variant() {
    let mut faults = Vec::new();
    for (source, function, name) in SOURCES {
        let lib = read(format!("functions/{function}/src/lib.rs"));
        let named = named(name);
        for event in events(source) {
            let Some((call, variant)) = object(&event) else {
                faults.push(format!("{event}: name its object in OBJECTS"));
                continue;
            };
            let file = call.split("::").next().unwrap_or_default();
            if find(format!("functions/{function}/src/{file}.rs")).is_none() {
                faults.push(format!("{event}: write functions/{function}/src/{file}.rs"));
            }
            if !lib.contains(&format!("{name}::{variant}(event) => {call}(")) {
                faults.push(format!(
                    "{event}: functions/{function}/src/lib.rs has no arm {name}::{variant} that calls {call}"
                ));
            }
            if !named.contains(&(variant.to_owned(), event.clone())) {
                faults.push(format!(
                    "{event}: the comment on {name}::{variant} in {EVENTS} does not name it"
                ));
            }
        }
    }
    report(faults);
}

#[test]
fn every_variant_has_a_fixture() {
    let mut faults = Vec::new();
    for (source, _, name) in SOURCES {
        let fixtures = events(source);
        faults.extend(
            named(name)
                .into_iter()
                .filter(|(_, event)| !fixtures.contains(event))
                .map(|(variant, event)| {
                    format!("{name}::{variant}: no fixture events/{source}/{event}.json")
                }),
        );
    }
    report(faults);
}

const EVENTS: &str = "shared/domain/src/inbox/events.rs";

/// The variants of an enum, each with every event that its comment names.
fn named(name: &str) -> BTreeSet<(String, String)> {
    let text = read(EVENTS);
    let (_, body) = text
        .split_once(&format!("pub enum {name} {{"))
        .unwrap_or_else(|| panic!("no enum {name}"));
    let (body, _) = body.split_once("\n}").expect("the end of the enum");
    let (mut all, mut comment) = (BTreeSet::new(), Vec::new());
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.extend(text.split('`').skip(1).step_by(2).map(str::to_owned));
        } else if let Some((variant, _)) = line.split_once('(') {
            all.extend(comment.drain(..).map(|event| (variant.to_owned(), event)));
        } else {
            comment.clear();
        }
    }
    all
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn fixtures_are_what_their_names_say() {
    let mut faults = Vec::new();
    for file in names("events/github") {
        let (event, action) = file
            .trim_end_matches(".json")
            .split_once('.')
            .unwrap_or((file.trim_end_matches(".json"), ""));
        let body = json(&format!("events/github/{file}"));
        let about = match event {
            "ping" => "hook",
            "installation_repositories" => "installation",
            _ => event.trim_start_matches("issue_").trim_end_matches('s'),
        };
        if body["action"].as_str().unwrap_or_default() != action || !body[about].is_object() {
            faults.push(format!(
                "events/github/{file}: not an {event}, or its action is not {action}"
            ));
        }
        // An owner can buy before installing the App.
        let is_bought = event == "marketplace_purchase" && body[event]["account"]["id"] == 9001;
        if event != "ping" && !is_bought && body["installation"]["id"] != 7001 {
            faults.push(format!(
                "events/github/{file}: belongs to installation 7001, or to owner 9001"
            ));
        }
    }
    for file in names("events/stripe") {
        let body = json(&format!("events/stripe/{file}"));
        let is_one = body["object"] == "event" && is_of_the_story(&body["data"]);
        // A thin event has no object, so no customer.
        let is_thin =
            body["object"] == "v2.core.event" && file.starts_with("v1.") && body["data"].is_null();
        if body["type"] != file.trim_end_matches(".json") || !(is_one || is_thin) {
            faults.push(format!(
                "events/stripe/{file}: not such an event of cus_TallyhookDemo1"
            ));
        }
    }
    report(faults);
}

/// Whether an object is the sample's customer, belongs or belonged to it, or is about one of its payments.
fn is_of_the_story(data: &Value) -> bool {
    let (object, before) = (&data["object"], &data["previous_attributes"]);
    let is_payment = |id: &Value| {
        id.as_str()
            .is_some_and(|id| id.starts_with("pi_TallyhookDemo"))
    };
    [&object["id"], &object["customer"], &before["customer"]]
        .into_iter()
        .any(|id| id == "cus_TallyhookDemo1")
        || (object["customer"].is_null() && is_payment(&object["payment_intent"]))
}

/// The HTTP samples carry fixtures byte for byte, because they are signed.
#[test]
fn http_samples_carry_the_fixtures() {
    for (function, fixture) in [
        ("github-webhook", "github/issues.labeled.json"),
        (
            "stripe-webhook",
            "stripe/customer.subscription.created.json",
        ),
    ] {
        let sample = json(&format!("events/api/{function}.json"));
        assert_eq!(
            sample["body"],
            read(format!("events/{fixture}")),
            "sign events/api/{function}.json again with .ci/sign_samples.py"
        );
    }
}

#[test]
fn queued_samples_are_pointers() {
    // SES, not Tallyhook, sends to this queue.
    let others = ["mail-events"];
    let mut faults = Vec::new();
    for file in names("events/sqs") {
        let queue = file.trim_end_matches(".json");
        for record in json(&format!("events/sqs/{file}"))["Records"]
            .as_array()
            .expect("records")
        {
            let body = record["body"].as_str().expect("a body");
            let pointer: Value = serde_json::from_str(body).expect("a pointer is JSON");
            let keys: BTreeSet<_> = pointer
                .as_object()
                .expect("an object")
                .keys()
                .map(String::as_str)
                .collect();
            let is_ours = !others.contains(&queue);
            if is_ours
                && (keys != BTreeSet::from(["key", "kind", "v"])
                    || pointer["v"] != 1
                    || body.len() > 1024)
            {
                faults.push(format!("events/sqs/{file}: {body} is not a pointer"));
            }
            if !record["eventSourceARN"]
                .as_str()
                .is_some_and(|arn| arn.ends_with(&format!("-{queue}")))
            {
                faults.push(format!("events/sqs/{file}: its ARN names another queue"));
            }
        }
    }
    report(faults);
}

/// Events that GitHub sends without a subscription.
const UNASKED: [&str; 3] = [
    "installation",
    "installation_repositories",
    "marketplace_purchase",
];

/// The App's manifest subscribes to the events that are acted on. It asks for the permissions of the tokens, and for
/// organization members, which sign-in reads.
#[test]
fn the_app_asks_for_what_is_used() {
    let manifest = json("infra/github-app.json");
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let asked: BTreeSet<String> = manifest["default_events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(words)
        .collect();
    let used: BTreeSet<String> = events("github")
        .iter()
        .filter_map(|event| event.split('.').next())
        .map(str::to_owned)
        .collect();
    let used: BTreeSet<String> = used
        .into_iter()
        .filter(|event| !UNASKED.contains(&event.as_str()))
        .collect();
    assert_eq!(asked, used, "infra/github-app.json, default_events");
    let sessions = read("shared/github-api/src/sessions.rs");
    let tokens = sessions
        .split_once("fn permissions(access: Access)")
        .and_then(|(_, rest)| rest.split_once("\n}\n"))
        .map(|(body, _)| body)
        .expect("the permissions of a token");
    // Each token is narrower than the App: together they need what the App asks for.
    let mut used = serde_json::json!({});
    for token in tokens.split("json!(").skip(1) {
        let (token, _) = token.split_once(')').expect("a list of permissions");
        let token: Value = serde_json::from_str(token).expect("a list of permissions");
        for (name, level) in token.as_object().into_iter().flatten() {
            if used[name] != "write" {
                used[name] = level.clone();
            }
        }
    }
    used["members"] = "read".into();
    assert_eq!(
        manifest["default_permissions"], used,
        "infra/github-app.json, default_permissions"
    );
}
