//! Which account pays for an owner, as somebody says who runs both.
//!
//! GitHub's word that he runs the owner is what his session was shown, or that he is an admin of the owner's present account.
//! An owner without an account is linked. One whose account came to be by itself, when the App was installed, moves, as long
//! as nothing is in that account: no trial is lost and none is won, since both stay with their accounts. The account that is
//! left is closed. Safe to run twice: who asks again finds it so, and finishes what was not finished.

use crate::sessions::Person;
use crate::{ApiError, Ctx};
use domain::accounts::api_keys::Role;
use domain::accounts::sessions::VisibleInstallation;
use domain::ids::{AccountId, InstallationId, OwnerId, UserId};
use store::{Linked, Move, OwnerMoved, Proof};

/// Lets an account pay for the owner of an installation.
pub async fn link(
    ctx: &Ctx,
    person: &Person,
    installation: InstallationId,
    account: &AccountId,
) -> Result<(), ApiError> {
    let user = person.session.user.id;
    let member = ctx.store.member_find(account, user).await?;
    let mine = member
        .ok_or_else(|| ApiError::not_found("you have no such account"))?
        .role;
    let owner = match person
        .session
        .shown
        .iter()
        .find(|one| one.installation == installation)
    {
        Some(shown) if mine == Role::Admin && shown.role == Role::Admin => {
            link_shown(ctx, person, shown, account).await?;
            shown.owner
        }
        Some(shown) => return Err(not_an_admin(&shown.login)),
        None => move_known(ctx, user, installation, (account, mine)).await?,
    };
    clear(ctx, account, user).await?;
    // What the owner has bought on the Marketplace. Where that is lost, the first job carries it.
    ctx.store.marketplace_carry(owner).await?;
    Ok(())
}

/// An owner who had no account when the person signed in.
async fn link_shown(
    ctx: &Ctx,
    person: &Person,
    shown: &VisibleInstallation,
    account: &AccountId,
) -> Result<(), ApiError> {
    let (digest, session) = (person.digest(), &person.session);
    match ctx.store.owner_link(&digest, shown, account).await? {
        Linked::Now => {
            tracing::info!(account.id = %account, owner.id = %shown.owner, user.id = %session.user.id,
                session.id = %session.id, audit = true, "linked an owner");
            Ok(())
        }
        Linked::Taken => {
            let from = ctx
                .store
                .owner_account(shown.owner, shown.installation)
                .await?;
            let wish = Move {
                owner: shown.owner,
                installation: shown.installation,
                from: from.ok_or_else(|| taken(&shown.login))?,
                to: account.clone(),
                user: session.user.id,
                proof: Proof::Session(digest),
            };
            move_owner(ctx, &wish, &shown.login).await
        }
        Linked::Closed => Err(ApiError::not_found("you have no such account")),
        Linked::Spent => Err(spent()),
    }
}

/// An owner who has an account of which the person is an admin, too.
async fn move_known(
    ctx: &Ctx,
    user: UserId,
    installation: InstallationId,
    (account, mine): (&AccountId, Role),
) -> Result<OwnerId, ApiError> {
    let absent =
        || ApiError::not_found("GitHub has not shown you such an installation; sign in again");
    let owner = ctx
        .store
        .installation_owner(installation)
        .await?
        .ok_or_else(absent)?;
    let from = ctx
        .store
        .owner_account(owner, installation)
        .await?
        .ok_or_else(absent)?;
    if from == *account {
        return Ok(owner);
    }
    let theirs = ctx
        .store
        .member_find(&from, user)
        .await?
        .ok_or_else(absent)?
        .role;
    if mine != Role::Admin || theirs != Role::Admin {
        return Err(not_an_admin(NAMELESS));
    }
    let wish = Move {
        owner,
        installation,
        from,
        to: account.clone(),
        user,
        proof: Proof::Admin,
    };
    move_owner(ctx, &wish, NAMELESS).await?;
    Ok(owner)
}

/// An owner of whom only the number is known here.
const NAMELESS: &str = "this owner";

async fn move_owner(ctx: &Ctx, wish: &Move, login: &str) -> Result<(), ApiError> {
    let from = ctx
        .store
        .account_find(&wish.from)
        .await?
        .ok_or_else(|| taken(login))?;
    if from.moved_to.as_ref() != Some(&wish.to) {
        if !from.came_by_itself() {
            return Err(taken(login));
        }
        if !ctx.store.account_is_unused(&wish.from).await? {
            return Err(used(login));
        }
        match ctx.store.owner_move(wish, ctx.outside.now()).await? {
            OwnerMoved::Now => {}
            OwnerMoved::Stays => return Err(used(login)),
            OwnerMoved::Taken => return Err(taken(login)),
            OwnerMoved::Unproved => return Err(spent()),
        }
        tracing::info!(account.id = %wish.to, left.id = %wish.from, owner.id = %wish.owner, user.id = %wish.user, audit = true,
            "moved an owner to another account");
    }
    close(ctx, &wish.from, wish.user).await
}

/// Finishes what a process has begun and died over: of the person's accounts, those whose owner has moved to this one.
async fn clear(ctx: &Ctx, account: &AccountId, user: UserId) -> Result<(), ApiError> {
    for known in ctx.store.membership_list(user).await? {
        let left = ctx.store.account_find(&known.account).await?;
        if left.is_some_and(|left| left.moved_to.as_ref() == Some(account)) {
            close(ctx, &known.account, user).await?;
        }
    }
    Ok(())
}

/// Takes away what still leads to a closed account: it opens nothing any more, and is to look so. Whoever has closed it goes
/// last, so that he can take this up again.
async fn close(ctx: &Ctx, closed: &AccountId, by: UserId) -> Result<(), ApiError> {
    let now = ctx.outside.now();
    for key in ctx
        .store
        .api_key_list(closed)
        .await?
        .into_iter()
        .filter(|key| key.revoked_at.is_none())
    {
        if let Some((_, digest)) = ctx.store.api_key_load(closed, &key.id).await? {
            ctx.store.api_key_revoke(&digest, now).await?;
            ctx.known_keys.forget(&digest);
        }
    }
    for member in ctx
        .store
        .member_list(closed)
        .await?
        .into_iter()
        .filter(|member| member.user.id != by)
    {
        ctx.store.member_remove(closed, member.user.id).await?;
    }
    ctx.store.member_remove(closed, by).await?;
    Ok(())
}

fn not_an_admin(login: &str) -> ApiError {
    let detail = format!("only who runs both {login} and the account can let it pay for {login}");
    ApiError::forbidden("not_an_admin", detail)
}

fn taken(login: &str) -> ApiError {
    let detail = format!("another account pays for {login}; ask whoever runs this to change that");
    ApiError::conflict("owner_taken", detail)
}

fn used(login: &str) -> ApiError {
    let detail = format!(
        "the account that pays for {login} has been used: it has jobs, assists, usage or a purchase, which stay with it. Go on with \
         that one, or ask whoever runs this"
    );
    ApiError::conflict("account_in_use", detail)
}

fn spent() -> ApiError {
    ApiError::conflict(
        "proof_spent",
        "this was used before, or is not so any more; sign in again",
    )
}
