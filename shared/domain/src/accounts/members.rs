//! People and what they are to accounts: a role that GitHub's word gives, an admin's hand, or the account's key.
//!
//! GitHub says at each sign-in who belongs to what. A role that was set by hand stays over that; a membership does not: who
//! can no longer reach an owner's installation is no member of its account. Who has shown the account's key is one whatever
//! GitHub says, since an account can be there before any owner is.

use crate::accounts::api_keys::Role;
use crate::ids::{AccountId, OwnerId, UserId};
use crate::text::words;
use crate::time::Timestamp;

/// A person on GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// His number, which survives renames.
    pub id: UserId,
    /// What he is called at the moment.
    pub login: String,
}

/// What somebody is in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrgRole {
    /// He runs it.
    Admin,
    /// He belongs to it.
    Member,
    /// He reaches some of its repositories, or has not said yes yet.
    Outside,
}

/// What somebody who can reach an owner's installation is to the account that pays for the owner.
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
    /// Who gave a role.
    RoleSource {
        /// GitHub's word at the last sign-in.
        Github = "github",
        /// An admin of the account.
        Hand = "hand",
        /// The account's key, which he has shown: he belongs to it without GitHub's word. What an admin makes him then, he is.
        Key = "key",
    }
}

/// A person of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// What he is to it.
    pub role: Role,
    /// Who said so.
    pub by: RoleSource,
    /// Since when he is one.
    pub since: Timestamp,
}

/// An account of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Which.
    pub account: AccountId,
    /// What people call it: an owner on GitHub that it pays for, or what its owner has called it.
    pub name: String,
}

/// What a member is after GitHub has said what he is there.
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

/// What a member is after an admin has given him a role.
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

/// What somebody is who has shown a key of the account that may do everything: as much as the key.
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
    fn an_owner_is_his_own_admin_and_an_organization_says_the_rest() {
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
            "he still belongs to it"
        );
        assert_eq!(given(&viewer, Role::Admin).by, RoleSource::Hand);
        for by in [RoleSource::Github, RoleSource::Hand, RoleSource::Key] {
            assert_eq!(RoleSource::parse(by.as_str()), Some(by));
        }
    }
}
