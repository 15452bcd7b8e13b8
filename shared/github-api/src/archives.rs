//! The archive of a commit: all files of a repository in one gzip-compressed tar file
//! (docs.github.com, "Download a repository archive (tar)").

use crate::call::Call;
use crate::downloads::Download;
use crate::error::GithubError;
use crate::repository::Repository;
use crate::route::Route;
use http::Uri;
use std::time::Duration;

/// GitHub builds an archive while it sends it.
const TIME_MAX: Duration = Duration::from_secs(90);

impl Repository {
    /// Downloads all files at a commit.
    pub async fn archive(&self, commit_sha: &str) -> Result<Download, GithubError> {
        let route = Route::new("/tarball/").segment(commit_sha);
        let call = Call::get_file("read the repository's archive", route);
        self.download(call, serves_archives, TIME_MAX).await
    }
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
    target.scheme() == base.scheme() && target.port_u16() == base.port_u16() && same_host
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, missing, repository};
    use bytes::Bytes;
    use domain::retry::{Retry, Retryable};
    use serde_json::json;

    const GET: &str = "GET /repos/octo/hello/tarball/abc";
    const HOP: &str = "GET codeload.github.test/octo/hello/legacy.tar.gz/abc?token=t";

    fn at(location: &str) -> (&'static str, Reply) {
        (GET, Reply::with(302, &[("location", location)], json!("")))
    }

    async fn asked<const N: usize>(
        steps: [(&'static str, Reply); N],
    ) -> (Result<Download, GithubError>, Peer) {
        let peer = Peer::script(steps);
        let answer = repository(&peer).await.archive("abc").await;
        peer.assert_done();
        (answer, peer)
    }

    #[tokio::test]
    async fn one_hop_is_followed_without_the_token() {
        let link = "https://codeload.github.test/octo/hello/legacy.tar.gz/abc?token=t";
        let (answer, peer) = asked([at(link), (HOP, Reply::json(200, json!("packed")))]).await;
        let packed = Download::File(Bytes::from_static(b"\"packed\""));
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
            assert!(matches!(answer, Download::Unavailable(_)), "{location}");
        }
    }

    #[tokio::test]
    async fn a_second_hop_is_not_followed() {
        let link = "https://codeload.github.test/octo/hello/legacy.tar.gz/abc?token=t";
        let again = Reply::with(302, &[("location", link)], json!(""));
        let (answer, _) = asked([at(link), (HOP, again)]).await;
        assert!(matches!(answer, Ok(Download::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_github_without_archives_is_no_failure_and_an_outage_is() {
        let refused = |status| (GET, Reply::json(status, json!({ "message": "no" })));
        for step in [missing(GET), refused(403), refused(422), refused(501)] {
            let (answer, _) = asked([step]).await;
            assert!(matches!(answer, Ok(Download::Unavailable(_))), "{answer:?}");
        }
        let link = "https://codeload.github.test/octo/hello/legacy.tar.gz/abc?token=t";
        let down = |status| (HOP, Reply::json(status, json!("")));
        for steps in [[at(link), down(503)], [at(link), (HOP, Reply::Lost)]] {
            let (answer, _) = asked(steps).await;
            assert_eq!(answer.expect_err("an error").retry(), Retry::Outage);
        }
    }
}
