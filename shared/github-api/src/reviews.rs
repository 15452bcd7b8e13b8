//! Requesting reviews of a pull request.

use crate::call::Call;
use crate::route::Route;
use crate::{GithubError, Repository};
use serde_json::json;

impl Repository {
    /// Requests reviews from these logins. Earlier requests stay; without logins nothing is sent.
    ///
    /// GitHub accepts either the whole list or nothing: if one person may not review, it rejects
    /// all of them.
    pub async fn reviewers_request(&self, pull: u64, logins: &[String]) -> Result<(), GithubError> {
        if logins.is_empty() {
            return Ok(());
        }
        let route = Route::new("/pulls/")
            .number(pull)
            .fixed("/requested_reviewers");
        self.send(Call::post(
            "ask for a review",
            route,
            json!({ "reviewers": logins }),
        ))
        .await
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, made, repository};
    use domain::retry::{Retry, Retryable};

    const POST: &str = "POST /repos/octo/hello/pulls/8/requested_reviewers";

    #[tokio::test]
    async fn reviewers_are_asked_together_and_unknown_ones_refused() {
        let peer = Peer::script([made(POST, json!({}))]);
        let logins = ["grace".to_owned(), "ada".to_owned()];
        repository(&peer)
            .await
            .reviewers_request(8, &logins)
            .await
            .expect("asked");
        assert_eq!(
            peer.heard(POST)[0].body,
            json!({ "reviewers": ["grace", "ada"] })
        );
        repository(&peer)
            .await
            .reviewers_request(8, &[])
            .await
            .expect("nothing to do");
        let message = "Reviews may only be requested from collaborators.";
        peer.then([(POST, Reply::json(422, json!({ "message": message })))]);
        let error = repository(&peer)
            .await
            .reviewers_request(8, &logins)
            .await
            .expect_err("an error");
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.to_string().contains("collaborators"), "{error}");
    }
}
