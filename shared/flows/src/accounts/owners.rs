//! Changes which account pays for an owner, as decided by a person who is an admin of both.
//!
//! The proof is what GitHub showed the person's session, or that the person is an admin of the
//! owner's current account. An owner without an account is linked. An owner whose account was
//! created automatically, when the App was installed, moves as long as that account is unused. No
//! trial is lost or gained, since trials stay with their accounts. The abandoned account is closed.
//! Safe to run twice: a repeat finds the same state and finishes what is unfinished.

use crate::accounts::sessions::Person;
use domain::accounts::api_keys::Role;
use domain::accounts::sessions::VisibleInstallation;
use domain::ids::{AccountId, InstallationId, OwnerId, UserId};
use domain::refusal::{FlowError, Refusal};
use domain::time::Timestamp;
use store::{Linked, Move, OwnerMoved, Proof, Store};

/// The digests of the keys that a flow has revoked, for callers that cache keys.
pub type Revoked = Vec<String>;

/// Lets an account pay for the owner of an installation.
pub async fn link(
    store: &Store,
    person: &Person,
    installation: InstallationId,
    account: &AccountId,
    now: Timestamp,
) -> Result<Revoked, FlowError> {
    let user = person.session.user.id;
    let member = store.member_find(account, user).await?;
    let mine = member.ok_or_else(no_account)?.role;
    let mut revoked = Revoked::new();
    let owner = match person
        .session
        .shown
        .iter()
        .find(|one| one.installation == installation)
    {
        Some(shown) if mine == Role::Admin && shown.role == Role::Admin => {
            revoked.extend(link_shown(store, person, shown, account, now).await?);
            shown.owner
        }
        Some(shown) => return Err(not_an_admin(&shown.login).into()),
        None => {
            let (owner, closed) =
                move_known(store, user, installation, (account, mine), now).await?;
            revoked.extend(closed);
            owner
        }
    };
    revoked.extend(finish(store, account, user, now).await?);
    // The owner's Marketplace purchase moves with the owner. If this write is lost, the first job
    // carries the purchase over.
    store.marketplace_carry(owner).await?;
    Ok(revoked)
}

/// Links an owner who had no account when the person signed in.
async fn link_shown(
    store: &Store,
    person: &Person,
    shown: &VisibleInstallation,
    account: &AccountId,
    now: Timestamp,
) -> Result<Revoked, FlowError> {
    let (digest, session) = (person.digest(), &person.session);
    match store.owner_link(&digest, shown, account).await? {
        Linked::Now => {
            tracing::info!(account.id = %account, owner.id = %shown.owner, user.id = %session.user.id,
                session.id = %session.id, audit = true, "linked an owner");
            Ok(Revoked::new())
        }
        Linked::Taken => {
            let from = store.owner_account(shown.owner, shown.installation).await?;
            let wish = Move {
                owner: shown.owner,
                installation: shown.installation,
                from: from.ok_or_else(|| taken(&shown.login))?,
                to: account.clone(),
                user: session.user.id,
                proof: Proof::Session(digest),
            };
            move_owner(store, &wish, &shown.login, now).await
        }
        Linked::Closed => Err(no_account().into()),
        Linked::Spent => Err(spent().into()),
    }
}

/// Moves an owner who already has an account. The person must be an admin of that account, too.
async fn move_known(
    store: &Store,
    user: UserId,
    installation: InstallationId,
    (account, mine): (&AccountId, Role),
    now: Timestamp,
) -> Result<(OwnerId, Revoked), FlowError> {
    let absent =
        || Refusal::not_found("GitHub has not shown you this installation; sign in again.");
    let owner = store
        .installation_owner(installation)
        .await?
        .ok_or_else(absent)?;
    let from = store
        .owner_account(owner, installation)
        .await?
        .ok_or_else(absent)?;
    if from == *account {
        return Ok((owner, Revoked::new()));
    }
    let theirs = store
        .member_find(&from, user)
        .await?
        .ok_or_else(absent)?
        .role;
    if mine != Role::Admin || theirs != Role::Admin {
        return Err(not_an_admin(NAMELESS).into());
    }
    let wish = Move {
        owner,
        installation,
        from,
        to: account.clone(),
        user,
        proof: Proof::Admin,
    };
    let revoked = move_owner(store, &wish, NAMELESS, now).await?;
    Ok((owner, revoked))
}

