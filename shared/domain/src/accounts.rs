//! Accounts: who pays and owns things, and how ids from GitHub and Stripe lead to them.

pub mod addresses;
pub mod api_keys;
pub mod members;
pub mod operators;
pub mod sessions;
pub mod signups;

use crate::accounts::signups::SignUpSource;
use crate::ids::{AccountId, CustomerId, InstallationId, OwnerId};
use crate::text::words;
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub customer: CustomerId,
    /// The plan's name in the catalogue.
    pub plan: String,
    /// The plan that the owner requested, if the account started with another one.
    pub wish: Option<String>,
    /// The sign-up that created the account; absent if an operator did.
    pub way: Option<SignUpSource>,
    pub billing: AccountBilling,
    /// The account to which the owner has moved. If set, this account is closed.
    pub moved_to: Option<AccountId>,
    pub created_at: Timestamp,
}

impl Account {
    /// Whether installing the App created the account, without a request. Only then may its owner
    /// move to another account.
    pub fn came_automatically(&self) -> bool {
        self.way == Some(SignUpSource::Installation) && self.is_open()
    }

    /// Whether the account is in use: an account whose owner has moved is closed.
    pub const fn is_open(&self) -> bool {
        self.moved_to.is_none()
    }
}

words! {
    /// Who is billed for what an account's plan meters.
    AccountBilling {
        /// The account's customer at Stripe, by a live subscription.
        Stripe = "stripe",
        /// Nobody: an operator has decided that the account's metered work is free.
        None = "none",
    }
}

/// The account that pays for an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payer {
    Account(AccountId),
    /// No account is provisioned for the owner.
    Unknown,
    Inactive,
}

words! {
    /// The state of the App's installation.
    InstallationState {
        Active = "active",
        Suspended = "suspended",
        Deleted = "deleted",
    }
}

/// An owner that an account pays for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidOwner {
    pub id: OwnerId,
    /// Absent until an event names the owner's installation.
    pub installed: Option<InstalledOwner>,
}

/// An owner's newest installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledOwner {
    pub installation: InstallationId,
    pub state: InstallationState,
    pub login: Option<String>,
}

/// The data of an account that is about to be provisioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    pub account: Account,
    pub installation: Option<InstallationId>,
    /// The owner of the installation, if known; otherwise the first event names it.
    pub owner: Option<OwnerId>,
}
