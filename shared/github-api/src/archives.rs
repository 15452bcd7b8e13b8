//! The archive of a commit: all files of a repository in one download.
//!
//! GitHub answers with the address of the archive on another host: `codeload.` and its own name.
//! The address holds its own secret, which is valid for five minutes, so the second request goes
//! without our token. It goes only to the hosts that GitHub uses, and no further redirect is
//! followed (docs.github.com, "Download a repository archive (tar)").

use crate::call::{AGENT, Call};
use crate::error::GithubError;
use crate::repository::Repository;
use crate::route::Route;
use bytes::Bytes;
use http::header::{LOCATION, USER_AGENT};
use http::{Request, Uri};
use http_body_util::LengthLimitError;
use std::error::Error;
use std::time::Duration;
use tokio::time::error::Elapsed;
use tower::ServiceExt;

/// What became of a request for an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Archive {
    /// A gzip-compressed tar archive.
    Packed(Bytes),
    /// This GitHub gives no archive that we could read. The reason is for the log.
    Unavailable(String),
}

const OPERATION: &str = "read the repository's archive";
/// GitHub builds the archive while it sends it.
const TIME_MAX: Duration = Duration::from_secs(90);
const NOT_IMPLEMENTED: u16 = 501;

impl Repository {
    /// Downloads all files at a commit.
    pub async fn archive(&self, commit_sha: &str) -> Result<Archive, GithubError> {
        let route = Route::new("/tarball/").segment(commit_sha);
        let answer = match self.send(Call::get_file(OPERATION, route)).await {
            Ok(answer) => answer,
            Err(error) => return unavailable(error),
        };
        let Some(location) = answer.headers.get(LOCATION) else {
            return Ok(Archive::Packed(answer.into_bytes()));
        };
        let (base, web) = self.outside();
        let target = location.to_str().ok().and_then(|text| text.parse().ok());
        let Some(target) = target.filter(|target| serves_archives(base, target)) else {
            let text = "the archive is at a host that GitHub does not use for archives";
            return Ok(Archive::Unavailable(text.to_owned()));
        };
        let mut request = Request::get(target)
            .header(USER_AGENT, AGENT)
            .body(Bytes::new())
            .map_err(|error| unclear(error.into()))?;
        request.extensions_mut().insert(TIME_MAX);
        let response = match web.oneshot(request).await {
            Ok(response) => response,
            Err(source) => return unavailable(unclear(source)),
        };
        match response.status().as_u16() {
            200 => Ok(Archive::Packed(response.into_body())),
            status @ (429 | 500..=599) => Err(GithubError::Unavailable {
                operation: OPERATION,
                status,
            }),
            status => Ok(Archive::Unavailable(format!(
                "the archive's host answered {status}"
            ))),
        }
    }
}

fn unclear(source: Box<dyn Error + Send + Sync>) -> GithubError {
    GithubError::Unclear {
        operation: OPERATION,
        source,
    }
}

/// Errors that another attempt would meet as well. A missing commit is among them, and the caller's
/// next request says so.
fn unavailable(error: GithubError) -> Result<Archive, GithubError> {
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
        Ok(Archive::Unavailable(error.to_string()))
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

/// Whether the address is where the GitHub at `base` keeps its archives: on its own host, as
/// servers without subdomains do, or on `codeload.` and its name without `api.`.
fn serves_archives(base: &Uri, target: &Uri) -> bool {
    let (Some(ours), Some(theirs)) = (base.host(), target.host()) else {
        return false;
    };
    let plain = ours.strip_prefix("api.").unwrap_or(ours);
    let same_host = theirs.eq_ignore_ascii_case(ours)
        || theirs
            .to_ascii_lowercase()
            .strip_prefix("codeload.")
            .is_some_and(|rest| rest.eq_ignore_ascii_case(plain));
    let no_login = target
        .authority()
        .is_some_and(|name| !name.as_str().contains('@'));
    target.scheme() == base.scheme()
        && target.port_u16() == base.port_u16()
        && same_host
        && no_login
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, missing, repository};
    use domain::retry::{Retry, Retryable};
    use serde_json::json;

    const GET: &str = "GET /repos/octo/hello/tarball/abc";
    const HOP: &str = "GET codeload.github.test/octo/hello/legacy.tar.gz/abc?token=t";

    fn at(location: &str) -> (&'static str, Reply) {
        (GET, Reply::with(302, &[("location", location)], json!("")))
    }

    async fn asked<const N: usize>(
        steps: [(&'static str, Reply); N],
    ) -> (Result<Archive, GithubError>, Peer) {
        let peer = Peer::script(steps);
        let answer = repository(&peer).await.archive("abc").await;
        peer.assert_done();
        (answer, peer)
    }

    #[tokio::test]
    async fn one_hop_is_followed_without_the_token() {
        let link = "https://codeload.github.test/octo/hello/legacy.tar.gz/abc?token=t";
        let (answer, peer) = asked([at(link), (HOP, Reply::json(200, json!("packed")))]).await;
        let packed = Archive::Packed(Bytes::from_static(b"\"packed\""));
        assert_eq!(answer.expect("an answer"), packed);
        assert!(peer.heard(GET)[0].authorization.contains("ghs_"));
        assert_eq!(
            peer.heard(HOP)[0].authorization,
            "",
            "no token leaves GitHub"
        );
        // Without a hop.
        let (answer, _) = asked([(GET, Reply::json(200, json!("packed")))]).await;
        assert_eq!(answer.expect("an answer"), packed);
    }

    #[tokio::test]
    async fn no_other_host_is_asked() {
        for location in [
            "https://codeload.evil.test/x",
            "https://evil.test/x",
            "https://codeload.github.test.evil.test/x",
            "http://codeload.github.test/x",
            "https://codeload.github.test:444/x",
            "https://me@codeload.github.test/x",
            "/relative",
            "nothing at all",
        ] {
            let (answer, _) = asked([at(location)]).await;
            let answer = answer.expect("an answer");
            assert!(matches!(answer, Archive::Unavailable(_)), "{location}");
        }
    }

    #[tokio::test]
    async fn a_second_hop_is_not_followed() {
        let link = "https://codeload.github.test/octo/hello/legacy.tar.gz/abc?token=t";
        let again = Reply::with(302, &[("location", link)], json!(""));
        let (answer, _) = asked([at(link), (HOP, again)]).await;
        assert!(matches!(answer, Ok(Archive::Unavailable(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_archive_that_never_ends_is_not_asked_for_again() {
        let late = tokio::time::timeout(TIME_MAX, std::future::pending::<()>());
        let late = late.await.expect_err("it is late");
        let answer = unavailable(unclear(late.into()));
        assert!(matches!(answer, Ok(Archive::Unavailable(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn a_github_without_archives_is_no_failure_and_an_outage_is() {
        let refused = |status| (GET, Reply::json(status, json!({ "message": "no" })));
        for step in [missing(GET), refused(403), refused(422), refused(501)] {
            let (answer, _) = asked([step]).await;
            assert!(matches!(answer, Ok(Archive::Unavailable(_))), "{answer:?}");
        }
        let link = "https://codeload.github.test/octo/hello/legacy.tar.gz/abc?token=t";
        let down = |status| (HOP, Reply::json(status, json!("")));
        for steps in [[at(link), down(503)], [at(link), (HOP, Reply::Lost)]] {
            let (answer, _) = asked(steps).await;
            assert_eq!(answer.expect_err("an error").retry(), Retry::Outage);
        }
    }
}
