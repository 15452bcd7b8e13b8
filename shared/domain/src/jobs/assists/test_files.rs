//! Test integration: scores how well test files suit code, and adds tests to one of them.
//!
//! Neither the customers' files nor the model's answers are trusted. `check` is the only way to
//! create a task, and only the task decides whether a model's answer is valid.

use crate::jobs::pulls::may_touch;
use crate::text::truncate;
use std::collections::BTreeSet;
use std::fmt;

/// A file that a customer sent or a model wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path relative to the repository's root.
    pub path: String,
    pub content: String,
}

/// Omits the content, which belongs to the customer and must not be logged.
impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} bytes", self.path, self.content.len())
    }
}

/// Test files to score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestAnalysis {
    code: Option<SourceFile>,
    tests: Vec<SourceFile>,
}

/// Tests to add to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestIntegration {
    target: SourceFile,
    tests: Vec<SourceFile>,
}

/// How well a test file suits the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileScore {
    pub path: String,
    /// From 0 to 100.
    pub score: u8,
    pub reason: String,
}

/// A file with the tests added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegratedFile {
    pub file: SourceFile,
    /// The number of added lines.
    pub lines_added: u64,
    /// The number of removed lines.
    pub lines_removed: u64,
}

/// The maximum number of test files in one request.
pub const TEST_FILES_MAX: usize = 20;
/// The maximum total size of the contents in one request. Compressed, they fit into one item;
/// together, they fit into one prompt.
pub const TEST_BYTES_MAX: usize = 64 * 1024;
/// The maximum size of a file after the tests were added.
const INTEGRATED_BYTES_MAX: usize = 2 * TEST_BYTES_MAX;
/// The maximum score.
const SCORE_MAX: u8 = 100;
const REASON_BYTES_MAX: usize = 500;

/// Why files are rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadFiles {
    None,
    /// More than [`TEST_FILES_MAX`].
    TooMany(usize),
    /// More bytes than [`TEST_BYTES_MAX`].
    TooLarge(usize),
    /// The path leads out of the repository, or to a file that is not for tests.
    Path(String),
    Twice(String),
    /// The content is empty or contains control characters.
    Content(String),
}

impl fmt::Display for BadFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("send at least one test file"),
            Self::TooMany(files) => write!(
                f,
                "{files} test files are too many; send at most {TEST_FILES_MAX}"
            ),
            Self::TooLarge(bytes) => {
                write!(
                    f,
                    "{bytes} bytes of content are too many; send at most {TEST_BYTES_MAX}"
                )
            }
            Self::Path(path) => write!(f, "{path:?} is not a path of a file within the repository"),
            Self::Twice(path) => write!(f, "{path:?} was sent twice"),
            Self::Content(path) => write!(f, "{path:?} is empty or not plain text"),
        }
    }
}

impl std::error::Error for BadFiles {}

impl TestAnalysis {
    /// Checks the files. Returns the task, or the reason for the rejection.
    pub fn check(code: Option<SourceFile>, tests: Vec<SourceFile>) -> Result<Self, BadFiles> {
        check(code.as_ref(), &tests)?;
        Ok(Self { code, tests })
    }

    /// The code under test, if it was sent.
    pub const fn code(&self) -> Option<&SourceFile> {
        self.code.as_ref()
    }

    pub fn tests(&self) -> &[SourceFile] {
        &self.tests
    }

    /// Checks a model's scores. Returns them, best first, if there is exactly one valid score for
    /// each file and no other.
    pub fn scored(&self, said: Vec<FileScore>) -> Option<Vec<FileScore>> {
        let mut open: BTreeSet<&str> = self.tests.iter().map(|file| file.path.as_str()).collect();
        let mut scores = Vec::new();
        for FileScore {
            path,
            score,
            reason,
        } in said
        {
            let reason = truncate(reason.trim(), REASON_BYTES_MAX).to_owned();
            if !open.remove(path.as_str())
                || score > SCORE_MAX
                || reason.is_empty()
                || !is_text(&reason)
            {
                return None;
            }
            scores.push(FileScore {
                path,
                score,
                reason,
            });
        }
        scores.sort_by(|one, other| {
            other
                .score
                .cmp(&one.score)
                .then_with(|| one.path.cmp(&other.path))
        });
        open.is_empty().then_some(scores)
    }
}

impl TestIntegration {
    /// Checks the files. Returns the task, or the reason for the rejection.
    pub fn check(target: SourceFile, tests: Vec<SourceFile>) -> Result<Self, BadFiles> {
        check(Some(&target), &tests)?;
        Ok(Self { target, tests })
    }

    /// The file that gets the tests.
    pub const fn target(&self) -> &SourceFile {
        &self.target
    }

    pub fn tests(&self) -> &[SourceFile] {
        &self.tests
    }

