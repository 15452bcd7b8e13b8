//! What the checks of a commit decide about the pull request of a job.
//!
//! A check is a check run or a commit status at GitHub. A job waits until all checks of its commit
//! have completed. Failures that the base commit has too are not the change's.

use crate::text::words;
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

words! {
    /// Whether a job waits for the checks of its pull request. Without a choice, it waits where
    /// checks are to be expected.
    Validate {
        Checks = "checks",
        Off = "off",
    }
}

words! {
    /// What happens to the pull request of a job whose checks failed.
    OnRed {
        /// It stays as it is, for people to finish.
        Draft = "draft",
        /// It is closed.
        Fail = "fail",
    }
}

/// Without any check for so long, there are none.
pub const APPEAR_MAX: Duration = Duration::from_secs(180);
/// A job waits at most so long for its checks.
pub const CHECKS_MAX: Duration = Duration::from_secs(3_600);
/// After the last check has completed, a job waits so long for checks that another one starts.
pub const SETTLE: Duration = Duration::from_secs(60);
const POLL_MIN: Duration = Duration::from_secs(30);
const POLL_MAX: Duration = Duration::from_secs(300);
const NAMES_MAX: usize = 10;
const NAME_BYTES_MAX: usize = 80;

/// What makes a check the same one on another commit. Two Apps may use one name, and so may a check
/// run and a commit status.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckId {
    pub name: String,
    pub made_by: CheckMaker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckMaker {
    /// A check run of this App, if GitHub names it.
    App(Option<u64>),
    /// A commit status.
    Status,
}

/// One check of a commit, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub id: CheckId,
    pub state: CheckState,
    /// When it completed, if GitHub says so.
    pub completed_at: Option<Timestamp>,
    pub words: CheckWords,
}

/// Where a check says why it failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckWords {
    /// The number of the check run.
    pub run: Option<u64>,
    /// What it says of itself.
    pub said: String,
    pub has_annotations: bool,
    /// Whether a job of GitHub Actions with a log is behind it.
    pub has_log: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    Running,
    Passed,
    Failed,
    /// It has completed and says nothing about the commit.
    Silent,
}

impl CheckState {
    /// The state of a check run. A skipped one passes, as at GitHub. One that was cancelled or
    /// overtaken says nothing, and neither does a conclusion that is not known here.
    pub fn of_run(status: &str, conclusion: Option<&str>) -> Self {
        match (status, conclusion) {
            (
                "completed",
                Some("failure" | "timed_out" | "action_required" | "startup_failure"),
            ) => Self::Failed,
            ("completed", Some("success" | "neutral" | "skipped")) => Self::Passed,
            ("completed", _) => Self::Silent,
            _ => Self::Running,
        }
    }

    /// The state of a commit status.
    pub fn of_status(state: &str) -> Self {
        match state {
            "failure" | "error" => Self::Failed,
            "success" => Self::Passed,
            _ => Self::Running,
        }
    }
}

/// What the checks of a commit say at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// They are not complete.
    Waiting,
    /// None has appeared.
    Missing,
    /// This number passed, and none failed.
    Passed(usize),
    /// These failed.
    Failed(BTreeSet<CheckId>),
    /// They did not complete in time, and none has failed.
    TimedOut,
}

impl Progress {
    /// Judges the checks of a commit that has waited for them since `began`. The checks `awaited`
    /// have to say something: they failed on the commit before.
    pub fn of(
        checks: &[Check],
        awaited: &BTreeSet<CheckId>,
        began: Timestamp,
        now: Timestamp,
    ) -> Self {
        let waited = now.since(began);
        if checks.is_empty() && awaited.is_empty() {
            return if waited < APPEAR_MAX {
                Self::Waiting
            } else {
                Self::Missing
            };
        }
        let is_recent = |at: Timestamp| now.since(at) < SETTLE;
        let complete = checks.iter().all(|check| {
            check.state != CheckState::Running && !check.completed_at.is_some_and(is_recent)
        });
        let heard = &passing(checks) | &failing(checks);
        let all_heard = awaited.is_subset(&heard);
        let settled = complete && all_heard;
        let late = waited >= CHECKS_MAX;
        if !settled && !late {
            return Self::Waiting;
        }
        let failed = failing(checks);
        if !failed.is_empty() {
            return Self::Failed(failed);
        }
        let running = checks
            .iter()
            .any(|check| check.state == CheckState::Running);
        if running || !all_heard {
            return Self::TimedOut;
        }
        let passed = checks
            .iter()
            .filter(|check| check.state == CheckState::Passed);
        Self::Passed(passed.count())
    }
}

/// The checks that failed.
pub fn failing(checks: &[Check]) -> BTreeSet<CheckId> {
    in_state(checks, CheckState::Failed)
}

/// The checks that passed.
pub fn passing(checks: &[Check]) -> BTreeSet<CheckId> {
    in_state(checks, CheckState::Passed)
}

fn in_state(checks: &[Check], state: CheckState) -> BTreeSet<CheckId> {
    let found = checks.iter().filter(|check| check.state == state);
    found.map(|check| check.id.clone()).collect()
}

/// How long until the checks are read again: longer the longer they have been running.
pub fn poll_wait(began: Timestamp, now: Timestamp) -> Duration {
    (now.since(began) / 4).clamp(POLL_MIN, POLL_MAX)
}

