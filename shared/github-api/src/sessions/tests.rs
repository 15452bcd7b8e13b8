//! Tokens against a scripted GitHub: how narrow they are, how long they are kept, and what follows
//! when GitHub refuses one.

use super::*;
use crate::testing::{NOW, Peer, Reply, api, found, missing, open, repository};
use domain::retry::{Retry, Retryable};

const MINT: &str = "POST /app/installations/7/access_tokens";
const DETAILS: &str = "GET /repos/octo/hello";

fn refused(message: &str) -> Value {
    json!({ "message": message })
}

#[test]
fn times_are_read() {
    for text in [
        "2026-11-20T10:00:00.000Z",
        "2000-02-29T23:59:59.000Z",
        "1970-01-01T00:00:00.000Z",
    ] {
        let short = text.replace(".000Z", "Z");
        assert_eq!(
            parse_utc(&short).map(|at| at.to_string()).as_deref(),
            Some(text)
        );
    }
    assert_eq!(parse_utc("2026-11-20T10:00:00+01:00"), None);
}

#[tokio::test]
async fn tokens_are_narrow() {
    let peer = Peer::script([]);
    let api = api(&peer);
    for (access, permissions) in [
        (
            Access::ReadFiles,
            json!({ "contents": "read", "metadata": "read" }),
        ),
        (
            Access::ReadIssues,
            json!({ "issues": "read", "metadata": "read" }),
        ),
        (
            Access::WritePulls,
            json!({ "contents": "write", "pull_requests": "write", "metadata": "read" }),
        ),
        (
            Access::WriteIssues,
            json!({ "issues": "write", "metadata": "read" }),
        ),
    ] {
        open(&api, access, NOW).await.expect("a repository");
        let heard = peer.heard(MINT).pop().expect("a request for a token");
        assert_eq!(
            heard.body,
            json!({ "repository_ids": [9], "permissions": permissions })
        );
        assert!(heard.authorization.starts_with("Bearer ey"));
    }
}

/// Two repositories of one installation have a token each, and neither is used for the other.
#[tokio::test]
async fn each_repository_has_its_own_token() {
    let peer = Peer::script([]);
    let api = api(&peer);
    for (number, name) in [(9, "hello"), (10, "other"), (9, "hello"), (10, "other")] {
        let opened = api.repository(
            InstallationId::new(7),
            "octo",
            name,
            RepositoryId::new(number),
            Access::ReadFiles,
            NOW,
        );
        let opened = opened.await.expect("a repository");
        peer.then([found(
            if number == 9 {
                DETAILS
            } else {
                "GET /repos/octo/other"
            },
            json!({ "id": number, "name": name, "full_name": format!("octo/{name}"),
                "owner": { "login": "octo", "id": 5 }, "default_branch": "main" }),
        )]);
        opened.details().await.expect("details");
    }
    let asked: Vec<_> = peer
        .heard(MINT)
        .into_iter()
        .map(|heard| heard.body["repository_ids"].clone())
        .collect();
    assert_eq!(asked, [json!([9]), json!([10])]);
    assert_eq!(used(&peer, DETAILS), ["Bearer ghs_1", "Bearer ghs_1"]);
    let other = used(&peer, "GET /repos/octo/other");
    assert_eq!(other, ["Bearer ghs_2", "Bearer ghs_2"]);
}

#[tokio::test]
async fn tokens_are_kept_until_shortly_before_they_expire() {
    let peer = Peer::script([]);
    let api = api(&peer);
    for (minutes, mints) in [(0, 1), (54, 1), (56, 2), (57, 2)] {
        open(
            &api,
            Access::ReadFiles,
            NOW.plus(Duration::from_secs(minutes * 60)),
        )
        .await
        .expect("a repository");
        assert_eq!(peer.heard(MINT).len(), mints, "after {minutes} minutes");
    }
}

