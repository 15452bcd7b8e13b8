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
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, found, lost, made, missing, refused, repository};
    use domain::jobs::pulls::FileEdit;
    use domain::retry::{Retry, Retryable};

    const HEAD: &str = "GET /repos/octo/hello/git/ref/heads/tallyhook/job_1";
    const BASE: &str = "GET /repos/octo/hello/git/commits/base";
    const OURS: &str = "GET /repos/octo/hello/git/commits/c1";
    const BEFORE: &str = "GET /repos/octo/hello/git/trees/base?recursive=1";
    const TREE: &str = "POST /repos/octo/hello/git/trees";
    const COMMIT: &str = "POST /repos/octo/hello/git/commits";
    const REF: &str = "POST /repos/octo/hello/git/refs";

    type Step = (&'static str, Reply);

    fn head(sha: &str) -> Step {
        found(HEAD, json!({ "object": { "sha": sha } }))
    }

    fn commit(line: &'static str, message: &str) -> Step {
        found(
            line,
            json!({ "sha": "x", "message": message, "tree": { "sha": "t0" } }),
        )
    }

    fn before() -> Step {
        let entry = |path, mode| json!({ "path": path, "mode": mode, "type": "blob", "sha": "b", "size": 1 });
        let entries = json!([
            entry("run.sh", "100755"),
            entry("old.txt", "100644"),
            entry("link", "120000")
        ]);
        found(
            BEFORE,
            json!({ "sha": "t0", "tree": entries, "truncated": false }),
        )
    }

    fn objects() -> [Step; 5] {
        [
            missing(HEAD),
            commit(BASE, "base"),
            before(),
            made(TREE, json!({ "sha": "t1" })),
            made(COMMIT, json!({ "sha": "c1" })),
        ]
    }

    fn changes() -> Vec<FileChange> {
        let write = |path: &str| FileChange {
            path: path.to_owned(),
            change: FileEdit::Write("new".to_owned()),
        };
        let delete = |path: &str| FileChange {
            path: path.to_owned(),
            change: FileEdit::Delete,
        };
        vec![
            write("run.sh"),
            write("a b.txt"),
            delete("old.txt"),
            delete("never.txt"),
        ]
    }

    async fn ensure(peer: &Peer, changes: &[FileChange]) -> Result<Committed, GithubError> {
        let order = CommitOrder {
            branch: "tallyhook/job_1",
            base_sha: "base",
            changes,
            message: "Fix it\n",
            marker: "Tallyhook-Job: job_1",
        };
        repository(peer).await.commit_ensure(&order).await
    }

    #[tokio::test]
    async fn one_commit_holds_all_changes() {
        let peer = Peer::script(objects());
        peer.then([made(REF, json!({}))]);
        let made = ensure(&peer, &changes()).await.expect("a commit");
        assert_eq!(
            made,
            Committed::Created {
                sha: "c1".to_owned()
            }
        );
        let tree = &peer.heard(TREE)[0].body;
        assert_eq!(tree["base_tree"], "t0");
        let entry = |path: &str, mode: &str| json!({ "path": path, "mode": mode, "type": "blob", "content": "new" });
        let deleted = json!({ "path": "old.txt", "mode": "100644", "type": "blob", "sha": null });
        let expected = json!([
            deleted,
            entry("run.sh", "100755"),
            entry("a b.txt", "100644")
        ]);
        assert_eq!(tree["tree"], expected);
        assert_eq!(
            peer.heard(COMMIT)[0].body,
            json!({ "message": "Fix it\n\nTallyhook-Job: job_1", "tree": "t1", "parents": ["base"] }),
            "an explicit author or committer would leave the commit unverified"
        );
        assert_eq!(
            peer.heard(REF)[0].body,
            json!({ "ref": "refs/heads/tallyhook/job_1", "sha": "c1" })
        );
        peer.assert_done();
    }

    #[tokio::test]
    async fn a_second_time_finds_the_first() {
        let peer = Peer::script([head("c1"), commit(OURS, "Fix it\n\nTallyhook-Job: job_1")]);
        let found = ensure(&peer, &changes()).await.expect("a commit");
        assert_eq!(
            found,
            Committed::AlreadyThere {
                sha: "c1".to_owned()
            }
        );
        peer.assert_done();
    }

    #[tokio::test]
    async fn a_lost_answer_is_looked_up_by_the_next_attempt() {
        for call in [TREE, COMMIT, REF] {
            let peer = Peer::script([]);
            for step in objects().into_iter().chain([made(REF, json!({}))]) {
                if step.0 == call {
                    peer.then([lost(call)]);
                    break;
                }
                peer.then([step]);
            }
            let error = ensure(&peer, &changes()).await.expect_err("an error");
            assert_eq!(error.retry(), Retry::Outage, "{error}");
            peer.then([head("c1"), commit(OURS, "Tallyhook-Job: job_1")]);
            assert!(
                matches!(
                    ensure(&peer, &changes()).await,
                    Ok(Committed::AlreadyThere { .. })
                ),
                "{call}"
            );
            peer.assert_done();
        }
    }

    #[tokio::test]
    async fn a_branch_that_came_meanwhile_is_adopted_if_ours() {
        let exists = || refused(REF, "Reference already exists");
        let other = "GET /repos/octo/hello/git/commits/c9";
        for (steps, expected) in [
            (vec![head("c1")], Ok(())),
            (
                vec![head("c9"), commit(other, "x\nTallyhook-Job: job_1\n")],
                Ok(()),
            ),
            (
                vec![head("c9"), commit(other, "x Tallyhook-Job: job_1")],
                Err(Retry::Never),
            ),
            (vec![head("c9"), missing(other)], Err(Retry::Soon)),
            (vec![missing(HEAD)], Err(Retry::Soon)),
        ] {
            let peer = Peer::script(objects());
            peer.then([exists()]);
            for step in steps {
                peer.then([step]);
            }
            let result = ensure(&peer, &changes()).await;
            assert_eq!(result.map(|_| ()).map_err(|error| error.retry()), expected);
            peer.assert_done();
        }
    }

    #[tokio::test]
    async fn foreign_branches_and_lost_bases_end_it() {
        let peer = Peer::script([head("c1"), commit(OURS, "Tallyhook-Job: job_10")]);
        assert!(matches!(
            ensure(&peer, &changes()).await,
            Err(GithubError::BranchTaken { .. })
        ));
        let peer = Peer::script([missing(HEAD), missing(BASE)]);
        assert!(matches!(
            ensure(&peer, &changes()).await,
            Err(GithubError::BaseGone { .. })
        ));
    }

    #[tokio::test]
    async fn nothing_is_no_commit() {
        let gone = [FileChange {
            path: "never.txt".to_owned(),
            change: FileEdit::Delete,
        }];
        let peer = Peer::script([missing(HEAD), commit(BASE, "base"), before()]);
        assert!(matches!(
            ensure(&peer, &gone).await,
            Err(GithubError::NoChanges { .. })
        ));
        let same = made(TREE, json!({ "sha": "t0" }));
        let peer = Peer::script([missing(HEAD), commit(BASE, "base"), before(), same]);
        assert!(matches!(
            ensure(&peer, &changes()).await,
            Err(GithubError::NoChanges { .. })
        ));
        peer.assert_done();
    }
}
