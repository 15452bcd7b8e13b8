//! Pull requests. Ours is the one from our branch whose body has our marker.

use crate::call::Call;
use crate::error::GithubError;
use crate::repository::Repository;
use crate::route::Route;
use domain::switches::Switch;
use serde::Deserialize;
use serde_json::json;

/// A pull request to open.
pub struct PullOrder<'a> {
    pub head_branch: &'a str,
    pub base_branch: &'a str,
    pub title: &'a str,
    pub body: &'a str,
    /// The text that identifies it; it is added to the body.
    pub marker: &'a str,
    /// Whether to open it as a draft, if the repository supports drafts.
    pub draft: Switch,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    pub number: u64,
    pub url: String,
    pub state: PullState,
    pub head_sha: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    Open,
    Closed,
    Merged,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    Created(Pull),
    /// It existed already and may be closed or merged.
    AlreadyThere(Pull),
}

#[derive(Deserialize)]
struct PullShape {
    number: u64,
    html_url: String,
    state: String,
    merged_at: Option<String>,
    body: Option<String>,
    head: HeadShape,
}

#[derive(Deserialize)]
struct HeadShape {
    sha: String,
    #[serde(rename = "ref")]
    branch: String,
}

impl Repository {
    /// Ensures that our branch has our pull request, open or not.
    pub async fn pull_ensure(&self, order: &PullOrder<'_>) -> Result<Opened, GithubError> {
        let ours = |pulls: &[PullShape]| {
            pulls
                .iter()
                .find(|pull| pull.is_ours(order.marker))
                .map(PullShape::pull)
        };
        if let Some(pull) = ours(&self.pull_list(order.head_branch).await?) {
            return Ok(Opened::AlreadyThere(pull));
        }
        let error = match self.pull_create(order).await {
            Ok(pull) => return Ok(Opened::Created(pull)),
            Err(error) => error,
        };
        if error.says("already exists") {
            let pulls = self.pull_list(order.head_branch).await?;
            let taken = pulls.iter().any(|pull| pull.state == "open");
            return match ours(&pulls) {
                Some(pull) => Ok(Opened::AlreadyThere(pull)),
                None if taken => Err(GithubError::PullTaken {
                    branch: order.head_branch.to_owned(),
                }),
                None => Err(GithubError::Unsettled { operation: CREATE }),
            };
        }
        if error.says("no commits between") {
            return Err(GithubError::NoChanges {
                branch: order.head_branch.to_owned(),
            });
        }
        if error.says("base invalid") {
            return Err(GithubError::BaseGone {
                base: order.base_branch.to_owned(),
            });
        }
        Err(error)
    }

    /// A pull request by its number, or `None` if it is gone with its repository.
    pub async fn pull_load(&self, number: u64) -> Result<Option<Pull>, GithubError> {
        let call = Call::get(
            "read the pull request",
            Route::new("/pulls/").number(number),
        );
        let answer = self.send_for(call).await?;
        let pull = answer
            .map(|answer| answer.read::<PullShape>())
            .transpose()?;
        Ok(pull.as_ref().map(PullShape::pull))
    }

    /// Closes a pull request. Returns it as it is then: it may have been merged before.
    pub async fn pull_close(&self, number: u64) -> Result<Pull, GithubError> {
        let route = Route::new("/pulls/").number(number);
        let call = Call::patch(
            "close the pull request",
            route,
            json!({ "state": "closed" }),
        );
        let closed: PullShape = self.send(call).await?.read()?;
        Ok(closed.pull())
    }

    /// The newest pull request from a branch of this repository, by any author.
    pub async fn pull_find(&self, head_branch: &str) -> Result<Option<Pull>, GithubError> {
        Ok(self
            .pull_list(head_branch)
            .await?
            .first()
            .map(PullShape::pull))
    }

    /// Pull requests from a branch, newest first. A branch has few, so the first page is enough.
    async fn pull_list(&self, head_branch: &str) -> Result<Vec<PullShape>, GithubError> {
        let pulls = self.pull_list_of(self.owner(), head_branch).await?;
        // GitHub filters by the login that it is given, and finds nothing under a former one.
        match self.owner_after_move().await? {
            Some(owner) if pulls.is_empty() && owner != self.owner() => {
                self.pull_list_of(&owner, head_branch).await
            }
            Some(_) | None => Ok(pulls),
        }
    }

