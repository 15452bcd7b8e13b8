//! Every setting of every function, as the functions read them. The reference pages and
//! `.env.example` are generated from this list.

use crate::cli;
use boot::{Setting, Settings};

/// A setting and the functions that read it.
pub struct Entry {
    pub setting: Setting,
    /// The heading under which the setting is listed.
    pub group: &'static str,
    /// The names of the functions that read it.
    pub functions: Vec<&'static str>,
    /// How the local stack reads it from the environment: `local`, or `local with --github-url`.
    /// `None` if it does not.
    pub local: Option<String>,
}

/// The settings of each function, in the order in which it reads them.
pub fn by_function() -> Vec<(&'static str, Vec<Setting>)> {
    vec![
        ("github-webhook", github_webhook::Config::settings()),
        ("stripe-webhook", stripe_webhook::Config::settings()),
        ("github-events", github_events::Config::settings()),
        ("stripe-events", stripe_events::Config::settings()),
        ("job-steps", job_steps::Config::settings()),
        ("pull-requests", pull_requests::Config::settings()),
        ("usage-reports", usage_reports::Config::settings()),
        ("notices", notices::Config::settings()),
        ("provisioning", provisioning::Config::settings()),
        ("sweeper", sweeper::Config::settings()),
        ("reconciliation", reconciliation::Config::settings()),
        ("recovery", recovery::Config::settings()),
        ("api", api::Config::settings()),
        ("web", web::Config::settings()),
        ("admin", admin::Config::settings()),
    ]
}

/// Every setting once, by group. A setting that any function requires counts as required.
pub fn all() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (function, settings) in by_function() {
        for setting in settings {
            match entries
                .iter_mut()
                .find(|entry| entry.setting.name == setting.name)
            {
                Some(entry) => {
                    entry.setting.required |= setting.required;
                    if !entry.functions.contains(&function) {
                        entry.functions.push(function);
                    }
                }
                None => entries.push(Entry {
                    setting,
                    group: group(setting.name),
                    functions: vec![function],
                    local: cli::local(setting.name),
                }),
            }
        }
    }
    entries.sort_by_key(|entry| GROUPS.iter().position(|(name, _)| *name == entry.group));
    entries
}

/// Headings, each with the prefixes or suffixes of the names under it. The first match counts.
const GROUPS: [(&str, &[&str]); 11] = [
    ("Tables", &["_TABLE"]),
    ("Queues", &["_QUEUE_URL"]),
    ("Ledger", &["LEDGER_"]),
    ("Catalogue", &["CATALOGUE", "_PRICE_ID", "STRIPE_PRICE_"]),
    ("GitHub", &["GITHUB_"]),
    ("Stripe", &["STRIPE_", "BILLING_"]),
    ("Model", &["MODEL_"]),
    ("Mail", &["MAIL_"]),
    ("AWS", &["AWS_"]),
    ("Logs", &["RUST_LOG"]),
    (OTHERS, &[]),
];
const OTHERS: &str = "People and programs";

fn group(name: &str) -> &'static str {
    let fits = |part: &str| name.starts_with(part) || name.ends_with(part);
    GROUPS
        .iter()
        .find(|(_, parts)| parts.iter().any(|part| fits(part)))
        .map_or(OTHERS, |(group, _)| group)
}

/// The text of `.env.example`.
pub fn env_example() -> String {
    let mut text = EXAMPLE_HEAD.to_owned();
    let entries = all();
    for (group, _) in GROUPS {
        text.push_str(&format!(
            "\n# --- {group} {}\n",
            "-".repeat(94 - group.len())
        ));
        for entry in entries.iter().filter(|entry| entry.group == group) {
            text.push('\n');
            text.push_str(&example(entry));
        }
    }
    text
}

const EXAMPLE_HEAD: &str = "\
# Every setting of every function. Lambda gets them from template.yaml. The local stack sets all of them and takes from the
# environment only those that are marked \"local\". Nothing reads this file automatically:
#
#   cp .env.example .env        # keep .env out of git
#   set -a; . ./.env; set +a
#   cargo run
#
# A function checks its settings when it starts and reports all that are missing or wrong at once. A blank setting counts as
# missing.
#
# secret: the value, or `ssm:/name/of/parameter`, which is fetched from AWS Systems Manager at its first use and again after
# 60 seconds. The local stack has no Systems Manager and needs the value.
#
# This file is made from the code: `UPDATE=1 cargo test --test it env_example`.
";

fn example(entry: &Entry) -> String {
    let setting = &entry.setting;
    let mut marks = vec![
        if setting.required {
            "required"
        } else {
            "optional"
        }
        .to_owned(),
    ];
    if setting.secret {
        marks.push("secret".to_owned());
    }
    marks.extend(entry.local.clone());
    let functions = if entry.functions.len() == by_function().len() {
        "all functions".to_owned()
    } else {
        entry.functions.join(", ")
    };
    let mut lines = wrapped(setting.description);
    if let Some(alias) = setting.alias {
        lines.push(format!("# Also accepted: {alias}"));
    }
    lines.extend(wrapped(&format!("[{}] {functions}", marks.join(", "))));
    let value = setting.default.unwrap_or_default();
    lines.push(format!("#{}={value}\n", setting.name));
    lines.join("\n")
}

/// Comment lines of at most 100 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, String::len);
        if line + 1 + word.len() > 100 {
            lines.push("#".to_owned());
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}
