//! Branches: their heads, and creating them.

use crate::call::Call;
use crate::error::GithubError;
use crate::repository::Repository;
use crate::route::Route;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BranchCreated {
    Created,
    AlreadyThere { sha: String },
}

#[derive(Deserialize)]
struct RefShape {
    object: ObjectShape,
}

#[derive(Deserialize)]
struct ObjectShape {
    sha: String,
}

impl Repository {
    /// Returns the commit at the branch's head, or `None` if the branch does not exist.
    pub async fn branch_head(&self, branch: &str) -> Result<Option<String>, GithubError> {
        let route = Route::new("/git/ref/heads/").path(branch);
        let answer = self.send_for(Call::get("read the branch", route)).await?;
        answer
            .map(|answer| Ok(answer.read::<RefShape>()?.object.sha))
            .transpose()
    }

    /// Creates a branch at a commit unless it exists.
    pub async fn branch_create(
        &self,
        branch: &str,
        sha: &str,
    ) -> Result<BranchCreated, GithubError> {
        let operation = "create the branch";
        let body = json!({ "ref": format!("refs/heads/{branch}"), "sha": sha });
        match self
            .send(Call::post(operation, Route::new("/git/refs"), body))
            .await
        {
            Ok(_) => Ok(BranchCreated::Created),
            Err(error) if error.says("already exists") => match self.branch_head(branch).await? {
                Some(sha) => Ok(BranchCreated::AlreadyThere { sha }),
                None => Err(GithubError::Unsettled { operation }),
            },
            Err(error) => Err(error),
        }
    }
}

impl Repository {
    /// Moves a branch forward to a commit. Returns `false` if the commit does not follow the
    /// branch's head, or if the branch is gone.
    pub async fn branch_advance(&self, branch: &str, sha: &str) -> Result<bool, GithubError> {
        let route = Route::new("/git/refs/heads/").path(branch);
        let body = json!({ "sha": sha, "force": false });
        match self.send(Call::patch("move the branch", route, body)).await {
            Ok(_) => Ok(true),
            Err(error) if error.says("fast forward") || error.says("does not exist") => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, found, lost, made, missing, refused, repository};
    use domain::retry::{Retry, Retryable};

    const CREATE: &str = "POST /repos/octo/hello/git/refs";
    const HEAD: &str = "GET /repos/octo/hello/git/ref/heads/f/a%20b";

    #[tokio::test]
    async fn a_branch_begins_once() {
        let head = || found(HEAD, json!({ "object": { "sha": "s0" } }));
        let peer = Peer::script([
            missing(HEAD),
            made(CREATE, json!({})),
            refused(CREATE, "Reference already exists"),
            head(),
        ]);
        let repository = repository(&peer).await;
        assert_eq!(
            repository.branch_head("f/a b").await.expect("an answer"),
            None
        );
        assert_eq!(
            repository
                .branch_create("f/a b", "s0")
                .await
                .expect("a branch"),
            BranchCreated::Created
        );
        assert_eq!(
            peer.heard(CREATE)[0].body,
            json!({ "ref": "refs/heads/f/a b", "sha": "s0" })
        );
        let again = repository
            .branch_create("f/a b", "s0")
            .await
            .expect("a branch");
        assert_eq!(
            again,
            BranchCreated::AlreadyThere {
                sha: "s0".to_owned()
            }
        );
        peer.assert_done();
    }

    #[tokio::test]
    async fn what_cannot_be_seen_is_tried_again() {
        let peer = Peer::script([
            refused(CREATE, "Reference already exists"),
            missing(HEAD),
            lost(CREATE),
        ]);
        let repository = repository(&peer).await;
        for expected in [Retry::Soon, Retry::Outage] {
            let error = repository
                .branch_create("f/a b", "s0")
                .await
                .expect_err("an error");
            assert_eq!(error.retry(), expected, "{error}");
        }
        peer.assert_done();
    }
}
