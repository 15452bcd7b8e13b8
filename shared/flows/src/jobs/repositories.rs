//! Lists the repositories of an account, for routes and pages alike. Nothing of another account is in
//! the list, also after an owner or a repository has moved.

use domain::accounts::{InstallationState, PaidOwner};
use domain::ids::AccountId;
use domain::jobs::seen::{ListedRepository, Membership, RepositoryState, SeenRepository};
use store::{Cursor, Store, StoreError};

/// A page of an account's repositories, with all its owners.
pub struct Listed {
    pub owners: Vec<PaidOwner>,
    pub repositories: Vec<ListedRepository>,
    pub next: Option<Cursor>,
}

/// Lists an account's owners, and a page of their repositories.
pub async fn list(
    store: &Store,
    account: &AccountId,
    from: Option<&Cursor>,
    limit: usize,
) -> Result<Listed, StoreError> {
    let owners = store.owner_list(account).await?;
    let ids: Vec<_> = owners.iter().map(|owner| owner.id).collect();
    let page = store.repository_list(&ids, from, limit).await?;
    let mut jobs = store.jobs_of(&page.rows).await?;
    let repositories = page.rows.into_iter().map(|seen| {
        let at = jobs.iter().position(|job| {
            seen.last_job.as_ref() == Some(&job.facts.id) && job.facts.account == *account
        });
        ListedRepository {
            state: state(&owners, &seen),
            last_job: at.map(|at| jobs.swap_remove(at)),
            seen,
        }
    });
    Ok(Listed {
        repositories: repositories.collect(),
        next: page.next,
        owners,
    })
}

fn state(owners: &[PaidOwner], seen: &SeenRepository) -> RepositoryState {
    let owner = owners.iter().find(|owner| owner.id == seen.owner);
    let installed = owner.and_then(|owner| owner.installed.as_ref());
    match (seen.membership, installed) {
        (Membership::Removed, _) => RepositoryState::Removed,
        // The App was installed again, without this repository.
        (_, Some(installed)) if installed.installation != seen.installation => {
            RepositoryState::Removed
        }
        (_, Some(installed)) => match installed.state {
            InstallationState::Active => RepositoryState::Active,
            InstallationState::Suspended => RepositoryState::Suspended,
            InstallationState::Deleted => RepositoryState::Removed,
        },
        (Membership::Present, None) => RepositoryState::Active,
    }
}
