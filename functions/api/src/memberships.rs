//! What a person is to accounts, as GitHub shows him: written down at each sign-in.
//!
//! Only the person's own list of installations is believed. Whoever owns something is the admin of its account even where
//! the App is not installed any more, so that he can still see and end what he pays for. Who has once shown an account's key
//! belongs to it without GitHub's word.

use crate::{ApiError, Ctx, sessions};
use domain::accounts::api_keys::Role;
use domain::accounts::members::{OrgRole, User, role_by_github};
use domain::accounts::sessions::VisibleInstallation;
use domain::ids::{AccountId, InstallationId, OwnerId};
use domain::time::Timestamp;
use github_api::{OwnerKind, Reached, Visitor};
use std::collections::BTreeMap;
use store::Left;

/// Installations without an account that a session remembers.
const SHOWN_MAX: usize = 20;

/// What somebody has who has just signed in.
pub struct Belongings {
    /// His accounts and what he is to each.
    pub accounts: BTreeMap<AccountId, Role>,
    /// The account of the installation that he came for.
    pub account_here: Option<AccountId>,
    /// What he can reach that has no account yet.
    pub shown: Vec<VisibleInstallation>,
}

impl Belongings {
    /// The account he acts for at first: the one he came for, or else the one in which he may do most.
    pub fn first_choice(&self) -> Option<AccountId> {
        let most = || {
            self.accounts
                .iter()
                .max_by_key(|(id, role)| (**role, std::cmp::Reverse((*id).clone())))
        };
        self.account_here
            .clone()
            .or_else(|| most().map(|(id, _)| id.clone()))
    }
}

/// An account as this sign-in finds it: what people call it, and the most that GitHub says the person is there.
struct Claim {
    name: String,
    role: Role,
}

/// Asks GitHub what a person can reach, and writes down to which accounts he belongs.
pub async fn refresh(
    ctx: &Ctx,
    visitor: &Visitor,
    user: &User,
    came_for: Option<InstallationId>,
    now: Timestamp,
) -> Result<Belongings, ApiError> {
    let mut reached = visitor.installations().await?;
    reached.sort_by_key(|one| Some(one.installation) != came_for);
    let mut claims = BTreeMap::new();
    let (mut shown, mut account_here) = (Vec::new(), None);
    if let Some(account) = ctx.store.owner_find(OwnerId::new(user.id.get())).await? {
        claims.insert(
            account,
            Claim {
                name: user.login.clone(),
                role: Role::Admin,
            },
        );
    }
    for one in reached {
        let account = ctx.store.owner_account(one.owner, one.installation).await?;
        if account.is_none() && shown.len() >= SHOWN_MAX {
            continue;
        }
        let role = role_by_github(user.id, one.owner, place(visitor, &one).await?);
        let Some(account) = account else {
            shown.push(VisibleInstallation {
                installation: one.installation,
                owner: one.owner,
                login: one.login,
                role,
            });
            continue;
        };
        if Some(one.installation) == came_for {
            account_here = Some(account.clone());
        }
        let claim = claims.entry(account).or_insert(Claim {
            name: one.login,
            role,
        });
        claim.role = claim.role.max(role);
    }
    let accounts = write(ctx, user, claims, now).await?;
    Ok(Belongings {
        accounts,
        account_here,
        shown,
    })
}

async fn place(visitor: &Visitor, one: &Reached) -> Result<OrgRole, ApiError> {
    match one.kind {
        OwnerKind::Person => Ok(OrgRole::Outside),
        OwnerKind::Organization => Ok(visitor.place(&one.login).await?),
    }
}

async fn write(
    ctx: &Ctx,
    user: &User,
    claims: BTreeMap<AccountId, Claim>,
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Role>, ApiError> {
    let mut accounts = BTreeMap::new();
    for known in ctx.store.membership_list(user.id).await? {
        if claims.contains_key(&known.account) {
            continue;
        }
        match ctx.store.member_leave(&known.account, user.id).await? {
            Left::Stays(role) if sessions::is_open(ctx, &known.account).await? => {
                accounts.insert(known.account, role);
            }
            Left::Stays(_) => {
                ctx.store.member_remove(&known.account, user.id).await?;
            }
            Left::Gone => {
                tracing::info!(account.id = %known.account, user.id = %user.id, audit = true, "a member has left");
            }
        }
    }
    for (account, claim) in claims {
        let role = ctx
            .store
            .member_refresh(&account, &claim.name, user, claim.role, now)
            .await?;
        accounts.insert(account, role);
    }
    Ok(accounts)
}
