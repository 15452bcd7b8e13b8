//! The documents: links lead to files, ARCHITECTURE.md names files that exist, and the first pages stay short.

use crate::repository::{find, names, read, report, root};
use crate::template::template;
use serde_json::json;

/// The documents that people read first, and the most words that they may have.
const WORDS_MAX: [(&str, usize); 2] = [("README.md", 1_200), ("ARCHITECTURE.md", 2_000)];

/// An operator reads a runbook at night, so it is one page.
const RUNBOOK_WORDS_MAX: usize = 400;

/// Folders that a path in ARCHITECTURE.md can begin with.
const ROOTS: [&str; 5] = ["functions/", "shared/", "infra/", "tests/", "docs/"];

fn documents() -> Vec<String> {
    let markdown = |folder: &str| {
        let prefix = if folder == "." {
            String::new()
        } else {
            format!("{folder}/")
        };
        names(folder)
            .into_iter()
            .filter(|name| name.ends_with(".md"))
            .map(move |name| format!("{prefix}{name}"))
            .collect::<Vec<_>>()
    };
    [".", "docs", "docs/decisions", "docs/runbooks", "events"]
        .into_iter()
        .flat_map(markdown)
        .collect()
}

#[test]
fn links_lead_to_files() {
    let mut faults = Vec::new();
    for document in documents() {
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in links(&read(&document)) {
            let target = root().join(folder).join(&link);
            if !target.exists() {
                faults.push(format!("{document}: nothing is at {link}"));
            }
        }
    }
    report(faults);
}

/// The targets of a document's links to files of the repository, without their anchors.
fn links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_map_names_what_exists() {
    let absent = |path: &str| {
        let plain = ROOTS.iter().any(|folder| path.starts_with(folder))
            && !path.contains(['*', '{', '<', ' ', '…']);
        (plain && !root().join(path).exists())
            .then(|| format!("ARCHITECTURE.md: `{path}` does not exist"))
    };
    let text = read("ARCHITECTURE.md");
    report(
        text.split('`')
            .skip(1)
            .step_by(2)
            .filter_map(absent)
            .collect(),
    );
}

#[test]
fn the_first_pages_are_short() {
    let long = |&(document, most): &(&str, usize)| {
        let words = find(document)?.split_whitespace().count();
        (words > most).then(|| format!("{document}: {words} words; {most} is the limit"))
    };
    report(WORDS_MAX.iter().filter_map(long).collect());
}

/// An operator who gets an alarm at night must not have to search: its description says when to act,
/// and ends with the page that says how.
#[test]
fn every_alarm_names_its_runbook() {
    let template = template();
    let mut faults = Vec::new();
    for (id, alarm) in template.of("AWS::CloudWatch::Alarm") {
        let mut must = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("{id}: {what}"))
            }
        };
        let text = alarm["AlarmDescription"].as_str().unwrap_or_default();
        let page = text.rsplit(' ').next().unwrap_or_default();
        must(
            is_runbook(page) && root().join(page).is_file(),
            "AlarmDescription must end with the path of its runbook in docs/runbooks/",
        );
        must(
            text.contains("Act now") || text.contains("Act today"),
            "AlarmDescription must say whether to act now",
        );
        must(
            alarm["OKActions"] == json!([{ "Ref": "AlarmTopic" }]),
            "OKActions must notify the topic when the alarm is over",
        );
    }
    report(faults);
}

fn is_runbook(path: &str) -> bool {
    path.starts_with("docs/runbooks/") && path.ends_with(".md")
}

#[test]
fn runbooks_are_short_and_listed() {
    let list = read("docs/README.md");
    let mut faults = Vec::new();
    for name in names("docs/runbooks") {
        let words = read(format!("docs/runbooks/{name}"))
            .split_whitespace()
            .count();
        if words > RUNBOOK_WORDS_MAX {
            faults.push(format!(
                "docs/runbooks/{name}: {words} words; {RUNBOOK_WORDS_MAX} is the limit"
            ));
        }
        if !list.contains(&format!("](runbooks/{name})")) {
            faults.push(format!("docs/README.md: must link to runbooks/{name}"));
        }
    }
    report(faults);
}