/// The names of checks as one bounded text. Workflows choose the names, so they can say anything.
pub fn named(checks: &BTreeSet<CheckId>) -> String {
    let shown = checks.iter().take(NAMES_MAX).map(|check| {
        let plain: String = check
            .name
            .chars()
            .map(|c| if c.is_control() || c == '`' { ' ' } else { c })
            .collect();
        format!("`{}`", crate::text::truncate(plain.trim(), NAME_BYTES_MAX))
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if let Some(more) = checks.len().checked_sub(NAMES_MAX).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    fn made_by(name: &str, made_by: CheckMaker) -> CheckId {
        let name = name.to_owned();
        CheckId { name, made_by }
    }

    fn check(name: &str, state: CheckState, completed: Option<i64>) -> Check {
        Check {
            id: made_by(name, CheckMaker::Status),
            state,
            completed_at: completed.map(at),
            words: CheckWords::default(),
        }
    }

    #[test]
    fn words_of_github_have_one_meaning() {
        use CheckState::{Failed, Passed, Running, Silent};
        for (status, conclusion, state) in [
            ("queued", None, Running),
            ("in_progress", None, Running),
            ("waiting", None, Running),
            ("completed", Some("success"), Passed),
            ("completed", Some("neutral"), Passed),
            ("completed", Some("skipped"), Passed),
            ("completed", Some("cancelled"), Silent),
            ("completed", Some("stale"), Silent),
            ("completed", Some("a later word"), Silent),
            ("completed", None, Silent),
            ("completed", Some("failure"), Failed),
            ("completed", Some("timed_out"), Failed),
            ("completed", Some("action_required"), Failed),
            ("completed", Some("startup_failure"), Failed),
        ] {
            assert_eq!(
                CheckState::of_run(status, conclusion),
                state,
                "{conclusion:?}"
            );
        }
        for (word, state) in [
            ("pending", Running),
            ("success", Passed),
            ("failure", Failed),
            ("error", Failed),
        ] {
            assert_eq!(CheckState::of_status(word), state, "{word}");
        }
    }

    #[test]
    fn checks_decide_when_all_are_complete() {
        use CheckState::{Failed, Passed, Running, Silent};
        let green = check("test", Passed, Some(100));
        let red = check("lint", Failed, Some(50));
        let slow = check("build", Running, None);
        let overtaken = check("deploy", Silent, Some(10));
        let names = |names: &[&str]| {
            let ids = names.iter().map(|name| made_by(name, CheckMaker::Status));
            ids.collect()
        };
        for (checks, now, expected) in [
            (vec![], 179, Progress::Waiting),
            (vec![], 180, Progress::Missing),
            (vec![green.clone()], 159, Progress::Waiting),
            (vec![green.clone()], 160, Progress::Passed(1)),
            (vec![overtaken.clone()], 160, Progress::Passed(0)),
            (vec![green.clone(), overtaken], 160, Progress::Passed(1)),
            (vec![green.clone(), slow.clone()], 3_599, Progress::Waiting),
            (vec![green.clone(), slow.clone()], 3_600, Progress::TimedOut),
            (vec![red.clone(), slow.clone()], 3_599, Progress::Waiting),
            (
                vec![red.clone(), slow],
                3_600,
                Progress::Failed(names(&["lint"])),
            ),
            (vec![red, green], 160, Progress::Failed(names(&["lint"]))),
            (vec![check("old", Passed, None)], 1, Progress::Passed(1)),
        ] {
            assert_eq!(
                Progress::of(&checks, &BTreeSet::new(), at(0), at(now)),
                expected,
                "{checks:?} at {now}"
            );
        }
    }

    /// What failed before a repair has to be seen to pass after it. Silence proves nothing.
    #[test]
    fn a_check_that_failed_before_is_waited_for() {
        use CheckState::{Failed, Passed, Silent};
        let awaited = BTreeSet::from([made_by("test", CheckMaker::Status)]);
        let lint = check("lint", Passed, Some(50));
        let test = |state| check("test", state, Some(100));
        for (checks, now, expected) in [
            (vec![], 180, Progress::Waiting),
            (vec![], 3_600, Progress::TimedOut),
            (vec![lint.clone()], 3_599, Progress::Waiting),
            (vec![lint.clone()], 3_600, Progress::TimedOut),
            (vec![lint.clone(), test(Silent)], 3_600, Progress::TimedOut),
            (vec![lint.clone(), test(Passed)], 160, Progress::Passed(2)),
            (
                vec![lint, test(Failed)],
                160,
                Progress::Failed(awaited.clone()),
            ),
        ] {
            let progress = Progress::of(&checks, &awaited, at(0), at(now));
            assert_eq!(progress, expected, "{checks:?} at {now}");
        }
    }

    /// A red check of before excuses only itself.
    #[test]
    fn a_name_is_no_identity() {
        let red = |made_by: CheckMaker| Check {
            id: CheckId {
                name: "build".to_owned(),
                made_by,
            },
            state: CheckState::Failed,
            completed_at: None,
            words: CheckWords::default(),
        };
        let one = failing(&[red(CheckMaker::App(Some(1)))]);
        for other in [
            CheckMaker::App(Some(2)),
            CheckMaker::App(None),
            CheckMaker::Status,
        ] {
            let after = failing(&[red(CheckMaker::App(Some(1))), red(other)]);
            assert_eq!(named(&(&after - &one)), "`build`", "{other:?}");
        }
    }

    #[test]
    fn polls_become_rarer() {
        for (second, wait) in [(0, 30), (120, 30), (400, 100), (1_200, 300), (3_500, 300)] {
            assert_eq!(poll_wait(at(0), at(second)), Duration::from_secs(wait));
        }
    }

    #[test]
    fn names_of_checks_are_bounded() {
        let names = (0..12).map(|n| format!("{n:02}`\n{}", "x".repeat(200)));
        let ids = names.map(|name| made_by(&name, CheckMaker::App(Some(1))));
        let text = named(&ids.collect());
        assert!(
            text.starts_with("`00  xxx") && text.ends_with(" and 2 more"),
            "{text}"
        );
        assert!(text.len() < 1_000 && !text.contains('\n'), "{text}");
    }
}