    async fn pull_list_of(
        &self,
        owner: &str,
        head_branch: &str,
    ) -> Result<Vec<PullShape>, GithubError> {
        let route = Route::new("/pulls")
            .query("head", &format!("{owner}:{head_branch}"))
            .query("state", "all")
            .query("per_page", "100");
        let mut pulls: Vec<PullShape> = self
            .send(Call::get("look for the pull request", route))
            .await?
            .read()?;
        // GitHub ignores a filter that it does not understand and then lists every pull request.
        pulls.retain(|pull| pull.head.branch == head_branch);
        Ok(pulls)
    }

    /// Opens the pull request. Private repositories on GitHub's smaller plans do not support
    /// drafts; there it opens an ordinary pull request.
    async fn pull_create(&self, order: &PullOrder<'_>) -> Result<Pull, GithubError> {
        match self.pull_create_as(order, order.draft).await {
            Err(error)
                if order.draft.is_on() && error.says("draft pull requests are not supported") =>
            {
                self.pull_create_as(order, Switch::Off).await
            }
            other => other,
        }
    }

    async fn pull_create_as(
        &self,
        order: &PullOrder<'_>,
        draft: Switch,
    ) -> Result<Pull, GithubError> {
        let body = json!({
            "title": order.title,
            "head": order.head_branch,
            "base": order.base_branch,
            "body": marked(order.body, order.marker),
            "draft": draft.is_on(),
        });
        let made: PullShape = self
            .send(Call::post(CREATE, Route::new("/pulls"), body))
            .await?
            .read()?;
        Ok(made.pull())
    }
}

const CREATE: &str = "open the pull request";

impl PullShape {
    fn is_ours(&self, marker: &str) -> bool {
        self.body.as_ref().is_some_and(|body| body.contains(marker))
    }

    fn pull(&self) -> Pull {
        let state = match (self.merged_at.as_ref(), self.state.as_str()) {
            (Some(_), _) => PullState::Merged,
            (None, "closed") => PullState::Closed,
            (None, _) => PullState::Open,
        };
        Pull {
            number: self.number,
            url: self.html_url.clone(),
            state,
            head_sha: self.head.sha.clone(),
        }
    }
}

