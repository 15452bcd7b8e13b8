//! What is wrong with a change set, found without running it.
//!
//! The rules are mechanical, because an instruction to a model is not a rule. The model gets the
//! findings and can correct the change; what remains goes to the review. Tests are counted over the
//! whole change, so that they can move. Sizes and privileged files are checked by
//! `domain::jobs::pulls`, which ends the job.

use crate::outline::{Language, fault, mask};
use crate::snapshot::{Entry, Snapshot, Text, is_test};
use crate::tools::Changed;
use std::collections::BTreeSet;
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Empty where the change set as a whole is meant.
    pub path: String,
    pub line: Option<usize>,
    pub rule: Rule,
}

domain::text::words! {
    /// What a change set may not do. The word is the rule's name in logs and tests.
    Rule {
        Mode = "mode",
        Syntax = "syntax",
        Conflict = "conflict-marker",
        Debris = "debris",
        Secret = "secret",
        Generated = "generated",
        Whitespace = "whitespace",
        FewerTests = "fewer-tests",
        FewerAssertions = "fewer-assertions",
        TestSkipped = "test-skipped",
        /// Only repairs of a change whose checks failed are judged by the last two.
        TestDeleted = "test-deleted",
        CheckSettings = "check-settings",
    }
}

impl Rule {
    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Mode => "Keep the file's mode.",
            Self::Syntax => "Close the open bracket, string or comment.",
            Self::Conflict => "Remove the conflict markers.",
            Self::Debris => "Delete the file.",
            Self::Secret => "Remove the key; read it from the environment.",
            Self::Generated => "Undo it, and change the source that generates the file.",
            Self::Whitespace => "Undo it: only whitespace changed.",
            Self::FewerTests | Self::FewerAssertions => "Put the tests back and fix the code.",
            Self::TestSkipped => "Run the test again and fix the code.",
            Self::TestDeleted => "Put the test file back and fix the code.",
            Self::CheckSettings => {
                "Undo it: these settings decide what the checks look at. Fix the code."
            }
        }
    }
}

/// What is wrong and what to do. The path is not repeated.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{}: {}", self.rule, self.rule.remedy())
    }
}

const DEBRIS_ENDS: &[&str] = &[".orig", ".rej", ".bak", ".swp", "~"];
const SECRET_BEGINS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ghp_", 30),
    ("ghs_", 30),
    ("gho_", 30),
    ("github_pat_", 30),
    ("sk-ant-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("whsec_", 24),
    ("xoxb-", 20),
    ("AIza", 30),
];
const TESTS: &[&str] = &[
    "def test",
    "#[test]",
    "#[tokio::test",
    "it(",
    "test(",
    "func Test",
    "@Test",
    "@ParameterizedTest",
];
const ASSERTIONS: &[&str] = &[
    "assert", "expect(", ".should", "t.Error", "t.Fatal", "require.",
];
const SKIPS: &[&str] = &[
    "skip",
    "xfail",
    // In two parts, so that a search for ignored tests does not find this list.
    concat!("#[", "ignore"),
    "@Disabled",
    "@Ignore",
    "xit(",
    "xtest(",
    ".only(",
    "t.Skip",
];

/// Tests, assertions and skips of a text, without comments and strings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Guarded {
    tests: usize,
    assertions: usize,
    skips: usize,
}

fn guarded(path: &str, body: &str) -> Guarded {
    let Some(language) = Language::of(path) else {
        return Guarded::default();
    };
    let masked = mask(language, body);
    let text = String::from_utf8_lossy(&masked.bytes);
    let count = |words: &[&str]| {
        let places = words.iter().flat_map(|word| text.match_indices(word));
        // `it(` in `submit(` is no test.
        places
            .filter(|(at, word)| {
                let before = text[..*at].chars().next_back();
                !word.starts_with(char::is_alphabetic)
                    || before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
            })
            .count()
    };
    // Assertions outside of tests belong to the code.
    let test = is_test(path);
    Guarded {
        tests: count(TESTS),
        assertions: if test { count(ASSERTIONS) } else { 0 },
        skips: if test { count(SKIPS) } else { 0 },
    }
}

/// All findings, in the order of the changes.
pub fn lint(base: &Snapshot, changes: &[Changed]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut note = |path: &str, line: Option<usize>, rule: Rule| {
        found.push(Finding {
            path: path.to_owned(),
            line,
            rule,
        });
    };
    let (mut before_all, mut after_all) = (Guarded::default(), Guarded::default());
    for change in changes {
        let path = change.path.as_str();
        let entry = base.get(path);
        let before = entry.and_then(Entry::text).map_or("", Text::body);
        let decoded = change.content.clone().and_then(Text::decode);
        let after = decoded.as_ref().map_or("", Text::body);
        of_path(path, entry, change, &mut |rule| note(path, None, rule));
        of_lines(path, before, after, &mut |line, rule| {
            note(path, line, rule)
        });
        before_all = before_all.plus(guarded(path, before));
        after_all = after_all.plus(guarded(path, after));
    }
    before_all.compare(after_all, &mut |rule| note("", None, rule));
    found
}

