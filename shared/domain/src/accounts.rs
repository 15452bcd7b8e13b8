//! Accounts: who pays and owns things, and how GitHub's and Stripe's ids lead to them.

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

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its customer at Stripe, for ever.
    pub customer: CustomerId,
    /// The plan it is on, by its name in the catalogue.
    pub plan: String,
    /// The plan its owner asked for when he signed up, where it began with another one.
    pub wish: Option<String>,
    /// By which sign-up it came to be; none where an operator made it.
    pub way: Option<SignUpSource>,
    /// The account to which its owner has moved. From then on it is closed and opens nothing.
    pub moved_to: Option<AccountId>,
    /// Since when.
    pub created_at: Timestamp,
}

impl Account {
    /// Whether it came to be by itself, because the App was installed, and nobody has asked for it: only then can its owner
    /// move to another account.
    pub fn came_by_itself(&self) -> bool {
        self.way == Some(SignUpSource::Installation) && self.is_open()
    }

    /// Whether anybody may act for it.
    pub const fn is_open(&self) -> bool {
        self.moved_to.is_none()
    }
}

/// What an installation's events lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payer {
    /// This account.
    Account(AccountId),
    /// No account has been provisioned for this owner.
    Unknown,
    /// The App is suspended or gone there.
    Inactive,
}

words! {
    /// Where the App stands with one installation.
    InstallationState {
        /// Installed and working.
        Active = "active",
        /// Suspended by its owner.
        Suspended = "suspended",
        /// Uninstalled.
        Deleted = "deleted",
    }
}

/// What is known when an account is provisioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The account to be.
    pub account: Account,
    /// Where the App is installed, where it is.
    pub installation: Option<InstallationId>,
    /// Whose installation that is, where it is known already; else the first event tells.
    pub owner: Option<OwnerId>,
}