    /// Checks a model's answer. Returns it if it is the target file, changed, and not too large.
    pub fn integrated(&self, said: SourceFile) -> Option<SourceFile> {
        let ours = said.path == self.target.path && said.content != self.target.content;
        let fits = !said.content.trim().is_empty() && said.content.len() <= INTEGRATED_BYTES_MAX;
        (ours && fits && is_text(&said.content)).then_some(said)
    }
}

fn check(beside: Option<&SourceFile>, tests: &[SourceFile]) -> Result<(), BadFiles> {
    if tests.is_empty() {
        return Err(BadFiles::None);
    }
    if tests.len() > TEST_FILES_MAX {
        return Err(BadFiles::TooMany(tests.len()));
    }
    let mut seen = BTreeSet::new();
    let mut bytes = 0_usize;
    for file in beside.into_iter().chain(tests) {
        if !may_touch(&file.path) {
            return Err(BadFiles::Path(
                truncate(&file.path, REASON_BYTES_MAX).to_owned(),
            ));
        }
        if !seen.insert(file.path.as_str()) {
            return Err(BadFiles::Twice(file.path.clone()));
        }
        if file.content.trim().is_empty() || !is_text(&file.content) {
            return Err(BadFiles::Content(file.path.clone()));
        }
        bytes = bytes.saturating_add(file.content.len());
    }
    if bytes > TEST_BYTES_MAX {
        Err(BadFiles::TooLarge(bytes))
    } else {
        Ok(())
    }
}

/// Whether the text has no control characters except line breaks and tabs. In a prompt, a control
/// character takes six times its size, and no source needs one.
fn is_text(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            content: content.to_owned(),
        }
    }

    fn score(path: &str, score: u8, reason: &str) -> FileScore {
        FileScore {
            path: path.to_owned(),
            score,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn files_are_bounded_and_within_a_repository() {
        let good = || file("spec/a.rb", "it 'works'");
        let large = "x".repeat(TEST_BYTES_MAX);
        let many: Vec<_> = (0..=TEST_FILES_MAX)
            .map(|n| file(&format!("t/{n}"), "x"))
            .collect();
        for (tests, why) in [
            (vec![], BadFiles::None),
            (many, BadFiles::TooMany(TEST_FILES_MAX + 1)),
            (
                vec![file("a", &large), file("b", "x")],
                BadFiles::TooLarge(TEST_BYTES_MAX + 1),
            ),
            (
                vec![good(), file("../a", "x")],
                BadFiles::Path("../a".to_owned()),
            ),
            (
                vec![file("/etc/passwd", "x")],
                BadFiles::Path("/etc/passwd".to_owned()),
            ),
            (
                vec![good(), good()],
                BadFiles::Twice("spec/a.rb".to_owned()),
            ),
            (vec![file("a", " \n")], BadFiles::Content("a".to_owned())),
            (vec![file("a", "\u{1}")], BadFiles::Content("a".to_owned())),
        ] {
            assert_eq!(TestAnalysis::check(None, tests), Err(why));
        }
        assert_eq!(
            TestIntegration::check(good(), vec![good()]),
            Err(BadFiles::Twice("spec/a.rb".to_owned()))
        );
        assert!(
            TestAnalysis::check(
                Some(file("lib/a.rb", "a")),
                vec![good(), file("b", &large[12..])]
            )
            .is_ok()
        );
        assert!(
            !format!("{:?}", good()).contains("works"),
            "contents are nobody's to print"
        );
    }

    #[test]
    fn every_file_is_scored_once_and_nothing_else_is() {
        let asked = TestAnalysis::check(None, vec![file("a", "x"), file("b", "x")]).expect("files");
        let scores = asked.scored(vec![score("a", 0, " meh "), score("b", 100, "good")]);
        assert_eq!(
            scores,
            Some(vec![score("b", 100, "good"), score("a", 0, "meh")])
        );
        for said in [
            vec![],
            vec![score("a", 1, "r")],
            vec![score("a", 1, "r"), score("a", 1, "r")],
            vec![score("a", 1, "r"), score("b", 101, "r")],
            vec![score("a", 1, "r"), score("b", 1, "")],
            vec![
                score("a", 1, "r"),
                score("b", 1, "r"),
                score("../c", 1, "r"),
            ],
        ] {
            assert_eq!(asked.scored(said.clone()), None, "{said:?}");
        }
    }

    #[test]
    fn only_the_target_comes_back_and_changed() {
        let asked =
            TestIntegration::check(file("a", "old"), vec![file("b", "new")]).expect("files");
        assert_eq!(
            asked.integrated(file("a", "old new")),
            Some(file("a", "old new"))
        );
        let huge = "x".repeat(INTEGRATED_BYTES_MAX + 1);
        for (path, content) in [
            ("b", "old new"),
            ("a", "old"),
            ("a", " "),
            ("a", "\u{0}"),
            ("../a", "x"),
            ("a", &huge),
        ] {
            assert_eq!(asked.integrated(file(path, content)), None, "{path}");
        }
    }
}
