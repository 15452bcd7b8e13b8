//! The checks of a commit: its check runs, which Apps such as GitHub Actions make, and its commit
//! statuses, which older services set.

use crate::call::Call;
use crate::error::GithubError;
use crate::repository::Repository;
use crate::route::Route;
use domain::jobs::checks::{Check, CheckId, CheckMaker, CheckState, CheckWords};
use domain::time::Timestamp;
use serde::Deserialize;

/// The most pages of 100 that are read of each kind. GitHub itself shows the check runs of at most
/// 1,000 check suites of a commit.
const PAGES_MAX: u64 = 10;
const PER_PAGE: u64 = 100;
/// The App that runs workflows. Its check runs have the ids of the jobs behind them.
const ACTIONS: &str = "github-actions";
const WORKFLOWS: &str = ".github/workflows";

#[derive(Deserialize)]
struct RunsShape {
    #[serde(default)]
    total_count: u64,
    #[serde(default)]
    check_runs: Vec<RunShape>,
}

#[derive(Deserialize)]
struct RunShape {
    id: u64,
    name: String,
    status: String,
    conclusion: Option<String>,
    completed_at: Option<String>,
    app: Option<AppShape>,
    #[serde(default)]
    output: OutputShape,
}

#[derive(Default, Deserialize)]
struct OutputShape {
    title: Option<String>,
    summary: Option<String>,
    text: Option<String>,
    #[serde(default)]
    annotations_count: u64,
}

#[derive(Deserialize)]
struct AppShape {
    id: u64,
    slug: Option<String>,
}

#[derive(Deserialize)]
struct CombinedShape {
    #[serde(default)]
    total_count: u64,
    #[serde(default)]
    statuses: Vec<StatusShape>,
}

#[derive(Deserialize)]
struct StatusShape {
    context: String,
    state: String,
    updated_at: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct EntryShape {
    name: String,
}

impl Repository {
    /// The newest check runs and statuses of a commit. A token needs the permissions to read checks
    /// and statuses.
    pub async fn checks_list(&self, sha: &str) -> Result<Vec<Check>, GithubError> {
        let mut checks = Vec::new();
        for page in 1..=PAGES_MAX {
            let route = commit(sha).fixed("/check-runs");
            let call = Call::get("read the check runs", paged(route, page));
            let runs: RunsShape = self.send(call).await?.read()?;
            checks.extend(runs.check_runs.into_iter().map(RunShape::check));
            if page * PER_PAGE >= runs.total_count {
                break;
            }
        }
        for page in 1..=PAGES_MAX {
            let route = commit(sha).fixed("/status");
            let call = Call::get("read the commit's statuses", paged(route, page));
            let combined: CombinedShape = self.send(call).await?.read()?;
            checks.extend(combined.statuses.into_iter().map(StatusShape::check));
            if page * PER_PAGE >= combined.total_count {
                break;
            }
        }
        Ok(checks)
    }

