//! `installation.*` and `installation_repositories.*`: records whether an owner has the App installed
//! and active, and for which repositories.

use crate::{Ctx, repositories, sign_ups};
use domain::accounts::{InstallationState, InstalledOwner};
use domain::inbox::EventRow;
use domain::inbox::events::{InstallationChange, InstallationEvent};
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use store::InstallationNoted;

/// Records the installation's state, and signs up an owner who just installed the App and has no
/// account. Running jobs of a suspended or deleted installation end because GitHub refuses their
/// next call.
pub async fn handle(
    ctx: &Ctx,
    event: &InstallationEvent,
    row: &EventRow,
    now: Timestamp,
) -> Result<Done, Failure> {
    repositories::listed(ctx, event, row.received_at).await?;
    if event.change == InstallationChange::Repositories {
        name_payer(ctx, event).await?;
    }
    let state = match event.change {
        InstallationChange::Created | InstallationChange::Unsuspended => InstallationState::Active,
        InstallationChange::Suspended => InstallationState::Suspended,
        InstallationChange::Deleted => InstallationState::Deleted,
        InstallationChange::Repositories => {
            return Ok(Done::Applied(format!(
                "the repositories of installation {} changed",
                event.installation
            )));
        }
    };
    let installed = InstalledOwner {
        installation: event.installation,
        state,
        login: event.owner_login.clone(),
    };
    ctx.store
        .owner_installation_note(event.owner, &installed, event.as_of)
        .await?;
    let noted = ctx
        .store
        .installation_note(event.installation, event.owner, state, event.as_of)
        .await?;
    if let Some(login) = &event.owner_login {
        ctx.store
            .login_note(login, event.owner, event.as_of)
            .await?;
    }
    if state == InstallationState::Active {
        name_payer(ctx, event).await?;
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

/// Links the owner to the account that an operator named for the installation, so that the account
/// lists the owner before the first issue.
async fn name_payer(ctx: &Ctx, event: &InstallationEvent) -> Result<(), Failure> {
    ctx.store
        .payer_find(event.owner, event.installation)
        .await
        .map(drop)?;
    Ok(())
}
