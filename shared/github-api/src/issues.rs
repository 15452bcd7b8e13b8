//! Issues as they are now, and their labels. A pull request counts as an issue.

use crate::call::Call;
use crate::route::Route;
use crate::{GithubError, Repository};
use domain::inbox::events::Issue;
use serde::Deserialize;
use serde_json::json;

/// Whether an issue is still open for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueState {
    Open,
    Closed,
    /// It was deleted or transferred.
    Gone,
}

/// What an issue number refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueKind {
    Issue,
    Pull,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueFound {
    pub issue: Issue,
    pub state: IssueState,
    pub kind: IssueKind,
}

#[derive(Deserialize)]
struct IssueShape {
    state: String,
}

#[derive(Deserialize)]
struct WholeShape {
    id: u64,
    number: u64,
    title: String,
    body: Option<String>,
    state: String,
    #[serde(default)]
    updated_at: String,
    #[serde(default)]
    author_association: String,
    pull_request: Option<serde::de::IgnoredAny>,
}

fn state_of(state: &str) -> IssueState {
    if state == "closed" {
        IssueState::Closed
    } else {
        IssueState::Open
    }
}

impl Repository {
    /// The state of an issue. Events may arrive late or out of order, so callers read the issue
    /// before work starts.
    pub async fn issue_state(&self, number: u64) -> Result<IssueState, GithubError> {
        let Some(answer) = self
            .send_for(Call::get(
                "read the issue",
                Route::new("/issues/").number(number),
            ))
            .await?
        else {
            return Ok(IssueState::Gone);
        };
        let shape: IssueShape = answer.read()?;
        Ok(state_of(&shape.state))
    }

    /// Finds an issue by number.
    pub async fn issue_find(&self, number: u64) -> Result<Option<IssueFound>, GithubError> {
        let call = Call::get("read the issue", Route::new("/issues/").number(number));
        let Some(answer) = self.send_for(call).await? else {
            return Ok(None);
        };
        let shape: WholeShape = answer.read()?;
        Ok(Some(IssueFound {
            state: state_of(&shape.state),
            kind: if shape.pull_request.is_some() {
                IssueKind::Pull
            } else {
                IssueKind::Issue
            },
            issue: Issue {
                id: shape.id,
                number: shape.number,
                title: shape.title,
                body: shape.body.unwrap_or_default(),
                updated_at: shape.updated_at,
                author_association: shape.author_association,
            },
        }))
    }

    /// Ensures that an issue or pull request has these labels besides its own. GitHub creates
    /// unknown labels; without labels nothing is sent.
    pub async fn labels_ensure(&self, number: u64, labels: &[String]) -> Result<(), GithubError> {
        if labels.is_empty() {
            return Ok(());
        }
        let route = Route::new("/issues/").number(number).fixed("/labels");
        self.send(Call::post(
            "set the labels",
            route,
            json!({ "labels": labels }),
        ))
        .await
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, found, lost, missing, repository};
    use domain::retry::{Retry, Retryable};

    const POST: &str = "POST /repos/octo/hello/issues/8/labels";

    #[tokio::test]
    async fn an_issue_differs_from_a_pull_request() {
        let shape = |state: &str, more: serde_json::Value| {
            let mut issue =
                json!({ "id": 70, "number": 8, "title": "A", "body": null, "state": state });
            issue
                .as_object_mut()
                .expect("an object")
                .extend(more.as_object().expect("an object").clone());
            issue
        };
        const GET: &str = "GET /repos/octo/hello/issues/8";
        let peer = Peer::script([
            found(GET, shape("open", json!({}))),
            found(
                GET,
                shape("closed", json!({ "pull_request": { "url": "x" } })),
            ),
            missing(GET),
        ]);
        let repository = repository(&peer).await;
        let issue = repository
            .issue_find(8)
            .await
            .expect("an answer")
            .expect("an issue");
        assert_eq!(
            (issue.state, issue.kind, issue.issue.id),
            (IssueState::Open, IssueKind::Issue, 70)
        );
        let pull = repository
            .issue_find(8)
            .await
            .expect("an answer")
            .expect("a pull request");
        assert_eq!(
            (pull.state, pull.kind),
            (IssueState::Closed, IssueKind::Pull)
        );
        assert_eq!(repository.issue_find(8).await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn labels_are_added_together_and_none_without_a_call() {
        let peer = Peer::script([found(POST, json!([]))]);
        let labels = ["a".to_owned(), "b c".to_owned()];
        repository(&peer)
            .await
            .labels_ensure(8, &labels)
            .await
            .expect("labels");
        assert_eq!(peer.heard(POST)[0].body, json!({ "labels": ["a", "b c"] }));
        repository(&peer)
            .await
            .labels_ensure(8, &[])
            .await
            .expect("nothing to do");
        peer.then([lost(POST)]);
        let error = repository(&peer)
            .await
            .labels_ensure(8, &labels)
            .await
            .expect_err("an error");
        assert_eq!(error.retry(), Retry::Outage);
    }
}
