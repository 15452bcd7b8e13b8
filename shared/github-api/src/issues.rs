//! Issues, as they are now.

use crate::call::Call;
use crate::route::Route;
use crate::{GithubError, Repository};
use serde::Deserialize;

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
}