/// Settings of test runners, coverage and linters, by the beginnings of their names. A
/// change of them can make a check pass without mending the code.
const CHECK_SETTINGS: &[&str] = &[
    ".codecov",
    ".coveragerc",
    ".eslintrc",
    ".flake8",
    ".golangci",
    ".mocharc",
    ".nycrc",
    ".pylintrc",
    ".rspec",
    ".rubocop",
    "clippy.toml",
    "codecov.",
    "eslint.config.",
    "jest.config.",
    "karma.conf.",
    "mypy.ini",
    "nextest.toml",
    "noxfile.py",
    "phpstan.neon",
    "phpunit.xml",
    "playwright.config.",
    "pytest.ini",
    "ruff.toml",
    "tox.ini",
    "vitest.config.",
];

/// What makes a repair weaken the checks that failed on the change `before`.
pub fn weakened(base: &Snapshot, before: &[Changed], after: &[Changed]) -> Vec<Finding> {
    let paths: BTreeSet<&str> = before
        .iter()
        .chain(after)
        .map(|file| file.path.as_str())
        .collect();
    let (mut all_before, mut all_after) = (Guarded::default(), Guarded::default());
    let mut found = Vec::new();
    for path in paths {
        let (old, new) = (content(base, before, path), content(base, after, path));
        let mut note = |rule| {
            found.push(Finding {
                path: path.to_owned(),
                line: None,
                rule,
            });
        };
        if old.is_some() && new.is_none() && is_test(path) {
            note(Rule::TestDeleted);
        }
        let name = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if old != new
            && CHECK_SETTINGS
                .iter()
                .any(|settings| name.starts_with(settings))
        {
            note(Rule::CheckSettings);
        }
        all_before = all_before.plus(guarded(path, old.as_deref().unwrap_or_default()));
        all_after = all_after.plus(guarded(path, new.as_deref().unwrap_or_default()));
    }
    all_before.compare(all_after, &mut |rule| {
        found.push(Finding {
            path: String::new(),
            line: None,
            rule,
        });
    });
    found
}

/// A file's text after changes of the base, if it exists.
fn content(base: &Snapshot, changes: &[Changed], path: &str) -> Option<String> {
    let bytes = match changes.iter().find(|change| change.path == path) {
        Some(change) => change.content.clone(),
        None => {
            return base.get(path).map(|entry| {
                entry
                    .text()
                    .map_or_else(String::new, |text| text.body().to_owned())
            });
        }
    };
    bytes.map(|bytes| Text::decode(bytes).map_or_else(String::new, |text| text.body().to_owned()))
}

impl Guarded {
    fn plus(self, other: Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            assertions: self.assertions + other.assertions,
            skips: self.skips + other.skips,
        }
    }

    fn compare(self, after: Self, note: &mut impl FnMut(Rule)) {
        if after.tests < self.tests {
            note(Rule::FewerTests);
        }
        if after.assertions < self.assertions {
            note(Rule::FewerAssertions);
        }
        if after.skips > self.skips {
            note(Rule::TestSkipped);
        }
    }
}

fn of_path(path: &str, entry: Option<&Entry>, change: &Changed, note: &mut impl FnMut(Rule)) {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    if entry.is_some_and(|entry| entry.mode != change.mode) {
        note(Rule::Mode);
    }
    if entry.is_none() && DEBRIS_ENDS.iter().any(|end| name.ends_with(end)) {
        note(Rule::Debris);
    }
    if entry.is_some_and(|entry| entry.generated) {
        note(Rule::Generated);
    }
}

fn of_lines(path: &str, before: &str, after: &str, note: &mut impl FnMut(Option<usize>, Rule)) {
    if fault(path, before).is_none()
        && let Some(fault) = fault(path, after)
    {
        note(Some(fault.line), Rule::Syntax);
    }
    for (line, text) in (1..).zip(after.lines()) {
        let marker = text.starts_with("<<<<<<< ") || text.starts_with(">>>>>>> ");
        if marker && !before.contains(text) {
            note(Some(line), Rule::Conflict);
        }
        if holds_key(text) && !before.contains(text) {
            note(Some(line), Rule::Secret);
        }
    }
    let filled = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    };
    if !before.is_empty() && !after.is_empty() && filled(before) == filled(after) {
        note(None, Rule::Whitespace);
    }
}

/// Whether a line has what looks like a live key of a known provider.
fn holds_key(line: &str) -> bool {
    let long = |rest: &str, length: usize| {
        let key = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
        rest.chars().take_while(key).count() >= length
    };
    let begins = SECRET_BEGINS.iter().any(|(begin, length)| {
        line.match_indices(begin)
            .any(|(at, _)| long(&line[at + begin.len()..], *length))
    });
    begins || (line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----"))
}

#[cfg(test)]
mod tests;
