//! Triggers: which events of an issue request a job, and the repository's policy on them.

use crate::ids::CommentId;
use crate::inbox::events::{Comment, CommentOn, EventOrigin, Issue, IssueChange, IssueEvent};
use crate::jobs::caps::Caps;
use crate::jobs::permissions::Role;
use crate::jobs::pulls::PullOptions;
use crate::switches::Switch;
use crate::units::Credits;
use std::str::SplitWhitespace;

/// The event that requested a job. Its key is the job's cause, so the same event never creates a
/// second job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    Opened {
        issue_id: u64,
    },
    /// An issue got the policy's label.
    Labeled {
        label: String,
        /// The issue's `updated_at`. Removing the label and adding it again is a new request.
        updated_at: String,
        issue_id: u64,
    },
    /// A comment contained the command.
    Command {
        comment: CommentId,
    },
}

impl Trigger {
    /// The text that identifies the event in keys.
    pub fn fact(&self) -> String {
        match self {
            Self::Opened { issue_id } => format!("issue-{issue_id}"),
            Self::Labeled {
                label,
                updated_at,
                issue_id,
            } => format!("label-{issue_id}-{updated_at}-{label}"),
            Self::Command { comment } => format!("comment-{comment}"),
        }
    }
}

/// Which events a repository accepts, and from whom. The default accepts a new issue, the label, and
/// the command, from people with a role that depends on who can see the repository. A file on the
/// repository's base branch can change this, and can set options for pull requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether a new issue is enough to request a job.
    pub opened: Switch,
    /// The label that requests a job.
    pub label: String,
    /// Whether comments may contain commands.
    pub commands: Switch,
    /// The author associations whose requests are accepted; if empty, all are. The person needs the
    /// role as well.
    pub associations: Vec<String>,
    /// The least role that may request a job; absent if the default counts.
    pub role: Option<Role>,
    /// The ids of the bots that may request a job.
    pub bots: Vec<u64>,
    /// The options of the repository's pull requests.
    pub wishes: PullOptions,
    /// How many jobs may begin; a plan's caps count as well.
    pub caps: Caps,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            opened: Switch::On,
            label: "tallyhook".to_owned(),
            commands: Switch::On,
            associations: Vec::new(),
            role: None,
            bots: Vec::new(),
            wishes: PullOptions::default(),
            caps: Caps::default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyDecision {
    /// Create a job.
    Accept(Trigger),
    /// Do not create a job, for this reason.
    Reject(&'static str),
}

/// Whether our own App caused the event.
pub fn is_ours(origin: &EventOrigin, app_id: u64) -> bool {
    origin.via_app == Some(app_id)
}

impl Policy {
    /// Decides whether a change of an issue requests a job.
    pub fn wish(&self, event: &IssueEvent) -> PolicyDecision {
        match &event.change {
            IssueChange::Opened => self.on_opened(&event.issue),
            IssueChange::Labeled(label) => self.on_labeled(&event.issue, label),
            IssueChange::Commented(comment) => self.on_comment(comment),
            IssueChange::Closed => PolicyDecision::Reject("closing an issue asks for no job"),
        }
    }

    fn on_opened(&self, issue: &Issue) -> PolicyDecision {
        if self.opened == Switch::Off {
            return PolicyDecision::Reject("the repository's policy requires a label or a command");
        }
        self.allowed(
            &issue.author_association,
            Trigger::Opened { issue_id: issue.id },
        )
    }

    /// The policy's associations do not apply to labels, whose sender has none in the payload.
    fn on_labeled(&self, issue: &Issue, label: &str) -> PolicyDecision {
        if !label.eq_ignore_ascii_case(&self.label) {
            return PolicyDecision::Reject("another label");
        }
        PolicyDecision::Accept(Trigger::Labeled {
            label: self.label.to_ascii_lowercase(),
            updated_at: issue.updated_at.clone(),
            issue_id: issue.id,
        })
    }

    fn on_comment(&self, comment: &Comment) -> PolicyDecision {
        match (command(&comment.text), self.commands, comment.on) {
            (None, _, _) => PolicyDecision::Reject("no command"),
            (Some(_), Switch::Off, _) => {
                PolicyDecision::Reject("the repository's policy disables commands")
            }
            (Some(_), Switch::On, CommentOn::Pull) => {
                PolicyDecision::Reject("commands work on issues only")
            }
            (Some(Command::Fix | Command::Approve), Switch::On, CommentOn::Issue) => self.allowed(
                &comment.author_association,
                Trigger::Command {
                    comment: comment.id,
                },
            ),
        }
    }

    fn allowed(&self, association: &str, trigger: Trigger) -> PolicyDecision {
        if self.associations.is_empty()
            || self
                .associations
                .iter()
                .any(|one| one.eq_ignore_ascii_case(association))
        {
            PolicyDecision::Accept(trigger)
        } else {
            PolicyDecision::Reject(
                "the repository's policy does not accept requests from this author",
            )
        }
    }
}

/// A command in a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `/tallyhook fix`
    Fix,
    /// `/tallyhook approve`: the same, for an issue of somebody who may not request a job.
    Approve,
}

