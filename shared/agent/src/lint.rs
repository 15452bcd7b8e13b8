//! What is wrong with a change set, found without running it.
//!
//! The rules are mechanical, because an instruction to a model is not a rule. Findings go back to
//! the model, which corrects the change or ends the job. In a repair round, when checks are red,
//! tests are guarded file by file; before that, in sum, so that tests can move.

use crate::outline::{Language, fault, mask};
use crate::snapshot::{Entry, Snapshot, Text, is_test};
use crate::tools::Changed;
use std::fmt;

/// What the rules depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The change is an answer to failed checks.
    pub repair: bool,
    pub files_max: usize,
    pub bytes_max: usize,
}

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
        Privileged = "privileged",
        TooManyFiles = "too-many-files",
        TooManyBytes = "too-many-bytes",
        Mode = "mode",
        Syntax = "syntax",
        Conflict = "conflict-marker",
        Debris = "debris",
        Secret = "secret",
        Generated = "generated",
        Whitespace = "whitespace",
        TestDeleted = "test-deleted",
        FewerTests = "fewer-tests",
        FewerAssertions = "fewer-assertions",
        TestSkipped = "test-skipped",
        CheckSettings = "check-settings",
    }
}

impl Rule {
    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Privileged => "Undo it, and describe it for a maintainer.",
            Self::TooManyFiles | Self::TooManyBytes => "Change less; submit the part that matters.",
            Self::Mode => "Keep the file's mode.",
            Self::Syntax => "Close what is open.",
            Self::Conflict => "Remove the conflict markers.",
            Self::Debris => "Delete the file.",
            Self::Secret => "Remove the key; read it from the environment.",
            Self::Generated => "Undo it, and change what the file is made from.",
            Self::Whitespace => "Undo it: only blanks have changed.",
            Self::TestDeleted | Self::FewerTests | Self::FewerAssertions => {
                "Put the tests back and fix the code."
            }
            Self::TestSkipped => "Run the test again and fix the code.",
            Self::CheckSettings => "Undo it: checks may not change while they are red.",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}`", self.path)?;
        }
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        write!(f, " {}: {}", self.rule, self.rule.remedy())
    }
}

const CI_BEGINS: &[&str] = &[
    ".github/",
    ".gitlab-ci",
    ".circleci/",
    ".travis.yml",
    ".buildkite/",
    "azure-pipelines",
    "jenkinsfile",
    ".husky/",
    ".tallyhook.toml",
    "codeowners",
];
const CHECK_NAMES: &[&str] = &[
    ".coveragerc",
    "codecov.yml",
    ".codecov.yml",
    "pytest.ini",
    "tox.ini",
    "noxfile.py",
    ".flake8",
    "jest.config.js",
    "jest.config.ts",
    "vitest.config.ts",
    "karma.conf.js",
    "clippy.toml",
];
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
    "#[ignore",
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
pub fn lint(base: &Snapshot, changes: &[Changed], rules: &Rules) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut note = |path: &str, line: Option<usize>, rule: Rule| {
        found.push(Finding {
            path: path.to_owned(),
            line,
            rule,
        });
    };
    let bytes = changes.iter().filter_map(|change| change.content.as_ref());
    if changes.len() > rules.files_max {
        note("", None, Rule::TooManyFiles);
    }
    if bytes.map(Vec::len).sum::<usize>() > rules.bytes_max {
        note("", None, Rule::TooManyBytes);
    }
    let (mut before_all, mut after_all) = (Guarded::default(), Guarded::default());
    for change in changes {
        let path = change.path.as_str();
        let entry = base.get(path);
        let before = entry.and_then(Entry::text).map_or("", Text::body);
        let decoded = change.content.clone().and_then(Text::decode);
        let after = decoded.as_ref().map_or("", Text::body);
        of_path(path, entry, change, rules, &mut |rule| {
            note(path, None, rule)
        });
        of_lines(path, before, after, &mut |line, rule| {
            note(path, line, rule)
        });
        let (old, new) = (guarded(path, before), guarded(path, after));
        before_all = before_all.plus(old);
        after_all = after_all.plus(new);
        if rules.repair {
            if change.content.is_none() && (is_test(path) || old.tests > 0) {
                note(path, None, Rule::TestDeleted);
            } else {
                old.compare(new, &mut |rule| note(path, None, rule));
            }
        }
    }
    if !rules.repair {
        before_all.compare(after_all, &mut |rule| note("", None, rule));
    }
    found
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

fn of_path(
    path: &str,
    entry: Option<&Entry>,
    change: &Changed,
    rules: &Rules,
    note: &mut impl FnMut(Rule),
) {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    if CI_BEGINS.iter().any(|begin| lower.starts_with(begin)) || name == "codeowners" {
        note(Rule::Privileged);
    }
    if rules.repair && CHECK_NAMES.contains(&name) {
        note(Rule::CheckSettings);
    }
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
