//! The diffs of commits.

use crate::call::Call;
use crate::route::Route;
use crate::{GithubError, Repository};

impl Repository {
    /// The diff of a commit against its first parent in git's format, or `None` if there is no such
    /// commit.
    pub async fn commit_diff(&self, sha: &str) -> Result<Option<String>, GithubError> {
        let call = Call::get_diff(
            "read the commit's diff",
            Route::new("/commits/").segment(sha),
        );
        match self.send_for(call).await {
            Ok(answer) => Ok(answer.map(|answer| answer.text())),
            // GitHub's message for an unknown commit id.
            Err(error) if error.says("no commit found") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Peer, Reply, missing, refused, repository};
    use domain::retry::{Retry, Retryable};
    use serde_json::json;

    const GET: &str = "GET /repos/octo/hello/commits/abc";

    #[tokio::test]
    async fn a_commit_that_is_not_there_is_none() {
        for answer in [missing(GET), refused(GET, "No commit found for SHA: abc")] {
            let peer = Peer::script([answer]);
            assert_eq!(
                repository(&peer)
                    .await
                    .commit_diff("abc")
                    .await
                    .expect("an answer"),
                None
            );
        }
        // The diff is larger than GitHub shows.
        let peer = Peer::script([(
            GET,
            Reply::json(
                406,
                json!({ "message": "Sorry, the diff exceeded the maximum" }),
            ),
        )]);
        let error = repository(&peer)
            .await
            .commit_diff("abc")
            .await
            .expect_err("an error");
        assert_eq!(error.retry(), Retry::Never);
    }
}
