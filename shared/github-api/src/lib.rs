//! The GitHub client: what Tallyhook reads from and writes to a customer's repository.
//!
//! The crate owns the App's key, the tokens made with it and GitHub's formats, and is the only
//! importer of octocrab. A token opens one repository for one [`Access`] and is never printed.
//! Every request is sent once, with two exceptions that were certainly not carried out: a read is
//! repeated with a new token after a 401, and any request at a repository's new address after a
//! redirect. Nothing here reads a clock.
//!
//! Writes are safe to repeat, because each has a name that was fixed before: a branch or a marker.
//! The `*_ensure` functions look for that name first, adopt what they find, and look again if
//! GitHub says that it exists. After an unclear answer they fail with
//! [`Retry::Outage`](domain::retry::Retry::Outage), and the next attempt looks.

mod answers;
mod app;
mod branches;
mod call;
mod comments;
mod commits;
mod diffs;
mod error;
mod files;
mod issues;
mod manifests;
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

pub use branches::BranchCreated;
pub use comments::CommentOrder;
pub use commits::{CommitOrder, Committed};
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

pub struct GithubConfig {
    /// For example `https://api.github.com`.
    pub url: String,
    pub app_id: u64,
    /// The App's private key as PEM text, in which `\n` may stand for newlines.
    pub private_key_pem: SecretString,
}

/// What a token may do with its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    Read,
    Write,
}

/// A repository that was found by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub installation: InstallationId,
    pub details: Details,
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

    /// Opens a repository with its own token, which is created if none is cached. `owner` and
    /// `name` may be outdated: `repository` decides.
    pub async fn repository(
        &self,
        installation: InstallationId,
        owner: &str,
        name: &str,
        repository: RepositoryId,
        access: Access,
        now: Timestamp,
    ) -> Result<Repository, GithubError> {
        let scope = Scope {
            installation,
            repository,
            access,
        };
        self.sessions.session(scope, now).await?;
        Ok(Repository::new(
            Arc::clone(&self.sessions),
            scope,
            owner,
            name,
            now,
        ))
    }

    /// Finds a repository and its installation by name. Returns `None` if the App is not installed
    /// there, which GitHub does not distinguish from a missing repository.
    pub async fn repository_find(
        &self,
        owner: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Place>, GithubError> {
        let Some(installation) = self.sessions.installation_of(owner, name, now).await? else {
            return Ok(None);
        };
        let session = match self.sessions.session_named(installation, name, now).await {
            Err(GithubError::NoAccess { .. }) => return Ok(None),
            other => other?,
        };
        match repository::details_of(&session.crab, owner, name, now).await {
            Ok(details) => Ok(Some(Place {
                installation,
                details,
            })),
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
