//! Files that GitHub hands out at another address, such as archives and logs.
//!
//! GitHub answers with an address that holds its own secret, which is valid for minutes, so the
//! second request goes without our token. It goes only to the hosts that GitHub uses for such
//! files, and no further redirect is followed.

use crate::call::{AGENT, Call};
use crate::error::GithubError;
use crate::repository::Repository;
use bytes::Bytes;
use http::header::{LOCATION, USER_AGENT};
use http::{Request, Uri};
use http_body_util::LengthLimitError;
use std::error::Error;
use std::time::Duration;
use tokio::time::error::Elapsed;
use tower::ServiceExt;

/// What became of a request for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    File(Bytes),
    /// This GitHub gives no file that we could read. The reason is for the log.
    Unavailable(String),
}

const NOT_IMPLEMENTED: u16 = 501;

impl Repository {
    /// Downloads a file that is at GitHub itself or at an address that `serves` accepts.
    pub(crate) async fn download(
        &self,
        call: Call,
        serves: fn(&Uri, &Uri) -> bool,
        time_max: Duration,
    ) -> Result<Download, GithubError> {
        let operation = call.operation;
        let answer = match self.send(call).await {
            Ok(answer) => answer,
            Err(error) => return unavailable(error),
        };
        let Some(location) = answer.headers.get(LOCATION) else {
            return Ok(Download::File(answer.into_bytes()));
        };
        let (base, web) = self.outside();
        let target = location.to_str().ok().and_then(|text| text.parse().ok());
        let Some(target) = target.filter(|target| has_no_login(target) && serves(base, target))
        else {
            let text = "the file is at a host that GitHub does not use for such files";
            return Ok(Download::Unavailable(text.to_owned()));
        };
        let unclear = |source| GithubError::Unclear { operation, source };
        let mut request = Request::get(target)
            .header(USER_AGENT, AGENT)
            .body(Bytes::new())
            .map_err(|error| unclear(error.into()))?;
        request.extensions_mut().insert(time_max);
        let response = match web.oneshot(request).await {
            Ok(response) => response,
            Err(source) => return unavailable(unclear(source)),
        };
        match response.status().as_u16() {
            200 => Ok(Download::File(response.into_body())),
            status @ (429 | 500..=599) => Err(GithubError::Unavailable { operation, status }),
            status => Ok(Download::Unavailable(format!(
                "the file's host answered {status}"
            ))),
        }
    }
}

fn has_no_login(target: &Uri) -> bool {
    let name = target.authority();
    name.is_some_and(|name| !name.as_str().contains('@'))
}

/// Errors that another attempt would meet as well. What is missing is among them, and the caller's
/// next request says so.
fn unavailable(error: GithubError) -> Result<Download, GithubError> {
    let permanent = match &error {
        GithubError::NotThere { .. }
        | GithubError::NoAccess { .. }
        | GithubError::Moved { .. }
        | GithubError::Refused { .. } => true,
        GithubError::Unavailable { status, .. } => *status == NOT_IMPLEMENTED,
        GithubError::Unclear { source, .. } => is_too_much(source.as_ref()),
        _ => false,
    };
    if permanent {
        Ok(Download::Unavailable(error.to_string()))
    } else {
        Err(error)
    }
}

/// Whether the transport stopped at its limit on the response's size or time.
fn is_too_much(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<LengthLimitError>() || error.is::<Elapsed>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_that_never_ends_is_not_asked_for_again() {
        let time_max = Duration::from_secs(90);
        let late = tokio::time::timeout(time_max, std::future::pending::<()>());
        let late = late.await.expect_err("it is late");
        let answer = unavailable(GithubError::Unclear {
            operation: "read it",
            source: late.into(),
        });
        assert!(matches!(answer, Ok(Download::Unavailable(_))), "{answer:?}");
    }
}
