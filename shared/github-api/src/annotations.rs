//! What a failed check run says: its annotations, and the log of its job if GitHub Actions ran it.

use crate::call::Call;
use crate::downloads::Download;
use crate::error::GithubError;
use crate::repository::Repository;
use crate::route::Route;
use http::Uri;
use serde::Deserialize;
use std::time::Duration;

/// A log is text that is stored already.
const TIME_MAX: Duration = Duration::from_secs(5);
const PER_PAGE: &str = "50";
/// Where GitHub keeps logs: its own service, and the storage behind it. They are among the hosts that
/// runners need (docs.github.com, "Self-hosted runners reference", communication requirements).
const LOG_HOSTS: [&str; 2] = [".actions.githubusercontent.com", ".blob.core.windows.net"];

/// What a check says about a place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Annotation {
    pub path: String,
    pub start_line: u64,
    #[serde(rename = "annotation_level")]
    pub level: Option<String>,
    pub message: Option<String>,
}

impl Repository {
    /// The first annotations of a check run.
    pub async fn annotations_list(&self, run: u64) -> Result<Vec<Annotation>, GithubError> {
        let route = Route::new("/check-runs/")
            .segment(&run.to_string())
            .fixed("/annotations")
            .query("per_page", PER_PAGE);
        let call = Call::get("read a check run's annotations", route);
        self.send(call).await?.read()
    }

    /// The log of the job behind a check run of GitHub Actions, which has the same id.
    pub async fn log_load(&self, run: u64) -> Result<Download, GithubError> {
        let route = Route::new("/actions/jobs/")
            .segment(&run.to_string())
            .fixed("/logs");
        let call = Call::get_file("read a job's log", route);
        self.download(call, serves_logs, TIME_MAX).await
    }
}

/// Whether the address is where GitHub keeps logs. A server of one's own serves them itself.
fn serves_logs(base: &Uri, target: &Uri) -> bool {
    let (Some(ours), Some(theirs)) = (base.host(), target.host()) else {
        return false;
    };
    let theirs = theirs.to_ascii_lowercase();
    let is_githubs = target.scheme_str() == Some("https")
        && target.port_u16().is_none()
        && LOG_HOSTS.iter().any(|host| theirs.ends_with(host));
    let is_same = theirs.eq_ignore_ascii_case(ours)
        && target.scheme() == base.scheme()
        && target.port_u16() == base.port_u16();
    is_githubs || is_same
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, found, missing, repository};
    use bytes::Bytes;
    use serde_json::json;

    const LIST: &str = "GET /repos/octo/hello/check-runs/7/annotations?per_page=50";
    const LOG: &str = "GET /repos/octo/hello/actions/jobs/7/logs";
    const HOP: &str = "GET results.actions.githubusercontent.com/log?sig=s";

    #[tokio::test]
    async fn annotations_name_places() {
        let said = json!([
            { "path": "src/a.rs", "start_line": 4, "end_line": 5, "annotation_level": "failure",
              "title": null, "message": "expected `;`", "raw_details": null },
            { "path": ".github", "start_line": 1, "annotation_level": null, "message": null },
        ]);
        let peer = Peer::script([found(LIST, said)]);
        let found = repository(&peer).await.annotations_list(7).await;
        let found = found.expect("annotations");
        assert_eq!(found.len(), 2);
        assert_eq!(
            (
                found[0].path.as_str(),
                found[0].start_line,
                found[0].message.as_deref()
            ),
            ("src/a.rs", 4, Some("expected `;`"))
        );
    }

    #[tokio::test]
    async fn a_log_is_fetched_only_where_github_keeps_logs() {
        let at = |location: &str| (LOG, Reply::with(302, &[("location", location)], json!("")));
        let link = "https://results.actions.githubusercontent.com/log?sig=s";
        let peer = Peer::script([at(link), (HOP, Reply::json(200, json!("red")))]);
        let log = repository(&peer).await.log_load(7).await.expect("a log");
        assert_eq!(log, Download::File(Bytes::from_static(b"\"red\"")));
        assert_eq!(
            peer.heard(HOP)[0].authorization,
            "",
            "no token leaves GitHub"
        );
        for location in [
            "https://evil.test/log",
            "https://actions.githubusercontent.com.evil.test/log",
            "http://results.actions.githubusercontent.com/log",
            "https://results.actions.githubusercontent.com:444/log",
            "https://me@results.actions.githubusercontent.com/log",
            "https://x.blob.core.windows.net.evil.test/log",
        ] {
            let peer = Peer::script([at(location)]);
            let log = repository(&peer)
                .await
                .log_load(7)
                .await
                .expect("an answer");
            assert!(matches!(log, Download::Unavailable(_)), "{location}");
        }
        let peer = Peer::script([missing(LOG)]);
        let log = repository(&peer)
            .await
            .log_load(7)
            .await
            .expect("an answer");
        assert!(matches!(log, Download::Unavailable(_)));
    }
}
