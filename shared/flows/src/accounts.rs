//! Accounts: who may act for them, what they may do, and which owners they pay for.

pub mod joining;
pub mod mailing;
#[cfg(feature = "github")]
pub mod memberships;
pub mod owners;
pub mod people;
pub mod programs;
pub mod rates;
pub mod sessions;

use domain::accounts::Account;
use domain::billing::entitlements::{Entitlements, entitlements};
use domain::billing::plans::{Catalogue, Limit};
use domain::billing::quotas;
use domain::ids::AccountId;
use domain::refusal::{FlowError, Refusal};
use domain::retry::Failure;
use domain::time::Timestamp;
use store::Store;

/// An account and its current entitlements.
pub struct Entitled<'a> {
    pub account: Account,
    pub entitlements: Entitlements<'a>,
}

/// How many members an account may have now.
pub async fn places(
    store: &Store,
    catalogue: &Catalogue,
    account: &AccountId,
    now: Timestamp,
) -> Result<Limit, FlowError> {
    let found = load(store, catalogue, account, now).await?;
    Ok(quotas::places(&found.entitlements))
}

/// Loads an account with its current entitlements.
pub async fn load<'a>(
    store: &Store,
    catalogue: &'a Catalogue,
    account: &AccountId,
    now: Timestamp,
) -> Result<Entitled<'a>, FlowError> {
    let found = store.account_find_whole(account).await?;
    let (account, contracts) =
        found.ok_or_else(|| Refusal::not_found("The account does not exist any more."))?;
    let entitlements = entitlements(catalogue, &account, &contracts, now);
    let entitlements = entitlements
        .ok_or_else(|| FlowError::Failed(Failure::never("the catalogue lacks its default plan")))?;
    Ok(Entitled {
        account,
        entitlements,
    })
}
