//! Changes of single files through the contents API, one commit each.
//!
//! A job's change is one commit, made by `commit_ensure`; these functions serve everything else.
//! They can be repeated: a file that already has the wanted content is a result, not an error.

use crate::call::Call;
use crate::error::GithubError;
use crate::files::{File, FileContent, contents};
use crate::repository::Repository;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;
use serde_json::{Value, json};

/// A file to write on a branch.
pub struct FileOrder<'a> {
    pub branch: &'a str,
    /// Relative to the root.
    pub path: &'a str,
    pub content: &'a str,
    pub message: &'a str,
}

/// A file to delete from a branch.
pub struct FileDelete<'a> {
    pub branch: &'a str,
    /// Relative to the root.
    pub path: &'a str,
    pub sha: &'a str,
    pub message: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    Written { sha: String, commit_sha: String },
    AlreadyThere { sha: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    Deleted { commit_sha: String },
    AlreadyGone,
}

#[derive(Deserialize)]
struct SavedShape {
    content: Option<ShaShape>,
    commit: ShaShape,
}

#[derive(Deserialize)]
struct ShaShape {
    sha: String,
}

impl Repository {
    /// Creates a file.
    pub async fn file_create(&self, order: &FileOrder<'_>) -> Result<Saved, GithubError> {
        self.file_save("create the file", order, json!({})).await
    }

    /// Replaces a file whose content is still `sha`.
    pub async fn file_update(
        &self,
        order: &FileOrder<'_>,
        sha: &str,
    ) -> Result<Saved, GithubError> {
        self.file_save("update the file", order, json!({ "sha": sha }))
            .await
    }

    async fn file_save(
        &self,
        operation: &'static str,
        order: &FileOrder<'_>,
        mut body: Value,
    ) -> Result<Saved, GithubError> {
        body["branch"] = json!(order.branch);
        body["message"] = json!(order.message);
        body["content"] = json!(BASE64_STANDARD.encode(order.content));
        match self
            .send(Call::put(operation, contents(order.path), body))
            .await
        {
            Ok(answer) => {
                let saved: SavedShape = answer.read()?;
                let sha = saved.content.map(|content| content.sha).unwrap_or_default();
                Ok(Saved::Written {
                    sha,
                    commit_sha: saved.commit.sha,
                })
            }
            Err(error) if is_other_sha(&error) => {
                match self.file_load(order.path, order.branch).await? {
                    Some(File {
                        sha,
                        content: FileContent::Text(text),
                    }) if text == order.content => Ok(Saved::AlreadyThere { sha }),
                    Some(_) | None => Err(GithubError::FileChanged {
                        path: order.path.to_owned(),
                    }),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a file whose content is still the expected one.
    pub async fn file_delete(&self, order: &FileDelete<'_>) -> Result<Deleted, GithubError> {
        let body = json!({ "branch": order.branch, "message": order.message, "sha": order.sha });
        match self
            .send_for(Call::delete("delete the file", contents(order.path), body))
            .await
        {
            Ok(Some(answer)) => Ok(Deleted::Deleted {
                commit_sha: answer.read::<SavedShape>()?.commit.sha,
            }),
            Ok(None) => Ok(Deleted::AlreadyGone),
            Err(error) if is_other_sha(&error) => Err(GithubError::FileChanged {
                path: order.path.to_owned(),
            }),
            Err(error) => Err(error),
        }
    }
}

/// Whether the file's content is not the expected one. GitHub answers 409 if the given `sha` is
/// outdated, and 422 if no `sha` was given for an existing file.
fn is_other_sha(error: &GithubError) -> bool {
    matches!(error, GithubError::Conflict { .. }) || error.says("\"sha\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, found, made, missing, refused, repository};
    use domain::retry::{Retry, Retryable};

    const PUT: &str = "PUT /repos/octo/hello/contents/docs/a%20b.md";
    const DELETE: &str = "DELETE /repos/octo/hello/contents/docs/a%20b.md";
    const LOAD: &str = "GET /repos/octo/hello/contents/docs/a%20b.md?ref=main";
    const ORDER: FileOrder<'_> = FileOrder {
        branch: "main",
        path: "docs/a b.md",
        content: "hello",
        message: "Say it",
    };

    fn saved() -> Value {
        json!({ "content": { "sha": "b1" }, "commit": { "sha": "c1" } })
    }

    fn present(content: &str) -> Value {
        json!({ "type": "file", "sha": "b1", "size": 5, "encoding": "base64", "content": content })
    }

    #[tokio::test]
    async fn files_are_created_and_updated() {
        let peer = Peer::script([made(PUT, saved()), found(PUT, saved())]);
        let repository = repository(&peer).await;
        let written = Saved::Written {
            sha: "b1".to_owned(),
            commit_sha: "c1".to_owned(),
        };
        assert_eq!(
            repository.file_create(&ORDER).await.expect("a file"),
            written
        );
        assert_eq!(
            repository.file_update(&ORDER, "b0").await.expect("a file"),
            written
        );
        let body = json!({ "branch": "main", "message": "Say it", "content": "aGVsbG8=" });
        assert_eq!(peer.heard(PUT)[0].body, body);
        assert_eq!(peer.heard(PUT)[1].body["sha"], "b0");
    }

    #[tokio::test]
    async fn a_second_time_finds_the_first() {
        let not_supplied = || refused(PUT, "Invalid request.\n\n\"sha\" wasn't supplied.");
        let differs = || {
            (
                PUT,
                Reply::json(409, json!({ "message": "docs/a b.md does not match b0" })),
            )
        };
        let already = Saved::AlreadyThere {
            sha: "b1".to_owned(),
        };
        let peer = Peer::script([not_supplied(), found(LOAD, present("aGVsbG8="))]);
        assert_eq!(
            repository(&peer)
                .await
                .file_create(&ORDER)
                .await
                .expect("a file"),
            already
        );
        peer.then([differs(), found(LOAD, present("aGVsbG8="))]);
        assert_eq!(
            repository(&peer)
                .await
                .file_update(&ORDER, "b0")
                .await
                .expect("a file"),
            already
        );
        peer.then([differs(), found(LOAD, present("AAAA"))]);
        let error = repository(&peer)
            .await
            .file_update(&ORDER, "b0")
            .await
            .expect_err("an error");
        assert!(
            matches!(error, GithubError::FileChanged { .. }) && error.retry() == Retry::Soon,
            "{error}"
        );
    }

    #[tokio::test]
    async fn files_are_deleted_once() {
        let order = FileDelete {
            branch: "main",
            path: "docs/a b.md",
            sha: "b1",
            message: "Gone",
        };
        let differs = (
            DELETE,
            Reply::json(409, json!({ "message": "does not match" })),
        );
        let peer = Peer::script([
            found(
                DELETE,
                json!({ "content": null, "commit": { "sha": "c1" } }),
            ),
            missing(DELETE),
            differs,
        ]);
        let repository = repository(&peer).await;
        let deleted = repository.file_delete(&order).await.expect("an answer");
        assert_eq!(
            deleted,
            Deleted::Deleted {
                commit_sha: "c1".to_owned()
            }
        );
        assert_eq!(
            repository.file_delete(&order).await.expect("an answer"),
            Deleted::AlreadyGone
        );
        assert!(matches!(
            repository.file_delete(&order).await,
            Err(GithubError::FileChanged { .. })
        ));
        assert_eq!(
            peer.heard(DELETE)[0].body,
            json!({ "branch": "main", "message": "Gone", "sha": "b1" })
        );
    }
}
