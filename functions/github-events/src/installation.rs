//! `installation.created`, `.deleted`, `.suspend`, `.unsuspend`: where the App stands with an owner.

use crate::Ctx;
use domain::accounts::InstallationState;
use domain::events::{InstallationChange, InstallationEvent};
use domain::retry::{Done, Failure};
use store::InstallationNoted;

/// Notes it. Jobs under way there end by themselves: GitHub refuses their next call.
pub async fn handle(ctx: &Ctx, event: &InstallationEvent) -> Result<Done, Failure> {
    let state = match event.change {
        InstallationChange::Created | InstallationChange::Unsuspended => InstallationState::Active,
        InstallationChange::Suspended => InstallationState::Suspended,
        InstallationChange::Deleted => InstallationState::Deleted,
    };
    let noted = ctx.store.installation_note(event.installation, event.owner, state, event.as_of).await?;
    Ok(match noted {
        InstallationNoted::Now => Done::Applied(format!("installation {} is {}", event.installation, state.as_str())),
        InstallationNoted::Outdated => Done::Ignored("something newer is known"),
    })
}
