//! Keys of installations of the App.

use super::{ACCOUNT, Key};
use domain::ids::InstallationId;
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
