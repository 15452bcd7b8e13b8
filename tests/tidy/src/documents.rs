//! The documents: links lead to files, ARCHITECTURE.md names files that exist, and the first pages stay short.

use crate::repository::{find, names, read, report, root};

/// The documents that people read first, and the most words that they may have.
const WORDS_MAX: [(&str, usize); 2] = [("README.md", 1_200), ("ARCHITECTURE.md", 2_000)];

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
    [".", "docs", "docs/decisions", "events"]
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
