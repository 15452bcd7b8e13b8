//! One atomic commit on a branch of its own.
//!
//! A commit is identified by the branch's name and by the marker in its message. Only the last
//! request, which creates the branch, has a visible effect: a repeat leaves a commit that nobody
//! sees.
//!
//! GitHub signs the commits of an App, and shows them as verified, only if the request names no
//! author and no committer.

use crate::branches::BranchCreated;
use crate::call::Call;
use crate::error::GithubError;
use crate::repository::Repository;
use crate::route::Route;
use domain::jobs::pulls::FileChange;
use serde::Deserialize;
use serde_json::json;

/// A commit to create.
pub struct CommitOrder<'a> {
    pub branch: &'a str,
    pub base_sha: &'a str,
    pub changes: &'a [FileChange],
    pub message: &'a str,
    /// The line that identifies it; it is added to the message.
    pub marker: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    Created { sha: String },
    AlreadyThere { sha: String },
}

/// What became of a commit on top of our last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    Done {
        sha: String,
    },
    /// Somebody else has pushed to the branch, or deleted it.
    Overtaken,
}

#[derive(Deserialize)]
struct CommitShape {
    message: String,
    tree: ShaShape,
    #[serde(default)]
    parents: Vec<ShaShape>,
}

#[derive(Deserialize)]
pub(crate) struct ShaShape {
    pub(crate) sha: String,
}

impl Repository {
    /// Ensures that the branch exists with this commit at its head.
    pub async fn commit_ensure(&self, order: &CommitOrder<'_>) -> Result<Committed, GithubError> {
        if let Some(head) = self.branch_head(order.branch).await? {
            return self.commit_adopt(order, head).await;
        }
        let base_gone = || GithubError::BaseGone {
            base: order.base_sha.to_owned(),
        };
        let base = self
            .commit_load(order.base_sha)
            .await?
            .ok_or_else(base_gone)?;
        let tree = self.tree_create(order, &base.tree.sha).await?;
        let sha = self.commit_create(order, &tree, order.base_sha).await?;
        match self.branch_create(order.branch, &sha).await? {
            BranchCreated::Created => Ok(Committed::Created { sha }),
            BranchCreated::AlreadyThere { sha: head } if head == sha => {
                Ok(Committed::AlreadyThere { sha })
            }
            BranchCreated::AlreadyThere { sha: head } => self.commit_adopt(order, head).await,
        }
    }

    /// Ensures that the branch has this commit on top of `parent`. Its files are those of the base
    /// with the changes, whatever the parent has.
    pub async fn commit_append(
        &self,
        order: &CommitOrder<'_>,
        parent: &str,
    ) -> Result<Appended, GithubError> {
        match self.branch_head(order.branch).await? {
            Some(head) if head == parent => {}
            other => return self.appended(order, parent, other).await,
        }
        let base_gone = || GithubError::BaseGone {
            base: order.base_sha.to_owned(),
        };
        let base = self.commit_load(order.base_sha).await?;
        let base = base.ok_or_else(base_gone)?;
        let tree = self.tree_create(order, &base.tree.sha).await?;
        let sha = self.commit_create(order, &tree, parent).await?;
        if self.branch_advance(order.branch, &sha).await? {
            return Ok(Appended::Done { sha });
        }
        let head = self.branch_head(order.branch).await?;
        self.appended(order, parent, head).await
    }

    /// Accepts the branch's head if an earlier attempt has made it.
    async fn appended(
        &self,
        order: &CommitOrder<'_>,
        parent: &str,
        head: Option<String>,
    ) -> Result<Appended, GithubError> {
        let Some(sha) = head else {
            return Ok(Appended::Overtaken);
        };
        let commit = self.commit_load(&sha).await?;
        let is_ours = commit.is_some_and(|commit| {
            let follows = commit.parents.iter().any(|one| one.sha == parent);
            follows && has_line(&commit.message, order.marker)
        });
        Ok(if is_ours {
            Appended::Done { sha }
        } else {
            Appended::Overtaken
        })
    }

    /// Accepts the branch's head if it carries our marker.
    async fn commit_adopt(
        &self,
        order: &CommitOrder<'_>,
        head: String,
    ) -> Result<Committed, GithubError> {
        let commit = self
            .commit_load(&head)
            .await?
            .ok_or(GithubError::Unsettled {
                operation: "read the commit",
            })?;
        if has_line(&commit.message, order.marker) {
            Ok(Committed::AlreadyThere { sha: head })
        } else {
            Err(GithubError::BranchTaken {
                branch: order.branch.to_owned(),
            })
        }
    }

    async fn commit_load(&self, sha: &str) -> Result<Option<CommitShape>, GithubError> {
        let answer = self
            .send_for(Call::get(
                "read the commit",
                Route::new("/git/commits/").segment(sha),
            ))
            .await?;
        answer.map(|answer| answer.read()).transpose()
    }

    async fn commit_create(
        &self,
        order: &CommitOrder<'_>,
        tree: &str,
        parent: &str,
    ) -> Result<String, GithubError> {
        let body = json!({
            "message": marked(order.message, order.marker),
            "tree": tree,
            "parents": [parent],
        });
        let commit: ShaShape = self
            .send(Call::post(
                "create the commit",
                Route::new("/git/commits"),
                body,
            ))
            .await?
            .read()?;
        Ok(commit.sha)
    }
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|candidate| candidate.trim() == line)
}

fn marked(message: &str, marker: &str) -> String {
    if has_line(message, marker) {
        message.to_owned()
    } else {
        format!("{}\n\n{marker}", message.trim_end())
    }
}

#[cfg(test)]
mod tests;
