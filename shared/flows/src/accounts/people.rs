//! Changes of an account's members: their roles, and taking them out.
//!
//! Safe to run twice: a role that is set stays set, and an account keeps its last admin.

use domain::accounts::api_keys::Role;
use domain::accounts::members::Member;
use domain::ids::{AccountId, UserId};
use domain::refusal::{FlowError, Refusal};
use store::{RoleSet, Store, TakenOut};

/// Gives a member a role, which no longer follows GitHub.
pub async fn set_role(
    store: &Store,
    (account, by): (&AccountId, &str),
    user: UserId,
    role: Role,
) -> Result<Member, FlowError> {
    match store.member_role_set(account, user, role).await? {
        RoleSet::Now(member) => {
            tracing::info!(account.id = %account, user.id = %user, role = role.as_str(), by, audit = true,
                "changed a member's role");
            Ok(member)
        }
        RoleSet::LastAdmin => Err(last_admin().into()),
        RoleSet::Absent => Err(absent().into()),
    }
}

/// Takes a member out of the account.
pub async fn remove(
    store: &Store,
    (account, by): (&AccountId, &str),
    user: UserId,
) -> Result<(), FlowError> {
    match store.member_take_out(account, user).await? {
        TakenOut::Now => {
            tracing::info!(account.id = %account, user.id = %user, by, audit = true, "removed a member");
            Ok(())
        }
        TakenOut::LastAdmin => Err(last_admin().into()),
        TakenOut::Absent => Err(absent().into()),
    }
}

/// Reads a member's id.
pub fn user(id: &str) -> Result<UserId, Refusal> {
    id.parse().map(UserId::new).map_err(|_| absent())
}

fn absent() -> Refusal {
    Refusal::not_found("There is no such member.")
}

fn last_admin() -> Refusal {
    Refusal::conflict(
        "last_admin",
        "An account needs an admin; give somebody else the role first.",
    )
}
