//! Issues, as they are now, and their labels. A pull request is an issue here too.

use crate::call::Call;
use crate::route::Route;
use crate::{GithubError, Repository};
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

#[derive(Deserialize)]
struct IssueShape {
    state: String,
}

impl Repository {
    /// Where an issue stands. Events may come late or in the wrong order, so before work begins the issue itself is asked.
    pub async fn issue_state(&self, number: u64) -> Result<IssueState, GithubError> {
        let Some(answer) = self.send_for(Call::get("read the issue", Route::new("/issues/").number(number))).await?
        else {
            return Ok(IssueState::Gone);
        };
        let shape: IssueShape = answer.read()?;
        Ok(if shape.state == "closed" { IssueState::Closed } else { IssueState::Open })
    }

    /// Sees to it that an issue or pull request has these labels, besides those it has. GitHub makes the ones that the
    /// repository does not know yet; without any, nobody is asked.
    pub async fn labels_ensure(&self, number: u64, labels: &[String]) -> Result<(), GithubError> {
        if labels.is_empty() {
            return Ok(());
        }
        let route = Route::new("/issues/").number(number).fixed("/labels");
        self.send(Call::post("set the labels", route, json!({ "labels": labels }))).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, found, lost, repository};
    use domain::retry::{Retry, Retryable};

    const POST: &str = "POST /repos/octo/hello/issues/8/labels";

    #[tokio::test]
    async fn labels_are_added_together_and_none_without_a_call() {
        let peer = Peer::script([found(POST, json!([]))]);
        let labels = ["a".to_owned(), "b c".to_owned()];
        repository(&peer).await.labels_ensure(8, &labels).await.expect("labels");
        assert_eq!(peer.heard(POST)[0].body, json!({ "labels": ["a", "b c"] }));
        repository(&peer).await.labels_ensure(8, &[]).await.expect("nothing to do");
        peer.then([lost(POST)]);
        let error = repository(&peer).await.labels_ensure(8, &labels).await.expect_err("an error");
        assert_eq!(error.retry(), Retry::Soon);
    }
}
