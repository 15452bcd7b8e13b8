//! The wall to GitHub: what Tallyhook reads from and writes to a customer's repository.
//!
//! Owns the App's key, the tokens it mints and GitHub's shapes, and is the only importer of octocrab. Promises that a
//! token opens one repository for one [`Access`] and is never printed; that every call is sent once, except that a read
//! is repeated with a fresh token after a 401, and any call at a repository's new address after a redirect, since
//! neither was carried out; and that nothing here reads a clock.
//!
//! Safe to run twice, because what is written has a name that was fixed before: a branch, a marker. `*_ensure` looks for
//! that name first, adopts what it finds, and looks again when GitHub says that it exists. After an unclear answer it
//! fails with [`Retry::Soon`](domain::retry::Retry::Soon), and the next attempt looks.

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

pub use branches::BranchCreated;
pub use comments::CommentOrder;
pub use commits::{CommitOrder, Committed};
pub use error::GithubError;
pub use files::{FILE_BYTES_MAX, File, FileContent, Mode, Tree, TreeEntry};
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

/// The house's way out: absolute URLs in, no redirects followed, time and size bounded. Its errors leave open whether
/// the call was carried out.
pub type Web = tower::util::BoxCloneSyncService<
    http::Request<bytes::Bytes>,
    http::Response<bytes::Bytes>,
    BoxError,
>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which GitHub, and who we are there.
pub struct GithubConfig {
    /// `https://api.github.com`, or another one.
    pub url: String,
    /// The App's id.
    pub app_id: u64,
    /// The App's private key, a PEM file's text; `\n` may stand for its newlines.
    pub private_key_pem: SecretString,
}

/// What a token may do with its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read contents, issues and pull requests.
    Read,
    /// Write them.
    Write,
}

/// A repository that was looked for by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The installation that lets us in.
    pub installation: InstallationId,
    /// What GitHub says about it.
    pub details: Details,
}

/// GitHub, as our App sees it. Clones share their tokens.
#[derive(Clone)]
pub struct GithubApi {
    sessions: Arc<Sessions>,
}

impl GithubApi {
    /// A client; it tries the key, but calls nobody.
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

    /// Opens one repository, with a token of its own that is minted where none is at hand. `owner` and `name` may be old
    /// ones: `repository` decides.
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

    /// Looks for a repository by its name alone, and for the installation that lets us in; none where the App has no place
    /// there, which GitHub does not tell from a repository that does not exist.
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