    /// Whether a commit has workflows of GitHub Actions.
    pub async fn has_workflows(&self, sha: &str) -> Result<bool, GithubError> {
        let route = Route::new("/contents/").path(WORKFLOWS).query("ref", sha);
        let call = Call::get("look for workflows", route);
        let Some(answer) = self.send_for(call).await? else {
            return Ok(false);
        };
        // A file in the folder's place is no list.
        let entries: Vec<EntryShape> = answer.read().unwrap_or_default();
        let is_workflow = |name: &str| name.ends_with(".yml") || name.ends_with(".yaml");
        Ok(entries.iter().any(|entry| is_workflow(&entry.name)))
    }
}

fn commit(sha: &str) -> Route {
    Route::new("/commits/").segment(sha)
}

fn paged(route: Route, page: u64) -> Route {
    route
        .query("per_page", &PER_PAGE.to_string())
        .query("page", &page.to_string())
}

impl RunShape {
    fn check(self) -> Check {
        let OutputShape {
            title,
            summary,
            text,
            annotations_count,
        } = self.output;
        let said = [title, summary, text].into_iter().flatten();
        let actions = self.app.as_ref().and_then(|app| app.slug.as_deref()) == Some(ACTIONS);
        Check {
            words: CheckWords {
                run: Some(self.id),
                said: said.collect::<Vec<_>>().join("\n"),
                has_annotations: annotations_count > 0,
                has_log: actions,
            },
            state: CheckState::of_run(&self.status, self.conclusion.as_deref()),
            id: CheckId {
                name: self.name,
                made_by: CheckMaker::App(self.app.map(|app| app.id)),
            },
            completed_at: self.completed_at.as_deref().and_then(Timestamp::parse),
        }
    }
}

impl StatusShape {
    fn check(self) -> Check {
        let state = CheckState::of_status(&self.state);
        let updated_at = self.updated_at.as_deref().and_then(Timestamp::parse);
        Check {
            id: CheckId {
                name: self.context,
                made_by: CheckMaker::Status,
            },
            state,
            words: CheckWords {
                said: self.description.unwrap_or_default(),
                ..CheckWords::default()
            },
            completed_at: updated_at.filter(|_| state != CheckState::Running),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, found, missing, repository};
    use serde_json::{Value, json};

    const RUNS: &str = "GET /repos/octo/hello/commits/c1/check-runs?per_page=100&page=1";
    const RUNS_2: &str = "GET /repos/octo/hello/commits/c1/check-runs?per_page=100&page=2";
    const STATUS: &str = "GET /repos/octo/hello/commits/c1/status?per_page=100&page=1";
    const FOLDER: &str = "GET /repos/octo/hello/contents/.github/workflows?ref=c1";

    fn run(name: &str, conclusion: Option<&str>) -> Value {
        let status = if conclusion.is_some() {
            "completed"
        } else {
            "in_progress"
        };
        let completed_at = conclusion.map(|_| "2026-11-20T10:00:00Z");
        json!({ "id": 4, "name": name, "status": status, "conclusion": conclusion, "completed_at": completed_at,
            "pull_requests": [] })
    }

    fn runs(total: u64, runs: &[Value]) -> Value {
        json!({ "total_count": total, "check_runs": runs })
    }

    fn statuses(statuses: &[Value]) -> Value {
        json!({ "state": "pending", "total_count": statuses.len(), "statuses": statuses })
    }

    #[tokio::test]
    async fn every_page_of_runs_and_statuses_is_read() {
        let hundred = vec![run("matrix", Some("success")); 100];
        let context =
            json!({ "context": "ci/old", "state": "error", "updated_at": "2026-11-20T11:00:00Z" });
        let peer = Peer::script([
            found(RUNS, runs(101, &hundred)),
            found(RUNS_2, runs(101, &[run("last", None)])),
            found(STATUS, statuses(&[context])),
        ]);
        let checks = repository(&peer)
            .await
            .checks_list("c1")
            .await
            .expect("checks");
        assert_eq!(checks.len(), 102);
        assert_eq!(
            (checks[0].state, checks[0].completed_at),
            (CheckState::Passed, Timestamp::parse("2026-11-20T10:00:00Z"))
        );
        assert_eq!(
            (checks[100].id.name.as_str(), checks[100].state),
            ("last", CheckState::Running)
        );
        assert_eq!(
            (checks[101].id.name.as_str(), checks[101].state),
            ("ci/old", CheckState::Failed)
        );
    }

    #[tokio::test]
    async fn a_missing_right_differs_from_a_server_without_checks() {
        let message = json!({ "message": "Resource not accessible by integration" });
        // GitHub may not know a new token's permissions yet, so the request is repeated.
        let peer = Peer::script([(); 6].map(|()| (RUNS, Reply::json(403, message.clone()))));
        let refused = repository(&peer).await.checks_list("c1").await;
        assert!(
            matches!(refused, Err(GithubError::NoAccess { .. })),
            "{refused:?}"
        );
        let peer = Peer::script([missing(RUNS)]);
        let unknown = repository(&peer).await.checks_list("c1").await;
        assert!(
            matches!(unknown, Err(GithubError::NotThere { .. })),
            "{unknown:?}"
        );
    }

    #[tokio::test]
    async fn workflows_are_files_in_their_folder() {
        for (answer, expected) in [
            (json!([{ "name": "ci.yml" }]), true),
            (
                json!([{ "name": "old.txt" }, { "name": "test.yaml" }]),
                true,
            ),
            (json!([{ "name": "README.md" }]), false),
            (json!({ "type": "file", "name": "workflows" }), false),
        ] {
            let peer = Peer::script([found(FOLDER, answer)]);
            let has = repository(&peer).await.has_workflows("c1").await;
            assert_eq!(has.expect("an answer"), expected);
        }
        let peer = Peer::script([missing(FOLDER)]);
        assert!(
            !repository(&peer)
                .await
                .has_workflows("c1")
                .await
                .expect("an answer")
        );
    }
}
