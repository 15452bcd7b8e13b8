//! Who may request a job: what a repository requires, and what GitHub says about a person.
//!
//! An author association is no permission: members of an organization may lack write access, and
//! GitHub shows private members as contributors. So the person's role decides. The association,
//! which GitHub signs, counts only where the server cannot be asked for roles.

use crate::inbox::events::{Actor, ActorKind, IssueChange, IssueEvent, Visibility};
use crate::jobs::triggers::Policy;

/// A role in a repository, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

impl Role {
    const ALL: [Self; 6] = [
        Self::None,
        Self::Read,
        Self::Triage,
        Self::Write,
        Self::Maintain,
        Self::Admin,
    ];

    /// GitHub's word for the role.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// What has to be known before a request is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// The request is granted.
    Nothing,
    /// A bot that the policy does not list.
    NoBots,
    /// The person must have at least this role.
    Role(Role),
}

/// The person who requests a job with an event, and their association with the repository.
///
/// The person who labels is the event's sender. GitHub lets nobody below triage set a label by
/// hand, but an issue template sets its labels for anybody, and then the sender is the author.
pub fn requester(event: &IssueEvent) -> (&Actor, &str) {
    let author = (&event.author, event.issue.author_association.as_str());
    match &event.change {
        IssueChange::Opened | IssueChange::Closed => author,
        IssueChange::Labeled(_) if event.sender == event.author => author,
        IssueChange::Labeled(_) => (&event.sender, ""),
        IssueChange::Commented(comment) => (&comment.author, &comment.author_association),
    }
}

impl Policy {
    /// What the policy requires of the person who requests a job with this event.
    pub fn requires(&self, event: &IssueEvent) -> Requirement {
        let (actor, _) = requester(event);
        if actor.kind == ActorKind::Bot {
            return if self.bots.contains(&actor.id) {
                Requirement::Nothing
            } else {
                Requirement::NoBots
            };
        }
        // GitHub signed the payload, and the owner of a repository can do everything in it.
        if actor.id == event.origin.owner.get() {
            return Requirement::Nothing;
        }
        let usual = match (event.visibility, &event.change) {
            (Visibility::Private, _) => Role::Read,
            (Visibility::Public, IssueChange::Labeled(_)) => Role::Triage,
            (Visibility::Public, _) => Role::Write,
        };
        match self.role.unwrap_or(usual) {
            Role::None => Requirement::Nothing,
            role => Requirement::Role(role),
        }
    }
}

/// The associations of people whom the repository's owner let in.
const INSIDERS: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];

/// Whether GitHub's author association says that the owner let the person in.
pub fn is_insider(association: &str) -> bool {
    INSIDERS.contains(&association)
}

/// Whether a person has a role. `found` is what GitHub answered, or `None` if the server cannot be
/// asked for roles. Then the signed payload is all there is: it says whom the owner let in, which
/// stands for write, and for no more.
pub fn is_enough(found: Option<Role>, needed: Role, event: &IssueEvent) -> bool {
    let Some(found) = found else {
        let (_, association) = requester(event);
        return needed <= Role::Write && is_insider(association);
    };
    found >= needed
}

/// The beginning of the fact behind the answer to people who may not request a job. With the
/// issue's id it is the whole fact, so an issue gets one such answer.
pub const UNAPPROVED: &str = "unapproved-";

/// What a person without the role reads.
pub fn unapproved_text(needed: Role) -> String {
    format!(
        "requests here need the role `{}` in this repository, so nothing was started. Somebody with write access can start it with the comment `/tallyhook approve`; the issue's text at that moment is what counts",
        needed.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_as_github_orders_them() {
        let words = ["none", "read", "triage", "write", "maintain", "admin"];
        let roles: Vec<_> = words.iter().filter_map(|word| Role::parse(word)).collect();
        assert_eq!(roles, Role::ALL);
        assert!(roles.is_sorted());
        assert_eq!(Role::parse("security_reviewer"), None);
    }
}
