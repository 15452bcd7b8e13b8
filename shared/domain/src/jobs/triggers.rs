//! Triggers: the facts that request a job, and a repository's policy on them.

use crate::ids::CommentId;
use crate::inbox::events::{CommentOn, EventOrigin, IssueComment, IssueEvent, IssueLabeled};
use crate::jobs::pulls::PullOptions;
use crate::switches::Switch;

/// The fact that requested a job. Its key is the job's cause, so one fact never makes a second job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    Opened {
        issue_id: u64,
    },
    Labeled {
        label: String,
        /// The issue's `updated_at`: removing the label and adding it again is a new request.
        updated_at: String,
        issue_id: u64,
    },
    Command {
        comment: CommentId,
    },
}

impl Trigger {
    /// The fact as keys contain it.
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

/// Which facts a repository accepts. The default accepts new issues, the label and the command. A
/// file in the base branch can only restrict this, and set the options of pull requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether a new issue is enough.
    pub opened: Switch,
    pub label: String,
    pub commands: Switch,
    /// The author associations whose requests count; empty accepts everybody.
    pub associations: Vec<String>,
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

/// What the policy decides about a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyDecision {
    Accept(Trigger),
    Reject(&'static str),
}

/// Whether our own App caused the event.
pub fn is_ours(origin: &EventOrigin, app_id: u64) -> bool {
    origin.via_app == Some(app_id)
}

impl Policy {
    pub fn on_opened(&self, event: &IssueEvent) -> PolicyDecision {
        if self.opened == Switch::Off {
            return PolicyDecision::Reject("the repository's policy requires a label or a command");
        }
        self.allowed(
            &event.issue.author_association,
            Trigger::Opened {
                issue_id: event.issue.id,
            },
        )
    }

    /// Anybody who may set labels may ask: GitHub reserves that right to triagers.
    pub fn on_labeled(&self, event: &IssueLabeled) -> PolicyDecision {
        if !event.label.eq_ignore_ascii_case(&self.label) {
            return PolicyDecision::Reject("another label");
        }
        PolicyDecision::Accept(Trigger::Labeled {
            label: self.label.to_ascii_lowercase(),
            updated_at: event.issue.updated_at.clone(),
            issue_id: event.issue.id,
        })
    }

    pub fn on_comment(&self, event: &IssueComment) -> PolicyDecision {
        match (command(&event.text), self.commands, event.on) {
            (None, _, _) => PolicyDecision::Reject("no command"),
            (Some(_), Switch::Off, _) => {
                PolicyDecision::Reject("the repository's policy disables commands")
            }
            (Some(_), Switch::On, CommentOn::Pull) => {
                PolicyDecision::Reject("commands work on issues only")
            }
            (Some(Command::Fix), Switch::On, CommentOn::Issue) => self.allowed(
                &event.author_association,
                Trigger::Command {
                    comment: event.comment,
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

/// The commands that a comment can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `/tallyhook fix`
    Fix,
}

/// Finds the command in a comment. Quoted lines and code do not count.
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