/// Appends the marker unless the text contains it.
pub(crate) fn marked(body: &str, marker: &str) -> String {
    if body.contains(marker) {
        body.to_owned()
    } else {
        format!("{body}\n\n{marker}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, found, lost, made, refused, repository};
    use domain::retry::{Retry, Retryable};
    use serde_json::Value;

    const LIST: &str =
        "GET /repos/octo/hello/pulls?head=octo%3Atallyhook%2Fjob_1&state=all&per_page=100";
    const POST: &str = "POST /repos/octo/hello/pulls";
    const MARKER: &str = "<!-- tallyhook:job_1 -->";

    fn pull(number: u64, state: &str, body: &str) -> Value {
        let merged_at = (state == "merged").then_some("2026-11-20T10:00:00Z");
        let state = if state == "open" { "open" } else { "closed" };
        json!({ "number": number, "html_url": "https://x/1", "state": state, "merged_at": merged_at, "body": body,
            "head": { "sha": "c1", "ref": "tallyhook/job_1" } })
    }

    fn ours(number: u64, state: &str) -> Value {
        pull(number, state, &format!("Words\n\n{MARKER}"))
    }

    async fn ensure_as(peer: &Peer, draft: Switch) -> Result<Opened, GithubError> {
        let order = PullOrder {
            head_branch: "tallyhook/job_1",
            base_branch: "main",
            title: "Fix it",
            body: "Words",
            marker: MARKER,
            draft,
        };
        repository(peer).await.pull_ensure(&order).await
    }

    async fn ensure(peer: &Peer) -> Result<Opened, GithubError> {
        ensure_as(peer, Switch::Off).await
    }

    fn number(result: &Result<Opened, GithubError>) -> u64 {
        match result {
            Ok(Opened::Created(pull) | Opened::AlreadyThere(pull)) => pull.number,
            Err(error) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn a_pull_request_is_opened_with_its_marker() {
        let peer = Peer::script([found(LIST, json!([])), made(POST, ours(3, "open"))]);
        let opened = ensure(&peer).await;
        assert!(matches!(
            opened,
            Ok(Opened::Created(Pull {
                number: 3,
                state: PullState::Open,
                ..
            }))
        ));
        let body = json!({ "title": "Fix it", "head": "tallyhook/job_1", "base": "main",
            "body": format!("Words\n\n{MARKER}"), "draft": false });
        assert_eq!(peer.heard(POST)[0].body, body);
    }

    #[tokio::test]
    async fn a_draft_is_opened_where_the_repository_has_such() {
        let peer = Peer::script([found(LIST, json!([])), made(POST, ours(3, "open"))]);
        assert_eq!(number(&ensure_as(&peer, Switch::On).await), 3);
        let none = refused(
            POST,
            "Draft pull requests are not supported in this repository.",
        );
        peer.then([found(LIST, json!([])), none, made(POST, ours(4, "open"))]);
        assert_eq!(number(&ensure_as(&peer, Switch::On).await), 4);
        let drafts: Vec<_> = peer
            .heard(POST)
            .into_iter()
            .map(|call| call.body["draft"].clone())
            .collect();
        assert_eq!(drafts, [json!(true), json!(true), json!(false)]);
    }

    #[tokio::test]
    async fn whatever_became_of_ours_there_is_no_second() {
        for (state, expected) in [
            ("open", PullState::Open),
            ("closed", PullState::Closed),
            ("merged", PullState::Merged),
        ] {
            let peer = Peer::script([found(
                LIST,
                json!([pull(4, "closed", "a human's"), ours(3, state)]),
            )]);
            match ensure(&peer).await {
                Ok(Opened::AlreadyThere(pull)) => {
                    assert_eq!((pull.number, pull.state), (3, expected))
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_lost_answer_is_looked_up_by_the_next_attempt() {
        let peer = Peer::script([found(LIST, json!([])), lost(POST)]);
        assert_eq!(
            ensure(&peer).await.expect_err("an error").retry(),
            Retry::Outage
        );
        peer.then([found(LIST, json!([ours(3, "open")]))]);
        assert_eq!(number(&ensure(&peer).await), 3);
        assert_eq!(peer.heard(POST).len(), 1);
    }

    #[tokio::test]
    async fn a_list_that_lags_opens_no_second() {
        let exists = || {
            refused(
                POST,
                "A pull request already exists for octo:tallyhook/job_1.",
            )
        };
        let peer = Peer::script([found(LIST, json!([])), exists(), found(LIST, json!([]))]);
        assert_eq!(
            ensure(&peer).await.expect_err("an error").retry(),
            Retry::Soon
        );
        peer.then([
            found(LIST, json!([])),
            exists(),
            found(LIST, json!([ours(3, "open")])),
        ]);
        assert_eq!(number(&ensure(&peer).await), 3);
        peer.then([
            found(LIST, json!([])),
            exists(),
            found(LIST, json!([pull(5, "open", "a human's")])),
        ]);
        assert!(matches!(
            ensure(&peer).await,
            Err(GithubError::PullTaken { .. })
        ));
        peer.assert_done();
    }

    #[tokio::test]
    async fn what_cannot_become_a_pull_request_says_why() {
        let peer = Peer::script([
            found(LIST, json!([])),
            refused(POST, "No commits between main and tallyhook/job_1"),
        ]);
        assert!(matches!(
            ensure(&peer).await,
            Err(GithubError::NoChanges { .. })
        ));
        let errors = json!([{ "resource": "PullRequest", "field": "base", "code": "invalid" }]);
        let base_gone = Reply::json(
            422,
            json!({ "message": "Validation Failed", "errors": errors }),
        );
        let peer = Peer::script([found(LIST, json!([])), (POST, base_gone)]);
        assert!(matches!(
            ensure(&peer).await,
            Err(GithubError::BaseGone { .. })
        ));
    }

    /// The owner was renamed: GitHub redirects the list, and finds nothing under the former login.
    #[tokio::test]
    async fn a_renamed_owners_pull_request_is_found() {
        let moved = (
            LIST,
            Reply::json(301, json!({ "message": "Moved Permanently" })),
        );
        const BEFORE: &str =
            "GET /repositories/9/pulls?head=octo%3Atallyhook%2Fjob_1&state=all&per_page=100";
        const AFTER: &str =
            "GET /repositories/9/pulls?head=hexa%3Atallyhook%2Fjob_1&state=all&per_page=100";
        let details = json!({ "id": 9, "name": "hello", "full_name": "hexa/hello",
            "owner": { "login": "hexa", "id": 5 }, "default_branch": "main" });
        let peer = Peer::script([
            moved,
            found(BEFORE, json!([])),
            found("GET /repositories/9", details),
            found(AFTER, json!([ours(3, "open")])),
        ]);
        assert_eq!(number(&ensure(&peer).await), 3);
        peer.assert_done();
    }

    #[tokio::test]
    async fn only_pulls_of_the_branch_count() {
        let mut other = ours(8, "open");
        other["head"]["ref"] = json!("another");
        let peer = Peer::script([found(LIST, json!([other, ours(3, "closed")]))]);
        let found = repository(&peer)
            .await
            .pull_find("tallyhook/job_1")
            .await
            .expect("an answer");
        assert_eq!(found.map(|pull| pull.number), Some(3));
    }
}
