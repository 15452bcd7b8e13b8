//! GitHub's limits. They bind an installation, so a limit on one function holds for all of them.
//!
//! One read before a piece of work finds out whether the installation has to wait, and not one for
//! each call. Safe to run twice: a wait only grows, and a repeated count only leaves room unused.

use domain::ids::InstallationId;
use domain::jobs::installations::{Window, spread, spread_widely};
use domain::jobs::repositories::RepositoryName;
use domain::retry::{Failure, OwnLimit};
use domain::time::Timestamp;
use github_api::{Details, GithubApi, GithubError};
use store::{CreationsCounted, ReserveTaken, Store};

/// GitHub's limits for the work of one function.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    pub store: &'a Store,
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    pub random: &'a (dyn Fn() -> u64 + Send + Sync),
}

/// A repository that was found by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub installation: InstallationId,
    pub details: Details,
}

impl Limits<'_> {
    /// Runs work that calls GitHub for an installation, unless the installation has to wait. If
    /// GitHub limits a call, every other call of the installation waits as well.
    pub async fn within<T>(
        &self,
        installation: InstallationId,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let now = (self.clock)();
        let until = self.store.installation_wait(installation).await?;
        if let Some(until) = until.filter(|until| now < *until) {
            let wait = until.since(now) + spread((self.random)());
            return Err(Failure::after(wait, "GitHub limits the installation"));
        }
        let outcome = work.await;
        if let Err(failure) = &outcome
            && let Some(GithubError::Limited { wait, .. }) = failure.source.downcast_ref()
        {
            let until = (self.clock)().plus(*wait);
            tracing::info!(installation.id = %installation, until = %until, "GitHub limits the installation");
            let noted = self.store.installation_wait_set(installation, until).await;
            if let Err(error) = noted {
                tracing::warn!(installation.id = %installation, %error, "could not note GitHub's limit; only this work waits");
            }
        }
        outcome
    }

    /// Takes room for requests that create something, or fails until there is room again.
    pub async fn create(&self, installation: InstallationId, count: u32) -> Result<(), Failure> {
        let (now, jitter) = ((self.clock)(), (self.random)());
        let late = |wait| {
            let why = OwnLimit("the installation creates as much as GitHub allows");
            Err(Failure::after(wait, why))
        };
        let window = Window::at(now);
        let counted = self.store.creations_count(installation, window, count);
        if counted.await? == CreationsCounted::UsedUp {
            return late(window.wait(now, jitter));
        }
        let taken = self.store.creations_take(installation, now, count);
        match taken.await? {
            ReserveTaken::Now => Ok(()),
            ReserveTaken::EnoughAt(at) => late(at.since(now) + spread_widely(jitter)),
        }
    }

    /// Finds a repository by name. Returns `None` if the App is not installed there.
    pub async fn locate(
        &self,
        github: &GithubApi,
        name: &RepositoryName,
    ) -> Result<Option<Place>, Failure> {
        let now = (self.clock)();
        let (owner, name) = (name.owner(), name.name());
        // The App itself asks, and its limits are not the installation's.
        let Some(located) = github.locate(owner, name, now).await? else {
            return Ok(None);
        };
        let installation = located.installation;
        let found = self.within(installation, async {
            Ok(github.repository_find(&located, owner, name, now).await?)
        });
        Ok(found.await?.map(|details| Place {
            installation,
            details,
        }))
    }
}