#[tokio::test]
async fn one_token_for_all_who_wait() {
    let peer = Peer::script([]);
    let api = api(&peer);
    let (a, b, c) = tokio::join!(
        open(&api, Access::ReadFiles, NOW),
        open(&api, Access::ReadFiles, NOW),
        open(&api, Access::ReadFiles, NOW)
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(peer.heard(MINT).len(), 1);
}

fn used(peer: &Peer, line: &str) -> Vec<String> {
    let heard = peer.heard(line).into_iter();
    heard.map(|heard| heard.authorization).collect()
}

/// The token was minted long ago: it is dropped, and a read is sent once more.
#[tokio::test(start_paused = true)]
async fn a_read_is_repeated_with_another_token() {
    let peer = Peer::script([]);
    let api = api(&peer);
    open(&api, Access::ReadFiles, NOW)
        .await
        .expect("a repository");
    let later = NOW.plus(NEW_FOR);
    let repository = open(&api, Access::ReadFiles, later)
        .await
        .expect("a repository");
    peer.then([
        (DETAILS, Reply::json(401, refused("Bad credentials"))),
        found(DETAILS, json!({})),
    ]);
    let started = tokio::time::Instant::now();
    repository.details().await.expect_err("an empty answer");
    assert_eq!(used(&peer, DETAILS), ["Bearer ghs_1", "Bearer ghs_2"]);
    assert_eq!(
        started.elapsed(),
        Duration::ZERO,
        "the old token is not waited for"
    );
    peer.assert_done();
}

/// GitHub does not know a new token for seconds: the same one is tried again, and no other is
/// minted before seven seconds are over.
#[tokio::test(start_paused = true)]
async fn a_new_token_is_tried_again_for_seconds() {
    const CREATE: &str = "POST /repos/octo/hello/git/refs";
    let unknown = |line| (line, Reply::json(401, refused("Bad credentials")));
    let unscoped = || {
        let message = "Resource not accessible by integration";
        (CREATE, Reply::json(403, refused(message)))
    };
    let peer = Peer::script([unknown(CREATE), unknown(CREATE), unscoped(), unscoped()]);
    peer.then([(CREATE, Reply::json(201, json!({})))]);
    repository(&peer)
        .await
        .branch_create("b", "s1")
        .await
        .expect("a branch");
    assert_eq!((peer.heard(MINT).len(), peer.heard(CREATE).len()), (1, 5));

    let peer = Peer::script([]);
    let started = tokio::time::Instant::now();
    for _ in 0..=NEW_TOKEN_WAITS.len() {
        peer.then([unknown(DETAILS)]);
    }
    let error = repository(&peer)
        .await
        .details()
        .await
        .expect_err("an error");
    assert!(
        started.elapsed() >= Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        error.retry(),
        Retry::Soon,
        "no alarm: the App's key is good"
    );
    assert_eq!(peer.heard(MINT).len(), 1);
    repository(&peer).await;
    assert_eq!(
        peer.heard(MINT).len(),
        2,
        "the next attempt has another token"
    );
    peer.assert_done();
}

/// A repository that was transferred is opened at the new owner's installation.
#[tokio::test]
async fn a_transferred_repository_is_followed() {
    let gone = "There is at least one repository that does not exist or is not accessible to the parent installation.";
    let moved = || {
        let to = "https://github.test/repositories/9/installation";
        let body = json!({ "message": "Moved Permanently", "url": to });
        (
            "GET /repos/octo/hello/installation",
            Reply::with(301, &[("location", to)], body),
        )
    };
    let by_number = "GET /repositories/9/installation";
    let peer = Peer::script([
        (MINT, Reply::json(422, refused(gone))),
        moved(),
        found(by_number, json!({ "id": 8 })),
        (
            "POST /app/installations/8/access_tokens",
            Reply::json(201, json!({ "token": "ghs_8" })),
        ),
    ]);
    assert!(open(&api(&peer), Access::WritePulls, NOW).await.is_ok());
    peer.assert_done();
    // Nobody else has it, or the App is not installed there: the first answer stands.
    for answer in [found(by_number, json!({ "id": 7 })), missing(by_number)] {
        let peer = Peer::script([(MINT, Reply::json(422, refused(gone))), moved(), answer]);
        let error = open(&api(&peer), Access::WritePulls, NOW)
            .await
            .err()
            .expect("an error");
        assert!(error.to_string().contains("parent installation"), "{error}");
        peer.assert_done();
    }
}

#[tokio::test]
async fn refused_tokens_have_a_cause() {
    let alarm = Retry::Alarm(Duration::from_secs(300));
    for (status, message, expected) in [
        (401, "A JSON web token could not be decoded", alarm),
        (403, "Forbidden", alarm),
        (403, "This installation has been suspended", Retry::Never),
        (404, "Not Found", Retry::Never),
        (
            422,
            "The permissions requested are not granted to this installation.",
            Retry::Never,
        ),
        (502, "", Retry::Outage),
    ] {
        let peer = Peer::script([(MINT, Reply::json(status, refused(message)))]);
        if expected == Retry::Never {
            // The repository may have been transferred to another installation.
            peer.then([missing("GET /repos/octo/hello/installation")]);
        }
        let error = open(&api(&peer), Access::ReadFiles, NOW)
            .await
            .err()
            .expect("an error");
        assert_eq!(error.retry(), expected, "{status} {message}");
        peer.assert_done();
    }
}

#[tokio::test]
async fn tokens_are_never_printed() {
    let odd = Reply::json(201, json!({ "token": ["ghs_canary"] }));
    let peer = Peer::script([(MINT, odd)]);
    let error = open(&api(&peer), Access::ReadFiles, NOW)
        .await
        .err()
        .expect("an error");
    let failure = domain::retry::Failure::from(error);
    let shown = format!("{failure:?} {failure}");
    assert!(!shown.contains("canary"), "{shown}");
}
