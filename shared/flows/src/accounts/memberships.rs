//! The accounts that a person belongs to according to GitHub, written at each sign-in.
//!
//! Only the person's own list of installations counts. A person who is an owner themselves is an
//! admin of the account that pays for them, even if the App is no longer installed, so that they
//! can still see and cancel what they pay for. A person who has presented an account's key belongs
//! to it whatever GitHub says. A new member needs one of the places that the account's plan sells;
//! without one the person signs in and is no member. Safe to run twice: each write records what
//! GitHub shows now.

use crate::accounts::places;
use crate::accounts::sessions::is_open;
use domain::accounts::api_keys::Role;
use domain::accounts::members::{Membership, OrgRole, User, role_by_github};
use domain::accounts::sessions::VisibleInstallation;
use domain::billing::plans::{Catalogue, Limit};
use domain::ids::{AccountId, InstallationId, OwnerId};
use domain::refusal::FlowError;
use domain::time::Timestamp;
use github_api::{OwnerKind, Reached, Visitor};
use std::collections::BTreeMap;
use store::{Left, Refreshed, Store};

/// The most installations without an account that a session keeps.
const SHOWN_MAX: usize = 20;

/// The accounts and installations that a person can act for after a sign-in.
pub struct Belongings {
    /// The person's accounts, with their role in each.
    pub accounts: BTreeMap<AccountId, Role>,
    /// The account of the installation that led the person here, whether it has a place for them or
    /// not.
    pub account_here: Option<AccountId>,
    /// The installations that the person can reach and that have no account yet.
    pub shown: Vec<VisibleInstallation>,
    /// The accounts that have no place for the person.
    pub full: Vec<Membership>,
}

impl Belongings {
    /// Returns the account of the new session: that of the installation, or else the account in
    /// which the person has the highest role.
    pub fn first_choice(&self) -> Option<AccountId> {
        let most = || {
            self.accounts
                .iter()
                .max_by_key(|(id, role)| (**role, std::cmp::Reverse((*id).clone())))
        };
        let here = self.account_here.clone();
        here.filter(|here| self.accounts.contains_key(here))
            .or_else(|| most().map(|(id, _)| id.clone()))
    }
}

/// An account as this sign-in finds it, with the highest role that GitHub shows.
struct Claim {
    name: String,
    role: Role,
    /// The account pays for the person themselves.
    own: bool,
}

/// Fetches from GitHub what the person can reach, and writes the accounts that they belong to.
pub async fn refresh(
    (store, catalogue): (&Store, &Catalogue),
    visitor: &Visitor,
    user: &User,
    came_for: Option<InstallationId>,
    now: Timestamp,
) -> Result<Belongings, FlowError> {
    let mut reached = visitor.installations().await?;
    reached.sort_by_key(|one| Some(one.installation) != came_for);
    let mut claims = BTreeMap::new();
    let (mut shown, mut account_here) = (Vec::new(), None);
    if let Some(account) = store.owner_find(OwnerId::new(user.id.get())).await? {
        claims.insert(
            account,
            Claim {
                name: user.login.clone(),
                role: Role::Admin,
                own: true,
            },
        );
    }
    for one in reached {
        let account = store.owner_account(one.owner, one.installation).await?;
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
            own: false,
        });
        claim.role = claim.role.max(role);
    }
    let mut accounts = leave(store, user, &claims).await?;
    let full = join((store, catalogue), user, claims, (&mut accounts, now)).await?;
    Ok(Belongings {
        accounts,
        account_here,
        shown,
        full,
    })
}

async fn place(visitor: &Visitor, one: &Reached) -> Result<OrgRole, FlowError> {
    match one.kind {
        OwnerKind::Person => Ok(OrgRole::Outside),
        OwnerKind::Organization => Ok(visitor.place(&one.login).await?),
    }
}

/// Ends the memberships that GitHub no longer shows. Returns those that stay.
async fn leave(
    store: &Store,
    user: &User,
    claims: &BTreeMap<AccountId, Claim>,
) -> Result<BTreeMap<AccountId, Role>, FlowError> {
    let mut accounts = BTreeMap::new();
    for known in store.membership_list(user.id).await? {
        if claims.contains_key(&known.account) {
            continue;
        }
        match store.member_leave(&known.account, user.id).await? {
            Left::Stays(role) if is_open(store, &known.account).await? => {
                accounts.insert(known.account, role);
            }
            Left::Stays(_) => {
                store.member_remove(&known.account, user.id).await?;
            }
            Left::Gone => {
                tracing::info!(account.id = %known.account, user.id = %user.id, audit = true, "a member has left");
            }
        }
    }
    Ok(accounts)
}

/// Writes the memberships that GitHub shows, as far as there are places. Returns the accounts
/// without one.
async fn join(
    (store, catalogue): (&Store, &Catalogue),
    user: &User,
    claims: BTreeMap<AccountId, Claim>,
    (accounts, now): (&mut BTreeMap<AccountId, Role>, Timestamp),
) -> Result<Vec<Membership>, FlowError> {
    let mut full = Vec::new();
    for (account, Claim { name, role, own }) in claims {
        // Nobody is kept out of what they pay for.
        let places = if own {
            Limit::Unlimited
        } else {
            places(store, catalogue, &account, now).await?
        };
        let place = (&account, name.as_str(), places);
        match store.member_refresh(place, user, role, now).await? {
            Refreshed::Now(role) => {
                accounts.insert(account, role);
            }
            Refreshed::Full => {
                tracing::info!(account.id = %account, user.id = %user.id, audit = true, "an account has no place for a person");
                full.push(Membership { account, name });
            }
        }
    }
    Ok(full)
}
