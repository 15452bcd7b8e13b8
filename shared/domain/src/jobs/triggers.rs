//! What makes an issue a job: the facts that ask for one, and the repository's policy on them.

use crate::ids::CommentId;
use crate::inbox::events::{Comment, CommentOn, EventOrigin, Issue, IssueChange, IssueEvent};
use crate::jobs::pulls::PullOptions;
use crate::switches::Switch;

/// The fact that asked for a job. Its key is the job's cause: the same fact never makes a second job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// An issue was opened.
    Opened {
        /// Its id.
        issue_id: u64,
    },
    /// An issue got the label.
    Labeled {
        /// Which label.
        label: String,
        /// The issue's `updated_at`: taking the label off and on again is a new wish.
        updated_at: String,
        /// The issue's id.
        issue_id: u64,
    },
    /// Somebody gave the command.
    Command {
        /// In this comment.
        comment: CommentId,
    },
}

impl Trigger {
    /// The fact as it stands in keys.
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

/// Which facts a repository accepts. The default accepts a bare new issue, the label and the command; a file in the
/// repository's base branch can only narrow it, and say how it wishes its pull requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether a new issue is enough by itself.
    pub opened: Switch,
    /// The label that asks for a job.
    pub label: String,
    /// Whether comments may command.
    pub commands: Switch,
    /// Whose wishes count, by author association; empty means everybody's.
    pub associations: Vec<String>,
    /// What the repository's pull requests shall have besides their change.
    pub wishes: PullOptions,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            opened: Switch::On,
            label: "tallyhook".to_owned(),
            commands: Switch::On,
            associations: Vec::new(),
            wishes: PullOptions::default(),
        }
    }
}

/// What the policy says to a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyDecision {
    /// Make a job of it.
    Accept(Trigger),
    /// Do not, and why.
    Reject(&'static str),
}

/// Whether an event is the echo of what we did ourselves.
pub fn is_ours(origin: &EventOrigin, app_id: u64) -> bool {
    origin.via_app == Some(app_id)
}

impl Policy {
    /// Whether a change of an issue asks for a job here.
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

    /// The label's author is not checked: GitHub lets only triagers and above set labels.
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
            (Some(Command::Fix), Switch::On, CommentOn::Issue) => self.allowed(
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

/// What a comment may command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `/tallyhook fix`
    Fix,
}

/// The command in a comment, if a line of it is one. Quoted lines and code do not count.
pub fn command(text: &str) -> Option<Command> {
    let mut in_code = false;
    for line in text.lines() {
        let line = line.trim_end();
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let mut words = line.split_whitespace();
            // A quote begins with `>` and an indented block with a space, so the command must begin the line.
            if line.starts_with("/tallyhook")
                && words.next() == Some("/tallyhook")
                && words.next() == Some("fix")
            {
                return Some(Command::Fix);
            }
        }
    }
    None
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
}
