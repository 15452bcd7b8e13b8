//! Keys of installations of the App, and of the owners and repositories that they belong to.

use super::{ACCOUNT, Key, owner};
use domain::ids::{AccountId, InstallationId, OwnerId, RepositoryId};
use domain::time::Timestamp;

pub(crate) fn installation(id: InstallationId) -> Key {
    Key::new(format!("INSTALLATION#{id}"), ACCOUNT)
}

pub(crate) fn installation_wait(id: InstallationId) -> Key {
    Key::new(installation(id).pk, "WAIT")
}

pub(crate) fn creations(id: InstallationId, window: Timestamp) -> Key {
    Key::new(installation(id).pk, format!("CREATED#{}", window.seconds()))
}

pub(crate) fn creations_reserve(id: InstallationId) -> Key {
    Key::new(installation(id).pk, "RESERVE")
}

/// The newest installation of an owner.
pub(crate) fn installed(id: OwnerId) -> Key {
    Key::new(owner(id).pk, "INSTALLATION")
}

pub(crate) fn owner_of(pk: &str) -> Option<OwnerId> {
    let (_, id) = pk.split_once('#')?;
    id.parse().ok().map(OwnerId::new)
}

/// The partition of index `timeline` for the owners that an account pays for.
pub(crate) fn owners_of(account: &AccountId) -> String {
    format!("{account}#owners")
}

pub(crate) fn repository(id: RepositoryId) -> Key {
    Key::new(format!("REPOSITORY#{id}"), "REPOSITORY")
}

pub(crate) fn repository_of(pk: &str) -> Option<RepositoryId> {
    let id = pk.strip_prefix("REPOSITORY#")?.parse().ok();
    id.map(RepositoryId::new)
}

/// The partition of index `timeline` for an owner's repositories.
pub(crate) fn repositories_of(id: OwnerId) -> String {
    format!("{}#repositories", owner(id).pk)
}