/// Returns the command if a line of the comment is one.
pub fn command(text: &str) -> Option<Command> {
    commands(text).find_map(|mut words| match words.next() {
        Some("fix") => Some(Command::Fix),
        Some("approve") => Some(Command::Approve),
        Some(_) | None => None,
    })
}

/// The cap that an issue's or a comment's text asks for: `/tallyhook budget 5` on a line of its own.
pub fn asked_caps(text: &str) -> Caps {
    let budget = commands(text).filter_map(|mut words| {
        let named = words.next() == Some("budget");
        let credits = Credits::parse(words.next()?).ok()?;
        (named && !credits.is_zero()).then_some(credits)
    });
    Caps {
        budget: budget.min(),
        ..Caps::default()
    }
}

/// The words after `/tallyhook` of each line that begins with it. Quoted lines and code do not count.
fn commands(text: &str) -> impl Iterator<Item = SplitWhitespace<'_>> {
    let mut in_code = false;
    text.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        // A quoted line begins with `>` and an indented code block with a space, so the command
        // must be at the beginning of the line.
        let mut words = line.split_whitespace();
        let begins = line.starts_with("/tallyhook") && words.next() == Some("/tallyhook");
        (begins && !in_code).then_some(words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_alone() {
        for (text, found) in [
            ("/tallyhook fix", true),
            ("please\r\n/tallyhook fix\r\nthanks", true),
            ("/tallyhook   fix now", true),
            ("/tallyhook approve", true),
            ("> /tallyhook approve", false),
            ("> /tallyhook fix", false),
            ("    /tallyhook fix", false),
            ("```\n/tallyhook fix\n```", false),
            ("/tallyhookfix", false),
            ("/tallyhook", false),
            ("say /tallyhook fix", false),
            ("", false),
        ] {
            assert_eq!(command(text).is_some(), found, "{text:?}");
        }
    }

    #[test]
    fn a_budget_is_a_line_of_its_own() {
        for (text, budget) in [
            ("/tallyhook budget 5", Some("5")),
            (
                "Fix it.\r\n/tallyhook budget 2.5\r\n/tallyhook budget 4",
                Some("2.5"),
            ),
            ("/tallyhook fix\n/tallyhook budget 3 please", Some("3")),
            ("/tallyhook budget 0", None),
            ("/tallyhook budget -1", None),
            ("/tallyhook budget much", None),
            ("/tallyhook budget", None),
            ("/tallyhook fix 5", None),
            ("> /tallyhook budget 5", None),
            ("```\n/tallyhook budget 5\n```", None),
            ("spend /tallyhook budget 5", None),
        ] {
            let expected = budget.map(|text| Credits::parse(text).expect("credits"));
            assert_eq!(asked_caps(text).budget, expected, "{text:?}");
        }
    }
}