/// The name of an owner of whom only the number is known here.
const NAMELESS: &str = "this owner";

async fn move_owner(
    store: &Store,
    wish: &Move,
    login: &str,
    now: Timestamp,
) -> Result<Revoked, FlowError> {
    let from = store
        .account_find(&wish.from)
        .await?
        .ok_or_else(|| taken(login))?;
    if from.moved_to.as_ref() != Some(&wish.to) {
        if !from.came_automatically() {
            return Err(taken(login).into());
        }
        if !store.account_is_unused(&wish.from).await? {
            return Err(used(login).into());
        }
        match store.owner_move(wish, now).await? {
            OwnerMoved::Now => {}
            OwnerMoved::Stays => return Err(used(login).into()),
            OwnerMoved::Taken => return Err(taken(login).into()),
            OwnerMoved::Unproved => return Err(spent().into()),
        }
        tracing::info!(account.id = %wish.to, left.id = %wish.from, owner.id = %wish.owner, user.id = %wish.user, audit = true,
            "moved an owner to another account");
    }
    close(store, &wish.from, wish.user, now).await
}

/// Closes the person's accounts whose owner has moved to this account, because a process may have
/// died after the move.
async fn finish(
    store: &Store,
    account: &AccountId,
    user: UserId,
    now: Timestamp,
) -> Result<Revoked, FlowError> {
    let mut revoked = Revoked::new();
    for known in store.membership_list(user).await? {
        let left = store.account_find(&known.account).await?;
        if left.is_some_and(|left| left.moved_to.as_ref() == Some(account)) {
            revoked.extend(close(store, &known.account, user, now).await?);
        }
    }
    Ok(revoked)
}

/// Revokes the keys of a closed account and removes its members. The person who closed it is
/// removed last, so that they can repeat this.
async fn close(
    store: &Store,
    closed: &AccountId,
    by: UserId,
    now: Timestamp,
) -> Result<Revoked, FlowError> {
    let mut revoked = Revoked::new();
    let keys = store.api_key_list(closed).await?.into_iter();
    for key in keys.filter(|key| key.revoked_at.is_none()) {
        if let Some((_, digest)) = store.api_key_load(closed, &key.id).await? {
            store.api_key_revoke(&digest, now).await?;
            revoked.push(digest);
        }
    }
    let members = store.member_list(closed).await?.into_iter();
    for member in members.filter(|member| member.user.id != by) {
        store.member_remove(closed, member.user.id).await?;
    }
    store.member_remove(closed, by).await?;
    Ok(revoked)
}

fn no_account() -> Refusal {
    Refusal::not_found("You have no such account.")
}

fn not_an_admin(login: &str) -> Refusal {
    let detail = format!(
        "Only an admin of both {login} and the account can let the account pay for {login}."
    );
    Refusal::forbidden("not_an_admin", detail)
}

fn taken(login: &str) -> Refusal {
    let detail = format!("Another account pays for {login}; contact support to change that.");
    Refusal::conflict("owner_taken", detail)
}

fn used(login: &str) -> Refusal {
    let detail = format!(
        "The account that pays for {login} has jobs, assists, usage or a purchase, which stay with it. Continue with that \
         account, or contact support."
    );
    Refusal::conflict("account_in_use", detail)
}

fn spent() -> Refusal {
    let detail = "This was used before or is no longer valid; sign in again.";
    Refusal::conflict("proof_spent", detail)
}
