//! The GitHub client: what Tallyhook reads from and writes to a customer's repository.
//!
//! The crate owns the App's key, the tokens made with it and GitHub's formats, and is the only
//! importer of octocrab. A token opens one repository for one [`Access`] and is never printed.
//! Every request is sent once, with three exceptions that were certainly not carried out: a request
//! is repeated for seconds while GitHub does not know its new token yet, a read is repeated with
//! another token after a 401, and any request at a repository's new address after a redirect.
//! Nothing here reads a clock.
//!
//! Writes are safe to repeat, because each has a name that was fixed before: a branch or a marker.
//! The `*_ensure` functions look for that name first, adopt what they find, and look again if
//! GitHub says that it exists. After an unclear answer they fail with
//! [`Retry::Outage`](domain::retry::Retry::Outage), and the next attempt looks.

mod annotations;
mod answers;
mod app;
mod archives;
mod branches;
mod call;
mod checks;
mod comments;
mod commits;
mod deliveries;
mod diffs;
mod downloads;
mod error;
mod files;
mod issues;
mod manifests;
mod permissions;
mod pulls;
mod repository;
mod reviews;
mod route;
mod saves;
mod sessions;
mod sign_in;
#[cfg(test)]
mod testing;
mod trees;

pub use annotations::Annotation;
pub use branches::BranchCreated;
pub use comments::{CommentOrder, IssueComment};
pub use commits::{Appended, CommitOrder, Committed};
pub use deliveries::{Deliveries, FullDelivery, HookDelivery};
pub use downloads::Download;
pub use error::GithubError;
pub use files::{FILE_BYTES_MAX, File, FileContent, Tree, TreeEntry};
pub use issues::{IssueFound, IssueKind, IssueState};
pub use manifests::{NewApp, app_take};
pub use pulls::{Opened, Pull, PullOrder, PullState};
pub use repository::{Details, Repository};
pub use saves::{Deleted, FileDelete, FileOrder, Saved};
pub use sign_in::{Exchanged, OwnerKind, Reached, SignIn, SignInConfig, Visitor};

use domain::ids::{InstallationId, RepositoryId};
use domain::time::Timestamp;
use http::Uri;
use route::Route;
use secrecy::SecretString;
use sessions::{Scope, Sessions};
use std::sync::Arc;

/// The HTTP transport: absolute URLs, no redirects, bounded time and size. After an error, the
/// request may or may not have been carried out.
pub type Web = tower::util::BoxCloneSyncService<
    http::Request<bytes::Bytes>,
    http::Response<bytes::Bytes>,
    BoxError,
>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a repository that was found by name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    pub installation: InstallationId,
    /// The repository, if the name is a former one.
    moved_to: Option<RepositoryId>,
}

impl Located {
    /// Whether a repository that an installation does not have may be here instead.
    fn follows(&self, installation: InstallationId, repository: RepositoryId) -> bool {
        self.installation != installation && self.moved_to.is_none_or(|to| to == repository)
    }
}

pub struct GithubConfig {
    /// For example `https://api.github.com`.
    pub url: String,
    pub app_id: u64,
    /// The App's private key as PEM text, in which `\n` may stand for newlines.
    pub private_key_pem: SecretString,
}

/// What a token may do with its repository, besides reading its details. Each is as narrow as the
/// calls that it is for, so a permission that an installation lacks stops only what needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    ReadFiles,
    ReadIssues,
    /// Check runs and commit statuses.
    ReadChecks,
    /// The logs of GitHub Actions.
    ReadLogs,
    /// Branches, commits and pull requests.
    WritePulls,
    /// Comments and labels.
    WriteIssues,
}

/// The client for GitHub as the App. Clones share their tokens.
#[derive(Clone)]
pub struct GithubApi {
    sessions: Arc<Sessions>,
}

impl GithubApi {
    /// Creates the client. It checks the key and sends no request.
    pub fn new(config: GithubConfig, web: Web) -> Result<Self, GithubError> {
        let base: Uri = config.url.parse().map_err(|_| GithubError::Url)?;
        if base.scheme().is_none() || base.authority().is_none() {
            return Err(GithubError::Url);
        }
        let app = app::App::parse(config.app_id, &config.private_key_pem)?;
        Ok(Self {
            sessions: Arc::new(Sessions::new(app, base, web)),
        })
    }

    /// Opens a repository with its own token, which is created if none is cached. `owner`, `name`
    /// and `installation` may be outdated, because repositories are renamed and transferred:
    /// `repository` decides.
    pub async fn repository(
        &self,
        installation: InstallationId,
        owner: &str,
        name: &str,
        repository: RepositoryId,
        access: Access,
        now: Timestamp,
    ) -> Result<Repository, GithubError> {
        let mut scope = Scope {
            installation,
            repository,
            access,
        };
        if let Err(error) = self.sessions.session(scope, now).await {
            if !matches!(error, GithubError::NoAccess { .. }) {
                return Err(error);
            }
            // A transferred repository belongs to the new owner's installation, if there is one.
            match self.sessions.locate(owner, name, now).await {
                Ok(Some(located)) if located.follows(installation, repository) => {
                    scope.installation = located.installation;
                    self.sessions.session(scope, now).await?;
                }
                Ok(_) | Err(_) => return Err(error),
            }
        }
        Ok(Repository::new(
            Arc::clone(&self.sessions),
            scope,
            owner,
            name,
            now,
        ))
    }

    /// Finds the installation for a repository by name, also by a former one. Returns `None` if
    /// the App is not installed there, which GitHub does not distinguish from a missing repository.
    pub async fn locate(
        &self,
        owner: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Located>, GithubError> {
        self.sessions.locate(owner, name, now).await
    }

    /// Reads the details of a located repository. Returns `None` if the App may not see it.
    pub async fn repository_find(
        &self,
        located: &Located,
        owner: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Details>, GithubError> {
        let session = match self.sessions.session_located(located, name, now).await {
            Err(GithubError::NoAccess { .. }) => return Ok(None),
            other => other?,
        };
        let address = match located.moved_to {
            Some(id) => Route::of_repository_id(id),
            None => Route::of_repository(owner, name),
        };
        match repository::details_of(&session, &address, now).await {
            Ok(details) => Ok(Some(details)),
            Err(
                GithubError::NotThere { .. }
                | GithubError::NoAccess { .. }
                | GithubError::Moved { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_absolute() {
        for url in ["", "api.github.com", "/api", "not a url"] {
            let config = GithubConfig {
                url: url.to_owned(),
                app_id: 1,
                private_key_pem: SecretString::from(testing::private_key_pem()),
            };
            let web = Web::new(tower::service_fn(async |_| Err("never called".into())));
            assert!(
                matches!(GithubApi::new(config, web), Err(GithubError::Url)),
                "{url}"
            );
        }
    }
}
