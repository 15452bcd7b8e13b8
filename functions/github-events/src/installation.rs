//! `installation.*`: records whether an owner has the App installed and active.

use crate::{Ctx, sign_ups};
use domain::accounts::InstallationState;
use domain::inbox::events::{InstallationChange, InstallationEvent};
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use store::InstallationNoted;

/// Records the installation's state, and signs up an owner who just installed the App and has no
/// account. Running jobs of a suspended or deleted installation end because GitHub refuses their
/// next call.
pub async fn handle(ctx: &Ctx, event: &InstallationEvent, now: Timestamp) -> Result<Done, Failure> {
    let state = match event.change {
        InstallationChange::Created | InstallationChange::Unsuspended => InstallationState::Active,
        InstallationChange::Suspended => InstallationState::Suspended,
        InstallationChange::Deleted => InstallationState::Deleted,
    };
    let noted = ctx
        .store
        .installation_note(event.installation, event.owner, state, event.as_of)
        .await?;
    if let Some(login) = &event.owner_login {
        ctx.store
            .login_note(login, event.owner, event.as_of)
            .await?;
    }
    if event.change == InstallationChange::Created && noted == InstallationNoted::Now {
        sign_ups::welcome(ctx, event.owner, event.installation, now).await?;
    }
    Ok(match noted {
        InstallationNoted::Now => Done::Applied(format!(
            "installation {} is {}",
            event.installation,
            state.as_str()
        )),
        InstallationNoted::Outdated => Done::Ignored("a newer state is recorded"),
    })
}
