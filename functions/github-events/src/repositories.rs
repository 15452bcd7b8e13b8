//! Notes what events and reads show of repositories, for the list of the account that pays.
//!
//! Safe to run twice: a note is written only if it is newer than what is recorded. An event whose
//! note is lost is handled again, and then notes it.

use crate::Ctx;
use crate::policy::NoPolicy;
use domain::accounts::{InstallationState, InstalledOwner};
use domain::inbox::events::{EventOrigin, InstallationEvent, NamedRepository, Visibility};
use domain::jobs::repositories::RepositoryName;
use domain::jobs::seen::{Membership, PolicyFound, PolicySeen, Sighted, Sighting};
use domain::jobs::triggers::Policy;
use domain::retry::Failure;
use domain::time::Timestamp;
use flows::jobs::order::Placed;
use store::RepositoryNoted;

/// The most repositories that one event notes. Each other one is noted with its first issue.
const NOTED_MAX: usize = 1_000;

/// What an event or a read says of a repository besides its origin.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub visibility: Visibility,
    /// When the event was received.
    pub seen_at: Timestamp,
}

/// Notes what the read of a policy found.
pub async fn policy_read(
    ctx: &Ctx,
    origin: &EventOrigin,
    look: Look,
    found: &Result<Option<Policy>, NoPolicy>,
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(name) = RepositoryName::of(&origin.owner_login, &origin.repository_name) else {
        return Ok(());
    };
    let found = match found {
        Ok(None) => PolicyFound::Absent,
        Ok(Some(policy)) => PolicyFound::Read(policy.clone()),
        Err(NoPolicy::Hidden) => PolicyFound::Hidden,
        Err(NoPolicy::Broken(broken)) => PolicyFound::Broken(broken.mistakes.clone()),
    };
    let sighting = Sighting {
        id: origin.repository,
        owner: origin.owner,
        installation: origin.installation,
        name,
        visibility: look.visibility,
        seen_at: look.seen_at,
        what: Sighted::Policy(PolicySeen::of(found, now)),
    };
    if ctx.store.repository_note(&sighting).await? == RepositoryNoted::Now {
        // An owner who installed the App before owners were noted.
        let installed = InstalledOwner {
            installation: origin.installation,
            state: InstallationState::Active,
            login: Some(origin.owner_login.clone()),
        };
        let oldest = Timestamp::from_millis(0);
        ctx.store
            .owner_installation_note(origin.owner, &installed, oldest)
            .await?;
    }
    Ok(())
}

/// Notes the repositories that an installation has gained and lost.
pub async fn listed(
    ctx: &Ctx,
    event: &InstallationEvent,
    received_at: Timestamp,
) -> Result<(), Failure> {
    // Every event so far names the owner's login.
    let Some(login) = &event.owner_login else {
        return Ok(());
    };
    let with = |membership| move |named| (membership, named);
    let added = event.added.iter().map(with(Membership::Present));
    let removed = event.removed.iter().map(with(Membership::Removed));
    let look = |(membership, named): (Membership, &NamedRepository)| {
        Some(Sighting {
            id: named.id,
            owner: event.owner,
            installation: event.installation,
            name: RepositoryName::of(login, &named.name)?,
            visibility: named.visibility,
            seen_at: received_at,
            what: Sighted::Listed(membership, (event.as_of, received_at)),
        })
    };
    let looks = removed.chain(added).filter_map(look).take(NOTED_MAX);
    let looks: Vec<_> = looks.collect();
    ctx.store.repositories_note(&looks).await?;
    Ok(())
}

/// Notes the newest job of a repository.
pub async fn placed(ctx: &Ctx, origin: &EventOrigin, placed: &Placed) -> Result<(), Failure> {
    match placed {
        Placed::Made(job) | Placed::Joined(job) | Placed::Refused(job) => {
            ctx.store
                .repository_job_note(origin.repository, job)
                .await?;
        }
        Placed::Closed | Placed::NoAccount => {}
    }
    Ok(())
}
