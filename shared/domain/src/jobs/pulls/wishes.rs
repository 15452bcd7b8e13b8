//! The options of a repository's pull requests, besides the change itself.
//!
//! [`PullOptions::check`] is the only way to create them, so an option that GitHub does not support
//! is found when the policy is read, not when a job ends.

use crate::jobs::checks::{OnRed, Validate};
use crate::switches::Switch;

/// The most labels.
pub const LABELS_MAX: usize = 10;
/// The most characters of a label, which is GitHub's limit.
pub const LABEL_CHARS_MAX: usize = 50;
/// The most reviewers.
pub const REVIEWERS_MAX: usize = 10;
const LOGIN_CHARS_MAX: usize = 39;

/// Labels, reviewers, draft state, and what checks decide. The default sets no labels, reviewers or
/// draft state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullOptions {
    draft: Switch,
    labels: Vec<String>,
    reviewers: Vec<String>,
    validate: Option<Validate>,
    on_red: OnRed,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self {
            draft: Switch::Off,
            labels: Vec::new(),
            reviewers: Vec::new(),
            validate: None,
            on_red: OnRed::Draft,
        }
    }
}

impl PullOptions {
    /// Returns `None` if there are too many, or if GitHub does not allow such a label or login.
    pub fn check(draft: Switch, labels: Vec<String>, reviewers: Vec<String>) -> Option<Self> {
        let few = labels.len() <= LABELS_MAX && reviewers.len() <= REVIEWERS_MAX;
        let fine = few
            && labels.iter().all(|label| is_label(label))
            && reviewers.iter().all(|login| is_login(login));
        fine.then_some(Self {
            draft,
            labels,
            reviewers,
            ..Self::default()
        })
    }

    /// The same options, with what the repository's checks decide.
    pub fn validated(self, validate: Option<Validate>, on_red: OnRed) -> Self {
        Self {
            validate,
            on_red,
            ..self
        }
    }

    /// Whether to wait for the checks of the pull request. `None` waits where checks are to be
    /// expected.
    pub const fn validate(&self) -> Option<Validate> {
        self.validate
    }

    pub const fn on_red(&self) -> OnRed {
        self.on_red
    }

    pub const fn draft(&self) -> Switch {
        self.draft
    }

    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The logins of the people who are asked to review.
    pub fn reviewers(&self) -> &[String] {
        &self.reviewers
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.trim() == label
        && label.chars().count() <= LABEL_CHARS_MAX
        && !label.chars().any(char::is_control)
}

/// A person's login, or an App's with its brackets.
fn is_login(login: &str) -> bool {
    let name = login.strip_suffix("[bot]").unwrap_or(login);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=LOGIN_CHARS_MAX).contains(&name.len()) && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, count: usize) -> Vec<String> {
        vec![text.to_owned(); count]
    }

    #[test]
    fn wishes_that_github_cannot_grant_are_refused() {
        let check = |labels, reviewers, fine: bool| {
            let shown = format!("{labels:?} {reviewers:?}");
            assert_eq!(
                PullOptions::check(Switch::On, labels, reviewers).is_some(),
                fine,
                "{shown}"
            );
        };
        check(vec![], vec![], true);
        check(
            texts("good first issue", LABELS_MAX),
            texts("octo-cat_corp", REVIEWERS_MAX),
            true,
        );
        check(
            texts(&"é".repeat(LABEL_CHARS_MAX), 1),
            texts("some-app[bot]", 1),
            true,
        );
        check(texts("a", LABELS_MAX + 1), vec![], false);
        check(vec![], texts("a", REVIEWERS_MAX + 1), false);
        for label in [
            "",
            " ",
            " a",
            "a ",
            "a\nb",
            &"x".repeat(LABEL_CHARS_MAX + 1),
        ] {
            check(texts(label, 1), vec![], false);
        }
        for login in [
            "",
            "@octocat",
            "acme/team",
            "a b",
            "[bot]",
            "é",
            &"x".repeat(LOGIN_CHARS_MAX + 1),
        ] {
            check(vec![], texts(login, 1), false);
        }
    }

    #[test]
    fn the_default_wishes_nothing() {
        assert_eq!(
            PullOptions::check(Switch::Off, vec![], vec![]),
            Some(PullOptions::default())
        );
    }
}
