//! How the Rust files are written: with a head, short enough to read, with names that mean something, and with keys formatted
//! in one place.

use crate::repository::{read, report, shipped, sources};
use std::collections::BTreeSet;

const LINES_MAX: usize = 500;
/// How many files are still longer. The number only falls.
const LONGER: usize = 4;
const KEYS: &str = "shared/store/src/db/keys.rs";
const CAUSES: &str = "shared/domain/src/ledger.rs";

/// This package contains the words that it forbids.
const TIDY: &str = "tests/tidy/";

#[test]
fn every_file_has_a_head() {
    report(
        sources()
            .into_iter()
            .filter(|path| !read(path).starts_with("//!"))
            .map(|path| format!("{path}: begin with //! and what it is for"))
            .collect(),
    );
}

#[test]
fn no_file_is_too_long_to_read() {
    let long = |path: String| {
        let lines = shipped(&read(&path)).lines().count();
        (lines > LINES_MAX).then(|| format!("{path}: {lines} lines; split it, 300 is the aim"))
    };
    let long: Vec<_> = sources().into_iter().filter_map(long).collect();
    if long.len() > LONGER {
        report(long);
    }
}

/// Only `keys.rs` formats keys. The cause of a ledger entry is an identity of the domain, not a key, though some of its words
/// are also kinds of key.
#[test]
fn keys_are_formatted_in_one_file() {
    let prefixes: BTreeSet<_> = read(KEYS)
        .split('"')
        .filter_map(|text| text.split_once('#'))
        .map(|(word, _)| word.to_owned())
        .filter(|word| is_kind(word))
        .collect();
    assert!(
        prefixes.contains("EVENT") && prefixes.contains("JOB"),
        "{KEYS} formats keys: {prefixes:?}"
    );
    let mut faults = Vec::new();
    for path in sources()
        .iter()
        .filter(|path| ![KEYS, CAUSES].contains(&path.as_str()) && !path.starts_with(TIDY))
    {
        for (number, line) in read(path)
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for prefix in prefixes
                .iter()
                .filter(|prefix| line.contains(&format!("\"{prefix}#")))
            {
                faults.push(format!(
                    "{path}:{}: {prefix}# belongs in {KEYS}",
                    number + 1
                ));
            }
        }
    }
    report(faults);
}

fn is_kind(word: &str) -> bool {
    word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Words that mean nothing or two things, and what to write.
const WORDS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "an issue, or do it"),
    (concat!("FIX", "ME"), "an issue, or do it"),
    (concat!("X", "XX"), "a sentence that says what is wrong"),
    ("tenant", "account: who pays and owns things"),
    ("deduct", "capture"),
    (
        "is_local",
        "nothing: local and AWS differ only behind the HTTP clients",
    ),
];

/// Ends of type names that say "something to do with".
const TYPES: &[(&str, &str)] = &[
    ("Manager", "what it holds or decides"),
    ("Helper", "the function it is"),
    ("Helpers", "the functions they are"),
    ("Util", "the word of what it does"),
    ("Utils", "the words of what they do"),
    ("Processor", "the verb, as a function"),
    ("Service", "the name of the adapter or the function"),
    (
        "Handler",
        "a function called handle, in a file called after the event",
    ),
    ("Common", "the thing that is common"),
];

const FILES: &[&str] = &[
    "utils.rs",
    "util.rs",
    "helpers.rs",
    "helper.rs",
    "common.rs",
    "misc.rs",
    "types.rs",
    "manager.rs",
];

#[test]
fn words_mean_something() {
    let mut faults = Vec::new();
    for path in sources().iter().filter(|path| !path.starts_with(TIDY)) {
        let file = path.rsplit('/').next().unwrap_or_default();
        if FILES.contains(&file) {
            faults.push(format!("{path}: name the file after what is in it"));
        }
        for (number, line) in read(path).lines().enumerate() {
            let at = |word: &str, instead: &str| {
                format!("{path}:{}: not {word}, but {instead}", number + 1)
            };
            faults.extend(
                WORDS
                    .iter()
                    .filter(|(word, _)| has_word(line, word))
                    .map(|(word, instead)| at(word, instead)),
            );
            if let Some(name) = declared(line) {
                faults.extend(
                    TYPES
                        .iter()
                        .filter(|(end, _)| name.ends_with(end))
                        .map(|(_, instead)| at(name, instead)),
                );
            }
        }
    }
    report(faults);
}

/// Whether the line has a word that begins like this: `tenants` does, `lieutenant` does not.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric()))
}

/// The name of a type that this line declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line
        .strip_prefix("pub ")
        .or_else(|| line.strip_prefix("pub(crate) "))
        .unwrap_or(line);
    let rest = ["struct ", "enum ", "trait ", "type "]
        .iter()
        .find_map(|kind| line.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_alphanumeric()).next()
}

/// A clock or an environment that is read elsewhere makes a test that cannot be repeated. clippy.toml forbids the functions;
/// only `boot` may lift the lint.
#[test]
fn only_boot_reads_clock_and_environment() {
    let lifts = |path: &String| {
        let text = read(path);
        let lifted = shipped(&text).contains("clippy::disallowed_methods");
        (lifted && !path.starts_with("shared/boot/"))
            .then(|| format!("{path}: take it as an argument; boot hands it in"))
    };
    let vouchers = ["shared/webhooks/", TIDY];
    report(
        sources()
            .iter()
            .filter(|path| !vouchers.iter().any(|folder| path.starts_with(folder)))
            .filter_map(lifts)
            .collect(),
    );
}
