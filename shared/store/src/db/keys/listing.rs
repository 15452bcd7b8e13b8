//! The keys of what operators list and search.

use super::{Key, shard};

/// The rows of index `timeline` that list every account, job or invoice, newest first. Each list
/// has [`super::SHARDS`] partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    Accounts,
    Jobs,
    Invoices,
}

impl Listing {
    const fn word(self) -> &'static str {
        match self {
            Self::Accounts => "ACCOUNTS",
            Self::Jobs => "JOBS",
            Self::Invoices => "INVOICES",
        }
    }

    /// The partition of the item with this key.
    pub(crate) fn of(self, key: &Key) -> String {
        // An account's invoices share its `pk`, so the sort key spreads them.
        self.shard(shard(&format!("{}{}", key.pk, key.sk)))
    }

    pub(crate) fn shard(self, shard: u32) -> String {
        format!("{}#{shard}", self.word())
    }
}

/// The owner with this login. GitHub's logins do not differ by case.
pub(crate) fn login(login: &str) -> Key {
    Key::new(format!("LOGIN#{}", login.to_ascii_lowercase()), "OWNER")
}
