//! An open repository: its details, permissions, and the only way to send requests to it.

use crate::call::{Answer, Call};
use crate::error::GithubError;
use crate::route::Route;
use crate::sessions::{Scope, Session, Sessions};
use domain::ids::{OwnerId, RepositoryId};
use domain::time::Timestamp;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A repository with its own token.
#[derive(Clone)]
pub struct Repository {
    sessions: Arc<Sessions>,
    scope: Scope,
    owner: String,
    by_name: Route,
    /// Whether GitHub has redirected a request, so that the names are outdated.
    moved: Arc<AtomicBool>,
    now: Timestamp,
}

/// A repository's details at GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    pub id: RepositoryId,
    pub owner: String,
    pub owner_id: OwnerId,
    pub name: String,
    /// `owner/name`.
    pub full_name: String,
    pub default_branch: String,
    pub archived: bool,
    pub private: bool,
}

#[derive(Deserialize)]
struct RepositoryShape {
    id: u64,
    name: String,
    full_name: String,
    owner: OwnerShape,
    default_branch: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    private: bool,
}

#[derive(Deserialize)]
struct OwnerShape {
    login: String,
    id: u64,
}

impl From<RepositoryShape> for Details {
    fn from(shape: RepositoryShape) -> Self {
        Self {
            id: RepositoryId::new(shape.id),
            owner: shape.owner.login,
            owner_id: OwnerId::new(shape.owner.id),
            name: shape.name,
            full_name: shape.full_name,
            default_branch: shape.default_branch,
            archived: shape.archived,
            private: shape.private,
        }
    }
}

fn reading() -> Call {
    Call::get("read the repository", Route::new(""))
}

/// The details of the repository at an address, if the token may see it.
pub(crate) async fn details_of(
    session: &Session,
    address: &Route,
    now: Timestamp,
) -> Result<Details, GithubError> {
    Ok(session
        .send(&reading(), address, now)
        .await?
        .read::<RepositoryShape>()?
        .into())
}

impl Repository {
    pub(crate) fn new(
        sessions: Arc<Sessions>,
        scope: Scope,
        owner: &str,
        name: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            sessions,
            scope,
            owner: owner.to_owned(),
            by_name: Route::of_repository(owner, name),
            moved: Arc::default(),
            now,
        }
    }

    pub async fn details(&self) -> Result<Details, GithubError> {
        Ok(self
            .send(reading())
            .await?
            .read::<RepositoryShape>()?
            .into())
    }

    /// Sends a request with this repository's token. If GitHub rejects the token, it is dropped. A
    /// read is then sent once more with another token, unless the token was new: that one would be
    /// rejected as well. A write is left to the next attempt, which looks up first.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, GithubError> {
        let session = self.sessions.session(self.scope, self.now).await?;
        let operation = match self.send_to_address(&call, &session).await {
            Err(GithubError::Credentials { operation, .. }) => operation,
            other => return other,
        };
        self.sessions.forget(self.scope, &session).await;
        if !call.only_reads() || session.is_new(self.now) {
            return Err(GithubError::TokenRefused { operation });
        }
        let session = self.sessions.session(self.scope, self.now).await?;
        match self.send_to_address(&call, &session).await {
            Err(GithubError::Credentials { operation, .. }) => {
                self.sessions.forget(self.scope, &session).await;
                Err(GithubError::TokenRefused { operation })
            }
            other => other,
        }
    }

    /// Like [`send`](Self::send), for an object that may be absent.
    pub(crate) async fn send_for(&self, call: Call) -> Result<Option<Answer>, GithubError> {
        match self.send(call).await {
            Ok(answer) => Ok(Some(answer)),
            Err(GithubError::NotThere { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// After a rename GitHub answers with a redirect, which means that it did nothing. The
    /// repository's number stays the same, so the request is sent to the new address.
    async fn send_to_address(&self, call: &Call, session: &Session) -> Result<Answer, GithubError> {
        if !self.moved.load(Ordering::Relaxed) {
            match session.send(call, &self.by_name, self.now).await {
                Err(GithubError::Moved { .. }) => self.moved.store(true, Ordering::Relaxed),
                other => return other,
            }
        }
        let by_number = Route::of_repository_id(self.scope.repository);
        session.send(call, &by_number, self.now).await
    }

    /// The owner's login when the repository was opened.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// The owner's login now, if GitHub has redirected a request. A redirect does not translate the
    /// logins in a query.
    pub(crate) async fn owner_after_move(&self) -> Result<Option<String>, GithubError> {
        if self.moved.load(Ordering::Relaxed) {
            Ok(Some(self.details().await?.owner))
        } else {
            Ok(None)
        }
    }

    /// The address of the API, and the transport for a request without any token.
    pub(crate) fn outside(&self) -> (&http::Uri, crate::Web) {
        self.sessions.outside()
    }

    pub(crate) fn app_id(&self) -> u64 {
        self.sessions.app.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, found, repository};
    use serde_json::{Value, json};

    fn hello() -> Value {
        json!({ "id": 9, "name": "hello", "full_name": "octo/hello", "owner": { "login": "octo", "id": 5 },
            "default_branch": "main", "archived": false, "private": true, "size": 12,
            "a_field_of_tomorrow": {} })
    }

    #[tokio::test]
    async fn details_are_read() {
        let peer = Peer::script([found("GET /repos/octo/hello", hello())]);
        let details = repository(&peer).await.details().await.expect("details");
        assert_eq!(details.id, RepositoryId::new(9));
        assert_eq!(details.owner_id, OwnerId::new(5));
        assert_eq!(
            (details.default_branch.as_str(), details.private),
            ("main", true)
        );
    }

    #[tokio::test]
    async fn a_renamed_repository_is_found_by_its_number() {
        let moved = Reply::with(
            301,
            &[("location", "https://evil.test/")],
            json!({ "message": "Moved Permanently" }),
        );
        let peer = Peer::script([
            ("GET /repos/octo/hello", moved),
            found("GET /repositories/9", hello()),
        ]);
        assert_eq!(
            repository(&peer)
                .await
                .details()
                .await
                .expect("details")
                .full_name,
            "octo/hello"
        );
    }
}
