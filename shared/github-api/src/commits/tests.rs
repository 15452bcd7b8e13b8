//! One commit, made once, whatever gets lost.

use super::*;
use crate::testing::{Peer, Reply, found, lost, made, missing, refused, repository};
use domain::jobs::pulls::FileEdit;
use domain::retry::{Retry, Retryable};

const HEAD: &str = "GET /repos/octo/hello/git/ref/heads/tallyhook/job_1";
const BASE: &str = "GET /repos/octo/hello/git/commits/base";
const OURS: &str = "GET /repos/octo/hello/git/commits/c1";
const BEFORE: &str = "GET /repos/octo/hello/git/trees/base?recursive=1";
const TREE: &str = "POST /repos/octo/hello/git/trees";
const COMMIT: &str = "POST /repos/octo/hello/git/commits";
const REF: &str = "POST /repos/octo/hello/git/refs";

type Step = (&'static str, Reply);

fn head(sha: &str) -> Step {
    found(HEAD, json!({ "object": { "sha": sha } }))
}

fn commit(line: &'static str, message: &str) -> Step {
    found(
        line,
        json!({ "sha": "x", "message": message, "tree": { "sha": "t0" } }),
    )
}

fn before() -> Step {
    let entry =
        |path, mode| json!({ "path": path, "mode": mode, "type": "blob", "sha": "b", "size": 1 });
    let entries = json!([
        entry("run.sh", "100755"),
        entry("old.txt", "100644"),
        entry("link", "120000")
    ]);
    found(
        BEFORE,
        json!({ "sha": "t0", "tree": entries, "truncated": false }),
    )
}

fn objects() -> [Step; 5] {
    [
        missing(HEAD),
        commit(BASE, "base"),
        before(),
        made(TREE, json!({ "sha": "t1" })),
        made(COMMIT, json!({ "sha": "c1" })),
    ]
}

fn changes() -> Vec<FileChange> {
    let write = |path: &str| FileChange {
        path: path.to_owned(),
        change: FileEdit::Write("new".to_owned()),
    };
    let delete = |path: &str| FileChange {
        path: path.to_owned(),
        change: FileEdit::Delete,
    };
    vec![
        write("run.sh"),
        write("a b.txt"),
        delete("old.txt"),
        delete("never.txt"),
    ]
}

async fn ensure(peer: &Peer, changes: &[FileChange]) -> Result<Committed, GithubError> {
    let order = CommitOrder {
        branch: "tallyhook/job_1",
        base_sha: "base",
        changes,
        message: "Fix it\n",
        marker: "Tallyhook-Job: job_1",
    };
    repository(peer).await.commit_ensure(&order).await
}

#[tokio::test]
async fn one_commit_holds_all_changes() {
    let peer = Peer::script(objects());
    peer.then([made(REF, json!({}))]);
    let made = ensure(&peer, &changes()).await.expect("a commit");
    assert_eq!(
        made,
        Committed::Created {
            sha: "c1".to_owned()
        }
    );
    let tree = &peer.heard(TREE)[0].body;
    assert_eq!(tree["base_tree"], "t0");
    let entry = |path: &str, mode: &str| json!({ "path": path, "mode": mode, "type": "blob", "content": "new" });
    let deleted = json!({ "path": "old.txt", "mode": "100644", "type": "blob", "sha": null });
    let expected = json!([
        deleted,
        entry("run.sh", "100755"),
        entry("a b.txt", "100644")
    ]);
    assert_eq!(tree["tree"], expected);
    assert_eq!(
        peer.heard(COMMIT)[0].body,
        json!({ "message": "Fix it\n\nTallyhook-Job: job_1", "tree": "t1", "parents": ["base"] }),
        "an explicit author or committer would leave the commit unverified"
    );
    assert_eq!(
        peer.heard(REF)[0].body,
        json!({ "ref": "refs/heads/tallyhook/job_1", "sha": "c1" })
    );
    peer.assert_done();
}

#[tokio::test]
async fn a_second_time_finds_the_first() {
    let peer = Peer::script([head("c1"), commit(OURS, "Fix it\n\nTallyhook-Job: job_1")]);
    let found = ensure(&peer, &changes()).await.expect("a commit");
    assert_eq!(
        found,
        Committed::AlreadyThere {
            sha: "c1".to_owned()
        }
    );
    peer.assert_done();
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_by_the_next_attempt() {
    for call in [TREE, COMMIT, REF] {
        let peer = Peer::script([]);
        for step in objects().into_iter().chain([made(REF, json!({}))]) {
            if step.0 == call {
                peer.then([lost(call)]);
                break;
            }
            peer.then([step]);
        }
        let error = ensure(&peer, &changes()).await.expect_err("an error");
        assert_eq!(error.retry(), Retry::Outage, "{error}");
        peer.then([head("c1"), commit(OURS, "Tallyhook-Job: job_1")]);
        assert!(
            matches!(
                ensure(&peer, &changes()).await,
                Ok(Committed::AlreadyThere { .. })
            ),
            "{call}"
        );
        peer.assert_done();
    }
}

#[tokio::test]
async fn a_branch_that_came_meanwhile_is_adopted_if_ours() {
    let exists = || refused(REF, "Reference already exists");
    let other = "GET /repos/octo/hello/git/commits/c9";
    for (steps, expected) in [
        (vec![head("c1")], Ok(())),
        (
            vec![head("c9"), commit(other, "x\nTallyhook-Job: job_1\n")],
            Ok(()),
        ),
        (
            vec![head("c9"), commit(other, "x Tallyhook-Job: job_1")],
            Err(Retry::Never),
        ),
        (vec![head("c9"), missing(other)], Err(Retry::Soon)),
        (vec![missing(HEAD)], Err(Retry::Soon)),
    ] {
        let peer = Peer::script(objects());
        peer.then([exists()]);
        for step in steps {
            peer.then([step]);
        }
        let result = ensure(&peer, &changes()).await;
        assert_eq!(result.map(|_| ()).map_err(|error| error.retry()), expected);
        peer.assert_done();
    }
}

#[tokio::test]
async fn foreign_branches_and_lost_bases_end_it() {
    let peer = Peer::script([head("c1"), commit(OURS, "Tallyhook-Job: job_10")]);
    assert!(matches!(
        ensure(&peer, &changes()).await,
        Err(GithubError::BranchTaken { .. })
    ));
    let peer = Peer::script([missing(HEAD), missing(BASE)]);
    assert!(matches!(
        ensure(&peer, &changes()).await,
        Err(GithubError::BaseGone { .. })
    ));
}

#[tokio::test]
async fn nothing_is_no_commit() {
    let gone = [FileChange {
        path: "never.txt".to_owned(),
        change: FileEdit::Delete,
    }];
    let peer = Peer::script([missing(HEAD), commit(BASE, "base"), before()]);
    assert!(matches!(
        ensure(&peer, &gone).await,
        Err(GithubError::NoChanges { .. })
    ));
    let same = made(TREE, json!({ "sha": "t0" }));
    let peer = Peer::script([missing(HEAD), commit(BASE, "base"), before(), same]);
    assert!(matches!(
        ensure(&peer, &changes()).await,
        Err(GithubError::NoChanges { .. })
    ));
    peer.assert_done();
}

const ADVANCE: &str = "PATCH /repos/octo/hello/git/refs/heads/tallyhook/job_1";
const SECOND: &str = "GET /repos/octo/hello/git/commits/c2";

async fn append(peer: &Peer) -> Result<Appended, GithubError> {
    let order = CommitOrder {
        branch: "tallyhook/job_1",
        base_sha: "base",
        changes: &changes(),
        message: "Fix it",
        marker: "Tallyhook-Repair: 1",
    };
    repository(peer).await.commit_append(&order, "c1").await
}

/// A commit as GitHub shows it, on top of this parent.
fn on_top_of(line: &'static str, parent: &str, message: &str) -> Step {
    let parents = json!([{ "sha": parent }]);
    found(
        line,
        json!({ "sha": "x", "message": message, "tree": { "sha": "t0" }, "parents": parents }),
    )
}

fn appending() -> [Step; 5] {
    [
        head("c1"),
        commit(BASE, "base"),
        before(),
        made(TREE, json!({ "sha": "t2" })),
        made(COMMIT, json!({ "sha": "c2" })),
    ]
}

fn done() -> Appended {
    Appended::Done {
        sha: "c2".to_owned(),
    }
}

#[tokio::test]
async fn a_repair_follows_our_commit() {
    let peer = Peer::script(appending());
    peer.then([found(ADVANCE, json!({}))]);
    assert_eq!(append(&peer).await.expect("a commit"), done());
    let commit = &peer.heard(COMMIT)[0].body;
    assert_eq!(commit["parents"], json!(["c1"]));
    assert_eq!(commit["message"], "Fix it\n\nTallyhook-Repair: 1");
    assert_eq!(
        peer.heard(TREE)[0].body["base_tree"],
        "t0",
        "the base's files with the whole change"
    );
    let moved = json!({ "sha": "c2", "force": false });
    assert_eq!(peer.heard(ADVANCE)[0].body, moved);
    peer.assert_done();
}

#[tokio::test]
async fn a_repair_whose_answer_was_lost_is_found() {
    let ours = || on_top_of(SECOND, "c1", "Fix it\n\nTallyhook-Repair: 1");
    let peer = Peer::script(appending());
    peer.then([lost(ADVANCE)]);
    let error = append(&peer).await.expect_err("an error");
    assert_eq!(error.retry(), Retry::Outage);
    peer.then([head("c2"), ours()]);
    assert_eq!(append(&peer).await.expect("a commit"), done());
    peer.assert_done();
}

#[tokio::test]
async fn what_others_push_is_left_as_it_is() {
    let not_ours = [
        vec![missing(HEAD)],
        vec![head("c2"), on_top_of(SECOND, "c1", "Theirs")],
        // Somebody wrote our line, but not on top of our commit.
        vec![head("c2"), on_top_of(SECOND, "c0", "Tallyhook-Repair: 1")],
        vec![head("c2"), on_top_of(SECOND, "c1", "Tallyhook-Repair: 2")],
        vec![head("c2"), missing(SECOND)],
    ];
    for steps in not_ours {
        let peer = Peer::script([]);
        for step in steps {
            peer.then([step]);
        }
        assert_eq!(append(&peer).await.expect("an answer"), Appended::Overtaken);
        peer.assert_done();
    }
    for refusal in ["Update is not a fast forward", "Reference does not exist"] {
        let peer = Peer::script(appending());
        peer.then([
            refused(ADVANCE, refusal),
            head("c2"),
            on_top_of(SECOND, "c1", "Theirs"),
        ]);
        assert_eq!(append(&peer).await.expect("an answer"), Appended::Overtaken);
        peer.assert_done();
    }
}
