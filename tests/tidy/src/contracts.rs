//! Names that others rely on: of tests and of log targets.

use crate::repository::{functions, read, report, sources};

/// The tests that the contract between provisioning and billing names.
const PROMISED: [&str; 16] = [
    "provisioning_creates_billing_customer",
    "billing_returns_correct_status",
    "usage_events_accepted",
    "dashboard_queries_work",
    "trial_signup_to_first_fix",
    "trial_to_paid_conversion",
    "marketplace_installation",
    "payment_method_addition",
    "recovers_from_stripe_api_failures",
    "retries_payment_failures",
    "handles_duplicate_webhooks",
    "prevents_race_conditions",
    "hundred_concurrent_signups",
    "thousand_webhooks_a_minute",
    "api_rate_limits_hold",
    "memory_usage_stable",
];

/// Whether a text has a test function of this name.
fn is_tested(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let begins = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with("()"))
    };
    lines.windows(2).any(|pair| {
        begins(pair[1]) && (pair[0] == "#[test]" || pair[0].starts_with("#[tokio::test"))
    })
}

#[test]
fn promised_tests_exist() {
    let journeys: Vec<_> = sources()
        .into_iter()
        .filter(|path| path.starts_with("tests/it/"))
        .map(read)
        .collect();
    report(
        PROMISED
            .iter()
            .filter(|name| !journeys.iter().any(|text| is_tested(text, name)))
            .map(|name| {
                format!("tests/it: no test {name}, which the contract with provisioning names")
            })
            .collect(),
    );
}

/// A function that is missing from that list logs only warnings and errors, as foreign crates do.
#[test]
fn every_function_logs_as_ours() {
    let text = read("shared/boot/src/log.rs");
    report(
        functions()
            .iter()
            .filter(|function| {
                !text
                    .lines()
                    .any(|line| line.trim() == format!("\"{}\",", function.replace('-', "_")))
            })
            .map(|function| format!("shared/boot/src/log.rs: add {function} to OURS"))
            .collect(),
    );
}
