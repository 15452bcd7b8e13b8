//! Members: the people of an account and their roles.
//!
//! At each sign-in GitHub reports which owners a person belongs to, and the role. A role set by an
//! admin overrides GitHub's, but membership does not: people who can no longer reach an owner's
//! installation are no longer members of its account. People who have presented the account's key
//! remain members whatever GitHub reports, because an account can exist before any owner does.

use crate::accounts::api_keys::Role;
use crate::ids::{AccountId, OwnerId, UserId};
use crate::text::words;
use crate::time::Timestamp;

/// A GitHub user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub login: String,
}

/// A person's role in a GitHub organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrgRole {
    Admin,
    Member,
    /// Has access to some repositories, or has not accepted the invitation yet.
    Outside,
}

/// The account role of a person who can reach the owner's installation.
pub fn role_by_github(user: UserId, owner: OwnerId, place: OrgRole) -> Role {
    if user.get() == owner.get() {
        return Role::Admin;
    }
    match place {
        OrgRole::Admin => Role::Admin,
        OrgRole::Member => Role::Member,
        OrgRole::Outside => Role::Viewer,
    }
}

words! {
    RoleSource {
        Github = "github",
        Hand = "hand",
        /// The person has presented the account's key and is a member whatever GitHub reports. An
        /// admin may change the role.
        Key = "key",
    }
}

/// A member of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub user: User,
    pub role: Role,
    pub by: RoleSource,
    pub since: Timestamp,
}

/// An account that a person belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub account: AccountId,
    /// The GitHub owner that the account pays for, or a name given to it.
    pub name: String,
}

/// The member after GitHub reported the person's role.
pub fn refreshed(before: Option<&Member>, user: &User, by_github: Role, now: Timestamp) -> Member {
    let fresh = || Member {
        user: user.clone(),
        role: by_github,
        by: RoleSource::Github,
        since: now,
    };
    match before {
        None => fresh(),
        Some(before) => match before.by {
            RoleSource::Hand | RoleSource::Key => Member {
                user: user.clone(),
                ..before.clone()
            },
            RoleSource::Github => Member {
                since: before.since,
                ..fresh()
            },
        },
    }
}

/// The member after an admin set a role.
pub fn given(before: &Member, role: Role) -> Member {
    let by = match before.by {
        RoleSource::Github | RoleSource::Hand => RoleSource::Hand,
        RoleSource::Key => RoleSource::Key,
    };
    Member {
        role,
        by,
        ..before.clone()
    }
}

/// The member after presenting a key with every scope.
pub fn let_in(before: Option<&Member>, user: &User, now: Timestamp) -> Member {
    let since = before.map_or(now, |before| before.since);
    Member {
        user: user.clone(),
        role: Role::Admin,
        by: RoleSource::Key,
        since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_their_own_admin_and_an_organization_says_the_rest() {
        let owner = OwnerId::new(7);
        for (user, place, role) in [
            (7, OrgRole::Outside, Role::Admin),
            (8, OrgRole::Admin, Role::Admin),
            (8, OrgRole::Member, Role::Member),
            (8, OrgRole::Outside, Role::Viewer),
        ] {
            assert_eq!(
                role_by_github(UserId::new(user), owner, place),
                role,
                "{user} {place:?}"
            );
        }
    }

    #[test]
    fn what_was_set_by_hand_stays() {
        let user = |login: &str| User {
            id: UserId::new(8),
            login: login.to_owned(),
        };
        let (then, now) = (Timestamp::from_seconds(1), Timestamp::from_seconds(2));
        let first = refreshed(None, &user("ann"), Role::Member, then);
        let second = refreshed(Some(&first), &user("anne"), Role::Viewer, now);
        assert_eq!(
            (second.role, second.since, second.user.login.as_str()),
            (Role::Viewer, then, "anne")
        );
        let by_hand = Member {
            role: Role::Admin,
            by: RoleSource::Hand,
            ..second
        };
        assert_eq!(
            refreshed(Some(&by_hand), &user("anna"), Role::Viewer, now),
            Member {
                user: user("anna"),
                ..by_hand
            }
        );
    }

    #[test]
    fn who_has_shown_the_key_is_an_admin_until_another_one_says_otherwise() {
        let ann = User {
            id: UserId::new(8),
            login: "ann".to_owned(),
        };
        let (then, now) = (Timestamp::from_seconds(1), Timestamp::from_seconds(2));
        let viewer = refreshed(None, &ann, Role::Viewer, then);
        for (before, since) in [(None, now), (Some(&viewer), then)] {
            let member = let_in(before, &ann, now);
            assert_eq!(
                (member.role, member.by, member.since),
                (Role::Admin, RoleSource::Key, since)
            );
            assert_eq!(
                refreshed(Some(&member), &ann, Role::Viewer, now),
                member,
                "GitHub's word changes nothing"
            );
        }
        let less = given(&let_in(None, &ann, now), Role::Viewer);
        assert_eq!(
            (less.role, less.by),
            (Role::Viewer, RoleSource::Key),
            "they still belong to it"
        );
        assert_eq!(given(&viewer, Role::Admin).by, RoleSource::Hand);
        for by in [RoleSource::Github, RoleSource::Hand, RoleSource::Key] {
            assert_eq!(RoleSource::parse(by.as_str()), Some(by));
        }
    }
}
