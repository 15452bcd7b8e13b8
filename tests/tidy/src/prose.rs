//! Words and phrases that no text of the repository uses, each with what to write instead. They are searched in code,
//! comments, documents and settings, as whole words: `admin_door` has the word `door`, `outdoors` has not.

use crate::repository::{names, read, report, root};

/// A phrase, what to write instead, and longer phrases in which it is right.
type Banned = (&'static str, &'static str, &'static [&'static str]);

const BANNED: &[Banned] = &[
    // Metaphors.
    ("door", "function, or receiver", &[]),
    ("doors", "functions, or receivers", &[]),
    ("the house", "Tallyhook, or the system", &[]),
    ("the room", "the domain", &[]),
    ("wall", "adapter", &["wall clock"]),
    ("walls", "adapters", &[]),
    ("errand", "assist", &[]),
    ("errands", "assists", &[]),
    ("weather", "faults", &[]),
    ("climate", "fault plan", &[]),
    ("newcomer", "applicant, or new contributor", &[]),
    ("newcomers", "applicants, or new contributors", &[]),
    ("stranger", "unknown caller, or unattributed", &[]),
    ("strangers", "unknown callers, or unattributed", &[]),
    ("knock", "call", &[]),
    // States that have another name now.
    ("owing", "pending, or due", &[]),
    ("buried", "failed", &[]),
    ("parked", "stuck", &[]),
    ("called off", "cancelled", &[]),
    ("call off", "cancel", &[]),
    // Sentences that read as translated.
    (
        "whoever",
        "a noun: the caller, the owner, a function that",
        &["hello to whoever"],
    ),
    ("whomever", "a noun", &[]),
    ("anew", "again", &[]),
    ("so many", "a number, or this many", &[]),
    ("is told", "is notified, is reported, or sees", &[]),
    ("are told", "are notified, are reported, or see", &[]),
    ("was told", "was notified, was reported, or saw", &[]),
    ("comes to be", "becomes", &[]),
    ("by itself", "automatically", &[]),
    ("goes on", "continues", &[]),
    ("comes again", "is retried, or returns", &[]),
    ("does to what", "two plain sentences", &[]),
    ("thrice", "three times", &[]),
    ("is had", "exists", &[]),
    // People.
    ("he", "they", &[]),
    ("his", "their", &[]),
    ("him", "them", &[]),
    ("himself", "themselves", &[]),
];

/// Named here so that they can be forbidden.
const SKIPPED: &[&str] = &["tests/tidy/src/prose.rs", "Cargo.lock", "docs/glossary.md"];

/// The words of a line in small letters: `admin_door`, `AdminDoor` and "admin door" are the same two.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in line.chars() {
        if !c.is_ascii_alphanumeric()
            || (c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()))
        {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Where a phrase begins among these words.
fn places(words: &[String], phrase: &str) -> Vec<usize> {
    let phrase: Vec<_> = phrase.split(' ').collect();
    let windows = words.windows(phrase.len()).enumerate();
    windows
        .filter(|(_, window)| {
            window
                .iter()
                .zip(&phrase)
                .all(|(word, other)| word == other)
        })
        .map(|(at, _)| at)
        .collect()
}

/// The banned phrases of a line.
fn found(line: &str) -> Vec<&'static Banned> {
    let words = words(line);
    let mut found = Vec::new();
    for banned in BANNED {
        let (phrase, _, allowed) = banned;
        for at in places(&words, phrase) {
            let excused = allowed.iter().any(|longer| {
                let length = longer.split(' ').count();
                let starts = places(&words, longer);
                starts
                    .iter()
                    .any(|start| (*start..*start + length).contains(&at))
            });
            if !excused {
                found.push(banned);
            }
        }
    }
    found
}

/// Every text of the repository but the samples, which are their senders' words.
fn texts() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for name in names(&folder) {
            let path = format!("{folder}{name}");
            if root().join(&path).is_dir() {
                if !["target", "node_modules", "events", ".git"].contains(&name.as_str()) {
                    folders.push(format!("{path}/"));
                }
            } else if ["rs", "md", "yaml", "toml"].contains(&path.rsplit('.').next().unwrap_or(""))
                && !SKIPPED.contains(&path.as_str())
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn texts_use_plain_words() {
    let mut faults = Vec::new();
    for path in texts() {
        for (number, line) in read(&path).lines().enumerate() {
            for (phrase, instead, _) in found(line) {
                faults.push(format!(
                    "{path}:{}: `{phrase}`: write {instead}",
                    number + 1
                ));
            }
        }
    }
    report(faults);
}

#[test]
fn a_phrase_is_found_as_whole_words() {
    let phrases = |line: &str| -> Vec<&str> {
        let found = found(line);
        found.iter().map(|(phrase, _, _)| *phrase).collect()
    };
    assert_eq!(phrases("fn admin_door(AdminDoor: &str)"), ["door", "door"]);
    assert_eq!(phrases("Outdoors, he said"), ["he"]);
    assert_eq!(phrases("a wall clock and a wall"), ["wall"]);
    assert_eq!(phrases("so_many"), ["so many"]);
    assert_eq!(phrases("this is the other one"), [""; 0]);
}
