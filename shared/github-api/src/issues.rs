//! Issues, as they are now, and their labels. A pull request is an issue here too.

use crate::call::Call;
use crate::route::Route;
use crate::{GithubError, Repository};
use domain::inbox::events::Issue;
use serde::Deserialize;
use serde_json::json;

/// Whether an issue still wants to be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueState {
    /// It does.
    Open,
    /// Somebody closed it.
    Closed,
    /// It was deleted or moved away.
    Gone,
}

/// What stands behind an issue's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueKind {
    /// An issue.
    Issue,
    /// A pull request.
    Pull,
}

/// An issue as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueFound {
    /// What it says.
    pub issue: Issue,
    /// Where it stands.
    pub state: IssueState,
    /// What it is.
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
    /// Where an issue stands. Events may come late or in the wrong order, so before work begins the issue itself is asked.
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

    /// An issue as it is now, for who has only its number.
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

    /// Sees to it that an issue or pull request has these labels, besides those it has. GitHub makes the ones that the
    /// repository does not know yet; without any, nobody is asked.
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
    async fn an_issue_is_told_from_a_pull_request() {
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
        assert_eq!(error.retry(), Retry::Soon);
    }
}
